/* SPDX-License-Identifier: BSD-3-Clause */
/* Who else lives: see cluster.h. */
#include "config.h"

#include "management/engine/cluster.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/num.h"
#include "management/engine/cluster_impl.h"
#include "management/engine/engine_impl.h"
#include "management/engine/presence_impl.h"

#define NODES_MAX    64   /* processes on one database: more are a mistake */
#define GAP_MS       3000 /* who did not watch for as long begins anew */
#define LOG_EVERY_MS 60000
#define FORGOTTEN_US ((int64_t)600 * 1000000)

#define COMPARE_AGE_US INT64_C(60000000) /* then a slower answer counts, too: clocks drift */
#define DB_NOW         "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"

/* ---- SQL; what has "PG" in its name runs on PostgreSQL only */

static const char SQL_EPOCH[] =
    "UPDATE cluster_count SET value = value + 1 WHERE name = 'epoch' RETURNING value";
static const char SQL_NOW_PG[] = "SELECT " DB_NOW;
static const char SQL_JOIN[] =
    "INSERT INTO node (id, seen_at, epoch, version, host, started_at, relay, secret_check) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO UPDATE SET "
    "seen_at = excluded.seen_at, epoch = excluded.epoch, relay = excluded.relay";
static const char SQL_BEAT_PG[] =
    "UPDATE node SET seen_at = " DB_NOW ", relay = $3, "
    "secret_check = $4, lag_versions = $5, lag_us = $6 WHERE id = $1 AND epoch = $2 "
    "RETURNING seen_at";
static const char SQL_NODES[] =
    "SELECT id, epoch, version, host, started_at, seen_at, relay, "
    "secret_check, lag_versions, lag_us FROM node ORDER BY started_at, id";
/* Only as we saw it: a beat in between is a sign of life. */
static const char SQL_BURY[] = "DELETE FROM node WHERE id = $1 AND epoch = $2 AND seen_at = $3";
static const char SQL_BYE[] = "DELETE FROM node WHERE id = $1";
static const char SQL_BYE_ALL[] = "DELETE FROM node";
static const char SQL_PRESENCE_END[] = "UPDATE peer_status SET connected = 0, session_token = 0, "
                                       "node = NULL, last_seen = $2 WHERE node = $1";
/* What it has begun and not finished holds locks, and would hold them until it goes on or its
 * connection is given up: a write of a process that nobody counts on any more. */
static const char SQL_CUT_PG[] = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                                 "WHERE application_name = $1 AND usename = current_user";
/* Nobody was here to watch them. */
static const char SQL_BURY_OLD[] = "DELETE FROM node WHERE seen_at < $1";
/* Leftovers of processes that nobody knows any more. */
static const char SQL_PRESENCE_LOST[] =
    "UPDATE peer_status SET connected = 0, session_token = 0, node = NULL, last_seen = $1 WHERE "
    "(connected = 1 OR node IS NOT NULL) AND (node IS NULL OR node NOT IN (SELECT id FROM node))";
static const char SQL_TAKEOVER[] =
    "UPDATE cluster_count SET value = value + 1 WHERE name = 'takeovers'";

struct member {            /* one row as we see it */
    struct cluster_node n; /* texts in the table's arena */
    int64_t since_ms;      /* mono; how long seen_us has not moved */
    bool told;             /* observers know of it */
    bool checked;          /* its secret_check was compared with ours */
};

struct table { /* of one look; replaced as a whole */
    struct rk_arena *mem;
    struct member v[NODES_MAX];
    size_t n;
};

struct shown { /* what we say of ourselves */
    char relay[256], secret_check[64];
};

struct cluster {
    struct mgmt *m;
    struct db *db;
    pthread_t thread;
    bool started;
    char host[256];
    int64_t started_us;
    struct rk_log_gate gate;
    int64_t looked_ms; /* mono; of the last look that succeeded */
    size_t n_greeted;  /* observers that know the table */
    struct rk_metric *m_members, *m_takeovers, *m_lag;

    _Atomic int64_t epoch;
    _Atomic int64_t ahead_ns;             /* the database's clock, compared to ours */
    int64_t compare_took_us, compared_us; /* how long that answer took, and when it came */
    _Atomic int64_t session_last;
    _Atomic int64_t lag_versions, lag_us;

    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t wake;
    bool stop, poked;
    struct table *table;
    struct shown shown;
    struct rk_list observers;
};

static void table_free(struct table *t)
{
    if (!t)
        return;
    rk_arena_free(t->mem);
    free(t);
}

static struct table *table_new(void)
{
    struct table *t = rk_calloc(1, sizeof *t);

    t->mem = rk_arena_new(0);
    return t;
}

static struct member *table_find(struct table *t, struct rk_str id)
{
    for (size_t i = 0; t && i < t->n; i++)
        if (rk_str_eq(t->v[i].n.id, id))
            return &t->v[i];
    return NULL;
}

static struct shown shown_get(struct cluster *c)
{
    struct shown s;

    (void)pthread_mutex_lock(&c->lock);
    s = c->shown;
    (void)pthread_mutex_unlock(&c->lock);
    return s;
}

/* ---- in one transaction */

static enum rk_code one_i64(struct db *db, const char *sql, const struct db_val *args, size_t n,
                            int64_t *out, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    enum rk_code rc = db_query(db, &rows, err, sql, args, n);

    *out = 0;
    while (rc == RK_OK && db_next(rows))
        *out = db_col_i64(rows, 0);
    return rc ? rc : db_end(rows, err);
}

static enum rk_code join_tx(struct db *db, void *arg, struct rk_err *err)
{
    struct cluster *c = arg;
    int64_t now = rk_unix_us(), epoch = 0;
    struct shown s = shown_get(c);
    enum rk_code rc = one_i64(db, SQL_EPOCH, DB_NOARGS, &epoch, err);

    if (rc == RK_OK && c->m->shared)
        rc = one_i64(db, SQL_NOW_PG, DB_NOARGS, &now, err);
    if (rc == RK_OK && !c->m->shared) /* alone, whatever the table says */
        rc = db_exec(db, err, NULL, SQL_BYE_ALL, DB_NOARGS);
    else if (rc == RK_OK)
        rc = db_exec(db, err, NULL, SQL_BURY_OLD, DB_ARGS(db_i64(now - FORGOTTEN_US)));
    if (!c->started_us)
        c->started_us = now;
    if (rc == RK_OK)
        rc = db_exec(db, err, NULL, SQL_JOIN,
                     DB_ARGS(db_textz(c->m->node), db_i64(now), db_i64(epoch),
                             db_textz(PACKAGE_VERSION), db_textz(c->host), db_i64(c->started_us),
                             db_textz(s.relay), db_textz(s.secret_check)));
    if (rc == RK_OK)
        rc = db_exec(db, err, NULL, SQL_PRESENCE_LOST, DB_ARGS(db_i64(now)));
    if (rc == RK_OK)
        c->epoch = epoch;
    return rc;
}

struct bury {
    const struct cluster_node *dead;
    bool did; /* out: it was we */
};

static enum rk_code bury_tx(struct db *db, void *arg, struct rk_err *err)
{
    struct bury *b = arg;
    struct db_val id = db_text(b->dead->id), seen = db_i64(b->dead->seen_us);
    int64_t gone = 0;
    enum rk_code rc = db_exec(db, err, &gone, SQL_BURY, DB_ARGS(id, db_i64(b->dead->epoch), seen));

    b->did = rc == RK_OK && gone > 0;
    if (b->did)
        rc = db_exec(db, err, NULL, SQL_PRESENCE_END, DB_ARGS(id, seen));
    if (rc == RK_OK && b->did)
        rc = db_exec(db, err, NULL, SQL_TAKEOVER, DB_NOARGS);
    return rc;
}

static enum rk_code bye_tx(struct db *db, void *arg, struct rk_err *err)
{
    struct cluster *c = arg;
    enum rk_code rc = db_exec(db, err, NULL, SQL_BYE, DB_ARGS(db_textz(c->m->node)));

    return rc ? rc
              : db_exec(db, err, NULL, SQL_PRESENCE_END,
                        DB_ARGS(db_textz(c->m->node), db_i64(rk_unix_us())));
}

/* ---- a beat, and a look at the others */

/* Observers are only added, and at the end; those that were not greeted yet hear of nothing else.
 */
static struct cluster_observer *observer_at(struct cluster *c, size_t i)
{
    struct cluster_observer *found = NULL;

    (void)pthread_mutex_lock(&c->lock);
    RK_LIST_FOR_EACH (it, &c->observers) {
        if (i-- > 0)
            continue;
        found = rk_container_of(it, struct cluster_observer, link);
        break;
    }
    (void)pthread_mutex_unlock(&c->lock);
    return found;
}

static void tell(struct cluster *c, enum cluster_event what, const struct cluster_node *n)
{
    for (size_t i = 0; i < c->n_greeted; i++) {
        struct cluster_observer *o = observer_at(c, i);

        if (o)
            o->changed(o, what, n);
    }
}

/* New observers hear of those that the others know. */
static void greet(struct cluster *c)
{
    struct cluster_observer *o;

    for (; (o = observer_at(c, c->n_greeted)) != NULL; c->n_greeted++)
        for (size_t i = 0; i < c->table->n; i++) /* only this thread replaces it */
            if (c->table->v[i].told)
                o->changed(o, CLUSTER_JOINED, &c->table->v[i].n);
}

/* The database's time, as an answer said that was asked for at `began`: known to half of what that
 * took, so the quickest answer of a while counts. */
static void clock_compare(struct cluster *c, int64_t began, int64_t seen)
{
    int64_t now = rk_unix_us(), took = now - began;

    if (took < 0 || (took > c->compare_took_us && now - c->compared_us < COMPARE_AGE_US &&
                     now > c->compared_us))
        return;
    c->ahead_ns = (seen - (began + took / 2)) * 1000;
    c->compare_took_us = took;
    c->compared_us = now;
}

/* Our row gets the database's time. *there false: it is gone. */
static enum rk_code beat(struct cluster *c, bool *there, struct rk_err *err)
{
    struct shown s = shown_get(c);
    int64_t seen = 0, began = rk_unix_us();
    enum rk_code rc;

    rc = one_i64(c->db, SQL_BEAT_PG,
                 DB_ARGS(db_textz(c->m->node), db_i64(c->epoch), db_textz(s.relay),
                         db_textz(s.secret_check), db_i64(c->lag_versions), db_i64(c->lag_us)),
                 &seen, err);
    if (rc)
        return rc;
    *there = seen != 0;
    if (seen)
        clock_compare(c, began, seen);
    return RK_OK;
}

static enum rk_code table_read(struct cluster *c, struct table *t, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    enum rk_code rc = db_query(c->db, &rows, err, SQL_NODES, DB_NOARGS);

    while (rc == RK_OK && t->n < NODES_MAX && db_next(rows)) {
        struct cluster_node *n = &t->v[t->n++].n;

        n->id = db_col_text(rows, 0, t->mem);
        n->epoch = db_col_i64(rows, 1);
        n->version = db_col_text(rows, 2, t->mem);
        n->host = db_col_text(rows, 3, t->mem);
        n->started_us = db_col_i64(rows, 4);
        n->seen_us = db_col_i64(rows, 5);
        n->relay = db_col_text(rows, 6, t->mem);
        n->secret_check = db_col_text(rows, 7, t->mem);
        n->lag_versions = db_col_i64(rows, 8);
        n->lag_us = db_col_i64(rows, 9);
        n->self = rk_str_eqz(n->id, c->m->node);
    }
    return rc ? rc : db_end(rows, err);
}

/* How long each has been silent, as long as we watched without a break. */
static void watch(struct cluster *c, struct table *now)
{
    int64_t ms = rk_mono_ms();
    bool broken = ms - c->looked_ms > GAP_MS;

    for (size_t i = 0; i < now->n; i++) {
        struct member *e = &now->v[i], *was = table_find(c->table, e->n.id);

        e->since_ms = ms;
        if (was && was->n.epoch == e->n.epoch) {
            e->told = was->told;
            e->checked = was->checked && rk_str_eq(was->n.secret_check, e->n.secret_check);
            if (!broken && was->n.seen_us == e->n.seen_us)
                e->since_ms = was->since_ms;
        }
    }
    c->looked_ms = ms;
}

static bool is_dead(const struct member *e)
{
    int64_t limit = e->n.epoch ? CLUSTER_DEAD_MS : CLUSTER_DEAD_OLD_MS;

    return !e->n.self && rk_mono_ms() - e->since_ms > limit;
}

static enum rk_code cut_off(struct cluster *c, const struct cluster_node *dead, struct rk_err *err)
{
    char name[80];
    int64_t n;

    (void)snprintf(name, sizeof name, "rookery %.*s", RK_STR_ARG(dead->id));
    return one_i64(c->db, SQL_CUT_PG, DB_ARGS(db_textz(name)), &n, err);
}

static enum rk_code bury_dead(struct cluster *c, struct table *t, struct rk_err *err)
{
    enum rk_code rc = RK_OK;

    for (size_t i = 0; rc == RK_OK && i < t->n;) {
        struct bury b = {.dead = &t->v[i].n};

        if (!is_dead(&t->v[i])) {
            i++;
            continue;
        }
        rc = cut_off(c, b.dead, err);
        if (rc == RK_OK)
            rc = db_tx(c->db, bury_tx, &b, err);
        if (rc == RK_OK && b.did) {
            rk_log(c->m->opts.log, RK_WARN, "a process is dead: what it held is free",
                   kv_str("node", b.dead->id), kv_str("host", b.dead->host));
            rk_metric_add(c->m_takeovers, 1);
        }
        if (rc == RK_OK) /* by us or by another one, or it has just moved: seen next time */
            memmove(&t->v[i], &t->v[i + 1], (--t->n - i) * sizeof t->v[0]);
    }
    return rc;
}

/* Tokens for a relay are made by one process and checked by another one. */
static void secret_compare(struct cluster *c, struct member *e)
{
    struct shown s = shown_get(c);

    if (e->checked || !s.secret_check[0] || !e->n.secret_check.n)
        return;
    e->checked = true;
    if (rk_str_eqz(e->n.secret_check, s.secret_check))
        return;
    rk_log(c->m->opts.log, RK_ERROR,
           "another process has another relay secret: agents cannot meet at its relay; make one of "
           "the two from the other (rookery admin node-token)",
           kv_str("node", e->n.id), kv_str("host", e->n.host));
}

/* What observers hear; outside of the lock. */
static void compare(struct cluster *c, struct table *was, struct table *now)
{
    for (size_t i = 0; i < now->n; i++) {
        struct member *e = &now->v[i], *old = table_find(was, e->n.id);

        if (e->n.self)
            continue;
        if (!e->told)
            tell(c, CLUSTER_JOINED, &e->n);
        else if (old && !rk_str_eq(old->n.relay, e->n.relay))
            tell(c, CLUSTER_CHANGED, &e->n);
        secret_compare(c, e);
        e->told = true;
    }
    for (size_t i = 0; was && i < was->n; i++)
        if (!was->v[i].n.self && was->v[i].told && !table_find(now, was->v[i].n.id))
            tell(c, CLUSTER_LEFT, &was->v[i].n);
}

static void table_set(struct cluster *c, struct table *t)
{
    struct table *was;

    (void)pthread_mutex_lock(&c->lock);
    was = c->table;
    c->table = t;
    (void)pthread_mutex_unlock(&c->lock);
    compare(c, was, t);
    table_free(was);
    rk_metric_set(c->m_members, (int64_t)t->n);
}

static enum rk_code rejoin(struct cluster *c, struct rk_err *err)
{
    enum rk_code rc = db_tx(c->db, join_tx, c, err);

    if (rc)
        return rc;
    rk_log(c->m->opts.log, RK_WARN, "was taken for dead by another process: says who is here");
    presence_again(c->m);
    tell(c, CLUSTER_REJOINED,
         &(struct cluster_node){.id = rk_str_z(c->m->node), .epoch = c->epoch, .self = true});
    return RK_OK;
}

static enum rk_code look(struct cluster *c, struct rk_err *err)
{
    struct table *t;
    bool there = true;
    enum rk_code rc = beat(c, &there, err);

    if (rc == RK_OK && !there)
        rc = rejoin(c, err);
    if (rc)
        return rc;
    t = table_new();
    rc = table_read(c, t, err);
    if (rc == RK_OK)
        watch(c, t);
    if (rc == RK_OK)
        rc = bury_dead(c, t, err);
    if (rc) {
        table_free(t);
        return rc;
    }
    table_set(c, t);
    rk_metric_set(c->m_lag, c->lag_versions);
    return RK_OK;
}

static void *cluster_main(void *arg)
{
    struct cluster *c = arg;
    struct timespec until;

    (void)pthread_mutex_lock(&c->lock);
    while (!c->stop) {
        struct rk_err err = {0};

        (void)pthread_mutex_unlock(&c->lock);
        greet(c);
        if (look(c, &err))
            rk_log_every(&c->gate, LOG_EVERY_MS, c->m->opts.log,
                         rk_log_failure_level(c->m->opts.log, &err), "sign of life was not stored",
                         KV_ERR(&err));
        (void)pthread_mutex_lock(&c->lock);
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += CLUSTER_BEAT_MS / 1000;
        while (!c->stop && !c->poked && pthread_cond_timedwait(&c->wake, &c->lock, &until) == 0)
            ;
        c->poked = false;
    }
    (void)pthread_mutex_unlock(&c->lock);
    return NULL;
}

/* ---- what others ask */

const char *cluster_self(struct mgmt *m)
{
    return m->node;
}

int64_t cluster_epoch(struct mgmt *m)
{
    return m->cluster->epoch;
}

struct cluster_nodes cluster_list(struct mgmt *m, struct rk_arena *mem)
{
    struct cluster *c = m->cluster;
    struct cluster_nodes out = {0};
    struct cluster_node *v;

    (void)pthread_mutex_lock(&c->lock);
    v = rk_new_n(mem, struct cluster_node, c->table ? c->table->n : 0);
    for (size_t i = 0; c->table && i < c->table->n; i++) {
        v[i] = c->table->v[i].n;
        v[i].id = rk_arena_dup(mem, v[i].id);
        v[i].version = rk_arena_dup(mem, v[i].version);
        v[i].host = rk_arena_dup(mem, v[i].host);
        v[i].relay = rk_arena_dup(mem, v[i].relay);
        v[i].secret_check = rk_arena_dup(mem, v[i].secret_check);
        out.n++;
    }
    (void)pthread_mutex_unlock(&c->lock);
    out.v = v;
    return out;
}

void cluster_channel(struct rk_str node_id, char out[CLUSTER_CHANNEL_TEXT])
{
    (void)snprintf(out, CLUSTER_CHANNEL_TEXT, "rookery_to_%.*s", (int)rk_min_size(node_id.n, 24),
                   node_id.p);
}

static void poke(struct cluster *c) /* locked */
{
    c->poked = true;
    (void)pthread_cond_signal(&c->wake);
}

void cluster_announce(struct mgmt *m, struct rk_str relay, struct rk_str secret_check)
{
    struct cluster *c = m->cluster;

    (void)pthread_mutex_lock(&c->lock);
    (void)snprintf(c->shown.relay, sizeof c->shown.relay, "%.*s", RK_STR_ARG(relay));
    (void)snprintf(c->shown.secret_check, sizeof c->shown.secret_check, "%.*s",
                   RK_STR_ARG(secret_check));
    poke(c);
    (void)pthread_mutex_unlock(&c->lock);
}

void cluster_set_lag(struct mgmt *m, int64_t versions, int64_t us)
{
    m->cluster->lag_versions = versions;
    m->cluster->lag_us = us;
}

void cluster_observe(struct mgmt *m, struct cluster_observer *o)
{
    struct cluster *c = m->cluster;

    (void)pthread_mutex_lock(&c->lock);
    rk_list_push_back(&c->observers, &o->link);
    poke(c);
    (void)pthread_mutex_unlock(&c->lock);
}

int64_t cluster_session(struct mgmt *m)
{
    struct cluster *c = m->cluster;
    int64_t now = rk_unix_us() * 1000 + c->ahead_ns;
    int64_t before = atomic_load(&c->session_last), mine;

    do
        mine = rk_max_i64(now, before + 1);
    while (!atomic_compare_exchange_weak(&c->session_last, &before, mine));
    return mine;
}

/* ---- life */

static void lag_metric(void *arg, struct rk_buf *out)
{
    const struct cluster *c = arg;
    int64_t us = c->lag_us;

    rk_buf_printf(
        out,
        "# HELP rookery_cluster_lag_seconds How long the oldest commit of another process "
        "has waited to be applied here.\n"
        "# TYPE rookery_cluster_lag_seconds gauge\n"
        "rookery_cluster_lag_seconds %lld.%06lld\n",
        (long long)(us / 1000000), (long long)(us % 1000000));
}

static void metrics_make(struct cluster *c)
{
    struct rk_metrics *ms = c->m->opts.metrics;

    c->m_members = rk_metric_gauge(ms, "rookery_cluster_members", NULL,
                                   "Processes that share the database and live.");
    c->m_takeovers = rk_metric_counter(ms, "rookery_cluster_takeovers_total", NULL,
                                       "Processes that this one declared dead.");
    c->m_lag = rk_metric_gauge(ms, "rookery_cluster_lag_versions", NULL,
                               "Commits of other processes that are not applied here yet.");
    if (ms)
        rk_metrics_collect(ms, lag_metric, c);
    rk_metric_set(c->m_members, 1);
}

/* Ours alone, for those who ask before the first look, and on SQLite. */
static void table_first(struct cluster *c)
{
    struct table *t = table_new();

    t->v[t->n++] = (struct member){.n = {.id = rk_arena_dup(t->mem, rk_str_z(c->m->node)),
                                         .epoch = c->epoch,
                                         .version = RK_STR(PACKAGE_VERSION),
                                         .host = rk_arena_dup(t->mem, rk_str_z(c->host)),
                                         .started_us = c->started_us,
                                         .seen_us = c->started_us,
                                         .self = true},
                                   .since_ms = rk_mono_ms()};
    c->table = t;
}

enum rk_code cluster_start(struct mgmt *m, struct rk_err *err)
{
    struct cluster *c = rk_calloc(1, sizeof *c);
    pthread_condattr_t attr;
    bool there = true;
    enum rk_code rc;

    m->cluster = c;
    c->m = m;
    rk_list_init(&c->observers);
    (void)pthread_mutex_init(&c->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&c->wake, &attr);
    (void)pthread_condattr_destroy(&attr);
    (void)gethostname(c->host, sizeof c->host - 1);
    metrics_make(c);
    rc = mgmt_db_open(m, &c->db, err);
    if (rc == RK_OK)
        rc = db_tx(c->db, join_tx, c, err);
    if (rc == RK_OK)
        table_first(c);
    if (rc || !m->shared)
        return rc;
    rc = beat(c, &there, err);
    c->looked_ms = rk_mono_ms();
    if (rc == RK_OK && pthread_create(&c->thread, NULL, cluster_main, c))
        rc = rk_fail(err, RK_UNAVAILABLE, "cannot start a thread");
    c->started = rc == RK_OK;
    return rc;
}

void cluster_stop(struct mgmt *m)
{
    struct cluster *c = m->cluster;
    struct rk_err err = {0};

    if (!c)
        return;
    if (c->started) {
        (void)pthread_mutex_lock(&c->lock);
        c->stop = true;
        (void)pthread_cond_signal(&c->wake);
        (void)pthread_mutex_unlock(&c->lock);
        (void)pthread_join(c->thread, NULL);
        c->started = false;
    }
    if (c->epoch && db_tx(c->db, bye_tx, c, &err))
        rk_log(m->opts.log, RK_WARN, "farewell was not stored", KV_ERR(&err));
    db_close(c->db);
    c->db = NULL;
}

void cluster_free(struct mgmt *m)
{
    struct cluster *c = m->cluster;

    if (!c)
        return;
    table_free(c->table);
    (void)pthread_cond_destroy(&c->wake);
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
    m->cluster = NULL;
}
