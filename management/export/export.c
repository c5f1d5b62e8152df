/* SPDX-License-Identifier: BSD-3-Clause */
/* The thread of each receiver; see export.h. */
#include "config.h"

#include "management/export/export.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "lib/base/num.h"
#include "management/engine/lease.h"
#include "management/export/lines.h"
#include "management/export/receiver.h"
#include "management/export/refusal.h"

#define LOOK_MS      1000
#define RETRY_MAX_MS 60000
#define BATCH        500
#define LOG_EVERY_MS 60000
#define SETTLE_US    5000000 /* other processes may still be storing what is older in the order */
#define RECEIVERS    3

static const char SQL_GET[] = "SELECT place FROM export_place WHERE receiver = $1 AND source = $2";
static const char SQL_SET[] =
    "INSERT INTO export_place (receiver, source, place) VALUES ($1, $2, $3) ON CONFLICT (receiver, "
    "source) DO UPDATE SET place = excluded.place";
static const char SQL_LAST[] = "SELECT COALESCE(MAX(id), 0) FROM event";

enum source { AUDIT, TRAFFIC, SOURCES };
static const char *const SOURCE_NAMES[SOURCES] = {"audit", "traffic"};

struct exporter { /* one receiver; its thread's but for what the lock guards */
    struct exports *x;
    const char *name;  /* "syslog", …: static */
    const char *lease; /* static */
    struct receiver *to;
    struct db *db;
    pthread_t thread;
    struct lease held;
    int64_t place[SOURCES];
    bool known[SOURCES]; /* place was read */
    struct refusal refused[SOURCES];
    struct rk_metric *brought, *failed, *lost;
    struct rk_log_gate gate;
};

struct exports {
    struct mgmt *m;
    struct traffic *traffic;
    bool wanted[SOURCES];
    pthread_mutex_t lock; /* guards stop */
    pthread_cond_t wake;  /* monotonic clock */
    bool stop;
    struct exporter v[RECEIVERS];
    size_t n;
};

/* ---- the place */

/* A receiver that is new begins with what comes from now on. */
static enum rk_code place_first(struct exporter *e, enum source s, int64_t *out, struct rk_err *err)
{
    return s == AUDIT ? db_get_i64(e->db, out, err, SQL_LAST, DB_NOARGS)
                      : traffic_last(e->x->traffic, out, err);
}

static enum rk_code place_set(struct exporter *e, enum source s, int64_t place, struct rk_err *err)
{
    enum rk_code rc = db_exec(e->db, err, NULL, SQL_SET,
                              DB_ARGS(db_textz(e->name), db_textz(SOURCE_NAMES[s]), db_i64(place)));

    if (rc == RK_OK)
        e->place[s] = place;
    return rc;
}

static enum rk_code place_get(struct exporter *e, enum source s, struct rk_err *err)
{
    int64_t place = 0, last = 0;
    enum rk_code rc = db_get_i64(e->db, &place, err, SQL_GET,
                                 DB_ARGS(db_textz(e->name), db_textz(SOURCE_NAMES[s])));

    if (rc == RK_NOT_FOUND) {
        rc = place_first(e, s, &place, err);
        if (rc == RK_OK)
            rc = place_set(e, s, place, err);
    } else if (rc == RK_OK && s == TRAFFIC) {
        rc = traffic_last(e->x->traffic, &last, err);
        if (last < place) /* another file (this one was deleted), whose numbers begin anew; or */
            place = 0;    /* everything was dropped: the next number is higher */
    }
    e->place[s] = place;
    e->known[s] = rc == RK_OK;
    return rc;
}

/* ---- one batch */

static void note_failure(struct exporter *e, const struct rk_err *err)
{
    rk_metric_add(e->failed, 1);
    rk_log_every(&e->gate, LOG_EVERY_MS, mgmt_log(e->x->m), RK_WARN,
                 "events cannot be brought, they wait in the store", kv_z("to", e->name),
                 KV_ERR(err));
}

static void note_success(struct exporter *e)
{
    rk_log(mgmt_log(e->x->m), RK_INFO, "events are taken again", kv_z("by", e->name));
}

static enum rk_code batch_read(const struct exporter *e, enum source s, struct rk_arena *mem,
                               struct export_line **v, size_t *n, struct rk_err *err)
{
    const struct exports *x = e->x;
    int64_t before = mgmt_is_shared(x->m) ? rk_unix_us() - SETTLE_US : INT64_MAX;

    return s == AUDIT ? lines_audit(x->m, e->db, e->place[s], before, BATCH, mem, v, n, err)
                      : lines_traffic(x->m, x->traffic, e->place[s], BATCH, mem, v, n, err);
}

/* What is refused of one source does not keep the other one back. */
static enum rk_code batch_bring(struct exporter *e, enum source s, struct rk_arena *mem, bool *more,
                                struct rk_err *err)
{
    struct refusal *f = &e->refused[s];
    struct refusal_taken taken = {0};
    struct export_line *v;
    bool had_refused = f->looks > 0;
    size_t n;
    enum rk_code rc, placed;

    if (refusal_waits(f, rk_mono_ms()))
        return RK_OK;
    rc = batch_read(e, s, mem, &v, &n, err);
    if (rc || n == 0)
        return rc;
    rc = refusal_bring(f, e->to, mem, v, n, mgmt_log(e->x->m), &taken, err);
    rk_metric_add(e->brought, (int64_t)(taken.over - taken.lost));
    rk_metric_add(e->lost, (int64_t)taken.lost);
    if (rc == RK_PRECONDITION) {
        note_failure(e, err);
        rc = RK_OK;
    } else if (rc == RK_OK && had_refused) {
        note_success(e);
    }
    if (!taken.over)
        return rc;
    *more |= n == BATCH || taken.over < n;
    placed = place_set(e, s, v[taken.over - 1].place, rc ? NULL : err);
    return rc ? rc : placed; /* an error behind it came first */
}

static enum rk_code look(struct exporter *e, bool *more, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    bool held = false;
    enum rk_code rc = lease_take(e->x->m, e->db, e->lease, &e->held, &held, err);

    *more = false;
    for (int s = 0; s < SOURCES && rc == RK_OK; s++) {
        if (!held) { /* another process does it, and moves the place */
            e->known[s] = false;
            continue;
        }
        if (!e->x->wanted[s])
            continue;
        if (!e->known[s])
            rc = place_get(e, (enum source)s, err);
        if (rc == RK_OK)
            rc = batch_bring(e, (enum source)s, mem, more, err);
    }
    return rc;
}

/* ---- the thread */

static bool rest(struct exports *x, int64_t ms)
{
    struct timespec end;
    bool stop;

    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += ms / 1000;
    end.tv_nsec += ms % 1000 * 1000000;
    if (end.tv_nsec >= 1000000000) {
        end.tv_sec++;
        end.tv_nsec -= 1000000000;
    }
    (void)pthread_mutex_lock(&x->lock);
    while (!x->stop && pthread_cond_timedwait(&x->wake, &x->lock, &end) == 0)
        ;
    stop = x->stop;
    (void)pthread_mutex_unlock(&x->lock);
    return stop;
}

static void *exporter_main(void *arg)
{
    struct exporter *e = arg;
    int64_t wait_ms = LOOK_MS;
    bool more = false;

    while (!rest(e->x, more ? 0 : wait_ms)) {
        struct rk_err err = {0};

        if (look(e, &more, &err) == RK_OK) {
            if (wait_ms > LOOK_MS)
                note_success(e);
            wait_ms = LOOK_MS;
            continue;
        }
        more = false;
        note_failure(e, &err);
        wait_ms = rk_min_i64(wait_ms * 2, RETRY_MAX_MS);
    }
    return NULL;
}

/* ---- life */

static bool is_set(const char *z)
{
    return z && *z;
}

static enum rk_code make(const struct export_opts *o, size_t i, struct receiver **out,
                         struct rk_err *err)
{
    *out = NULL;
    switch (i) {
    case 0:
        return is_set(o->syslog) ? receiver_syslog(o->syslog, out, err) : RK_OK;
    case 1:
        return is_set(o->file) ? receiver_file(o->file, out, err) : RK_OK;
    default:
        return is_set(o->webhook) ? receiver_webhook(o->webhook, o->webhook_secret, out, err)
                                  : RK_OK;
    }
}

static const struct {
    const char *name, *lease, *labels;
} KINDS[RECEIVERS] = {
    {"syslog", "export syslog", "to=\"syslog\""},
    {"file", "export file", "to=\"file\""},
    {"webhook", "export webhook", "to=\"webhook\""},
};

enum rk_code exports_check(const struct export_opts *o, struct rk_err *err)
{
    for (size_t i = 0; i < RECEIVERS; i++) {
        struct receiver *r;

        if (make(o, i, &r, err))
            return rk_wrap(err, "%s", o->names[i]);
        if (r)
            r->free(r);
    }
    return RK_OK;
}

static enum rk_code add(struct exports *x, const struct export_opts *o, size_t i,
                        struct rk_err *err)
{
    struct exporter *e = &x->v[x->n];
    enum rk_code rc = make(o, i, &e->to, err);

    if (rc || !e->to)
        return rc ? rk_wrap(err, "%s", o->names[i]) : RK_OK;
    e->x = x;
    e->name = KINDS[i].name;
    e->lease = KINDS[i].lease;
    e->brought = rk_metric_counter(o->metrics, "rookery_exported_events_total", KINDS[i].labels,
                                   "Events that a receiver outside took.");
    e->failed = rk_metric_counter(o->metrics, "rookery_export_failures_total", KINDS[i].labels,
                                  "Attempts to bring events that failed.");
    e->lost = rk_metric_counter(o->metrics, "rookery_export_lost_events_total", KINDS[i].labels,
                                "Events that a receiver refused for good, while it took others.");
    rc = mgmt_db_open(x->m, &e->db, err);
    for (int s = 0; s < SOURCES && rc == RK_OK; s++) /* before anything can happen */
        if (x->wanted[s])
            rc = place_get(e, (enum source)s, err);
    if (rc == RK_OK && pthread_create(&e->thread, NULL, exporter_main, e))
        rc = rk_fail(err, RK_UNAVAILABLE, "cannot start a thread");
    if (rc) {
        db_close(e->db);
        e->to->free(e->to);
        return rc;
    }
    x->n++;
    return RK_OK;
}

enum rk_code exports_start(const struct export_opts *o, struct exports **out, struct rk_err *err)
{
    struct exports *x = rk_calloc(1, sizeof *x);
    pthread_condattr_t attr;
    enum rk_code rc = RK_OK;

    x->m = o->mgmt;
    x->traffic = o->traffic;
    x->wanted[AUDIT] = o->audit;
    x->wanted[TRAFFIC] = o->with_traffic && o->traffic;
    (void)pthread_mutex_init(&x->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&x->wake, &attr);
    (void)pthread_condattr_destroy(&attr);
    for (size_t i = 0; i < RECEIVERS && rc == RK_OK; i++)
        rc = add(x, o, i, err);
    if (rc || x->n == 0) {
        exports_stop(x);
        x = NULL;
    }
    *out = x;
    return rc;
}

void exports_stop(struct exports *x)
{
    if (!x)
        return;
    (void)pthread_mutex_lock(&x->lock);
    x->stop = true;
    (void)pthread_cond_broadcast(&x->wake);
    (void)pthread_mutex_unlock(&x->lock);
    for (size_t i = 0; i < x->n; i++) {
        (void)pthread_join(x->v[i].thread, NULL);
        db_close(x->v[i].db);
        x->v[i].to->free(x->v[i].to);
    }
    (void)pthread_cond_destroy(&x->wake);
    (void)pthread_mutex_destroy(&x->lock);
    free(x);
}
