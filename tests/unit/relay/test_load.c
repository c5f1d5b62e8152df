/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests the relay under load, on four loops whatever the machine has: order within a pair, bells
 * between loops, turns between connections, limits of bandwidth, floods of strangers.
 */
#include "config.h"

#define LOOPS 4
#include "tests/unit/relay/relay_fixture.h"

enum { MAX_PEERS = 8, RATE = 400000 /* bytes per second */ };

static struct rk_arena *mem;

static void start(struct relay_app_opts opts)
{
    mem = rk_arena_new(0);
    fixture_start(opts);
}

static void setup(void)
{
    start((struct relay_app_opts){0});
}

static void setup_small(void)
{
    start((struct relay_app_opts){.max_peers = MAX_PEERS});
}

static void setup_peer_rate(void)
{
    start((struct relay_app_opts){.max_peer_bits_per_s = (int64_t)RATE * 8});
}

static void setup_total_rate(void)
{
    start((struct relay_app_opts){.max_bits_per_s = (int64_t)RATE * 8});
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

static int64_t dropped(void)
{
    return counter("relay_dropped_messages_total", "reason=\"queue_full\"") +
           counter("relay_dropped_messages_total", "reason=\"bandwidth\"");
}

static void wait_counter(const char *name, int64_t at_least)
{
    for (int i = 0; i < WAIT_MS && counter(name, NULL) < at_least; i++)
        (void)usleep(1000);
    ck_assert_int_ge(counter(name, NULL), at_least);
}

struct pair {
    struct client *from, *to;
    uint32_t sent, got;
};

static void pair_join(struct pair *p, unsigned i, int from_loop, int to_loop)
{
    *p = (struct pair){.from = client_join(from_loop, rk_arena_printf(mem, "from %u", i).p),
                       .to = client_join(to_loop, rk_arena_printf(mem, "to %u", i).p)};
}

static void pair_close(struct pair *p)
{
    client_close(p->from);
    client_close(p->to);
}

static void pair_send(struct pair *p, size_t size)
{
    static char payload[2000];

    memcpy(payload, &p->sent, sizeof p->sent);
    p->sent++;
    ck_assert(client_transport(p->from, &p->to->id, rk_str_of(payload, size)));
}

/* The next message, and no other, must come. */
static void pair_receive(struct pair *p, size_t size)
{
    struct rk_str m = client_message(p->to);
    uint32_t k;

    ck_assert_uint_eq(m.n, RLY_TRANSPORT_HEADER + size);
    ck_assert_mem_eq(m.p + RLY_HEADER_SIZE, p->from->id.b, RLY_PEER_ID_SIZE);
    memcpy(&k, m.p + RLY_TRANSPORT_HEADER, sizeof k);
    ck_assert_uint_eq(k, p->got);
    p->got++;
}

/* ---- loops */

START_TEST(pairs_on_any_loops_lose_nothing_and_keep_their_order)
{
    enum { PAIRS = 16, ROUNDS = 100, BURST = 16 };
    struct pair pairs[PAIRS];

    for (unsigned i = 0; i < PAIRS; i++) /* every loop with every loop */
        pair_join(&pairs[i], i, (int)(i / LOOPS), (int)(i % LOOPS));
    for (int round = 0; round < ROUNDS; round++) {
        for (int k = 0; k < BURST; k++)
            for (unsigned i = 0; i < PAIRS; i++)
                pair_send(&pairs[i], 1200 + i);
        for (unsigned i = 0; i < PAIRS; i++)
            while (pairs[i].got < pairs[i].sent)
                pair_receive(&pairs[i], 1200 + i);
    }
    ck_assert_int_eq(dropped(), 0);
    for (unsigned i = 0; i < PAIRS; i++)
        pair_close(&pairs[i]);
}
END_TEST

struct gate { /* keeps a loop from turning */
    struct rk_task task;
    uv_sem_t closed, open;
};

static void gate_run(struct rk_task *t)
{
    struct gate *g = rk_container_of(t, struct gate, task);

    uv_sem_post(&g->closed);
    uv_sem_wait(&g->open);
}

static void gate_close(struct gate *g, int loop)
{
    *g = (struct gate){.task.run = gate_run};
    ck_assert_int_eq(uv_sem_init(&g->closed, 0), 0);
    ck_assert_int_eq(uv_sem_init(&g->open, 0), 0);
    rk_loop_post(fx.loops[loop], &g->task);
    uv_sem_wait(&g->closed);
}

static void gate_open(struct gate *g)
{
    uv_sem_post(&g->open);
}

static void gate_done(struct gate *g)
{
    uv_sem_destroy(&g->closed);
    uv_sem_destroy(&g->open);
}

START_TEST(another_loop_is_rung_once_while_it_has_not_looked)
{
    enum { N = 100, SIZE = 1000 };
    struct relay_lane *lane = &relay_app_hub(fx.app)->lanes[1];
    struct gate gate;
    struct pair p;
    uint64_t before;

    pair_join(&p, 0, 0, 1);
    gate_close(&gate, 1);
    before = atomic_load(&lane->bells);
    for (int i = 0; i < N; i++) {
        pair_send(&p, SIZE);
        wait_counter("relay_transfer_received_bytes_total",
                     (int64_t)(i + 1) * (SIZE + RLY_TRANSPORT_HEADER)); /* a batch each */
    }
    ck_assert_uint_le(atomic_load(&lane->bells), before + 1);
    gate_open(&gate);
    for (int i = 0; i < N; i++)
        pair_receive(&p, SIZE);
    gate_done(&gate);
    pair_close(&p);
}
END_TEST

/* ---- turns */

/* Whoever has filled its socket does not get more than one read before others have their turn. */
START_TEST(a_greedy_peer_waits_for_its_turn)
{
    enum { SIZE = 1400, TURN = 64 * 1024 / SIZE + 2, LEAST = 2 * TURN };
    struct client *greedy = client_join(0, "greedy"), *modest = client_join(0, "modest");
    struct client *to = client_join(0, "to");
    static const char payload[SIZE];
    struct gate gate;
    int before = 0, sent = 0, size = 1 << 20;
    struct rk_str m;

    ck_assert_int_eq(setsockopt(greedy->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
    gate_close(&gate, 0);
    for (; sent < LEAST; sent++)
        ck_assert(client_transport(greedy, &to->id, rk_str_of(payload, SIZE)));
    ck_assert(client_transport(modest, &to->id, RK_STR("modest")));
    gate_open(&gate);
    while (!rk_str_ends(m = client_message(to), RK_STR("modest")))
        before++;
    ck_assert_int_le(before, TURN);
    while (before < sent) { /* and loses nothing by it */
        m = client_message(to);
        ck_assert_uint_eq(m.n, RLY_TRANSPORT_HEADER + SIZE);
        before++;
    }
    gate_done(&gate);
    client_close(greedy);
    client_close(modest);
    client_close(to);
}
END_TEST

/* ---- bandwidth: lower bounds of time only, which no load can break */

static void pass(struct pair *p, int n, size_t size)
{
    enum { BURST = 20 };

    for (int i = 0; i < n; i += BURST) {
        for (int k = 0; k < BURST; k++)
            pair_send(p, size);
        for (int k = 0; k < BURST; k++)
            pair_receive(p, size);
    }
}

START_TEST(a_peer_gets_its_rate_and_loses_nothing)
{
    enum { N = 500, SIZE = 1000 };
    int64_t began = rk_mono_ms();
    struct pair p;

    pair_join(&p, 0, 0, 1);
    pass(&p, N, SIZE);
    /* what has been read, but for the last burst, must have been paid for */
    ck_assert_int_ge(rk_mono_ms() - began,
                     (int64_t)(N - 40) * SIZE * 1000 / RATE - 2 * RELAY_PACE_BURST_MS);
    ck_assert_int_eq(dropped(), 0);
    ck_assert_int_gt(counter("relay_bandwidth_waits_total", NULL), 0);
    /* the other direction has a rate of its own, and is not in debt */
    ck_assert(client_transport(p.to, &p.from->id, RK_STR("back")));
    ck_assert(rk_str_ends(client_message(p.from), RK_STR("back")));
    pair_close(&p);
}
END_TEST

START_TEST(all_peers_share_the_total_rate)
{
    enum { N = 120, SIZE = 1000, PAIRS = 4 };
    int64_t began = rk_mono_ms();
    struct pair pairs[PAIRS];

    for (unsigned i = 0; i < PAIRS; i++)
        pair_join(&pairs[i], i, (int)i, (int)(i + 1) % LOOPS);
    for (unsigned i = 0; i < PAIRS; i++)
        pass(&pairs[i], N, SIZE);
    ck_assert_int_ge(rk_mono_ms() - began,
                     (int64_t)(PAIRS * N - 40) * SIZE * 1000 / RATE - 2 * RELAY_PACE_BURST_MS);
    ck_assert_int_eq(dropped(), 0);
    for (unsigned i = 0; i < PAIRS; i++)
        pair_close(&pairs[i]);
}
END_TEST

/* A session that is held must end as any other. */
START_TEST(a_peer_may_leave_while_it_is_held)
{
    struct client *a = client_join(0, "a"), *b = client_join(1, "b");
    static const char payload[8000];

    for (int i = 0; i < 20; i++)
        ck_assert(client_transport(a, &b->id, rk_str_of(payload, sizeof payload)));
    wait_counter("relay_bandwidth_waits_total", 1);
    client_close(a);
    client_close(client_join(0, "a")); /* takes its place */
    client_close(b);
}
END_TEST

/* ---- floods */

START_TEST(a_flood_of_strangers_leaves_peers_alone)
{
    enum { ROUNDS = 100, STRANGERS = 4 };
    struct client *strangers[STRANGERS] = {0};
    struct pair p;

    pair_join(&p, 0, 0, 1);
    for (int i = 0; i < ROUNDS; i++) {
        int k = i % STRANGERS;

        if (strangers[k])
            client_close(strangers[k]);
        strangers[k] = client_open(i % LOOPS);
        if (i % 3 == 1) /* the others are silent */
            (void)client_send(strangers[k], RK_STR("\x01\x06 neither id nor token"));
        if (i % 3 == 2)
            (void)client_raw(strangers[k], RK_STR("\xff\xff\xff\xff"));
        pair_send(&p, 1200);
        pair_receive(&p, 1200);
        /* each loop may just be ending the one that gave way */
        ck_assert_uint_le(relay_app_sessions(fx.app), MAX_PEERS + LOOPS);
    }
    ck_assert_int_eq(dropped(), 0);
    for (int k = 0; k < STRANGERS; k++)
        client_close(strangers[k]);
    pair_close(&p);
}
END_TEST

static void add(Suite *s, const char *name, void (*before)(void), const TTest *const *tests,
                size_t n)
{
    TCase *t = tcase_create(name);

    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, before, teardown);
    for (size_t i = 0; i < n; i++)
        tcase_add_test(t, tests[i]);
    suite_add_tcase(s, t);
}

int main(void)
{
    const TTest *const plain[] = {pairs_on_any_loops_lose_nothing_and_keep_their_order,
                                  another_loop_is_rung_once_while_it_has_not_looked,
                                  a_greedy_peer_waits_for_its_turn};
    const TTest *const peer[] = {a_peer_gets_its_rate_and_loses_nothing,
                                 a_peer_may_leave_while_it_is_held};
    const TTest *const total[] = {all_peers_share_the_total_rate};
    const TTest *const small[] = {a_flood_of_strangers_leaves_peers_alone};
    Suite *s = suite_create("relay under load");

    add(s, "load", setup, plain, RK_ARRAY_LEN(plain));
    add(s, "rate of a peer", setup_peer_rate, peer, RK_ARRAY_LEN(peer));
    add(s, "rate of all", setup_total_rate, total, RK_ARRAY_LEN(total));
    add(s, "strangers", setup_small, small, RK_ARRAY_LEN(small));
    return run_suite(s);
}
