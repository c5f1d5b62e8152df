/* SPDX-License-Identifier: BSD-3-Clause */
/* Users by their tokens; see bearer.h. */
#include "config.h"

#include "management/auth/bearer.h"

#include <stdlib.h>

#include "lib/crypto/hash.h"
#include "management/domain/permission.h"
#include "management/identity/local_users.h"
#include "management/ops/jwt_user.h"
#include "management/snapshot/snapshot.h"

#define LIST_MAX 1000 /* values of one claim */

static const char SQL_USE[] =
    "INSERT INTO used_token (hash, expires_at) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING";
static const char SQL_FORGET[] = "DELETE FROM used_token WHERE expires_at < $1";

struct bearer {
    struct rest_bearer rest;
    struct rpc_jwt rpc;
    struct bearer_opts o;
    struct jwt_users *users;
    struct mgmt_chore chore;
};

/* Claims with the token that they are from. */
struct claims {
    struct jwt_claims c;
    const json_t *json;
};

static void claim_list(const struct jwt_claims *c, struct rk_str claim, struct rk_arena *mem,
                       struct str_list *out)
{
    const struct claims *x = rk_container_of((struct jwt_claims *)(uintptr_t)c, struct claims, c);
    const json_t *v = json_object_get(x->json, rk_arena_dupz(mem, claim));
    size_t n = json_is_string(v) ? 1 : json_array_size(v);

    if (!v)
        return;
    n = n > LIST_MAX ? LIST_MAX : n;
    *out = (struct str_list){.v = rk_new_n(mem, struct rk_str, n)};
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_is_string(v) ? v : json_array_get(v, i);

        if (json_is_string(one))
            out->v[out->n++] =
                rk_arena_dup(mem, rk_str_of(json_string_value(one), json_string_length(one)));
    }
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

static struct claims claims_of(const struct bearer *b, struct rk_arena *mem, const struct jwt *t)
{
    struct claims x = {.json = t->claims};
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
    return x;
}

static enum rk_code verify(struct bearer *b, struct rk_arena *mem, struct rk_str token,
                           struct jwt *out, struct rk_err *err)
{
    return jwt_verify(b->o.issuers, b->o.n_issuers, mem, token, mgmt_now_us(b->o.m) / 1000000, out,
                      err);
}

/* ---- REST ---- */

/* A local user who was deleted must not come back by an old token. */
static enum rk_code check_alive(struct bearer *b, struct db *db, struct rk_arena *mem,
                                const struct claims *x, struct rk_err *err)
{
    struct local_users l = {db, mgmt_vault(b->o.m), mem};
    struct local_user u;

    return x->c.local_user ? local_user_by_subject(&l, x->c.user_id, &u, err) : RK_OK;
}

static enum rk_code rest_check(struct rest_bearer *r, struct db *db, struct rk_arena *mem,
                               struct rk_str token, const struct snapshot **snap,
                               struct rk_str *user_id, struct rk_err *err)
{
    struct bearer *b = rk_container_of(r, struct bearer, rest);
    struct jwt_user_found found;
    struct rk_err why = {0};
    struct jwt t = {0};
    struct claims x;
    enum rk_code rc = verify(b, mem, token, &t, &why);

    if (rc == RK_OK) {
        x = claims_of(b, mem, &t);
        rc = check_alive(b, db, mem, &x, &why);
        if (rc == RK_OK)
            rc = jwt_user_find(b->users, db, mem, &x.c, &found, &why);
    }
    jwt_done(&t);
    if (rc) {
        rk_log(mgmt_log(b->o.m), rc == RK_UNAUTHENTICATED ? RK_DEBUG : RK_INFO,
               "a token was refused", KV_ERR(&why));
        return rk_fail(err, RK_UNAUTHENTICATED, "token invalid");
    }
    *snap = found.snap;
    *user_id = found.user->id;
    return RK_OK;
}

/* ---- agents ---- */

/* A token logs in once. */
static enum rk_code use_up(struct db *db, struct rk_str token, int64_t expires_s,
                           struct rk_err *err)
{
    char hash[HASH_SHA256_TEXT + 1];
    int64_t n = 0;
    enum rk_code rc;

    hash_sha256_base64(token, hash);
    rc = db_exec(db, err, &n, SQL_USE, DB_ARGS(db_textz(hash), db_i64(expires_s + JWT_SKEW_S)));
    return rc ? rc : n ? RK_OK : rk_fail(err, RK_UNAUTHENTICATED, "JWT already used");
}

static enum rk_code account_fail(enum rk_code rc, enum grpc_status *status, struct rk_err *err)
{
    if (rc == RK_FORBIDDEN) {
        *status = GRPC_PERMISSION_DENIED;
        return rc;
    }
    *status = rc == RK_UNAVAILABLE ? GRPC_UNAVAILABLE : GRPC_INTERNAL;
    return rk_wrap(err, "unable to fetch account with claims, err");
}

static enum rk_code rpc_check(struct rpc_jwt *j, struct db *db, struct rk_arena *mem,
                              struct rk_str token, struct rpc_jwt_user *out,
                              enum grpc_status *status, struct rk_err *err)
{
    struct bearer *b = rk_container_of(j, struct bearer, rpc);
    struct jwt_user_found found;
    struct jwt t = {0};
    struct rk_err why = {0};
    struct claims x;
    enum rk_code rc = verify(b, mem, token, &t, &why);

    if (rc) {
        if (jwt_is_expired(&why)) {
            *status = GRPC_UNAUTHENTICATED;
            return rk_fail(err, RK_UNAUTHENTICATED, "JWT expired");
        }
        *status = rc == RK_UNAVAILABLE ? GRPC_UNAVAILABLE : GRPC_INVALID_ARGUMENT;
        return rk_fail(err, rc, "invalid jwt token, err: %s", why.msg);
    }
    x = claims_of(b, mem, &t);
    rc = use_up(db, token, t.expires_s, err);
    if (rc) {
        *status = rc == RK_UNAUTHENTICATED ? GRPC_UNAUTHENTICATED : GRPC_UNAVAILABLE;
    } else {
        rc = check_alive(b, db, mem, &x, err);
        if (rc == RK_OK)
            rc = jwt_user_find(b->users, db, mem, &x.c, &found, err);
        if (rc)
            rc = account_fail(rc, status, err);
    }
    jwt_done(&t);
    if (rc)
        return rc;
    rc = perm_check_active(found.user, err); /* final for the agent, with the reason in the text */
    if (rc) {
        snap_unref(found.snap);
        *status = GRPC_PERMISSION_DENIED;
        return rc;
    }
    *out = (struct rpc_jwt_user){.user_id = rk_arena_dup(mem, found.user->id), .snap = found.snap};
    *status = GRPC_OK;
    return RK_OK;
}

static enum rk_code forget(struct mgmt_chore *c, struct mgmt *m, struct db *db, struct rk_err *err)
{
    (void)c;
    return db_exec(db, err, NULL, SQL_FORGET, DB_ARGS(db_i64(mgmt_now_us(m) / 1000000)));
}

struct bearer *bearer_new(const struct bearer_opts *o)
{
    struct bearer *b = rk_calloc(1, sizeof *b);
    struct jwt_users_opts u = {.single_account = o->account_domain && *o->account_domain,
                               .domain = o->account_domain};

    b->o = *o;
    b->rest.check = rest_check;
    b->rpc.check = rpc_check;
    b->users = jwt_users_new(o->m, &u);
    b->chore = (struct mgmt_chore){.what = "used tokens were not forgotten",
                                   .run = forget,
                                   .first_ms = 60000,
                                   .every_ms = 3600000};
    mgmt_chore_add(o->m, &b->chore);
    return b;
}

void bearer_free(struct bearer *b)
{
    if (!b)
        return;
    jwt_users_free(b->users);
    free(b);
}

struct rest_bearer *bearer_rest(struct bearer *b)
{
    return &b->rest;
}

struct rpc_jwt *bearer_rpc(struct bearer *b)
{
    return &b->rpc;
}
