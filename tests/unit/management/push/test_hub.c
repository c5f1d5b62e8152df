/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests management/push/hub with a real engine on SQLite, real maps and real sealing; only the gRPC
 * call at the end is replaced by a sink that takes messages and reports them drained when told.
 */
#include "config.h"

#include "management/push/hub.h"

#include <pthread.h>
#include <unistd.h>

#include "lib/base/id.h"
#include "lib/base/num.h"
#include "lib/crypto/vault.h"
#include "management/rpc/envelope.h"
#include "management/snapshot/snapshot.h"
#include "schema/gen/management.pb-c.h"
#include "schema/pb_arena.h"
#include "tests/unit/management/store_env.h"
#include "tests/unit/run.h"

#define N_PEERS 6
#define WAIT_MS 60000

struct sink { /* one "call" */
    pthread_mutex_t lock;
    struct hub_stream *stream;
    struct rk_list got; /* struct got */
    size_t n_got, n_seen, newest_peers;
    bool slow; /* does not report drained */
    bool finished;
    enum rk_code finish_code;
    struct envelope_peer peer;
    uint32_t index;
    struct rk_task task;
};

struct got {
    struct rk_list link;
    Management__SyncResponse *m;
};

static struct env e;
static struct mgmt *m;
static struct vault *vault;
static struct rk_arena *mem;      /* main thread, and the loop while it waits */
static struct rk_arena *sink_mem; /* loop thread */
static struct rk_loop *loop;
static struct rk_pool *build;
static struct servers *servers;
static struct envelope *envelope;
static struct hub *hub;
static struct netmap_opts netmap;
static struct sink sinks[N_PEERS + 2];
static struct rk_key peer_keys[N_PEERS];
static const struct actor sys = {.id = {"sys", 3}};
static const struct rk_str ACC = {"acc-1", 5};

/* ---- the account: N peers, All, one policy All <-> All */

static struct rk_str numbered(const char *what, size_t i)
{
    return rk_arena_printf(mem, "%s-%zu", what, i);
}

static struct policy all_to_all(bool enabled)
{
    struct policy p = {.id = RK_STR("pol-1"),
                       .name = RK_STR("Default"),
                       .public_id = RK_STR("pp1"),
                       .account_id = ACC,
                       .enabled = enabled,
                       .seq = 1,
                       .n_rules = 1};
    struct rule *r = rk_new(mem, struct rule);
    struct rk_str *all = rk_new(mem, struct rk_str);

    *all = RK_STR("grp-all");
    *r = (struct rule){.id = RK_STR("pol-1"),
                       .policy_id = RK_STR("pol-1"),
                       .enabled = true,
                       .name = RK_STR("Default"),
                       .bidirectional = true,
                       .sources = {all, 1},
                       .destinations = {all, 1}};
    p.rules = r;
    return p;
}

static struct peer peer_row(size_t i)
{
    struct rk_key pub;

    rk_key_generate(&peer_keys[i]);
    rk_key_public(&peer_keys[i], &pub);
    return (struct peer){.id = numbered("peer", i),
                         .account_id = ACC,
                         .key = rk_key_text(mem, &pub),
                         .ip = rk_ip4(100, 64, 0, (unsigned)i + 1),
                         .name = numbered("host", i),
                         .dns_label = numbered("host", i),
                         .created_at_us = 1,
                         .last_login_us = 1,
                         .meta = {.hostname = numbered("host", i),
                                  .version = RK_STR("0.77.1"),
                                  .goos = RK_STR("linux")}};
}

static void account_insert(void)
{
    struct account_data d = {
        .account = {
            .id = ACC, .created_by = RK_STR("u"), .created_at_us = 1, .net_id = RK_STR("net")}};
    struct group *g = rk_new(mem, struct group);
    struct policy *p = rk_new(mem, struct policy);

    ck_ok(rk_prefix_parse(RK_STR("100.64.0.0/16"), &d.account.net4, err));
    settings_default(&d.settings);
    *g = (struct group){.id = RK_STR("grp-all"),
                        .account_id = ACC,
                        .name = RK_STR("All"),
                        .public_id = RK_STR("g1")};
    *p = all_to_all(true);
    d.groups = g;
    d.n_groups = 1;
    d.policies = p;
    d.n_policies = 1;
    d.peers = rk_new_n(mem, struct peer, N_PEERS);
    d.group_peers = rk_new_n(mem, struct group_peer, N_PEERS);
    d.n_peers = d.n_group_peers = N_PEERS;
    for (size_t i = 0; i < N_PEERS; i++) {
        d.peers[i] = peer_row(i);
        d.group_peers[i] = (struct group_peer){g->id, d.peers[i].id};
    }
    ck_ok(mgmt_account_insert(m, &sys, &d, err));
}

/* ---- the sink */

static void drain_on_loop(struct rk_task *t)
{
    struct sink *s = rk_container_of(t, struct sink, task);

    if (s->stream)
        hub_drained(s->stream);
}

static void sink_send(void *call, struct rk_bytes *taken)
{
    struct sink *s = call;
    struct got *g = rk_calloc(1, sizeof *g);
    const Management__EncryptedMessage *em;
    struct rk_str plain;
    bool slow;

    (void)pthread_mutex_lock(&s->lock);
    em = pb_unpack(sink_mem, &management__encrypted_message__descriptor, rk_bytes_str(taken), NULL);
    ck_assert_ptr_nonnull(em);
    ck_assert_int_eq(box_open_new(&s->peer.shared, sink_mem, pb_bytes(em->body), &plain, NULL),
                     RK_OK);
    g->m = pb_unpack(sink_mem, &management__sync_response__descriptor, plain, NULL);
    ck_assert_ptr_nonnull(g->m);
    rk_list_push_back(&s->got, &g->link);
    s->n_got++;
    slow = s->slow;
    (void)pthread_mutex_unlock(&s->lock);
    rk_bytes_unref(taken);
    if (!slow) {
        s->task = (struct rk_task){.run = drain_on_loop};
        rk_loop_post(loop, &s->task);
    }
}

static void sink_finish(void *call, const struct rk_err *why)
{
    struct sink *s = call;

    (void)pthread_mutex_lock(&s->lock);
    s->finished = true;
    s->finish_code = why ? why->code : RK_OK;
    (void)pthread_mutex_unlock(&s->lock);
}

static struct rk_bytes *seal(void *arg, const struct box_shared *shared, struct rk_str plain)
{
    return envelope_seal(arg, shared, plain);
}

static const struct hub_sink_ops SINK = {sink_send, sink_finish};

static void attach_on_loop(void *arg)
{
    struct sink *s = arg;
    const struct snapshot *snap = mgmt_snapshot_try(m, ACC);
    uint32_t index = snap_index_of(snap, rk_arena_printf(mem, "peer-%u", s->index));

    s->stream = hub_attach(hub, &(struct hub_attach){snap, index, &s->peer.shared, loop, s});
    snap_unref(snap);
}

static void detach_on_loop(void *arg)
{
    struct sink *s = arg;

    if (s->stream)
        hub_detach(s->stream);
    s->stream = NULL;
}

static void attach(struct sink *s, uint32_t index)
{
    struct rk_key server;

    s->index = index;
    ck_assert_int_eq(rk_key_parse(rk_str_z(envelope_key_text(envelope)), &server, NULL), RK_OK);
    ck_assert_int_eq(box_shared_init(&peer_keys[index], &server, &s->peer.shared, NULL), RK_OK);
    rk_loop_call(loop, attach_on_loop, s);
}

static void detach(struct sink *s)
{
    rk_loop_call(loop, detach_on_loop, s);
}

static size_t count(struct sink *s)
{
    size_t n;

    (void)pthread_mutex_lock(&s->lock);
    n = s->n_got;
    (void)pthread_mutex_unlock(&s->lock);
    return n;
}

/* Next message that the test has not looked at, waiting for it. */
static const Management__SyncResponse *next(struct sink *s)
{
    const Management__SyncResponse *r = NULL;

    for (int64_t end = rk_mono_ms() + WAIT_MS; !r && rk_mono_ms() < end;) {
        (void)pthread_mutex_lock(&s->lock);
        if (s->n_seen < s->n_got) {
            struct rk_list *it = s->got.next;

            for (size_t i = 0; i < s->n_seen; i++)
                it = it->next;
            r = rk_container_of(it, struct got, link)->m;
            s->n_seen++;
        }
        (void)pthread_mutex_unlock(&s->lock);
        if (!r)
            (void)usleep(2000);
    }
    ck_assert_msg(r != NULL, "no message in %d ms", WAIT_MS);
    return r;
}

static void wait_finished(struct sink *s, enum rk_code code)
{
    bool done = false;

    for (int64_t end = rk_mono_ms() + WAIT_MS; !done && rk_mono_ms() < end; (void)usleep(2000)) {
        (void)pthread_mutex_lock(&s->lock);
        done = s->finished;
        (void)pthread_mutex_unlock(&s->lock);
    }
    ck_assert(done);
    ck_assert_int_eq(s->finish_code, code);
}

static void quiet(int ms)
{
    (void)usleep((useconds_t)ms * 1000);
}

/* ---- set-up */

static const char *const RELAYS[] = {"rel://relay.example.com:80"};
static struct coalesce_rule rule = {.gap_ms = 60, .quiet_ms = 10, .max_wait_ms = 200};
static int64_t relay_ttl_s;
static size_t slow_bytes;

static void setup(void)
{
    struct servers_opts so = {.signal_uri = "signal.example.com:80",
                              .relays = RELAYS,
                              .n_relays = 1,
                              .relay_secret = RK_STR("s"),
                              .relay_ttl_s = relay_ttl_s};
    struct rk_key key;

    env_open(&e, 0);
    vault = vault_new();
    rk_key_generate(&key);
    ck_ok(vault_add_key(vault, &key, err));
    mem = rk_arena_new(0);
    sink_mem = rk_arena_new(0);
    ck_ok(mgmt_open(&m, &(struct mgmt_opts){.store_url = e.url, .vault = vault}, err));
    account_insert();
    ck_ok(rk_loop_new(&loop, err));
    ck_ok(rk_loop_start(loop, "loop", err));
    ck_ok(rk_pool_new(&build, 2, 64, NULL, err));
    ck_ok(servers_new(&so, &servers, err));
    envelope = envelope_new(&key);
    hub = hub_new(&(struct hub_opts){.mgmt = m,
                                     .build = build,
                                     .builders = 2,
                                     .loop = loop,
                                     .servers = servers,
                                     .netmap = &netmap,
                                     .seal = seal,
                                     .seal_arg = envelope,
                                     .sink = &SINK,
                                     .coalesce = rule,
                                     .slow_bytes = slow_bytes,
                                     .slow_after_ms = 100});
    for (size_t i = 0; i < RK_ARRAY_LEN(sinks); i++) {
        sinks[i] = (struct sink){0};
        (void)pthread_mutex_init(&sinks[i].lock, NULL);
        rk_list_init(&sinks[i].got);
    }
}

static void teardown(void)
{
    struct hub_stats stats;

    for (size_t i = 0; i < RK_ARRAY_LEN(sinks); i++)
        detach(&sinks[i]);
    hub_stats(hub, &stats);
    ck_assert_uint_eq(stats.streams, 0);
    ck_assert_uint_eq(stats.bytes_under_way, 0);
    hub_stop(hub);
    rk_pool_free(build);
    rk_loop_stop(loop);
    rk_loop_join(loop);
    rk_loop_free(loop);
    mgmt_close(m);
    hub_free(hub);
    servers_free(servers);
    envelope_free(envelope);
    vault_free(vault);
    for (size_t i = 0; i < RK_ARRAY_LEN(sinks); i++) {
        struct rk_list *n;

        while ((n = rk_list_pop_front(&sinks[i].got)))
            free(rk_container_of(n, struct got, link));
    }
    rk_arena_free(mem);
    rk_arena_free(sink_mem);
    env_close(&e);
    relay_ttl_s = 0;
    slow_bytes = 0;
}

/* ---- mutations */

static enum rk_code put_policy(struct tx *tx, void *arg, struct rk_err *err)
{
    struct policy p = all_to_all(*(bool *)arg);

    return tx_put(tx, ENT_POLICY, &p, err);
}

static void set_policy(bool on)
{
    ck_ok(mgmt_mutate(m, ACC, &sys, 0, put_policy, &on, err));
}

static enum rk_code rename_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct group g = *(const struct group *)tx_get(tx, ENT_GROUP, RK_STR("grp-all"));

    (void)arg;
    g.integration_id++; /* in no map */
    return tx_put(tx, ENT_GROUP, &g, err);
}

static enum rk_code delete_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    return tx_del(tx, ENT_PEER, *(struct rk_str *)arg, err);
}

static enum rk_code expire_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct peer p = *(const struct peer *)tx_get(tx, ENT_PEER, *(struct rk_str *)arg);

    p.status.login_expired = true;
    return tx_put(tx, ENT_PEER, &p, err);
}

static size_t newest_peers(struct sink *s) /* in the newest map that has come */
{
    const Management__SyncResponse *r = NULL;

    while (s->n_seen < count(s))
        r = next(s);
    if (r)
        s->newest_peers = r->networkmap->n_remotepeers;
    return s->n_seen ? s->newest_peers : SIZE_MAX;
}

/* Waits until the sink has a map with n peers. */
static void wait_peers(struct sink *s, size_t n)
{
    for (int64_t end = rk_mono_ms() + WAIT_MS; newest_peers(s) != n && rk_mono_ms() < end;)
        (void)usleep(2000);
    ck_assert_uint_eq(newest_peers(s), n);
}

static void on_peer(size_t i, mgmt_fn *fn)
{
    struct rk_str id = numbered("peer", i);

    ck_ok(mgmt_mutate(m, ACC, &sys, 0, fn, &id, err));
}

/* ---- tests */

START_TEST(first_message_is_complete_and_pushes_are_not)
{
    const Management__SyncResponse *r;
    uint64_t serial;

    attach(&sinks[0], 0);
    r = next(&sinks[0]);
    ck_assert(r->netbirdconfig && r->netbirdconfig->signal && r->netbirdconfig->relay);
    ck_assert(r->networkmap && r->peerconfig && r->sessionexpiresat);
    ck_assert_int_eq(r->sessionexpiresat->seconds, 0);
    ck_assert_str_eq(r->peerconfig->address, "100.64.0.1/16");
    ck_assert_str_eq(r->networkmap->peerconfig->address, "100.64.0.1/16");
    ck_assert_uint_eq(r->networkmap->n_remotepeers, N_PEERS - 1);
    ck_assert_uint_eq(r->n_remotepeers, 0); /* deprecated: not for this version */
    serial = r->networkmap->serial;
    set_policy(false);
    r = next(&sinks[0]);
    ck_assert_ptr_null(r->netbirdconfig); /* present without relay would drop relays */
    ck_assert(r->networkmap && r->peerconfig && r->sessionexpiresat);
    ck_assert_uint_eq(r->networkmap->n_remotepeers, 0);
    ck_assert(r->networkmap->remotepeersisempty && r->remotepeersisempty);
    ck_assert(r->networkmap->firewallrulesisempty && r->networkmap->routesfirewallrulesisempty);
    ck_assert_uint_gt(r->networkmap->serial, serial);
}
END_TEST

START_TEST(no_news_is_not_sent)
{
    struct hub_stats stats;

    attach(&sinks[0], 0);
    (void)next(&sinks[0]);
    ck_ok(mgmt_mutate(m, ACC, &sys, 0, rename_tx, NULL, err));
    set_policy(false);
    (void)next(&sinks[0]);
    quiet(100);
    set_policy(true);
    set_policy(false); /* the same map as before, by the time it is built or by the next */
    quiet(500);
    hub_stats(hub, &stats);
    ck_assert_uint_le(count(&sinks[0]), 4);
    ck_ok(mgmt_mutate(m, ACC, &sys, 0, rename_tx, NULL, err));
    quiet(200);
    ck_assert_uint_le(count(&sinks[0]), 4);
}
END_TEST

START_TEST(bursts_end_with_the_newest_map)
{
    int64_t began, took;

    attach(&sinks[0], 0);
    (void)next(&sinks[0]);
    began = rk_mono_ms();
    for (int i = 0; i < 100; i++)
        set_policy(i % 2);
    on_peer(1, delete_tx); /* no map before had as many peers */
    wait_peers(&sinks[0], N_PEERS - 2);
    took = rk_mono_ms() - began;
    quiet(3 * (int)rule.max_wait_ms);
    ck_assert_uint_eq(newest_peers(&sinks[0]), N_PEERS - 2);
    ck_assert_int_le((int64_t)count(&sinks[0]), 3 + took / rule.gap_ms);
}
END_TEST

START_TEST(a_slow_reader_has_one_message_on_its_way)
{
    const Management__SyncResponse *r;

    sinks[0].slow = true;
    attach(&sinks[0], 0);
    (void)next(&sinks[0]);
    for (int i = 0; i < 20; i++)
        set_policy(i % 2);
    set_policy(false);
    quiet(300);
    ck_assert_uint_eq(count(&sinks[0]), 1);
    sinks[0].slow = false;
    sinks[0].task = (struct rk_task){.run = drain_on_loop};
    rk_loop_post(loop, &sinks[0].task);
    r = next(&sinks[0]); /* the newest, and only it */
    ck_assert_uint_eq(r->networkmap->n_remotepeers, 0);
    quiet(200);
    ck_assert_uint_eq(count(&sinks[0]), 2);
}
END_TEST

START_TEST(too_many_slow_readers_are_cut_off_oldest_first)
{
    struct hub_stats stats;

    for (size_t i = 0; i < 3; i++) {
        sinks[i].slow = true;
        attach(&sinks[i], (uint32_t)i);
        (void)next(&sinks[i]);
        quiet(20);
    }
    wait_finished(&sinks[0], RK_UNAVAILABLE);
    quiet(150);
    hub_stats(hub, &stats);
    ck_assert_uint_ge(stats.cut_off, 1);
    ck_assert_uint_le(stats.bytes_under_way, slow_bytes);
    ck_assert(!sinks[2].finished);
}
END_TEST

START_TEST(a_second_stream_ends_the_first_and_outlives_it)
{
    const Management__SyncResponse *r;

    attach(&sinks[0], 0);
    (void)next(&sinks[0]);
    attach(&sinks[1], 0);
    wait_finished(&sinks[0], RK_OK);
    (void)next(&sinks[1]);
    detach(&sinks[0]); /* its teardown does not disturb the other */
    ck_assert(hub_is_connected(hub, ACC, RK_STR("peer-0")));
    set_policy(false);
    r = next(&sinks[1]);
    ck_assert_uint_eq(r->networkmap->n_remotepeers, 0);
    ck_assert_uint_eq(count(&sinks[0]), 1);
    ck_assert(!sinks[1].finished);
    detach(&sinks[1]);
    ck_assert(!hub_is_connected(hub, ACC, RK_STR("peer-0")));
}
END_TEST

START_TEST(deleted_peers_get_the_last_map_and_the_others_hear_of_it)
{
    const Management__SyncResponse *r;

    attach(&sinks[0], 0);
    attach(&sinks[1], 1);
    (void)next(&sinks[0]);
    (void)next(&sinks[1]);
    on_peer(1, delete_tx);
    r = next(&sinks[1]);
    ck_assert_ptr_null(r->peerconfig);
    ck_assert_ptr_null(r->networkmap->peerconfig);
    ck_assert_ptr_null(r->sessionexpiresat);
    ck_assert(r->remotepeersisempty && r->networkmap->remotepeersisempty);
    ck_assert(r->networkmap->firewallrulesisempty);
    ck_assert(r->networkmap->routesfirewallrulesisempty); /* unset would open a router */
    ck_assert(r->networkmap->dnsconfig && !r->networkmap->dnsconfig->serviceenable);
    wait_finished(&sinks[1], RK_OK);
    r = next(&sinks[0]);
    ck_assert_uint_eq(r->networkmap->n_remotepeers, N_PEERS - 2);
}
END_TEST

START_TEST(expired_peers_are_ended_without_a_message)
{
    attach(&sinks[0], 0);
    attach(&sinks[1], 1);
    (void)next(&sinks[0]);
    (void)next(&sinks[1]);
    on_peer(1, expire_tx);
    wait_finished(&sinks[1], RK_OK);
    ck_assert_uint_eq(count(&sinks[1]), 1);
}
END_TEST

START_TEST(credentials_are_refreshed_alone)
{
    const Management__SyncResponse *r;

    attach(&sinks[0], 0);
    r = next(&sinks[0]);
    ck_assert_ptr_nonnull(r->networkmap);
    r = next(&sinks[0]); /* three quarters of 2 s */
    ck_assert(r->netbirdconfig && r->netbirdconfig->relay && !r->netbirdconfig->signal);
    ck_assert(!r->networkmap && !r->peerconfig && !r->sessionexpiresat && !r->n_checks);
}
END_TEST

START_TEST(every_stream_ends_up_with_the_state_of_the_end)
{
    for (uint32_t i = 0; i < N_PEERS; i++)
        attach(&sinks[i], i);
    for (int round = 0; round < 40; round++) { /* streams come and go while things change */
        set_policy(round % 2);
        if (round % 3 == 0) {
            struct sink *s = &sinks[round % N_PEERS];

            detach(s);
            attach(s, s->index);
        }
    }
    set_policy(false);
    for (uint32_t i = 0; i < N_PEERS; i++)
        wait_peers(&sinks[i], 0);
    quiet(3 * (int)rule.max_wait_ms);
    for (uint32_t i = 0; i < N_PEERS; i++)
        ck_assert_uint_eq(newest_peers(&sinks[i]), 0);
}
END_TEST

static void setup_refresh(void)
{
    relay_ttl_s = 2;
    setup();
}

static void setup_slow(void)
{
    slow_bytes = 2500;
    setup();
}

static TCase *tcase(const char *name, void (*start)(void))
{
    TCase *t = tcase_create(name);

    tcase_add_checked_fixture(t, start, teardown);
    tcase_set_timeout(t, 60);
    return t;
}

int main(void)
{
    Suite *s = suite_create("hub");
    TCase *t = tcase("hub", setup), *refresh = tcase("refresh", setup_refresh);
    TCase *slow = tcase("slow", setup_slow);

    tcase_add_test(t, first_message_is_complete_and_pushes_are_not);
    tcase_add_test(t, no_news_is_not_sent);
    tcase_add_test(t, bursts_end_with_the_newest_map);
    tcase_add_test(t, a_slow_reader_has_one_message_on_its_way);
    tcase_add_test(t, a_second_stream_ends_the_first_and_outlives_it);
    tcase_add_test(t, deleted_peers_get_the_last_map_and_the_others_hear_of_it);
    tcase_add_test(t, expired_peers_are_ended_without_a_message);
    tcase_add_test(t, every_stream_ends_up_with_the_state_of_the_end);
    tcase_add_test(refresh, credentials_are_refreshed_alone);
    tcase_add_test(slow, too_many_slow_readers_are_cut_off_oldest_first);
    suite_add_tcase(s, t);
    suite_add_tcase(s, refresh);
    suite_add_tcase(s, slow);
    return run_suite(s);
}
