/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A small gRPC server for tests with foreign clients (tests/func/grpc_client.py):
 *   grpc_testd [--cert FILE --key FILE]     prints "PORT clear [tls]" and runs until stdin ends
 * Service /test.Echo: Unary echoes; Fail answers the code in the text; Slow never answers; Stream
 * takes "COUNT SIZE" and streams; Bidi echoes until half close; Meta sends back metadata and peer.
 */
#include "config.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/grpc/server.h"
#include "lib/http/h1.h"

enum { LOOPS = 2, STREAM_AHEAD = 256 * 1024 };

struct stream {
    int64_t left;
    struct rk_bytes *body;
};

static void unary(struct grpc_call *c, struct rk_str body)
{
    grpc_call_reply(c, body);
}

static void fail(struct grpc_call *c, struct rk_str body)
{
    struct rk_err err;
    int64_t code = 0;

    if (rk_parse_i64(body, 1, RK_CODE_COUNT - 1, &code, NULL))
        code = RK_INTERNAL;
    (void)rk_fail(&err, (enum rk_code)code, "failed: 100%% \xc3\xa4 \"%d\"", (int)code);
    grpc_call_fail(c, &err);
}

static void slow(struct grpc_call *c, struct rk_str body)
{
    (void)c;
    (void)body;
}

static void stream_more(struct grpc_call *c)
{
    struct stream *s = grpc_call_data(c);

    while (s->left > 0 && grpc_call_queued(c) < STREAM_AHEAD) {
        grpc_call_send_owned(c, rk_bytes_ref(s->body));
        s->left--;
    }
    if (s->left == 0)
        grpc_call_finish(c);
}

static void stream(struct grpc_call *c, struct rk_str body)
{
    struct stream *s = rk_new(grpc_call_arena(c), struct stream);
    struct rk_str count, size;
    int64_t n = 0;

    (void)rk_str_cut(body, ' ', &count, &size);
    if (rk_parse_i64(count, 0, 1000000, &s->left, NULL) ||
        rk_parse_i64(size, 0, 16 << 20, &n, NULL))
        n = s->left = 0;
    s->body = rk_bytes_new((size_t)n);
    memset(s->body->p, 'x', (size_t)n);
    grpc_call_set_data(c, s);
    stream_more(c);
}

static void stream_ended(struct grpc_call *c, enum rk_code why)
{
    struct stream *s = grpc_call_data(c);

    (void)why;
    rk_bytes_unref(s->body);
}

static void bidi_begin(struct grpc_call *c)
{
    grpc_call_send_header(c, "x-test", "began");
}

static void bidi(struct grpc_call *c, struct rk_str body)
{
    grpc_call_send(c, body);
}

static void bidi_end(struct grpc_call *c)
{
    grpc_call_finish(c);
}

static void meta(struct grpc_call *c, struct rk_str body)
{
    char peer[RK_ADDR_TEXT];
    struct rk_str value = grpc_call_header(c, "x-question");

    (void)body;
    (void)rk_addr_format(grpc_call_peer(c), peer);
    grpc_call_send_header(c, "x-answer", "42");
    grpc_call_reply(c, rk_arena_printf(grpc_call_arena(c), "%.*s %s", RK_STR_ARG(value), peer));
}

static const struct grpc_method methods[] = {
    {"/test.Echo/Unary", GRPC_UNARY, 8 << 20, NULL, unary, NULL, NULL, NULL},
    {"/test.Echo/Small", GRPC_UNARY, 1000, NULL, unary, NULL, NULL, NULL},
    {"/test.Echo/Fail", GRPC_UNARY, 0, NULL, fail, NULL, NULL, NULL},
    {"/test.Echo/Slow", GRPC_UNARY, 0, NULL, slow, NULL, NULL, NULL},
    {"/test.Echo/Meta", GRPC_UNARY, 0, NULL, meta, NULL, NULL, NULL},
    {"/test.Echo/Stream", GRPC_SERVER_STREAM, 0, NULL, stream, NULL, stream_more, stream_ended},
    {"/test.Echo/Bidi", GRPC_BIDI, 0, bidi_begin, bidi, bidi_end, NULL, NULL},
};

static enum rk_code hello(struct http_req *req, struct http_resp *resp, struct db *db,
                          struct rk_err *err)
{
    (void)req;
    (void)db;
    (void)err;
    resp->content_type = HTTP_TEXT;
    rk_buf_addz(&resp->body, "hello\n");
    return RK_OK;
}

static enum rk_code mirror(struct http_req *req, struct http_resp *resp, struct db *db,
                           struct rk_err *err)
{
    (void)db;
    (void)err;
    resp->content_type = HTTP_TEXT;
    rk_buf_add(&resp->body, req->body);
    return RK_OK;
}

static const struct http_route routes[] = {
    {.method = HTTP_POST, .path = "/mirror", .handler = mirror, .flags = HTTP_PUBLIC},
    {.method = HTTP_GET, .path = "/hello", .handler = hello, .flags = HTTP_PUBLIC},
};

static void stopped(void *arg)
{
    atomic_store((_Atomic bool *)arg, true);
}

static void die(const struct rk_err *err)
{
    (void)fprintf(stderr, "grpc_testd: %s\n", err->msg);
    exit(1);
}

int main(int argc, char **argv)
{
    struct edge_listen listen[2] = {{.addr = {.ip = {0}}}, {.addr = {.ip = {0}}, .tls = true}};
    struct rk_prefix trusted = {.ip = rk_ip4(127, 0, 0, 1), .bits = 32};
    struct rk_loop *loops[LOOPS];
    struct edge_opts opts = {.loops = loops, .n_loops = LOOPS, .listen = listen, .n_listen = 1};
    struct http_router *router = http_router_new();
    struct http_dispatch_opts d_opts = {0};
    struct http_h1_opts h1_opts = {0};
    struct http_h1 *h1 = NULL;
    struct edge *e = NULL;
    struct rk_err err;
    _Atomic bool done = false;
    char c;

    if (argc == 5) {
        opts.cert_file = argv[2];
        opts.key_file = argv[4];
        opts.n_listen = 2;
    }
    opts.limits.header_timeout_ms = 2000;
    opts.trusted = &trusted;
    opts.n_trusted = 1;
    listen[0].proxy_protocol = listen[1].proxy_protocol = true;
    opts.log = rk_log_new(2, RK_DEBUG, false);
    http_router_add(router, routes, RK_ARRAY_LEN(routes));
    d_opts.router = router;
    h1_opts.log = d_opts.log = opts.log;
    h1_opts.dispatch = http_dispatch_new(&d_opts);
    if (http_h1_new(&h1_opts, &h1, &err))
        die(&err);
    for (size_t i = 0; i < LOOPS; i++)
        if (rk_loop_new(&loops[i], &err) || rk_loop_start(loops[i], "loop", &err))
            die(&err);
    if (edge_new(&opts, &e, &err) || edge_add_grpc(e, methods, RK_ARRAY_LEN(methods), NULL, &err) ||
        edge_add_ws_proxy(e, "/ws-proxy/test", &err))
        die(&err);
    edge_set_http(e, h1_opts.dispatch, h1, http_h1_take_fd);
    if (edge_start(e, &err))
        die(&err);
    (void)printf("%u %u\n", edge_port(e, 0), edge_port(e, 1));
    (void)fflush(stdout);
    while (read(0, &c, 1) > 0)
        if (c == 'r' && edge_reload_tls(e, &err))
            (void)fprintf(stderr, "reload: %s\n", err.msg);
    http_h1_stop(h1, 2000);
    edge_stop(e, 2000, stopped, (void *)&done);
    while (!atomic_load(&done))
        (void)poll(NULL, 0, 5);
    http_h1_free(h1);
    http_router_free(router);
    for (size_t i = 0; i < LOOPS; i++) {
        rk_loop_stop(loops[i]);
        rk_loop_join(loops[i]);
    }
    edge_free(e);
    http_dispatch_free(h1_opts.dispatch);
    for (size_t i = 0; i < LOOPS; i++)
        rk_loop_free(loops[i]);
    rk_log_free(opts.log);
    (void)puts("stopped");
    return 0;
}
