/* SPDX-License-Identifier: BSD-3-Clause */
/* Questions to the kernel; see rtsock.h. */
#include "config.h"

#include "agent/os/bsd/rtsock.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "agent/os/bsd/facts.h"
#include "lib/base/num.h"

#define RECEIVE_BYTES (1 << 20) /* a burst of changes must not push the answer out */
#define ANSWER_MAX    2048
#define WAIT_FIRST_MS 50
#define WAIT_MAX_MS   500

enum step { STEP_DONE, STEP_AGAIN, STEP_OVER };

static bool is_full(int e)
{
    return e == ENOBUFS || e == EAGAIN || e == BSD_ENOBUFS;
}

static enum rk_code judge(const struct rtmsg *a, struct rk_err *err)
{
    switch (a->error) {
    case 0:
        return RK_OK;
    case BSD_EEXIST:
        return rk_fail(err, RK_EXISTS, "there is such a route already");
    case BSD_ESRCH:
        return rk_fail(err, RK_NOT_FOUND, "there is no such route");
    default:
        return rk_fail(err, RK_INTERNAL, "the kernel refuses the route with error %d",
                       (int)a->error);
    }
}

/* Messages until the answer or the deadline, whatever else comes in between. */
static enum step wait_answer(const struct rtsock *s, int fd, const struct rtmsg *q,
                             struct rtmsg *answer, enum rk_code *rc, struct rk_err *err)
{
    int64_t until = rk_mono_ms() + RTSOCK_REPLY_MS;
    char buf[ANSWER_MAX];

    for (;;) {
        int64_t left = until - rk_mono_ms();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        struct rtmsg m;
        ssize_t n;

        if (left <= 0 || poll(&p, 1, (int)left) == 0)
            break;
        n = recv(fd, buf, sizeof buf, MSG_DONTWAIT);
        if (n < 0 && errno != EINTR && !is_full(errno)) {
            *rc = rk_fail_errno(err, RK_UNAVAILABLE, errno, "read the routing socket");
            return STEP_OVER;
        }
        if (n <= 0 || rtmsg_decode(s->layout, rk_str_of(buf, (size_t)n), &m, NULL) ||
            !rtmsg_answers(q, &m))
            continue;
        *answer = m;
        *rc = judge(&m, err);
        return STEP_DONE;
    }
    *rc = rk_fail(err, RK_TIMEOUT, "the kernel has not answered within %d ms", RTSOCK_REPLY_MS);
    return STEP_AGAIN;
}

static enum step attempt(struct rtsock *s, struct rtmsg *m, struct rtmsg *answer, enum rk_code *rc,
                         struct rk_err *err)
{
    uint8_t buf[RTMSG_MAX_BYTES];
    int fd = s->open(s), size = RECEIVE_BYTES, e;
    struct rk_str bytes;
    enum step step;

    if (fd < 0) {
        *rc = rk_fail_errno(err, RK_UNAVAILABLE, errno, "open a routing socket");
        return STEP_OVER;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    m->pid = s->pid;
    m->seq = ++s->seq;
    bytes = rtmsg_encode(s->layout, m, buf);
    if (send(fd, bytes.p, bytes.n, 0) < 0) {
        /* The answer to a refused message is also its errno; what is wrong with it stays wrong. */
        e = errno;
        step = is_full(e) ? STEP_AGAIN : STEP_OVER;
        answer->error = e;
        *rc = is_full(e) ? rk_fail_errno(err, RK_UNAVAILABLE, e, "write to the routing socket")
                         : judge(answer, err);
    } else {
        step = wait_answer(s, fd, m, answer, rc, err);
    }
    (void)close(fd);
    return step;
}

enum rk_code rtsock_ask(struct rtsock *s, struct rtmsg *m, unsigned attempts, struct rtmsg *answer,
                        struct rk_err *err)
{
    int64_t wait_ms = WAIT_FIRST_MS;
    struct rtmsg got = {0};
    enum rk_code rc = RK_TIMEOUT;

    for (unsigned i = 0; i < attempts; i++) {
        struct timespec ts = {.tv_nsec = wait_ms * 1000000};
        enum step step;

        if (i) {
            (void)nanosleep(&ts, NULL);
            wait_ms = rk_min_i64(2 * wait_ms, WAIT_MAX_MS);
        }
        step = attempt(s, m, &got, &rc, err);
        if (step != STEP_AGAIN)
            break;
    }
    if (rc == RK_OK && answer)
        *answer = got;
    return rc;
}
