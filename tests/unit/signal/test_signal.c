/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests the signal service behind a real edge on two loop threads, with our gRPC client and, for
 * clients that take nothing, with HTTP/2 frames by hand. */
#include "config.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "lib/base/loop_uv.h"
#include "lib/base/num.h"
#include "lib/base/wr.h"
#include "lib/grpc/client.h"
#include "lib/grpc/server.h"
#include "signal/app.h"
#include "tests/unit/vec.h"

enum { LOOPS = 2, WAIT_MS = 60000, QUIET_MS = 100, TIMEOUT_MS = 400 };

#define CONNECT "/signalexchange.SignalExchange/ConnectStream"
#define SEND    "/signalexchange.SignalExchange/Send"

static struct rk_loop *loops[LOOPS], *mine;
static struct rk_metrics *metrics;
static struct edge *edge;
static struct sig_app *app;
static uv_sem_t stopped;
static struct rk_arena *mem;

static void on_stopped(void *arg)
{
    (void)arg;
    uv_sem_post(&stopped);
}

static void setup(void)
{
    struct edge_listen listen = {0};
    struct edge_opts opts = {.loops = loops, .n_loops = LOOPS, .listen = &listen, .n_listen = 1};
    struct sig_app_opts sig = {.loops = loops,
                               .n_loops = LOOPS,
                               .send_timeout_ms = TIMEOUT_MS,
                               .combined = true,
                               .max_streams = 40};

    mem = rk_arena_new(0);
    sig.metrics = metrics = rk_metrics_new();
    ck_assert_int_eq(rk_addr_parse(RK_STR("127.0.0.1:0"), &listen.addr, NULL), RK_OK);
    ck_assert_int_eq(rk_loop_new(&mine, NULL), RK_OK);
    for (int i = 0; i < LOOPS; i++) {
        ck_assert_int_eq(rk_loop_new(&loops[i], NULL), RK_OK);
        ck_assert_int_eq(rk_loop_start(loops[i], "edge", NULL), RK_OK);
    }
    ck_assert_int_eq(edge_new(&opts, &edge, NULL), RK_OK);
    sig.edge = edge;
    ck_assert_int_eq(sig_app_new(&sig, &app, NULL), RK_OK);
    ck_assert_int_eq(edge_start(edge, NULL), RK_OK);
    ck_assert_int_eq(uv_sem_init(&stopped, 0), 0);
}

static void teardown(void)
{
    edge_stop(edge, 0, on_stopped, NULL);
    uv_sem_wait(&stopped);
    for (int i = 0; i < LOOPS; i++) {
        rk_loop_stop(loops[i]);
        rk_loop_join(loops[i]);
    }
    ck_assert_uint_eq(sig_app_streams(app), 0);
    sig_app_free(app);
    edge_free(edge);
    for (int i = 0; i < LOOPS; i++)
        rk_loop_free(loops[i]);
    rk_loop_free(mine);
    rk_metrics_free(metrics);
    rk_arena_free(mem);
    uv_sem_destroy(&stopped);
}

static int64_t counter(const char *name, const char *labels)
{
    return rk_metric_value(rk_metric_counter(metrics, name, labels, ""));
}

/* Turn our own loop until *flag is set, at most ms. */
static bool turn_until(const bool *flag, int64_t ms)
{
    int64_t until = rk_mono_ms() + ms;

    while (!*flag && rk_mono_ms() < until) {
        (void)uv_run(rk_loop_uv(mine), UV_RUN_NOWAIT);
        (void)usleep(500);
    }
    return *flag;
}

/* The service hears of the end of a stream a moment after its client. */
static void wait_streams(size_t n)
{
    bool there = false;

    for (int i = 0; i < WAIT_MS && !there; i++) {
        (void)turn_until(&there, 1);
        there = sig_app_streams(app) == n;
    }
    ck_assert_uint_eq(sig_app_streams(app), n);
}

/* ---- clients */

struct channel {
    struct grpc_channel_user user;
    struct grpc_channel *ch;
    bool ready, down;
};

static void ch_ready(struct grpc_channel_user *u)
{
    rk_container_of(u, struct channel, user)->ready = true;
}

static void ch_down(struct grpc_channel_user *u, const struct rk_err *why)
{
    (void)why;
    rk_container_of(u, struct channel, user)->down = true;
}

static struct channel *channel_open(void)
{
    static const struct grpc_channel_ops ops = {.ready = ch_ready, .down = ch_down};
    struct channel *c = rk_new(mem, struct channel);
    struct grpc_channel_opts opts = {.host = "127.0.0.1", .port = edge_port(edge, 0)};

    c->user.ops = &ops;
    ck_assert_int_eq(grpc_channel_open(mine, &opts, &c->user, &c->ch, NULL), RK_OK);
    ck_assert(turn_until(&c->ready, WAIT_MS));
    return c;
}

static void channel_close(struct channel *c)
{
    grpc_channel_close(c->ch);
    ck_assert(turn_until(&c->down, WAIT_MS));
}

struct call {
    struct grpc_client_user user;
    struct grpc_client_call *call;
    struct rk_str registered; /* the acknowledgement */
    size_t messages;
    bool headers, done, some;
    struct rk_str body, text; /* of the last message, of the status */
    int status;
};

static void call_headers(struct grpc_client_user *u, const struct grpc_header *h, size_t n)
{
    struct call *c = rk_container_of(u, struct call, user);

    ck_assert_uint_eq(c->messages, 0);
    c->headers = true;
    for (size_t i = 0; i < n; i++)
        if (rk_str_eqz(h[i].name, "x-wiretrustee-peer-registered"))
            c->registered = rk_arena_dup(mem, h[i].value);
}

static void call_message(struct grpc_client_user *u, struct rk_str body)
{
    struct call *c = rk_container_of(u, struct call, user);

    c->body = rk_arena_dup(mem, body);
    c->messages++;
    c->some = true;
}

static void call_done(struct grpc_client_user *u, int status, struct rk_str text)
{
    struct call *c = rk_container_of(u, struct call, user);

    c->status = status;
    c->text = rk_arena_dup(mem, text);
    c->done = true;
}

static const struct grpc_client_ops CALL_OPS = {
    .headers = call_headers, .message = call_message, .done = call_done};

static struct call *connect_raw(struct channel *ch, const struct grpc_header *h, size_t n)
{
    struct call *c = rk_new(mem, struct call);

    c->user.ops = &CALL_OPS;
    ck_assert_int_eq(grpc_client_call(ch->ch, CONNECT, h, n, 0, &c->user, &c->call, NULL), RK_OK);
    return c;
}

/* Register and wait for the acknowledgement, which comes without any message. */
static struct call *join(struct channel *ch, const char *key)
{
    struct grpc_header h = {RK_STR("x-wiretrustee-peer-id"), rk_str_z(key)};
    struct call *c = connect_raw(ch, &h, 1);

    ck_assert(turn_until(&c->headers, WAIT_MS));
    ck_assert(rk_str_eqz(c->registered, "1"));
    return c;
}

static struct rk_str next_message(struct call *c)
{
    ck_assert(turn_until(&c->some, WAIT_MS));
    c->some = false;
    return c->body;
}

static void expect_nothing(struct call *c)
{
    ck_assert(!turn_until(&c->some, QUIET_MS));
    ck_assert(!c->done);
}

static struct call *send_raw(struct channel *ch, struct rk_str body)
{
    struct call *c = rk_new(mem, struct call);

    c->user.ops = &CALL_OPS;
    ck_assert_int_eq(grpc_client_unary(ch->ch, SEND, body, WAIT_MS, &c->user, &c->call, NULL),
                     RK_OK);
    return c;
}

/* Send and wait for the answer, which is OK with one empty message whatever happened. */
static void send_ok(struct channel *ch, struct rk_str body)
{
    struct call *c = send_raw(ch, body);

    ck_assert(turn_until(&c->done, WAIT_MS));
    ck_assert_int_eq(c->status, GRPC_OK);
    ck_assert_uint_eq(c->messages, 1);
    ck_assert_uint_eq(c->body.n, 0);
}

/* EncryptedMessage; short fields only, but for the body. */
static struct rk_str message(const char *from, const char *to, size_t body_bytes)
{
    uint8_t *buf = rk_arena_alloc(mem, body_bytes + 700);
    struct rk_wr w = rk_wr_of(buf, body_bytes + 700);

    rk_wr_u8(&w, 0x12);
    rk_wr_u8(&w, (unsigned)strlen(from));
    rk_wr_str(&w, rk_str_z(from));
    rk_wr_u8(&w, 0x1a);
    rk_wr_u8(&w, (unsigned)strlen(to));
    rk_wr_str(&w, rk_str_z(to));
    if (body_bytes) {
        rk_wr_u8(&w, 0x22);
        rk_wr_u8(&w, 0x80 | (body_bytes & 0x7f));
        rk_wr_u8(&w, 0x80 | (body_bytes >> 7 & 0x7f));
        rk_wr_u8(&w, (unsigned)(body_bytes >> 14 & 0x7f));
        memset(rk_wr_room(&w, body_bytes), 'b', body_bytes);
    }
    rk_wr_mem(&w, "\x7a\x03new", 5); /* field 15: of a client newer than we */
    return rk_wr_done(&w);
}

/* ---- tests */

START_TEST(messages_reach_their_peer_unchanged)
{
    enum { PEERS = 12 }; /* on as many connections: both loops have some */
    struct channel *ch[PEERS];
    struct call *c[PEERS];
    char *name[PEERS];

    for (int i = 0; i < PEERS; i++) {
        name[i] = rk_arena_dupz(mem, rk_arena_printf(mem, "peer%d", i));
        ch[i] = channel_open();
        c[i] = join(ch[i], name[i]);
    }
    for (int i = 0; i < PEERS; i++)
        for (int k = 0; k < PEERS; k++) { /* also to oneself: clients probe their stream so */
            struct rk_str m = message(name[i], name[k], i == k ? 0 : 10);

            send_ok(ch[i], m);
            ck_assert(rk_str_eq(next_message(c[k]), m));
        }
    ck_assert_int_eq(counter("signal_messages_forwarded_total", NULL), PEERS * PEERS);
    ck_assert_int_eq(counter("signal_active_peers", NULL), PEERS);
    ck_assert_int_eq(counter("signal_registrations_total", NULL), PEERS);
    for (int i = 0; i < PEERS; i++)
        channel_close(ch[i]);
}
END_TEST

START_TEST(large_offers_pass)
{
    struct channel *a = channel_open(), *b = channel_open();
    struct call *c = join(b, "b");
    struct rk_str m = message("a", "b", 524500);

    for (int i = 0; i < 5; i++) {
        send_ok(a, m);
        ck_assert(rk_str_eq(next_message(c), m));
    }
    channel_close(a);
    channel_close(b);
}
END_TEST

START_TEST(nobody_and_dummy_are_ok)
{
    struct channel *a = channel_open();

    send_ok(a, message("a", "nobody", 3));
    send_ok(a, message("a", "dummy", 0));
    send_ok(a, (struct rk_str){0});
    ck_assert_int_eq(counter("signal_message_forward_failures_total", "type=\"not_connected\""), 2);
    channel_close(a);
}
END_TEST

START_TEST(bad_calls_get_the_official_status)
{
    struct channel *a = channel_open();
    struct grpc_header empty = {RK_STR("x-wiretrustee-peer-id"), RK_STR("")};
    struct grpc_header big = {RK_STR("x-wiretrustee-peer-id"), {0}};
    struct call *c = connect_raw(a, NULL, 0);
    char *name = rk_arena_alloc(mem, 300);

    ck_assert(turn_until(&c->done, WAIT_MS));
    ck_assert_int_eq(c->status, GRPC_FAILED_PRECONDITION);
    ck_assert(rk_str_eqz(c->text, "missing connection header: x-wiretrustee-peer-id"));
    ck_assert(!c->registered.n);
    c = connect_raw(a, &empty, 1);
    ck_assert(turn_until(&c->done, WAIT_MS));
    ck_assert_int_eq(c->status, GRPC_FAILED_PRECONDITION);
    memset(name, 'k', 300);
    big.value = rk_str_of(name, 257);
    c = connect_raw(a, &big, 1);
    ck_assert(turn_until(&c->done, WAIT_MS));
    ck_assert_int_eq(c->status, GRPC_INVALID_ARGUMENT);
    c = send_raw(a, RK_STR("\x12\x05"
                           "abc"));
    ck_assert(turn_until(&c->done, WAIT_MS));
    ck_assert_int_eq(c->status, GRPC_INTERNAL);
    ck_assert_int_eq(counter("signal_registration_failures_total", "error=\"missing_id\""), 2);
    channel_close(a);
}
END_TEST

START_TEST(newest_registration_wins)
{
    struct channel *first = channel_open(), *a = channel_open(), *ch[8];
    struct call *old = join(first, "twin"), *last = old;

    for (int i = 0; i < 8; i++) { /* over both loops */
        struct call *now;

        ch[i] = channel_open();
        now = join(ch[i], "twin");
        ck_assert(turn_until(&last->done, WAIT_MS));
        ck_assert_int_eq(last->status, GRPC_UNKNOWN);
        ck_assert(rk_str_eqz(last->text, "peer registered again"));
        send_ok(a, message("a", "twin", 5));
        (void)next_message(now);
        last = now;
    }
    ck_assert_uint_eq(old->messages, 0);
    ck_assert_uint_eq(sig_app_streams(app), 1);
    ck_assert_int_eq(counter("signal_active_peers", NULL), 1);
    ck_assert_int_eq(counter("signal_registrations_total", NULL), 1);
    grpc_client_cancel(last->call);
    ck_assert(turn_until(&last->done, WAIT_MS));
    wait_streams(0);
    for (int i = 0; i < WAIT_MS && !counter("signal_deregistrations_total", NULL); i++)
        (void)usleep(1000);
    ck_assert_int_eq(counter("signal_deregistrations_total", NULL), 1);
    channel_close(first);
    channel_close(a);
    for (int i = 0; i < 8; i++)
        channel_close(ch[i]);
}
END_TEST

START_TEST(what_clients_write_on_the_stream_is_ignored)
{
    struct channel *a = channel_open();
    struct call *c = join(a, "a");

    grpc_client_send(c->call, message("a", "a", 5));
    grpc_client_half_close(c->call);
    expect_nothing(c);
    send_ok(a, message("x", "a", 7));
    (void)next_message(c);
    channel_close(a);
}
END_TEST

START_TEST(registrations_are_bounded)
{
    struct channel *a = channel_open();
    struct grpc_header h = {RK_STR("x-wiretrustee-peer-id"), RK_STR("one more")};
    struct call *c = NULL, *more;

    for (int i = 0; i < 40; i++)
        c = join(a, rk_arena_printf(mem, "k%d", i).p);
    more = connect_raw(a, &h, 1);
    ck_assert(turn_until(&more->done, WAIT_MS));
    ck_assert_int_eq(more->status, GRPC_RESOURCE_EXHAUSTED);
    grpc_client_cancel(c->call);
    ck_assert(turn_until(&c->done, WAIT_MS));
    wait_streams(39);
    (void)join(a, "one more");
    channel_close(a);
}
END_TEST

/* Places are counted per loop, so the newcomer must come to the loop of the one that has many. */
START_TEST(who_has_many_gives_a_place_to_a_newcomer)
{
    enum { TRIES = 64 };
    struct channel *a = channel_open(), *b = NULL;
    struct grpc_header h = {RK_STR("x-wiretrustee-peer-id"), RK_STR("newcomer")};
    struct call *calls[40], *c = NULL;

    for (int i = 0; i < 40; i++)
        calls[i] = join(a, rk_arena_printf(mem, "k%d", i).p);
    for (int i = 0; i < TRIES && !(c && c->registered.n); i++) {
        if (b)
            channel_close(b);
        b = channel_open();
        c = connect_raw(b, &h, 1);
        for (int k = 0; k < WAIT_MS && !c->registered.n && !c->done; k++)
            (void)turn_until(&c->done, 1);
    }
    ck_assert(rk_str_eqz(c->registered, "1"));
    ck_assert(turn_until(&calls[0]->done, WAIT_MS)); /* the oldest */
    ck_assert_int_eq(calls[0]->status, GRPC_RESOURCE_EXHAUSTED);
    ck_assert(rk_str_eqz(calls[0]->text, "too many registrations on this connection"));
    ck_assert(!calls[1]->done);
    ck_assert_uint_eq(sig_app_streams(app), 40);
    ck_assert_int_eq(counter("signal_active_peers", NULL), 40);
    ck_assert_int_eq(counter("signal_deregistrations_total", NULL), 1);
    send_ok(b, message("newcomer", "k1", 5));
    (void)next_message(calls[1]);
    send_ok(a, message("k1", "newcomer", 5));
    (void)next_message(c);
    channel_close(a);
    channel_close(b);
}
END_TEST

/* ---- a client that takes nothing */

static void h2_frame(struct rk_buf *out, unsigned type, unsigned flags, uint32_t stream,
                     struct rk_str payload)
{
    uint8_t head[9];
    struct rk_wr w = rk_wr_of(head, sizeof head);

    rk_wr_u8(&w, (unsigned)(payload.n >> 16));
    rk_wr_u16(&w, payload.n & 0xffff);
    rk_wr_u8(&w, type);
    rk_wr_u8(&w, flags);
    rk_wr_u32(&w, stream);
    rk_buf_add(out, rk_wr_done(&w));
    rk_buf_add(out, payload);
}

/* HPACK: a literal header with a literal name, never indexed. */
static void h2_literal(struct rk_buf *out, const char *name, const char *value)
{
    rk_buf_addc(out, 0x10);
    rk_buf_addc(out, (char)strlen(name));
    rk_buf_addz(out, name);
    rk_buf_addc(out, (char)strlen(value));
    rk_buf_addz(out, value);
}

/* Connect and register as key, with a window of no bytes. */
static int blocked_client(const char *key)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(edge_port(edge, 0))};
    struct timeval wait = {.tv_sec = WAIT_MS / 1000};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct rk_buf out, headers;

    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait), 0);
    rk_buf_init(&out, 4096);
    rk_buf_init(&headers, 4096);
    h2_literal(&headers, ":method", "POST");
    h2_literal(&headers, ":scheme", "http");
    h2_literal(&headers, ":path", CONNECT);
    h2_literal(&headers, ":authority", "x");
    h2_literal(&headers, "content-type", "application/grpc");
    h2_literal(&headers, "te", "trailers");
    h2_literal(&headers, "x-wiretrustee-peer-id", key);
    rk_buf_addz(&out, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    h2_frame(&out, 4, 0, 0, rk_str_of("\x00\x04\x00\x00\x00\x00", 6)); /* INITIAL_WINDOW_SIZE 0 */
    h2_frame(&out, 1, 4, 1, rk_buf_str(&headers));
    ck_assert_int_eq(send(fd, out.p, out.n, 0), (ssize_t)out.n);
    rk_buf_done(&out);
    rk_buf_done(&headers);
    return fd;
}

/* Read frames until one of this type comes for stream 1; false at the end of the connection. */
static bool h2_wait(int fd, unsigned type)
{
    uint8_t head[9], skip[4096];

    while (recv(fd, head, sizeof head, MSG_WAITALL) == (ssize_t)sizeof head) {
        size_t n = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];

        ck_assert_uint_le(n, sizeof skip);
        ck_assert(!n || recv(fd, skip, n, MSG_WAITALL) == (ssize_t)n);
        if (head[3] == 4 && !(head[4] & 1)) /* SETTINGS */
            ck_assert_int_eq(send(fd, "\0\0\0\4\1\0\0\0\0", 9, 0), 9);
        if (head[3] == type && head[8] == 1)
            return true;
    }
    return false;
}

START_TEST(a_blocked_client_is_aborted_and_blocks_nobody)
{
    struct channel *a = channel_open(), *b = channel_open();
    struct call *free_one = join(b, "free");
    int fd = blocked_client("blocked");
    int64_t began;

    ck_assert(h2_wait(fd, 1)); /* registered */
    began = rk_mono_ms();
    for (int i = 0; i < 20; i++) {
        send_ok(a, message("a", "blocked", 1000));
        send_ok(a, message("a", "free", 1000));
        (void)next_message(free_one);
    }
    if (rk_mono_ms() - began >=
        20 * TIMEOUT_MS) /* each waited for the blocked one, or no processor was free */
        ck_assert_int_le(counter("signal_message_forward_failures_total", "type=\"timeout\""), 1);
    ck_assert(h2_wait(fd, 3)); /* RST_STREAM */
    ck_assert_int_ge(rk_mono_ms() - began, TIMEOUT_MS - 50);
    wait_streams(1);
    ck_assert_int_eq(counter("signal_message_forward_failures_total", "type=\"timeout\""), 1);
    (void)close(fd);
    channel_close(a);
    channel_close(b);
}
END_TEST

START_TEST(too_much_waiting_aborts_at_once)
{
    struct channel *a = channel_open();
    int fd = blocked_client("blocked");
    struct rk_str m = message("a", "blocked", 1000000);

    ck_assert(h2_wait(fd, 1));
    for (int i = 0; i < 17; i++)
        send_ok(a, m);
    ck_assert(h2_wait(fd, 3));
    wait_streams(0);
    (void)close(fd);
    channel_close(a);
}
END_TEST

START_TEST(a_blocked_twin_does_not_linger)
{
    struct channel *a = channel_open(), *b = channel_open();
    int fd = blocked_client("twin");
    struct call *c;

    ck_assert(h2_wait(fd, 1));
    send_ok(a, message("a", "twin", 100));
    c = join(b, "twin");
    ck_assert(h2_wait(fd, 3));
    send_ok(a, message("a", "twin", 100));
    (void)next_message(c);
    (void)close(fd);
    channel_close(a);
    channel_close(b);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("signal");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, messages_reach_their_peer_unchanged);
    tcase_add_test(t, large_offers_pass);
    tcase_add_test(t, nobody_and_dummy_are_ok);
    tcase_add_test(t, bad_calls_get_the_official_status);
    tcase_add_test(t, newest_registration_wins);
    tcase_add_test(t, what_clients_write_on_the_stream_is_ignored);
    tcase_add_test(t, registrations_are_bounded);
    tcase_add_test(t, who_has_many_gives_a_place_to_a_newcomer);
    tcase_add_test(t, a_blocked_client_is_aborted_and_blocks_nobody);
    tcase_add_test(t, too_much_waiting_aborts_at_once);
    tcase_add_test(t, a_blocked_twin_does_not_linger);
    return vec_run(t, "signal");
}
