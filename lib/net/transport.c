/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Byte streams over TCP, clear or TLS; see transport.h.
 *
 * States: RESOLVE → CONNECT → (HANDSHAKE) → OPEN → CLOSING; adopted sockets start at HANDSHAKE or
 * OPEN. Everything waits in `queue` as plaintext and is encrypted only as fast as the socket takes
 * it, so references to shared bytes stay references as long as possible.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/net/transport_priv.h"

enum {
    DEFAULT_LOW_WATER = 16 * 1024,
};

/* ---- end of life */

void net_conn_release(struct net_conn *c)
{
    static const struct rk_err orderly;
    struct net_conn_user *user = c->user;
    struct rk_list *node;

    if (c->watch_open || c->resolving)
        return; /* their callbacks come here again */
    rk_list_remove(&c->turn.link);
    user->ops->closed(user, c->err ? c->err : &orderly);
    while ((node = c->queue.next) != &c->queue)
        net_chunk_free(rk_container_of(node, struct net_chunk, link));
    tls_sess_free(c->tls);
    rk_buf_done(&c->cipher);
    rk_buf_done(&c->stash);
    net_dial_free(c);
    free(c->err);
    if (c->hook)
        c->hook->gone(c->hook);
    free(c);
}

static void release_task(struct rk_task *t)
{
    net_conn_release(rk_container_of(t, struct net_conn, turn));
}

/* The one way to the end; why NULL or RK_OK: an orderly end. */
void net_conn_end(struct net_conn *c, const struct rk_err *why)
{
    if (c->state == ST_CLOSING)
        return;
    c->state = ST_CLOSING;
    if (why && why->code) {
        c->err = rk_malloc(sizeof *c->err);
        *c->err = *why;
    }
    rk_timer_cancel(&c->timer);
    rk_list_remove(&c->turn.link);
    rk_list_remove(&c->shake.link);
    if (c->resolving)
        tcp_resolve_cancel(&c->dial->resolve);
    if (c->watch_open)
        tcp_watch_close(&c->watch);
    else if (!c->resolving) { /* between two addresses: nothing to wait for */
        c->turn.run = release_task;
        rk_loop_defer(c->loop, &c->turn);
    }
}

void net_conn_fail_errno(struct net_conn *c, enum rk_code code, int errnum, const char *what)
{
    struct rk_err err = {0};

    (void)rk_fail_errno(&err, errnum == ETIMEDOUT ? RK_TIMEOUT : code, errnum, "%s", what);
    net_conn_end(c, &err);
}

/* ---- the socket */

void net_conn_update_watch(struct net_conn *c)
{
    if (c->watch_open && c->state != ST_CLOSING)
        tcp_watch_set(&c->watch,
                      c->draining || (!c->paused && !c->finishing && c->state != ST_CONNECT &&
                                      !rk_list_linked(&c->shake.link)),
                      c->blocked || c->state == ST_CONNECT);
}

void net_conn_timeout(void *arg)
{
    struct net_conn *c = arg;
    struct rk_err err = {0};

    if (c->state == ST_CONNECT) {
        net_conn_next_after(c, ETIMEDOUT);
        return;
    }
    (void)rk_fail(&err, RK_TIMEOUT,
                  c->state == ST_HANDSHAKE ? "TLS handshake timed out"
                  : c->finishing           ? "peer took no data"
                                           : "connecting timed out");
    net_conn_end(c, &err);
}

static void watch_ready(struct tcp_watch *w, bool readable, bool writable)
{
    struct net_conn *c = rk_container_of(w, struct net_conn, watch);

    if (c->state == ST_CLOSING)
        return;
    if (c->state == ST_CONNECT) {
        int e = tcp_error(w->fd);

        if (e)
            net_conn_next_after(c, e);
        else if (writable)
            net_conn_connected(c);
        return;
    }
    if (readable)
        net_conn_readable(c);
    if (writable && c->state != ST_CLOSING) {
        c->blocked = false;
        if (net_conn_flush(c))
            net_conn_tell_drained(c);
    }
    net_conn_update_watch(c);
}

static void watch_closed(struct tcp_watch *w)
{
    struct net_conn *c = rk_container_of(w, struct net_conn, watch);

    c->watch_open = false;
    if (c->state == ST_CLOSING)
        net_conn_release(c);
    else
        net_conn_try_next(c);
}

enum rk_code net_conn_watch(struct net_conn *c, int fd, struct rk_err *err)
{
    enum rk_code rc = tcp_watch_init(c->loop, &c->watch, fd, err);

    if (rc)
        return rc;
    c->watch.ready = watch_ready;
    c->watch.closed = watch_closed;
    c->watch_open = true;
    return RK_OK;
}

struct net_conn *net_conn_new(struct rk_loop *loop, struct net_conn_user *user)
{
    struct net_conn *c = rk_calloc(1, sizeof *c);

    c->loop = loop;
    c->user = user;
    c->low_water = DEFAULT_LOW_WATER;
    c->read_max = NET_READ_BYTES;
    c->last_rx_ms = rk_loop_now_ms(loop);
    c->turn.run = net_conn_turn;
    c->shake.run = net_conn_shake;
    c->tls_user.output = net_conn_tls_output;
    rk_list_init(&c->queue);
    rk_buf_init(&c->cipher, NET_CIPHER_MAX);
    rk_buf_init(&c->stash, NET_READ_BYTES * 2);
    return c;
}

enum rk_code net_conn_adopt(struct rk_loop *loop, int fd, const struct rk_addr *peer,
                            struct tls_ctx *tls, struct net_conn_user *user, struct net_conn **out,
                            struct rk_err *err)
{
    struct net_conn *c = net_conn_new(loop, user);
    enum rk_code rc;

    c->peer = *peer;
    rc = net_conn_watch(c, fd, err);
    if (rc) {
        free(c);
        return rc;
    }
    c->state = ST_OPEN;
    if (tls) {
        c->state = ST_HANDSHAKE;
        rc = tls_sess_new(tls, NULL, NULL, &c->tls_user, &c->tls, err);
    }
    if (rc) { /* not with a server context; closed() must not come */
        abort();
    }
    net_conn_update_watch(c);
    *out = c;
    return RK_OK;
}

/* ---- control */

void net_conn_set_low_water(struct net_conn *c, size_t bytes)
{
    c->low_water = bytes;
}

void net_conn_set_read_max(struct net_conn *c, size_t n)
{
    c->read_max = n < NET_READ_LEAST ? NET_READ_LEAST : rk_min_size(n, NET_READ_BYTES);
}

void net_conn_pause(struct net_conn *c)
{
    c->paused = true;
    c->resumed = false;
    net_conn_update_watch(c);
}

void net_conn_resume(struct net_conn *c)
{
    if (!c->paused || c->state == ST_CLOSING)
        return;
    c->paused = false;
    net_conn_update_watch(c);
    if (c->tls) { /* bytes may wait inside TLS where the socket shows nothing */
        c->resumed = true;
        rk_loop_defer(c->loop, &c->turn);
    }
}

void net_conn_close(struct net_conn *c)
{
    if (c->state == ST_CLOSING)
        return;
    if (c->state == ST_OPEN) {
        c->finishing = true;
        if (!net_conn_flush(c)) /* also closes when all has left */
            return;
    }
    net_conn_end(c, NULL);
}

void net_conn_fail(struct net_conn *c, const struct rk_err *why)
{
    if (c->state == ST_CLOSING)
        return;
    if (c->state == ST_OPEN && !net_conn_flush(c))
        return;
    net_conn_end(c, why);
}

void net_conn_finish(struct net_conn *c, int64_t timeout_ms)
{
    if (c->state == ST_CLOSING || c->finishing)
        return;
    if (c->state != ST_OPEN) {
        net_conn_end(c, NULL);
        return;
    }
    c->finishing = c->linger = true;
    rk_timer_start(c->loop, &c->timer, timeout_ms, net_conn_timeout, c);
    net_conn_update_watch(c);
    rk_loop_defer(c->loop, &c->turn);
}

void net_conn_set_user(struct net_conn *c, struct net_conn_user *user)
{
    c->user = user;
}

void net_conn_set_hook(struct net_conn *c, struct net_conn_hook *h)
{
    c->hook = h;
}

struct rk_loop *net_conn_loop(const struct net_conn *c)
{
    return c->loop;
}

const struct rk_addr *net_conn_peer(const struct net_conn *c)
{
    return &c->peer;
}

enum rk_code net_conn_local(const struct net_conn *c, struct rk_addr *out, struct rk_err *err)
{
    if (!c->watch_open || c->state < ST_HANDSHAKE)
        return rk_fail(err, RK_PRECONDITION, "not connected");
    return tcp_local(c->watch.fd, out, err);
}

bool net_conn_is_tls(const struct net_conn *c)
{
    return c->tls != NULL || c->tls_ctx != NULL;
}

struct rk_str net_conn_alpn(const struct net_conn *c)
{
    return c->tls ? tls_sess_alpn(c->tls) : (struct rk_str){0};
}

int64_t net_conn_last_rx_ms(const struct net_conn *c)
{
    return c->last_rx_ms;
}
