/* SPDX-License-Identifier: BSD-3-Clause */
/* See writer.h. */
#include "config.h"

#include "management/traffic/writer.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "lib/base/num.h"

#define RETRY_S      1
#define DROP_EVERY_S 3600
#define DROP_ROWS    5000 /* in one transaction */
#define LOG_EVERY_MS 60000
#define S_PER_DAY    86400

struct traffic_writer {
    struct db *db;
    int64_t keep_days, keep_rows;
    struct rk_log *log;
    struct rk_log_gate gate;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wake;  /* monotonic clock */
    struct rk_list queue;
    size_t waiting; /* rows */
    bool stop, joined;
    int64_t drop_at_s; /* monotonic; the thread's */
};

static int64_t mono_s(void)
{
    return rk_mono_ms() / 1000;
}

/* ---- writing */

static enum rk_code write_all(struct db *db, void *arg, struct rk_err *err)
{
    const struct rk_list *batches = arg;
    enum rk_code rc = traffic_rows_alone(db, err);

    for (struct rk_list *l = batches->next; l != batches && !rc; l = l->next) {
        const struct traffic_batch *b = rk_container_of(l, struct traffic_batch, link);

        for (size_t i = 0; i < b->n && !rc; i++)
            rc = traffic_row_put(db, b->account_id, &b->rows[i], err);
    }
    return rc;
}

static void batch_posted(struct rk_task *t)
{
    struct traffic_batch *b = rk_container_of(t, struct traffic_batch, task);

    b->done(b, b->stored);
}

static void post(struct traffic_batch *b, bool stored)
{
    b->stored = stored;
    b->task.run = batch_posted;
    rk_loop_post(b->loop, &b->task);
}

static void hand_back(struct traffic_writer *w, struct rk_list *batches, bool stored)
{
    struct rk_list *l;

    while ((l = rk_list_pop_front(batches)) != NULL) {
        struct traffic_batch *b = rk_container_of(l, struct traffic_batch, link);

        (void)pthread_mutex_lock(&w->lock);
        w->waiting -= b->n;
        (void)pthread_mutex_unlock(&w->lock);
        post(b, stored);
    }
}

static bool write_batches(struct traffic_writer *w, struct rk_list *batches)
{
    struct rk_err err = {0};

    if (rk_list_empty(batches))
        return true;
    if (db_tx(w->db, write_all, batches, &err)) {
        rk_log_every(&w->gate, LOG_EVERY_MS, w->log, RK_WARN,
                     "traffic events wait: they cannot be stored", KV_ERR(&err));
        return false;
    }
    hand_back(w, batches, true);
    return true;
}

/* ---- dropping old ones */

struct drop {
    const struct traffic_writer *w;
    bool more;
};

static enum rk_code drop_some(struct db *db, void *arg, struct rk_err *err)
{
    struct drop *d = arg;
    int64_t today = rk_unix_ms() / 1000 / S_PER_DAY;
    enum rk_code rc = traffic_rows_alone(db, err);

    return rc ? rc
              : traffic_rows_drop(db, d->w->keep_days ? today - d->w->keep_days : 0,
                                  d->w->keep_rows, DROP_ROWS, &d->more, err);
}

/* One slice a turn, so that what comes in does not wait for all of it. */
static void drop_old(struct traffic_writer *w)
{
    struct drop d = {.w = w};
    struct rk_err err = {0};

    if (mono_s() < w->drop_at_s)
        return;
    if (db_tx(w->db, drop_some, &d, &err))
        rk_log_every(&w->gate, LOG_EVERY_MS, w->log, RK_WARN, "old traffic events were not removed",
                     KV_ERR(&err));
    w->drop_at_s = mono_s() + (d.more ? 0 : DROP_EVERY_S);
}

/* ---- the thread */

/* Until something waits, or it is time for `at_s`. */
static void wait_for_work(struct traffic_writer *w, int64_t at_s)
{
    struct timespec end = {.tv_sec = (time_t)at_s};

    while (!w->stop && rk_list_empty(&w->queue) && mono_s() < at_s)
        (void)pthread_cond_timedwait(&w->wake, &w->lock, &end);
}

static void pause_after_failure(struct traffic_writer *w)
{
    struct timespec end = {.tv_sec = (time_t)(mono_s() + RETRY_S + 1)};

    while (!w->stop && pthread_cond_timedwait(&w->wake, &w->lock, &end) == 0)
        ;
}

static void *writer_main(void *arg)
{
    struct traffic_writer *w = arg;
    struct rk_list batches;
    bool stop = false;

    rk_list_init(&batches);
    while (!stop) {
        bool ok;

        (void)pthread_mutex_lock(&w->lock);
        if (rk_list_empty(&batches))
            wait_for_work(w, w->drop_at_s);
        rk_list_splice(&batches, &w->queue);
        stop = w->stop; /* nothing joins the queue any more */
        (void)pthread_mutex_unlock(&w->lock);
        ok = write_batches(w, &batches);
        if (ok && !stop)
            drop_old(w);
        (void)pthread_mutex_lock(&w->lock);
        if (!ok && !w->stop)
            pause_after_failure(w);
        (void)pthread_mutex_unlock(&w->lock);
    }
    hand_back(w, &batches, false);
    return NULL;
}

enum rk_code traffic_writer_new(const struct traffic_writer_opts *o, struct traffic_writer **out,
                                struct rk_err *err)
{
    struct traffic_writer *w = rk_calloc(1, sizeof *w);
    pthread_condattr_t attr;

    *w = (struct traffic_writer){
        .db = o->db, .keep_days = o->keep_days, .keep_rows = o->keep_rows, .log = o->log};
    db_set_lazy(w->db, true);
    rk_list_init(&w->queue);
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&w->wake, &attr);
    (void)pthread_condattr_destroy(&attr);
    if (pthread_create(&w->thread, NULL, writer_main, w)) {
        w->joined = true;
        traffic_writer_free(w);
        return rk_fail(err, RK_UNAVAILABLE, "cannot start a thread");
    }
    *out = w;
    return RK_OK;
}

void traffic_writer_put(struct traffic_writer *w, struct traffic_batch *b)
{
    bool stop;

    (void)pthread_mutex_lock(&w->lock);
    stop = w->stop;
    if (!stop) {
        rk_list_push_back(&w->queue, &b->link);
        w->waiting += b->n;
        (void)pthread_cond_signal(&w->wake);
    }
    (void)pthread_mutex_unlock(&w->lock);
    if (stop)
        post(b, false);
}

size_t traffic_writer_waiting(struct traffic_writer *w)
{
    size_t n;

    (void)pthread_mutex_lock(&w->lock);
    n = w->waiting;
    (void)pthread_mutex_unlock(&w->lock);
    return n;
}

void traffic_writer_stop(struct traffic_writer *w)
{
    if (w->joined)
        return;
    (void)pthread_mutex_lock(&w->lock);
    w->stop = true;
    (void)pthread_cond_signal(&w->wake);
    (void)pthread_mutex_unlock(&w->lock);
    (void)pthread_join(w->thread, NULL);
    w->joined = true;
}

void traffic_writer_free(struct traffic_writer *w)
{
    if (!w)
        return;
    traffic_writer_stop(w);
    db_close(w->db);
    (void)pthread_cond_destroy(&w->wake);
    (void)pthread_mutex_destroy(&w->lock);
    free(w);
}
