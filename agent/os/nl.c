/* SPDX-License-Identifier: BSD-3-Clause */
/* Netlink questions over libmnl; see nl.h. */
#include "config.h"

#include "agent/os/nl.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "lib/base/pages.h"
#include "lib/base/str.h"

/* The kernel answers at once; this only keeps a kernel bug from hanging the agent. */
#define NL_ANSWER_TIMEOUT_S 5

struct nl_sock { /* as pages: few messages are long */
    struct mnl_socket *nl;
    unsigned port;
    uint32_t seq;
    _Alignas(8) char out[NL_MSG_SIZE];
    _Alignas(8) char in[NL_MSG_SIZE * 4]; /* dumps come in chunks of up to 32 KiB */
};

struct question { /* what the libmnl callback gets */
    struct nl_reader *reader;
    struct rk_err *err;
    enum rk_code rc;
};

enum rk_code nl_open(int bus, struct nl_sock **out, struct rk_err *err)
{
    struct nl_sock *s = rk_pages_new(sizeof *s);
    struct timeval tv = {.tv_sec = NL_ANSWER_TIMEOUT_S};
    int on = 1;

    s->nl = mnl_socket_open2(bus, SOCK_CLOEXEC);
    if (!s->nl || mnl_socket_bind(s->nl, 0, MNL_SOCKET_AUTOPID) < 0) {
        enum rk_code rc = rk_fail_errno(err, RK_INTERNAL, errno, "netlink socket");

        nl_close(s);
        return rc;
    }
    s->port = mnl_socket_get_portid(s->nl);
    (void)setsockopt(mnl_socket_get_fd(s->nl), SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    /* the kernel's own words in answers are not needed, and the capped form keeps them short */
    (void)mnl_socket_setsockopt(s->nl, NETLINK_CAP_ACK, &on, sizeof on);
    *out = s;
    return RK_OK;
}

void nl_close(struct nl_sock *s)
{
    if (!s)
        return;
    if (s->nl)
        (void)mnl_socket_close(s->nl);
    rk_pages_free(s, sizeof *s);
}

struct nlmsghdr *nl_begin(struct nl_sock *s, uint16_t type, uint16_t flags)
{
    struct nlmsghdr *h = mnl_nlmsg_put_header(s->out);

    h->nlmsg_type = type;
    h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
    if ((flags & NLM_F_DUMP) != NLM_F_DUMP)
        h->nlmsg_flags |= NLM_F_ACK;
    h->nlmsg_seq = ++s->seq;
    return h;
}

size_t nl_room(const struct nl_sock *s)
{
    return sizeof s->out;
}

static enum rk_code code_of(int errnum)
{
    switch (errnum) {
    case EEXIST:
        return RK_EXISTS;
    case ENOENT:
    case ESRCH:
    case ENODEV:
    case EADDRNOTAVAIL:
        return RK_NOT_FOUND;
    case EPERM:
    case EACCES:
        return RK_FORBIDDEN;
    case EINVAL:
    case ERANGE:
        return RK_INVALID;
    case EOPNOTSUPP:
    case EAFNOSUPPORT:
    case EPROTONOSUPPORT:
        return RK_PRECONDITION;
    case EBUSY:
    case EAGAIN:
    case EINTR: /* the table changed under a dump */
        return RK_UNAVAILABLE;
    default:
        return RK_INTERNAL;
    }
}

static int on_message(const struct nlmsghdr *h, void *arg)
{
    struct question *q = arg;

    if (!q->reader)
        return MNL_CB_OK;
    q->rc = q->reader->message(q->reader, h, q->err);
    return q->rc == RK_OK ? MNL_CB_OK : MNL_CB_ERROR;
}

/* A dump that our reader gave up on: take the rest off the socket, or the next question reads it.
 */
static void drain(struct nl_sock *s)
{
    struct timeval tv = {.tv_sec = NL_ANSWER_TIMEOUT_S};
    int fd = mnl_socket_get_fd(s->nl);

    while (recv(fd, s->in, sizeof s->in, MSG_DONTWAIT) > 0)
        ;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
}

enum rk_code nl_ask(struct nl_sock *s, struct nlmsghdr *h, struct nl_reader *r, const char *what,
                    struct rk_err *err)
{
    struct question q = {.reader = r, .err = err};
    uint32_t seq = h->nlmsg_seq;
    int more;

    if (mnl_socket_sendto(s->nl, h, h->nlmsg_len) < 0)
        return rk_fail_errno(err, RK_INTERNAL, errno, "%s: send", what);
    do {
        ssize_t n = mnl_socket_recvfrom(s->nl, s->in, sizeof s->in);

        if (n < 0 && errno == EINTR) {
            more = MNL_CB_OK;
            continue;
        }
        if (n < 0)
            return rk_fail_errno(err, RK_INTERNAL, errno, "%s: receive", what);
        more = mnl_cb_run(s->in, (size_t)n, seq, s->port, on_message, &q);
        if (more < 0 && errno == EPROTO && q.rc == RK_OK)
            more =
                MNL_CB_OK; /* libmnl's word for another sequence number: an old answer, read on */
    } while (more > 0);
    if (more == 0)
        return RK_OK;
    if (q.rc != RK_OK) {
        drain(s);
        return q.rc;
    }
    return rk_fail_errno(err, code_of(errno), errno, "%s", what);
}

struct family_reader {
    struct nl_reader r;
    uint16_t id;
};

static enum rk_code on_family(struct nl_reader *r, const struct nlmsghdr *h,
                              struct rk_err *err RK_UNUSED)
{
    struct family_reader *f = rk_container_of(r, struct family_reader, r);
    const struct nlattr *a;

    NL_FOR_EACH (a, h, sizeof(struct genlmsghdr)) {
        if (mnl_attr_get_type(a) == CTRL_ATTR_FAMILY_ID && mnl_attr_validate(a, MNL_TYPE_U16) == 0)
            f->id = mnl_attr_get_u16(a);
    }
    return RK_OK;
}

enum rk_code nl_family(struct nl_sock *s, const char *name, uint16_t *out, struct rk_err *err)
{
    struct family_reader f = {.r.message = on_family};
    struct nlmsghdr *h = nl_begin(s, GENL_ID_CTRL, 0);
    struct genlmsghdr *g = mnl_nlmsg_put_extra_header(h, sizeof *g);
    enum rk_code rc;

    g->cmd = CTRL_CMD_GETFAMILY;
    g->version = 1;
    mnl_attr_put_strz(h, CTRL_ATTR_FAMILY_NAME, name);
    rc = nl_ask(s, h, &f.r, name, err);
    if (rc)
        return rc;
    if (!f.id)
        return rk_fail(err, RK_NOT_FOUND, "netlink family %s has no number", name);
    *out = f.id;
    return RK_OK;
}
