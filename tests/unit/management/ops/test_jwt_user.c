/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of accounts and users from token claims, on both engines. */
#include "config.h"

#include "management/ops/jwt_user.h"

#include <pthread.h>

#include "lib/crypto/vault.h"
#include "management/snapshot/snapshot.h"
#include "tests/unit/management/store_env.h"
/* after store_env.h: uses libcheck */
#include "tests/unit/management/sample.h"
#include "tests/unit/run.h"

#define S RK_STR

static struct env e;
static struct mgmt *m;
static struct vault *vault;
static struct rk_arena *mem;
static struct db *db;
static struct jwt_users *users;
static const struct actor sys = {.id = {"sys", 3}};

struct claims { /* with the values of the claim "groups" */
    struct jwt_claims c;
    struct str_list groups;
};

static void claim_list(const struct jwt_claims *c, struct rk_str claim, struct rk_arena *a,
                       struct str_list *out)
{
    const struct claims *x = rk_container_of((struct jwt_claims *)(uintptr_t)c, struct claims, c);

    (void)a;
    if (rk_str_eqz(claim, "groups"))
        *out = x->groups;
}

static struct claims claims_of(const char *user, const char *domain, const char *category)
{
    return (struct claims){.c = {.user_id = rk_str_z(user),
                                 .name = S("Name"),
                                 .email = rk_arena_printf(mem, "%s@example.com", user),
                                 .domain = rk_str_z(domain),
                                 .domain_category = rk_str_z(category),
                                 .list = claim_list}};
}

static void setup(int engine, bool single)
{
    struct mgmt_opts o;
    struct jwt_users_opts u = {.single_account = single, .domain = "netbird.selfhosted"};
    struct rk_key key;

    env_open(&e, engine);
    vault = vault_new();
    rk_key_generate(&key);
    ck_ok(vault_add_key(vault, &key, err));
    mem = rk_arena_new(0);
    o = (struct mgmt_opts){.store_url = e.url, .vault = vault};
    ck_ok(mgmt_open(&m, &o, err));
    ck_ok(mgmt_db_open(m, &db, err));
    users = jwt_users_new(m, &u);
}

static void teardown(void)
{
    jwt_users_free(users);
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

static struct jwt_user_found find(struct claims c)
{
    struct jwt_user_found f = {0};

    ck_ok(jwt_user_find(users, db, mem, &c.c, &f, err));
    ck_assert(rk_str_eq(f.user->id, c.c.user_id));
    return f;
}

/* Account id of the found user, in mem. */
static struct rk_str account_of(struct jwt_user_found f)
{
    struct rk_str id = rk_arena_dup(mem, snap_account(f.snap)->id);

    snap_unref(f.snap);
    return id;
}

START_TEST(the_first_user_owns_the_single_account_and_others_join)
{
    struct jwt_user_found f;
    struct rk_str a, b;

    setup(_i, true);
    f = find(claims_of("ann", "", ""));
    ck_assert(f.user->role == ROLE_OWNER && !f.user->blocked);
    ck_assert(rk_str_eqz(f.user->email, "ann@example.com"));
    ck_assert(rk_str_eqz(snap_account(f.snap)->domain, "netbird.selfhosted"));
    ck_assert(snap_account(f.snap)->domain_primary);
    a = account_of(f);
    f = find(claims_of("bob", "other.org", "private"));
    ck_assert(f.user->role == ROLE_USER);
    ck_assert(f.user->blocked && f.user->pending_approval); /* approval is asked by default */
    b = account_of(f);
    ck_assert(rk_str_eq(a, b));
    ck_assert_int_eq(sql("SELECT count(*) FROM account"), 1);
    ck_assert_int_eq(sql("SELECT count(*) FROM event WHERE activity = 2 AND initiator = 'bob' AND "
                         "target = 'bob' AND meta LIKE '%pending_approval%'"),
                     1);
    ck_assert(rk_str_eq(account_of(find(claims_of("ann", "", ""))), a));
    teardown();
}
END_TEST

START_TEST(domains_share_accounts_when_private)
{
    struct jwt_user_found f;
    struct rk_str a, b;

    setup(_i, false);
    a = account_of(find(claims_of("ann", "corp.example", "private")));
    f = find(claims_of("bob", "corp.example", "private"));
    ck_assert(f.user->role == ROLE_USER);
    ck_assert(rk_str_eq(account_of(f), a));
    f = find(claims_of("eve", "corp.example", "public")); /* anybody may have such a token */
    ck_assert(f.user->role == ROLE_OWNER);
    b = account_of(f);
    ck_assert(!rk_str_eq(a, b));
    f = find(claims_of("dan", "not a domain", "private"));
    ck_assert(f.user->role == ROLE_OWNER);
    ck_assert(!snap_account(f.snap)->domain_primary);
    (void)account_of(f);
    ck_assert_int_eq(sql("SELECT count(*) FROM account"), 3);
    ck_assert_int_eq(sql("SELECT count(*) FROM account WHERE is_primary = 1"), 1);
    f = find(claims_of("eve", "new.example", "private")); /* an owner's domain moves along */
    ck_assert(rk_str_eqz(snap_account(f.snap)->domain, "new.example"));
    ck_assert(snap_account(f.snap)->domain_primary);
    ck_assert(rk_str_eq(account_of(f), b));
    f = find(claims_of("eve", "corp.example", "private")); /* but cannot take another's place */
    ck_assert(!snap_account(f.snap)->domain_primary);
    (void)account_of(f);
    f = find(claims_of("bob", "elsewhere.example", "private")); /* a plain user moves nothing */
    ck_assert(rk_str_eqz(snap_account(f.snap)->domain, "corp.example"));
    (void)account_of(f);
    teardown();
}
END_TEST

START_TEST(domains_are_checked)
{
    static const char *const good[] = {"a.bc", "a-b.c1.example", "1.aa"};
    static const char *const bad[] = {"",       "a",      "a.b",    "a..bc", ".a.bc",
                                      "a.bc.",  "-a.bc",  "a-.bc",  "a.b1",  "A.bc",
                                      "a_b.bc", "a b.bc", "a--b.bc"};

    for (size_t i = 0; i < RK_ARRAY_LEN(good); i++)
        ck_assert_msg(jwt_domain_ok(rk_str_z(good[i])), "%s", good[i]);
    for (size_t i = 0; i < RK_ARRAY_LEN(bad); i++)
        ck_assert_msg(!jwt_domain_ok(rk_str_z(bad[i])), "%s", bad[i]);
}
END_TEST

struct crowd {
    pthread_t thread;
    struct claims c;
};

static void *crowd_main(void *arg)
{
    struct crowd *c = arg;
    RK_CLEANUP(rk_arena_freep) struct rk_arena *a = rk_arena_new(0);
    struct jwt_user_found f = {0};
    struct db *mine = NULL;

    ck_ok(mgmt_db_open(m, &mine, err));
    for (int i = 0; i < 5; i++) {
        ck_ok(jwt_user_find(users, mine, a, &c->c.c, &f, err));
        snap_unref(f.snap);
    }
    db_close(mine);
    return NULL;
}

START_TEST(first_users_at_once_make_one_account)
{
    struct crowd c[6];

    setup(_i, false);
    for (int i = 0; i < 6; i++) {
        c[i].c = claims_of(rk_arena_dupz(mem, rk_arena_printf(mem, "u%d", i / 2)), "corp.example",
                           "private");
        ck_assert_int_eq(pthread_create(&c[i].thread, NULL, crowd_main, &c[i]), 0);
    }
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(pthread_join(c[i].thread, NULL), 0);
    ck_assert_int_eq(sql("SELECT count(*) FROM account"), 1);
    ck_assert_int_eq(sql("SELECT count(*) FROM usr"), 3);
    ck_assert_int_eq(sql("SELECT count(*) FROM usr WHERE role = 'owner'"), 1);
    teardown();
}
END_TEST

START_TEST(the_user_follows_the_token)
{
    struct claims c;
    struct jwt_user_found f;
    int64_t rows;

    setup(_i, true);
    c = claims_of("ann", "", "");
    (void)account_of(find(c));
    rows = sql("SELECT count(*) FROM journal");
    (void)account_of(find(c)); /* nothing new: nothing written */
    ck_assert_int_eq(sql("SELECT count(*) FROM journal"), rows);
    c.c.name = S("Ann B");
    c.c.email = S("ann.b@example.com");
    c.c.last_login_us = 1000000;
    f = find(c);
    ck_assert(rk_str_eqz(f.user->name, "Ann B"));
    ck_assert(rk_str_eqz(f.user->email, "ann.b@example.com"));
    ck_assert(f.user->last_login_us == 1000000);
    (void)account_of(f);
    ck_assert_int_eq(sql("SELECT count(*) FROM event WHERE activity = 51"), 0); /* the first */
    c.c.last_login_us = 2000000;
    c.c.name = c.c.email = S(""); /* a token that does not say takes nothing away */
    f = find(c);
    ck_assert(rk_str_eqz(f.user->name, "Ann B"));
    (void)account_of(f);
    ck_assert_int_eq(sql("SELECT count(*) FROM event WHERE activity = 51"), 1);
    c.c.user_id = S("");
    {
        struct jwt_user_found none = {0};

        ck_fails(jwt_user_find(users, db, mem, &c.c, &none, err), RK_INVALID);
        ck_assert_ptr_null(none.snap);
    }
    teardown();
}
END_TEST

static enum rk_code groups_on(struct tx *tx, void *arg, struct rk_err *err)
{
    struct settings s = *snap_settings(tx->snap);
    struct group api = {.id = S("grp-api"), .name = S("ops"), .issued = ISSUED_API};
    struct peer p = sample_peer(tx->mem);
    const struct str_list *allow = arg;

    s.jwt_groups_enabled = true;
    s.jwt_groups_claim = S("groups");
    s.jwt_allow_groups = *allow;
    p.user_id = S("ann");
    p.proxy_embedded = false;
    if (tx_put(tx, ENT_SETTINGS, &s, err) || tx_put(tx, ENT_GROUP, &api, err))
        return err->code;
    return tx_put(tx, ENT_PEER, &p, err);
}

START_TEST(groups_follow_the_token)
{
    struct str_list nobody = {0}, only_dev;
    struct jwt_user_found f;
    struct claims c;
    struct rk_str account;
    const struct group *dev;
    uint64_t serial;

    setup(_i, true);
    c = claims_of("ann", "", "");
    account = account_of(find(c));
    ck_ok(mgmt_mutate(m, account, &sys, 0, groups_on, &nobody, err));
    c.groups = sample_strs(mem, 4, "dev", "ops", "", "qa");
    f = find(c);
    ck_assert_uint_eq(f.user->auto_groups.n, 2); /* "ops" is somebody else's */
    dev = snap_group_by_name(f.snap, S("dev"));
    ck_assert(dev && dev->issued == ISSUED_JWT);
    ck_assert(str_list_has(&f.user->auto_groups, dev->id));
    ck_assert(snap_is_member(f.snap, dev->id, snap_index_of(f.snap, S("peer-1"))));
    serial = snap_serial(f.snap);
    snap_unref(f.snap);
    ck_assert_int_eq(sql("SELECT count(*) FROM event WHERE activity = 20 AND target = 'ann'"), 2);

    f = find(c); /* the same again */
    ck_assert_uint_eq(snap_serial(f.snap), serial);
    snap_unref(f.snap);

    c.groups = sample_strs(mem, 1, "qa");
    f = find(c);
    ck_assert_uint_eq(f.user->auto_groups.n, 1);
    dev = snap_group_by_name(f.snap, S("dev"));
    ck_assert(!snap_is_member(f.snap, dev->id, snap_index_of(f.snap, S("peer-1"))));
    ck_assert_uint_gt(snap_serial(f.snap), serial);
    snap_unref(f.snap);
    ck_assert_int_eq(sql("SELECT count(*) FROM event WHERE activity = 21 AND target = 'ann'"), 1);

    c.c.local_user = true; /* no token groups for users of our own provider */
    c.groups = nobody;
    f = find(c);
    ck_assert_uint_eq(f.user->auto_groups.n, 1);
    snap_unref(f.snap);
    c.c.local_user = false;

    only_dev = sample_strs(mem, 1, "dev");
    ck_ok(mgmt_mutate(m, account, &sys, 0, groups_on, &only_dev, err));
    c.groups = sample_strs(mem, 1, "qa");
    ck_fails(jwt_user_find(users, db, mem, &c.c, &f, err), RK_FORBIDDEN);
    c.groups = sample_strs(mem, 2, "qa", "dev");
    f = find(c);
    snap_unref(f.snap);
    teardown();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("jwt_user");
    TCase *tc = tcase_create("jwt_user");
    int engines = env_engines();

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, the_first_user_owns_the_single_account_and_others_join, env_first(),
                        engines);
    tcase_add_loop_test(tc, domains_share_accounts_when_private, env_first(), engines);
    tcase_add_test(tc, domains_are_checked);
    tcase_add_loop_test(tc, first_users_at_once_make_one_account, env_first(), engines);
    tcase_add_loop_test(tc, the_user_follows_the_token, env_first(), engines);
    tcase_add_loop_test(tc, groups_follow_the_token, env_first(), engines);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
