/* SPDX-License-Identifier: BSD-3-Clause */
/* The REST application: who is calling, and start and stop; see rest.h. */
#include "config.h"

#include "management/rest/rest.h"

#include <stdlib.h>

#include "lib/base/num.h"
#include "management/rest/credentials.h"
#include "management/rest/feed.h"
#include "management/rest/geo.h"
#include "management/rest/handlers.h"
#include "management/rest/query.h"
#include "management/rest/routes.h"
#include "management/rest/tried.h"

#define PUBLIC_PER_MINUTE 10 /* invite links, per address, as the official server */
#define PUBLIC_BURST      5
#define PUBLIC_KEYS_MAX   10000
#define INLINE_MAX_PEERS  2000 /* lists of larger accounts are made on a store thread */

static enum rk_code invalid_token(struct rk_err *err)
{
    return rk_fail(err, RK_UNAUTHENTICATED, "token invalid");
}

static bool is_terraform(const struct http_req *req)
{
    static const struct rk_str name = RK_STR("terraform");
    struct rk_str agent;

    if (!http_req_header(req, "User-Agent", &agent))
        return false;
    for (size_t i = 0; i + name.n <= agent.n; i++)
        if (rk_str_ieq(rk_str_sub(agent, i, name.n), name))
            return true;
    return false;
}

static enum rk_code welcome(struct http_req *req, struct db *db, const struct snapshot *snap,
                            struct rk_str user_id, const struct pat *pat, struct rk_err *err)
{
    struct caller *c = rk_new(req->mem, struct caller);

    if (op_init(&c->op, rest_of(req)->o.m, db, req->mem, snap, user_id, NULL))
        return invalid_token(err);
    c->pat = pat;
    req->user = c;
    return RK_OK;
}

/* Whatever is wrong with a token, its bearer hears the same; the log has the reason. */
static enum rk_code by_token(struct http_req *req, struct db *db, struct rk_str token,
                             struct auth_found *out, struct rk_err *err)
{
    struct auth *a = rest_of(req)->o.auth;
    struct rk_err why = {0};
    enum auth_fault f = a ? a->request(a, db, req->mem, token, out, &why) : AUTH_BAD;

    if (f == AUTH_UNAVAILABLE)
        return rk_fail(err, RK_UNAVAILABLE, "%s", why.msg);
    return f ? invalid_token(err) : RK_OK;
}

/* Answers from the loaded state, while the store does not answer, say how old that is. */
static void say_age(const struct http_req *req, struct http_resp *resp, int64_t ms)
{
    http_resp_header(resp, "Age", rk_arena_printf(req->mem, "%lld", (long long)(ms + 999) / 1000));
}

/* What another process answered just now is true here, too. Without the database the loaded state
 * has to do. True: ask for the caller again. */
static bool refreshed(const struct http_req *req, struct http_resp *resp, struct db *db,
                      const struct snapshot *snap)
{
    struct mgmt *m = rest_of(req)->o.m;
    int64_t age_ms = mgmt_store_age_ms(m);
    const struct snapshot *now;
    bool renewed;

    if (!age_ms && mgmt_refresh(m, db, snap_account(snap)->id, NULL, NULL))
        age_ms = rk_max_i64(mgmt_store_age_ms(m), 1); /* sooner than the looks at the store */
    if (age_ms) {
        say_age(req, resp, age_ms);
        return false;
    }
    now = mgmt_snapshot_try(m, snap_account(snap)->id);
    renewed = now != snap; /* by us, or by the news in between */
    snap_unref(now);
    if (renewed)
        snap_unref(snap);
    return renewed;
}

static enum rk_code guard(struct http_req *req, struct http_resp *resp, struct db *db,
                          struct rk_err *err)
{
    struct rest *r = rest_of(req);
    struct pat_found found;
    struct auth_found who;
    struct rk_str token;
    bool is_pat, trial;
    enum rk_code rc = rest_credentials(req, &token, &is_pat, err);

    if (!rc && req->query.n)
        rc = query_check(req, err);
    if (!rc && req->method != HTTP_GET && req->method != HTTP_HEAD)
        rc = rest_wants_trial(req, &trial, err); /* before anything is done */
    if (rc)
        return rc;
    if (!is_pat) {
        rc = by_token(req, db, token, &who, err);
        if (!rc && refreshed(req, resp, db, who.snap))
            rc = by_token(req, db, token, &who, err);
        return rc ? rc : welcome(req, db, who.snap, who.user_id, NULL, err);
    }
    if (!is_terraform(req))
        rc = pat_auth_limit(r->pats, token, err);
    if (!rc)
        rc = pat_auth_check(r->pats, db, req->mem, token, &found, err);
    if (!rc && refreshed(req, resp, db, found.snap))
        rc = pat_auth_check(r->pats, db, req->mem, token, &found, err);
    return rc ? rc : welcome(req, db, found.snap, found.pat->user_id, found.pat, err);
}

/* The quick form: tokens that are known already, and answers that are not long in the making. */
static bool try_guard(struct http_req *req, enum rk_code *rc, struct rk_err *err)
{
    struct rest *r = rest_of(req);
    struct pat_found found;
    struct rk_str token;
    bool is_pat;

    *rc = rest_credentials(req, &token, &is_pat, err);
    if (*rc)
        return true;
    if (!is_pat || mgmt_is_shared(r->o.m) || !pat_auth_try(r->pats, token, &found, rc, err))
        return false;
    if (*rc)
        return true;
    if (!req->n_params && snap_count(found.snap, ENT_PEER) > INLINE_MAX_PEERS) {
        snap_unref(found.snap);
        return false;
    }
    if (!is_terraform(req))
        *rc = pat_auth_limit(r->pats, token, err);
    if (*rc)
        snap_unref(found.snap);
    else
        *rc = welcome(req, NULL, found.snap, found.pat->user_id, found.pat, err);
    return true;
}

static void finish(struct http_req *req)
{
    op_done(op_of(req));
}

/* An owner exists as soon as any account does. */
static enum rk_code find_setup_state(struct rest *r, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    RK_CLEANUP(db_closep) struct db *db = NULL;
    struct str_list ids = {0};
    enum rk_code rc = mgmt_db_open(r->o.m, &db, err);

    if (!rc)
        rc = mgmt_account_ids(r->o.m, db, mem, &ids, err);
    if (!rc)
        r->setup_done = ids.n > 0;
    return rc;
}

enum rk_code rest_new(const struct rest_opts *opts, struct rest **out, struct rk_err *err)
{
    struct rest *r = rk_calloc(1, sizeof *r);
    enum rk_code rc;

    r->o = *opts;
    if (!r->o.account_domain)
        r->o.account_domain = "netbird.selfhosted";
    pthread_mutex_init(&r->lock, NULL);
    r->public_limit =
        rk_ratelimit_new(PUBLIC_KEYS_MAX, PUBLIC_PER_MINUTE * 1000 / 60, PUBLIC_BURST);
    r->pats = pat_auth_new(r->o.m, &opts->pat_limits);
    if (opts->geo_names_path || mgmt_places(r->o.m))
        r->geo = geo_new(opts->geo_names_path, mgmt_places(r->o.m));
    rc = find_setup_state(r, err);
    if (rc) {
        rest_free(r);
        return rc;
    }
    r->feed = feed_new(r->o.m, r->o.log); /* from here on the engine knows of it */
    *out = r;
    return RK_OK;
}

void rest_reload(struct rest *r)
{
    if (r->geo)
        geo_stale(r->geo);
}

void rest_stop(struct rest *r)
{
    if (r && r->feed)
        feed_stop(r->feed);
}

void rest_free(struct rest *r)
{
    if (!r)
        return;
    feed_free(r->feed);
    geo_free(r->geo);
    pat_auth_free(r->pats);
    rk_ratelimit_free(r->public_limit);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

void rest_attach(struct rest *r, struct http_router *router, struct http_dispatch_opts *to)
{
    http_router_add(router, REST_ROUTES, REST_N_ROUTES);
    to->app = r;
    to->guard = guard;
    to->try_guard = try_guard;
    to->finish = finish;
    to->api_prefix = "/api/";
}
