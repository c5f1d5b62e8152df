/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine's accounts, look-ups and queues: see engine.h. Opening and closing: life.c. */
#include "config.h"

#include "management/engine/engine.h"

#include <assert.h>
#include <stdlib.h>

#include "lib/base/id.h"
#include "lib/base/num.h"
#include "management/engine/engine_impl.h"
#include "management/engine/news.h"
#include "management/store/probe.h"

/* Look-ups by key ask this many loaded accounts before they ask the database. */
#define SEARCH_MAX 16
/* Looks at picture and database until they agree; each refresh makes them, short of a write
 * between. */
#define AGREE_TRIES 3

static const char SQL_ACCOUNT_OF_PEER[] = "SELECT account_id FROM peer WHERE wg_key = $1";
static const char SQL_ACCOUNT_OF_USER[] = "SELECT account_id FROM usr WHERE id = $1";
static const char SQL_ACCOUNTS[] = "SELECT id FROM account ORDER BY created_at, id";

/* ---- the engine */

enum rk_code mgmt_db_open(struct mgmt *m, struct db **out, struct rk_err *err)
{
    struct db_opts o = mgmt_db_opts(m);

    return db_open(out, &o, err);
}

int64_t mgmt_store_age_ms(const struct mgmt *m)
{
    return probe_age_ms(m->opts.probe);
}

static bool is_away(void *arg)
{
    return mgmt_store_age_ms(arg) > 0;
}

struct db_opts mgmt_db_opts(struct mgmt *m)
{
    return (struct db_opts){.url = m->opts.store_url,
                            .existing = true,
                            .name = m->connection_name,
                            .away = is_away,
                            .away_arg = m};
}

static enum rk_code pool_open(void *arg, struct db **out, struct rk_err *err)
{
    struct mgmt *m = arg;

    return mgmt_db_open(m, out, err);
}

struct rk_pool_ops mgmt_pool_ops(struct mgmt *m)
{
    return (struct rk_pool_ops){.open = pool_open, .close = db_close, .arg = m};
}

int64_t mgmt_now_us(const struct mgmt *m)
{
    return m->opts.now_us();
}

const char *mgmt_dns_domain(const struct mgmt *m)
{
    return m->opts.dns_domain;
}

struct rk_log *mgmt_log(const struct mgmt *m)
{
    return m->opts.log;
}

struct places *mgmt_places(const struct mgmt *m)
{
    return m->opts.places;
}

const struct vault *mgmt_vault(const struct mgmt *m)
{
    return m->opts.vault;
}

bool mgmt_no_default_policy(const struct mgmt *m)
{
    return m->opts.no_default_policy;
}

/* ---- accounts */

struct acct *mgmt_acct(struct mgmt *m, struct rk_str id)
{
    struct acct *a;

    (void)pthread_rwlock_wrlock(&m->lock);
    a = rk_map_get(&m->accounts, id);
    if (!a) {
        a = rk_calloc(1, sizeof *a);
        a->id = rk_str_of(rk_str_dupz(id), id.n);
        (void)rk_map_put(&m->accounts, a->id, a);
    }
    (void)pthread_rwlock_unlock(&m->lock);
    return a;
}

struct lane *mgmt_lane_of(struct mgmt *m, struct rk_str account_id)
{
    return &m->lanes[m->n_lanes > 1 ? rk_str_hash(account_id) % m->n_lanes : 0];
}

void mgmt_observe(struct mgmt *m, struct mgmt_observer *o)
{
    (void)pthread_rwlock_wrlock(&m->lock);
    rk_list_push_back(&m->observers, &o->link);
    (void)pthread_rwlock_unlock(&m->lock);
}

void mgmt_chore_add(struct mgmt *m, struct mgmt_chore *c)
{
    c->due_ms = rk_mono_ms() + c->first_ms;
    (void)pthread_mutex_lock(&m->chores_lock);
    rk_list_push_back(&m->chores, &c->link);
    (void)pthread_mutex_unlock(&m->chores_lock);
}

/* ---- reading */

const struct snapshot *mgmt_snapshot_try(struct mgmt *m, struct rk_str account_id)
{
    struct acct *a;
    struct snapshot *s = NULL;

    (void)pthread_rwlock_rdlock(&m->lock);
    a = rk_map_get(&m->accounts, account_id);
    if (a)
        s = snap_ref(a->snap);
    (void)pthread_rwlock_unlock(&m->lock);
    return s;
}

enum rk_code mgmt_snapshot(struct mgmt *m, struct rk_str account_id, const struct snapshot **out,
                           struct rk_err *err)
{
    const struct snapshot *s = mgmt_snapshot_try(m, account_id);
    struct actor actor = ACTOR_SYSTEM;
    /* a mutation without a function only loads */
    struct mgmt_mutation load = {.account_id = account_id, .actor = &actor};
    enum rk_code rc;

    if (!s) {
        rc = mgmt_run(m, &load, err);
        if (rc)
            return rc;
        s = mgmt_snapshot_try(m, account_id);
    }
    if (!s)
        return rk_fail(err, RK_NOT_FOUND, "account %.*s", RK_STR_ARG(account_id));
    *out = s;
    return RK_OK;
}

void mgmt_each_loaded(struct mgmt *m, void (*fn)(const struct snapshot *s, void *arg), void *arg)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    const struct snapshot **list = NULL;
    size_t n = 0, cap = 0, pos = 0;
    struct rk_str key;
    void *value;

    (void)pthread_rwlock_rdlock(&m->lock);
    while (rk_map_next(&m->accounts, &pos, &key, &value)) {
        const struct acct *a = value;

        if (!a->snap)
            continue;
        list = rk_arena_grow(mem, list, n, &cap, sizeof(const struct snapshot *));
        list[n++] = snap_ref(a->snap);
    }
    (void)pthread_rwlock_unlock(&m->lock);
    for (size_t i = 0; i < n; i++) {
        fn(list[i], arg);
        snap_unref(list[i]);
    }
}

typedef bool snap_has(const struct snapshot *s, struct rk_str what);

/* Ask loaded accounts; NULL when none of the first SEARCH_MAX says yes. */
static const struct snapshot *search(struct mgmt *m, snap_has *has, struct rk_str what)
{
    const struct snapshot *found = NULL;
    size_t pos = 0, asked = 0;
    struct rk_str key;
    void *value;

    (void)pthread_rwlock_rdlock(&m->lock);
    while (!found && asked < SEARCH_MAX && rk_map_next(&m->accounts, &pos, &key, &value)) {
        struct acct *a = value;

        if (!a->snap)
            continue;
        asked++;
        if (has(a->snap, what))
            found = snap_ref(a->snap);
    }
    (void)pthread_rwlock_unlock(&m->lock);
    return found;
}

static bool has_peer(const struct snapshot *s, struct rk_str key)
{
    return snap_index_by_key(s, key) != SNAP_NO_PEER;
}

static bool has_user(const struct snapshot *s, struct rk_str id)
{
    return snap_user(s, id) != NULL;
}

const struct snapshot *mgmt_snapshot_of_peer_try(struct mgmt *m, struct rk_str peer_key)
{
    return search(m, has_peer, peer_key);
}

static const char SQL_VERSION[] = "SELECT version FROM account_head WHERE account_id = $1";

bool mgmt_is_shared(const struct mgmt *m)
{
    return m->shared;
}

void mgmt_follow_stats(const struct mgmt *m, struct mgmt_follow *out)
{
    *out = (struct mgmt_follow){.followed = m->follow.followed,
                                .versions = m->follow.versions,
                                .reloaded = m->follow.reloaded,
                                .lag_us = m->follow.lag_us};
}

static int64_t loaded_version(struct mgmt *m, struct rk_str account_id)
{
    const struct acct *a;
    int64_t version;

    (void)pthread_rwlock_rdlock(&m->lock);
    a = rk_map_get(&m->accounts, account_id);
    version = a && a->snap ? a->version : -1;
    (void)pthread_rwlock_unlock(&m->lock);
    return version;
}

bool mgmt_is_behind(struct mgmt *m, struct rk_str account_id, int64_t version)
{
    int64_t have = loaded_version(m, account_id);

    return have >= 0 && have < version;
}

int64_t mgmt_lag(struct mgmt *m, struct rk_str account_id, int64_t version)
{
    int64_t have = loaded_version(m, account_id);

    return have < 0 ? 0 : rk_max_i64(version - have, 0);
}

bool mgmt_differs(struct mgmt *m, struct rk_str account_id, int64_t version,
                  const struct journal_head *head)
{
    const struct acct *a;
    bool differs;

    (void)pthread_rwlock_rdlock(&m->lock);
    a = rk_map_get(&m->accounts, account_id);
    differs = a && a->snap && (a->version != version || !journal_head_eq(&a->head, head));
    (void)pthread_rwlock_unlock(&m->lock);
    return differs;
}

enum rk_code mgmt_refresh(struct mgmt *m, struct db *db, struct rk_str account_id, bool *renewed,
                          struct rk_err *err)
{
    struct actor actor = ACTOR_SYSTEM;
    struct mgmt_mutation load = {.account_id = account_id, .actor = &actor};
    int64_t version = 0;
    enum rk_code rc;

    if (renewed)
        *renewed = false;
    if (!m->shared)
        return RK_OK;
    rc = db_get_i64(db, &version, err, SQL_VERSION, DB_ARGS(db_text(account_id)));
    if (rc == RK_NOT_FOUND)
        version = INT64_MAX; /* deleted there: the load below finds that out */
    else if (rc)
        return rc;
    if (!mgmt_is_behind(m, account_id, version))
        return RK_OK;
    rc = mgmt_run(m, &load, err);
    if (renewed)
        *renewed = rc == RK_OK || rc == RK_NOT_FOUND;
    return rc == RK_NOT_FOUND ? RK_OK : rc;
}

/* The database knows of accounts that are not loaded, and of what other processes wrote. arena */
static enum rk_code account_of(struct db *db, struct rk_arena *mem, const char *sql,
                               const char *what, struct rk_str key, struct rk_str *out,
                               struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    enum rk_code rc = db_query(db, &rows, err, sql, DB_ARGS(db_text(key)));

    if (rc)
        return rc;
    if (!db_next(rows)) {
        rc = db_end(rows, err);
        return rc ? rc : rk_fail(err, RK_NOT_FOUND, "%s not found", what);
    }
    *out = db_col_text(rows, 0, mem);
    return db_end(rows, err);
}

/* Behind the batch that is being committed: its picture is published when this returns. */
static enum rk_code lane_pass(struct mgmt *m, struct rk_str account_id, struct rk_err *err)
{
    struct actor actor = ACTOR_SYSTEM;
    struct mgmt_mutation nothing_to_do = {.account_id = account_id, .actor = &actor};
    enum rk_code rc = mgmt_run(m, &nothing_to_do, err);

    return rc == RK_NOT_FOUND ? RK_OK : rc;
}

/* Until picture and database agree: "no" is an answer that agents take for good, so it is given
 * only when the database says it. */
static enum rk_code search_db(struct mgmt *m, struct db *db, const char *sql, const char *what,
                              snap_has *has, struct rk_str key, const struct snapshot **out,
                              struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct rk_str account;

    for (int i = 0; i < AGREE_TRIES; i++) {
        const struct snapshot *s;
        enum rk_code rc = account_of(db, mem, sql, what, key, &account, err);

        if (rc == RK_OK)
            rc = mgmt_snapshot(m, account, &s, err);
        if (rc)
            return rc;
        if (has(s, key)) {
            *out = s;
            return RK_OK;
        }
        /* added or deleted by another process, whose news has not arrived, or by a batch of ours
         * that is committed and not yet published */
        snap_unref(s);
        rc = m->shared ? mgmt_refresh(m, db, account, NULL, err) : lane_pass(m, account, err);
        if (rc)
            return rc;
    }
    return rk_fail(err, RK_UNAVAILABLE, "%s is not known yet: try again", what);
}

static enum rk_code find(struct mgmt *m, struct db *db, const char *sql, const char *what,
                         snap_has *has, struct rk_str key, const struct snapshot **out,
                         struct rk_err *err)
{
    const struct snapshot *s = search(m, has, key);

    if (!s)
        return search_db(m, db, sql, what, has, key, out, err);
    *out = s;
    return RK_OK;
}

enum rk_code mgmt_snapshot_of_peer(struct mgmt *m, struct db *db, struct rk_str peer_key,
                                   const struct snapshot **out, struct rk_err *err)
{
    return find(m, db, SQL_ACCOUNT_OF_PEER, "peer", has_peer, peer_key, out, err);
}

enum rk_code mgmt_snapshot_of_user(struct mgmt *m, struct db *db, struct rk_str user_id,
                                   const struct snapshot **out, struct rk_err *err)
{
    return find(m, db, SQL_ACCOUNT_OF_USER, "user", has_user, user_id, out, err);
}

enum rk_code mgmt_account_ids(struct mgmt *m, struct db *db, struct rk_arena *mem,
                              struct str_list *out, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    struct str_list l = {0};
    size_t cap = 0;
    enum rk_code rc = db_query(db, &rows, err, SQL_ACCOUNTS, DB_NOARGS);

    (void)m;
    while (rc == RK_OK && db_next(rows)) {
        l.v = rk_arena_grow(mem, l.v, l.n, &cap, sizeof *l.v);
        l.v[l.n++] = db_col_text(rows, 0, mem);
    }
    if (rc == RK_OK)
        rc = db_end(rows, err);
    if (rc == RK_OK)
        *out = l;
    return rc;
}

/* ---- changing */

static enum rk_code lane_submit(struct lane *l, struct mgmt_mutation *mut, struct rk_err *err)
{
    struct mgmt *m = l->m;
    enum rk_code rc = RK_OK;

    (void)pthread_mutex_lock(&l->lock);
    if (l->stop || m->closing) {
        rc = rk_fail(err, RK_CANCELLED, "the service is stopping");
    } else if (l->n_queued >= MGMT_QUEUE_MAX) {
        rc = rk_fail(err, RK_LIMIT, "too many changes are waiting");
    } else {
        rk_list_push_back(&l->queue, &mut->link);
        l->n_queued++;
        (void)pthread_cond_signal(&l->wake);
    }
    (void)pthread_mutex_unlock(&l->lock);
    return rc;
}

enum rk_code mgmt_submit(struct mgmt *m, struct mgmt_mutation *mut, struct rk_err *err)
{
    return lane_submit(mgmt_lane_of(m, mut->account_id), mut, err);
}

/* A blocking mutation is the head of a struct around it. */
struct blocking {
    struct mgmt_mutation mut;
    pthread_mutex_t lock; /* guards over */
    pthread_cond_t cond;
    bool over;
};

static void blocking_done(struct mgmt_mutation *mut)
{
    struct blocking *b = rk_container_of(mut, struct blocking, mut);

    (void)pthread_mutex_lock(&b->lock);
    b->over = true;
    (void)pthread_cond_signal(&b->cond);
    (void)pthread_mutex_unlock(&b->lock);
}

static enum rk_code lane_run(struct lane *l, struct mgmt_mutation *mut, struct rk_err *err)
{
    struct blocking b = {.mut = *mut};
    enum rk_code rc;

    b.mut.done = blocking_done;
    (void)pthread_mutex_init(&b.lock, NULL);
    (void)pthread_cond_init(&b.cond, NULL);
    rc = lane_submit(l, &b.mut, err);
    if (rc == RK_OK) {
        (void)pthread_mutex_lock(&b.lock);
        while (!b.over)
            (void)pthread_cond_wait(&b.cond, &b.lock);
        (void)pthread_mutex_unlock(&b.lock);
        mut->serial = b.mut.serial;
        rc = b.mut.err.code ? rk_fail(err, b.mut.err.code, "%s", b.mut.err.msg) : RK_OK;
    }
    (void)pthread_cond_destroy(&b.cond);
    (void)pthread_mutex_destroy(&b.lock);
    return rc;
}

enum rk_code mgmt_run(struct mgmt *m, struct mgmt_mutation *mut, struct rk_err *err)
{
    return lane_run(mgmt_lane_of(m, mut->account_id), mut, err);
}

static enum rk_code nothing(struct tx *tx, void *arg, struct rk_err *err)
{
    (void)tx;
    (void)arg;
    (void)err;
    return RK_OK;
}

void mgmt_drain(struct mgmt *m)
{
    for (size_t i = 0; i < m->n_lanes; i++) {
        struct actor actor = ACTOR_SYSTEM;
        struct mgmt_mutation mut = {.actor = &actor, .flags = MUT_PLAIN, .fn = nothing};
        struct rk_err err = {0};

        if (lane_run(&m->lanes[i], &mut, &err)) /* done or failed: what was before it is over */
            rk_log(m->opts.log, RK_DEBUG, "drained with an error", KV_ERR(&err));
    }
    news_drain(m->news);
}

enum rk_code mgmt_mutate(struct mgmt *m, struct rk_str account_id, const struct actor *actor,
                         uint32_t flags, mgmt_fn *fn, void *arg, struct rk_err *err)
{
    struct mgmt_mutation mut = {
        .account_id = account_id, .actor = actor, .flags = flags, .fn = fn, .arg = arg};

    assert(fn && actor);
    return mgmt_run(m, &mut, err);
}

static enum rk_code run_told(struct mgmt *m, struct mgmt_mutation *mut, struct mgmt_trial *out,
                             struct rk_err *err)
{
    struct mgmt_trial t = {0};
    enum rk_code rc;

    assert(mut->fn && mut->actor);
    mut->trial = &t;
    rc = mgmt_run(m, mut, err);
    if (rc)
        mgmt_trial_done(&t);
    else
        *out = t;
    return rc;
}

enum rk_code mgmt_try(struct mgmt *m, struct rk_str account_id, const struct actor *actor,
                      mgmt_fn *fn, void *arg, struct rk_arena *mem, struct mgmt_trial *out,
                      struct rk_err *err)
{
    struct mgmt_mutation mut = {
        .account_id = account_id, .actor = actor, .fn = fn, .arg = arg, .trial_mem = mem};

    return run_told(m, &mut, out, err);
}

enum rk_code mgmt_mutate_told(struct mgmt *m, struct rk_str account_id, const struct actor *actor,
                              mgmt_fn *fn, void *arg, struct rk_arena *mem, struct mgmt_trial *out,
                              struct rk_err *err)
{
    struct mgmt_mutation mut = {.account_id = account_id,
                                .actor = actor,
                                .fn = fn,
                                .arg = arg,
                                .trial_mem = mem,
                                .for_good = true};

    return run_told(m, &mut, out, err);
}

void mgmt_trial_done(struct mgmt_trial *t)
{
    snap_unref(t->before);
    snap_unref(t->after);
    *t = (struct mgmt_trial){0};
}

enum rk_code mgmt_account_insert(struct mgmt *m, const struct actor *actor,
                                 const struct account_data *d, struct rk_err *err)
{
    struct mgmt_mutation mut = {.account_id = d->account.id,
                                .actor = actor,
                                .flags = MUT_CREATE | MUT_QUIET,
                                .arg = (void *)(uintptr_t)d};

    return mgmt_run(m, &mut, err);
}

enum rk_code mgmt_account_delete(struct mgmt *m, const struct actor *actor,
                                 struct rk_str account_id, struct rk_err *err)
{
    struct mgmt_mutation mut = {.account_id = account_id, .actor = actor, .flags = MUT_DELETE};

    return mgmt_run(m, &mut, err);
}
