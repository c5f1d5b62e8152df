/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests management/push/message: which fields each message has, for which agents. */
#include "config.h"

#include "tests/unit/vec.h"

#include "management/push/message.h"
#include "schema/gen/management.pb-c.h"
#include "schema/pb_arena.h"

#define N_PEERS 3

static struct rk_arena *mem;
static struct servers *servers;
static struct rk_buf buf;
static struct snapshot *snap;
static struct account_data d;
static struct netmap_opts netmap = {.now_us = INT64_C(1767268800000000)};

static struct rk_str *ids(const char *id)
{
    struct rk_str *v = rk_new(mem, struct rk_str);

    *v = rk_str_z(id);
    return v;
}

/* Three peers in All, one policy for all with a posture check that asks for a process. */
static void account(void)
{
    static const char *const keys[N_PEERS] = {"B6N8vBQgk8i3VdwbEOhstCY3StFqqFPtC9/AsrhtHHw=",
                                              "ST6C/HRGSlkmiBdiPSBTxeuOLMSpiLT+4XnsawENUx0=",
                                              "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="};
    struct posture *posture = rk_new(mem, struct posture);
    struct policy *policy = rk_new(mem, struct policy);
    struct group *all = rk_new(mem, struct group);
    struct rule *rule = rk_new(mem, struct rule);

    d = (struct account_data){.account = {.id = RK_STR("acc"), .serial = 7}};
    ck_assert_int_eq(rk_prefix_parse(RK_STR("100.64.0.0/16"), &d.account.net4, NULL), RK_OK);
    settings_default(&d.settings);
    *all = (struct group){.id = RK_STR("all"), .name = RK_STR("All")};
    *posture = (struct posture){.id = RK_STR("pc"), .name = RK_STR("pc")};
    posture->has_process = true;
    posture->processes = rk_new(mem, struct check_process);
    posture->n_processes = 1;
    posture->processes[0].linux_path = RK_STR("/usr/bin/av");
    *rule = (struct rule){.id = RK_STR("p"),
                          .policy_id = RK_STR("p"),
                          .enabled = true,
                          .bidirectional = true,
                          .sources = {ids("all"), 1},
                          .destinations = {ids("all"), 1}};
    *policy = (struct policy){.id = RK_STR("p"),
                              .enabled = true,
                              .rules = rule,
                              .n_rules = 1,
                              .posture_checks = {ids("pc"), 1}};
    d.groups = all;
    d.policies = policy;
    d.postures = posture;
    d.n_groups = d.n_policies = d.n_postures = 1;
    d.peers = rk_new_n(mem, struct peer, N_PEERS);
    d.group_peers = rk_new_n(mem, struct group_peer, N_PEERS);
    d.n_peers = d.n_group_peers = N_PEERS;
    for (unsigned i = 0; i < N_PEERS; i++) {
        d.peers[i] = (struct peer){.id = rk_arena_printf(mem, "peer-%u", i),
                                   .key = rk_str_z(keys[i]),
                                   .ip = rk_ip4(100, 64, 0, i + 1),
                                   .dns_label = rk_arena_printf(mem, "host-%u", i),
                                   .last_login_us = 1,
                                   .meta = {.version = RK_STR("0.77.1"), .goos = RK_STR("linux")}};
        d.peers[i].meta.files = rk_new(mem, struct peer_file);
        d.peers[i].meta.files[0] = (struct peer_file){RK_STR("/usr/bin/av"), true, true};
        d.peers[i].meta.n_files = 1;
        d.group_peers[i] = (struct group_peer){RK_STR("all"), d.peers[i].id};
    }
}

static void setup(void)
{
    static const char *const relays[] = {"rel://relay.example.com:80"};
    struct servers_opts o = {.signal_uri = "signal.example.com:80",
                             .relays = relays,
                             .n_relays = 1,
                             .relay_secret = RK_STR("s")};

    mem = rk_arena_new(0);
    ck_assert_int_eq(servers_new(&o, &servers, NULL), RK_OK);
    rk_buf_init(&buf, MESSAGE_MAX);
    account();
}

static void teardown(void)
{
    snap_unref(snap);
    snap = NULL;
    rk_buf_done(&buf);
    servers_free(servers);
    rk_arena_free(mem);
}

static void rebuild(void)
{
    snap_unref(snap);
    snap = snap_build(&d, &(struct snap_opts){.dns_domain = RK_STR("example.com")});
}

/* The message for peer 0. */
static const Management__SyncResponse *build(enum message_kind kind, bool components,
                                             struct message *m)
{
    struct message_in in = {.netmap = &netmap, .servers = servers, .components = components};
    const Management__SyncResponse *r;

    rebuild();
    in.snap = snap;
    in.index = snap_index_of(snap, RK_STR("peer-0"));
    ck_assert(message_build(kind, &in, mem, &buf, m));
    r = pb_unpack(mem, &management__sync_response__descriptor, m->plain, NULL);
    ck_assert_ptr_nonnull(r);
    return r;
}

static void version(const char *v)
{
    d.peers[0].meta.version = rk_str_z(v);
}

START_TEST(kinds_have_their_fields)
{
    const Management__SyncResponse *r;
    struct message m;

    r = build(MESSAGE_FIRST, false, &m);
    ck_assert(r->netbirdconfig && r->networkmap && r->peerconfig && r->sessionexpiresat);
    ck_assert_uint_eq(r->n_checks, 1);
    ck_assert_str_eq(r->checks[0]->files[0], "/usr/bin/av");
    ck_assert_uint_eq(r->networkmap->n_remotepeers, N_PEERS - 1);
    ck_assert_int_eq(r->version, 0);
    r = build(MESSAGE_MAP, false, &m);
    ck_assert(!r->netbirdconfig && r->networkmap && r->peerconfig && r->sessionexpiresat);
    ck_assert_uint_eq(r->n_checks, 1);
    r = build(MESSAGE_CONFIG, false, &m);
    ck_assert(r->netbirdconfig && r->netbirdconfig->relay && !r->networkmap && !r->peerconfig);
    ck_assert(!r->sessionexpiresat && !r->n_checks && !m.hash);
    r = build(MESSAGE_DELETED, false, &m);
    ck_assert(!r->netbirdconfig && r->networkmap && !r->peerconfig && r->remotepeersisempty);
    ck_assert(r->networkmap->remotepeersisempty && r->networkmap->firewallrulesisempty);
    ck_assert_uint_eq(r->networkmap->serial, 7);
}
END_TEST

START_TEST(the_hash_is_that_of_the_content)
{
    struct message first, map, later, other;

    (void)build(MESSAGE_FIRST, false, &first);
    (void)build(MESSAGE_MAP, false, &map);
    ck_assert_uint_eq(first.hash, map.hash);
    d.account.serial = 1000; /* more bytes than 7 */
    (void)build(MESSAGE_MAP, false, &later);
    ck_assert_uint_eq(later.hash, map.hash);
    d.peers[1].dns_label = RK_STR("other");
    (void)build(MESSAGE_MAP, false, &other);
    ck_assert_uint_ne(other.hash, map.hash);
    d.peers[1].dns_label = RK_STR("host-1");
    d.postures[0].processes[0].linux_path = RK_STR("/usr/bin/aw"); /* only in Checks */
    for (unsigned i = 0; i < N_PEERS; i++)
        d.peers[i].meta.files[0].path = RK_STR("/usr/bin/aw");
    (void)build(MESSAGE_MAP, false, &other);
    ck_assert_uint_ne(other.hash, map.hash);
}
END_TEST

/* 0.28.0 to 0.72.2 take an absent list of checks for an empty one. */
START_TEST(credential_pushes_repeat_checks_where_agents_would_forget_them)
{
    static const struct {
        const char *version;
        size_t checks;
    } cases[] = {{"0.27.9", 0}, {"0.28.0", 1},      {"0.50.0", 1}, {"0.72.2", 1},
                 {"0.72.3", 0}, {"development", 0}, {"", 0},       {"0.77.1", 0}};
    struct message m;

    for (size_t i = 0; i < RK_ARRAY_LEN(cases); i++) {
        version(cases[i].version);
        ck_assert_uint_eq(build(MESSAGE_CONFIG, false, &m)->n_checks, cases[i].checks);
    }
}
END_TEST

/* Outside the map remote peers are only for agents before 0.29.3. */
START_TEST(deprecated_copies_are_for_old_agents)
{
    static const struct {
        const char *version;
        size_t peers;
    } cases[] = {{"0.29.2", 2}, {"0.29.3", 0},  {"0.77.1", 0},      {"0.30.0-beta", 2},
                 {"", 2},       {"garbage", 2}, {"development", 0}, {"dev-1", 0}};
    const Management__SyncResponse *r;
    struct message m;

    for (size_t i = 0; i < RK_ARRAY_LEN(cases); i++) {
        version(cases[i].version);
        r = build(MESSAGE_MAP, false, &m);
        ck_assert_msg(r->n_remotepeers == cases[i].peers, "%s: %zu", cases[i].version,
                      r->n_remotepeers);
        ck_assert(r->peerconfig && r->networkmap->peerconfig);
        ck_assert_str_eq(r->peerconfig->address, r->networkmap->peerconfig->address);
    }
    version("0.20.0");
    d.n_peers = d.n_group_peers = 1;
    r = build(MESSAGE_MAP, false, &m);
    ck_assert(r->remotepeersisempty && r->networkmap->remotepeersisempty && !r->n_remotepeers);
}
END_TEST

START_TEST(components_only_for_those_who_know_them)
{
    const Management__SyncResponse *r;
    struct message m;

    d.peers[0].meta.sync_message_version = 1;
    r = build(MESSAGE_FIRST, true, &m);
    ck_assert(r->version == 1 && r->networkmapenvelope && !r->networkmap && r->peerconfig);
    ck_assert(r->netbirdconfig && r->n_checks == 1 && r->sessionexpiresat);
    r = build(MESSAGE_FIRST, false, &m); /* the server does not offer them */
    ck_assert(r->version == 0 && !r->networkmapenvelope && r->networkmap);
    d.peers[0].meta.sync_message_version = 2; /* nobody knows what that is */
    r = build(MESSAGE_FIRST, true, &m);
    ck_assert(r->version == 0 && !r->networkmapenvelope && r->networkmap);
    d.peers[0].meta.sync_message_version = 0;
    r = build(MESSAGE_FIRST, true, &m);
    ck_assert(r->version == 0 && !r->networkmapenvelope && r->networkmap);
}
END_TEST

START_TEST(sessions_have_three_states)
{
    const Management__SyncResponse *r;
    struct message m;

    d.settings.peer_login_expiration_enabled = true;
    d.settings.peer_login_expiration_s = 3600;
    r = build(MESSAGE_MAP, false, &m); /* not a user's peer: present and zero */
    ck_assert(r->sessionexpiresat && !r->sessionexpiresat->seconds);
    d.peers[0].user_id = RK_STR("u");
    d.peers[0].login_expiration_enabled = true;
    d.peers[0].last_login_us = INT64_C(1767268800500000);
    r = build(MESSAGE_MAP, false, &m);
    ck_assert_int_eq(r->sessionexpiresat->seconds, 1767268800 + 3600);
    ck_assert_int_eq(r->sessionexpiresat->nanos, 500000000);
    d.settings.peer_login_expiration_enabled = false;
    r = build(MESSAGE_MAP, false, &m);
    ck_assert(r->sessionexpiresat && !r->sessionexpiresat->seconds);
    ck_assert_ptr_null(build(MESSAGE_CONFIG, false, &m)->sessionexpiresat);
}
END_TEST

START_TEST(a_full_buffer_is_told)
{
    struct message_in in = {.netmap = &netmap, .servers = servers};
    struct message m;
    struct rk_buf small;

    rebuild();
    in.snap = snap;
    in.index = 0;
    for (size_t n = 0; n < 400; n++) {
        rk_buf_init(&small, n);
        ck_assert(!message_build(MESSAGE_FIRST, &in, mem, &small, &m));
        rk_buf_done(&small);
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("message");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, kinds_have_their_fields);
    tcase_add_test(t, the_hash_is_that_of_the_content);
    tcase_add_test(t, credential_pushes_repeat_checks_where_agents_would_forget_them);
    tcase_add_test(t, deprecated_copies_are_for_old_agents);
    tcase_add_test(t, components_only_for_those_who_know_them);
    tcase_add_test(t, sessions_have_three_states);
    tcase_add_test(t, a_full_buffer_is_told);
    return vec_run(t, "message");
}
