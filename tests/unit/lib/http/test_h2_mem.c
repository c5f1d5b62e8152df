/* SPDX-License-Identifier: BSD-3-Clause */
/* lib/http/h2_mem: sessions of one loop pack their frames into one buffer. Several connections send
 * much at once through outputs that fill up in the middle of frames; all of it must arrive. */
#include "config.h"

#include "lib/http/h2_mem.h"

#include <check.h>
#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/base/loop_uv.h"
#include "lib/base/num.h"
#include "lib/http/h2.h"
#include "tests/unit/run.h"

enum {
    PAIRS = 3,
    REQUESTS = 4,      /* per connection */
    BODY = 700 * 1000, /* above every window, and of H2_IO_HIGH */
    PIECE = 70 * 1000, /* one write */
    STEP = 37 * 1000,  /* bytes that the network takes per turn */
    OUT_MAX = 16 << 20,
};

struct end { /* one side of a connection */
    struct h2_io io;
    struct h2_session_user user;
    struct h2_stream_user stream_user; /* server: of all its streams */
    struct h2_session *session;
    struct rk_buf out;
    struct end *other;
};

struct request {
    struct h2_stream_user user;
    struct h2_stream *stream;
    size_t got;
    uint8_t want; /* every byte of the body */
    bool closed;
};

struct pair {
    struct end client, server;
    struct request requests[REQUESTS];
};

static struct pair pairs[PAIRS];
static size_t n_waits; /* how often an output was full */

/* ---- io */

static void io_send(struct h2_io *io, struct rk_str s)
{
    rk_buf_add(&rk_container_of(io, struct end, io)->out, s);
}

static void io_send_bytes(struct h2_io *io, struct rk_bytes *b, size_t off, size_t n)
{
    io_send(io, rk_str_of(b->p + off, n));
}

static size_t io_queued(struct h2_io *io)
{
    size_t n = rk_container_of(io, struct end, io)->out.n;

    n_waits += n >= H2_IO_HIGH;
    return n;
}

static const struct h2_io_ops IO_OPS = {io_send, io_send_bytes, io_queued};

static void carry(struct end *from)
{
    size_t n = rk_min_size(from->out.n, STEP);
    RK_CLEANUP(rk_freep) char *bytes = NULL;

    if (!n)
        return;
    bytes = rk_memdup(from->out.p, n);
    rk_buf_drop(&from->out, n);
    h2_session_feed(from->other->session, rk_str_of(bytes, n));
    h2_session_wrote(from->session);
}

/* ---- server: the path's last character, often */

static void stream_closed(struct h2_stream_user *u, struct h2_stream *s, const struct rk_err *why)
{
    (void)u;
    (void)s;
    ck_assert_int_eq(why->code, RK_OK);
}

static const struct h2_stream_ops SERVED = {.closed = stream_closed};

static void served(struct h2_session_user *u, struct h2_stream *s)
{
    static const struct h2_header ok = {RK_STR(":status"), RK_STR("200")};
    struct end *e = rk_container_of(u, struct end, user);
    struct rk_str path = h2_stream_header(s, ":path");

    e->stream_user.ops = &SERVED;
    h2_stream_set_user(s, &e->stream_user);
    h2_stream_respond(s, &ok, 1, false);
    for (size_t left = BODY; left; left -= PIECE) {
        struct rk_bytes *b = rk_bytes_new(PIECE);

        memset(b->p, path.p[path.n - 1], PIECE);
        h2_stream_write(s, (struct rk_str){0}, b);
    }
    h2_stream_finish(s, NULL, 0);
}

static void over(struct h2_session_user *u, const struct rk_err *why)
{
    (void)u;
    ck_assert_msg(0, "a session ended: %s", why->msg);
}

static const struct h2_session_ops SERVER_OPS = {served, NULL, over, NULL};
static const struct h2_session_ops CLIENT_OPS = {NULL, NULL, over, NULL};

/* ---- client */

static void got_data(struct h2_stream_user *u, struct h2_stream *s, struct rk_str in)
{
    struct request *r = rk_container_of(u, struct request, user);

    size_t wrong = 0;

    for (size_t i = 0; i < in.n; i++)
        wrong += (uint8_t)in.p[i] != r->want;
    ck_assert_uint_eq(wrong, 0);
    r->got += in.n;
    h2_stream_consume(s, in.n);
}

static void answered(struct h2_stream_user *u, struct h2_stream *s, const struct rk_err *why)
{
    struct request *r = rk_container_of(u, struct request, user);

    (void)s;
    ck_assert_int_eq(why->code, RK_OK);
    r->closed = true;
}

static const struct h2_stream_ops REQUEST_OPS = {.data = got_data, .closed = answered};

static void ask(struct pair *p, size_t i, uint8_t want)
{
    struct request *r = &p->requests[i];
    char path[] = "/x";
    struct h2_header v[] = {{RK_STR(":method"), RK_STR("GET")},
                            {RK_STR(":scheme"), RK_STR("http")},
                            {RK_STR(":path"), {path, 2}},
                            {RK_STR(":authority"), RK_STR("localhost")}};

    path[1] = (char)want;
    *r = (struct request){.user = {&REQUEST_OPS}, .want = want};
    ck_assert_int_eq(
        h2_session_request(p->client.session, v, RK_ARRAY_LEN(v), &r->user, &r->stream, NULL),
        RK_OK);
    h2_stream_finish(r->stream, NULL, 0);
}

static void end_open(struct rk_loop *loop, struct end *e, struct end *other, bool server)
{
    struct h2_opts opts = {.server = server};

    *e =
        (struct end){.io = {&IO_OPS}, .user = {server ? &SERVER_OPS : &CLIENT_OPS}, .other = other};
    rk_buf_init(&e->out, OUT_MAX);
    e->session = h2_session_new(loop, &opts, &e->io, &e->user);
}

static bool all_closed(void)
{
    for (size_t p = 0; p < PAIRS; p++)
        for (size_t i = 0; i < REQUESTS; i++)
            if (!pairs[p].requests[i].closed)
                return false;
    return true;
}

START_TEST(connections_of_a_loop_do_not_mix)
{
    struct rk_loop *loop = NULL;

    ck_assert_int_eq(rk_loop_new(&loop, NULL), RK_OK);
    for (size_t p = 0; p < PAIRS; p++) {
        end_open(loop, &pairs[p].client, &pairs[p].server, false);
        end_open(loop, &pairs[p].server, &pairs[p].client, true);
        for (size_t i = 0; i < REQUESTS; i++)
            ask(&pairs[p], i, (uint8_t)('a' + p * REQUESTS + i));
    }
    for (int turn = 0; turn < 100000 && !all_closed(); turn++) {
        (void)uv_run(rk_loop_uv(loop), UV_RUN_NOWAIT);
        for (size_t p = 0; p < PAIRS; p++) {
            carry(&pairs[p].server);
            carry(&pairs[p].client);
        }
    }
    ck_assert(all_closed());
    ck_assert_uint_gt(n_waits, 0); /* or the test shows nothing */
    for (size_t p = 0; p < PAIRS; p++) {
        for (size_t i = 0; i < REQUESTS; i++)
            ck_assert_uint_eq(pairs[p].requests[i].got, BODY);
        h2_session_free(pairs[p].client.session, NULL);
        h2_session_free(pairs[p].server.session, NULL);
        rk_buf_done(&pairs[p].client.out);
        rk_buf_done(&pairs[p].server.out);
    }
    rk_loop_stop(loop);
    rk_loop_run(loop);
    rk_loop_free(loop);
}
END_TEST

START_TEST(the_buffer_is_shared_and_left)
{
    struct rk_loop *loop = NULL, *other = NULL;
    struct h2_mem a, b, c;
    void *p;

    ck_assert_int_eq(rk_loop_new(&loop, NULL), RK_OK);
    ck_assert_int_eq(rk_loop_new(&other, NULL), RK_OK);
    h2_mem_init(&a, loop, true);
    h2_mem_init(&b, loop, true);
    h2_mem_init(&c, other, true);
    ck_assert_ptr_eq(a.shared, b.shared);
    ck_assert_ptr_ne(a.shared, c.shared);
    p = a.ng.realloc(NULL, 16394, &a);
    ck_assert_ptr_eq(p, b.ng.malloc(16394, &b));
    ck_assert(a.taken && b.taken);
    memset(p, 7, 16394);
    p = a.ng.realloc(p, 20000, &a); /* moves out */
    ck_assert_int_eq(((uint8_t *)p)[16393], 7);
    a.ng.free(p, &a);
    h2_mem_made(&c);
    p = c.ng.malloc(16394, &c); /* a second one is its own */
    ck_assert(!c.taken);
    c.ng.free(p, &c);
    h2_mem_done(&a);
    h2_mem_done(&a);
    h2_mem_done(&b);
    h2_mem_done(&c);
    for (struct rk_loop **l = (struct rk_loop *[]){loop, other, NULL}; *l; l++) {
        rk_loop_stop(*l);
        rk_loop_run(*l);
        rk_loop_free(*l);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("h2_mem");
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 120);
    tcase_add_test(t, connections_of_a_loop_do_not_mix);
    tcase_add_test(t, the_buffer_is_shared_and_left);
    suite_add_tcase(s, t);
    return run_suite(s);
}
