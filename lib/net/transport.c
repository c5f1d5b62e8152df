/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Byte streams over TCP, clear or TLS; see transport.h.
 *
 * States: RESOLVE → CONNECT → (HANDSHAKE) → OPEN → CLOSING; adopted sockets start at HANDSHAKE or
 * OPEN. Everything waits in `queue` as plaintext and is encrypted only as fast as the socket takes
 * it, so references to shared bytes stay references as long as possible.
 */
#include "config.h"

#include "lib/net/transport.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/num.h"
#include "lib/net/tcp.h"

enum {
    READ_BYTES = 64 * 1024,  /* one recv; on the stack */
    PLAIN_BYTES = 16 * 1024, /* one TLS record */
    CHUNK_TINY_BYTES = 64,   /* between shared pieces: frame headers */
    CHUNK_FIRST_BYTES = 512, /* buffers for small sends, longer as more follow */
    CHUNK_NEXT_BYTES = 4 * 1024,
    CHUNK_BIG_BYTES = 32 * 1024,
    CIPHER_AHEAD = 32 * 1024, /* encrypted but not yet taken by the socket */
    CIPHER_MAX = 1024 * 1024, /* ceiling of that buffer: records, alerts, handshake */
    COPY_BELOW = 512,         /* references shorter than this are copied instead */
    IOV_MAX_N = 64,
    FLUSH_BYTES = 1024 * 1024, /* per turn, so that one fast reader does not hold the loop */
    DEFAULT_LOW_WATER = 16 * 1024,
    DEFAULT_TIMEOUT_MS = 30000,
    LINGER_MS = 1000,
    TRY_MS = 3000, /* for an address when there are others (broken IPv6 is common) */
};

#if defined(__has_attribute) && __has_attribute(uninitialized)
#define NO_INIT                                                                                    \
    __attribute__((uninitialized)) /* big buffers: zeroing would cost more than recv               \
                                    */
#else
#define NO_INIT
#endif

enum state { ST_RESOLVE, ST_CONNECT, ST_HANDSHAKE, ST_OPEN, ST_CLOSING };

/* A piece of the send queue: own bytes, or a slice of shared ones. */
struct chunk {
    struct rk_list link;
    struct rk_bytes *shared; /* reference, or NULL: own */
    size_t off, end;         /* unsent part */
    size_t cap;              /* own: room in data */
    char data[];
};

struct net_conn {
    struct rk_loop *loop;
    struct net_conn_user *user;
    struct net_conn_hook *hook; /* lent or NULL */
    enum state state;
    struct tcp_watch watch;
    bool watch_open;
    bool paused;
    bool finishing; /* close once the queue is empty */
    bool linger;    /* … and let the peer close first */
    bool draining;  /* … for which we wait; input is thrown away */
    bool above_low; /* drained() is owed */
    bool blocked;   /* the socket took no more: wait for writable */
    struct rk_list queue;
    size_t queue_bytes;
    size_t low_water;
    struct tls_sess *tls;
    struct tls_sess_user tls_user;
    struct tls_ctx *tls_ctx; /* for connecting; lent */
    char *sni, *alpn;
    struct rk_buf cipher; /* for the socket */
    size_t cipher_off;
    struct rk_buf stash; /* received while paused */
    struct rk_task turn; /* deferred: flush, and continue after resume */
    bool resumed;
    struct rk_timer *timer;
    int64_t deadline_ms; /* loop time; end of connecting */
    int64_t last_rx_ms;
    struct rk_addr peer;
    struct tcp_resolve resolve;
    bool resolving;
    struct rk_addr addrs[TCP_RESOLVE_MAX];
    size_t n_addrs, next_addr;
    uint32_t fwmark;
    enum rk_code (*socket_hook)(void *arg, int fd, struct rk_err *err);
    void *hook_arg;
    struct rk_err err;
};

static void conn_try_next(struct net_conn *c);
static void conn_readable(struct net_conn *c);

/* ---- end of life ---- */

static void chunk_free(struct chunk *k)
{
    rk_list_remove(&k->link);
    rk_bytes_unref(k->shared);
    free(k);
}

static void conn_release(struct net_conn *c)
{
    struct net_conn_user *user = c->user;
    struct rk_list *node;

    if (c->watch_open || c->resolving)
        return; /* their callbacks come here again */
    rk_list_remove(&c->turn.link);
    user->ops->closed(user, &c->err);
    while ((node = c->queue.next) != &c->queue)
        chunk_free(rk_container_of(node, struct chunk, link));
    tls_sess_free(c->tls);
    rk_buf_done(&c->cipher);
    rk_buf_done(&c->stash);
    free(c->sni);
    free(c->alpn);
    if (c->hook)
        c->hook->gone(c->hook);
    free(c);
}

static void release_task(struct rk_task *t)
{
    conn_release(rk_container_of(t, struct net_conn, turn));
}

/* The one way to the end; why NULL or RK_OK: an orderly end. */
static void conn_end(struct net_conn *c, const struct rk_err *why)
{
    if (c->state == ST_CLOSING)
        return;
    c->state = ST_CLOSING;
    c->err = why ? *why : (struct rk_err){0};
    rk_timer_cancel(&c->timer);
    rk_list_remove(&c->turn.link);
    if (c->resolving)
        tcp_resolve_cancel(&c->resolve);
    if (c->watch_open)
        tcp_watch_close(&c->watch);
    else if (!c->resolving) { /* between two addresses: nothing to wait for */
        c->turn.run = release_task;
        rk_loop_defer(c->loop, &c->turn);
    }
}

static void conn_fail(struct net_conn *c, enum rk_code code, int errnum, const char *what)
{
    struct rk_err err = {0};

    (void)rk_fail_errno(&err, code, errnum, "%s", what);
    conn_end(c, &err);
}

/* ---- sending ---- */

static void update_watch(struct net_conn *c)
{
    if (c->watch_open && c->state != ST_CLOSING)
        tcp_watch_set(&c->watch,
                      c->draining || (!c->paused && !c->finishing && c->state != ST_CONNECT),
                      c->blocked || c->state == ST_CONNECT);
}

static void tls_output(struct tls_sess_user *u, struct rk_str s)
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
        conn_fail(c, RK_UNAVAILABLE, errno, "send");
    return -1;
}

static const char *chunk_bytes(const struct chunk *k)
{
    return (k->shared ? k->shared->p : k->data) + k->off;
}

static void queue_drop(struct net_conn *c, size_t n)
{
    c->queue_bytes -= n;
    while (n) {
        struct chunk *k = rk_container_of(c->queue.next, struct chunk, link);
        size_t part = rk_min_size(n, k->end - k->off);

        k->off += part;
        n -= part;
        if (k->off == k->end)
            chunk_free(k);
    }
}

/* Clear text: gather, write, drop what was taken. Returns bytes written, -1 when closing. */
static ssize_t flush_clear(struct net_conn *c)
{
    struct iovec v[IOV_MAX_N];
    size_t n = 0;
    ssize_t sent;

    RK_LIST_FOR_EACH (node, &c->queue) {
        struct chunk *k = rk_container_of(node, struct chunk, link);

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
    NO_INIT char plain[PLAIN_BYTES];
    struct chunk *k = rk_container_of(c->queue.next, struct chunk, link);
    size_t n = 0;
    enum rk_code rc;

    if (k->end - k->off >= PLAIN_BYTES) { /* a full record from one piece: no copy */
        n = PLAIN_BYTES;
        rc = tls_sess_write(c->tls, rk_str_of(chunk_bytes(k), n), err);
    } else {
        RK_LIST_FOR_EACH (node, &c->queue) {
            size_t part;

            k = rk_container_of(node, struct chunk, link);
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

static ssize_t flush_cipher(struct net_conn *c)
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
        rk_buf_init(&c->cipher, CIPHER_MAX);
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
    while (c->state == ST_OPEN && !rk_list_empty(&c->queue) &&
           c->cipher.n - c->cipher_off < CIPHER_AHEAD)
        if (encrypt_some(c, &err)) {
            conn_end(c, &err);
            return -1;
        }
    if (c->cipher.full) { /* cannot happen by sending; a peer that forces answers and never reads */
        (void)rk_fail(&err, RK_LIMIT, "TLS output limit");
        conn_end(c, &err);
        return -1;
    }
    return flush_cipher(c);
}

static void linger_over(void *arg)
{
    conn_end(arg, NULL);
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
        if (flush_cipher(c) < 0)
            return false;
    }
    if (!c->linger) {
        conn_end(c, NULL);
        return false;
    }
    c->draining = true;
    (void)shutdown(c->watch.fd, SHUT_WR);
    rk_timer_start(c->loop, &c->timer, LINGER_MS, linger_over, c);
    update_watch(c);
    return true;
}

/* Write what the socket takes; false once closing. */
static bool flush(struct net_conn *c)
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
    update_watch(c);
    return true;
}

static void tell_drained(struct net_conn *c)
{
    if (!c->above_low || c->state != ST_OPEN || net_conn_queued(c) > c->low_water)
        return;
    c->above_low = false;
    if (c->user->ops->drained)
        c->user->ops->drained(c->user);
}

static void turn(struct rk_task *t)
{
    struct net_conn *c = rk_container_of(t, struct net_conn, turn);

    if (!flush(c))
        return;
    tell_drained(c);
    if (c->resumed && c->state != ST_CLOSING) {
        c->resumed = false;
        conn_readable(c);
    }
}

static void queued(struct net_conn *c, size_t n)
{
    struct rk_err err;

    c->queue_bytes += n;
    if (net_conn_queued(c) > c->low_water)
        c->above_low = true;
    if (c->queue_bytes > NET_CONN_MAX_QUEUED) {
        (void)rk_fail(&err, RK_LIMIT, "send queue full");
        conn_end(c, &err);
        return;
    }
    if (!c->blocked && c->state == ST_OPEN)
        rk_loop_defer(c->loop, &c->turn);
}

static size_t chunk_size(const struct chunk *last)
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
        struct chunk *k = NULL;
        size_t part;

        if (!rk_list_empty(&c->queue))
            k = rk_container_of(c->queue.prev, struct chunk, link);
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
    struct chunk *k;

    if (n < COPY_BELOW) {
        net_conn_send(c, rk_str_of(b->p + off, n));
        return;
    }
    if (c->state == ST_CLOSING || c->finishing)
        return;
    if (!rk_list_empty(&c->queue)) { /* the next slice of the same bytes: one longer piece */
        k = rk_container_of(c->queue.prev, struct chunk, link);
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

/* ---- receiving ---- */

static bool stash_add(struct net_conn *c, struct rk_str s)
{
    struct rk_err err;

    rk_buf_add(&c->stash, s);
    if (!c->stash.full)
        return true;
    (void)rk_fail(&err, RK_LIMIT, "receive buffer full");
    conn_end(c, &err);
    return false;
}

static void deliver(struct net_conn *c, struct rk_str in)
{
    c->user->ops->data(c->user, in);
}

static bool handshake(struct net_conn *c)
{
    struct rk_err err = {0};
    bool done;

    if (tls_sess_handshake(c->tls, &done, &err)) {
        (void)flush_cipher(c); /* the alert */
        conn_end(c, &err);
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

/* Ciphertext came: everything in it goes to the user, or to the stash when the user pauses. */
static void take_cipher(struct net_conn *c, struct rk_str in)
{
    NO_INIT char plain[PLAIN_BYTES];
    struct rk_err err = {0};
    bool eof = false;
    size_t n;

    tls_sess_feed(c->tls, in);
    if (c->state == ST_HANDSHAKE && !handshake(c))
        return;
    while (c->state == ST_OPEN && !c->paused && !eof) {
        if (tls_sess_read(c->tls, plain, sizeof plain, &n, &eof, &err)) {
            (void)flush_cipher(c);
            conn_end(c, &err);
            return;
        }
        if (!n)
            break;
        deliver(c, rk_str_of(plain, n));
    }
    if (c->state == ST_CLOSING)
        return;
    n = tls_sess_unread(c->tls);
    if (n && !stash_add(c, rk_str_of(in.p + (in.n - n), n)))
        return;
    tls_sess_feed(c->tls, (struct rk_str){0});
    if (eof)
        conn_end(c, NULL);
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

    rk_buf_init(&c->stash, READ_BYTES * 2);
    take(c, rk_buf_str(&waiting));
    rk_buf_done(&waiting);
}

static bool may_read(const struct net_conn *c)
{
    if (c->state != ST_HANDSHAKE && c->state != ST_OPEN)
        return false;
    return c->draining || (!c->paused && !c->finishing);
}

static void conn_readable(struct net_conn *c)
{
    NO_INIT char buf[READ_BYTES];
    ssize_t n;

    if (may_read(c) && c->tls && c->state == ST_OPEN && !c->draining)
        take_stash(c);
    if (!may_read(c))
        return;
    do
        n = recv(c->watch.fd, buf, sizeof buf, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n > 0 && c->draining)
        return;
    if (n > 0) {
        c->last_rx_ms = rk_loop_now_ms(c->loop);
        take(c, rk_str_of(buf, (size_t)n));
    } else if (n == 0) {
        if (c->state == ST_HANDSHAKE)
            conn_fail(c, RK_UNAVAILABLE, ECONNRESET, "closed during TLS handshake");
        else
            conn_end(c, NULL);
    } else if (errno != EAGAIN && errno != EWOULDBLOCK) {
        conn_fail(c, RK_UNAVAILABLE, errno, "receive");
    }
}

/* ---- connecting ---- */

static void conn_timeout(void *arg);

static void connected(struct net_conn *c)
{
    struct rk_err err = {0};

    tcp_tune(c->watch.fd);
    c->blocked = false;
    if (c->tls_ctx) {
        c->state = ST_HANDSHAKE;
        rk_timer_start(c->loop, &c->timer, c->deadline_ms - rk_loop_now_ms(c->loop), conn_timeout,
                       c);
        if (tls_sess_new(c->tls_ctx, c->sni, c->alpn, &c->tls_user, &c->tls, &err)) {
            conn_end(c, &err);
            return;
        }
        if (handshake(c))
            (void)flush(c);
        return;
    }
    c->state = ST_OPEN;
    rk_timer_cancel(&c->timer);
    if (c->user->ops->opened)
        c->user->ops->opened(c->user);
    if (c->state == ST_OPEN)
        (void)flush(c);
}

/* This address failed: remember why and close the socket; watch_closed tries the next one. */
static void conn_next_after(struct net_conn *c, int errnum)
{
    char text[RK_ADDR_TEXT];

    (void)rk_fail_errno(&c->err, RK_UNAVAILABLE, errnum, "connect to %s",
                        rk_addr_format(&c->peer, text).p);
    rk_timer_cancel(&c->timer);
    tcp_watch_close(&c->watch);
}

static void conn_timeout(void *arg)
{
    struct net_conn *c = arg;
    struct rk_err err = {0};

    if (c->state == ST_CONNECT) {
        conn_next_after(c, ETIMEDOUT);
        return;
    }
    (void)rk_fail(&err, RK_TIMEOUT,
                  c->state == ST_HANDSHAKE ? "TLS handshake timed out"
                  : c->finishing           ? "peer took no data"
                                           : "connecting timed out");
    conn_end(c, &err);
}

static void watch_ready(struct tcp_watch *w, bool readable, bool writable)
{
    struct net_conn *c = rk_container_of(w, struct net_conn, watch);

    if (c->state == ST_CLOSING)
        return;
    if (c->state == ST_CONNECT) {
        int e = tcp_error(w->fd);

        if (e)
            conn_next_after(c, e);
        else if (writable)
            connected(c);
        return;
    }
    if (readable)
        conn_readable(c);
    if (writable && c->state != ST_CLOSING) {
        c->blocked = false;
        if (flush(c))
            tell_drained(c);
    }
    update_watch(c);
}

static void watch_closed(struct tcp_watch *w)
{
    struct net_conn *c = rk_container_of(w, struct net_conn, watch);

    c->watch_open = false;
    if (c->state == ST_CLOSING)
        conn_release(c);
    else
        conn_try_next(c);
}

static enum rk_code watch_start(struct net_conn *c, int fd, struct rk_err *err)
{
    enum rk_code rc = tcp_watch_init(c->loop, &c->watch, fd, err);

    if (rc)
        return rc;
    c->watch.ready = watch_ready;
    c->watch.closed = watch_closed;
    c->watch_open = true;
    return RK_OK;
}

static enum rk_code try_one(struct net_conn *c, struct rk_err *err)
{
    char text[RK_ADDR_TEXT];
    enum rk_code rc;
    int fd;

    rc = tcp_socket(&c->peer, c->fwmark, &fd, err);
    if (rc)
        return rc;
    rc = c->socket_hook ? c->socket_hook(c->hook_arg, fd, err) : RK_OK;
    if (rc == RK_OK && !tcp_connect(fd, &c->peer))
        rc = rk_fail_errno(err, RK_UNAVAILABLE, errno, "connect to %s",
                           rk_addr_format(&c->peer, text).p);
    if (rc) {
        (void)close(fd);
        return rc;
    }
    return watch_start(c, fd, err);
}

static void conn_try_next(struct net_conn *c)
{
    int64_t left = c->deadline_ms - rk_loop_now_ms(c->loop), share;
    struct rk_err why;

    c->state = ST_CONNECT;
    while (c->next_addr < c->n_addrs && left > 0) {
        size_t n = c->n_addrs - c->next_addr;

        c->peer = c->addrs[c->next_addr++];
        if (try_one(c, &c->err))
            continue;
        share = n > 1 ? rk_min_i64(left, TRY_MS) : left;
        rk_timer_start(c->loop, &c->timer, share, conn_timeout, c);
        update_watch(c);
        return;
    }
    why = c->err;
    if (!why.code)
        (void)rk_fail(&why, RK_TIMEOUT, "connecting timed out");
    conn_end(c, &why);
}

static void try_task(struct rk_task *t)
{
    struct net_conn *c = rk_container_of(t, struct net_conn, turn);

    c->turn.run = turn;
    conn_try_next(c);
}

static void resolved(struct tcp_resolve *r, const struct rk_addr *addrs, size_t n,
                     const struct rk_err *why)
{
    struct net_conn *c = rk_container_of(r, struct net_conn, resolve);

    c->resolving = false;
    if (c->state == ST_CLOSING) {
        conn_release(c);
        return;
    }
    if (!n) {
        conn_end(c, why);
        return;
    }
    if (n)
        memcpy(c->addrs, addrs, n * sizeof *addrs);
    c->n_addrs = n;
    conn_try_next(c);
}

static struct net_conn *conn_new(struct rk_loop *loop, struct net_conn_user *user)
{
    struct net_conn *c = rk_calloc(1, sizeof *c);

    c->loop = loop;
    c->user = user;
    c->low_water = DEFAULT_LOW_WATER;
    c->last_rx_ms = rk_loop_now_ms(loop);
    c->turn.run = turn;
    c->tls_user.output = tls_output;
    rk_list_init(&c->queue);
    rk_buf_init(&c->cipher, CIPHER_MAX);
    rk_buf_init(&c->stash, READ_BYTES * 2);
    return c;
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
    c = conn_new(loop, user);
    c->tls_ctx = opts->tls;
    c->sni = rk_str_dupz(opts->sni ? rk_str_z(opts->sni) : host);
    c->alpn = opts->alpn ? rk_str_dupz(rk_str_z(opts->alpn)) : NULL;
    c->fwmark = opts->fwmark;
    c->socket_hook = opts->socket_hook;
    c->hook_arg = opts->hook_arg;
    c->deadline_ms = rk_loop_now_ms(loop) + timeout;
    c->state = ST_RESOLVE;
    if (rk_ip_parse(host, &c->addrs[0].ip, NULL) == RK_OK) {
        c->addrs[0].port = opts->port;
        c->n_addrs = 1;
        c->turn.run = try_task;
        rk_loop_defer(loop, &c->turn);
    } else {
        RK_CLEANUP(rk_freep) char *name = rk_str_dupz(host);

        rc = tcp_resolve_start(loop, &c->resolve, name, opts->port, err);
        c->resolve.done = resolved;
        c->resolving = rc == RK_OK;
        if (rc == RK_OK)
            rk_timer_start(loop, &c->timer, timeout, conn_timeout, c);
    }
    if (rc) {
        free(c->sni);
        free(c->alpn);
        free(c);
        return rc;
    }
    *out = c;
    return RK_OK;
}

enum rk_code net_conn_adopt(struct rk_loop *loop, int fd, const struct rk_addr *peer,
                            struct tls_ctx *tls, struct net_conn_user *user, struct net_conn **out,
                            struct rk_err *err)
{
    struct net_conn *c = conn_new(loop, user);
    enum rk_code rc;

    c->peer = *peer;
    rc = watch_start(c, fd, err);
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
    update_watch(c);
    *out = c;
    return RK_OK;
}

/* ---- control ---- */

void net_conn_set_low_water(struct net_conn *c, size_t bytes)
{
    c->low_water = bytes;
}

void net_conn_pause(struct net_conn *c)
{
    c->paused = true;
    c->resumed = false;
    update_watch(c);
}

void net_conn_resume(struct net_conn *c)
{
    if (!c->paused || c->state == ST_CLOSING)
        return;
    c->paused = false;
    update_watch(c);
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
        if (!flush(c)) /* also closes when all has left */
            return;
    }
    conn_end(c, NULL);
}

void net_conn_fail(struct net_conn *c, const struct rk_err *why)
{
    if (c->state == ST_CLOSING)
        return;
    if (c->state == ST_OPEN && !flush(c))
        return;
    conn_end(c, why);
}

void net_conn_finish(struct net_conn *c, int64_t timeout_ms)
{
    if (c->state == ST_CLOSING || c->finishing)
        return;
    if (c->state != ST_OPEN) {
        conn_end(c, NULL);
        return;
    }
    c->finishing = c->linger = true;
    rk_timer_start(c->loop, &c->timer, timeout_ms, conn_timeout, c);
    update_watch(c);
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
