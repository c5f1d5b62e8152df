/* SPDX-License-Identifier: BSD-3-Clause */
/* Thread pool over one bounded line, fair between those who ask; see pool.h. */
#include "config.h"

#include "lib/base/pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "lib/base/str.h"

#define OPEN_AGAIN_S 1   /* until a thread without a connection tries to open one again */
#define LANES        256 /* of keys; two keys may meet in one */

struct lane {
    struct rk_list works;
    size_t n;
    struct rk_list link; /* in rk_pool.turns while it has works */
};

struct worker {
    struct rk_pool *pool;
    struct db *db;
    pthread_t thread;
    bool running;
};

struct rk_pool {
    pthread_mutex_t lock; /* guards lanes, turns, queued, n_waiting, n_started, stopping */
    pthread_cond_t ready;
    pthread_cond_t closed; /* wakes threads that wait to open a connection: stopping */
    struct lane lanes[LANES];
    struct rk_list turns; /* lanes with works, the next one first */
    size_t queued, max_queued, max_per_key;
    bool stopping;
    struct rk_pool_ops ops;
    struct worker *workers;
    size_t n, n_started; /* threads at most, and those that there are */
    size_t n_waiting;    /* for work, woken ones included until they run */
};

uint64_t rk_work_key(struct rk_str who)
{
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */

    for (size_t i = 0; i < who.n; i++)
        h = (h ^ (unsigned char)who.p[i]) * 0x100000001b3u;
    return who.n ? h | 1 : 0;
}

/* Locked. */
static void line_add(struct rk_pool *p, struct lane *lane, struct rk_work *w)
{
    rk_list_push_back(&lane->works, &w->link);
    if (lane->n++ == 0)
        rk_list_push_back(&p->turns, &lane->link);
    p->queued++;
}

/* The next work, and its lane goes to the end of the turns. Locked; NULL when there is none. */
static struct rk_work *line_take(struct rk_pool *p)
{
    struct rk_list *node = rk_list_pop_front(&p->turns);
    struct lane *lane;

    if (!node)
        return NULL;
    lane = rk_container_of(node, struct lane, link);
    node = rk_list_pop_front(&lane->works);
    p->queued--;
    if (--lane->n)
        rk_list_push_back(&p->turns, &lane->link);
    return rk_container_of(node, struct rk_work, link);
}

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
        while (!p->queued && !p->stopping)
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
        struct rk_work *w;

        (void)pthread_mutex_lock(&p->lock);
        w = wait_for_work(me) ? line_take(p) : NULL;
        (void)pthread_mutex_unlock(&p->lock);
        if (!w)
            return NULL;
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
    rk_list_init(&p->turns);
    for (size_t i = 0; i < LANES; i++)
        rk_list_init(&p->lanes[i].works);
    p->max_queued = p->max_per_key = max_queued;
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

void rk_pool_limit_key(struct rk_pool *p, size_t max_queued_per_key)
{
    if (max_queued_per_key)
        p->max_per_key = max_queued_per_key;
}

enum rk_code rk_pool_submit(struct rk_pool *p, struct rk_work *w)
{
    struct lane *lane = &p->lanes[w->key % LANES];
    enum rk_code rc = RK_OK;

    (void)pthread_mutex_lock(&p->lock);
    if (p->stopping) {
        rc = RK_CANCELLED;
    } else if (p->queued >= p->max_queued || (w->key && lane->n >= p->max_per_key)) {
        rc = RK_LIMIT;
    } else {
        line_add(p, lane, w);
        if (p->queued > p->n_waiting && p->n_started < p->n)
            (void)worker_start(p, NULL); /* else those that run will get to it */
        (void)pthread_cond_signal(&p->ready);
    }
    (void)pthread_mutex_unlock(&p->lock);
    return rc;
}

void rk_pool_stop(struct rk_pool *p)
{
    struct rk_work *w;

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
    while ((w = line_take(p))) /* no thread is left that could touch it */
        finish(w, RK_CANCELLED);
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
