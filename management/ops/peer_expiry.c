/* SPDX-License-Identifier: BSD-3-Clause */
/* Expiry of logins: see peer_expiry.h and spec/network-map.md 2.7. */
#include "config.h"

#include "management/ops/peer_expiry.h"

#include "management/engine/presence.h"
#include "management/ops/peers.h"
#include "management/snapshot/snapshot.h"

#define US_PER_S   1000000
#define LOAD_EVERY 30 /* runs of a second */

static const char REASON_SESSION[] = "session expiration";
static const char REASON_INACTIVE[] = "inactivity timeout";

/* Why the login of a peer ends now; NULL: it does not. */
static const char *expiry_reason(struct mgmt *m, const struct peer *p, const struct settings *s,
                                 int64_t now_us)
{
    struct presence seen;

    if (!peer_is_sso(p) || p->status.login_expired)
        return NULL;
    if (peer_offline_in_maps(p, s, now_us))
        return REASON_SESSION;
    if (!s->peer_inactivity_expiration_enabled || !p->inactivity_expiration_enabled)
        return NULL;
    seen = presence_of(m, p);
    if (seen.connected || seen.last_seen_us == 0 ||
        now_us - seen.last_seen_us < s->peer_inactivity_expiration_s * US_PER_S)
        return NULL;
    return REASON_INACTIVE;
}

static enum rk_code expire_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    const struct settings *s = snap_settings(tx->snap);
    struct snap_iter it = snap_iter(tx->snap, ENT_PEER);
    const struct peer *p;

    (void)arg;
    while ((p = snap_next(&it)) != NULL) {
        const char *reason = expiry_reason(tx->m, p, s, tx->now_us);
        enum rk_code rc = reason ? peer_expire_tx(tx, tx->mem, p, reason, err) : RK_OK;

        if (rc)
            return rc;
    }
    return RK_OK;
}

static bool anyone_due(struct mgmt *m, const struct snapshot *s, int64_t now_us)
{
    const struct settings *set = snap_settings(s);
    struct snap_iter it = snap_iter(s, ENT_PEER);
    const struct peer *p;

    if (!set->peer_login_expiration_enabled && !set->peer_inactivity_expiration_enabled)
        return false;
    while ((p = snap_next(&it)) != NULL)
        if (expiry_reason(m, p, set, now_us))
            return true;
    return false;
}

struct expire_walk {
    struct mgmt *m;
    struct rk_err *err;
    enum rk_code rc;
};

static void expire_account(const struct snapshot *s, void *arg)
{
    struct expire_walk *w = arg;
    struct actor actor = ACTOR_SYSTEM;

    if (w->rc == RK_OK && anyone_due(w->m, s, mgmt_now_us(w->m)))
        w->rc = mgmt_mutate(w->m, snap_account(s)->id, &actor, MUT_CHORE, expire_tx, NULL, w->err);
}

enum rk_code peers_expire_due(struct mgmt *m, struct rk_err *err)
{
    struct expire_walk w = {.m = m, .err = err};

    mgmt_each_loaded(m, expire_account, &w);
    return w.rc;
}

/* We do it for all processes, and know only accounts that are loaded: those whose machines are
 * connected to others have to be. */
static const char SQL_ELSEWHERE[] =
    "SELECT DISTINCT p.account_id FROM peer_status s JOIN peer p ON p.id = s.id JOIN "
    "account_settings t ON t.account_id = p.account_id WHERE s.connected = 1 AND "
    "(t.login_expiration_enabled = 1 OR t.inactivity_expiration_enabled = 1)";

static enum rk_code load_elsewhere(struct mgmt *m, struct db *db, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    struct str_list ids = {0};
    size_t cap = 0;
    enum rk_code rc = db_query(db, &rows, err, SQL_ELSEWHERE, DB_NOARGS);

    while (rc == RK_OK && db_next(rows)) {
        ids.v = rk_arena_grow(mem, ids.v, ids.n, &cap, sizeof *ids.v);
        ids.v[ids.n++] = db_col_text(rows, 0, mem);
    }
    if (rc == RK_OK)
        rc = db_end(rows, err);
    for (size_t i = 0; rc == RK_OK && i < ids.n; i++) {
        const struct snapshot *s;

        rc = mgmt_snapshot(m, ids.v[i], &s, err);
        if (rc == RK_OK)
            snap_unref(s);
        else if (rc == RK_NOT_FOUND)
            rc = RK_OK;
    }
    return rc;
}

static enum rk_code chore_run(struct mgmt_chore *c, struct mgmt *m, struct db *db,
                              struct rk_err *err)
{
    struct expiry *e = rk_container_of(c, struct expiry, chore);
    enum rk_code rc = RK_OK;

    if (mgmt_is_shared(m) && e->runs++ % LOAD_EVERY == 0)
        rc = load_elsewhere(m, db, err);
    return rc ? rc : peers_expire_due(m, err);
}

void expiry_start(struct expiry *e, struct mgmt *m)
{
    *e = (struct expiry){.chore = {.what = "expired logins were not marked",
                                   .run = chore_run,
                                   .every_ms = 1000,
                                   .once = true}};
    mgmt_chore_add(m, &e->chore);
}
