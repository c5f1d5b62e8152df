/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests management/auth/bearer.c and management/idp/keyring.c with a fake clock, on both engines.
 */
#include "config.h"

#include "management/auth/bearer.h"

#include "lib/crypto/vault.h"
#include "management/identity/connectors.h"
#include "management/identity/external_users.h"
#include "management/identity/logins.h"
#include "management/idp/keyring.h"
#include "management/snapshot/snapshot.h"
#include "tests/unit/management/store_env.h"
#include "tests/unit/run.h"

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
static json_int_t gen; /* of the logins, in new tokens */

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
    gen = 0;
    ck_ok(idp_connector_insert(&(struct idp_connectors){db, vault, mem},
                               &(struct idp_connector){.id = RK_STR("partner"),
                                                       .type = RK_STR("oidc"),
                                                       .name = RK_STR("Partner"),
                                                       .realm = RK_STR("partner")},
                               err));
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

    ck_ok(external_user_put(&(struct local_users){db, vault, mem},
                            &(struct external_user){.user = {.subject = sub}}, 1, err));
    (void)json_object_set_new(c, JWT_CLAIM_GEN, json_integer(gen));
    if (groups)
        (void)json_object_set_new(c, "groups", groups);
    ck_ok(keyring_signer(ring, &key, kid, err));
    ck_ok(jwt_make(mem, key, rk_str_z(kid), c, &out, err));
    jwk_unref(key);
    json_decref(c);
    return out;
}

static enum auth_fault login(struct rk_str token, struct rk_err *why)
{
    struct auth *a = bearer_auth(bearer);
    struct auth_found u = {0};
    enum auth_fault f = a->login(a, db, mem, token, &u, why);

    if (f == AUTH_OK) {
        ck_assert_ptr_nonnull(snap_user(u.snap, u.user_id));
        snap_unref(u.snap);
    }
    return f;
}

static enum auth_fault rest(struct rk_str token)
{
    struct auth *a = bearer_auth(bearer);
    struct auth_found u = {0};
    struct rk_err why = {0};
    enum auth_fault f = a->request(a, db, mem, token, &u, &why);

    if (f == AUTH_OK)
        snap_unref(u.snap);
    return f;
}

START_TEST(a_token_logs_an_agent_in_once)
{
    struct rk_err why = {0};
    struct rk_str t;

    setup(_i);
    t = token_of("owner", DAY_S, NULL);
    ck_assert_msg(login(t, &why) == AUTH_OK, "%s", why.msg);
    ck_assert_int_eq(login(t, &why), AUTH_USED);
    ck_assert_str_eq(why.msg, "JWT already used");
    for (int n = 1; n <= 2; n++) /* not by another text of the same token either */
        ck_assert_int_eq(login(rk_arena_printf(mem, "%.*s%.*s", RK_STR_ARG(t), n, "=="), &why),
                         AUTH_BAD);
    ck_assert_int_eq(rest(t), AUTH_OK); /* for REST it stays good */
    ck_assert_int_eq(login(token_of("owner", DAY_S, NULL), &why), AUTH_OK);
    teardown();
}
END_TEST

START_TEST(the_fault_says_what_is_wrong)
{
    struct rk_err why = {0};

    setup(_i);
    ck_assert_int_eq(login(token_of("owner", -120, NULL), &why), AUTH_EXPIRED);
    ck_assert_int_eq(login(RK_STR("no token"), &why), AUTH_BAD);
    ck_assert_int_eq(login(token_of("owner", DAY_S, NULL), &why), AUTH_OK);
    /* the second one joins the account, and waits for approval */
    ck_assert_int_eq(login(token_of("second", DAY_S, NULL), &why), AUTH_NOT_ALLOWED);
    ck_assert_str_eq(why.msg, "user is pending approval");
    ck_assert_int_eq(rest(token_of("second", DAY_S, NULL)), AUTH_OK); /* handlers look */
    ck_assert_int_eq(rest(token_of("owner", -120, NULL)), AUTH_EXPIRED);
    teardown();
}
END_TEST

START_TEST(tokens_end_with_the_logins_and_the_provider)
{
    struct rk_str t, sub;

    setup(_i);
    t = token_of("owner", DAY_S, NULL);
    ck_assert_int_eq(rest(t), AUTH_OK);
    sub = idp_subject_encode(mem, RK_STR("owner"), RK_STR("partner"));
    ck_ok(logins_end(db, sub, err));
    ck_assert_int_eq(rest(t), AUTH_EXPIRED);
    gen = 1;
    t = token_of("owner", DAY_S, NULL);
    ck_assert_int_eq(rest(t), AUTH_OK);
    ck_ok(idp_connector_delete(&(struct idp_connectors){db, vault, mem}, RK_STR("partner"), err));
    ck_assert_int_eq(rest(t), AUTH_EXPIRED);
    teardown();
}
END_TEST

/* ---- signing keys */

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
    ck_assert_int_eq(rest(old), AUTH_OK);
    { /* signed by the other process with a key that this one has not seen */
        struct keyring *mine = ring;

        ring = late[1];
        fresh = token_of("owner", DAY_S, NULL);
        ring = mine;
    }
    ck_assert_uint_eq(n_keys(ring), 1);
    ck_assert_int_eq(rest(fresh), AUTH_OK);
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

    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, a_token_logs_an_agent_in_once, env_first(), env_engines());
    tcase_add_loop_test(t, the_fault_says_what_is_wrong, env_first(), env_engines());
    tcase_add_loop_test(t, tokens_end_with_the_logins_and_the_provider, env_first(), env_engines());
    tcase_add_loop_test(t, keys_rotate_and_old_ones_verify_for_a_while, env_first(), env_engines());
    suite_add_tcase(s, t);
    return run_suite(s);
}
