/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of enrolment, login, session and expiry of peers, on both engines, with a clock of their
 * own. */
#include "config.h"

#include "management/ops/peer_login.h"
#include "management/ops/report_gate.h"

#include <pthread.h>

#include "lib/crypto/token.h"
#include "lib/crypto/vault.h"
#include "management/engine/keys.h"
#include "management/engine/presence.h"
#include "management/ops/peer_expiry.h"
#include "management/store/journal.h"
#include "tests/unit/management/store_env.h"
/* after store_env.h: uses libcheck */
#include "tests/unit/management/sample.h"
#include "tests/unit/run.h"

#define S          RK_STR
#define KEY        "A2C8E62B-38F5-4553-B31E-DD66C696CEBB"
#define KEY_ONE    "A2C8E62B-38F5-4553-B31E-DD66C696CE01"
#define KEY_LIMIT  "A2C8E62B-38F5-4553-B31E-DD66C696CE02"
#define KEY_OLD    "A2C8E62B-38F5-4553-B31E-DD66C696CE03"
#define KEY_GONE   "A2C8E62B-38F5-4553-B31E-DD66C696CE04"
#define KEY_LABELS "A2C8E62B-38F5-4553-B31E-DD66C696CE05"
#define HOUR_US    ((int64_t)3600 * 1000000)
#define T0         ((int64_t)1767268800 * 1000000)

static struct env e;
static struct mgmt *m;
static struct vault *vault;
static struct rk_arena *mem;
static struct db *db;
static _Atomic int64_t clock_us;
static const struct actor sys = {.id = {"sys", 3}};

static int64_t now_us(void)
{
    return clock_us;
}

static struct setup_key a_key(const char *id, const char *plain)
{
    char hash[HASH_SHA256_TEXT + 1];

    ck_ok(token_setup_key_stored_form(rk_str_z(plain), hash, err));
    return (struct setup_key){.id = rk_str_z(id),
                              .hash = rk_arena_dup(mem, rk_str_z(hash)),
                              .name = S("k"),
                              .auto_groups = sample_strs(mem, 2, "grp-dev", "grp-gone")};
}

static struct account_data an_account(const char *net4)
{
    struct account_data d = {0};
    struct setup_key *k = rk_new_n(mem, struct setup_key, 6);
    struct group *g = rk_new_n(mem, struct group, 2);
    struct user *u = rk_new_n(mem, struct user, 3);

    d.account = (struct account){
        .id = S("acc"), .net4 = sample_prefix(net4), .net6 = sample_prefix("fd12:3456::/64")};
    settings_default(&d.settings);
    d.settings.ipv6_groups = sample_strs(mem, 1, "grp-all");
    g[0] = (struct group){.id = S("grp-all"), .name = S("All")};
    g[1] = (struct group){.id = S("grp-dev"), .name = S("dev")};
    d.groups = g;
    d.n_groups = 2;
    k[0] = a_key("key", KEY);
    k[0].ephemeral = false;
    k[1] = a_key("key-one", KEY_ONE);
    k[1].type = SETUP_KEY_ONE_OFF;
    k[1].ephemeral = true;
    k[2] = a_key("key-limit", KEY_LIMIT);
    k[2].usage_limit = 2;
    k[3] = a_key("key-old", KEY_OLD);
    k[3].expires_at_us = T0 + HOUR_US;
    k[4] = a_key("key-gone", KEY_GONE);
    k[4].revoked = true;
    k[5] = a_key("key-labels", KEY_LABELS);
    k[5].allow_extra_dns_labels = true;
    d.setup_keys = k;
    d.n_setup_keys = 6;
    u[0] = (struct user){.id = S("ann"),
                         .role = ROLE_USER,
                         .email = S("ann@example.com"),
                         .auto_groups = sample_strs(mem, 1, "grp-dev")};
    u[1] = (struct user){.id = S("pending"), .role = ROLE_USER, .pending_approval = true};
    u[2] = (struct user){.id = S("bob"), .role = ROLE_USER, .blocked = true};
    d.users = u;
    d.n_users = 3;
    return d;
}

static void engine_open(void)
{
    struct mgmt_opts o = {.store_url = e.url, .vault = vault, .now_us = now_us};

    ck_ok(mgmt_open(&m, &o, err));
    ck_ok(mgmt_db_open(m, &db, err));
}

static void setup_net(int engine, const char *net4)
{
    struct account_data d;
    struct rk_key key;

    clock_us = T0;
    env_open(&e, engine);
    vault = vault_new();
    rk_key_generate(&key);
    ck_ok(vault_add_key(vault, &key, err));
    mem = rk_arena_new(0);
    engine_open();
    d = an_account(net4);
    ck_ok(mgmt_account_insert(m, &sys, &d, err));
}

static void setup(int engine)
{
    setup_net(engine, "100.70.0.0/16");
}

static void teardown(void)
{
    struct journal_report r = {0};

    ck_ok(journal_verify(db, S("acc"), &r, err));
    ck_assert_msg(!r.broken, "%s", r.reason);
    db_close(db);
    mgmt_close(m);
    vault_free(vault);
    rk_arena_free(mem);
    env_close(&e);
}

static int64_t sql(const char *text)
{
    struct db *d = env_db(&e);
    int64_t n = -1;

    ck_ok(db_get_i64(d, &n, err, text, DB_NOARGS));
    db_close(d);
    return n;
}

static const struct peer_meta META = {
    .hostname = {"Web_1.example.com", 17}, .goos = {"linux", 5}, .version = {"0.70.0", 6}};

/* The key text of a number, in the canonical form. */
static struct rk_str wg(int i)
{
    struct rk_key k = {.b = {(uint8_t)(i >> 8), (uint8_t)i, 7}};

    return rk_key_text(mem, &k);
}

static struct peer_login_req by_key(int i, const char *setup_key)
{
    return (struct peer_login_req){
        .key = wg(i), .setup_key = rk_str_z(setup_key), .meta = &META, .ssh_key = S("ssh-1")};
}

static struct peer_login_req by_user(int i, const char *user)
{
    return (struct peer_login_req){
        .key = wg(i), .user_id = rk_str_z(user), .meta = &META, .ssh_key = S("ssh-1")};
}

static struct peer_login_res login(struct peer_login_req req)
{
    struct peer_login_res res = {0};

    ck_ok(peer_login(m, db, &req, &res, err));
    ck_assert(rk_str_eq(res.peer->key, req.key));
    return res;
}

static void refuse(struct peer_login_req req, enum rk_code code, const char *text)
{
    struct peer_login_res res = {0};
    struct rk_err err = {0};
    int64_t peers = sql("SELECT count(*) FROM peer");

    ck_assert_int_eq(peer_login(m, db, &req, &res, &err), code);
    ck_assert_msg(strstr(err.msg, text) != NULL, "got: %s", err.msg);
    ck_assert_ptr_null(res.snap);
    ck_assert_int_eq(sql("SELECT count(*) FROM peer"), peers);
}

START_TEST(a_peer_is_enrolled_by_setup_key)
{
    struct peer_login_res r;
    struct peer_login_req again;
    uint64_t serial;

    setup(_i);
    again = by_key(1, "");
    refuse(by_key(1, ""), RK_UNAUTHENTICATED, "no peer auth method provided");
    r = login(by_key(1, "a2c8e62b-38f5-4553-b31e-dd66c696cebb")); /* case does not matter */
    ck_assert(r.registered);
    serial = snap_serial(r.snap);
    ck_assert_uint_eq(serial, 1);
    ck_assert(rk_str_eqz(r.peer->name, "Web_1.example.com"));
    ck_assert(rk_str_eqz(r.peer->dns_label, "web-1"));
    ck_assert(rk_prefix_contains(&snap_account(r.snap)->net4, &r.peer->ip));
    ck_assert(rk_prefix_contains(&snap_account(r.snap)->net6, &r.peer->ip6));
    ck_assert_uint_eq(r.peer->user_id.n, 0);
    ck_assert(!r.peer->login_expiration_enabled && !r.peer->inactivity_expiration_enabled);
    ck_assert(!r.peer->ephemeral && !r.peer->ssh_enabled);
    ck_assert(r.peer->last_login_us == T0 && r.peer->created_at_us == T0);
    ck_assert(snap_is_member(r.snap, S("grp-all"), r.index));
    ck_assert(snap_is_member(r.snap, S("grp-dev"), r.index));
    ck_assert_int_eq(snap_setup_key(r.snap, S("key"))->used, 1);
    ck_assert(snap_setup_key(r.snap, S("key"))->last_used_us == T0);
    peer_login_done(&r);
    ck_assert_int_eq(sql("SELECT count(*) FROM event WHERE activity = 1 AND initiator = 'key' AND "
                         "meta LIKE '%\"setup_key_name\":\"k\"%' AND "
                         "meta LIKE '%\"fqdn\":\"web-1.netbird.selfhosted\"%'"),
                     1);
    clock_us = T0 + HOUR_US;
    r = login(again); /* plain login of a known peer changes nothing */
    ck_assert(!r.registered);
    ck_assert_uint_eq(snap_serial(r.snap), serial);
    ck_assert(r.peer->last_login_us == T0);
    peer_login_done(&r);
    again.setup_key = S("wrong"); /* a known peer's setup key is not looked at */
    r = login(again);
    peer_login_done(&r);
    teardown();
}
END_TEST

START_TEST(setup_keys_have_limits)
{
    struct peer_login_res r;

    setup(_i);
    refuse(by_key(1, "nonsense"), RK_NOT_FOUND, "setup key is invalid");
    refuse(by_key(1, "A2C8E62B-38F5-4553-B31E-DD66C696CEFF"), RK_NOT_FOUND, "is invalid");
    refuse(by_key(1, KEY_GONE), RK_NOT_FOUND, "couldn't add peer: setup key is invalid");
    r = login(by_key(1, KEY_ONE));
    ck_assert(r.peer->ephemeral);
    ck_assert_uint_ge(r.peer->dns_label.n, sizeof "web-1-0-0" - 1); /* always with the address */
    peer_login_done(&r);
    refuse(by_key(2, KEY_ONE), RK_NOT_FOUND, "is invalid");
    r = login(by_key(3, KEY_LIMIT));
    peer_login_done(&r);
    r = login(by_key(4, KEY_LIMIT));
    peer_login_done(&r);
    refuse(by_key(5, KEY_LIMIT), RK_NOT_FOUND, "is invalid");
    clock_us = T0 + HOUR_US; /* exactly at the end it is still good */
    r = login(by_key(6, KEY_OLD));
    peer_login_done(&r);
    clock_us++;
    refuse(by_key(7, KEY_OLD), RK_NOT_FOUND, "is invalid");
    ck_assert_int_eq(sql("SELECT used FROM setup_key WHERE id = 'key-limit'"), 2);
    teardown();
}
END_TEST

START_TEST(extra_labels_need_permission)
{
    struct peer_login_req req;
    struct peer_login_res r;

    setup(_i);
    req = by_key(1, KEY);
    req.extra_dns_labels = sample_strs(mem, 2, "www", "api-1");
    refuse(req, RK_PRECONDITION, "couldn't add peer: setup key doesn't allow extra DNS labels");
    req.setup_key = S(KEY_LABELS);
    req.extra_dns_labels = sample_strs(mem, 1, "bad label");
    refuse(req, RK_INVALID, "invalid extra DNS labels");
    req.extra_dns_labels = (struct str_list){rk_new_n(mem, struct rk_str, 33), 33};
    for (size_t i = 0; i < 33; i++)
        req.extra_dns_labels.v[i] = S("x");
    refuse(req, RK_INVALID, "invalid extra DNS labels");
    req.extra_dns_labels = sample_strs(mem, 2, "www", "api-1");
    r = login(req);
    ck_assert_uint_eq(r.peer->extra_dns_labels.n, 2);
    ck_assert(r.peer->allow_extra_dns_labels);
    peer_login_done(&r);
    req = by_key(1, ""); /* the same machine later: none keeps them, others take their place */
    r = login(req);
    ck_assert_uint_eq(r.peer->extra_dns_labels.n, 2);
    peer_login_done(&r);
    req.extra_dns_labels = sample_strs(mem, 1, "a_b.c-d");
    req.extra_dns_labels.v[0] = S("*.shop.eu");
    r = login(req);
    ck_assert_uint_eq(r.peer->extra_dns_labels.n, 1);
    ck_assert(rk_str_eqz(r.peer->extra_dns_labels.v[0], "*.shop.eu"));
    peer_login_done(&r);
    req.extra_dns_labels = sample_strs(mem, 1, "-bad");
    refuse(req, RK_INVALID, "invalid extra DNS labels");
    r = login(by_key(2, KEY));
    peer_login_done(&r);
    req = by_key(2, "");
    req.extra_dns_labels = sample_strs(mem, 1, "www");
    refuse(req, RK_PRECONDITION, "couldn't login peer: setup key doesn't allow extra DNS labels");
    teardown();
}
END_TEST

START_TEST(host_names_become_labels)
{
    static const struct {
        const char *host, *label;
    } cases[] = {
        {"plain", "plain"},
        {"UPPER.case", "upper"},
        {"a_b c!!d", "a-b-c-d"},
        {"b\xc3\xbc"
         "cher",
         "xn--bcher-kva"},
    };
    struct peer_meta meta = META;
    struct peer_login_req req;
    struct peer_login_res r;
    static char longest[300];

    setup(_i);
    for (size_t i = 0; i < RK_ARRAY_LEN(cases); i++) {
        req = by_key(10 + (int)i, KEY);
        meta.hostname = rk_str_z(cases[i].host);
        req.meta = &meta;
        r = login(req);
        ck_assert_msg(rk_str_eqz(r.peer->dns_label, cases[i].label), "%.*s",
                      RK_STR_ARG(r.peer->dns_label));
        peer_login_done(&r);
        req.key = wg(50 + (int)i); /* a second one of that name */
        r = login(req);
        ck_assert(rk_str_starts(r.peer->dns_label, rk_str_z(cases[i].label)));
        ck_assert_uint_gt(r.peer->dns_label.n, strlen(cases[i].label));
        peer_login_done(&r);
    }
    req = by_key(100, KEY);
    req.meta = &meta;
    meta.hostname = S("");
    refuse(req, RK_INVALID, "failed to get free DNS label");
    meta.hostname = S("caf\xe9");
    refuse(req, RK_INVALID, "");
    memset(longest, 'x', 200);
    meta.hostname = rk_str_z(longest);
    r = login(req);
    ck_assert_uint_le(r.peer->dns_label.n, 63);
    peer_login_done(&r);
    req.key = wg(101);
    r = login(req);
    ck_assert_uint_le(r.peer->dns_label.n, 63);
    peer_login_done(&r);
    teardown();
}
END_TEST

START_TEST(users_enrol_their_peers)
{
    struct peer_login_req req;
    struct peer_login_res r;
    struct peer_meta meta = META;

    setup(_i);
    refuse(by_user(1, "nobody"), RK_NOT_FOUND, "failed adding new peer: user not found");
    refuse(by_user(1, "pending"), RK_FORBIDDEN, "user pending approval cannot add peers");
    req = by_user(1, "ann");
    req.setup_key = S("00000000-0000-0000-0000-000000000000"); /* the user wins */
    meta.hostname = S("iPhone");
    req.meta = &meta;
    r = login(req);
    ck_assert(rk_str_eqz(r.peer->user_id, "ann"));
    ck_assert(rk_str_eqz(r.peer->name, "iPhone-ann"));
    ck_assert(r.peer->login_expiration_enabled && r.peer->inactivity_expiration_enabled);
    ck_assert(snap_is_member(r.snap, S("grp-dev"), r.index));
    peer_login_done(&r);
    refuse(by_user(1, "bob"), RK_UNAUTHENTICATED, "different User or a Setup Key");
    refuse(by_user(2, "bob"), RK_FORBIDDEN, "user is blocked");
    r = login(by_key(3, KEY));
    peer_login_done(&r);
    refuse(by_user(3, "ann"), RK_UNAUTHENTICATED, "different User or a Setup Key");
    ck_assert_int_eq(sql("SELECT count(*) FROM event WHERE activity = 0 AND initiator = 'ann'"), 1);
    teardown();
}
END_TEST

START_TEST(sessions_expire_and_are_renewed)
{
    struct peer_login_res r;
    uint64_t serial;
    int64_t until = 0;

    setup(_i);
    r = login(by_user(1, "ann"));
    serial = snap_serial(r.snap);
    peer_login_done(&r);
    clock_us = T0 + 24 * HOUR_US - 1;
    r = login(by_user(1, "ann")); /* not expired: last login stays */
    ck_assert(r.peer->last_login_us == T0);
    peer_login_done(&r);
    clock_us++;
    refuse(by_key(1, ""), RK_FORBIDDEN, "peer login has expired, please log in once more");
    refuse(by_key(1, KEY), RK_FORBIDDEN, "peer login has expired");
    ck_ok(peers_expire_due(m, err)); /* (the keeper's clock may have been faster) */
    ck_assert_int_eq(sql("SELECT login_expired FROM peer"), 1);
    ck_assert_int_eq(sql("SELECT count(*) FROM event WHERE activity = 50 AND initiator = 'ann' AND "
                         "meta LIKE '%session expiration%'"),
                     1);
    r = login(by_user(1, "ann"));
    ck_assert(r.peer->last_login_us == T0 + 24 * HOUR_US);
    ck_assert(!r.peer->status.login_expired);
    ck_assert_uint_eq(snap_serial(r.snap), serial + 1); /* of the expiry; the login adds none */
    ck_assert(snap_user(r.snap, S("ann"))->last_login_us == T0 + 24 * HOUR_US);
    peer_login_done(&r);
    ck_assert_int_eq(sql("SELECT count(*) FROM event WHERE activity = 49"), 1);

    clock_us += HOUR_US;
    ck_fails(peer_session_extend(m, db, wg(1), S(""), &until, err), RK_FORBIDDEN);
    ck_fails(peer_session_extend(m, db, wg(1), S("bob"), &until, err), RK_UNAUTHENTICATED);
    ck_fails(peer_session_extend(m, db, wg(9), S("ann"), &until, err), RK_NOT_FOUND);
    ck_ok(peer_session_extend(m, db, wg(1), S("ann"), &until, err));
    ck_assert(until == T0 + (24 + 1 + 24) * HOUR_US);
    r = login(by_key(2, KEY));
    peer_login_done(&r);
    ck_fails(peer_session_extend(m, db, wg(2), S("ann"), &until, err), RK_PRECONDITION);
    clock_us = T0 + 1000 * HOUR_US;
    r = login(by_key(2, "")); /* a setup-key peer never expires */
    peer_login_done(&r);
    teardown();
}
END_TEST

static enum rk_code inactivity_on(struct tx *tx, void *arg, struct rk_err *err)
{
    struct settings s = *snap_settings(tx->snap);

    (void)arg;
    s.peer_inactivity_expiration_enabled = true;
    return tx_put(tx, ENT_SETTINGS, &s, err);
}

START_TEST(inactive_peers_expire_until_the_user_is_back)
{
    struct peer_login_res r;

    setup(_i);
    r = login(by_user(1, "ann"));
    ck_ok(mgmt_mutate(m, S("acc"), &sys, 0, inactivity_on, NULL, err));
    ck_assert(presence_connect(m, r.peer->id, 5));
    clock_us = T0 + HOUR_US;
    ck_ok(peers_expire_due(m, err)); /* connected */
    ck_assert_int_eq(sql("SELECT login_expired FROM peer"), 0);
    ck_assert(presence_disconnect(m, r.peer->id, 5));
    clock_us += 599 * (int64_t)1000000;
    ck_ok(peers_expire_due(m, err));
    ck_assert_int_eq(sql("SELECT login_expired FROM peer"), 0);
    clock_us += 1000000;
    ck_ok(peers_expire_due(m, err));
    ck_assert_int_eq(sql("SELECT login_expired FROM peer"), 1);
    peer_login_done(&r);
    refuse(by_key(1, ""), RK_FORBIDDEN, "peer login has expired");
    r = login(by_user(1, "ann"));
    ck_assert(!r.peer->status.login_expired);
    peer_login_done(&r);
    teardown();
}
END_TEST

START_TEST(a_new_ssh_key_is_stored)
{
    struct peer_login_req req;
    struct peer_login_res r;

    setup(_i);
    r = login(by_key(1, KEY));
    peer_login_done(&r);
    req = by_key(1, "");
    req.ssh_key = S("ssh-2");
    r = login(req);
    ck_assert(rk_str_eqz(r.peer->ssh_key, "ssh-2"));
    ck_assert_uint_eq(snap_serial(r.snap), 1);
    peer_login_done(&r);
    req.ssh_key = S("");
    r = login(req);
    ck_assert(rk_str_eqz(r.peer->ssh_key, "ssh-2"));
    peer_login_done(&r);
    teardown();
}
END_TEST

/* ---- many at once */

struct crowd {
    pthread_t thread;
    int first, n;
    const char *key;
    int ok, invalid, used_up, full;
};

static void *crowd_main(void *arg)
{
    struct crowd *c = arg;
    struct db *mine = NULL;
    RK_CLEANUP(rk_arena_freep) struct rk_arena *a = rk_arena_new(0);

    ck_ok(mgmt_db_open(m, &mine, err));
    for (int i = c->first; i < c->first + c->n; i++) {
        struct rk_key k = {.b = {(uint8_t)(i >> 8), (uint8_t)i, 9}};
        struct peer_login_req req = {
            .key = rk_key_text(a, &k), .setup_key = rk_str_z(c->key), .meta = &META};
        struct peer_login_res res = {0};
        enum rk_code rc = peer_login(m, mine, &req, &res, NULL);

        c->ok += rc == RK_OK;
        c->invalid += rc == RK_NOT_FOUND;
        c->used_up += rc == RK_PRECONDITION;
        c->full += rc == RK_INTERNAL;
        peer_login_done(&res);
    }
    db_close(mine);
    return NULL;
}

static struct crowd crowd_run(struct crowd *c, size_t n)
{
    struct crowd sum = {0};

    for (size_t i = 0; i < n; i++)
        ck_assert_int_eq(pthread_create(&c[i].thread, NULL, crowd_main, &c[i]), 0);
    for (size_t i = 0; i < n; i++) {
        ck_assert_int_eq(pthread_join(c[i].thread, NULL), 0);
        sum.ok += c[i].ok;
        sum.invalid += c[i].invalid;
        sum.used_up += c[i].used_up;
        sum.full += c[i].full;
    }
    return sum;
}

START_TEST(a_key_is_not_used_beyond_its_limit_by_a_crowd)
{
    struct crowd c[4], sum;

    setup(_i);
    for (int i = 0; i < 4; i++)
        c[i] = (struct crowd){.first = 1000 * i, .n = 10, .key = KEY_LIMIT};
    sum = crowd_run(c, 4);
    ck_assert_int_eq(sum.ok, 2);
    ck_assert_int_eq(sum.invalid + sum.used_up, 38);
    ck_assert_int_eq(sql("SELECT used FROM setup_key WHERE id = 'key-limit'"), 2);
    ck_assert_int_eq(sql("SELECT count(*) FROM peer"), 2);
    teardown();
}
END_TEST

START_TEST(one_key_is_registered_once_by_a_crowd)
{
    struct crowd c[4], sum;

    setup(_i);
    for (int i = 0; i < 4; i++)
        c[i] = (struct crowd){.first = 5, .n = 10, .key = KEY};
    sum = crowd_run(c, 4);
    ck_assert_int_eq(sql("SELECT count(*) FROM peer"), 10);
    ck_assert_int_eq(sql("SELECT used FROM setup_key WHERE id = 'key'"), 10);
    ck_assert_int_eq(sum.ok + sum.used_up, 40); /* known by then, or "already registered" */
    teardown();
}
END_TEST

START_TEST(a_small_network_is_used_to_the_last_address)
{
    struct crowd c[4], sum;

    setup_net(_i, "10.9.0.0/26"); /* 62 addresses */
    for (int i = 0; i < 4; i++)
        c[i] = (struct crowd){.first = 100 * i, .n = 20, .key = KEY};
    sum = crowd_run(c, 4);
    ck_assert_int_eq(sum.ok, 62);
    ck_assert_int_eq(sum.ok + sum.used_up + sum.full, 80);
    ck_assert_int_eq(sql("SELECT count(DISTINCT ip4) FROM peer"), 62);
    teardown();
}
END_TEST

struct async {
    struct peer_login_job job;
    _Atomic int *left;
};

static void async_done(struct peer_login_job *j)
{
    (*rk_container_of(j, struct async, job)->left)--;
}

START_TEST(enrolments_share_commits_without_threads)
{
    enum { N = 300 };
    struct async *a;
    _Atomic int left = 0;
    int ok = 0;

    setup(_i);
    a = rk_calloc(N, sizeof *a);
    for (int i = 0; i < N; i++) {
        a[i].job.req = by_key(i, i % 10 ? KEY : KEY_LIMIT);
        a[i].job.done = async_done;
        a[i].left = &left;
        left++;
        if (!peer_login_begin(m, db, &a[i].job))
            left--;
    }
    while (left)
        (void)usleep(1000);
    for (int i = 0; i < N; i++) {
        enum rk_code rc = a[i].job.err.code;

        if (i % 10)
            ck_assert_msg(rc == RK_OK, "%s", a[i].job.err.msg);
        else
            ck_assert(rc == RK_OK || rc == RK_NOT_FOUND || rc == RK_PRECONDITION);
        ok += rc == RK_OK;
        if (rc)
            continue;
        ck_assert(rk_str_eq(a[i].job.res.peer->key, a[i].job.req.key));
        peer_login_done(&a[i].job.res);
        ck_assert(!peer_login_begin(m, db, &a[i].job)); /* known by now: no waiting */
        ck_assert_int_eq(a[i].job.err.code, RK_OK);
        ck_assert(!a[i].job.res.registered);
        peer_login_done(&a[i].job.res);
    }
    ck_assert_int_eq(ok, N / 10 * 9 + 2);
    ck_assert_int_eq(sql("SELECT count(*) FROM peer"), ok);
    free(a);
    teardown();
}
END_TEST

START_TEST(two_processes_enrol_into_one_account)
{
    struct mgmt_opts o;
    struct mgmt *mine, *other = NULL;

    if (_i == 0)
        return; /* SQLite is for one process */
    setup(_i);
    o = (struct mgmt_opts){.store_url = e.url, .vault = vault, .now_us = now_us};
    ck_ok(mgmt_open(&other, &o, err));
    mine = m;
    for (int i = 0; i < 20; i++) {
        struct peer_login_res r;

        m = i % 2 ? mine : other;
        r = login(by_key(i, KEY));
        peer_login_done(&r);
    }
    m = mine;
    ck_assert_int_eq(sql("SELECT count(*) FROM peer"), 20);
    ck_assert_int_eq(sql("SELECT serial FROM account_head"), 20);
    mgmt_close(other);
    teardown();
}
END_TEST

/* ---- keys */

START_TEST(the_server_keeps_its_keys)
{
    struct rk_key a = {0}, b = {0};
    struct vault *v = NULL, *w = NULL;
    char path[120];

    setup(_i);
    ck_ok(keys_box(m, &a, err));
    db_close(db);
    mgmt_close(m);
    engine_open();
    ck_ok(keys_box(m, &b, err));
    ck_assert(rk_key_eq(&a, &b));
    ck_assert(!rk_key_is_zero(&a));
    ck_assert_int_eq(sql("SELECT count(*) FROM kv WHERE name = 'box_key' AND value LIKE 'rk1:%'"),
                     1);

    (void)snprintf(path, sizeof path, "%s/store.key", e.dir);
    ck_fails(keys_vault_open(path, false, &v, err), RK_NOT_FOUND);
    ck_ok(keys_vault_open(path, true, &v, err));
    ck_ok(keys_vault_open(path, true, &w, err)); /* the same key again */
    {
        struct rk_str sealed, plain;

        ck_ok(vault_seal(v, mem, S("x"), S("text"), &sealed, err));
        ck_ok(vault_open(w, mem, S("x"), sealed, &plain, err));
        ck_assert(rk_str_eqz(plain, "text"));
    }
    vault_free(w);
    vault_free(v);
    v = NULL;
    ck_assert_int_eq(chmod(path, 0644), 0);
    ck_fails(keys_vault_open(path, true, &v, err), RK_FORBIDDEN);
    ck_assert_int_eq(chmod(path, 0600), 0);
    ck_assert_int_eq(truncate(path, 10), 0);
    ck_fails(keys_vault_open(path, true, &v, err), RK_INVALID);
    ck_assert_int_eq(truncate(path, 0), 0);
    ck_fails(keys_vault_open(path, true, &v, err), RK_INVALID);
    ck_fails(keys_vault_of_text(S("short"), &v, err), RK_INVALID);
    ck_ok(keys_vault_of_text(S(" AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"), &v, err));
    vault_free(v);
    env_unlink(&e, "store.key");
    teardown();
}
END_TEST

/* Machines that come and go with one key leave their history behind: there is an end to it, which
 * is temporary, and other keys do not meet it. */
START_TEST(a_setup_key_in_a_loop_is_slowed_down)
{
    struct report_gate *gate = report_gate_new();
    struct peer_login_req one, other;
    struct peer_login_res r;
    int n = 0;

    setup(_i);
    one = by_key(1, KEY);
    other = by_key(2, KEY_LIMIT);
    one.gate = other.gate = gate;
    r = login(one);
    peer_login_done(&r);
    while (report_gate_enrol(gate, S("key")))
        n++;
    ck_assert_int_ge(n, ENROL_BURST - 1);
    ck_assert_int_le(n, 2 * ENROL_BURST);
    one.key = wg(3);
    refuse(one, RK_UNAVAILABLE, "with this setup key");
    r = login(other);
    peer_login_done(&r);
    one.key = wg(1); /* it is known already */
    r = login(one);
    peer_login_done(&r);
    teardown();
    report_gate_free(gate);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("peer_login");
    TCase *tc = tcase_create("peer_login");
    int engines = env_engines();

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, a_setup_key_in_a_loop_is_slowed_down, env_first(), engines);
    tcase_add_loop_test(tc, a_peer_is_enrolled_by_setup_key, env_first(), engines);
    tcase_add_loop_test(tc, setup_keys_have_limits, env_first(), engines);
    tcase_add_loop_test(tc, extra_labels_need_permission, env_first(), engines);
    tcase_add_loop_test(tc, host_names_become_labels, env_first(), engines);
    tcase_add_loop_test(tc, users_enrol_their_peers, env_first(), engines);
    tcase_add_loop_test(tc, sessions_expire_and_are_renewed, env_first(), engines);
    tcase_add_loop_test(tc, inactive_peers_expire_until_the_user_is_back, env_first(), engines);
    tcase_add_loop_test(tc, a_new_ssh_key_is_stored, env_first(), engines);
    tcase_add_loop_test(tc, a_key_is_not_used_beyond_its_limit_by_a_crowd, env_first(), engines);
    tcase_add_loop_test(tc, one_key_is_registered_once_by_a_crowd, env_first(), engines);
    tcase_add_loop_test(tc, a_small_network_is_used_to_the_last_address, env_first(), engines);
    tcase_add_loop_test(tc, enrolments_share_commits_without_threads, env_first(), engines);
    tcase_add_loop_test(tc, two_processes_enrol_into_one_account, env_first(), engines);
    tcase_add_loop_test(tc, the_server_keeps_its_keys, env_first(), engines);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
