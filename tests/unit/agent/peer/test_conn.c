/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests agent/peer_*.c and agent/peer/proxy.c as a whole: two agents' worth of peer connections in
 * one process, with our real signal and relay and real sockets. Only WireGuard is played by the
 * test: a socket that answers initiations and counts data.
 */
#include "config.h"

#include "agent/ice/mux.h"
#include "agent/peer/conn.h"
#include "agent/peer/conn_priv.h"
#include "tests/unit/agent/servers.h"

enum { WAIT_MS = 60000, WG_INIT = 148, WG_RESPONSE = 92, WG_BYTES = 1000 };

struct side {
    struct signal_client_user signal_client_user;
    struct relay_client_user relay_client_user;
    struct peer_conn_user user;
    struct signal_client *scl;
    struct relay_client *rcl;
    struct ice_mux *mux;
    struct peer_conn_env *env;
    struct peer_conn *peer;
    struct rk_key private_key, public_key;
    struct side *other;
    /* WireGuard */
    struct udp_user wg_user;
    struct udp_sock *wg;
    bool wg_has_peer, wg_has_endpoint;
    struct rk_addr wg_endpoint;
    uint16_t wg_keepalive;
    int64_t wg_handshake;
    unsigned wg_forgets, initiations, responses, data;
    uint8_t stamp, seen_stamp; /* of initiations: an old one is refused as a replay */
    bool shaken;
};

static struct rk_loop *mine;
static struct servers servers, servers2; /* servers2: another relay, where a test wants one */
static bool relay_apart;                 /* servers2 is the relay of both */
static struct udp_scratch *scratch;
static struct side side[2];
static bool with_relay, force_relay, two_relays;

/* ---- a WireGuard device of one peer */

static void wg_send(struct side *s, uint8_t type, size_t n)
{
    char bytes[WG_BYTES] = {0};

    bytes[0] = (char)type;
    if (type == 1)
        bytes[4] = (char)++s->stamp;
    if (s->wg_has_endpoint)
        (void)udp_send(s->wg, NULL, &s->wg_endpoint, rk_str_of(bytes, n));
}

static void wg_received(struct udp_user *u, const struct udp_in *v, size_t n)
{
    struct side *s = rk_container_of(u, struct side, wg_user);

    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < udp_in_count(&v[i]); k++) {
            struct rk_str d = udp_in_at(&v[i], k);

            if (!s->wg_has_peer || (d.p[0] == 1 && (uint8_t)d.p[4] <= s->seen_stamp))
                continue;
            s->wg_endpoint = v[i].from; /* roaming */
            s->wg_has_endpoint = true;
            if (d.p[0] == 1) {
                ck_assert_uint_eq(d.n, WG_INIT);
                s->seen_stamp = (uint8_t)d.p[4];
                s->initiations++;
                wg_send(s, 2, WG_RESPONSE);
            }
            s->responses += d.p[0] == 2;
            s->data += d.p[0] == 4;
            if (d.p[0] <= 2) {
                s->wg_handshake = rk_unix_ms();
                s->shaken = true;
            }
        }
}

static const struct udp_ops WG_OPS = {.received = wg_received};

static enum rk_code wg_set(struct peer_conn_user *u, const struct rk_addr *endpoint,
                           uint16_t keepalive_s, struct rk_err *err)
{
    struct side *s = rk_container_of(u, struct side, user);
    bool turned_on = keepalive_s && !s->wg_keepalive;

    (void)err;
    s->wg_has_peer = true;
    if (endpoint) {
        s->wg_endpoint = *endpoint;
        s->wg_has_endpoint = true;
    }
    s->wg_keepalive = keepalive_s;
    if (turned_on && !s->wg_handshake)
        wg_send(s, 1, WG_INIT);
    return RK_OK;
}

static void wg_clear(struct side *s)
{
    s->wg_has_endpoint = false;
    s->wg_handshake = 0;
    s->shaken = false;
}

static enum rk_code wg_forget(struct peer_conn_user *u, struct rk_err *err)
{
    struct side *s = rk_container_of(u, struct side, user);

    (void)err;
    s->wg_forgets++;
    wg_clear(s);
    return RK_OK;
}

static void wg_remove(struct peer_conn_user *u)
{
    struct side *s = rk_container_of(u, struct side, user);

    s->wg_has_peer = false;
    s->wg_keepalive = 0;
    wg_clear(s);
}

static bool wg_stats(struct peer_conn_user *u, struct peer_conn_wg_stats *out)
{
    struct side *s = rk_container_of(u, struct side, user);

    *out = (struct peer_conn_wg_stats){.last_handshake_unix_ms = s->wg_handshake};
    return s->wg_has_peer;
}

static const struct peer_conn_user_ops PEER_OPS = {
    .wg_set = wg_set, .wg_forget = wg_forget, .wg_remove = wg_remove, .wg_stats = wg_stats};

/* ---- the engine's part */

static void on_signal_ready(struct signal_client_user *u)
{
    peer_conn_env_signal_ready(rk_container_of(u, struct side, signal_client_user)->env);
}

static void on_signal_down(struct signal_client_user *u, const struct rk_err *why)
{
    (void)u;
    (void)why;
}

static void on_message(struct signal_client_user *u, const struct rk_key *from,
                       const struct signal_msg *m)
{
    struct side *s = rk_container_of(u, struct side, signal_client_user);

    ck_assert(rk_key_eq(from, &s->other->public_key));
    if (s->peer)
        peer_conn_on_signal(s->peer, m);
}

static void on_relay_up(struct relay_client_user *u)
{
    peer_conn_env_relay_ready(rk_container_of(u, struct side, relay_client_user)->env);
}

static void on_relay_down(struct relay_client_user *u, const struct rk_err *why)
{
    (void)u;
    (void)why;
}

static const struct signal_client_user_ops SIGNAL_CLIENT_OPS = {
    .ready = on_signal_ready, .down = on_signal_down, .message = on_message};
static const struct relay_client_user_ops RELAY_CLIENT_OPS = {.home_up = on_relay_up,
                                                              .home_down = on_relay_down};

static void open_side(struct side *s)
{
    struct udp_opts wg = {
        .bind = {rk_ip4(127, 0, 0, 1), 0}, .scratch = scratch, .buffer_bytes = 1 << 20};
    struct ice_mux_opts mux = {.loop = mine, .with_loopback = true, .disable_ipv6 = true};
    struct signal_client_opts scl = {
        .loop = mine, .host = RK_STR("127.0.0.1"), .port = servers.port};
    struct relay_client_opts rcl = {.loop = mine};
    struct peer_conn_env_opts env = {.loop = mine, .version = RK_STR("0.77.1"), .mtu = 1280};
    bool second = relay_apart || (two_relays && s == &side[1]);
    struct rk_str url = rk_str_z(second ? servers2.url : servers.url);
    char key[RK_KEY_TEXT + 1];

    rk_key_generate(&s->private_key);
    rk_key_public(&s->private_key, &s->public_key);
    rk_key_format(&s->public_key, key);
    s->wg_user.ops = &WG_OPS;
    s->signal_client_user.ops = &SIGNAL_CLIENT_OPS;
    s->relay_client_user.ops = &RELAY_CLIENT_OPS;
    s->user.ops = &PEER_OPS;
    ck_assert_int_eq(udp_open(mine, &wg, &s->wg_user, &s->wg, NULL), RK_OK);
    ck_assert_int_eq(ice_mux_open(&mux, &s->mux, NULL), RK_OK);
    scl.private_key = s->private_key;
    ck_assert_int_eq(signal_client_open(&scl, &s->signal_client_user, &s->scl, NULL), RK_OK);
    rcl.own_key_text = rk_str_z(key);
    ck_assert_int_eq(relay_client_open(&rcl, &s->relay_client_user, &s->rcl, NULL), RK_OK);
    if (with_relay)
        ck_assert_int_eq(relay_client_set_config(s->rcl, &url, 1, RK_STR(SERVERS_EXPIRY),
                                                 RK_STR(SERVERS_MAC), NULL),
                         RK_OK);
    env.mux = s->mux;
    env.signal = s->scl;
    env.relay = s->rcl;
    env.own_key = s->public_key;
    env.wg_addr = *udp_local(s->wg);
    env.force_relay = force_relay;
    ck_assert_int_eq(peer_conn_env_new(&env, &s->env, NULL), RK_OK);
}

static void add_peer(struct side *s)
{
    struct peer_conn_opts o = {.key = s->other->public_key, .remote_version = RK_STR("0.77.1")};

    ck_assert_int_eq(peer_conn_new(s->env, &o, &s->user, &s->peer, NULL), RK_OK);
}

static void start(bool relay, bool force)
{
    bool never = false;
    int64_t until = rk_mono_ms() + WAIT_MS;

    memset(&servers, 0, sizeof servers);
    memset(side, 0, sizeof side);
    with_relay = relay;
    force_relay = force;
    memset(&servers2, 0, sizeof servers2);
    servers_start(&servers);
    if (two_relays || relay_apart)
        servers_start(&servers2);
    ck_assert_int_eq(rk_loop_new(&mine, NULL), RK_OK);
    scratch = udp_scratch_new(8, UDP_SCRATCH_GRO);
    for (size_t i = 0; i < 2; i++) {
        side[i].other = &side[!i];
        open_side(&side[i]);
    }
    for (size_t i = 0; i < 2; i++)
        while (!(signal_client_is_ready(side[i].scl) &&
                 (!relay || relay_client_home(side[i].rcl, NULL, NULL)))) {
            ck_assert_int_lt(rk_mono_ms(), until);
            (void)servers_turn(mine, &never, 1);
        }
}

static void finish(void)
{
    for (size_t i = 0; i < 2; i++) {
        struct side *s = &side[i];

        peer_conn_free(s->peer);
        ck_assert(!s->wg_has_peer);
        peer_conn_env_free(s->env);
        signal_client_close(s->scl);
        relay_client_close(s->rcl);
        ice_mux_close(s->mux);
        udp_close(s->wg);
    }
    servers_end_loop(mine);
    udp_scratch_free(scratch);
    servers_stop(&servers);
    servers_stop(&servers2);
    two_relays = relay_apart = false;
}

/* ---- waiting */

static struct peer_conn_status status(const struct side *s)
{
    struct peer_conn_status st;

    peer_conn_status(s->peer, &st);
    return st;
}

static void wait_path(enum peer_conn_path path, int64_t ms)
{
    int64_t until = rk_mono_ms() + ms;
    bool never = false;

    for (size_t i = 0; i < 2; i++)
        while (status(&side[i]).path != path) {
            ck_assert_msg(rk_mono_ms() < until, "side %zu is not on path %d", i, path);
            (void)servers_turn(mine, &never, 1);
        }
}

static void wait_handshake(void)
{
    ck_assert(servers_turn(mine, &side[0].shaken, WAIT_MS));
    ck_assert(servers_turn(mine, &side[1].shaken, WAIT_MS));
}

/* n datagrams each way; all must arrive. */
static void exchange(unsigned n)
{
    int64_t until = rk_mono_ms() + WAIT_MS;
    unsigned had[2] = {side[0].data, side[1].data};
    bool never = false;

    for (unsigned k = 0; k < n; k++)
        for (size_t i = 0; i < 2; i++)
            wg_send(&side[i], 4, WG_BYTES);
    while ((side[0].data < had[0] + n || side[1].data < had[1] + n) && rk_mono_ms() < until)
        (void)servers_turn(mine, &never, 1);
    ck_assert_uint_eq(side[0].data, had[0] + n);
    ck_assert_uint_eq(side[1].data, had[1] + n);
}

/* Make every direct address useless, as when UDP is filtered. */
static void set_udp_blocked(bool blocked)
{
    struct rk_prefix all = {rk_ip4(0, 0, 0, 0), 0};

    for (size_t i = 0; i < 2; i++)
        ice_mux_set_overlay(side[i].mux, &all, blocked);
}

START_TEST(a_direct_path_is_found)
{
    int64_t t0;
    struct peer_conn_status st;

    start(true, false);
    t0 = rk_mono_ms();
    for (size_t i = 0; i < 2; i++)
        add_peer(&side[i]);
    ck_assert_int_eq(status(&side[0]).state, PEER_CONN_CONNECTING);
    wait_path(PEER_CONN_PATH_DIRECT, WAIT_MS);
    wait_handshake();
    (void)fprintf(stderr, "direct after %lld ms\n", (long long)(rk_mono_ms() - t0));
    exchange(100);
    st = status(&side[0]);
    ck_assert_int_eq(st.state, PEER_CONN_CONNECTED);
    ck_assert_uint_eq(st.remote_addr.port, ice_mux_port(side[1].mux));
    ck_assert(st.local_type.n && st.remote_type.n);
    ck_assert_uint_ge(st.rx_bytes, 100 * WG_BYTES);
    ck_assert_uint_ge(st.tx_bytes, 100 * WG_BYTES);
    /* only the controller began */
    ck_assert_uint_eq(side[0].initiations + side[1].initiations, 1);
    finish();
}
END_TEST

START_TEST(without_ice_everything_goes_over_the_relay)
{
    struct peer_conn_status st;

    start(true, true);
    for (size_t i = 0; i < 2; i++)
        add_peer(&side[i]);
    wait_path(PEER_CONN_PATH_RELAY, WAIT_MS);
    wait_handshake();
    exchange(100);
    st = status(&side[0]);
    ck_assert(rk_str_eqz(st.relay_url, servers.url));
    ck_assert_uint_eq(st.remote_addr.ip.family, 0);
    finish();
}
END_TEST

START_TEST(peers_of_different_relays_meet_at_the_controllers)
{
    const char *url;

    two_relays = true;
    start(true, true);
    for (size_t i = 0; i < 2; i++)
        add_peer(&side[i]);
    wait_path(PEER_CONN_PATH_RELAY, WAIT_MS);
    wait_handshake();
    exchange(20);
    url = side[0].peer->controller ? servers.url : servers2.url;
    for (size_t i = 0; i < 2; i++)
        ck_assert(rk_str_eqz(status(&side[i]).relay_url, url));
    finish();
}
END_TEST

START_TEST(without_a_relay_the_direct_path_does)
{
    start(false, false);
    for (size_t i = 0; i < 2; i++)
        add_peer(&side[i]);
    wait_path(PEER_CONN_PATH_DIRECT, WAIT_MS);
    wait_handshake();
    exchange(10);
    ck_assert_uint_eq(status(&side[0]).relay_url.n, 0);
    finish();
}
END_TEST

START_TEST(a_host_that_has_slept_begins_anew_and_one_that_stays_does_not)
{
    uint8_t before[2][SIGNAL_MSG_SESSION_ID_SIZE];

    start(true, false);
    for (size_t i = 0; i < 2; i++)
        add_peer(&side[i]);
    wait_path(PEER_CONN_PATH_DIRECT, WAIT_MS);
    wait_handshake();
    for (size_t i = 0; i < 2; i++)
        memcpy(before[i], side[i].peer->session_id, sizeof before[i]);

    peer_conn_env_network_changed(side[0].env, false);
    ck_assert_int_eq(status(&side[0]).path, PEER_CONN_PATH_DIRECT);
    exchange(20);
    ck_assert_mem_eq(side[0].peer->session_id, before[0], sizeof before[0]);

    peer_conn_env_network_changed(side[0].env, true);
    ck_assert_int_ne(status(&side[0]).path, PEER_CONN_PATH_DIRECT);
    wait_path(PEER_CONN_PATH_DIRECT, WAIT_MS);
    exchange(20);
    for (size_t i = 0; i < 2; i++)
        ck_assert_mem_ne(side[i].peer->session_id, before[i], sizeof before[i]);
    ck_assert_uint_eq(side[0].wg_forgets + side[1].wg_forgets, 0); /* the tunnel itself held */
    finish();
}
END_TEST

START_TEST(a_lost_direct_path_is_replaced_and_comes_back)
{
    start(true, false);
    for (size_t i = 0; i < 2; i++)
        add_peer(&side[i]);
    wait_path(PEER_CONN_PATH_DIRECT, WAIT_MS);
    wait_handshake();
    set_udp_blocked(true);
    wait_path(PEER_CONN_PATH_RELAY, 8000); /* 6 s of silence, and no more */
    exchange(20);
    set_udp_blocked(false);
    wait_path(PEER_CONN_PATH_DIRECT, WAIT_MS);
    exchange(20);
    ck_assert_uint_eq(side[0].wg_forgets + side[1].wg_forgets, 0); /* one session all along */
    finish();
}
END_TEST

START_TEST(a_lost_relay_comes_back_with_a_new_session)
{
    unsigned shakes;

    start(true, true);
    for (size_t i = 0; i < 2; i++)
        add_peer(&side[i]);
    wait_path(PEER_CONN_PATH_RELAY, WAIT_MS);
    wait_handshake();
    shakes = side[0].responses + side[1].responses;
    servers_stop(&servers);
    wait_path(PEER_CONN_PATH_NONE, WAIT_MS);
    ck_assert_int_eq(status(&side[0]).state, PEER_CONN_CONNECTING);
    servers_start(&servers);
    wait_path(PEER_CONN_PATH_RELAY, 2 * WAIT_MS);
    for (int i = 0; i < WAIT_MS && side[0].responses + side[1].responses == shakes; i++)
        (void)servers_turn(mine, &(bool){false}, 1);
    ck_assert_uint_gt(side[0].responses + side[1].responses, shakes);
    exchange(20);
    finish();
}
END_TEST

/* Signal is still away when the relay is back. */
START_TEST(a_relay_that_is_back_carries_without_signal)
{
    relay_apart = true;
    start(true, true);
    for (size_t i = 0; i < 2; i++)
        add_peer(&side[i]);
    wait_path(PEER_CONN_PATH_RELAY, WAIT_MS);
    wait_handshake();
    servers_stop(&servers);
    servers_stop(&servers2);
    wait_path(PEER_CONN_PATH_NONE, WAIT_MS);
    servers_start(&servers2);
    wait_path(PEER_CONN_PATH_RELAY, WAIT_MS);
    for (size_t i = 0; i < 2; i++)
        ck_assert(!signal_client_is_ready(side[i].scl));
    wait_handshake();
    exchange(20);
    finish();
}
END_TEST

/* One side restarts: a new object with new credentials, no memory. The other must follow. */
START_TEST(a_restarted_peer_is_followed)
{
    start(true, false);
    for (size_t i = 0; i < 2; i++)
        add_peer(&side[i]);
    wait_path(PEER_CONN_PATH_DIRECT, WAIT_MS);
    wait_handshake();
    for (size_t i = 0; i < 2; i++) {
        peer_conn_free(side[i].peer);
        add_peer(&side[i]);
        ck_assert(servers_turn(mine, &side[i].shaken, WAIT_MS));
        wait_path(PEER_CONN_PATH_DIRECT, WAIT_MS);
        exchange(20);
    }
    finish();
}
END_TEST

START_TEST(lazy_peers_sleep_and_wake)
{
    struct signal_msg idle = {.type = SIGNAL_MSG_GO_IDLE};

    start(true, false);
    for (size_t i = 0; i < 2; i++) {
        peer_conn_env_set_lazy(side[i].env, true);
        add_peer(&side[i]);
        ck_assert_int_eq(status(&side[i]).state, PEER_CONN_IDLE);
        ck_assert_uint_eq(side[i].wg_keepalive, 0);
        ck_assert(side[i].wg_has_endpoint);
    }
    wg_send(&side[0], 1, WG_INIT); /* traffic: WireGuard begins a handshake */
    wait_path(PEER_CONN_PATH_DIRECT, WAIT_MS);
    wait_handshake();
    exchange(20);
    /* quiet for long enough */
    peer_conn_check_idle(side[0].peer, rk_mono_ms() + 1000, 900000);
    ck_assert_int_eq(status(&side[0]).state, PEER_CONN_CONNECTED);
    peer_conn_check_idle(side[0].peer, rk_mono_ms() + 901000, 900000);
    ck_assert_int_eq(status(&side[0]).state, PEER_CONN_IDLE);
    wait_path(PEER_CONN_PATH_NONE, WAIT_MS); /* the other heard GO_IDLE */
    ck_assert_int_eq(status(&side[1]).state, PEER_CONN_IDLE);
    ck_assert_uint_eq(side[1].wg_keepalive, 0);
    /* and again from the other side; then the feature goes away while they sleep */
    wg_send(&side[1], 1, WG_INIT);
    wait_path(PEER_CONN_PATH_DIRECT, WAIT_MS);
    peer_conn_on_signal(side[0].peer, &idle);
    peer_conn_on_signal(side[1].peer, &idle);
    wait_path(PEER_CONN_PATH_NONE, 0);
    for (size_t i = 0; i < 2; i++)
        peer_conn_env_set_lazy(side[i].env, false);
    wait_path(PEER_CONN_PATH_DIRECT, WAIT_MS);
    peer_conn_on_signal(side[0].peer, &idle); /* not lazy: ignored */
    ck_assert_int_eq(status(&side[0]).state, PEER_CONN_CONNECTED);
    finish();
}
END_TEST

START_TEST(old_agents_and_exceptions_are_never_lazy)
{
    static const struct {
        const char *version;
        bool lazy;
    } versions[] = {{"0.45.0", true},      {"v0.45.1-dirty", true}, {"1.0.0", true},
                    {"development", true}, {"0.44.9", false},       {"", false},
                    {"a6c5960", false},    {"0.x", false},          {"0.77.1", true}};

    start(false, false);
    peer_conn_env_set_lazy(side[0].env, true);
    for (size_t i = 0; i < RK_ARRAY_LEN(versions); i++)
        for (int never = 0; never < 2; never++) {
            struct peer_conn_opts o = {.key = side[1].public_key,
                                       .remote_version = rk_str_z(versions[i].version),
                                       .never_lazy = never};

            ck_assert_int_eq(peer_conn_new(side[0].env, &o, &side[0].user, &side[0].peer, NULL),
                             RK_OK);
            ck_assert_msg((status(&side[0]).state == PEER_CONN_IDLE) ==
                              (versions[i].lazy && !never),
                          "%s", versions[i].version);
            peer_conn_free(side[0].peer);
            side[0].peer = NULL;
        }
    finish();
}
END_TEST

/* Nonsense from the remote changes nothing and hurts nobody. */
START_TEST(odd_signal_messages_are_survived)
{
    struct signal_msg m = {.type = SIGNAL_MSG_OFFER, .ufrag = RK_STR("x"), .pwd = RK_STR("y")};

    start(true, false);
    add_peer(&side[0]);
    peer_conn_on_signal(side[0].peer, &m); /* credentials too short for ICE */
    ck_assert_ptr_null(side[0].peer->agent);
    m = (struct signal_msg){.type = SIGNAL_MSG_CANDIDATE, .candidate = RK_STR("garbage")};
    peer_conn_on_signal(side[0].peer, &m);
    m.candidate = RK_STR("1 1 udp 5 127.0.0.1 9 typ host");
    for (int i = 0; i < 100; i++)
        peer_conn_on_signal(side[0].peer, &m); /* before any offer: a few are kept */
    m = (struct signal_msg){.type = SIGNAL_MSG_OFFER, .relay_url = RK_STR("nonsense://")};
    peer_conn_on_signal(side[0].peer, &m);
    ck_assert(side[0].peer->controller || !side[0].peer->stream);
    peer_conn_on_signal(side[0].peer, &(struct signal_msg){.type = SIGNAL_MSG_MODE});
    add_peer(&side[1]);
    wait_path(PEER_CONN_PATH_DIRECT, WAIT_MS);
    finish();
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("peer_conn");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_direct_path_is_found);
    tcase_add_test(t, without_ice_everything_goes_over_the_relay);
    tcase_add_test(t, peers_of_different_relays_meet_at_the_controllers);
    tcase_add_test(t, without_a_relay_the_direct_path_does);
    tcase_add_test(t, a_host_that_has_slept_begins_anew_and_one_that_stays_does_not);
    tcase_add_test(t, a_lost_direct_path_is_replaced_and_comes_back);
    tcase_add_test(t, a_lost_relay_comes_back_with_a_new_session);
    tcase_add_test(t, a_relay_that_is_back_carries_without_signal);
    tcase_add_test(t, a_restarted_peer_is_followed);
    tcase_add_test(t, lazy_peers_sleep_and_wake);
    tcase_add_test(t, old_agents_and_exceptions_are_never_lazy);
    tcase_add_test(t, odd_signal_messages_are_survived);
    return vec_run(t, "agent/peer_conn");
}
