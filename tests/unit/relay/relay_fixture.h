/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A relay on loop threads (LOOPS of them, two unless defined before) and clients on blocking
 * sockets, for the tests of relay/. The client side is written here on plain sockets and
 * lib/net/ws, so it shares no code with the service above the codecs.
 */
#ifndef RK_TESTS_UNIT_RELAY_FIXTURE_H
#define RK_TESTS_UNIT_RELAY_FIXTURE_H

#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "lib/base/enc.h"
#include "lib/base/loop_uv.h"
#include "lib/base/num.h"
#include "lib/crypto/hmac.h"
#include "lib/net/transport.h"
#include "lib/net/ws.h"
#include "relay/app.h"
#include "relay/hub.h"
#include "relay/listen_ws.h"
#include "tests/unit/vec.h"

#define SECRET "supersecret"
#define URL    "rels://relay.example.com:443"

#ifndef LOOPS
#define LOOPS 2
#endif

enum { WAIT_MS = 60000, QUIET_MS = 150 };

struct fixture {
    struct rk_loop *loops[LOOPS];
    struct rk_metrics *metrics;
    struct relay_app *app;
    uv_sem_t stopped;
};

static struct fixture fx;

static RK_UNUSED void fixture_start(struct relay_app_opts opts)
{
    opts.loops = fx.loops;
    opts.n_loops = LOOPS;
    opts.exposed_address = RK_STR(URL);
    opts.auth_secret = RK_STR(SECRET);
    opts.metrics = fx.metrics = rk_metrics_new();
    for (int i = 0; i < LOOPS; i++) {
        ck_assert_int_eq(rk_loop_new(&fx.loops[i], NULL), RK_OK);
        ck_assert_int_eq(rk_loop_start(fx.loops[i], "test", NULL), RK_OK);
    }
    ck_assert_int_eq(relay_app_new(&opts, &fx.app, NULL), RK_OK);
    ck_assert_int_eq(relay_app_start(fx.app, NULL), RK_OK);
    ck_assert_int_eq(uv_sem_init(&fx.stopped, 0), 0);
}

static RK_UNUSED void stopped(void *arg)
{
    (void)arg;
    uv_sem_post(&fx.stopped);
}

static RK_UNUSED void fixture_stop(void)
{
    relay_app_stop(fx.app, 500, stopped, NULL);
    uv_sem_wait(&fx.stopped);
    for (int i = 0; i < LOOPS; i++) {
        rk_loop_stop(fx.loops[i]);
        rk_loop_join(fx.loops[i]);
    }
    ck_assert_uint_eq(relay_app_sessions(fx.app), 0);
    relay_app_free(fx.app);
    for (int i = 0; i < LOOPS; i++)
        rk_loop_free(fx.loops[i]); /* aborts if a handle is left */
    rk_metrics_free(fx.metrics);
    uv_sem_destroy(&fx.stopped);
}

/* ---- one client */

struct client {
    int fd;
    struct ws_rx rx;
    char buf[65536];
    struct rk_str in; /* received, not yet parsed */
    struct rly_peer_id id;
};

struct adopt {
    struct rk_loop *loop;
    int fd;
    struct net_conn_user user;
};

static RK_UNUSED void adopt_closed(struct net_conn_user *u, const struct rk_err *why)
{
    (void)u;
    (void)why;
}

static RK_UNUSED void adopt_data(struct net_conn_user *u, struct rk_str in)
{
    (void)u;
    (void)in;
}

static RK_UNUSED void adopt_run(void *arg)
{
    static const struct net_conn_ops ops = {.data = adopt_data, .closed = adopt_closed};
    struct adopt *a = arg;
    struct edge_ws_req req = {0};

    a->user.ops = &ops;
    ck_assert_int_eq(rk_addr_parse(RK_STR("192.0.2.1:4000"), &req.client, NULL), RK_OK);
    req.peer = req.client;
    ck_assert_int_eq(net_conn_adopt(a->loop, a->fd, &req.peer, NULL, &a->user, &req.conn, NULL),
                     RK_OK);
    relay_ws_accept(relay_app_hub(fx.app), &req);
}

/* Connect without authentication. */
static RK_UNUSED struct client *client_open(int loop)
{
    struct client *c = rk_calloc(1, sizeof *c);
    struct timeval wait = {.tv_sec = WAIT_MS / 1000};
    struct adopt a = {.loop = fx.loops[loop]};
    int fds[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    c->fd = fds[0];
    a.fd = fds[1];
    ck_assert_int_eq(setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait), 0);
    ck_assert_int_eq(setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait), 0);
    ws_rx_init(&c->rx, WS_CLIENT, RLY_MAX_MESSAGE);
    rk_loop_call(a.loop, adopt_run, &a);
    return c;
}

static RK_UNUSED void client_close(struct client *c)
{
    if (c->fd >= 0)
        (void)close(c->fd);
    ws_rx_done(&c->rx);
    free(c);
}

static RK_UNUSED bool client_raw(struct client *c, struct rk_str s)
{
    while (s.n) {
        ssize_t n = send(c->fd, s.p, s.n, MSG_NOSIGNAL);

        if (n <= 0)
            return false;
        s = rk_str_sub(s, (size_t)n, s.n);
    }
    return true;
}

static RK_UNUSED bool client_frame(struct client *c, enum ws_op op, struct rk_str msg)
{
    struct rk_buf b;
    bool ok;

    rk_buf_init(&b, 1 << 20);
    ws_put(&b, WS_CLIENT, op, msg);
    ok = client_raw(c, rk_buf_str(&b));
    rk_buf_done(&b);
    return ok;
}

static RK_UNUSED bool client_send(struct client *c, struct rk_str msg)
{
    return client_frame(c, WS_OP_BINARY, msg);
}

/* Next event within wait_ms; *eof when the relay closed. Messages are borrowed until the next call.
 */
static RK_UNUSED enum ws_event client_next(struct client *c, int wait_ms, struct ws_msg *m,
                                           bool *eof)
{
    struct timeval wait = {.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000};
    enum ws_event e;

    *eof = false;
    ck_assert_int_eq(setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait), 0);
    for (;;) {
        ssize_t n;

        e = ws_rx_next(&c->rx, &c->in, m);
        if (e != WS_MORE)
            return e;
        n = recv(c->fd, c->buf, sizeof c->buf, 0);
        if (n <= 0) {
            *eof = n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
            return WS_MORE;
        }
        c->in = rk_str_of(c->buf, (size_t)n);
    }
}

/* The next message must be this one; health checks are answered and skipped. */
static RK_UNUSED struct rk_str client_message(struct client *c)
{
    struct ws_msg m;
    bool eof;

    for (;;) {
        ck_assert_int_eq(client_next(c, WAIT_MS, &m, &eof), WS_BINARY);
        ck_assert(!m.fragmented);
        if (m.n == 2 && m.p[1] == RLY_HEALTH_CHECK)
            ck_assert(client_send(c, rk_str_of(m.p, 2)));
        else
            return rk_str_of(m.p, m.n);
    }
}

static RK_UNUSED void client_expect(struct client *c, struct rk_str want)
{
    struct rk_str got = client_message(c);
    struct rk_arena *a = rk_arena_new(0);

    ck_assert_msg(rk_str_eq(got, want), "got %s, want %s", rk_hex_encode(a, got).p,
                  rk_hex_encode(a, want).p);
    rk_arena_free(a);
}

static RK_UNUSED void client_expect_nothing(struct client *c)
{
    struct ws_msg m;
    bool eof;

    ck_assert_int_eq(client_next(c, QUIET_MS, &m, &eof), WS_MORE);
    ck_assert(!eof);
}

/* The relay closes without another message (health checks apart). */
static RK_UNUSED void client_expect_close(struct client *c)
{
    struct ws_msg m;
    enum ws_event e;
    bool eof;

    do
        e = client_next(c, WAIT_MS, &m, &eof);
    while (e == WS_BINARY && m.n == 2 && m.p[1] == RLY_HEALTH_CHECK);
    if (e == WS_CLOSE) { /* nothing may follow, and the reader would refuse it */
        ck_assert_int_eq(recv(c->fd, c->buf, sizeof c->buf, 0), 0);
        return;
    }
    ck_assert_msg(e == WS_MORE && eof, "event %d", (int)e);
}

static RK_UNUSED struct rk_str auth_message(struct rk_arena *mem, const struct rly_peer_id *id,
                                            int64_t expires_unix_s)
{
    struct hmac_credential cred;
    struct hmac_relay_token token;
    struct rk_key key;
    uint8_t *buf = rk_arena_alloc(mem, RLY_MAX_AUTH);
    struct rk_wr w = rk_wr_of(buf, RLY_MAX_AUTH);

    hmac_relay_key(RK_STR(SECRET), &key);
    hmac_relay_credential(&key, expires_unix_s, &cred);
    ck_assert_int_eq(
        hmac_relay_token_build(rk_str_z(cred.payload), rk_str_z(cred.signature), &token, NULL),
        RK_OK);
    rly_put_auth(&w, id, rk_str_of(token.b, token.n));
    return rk_wr_done(&w);
}

static RK_UNUSED struct rk_str url_message(void)
{
    return RK_STR("\x01\x07" URL);
}

/* Connect and authenticate as the peer of a key text. */
static RK_UNUSED struct client *client_join(int loop, const char *key)
{
    struct client *c = client_open(loop);
    struct rk_arena *mem = rk_arena_new(0);

    rly_peer_id_of(rk_str_z(key), &c->id);
    ck_assert(client_send(c, auth_message(mem, &c->id, rk_unix_ms() / 1000 + 600)));
    client_expect(c, url_message());
    rk_arena_free(mem);
    return c;
}

static RK_UNUSED bool client_transport(struct client *c, const struct rly_peer_id *to,
                                       struct rk_str payload)
{
    static uint8_t buf[RLY_MAX_MESSAGE];
    struct rk_wr w = rk_wr_of(buf, sizeof buf);

    rly_put_transport(&w, to, payload);
    return client_send(c, rk_wr_done(&w));
}

static RK_UNUSED struct rk_str ids_message(struct rk_arena *mem, enum rly_type type,
                                           const struct rly_peer_id *ids, size_t n)
{
    uint8_t *buf = rk_arena_alloc(mem, RLY_MAX_MESSAGE);
    struct rk_wr w = rk_wr_of(buf, RLY_MAX_MESSAGE);

    rly_put_ids(&w, type, rk_str_of(ids, n * sizeof *ids));
    return rk_wr_done(&w);
}

#endif
