/* SPDX-License-Identifier: BSD-3-Clause */
/* Stream sockets; see tcp.h. */
#include "config.h"

#include "lib/net/tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/loop_uv.h"
#include "lib/base/num.h"
#include "lib/base/str.h"
#include "lib/net/lsock.h"
#include "lib/net/way.h"

enum {
    LISTEN_BACKLOG = 4096, /* a restart brings all peers back at once */
    KEEP_IDLE_S = 120,
    KEEP_INTERVAL_S = 30,
    KEEP_COUNT = 4,
    UNACKED_MS = 60000,
    /* Unsent bytes in the kernel: the rest waits in our queues, where it can still be replaced. */
    NOTSENT_BYTES = 128 * 1024,
};

static void set_int(int fd, int level, int name, int value)
{
    (void)setsockopt(fd, level, name, &value, sizeof value);
}

enum rk_code tcp_socket(const struct rk_addr *to, uint32_t fwmark, int *out, struct rk_err *err)
{
    int family = to->ip.family == 6 ? AF_INET6 : AF_INET;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return rk_fail_errno(err, RK_UNAVAILABLE, errno, "socket");
    if (fwmark && setsockopt(fd, SOL_SOCKET, SO_MARK, &fwmark, sizeof fwmark)) {
        int e = errno;

        (void)close(fd);
        return rk_fail_errno(err, RK_UNAVAILABLE, e, "mark socket");
    }
    *out = fd;
    return RK_OK;
}

void tcp_tune(int fd)
{
    set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_S);
    set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEP_INTERVAL_S);
    set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEP_COUNT);
    set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, UNACKED_MS);
    set_int(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, NOTSENT_BYTES);
}

void tcp_dead_after(int fd, int64_t ms)
{
    int s = (int)rk_max_i64(1, ms / 1000);

    set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, s);
    set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, s < 4 ? 1 : s / 4);
    set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)ms);
}

bool tcp_connect(int fd, const struct rk_addr *to)
{
    struct sockaddr_storage ss;
    socklen_t len = rk_addr_to_sa(to, &ss);

    net_way(&to->ip, true);
    return connect(fd, (const struct sockaddr *)&ss, len) == 0 || errno == EINPROGRESS;
}

int tcp_error(int fd)
{
    int e = 0;
    socklen_t len = sizeof e;

    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len) ? errno : e;
}

static enum rk_code listen_on(const struct rk_addr *addr, bool v6only, bool reuseport, int *out,
                              struct rk_err *err)
{
    char text[RK_ADDR_TEXT];
    struct sockaddr_storage ss;
    socklen_t len = rk_addr_to_sa(addr, &ss);
    int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int e;

    if (fd < 0)
        return rk_fail_errno(err, RK_UNAVAILABLE, errno, "socket");
    set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (reuseport)
        set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (ss.ss_family == AF_INET6)
        set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, v6only);
    if (bind(fd, (const struct sockaddr *)&ss, len) == 0 && listen(fd, LISTEN_BACKLOG) == 0) {
        *out = fd;
        return RK_OK;
    }
    e = errno;
    (void)close(fd);
    return rk_fail_errno(err, RK_UNAVAILABLE, e, "listen on %s%s", rk_addr_format(addr, text).p,
                         lsock_advice(e));
}

enum rk_code tcp_listen(const struct rk_addr *addr, bool reuseport, int *out, struct rk_err *err)
{
    struct rk_addr any = {.ip = {.family = 6}, .port = addr->port};
    struct rk_err ignored;
    int probe;

    if (addr->ip.family)
        return listen_on(addr, true, reuseport, out, err);
    probe = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe >= 0) {
        enum rk_code rc = listen_on(&any, false, reuseport, out, &ignored);

        (void)close(probe);
        if (rc == RK_OK)
            return rc;
    }
    any.ip.family = 4; /* IPv6 is switched off, or a second try names the real reason */
    return listen_on(&any, true, reuseport, out, err);
}

bool tcp_shares_port(int fd)
{
    int on = 0;
    socklen_t len = sizeof on;

    return getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, &len) == 0 && on;
}

int tcp_accept(int listener, struct rk_addr *peer)
{
    struct sockaddr_storage ss = {0};
    socklen_t len = sizeof ss;
    int fd = accept4(listener, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0 && rk_addr_from_sa((const struct sockaddr *)&ss, peer, NULL))
        *peer = (struct rk_addr){0};
    return fd;
}

enum rk_code tcp_local(int fd, struct rk_addr *out, struct rk_err *err)
{
    struct sockaddr_storage ss = {0};
    socklen_t len = sizeof ss;

    if (getsockname(fd, (struct sockaddr *)&ss, &len))
        return rk_fail_errno(err, RK_UNAVAILABLE, errno, "getsockname");
    return rk_addr_from_sa((const struct sockaddr *)&ss, out, err);
}

ssize_t tcp_peek(int fd, void *buf, size_t size)
{
    return recv(fd, buf, size, MSG_PEEK | MSG_DONTWAIT);
}

void tcp_set_low_water(int fd, size_t n)
{
    set_int(fd, SOL_SOCKET, SO_RCVLOWAT, (int)n);
}

static void watch_ready(uv_poll_t *uv, int status, int events)
{
    struct tcp_watch *w = rk_container_of(uv, struct tcp_watch, uv);
    bool in = events & UV_READABLE, out = events & UV_WRITABLE;

    if (status < 0) { /* EPOLLERR: libuv has stopped the watch; the next read or write says why */
        w->events = 0;
        in = out = true;
    }
    w->ready(w, in, out);
}

enum rk_code tcp_watch_init(struct rk_loop *l, struct tcp_watch *w, int fd, struct rk_err *err)
{
    int rc = uv_poll_init(rk_loop_uv(l), &w->uv, fd);

    if (rc) {
        (void)close(fd);
        return rk_fail(err, RK_UNAVAILABLE, "watch socket: %s", uv_strerror(rc));
    }
    w->fd = fd;
    w->events = 0;
    w->keep_fd = false;
    return RK_OK;
}

void tcp_watch_set(struct tcp_watch *w, bool readable, bool writable)
{
    int events = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);

    if (events == w->events || uv_is_closing((uv_handle_t *)&w->uv))
        return;
    w->events = events;
    if (events)
        (void)uv_poll_start(&w->uv, events, watch_ready);
    else
        (void)uv_poll_stop(&w->uv);
}

static void watch_closed(uv_handle_t *h)
{
    struct tcp_watch *w = rk_container_of(h, struct tcp_watch, uv);

    if (!w->keep_fd)
        (void)close(w->fd);
    w->closed(w);
}

void tcp_watch_close(struct tcp_watch *w)
{
    if (!uv_is_closing((uv_handle_t *)&w->uv))
        uv_close((uv_handle_t *)&w->uv, watch_closed);
}

int tcp_watch_detach(struct tcp_watch *w)
{
    w->keep_fd = true;
    tcp_watch_close(w); /* also takes the socket out of epoll */
    return w->fd;
}

static void resolved(uv_getaddrinfo_t *uv, int status, struct addrinfo *res)
{
    struct tcp_resolve *r = rk_container_of(uv, struct tcp_resolve, uv);
    struct rk_addr v[TCP_RESOLVE_MAX];
    struct rk_err err = {0};
    size_t n = 0;

    for (struct addrinfo *ai = res; ai && n < TCP_RESOLVE_MAX; ai = ai->ai_next)
        if (rk_addr_from_sa(ai->ai_addr, &v[n], NULL) == RK_OK) {
            v[n].port = r->port;
            n++;
        }
    if (res)
        uv_freeaddrinfo(res);
    if (status == UV_ECANCELED)
        (void)rk_fail(&err, RK_CANCELLED, "cancelled");
    else if (status)
        (void)rk_fail(&err, RK_UNAVAILABLE, "resolve: %s", uv_strerror(status));
    else if (!n)
        (void)rk_fail(&err, RK_UNAVAILABLE, "resolve: no address");
    r->done(r, v, err.code ? 0 : n, &err);
}

enum rk_code tcp_resolve_system(struct rk_loop *l, struct tcp_resolve *r, const char *host,
                                uint16_t port, struct rk_err *err)
{
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    int rc;

    r->port = port;
    r->by = NULL;
    rc = uv_getaddrinfo(rk_loop_uv(l), &r->uv, resolved, host, NULL, &hints);
    if (rc)
        return rk_fail(err, RK_INVALID, "resolve %s: %s", host, uv_strerror(rc));
    return RK_OK;
}

void tcp_resolver_set(struct rk_loop *l, struct tcp_resolver *s)
{
    rk_loop_set_resolver(l, s);
}

enum rk_code tcp_resolve_start(struct rk_loop *l, struct tcp_resolve *r, const char *host,
                               uint16_t port, struct rk_err *err)
{
    struct tcp_resolver *by = rk_loop_resolver(l);

    if (!by)
        return tcp_resolve_system(l, r, host, port, err);
    r->port = port;
    r->by = by;
    by->start(by, r, host);
    return RK_OK;
}

void tcp_resolve_cancel(struct tcp_resolve *r)
{
    if (r->by)
        r->by->cancel(r->by, r);
    else
        (void)uv_cancel((uv_req_t *)&r->uv);
}
