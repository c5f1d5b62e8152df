/* SPDX-License-Identifier: BSD-3-Clause */
/* Thread pool over one bounded FIFO; see pool.h. */
#include "config.h"

#include "lib/base/pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "lib/base/str.h"

#define OPEN_AGAIN_S 1 /* until a thread without a connection tries to open one again */

struct worker {
    struct rk_pool *pool;
    struct db *db;
    pthread_t thread;
    bool running;
};

struct rk_pool {
    pthread_mutex_t lock; /* guards queue, queued, n_waiting, n_started, stopping */
    pthread_cond_t ready;
    pthread_cond_t closed; /* wakes threads that wait to open a connection: stopping */
    struct rk_list queue;
    size_t queued, max_queued;
    bool stopping;
    struct rk_pool_ops ops;
    struct worker *workers;
    size_t n, n_started; /* threads at most, and those that there are */
    size_t n_waiting;    /* for work, woken ones included until they run */
};

static void finish_on_loop(struct rk_task *t)
{
    struct rk_work *w = rk_container_of(t, struct rk_work, task);

    w->done(w, w->rc);
}

static void finish(struct rk_work *w, enum rk_code rc)
{
    w->rc = rc;
    if (!w->loop) {
        w->done(w, rc);
        return;
    }
    w->task = (struct rk_task){.run = finish_on_loop};
    rk_loop_post(w->loop, &w->task);
}

/* Wait until there is work that this thread can do: without a connection it opens one first, and
 * leaves the work to the others while it cannot. Locked; false when the pool is stopping. */
static bool wait_for_work(struct worker *me)
{
    struct rk_pool *p = me->pool;

    for (;;) {
        struct timespec until;
        struct db *db = NULL;

        p->n_waiting++;
        while (rk_list_empty(&p->queue) && !p->stopping)
            (void)pthread_cond_wait(&p->ready, &p->lock);
        p->n_waiting--;
        if (p->stopping || me->db || !p->ops.open)
            return !p->stopping;
        (void)pthread_mutex_unlock(&p->lock);
        if (p->ops.open(p->ops.arg, &db, NULL))
            db = NULL;
        (void)pthread_mutex_lock(&p->lock);
        me->db = db;
        if (me->db)
            continue;                         /* the work may be taken by now */
        (void)pthread_cond_signal(&p->ready); /* that one was meant for us */
        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += OPEN_AGAIN_S;
        while (!p->stopping && pthread_cond_timedwait(&p->closed, &p->lock, &until) == 0)
            ;
    }
}

static void *worker_main(void *arg)
{
    struct worker *me = arg;
    struct rk_pool *p = me->pool;

    (void)pthread_setname_np(pthread_self(), p->ops.open ? "store" : "build");
    for (;;) {
        struct rk_list *node;
        struct rk_work *w;

        (void)pthread_mutex_lock(&p->lock);
        node = wait_for_work(me) ? rk_list_pop_front(&p->queue) : NULL;
        if (node)
            p->queued--;
        (void)pthread_mutex_unlock(&p->lock);
        if (!node)
            return NULL;
        w = rk_container_of(node, struct rk_work, link);
        w->run(w, me->db);
        finish(w, RK_OK);
    }
}

/* The next thread. Locked, or before anybody else knows the pool. */
static enum rk_code worker_start(struct rk_pool *p, struct rk_err *err)
{
    struct worker *me = &p->workers[p->n_started];
    int rc;

    me->pool = p;
    rc = pthread_create(&me->thread, NULL, worker_main, me);
    if (rc)
        return rk_fail_errno(err, RK_INTERNAL, rc, "start pool thread");
    me->running = true;
    p->n_started++;
    return RK_OK;
}

enum rk_code rk_pool_new(struct rk_pool **out, size_t n_threads, size_t max_queued,
                         const struct rk_pool_ops *ops, struct rk_err *err)
{
    struct rk_pool *p = rk_calloc(1, sizeof *p);
    enum rk_code rc = RK_OK;

    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_cond_init(&p->ready, NULL);
    (void)pthread_cond_init(&p->closed, NULL);
    rk_list_init(&p->queue);
    p->max_queued = max_queued;
    if (ops)
        p->ops = *ops;
    p->workers = rk_calloc(n_threads, sizeof *p->workers);
    p->n = n_threads;
    /* one, to see that it works; the others follow when there is work for them */
    if (p->ops.open)
        rc = p->ops.open(p->ops.arg, &p->workers[0].db, err);
    if (rc == RK_OK)
        rc = worker_start(p, err);
    if (rc) {
        rk_pool_free(p);
        return rc;
    }
    *out = p;
    return RK_OK;
}

enum rk_code rk_pool_submit(struct rk_pool *p, struct rk_work *w)
{
    enum rk_code rc = RK_OK;

    (void)pthread_mutex_lock(&p->lock);
    if (p->stopping) {
        rc = RK_CANCELLED;
    } else if (p->queued >= p->max_queued) {
        rc = RK_LIMIT;
    } else {
        rk_list_push_back(&p->queue, &w->link);
        p->queued++;
        if (p->queued > p->n_waiting && p->n_started < p->n)
            (void)worker_start(p, NULL); /* else those that run will get to it */
        (void)pthread_cond_signal(&p->ready);
    }
    (void)pthread_mutex_unlock(&p->lock);
    return rc;
}

void rk_pool_stop(struct rk_pool *p)
{
    struct rk_list *node;

    (void)pthread_mutex_lock(&p->lock);
    p->stopping = true;
    (void)pthread_cond_broadcast(&p->ready);
    (void)pthread_cond_broadcast(&p->closed);
    (void)pthread_mutex_unlock(&p->lock);
    for (size_t i = 0; i < p->n; i++) {
        if (p->workers[i].running)
            (void)pthread_join(p->workers[i].thread, NULL);
        p->workers[i].running = false;
    }
    while ((node = rk_list_pop_front(&p->queue))) { /* no thread is left that could touch it */
        p->queued--;
        finish(rk_container_of(node, struct rk_work, link), RK_CANCELLED);
    }
}

void rk_pool_free(struct rk_pool *p)
{
    if (!p)
        return;
    rk_pool_stop(p);
    for (size_t i = 0; i < p->n; i++)
        if (p->workers[i].db && p->ops.close)
            p->ops.close(p->workers[i].db);
    free(p->workers);
    (void)pthread_cond_destroy(&p->ready);
    (void)pthread_cond_destroy(&p->closed);
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
}
