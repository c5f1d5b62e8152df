/* SPDX-License-Identifier: BSD-3-Clause */
/* Connecting: the name's addresses in turn, then TLS; see transport.h. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/net/transport_priv.h"

enum {
    DEFAULT_TIMEOUT_MS = 30000,
    TRY_MS = 3000, /* for an address when there are others (broken IPv6 is common) */
};

void net_dial_free(struct net_conn *c)
{
    if (!c->dial)
        return;
    free(c->dial->sni);
    free(c->dial->alpn);
    free(c->dial);
    c->dial = NULL;
}

void net_conn_connected(struct net_conn *c)
{
    struct rk_err err = {0};

    tcp_tune(c->watch.fd);
    if (c->dial->dead_ms)
        tcp_dead_after(c->watch.fd, c->dial->dead_ms);
    c->blocked = false;
    if (c->tls_ctx) {
        c->state = ST_HANDSHAKE;
        rk_timer_start(c->loop, &c->timer, c->dial->deadline_ms - rk_loop_now_ms(c->loop),
                       net_conn_timeout, c);
        if (tls_sess_new(c->tls_ctx, c->dial->sni, c->dial->alpn, &c->tls_user, &c->tls, &err)) {
            net_conn_end(c, &err);
            return;
        }
        net_dial_free(c);
        if (net_conn_handshake(c))
            (void)net_conn_flush(c);
        return;
    }
    c->state = ST_OPEN;
    net_dial_free(c);
    rk_timer_cancel(&c->timer);
    if (c->user->ops->opened)
        c->user->ops->opened(c->user);
    if (c->state == ST_OPEN)
        (void)net_conn_flush(c);
}

/* This address failed: remember why and close the socket; watch_closed tries the next one. */
void net_conn_next_after(struct net_conn *c, int errnum)
{
    char text[RK_ADDR_TEXT];

    (void)rk_fail_errno(&c->dial->err, RK_UNAVAILABLE, errnum, "connect to %s",
                        rk_addr_format(&c->peer, text).p);
    rk_timer_cancel(&c->timer);
    tcp_watch_close(&c->watch);
}

static enum rk_code try_one(struct net_conn *c, struct rk_err *err)
{
    char text[RK_ADDR_TEXT];
    enum rk_code rc;
    int fd;

    rc = tcp_socket(&c->peer, c->dial->fwmark, &fd, err);
    if (rc)
        return rc;
    rc = c->dial->socket_hook ? c->dial->socket_hook(c->dial->hook_arg, fd, err) : RK_OK;
    if (rc == RK_OK && !tcp_connect(fd, &c->peer))
        rc = rk_fail_errno(err, RK_UNAVAILABLE, errno, "connect to %s",
                           rk_addr_format(&c->peer, text).p);
    if (rc) {
        (void)close(fd);
        return rc;
    }
    return net_conn_watch(c, fd, err);
}

void net_conn_try_next(struct net_conn *c)
{
    int64_t left = c->dial->deadline_ms - rk_loop_now_ms(c->loop), share;
    struct rk_err why;

    c->state = ST_CONNECT;
    while (c->dial->next_addr < c->dial->n_addrs && left > 0) {
        size_t n = c->dial->n_addrs - c->dial->next_addr;

        c->peer = c->dial->addrs[c->dial->next_addr++];
        if (try_one(c, &c->dial->err))
            continue;
        share = n > 1 ? rk_min_i64(left, TRY_MS) : left;
        rk_timer_start(c->loop, &c->timer, share, net_conn_timeout, c);
        net_conn_update_watch(c);
        return;
    }
    why = c->dial->err;
    if (!why.code)
        (void)rk_fail(&why, RK_TIMEOUT, "connecting timed out");
    net_conn_end(c, &why);
}

static void try_task(struct rk_task *t)
{
    struct net_conn *c = rk_container_of(t, struct net_conn, turn);

    c->turn.run = net_conn_turn;
    net_conn_try_next(c);
}

static void resolved(struct tcp_resolve *r, const struct rk_addr *addrs, size_t n,
                     const struct rk_err *why)
{
    struct net_conn *c = rk_container_of(r, struct net_dial, resolve)->conn;

    c->resolving = false;
    if (c->state == ST_CLOSING) {
        net_conn_release(c);
        return;
    }
    if (!n) {
        net_conn_end(c, why);
        return;
    }
    if (n)
        memcpy(c->dial->addrs, addrs, n * sizeof *addrs);
    c->dial->n_addrs = n;
    net_conn_try_next(c);
}

enum rk_code net_conn_connect(struct rk_loop *loop, const struct net_connect_opts *opts,
                              struct net_conn_user *user, struct net_conn **out, struct rk_err *err)
{
    struct net_conn *c;
    struct rk_str host = rk_str_z(opts->host);
    int64_t timeout = opts->timeout_ms > 0 ? opts->timeout_ms : DEFAULT_TIMEOUT_MS;
    enum rk_code rc = RK_OK;

    if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
        host = rk_str_sub(host, 1, host.n - 2);
    if (!host.n || host.n > 253 || !opts->port)
        return rk_fail(err, RK_INVALID, "connect: bad host or port");
    c = net_conn_new(loop, user);
    c->dial = rk_calloc(1, sizeof *c->dial);
    c->dial->conn = c;
    c->tls_ctx = opts->tls;
    c->dial->sni = rk_str_dupz(opts->sni ? rk_str_z(opts->sni) : host);
    c->dial->alpn = opts->alpn ? rk_str_dupz(rk_str_z(opts->alpn)) : NULL;
    c->dial->fwmark = opts->fwmark;
    c->dial->dead_ms = opts->dead_ms;
    c->dial->socket_hook = opts->socket_hook;
    c->dial->hook_arg = opts->hook_arg;
    c->dial->deadline_ms = rk_loop_now_ms(loop) + timeout;
    c->state = ST_RESOLVE;
    if (rk_ip_parse(host, &c->dial->addrs[0].ip, NULL) == RK_OK) {
        c->dial->addrs[0].port = opts->port;
        c->dial->n_addrs = 1;
        c->turn.run = try_task;
        rk_loop_defer(loop, &c->turn);
    } else {
        RK_CLEANUP(rk_freep) char *name = rk_str_dupz(host);

        rc = tcp_resolve_start(loop, &c->dial->resolve, name, opts->port, err);
        c->dial->resolve.done = resolved;
        c->resolving = rc == RK_OK;
        if (rc == RK_OK)
            rk_timer_start(loop, &c->timer, timeout, net_conn_timeout, c);
    }
    if (rc) {
        net_dial_free(c);
        free(c);
        return rc;
    }
    *out = c;
    return RK_OK;
}
