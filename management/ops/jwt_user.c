/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Accounts and users from token claims: see jwt_user.h and spec/network-map.md 2.9, 2.10.
 *
 *   known user ---------------------------------> in_step (one mutation, only if something differs)
 *   new user: join or create, one at a time ----> in_step
 */
#include "config.h"

#include "management/ops/jwt_user.h"

#include <pthread.h>
#include <stdlib.h>

#include "lib/base/id.h"
#include "management/ops/accounts.h"
#include "management/ops/op.h"
#include "management/ops/users.h"

#define GUESS_STEP_US (INT64_C(3600) * 1000000)

static const char SQL_PRIMARY[] = "SELECT id FROM account WHERE domain = $1 AND is_primary = 1";
static const char SQL_FIRST[] = "SELECT id FROM account ORDER BY created_at, id LIMIT 1";
static const char SQL_COUNT[] = "SELECT count(*) FROM account";

struct jwt_users {
    struct mgmt *m;
    char *domain;
    bool single_wanted;
    pthread_mutex_t lock; /* guards the next one; held while an account or user is made, so that two
                             first users cannot make two accounts */
    enum { SINGLE_ASK, SINGLE_YES, SINGLE_NO } single;
};

struct jwt_users *jwt_users_new(struct mgmt *m, const struct jwt_users_opts *opts)
{
    struct jwt_users *j = rk_calloc(1, sizeof *j);

    j->m = m;
    j->domain = rk_str_dupz(rk_str_z(opts->domain));
    j->single_wanted = opts->single_account && j->domain[0];
    (void)pthread_mutex_init(&j->lock, NULL);
    return j;
}

void jwt_users_free(struct jwt_users *j)
{
    if (!j)
        return;
    (void)pthread_mutex_destroy(&j->lock);
    free(j->domain);
    free(j);
}

bool jwt_domain_ok(struct rk_str s)
{
    size_t labels = 0, last = 0;

    if (s.n == 0 || s.n > 255)
        return false;
    while (s.n) {
        struct rk_str label;
        bool more = rk_str_cut(s, '.', &label, &s);

        if (label.n == 0 || label.p[0] == '-' || label.p[label.n - 1] == '-' || (more && !s.n))
            return false;
        for (size_t i = 0; i < label.n; i++) {
            char c = label.p[i];
            bool letter = c >= 'a' && c <= 'z';

            if (!letter && (!more || !((c >= '0' && c <= '9') || c == '-')))
                return false;
            if (c == '-' && label.p[i - 1] == '-')
                return false;
        }
        labels++;
        last = label.n;
    }
    return labels >= 2 && last >= 2;
}

/* ---- what the token means here */

struct wish { /* claims after the single-account rule */
    const struct jwt_claims *claims;
    struct rk_str domain;
    enum domain_category category;
    bool single;
};

/* Is single-account mode on? Decided once. Locked. */
static enum rk_code single_decide(struct jwt_users *j, struct db *db, struct rk_err *err)
{
    int64_t n = 0;
    enum rk_code rc = RK_OK;

    if (j->single != SINGLE_ASK)
        return RK_OK;
    if (j->single_wanted)
        rc = db_get_i64(db, &n, err, SQL_COUNT, DB_NOARGS);
    if (rc == RK_OK)
        j->single = j->single_wanted && n <= 1 ? SINGLE_YES : SINGLE_NO;
    return rc;
}

static enum rk_code wish_of(struct jwt_users *j, struct db *db, const struct jwt_claims *claims,
                            struct wish *out, struct rk_err *err)
{
    enum domain_category category = DOMAIN_UNKNOWN;
    enum rk_code rc;

    (void)pthread_mutex_lock(&j->lock);
    rc = single_decide(j, db, err);
    *out = (struct wish){.claims = claims, .single = j->single == SINGLE_YES};
    (void)pthread_mutex_unlock(&j->lock);
    if (rc)
        return rc;
    if (out->single) { /* the account's own domain, if it has one, wins in in_step */
        out->domain = rk_str_z(j->domain);
        out->category = DOMAIN_PRIVATE;
        return RK_OK;
    }
    out->domain = claims->domain;
    if (domain_category_parse(claims->domain_category, &category))
        out->category = category;
    return RK_OK;
}

/* ---- new users */

static enum rk_code id_query(struct db *db, struct rk_arena *mem, const char *sql,
                             const struct db_val *args, size_t n, struct rk_str *out,
                             struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    enum rk_code rc = db_query(db, &rows, err, sql, args, n);

    *out = rk_str_of(NULL, 0);
    if (rc == RK_OK && db_next(rows))
        *out = db_col_text(rows, 0, mem);
    return rc ? rc : db_end(rows, err);
}

static enum rk_code join_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    const struct jwt_claims *c = arg;
    const struct settings *s = snap_settings(tx->snap);
    bool waits = s->user_approval_required;
    struct user u = {.id = c->user_id,
                     .role = ROLE_USER,
                     .blocked = waits,
                     .pending_approval = waits,
                     .created_at_us = tx->now_us,
                     .issued = ISSUED_API,
                     .name = c->name,
                     .email = c->email};
    enum rk_code rc = tx_put(tx, ENT_USER, &u, err);

    if (rc)
        return rc;
    return tx_event(tx, ACT_USER_JOIN, u.id,
                    waits ? META(tx->mem, {"pending_approval", op_bool(true)}) : RK_STR(""), err);
}

/* The account a new user joins; empty: one is to be made. */
static enum rk_code account_to_join(struct db *db, struct rk_arena *mem, const struct wish *w,
                                    struct rk_str *id, struct rk_err *err)
{
    *id = rk_str_of(NULL, 0);
    if (w->single)
        return id_query(db, mem, SQL_FIRST, DB_NOARGS, id, err);
    if (w->category != DOMAIN_PRIVATE || !jwt_domain_ok(w->domain))
        return RK_OK;
    return id_query(db, mem, SQL_PRIMARY, DB_ARGS(db_text(w->domain)), id, err);
}

static enum rk_code user_make(struct jwt_users *j, struct db *db, struct rk_arena *mem,
                              const struct wish *w, struct rk_err *err)
{
    const struct jwt_claims *c = w->claims;
    struct actor actor = {.id = c->user_id};
    struct account_new a = {.domain = w->domain,
                            .category = w->category,
                            .primary = w->single ||
                                       (w->category == DOMAIN_PRIVATE && jwt_domain_ok(w->domain)),
                            .owner_id = c->user_id,
                            .owner_name = c->name,
                            .owner_email = c->email};
    struct rk_str account_id;
    enum rk_code rc = account_to_join(db, mem, w, &account_id, err);

    if (rc)
        return rc;
    if (account_id.n)
        return mgmt_mutate(j->m, account_id, &actor, 0, join_tx, (void *)(uintptr_t)c, err);
    return account_create(j->m, mem, &a, &account_id, err);
}

/* One at a time here; another process may still be faster (RK_EXISTS), then its user is found. */
static enum rk_code user_new(struct jwt_users *j, struct db *db, struct rk_arena *mem,
                             const struct wish *w, const struct snapshot **snap, struct rk_err *err)
{
    enum rk_code rc = RK_EXISTS;

    (void)pthread_mutex_lock(&j->lock);
    for (int i = 0; i < 3 && rc == RK_EXISTS; i++) {
        rc = mgmt_snapshot_of_user(j->m, db, w->claims->user_id, snap, err);
        if (rc != RK_NOT_FOUND)
            break;
        rc = user_make(j, db, mem, w, err);
        if (rc == RK_OK)
            rc = mgmt_snapshot_of_user(j->m, db, w->claims->user_id, snap, err);
    }
    (void)pthread_mutex_unlock(&j->lock);
    return rc;
}

/* ---- groups of the token */

static bool has_group_rules(const struct settings *s, const struct jwt_claims *c)
{
    return s->jwt_groups_enabled && s->jwt_groups_claim.n && !c->local_user;
}

static struct str_list claim_groups(const struct settings *s, const struct jwt_claims *c,
                                    struct rk_arena *mem)
{
    struct str_list l = {0};

    if (c->list && s->jwt_groups_claim.n)
        c->list(c, s->jwt_groups_claim, mem, &l);
    return l;
}

static enum rk_code groups_allowed(const struct settings *s, const struct jwt_claims *c,
                                   struct rk_arena *mem, struct rk_err *err)
{
    struct str_list names;

    if (!s->jwt_groups_enabled || s->jwt_allow_groups.n == 0 || c->local_user)
        return RK_OK;
    names = claim_groups(s, c, mem);
    for (size_t i = 0; i < names.n; i++)
        if (str_list_has(&s->jwt_allow_groups, names.v[i]))
            return RK_OK;
    return rk_fail(err, RK_FORBIDDEN, "user does not belong to any of the allowed JWT groups");
}

/* The group of a claim's name: the one made from tokens; *foreign: only others bear the name. */
static const struct group *group_named(const struct snapshot *s, struct rk_str name, bool *foreign)
{
    struct snap_iter it = snap_iter(s, ENT_GROUP);
    const struct group *g;

    *foreign = false;
    while ((g = snap_next(&it)) != NULL) {
        if (!rk_str_eq(g->name, name))
            continue;
        if (g->issued == ISSUED_JWT)
            return g;
        *foreign = true;
    }
    return NULL;
}

static bool is_jwt_group(const struct snapshot *s, struct rk_str id)
{
    const struct group *g = snap_group(s, id);

    return g && g->issued == ISSUED_JWT;
}

/* Would the token's groups change the user's? make NULL: only ask; else missing groups are made in
 * that mutation. *out: the new list. */
static enum rk_code groups_of_token(const struct snapshot *s, const struct user *u,
                                    const struct jwt_claims *c, struct rk_arena *mem,
                                    struct tx *make, struct str_list *out, bool *differs,
                                    struct rk_err *err)
{
    struct str_list names = claim_groups(snap_settings(s), c, mem), next = {0};
    size_t n_jwt_old = 0, n_kept = 0;

    *differs = false;
    next.v = rk_new_n(mem, struct rk_str, names.n + u->auto_groups.n);
    for (size_t i = 0; i < u->auto_groups.n; i++)
        if (is_jwt_group(s, u->auto_groups.v[i]))
            n_jwt_old++;
        else
            next.v[next.n++] = u->auto_groups.v[i];
    for (size_t i = 0; i < names.n; i++) {
        bool foreign;
        const struct group *g = group_named(s, names.v[i], &foreign);
        struct rk_str id = g ? g->id : rk_str_of(NULL, 0);

        if (names.v[i].n == 0 || (!g && foreign))
            continue;
        if (!g && make) {
            struct group fresh = {.id = rk_xid_new(mem),
                                  .public_id = rk_xid_new(mem),
                                  .name = names.v[i],
                                  .issued = ISSUED_JWT};
            enum rk_code rc = tx_put(make, ENT_GROUP, &fresh, err);

            if (rc)
                return rc;
            id = fresh.id;
        }
        *differs |= !g;
        if (!id.n || str_list_has(&next, id))
            continue;
        n_kept += str_list_has(&u->auto_groups, id);
        *differs |= !str_list_has(&u->auto_groups, id);
        next.v[next.n++] = id;
    }
    *differs |= n_kept != n_jwt_old;
    *out = next;
    return RK_OK;
}

/* Ids of `a` that are not in `b`. */
static struct str_list without(struct rk_arena *mem, const struct str_list *a,
                               const struct str_list *b)
{
    struct str_list l = {rk_new_n(mem, struct rk_str, a->n), 0};

    for (size_t i = 0; i < a->n; i++)
        if (!str_list_has(b, a->v[i]))
            l.v[l.n++] = a->v[i];
    return l;
}

static enum rk_code group_events(struct tx *tx, const struct user *u, int activity,
                                 const struct str_list *ids, struct rk_err *err)
{
    for (size_t i = 0; i < ids->n; i++) {
        const struct group *g = tx_get(tx, ENT_GROUP, ids->v[i]);
        enum rk_code rc = tx_event(
            tx, activity, u->id,
            META(tx->mem, {"group", g ? g->name : ids->v[i]}, {"group_id", ids->v[i]},
                 {"is_service_user", op_bool(u->is_service)}, {"user_name", user_shown_name(u)}),
            err);

        if (rc)
            return rc;
    }
    return RK_OK;
}

static enum rk_code groups_sync(struct tx *tx, struct user *u, const struct jwt_claims *c,
                                struct rk_err *err)
{
    const struct settings *s = snap_settings(tx->snap);
    const struct str_list old = u->auto_groups;
    struct str_list next, join, leave;
    bool differs;
    enum rk_code rc;

    if (!has_group_rules(s, c))
        return RK_OK;
    rc = groups_of_token(tx->snap, u, c, tx->mem, tx, &next, &differs, err);
    if (rc || !differs)
        return rc;
    join = without(tx->mem, &next, &old);
    leave = without(tx->mem, &old, &next);
    u->auto_groups = next;
    rc = group_events(tx, u, ACT_USER_GROUP_ADD, &join, err);
    if (rc == RK_OK)
        rc = group_events(tx, u, ACT_USER_GROUP_DELETE, &leave, err);
    if (rc || !s->groups_propagation_enabled || !(join.n || leave.n))
        return rc;
    tx_raise_serial(tx);
    return user_move_peers(tx, tx->mem, u->id, &join, &leave, err);
}

/* ---- keeping in step */

/* A time that we guess counts once an hour: it moves with each refresh, and each move is a write.
 */
static bool login_moved(const struct user *u, const struct jwt_claims *c)
{
    int64_t step = c->login_is_guessed ? GUESS_STEP_US : 0;

    return c->last_login_us > u->last_login_us + (u->last_login_us ? step : 0);
}

/* Name, mail and login time of the token. */
static bool fields_differ(const struct user *u, const struct jwt_claims *c)
{
    return (c->name.n && !rk_str_eq(u->name, c->name)) ||
           (c->email.n && !rk_str_eq(u->email, c->email)) || login_moved(u, c);
}

static enum rk_code fields_sync(struct tx *tx, struct user *u, const struct jwt_claims *c,
                                struct rk_err *err)
{
    int64_t before = u->last_login_us;

    if (c->name.n)
        u->name = c->name;
    if (c->email.n)
        u->email = c->email;
    if (!login_moved(u, c))
        return RK_OK;
    u->last_login_us = c->last_login_us;
    if (before == 0 || c->login_is_guessed)
        return RK_OK; /* the first one, or none that we are sure of */
    return tx_event(tx, ACT_DASHBOARD_LOGIN, u->id,
                    META(tx->mem, {"timestamp", op_time(tx->mem, c->last_login_us)}), err);
}

/* The account's row as the token wants it; false when it stays. */
static bool account_follow(const struct account *a, const struct user *u, const struct wish *w,
                           struct account *out)
{
    *out = *a;
    if (!w->domain.n)
        return false;
    if (w->single && a->domain.n) {
        out->domain_category = DOMAIN_PRIVATE;
    } else if (rk_str_eq(a->domain, w->domain)) {
        out->domain_category = w->category;
    } else if (w->single || perm_is_admin(u)) {
        out->domain = w->domain;
        out->domain_category = w->category;
        out->domain_primary = false;
    }
    if (out->domain_category == DOMAIN_PRIVATE && jwt_domain_ok(out->domain))
        out->domain_primary = true; /* unless another one is: see account_sync */
    return !rk_str_eq(a->domain, out->domain) || a->domain_category != out->domain_category ||
           a->domain_primary != out->domain_primary;
}

static enum rk_code account_sync(struct tx *tx, const struct user *u, const struct wish *w,
                                 struct rk_err *err)
{
    const struct account *a = tx_get(tx, ENT_ACCOUNT, tx->account_id);
    struct account next;
    struct rk_str primary;
    enum rk_code rc;

    if (!account_follow(a, u, w, &next))
        return RK_OK;
    rc = id_query(tx->db, tx->mem, SQL_PRIMARY, DB_ARGS(db_text(next.domain)), &primary, err);
    if (rc)
        return rc;
    if (primary.n && !rk_str_eq(primary, a->id))
        next.domain_primary = false;
    return tx_put(tx, ENT_ACCOUNT, &next, err);
}

static enum rk_code in_step_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    const struct wish *w = arg;
    const struct user *stored = tx_get(tx, ENT_USER, w->claims->user_id);
    struct user u;
    enum rk_code rc;

    if (!stored)
        return rk_fail(err, RK_NOT_FOUND, "user was removed");
    u = *stored;
    rc = fields_sync(tx, &u, w->claims, err);
    if (rc == RK_OK)
        rc = groups_sync(tx, &u, w->claims, err);
    if (rc == RK_OK)
        rc = tx_put(tx, ENT_USER, &u, err);
    return rc ? rc : account_sync(tx, &u, w, err);
}

static bool out_of_step(const struct snapshot *s, const struct user *u, const struct wish *w,
                        struct rk_arena *mem)
{
    struct account next;
    struct str_list groups;
    bool differs = false;

    if (fields_differ(u, w->claims) || account_follow(snap_account(s), u, w, &next))
        return true;
    if (has_group_rules(snap_settings(s), w->claims) &&
        groups_of_token(s, u, w->claims, mem, NULL, &groups, &differs, NULL))
        return false;
    return differs;
}

/* *snap is exchanged for the one that shows the change. */
static void in_step(struct jwt_users *j, struct rk_arena *mem, const struct wish *w,
                    const struct snapshot **snap)
{
    const struct user *u = snap_user(*snap, w->claims->user_id);
    struct actor actor = {.id = w->claims->user_id};
    const struct snapshot *now = NULL;
    struct rk_err err = {0};

    if (!u || !out_of_step(*snap, u, w, mem))
        return;
    if (mgmt_mutate(j->m, snap_account(*snap)->id, &actor, 0, in_step_tx, (void *)(uintptr_t)w,
                    &err) ||
        mgmt_snapshot(j->m, snap_account(*snap)->id, &now, &err)) {
        rk_log(mgmt_log(j->m), RK_WARN, "user was not updated from the token",
               kv_str("user", w->claims->user_id), KV_ERR(&err));
        return;
    }
    snap_unref(*snap);
    *snap = now;
}

/* ---- entry */

enum rk_code jwt_user_find(struct jwt_users *j, struct db *db, struct rk_arena *mem,
                           const struct jwt_claims *claims, struct jwt_user_found *out,
                           struct rk_err *err)
{
    const struct snapshot *snap = NULL;
    struct wish w;
    enum rk_code rc;

    if (!claims->user_id.n)
        return rk_fail(err, RK_INVALID, "the token names no user");
    rc = wish_of(j, db, claims, &w, err);
    if (rc == RK_OK)
        rc = mgmt_snapshot_of_user(j->m, db, claims->user_id, &snap, err);
    if (rc == RK_NOT_FOUND)
        rc = user_new(j, db, mem, &w, &snap, err);
    if (rc)
        return rc;
    rc = groups_allowed(snap_settings(snap), claims, mem, err);
    if (rc == RK_OK) {
        in_step(j, mem, &w, &snap);
        *out = (struct jwt_user_found){.snap = snap, .user = snap_user(snap, claims->user_id)};
        if (!out->user)
            rc = rk_fail(err, RK_NOT_FOUND, "user was removed");
    }
    if (rc) {
        snap_unref(snap);
        *out = (struct jwt_user_found){0};
    }
    return rc;
}
