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
#define NODE_EVERY_MS  5000
#define NODE_DEAD_US   ((int64_t)30 * 1000000)
#define PRUNE_EVERY_MS 3600000
#define LOG_EVERY_MS   60000

static const char SQL_NODE_STILL[] = "UPDATE node SET seen_at = $2 WHERE id = $1";
static const char SQL_NODE_SEEN[] = "INSERT INTO node (id, seen_at) VALUES ($1, $2) "
                                    "ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at";
static const char SQL_NODES_DEAD[] = "DELETE FROM node WHERE seen_at < $1 AND id <> $2";
static const char SQL_NODE_BYE[] = "DELETE FROM node WHERE id = $1";
static const char SQL_PRESENCE_CLEAR[] =
    "UPDATE peer_status SET connected = 0, session_token = 0, node = NULL WHERE "
    "(connected = 1 OR node IS NOT NULL) AND (node IS NULL OR node NOT IN (SELECT id FROM node))";

struct keeper {
    struct mgmt *m;
    pthread_t thread;
    int wake_fd;   /* eventfd: stop */
    struct db *db; /* keeper thread; listens on PostgreSQL */
    int64_t node_next_ms, prune_next_ms, look_next_ms;
    struct rk_log_gate gate;
};

static void complain(struct keeper *k, const char *what, const struct rk_err *err)
{
    rk_log_every(&k->gate, LOG_EVERY_MS, k->m->opts.log, rk_log_failure_level(k->m->opts.log, err),
                 what, KV_ERR(err));
}

/* ---- processes and their presence */

struct alive {
    const char *node;
    int64_t dead_before_us; /* others that were last seen before */
    bool lost;              /* out: we were declared dead meanwhile */
};

static enum rk_code alive_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct alive *a = arg;
    int64_t mine = 0;
    enum rk_code rc = db_exec(tx->db, err, NULL, SQL_NODES_DEAD,
                              DB_ARGS(db_i64(a->dead_before_us), db_textz(a->node)));

    if (rc == RK_OK)
        rc = db_exec(tx->db, err, &mine, SQL_NODE_STILL,
                     DB_ARGS(db_textz(a->node), db_i64(tx->now_us)));
    a->lost = mine == 0;
    if (rc == RK_OK && a->lost)
        rc = db_exec(tx->db, err, NULL, SQL_NODE_SEEN,
                     DB_ARGS(db_textz(a->node), db_i64(tx->now_us)));
    if (rc == RK_OK)
        rc = db_exec(tx->db, err, NULL, SQL_PRESENCE_CLEAR, DB_NOARGS);
    return rc;
}

static enum rk_code bye_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    const struct alive *a = arg;
    enum rk_code rc = db_exec(tx->db, err, NULL, SQL_NODE_BYE, DB_ARGS(db_textz(a->node)));

    return rc ? rc : db_exec(tx->db, err, NULL, SQL_PRESENCE_CLEAR, DB_NOARGS);
}

static enum rk_code plain(struct mgmt *m, mgmt_fn *fn, void *arg, struct rk_err *err)
{
    struct actor actor = ACTOR_SYSTEM;
    struct mgmt_mutation mut = {.actor = &actor, .flags = MUT_PLAIN, .fn = fn, .arg = arg};

    return mgmt_run(m, &mut, err);
}

/* On SQLite we are alone, whatever the table says. */
static enum rk_code alive_say(struct keeper *k, bool first, struct rk_err *err)
{
    bool shared = db_engine_of(k->db) == DB_PG;
    struct alive a = {.node = k->m->node,
                      .dead_before_us = shared  ? rk_unix_us() - NODE_DEAD_US
                                        : first ? INT64_MAX
                                                : 0};

    enum rk_code rc;

    if (!shared && !first)
        return RK_OK;
    rc = plain(k->m, alive_tx, &a, err);
    if (rc == RK_OK && a.lost && !first) {
        /* A pause of this process, or of the database: others took our streams for gone. */
        rk_log(k->m->opts.log, RK_WARN, "was taken for dead by another process: says who is here");
        presence_again(k->m);
        rc = presence_flush(k->m, err);
    }
    return rc;
}

/* ---- commits of other processes */

static const char SQL_VERSIONS[] = "SELECT account_id, version FROM account_head";

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

static void chores_do(struct keeper *k)
{
    for (struct mgmt_chore *c = NULL; (c = chore_next(k->m, c)) != NULL;) {
        struct rk_err err = {0};

        if (c->due_ms > rk_mono_ms())
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
    if (now >= k->node_next_ms) {
        k->node_next_ms = now + NODE_EVERY_MS;
        if (alive_say(k, false, &err))
            complain(k, "sign of life was not stored", &err);
    }
    if ((k->m->opts.journal_keep_us > 0 || k->m->opts.event_keep_us > 0) &&
        now >= k->prune_next_ms) {
        k->prune_next_ms = now + PRUNE_EVERY_MS;
        if (history_prune(k, &err))
            complain(k, "old journal rows and events were not dropped", &err);
    }
    chores_do(k);
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
    int64_t now = rk_mono_ms();
    enum rk_code rc;

    k->m = m;
    k->node_next_ms = now + NODE_EVERY_MS;
    k->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    rc = k->wake_fd < 0 ? rk_fail_errno(err, RK_UNAVAILABLE, errno, "eventfd") : RK_OK;
    if (rc == RK_OK)
        rc = mgmt_db_open(m, &k->db, err);
    if (rc == RK_OK)
        rc = db_listen(k->db, KEEPER_CHANNEL, err);
    if (rc == RK_OK)
        rc = alive_say(k, true, err);
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
    struct alive a;
    struct rk_err err = {0};
    uint64_t one = 1;

    if (!k)
        return;
    if (write(k->wake_fd, &one, sizeof one) < 0)
        rk_log(k->m->opts.log, RK_WARN, "keeper was not woken");
    (void)pthread_join(k->thread, NULL);
    a = (struct alive){.node = k->m->node};
    if (presence_flush(k->m, &err) || plain(k->m, bye_tx, &a, &err))
        rk_log(k->m->opts.log, RK_WARN, "presence was not stored", KV_ERR(&err));
    db_close(k->db);
    (void)close(k->wake_fd);
    free(k);
}
