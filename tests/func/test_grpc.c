/* SPDX-License-Identifier: BSD-3-Clause */
/* Our gRPC client against our gRPC server behind the edge: clear text, TLS, and what goes wrong. */
#include "config.h"

#include <check.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/loop_uv.h"
#include "lib/base/num.h"
#include "lib/grpc/client.h"
#include "lib/grpc/server.h"
#include "lib/http/dispatch.h"
#include "lib/http/h2.h"
#include "lib/net/tcp.h"
#include "tests/unit/cert.h"
#include "tests/unit/run.h"

static struct test_cert cert;

/* ---- server: one loop thread */

struct server {
    struct rk_loop *loop;
    struct edge *edge;
    _Atomic bool stopped;
    _Atomic int ended[RK_CODE_COUNT];
    _Atomic int messages;
    struct grpc_call *held; /* the last BIDI call */
};

static struct server srv;

static void s_unary(struct grpc_call *c, struct rk_str body)
{
    grpc_call_reply(c, body);
}

static void s_ended(struct grpc_call *c, enum rk_code why)
{
    if (c == srv.held)
        srv.held = NULL;
    atomic_fetch_add(&srv.ended[why], 1);
}

static void s_never(struct grpc_call *c, struct rk_str body)
{
    (void)c;
    (void)body;
}

static void s_fail(struct grpc_call *c, struct rk_str body)
{
    (void)body;
    grpc_call_fail_status(c, GRPC_UNKNOWN, RK_STR("50% of \n it"));
}

static void s_stream_more(struct grpc_call *c)
{
    struct rk_bytes *b = grpc_call_data(c);

    for (int i = 0; i < 4; i++)
        grpc_call_send_owned(c, rk_bytes_ref(b));
}

static void s_stream(struct grpc_call *c, struct rk_str body)
{
    struct rk_bytes *b = rk_bytes_dup(body);

    grpc_call_set_data(c, b);
    s_stream_more(c);
}

static void s_stream_ended(struct grpc_call *c, enum rk_code why)
{
    rk_bytes_unref(grpc_call_data(c));
    s_ended(c, why);
}

static void s_bidi_begin(struct grpc_call *c)
{
    srv.held = c;
    if (rk_str_eqz(grpc_call_header(c, "x-mode"), "pause"))
        grpc_call_pause(c);
    grpc_call_send_header(c, "x-registered", "1");
}

static void s_bidi(struct grpc_call *c, struct rk_str body)
{
    atomic_fetch_add(&srv.messages, 1);
    if (rk_str_eqz(body, "finish"))
        grpc_call_finish(c);
    else
        grpc_call_send(c, body);
}

static void s_bidi_half(struct grpc_call *c)
{
    grpc_call_finish(c);
}

static const struct grpc_method methods[] = {
    {"/t.S/Unary", GRPC_UNARY, 1 << 20, NULL, s_unary, NULL, NULL, s_ended},
    {"/t.S/Never", GRPC_UNARY, 0, NULL, s_never, NULL, NULL, s_ended},
    {"/t.S/Fail", GRPC_UNARY, 0, NULL, s_fail, NULL, NULL, s_ended},
    {"/t.S/Stream", GRPC_SERVER_STREAM, 0, NULL, s_stream, NULL, s_stream_more, s_stream_ended},
    {"/t.S/Bidi", GRPC_BIDI, 0, s_bidi_begin, s_bidi, s_bidi_half, NULL, s_ended},
};

static void server_stopped(void *arg)
{
    (void)arg;
    atomic_store(&srv.stopped, true);
}

static void server_start(const struct edge_limits *limits)
{
    struct edge_listen listen[2] = {{.addr = {.ip = rk_ip4(127, 0, 0, 1)}},
                                    {.addr = {.ip = rk_ip4(127, 0, 0, 1)}, .tls = true}};
    struct edge_opts o = {.n_loops = 1,
                          .listen = listen,
                          .n_listen = 2,
                          .cert_file = cert.cert,
                          .key_file = cert.key};
    struct rk_err err;

    if (limits)
        o.limits = *limits;
    memset(&srv, 0, sizeof srv);
    ck_assert_int_eq(rk_loop_new(&srv.loop, NULL), RK_OK);
    o.loops = &srv.loop;
    ck_assert_msg(edge_new(&o, &srv.edge, &err) == RK_OK, "%s", err.msg);
    ck_assert_int_eq(edge_add_grpc(srv.edge, methods, RK_ARRAY_LEN(methods), NULL, NULL), RK_OK);
    ck_assert_int_eq(edge_add_grpc(srv.edge, methods, 1, NULL, NULL), RK_EXISTS);
    ck_assert_msg(edge_start(srv.edge, &err) == RK_OK, "%s", err.msg);
    ck_assert_int_eq(rk_loop_start(srv.loop, "server", NULL), RK_OK);
}

static void server_stop(void)
{
    edge_stop(srv.edge, 500, server_stopped, NULL);
    for (int i = 0; i < 6000 && !atomic_load(&srv.stopped); i++)
        (void)usleep(10000);
    ck_assert(atomic_load(&srv.stopped));
    ck_assert_uint_eq(edge_conns(srv.edge), 0);
    rk_loop_stop(srv.loop);
    rk_loop_join(srv.loop);
    edge_free(srv.edge);
    rk_loop_free(srv.loop);
}

/* ---- client: this thread */

struct channel {
    struct grpc_channel_user user;
    struct grpc_channel *ch;
    bool ready, down;
    struct rk_err why;
};

struct call {
    struct grpc_client_user user;
    struct grpc_client_call *call;
    size_t messages, bytes, expect_each;
    size_t cancel_after;
    bool done, headers;
    int status;
    char text[128], last[64], header[64];
};

static struct rk_loop *loop;

static void ch_ready(struct grpc_channel_user *u)
{
    rk_container_of(u, struct channel, user)->ready = true;
}

static void ch_down(struct grpc_channel_user *u, const struct rk_err *why)
{
    struct channel *c = rk_container_of(u, struct channel, user);

    ck_assert(!c->down);
    c->down = true;
    c->why = *why;
    c->ch = NULL;
}

static const struct grpc_channel_ops ch_ops = {ch_ready, ch_down};

static void call_headers(struct grpc_client_user *u, const struct grpc_header *h, size_t n)
{
    struct call *c = rk_container_of(u, struct call, user);

    c->headers = true;
    if (n)
        (void)snprintf(c->header, sizeof c->header, "%.*s=%.*s", RK_STR_ARG(h[0].name),
                       RK_STR_ARG(h[0].value));
}

static void call_message(struct grpc_client_user *u, struct rk_str body)
{
    struct call *c = rk_container_of(u, struct call, user);

    c->messages++;
    c->bytes += body.n;
    (void)snprintf(c->last, sizeof c->last, "%.*s", RK_STR_ARG(body));
    if (c->expect_each)
        ck_assert_uint_eq(body.n, c->expect_each);
    if (c->cancel_after && c->messages == c->cancel_after)
        grpc_client_cancel(c->call);
    else if (c->cancel_after)
        ck_assert_uint_lt(c->messages, c->cancel_after);
}

static void call_done(struct grpc_client_user *u, int status, struct rk_str text)
{
    struct call *c = rk_container_of(u, struct call, user);

    ck_assert(!c->done);
    c->done = true;
    c->status = status;
    c->call = NULL;
    (void)snprintf(c->text, sizeof c->text, "%.*s", RK_STR_ARG(text));
}

static const struct grpc_client_ops call_ops = {call_headers, call_message, NULL, call_done};

static void run_until(const bool *flag)
{
    int64_t end = rk_mono_ms() + 60000;

    while (!*flag && rk_mono_ms() < end)
        (void)uv_run(rk_loop_uv(loop), UV_RUN_ONCE);
    ck_assert(*flag);
}

static void run_ms(int64_t ms)
{
    int64_t end = rk_mono_ms() + ms;

    while (rk_mono_ms() < end) {
        (void)uv_run(rk_loop_uv(loop), UV_RUN_NOWAIT);
        (void)usleep(1000);
    }
}

static void wait_for(const _Atomic int *counter, int want)
{
    int got = 0;

    for (int i = 0; i < 5000 && got < want; i++) {
        run_ms(1);
        got = atomic_load(counter);
    }
    ck_assert_int_ge(got, want);
}

static struct tls_ctx *tls;

static void channel_open(struct channel *c, bool with_tls)
{
    struct grpc_channel_opts o = {
        .host = "127.0.0.1", .port = edge_port(srv.edge, with_tls), .tls = with_tls ? tls : NULL};
    struct rk_err err;

    c->user.ops = &ch_ops;
    ck_assert_msg(grpc_channel_open(loop, &o, &c->user, &c->ch, &err) == RK_OK, "%s", err.msg);
}

static void start_limited(struct channel *c, bool with_tls, const struct edge_limits *limits)
{
    struct tls_client_opts t = {.ca_file = cert.cert, .no_system_roots = true};

    server_start(limits);
    ck_assert_int_eq(rk_loop_new(&loop, NULL), RK_OK);
    ck_assert_int_eq(tls_client_new(&t, &tls, NULL), RK_OK);
    channel_open(c, with_tls);
}

static void start(struct channel *c, bool with_tls)
{
    start_limited(c, with_tls, NULL);
}

static void stop(struct channel *c)
{
    if (c->ch)
        grpc_channel_close(c->ch);
    run_until(&c->down);
    rk_loop_stop(loop);
    rk_loop_run(loop);
    rk_loop_free(loop);
    tls_ctx_free(tls);
    server_stop();
}

static void unary(struct channel *ch, struct call *c, const char *path, struct rk_str body,
                  int64_t timeout_ms)
{
    c->user.ops = &call_ops;
    ck_assert_int_eq(grpc_client_unary(ch->ch, path, body, timeout_ms, &c->user, &c->call, NULL),
                     RK_OK);
}

START_TEST(unary_works)
{
    struct channel ch = {0};
    struct call a = {0}, b = {0}, big = {0};
    struct rk_bytes *body = rk_bytes_new(900 * 1000);

    memset(body->p, 'b', body->n);
    start(&ch, _i);
    unary(&ch, &a, "/t.S/Unary", RK_STR("early"), 5000); /* before ready */
    run_until(&a.done);
    ck_assert(ch.ready && grpc_channel_is_ready(ch.ch));
    ck_assert_int_eq(a.status, GRPC_OK);
    ck_assert_str_eq(a.last, "early");
    unary(&ch, &b, "/t.S/Unary", RK_STR(""), 5000);
    unary(&ch, &big, "/t.S/Unary", rk_bytes_str(body), 5000);
    run_until(&b.done);
    run_until(&big.done);
    ck_assert_uint_eq(b.messages, 1);
    ck_assert_uint_eq(big.bytes, 900 * 1000);
    wait_for(&srv.ended[RK_OK], 3);
    rk_bytes_unref(body);
    stop(&ch);
    ck_assert_int_eq(ch.why.code, RK_OK);
}
END_TEST

START_TEST(errors_arrive)
{
    struct channel ch = {0};
    struct call fail = {0}, unknown = {0}, late = {0}, big = {0};
    struct rk_bytes *body = rk_bytes_new((1 << 20) + 1);

    memset(body->p, 'b', body->n);
    start(&ch, _i);
    unary(&ch, &fail, "/t.S/Fail", RK_STR(""), 5000);
    unary(&ch, &unknown, "/t.S/Missing", RK_STR(""), 5000);
    unary(&ch, &late, "/t.S/Never", RK_STR(""), 100);
    unary(&ch, &big, "/t.S/Unary", rk_bytes_str(body), 5000);
    run_until(&fail.done);
    run_until(&unknown.done);
    run_until(&late.done);
    run_until(&big.done);
    ck_assert_int_eq(fail.status, GRPC_UNKNOWN);
    ck_assert_str_eq(fail.text, "50% of \n it");
    ck_assert(!fail.headers);
    ck_assert_int_eq(unknown.status, GRPC_UNIMPLEMENTED);
    ck_assert_int_eq(late.status, GRPC_DEADLINE_EXCEEDED);
    ck_assert_int_eq(big.status, GRPC_RESOURCE_EXHAUSTED);
    rk_bytes_unref(body);
    stop(&ch);
}
END_TEST

START_TEST(stream_flows_and_is_cancelled)
{
    struct channel ch = {0};
    struct call c = {.cancel_after = 100, .expect_each = 50000};
    struct rk_bytes *body = rk_bytes_new(50000);

    memset(body->p, 'b', body->n);
    start(&ch, _i);
    unary(&ch, &c, "/t.S/Stream", rk_bytes_str(body), 0);
    run_until(&c.done);
    ck_assert_int_eq(c.status, GRPC_CANCELLED);
    ck_assert_uint_eq(c.messages, 100);
    wait_for(&srv.ended[RK_CANCELLED], 1);
    rk_bytes_unref(body);
    stop(&ch);
}
END_TEST

static void bidi(struct channel *ch, struct call *c, const char *mode)
{
    struct grpc_header h = {RK_STR("x-mode"), rk_str_z(mode)};

    c->user.ops = &call_ops;
    ck_assert_int_eq(grpc_client_call(ch->ch, "/t.S/Bidi", &h, 1, 0, &c->user, &c->call, NULL),
                     RK_OK);
}

START_TEST(bidi_ends_from_both_sides)
{
    struct channel ch = {0};
    struct call ours = {0}, theirs = {0};

    start(&ch, _i);
    bidi(&ch, &ours, "");
    bidi(&ch, &theirs, "");
    run_until(&ours.headers); /* before any message */
    ck_assert_str_eq(ours.header, "x-registered=1");
    for (int i = 0; i < 100; i++)
        grpc_client_send(ours.call, RK_STR("ping"));
    grpc_client_half_close(ours.call);
    run_until(&ours.done);
    ck_assert_int_eq(ours.status, GRPC_OK);
    ck_assert_uint_eq(ours.messages, 100);
    grpc_client_send(theirs.call, RK_STR("one"));
    grpc_client_send(theirs.call, RK_STR("finish"));
    run_until(&theirs.done); /* although we have not half-closed */
    ck_assert_int_eq(theirs.status, GRPC_OK);
    ck_assert_uint_eq(theirs.messages, 1);
    wait_for(&srv.ended[RK_OK], 2);
    stop(&ch);
}
END_TEST

struct resume {
    struct rk_task task;
};

static void resume_held(struct rk_task *t)
{
    (void)t;
    grpc_call_resume(srv.held);
}

START_TEST(pause_holds_the_client_back)
{
    struct channel ch = {0};
    struct call c = {0};
    struct rk_bytes *body = rk_bytes_new(100 * 1000);
    struct resume r = {{.run = resume_held}};
    size_t waiting;

    memset(body->p, 'b', body->n);
    start(&ch, _i);
    bidi(&ch, &c, "pause");
    run_until(&c.headers);
    for (int i = 0; i < 20; i++)
        grpc_client_send(c.call, rk_bytes_str(body));
    run_ms(300);
    ck_assert_int_eq(atomic_load(&srv.messages), 0);
    waiting = grpc_client_queued(c.call);
    ck_assert_uint_gt(waiting, 1000 * 1000); /* only the stream's window has left */
    rk_loop_post(srv.loop, &r.task);
    grpc_client_half_close(c.call);
    run_until(&c.done);
    ck_assert_int_eq(c.status, GRPC_OK);
    ck_assert_uint_eq(c.messages, 20);
    rk_bytes_unref(body);
    stop(&ch);
}
END_TEST

START_TEST(shutdown_is_told)
{
    struct channel ch = {0};
    struct call c = {0}, d = {0};

    start(&ch, _i);
    bidi(&ch, &c, "");
    run_until(&c.headers);
    unary(&ch, &d, "/t.S/Never", RK_STR(""), 0);
    run_ms(50);
    edge_stop(srv.edge, 500, server_stopped, NULL);
    run_until(&c.done);
    ck_assert_int_eq(c.status, GRPC_UNAVAILABLE);
    run_until(&d.done); /* cut off when the grace is over */
    ck_assert_int_eq(d.status, GRPC_UNAVAILABLE);
    run_until(&ch.down);
    ck_assert_int_ne(ch.why.code, RK_OK);
    while (!atomic_load(&srv.stopped))
        (void)usleep(1000);
    ck_assert_int_eq(atomic_load(&srv.ended[RK_UNAVAILABLE]), 2);
    rk_loop_stop(loop);
    rk_loop_run(loop);
    rk_loop_free(loop);
    tls_ctx_free(tls);
    rk_loop_stop(srv.loop);
    rk_loop_join(srv.loop);
    edge_free(srv.edge);
    rk_loop_free(srv.loop);
}
END_TEST

START_TEST(close_is_told_to_all_calls)
{
    struct channel ch = {0};
    struct call c[10] = {0};
    struct grpc_client_call *none;

    start(&ch, _i);
    for (size_t i = 0; i < 10; i++)
        unary(&ch, &c[i], "/t.S/Never", RK_STR(""), 0);
    if (_i)
        run_until(&ch.ready);
    grpc_channel_close(ch.ch);
    grpc_channel_close(ch.ch);
    ck_assert_int_eq(grpc_client_call(ch.ch, "/x", NULL, 0, 0, &c[0].user, &none, NULL),
                     RK_CANCELLED);
    ck_assert(!c[0].done); /* not from within */
    run_until(&ch.down);
    for (size_t i = 0; i < 10; i++) {
        ck_assert(c[i].done);
        ck_assert_int_eq(c[i].status, GRPC_CANCELLED);
    }
    stop(&ch);
}
END_TEST

START_TEST(cancel_before_it_left)
{
    struct channel ch = {0};
    struct call c = {0}, d = {0};

    start(&ch, _i);
    unary(&ch, &c, "/t.S/Unary", RK_STR("x"), 0);
    grpc_client_cancel(c.call);
    grpc_client_cancel(c.call);
    unary(&ch, &d, "/t.S/Unary", RK_STR("y"), 0);
    run_until(&c.done);
    run_until(&d.done);
    ck_assert_int_eq(c.status, GRPC_CANCELLED);
    ck_assert_int_eq(d.status, GRPC_OK);
    stop(&ch);
}
END_TEST

START_TEST(not_a_grpc_server)
{
    struct channel ch = {0};
    struct grpc_channel_opts o = {.host = "127.0.0.1", .connect_timeout_ms = 500};
    struct rk_err err;

    start(&ch, false);
    grpc_channel_close(ch.ch);
    run_until(&ch.down);
    memset(&ch, 0, sizeof ch);
    ch.user.ops = &ch_ops;
    o.port = edge_port(srv.edge, _i == 0); /* clear text to TLS, then TLS to clear text */
    o.tls = _i == 0 ? NULL : tls;
    ck_assert_msg(grpc_channel_open(loop, &o, &ch.user, &ch.ch, &err) == RK_OK, "%s", err.msg);
    run_until(&ch.down);
    ck_assert(!ch.ready);
    ck_assert_int_ne(ch.why.code, RK_OK);
    stop(&ch);
}
END_TEST

START_TEST(streams_above_the_limit_wait)
{
    struct edge_limits limits = {.max_streams = 2};
    struct channel ch = {0};
    struct call held[2] = {0}, third = {0};

    start_limited(&ch, _i, &limits);
    run_until(&ch.ready);
    for (size_t i = 0; i < 2; i++)
        unary(&ch, &held[i], "/t.S/Never", RK_STR(""), 0);
    unary(&ch, &third, "/t.S/Unary", RK_STR("x"), 0);
    run_ms(200);
    ck_assert(!third.done);
    grpc_client_cancel(held[0].call);
    run_until(&third.done);
    ck_assert_int_eq(third.status, GRPC_OK);
    stop(&ch);
}
END_TEST

START_TEST(connections_above_the_limit_are_closed)
{
    struct edge_limits limits = {.max_conns = 1};
    struct channel ch = {0}, more = {0};

    start_limited(&ch, _i, &limits);
    run_until(&ch.ready);
    channel_open(&more, _i);
    run_until(&more.down);
    ck_assert(!more.ready);
    ck_assert(grpc_channel_is_ready(ch.ch));
    stop(&ch);
}
END_TEST

/* Several big requests at once pass the connection's budget: one is refused, none is cut. */
START_TEST(unfinished_messages_have_a_budget)
{
    struct edge_limits limits = {.max_conn_recv_bytes = 1000 * 1000};
    struct channel ch = {0};
    struct call c[4] = {0};
    struct rk_bytes *body = rk_bytes_new(900 * 1000);
    size_t ok = 0, refused = 0;

    memset(body->p, 'b', body->n);
    start_limited(&ch, _i, &limits);
    run_until(&ch.ready);
    for (size_t i = 0; i < 4; i++)
        unary(&ch, &c[i], "/t.S/Unary", rk_bytes_str(body), 0);
    for (size_t i = 0; i < 4; i++) {
        run_until(&c[i].done);
        ok += c[i].status == GRPC_OK && c[i].bytes == body->n;
        refused += c[i].status == GRPC_RESOURCE_EXHAUSTED;
    }
    ck_assert_uint_eq(ok + refused, 4);
    ck_assert_uint_ge(ok, 1);
    ck_assert_uint_ge(refused, 1);
    rk_bytes_unref(body);
    stop(&ch);
}
END_TEST

/* A whole message is not used before the end of the request, so it counts until then. */
START_TEST(messages_without_an_end_have_a_budget)
{
    struct edge_limits limits = {.max_conn_recv_bytes = 1000 * 1000};
    struct channel ch = {0};
    struct call c[2] = {{.user = {&call_ops}}, {.user = {&call_ops}}};
    struct rk_bytes *body = rk_bytes_new(900 * 1000);

    memset(body->p, 'b', body->n);
    start_limited(&ch, _i, &limits);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(
            grpc_client_call(ch.ch, "/t.S/Unary", NULL, 0, 0, &c[i].user, &c[i].call, NULL), RK_OK);
        grpc_client_send(c[i].call, rk_bytes_str(body));
        for (int k = 0; k < 5000 && !c[1].done && grpc_client_queued(c[i].call); k++)
            run_ms(1); /* one behind the other, or two halves would be too much already */
    }
    run_until(&c[1].done);
    ck_assert_int_eq(c[1].status, GRPC_RESOURCE_EXHAUSTED);
    ck_assert(!c[0].done);
    rk_bytes_unref(body);
    stop(&ch);
}
END_TEST

/* ---- without a client of ours */

static int dial_raw(void)
{
    struct rk_addr a = {.ip = rk_ip4(127, 0, 0, 1), .port = edge_port(srv.edge, 0)};
    struct sockaddr_storage ss;
    socklen_t len = rk_addr_to_sa(&a, &ss);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&ss, len), 0);
    return fd;
}

/* The kernel shows the end of a stream as "readable" for ever: the edge must not wait for more. */
START_TEST(unfinished_heads_that_end_are_dropped)
{
    struct pollfd p = {.events = POLLIN};
    char byte;

    server_start(NULL);
    p.fd = dial_raw();
    ck_assert_int_eq(write(p.fd, "GE", 2), 2);
    (void)usleep(50000);
    ck_assert_int_eq(poll(&p, 1, 0), 0); /* more may come */
    ck_assert_int_eq(shutdown(p.fd, SHUT_WR), 0);
    ck_assert_int_eq(poll(&p, 1, 9000), 1); /* long before the time for a head is over */
    ck_assert_int_le(read(p.fd, &byte, 1), 0);
    (void)close(p.fd);
    server_stop();
}
END_TEST

static enum rk_code never_called(struct http_req *req, struct http_resp *resp, struct db *db,
                                 struct rk_err *err)
{
    (void)req;
    (void)resp;
    (void)db;
    (void)err;
    ck_abort_msg("the request has not ended");
}

static void send_frame(int fd, unsigned type, unsigned flags, unsigned stream, const char *p,
                       size_t n)
{
    char head[9] = {0, (char)(n >> 8), (char)n, (char)type, (char)flags, 0, 0, 0, (char)stream};

    ck_assert_int_eq(write(fd, head, sizeof head), sizeof head);
    if (n)
        ck_assert_int_eq(write(fd, p, n), (ssize_t)n);
}

static void read_all(int fd, char *to, size_t n)
{
    for (size_t got = 0; got < n;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        ssize_t r;

        ck_assert_int_eq(poll(&p, 1, 60000), 1);
        r = read(fd, to + got, n - got);
        ck_assert_int_gt(r, 0);
        got += (size_t)r;
    }
}

/* Bodies of requests that never end: those of one connection share the budget. */
START_TEST(unfinished_bodies_have_a_budget)
{
    static const char post[] = {'\x83', '\x86', '\x84', 'A', 1, 'x'}; /* POST http / x */
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    static const struct http_route routes[] = {
        {.method = HTTP_POST, .path = "/", .handler = never_called, .flags = HTTP_PUBLIC}};
    struct edge_limits limits = {.max_conn_recv_bytes = 100 * 1000};
    struct http_dispatch_opts d = {.router = http_router_new()};
    static char body[16000];
    unsigned type = 0, stream = 0;
    struct http_dispatch *dispatch;
    int fd;

    server_start(&limits);
    http_router_add((struct http_router *)(uintptr_t)d.router, routes, RK_ARRAY_LEN(routes));
    dispatch = http_dispatch_new(&d);
    edge_set_http(srv.edge, dispatch, NULL, NULL);
    fd = dial_raw();
    ck_assert_int_eq(write(fd, preface, sizeof preface - 1), sizeof preface - 1);
    send_frame(fd, 4, 0, 0, NULL, 0);
    for (unsigned i = 1; i <= 3; i += 2) {
        send_frame(fd, 1, 4, i, post, sizeof post);
        for (int k = 0; k < 5; k++)
            send_frame(fd, 0, 0, i, body, sizeof body);
    }
    while (type != 1) { /* the first answer */
        char head[9], payload[16384];
        size_t n;

        read_all(fd, head, sizeof head);
        n = (size_t)(uint8_t)head[1] << 8 | (uint8_t)head[2];
        read_all(fd, payload, n);
        type = (uint8_t)head[3];
        stream = (uint8_t)head[8];
    }
    ck_assert_uint_eq(stream, 3);
    (void)close(fd);
    server_stop();
    http_dispatch_free(dispatch);
    http_router_free((struct http_router *)(uintptr_t)d.router);
}
END_TEST

static enum rk_code large(struct http_req *req, struct http_resp *resp, struct db *db,
                          struct rk_err *err)
{
    (void)req;
    (void)db;
    (void)err;
    for (int i = 0; i < 10000; i++)
        rk_buf_addz(&resp->body, "0123456789");
    return RK_OK;
}

/* The next frame of this type that is not an acknowledgement; its payload. */
static size_t await_frame(int fd, unsigned type, char payload[16384])
{
    for (;;) {
        char head[9];
        size_t n;

        read_all(fd, head, sizeof head);
        n = (size_t)(uint8_t)head[1] << 8 | (uint8_t)head[2];
        ck_assert_uint_le(n, 16384);
        read_all(fd, payload, n);
        if ((uint8_t)head[3] == type && head[8])
            return n;
    }
}

#define UNARY_PATH "/t.S/Unary"

/* Who asks and does not take, and who begins and does not end, is not waited for. */
START_TEST(nobody_is_waited_for)
{
    static const char post[] = {'\x83', '\x86', '\x84', 'A', 1, 'x'};
    static const char get[] = {'\x82', '\x86', '\x84', 'A', 1, 'x'};
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    static const char no_window[] = {0, 4, 0, 0, 0, 0};
    static const struct http_route routes[] = {
        {.method = HTTP_POST, .path = "/", .handler = never_called, .flags = HTTP_PUBLIC},
        {.method = HTTP_GET, .path = "/", .handler = large, .flags = HTTP_PUBLIC}};
    struct edge_limits limits = {.request_timeout_ms = 300, .stall_timeout_ms = 700};
    struct http_router *router = http_router_new();
    struct http_dispatch_opts d = {.router = router};
    struct http_dispatch *dispatch;
    static const char part[] = {0, 0, 0, 1, 0, 'x'};
    static char payload[16384];
    char call[200];
    size_t call_n;
    int fd;

    http_router_add(router, routes, RK_ARRAY_LEN(routes));
    dispatch = http_dispatch_new(&d);
    server_start(&limits);
    edge_set_http(srv.edge, dispatch, NULL, NULL);
    fd = dial_raw();
    ck_assert_int_eq(write(fd, preface, sizeof preface - 1), sizeof preface - 1);
    send_frame(fd, 4, 0, 0, no_window, sizeof no_window);
    send_frame(fd, 1, 4, 1, post, sizeof post); /* and no body */
    ck_assert_uint_gt(await_frame(fd, 1, payload), 4);
    ck_assert_mem_eq(payload, "\x48\x03\x34\x30\x38", 5); /* 408 */
    call_n = (size_t)snprintf(call, sizeof call, "\x83\x86\x44%c%sA\1x\x5f\x10%s",
                              (int)strlen(UNARY_PATH), UNARY_PATH, "application/grpc");
    send_frame(fd, 1, 4, 5, call, call_n);
    send_frame(fd, 0, 0, 5, part, sizeof part); /* of a message of 256 bytes */
    ck_assert_uint_gt(await_frame(fd, 1, payload), 20);
    send_frame(fd, 1, 5, 7, get, sizeof get);
    ck_assert_uint_gt(await_frame(fd, 1, payload), 1);
    ck_assert_int_eq(payload[0], '\x88'); /* 200 */
    do                                    /* 1 ends with NO_ERROR, since its request never did */
        ck_assert_uint_eq(await_frame(fd, 3, payload), 4);
    while (!payload[3]);
    ck_assert_int_eq(payload[3], H2_ENHANCE_YOUR_CALM);
    ck_assert_uint_eq(rk_budget_used(edge_budget(srv.edge)), 0);
    (void)close(fd);
    server_stop();
    http_dispatch_free(dispatch);
    http_router_free(router);
}
END_TEST

START_TEST(live_peers_answer_pings)
{
    struct edge_limits limits = {.ping_after_ms = 50, .ping_timeout_ms = 20000};
    struct channel ch = {0};
    struct call c = {0};

    start_limited(&ch, _i, &limits);
    bidi(&ch, &c, "");
    run_until(&c.headers);
    run_ms(500);
    ck_assert(!c.done && grpc_channel_is_ready(ch.ch));
    stop(&ch);
}
END_TEST

START_TEST(dead_peers_are_noticed)
{
    struct edge_limits limits = {.ping_after_ms = 100, .ping_timeout_ms = 3000};
    struct channel ch = {0};
    struct call c = {0};
    int64_t end = rk_mono_ms() + 60000;

    start_limited(&ch, _i, &limits);
    bidi(&ch, &c, "");
    run_until(&c.headers);
    while (!atomic_load(&srv.ended[RK_UNAVAILABLE]) && rk_mono_ms() < end)
        (void)usleep(1000); /* our loop stands still: no answers */
    ck_assert_int_eq(atomic_load(&srv.ended[RK_UNAVAILABLE]), 1);
    stop(&ch);
    ck_assert(c.done);
}
END_TEST

START_TEST(idle_connections_are_sent_away)
{
    struct edge_limits limits = {.idle_timeout_ms = 100};
    struct channel ch = {0};
    struct call c = {0};

    start_limited(&ch, _i, &limits);
    bidi(&ch, &c, "");
    run_ms(300);
    ck_assert(grpc_channel_is_ready(ch.ch)); /* not idle */
    grpc_client_half_close(c.call);
    run_until(&c.done);
    run_until(&ch.down);
    ck_assert_int_eq(ch.why.code, RK_UNAVAILABLE);
    stop(&ch);
}
END_TEST

/* A server that greets and then says nothing more. */
START_TEST(client_notices_a_dead_server)
{
    static const char settings[9] = {0, 0, 0, 4, 0, 0, 0, 0, 0};
    struct channel ch = {.user = {&ch_ops}};
    struct grpc_channel_opts o = {
        .host = "127.0.0.1", .keepalive_ms = 100, .keepalive_timeout_ms = 100};
    struct rk_addr a = {.ip = rk_ip4(127, 0, 0, 1)}, peer;
    struct call c = {0};
    int listener, fd = -1;

    ck_assert_int_eq(rk_loop_new(&loop, NULL), RK_OK);
    ck_assert_int_eq(tcp_listen(&a, false, &listener, NULL), RK_OK);
    ck_assert_int_eq(tcp_local(listener, &a, NULL), RK_OK);
    o.port = a.port;
    ck_assert_int_eq(grpc_channel_open(loop, &o, &ch.user, &ch.ch, NULL), RK_OK);
    unary(&ch, &c, "/t.S/Unary", RK_STR("x"), 0);
    while (fd < 0) {
        run_ms(5);
        fd = tcp_accept(listener, &peer);
    }
    ck_assert_int_eq(write(fd, settings, sizeof settings), sizeof settings);
    run_until(&c.done);
    ck_assert(ch.ready);
    ck_assert_int_eq(c.status, GRPC_UNAVAILABLE);
    run_until(&ch.down);
    ck_assert_ptr_nonnull(strstr(ch.why.msg, "ping"));
    (void)close(fd);
    (void)close(listener);
    rk_loop_stop(loop);
    rk_loop_run(loop);
    rk_loop_free(loop);
}
END_TEST

/* Two loops, one listener: connections are handed over between threads. */
START_TEST(one_acceptor_serves_all_loops)
{
    struct edge_listen listen = {.addr = {.ip = rk_ip4(127, 0, 0, 1)}};
    struct rk_loop *loops[2];
    struct edge_opts o = {
        .loops = loops, .n_loops = 2, .listen = &listen, .n_listen = 1, .single_acceptor = true};
    struct channel ch[6] = {0};
    struct call c[6] = {0};

    memset(&srv, 0, sizeof srv);
    ck_assert_int_eq(rk_loop_new(&loop, NULL), RK_OK);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(rk_loop_new(&loops[i], NULL), RK_OK);
        ck_assert_int_eq(rk_loop_start(loops[i], "server", NULL), RK_OK);
    }
    ck_assert_int_eq(edge_new(&o, &srv.edge, NULL), RK_OK);
    ck_assert_int_eq(edge_add_grpc(srv.edge, methods, RK_ARRAY_LEN(methods), NULL, NULL), RK_OK);
    ck_assert_int_eq(edge_start(srv.edge, NULL), RK_OK);
    for (size_t i = 0; i < 6; i++) {
        channel_open(&ch[i], false);
        unary(&ch[i], &c[i], "/t.S/Unary", RK_STR("x"), 60000);
    }
    for (size_t i = 0; i < 6; i++) {
        run_until(&c[i].done);
        ck_assert_int_eq(c[i].status, GRPC_OK);
        grpc_channel_close(ch[i].ch);
        run_until(&ch[i].down);
    }
    edge_stop(srv.edge, 500, server_stopped, NULL);
    while (!atomic_load(&srv.stopped))
        (void)usleep(1000);
    for (size_t i = 0; i < 2; i++) {
        rk_loop_stop(loops[i]);
        rk_loop_join(loops[i]);
    }
    edge_free(srv.edge);
    for (size_t i = 0; i < 2; i++)
        rk_loop_free(loops[i]);
    rk_loop_stop(loop);
    rk_loop_run(loop);
    rk_loop_free(loop);
}
END_TEST

/* Another program on the port is an error at start, although ports can be shared. */
START_TEST(taken_port_is_told)
{
    struct edge_listen listen = {.addr = {.ip = rk_ip4(127, 0, 0, 1)}};
    struct rk_loop *loops[2];
    struct edge_opts o = {.loops = loops, .n_loops = 2, .listen = &listen, .n_listen = 1};
    struct edge *e = NULL;
    struct rk_err err;
    int fd;

    ck_assert_int_eq(tcp_listen(&listen.addr, true, &fd, NULL), RK_OK);
    ck_assert_int_eq(tcp_local(fd, &listen.addr, NULL), RK_OK);
    for (size_t i = 0; i < 2; i++)
        ck_assert_int_eq(rk_loop_new(&loops[i], NULL), RK_OK);
    ck_assert_int_eq(edge_new(&o, &e, NULL), RK_OK);
    ck_assert_int_eq(edge_start(e, &err), RK_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(err.msg, "127.0.0.1"));
    edge_free(e);
    for (size_t i = 0; i < 2; i++)
        rk_loop_free(loops[i]);
    (void)close(fd);
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

int main(void)
{
    Suite *s = suite_create("grpc");
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 60);
    tcase_add_unchecked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, unary_works, 0, 2);
    tcase_add_loop_test(t, errors_arrive, 0, 2);
    tcase_add_loop_test(t, stream_flows_and_is_cancelled, 0, 2);
    tcase_add_loop_test(t, bidi_ends_from_both_sides, 0, 2);
    tcase_add_loop_test(t, pause_holds_the_client_back, 0, 2);
    tcase_add_loop_test(t, shutdown_is_told, 0, 2);
    tcase_add_loop_test(t, close_is_told_to_all_calls, 0, 2);
    tcase_add_loop_test(t, cancel_before_it_left, 0, 2);
    tcase_add_loop_test(t, not_a_grpc_server, 0, 2);
    tcase_add_loop_test(t, streams_above_the_limit_wait, 0, 2);
    tcase_add_loop_test(t, connections_above_the_limit_are_closed, 0, 2);
    tcase_add_loop_test(t, unfinished_messages_have_a_budget, 0, 2);
    tcase_add_loop_test(t, messages_without_an_end_have_a_budget, 0, 2);
    tcase_add_test(t, unfinished_heads_that_end_are_dropped);
    tcase_add_test(t, unfinished_bodies_have_a_budget);
    tcase_add_test(t, nobody_is_waited_for);
    tcase_add_loop_test(t, live_peers_answer_pings, 0, 2);
    tcase_add_loop_test(t, dead_peers_are_noticed, 0, 2);
    tcase_add_loop_test(t, idle_connections_are_sent_away, 0, 2);
    tcase_add_test(t, client_notices_a_dead_server);
    tcase_add_test(t, one_acceptor_serves_all_loops);
    tcase_add_test(t, taken_port_is_told);
    suite_add_tcase(s, t);
    return run_suite(s);
}
