/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lane thread: takes what waits, runs it in one transaction, publishes, answers. A mutation
 * that fails is undone alone (savepoint); when the commit fails all of the batch fail, and a
 * conflict runs the whole batch again.
 */
#include "config.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>

#include "lib/base/num.h"
#include "management/engine/engine_impl.h"
#include "management/store/probe.h"

static const char SQL_TOUCH[] = "UPDATE account_head SET version = version + 1 WHERE account_id = "
                                "$1 RETURNING version, serial, journal_seq, journal_hash";
static const char SQL_HEAD_SAVE[] = "UPDATE account_head SET serial = $2, version = $3, "
                                    "journal_seq = $4, journal_hash = $5 WHERE account_id = $1";
static const char SQL_HEAD_NEW[] =
    "INSERT INTO account_head (account_id, serial, version, journal_seq, journal_hash, base_seq, "
    "base_hash) VALUES ($1, $2, 1, 0, $3, 0, $3) ON CONFLICT DO NOTHING";

/* ---- publishing */

/* What w is now, or for a deleted account nothing. Others see snapshot, version and head change at
 * once. */
static void publish(struct lane *l, struct work *w, const struct snapshot *now)
{
    const struct snapshot *before;

    (void)pthread_rwlock_wrlock(&l->m->lock);
    before = w->a->snap;
    w->a->snap = snap_ref(now);
    w->a->version = w->version;
    w->a->head = w->head;
    (void)pthread_rwlock_unlock(&l->m->lock);
    snap_unref(before);
}

static void observers_call(struct lane *l, const struct snapshot *old, const struct snapshot *now,
                           const struct change *changes, size_t n)
{
    /* the list only grows before traffic starts */
    RK_LIST_FOR_EACH (it, &l->m->observers) {
        struct mgmt_observer *o = rk_container_of(it, struct mgmt_observer, link);

        o->changed(o, old, now, changes, n);
    }
}

/* ---- accounts of the batch */

/* How far behind we were, and by which way we came up; for the metrics. */
static void follow_count(struct mgmt *m, const struct work *w, const struct news *news,
                         bool followed)
{
    struct follow_stats *f = &m->follow;
    int64_t versions = news->version - w->a->version;

    if (!followed && !w->old)
        return; /* the first time that it is read */
    if (!followed) {
        f->reloaded++;
        rk_metric_add(f->m_reloaded, 1);
        return;
    }
    f->followed++;
    f->versions += (uint64_t)versions;
    rk_metric_add(f->m_followed, 1);
    rk_metric_add(f->m_versions, versions);
    if (!news->first_at_us)
        return;
    f->lag_us = mgmt_now_us(m) - news->first_at_us;
    rk_metric_observe(f->m_delay, rk_max_i64(f->lag_us, 0));
}

/* Read the account anew inside our transaction: at first contact, and after another process. */
static enum rk_code work_load(struct lane *l, struct work *w, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct store s = {.db = l->db, .vault = mgmt_vault(l->m), .mem = mem};
    struct snap_opts opts = {.dns_domain = rk_str_z(l->m->opts.dns_domain)};
    struct account_data d = {0};
    struct snapshot *snap;
    enum rk_code rc = store_load(&s, w->a->id, &d, err);

    if (rc)
        return rc;
    d.account.serial = w->serial;
    snap = snap_build(&d, &opts);
    w->reloaded = true;
    work_keep(l, w, snap);
    return RK_OK;
}

/* Others were here since `old`. We hold the account: what the head says is all. */
static enum rk_code work_catch_up(struct lane *l, struct work *w, struct rk_err *err)
{
    struct news news = {0};
    bool followed = false;
    enum rk_code rc = w->old ? work_follow(l, w, &news, &followed, err) : RK_OK;

    if (rc)
        return rc;
    news.version = w->version - 1; /* the last one is ours */
    follow_count(l->m, w, &news, followed);
    return followed ? RK_OK : work_load(l, w, err);
}

static enum rk_code work_touch(struct lane *l, struct work *w, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    struct rk_str hash;
    enum rk_code rc = db_query(l->db, &rows, err, SQL_TOUCH, DB_ARGS(db_text(w->a->id)));

    if (rc)
        return rc;
    if (!db_next(rows)) {
        rc = db_end(rows, err);
        return rc ? rc : rk_fail(err, RK_NOT_FOUND, "account %.*s", RK_STR_ARG(w->a->id));
    }
    w->version = db_col_i64(rows, 0);
    w->serial = w->serial_applied = (uint64_t)db_col_i64(rows, 1);
    w->head.seq = db_col_i64(rows, 2);
    hash = db_col_blob_peek(rows, 3);
    if (hash.n == sizeof w->head.hash)
        memcpy(w->head.hash, hash.p, hash.n);
    while (db_next(rows))
        ;
    rc = db_end(rows, err);
    if (rc)
        return rc;
    if (w->old && w->a->version == w->version - 1 && journal_head_eq(&w->a->head, &w->head)) {
        w->cur = w->old;
        return RK_OK;
    }
    db_rows_free(rows);
    rows = NULL;
    return work_catch_up(l, w, err);
}

/* A head row and a bare snapshot for an account that does not exist yet. */
static enum rk_code work_create(struct lane *l, struct work *w, const struct account_data *d,
                                struct rk_err *err)
{
    int64_t changed = 0;
    enum rk_code rc = db_exec(l->db, err, &changed, SQL_HEAD_NEW,
                              DB_ARGS(db_text(w->a->id), db_i64((int64_t)d->account.serial),
                                      db_blob(rk_str_of(w->head.hash, sizeof w->head.hash))));

    if (rc == RK_OK && changed == 0)
        rc = rk_fail(err, RK_EXISTS, "account %.*s exists", RK_STR_ARG(w->a->id));
    w->version = 1;
    w->serial = w->serial_applied = d->account.serial;
    return rc;
}

static struct work *work_find(struct lane *l, struct rk_str account_id)
{
    for (struct work *w = l->work; w; w = w->next)
        if (rk_str_eq(w->a->id, account_id))
            return w;
    return NULL;
}

/* Another process deleted it: what is published here must go, too. */
static void account_vanished(struct lane *l, struct work *w)
{
    publish(l, w, NULL);
    observers_call(l, w->old, NULL, NULL, 0);
}

static struct work *work_new(struct lane *l, struct rk_str account_id)
{
    struct work *w = rk_new(l->mem, struct work);

    w->a = mgmt_acct(l->m, account_id);
    w->old = mgmt_snapshot_try(l->m, account_id);
    rk_map_init(&w->overlay, true);
    return w;
}

static void work_drop(struct work *w)
{
    for (size_t i = 0; i < w->n_snaps; i++)
        snap_unref(w->snaps[i]);
    snap_unref(w->old);
    rk_map_done(&w->overlay);
}

static enum rk_code work_get(struct lane *l, struct mgmt_mutation *mut, struct work **out,
                             struct rk_err *err)
{
    struct work *w = work_find(l, mut->account_id);
    enum rk_code rc;

    if (w && !w->deleted && !(mut->flags & MUT_CREATE)) {
        *out = w;
        return RK_OK;
    }
    if (w)
        return rk_fail(err, w->deleted ? RK_NOT_FOUND : RK_EXISTS, "account %.*s",
                       RK_STR_ARG(mut->account_id));
    w = work_new(l, mut->account_id);
    w->next = l->work;
    l->work = w;
    rc = mut->flags & MUT_CREATE ? RK_OK : work_touch(l, w, err);
    if (rc) { /* nothing may use it: a later mutation of the batch tries again */
        if (rc == RK_NOT_FOUND && w->old)
            account_vanished(l, w);
        l->work = w->next;
        work_drop(w);
        return rc;
    }
    *out = w;
    return RK_OK;
}

static void works_done(struct lane *l)
{
    for (struct work *w = l->work; w; w = w->next)
        work_drop(w);
    l->work = NULL;
}

/* ---- one mutation */

/* The rows, then the first snapshot read back from them. */
static enum rk_code account_create(struct run *r, const struct account_data *d, struct rk_err *err)
{
    enum rk_code rc = work_create(r->lane, r->w, d, err);

    return rc ? rc : run_create(r, d, err);
}

static enum rk_code run_fn(struct run *r, struct mgmt_mutation *mut, struct rk_err *err)
{
    enum rk_code rc = RK_OK;

    if (mut->flags & MUT_CHORE && r->lane->m->chore_lease.token)
        rc = lease_fence(r->lane->m, r->tx.db, &r->lane->m->chore_lease, err);
    if (rc)
        return rc;
    if (mut->flags & MUT_CREATE)
        rc = account_create(r, mut->arg, err);
    else if (mut->flags & MUT_DELETE)
        rc = run_delete(r, err);
    else
        rc = mut->fn(&r->tx, mut->arg, err);
    if (rc == RK_OK)
        rc = run_journal(r, err);
    if (rc == RK_OK) /* errors of what was sent belong to this mutation */
        rc = db_sync(r->tx.db, err);
    if (rc == RK_OK && mut->flags & MUT_CREATE)
        rc = work_load(r->lane, r->w, err);
    return rc;
}

/* What the mutation did, for who asked for that. */
static void trial_take(struct run *r, const struct snapshot *before, struct mgmt_mutation *mut)
{
    struct mgmt_trial *t = mut->trial;
    struct work *w = r->w;
    size_t n = w->n - r->mark;

    mgmt_trial_done(t); /* of an attempt whose transaction was lost */
    t->before = snap_ref(before);
    t->after = snap_apply(before, w->changes + r->mark, n, run_serial(r));
    t->changes = rk_new_n(mut->trial_mem, struct change, n + 1);
    t->n_changes = n;
    for (size_t i = 0; i < n; i++) {
        const struct change *c = &w->changes[r->mark + i];

        t->changes[i] = (struct change){
            .kind = c->kind,
            .id = rk_arena_dup(mut->trial_mem, c->id),
            .before = c->before ? entity_dup(mut->trial_mem, c->kind, c->before) : NULL,
            .after = c->after ? entity_dup(mut->trial_mem, c->kind, c->after) : NULL};
    }
}

/* With its account at hand, inside a savepoint. */
static enum rk_code mutation_run(struct lane *l, struct work *w, struct mgmt_mutation *mut,
                                 struct rk_err *err)
{
    struct journal_head head = w->head;
    struct run r = {.lane = l, .w = w, .mark = w->n, .flags = mut->flags};
    struct work start;
    enum rk_code rc;

    if (!(mut->flags & MUT_STALE_SNAP))
        work_apply(l, w, w->n);
    r.tx = (struct tx){.m = l->m,
                       .db = l->db,
                       .mem = l->mem,
                       .snap = w->cur,
                       .account_id = w->a->id,
                       .actor = mut->actor,
                       .now_us = mgmt_now_us(l->m)};
    start = *w;
    rc = db_savepoint(l->db, err);
    if (rc)
        return rc;
    rc = run_fn(&r, mut, err);
    if (rc == RK_OK && mut->trial)
        trial_take(&r, start.cur, mut);
    if (rc || (mut->trial && !mut->for_good)) {
        struct rk_err ignored = {0};

        if (db_savepoint_undo(l->db, &ignored))
            rc = rk_fail(err, RK_UNAVAILABLE, "%s", ignored.msg);
        w->cur = start.cur; /* tx_show_own may have gone beyond */
        w->n_applied = start.n_applied;
        w->serial_applied = start.serial_applied;
        work_truncate(w, l->mem, r.mark);
        w->head = head;
        w->deleted |= (mut->flags & MUT_CREATE) != 0;
        return rc;
    }
    if (mut->flags & MUT_CREATE)
        w->n_applied = w->n;
    w->serial = run_serial(&r);
    w->dirty |= w->n > r.mark || r.raise || r.events;
    w->deleted = (mut->flags & MUT_DELETE) != 0;
    mut->serial = w->serial;
    return db_savepoint_release(l->db, err);
}

/* SQL without an account, in the same transaction as the others. */
static enum rk_code plain_run(struct lane *l, struct mgmt_mutation *mut, struct rk_err *err)
{
    struct tx tx = {.m = l->m, .db = l->db, .mem = l->mem, .now_us = mgmt_now_us(l->m)};
    struct rk_err ignored = {0};
    enum rk_code rc = db_savepoint(l->db, err);

    if (rc)
        return rc;
    rc = mut->fn(&tx, mut->arg, err);
    if (rc == RK_OK)
        rc = db_sync(l->db, err);
    if (rc == RK_OK) {
        l->plain_dirty = true;
        return db_savepoint_release(l->db, err);
    }
    return db_savepoint_undo(l->db, &ignored) ? rk_fail(err, RK_UNAVAILABLE, "%s", ignored.msg)
                                              : rc;
}

static bool only_loads(const struct mgmt_mutation *mut)
{
    return !mut->fn && !(mut->flags & (MUT_CREATE | MUT_DELETE));
}

/* Set mut->err. false: the transaction itself is lost, stop. */
static bool mutation_try(struct lane *l, struct mgmt_mutation *mut)
{
    struct work *w = NULL;
    struct rk_err err = {0};
    bool plain = mut->flags & MUT_PLAIN;
    enum rk_code rc = plain ? plain_run(l, mut, &err) : work_get(l, mut, &w, &err);

    if (rc == RK_OK && !plain && !only_loads(mut))
        rc = mutation_run(l, w, mut, &err);
    mut->err = err;
    mut->err.code = rc;
    return rc == RK_OK || (!db_is_broken(l->db) && !db_should_retry(l->db));
}

/* ---- the batch */

static enum rk_code head_save(struct lane *l, struct work *w, struct rk_err *err)
{
    char news[120];
    enum rk_code rc;

    if (w->deleted && !w->dirty) /* could not be created */
        return RK_OK;
    if (!w->dirty) /* as if we had not been here */
        w->version--;
    rc = db_exec(l->db, err, NULL, SQL_HEAD_SAVE,
                 DB_ARGS(db_text(w->a->id), db_i64((int64_t)w->serial), db_i64(w->version),
                         db_i64(w->head.seq),
                         db_blob(rk_str_of(w->head.hash, sizeof w->head.hash))));
    if (rc || !w->dirty)
        return rc;
    (void)snprintf(news, sizeof news, "%s %.*s", l->m->node, RK_STR_ARG(w->a->id));
    return db_notify(l->db, NEWS_CHANNEL, rk_str_z(news), err);
}

static enum rk_code batch_commit(struct lane *l, struct rk_err *err)
{
    bool dirty = l->plain_dirty;

    for (struct work *w = l->work; w; w = w->next) {
        enum rk_code rc = head_save(l, w, err);

        if (rc)
            return rc;
        dirty |= w->dirty;
    }
    if (dirty)
        return db_commit(l->db, err);
    db_rollback(l->db); /* only reads: no need to wait for the disk */
    return RK_OK;
}

static void work_publish(struct lane *l, struct work *w)
{
    if (w->deleted && !w->dirty)
        return;
    if (w->deleted) {
        publish(l, w, NULL);
        observers_call(l, w->old, NULL, w->changes, w->n);
        return;
    }
    work_apply(l, w, w->n);
    publish(l, w, w->cur);
    if (w->cur == w->old)
        return;
    if (w->reloaded)
        observers_call(l, w->old, w->cur, NULL, 0);
    else
        observers_call(l, w->old, w->cur, w->changes, w->n);
}

/* One attempt. true: settled, each mutation has its result. A mutation that fails by itself is
 * undone to its savepoint and the others go on; only when the whole transaction is lost (a conflict
 * with another process, a broken connection) is false returned, and all of them run again on the
 * state that the other one left: nobody is answered before the commit. */
static bool batch_try(struct lane *l, struct rk_list *batch, struct rk_err *err)
{
    enum rk_code rc = db_begin(l->db, err);
    bool lost = false;

    l->plain_dirty = false;
    if (rc)
        return true; /* waited for the lock long enough: no second round */
    RK_LIST_FOR_EACH (it, batch) {
        struct mgmt_mutation *mut = rk_container_of(it, struct mgmt_mutation, link);

        mut->ran = false;
    }
    RK_LIST_FOR_EACH (it, batch) {
        struct mgmt_mutation *mut = rk_container_of(it, struct mgmt_mutation, link);

        lost = !mutation_try(l, mut);
        mut->ran = true;
        if (lost) {
            *err = mut->err;
            db_rollback(l->db);
            return !db_should_retry(l->db);
        }
    }
    rc = batch_commit(l, err);
    if (rc == RK_OK)
        return true;
    db_rollback(l->db);
    return !db_should_retry(l->db);
}

static void batch_fail(struct rk_list *batch, const struct rk_err *err)
{
    RK_LIST_FOR_EACH (it, batch) {
        struct mgmt_mutation *mut = rk_container_of(it, struct mgmt_mutation, link);

        if (!mut->ran || mut->err.code == RK_OK) /* others keep what fn said */
            mut->err = *err;
    }
}

/* A loaded account that is only to be brought up to date: its news are read without a lock and
 * without a transaction. false: the long way. */
static bool load_followed(struct lane *l, struct mgmt_mutation *mut)
{
    struct news news = {0};
    struct rk_err err = {0};
    bool followed = false;
    struct work *w;

    if (!l->m->shared || mut->flags & MUT_PLAIN || !only_loads(mut))
        return false;
    w = work_new(l, mut->account_id);
    if (w->old && work_follow(l, w, &news, &followed, &err) == RK_OK && followed) {
        w->version = news.version;
        w->head = news.head;
        if (news.version != w->a->version) {
            follow_count(l->m, w, &news, true);
            work_publish(l, w);
        }
        mut->serial = w->serial;
        mut->err = (struct rk_err){0};
    }
    work_drop(w);
    return followed;
}

/* Answer those of the batch that need no transaction. */
static void batch_follow(struct lane *l, struct rk_list *batch)
{
    for (struct rk_list *it = batch->next, *next; it != batch; it = next) {
        struct mgmt_mutation *mut = rk_container_of(it, struct mgmt_mutation, link);

        next = it->next;
        if (!load_followed(l, mut))
            continue;
        rk_list_remove(it);
        mut->done(mut); /* may free it */
    }
    rk_arena_reset(l->mem);
}

static void batch_run(struct lane *l, struct rk_list *batch)
{
    struct rk_err err = {0};

    batch_follow(l, batch);
    if (rk_list_empty(batch))
        return;
    for (int i = 0;; i++) {
        err = (struct rk_err){0};
        if (batch_try(l, batch, &err))
            break;
        works_done(l);
        rk_arena_reset(l->mem);
        if (i == DB_TX_TRIES)
            break;
        (void)poll(NULL, 0, 2 << i);
    }
    if (err.code) {
        if (!db_was_refused(l->db))
            probe_note(l->m->opts.probe, &err); /* says once that the store is gone */
        rk_log(l->m->opts.log, rk_log_failure_level(l->m->opts.log, &err),
               "changes were not stored", KV_ERR(&err));
        batch_fail(batch, &err);
    } else {
        for (struct work *w = l->work; w; w = w->next)
            work_publish(l, w);
    }
    for (struct rk_list *it; (it = rk_list_pop_front(batch)) != NULL;) {
        struct mgmt_mutation *mut = rk_container_of(it, struct mgmt_mutation, link);

        mut->done(mut); /* may free it */
    }
    works_done(l);
    rk_arena_reset(l->mem);
}

/* Up to BATCH_MAX from the queue; a MUT_FRESH one comes alone. */
static void batch_take(struct lane *l, struct rk_list *batch)
{
    for (size_t n = 0; n < BATCH_MAX && !rk_list_empty(&l->queue); n++) {
        struct rk_list *it = l->queue.next;
        bool alone = rk_container_of(it, struct mgmt_mutation, link)->flags & MUT_FRESH;

        if (alone && n > 0)
            return;
        rk_list_remove(it);
        rk_list_push_back(batch, it);
        l->n_queued--;
        if (alone)
            return;
    }
}

void *mgmt_lane_main(void *arg)
{
    struct lane *l = arg;
    struct rk_list batch;

    rk_list_init(&batch);
    for (;;) {
        (void)pthread_mutex_lock(&l->lock);
        while (rk_list_empty(&l->queue) && !l->stop)
            (void)pthread_cond_wait(&l->wake, &l->lock);
        batch_take(l, &batch);
        (void)pthread_mutex_unlock(&l->lock);
        if (rk_list_empty(&batch))
            return NULL; /* stopped, and nothing is left */
        batch_run(l, &batch);
    }
}
