/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests management/auth/pat.c on a real engine: the way with SQL, the quick way, and what ends
 * them. */
#include "config.h"

#include "management/auth/pat.h"

#include "lib/crypto/vault.h"
#include "management/engine/presence.h"
#include "management/ops/accounts.h"
#include "management/ops/tokens.h"
#include "management/snapshot/snapshot.h"
#include "tests/unit/management/store_env.h"
#include "tests/unit/run.h"

static struct env e;
static struct mgmt *m;
static struct vault *vault;
static struct rk_arena *mem;
static struct db *db;
static struct rk_str account, token;
static struct pat pat;
static int64_t clock_us;

static int64_t now_us(void)
{
    return clock_us;
}

static void setup(void)
{
    struct rk_key key = {{1}};
    struct account_new in = {.domain = RK_STR("a.test"),
                             .category = DOMAIN_PRIVATE,
                             .primary = true,
                             .owner_id = RK_STR("owner"),
                             .pat = &pat};
    struct mgmt_opts o = {.now_us = now_us};

    env_open(&e, 0);
    clock_us = INT64_C(1800000000) * 1000000;
    mem = rk_arena_new(0);
    vault = vault_new();
    ck_ok(vault_add_key(vault, &key, err));
    o.store_url = e.url;
    o.vault = vault;
    ck_ok(mgmt_open(&m, &o, err));
    ck_ok(mgmt_db_open(m, &db, err));
    token = token_build(mem, RK_STR("owner"), RK_STR("t"), 1, RK_STR("owner"), clock_us, &pat);
    ck_ok(account_create(m, mem, &in, &account, err));
}

static void teardown(void)
{
    db_close(db);
    mgmt_close(m);
    vault_free(vault);
    rk_arena_free(mem);
    env_close(&e);
}

static enum rk_code delete_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    (void)arg;
    return tx_del(tx, ENT_PAT, pat.id, err);
}

START_TEST(known_after_the_first_time)
{
    struct pat_auth *a = pat_auth_new(m, &(struct pat_auth_opts){0});
    struct pat_found f;
    enum rk_code rc = RK_INTERNAL;

    ck_assert(!pat_auth_try(a, token, &f, &rc, NULL)); /* needs SQL */
    ck_ok(pat_auth_check(a, db, mem, token, &f, err));
    ck_assert(rk_str_eqz(f.pat->user_id, "owner"));
    ck_assert_int_eq(pat_last_used_us(m, f.pat), clock_us);
    snap_unref(f.snap);
    ck_assert(pat_auth_try(a, token, &f, &rc, NULL));
    ck_assert_int_eq(rc, RK_OK);
    snap_unref(f.snap);
    pat_auth_free(a);
}
END_TEST

START_TEST(malformed_and_unknown_tokens)
{
    static const char *const bad[] = {"", "nbp_", "nbp_0123456789ABCDEFGHIJKLMNOPQRST4PMbyq",
                                      "nbx_0123456789ABCDEFGHIJKLMNOPQRST4PMbyp"};
    struct pat_auth *a = pat_auth_new(m, &(struct pat_auth_opts){0});
    struct rk_str unknown = RK_STR("nbp_0123456789ABCDEFGHIJKLMNOPQRST4PMbyp");
    struct pat_found f;
    enum rk_code rc;

    for (size_t i = 0; i < RK_ARRAY_LEN(bad); i++) { /* decided without SQL */
        rc = RK_OK;
        ck_assert(pat_auth_try(a, rk_str_z(bad[i]), &f, &rc, NULL));
        ck_assert_int_eq(rc, RK_UNAUTHENTICATED);
    }
    ck_assert(!pat_auth_try(a, unknown, &f, &rc, NULL));
    ck_fails(pat_auth_check(a, db, mem, unknown, &f, err), RK_UNAUTHENTICATED);
    pat_auth_free(a);
}
END_TEST

START_TEST(tokens_expire)
{
    struct pat_auth *a = pat_auth_new(m, &(struct pat_auth_opts){0});
    struct pat_found f;
    enum rk_code rc;

    clock_us = pat.expires_at_us; /* the very moment still counts */
    ck_ok(pat_auth_check(a, db, mem, token, &f, err));
    snap_unref(f.snap);
    clock_us++;
    ck_assert(pat_auth_try(a, token, &f, &rc, NULL));
    ck_assert_int_eq(rc, RK_UNAUTHENTICATED);
    ck_fails(pat_auth_check(a, db, mem, token, &f, err), RK_UNAUTHENTICATED);
    pat_auth_free(a);
}
END_TEST

START_TEST(deleted_tokens_end_at_once)
{
    struct pat_auth *a = pat_auth_new(m, &(struct pat_auth_opts){0});
    const struct actor sys = ACTOR_SYSTEM;
    struct pat_found f;
    enum rk_code rc;

    ck_ok(pat_auth_check(a, db, mem, token, &f, err));
    snap_unref(f.snap);
    ck_ok(mgmt_mutate(m, account, &sys, 0, delete_tx, NULL, err));
    ck_assert(pat_auth_try(a, token, &f, &rc, NULL));
    ck_assert_int_eq(rc, RK_UNAUTHENTICATED);
    ck_fails(pat_auth_check(a, db, mem, token, &f, err), RK_UNAUTHENTICATED);
    pat_auth_free(a);
}
END_TEST

START_TEST(one_token_has_an_allowance)
{
    struct pat_auth *a = pat_auth_new(m, &(struct pat_auth_opts){6, 3});
    struct pat_auth *open = pat_auth_new(m, &(struct pat_auth_opts){0});

    for (int i = 0; i < 3; i++)
        ck_ok(pat_auth_limit(a, token, err));
    ck_fails(pat_auth_limit(a, token, err), RK_LIMIT);
    ck_ok(pat_auth_limit(a, RK_STR("another"), err));
    for (int i = 0; i < 1000; i++)
        ck_ok(pat_auth_limit(open, token, err));
    pat_auth_free(a);
    pat_auth_free(open);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pat");
    TCase *t = tcase_create("pat");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, known_after_the_first_time);
    tcase_add_test(t, malformed_and_unknown_tokens);
    tcase_add_test(t, tokens_expire);
    tcase_add_test(t, deleted_tokens_end_at_once);
    tcase_add_test(t, one_token_has_an_allowance);
    suite_add_tcase(s, t);
    return run_suite(s);
}
