/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests the relay service over real sockets on two loop threads. */
#include "config.h"

#include "lib/base/loop_uv.h"
#include "tests/unit/relay/relay_fixture.h"

#include "relay/registry.h"
#include "relay/session.h"
#include "tests/unit/run.h"

#define KEY_A "NYBy1jZYgNGu6jKa35EhODhR7SGijjt16WXQ0s0WYlQ="
#define KEY_B "Z13VdO13iTELPS52gfN5C0ZsdzsVIf7PNld5WDcepS8="

static struct rk_arena *mem;

/* The window is long enough for a test that waits for a processor. */
enum { HEALTH_MS = 100, WINDOW_MS = 3000, AUTH_MS = 2000, CHECKS = 8 };

static void setup(void)
{
    mem = rk_arena_new(0);
    fixture_start((struct relay_app_opts){0});
}

static void setup_fast(void) /* short times */
{
    mem = rk_arena_new(0);
    fixture_start((struct relay_app_opts){.health_send_ms = HEALTH_MS,
                                          .health_window_ms = WINDOW_MS,
                                          .auth_timeout_ms = AUTH_MS,
                                          .max_peers = 4});
}

static void teardown(void)
{
    fixture_stop();
    rk_arena_free(mem);
}

static int64_t counter(const char *name, const char *labels)
{
    return rk_metric_value(rk_metric_counter(fx.metrics, name, labels, ""));
}

/* Sessions end on their loops a moment after the client sees it. */
static void wait_sessions(size_t n)
{
    for (int i = 0; i < WAIT_MS && relay_app_sessions(fx.app) != n; i++)
        (void)usleep(1000);
    ck_assert_uint_eq(relay_app_sessions(fx.app), n);
}

START_TEST(known_messages_pass)
{
    struct client *a = client_join(0, KEY_A), *b = client_join(1, KEY_B);

    ck_assert(client_send(
        a, vec_hex(mem, "01037368612d1267873040390f3d8a920e9cc4b0b26896695613efa96d9755da2fe8f67060"
                        "fc04000000deadbeef")));
    client_expect(b, vec_hex(mem, "01037368612d2aa00453cbc2cc35bf6e3fb3f63ac31dfc892ae0a7dde5c188b0"
                                  "8a12a19aeaba04000000deadbeef"));
    ck_assert(client_transport(b, &a->id, RK_STR("answer")));
    ck_assert(rk_str_ends(client_message(a), RK_STR("answer")));
    /* to oneself, and to nobody */
    ck_assert(client_transport(a, &a->id, RK_STR("echo")));
    ck_assert(rk_str_ends(client_message(a), RK_STR("echo")));
    ck_assert(client_transport(a, &(struct rly_peer_id){{1}}, RK_STR("lost")));
    client_expect_nothing(a);
    ck_assert_int_eq(counter("relay_dropped_messages_total", "reason=\"not_connected\""), 1);
    ck_assert_int_eq(counter("relay_transfer_received_bytes_total", NULL), 4 * 38 + 8 + 6 + 4 + 4);
    ck_assert_int_eq(counter("relay_transfer_sent_bytes_total", NULL), 3 * 38 + 8 + 6 + 4);
    client_close(a);
    client_close(b);
}
END_TEST

START_TEST(largest_and_smallest_datagrams_pass)
{
    struct client *a = client_join(0, KEY_A), *b = client_join(1, KEY_B);
    char *big = rk_arena_alloc(mem, RLY_MAX_PAYLOAD);

    memset(big, 'z', RLY_MAX_PAYLOAD);
    ck_assert(client_transport(a, &b->id, rk_str_of(big, RLY_MAX_PAYLOAD)));
    ck_assert_uint_eq(client_message(b).n, RLY_MAX_MESSAGE);
    ck_assert(client_transport(a, &b->id, (struct rk_str){0}));
    ck_assert_uint_eq(client_message(b).n, RLY_TRANSPORT_HEADER);
    client_close(a);
    client_close(b);
}
END_TEST

START_TEST(bad_first_messages_are_closed_without_a_word)
{
    struct rly_peer_id id = {{0}};
    struct rk_str expired = auth_message(mem, &id, rk_unix_ms() / 1000 - 1);
    struct rk_str good = auth_message(mem, &id, rk_unix_ms() / 1000 + 60);
    char *magic = rk_memdup(good.p, good.n), *mac = rk_memdup(good.p, good.n);
    struct rk_str bad[] = {
        expired,
        rk_str_of(magic, good.n),
        rk_str_of(mac, good.n),
        rk_str_sub(good, 0, 42), /* no token */
        rk_str_sub(good, 0, 41),
        RK_STR("\x01\x05"),
        RK_STR("\x01\x01hello"),
        RK_STR(""),
        rk_str_of(rk_arena_alloc(mem, 213), 213),
        vec_hex(mem,
                "01062112a4427368612d8997fbf9a582b2f557ce6510601a8b993f8bef68ff11aac982e2f0963"
                "ba9f61c010000000000000000000000000000000000000000000000000000000000000000686561"
                "6c7468636865636b"),
    };

    magic[2] ^= 1;
    mac[50] ^= 1;
    for (size_t i = 0; i < RK_ARRAY_LEN(bad); i++) {
        struct client *c = client_open((int)i % LOOPS);

        ck_assert(client_send(c, bad[i]));
        client_expect_close(c);
        client_close(c);
    }
    wait_sessions(0);
    ck_assert_uint_eq(relay_registry_size(relay_app_hub(fx.app)->registry), 0);
    /* the last one was the official health probe; empty and too big are not authentication */
    ck_assert_int_eq(counter("relay_authentication_failures_total", NULL), 7);
    free(magic);
    free(mac);
}
END_TEST

START_TEST(subscriptions_tell_once_online_and_then_offline)
{
    struct client *a = client_join(0, KEY_A), *b;
    struct rly_peer_id ids[3] = {{{7}}};
    struct rk_str online, offline;

    rly_peer_id_of(RK_STR(KEY_B), &ids[1]);
    online = ids_message(mem, RLY_PEERS_ONLINE, &ids[1], 1);
    offline = ids_message(mem, RLY_PEERS_OFFLINE, &ids[1], 1);
    ck_assert(client_send(a, ids_message(mem, RLY_SUBSCRIBE, ids, 2)));
    client_expect_nothing(a);
    b = client_join(1, KEY_B);
    client_expect(a, online);
    client_close(b);
    client_expect(a, offline);
    b = client_join(1, KEY_B); /* the online interest is used up, offline is not */
    client_expect_nothing(a);
    client_close(b);
    client_expect(a, offline);
    b = client_join(1, KEY_B);
    ck_assert(client_send(a, ids_message(mem, RLY_SUBSCRIBE, ids, 2)));
    client_expect(a, online); /* is there: told at once */
    ck_assert(client_send(a, ids_message(mem, RLY_UNSUBSCRIBE, ids, 2)));
    ck_assert(client_transport(a, &a->id, RK_STR("barrier")));
    (void)client_message(a);
    client_close(b);
    client_expect_nothing(a);
    client_close(a);
    wait_sessions(0);
    ck_assert_uint_eq(relay_registry_size(relay_app_hub(fx.app)->registry), 0);
}
END_TEST

START_TEST(newest_connection_wins)
{
    struct client *w = client_join(0, "watcher"), *b1 = client_join(0, KEY_B), *b2;
    struct rk_str online = ids_message(mem, RLY_PEERS_ONLINE, &b1->id, 1);

    ck_assert(client_send(w, ids_message(mem, RLY_SUBSCRIBE, &b1->id, 1)));
    client_expect(w, online);
    b2 = client_join(1, KEY_B);
    client_expect_close(b1);
    client_expect(w, online); /* as official relays do: the interest was still there */
    ck_assert(client_transport(w, &b2->id, RK_STR("to the new one")));
    ck_assert(rk_str_ends(client_message(b2), RK_STR("to the new one")));
    client_expect_nothing(w); /* and no offline event */
    ck_assert_int_eq(counter("relay_peer_reconnections_total", NULL), 1);
    wait_sessions(2);
    client_close(b2);
    client_expect(w, ids_message(mem, RLY_PEERS_OFFLINE, &b1->id, 1));
    client_close(b1);
    client_close(w);
}
END_TEST

START_TEST(malformed_messages_are_ignored)
{
    struct client *a = client_join(0, KEY_A);
    struct rk_str good = auth_message(mem, &a->id, rk_unix_ms() / 1000 + 60);

    ck_assert(client_send(a, good));               /* second auth */
    ck_assert(client_send(a, RK_STR("\x01\x06"))); /* and a broken one */
    ck_assert(client_send(a, rk_str_sub(good, 0, 40)));
    ck_assert(client_send(a, RK_STR("\x01\x03too short")));            /* transport */
    ck_assert(client_send(a, RK_STR("\x01\x08not a multiple of 36"))); /* lists */
    ck_assert(client_send(a, RK_STR("\x01\x09x")));
    ck_assert(client_send(a, RK_STR("\x01\x08"))); /* empty list */
    ck_assert(client_frame(a, WS_OP_PING, RK_STR("hi")));
    {
        struct ws_msg m;
        bool eof;

        ck_assert_int_eq(client_next(a, WAIT_MS, &m, &eof), WS_PONG);
        ck_assert(m.n == 2 && memcmp(m.p, "hi", 2) == 0);
    }
    ck_assert(client_transport(a, &a->id, RK_STR("alive")));
    ck_assert(rk_str_ends(client_message(a), RK_STR("alive")));
    client_close(a);
}
END_TEST

START_TEST(broken_peers_are_closed)
{
    static const struct {
        enum ws_op op;
        const char *p;
        size_t n;
    } bad[] = {
        {WS_OP_BINARY, "\x02\x05", 2},  {WS_OP_BINARY, "\x00\x03", 2},
        {WS_OP_BINARY, "\x01", 1},      {WS_OP_BINARY, "\x01\x00", 2},
        {WS_OP_BINARY, "\x01\x01", 2},  {WS_OP_BINARY, "\x01\x02", 2},
        {WS_OP_BINARY, "\x01\x07u", 3}, {WS_OP_BINARY, "\x01\x0a", 2},
        {WS_OP_BINARY, "\x01\x0b", 2},  {WS_OP_BINARY, "\x01\x0c", 2},
        {WS_OP_BINARY, "", 0},          {WS_OP_TEXT, "\x01\x05", 2},
        {WS_OP_BINARY, "\x01\x04", 2},  {WS_OP_CLOSE, "\x03\xe8", 2},
        {(enum ws_op)3, "", 0},         {WS_OP_CONT, "x", 1},
    };

    for (size_t i = 0; i < RK_ARRAY_LEN(bad); i++) {
        struct client *c = client_join((int)i % LOOPS, KEY_A);

        ck_assert(client_frame(c, bad[i].op, rk_str_of(bad[i].p, bad[i].n)));
        client_expect_close(c);
        client_close(c);
        wait_sessions(0);
    }
    for (size_t n = RLY_MAX_MESSAGE + 1; n < 70000; n += 50000) {
        struct client *c = client_join(0, KEY_A);

        (void)client_send(c, rk_str_of(rk_arena_alloc(mem, n), n));
        client_expect_close(c);
        client_close(c);
    }
}
END_TEST

START_TEST(fragments_and_split_writes_are_joined)
{
    struct client *a = client_join(0, KEY_A), *b = client_join(1, KEY_B);
    struct rk_buf out;
    struct rk_wr w;
    uint8_t msg[200];

    w = rk_wr_of(msg, sizeof msg);
    rly_put_transport(&w, &b->id, RK_STR("split into bytes"));
    rk_buf_init(&out, 4096);
    ws_put(&out, WS_CLIENT, WS_OP_BINARY, rk_wr_done(&w));
    for (size_t i = 0; i < out.n; i++)
        ck_assert(client_raw(a, rk_str_sub(rk_buf_str(&out), i, 1)));
    ck_assert(rk_str_ends(client_message(b), RK_STR("split into bytes")));
    rk_buf_clear(&out);
    ws_put(&out, WS_CLIENT, WS_OP_BINARY, rk_str_sub(rk_wr_done(&w), 0, 20));
    out.p[0] &= 0x7f; /* not the last */
    ws_put(&out, WS_CLIENT, WS_OP_CONT, rk_str_sub(rk_wr_done(&w), 20, 200));
    ck_assert(client_raw(a, rk_buf_str(&out)));
    ck_assert(rk_str_ends(client_message(b), RK_STR("split into bytes")));
    rk_buf_done(&out);
    client_close(a);
    client_close(b);
}
END_TEST

START_TEST(a_slow_receiver_stalls_nobody_and_loses_its_own)
{
    enum { N = 20000, SIZE = 1400 };
    struct client *a = client_join(0, KEY_A), *slow = client_join(1, KEY_B);
    struct client *c = client_join(1, "someone else");
    char *payload = rk_arena_alloc(mem, SIZE);
    uint32_t last = 0, got = 0, k;
    struct ws_msg m;
    bool eof;

    for (uint32_t i = 1; i <= N; i++) { /* 28 MB; a stall would end in a send timeout */
        memcpy(payload, &i, sizeof i);
        ck_assert(client_transport(a, &slow->id, rk_str_of(payload, SIZE)));
    }
    ck_assert(client_transport(a, &c->id, RK_STR("through")));
    ck_assert(rk_str_ends(client_message(c), RK_STR("through")));
    while (client_next(slow, 500, &m, &eof) == WS_BINARY) {
        if (m.n == 2)
            continue;
        ck_assert_uint_eq(m.n, RLY_TRANSPORT_HEADER + SIZE);
        memcpy(&k, m.p + RLY_TRANSPORT_HEADER, sizeof k);
        ck_assert_uint_gt(k, last); /* gaps, but never out of order */
        last = k;
        got++;
    }
    ck_assert(!eof);
    ck_assert_uint_gt(got, 100);
    ck_assert_int_eq(counter("relay_dropped_messages_total", "reason=\"queue_full\""), N - got);
    ck_assert_uint_lt(got, N);
    /* it has caught up: the way is free again */
    ck_assert(client_transport(a, &slow->id, RK_STR("again")));
    ck_assert(rk_str_ends(client_message(slow), RK_STR("again")));
    client_close(a);
    client_close(slow);
    client_close(c);
}
END_TEST

START_TEST(long_subscriptions_are_answered_in_parts)
{
    enum { N = 100, LISTS = 3 };
    struct client *w = client_join(0, "watcher"), *peers[N];
    struct rly_peer_id *ids = rk_arena_alloc(mem, RLY_MAX_IDS * LISTS * sizeof *ids);
    size_t online = 0, offline = 0;

    for (size_t i = 0; i < RLY_MAX_IDS * LISTS; i++)
        rly_peer_id_of(rk_arena_printf(mem, "peer %zu", i), &ids[i]);
    for (size_t i = 0; i < LISTS; i++)
        ck_assert(
            client_send(w, ids_message(mem, RLY_SUBSCRIBE, ids + i * RLY_MAX_IDS, RLY_MAX_IDS)));
    for (size_t i = 0; i < N; i++)
        peers[i] = client_join((int)i % LOOPS, rk_arena_printf(mem, "peer %zu", 7 * i).p);
    while (online < N) {
        struct rk_str m = client_message(w);

        ck_assert_int_eq(m.p[1], RLY_PEERS_ONLINE);
        online += (m.n - 2) / RLY_PEER_ID_SIZE;
    }
    for (size_t i = 0; i < N; i++)
        client_close(peers[i]);
    while (offline < N) {
        struct rk_str m = client_message(w);

        ck_assert_int_eq(m.p[1], RLY_PEERS_OFFLINE);
        offline += (m.n - 2) / RLY_PEER_ID_SIZE;
    }
    client_expect_nothing(w);
    client_close(w);
}
END_TEST

START_TEST(subscriptions_are_bounded)
{
    struct client *w = client_join(0, "watcher");
    struct rly_peer_id ids[RLY_MAX_IDS] = {{{0}}};
    uint32_t n = 0;

    for (size_t list = 0; list * RLY_MAX_IDS < RELAY_WATCH_MAX + 500; list++) {
        for (size_t i = 0; i < RLY_MAX_IDS; i++, n++)
            memcpy(ids[i].b, &n, sizeof n);
        ck_assert(client_send(w, ids_message(mem, RLY_SUBSCRIBE, ids, RLY_MAX_IDS)));
    }
    ck_assert(client_transport(w, &w->id, RK_STR("barrier")));
    (void)client_message(w);
    ck_assert_uint_eq(relay_registry_size(relay_app_hub(fx.app)->registry), RELAY_WATCH_MAX + 1);
    client_close(w);
    wait_sessions(0);
    ck_assert_uint_eq(relay_registry_size(relay_app_hub(fx.app)->registry), 0);
}
END_TEST

START_TEST(health_checks_come_and_must_be_answered)
{
    int64_t until = rk_mono_ms() + WAIT_MS, began = rk_mono_ms();
    struct client *good = client_join(0, KEY_A), *bad = client_join(1, KEY_B);
    struct ws_msg m;
    bool eof = false, bad_gone = false;
    int checks = 0;

    while (!(bad_gone && checks >= CHECKS) && rk_mono_ms() < until) {
        if (client_next(good, 20, &m, &eof) == WS_BINARY) {
            ck_assert(m.n == 2 && m.p[0] == 1 && m.p[1] == RLY_HEALTH_CHECK);
            checks++;
            ck_assert(client_send(good, RK_STR("\x01\x05")));
        }
        ck_assert(!eof);
        if (bad_gone)
            continue;
        /* other traffic is no answer */
        (void)client_transport(bad, &bad->id, RK_STR("busy"));
        if (client_next(bad, 20, &m, &eof) == WS_MORE && eof) {
            bad_gone = true;
            ck_assert_int_ge(rk_mono_ms() - began, WINDOW_MS - 10);
        }
        eof = false;
    }
    ck_assert(bad_gone);
    ck_assert_int_ge(checks, CHECKS);
    ck_assert_int_ge(rk_mono_ms() - began, (CHECKS - 1) * HEALTH_MS);
    client_close(good);
    client_close(bad);
}
END_TEST

START_TEST(silence_before_authentication_is_closed)
{
    int64_t began = rk_mono_ms();
    struct client *c = client_open(0);

    ck_assert(client_frame(c, WS_OP_PING, RK_STR("")));
    {
        struct ws_msg m;
        bool eof;

        ck_assert_int_eq(client_next(c, WAIT_MS, &m, &eof), WS_PONG);
    }
    client_expect_close(c);
    ck_assert_int_ge(rk_mono_ms() - began, AUTH_MS - 10);
    client_close(c);
}
END_TEST

START_TEST(peers_above_the_limit_are_refused)
{
    struct client *c[4], *more;

    for (int i = 0; i < 4; i++)
        c[i] = client_join(i % LOOPS, rk_arena_printf(mem, "peer %d", i).p);
    more = client_open(0);
    client_expect_close(more);
    client_close(more);
    client_close(c[0]);
    wait_sessions(3);
    more = client_join(1, "late");
    client_close(more);
    for (int i = 1; i < 4; i++)
        client_close(c[i]);
}
END_TEST

START_TEST(shutdown_says_close)
{
    struct client *a = client_join(0, KEY_A), *b = client_join(1, KEY_B), *c = client_open(0);

    teardown();
    client_expect(a, RK_STR("\x01\x04"));
    client_expect_close(a);
    client_expect(b, RK_STR("\x01\x04"));
    client_expect_close(b);
    client_expect_close(c);
    client_close(a);
    client_close(b);
    client_close(c);
}
END_TEST

/* ---- many at once */

enum { CROWD = 24, ROUNDS = 300 };

struct member {
    uv_thread_t thread;
    int index;
    int failed;
};

/* Joins, subscribes, sends to random peers and leaves, over and over, also under foreign names. */
static void member_main(void *arg)
{
    struct member *me = arg;
    struct rk_arena *a = rk_arena_new(0);
    uint32_t seed = (uint32_t)me->index * 2654435761u + 1;

    for (int round = 0; round < ROUNDS / 20; round++) {
        struct client *c;
        struct rly_peer_id to;

        seed = seed * 1664525 + 1013904223;
        c = client_join((int)(seed >> 16) % LOOPS,
                        rk_arena_printf(a, "crowd %u", (seed >> 20) % CROWD).p);
        for (int i = 0; i < 20; i++) {
            uint8_t buf[RLY_MAX_MESSAGE];
            struct rk_wr w = rk_wr_of(buf, sizeof buf);
            struct ws_msg m;
            bool eof;

            seed = seed * 1664525 + 1013904223;
            rly_peer_id_of(rk_arena_printf(a, "crowd %u", (seed >> 20) % CROWD), &to);
            if (i % 4 == 0)
                rly_put_ids(&w, RLY_SUBSCRIBE, rk_str_of(to.b, sizeof to.b));
            else
                rly_put_transport(&w, &to, RK_STR("payload"));
            if (!client_send(c, rk_wr_done(&w)))
                break; /* somebody took the name */
            while (client_next(c, 1, &m, &eof) == WS_BINARY)
                if (m.n == RLY_TRANSPORT_HEADER + 7 &&
                    memcmp(m.p + RLY_TRANSPORT_HEADER, "payload", 7) != 0)
                    me->failed++;
        }
        client_close(c);
    }
    rk_arena_free(a);
}

START_TEST(a_crowd_leaves_nothing_behind)
{
    static struct member crowd[CROWD];

    for (int i = 0; i < CROWD; i++) {
        crowd[i] = (struct member){.index = i};
        ck_assert_int_eq(uv_thread_create(&crowd[i].thread, member_main, &crowd[i]), 0);
    }
    for (int i = 0; i < CROWD; i++) {
        (void)uv_thread_join(&crowd[i].thread);
        ck_assert_int_eq(crowd[i].failed, 0);
    }
    wait_sessions(0);
    ck_assert_uint_eq(relay_registry_size(relay_app_hub(fx.app)->registry), 0);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("relay");
    TCase *fast = tcase_create("relay with short times");
    TCase *down = tcase_create("relay shutdown");
    Suite *s = suite_create("relay");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, known_messages_pass);
    tcase_add_test(t, largest_and_smallest_datagrams_pass);
    tcase_add_test(t, bad_first_messages_are_closed_without_a_word);
    tcase_add_test(t, subscriptions_tell_once_online_and_then_offline);
    tcase_add_test(t, newest_connection_wins);
    tcase_add_test(t, malformed_messages_are_ignored);
    tcase_add_test(t, broken_peers_are_closed);
    tcase_add_test(t, fragments_and_split_writes_are_joined);
    tcase_add_test(t, a_slow_receiver_stalls_nobody_and_loses_its_own);
    tcase_add_test(t, long_subscriptions_are_answered_in_parts);
    tcase_add_test(t, subscriptions_are_bounded);
    tcase_add_test(t, a_crowd_leaves_nothing_behind);
    tcase_add_checked_fixture(fast, setup_fast, teardown);
    tcase_add_test(fast, health_checks_come_and_must_be_answered);
    tcase_add_test(fast, silence_before_authentication_is_closed);
    tcase_add_test(fast, peers_above_the_limit_are_refused);
    tcase_add_checked_fixture(down, setup, NULL);
    tcase_add_test(down, shutdown_says_close);
    suite_add_tcase(s, t);
    suite_add_tcase(s, fast);
    suite_add_tcase(s, down);
    return run_suite(s);
}
