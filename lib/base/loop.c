/* SPDX-License-Identifier: BSD-3-Clause */
/* libuv loop with a doorbell; see loop.h. */
#include "config.h"

#include "lib/base/loop_uv.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/str.h"

struct rk_loop {
    uv_loop_t uv;
    uv_async_t bell;
    uv_idle_t idle; /* active while one of these is not empty: the loop then does not wait */
    struct rk_list deferred, later;
    uv_thread_t thread;
    pthread_mutex_t lock; /* guards tasks, stopping, ended */
    struct rk_list tasks;
    bool stopping;
    bool ended;   /* the bell is closed: nothing may be posted any more */
    bool started; /* rk_loop_start made a thread */
    uv_thread_t runner;
    _Atomic bool running;
    char name[16];
    struct tcp_resolver *resolver; /* lent */
};

struct rk_timer {
    uv_timer_t uv;
    struct rk_timer **slot;
    rk_timer_fn *fire;
    void *arg;
};

/* Run what was posted until nothing is left, one batch per lock. */
static void drain(struct rk_loop *l)
{
    struct rk_list batch, *node;

    for (;;) {
        rk_list_init(&batch);
        (void)pthread_mutex_lock(&l->lock);
        rk_list_splice(&batch, &l->tasks);
        (void)pthread_mutex_unlock(&l->lock);
        if (rk_list_empty(&batch))
            return;
        while ((node = rk_list_pop_front(&batch))) {
            struct rk_task *t = rk_container_of(node, struct rk_task, link);

            t->run(t);
        }
    }
}

static void on_bell(uv_async_t *bell)
{
    struct rk_loop *l = bell->data;
    bool stop;

    drain(l);
    (void)pthread_mutex_lock(&l->lock);
    stop = l->stopping;
    (void)pthread_mutex_unlock(&l->lock);
    if (stop)
        uv_unref((uv_handle_t *)bell); /* the loop now ends when the owners' handles are gone */
}

static void run_later(struct rk_loop *l)
{
    uint64_t until = uv_hrtime() + RK_LOOP_LATER_US * (uint64_t)1000;
    struct rk_list *node;

    while ((node = rk_list_pop_front(&l->later))) {
        struct rk_task *t = rk_container_of(node, struct rk_task, link);

        t->run(t);
        if (uv_hrtime() >= until)
            return;
    }
}

/* One batch per turn: what these tasks defer runs in the next turn. */
static void on_idle(uv_idle_t *idle)
{
    struct rk_loop *l = idle->data;
    struct rk_list batch, *node;

    rk_list_init(&batch);
    rk_list_splice(&batch, &l->deferred);
    while ((node = rk_list_pop_front(&batch))) {
        struct rk_task *t = rk_container_of(node, struct rk_task, link);

        t->run(t);
    }
    run_later(l);
    if (rk_list_empty(&l->deferred) && rk_list_empty(&l->later))
        (void)uv_idle_stop(idle);
}

enum rk_code rk_loop_new(struct rk_loop **out, struct rk_err *err)
{
    struct rk_loop *l = rk_calloc(1, sizeof *l);
    int rc = uv_loop_init(&l->uv);

    if (rc) {
        free(l);
        return rk_fail(err, RK_INTERNAL, "event loop: %s", uv_strerror(rc));
    }
    rc = uv_async_init(&l->uv, &l->bell, on_bell);
    if (rc) {
        (void)uv_loop_close(&l->uv);
        free(l);
        return rk_fail(err, RK_INTERNAL, "event loop: %s", uv_strerror(rc));
    }
    l->uv.data = l;
    l->bell.data = l;
    (void)uv_idle_init(&l->uv, &l->idle); /* cannot fail */
    l->idle.data = l;
    rk_list_init(&l->deferred);
    rk_list_init(&l->later);
    (void)pthread_mutex_init(&l->lock, NULL);
    rk_list_init(&l->tasks);
    *out = l;
    return RK_OK;
}

void rk_loop_run(struct rk_loop *l)
{
    l->runner = uv_thread_self();
    l->running = true;
    for (;;) {
        bool more;

        (void)uv_run(&l->uv, UV_RUN_DEFAULT);
        (void)pthread_mutex_lock(&l->lock);
        more = !rk_list_empty(&l->tasks) || !l->stopping;
        l->ended = !more;
        (void)pthread_mutex_unlock(&l->lock);
        if (!more)
            break;
        drain(l); /* posted while the last handles were closing */
    }
    if (!uv_is_closing((uv_handle_t *)&l->bell)) {
        uv_ref((uv_handle_t *)&l->bell);
        uv_close((uv_handle_t *)&l->bell, NULL);
        uv_close((uv_handle_t *)&l->idle, NULL);
        (void)uv_run(&l->uv, UV_RUN_DEFAULT);
    }
    l->running = false;
}

static void thread_main(void *arg)
{
    struct rk_loop *l = arg;

    (void)pthread_setname_np(pthread_self(), l->name);
    rk_loop_run(l);
}

enum rk_code rk_loop_start(struct rk_loop *l, const char *name, struct rk_err *err)
{
    int rc;

    (void)snprintf(l->name, sizeof l->name, "%s", name);
    rc = uv_thread_create(&l->thread, thread_main, l);
    if (rc)
        return rk_fail(err, RK_INTERNAL, "start thread %s: %s", name, uv_strerror(rc));
    l->started = true;
    return RK_OK;
}

void rk_loop_join(struct rk_loop *l)
{
    if (l->started)
        (void)uv_thread_join(&l->thread);
    l->started = false;
}

static void ring(struct rk_loop *l)
{
    if (!l->ended)
        (void)uv_async_send(&l->bell);
}

void rk_loop_stop(struct rk_loop *l)
{
    (void)pthread_mutex_lock(&l->lock);
    l->stopping = true;
    ring(l);
    (void)pthread_mutex_unlock(&l->lock);
}

void rk_loop_free(struct rk_loop *l)
{
    int rc;

    if (!l)
        return;
    if (!uv_is_closing((uv_handle_t *)&l->bell)) { /* never ran */
        uv_close((uv_handle_t *)&l->bell, NULL);
        uv_close((uv_handle_t *)&l->idle, NULL);
        (void)uv_run(&l->uv, UV_RUN_DEFAULT);
    }
    rc = uv_loop_close(&l->uv);
    if (rc) {
        uv_print_all_handles(&l->uv, stderr);
        abort(); /* a handle outlived its owner: our bug */
    }
    (void)pthread_mutex_destroy(&l->lock);
    free(l);
}

void rk_loop_post(struct rk_loop *l, struct rk_task *t)
{
    (void)pthread_mutex_lock(&l->lock);
    rk_list_push_back(&l->tasks, &t->link);
    ring(l);
    (void)pthread_mutex_unlock(&l->lock);
}

void rk_loop_defer(struct rk_loop *l, struct rk_task *t)
{
    if (rk_list_linked(&t->link))
        return;
    rk_list_push_back(&l->deferred, &t->link);
    (void)uv_idle_start(&l->idle, on_idle);
}

void rk_loop_later(struct rk_loop *l, struct rk_task *t)
{
    if (rk_list_linked(&t->link))
        return;
    rk_list_push_back(&l->later, &t->link);
    (void)uv_idle_start(&l->idle, on_idle);
}

struct call {
    struct rk_task task;
    rk_loop_fn *fn;
    void *arg;
    uv_sem_t over;
};

static void call_run(struct rk_task *t)
{
    struct call *c = rk_container_of(t, struct call, task);

    c->fn(c->arg);
    uv_sem_post(&c->over);
}

void rk_loop_call(struct rk_loop *l, rk_loop_fn *fn, void *arg)
{
    struct call c = {.task = {.run = call_run}, .fn = fn, .arg = arg};

    if (rk_loop_here(l) || (!l->started && !l->running)) {
        fn(arg);
        return;
    }
    if (uv_sem_init(&c.over, 0))
        abort();
    rk_loop_post(l, &c.task);
    uv_sem_wait(&c.over);
    uv_sem_destroy(&c.over);
}

uv_loop_t *rk_loop_uv(struct rk_loop *l)
{
    return &l->uv;
}

struct rk_loop *rk_loop_of(uv_loop_t *uv)
{
    return uv->data;
}

bool rk_loop_here(const struct rk_loop *l)
{
    uv_thread_t me = uv_thread_self();

    return l->running && uv_thread_equal(&l->runner, &me);
}

int64_t rk_loop_now_ms(const struct rk_loop *l)
{
    return (int64_t)uv_now(&l->uv);
}

static void timer_closed(uv_handle_t *h)
{
    free(rk_container_of(h, struct rk_timer, uv));
}

static void timer_release(struct rk_timer *t)
{
    *t->slot = NULL;
    uv_close((uv_handle_t *)&t->uv, timer_closed);
}

static void timer_fired(uv_timer_t *h)
{
    struct rk_timer *t = rk_container_of(h, struct rk_timer, uv);
    rk_timer_fn *fire = t->fire;
    void *arg = t->arg;

    timer_release(t);
    fire(arg);
}

void rk_timer_start(struct rk_loop *l, struct rk_timer **slot, int64_t in_ms, rk_timer_fn *fire,
                    void *arg)
{
    struct rk_timer *t = *slot;

    if (!t) {
        t = rk_calloc(1, sizeof *t);
        (void)uv_timer_init(&l->uv, &t->uv);
        t->slot = slot;
        *slot = t;
    }
    t->fire = fire;
    t->arg = arg;
    (void)uv_timer_start(&t->uv, timer_fired, in_ms > 0 ? (uint64_t)in_ms : 0, 0);
}

void rk_timer_cancel(struct rk_timer **slot)
{
    if (*slot)
        timer_release(*slot);
}

void rk_loop_set_resolver(struct rk_loop *l, struct tcp_resolver *s)
{
    l->resolver = s;
}

struct tcp_resolver *rk_loop_resolver(const struct rk_loop *l)
{
    return l->resolver;
}
