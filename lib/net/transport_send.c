/* SPDX-License-Identifier: BSD-3-Clause */
/* The send queue of a connection: pieces joined, encrypted as the socket takes them; see
 * transport.h. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "lib/base/num.h"
#include "lib/net/transport_priv.h"

enum {
    CHUNK_TINY_BYTES = 64,   /* between shared pieces: frame headers */
    CHUNK_FIRST_BYTES = 512, /* buffers for small sends, longer as more follow */
    CHUNK_NEXT_BYTES = 4 * 1024,
    CHUNK_BIG_BYTES = 32 * 1024,
    CIPHER_AHEAD = 64 * 1024, /* encrypted but not yet taken by the socket */
    RECORD_EXTRA = 64,        /* at most, of a record of TLS */
    COPY_BELOW = 512,         /* references shorter than this are copied instead */
    IOV_MAX_N = 64,
    FLUSH_BYTES = 1024 * 1024, /* per turn, so that one fast reader does not hold the loop */
    LINGER_MS = 1000,
};

void net_chunk_free(struct net_chunk *k)
{
    rk_list_remove(&k->link);
    rk_bytes_unref(k->shared);
    free(k);
}

void net_conn_tls_output(struct tls_sess_user *u, struct rk_str s)
{
    struct net_conn *c = rk_container_of(u, struct net_conn, tls_user);

    rk_buf_add(&c->cipher, s);
}

/* Write v to the socket; returns bytes taken, sets blocked, -1 after closing on an error. */
static ssize_t socket_write(struct net_conn *c, struct iovec *v, size_t n)
{
    struct msghdr m = {.msg_iov = v, .msg_iovlen = n};
    ssize_t sent;

    do
        sent = sendmsg(c->watch.fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        return sent;
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
        c->blocked = true;
        return 0;
    }
    if (c->state != ST_CLOSING)
        net_conn_fail_errno(c, RK_UNAVAILABLE, errno, "send");
    return -1;
}

static const char *chunk_bytes(const struct net_chunk *k)
{
    return (k->shared ? k->shared->p : k->data) + k->off;
}

static void queue_drop(struct net_conn *c, size_t n)
{
    c->queue_bytes -= n;
    while (n) {
        struct net_chunk *k = rk_container_of(c->queue.next, struct net_chunk, link);
        size_t part = rk_min_size(n, k->end - k->off);

        k->off += part;
        n -= part;
        if (k->off == k->end)
            net_chunk_free(k);
    }
}

/* Clear text: gather, write, drop what was taken. Returns bytes written, -1 when closing. */
static ssize_t flush_clear(struct net_conn *c)
{
    struct iovec v[IOV_MAX_N];
    size_t n = 0;
    ssize_t sent;

    RK_LIST_FOR_EACH (node, &c->queue) {
        struct net_chunk *k = rk_container_of(node, struct net_chunk, link);

        v[n].iov_base = (void *)(uintptr_t)chunk_bytes(k);
        v[n].iov_len = k->end - k->off;
        if (++n == IOV_MAX_N)
            break;
    }
    if (!n)
        return 0;
    sent = socket_write(c, v, n);
    if (sent > 0)
        queue_drop(c, (size_t)sent);
    return sent;
}

/* Encrypt up to one record from the front of the queue. */
static enum rk_code encrypt_some(struct net_conn *c, struct rk_err *err)
{
    NO_INIT char plain[NET_PLAIN_BYTES];
    struct net_chunk *k = rk_container_of(c->queue.next, struct net_chunk, link);
    size_t n = 0;
    enum rk_code rc;

    if (k->end - k->off >= NET_PLAIN_BYTES) { /* a full record from one piece: no copy */
        n = NET_PLAIN_BYTES;
        rc = tls_sess_write(c->tls, rk_str_of(chunk_bytes(k), n), err);
    } else {
        RK_LIST_FOR_EACH (node, &c->queue) {
            size_t part;

            k = rk_container_of(node, struct net_chunk, link);
            part = rk_min_size(sizeof plain - n, k->end - k->off);
            memcpy(plain + n, chunk_bytes(k), part);
            n += part;
            if (n == sizeof plain)
                break;
        }
        rc = tls_sess_write(c->tls, rk_str_of(plain, n), err);
    }
    if (rc == RK_OK)
        queue_drop(c, n);
    return rc;
}

ssize_t net_conn_flush_cipher(struct net_conn *c)
{
    struct iovec v = {.iov_base = c->cipher.p + c->cipher_off,
                      .iov_len = c->cipher.n - c->cipher_off};
    ssize_t sent;

    if (!v.iov_len)
        return 0;
    sent = socket_write(c, &v, 1);
    if (sent <= 0)
        return sent;
    c->cipher_off += (size_t)sent;
    if (c->cipher_off == c->cipher.n) { /* idle connections hold no buffer */
        rk_buf_done(&c->cipher);
        rk_buf_init(&c->cipher, NET_CIPHER_MAX);
        c->cipher_off = 0;
    }
    return sent;
}

static ssize_t flush_tls(struct net_conn *c)
{
    struct rk_err err = {0};

    if (c->cipher_off > CIPHER_AHEAD) {
        rk_buf_drop(&c->cipher, c->cipher_off);
        c->cipher_off = 0;
    }
    if (!c->cipher.p) { /* all at once instead of growing */
        size_t n = rk_min_size(c->queue_bytes, CIPHER_AHEAD + NET_PLAIN_BYTES);

        c->cipher.cap = n + (n / NET_PLAIN_BYTES + 1) * RECORD_EXTRA;
        c->cipher.p = rk_malloc(c->cipher.cap);
    }
    while (c->state == ST_OPEN && !rk_list_empty(&c->queue) &&
           c->cipher.n - c->cipher_off < CIPHER_AHEAD)
        if (encrypt_some(c, &err)) {
            net_conn_end(c, &err);
            return -1;
        }
    if (c->cipher.full) { /* cannot happen by sending; a peer that forces answers and never reads */
        (void)rk_fail(&err, RK_LIMIT, "TLS output limit");
        net_conn_end(c, &err);
        return -1;
    }
    return net_conn_flush_cipher(c);
}

static void linger_over(void *arg)
{
    net_conn_end(arg, NULL);
}

static bool all_sent(const struct net_conn *c)
{
    return rk_list_empty(&c->queue) && c->cipher_off == c->cipher.n;
}

/* All has left and the user wants the end. Closing while unread bytes wait would make the kernel
 * send a reset that may overtake our last answer, so the peer gets a moment to close first. */
static bool finished(struct net_conn *c)
{
    if (c->tls) {
        tls_sess_shutdown(c->tls);
        if (net_conn_flush_cipher(c) < 0)
            return false;
    }
    if (!c->linger) {
        net_conn_end(c, NULL);
        return false;
    }
    c->draining = true;
    (void)shutdown(c->watch.fd, SHUT_WR);
    rk_timer_start(c->loop, &c->timer, LINGER_MS, linger_over, c);
    net_conn_update_watch(c);
    return true;
}

/* Write what the socket takes; false once closing. */
bool net_conn_flush(struct net_conn *c)
{
    size_t total = 0;

    while (!c->blocked && total < FLUSH_BYTES && c->state != ST_CLOSING &&
           (c->state == ST_OPEN || c->tls) && !all_sent(c)) {
        ssize_t n = c->tls ? flush_tls(c) : flush_clear(c);

        if (n < 0)
            return false;
        if (n == 0)
            break;
        total += (size_t)n;
    }
    if (c->state == ST_CLOSING)
        return false;
    if (!all_sent(c) && !c->blocked && c->state == ST_OPEN)
        rk_loop_defer(c->loop, &c->turn);
    if (c->finishing && !c->draining && all_sent(c))
        return finished(c);
    net_conn_update_watch(c);
    return true;
}

void net_conn_tell_drained(struct net_conn *c)
{
    if (!c->above_low || c->state != ST_OPEN || net_conn_queued(c) > c->low_water)
        return;
    c->above_low = false;
    if (c->user->ops->drained)
        c->user->ops->drained(c->user);
}

void net_conn_turn(struct rk_task *t)
{
    struct net_conn *c = rk_container_of(t, struct net_conn, turn);

    if (!net_conn_flush(c))
        return;
    net_conn_tell_drained(c);
    if (c->resumed && c->state != ST_CLOSING)
        net_conn_readable(c);
}

static void queued(struct net_conn *c, size_t n)
{
    struct rk_err err;

    c->queue_bytes += n;
    if (net_conn_queued(c) > c->low_water)
        c->above_low = true;
    if (c->queue_bytes > NET_CONN_MAX_QUEUED) {
        (void)rk_fail(&err, RK_LIMIT, "send queue full");
        net_conn_end(c, &err);
        return;
    }
    if (!c->blocked && c->state == ST_OPEN)
        rk_loop_defer(c->loop, &c->turn);
}

void net_conn_push(struct net_conn *c)
{
    if (c->queue_bytes >= NET_CONN_PUSH_BYTES && c->state == ST_OPEN && !c->blocked &&
        !c->finishing)
        (void)net_conn_flush(c);
}

static size_t chunk_size(const struct net_chunk *last)
{
    if (!last)
        return CHUNK_FIRST_BYTES;
    if (last->shared)
        return CHUNK_TINY_BYTES;
    return last->cap < CHUNK_NEXT_BYTES ? CHUNK_NEXT_BYTES : CHUNK_BIG_BYTES;
}

void net_conn_send(struct net_conn *c, struct rk_str s)
{
    size_t total = s.n;

    if (c->state == ST_CLOSING || c->finishing || !s.n)
        return;
    while (s.n) {
        struct net_chunk *k = NULL;
        size_t part;

        if (!rk_list_empty(&c->queue))
            k = rk_container_of(c->queue.prev, struct net_chunk, link);
        if (!k || k->shared || k->end == k->cap) {
            size_t cap = chunk_size(k);

            if (s.n > cap)
                cap = s.n;
            k = rk_malloc(sizeof *k + cap);
            k->shared = NULL;
            k->off = k->end = 0;
            k->cap = cap;
            rk_list_push_back(&c->queue, &k->link);
        }
        part = rk_min_size(s.n, k->cap - k->end);
        memcpy(k->data + k->end, s.p, part);
        k->end += part;
        s.p += part;
        s.n -= part;
    }
    queued(c, total);
}

void net_conn_sendv(struct net_conn *c, const struct rk_str *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        net_conn_send(c, v[i]);
}

void net_conn_send_bytes(struct net_conn *c, struct rk_bytes *b, size_t off, size_t n)
{
    struct net_chunk *k;

    if (n < COPY_BELOW) {
        net_conn_send(c, rk_str_of(b->p + off, n));
        return;
    }
    if (c->state == ST_CLOSING || c->finishing)
        return;
    if (!rk_list_empty(&c->queue)) { /* the next slice of the same bytes: one longer piece */
        k = rk_container_of(c->queue.prev, struct net_chunk, link);
        if (k->shared == b && k->end == off) {
            k->end += n;
            queued(c, n);
            return;
        }
    }
    k = rk_malloc(sizeof *k);
    k->shared = rk_bytes_ref(b);
    k->off = off;
    k->end = off + n;
    k->cap = 0;
    rk_list_push_back(&c->queue, &k->link);
    queued(c, n);
}

size_t net_conn_queued(const struct net_conn *c)
{
    return c->queue_bytes + (c->cipher.n - c->cipher_off);
}
