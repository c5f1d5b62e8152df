/* SPDX-License-Identifier: BSD-3-Clause */
/* Personal access tokens; see pat.h. */
#include "config.h"

#include "management/auth/pat.h"

#include <pthread.h>
#include <stdlib.h>

#include "lib/base/map.h"
#include "lib/base/num.h"
#include "lib/base/ratelimit.h"
#include "lib/crypto/secret.h"
#include "lib/crypto/token.h"
#include "management/engine/presence.h"
#include "management/snapshot/snapshot.h"

#define KNOWN_MAX      10000 /* tokens remembered; past it the memory starts anew */
#define LIMIT_KEYS_MAX 10000

static const char SQL_BY_HASH[] = "SELECT id, account_id FROM pat WHERE hash = $1";

struct known { /* value of pat_auth.known: what a token's hash leads to */
    struct rk_str account_id;
    struct rk_str pat_id;
    char text[];
};

struct pat_auth {
    struct mgmt *m;

    pthread_mutex_t lock; /* everything below */
    struct rk_map known;  /* hash → struct known */
    struct rk_ratelimit *limit;
};

struct pat_auth *pat_auth_new(struct mgmt *m, const struct pat_auth_opts *opts)
{
    struct pat_auth *a = rk_calloc(1, sizeof *a);

    a->m = m;
    pthread_mutex_init(&a->lock, NULL);
    rk_map_init(&a->known, false);
    if (opts->limit_per_minute > 0)
        a->limit =
            rk_ratelimit_new(LIMIT_KEYS_MAX, opts->limit_per_minute * 1000 / 60, opts->limit_burst);
    return a;
}

static void map_free_all(struct rk_map *m)
{
    struct rk_str key;
    size_t pos = 0;
    void *value;

    while (rk_map_next(m, &pos, &key, &value))
        free(value);
    rk_map_done(m);
    rk_map_init(m, false);
}

void pat_auth_free(struct pat_auth *a)
{
    if (!a)
        return;
    map_free_all(&a->known);
    rk_ratelimit_free(a->limit);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

enum rk_code pat_auth_limit(struct pat_auth *a, struct rk_str token, struct rk_err *err)
{
    char hash[HASH_SHA256_TEXT + 1];
    bool ok;

    if (!a->limit)
        return RK_OK;
    token_stored_form(token, hash);
    pthread_mutex_lock(&a->lock);
    ok = rk_ratelimit_take(a->limit, rk_str_z(hash), rk_mono_ms());
    pthread_mutex_unlock(&a->lock);
    return ok ? RK_OK : rk_fail(err, RK_LIMIT, "too many requests");
}

static enum rk_code refuse(struct rk_err *err)
{
    return rk_fail(err, RK_UNAUTHENTICATED, "token invalid");
}

/* ---- lookup */

static void remember(struct pat_auth *a, struct rk_str hash, struct rk_str account_id,
                     struct rk_str pat_id)
{
    struct known *k = rk_malloc(sizeof *k + account_id.n + pat_id.n);

    memcpy(k->text, account_id.p, account_id.n);
    memcpy(k->text + account_id.n, pat_id.p, pat_id.n);
    k->account_id = rk_str_of(k->text, account_id.n);
    k->pat_id = rk_str_of(k->text + account_id.n, pat_id.n);
    pthread_mutex_lock(&a->lock);
    if (a->known.n >= KNOWN_MAX)
        map_free_all(&a->known);
    free(rk_map_put(&a->known, hash, k));
    pthread_mutex_unlock(&a->lock);
}

static void forget(struct pat_auth *a, struct rk_str hash)
{
    pthread_mutex_lock(&a->lock);
    free(rk_map_del(&a->known, hash));
    pthread_mutex_unlock(&a->lock);
}

/* The token as the snapshot has it; takes the reference. */
static enum rk_code settle(struct pat_auth *a, const struct snapshot *snap, struct rk_str pat_id,
                           struct rk_str hash, struct pat_found *out, struct rk_err *err)
{
    const struct pat *p = snap_find(snap, ENT_PAT, pat_id);

    if (!p || !rk_secret_str_eq(p->hash, hash) ||
        (p->expires_at_us && mgmt_now_us(a->m) > p->expires_at_us)) {
        snap_unref(snap);
        return refuse(err);
    }
    pat_used(a->m, p->id);
    *out = (struct pat_found){snap, p};
    return RK_OK;
}

bool pat_auth_try(struct pat_auth *a, struct rk_str token, struct pat_found *out, enum rk_code *rc,
                  struct rk_err *err)
{
    char text[HASH_SHA256_TEXT + 1], account[64], pat_id[64];
    struct rk_str hash, account_id = {0}, id = {0};
    const struct snapshot *snap;
    const struct known *k;

    if (token_check(TOKEN_PAT, token, NULL)) {
        *rc = refuse(err);
        return true;
    }
    token_stored_form(token, text);
    hash = rk_str_z(text);
    pthread_mutex_lock(&a->lock);
    k = rk_map_get(&a->known, hash);
    if (k && k->account_id.n <= sizeof account && k->pat_id.n <= sizeof pat_id) {
        memcpy(account, k->account_id.p, k->account_id.n);
        memcpy(pat_id, k->pat_id.p, k->pat_id.n);
        account_id = rk_str_of(account, k->account_id.n);
        id = rk_str_of(pat_id, k->pat_id.n);
    }
    pthread_mutex_unlock(&a->lock);
    if (!id.n)
        return false;
    snap = mgmt_snapshot_try(a->m, account_id);
    if (!snap)
        return false;
    *rc = settle(a, snap, id, hash, out, err);
    if (*rc)
        forget(a, hash);
    return true;
}

enum rk_code pat_auth_check(struct pat_auth *a, struct db *db, struct rk_arena *mem,
                            struct rk_str token, struct pat_found *out, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    char text[HASH_SHA256_TEXT + 1];
    struct rk_str hash, id = {0}, account_id = {0};
    const struct snapshot *snap;
    enum rk_code rc;

    if (pat_auth_try(a, token, out, &rc, err))
        return rc;
    token_stored_form(token, text);
    hash = rk_str_z(text);
    rc = db_query(db, &rows, err, SQL_BY_HASH, DB_ARGS(db_text(hash)));
    if (!rc && db_next(rows)) {
        id = db_col_text(rows, 0, mem);
        account_id = db_col_text(rows, 1, mem);
    }
    if (!rc)
        rc = db_end(rows, err);
    if (rc)
        return rc;
    if (!id.n)
        return refuse(err);
    rc = mgmt_refresh(a->m, db, account_id, NULL,
                      err); /* the token may be new, and made elsewhere */
    if (!rc)
        rc = mgmt_snapshot(a->m, account_id, &snap, err);
    if (rc == RK_NOT_FOUND)
        return refuse(err);
    if (rc)
        return rc;
    remember(a, hash, account_id, id);
    return settle(a, snap, id, hash, out, err);
}
