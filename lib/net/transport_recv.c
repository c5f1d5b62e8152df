/* SPDX-License-Identifier: BSD-3-Clause */
/* What comes in on a connection: from the socket through TLS to the user; see transport.h. */
#include "config.h"

#include <errno.h>
#include <sys/socket.h>

#include "lib/net/transport_priv.h"

static bool stash_add(struct net_conn *c, struct rk_str s)
{
    struct rk_err err;

    rk_buf_add(&c->stash, s);
    if (!c->stash.full)
        return true;
    (void)rk_fail(&err, RK_LIMIT, "receive buffer full");
    net_conn_end(c, &err);
    return false;
}

static void deliver(struct net_conn *c, struct rk_str in)
{
    c->user->ops->data(c->user, in);
}

bool net_conn_handshake(struct net_conn *c)
{
    struct rk_err err = {0};
    bool done;

    if (tls_sess_handshake(c->tls, &done, &err)) {
        (void)net_conn_flush_cipher(c); /* the alert */
        net_conn_end(c, &err);
        return false;
    }
    if (done) {
        c->state = ST_OPEN;
        rk_timer_cancel(&c->timer);
        if (c->user->ops->opened)
            c->user->ops->opened(c->user);
        if (c->state == ST_CLOSING)
            return false;
    }
    if (!c->blocked)
        rk_loop_defer(c->loop, &c->turn);
    return true;
}

/* The plaintext of as many records as there are and fit, so that the user sees them together. *n is
 * set on errors, too: what came before. */
static enum rk_code read_records(struct net_conn *c, char *plain, size_t size, size_t *n, bool *eof,
                                 struct rk_err *err)
{
    enum rk_code rc;
    size_t part;

    *n = 0;
    do {
        part = 0;
        rc = tls_sess_read(c->tls, plain + *n, size - *n, &part, eof, err);
        *n += part;
    } while (rc == RK_OK && part && !*eof && *n < size);
    return rc;
}

/* Ciphertext came: everything in it goes to the user, or to the stash when the user pauses. */
static void take_cipher(struct net_conn *c, struct rk_str in)
{
    NO_INIT char plain[NET_READ_BYTES];
    struct rk_err err = {0};
    enum rk_code rc = RK_OK;
    bool eof = false;
    size_t n;

    tls_sess_feed(c->tls, in);
    if (c->state == ST_HANDSHAKE && !net_conn_handshake(c))
        return;
    while (c->state == ST_OPEN && !c->paused && !eof && rc == RK_OK) {
        rc = read_records(c, plain, sizeof plain, &n, &eof, &err);
        if (n)
            deliver(c, rk_str_of(plain, n));
        if (n < sizeof plain)
            break;
    }
    if (c->state == ST_CLOSING)
        return;
    if (rc) {
        (void)net_conn_flush_cipher(c);
        net_conn_end(c, &err);
        return;
    }
    n = tls_sess_unread(c->tls);
    if (n && !stash_add(c, rk_str_of(in.p + (in.n - n), n)))
        return;
    tls_sess_feed(c->tls, (struct rk_str){0});
    if (eof)
        net_conn_end(c, NULL);
    else if (c->cipher.n && !c->blocked) /* answers of TLS itself */
        rk_loop_defer(c->loop, &c->turn);
}

static void take(struct net_conn *c, struct rk_str in)
{
    if (c->tls)
        take_cipher(c, in);
    else
        deliver(c, in);
}

/* What waited while the conn was paused (TLS only: clear text waits in the kernel). */
static void take_stash(struct net_conn *c)
{
    struct rk_buf waiting = c->stash;

    rk_buf_init(&c->stash, NET_READ_BYTES * 2);
    take(c, rk_buf_str(&waiting));
    rk_buf_done(&waiting);
}

static bool may_read(const struct net_conn *c)
{
    if (c->state != ST_HANDSHAKE && c->state != ST_OPEN)
        return false;
    return c->draining || (!c->paused && !c->finishing);
}

void net_conn_readable(struct net_conn *c)
{
    NO_INIT char buf[NET_READ_BYTES];
    ssize_t n;

    if (may_read(c) && c->state == ST_OPEN && !c->draining && (c->resumed || c->stash.n)) {
        c->resumed = false;
        take_stash(c);
    }
    if (!may_read(c))
        return;
    if (c->state == ST_HANDSHAKE && !c->tls_ctx && !c->shaking) {
        rk_loop_later(c->loop, &c->shake);
        return;
    }
    do
        n = recv(c->watch.fd, buf, c->read_max, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n > 0 && c->draining)
        return;
    if (n > 0) {
        c->last_rx_ms = rk_loop_now_ms(c->loop);
        take(c, rk_str_of(buf, (size_t)n));
    } else if (n == 0) {
        if (c->state == ST_HANDSHAKE)
            net_conn_fail_errno(c, RK_UNAVAILABLE, ECONNRESET, "closed during TLS handshake");
        else
            net_conn_end(c, NULL);
    } else if (errno != EAGAIN && errno != EWOULDBLOCK) {
        net_conn_fail_errno(c, RK_UNAVAILABLE, errno, "receive");
    }
}

/* A signature takes longer than a thousand packets: newcomers do not hold up who is here. */
void net_conn_shake(struct rk_task *t)
{
    struct net_conn *c = rk_container_of(t, struct net_conn, shake);

    c->shaking = true;
    net_conn_readable(c);
    c->shaking = false;
    net_conn_update_watch(c);
}
