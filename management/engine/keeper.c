/* SPDX-License-Identifier: BSD-3-Clause */
/* The keeper thread: see keeper.h. */
#include "config.h"

#include "management/engine/keeper.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "management/engine/engine_impl.h"
#include "management/engine/old_events.h"
#include "management/engine/presence.h"

#define TICK_MS        1000
#define PRUNE_EVERY_MS 600000
#define LOG_EVERY_MS   60000
#define CHORES_LEASE   "chores"

struct keeper {
    struct mgmt *m;
    pthread_t thread;
    int wake_fd;   /* eventfd: stop */
    struct db *db; /* keeper thread */
    int64_t prune_next_ms;
    int64_t events_after; /* old_events_seal */
    bool events_sealed;
    struct rk_log_gate gate;
};

static void complain(struct keeper *k, const char *what, const struct rk_err *err)
{
    rk_log_every(&k->gate, LOG_EVERY_MS, k->m->opts.log, rk_log_failure_level(k->m->opts.log, err),
                 what, KV_ERR(err));
}

/* ---- what time brings */

static const char SQL_OLD_EVENTS[] = "DELETE FROM event WHERE account_id = $1 AND at < $2";
static const char SQL_MANY_EVENTS[] =
    "DELETE FROM event WHERE account_id = $1 AND at <= (SELECT at FROM event WHERE account_id = $1 "
    "ORDER BY at DESC LIMIT 1 OFFSET $2)";

struct fenced {
    struct mgmt *m;
    db_tx_fn *fn;
    void *arg;
};

static enum rk_code fenced_tx(struct db *db, void *arg, struct rk_err *err)
{
    struct fenced *f = arg;
    enum rk_code rc = lease_fence(f->m, db, &f->m->chore_lease, err);

    return rc ? rc : f->fn(db, f->arg, err);
}

enum rk_code mgmt_chore_tx(struct mgmt *m, struct db *db, db_tx_fn *fn, void *arg,
                           struct rk_err *err)
{
    struct fenced f = {.m = m, .fn = fn, .arg = arg};

    if (!m->chore_lease.token)
        return rk_fail(err, RK_CANCELLED, "another process does the chores");
    return db_tx(db, fenced_tx, &f, err);
}

struct old_events {
    const struct mgmt_opts *o;
    struct rk_str account_id;
    int64_t now_us;
};

static enum rk_code events_tx(struct db *db, void *arg, struct rk_err *err)
{
    const struct old_events *e = arg;
    enum rk_code rc = RK_OK;

    if (e->o->event_keep_us > 0)
        rc = db_exec(db, err, NULL, SQL_OLD_EVENTS,
                     DB_ARGS(db_text(e->account_id), db_i64(e->now_us - e->o->event_keep_us)));
    if (rc == RK_OK && e->o->event_keep_rows > 0)
        rc = db_exec(db, err, NULL, SQL_MANY_EVENTS,
                     DB_ARGS(db_text(e->account_id), db_i64(e->o->event_keep_rows)));
    return rc;
}

static enum rk_code account_prune(struct keeper *k, struct rk_str account_id, struct rk_err *err)
{
    const struct mgmt_opts *o = &k->m->opts;
    struct old_events e = {.o = o, .account_id = account_id, .now_us = mgmt_now_us(k->m)};
    struct journal_prune p = {.account_id = account_id,
                              .before_us =
                                  o->journal_keep_us > 0 ? e.now_us - o->journal_keep_us : 0,
                              .keep_rows = o->journal_keep_rows};
    enum rk_code rc = RK_OK;

    if (o->journal_keep_us > 0 || o->journal_keep_rows > 0)
        do
            rc = mgmt_chore_tx(k->m, k->db, journal_prune_step, &p, err);
        while (rc == RK_OK && p.dropped > 0);
    if (rc == RK_OK && (o->event_keep_us > 0 || o->event_keep_rows > 0))
        rc = mgmt_chore_tx(k->m, k->db, events_tx, &e, err);
    return rc;
}

/* Drop what is older than its kind is kept, account by account. */
static enum rk_code history_prune(struct keeper *k, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct str_list ids = {0};
    enum rk_code rc = mgmt_account_ids(k->m, k->db, mem, &ids, err);

    for (size_t i = 0; rc == RK_OK && i < ids.n; i++)
        rc = account_prune(k, ids.v[i], err);
    return rc;
}

/* Chores are only added, and at the end, so the walk needs the lock for each step only. */
static struct mgmt_chore *chore_next(struct mgmt *m, struct mgmt_chore *c)
{
    struct rk_list *next;

    (void)pthread_mutex_lock(&m->chores_lock);
    next = c ? c->link.next : m->chores.next;
    (void)pthread_mutex_unlock(&m->chores_lock);
    return next == &m->chores ? NULL : rk_container_of(next, struct mgmt_chore, link);
}

/* Whether this process does what one does for all. */
static bool chores_ours(struct keeper *k)
{
    struct mgmt *m = k->m;
    bool held = false, before = m->chore_lease.token != 0;
    struct rk_err err = {0};

    if (lease_take(m, k->db, CHORES_LEASE, &m->chore_lease, &held, &err))
        complain(k, "who does the chores is not known", &err);
    if (!held)
        m->chore_lease = (struct lease){0};
    if (held != before && m->shared)
        rk_log(m->opts.log, RK_INFO,
               held ? "does the chores for all processes" : "no longer does the chores");
    return held;
}

static void chores_do(struct keeper *k)
{
    bool ours = chores_ours(k);

    for (struct mgmt_chore *c = NULL; (c = chore_next(k->m, c)) != NULL;) {
        struct rk_err err = {0};

        if (c->due_ms > rk_mono_ms() || (c->once && !ours))
            continue;
        if (c->run(c, k->m, k->db, &err))
            complain(k, c->what, &err);
        c->due_ms = rk_mono_ms() + c->every_ms;
    }
}

static void tick(struct keeper *k)
{
    struct rk_err err = {0};
    int64_t now = rk_mono_ms();

    if (presence_flush(k->m, &err))
        complain(k, "presence was not stored", &err);
    chores_do(k);
    if (!k->events_sealed && k->m->chore_lease.token &&
        old_events_seal(k->m, k->db, &k->events_after, &k->events_sealed, &err))
        complain(k, "old activity events were not sealed", &err);
    if ((k->m->opts.journal_keep_us > 0 || k->m->opts.event_keep_us > 0 ||
         k->m->opts.journal_keep_rows > 0 || k->m->opts.event_keep_rows > 0) &&
        now >= k->prune_next_ms && k->m->chore_lease.token) {
        k->prune_next_ms = now + PRUNE_EVERY_MS;
        if (history_prune(k, &err))
            complain(k, "old journal rows and events were not dropped", &err);
    }
}

/* Until the next tick; true: the end. */
static bool wait_some(const struct keeper *k)
{
    struct pollfd p = {.fd = k->wake_fd, .events = POLLIN};

    return poll(&p, 1, TICK_MS) > 0;
}

static void *keeper_main(void *arg)
{
    struct keeper *k = arg;

    while (!wait_some(k))
        tick(k);
    return NULL;
}

enum rk_code keeper_start(struct keeper **out, struct mgmt *m, struct rk_err *err)
{
    struct keeper *k = rk_calloc(1, sizeof *k);
    enum rk_code rc;

    k->m = m;
    k->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    rc = k->wake_fd < 0 ? rk_fail_errno(err, RK_UNAVAILABLE, errno, "eventfd") : RK_OK;
    if (rc == RK_OK)
        rc = mgmt_db_open(m, &k->db, err);
    if (rc == RK_OK && pthread_create(&k->thread, NULL, keeper_main, k))
        rc = rk_fail(err, RK_UNAVAILABLE, "cannot start a thread");
    if (rc) {
        db_close(k->db);
        if (k->wake_fd >= 0)
            (void)close(k->wake_fd);
        free(k);
        return rc;
    }
    *out = k;
    return RK_OK;
}

void keeper_stop(struct keeper *k)
{
    struct rk_err err = {0};
    uint64_t one = 1;

    if (!k)
        return;
    if (write(k->wake_fd, &one, sizeof one) < 0)
        rk_log(k->m->opts.log, RK_WARN, "keeper was not woken");
    (void)pthread_join(k->thread, NULL);
    if (presence_flush(k->m, &err))
        rk_log(k->m->opts.log, RK_WARN, "presence was not stored", KV_ERR(&err));
    db_close(k->db);
    (void)close(k->wake_fd);
    free(k);
}
