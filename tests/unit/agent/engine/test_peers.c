/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests agent/engine/peers*.c: a fake owner that notes what it is told, our own WireGuard device in
 * a namespace of our own, and lazy connections, which wait for traffic or a signal that never
 * leaves this process: nobody listens where signal and relay are looked for.
 */
#include "config.h"

#include <check.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>

#include "agent/client/relay_client.h"
#include "agent/client/signal_client.h"
#include "agent/engine/peers.h"
#include "agent/os/link.h"
#include "lib/base/loop_uv.h"
#include "tests/unit/agent/ns.h"
#include "tests/unit/run.h"

#define LAZY "0.77.1" /* an agent that can be left alone until there is traffic */

struct owner { /* the fake */
    struct peers_user user;
    struct peers *peers;
    int opened, failed, lost, closed, chosen, changed, bypassed, refused;
};

static struct rk_loop *loop;
static struct nl_sock *nl;
static struct state *state;
static struct profile *profile;
static struct daemon_opts daemon_opts;
static struct events events;
static struct rk_key own_key;
static struct owner own;
static struct signal_client_user signal_user;
static struct signal_client *sig;
static struct relay_client_user relay_user;
static struct relay_client *relay;
static struct peer_conn_env *env;

/* ---- the owner */

static struct owner *owner_of(struct peers_user *u)
{
    return rk_container_of(u, struct owner, user);
}

static void on_opened(struct peers_user *u, const struct rk_err *failed)
{
    owner_of(u)->opened += !failed;
    owner_of(u)->failed += failed != NULL;
}

static void on_lost(struct peers_user *u, const struct rk_err *why RK_UNUSED)
{
    owner_of(u)->lost++;
}

static void on_closed(struct peers_user *u)
{
    owner_of(u)->closed++;
}

static void on_choose(struct peers_user *u)
{
    owner_of(u)->chosen++;
}

static void on_changed(struct peers_user *u)
{
    owner_of(u)->changed++;
}

static void on_bypass(struct peers_user *u, const struct rk_ip *ip)
{
    ck_assert(rk_ip_is_loopback(ip)); /* the proxy of a lazy connection */
    owner_of(u)->bypassed++;
}

static void on_refused(struct peers_user *u)
{
    owner_of(u)->refused++;
}

static json_t *on_networks(struct peers_user *u RK_UNUSED, const struct rk_key *key RK_UNUSED)
{
    return json_pack("[s]", "10.1.0.0/16");
}

static const struct peers_ops OPS = {.opened = on_opened,
                                     .lost = on_lost,
                                     .closed = on_closed,
                                     .choose = on_choose,
                                     .changed = on_changed,
                                     .bypass = on_bypass,
                                     .refused = on_refused,
                                     .networks = on_networks};

static void on_signal_down(struct signal_client_user *u RK_UNUSED,
                           const struct rk_err *why RK_UNUSED)
{
}

static const struct signal_client_user_ops SIGNAL_OPS = {.down = on_signal_down}; /* never ready */
static const struct relay_client_user_ops RELAY_OPS; /* without URLs it does nothing */

/* ---- the world */

static void turn_until(const int *n)
{
    while (!*n)
        (void)uv_run(rk_loop_uv(loop), UV_RUN_ONCE);
}

static void open_clients(void)
{
    struct signal_client_opts so = {
        .loop = loop, .host = RK_STR("127.0.0.1"), .port = 1, .private_key = profile->private_key};
    char own_text[RK_KEY_TEXT + 1];
    struct relay_client_opts ro = {.loop = loop};

    rk_key_format(&own_key, own_text);
    ro.own_key_text = rk_str_z(own_text);
    signal_user.ops = &SIGNAL_OPS;
    relay_user.ops = &RELAY_OPS;
    ck_assert_int_eq(signal_client_open(&so, &signal_user, &sig, NULL), RK_OK);
    ck_assert_int_eq(relay_client_open(&ro, &relay_user, &relay, NULL), RK_OK);
}

static void setup_closed(void)
{
    struct peers_opts o = {.daemon = &daemon_opts, .events = &events};
    struct rk_err err = {0};

    ck_assert_int_eq(rk_loop_new(&loop, NULL), RK_OK);
    ck_assert_int_eq(nl_open(NETLINK_ROUTE, &nl, NULL), RK_OK);
    ck_assert_int_eq(ns_run("sh", "-c", "rm -rf /run/t; mkdir /run/t", NULL), 0);
    state = state_open("/run/t/state.json", NULL);
    ck_assert_msg(profile_load("/run/t/p.json", &profile, &err) == RK_OK, "%s", err.msg);
    ck_assert_int_eq(profile_set(profile, RK_STR("interface-name"), RK_STR("wgt0"), &err) ||
                         profile_set(profile, RK_STR("preshared-key"),
                                     RK_STR("AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), &err),
                     0);
    daemon_opts =
        (struct daemon_opts){.device = RK_STR("own"), .wireguard_sockets = RK_STR("/run/t")};
    rk_key_public(&profile->private_key, &own_key);
    o.loop = loop;
    o.route = nl;
    o.state = state;
    o.profile = profile;
    o.own_key = own_key;
    own = (struct owner){.user.ops = &OPS};
    own.peers = peers_new(&o, &own.user);
}

static void setup(void)
{
    struct peer_conn_env_opts eo = {.version = RK_STR(LAZY), .mtu = 1280, .force_relay = true};
    struct rk_err err = {0};
    uint16_t port = 0;

    setup_closed();
    peers_open(own.peers);
    ck_assert_ptr_null(peers_device(own.peers));
    turn_until(&own.opened);
    ck_assert_msg(peers_configure(own.peers, &err) == RK_OK, "%s", err.msg);
    ck_assert_int_eq(link_set(nl, wg_device_ifindex(peers_device(own.peers)), true, 1280, NULL),
                     RK_OK);
    ck_assert_msg(peers_port(own.peers, &port, &err) == RK_OK, "%s", err.msg);
    ck_assert_uint_ne(port, 0);
    open_clients();
    eo.loop = loop;
    eo.signal = sig;
    eo.relay = relay;
    eo.own_key = own_key;
    eo.wg_addr = (struct rk_addr){rk_ip4(127, 0, 0, 1), port};
    ck_assert_int_eq(peer_conn_env_new(&eo, &env, NULL), RK_OK);
    peer_conn_env_set_lazy(env, true);
    peers_up(own.peers, env, false);
}

static void teardown_closed(void)
{
    struct link l;

    ck_assert_int_eq(link_find(nl, "wgt0", &l, NULL), RK_NOT_FOUND);
    ck_assert_ptr_null(state_get(state, STATE_DEVICE));
    peers_free(own.peers);
    profile_free(profile);
    events_done(&events);
    state_free(state);
    nl_close(nl);
    (void)uv_run(rk_loop_uv(loop), UV_RUN_NOWAIT);
    rk_loop_free(loop); /* aborts when a handle is left */
}

static void teardown(void)
{
    if (!own.closed) {
        peers_stop(own.peers);
        peers_clear(own.peers);
        ck_assert(peers_close(own.peers));
        turn_until(&own.closed);
    }
    peers_clear(own.peers);
    ck_assert(!peers_close(own.peers));
    ck_assert_ptr_null(peers_device(own.peers));
    peer_conn_env_free(env);
    signal_client_close(sig);
    relay_client_close(relay);
    teardown_closed();
}

/* ---- maps */

static char *z(const char *s)
{
    return (char *)(uintptr_t)s;
}

static struct rk_key key_of(uint8_t i)
{
    return (struct rk_key){{i, 7}};
}

struct entry {
    uint8_t key;
    const char *ip, *fqdn;
};

static enum rk_code apply(const struct entry *entries, size_t n, struct rk_err *err)
{
    Management__RemotePeerConfig peers[8], *list[8];
    Management__NetworkMap map = MANAGEMENT__NETWORK_MAP__INIT;
    char texts[8][RK_KEY_TEXT + 1], *ips[8];

    for (size_t i = 0; i < n; i++) {
        struct rk_key k = entries[i].key ? key_of(entries[i].key) : own_key;

        rk_key_format(&k, texts[i]);
        management__remote_peer_config__init(&peers[i]);
        peers[i].wgpubkey = texts[i];
        peers[i].fqdn = z(entries[i].fqdn);
        peers[i].agentversion = z(LAZY);
        ips[i] = z(entries[i].ip);
        peers[i].allowedips = &ips[i];
        peers[i].n_allowedips = 1;
        list[i] = &peers[i];
    }
    map.remotepeers = list;
    map.n_remotepeers = n;
    map.remotepeersisempty = n == 0;
    return peers_apply(own.peers, &map, err);
}

static const struct entry THREE[] = {
    {3, "100.64.0.3/32", "c.test"}, {1, "100.64.0.1/32", "a.test"}, {2, "100.64.0.2/32", "b.test"}};

/* What the device has of a peer; false: nothing. The arena is the test's. */
static bool device_has(struct rk_arena *mem, uint8_t i, struct wg_peer_state *out)
{
    struct wg_state s = {0};
    struct rk_key k = key_of(i);

    ck_assert_int_eq(wg_device_read(peers_device(own.peers), mem, &s, NULL), RK_OK);
    for (size_t j = 0; j < s.n_peers; j++)
        if (rk_key_eq(&s.peers[j].key, &k)) {
            *out = s.peers[j];
            return true;
        }
    return false;
}

static bool device_allows(struct rk_arena *mem, uint8_t i, const char *prefix)
{
    struct wg_peer_state s;
    struct rk_prefix p;

    ck_assert_int_eq(rk_prefix_parse(rk_str_z(prefix), &p, NULL), RK_OK);
    for (size_t j = 0; device_has(mem, i, &s) && j < s.n_allowed; j++)
        if (rk_prefix_cmp(&s.allowed[j], &p) == 0)
            return true;
    return false;
}

static const char *detail(json_t *peers, size_t i, const char *name)
{
    return json_string_value(
        json_object_get(json_array_get(json_object_get(peers, "details"), i), name));
}

/* ---- tests */

START_TEST(the_table_follows_the_map)
{
    static const struct entry next[] = {{4, "100.64.0.4/32", "d.test"},
                                        {1, "100.64.0.1/32", "new.test"},
                                        {3, "100.64.0.33/32", "c.test"}};
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(0);
    struct wg_peer_state before, after;
    json_t *shown;

    ck_assert_int_eq(apply(THREE, 3, NULL), RK_OK);
    ck_assert_uint_eq(peers_count(own.peers), 3);
    ck_assert_int_ge(own.chosen, 3);
    ck_assert_int_eq(own.bypassed, 3);
    ck_assert(device_has(mem, 1, &before));
    ck_assert_uint_eq(before.psk.b[0], 1);
    ck_assert(device_allows(mem, 2, "100.64.0.2/32") && device_allows(mem, 3, "100.64.0.3/32"));
    ck_assert_int_eq(apply(next, 3, NULL), RK_OK);
    ck_assert_uint_eq(peers_count(own.peers), 3);
    ck_assert(device_has(mem, 1, &after)); /* a new name disturbs nobody */
    ck_assert(rk_addr_eq(&before.endpoint, &after.endpoint));
    ck_assert(!device_has(mem, 2, &after));
    ck_assert(device_allows(mem, 3, "100.64.0.33/32") && !device_allows(mem, 3, "100.64.0.3/32"));
    ck_assert(device_allows(mem, 4, "100.64.0.4/32"));
    shown = peers_json(own.peers);
    ck_assert_int_eq(json_integer_value(json_object_get(shown, "total")), 3);
    ck_assert_int_eq(json_integer_value(json_object_get(shown, "connected")), 0);
    ck_assert_str_eq(detail(shown, 0, "fqdn"), "new.test");
    ck_assert_str_eq(detail(shown, 0, "status"), "Idle");
    ck_assert_str_eq(detail(shown, 1, "netbirdIp"), "100.64.0.4");
    ck_assert_str_eq(detail(shown, 2, "netbirdIp"), "100.64.0.33");
    json_decref(shown);
    ck_assert_int_eq(apply(NULL, 0, NULL), RK_OK);
    ck_assert_uint_eq(peers_count(own.peers), 0);
    ck_assert(!device_has(mem, 1, &after));
    ck_assert_uint_eq(events.n, 0);
}
END_TEST

START_TEST(bad_entries_cost_nobody_else)
{
    static const struct entry bad[] = {
        {0, "100.64.0.9/32", "own.test"},   {1, "100.64.0.1/32", "a.test"},
        {1, "100.64.0.5/32", "twice.test"}, {2, "no address", "b.test"},
        {3, "fd00::3/128", "no IPv6 here"}, {4, "100.64.0.4/32", "d.test"}};
    Management__NetworkMap map = MANAGEMENT__NETWORK_MAP__INIT;
    struct rk_err err = {0};
    struct rk_key one = key_of(1), two = key_of(2), three = key_of(3);
    struct rk_ip ip;

    ck_assert_int_eq(apply(bad, 6, NULL), RK_OK);
    ck_assert_uint_eq(peers_count(own.peers), 2);
    ck_assert(peers_address(own.peers, &one, &ip));
    ck_assert(!peers_address(own.peers, &own_key, &ip));
    ck_assert(!peers_address(own.peers, &two, &ip) && !peers_address(own.peers, &three, &ip));
    ck_assert_uint_eq(events.n, 1);
    ck_assert_str_eq(events.ring[0].text,
                     "2 peers of the network map cannot be used, 1 are named twice");
    map.n_remotepeers = PEERS_MAX + 1; /* refused before it is looked at */
    ck_assert_int_eq(peers_apply(own.peers, &map, &err), RK_LIMIT);
    ck_assert_uint_eq(peers_count(own.peers), 2);
}
END_TEST

START_TEST(offline_peers_are_shown_last)
{
    Management__RemotePeerConfig peer = MANAGEMENT__REMOTE_PEER_CONFIG__INIT, *list[] = {&peer};
    Management__NetworkMap map = MANAGEMENT__NETWORK_MAP__INIT;
    struct rk_key key = key_of(8);
    char text[RK_KEY_TEXT + 1], *ips[] = {z("100.64.0.8/32")};
    json_t *shown;

    rk_key_format(&key, text);
    peer.wgpubkey = text;
    peer.fqdn = z("h.test");
    peer.allowedips = ips;
    peer.n_allowedips = 1;
    map.offlinepeers = list;
    map.n_offlinepeers = 1;
    map.remotepeersisempty = true;
    ck_assert_int_eq(peers_apply(own.peers, &map, NULL), RK_OK);
    ck_assert_uint_eq(peers_count(own.peers), 0);
    shown = peers_json(own.peers);
    ck_assert_int_eq(json_integer_value(json_object_get(shown, "total")), 1);
    ck_assert_str_eq(detail(shown, 0, "fqdn"), "h.test");
    ck_assert_str_eq(detail(shown, 0, "netbirdIp"), "100.64.0.8");
    json_decref(shown);
}
END_TEST

START_TEST(networks_move_between_peers)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(0);
    struct rk_key one = key_of(1), two = key_of(2), none = key_of(9);
    struct rk_ip at = rk_ip4(100, 64, 0, 2), ip = {0}, other = rk_ip4(100, 64, 0, 9);
    struct rk_prefix net;

    ck_assert_int_eq(rk_prefix_parse(RK_STR("10.1.0.0/16"), &net, NULL), RK_OK);
    ck_assert_int_eq(apply(THREE, 3, NULL), RK_OK);
    peers_carry(own.peers, &one, &net, true);
    ck_assert(!device_allows(mem, 1, "10.1.0.0/16")); /* not before it is flushed */
    ck_assert_int_eq(peers_flush(own.peers, NULL), RK_OK);
    ck_assert(device_allows(mem, 1, "10.1.0.0/16"));
    peers_carry(own.peers, &one, &net, false);
    peers_carry(own.peers, &two, &net, true);
    ck_assert_int_eq(peers_flush(own.peers, NULL), RK_OK);
    ck_assert(!device_allows(mem, 1, "10.1.0.0/16") && device_allows(mem, 2, "10.1.0.0/16"));
    ck_assert(peers_route(own.peers, &one).known && !peers_route(own.peers, &one).connected);
    ck_assert(!peers_route(own.peers, &none).known);
    ck_assert(peers_address(own.peers, &two, &ip) && rk_ip_eq(&ip, &at));
    ck_assert(peers_away(own.peers, &at) && !peers_away(own.peers, &other));
}
END_TEST

START_TEST(what_others_change_is_put_back)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(0);
    struct wg_peer_change gone = {.key = key_of(2), .remove = true};
    struct wg_change c = {.peers = &gone, .n_peers = 1};
    struct wg_peer_state s;
    size_t fixed = 7;

    ck_assert_int_eq(apply(THREE, 3, NULL), RK_OK);
    ck_assert_int_eq(peers_reconcile(own.peers, &fixed, NULL), RK_OK);
    ck_assert_uint_eq(fixed, 0);
    ck_assert_int_eq(wg_device_apply(peers_device(own.peers), &c, NULL), RK_OK);
    ck_assert(!device_has(mem, 2, &s));
    ck_assert_int_eq(peers_reconcile(own.peers, &fixed, NULL), RK_OK);
    ck_assert_uint_eq(fixed, 1);
    ck_assert(device_allows(mem, 2, "100.64.0.2/32"));
}
END_TEST

START_TEST(a_signal_waits_for_its_peer)
{
    struct signal_msg offer = {.type = SIGNAL_MSG_OFFER, .ufrag = RK_STR("uu"), .pwd = RK_STR("p")};
    struct rk_key one = key_of(1), two = key_of(2), three = key_of(3);
    int changed;

    peers_on_signal(own.peers, &one, &offer);
    ck_assert_int_eq(apply(THREE, 3, NULL), RK_OK);
    ck_assert(!peers_route(own.peers, &one).known); /* woken by it, being connected */
    ck_assert(peers_route(own.peers, &two).known && peers_route(own.peers, &three).known);
    changed = own.changed;
    peers_on_signal(own.peers, &two, &offer);
    ck_assert(!peers_route(own.peers, &two).known);
    ck_assert_int_gt(own.changed, changed);
    ck_assert(peers_route(own.peers, &three).known);
}
END_TEST

START_TEST(after_stop_the_device_is_left_alone)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(0);
    struct wg_peer_state s;
    struct link l;

    ck_assert_ptr_nonnull(state_get(state, STATE_DEVICE));
    ck_assert_int_eq(apply(THREE, 3, NULL), RK_OK);
    peers_stop(own.peers);
    peers_clear(own.peers);
    ck_assert_uint_eq(peers_count(own.peers), 0);
    ck_assert(device_has(mem, 1, &s) && device_has(mem, 2, &s) && device_has(mem, 3, &s));
    ck_assert(peers_close(own.peers));
    ck_assert_int_eq(own.closed, 0);
    turn_until(&own.closed);
    ck_assert_int_eq(link_find(nl, "wgt0", &l, NULL), RK_NOT_FOUND);
    ck_assert_int_eq(own.refused + own.lost, 0);
}
END_TEST

START_TEST(a_device_that_refuses_is_told)
{
    wg_device_close(peers_device(own.peers)); /* it takes nothing any more */
    ck_assert_int_ne(apply(THREE, 3, &(struct rk_err){0}), RK_OK);
    ck_assert_int_ge(own.refused, 3);
    ck_assert_uint_eq(peers_count(own.peers), 0); /* the next map tries again */
    turn_until(&own.closed);
}
END_TEST

START_TEST(a_device_that_cannot_be_made)
{
    daemon_opts.device = RK_STR("daemon");
    daemon_opts.wireguard_go = RK_STR("/run/t/missing");
    peers_open(own.peers);
    turn_until(&own.closed);
    ck_assert_int_eq(own.failed, 1);
    ck_assert_int_eq(own.opened, 0);
    ck_assert(!peers_close(own.peers));
}
END_TEST

START_TEST(stop_while_it_is_made)
{
    struct link l;

    peers_open(own.peers);
    peers_stop(own.peers);
    while (link_find(nl, "wgt0", &l, NULL) != RK_OK)
        (void)uv_run(rk_loop_uv(loop), UV_RUN_NOWAIT);
    for (int i = 0; i < 20; i++) /* what follows would be told on these turns */
        (void)uv_run(rk_loop_uv(loop), UV_RUN_NOWAIT);
    ck_assert_ptr_null(peers_device(own.peers));
    ck_assert(peers_close(own.peers));
    turn_until(&own.closed);
    ck_assert_int_eq(own.opened + own.failed, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("peers");
    TCase *t = tcase_create("table");

    if (ns_run("sh", "-c", "command -v ip >/dev/null && test -c /dev/net/tun", NULL) ||
        !ns_enter()) {
        (void)fprintf(stderr, "skipped: needs root, iproute2 and /dev/net/tun\n");
        return NS_SKIP;
    }
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, the_table_follows_the_map);
    tcase_add_test(t, bad_entries_cost_nobody_else);
    tcase_add_test(t, offline_peers_are_shown_last);
    tcase_add_test(t, networks_move_between_peers);
    tcase_add_test(t, what_others_change_is_put_back);
    tcase_add_test(t, a_signal_waits_for_its_peer);
    tcase_add_test(t, after_stop_the_device_is_left_alone);
    tcase_add_test(t, a_device_that_refuses_is_told);
    suite_add_tcase(s, t);
    t = tcase_create("device");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup_closed, teardown_closed);
    tcase_add_test(t, a_device_that_cannot_be_made);
    tcase_add_test(t, stop_while_it_is_made);
    suite_add_tcase(s, t);
    return run_suite(s);
}
