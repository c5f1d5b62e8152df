/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct rk_loop: a libuv loop with a thread of its own (or run by the caller), a task queue that
 * any thread may post to, and timers that clear themselves. Loop code never blocks.
 *
 *   other threads --rk_loop_post()--> [mutex + list] --uv_async doorbell--> task->run on the loop
 */
#ifndef RK_BASE_LOOP_H
#define RK_BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/list.h"

struct rk_loop;

/** One unit of work for a loop; lives in the poster's struct until run. */
struct rk_task {
    struct rk_list link;
    void (*run)(struct rk_task *t);
};

/** New loop, not running. Owned: rk_loop_free after it has stopped. */
enum rk_code rk_loop_new(struct rk_loop **out, struct rk_err *err) RK_MUST;

/** Run on the calling thread until rk_loop_stop, then close the loop's own handles; handles that
 *  others opened must be closed by their owners (rk_loop_free checks). */
void rk_loop_run(struct rk_loop *l);

/** Start a thread that runs the loop; rk_loop_join waits for its end after rk_loop_stop. */
enum rk_code rk_loop_start(struct rk_loop *l, const char *name, struct rk_err *err) RK_MUST;
void rk_loop_join(struct rk_loop *l);

/** Ask the loop to end: tasks posted before are run, then rk_loop_run returns once nothing but its
 *  own handles is left open. Any thread; idempotent. */
void rk_loop_stop(struct rk_loop *l);

/** Frees a loop that is not running. Aborts if a handle is still open (a leak in our code). */
void rk_loop_free(struct rk_loop *l); /* accepts NULL */

/** Queue a task; runs on the loop in order of posting, also after rk_loop_stop was asked as long as
 *  the loop turns. Any thread. The callback never runs before this call has returned. */
void rk_loop_post(struct rk_loop *l, struct rk_task *t);

/** Run a task once before the loop waits for events again: joins the work of one turn (flush a
 * queue that many callbacks added to). Loop thread, no lock; a task that is queued already stays
 * where it is. Take it back with rk_list_remove(&t->link). */
void rk_loop_defer(struct rk_loop *l, struct rk_task *t);

/** Run a task when others have had their turn: all that is given here shares RK_LOOP_LATER_US of
 * each turn of the loop, and at least one runs. For dear work that strangers ask for. Else as
 * rk_loop_defer. */
#define RK_LOOP_LATER_US 500
void rk_loop_later(struct rk_loop *l, struct rk_task *t);

/** Run fn(arg) as loop code and wait for its end: on the loop's thread when it runs elsewhere, else
 *  (this is that thread, or the loop does not run yet) right here. For set-up and shutdown from the
 *  main thread; never from one running loop towards another. */
typedef void rk_loop_fn(void *arg);
void rk_loop_call(struct rk_loop *l, rk_loop_fn *fn, void *arg);

/** True on the thread that runs the loop. */
bool rk_loop_here(const struct rk_loop *l);

/** Milliseconds of the monotonic clock, cached per loop turn. Loop thread. */
int64_t rk_loop_now_ms(const struct rk_loop *l);

/** A place for lib/net/tcp: who resolves names for this loop; lent. Loop thread. */
struct tcp_resolver;
void rk_loop_set_resolver(struct rk_loop *l, struct tcp_resolver *s);
struct tcp_resolver *rk_loop_resolver(const struct rk_loop *l);

/**
 * A one-shot timer owned by a pointer which is set to NULL before fire runs and by cancelling, so
 * cancelling twice is safe. Re-arm by starting again: an armed timer is moved. Loop thread.
 */
struct rk_timer;
typedef void rk_timer_fn(void *arg);
void rk_timer_start(struct rk_loop *l, struct rk_timer **slot, int64_t in_ms, rk_timer_fn *fire,
                    void *arg);
void rk_timer_cancel(struct rk_timer **slot);

#endif
