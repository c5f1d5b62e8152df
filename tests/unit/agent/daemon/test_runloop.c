/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests agent/daemon/runloop.c and agent/engine/engine.c as a whole: a scripted management server,
 * the real signal service, a real userspace WireGuard in a network namespace of our own, all on one
 * loop.
 */
#include "config.h"

#include <check.h>
#include <linux/netlink.h>
#include <stdlib.h>

#include "agent/daemon/recover.h"
#include "agent/daemon/runloop.h"
#include "agent/os/link.h"
#include "agent/os/route.h"
#include "lib/base/loop_uv.h"
#include "lib/base/num.h"
#include "signal/app.h"
#include "tests/unit/agent/fake_mgmt.h"
#include "tests/unit/agent/ns.h"
#include "tests/unit/run.h"

static struct rk_loop *loop;
static struct fake_mgmt srv;
static struct sig_app *sig;
static struct nl_sock *nl;
static struct state *state;
static struct dns_resolver *resolver;
static struct profile *profile;
static struct daemon_opts daemon_opts;
static uint16_t port;
static char signal_uri[32], url[64];

static Management__HostConfig signal_host;
static Management__NetbirdConfig netbird;
static Management__PeerConfig peer;
static Management__LoginResponse answer;
static Management__SyncResponse sync_msg;
static Management__NetworkMap map;
static Management__RemotePeerConfig remote;
static Management__RemotePeerConfig *remotes[1] = {&remote};
static char *allowed[] = {(char *)(uintptr_t) "100.64.0.2/32"};
static char remote_key[RK_KEY_TEXT + 1];

struct owner {
    struct runloop_user user;
    struct runloop *run;
    int ended;
    struct rk_err why;
};

static struct owner own;
static struct events events;

static void on_ended(struct runloop_user *u, const struct rk_err *why)
{
    struct owner *o = rk_container_of(u, struct owner, user);

    o->ended++;
    o->why = *why;
}

static const struct runloop_ops RUN_OPS = {.ended = on_ended};

static void set_text(const char *flag, const char *value)
{
    struct rk_err err = {0};

    ck_assert_msg(profile_set(profile, rk_str_z(flag), rk_str_z(value), &err) == RK_OK, "%s",
                  err.msg);
}

static void make_messages(void)
{
    struct rk_key priv, pub;

    management__host_config__init(&signal_host);
    (void)snprintf(signal_uri, sizeof signal_uri, "127.0.0.1:%u", port);
    signal_host.uri = signal_uri;
    management__netbird_config__init(&netbird);
    netbird.signal = &signal_host;
    management__peer_config__init(&peer);
    peer.address = (char *)(uintptr_t) "100.64.0.1/16";
    peer.fqdn = (char *)(uintptr_t) "a.test";
    management__login_response__init(&answer);
    answer.netbirdconfig = &netbird;
    answer.peerconfig = &peer;
    management__network_map__init(&map);
    map.serial = 5;
    map.peerconfig = &peer;
    map.firewallrulesisempty = map.routesfirewallrulesisempty = true;
    management__remote_peer_config__init(&remote);
    rk_key_generate(&priv);
    rk_key_public(&priv, &pub);
    rk_key_format(&pub, remote_key);
    remote.wgpubkey = remote_key;
    remote.allowedips = allowed;
    remote.n_allowedips = 1;
    remote.fqdn = (char *)(uintptr_t) "b.test";
    map.remotepeers = remotes;
    map.n_remotepeers = 1;
    management__sync_response__init(&sync_msg);
    sync_msg.networkmap = &map;
}

/* The names of the machine that runs the test stay as they are. */
#define RESOLV_CONF "/run/rook-test/resolv.conf"

static void setup(void)
{
    struct dns_resolver_opts resolver_opts = {.resolv_conf = RESOLV_CONF,
                                              .backup = "/run/rook-test/backup"};
    struct rk_loop *loops[1];
    struct sig_app_opts so = {.loops = loops, .n_loops = 1};
    struct rk_err err = {0};

    ck_assert_int_eq(rk_loop_new(&loop, NULL), RK_OK);
    srv = (struct fake_mgmt){.login_answer = &answer, .first_sync = &sync_msg};
    fake_make(&srv, loop);
    loops[0] = loop;
    resolver_opts.loop = loop;
    so.edge = srv.edge;
    ck_assert_msg(sig_app_new(&so, &sig, &err) == RK_OK, "%s", err.msg);
    port = fake_listen(&srv);
    make_messages();
    ck_assert_int_eq(nl_open(NETLINK_ROUTE, &nl, NULL), RK_OK);
    state = state_open("/run/rook-test/state.json", NULL);
    resolver = dns_resolver_new(&resolver_opts);
    (void)unlink("/run/rook-test/profile.json");
    ck_assert_msg(profile_load("/run/rook-test/profile.json", &profile, &err) == RK_OK, "%s",
                  err.msg);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u", port);
    set_text("management-url", url);
    set_text("hostname", "a");
    daemon_opts = (struct daemon_opts){.device = RK_STR("daemon"),
                                       .wireguard_go = RK_STR("wireguard-go"),
                                       .wireguard_sockets = RK_STR("/var/run/wireguard"),
                                       .kernel_disabled = true,
                                       .nft_table = RK_STR("netbird")};
    own = (struct owner){.user.ops = &RUN_OPS};
}

static void turn_once(void)
{
    (void)uv_run(rk_loop_uv(loop), UV_RUN_ONCE);
}

static void fired(void *arg)
{
    *(int *)arg = 1;
}

static void turn_ms(int64_t ms)
{
    struct rk_timer *t = NULL;
    int done = 0;

    rk_timer_start(loop, &t, ms, fired, &done);
    while (!done)
        turn_once();
}

static void teardown(void)
{
    dns_resolver_free(resolver);
    fake_stop(&srv);
    turn_ms(5);
    profile_free(profile);
    state_free(state);
    nl_close(nl);
    (void)uv_run(rk_loop_uv(loop), UV_RUN_NOWAIT);
    sig_app_free(sig);
    rk_loop_free(loop); /* aborts when a handle is left */
}

static struct runloop *make_run(void)
{
    struct runloop_opts o = {.loop = loop,
                             .route = nl,
                             .state = state,
                             .resolver = resolver,
                             .profile = profile,
                             .events = &events,
                             .daemon = &daemon_opts};

    if (getenv("ROOK_TEST_LOG"))
        o.log = rk_log_new(2, RK_DEBUG, false);
    return runloop_new(&o, &own.user);
}

static void start(void)
{
    struct rk_err err = {0};

    own.run = make_run();
    ck_assert_msg(runloop_start(own.run, &err) == RK_OK, "%s", err.msg);
}

static void until_status(enum agent_status s)
{
    while (runloop_status(own.run) != s)
        turn_once();
}

static void until_ended(void)
{
    while (!own.ended)
        turn_once();
}

static void stop(void)
{
    runloop_stop(own.run);
    until_ended();
    runloop_free(own.run);
    own.run = NULL;
}

/* The network of the namespace is as before. */
static void expect_nothing_left(void)
{
    struct link l;

    ck_assert_int_eq(link_find(nl, "wt0", &l, NULL), RK_NOT_FOUND);
    ck_assert_int_ne(access("/run/wireguard/wt0.sock", F_OK), 0);
    ck_assert_int_eq(
        ns_run("sh", "-c", "test $(ip rule | wc -l) = 3 -a -z \"$(nft list tables)\"", NULL), 0);
    ck_assert_ptr_null(state_get(state, STATE_DEVICE));
    ck_assert_ptr_null(state_get(state, STATE_ROUTES));
    ck_assert_ptr_null(state_get(state, STATE_FIREWALL));
    ck_assert_ptr_null(state_get(state, STATE_SYSCTL));
    ck_assert_ptr_null(state_get(state, STATE_DNS));
}

static json_int_t peers_total(void)
{
    json_t *o = json_object();
    json_int_t n;

    runloop_engine_status(own.run, o);
    n = json_integer_value(json_object_get(json_object_get(o, "peers"), "total"));
    json_decref(o);
    return n;
}

START_TEST(connects_shows_peers_and_leaves_nothing)
{
    struct link l;

    start();
    until_status(AGENT_CONNECTED);
    while (peers_total() != 1)
        turn_once();
    ck_assert_int_eq(link_find(nl, "wt0", &l, NULL), RK_OK);
    ck_assert_uint_eq(l.mtu_bytes, 1280);
    ck_assert_int_eq(ns_run("sh", "-c", "ip -4 addr show wt0 | grep -q 'inet 100.64.0.1/16'", NULL),
                     0);
    ck_assert_int_eq(ns_run("sh", "-c", "test $(ip rule | wc -l) = 5", NULL), 0);
    ck_assert_int_eq(ns_run("sh", "-c", "nft list table ip netbird >/dev/null", NULL), 0);
    ck_assert_ptr_nonnull(state_get(state, STATE_DEVICE));
    stop();
    ck_assert_int_eq(own.why.code, RK_OK);
    expect_nothing_left();
}
END_TEST

/* Wherever the start stands, a stop ends it and takes everything back. */
START_TEST(stopping_at_every_point_of_the_start)
{
    for (int turns = 0; turns < 60; turns++) {
        own = (struct owner){.user.ops = &RUN_OPS};
        start();
        for (int i = 0; i < turns && runloop_status(own.run) != AGENT_CONNECTED; i++)
            turn_once();
        stop();
        expect_nothing_left();
    }
}
END_TEST

START_TEST(one_start_one_stop)
{
    struct rk_err err = {0};

    own.run = make_run();
    runloop_stop(own.run); /* can always be cancelled, also before */
    ck_assert_int_eq(runloop_start(own.run, &err), RK_PRECONDITION);
    ck_assert_ptr_nonnull(strstr(err.msg, "already stopped"));
    runloop_free(own.run);
    start();
    ck_assert_int_eq(runloop_start(own.run, &err), RK_PRECONDITION);
    ck_assert_ptr_nonnull(strstr(err.msg, "already started"));
    until_status(AGENT_CONNECTED); /* the second start has disturbed nothing */
    stop();
    expect_nothing_left();
}
END_TEST

START_TEST(stop_during_a_wait_is_immediate)
{
    srv.login_status[0] = GRPC_UNAVAILABLE;
    srv.n_login_status = 1;
    start();
    while (srv.login_calls < 3)
        turn_once();
    stop();
    ck_assert_int_eq(srv.login_calls, 3); /* at the end of a wait it would have tried again */
    ck_assert_int_eq(own.why.code, RK_OK);
}
END_TEST

START_TEST(refused_login_ends_it)
{
    srv.login_status[0] = GRPC_PERMISSION_DENIED;
    srv.n_login_status = 1;
    start();
    until_ended();
    ck_assert_int_eq(own.why.code, RK_FORBIDDEN);
    ck_assert_int_eq(runloop_status(own.run), AGENT_NEEDS_LOGIN);
    ck_assert_int_eq(srv.login_calls, 1);
    runloop_free(own.run);
    expect_nothing_left();
}
END_TEST

START_TEST(failed_start_is_cleaned_up_and_tried_again)
{
    daemon_opts.wireguard_go = RK_STR("no-such-program");
    start();
    while (srv.login_calls < 2) /* a second attempt */
        turn_once();
    expect_nothing_left();
    ck_assert_ptr_nonnull(strstr(runloop_last_err(own.run)->msg, "no-such-program"));
    daemon_opts.wireguard_go = RK_STR("wireguard-go");
    until_status(AGENT_CONNECTED);
    stop();
    expect_nothing_left();
}
END_TEST

START_TEST(new_address_means_a_new_engine)
{
    start();
    until_status(AGENT_CONNECTED);
    while (peers_total() != 1)
        turn_once();
    peer.address = (char *)(uintptr_t) "100.64.0.77/16";
    fake_push(&srv, &sync_msg);
    until_status(AGENT_CONNECTING);
    until_status(AGENT_CONNECTED);
    ck_assert_int_eq(
        ns_run("sh", "-c", "ip -4 addr show wt0 | grep -q 'inet 100.64.0.77/16'", NULL), 0);
    stop();
    expect_nothing_left();
}
END_TEST

START_TEST(dead_daemon_means_a_new_engine)
{
    start();
    until_status(AGENT_CONNECTED);
    ck_assert_int_eq(ns_run("sh", "-c", "kill -9 $(pgrep -P $PPID wireguard-go)", NULL), 0);
    until_status(AGENT_CONNECTING);
    until_status(AGENT_CONNECTED);
    stop();
    expect_nothing_left();
}
END_TEST

START_TEST(sync_refused_means_a_new_login)
{
    start();
    until_status(AGENT_CONNECTED);
    while (!srv.sync)
        turn_once();
    srv.login_status[0] = 0; /* peer deleted meanwhile */
    srv.login_status[1] = GRPC_PERMISSION_DENIED;
    srv.n_login_status = 2;
    srv.sync_status = GRPC_PERMISSION_DENIED;
    grpc_call_finish(srv.sync);
    until_ended();
    ck_assert_int_eq(runloop_status(own.run), AGENT_NEEDS_LOGIN);
    runloop_free(own.run);
    expect_nothing_left();
}
END_TEST

START_TEST(maps_are_applied_as_differences)
{
    static Management__SyncResponse config_only;

    start();
    until_status(AGENT_CONNECTED);
    while (peers_total() != 1)
        turn_once();
    management__sync_response__init(&config_only);
    fake_push(&srv, &config_only); /* no map: nothing changes */
    turn_ms(50);
    ck_assert_int_eq(peers_total(), 1);
    map.serial = 4; /* older */
    map.n_remotepeers = 0;
    map.remotepeersisempty = true;
    fake_push(&srv, &sync_msg);
    turn_ms(50);
    ck_assert_int_eq(peers_total(), 1);
    map.serial = 5; /* equal counts */
    fake_push(&srv, &sync_msg);
    while (peers_total() != 0)
        turn_once();
    stop();
    expect_nothing_left();
}
END_TEST

START_TEST(bad_peers_do_not_cost_the_good_ones)
{
    static Management__RemotePeerConfig bad_key, no_address, ourselves;
    static Management__RemotePeerConfig *all[] = {&bad_key, &no_address, &ourselves, &remote,
                                                  &remote};
    static char other[RK_KEY_TEXT + 1];
    char own_text[RK_KEY_TEXT + 1];
    struct rk_key k;

    management__remote_peer_config__init(&bad_key);
    bad_key.wgpubkey = (char *)(uintptr_t) "xyz";
    management__remote_peer_config__init(&no_address);
    rk_secret_random(k.b, sizeof k.b);
    rk_key_format(&k, other);
    no_address.wgpubkey = other;
    ourselves = remote;
    rk_key_public(&profile->private_key, &k);
    rk_key_format(&k, own_text);
    ourselves.wgpubkey = own_text;
    map.remotepeers = all;
    map.n_remotepeers = 5;
    start();
    until_status(AGENT_CONNECTED);
    while (peers_total() != 1)
        turn_once();
    turn_ms(50);
    ck_assert_int_eq(peers_total(), 1);
    stop();
    expect_nothing_left();
}
END_TEST

START_TEST(checks_are_answered)
{
    static char *files[] = {(char *)(uintptr_t) "/bin/sh", (char *)(uintptr_t) "/no/such"};
    static Management__Checks checks;
    static Management__Checks *list[] = {&checks};

    start();
    until_status(AGENT_CONNECTED);
    while (!srv.sync)
        turn_once();
    management__checks__init(&checks);
    checks.files = files;
    checks.n_files = 2;
    sync_msg.checks = list;
    sync_msg.n_checks = 1;
    fake_push(&srv, &sync_msg);
    while (!srv.meta_calls)
        turn_once();
    ck_assert_uint_eq(srv.last_files, 2);
    fake_push(&srv, &sync_msg); /* the same checks: not again */
    turn_ms(50);
    ck_assert_int_eq(srv.meta_calls, 1);
    stop();
}
END_TEST

START_TEST(jobs_are_answered)
{
    Management__JobRequest job = MANAGEMENT__JOB_REQUEST__INIT;
    struct rk_str out;

    start();
    until_status(AGENT_CONNECTED);
    while (!srv.job)
        turn_once();
    job.id = pb_bytes_of(RK_STR("0d9e4d3c-6c2b-4d57-9b0b-1f6a5b7f6f00"));
    fake_seal(srv.job, &srv.job_box, &job.base, &out);
    grpc_call_send(srv.job, out);
    while (srv.last_job_status < 0)
        turn_once();
    ck_assert_int_eq(srv.last_job_status, MANAGEMENT__JOB_STATUS__failed);
    stop();
}
END_TEST

/* kill -9: the process is gone, the state file is not. */
START_TEST(next_start_cleans_up)
{
    int how = 0;
    pid_t pid;

    start();
    until_status(AGENT_CONNECTED);
    stop();
    fake_stop(&srv); /* the child makes its own */
    pid = fork();
    if (pid == 0) {
        struct state *s = state_open("/run/rook-test/state.json", NULL);
        struct rk_err err = {0};
        size_t added;

        /* what an engine makes, without its orderly end */
        state_set(s, STATE_ROUTES, json_pack("{s:i}", "table", 7120));
        state_set(s, STATE_FIREWALL, json_pack("{s:s}", "table", "netbird"));
        RK_IGNORE(rule_overlay_install(nl, &added, &err));
        _exit(ns_run("nft", "add", "table", "ip", "netbird", NULL));
    }
    (void)waitpid(pid, &how, 0);
    ck_assert_int_eq(how, 0);
    state_free(state);
    state = state_open("/run/rook-test/state.json", NULL);
    ck_assert_ptr_nonnull(state_get(state, STATE_ROUTES));
    recover(state, nl, false, NULL);
    expect_nothing_left();
    srv = (struct fake_mgmt){0};
    fake_make(&srv, loop);
    (void)fake_listen(&srv);
}
END_TEST

#define Z(text) ((char *)(uintptr_t)(text))

/* Everything that a map can say and no agent can do: what makes sense is applied, the rest is told,
 * the connection stays. */
START_TEST(map_of_contradictions)
{
    static char *no_prefix[] = {Z("100.64.0.300/32"), Z("x")}, *v6[] = {Z("fd00::5/128")};
    static char *too_wide[] = {Z("0.0.0.0/0")}, *same[] = {Z("100.64.0.2/32")};
    static char *sources[] = {Z("100.64.0.0/16"), Z("fd00::/64"), Z("::ffff:1.2.3.4/200")};
    static char *domains[] = {Z(""), Z("*."), Z("a.test"), Z("a.test")};
    static const char *const nets[] = {
        "10.0.0.0/8",    "10.0.0.0/8",    "10.1.0.0/16", "127.0.0.0/8",
        "100.64.0.0/16", "100.64.0.1/32", "300.1.1.1/8", "",
        "0.0.0.0/0",     "::/0",          "224.0.0.0/4", "10.0.0.0/99",
        "0.0.0.0/0",     "169.254.0.0/16"};
    Management__RemotePeerConfig more[5], *peers[6] = {&remote};
    Management__Route routes[RK_ARRAY_LEN(nets) + 1], *route_list[RK_ARRAY_LEN(nets) + 1];
    Management__FirewallRule fw[4], *fw_list[4];
    Management__RouteFirewallRule rfw[3], *rfw_list[3];
    Management__PortInfo port_info = MANAGEMENT__PORT_INFO__INIT;
    Management__PortInfo__Range range = MANAGEMENT__PORT_INFO__RANGE__INIT;
    Management__DNSConfig dns = MANAGEMENT__DNSCONFIG__INIT;
    Management__NameServer ns = MANAGEMENT__NAME_SERVER__INIT, *ns_list[] = {&ns};
    Management__NameServerGroup group = MANAGEMENT__NAME_SERVER_GROUP__INIT;
    Management__NameServerGroup *groups[] = {&group};
    Management__CustomZone zone = MANAGEMENT__CUSTOM_ZONE__INIT, *zones[] = {&zone};
    json_t *status;

    for (size_t i = 0; i < RK_ARRAY_LEN(more); i++) {
        management__remote_peer_config__init(&more[i]);
        more[i].wgpubkey = remote_key;
        peers[i + 1] = &more[i];
    }
    more[0].allowedips = same; /* named twice */
    more[0].n_allowedips = 1;
    more[1].wgpubkey = Z("not a key");
    more[2].allowedips = no_prefix;
    more[2].n_allowedips = 2;
    more[3].allowedips = v6;
    more[3].n_allowedips = 1;
    more[4].wgpubkey = Z("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    more[4].allowedips = too_wide; /* takes everything, also what the other peer has */
    more[4].n_allowedips = 1;
    map.remotepeers = peers;
    map.n_remotepeers = 6;
    map.remotepeersisempty = false;
    for (size_t i = 0; i < RK_ARRAY_LEN(routes); i++) {
        management__route__init(&routes[i]);
        routes[i].id = routes[i].netid = Z(i % 2 ? "one" : "two");
        routes[i].network = Z(i < RK_ARRAY_LEN(nets) ? nets[i] : "192.0.2.0/32");
        routes[i].peer = i % 3 ? remote_key : Z("nobody");
        routes[i].metric = i % 2 ? -5 : 1000000;
        route_list[i] = &routes[i];
    }
    routes[RK_ARRAY_LEN(nets)].domains = domains;
    routes[RK_ARRAY_LEN(nets)].n_domains = 4;
    map.routes = route_list;
    map.n_routes = RK_ARRAY_LEN(routes);
    range.start = 70000;
    range.end = 3;
    port_info.port_selection_case = MANAGEMENT__PORT_INFO__PORT_SELECTION_RANGE;
    port_info.range = &range;
    for (size_t i = 0; i < RK_ARRAY_LEN(fw); i++) {
        management__firewall_rule__init(&fw[i]);
        fw[i].peerip = Z(i ? "100.64.0.2" : "nowhere");
        fw[i].protocol = i == 1 ? (Management__RuleProtocol)99 : MANAGEMENT__RULE_PROTOCOL__TCP;
        fw[i].port = Z(i == 2 ? "http" : "");
        fw[i].action = (Management__RuleAction)(i * 40);
        fw[i].portinfo = i == 3 ? &port_info : NULL;
        fw_list[i] = &fw[i];
    }
    map.firewallrules = fw_list;
    map.n_firewallrules = RK_ARRAY_LEN(fw);
    map.firewallrulesisempty = true; /* it is not */
    for (size_t i = 0; i < RK_ARRAY_LEN(rfw); i++) {
        management__route_firewall_rule__init(&rfw[i]);
        rfw[i].sourceranges = sources;
        rfw[i].n_sourceranges = i + 1;
        rfw[i].destination = Z("10.0.0.0/33");
        rfw[i].isdynamic = i == 0;
        rfw[i].protocol = (Management__RuleProtocol)(i * 50);
        rfw_list[i] = &rfw[i];
    }
    map.routesfirewallrules = rfw_list;
    map.n_routesfirewallrules = RK_ARRAY_LEN(rfw);
    ns.ip = Z("not an address");
    ns.port = 70000;
    group.nameservers = ns_list;
    group.n_nameservers = 1;
    group.domains = domains;
    group.n_domains = 4;
    zone.domain = Z("..");
    dns.serviceenable = true;
    dns.nameservergroups = groups;
    dns.n_nameservergroups = 1;
    dns.customzones = zones;
    dns.n_customzones = 1;
    dns.forwarderport = -7;
    map.dnsconfig = &dns;
    start();
    until_status(AGENT_CONNECTED);
    while (peers_total() != 2)
        turn_once();
    turn_ms(300);
    ck_assert_int_eq(runloop_status(own.run), AGENT_CONNECTED);
    ck_assert_int_eq(srv.login_calls, 1);
    status = json_object();
    runloop_engine_status(own.run, status);
    ck_assert(json_is_true(json_object_get(json_object_get(status, "management"), "connected")));
    json_decref(status);
    status = events_json(&events);
    ck_assert_uint_ge(json_array_size(status), 3); /* routes, rules, peers */
    json_decref(status);
    ck_assert_int_eq(ns_run("sh", "-c", "ip route get 10.1.2.3 | grep -q wt0", NULL), 0);
    ck_assert_int_eq(
        ns_run("sh", "-c", "nft list table ip netbird | grep -q 'iifname \"wt0\" drop'", NULL), 0);
    stop();
    expect_nothing_left();
    events_done(&events);
}
END_TEST

/* Two peers with one address: one of them has it, always the same, and people are told. */
START_TEST(an_address_that_two_peers_claim)
{
    Management__RemotePeerConfig other, *peers[] = {&remote, &other};
    char other_key[RK_KEY_TEXT + 1], command[160];
    struct rk_key k;
    json_t *told;
    char *text;

    other = remote;
    rk_secret_random(k.b, sizeof k.b);
    k.b[0] = 0xff;
    remote_key[0] = 'A'; /* smaller */
    rk_key_format(&k, other_key);
    other.wgpubkey = other_key;
    map.remotepeers = peers;
    map.n_remotepeers = 2;
    start();
    until_status(AGENT_CONNECTED);
    while (peers_total() != 2)
        turn_once();
    turn_ms(100);
    told = events_json(&events);
    text = json_dumps(told, 0);
    ck_assert_msg(strstr(text, "claimed by several peers") != NULL, "%s", text);
    free(text);
    json_decref(told);
    (void)snprintf(command, sizeof command,
                   "wg show wt0 allowed-ips | grep -F 100.64.0.2/32 | grep -qvF '%s'", other_key);
    if (ns_run("sh", "-c", "command -v wg >/dev/null", NULL) == 0)
        while (ns_run("sh", "-c", command, NULL) != 0)
            turn_ms(20);
    stop();
    expect_nothing_left();
    events_done(&events);
}
END_TEST

/* ---- a firewall of many rules */

#define MANY 50000

static Management__FirewallRule many[MANY], *many_list[MANY];
static char many_ips[MANY][16], many_ports[MANY][8];

/* No two of one kind, so that nothing can be put together; every thousandth cannot be used. */
static void make_many(void)
{
    for (size_t i = 0; i < MANY; i++) {
        (void)snprintf(many_ips[i], sizeof many_ips[i], "100.64.%zu.%zu", i / 250 % 200, i % 250);
        (void)snprintf(many_ports[i], sizeof many_ports[i], "%zu", 1024 + i);
        management__firewall_rule__init(&many[i]);
        many[i].peerip = i % 1000 == 999 ? Z("100.64.1.999") : many_ips[i];
        many[i].port = many_ports[i];
        many[i].protocol = MANAGEMENT__RULE_PROTOCOL__TCP;
        many_list[i] = &many[i];
    }
    map.firewallrules = many_list;
    map.n_firewallrules = MANY;
    map.firewallrulesisempty = false;
}

static long rss_kb(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    long pages = 0;

    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fscanf(f, "%*d %ld", &pages), 1);
    (void)fclose(f);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static bool rules_stand(void)
{
    return ns_run("sh", "-c", "test $(nft list table ip netbird | grep -c 100.64.199.248) -gt 0",
                  NULL) == 0;
}

static char *events_text(void)
{
    json_t *told = events_json(&events);
    char *text = json_dumps(told, 0);

    json_decref(told);
    return text;
}

START_TEST(a_firewall_of_50000_rules)
{
    int64_t begin, last, gap = 0, next_look = 0;
    long before;
    char *text;

    start();
    until_status(AGENT_CONNECTED);
    while (peers_total() != 1)
        turn_once();
    before = rss_kb();
    make_many();
    map.serial++;
    begin = last = rk_mono_ms();
    fake_push(&srv, &sync_msg);
    for (bool stand = false; !stand;) {
        turn_ms(1);
        gap = rk_max_i64(gap, rk_mono_ms() - last);
        if (rk_mono_ms() >= next_look) {
            stand = rules_stand();
            next_look = rk_mono_ms() + 1000; /* a listing is work, too */
        }
        last = rk_mono_ms();
    }
    (void)printf("%d rules stand after %lld ms, the loop was away for %lld ms at most, "
                 "memory grew from %ld to %ld kB\n",
                 MANY, (long long)(rk_mono_ms() - begin), (long long)gap, before, rss_kb());
    ck_assert_int_eq(runloop_status(own.run), AGENT_CONNECTED);
    ck_assert_int_eq(srv.login_calls, 1);
    ck_assert_int_eq(srv.sync_calls, 1);
    text = events_text();
    ck_assert_msg(strstr(text, "50 firewall rules of the network map cannot be used") != NULL, "%s",
                  text);
    free(text);
    map.n_firewallrules = 0; /* and away again: the newest map counts */
    map.firewallrulesisempty = true;
    map.serial++;
    fake_push(&srv, &sync_msg);
    while (rules_stand())
        turn_ms(1000);
    (void)printf("without them memory is %ld kB\n", rss_kb());
    stop();
    expect_nothing_left();
    events_done(&events);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("runloop");
    TCase *t = tcase_create("whole agent");
    int failed;

    if (ns_run("sh", "-c",
               "command -v wireguard-go ip nft pgrep >/dev/null && test -c /dev/net/tun", NULL) ||
        !ns_enter()) {
        (void)fprintf(stderr, "skipped: needs root, wireguard-go, iproute2, nftables, procps\n");
        return NS_SKIP;
    }
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, connects_shows_peers_and_leaves_nothing);
    tcase_add_test(t, stopping_at_every_point_of_the_start);
    tcase_add_test(t, one_start_one_stop);
    tcase_add_test(t, stop_during_a_wait_is_immediate);
    tcase_add_test(t, refused_login_ends_it);
    tcase_add_test(t, failed_start_is_cleaned_up_and_tried_again);
    tcase_add_test(t, new_address_means_a_new_engine);
    tcase_add_test(t, dead_daemon_means_a_new_engine);
    tcase_add_test(t, sync_refused_means_a_new_login);
    tcase_add_test(t, maps_are_applied_as_differences);
    tcase_add_test(t, bad_peers_do_not_cost_the_good_ones);
    tcase_add_test(t, an_address_that_two_peers_claim);
    tcase_add_test(t, checks_are_answered);
    tcase_add_test(t, jobs_are_answered);
    tcase_add_test(t, next_start_cleans_up);
    tcase_add_test(t, map_of_contradictions);
    tcase_add_test(t, a_firewall_of_50000_rules);
    suite_add_tcase(s, t);
    failed = run_suite(s);
    return failed;
}
