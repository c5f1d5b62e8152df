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
#include "management/engine/presence.h"
#include "management/engine/presence_impl.h"

#define TICK_MS        1000
#define LOOK_EVERY_MS  3000
#define PRUNE_EVERY_MS 3600000
#define LOG_EVERY_MS   60000
#define CHORES_LEASE   "chores"

struct keeper {
    struct mgmt *m;
    pthread_t thread;
    int wake_fd;   /* eventfd: stop */
    struct db *db; /* keeper thread; listens on PostgreSQL */
    int64_t prune_next_ms, look_next_ms;
    struct rk_log_gate gate;
};

static void complain(struct keeper *k, const char *what, const struct rk_err *err)
{
    rk_log_every(&k->gate, LOG_EVERY_MS, k->m->opts.log, rk_log_failure_level(k->m->opts.log, err),
                 what, KV_ERR(err));
}

/* ---- commits of other processes */

static const char SQL_VERSIONS[] = "SELECT account_id, version FROM account_head";

static void presence_news(struct keeper *k, struct rk_str ids)
{
    struct rk_err err = {0};

    if (!ids.n)
        k->look_next_ms = 0; /* too many for the news */
    else if (presence_look_at(k->m, k->db, ids, &err))
        complain(k, "who is connected elsewhere was not read", &err);
}

/* "<node> <account>": load what changed, if we have the account. */
static void news_read(struct keeper *k, struct rk_str news)
{
    struct actor actor = ACTOR_SYSTEM;
    struct rk_str node, account;
    struct mgmt_mutation load = {.actor = &actor};
    const struct snapshot *s;
    struct rk_err err = {0};

    if (!rk_str_cut(news, ' ', &node, &account) || rk_str_eqz(node, k->m->node))
        return;
    if (rk_str_starts(account, RK_STR(PRESENCE_NEWS))) {
        presence_news(k, rk_str_sub(account, 1, account.n));
        return;
    }
    s = mgmt_snapshot_try(k->m, account);
    if (!s)
        return;
    snap_unref(s);
    load.account_id = account;
    if (mgmt_run(k->m, &load, &err) && err.code != RK_NOT_FOUND)
        complain(k, "changes of another process were not read", &err);
}

/* News can be lost with a connection, and a load can fail: what the database has decides. */
static enum rk_code versions_look(struct keeper *k, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    struct str_list behind = {0};
    size_t cap = 0;
    enum rk_code rc = db_query(k->db, &rows, err, SQL_VERSIONS, DB_NOARGS);

    while (rc == RK_OK && db_next(rows)) {
        if (!mgmt_is_behind(k->m, db_col_text_peek(rows, 0), db_col_i64(rows, 1)))
            continue;
        behind.v = rk_arena_grow(mem, behind.v, behind.n, &cap, sizeof *behind.v);
        behind.v[behind.n++] = db_col_text(rows, 0, mem);
    }
    if (rc == RK_OK)
        rc = db_end(rows, err);
    for (size_t i = 0; rc == RK_OK && i < behind.n; i++)
        news_read(k, RK_CAT(mem, RK_STR("? "), behind.v[i]));
    return rc;
}

static void reload_one(const struct snapshot *s, void *arg)
{
    struct keeper *k = arg;
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);

    news_read(k, rk_arena_printf(mem, "? %.*s", RK_STR_ARG(snap_account(s)->id)));
}

/* Wait for a tick, for news or for the end. */
static enum rk_code wait_some(struct keeper *k, struct rk_err *err)
{
    int64_t until = rk_mono_ms() + TICK_MS;
    bool got = true;

    while (got && !k->m->closing) {
        RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
        struct rk_str news = {0};
        int64_t left = until - rk_mono_ms();
        enum rk_code rc =
            db_wait_notify(k->db, left > 0 ? (int)left : 0, k->wake_fd, mem, &got, &news, err);

        if (rc)
            return rc;
        if (got)
            news_read(k, news);
    }
    return RK_OK;
}

/* ---- what time brings */

static const char SQL_OLD_EVENTS[] = "DELETE FROM event WHERE account_id = $1 AND at < $2";

/* Drop what is older than its kind is kept, account by account. */
static enum rk_code history_prune(struct keeper *k, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    const struct mgmt_opts *o = &k->m->opts;
    int64_t now = mgmt_now_us(k->m), dropped;
    struct str_list ids = {0};
    enum rk_code rc = mgmt_account_ids(k->m, k->db, mem, &ids, err);

    for (size_t i = 0; rc == RK_OK && i < ids.n; i++) {
        if (o->journal_keep_us > 0)
            rc = journal_prune(k->db, ids.v[i], now - o->journal_keep_us, &dropped, err);
        if (rc == RK_OK && o->event_keep_us > 0)
            rc = db_exec(k->db, err, &dropped, SQL_OLD_EVENTS,
                         DB_ARGS(db_text(ids.v[i]), db_i64(now - o->event_keep_us)));
    }
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
    if (db_engine_of(k->db) == DB_PG && now >= k->look_next_ms) {
        k->look_next_ms = now + LOOK_EVERY_MS;
        if (presence_look(k->m, k->db, &err) || versions_look(k, &err))
            complain(k, "what other processes did was not read", &err);
    }
    chores_do(k);
    if ((k->m->opts.journal_keep_us > 0 || k->m->opts.event_keep_us > 0) &&
        now >= k->prune_next_ms && k->m->chore_lease.token) {
        k->prune_next_ms = now + PRUNE_EVERY_MS;
        if (history_prune(k, &err))
            complain(k, "old journal rows and events were not dropped", &err);
    }
}

static bool stopping(const struct keeper *k)
{
    struct pollfd p = {.fd = k->wake_fd, .events = POLLIN};

    return poll(&p, 1, 0) > 0;
}

static void *keeper_main(void *arg)
{
    struct keeper *k = arg;
    bool listening = true;

    while (!stopping(k)) {
        struct rk_err err = {0};

        if (!listening) {
            listening = db_listen(k->db, KEEPER_CHANNEL, &err) == RK_OK;
            if (listening) /* nothing is known of the time in between */
                mgmt_each_loaded(k->m, reload_one, k);
        }
        if (!listening || wait_some(k, &err)) {
            struct pollfd p = {.fd = k->wake_fd, .events = POLLIN};

            listening = false;
            complain(k, "waiting for other processes failed", &err);
            (void)poll(&p, 1, TICK_MS);
        }
        if (!stopping(k))
            tick(k);
    }
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
    if (rc == RK_OK)
        rc = db_listen(k->db, KEEPER_CHANNEL, err);
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
