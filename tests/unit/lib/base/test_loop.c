/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests lib/base/loop.c and lib/base/pool.c with real threads. */
#include "config.h"

#include <check.h>
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "lib/base/loop.h"
#include "lib/base/pool.h"
#include "tests/unit/run.h"

struct job {
    struct rk_work work;
    struct rk_loop *loop;
    _Atomic int *ran, *done_ok, *done_cancelled;
    int left; /* on `loop`: jobs to go before it stops */
};

static _Atomic int ran, done_ok, done_cancelled;

static void job_run(struct rk_work *w, struct db *db)
{
    ck_assert_ptr_null(db);
    (void)w;
    ran++;
}

static void job_done(struct rk_work *w, enum rk_code rc)
{
    struct job *j = rk_container_of(w, struct job, work);

    ck_assert(rk_loop_here(j->loop));
    if (rc == RK_OK)
        done_ok++;
    else
        done_cancelled++;
    if (done_ok + done_cancelled == j->left)
        rk_loop_stop(j->loop);
}

START_TEST(work_runs_on_a_pool_thread_and_ends_on_the_loop)
{
    enum { N = 200 };
    static struct job jobs[N];
    struct rk_loop *loop;
    struct rk_pool *pool;

    ran = done_ok = done_cancelled = 0;
    ck_assert_int_eq(rk_loop_new(&loop, NULL), RK_OK);
    ck_assert_int_eq(rk_pool_new(&pool, 3, N, NULL, NULL), RK_OK);
    for (int i = 0; i < N; i++) {
        jobs[i] = (struct job){
            .work = {.run = job_run, .done = job_done, .loop = loop}, .loop = loop, .left = N};
        ck_assert_int_eq(rk_pool_submit(pool, &jobs[i].work), RK_OK);
    }
    rk_loop_run(loop);
    ck_assert_int_eq(ran, N);
    ck_assert_int_eq(done_ok, N);
    rk_pool_free(pool);
    rk_loop_free(loop);
}
END_TEST

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void blocked_run(struct rk_work *w, struct db *db)
{
    (void)w;
    (void)db;
    (void)pthread_mutex_lock(&gate);
    ran++;
    (void)pthread_mutex_unlock(&gate);
}

static void *stop_pool(void *pool)
{
    rk_pool_stop(pool);
    return NULL;
}

START_TEST(a_stopped_pool_cancels_what_waits_and_refuses_more)
{
    enum { N = 8 };
    static struct job jobs[N + 2];
    struct rk_loop *loop;
    struct rk_pool *pool;
    pthread_t stopper;
    enum rk_code rc;

    ran = done_ok = done_cancelled = 0;
    ck_assert_int_eq(rk_loop_new(&loop, NULL), RK_OK);
    ck_assert_int_eq(rk_pool_new(&pool, 1, N, NULL, NULL), RK_OK);
    (void)pthread_mutex_lock(&gate);
    for (int i = 0; i < N + 2; i++)
        jobs[i] = (struct job){
            .work = {.run = blocked_run, .done = job_done, .loop = loop}, .loop = loop, .left = N};
    for (int i = 0; i < N; i++)
        ck_assert_int_eq(rk_pool_submit(pool, &jobs[i].work), RK_OK);
    /* one may be running already, so at most one more fits */
    rc = rk_pool_submit(pool, &jobs[N].work);
    if (rc == RK_OK) {
        for (int i = 0; i <= N; i++)
            jobs[i].left = N + 1;
        rc = rk_pool_submit(pool, &jobs[N + 1].work);
    }
    ck_assert_int_eq(rc, RK_LIMIT);
    ck_assert_int_eq(pthread_create(&stopper, NULL, stop_pool, pool), 0);
    while (rk_pool_submit(pool, &jobs[N + 1].work) != RK_CANCELLED)
        ;
    (void)pthread_mutex_unlock(&gate);
    rk_loop_run(loop);
    (void)pthread_join(stopper, NULL);
    ck_assert_int_le(ran, 1);
    ck_assert_int_eq(ran, done_ok);
    ck_assert_int_ge(done_cancelled, N - 1);
    rk_pool_free(pool);
    rk_loop_free(loop);
}
END_TEST

static pthread_barrier_t together;

static void meet_run(struct rk_work *w, struct db *db)
{
    (void)w;
    (void)db;
    (void)pthread_barrier_wait(&together); /* hangs unless all jobs run at once */
    ran++;
}

static size_t n_threads(void)
{
    DIR *d = opendir("/proc/self/task");
    size_t n = 0;

    ck_assert_ptr_nonnull(d);
    while (readdir(d))
        n++;
    (void)closedir(d);
    return n - 2; /* . and .. */
}

START_TEST(a_pool_starts_its_threads_when_work_waits)
{
    enum { N = 5 };
    static struct job jobs[N];
    size_t before = n_threads(), first;
    struct rk_loop *loop;
    struct rk_pool *pool;

    ck_assert_int_eq(rk_loop_new(&loop, NULL), RK_OK);
    ck_assert_int_eq(rk_pool_new(&pool, N, N, NULL, NULL), RK_OK);
    first = n_threads();
    ck_assert_uint_le(first, before + 2); /* a sanitizer may have started one of its own */
    (void)pthread_barrier_init(&together, NULL, N);
    ran = done_ok = done_cancelled = 0;
    for (int i = 0; i < N; i++)
        jobs[i] = (struct job){
            .work = {.run = meet_run, .done = job_done, .loop = loop}, .loop = loop, .left = N};
    for (int i = 0; i < N; i++)
        ck_assert_int_eq(rk_pool_submit(pool, &jobs[i].work), RK_OK);
    rk_loop_run(loop);
    ck_assert_int_eq(ran, N);
    ck_assert_uint_eq(n_threads(), first + N - 1);
    (void)pthread_barrier_destroy(&together);
    rk_pool_free(pool);
    rk_loop_free(loop);
}
END_TEST

static int fired;

static void on_fire(void *arg)
{
    fired++;
    if (arg)
        rk_loop_stop(arg);
}

START_TEST(timers_clear_their_owner)
{
    struct rk_loop *loop;
    struct rk_timer *a = NULL, *b = NULL, *c = NULL;

    fired = 0;
    ck_assert_int_eq(rk_loop_new(&loop, NULL), RK_OK);
    rk_timer_start(loop, &a, 1, on_fire, NULL);
    rk_timer_start(loop, &b, 2, on_fire, NULL);
    rk_timer_cancel(&b);
    rk_timer_cancel(&b);
    rk_timer_start(loop, &c, 100000, on_fire, NULL);
    rk_timer_start(loop, &c, 10, on_fire, loop); /* moved, not doubled */
    rk_loop_run(loop);
    ck_assert_int_eq(fired, 2);
    ck_assert_ptr_null(a);
    ck_assert_ptr_null(b);
    ck_assert_ptr_null(c);
    rk_loop_free(loop);
}
END_TEST

struct ping {
    struct rk_task task;
    struct rk_loop *there, *back;
    int hops;
};

static void hop(struct rk_task *t)
{
    struct ping *p = rk_container_of(t, struct ping, task);
    struct rk_loop *next = p->there;

    ck_assert(rk_loop_here(p->back));
    p->there = p->back;
    p->back = next;
    if (--p->hops) {
        rk_loop_post(next, t);
    } else {
        rk_loop_stop(p->there);
        rk_loop_stop(next);
    }
}

START_TEST(tasks_cross_threads)
{
    struct rk_loop *a, *b;
    struct ping p;

    ck_assert_int_eq(rk_loop_new(&a, NULL), RK_OK);
    ck_assert_int_eq(rk_loop_new(&b, NULL), RK_OK);
    ck_assert_int_eq(rk_loop_start(a, "a", NULL), RK_OK);
    ck_assert_int_eq(rk_loop_start(b, "b", NULL), RK_OK);
    p = (struct ping){.task = {.run = hop}, .there = b, .back = a, .hops = 1000};
    rk_loop_post(a, &p.task);
    rk_loop_join(a);
    rk_loop_join(b);
    ck_assert_int_eq(p.hops, 0);
    rk_loop_free(a);
    rk_loop_free(b);
}
END_TEST

struct asked {
    struct rk_loop *loop;
    bool on_loop;
    int calls;
};

static void answer(void *arg)
{
    struct asked *a = arg;

    a->on_loop = rk_loop_here(a->loop);
    a->calls++;
}

START_TEST(a_call_runs_on_the_loop_or_at_once)
{
    struct asked a = {0};

    ck_assert_int_eq(rk_loop_new(&a.loop, NULL), RK_OK);
    rk_loop_call(a.loop, answer, &a); /* does not run yet: right here */
    ck_assert(a.calls == 1 && !a.on_loop);
    ck_assert_int_eq(rk_loop_start(a.loop, "call", NULL), RK_OK);
    for (int i = 0; i < 100; i++)
        rk_loop_call(a.loop, answer, &a);
    ck_assert(a.calls == 101 && a.on_loop);
    rk_loop_stop(a.loop);
    rk_loop_join(a.loop);
    rk_loop_call(a.loop, answer, &a);
    ck_assert(a.calls == 102 && !a.on_loop);
    rk_loop_free(a.loop);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("loop");
    TCase *t = tcase_create("loop");

    tcase_add_test(t, work_runs_on_a_pool_thread_and_ends_on_the_loop);
    tcase_add_test(t, a_stopped_pool_cancels_what_waits_and_refuses_more);
    tcase_add_test(t, a_pool_starts_its_threads_when_work_waits);
    tcase_add_test(t, timers_clear_their_owner);
    tcase_add_test(t, tasks_cross_threads);
    tcase_add_test(t, a_call_runs_on_the_loop_or_at_once);
    suite_add_tcase(s, t);
    return run_suite(s);
}
