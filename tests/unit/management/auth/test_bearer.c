/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests management/auth/bearer.c and management/idp/keyring.c with a fake clock, on both engines.
 */
#include "config.h"

#include "management/auth/bearer.h"

#include "lib/crypto/vault.h"
#include "management/identity/local_users.h"
#include "management/idp/keyring.h"
#include "management/snapshot/snapshot.h"
#include "tests/unit/management/store_env.h"

#define ISSUER  "https://id.test/oauth2"
#define DAY_S   (24 * 3600)
#define ROTATED (720 * 3600)

static struct env e;
static struct mgmt *m;
static struct vault *vault;
static struct rk_arena *mem;
static struct db *db;
static struct keyring *ring, *first;
static struct bearer *bearer;
static int64_t clock_s;

static const char *const AUDIENCES[] = {"netbird-dashboard", "netbird-cli"};

static int64_t now_us(void)
{
    return clock_s * 1000000;
}

static void setup(int engine)
{
    struct mgmt_opts o = {.now_us = now_us};
    struct bearer_opts b = {.account_domain = "netbird.selfhosted", .n_issuers = 1};
    struct rk_key key;

    clock_s = 1800000000;
    env_open(&e, engine);
    vault = vault_new();
    rk_key_generate(&key);
    ck_ok(vault_add_key(vault, &key, err));
    mem = rk_arena_new_wiping(0);
    o.store_url = e.url;
    o.vault = vault;
    ck_ok(mgmt_open(&m, &o, err));
    ck_ok(mgmt_db_open(m, &db, err));
    /* one that finds no key looks again at once in the background, which must not disturb */
    ck_ok(keyring_open(m, NULL, &first, err));
    ck_ok(keyring_tend(first, db, err));
    ck_ok(keyring_open(m, NULL, &ring, err));
    b.m = m;
    b.issuers[0] = (struct jwt_issuer){.issuer = ISSUER,
                                       .audiences = AUDIENCES,
                                       .n_audiences = 2,
                                       .keys = keyring_source(ring),
                                       .embedded = true};
    bearer = bearer_new(&b);
}

static void teardown(void)
{
    db_close(db);
    mgmt_close(m);
    bearer_free(bearer);
    keyring_free(ring);
    keyring_free(first);
    vault_free(vault);
    rk_arena_free(mem);
    env_close(&e);
}

/* A token of somebody from an external provider; groups may be NULL (taken). */
static struct rk_str token_of(const char *user, int64_t life_s, json_t *groups)
{
    static int serial;
    char kid[KEYRING_ID_LEN + 1];
    struct jwk *key = NULL;
    struct rk_str sub = idp_subject_encode(mem, rk_str_z(user), RK_STR("partner")), out;
    json_t *c = json_pack("{s:s, s:s%, s:s, s:I, s:I, s:s, s:i}", "iss", ISSUER, "sub", sub.p,
                          sub.n, "aud", "netbird-cli", "exp", (json_int_t)(clock_s + life_s), "iat",
                          (json_int_t)clock_s, "name", user, "jti", serial++);

    if (groups)
        (void)json_object_set_new(c, "groups", groups);
    ck_ok(keyring_signer(ring, &key, kid, err));
    ck_ok(jwt_make(mem, key, rk_str_z(kid), c, &out, err));
    jwk_unref(key);
    json_decref(c);
    return out;
}

static enum rk_code login(struct rk_str token, enum grpc_status *status, struct rk_err *why)
{
    struct rpc_jwt *j = bearer_rpc(bearer);
    struct rpc_jwt_user u = {0};
    enum rk_code rc = j->check(j, db, mem, token, &u, status, why);

    if (rc == RK_OK) {
        ck_assert_ptr_nonnull(snap_user(u.snap, u.user_id));
        snap_unref(u.snap);
    }
    return rc;
}

static enum rk_code rest(struct rk_str token)
{
    struct rest_bearer *r = bearer_rest(bearer);
    const struct snapshot *snap = NULL;
    struct rk_str id;
    struct rk_err why = {0};
    enum rk_code rc = r->check(r, db, mem, token, &snap, &id, &why);

    if (rc)
        ck_assert_str_eq(why.msg, "token invalid"); /* whatever the reason */
    else
        snap_unref(snap);
    return rc;
}

START_TEST(a_token_logs_an_agent_in_once)
{
    enum grpc_status status = GRPC_UNKNOWN;
    struct rk_err why = {0};
    struct rk_str t;

    setup(_i);
    t = token_of("owner", DAY_S, NULL);
    ck_assert_msg(login(t, &status, &why) == RK_OK, "%s", why.msg);
    ck_assert_int_eq(status, GRPC_OK);
    ck_assert_int_ne(login(t, &status, &why), RK_OK);
    ck_assert_int_eq(status, GRPC_UNAUTHENTICATED);
    ck_assert_str_eq(why.msg, "JWT already used");
    ck_assert_int_eq(rest(t), RK_OK); /* for REST it stays good */
    ck_assert_int_eq(login(token_of("owner", DAY_S, NULL), &status, &why), RK_OK);
    teardown();
}
END_TEST

START_TEST(agents_are_told_why)
{
    enum grpc_status status = GRPC_UNKNOWN;
    struct rk_err why = {0};

    setup(_i);
    ck_assert_int_ne(login(token_of("owner", -120, NULL), &status, &why), RK_OK);
    ck_assert_int_eq(status, GRPC_UNAUTHENTICATED);
    ck_assert_str_eq(why.msg, "JWT expired");
    ck_assert_int_ne(login(RK_STR("no token"), &status, &why), RK_OK);
    ck_assert_int_eq(status, GRPC_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(why.msg, "invalid jwt token, err: "));
    ck_assert_int_eq(login(token_of("owner", DAY_S, NULL), &status, &why), RK_OK);
    /* the second one joins the account, and waits for approval */
    ck_assert_int_eq(login(token_of("second", DAY_S, NULL), &status, &why), RK_FORBIDDEN);
    ck_assert_int_eq(status, GRPC_PERMISSION_DENIED);
    ck_assert_str_eq(why.msg, "user is pending approval");
    ck_assert_int_eq(rest(token_of("second", DAY_S, NULL)), RK_OK); /* handlers look */
    ck_assert_int_eq(rest(token_of("owner", -120, NULL)), RK_UNAUTHENTICATED);
    teardown();
}
END_TEST

/* ---- signing keys ---- */

static size_t n_keys(struct keyring *k)
{
    struct rk_str json;
    int64_t age = 0;
    size_t n;
    json_t *o;

    ck_ok(keyring_json(k, mem, &json, &age, err));
    ck_assert_int_ge(age, 120);
    ck_assert(rk_str_find(json, RK_STR("\"d\"")) == json.n); /* nothing private */
    o = json_loadb(json.p, json.n, 0, NULL);
    n = json_array_size(json_object_get(o, "keys"));
    json_decref(o);
    return n;
}

/* A process that starts now. */
static struct keyring *another(void)
{
    struct keyring *k = NULL;

    ck_ok(keyring_open(m, NULL, &k, err));
    ck_ok(keyring_tend(k, db, err));
    return k;
}

START_TEST(keys_rotate_and_old_ones_verify_for_a_while)
{
    struct rk_str old, fresh;
    struct keyring *late[3];

    setup(_i);
    ck_assert_uint_eq(n_keys(ring), 1);
    old = token_of("owner", 100 * DAY_S, NULL);
    clock_s += ROTATED - 10;
    late[0] = another();
    ck_assert_uint_eq(n_keys(late[0]), 1);
    clock_s += 20;
    late[1] = another(); /* makes the second */
    ck_assert_uint_eq(n_keys(late[1]), 2);
    ck_assert_int_eq(rest(old), RK_OK);
    { /* signed by the other process with a key that this one has not seen */
        struct keyring *mine = ring;

        ring = late[1];
        fresh = token_of("owner", DAY_S, NULL);
        ring = mine;
    }
    ck_assert_uint_eq(n_keys(ring), 1);
    ck_assert_int_eq(rest(fresh), RK_OK);
    ck_assert_uint_eq(n_keys(ring), 2);
    clock_s += 26 * 3600;
    late[2] = another();
    ck_assert_uint_eq(n_keys(late[2]), 1); /* the first is gone */
    mgmt_close(m);                         /* before what its chores look at */
    m = NULL;
    for (size_t i = 0; i < 3; i++)
        keyring_free(late[i]);
    teardown();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bearer");
    TCase *t = tcase_create("bearer");
    SRunner *r;
    int failed;

    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, a_token_logs_an_agent_in_once, 0, env_engines());
    tcase_add_loop_test(t, agents_are_told_why, 0, env_engines());
    tcase_add_loop_test(t, keys_rotate_and_old_ones_verify_for_a_while, 0, env_engines());
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
