/* SPDX-License-Identifier: BSD-3-Clause */
/* Users by their tokens; see bearer.h. */
#include "config.h"

#include "management/auth/bearer.h"

#include <pthread.h>
#include <stdlib.h>

#include "lib/base/map.h"
#include "lib/base/num.h"
#include "lib/crypto/hash.h"
#include "management/domain/permission.h"
#include "management/identity/external_users.h"
#include "management/identity/logins.h"
#include "management/identity/userinfo.h"
#include "management/ops/jwt_user.h"
#include "management/snapshot/snapshot.h"

static const char SQL_USE[] =
    "INSERT INTO used_token (hash, expires_at) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING";
static const char SQL_FORGET[] = "DELETE FROM used_token WHERE expires_at < $1";

#define GROUPS_CLAIM "groups" /* of our own tokens */
#define LOGIN_CLAIM  "nb_last_login"
#define LOG_EVERY_MS 60000
#define KNOWN_MAX    10000 /* users remembered; past it the memory starts anew */

struct bearer {
    struct auth auth;
    struct bearer_opts o;
    struct jwt_users *users;
    struct userinfo *info;
    struct mgmt_chore chore;
    struct rk_log_gate gates[AUTH_FAULTS]; /* one line a second and fault */
    pthread_mutex_t lock;                  /* guards known */
    struct rk_map known; /* user id -> number of ended logins at the last check, plus 1 */
};

/* Claims with the token that they are from. */
struct claims {
    struct jwt_claims c;
    const json_t *json;
    bool embedded;
    struct db *db;
    const struct vault *vault;
};

/* Some directories send objects. */
static struct rk_str text_in(const json_t *v)
{
    static const char *const KEYS[] = {"name", "displayName", "display", "value", "id"};
    struct rk_str s = {0};

    if (json_is_string(v))
        return rk_str_of(json_string_value(v), json_string_length(v));
    for (size_t k = 0; k < RK_ARRAY_LEN(KEYS) && !s.n; k++)
        s = jwt_text(v, KEYS[k]);
    return s;
}

/* Groups of somebody from an external provider: too many for a token are in the store only. */
static json_t *stored_groups(const struct claims *x, struct rk_arena *mem)
{
    struct local_users l = {x->db, x->vault, mem};
    struct external_user u;

    if (external_user_get(&l, x->c.user_id, &u, NULL) || !u.groups.n)
        return NULL;
    return json_loadb(u.groups.p, u.groups.n, 0, NULL);
}

static void claim_list(const struct jwt_claims *c, struct rk_str claim, struct rk_arena *mem,
                       struct str_list *out)
{
    const struct claims *x = rk_container_of((struct jwt_claims *)(uintptr_t)c, struct claims, c);
    json_t *v = json_incref(json_object_get(x->json, rk_arena_dupz(mem, claim)));
    size_t n;

    if (!v && x->embedded && !c->local_user && rk_str_eqz(claim, GROUPS_CLAIM))
        v = stored_groups(x, mem);
    if (!v)
        return;
    n = json_is_array(v) ? json_array_size(v) : 1;
    *out = (struct str_list){.v = rk_new_n(mem, struct rk_str, n)};
    for (size_t i = 0; i < n; i++) {
        struct rk_str s = text_in(json_is_array(v) ? json_array_get(v, i) : v);

        if (s.n)
            out->v[out->n++] = rk_arena_dup(mem, s);
    }
    json_decref(v);
}

/* Claims that a provider adds for us: "<audience>/<name>". */
static struct rk_str custom(const struct bearer *b, struct rk_arena *mem, const json_t *json,
                            const char *name)
{
    struct rk_str base = rk_str_z(b->o.custom_audience);

    if (!base.n)
        return RK_STR("");
    while (rk_str_ends(base, RK_STR("/")))
        base.n--;
    return rk_arena_dup(mem,
                        jwt_text(json, rk_arena_printf(mem, "%.*s/%s", RK_STR_ARG(base), name).p));
}

static int64_t seconds_of(const json_t *json, const char *name)
{
    const json_t *v = json_object_get(json, name);

    return json_is_number(v) ? (int64_t)json_number_value(v) : 0;
}

/* When the person signed in: what the standard has for it, what upstream's providers add, or that
 * the token was made. */
static void take_login_time(const struct bearer *b, struct rk_arena *mem, const json_t *json,
                            struct jwt_claims *c)
{
    struct rk_str text = custom(b, mem, json, LOGIN_CLAIM);
    int64_t us = seconds_of(json, "auth_time") * 1000000;

    if (us <= 0 && (!text.n || rk_time_parse_us(text, &us, NULL))) {
        us = seconds_of(json, "iat") * 1000000;
        c->login_is_guessed = true;
    }
    c->last_login_us = rk_max_i64(rk_min_i64(us, mgmt_now_us(b->o.m)), 0);
}

static struct claims claims_of(const struct bearer *b, struct db *db, struct rk_arena *mem,
                               const struct jwt *t)
{
    struct claims x = {
        .json = t->claims, .embedded = t->by->embedded, .db = db, .vault = mgmt_vault(b->o.m)};
    struct rk_str user, connector;

    x.c.list = claim_list;
    x.c.user_id = rk_arena_dup(
        mem, jwt_text(t->claims, t->by->embedded || !b->o.user_claim ? "sub" : b->o.user_claim));
    x.c.name = rk_arena_dup(mem, jwt_text(t->claims, "name"));
    if (!x.c.name.n)
        x.c.name = rk_arena_dup(mem, jwt_text(t->claims, "preferred_username"));
    x.c.email = rk_arena_dup(mem, jwt_text(t->claims, "email"));
    x.c.domain = custom(b, mem, t->claims, "wt_account_domain");
    x.c.domain_category = custom(b, mem, t->claims, "wt_account_domain_category");
    x.c.local_user = t->by->embedded && idp_subject_decode(mem, x.c.user_id, &user, &connector) &&
                     rk_str_eqz(connector, IDP_LOCAL_CONNECTOR);
    take_login_time(b, mem, t->claims, &x.c);
    return x;
}

/* ---- is it still good? */

static enum auth_fault fault_of(enum rk_code rc)
{
    switch (rc) {
    case RK_OK:
        return AUTH_OK;
    case RK_UNAUTHENTICATED:
        return AUTH_EXPIRED;
    case RK_FORBIDDEN:
        return AUTH_NOT_ALLOWED;
    case RK_UNAVAILABLE:
    case RK_TIMEOUT:
    case RK_LIMIT:
    case RK_CANCELLED:
        return AUTH_UNAVAILABLE;
    default:
        return AUTH_NO_ACCOUNT;
    }
}

static void remember(struct bearer *b, struct rk_str user_id, int64_t gen)
{
    (void)pthread_mutex_lock(&b->lock);
    if (b->known.n >= KNOWN_MAX) {
        rk_map_done(&b->known);
        rk_map_init(&b->known, false);
    }
    (void)rk_map_put(&b->known, user_id, (void *)(uintptr_t)(gen + 1));
    (void)pthread_mutex_unlock(&b->lock);
}

/* While the store is away nothing can end a login there, so what was good at the last check is as
 * good as everything else that is read from memory then. */
static bool was_good(struct bearer *b, struct rk_str user_id, int64_t gen)
{
    void *known;

    if (!mgmt_store_age_ms(b->o.m))
        return false;
    (void)pthread_mutex_lock(&b->lock);
    known = rk_map_get(&b->known, user_id);
    (void)pthread_mutex_unlock(&b->lock);
    return known == (void *)(uintptr_t)(gen + 1);
}

/* Our own tokens end with what ends logins. */
static enum auth_fault check_ours(struct bearer *b, struct db *db, struct rk_arena *mem,
                                  const struct claims *x, struct rk_err *why)
{
    int64_t gen = json_integer_value(json_object_get(x->json, JWT_CLAIM_GEN));
    enum auth_fault f;

    if (x->c.local_user && b->o.local_auth_disabled) {
        (void)rk_fail(why, RK_UNAUTHENTICATED, "local users may not sign in");
        return AUTH_EXPIRED;
    }
    f = fault_of(logins_check(db, mem, x->c.user_id, gen, why));
    if (f == AUTH_OK)
        remember(b, x->c.user_id, gen);
    return f == AUTH_UNAVAILABLE && was_good(b, x->c.user_id, gen) ? AUTH_OK : f;
}

/* Another issuer must not name users of our own. */
static enum auth_fault check_theirs(struct bearer *b, struct db *db, struct rk_arena *mem,
                                    const struct claims *x, struct rk_err *why)
{
    struct local_users l = {db, mgmt_vault(b->o.m), mem};
    struct external_user theirs;
    struct local_user ours;
    struct rk_str id, realm;
    enum rk_code rc = RK_NOT_FOUND;

    if (idp_subject_decode(mem, x->c.user_id, &id, &realm))
        rc = rk_str_eqz(realm, IDP_LOCAL_CONNECTOR)
                 ? local_user_by_subject(&l, x->c.user_id, &ours, why)
                 : external_user_get(&l, x->c.user_id, &theirs, why);
    if (rc == RK_NOT_FOUND)
        return AUTH_OK;
    if (rc)
        return fault_of(rc);
    (void)rk_fail(why, RK_UNAUTHENTICATED,
                  "the token of another issuer names a user of this server");
    return AUTH_BAD;
}

/* A token logs in once: the one with this jti, or with these signed bytes, for a signature has more
 * than one form. */
static enum auth_fault use_up(struct db *db, struct rk_arena *mem, struct rk_str token,
                              const struct jwt *t, struct rk_err *why)
{
    struct rk_str jti = jwt_text(t->claims, "jti"), what = token;
    char hash[HASH_SHA256_TEXT + 1];
    int64_t n = 0;
    enum rk_code rc;

    while (what.n && what.p[what.n - 1] != '.')
        what.n--;
    if (jti.n)
        what = rk_arena_printf(mem, "jti %s %.*s", t->by->issuer, RK_STR_ARG(jti));
    hash_sha256_base64(what, hash);
    rc = db_exec(db, why, &n, SQL_USE, DB_ARGS(db_textz(hash), db_i64(t->expires_s + JWT_SKEW_S)));
    if (rc)
        return AUTH_UNAVAILABLE;
    if (n)
        return AUTH_OK;
    (void)rk_fail(why, RK_UNAUTHENTICATED, "JWT already used");
    return AUTH_USED;
}

static enum auth_fault verify(struct bearer *b, struct rk_arena *mem, struct rk_str token,
                              struct jwt *out, struct rk_err *why)
{
    enum jwt_fault fault = JWT_FINE;

    if (jwt_verify(b->o.issuers, b->o.n_issuers, mem, token, mgmt_now_us(b->o.m) / 1000000, out,
                   &fault, why) == RK_OK)
        return AUTH_OK;
    return fault == JWT_NO_KEYS ? AUTH_UNAVAILABLE : fault == JWT_EXPIRED ? AUTH_EXPIRED : AUTH_BAD;
}

static enum auth_fault user_of(struct bearer *b, struct db *db, struct rk_arena *mem,
                               struct rk_str token, bool once, struct auth_found *out,
                               struct rk_err *why)
{
    struct jwt_user_found found = {0};
    struct jwt t = {0};
    struct claims x;
    enum auth_fault f = verify(b, mem, token, &t, why);

    if (f)
        return f;
    if (!t.by->embedded)
        userinfo_fill(b->info, mem, t.by->issuer, token, t.claims);
    x = claims_of(b, db, mem, &t);
    f = x.embedded ? check_ours(b, db, mem, &x, why) : check_theirs(b, db, mem, &x, why);
    if (f == AUTH_OK && once)
        f = use_up(db, mem, token, &t, why);
    if (f == AUTH_OK)
        f = fault_of(jwt_user_find(b->users, db, mem, &x.c, &found, why));
    jwt_done(&t);
    if (f)
        return f;
    *out = (struct auth_found){rk_arena_dup(mem, found.user->id), found.snap};
    return AUTH_OK;
}

static void log_fault(struct bearer *b, enum auth_fault f, const struct rk_err *why)
{
    rk_log_every(&b->gates[f], LOG_EVERY_MS, mgmt_log(b->o.m), RK_INFO, "a token was refused",
                 KV_ERR(why));
}

static enum auth_fault request(struct auth *a, struct db *db, struct rk_arena *mem,
                               struct rk_str token, struct auth_found *out, struct rk_err *why)
{
    struct bearer *b = rk_container_of(a, struct bearer, auth);
    enum auth_fault f = user_of(b, db, mem, token, false, out, why);

    if (f)
        log_fault(b, f, why);
    return f;
}

static enum auth_fault login(struct auth *a, struct db *db, struct rk_arena *mem,
                             struct rk_str token, struct auth_found *out, struct rk_err *why)
{
    struct bearer *b = rk_container_of(a, struct bearer, auth);
    enum auth_fault f = user_of(b, db, mem, token, true, out, why);

    if (f == AUTH_OK && perm_check_active(snap_user(out->snap, out->user_id), why)) {
        snap_unref(out->snap);
        f = AUTH_NOT_ALLOWED;
    }
    if (f)
        log_fault(b, f, why);
    return f;
}

static enum rk_code forget_tx(struct db *db, void *arg, struct rk_err *err)
{
    const int64_t *now_s = arg;

    return db_exec(db, err, NULL, SQL_FORGET, DB_ARGS(db_i64(*now_s)));
}

static enum rk_code forget(struct mgmt_chore *c, struct mgmt *m, struct db *db, struct rk_err *err)
{
    int64_t now_s = mgmt_now_us(m) / 1000000;

    (void)c;
    return mgmt_chore_tx(m, db, forget_tx, &now_s, err);
}

struct bearer *bearer_new(const struct bearer_opts *o)
{
    struct bearer *b = rk_calloc(1, sizeof *b);
    struct jwt_users_opts u = {.single_account = o->account_domain && *o->account_domain,
                               .domain = o->account_domain};

    b->o = *o;
    b->auth = (struct auth){.request = request, .login = login};
    (void)pthread_mutex_init(&b->lock, NULL);
    rk_map_init(&b->known, false);
    b->users = jwt_users_new(o->m, &u);
    b->info = userinfo_new(mgmt_log(o->m));
    b->chore = (struct mgmt_chore){.what = "used tokens were not forgotten",
                                   .run = forget,
                                   .first_ms = 60000,
                                   .every_ms = 3600000,
                                   .once = true};
    mgmt_chore_add(o->m, &b->chore);
    return b;
}

void bearer_free(struct bearer *b)
{
    if (!b)
        return;
    jwt_users_free(b->users);
    userinfo_free(b->info);
    rk_map_done(&b->known);
    (void)pthread_mutex_destroy(&b->lock);
    free(b);
}

struct auth *bearer_auth(struct bearer *b)
{
    return &b->auth;
}
