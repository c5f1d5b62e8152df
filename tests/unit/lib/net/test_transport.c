/* SPDX-License-Identifier: BSD-3-Clause */
/* lib/net/transport and lib/crypto/tls against each other on loopback. */
#include "config.h"

#include "lib/base/loop_uv.h"
#include "lib/net/transport.h"

#include <check.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/net/tcp.h"
#include "tests/unit/cert.h"
#include "tests/unit/run.h"

enum { BIG = 3 * 1024 * 1024 };

static struct test_cert cert;
static struct rk_loop *loop;

/* One end of a test connection. Sends `to_send` bytes of a pattern, checks what it gets. */
struct end {
    struct net_conn_user user;
    struct net_conn *conn;
    size_t to_send, sent, got;
    bool opened, closed, echo, pausing, close_at_data;
    size_t pauses;
    unsigned drained;
    struct rk_err why;
    struct rk_timer *timer;
    char alpn[16];
};

struct server {
    struct tcp_watch watch;
    struct end end;
    struct tls_ctx *tls;
    struct rk_addr addr;
};

static char pattern(size_t i)
{
    return (char)(i * 31 + i / 251);
}

static void end_pump(struct end *e)
{
    while (e->sent < e->to_send && net_conn_queued(e->conn) < 256 * 1024) {
        char buf[5000];
        size_t n = rk_min_size(sizeof buf, e->to_send - e->sent);

        for (size_t i = 0; i < n; i++)
            buf[i] = pattern(e->sent + i);
        if (e->sent % 3) {
            struct rk_bytes *b = rk_bytes_dup(rk_str_of(buf, n));

            net_conn_send_bytes(e->conn, b, 0, n / 2);
            net_conn_send_bytes(e->conn, b, n / 2, n - n / 2);
            rk_bytes_unref(b);
        } else {
            net_conn_send(e->conn, rk_str_of(buf, n));
        }
        e->sent += n;
    }
}

static void end_opened(struct net_conn_user *u)
{
    struct end *e = rk_container_of(u, struct end, user);
    struct rk_str a = net_conn_alpn(e->conn);

    e->opened = true;
    (void)snprintf(e->alpn, sizeof e->alpn, "%.*s", RK_STR_ARG(a));
    end_pump(e);
}

static void end_resume(void *arg)
{
    struct end *e = arg;

    net_conn_resume(e->conn);
}

static void end_data(struct net_conn_user *u, struct rk_str in)
{
    struct end *e = rk_container_of(u, struct end, user);

    for (size_t i = 0; i < in.n; i++)
        if (in.p[i] != pattern(e->got + i))
            ck_abort_msg("byte %zu differs", e->got + i);
    e->got += in.n;
    if (e->echo)
        net_conn_send(e->conn, in);
    if (e->close_at_data)
        net_conn_close(e->conn);
    if (e->pausing && ++e->pauses % 4 == 0) {
        net_conn_pause(e->conn);
        rk_timer_start(loop, &e->timer, 1, end_resume, e);
    }
}

static void end_drained(struct net_conn_user *u)
{
    struct end *e = rk_container_of(u, struct end, user);

    e->drained++;
    ck_assert_uint_le(net_conn_queued(e->conn), 16 * 1024);
    end_pump(e);
}

static void end_closed(struct net_conn_user *u, const struct rk_err *why)
{
    struct end *e = rk_container_of(u, struct end, user);

    ck_assert(!e->closed);
    e->closed = true;
    e->why = *why;
    e->conn = NULL;
    rk_timer_cancel(&e->timer);
}

static const struct net_conn_ops end_ops = {end_opened, end_data, end_drained, end_closed};

static void server_ready(struct tcp_watch *w, bool readable, bool writable)
{
    struct server *s = rk_container_of(w, struct server, watch);
    struct rk_addr peer;
    int fd = tcp_accept(w->fd, &peer);

    (void)readable;
    (void)writable;
    if (fd < 0)
        return;
    ck_assert(!s->end.conn);
    ck_assert_int_eq(net_conn_adopt(loop, fd, &peer, s->tls, &s->end.user, &s->end.conn, NULL),
                     RK_OK);
    if (!s->tls)
        end_opened(&s->end.user);
}

static void server_closed(struct tcp_watch *w)
{
    (void)w;
}

static void server_start(struct server *s, bool tls)
{
    int fd;
    struct rk_err err;

    s->end.user.ops = &end_ops;
    ck_assert_int_eq(rk_loop_new(&loop, NULL), RK_OK);
    if (tls) {
        struct tls_server_opts o = {.cert_file = cert.cert, .key_file = cert.key};

        ck_assert_msg(tls_server_new(&o, &s->tls, &err) == RK_OK, "%s", err.msg);
    }
    s->addr = (struct rk_addr){.ip = rk_ip4(127, 0, 0, 1)};
    ck_assert_int_eq(tcp_listen(&s->addr, true, &fd, NULL), RK_OK);
    ck_assert_int_eq(tcp_local(fd, &s->addr, NULL), RK_OK);
    ck_assert_int_eq(tcp_watch_init(loop, &s->watch, fd, NULL), RK_OK);
    s->watch.ready = server_ready;
    s->watch.closed = server_closed;
    tcp_watch_set(&s->watch, true, false);
}

static void server_stop(struct server *s)
{
    tcp_watch_close(&s->watch);
    rk_loop_stop(loop);
    rk_loop_run(loop);
    rk_loop_free(loop);
    tls_ctx_free(s->tls);
}

static void run_until(const bool *a, const bool *b)
{
    int64_t end = rk_mono_ms() + 60000;

    while ((!*a || !*b) && rk_mono_ms() < end)
        (void)uv_run(rk_loop_uv(loop), UV_RUN_ONCE);
    ck_assert(*a && *b);
}

static struct tls_ctx *client_ctx(const char *ca)
{
    struct tls_client_opts o = {.ca_file = ca, .no_system_roots = true};
    struct tls_ctx *t = NULL;

    ck_assert_int_eq(tls_client_new(&o, &t, NULL), RK_OK);
    return t;
}

static void big_both_ways(bool tls)
{
    struct server s = {.end = {.echo = true, .pausing = true}};
    struct end c = {.user = {&end_ops}, .to_send = BIG, .pausing = true};
    struct net_connect_opts o = {.host = "127.0.0.1"};
    struct rk_err err;
    int64_t end = rk_mono_ms() + 60000;

    server_start(&s, tls);
    o.tls = tls ? client_ctx(cert.cert) : NULL;
    o.port = s.addr.port;
    ck_assert_msg(net_conn_connect(loop, &o, &c.user, &c.conn, &err) == RK_OK, "%s", err.msg);
    while (c.got < BIG && !c.closed && rk_mono_ms() < end)
        (void)uv_run(rk_loop_uv(loop), UV_RUN_ONCE);
    ck_assert_msg(c.got == BIG, "got %zu of %d: %s / %s", c.got, BIG, c.why.msg, s.end.why.msg);
    ck_assert_uint_gt(c.drained, 0);
    ck_assert_uint_gt(s.end.pauses, 4);
    net_conn_close(c.conn);
    net_conn_close(c.conn);
    run_until(&c.closed, &s.end.closed);
    ck_assert_int_eq(c.why.code, RK_OK);
    server_stop(&s);
    tls_ctx_free(o.tls);
}

START_TEST(big_clear)
{
    big_both_ways(false);
}
END_TEST

START_TEST(big_tls)
{
    big_both_ways(true);
}
END_TEST

static const struct {
    const char *offer, *want; /* want NULL: refused */
} alpn_cases[] = {
    {"h2", "h2"}, {"h2,http/1.1", "http/1.1"}, {"http/1.1", "http/1.1"},
    {NULL, ""},   {"grpc-exp,h2", "h2"},       {"nb-quic", NULL},
};

START_TEST(alpn_rule)
{
    struct server s = {0};
    struct end c = {.user = {&end_ops}};
    struct net_connect_opts o = {.host = "localhost", .alpn = alpn_cases[_i].offer};

    server_start(&s, true);
    o.tls = client_ctx(cert.cert);
    o.port = s.addr.port;
    ck_assert_int_eq(net_conn_connect(loop, &o, &c.user, &c.conn, NULL), RK_OK);
    if (alpn_cases[_i].want) {
        run_until(&c.opened, &s.end.opened);
        ck_assert_str_eq(c.alpn, alpn_cases[_i].want);
        ck_assert_str_eq(s.end.alpn, alpn_cases[_i].want);
        net_conn_close(s.end.conn);
    }
    run_until(&c.closed, &s.end.closed);
    ck_assert_int_eq(c.why.code, alpn_cases[_i].want ? RK_OK : RK_BAD_REQUEST);
    server_stop(&s);
    tls_ctx_free(o.tls);
}
END_TEST

START_TEST(stranger_is_refused)
{
    struct server s = {0};
    struct end c = {.user = {&end_ops}};
    struct net_connect_opts o = {.host = "127.0.0.1"};

    server_start(&s, true);
    if (_i == 0) /* unknown issuer */
        o.tls = client_ctx(NULL);
    else { /* wrong name */
        o.tls = client_ctx(cert.cert);
        o.sni = "example.org";
    }
    o.port = s.addr.port;
    ck_assert_int_eq(net_conn_connect(loop, &o, &c.user, &c.conn, NULL), RK_OK);
    run_until(&c.closed, &s.end.closed);
    ck_assert(!c.opened);
    ck_assert_int_eq(c.why.code, RK_UNAUTHENTICATED);
    ck_assert_int_ne(s.end.why.code, RK_OK);
    server_stop(&s);
    tls_ctx_free(o.tls);
}
END_TEST

START_TEST(reload_changes_the_certificate)
{
    struct server s = {0};
    struct end c = {.user = {&end_ops}};
    struct net_connect_opts o = {.host = "127.0.0.1"};
    struct rk_err err = {0};
    int64_t before;

    server_start(&s, true);
    before = tls_ctx_not_after_ms(s.tls);
    ck_assert_int_gt(before, rk_unix_ms());
    test_cert_write(&cert, 60);
    ck_assert_int_eq(tls_ctx_reload(s.tls, &err), RK_OK);
    ck_assert_int_gt(tls_ctx_not_after_ms(s.tls), before);
    ck_assert_int_eq(truncate(cert.key, 10), 0);
    ck_assert_int_eq(tls_ctx_reload(s.tls, &err), RK_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, cert.key));
    o.tls = client_ctx(cert.cert); /* knows only the new one, which must still be served */
    o.port = s.addr.port;
    ck_assert_int_eq(net_conn_connect(loop, &o, &c.user, &c.conn, NULL), RK_OK);
    run_until(&c.opened, &s.end.opened);
    net_conn_finish(c.conn, 1000);
    run_until(&c.closed, &s.end.closed);
    server_stop(&s);
    tls_ctx_free(o.tls);
    test_cert_write(&cert, 30);
}
END_TEST

START_TEST(refused_connection_is_told)
{
    struct server s = {0};
    struct end c = {.user = {&end_ops}};
    struct net_connect_opts o = {.host = "127.0.0.1"};

    server_start(&s, false);
    o.port = s.addr.port;
    tcp_watch_close(&s.watch);
    (void)uv_run(rk_loop_uv(loop), UV_RUN_NOWAIT);
    ck_assert_int_eq(net_conn_connect(loop, &o, &c.user, &c.conn, NULL), RK_OK);
    run_until(&c.closed, &c.closed);
    ck_assert_int_eq(c.why.code, RK_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(c.why.msg, "127.0.0.1"));
    server_stop(&s);
}
END_TEST

START_TEST(names_are_resolved_and_unknown_ones_told)
{
    struct server s = {0};
    struct end c = {.user = {&end_ops}};
    struct net_connect_opts o = {.host = _i ? "no-such-name.invalid" : "localhost"};

    server_start(&s, false);
    o.port = s.addr.port;
    ck_assert_int_eq(net_conn_connect(loop, &o, &c.user, &c.conn, NULL), RK_OK);
    if (_i == 0) { /* ::1 may be tried first and refused */
        run_until(&c.opened, &s.end.opened);
        net_conn_close(c.conn);
        run_until(&s.end.closed, &c.closed);
    }
    run_until(&c.closed, &c.closed);
    ck_assert_int_eq(c.why.code, _i ? RK_UNAVAILABLE : RK_OK);
    server_stop(&s);
}
END_TEST

START_TEST(close_at_every_stage)
{
    struct server s = {.end = {.close_at_data = true}};
    struct end c = {.user = {&end_ops}, .to_send = 100};
    struct net_connect_opts o = {.host = _i % 2 ? "localhost" : "127.0.0.1"};

    server_start(&s, _i >= 10);
    o.tls = _i >= 10 ? client_ctx(cert.cert) : NULL;
    o.port = s.addr.port;
    ck_assert_int_eq(net_conn_connect(loop, &o, &c.user, &c.conn, NULL), RK_OK);
    for (int turns = _i % 10; turns > 0 && !c.closed; turns--)
        (void)uv_run(rk_loop_uv(loop), UV_RUN_ONCE);
    if (c.conn)
        net_conn_close(c.conn);
    run_until(&c.closed, &c.closed);
    if (s.end.conn)
        net_conn_close(s.end.conn);
    server_stop(&s);
    tls_ctx_free(o.tls);
}
END_TEST

/* The answer to a client that goes on sending must arrive although nobody reads its bytes. */
START_TEST(finish_delivers_before_closing)
{
    struct server s = {0};
    struct end c = {.user = {&end_ops}, .to_send = 50 * 1000};
    struct net_connect_opts o = {.host = "127.0.0.1"};

    server_start(&s, false);
    o.port = s.addr.port;
    s.end.to_send = 100 * 1000;
    ck_assert_int_eq(net_conn_connect(loop, &o, &c.user, &c.conn, NULL), RK_OK);
    while (!s.end.conn)
        (void)uv_run(rk_loop_uv(loop), UV_RUN_ONCE);
    net_conn_pause(s.end.conn);
    net_conn_finish(s.end.conn, 5000);
    run_until(&s.end.closed, &c.closed);
    ck_assert_uint_eq(c.got, 100 * 1000);
    server_stop(&s);
}
END_TEST

static void setup(void)
{
    test_cert_new(&cert);
}

static void teardown(void)
{
    test_cert_free(&cert);
}

/* The first bytes of a client, to be sent as often as wanted. */
static size_t client_hello(char *out, size_t size)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(ctx);
    BIO *b = BIO_new(BIO_s_mem());
    int n;

    SSL_set_bio(ssl, b, b);
    SSL_set_connect_state(ssl);
    (void)SSL_do_handshake(ssl);
    n = BIO_read(b, out, (int)size);
    ck_assert_int_gt(n, 0);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    return (size_t)n;
}

static int adopt_end(struct end *e, struct tls_ctx *tls, const void *p, size_t n)
{
    struct rk_addr peer = {.ip = rk_ip4(127, 0, 0, 1)};
    int fds[2];

    *e = (struct end){.user = {&end_ops}};
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    ck_assert_int_eq(write(fds[0], p, n), (ssize_t)n);
    ck_assert_int_eq(net_conn_adopt(loop, fds[1], &peer, tls, &e->user, &e->conn, NULL), RK_OK);
    return fds[0];
}

/* Handshakes that all wait at once do not go before what is there already. */
START_TEST(newcomers_wait_for_their_turn)
{
    enum { NEW = 40 };
    struct tls_server_opts o = {.cert_file = cert.cert, .key_file = cert.key};
    static struct end new[NEW], old;
    char hello[2000], first = pattern(0), c;
    size_t n = client_hello(hello, sizeof hello), answered = 0;
    int64_t end = rk_mono_ms() + 60000;
    struct tls_ctx *tls;
    int fds[NEW], fd;

    ck_assert_int_eq(rk_loop_new(&loop, NULL), RK_OK);
    ck_assert_int_eq(tls_server_new(&o, &tls, NULL), RK_OK);
    for (int i = 0; i < NEW; i++)
        fds[i] = adopt_end(&new[i], tls, hello, n);
    fd = adopt_end(&old, NULL, &first, 1);
    while (!old.got && rk_mono_ms() < end)
        (void)uv_run(rk_loop_uv(loop), UV_RUN_ONCE);
    ck_assert_uint_eq(old.got, 1);
    for (int i = 0; i < NEW; i++)
        ck_assert_int_eq(recv(fds[i], &c, 1, MSG_PEEK), -1);
    net_conn_close(new[NEW - 1].conn); /* one leaves while it waits */
    while (answered < NEW - 1 && rk_mono_ms() < end) {
        (void)uv_run(rk_loop_uv(loop), UV_RUN_ONCE);
        answered = 0;
        for (int i = 0; i < NEW - 1; i++)
            answered += recv(fds[i], &c, 1, MSG_PEEK) == 1;
    }
    ck_assert_uint_eq(answered, NEW - 1);
    for (int i = 0; i < NEW; i++) {
        if (new[i].conn)
            net_conn_close(new[i].conn);
        (void)close(fds[i]);
    }
    net_conn_close(old.conn);
    (void)close(fd);
    rk_loop_stop(loop);
    rk_loop_run(loop);
    rk_loop_free(loop);
    tls_ctx_free(tls);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("transport");
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 60);
    tcase_add_unchecked_fixture(t, setup, teardown);
    tcase_add_test(t, big_clear);
    tcase_add_test(t, big_tls);
    tcase_add_loop_test(t, alpn_rule, 0, (int)RK_ARRAY_LEN(alpn_cases));
    tcase_add_loop_test(t, stranger_is_refused, 0, 2);
    tcase_add_test(t, reload_changes_the_certificate);
    tcase_add_test(t, refused_connection_is_told);
    tcase_add_loop_test(t, names_are_resolved_and_unknown_ones_told, 0, 2);
    tcase_add_loop_test(t, close_at_every_stage, 0, 20);
    tcase_add_test(t, finish_delivers_before_closing);
    tcase_add_test(t, newcomers_wait_for_their_turn);
    suite_add_tcase(s, t);
    return run_suite(s);
}
