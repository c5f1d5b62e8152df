/* SPDX-License-Identifier: BSD-3-Clause */
/* One request to the daemon; see client.h. */
#include "config.h"

#include "agent/control/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/control/proto.h"
#include "lib/base/buf.h"
#include "lib/base/num.h"
#include "lib/crypto/secret.h"

static enum rk_code dial(struct rk_str addr, int *out, struct rk_err *err)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    struct rk_str path;
    int fd, e;

    if (!ctl_path(addr, &path) || path.n >= sizeof sa.sun_path)
        return rk_fail(err, RK_INVALID, "daemon address \"%.*s\" is not unix:///PATH",
                       RK_STR_ARG(addr));
    memcpy(sa.sun_path, path.p, path.n);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return rk_fail_errno(err, RK_INTERNAL, errno, "socket");
    if (connect(fd, (const struct sockaddr *)&sa, sizeof sa) != 0) {
        e = errno;
        (void)close(fd);
        return rk_fail_errno(err, RK_UNAVAILABLE, e,
                             "no daemon at %s (\"sudo rook service start\", or \"sudo rook service "
                             "run\" where it is "
                             "no unit; --daemon-addr names another)",
                             sa.sun_path);
    }
    *out = fd;
    return RK_OK;
}

static enum rk_code send_all(int fd, struct rk_str s, struct rk_err *err)
{
    while (s.n) {
        ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return rk_fail_errno(err, RK_UNAVAILABLE, errno, "send to the daemon");
        s = rk_str_sub(s, (size_t)n, s.n);
    }
    return RK_OK;
}

static enum rk_code receive_line(int fd, int64_t until_ms, struct rk_buf *in, struct rk_err *err)
{
    for (;;) {
        int64_t left = until_ms - rk_mono_ms();
        struct timeval tv = {.tv_sec = (time_t)(left / 1000),
                             .tv_usec = (suseconds_t)(left % 1000 * 1000)};
        char *room = rk_buf_room(in, 16384);
        ssize_t n;

        if (left <= 0)
            return rk_fail(err, RK_TIMEOUT, "the daemon does not answer in time");
        if (!room)
            return rk_fail(err, RK_LIMIT, "the daemon's answer is too long");
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
        n = recv(fd, room, 16384, 0);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0)
            return rk_fail_errno(err, RK_UNAVAILABLE, errno, "receive from the daemon");
        if (n == 0)
            return rk_fail(err, RK_UNAVAILABLE, "the daemon ended before it answered");
        rk_buf_added(in, (size_t)n);
        if (in->p[in->n - 1] == '\n')
            return RK_OK;
    }
}

static enum rk_code code_of(const char *name)
{
    for (int c = RK_OK + 1; c < RK_CODE_COUNT; c++)
        if (name && strcmp(name, rk_code_name((enum rk_code)c)) == 0)
            return (enum rk_code)c;
    return RK_INTERNAL;
}

static enum rk_code read_answer(struct rk_str line, json_t **result, struct rk_err *err)
{
    json_t *msg = json_loadb(line.p, line.n, 0, NULL);
    const char *text = json_string_value(json_object_get(msg, "error"));
    enum rk_code rc = RK_OK;

    if (!msg)
        return rk_fail(err, RK_INTERNAL, "the daemon's answer cannot be read");
    if (json_is_true(json_object_get(msg, "ok")))
        *result = json_incref(json_object_get(msg, "result"));
    else
        rc = rk_fail(err, code_of(json_string_value(json_object_get(msg, "code"))), "%s",
                     text ? text : "unknown error");
    json_decref(msg);
    return rc;
}

enum rk_code ctl_call(struct rk_str addr, const char *call, json_t *args, int64_t timeout_ms,
                      json_t **result, struct rk_err *err)
{
    json_t *msg = json_pack("{s:s,s:o}", "call", call, "args", args ? args : json_object());
    char *text = json_dumps(msg, JSON_COMPACT);
    struct rk_buf in;
    enum rk_code rc;
    int fd = -1;

    json_decref(msg);
    rk_buf_init(&in, CTL_REPLY_MAX_BYTES);
    rc = text ? dial(addr, &fd, err) : rk_fail(err, RK_INTERNAL, "request cannot be written");
    if (rc == RK_OK)
        rc = send_all(fd, rk_str_z(text), err);
    if (rc == RK_OK)
        rc = send_all(fd, RK_STR("\n"), err);
    if (rc == RK_OK)
        rc = receive_line(fd, rk_mono_ms() + timeout_ms, &in, err);
    if (rc == RK_OK)
        rc = read_answer(rk_buf_str(&in), result, err);
    if (fd >= 0)
        (void)close(fd);
    if (text)
        rk_secret_wipe(text, strlen(text)); /* a setup key may be in it */
    free(text);
    rk_buf_done(&in);
    return rc;
}
