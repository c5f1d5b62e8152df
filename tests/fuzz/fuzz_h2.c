/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzz an HTTP/2 server session: any frames behind the preface, in two pieces, against a service
 * that answers, resets and drops. What must hold: callbacks balance and nothing is left over. */
#include "config.h"

#include "lib/base/loop_uv.h"
#include "lib/http/h2.h"
#include "tests/fuzz/fuzz.h"

struct service {
    struct h2_io io;
    struct h2_session_user user;
    struct h2_stream_user stream_user;
    size_t begun, closed, over, sent;
};

static void io_send(struct h2_io *io, struct rk_str s)
{
    rk_container_of(io, struct service, io)->sent += s.n;
}

static void io_send_bytes(struct h2_io *io, struct rk_bytes *b, size_t off, size_t n)
{
    FUZZ_CHECK(off <= b->n && n <= b->n - off);
    rk_container_of(io, struct service, io)->sent += n;
}

static size_t io_queued(struct h2_io *io)
{
    (void)io;
    return 0;
}

static void stream_data(struct h2_stream_user *u, struct h2_stream *s, struct rk_str in)
{
    (void)u;
    if (in.n && in.p[0] == 'r')
        h2_stream_reset(s, H2_CANCEL);
    h2_stream_write(s, RK_STR("head"), rk_bytes_dup(in));
    if (in.n && in.p[0] == 'd')
        (void)h2_stream_drop_unsent(s);
    h2_stream_consume(s, in.n);
}

static void stream_end(struct h2_stream_user *u, struct h2_stream *s)
{
    struct h2_header trailer = {RK_STR("grpc-status"), RK_STR("0")};

    (void)u;
    h2_stream_finish(s, &trailer, 1);
}

static void stream_closed(struct h2_stream_user *u, struct h2_stream *s, const struct rk_err *why)
{
    (void)s;
    (void)why;
    rk_container_of(u, struct service, stream_user)->closed++;
}

static const struct h2_stream_ops stream_ops = {
    .data = stream_data, .end = stream_end, .closed = stream_closed};

static void request(struct h2_session_user *u, struct h2_stream *s)
{
    struct service *svc = rk_container_of(u, struct service, user);
    struct h2_header status = {RK_STR(":status"), RK_STR("200")};

    svc->begun++;
    h2_stream_set_user(s, &svc->stream_user);
    for (size_t i = 0; i < h2_stream_n_headers(s); i++)
        FUZZ_CHECK(h2_stream_header_at(s, i).name.p != NULL);
    if (!h2_stream_header(s, "x-late").n)
        h2_stream_respond(s, &status, 1, false);
}

static void over(struct h2_session_user *u, const struct rk_err *why)
{
    (void)why;
    rk_container_of(u, struct service, user)->over++;
}

static const struct h2_session_ops session_ops = {request, NULL, over};
static const struct h2_io_ops io_ops = {io_send, io_send_bytes, io_queued};

static void turn(struct rk_loop *loop)
{
    for (int i = 0; i < 4; i++)
        (void)uv_run(rk_loop_uv(loop), UV_RUN_NOWAIT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct service svc = {.io = {&io_ops}, .user = {&session_ops}, .stream_user = {&stream_ops}};
    struct h2_opts opts = {.server = true, .max_streams = 10, .max_header_bytes = 1000};
    struct rk_loop *loop = NULL;
    struct h2_session *s;

    FUZZ_CHECK(rk_loop_new(&loop, NULL) == RK_OK);
    s = h2_session_new(loop, &opts, &svc.io, &svc.user);
    h2_session_feed(s, RK_STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"));
    turn(loop);
    h2_session_feed(s, rk_str_of(data, size / 2));
    turn(loop);
    h2_session_feed(s, rk_str_of(data + size / 2, size - size / 2));
    turn(loop);
    h2_session_free(s, NULL);
    FUZZ_CHECK(svc.begun == svc.closed && svc.over <= 1);
    FUZZ_CHECK(svc.sent < (1 << 20) + size * 64);
    rk_loop_stop(loop);
    rk_loop_run(loop);
    rk_loop_free(loop);
    return 0;
}
