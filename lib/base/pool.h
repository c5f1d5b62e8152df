/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct rk_pool: a fixed set of threads for blocking work (store threads, each with a database
 * connection of its own) or pure CPU (build threads, no connection).
 *
 *   loop --submit--> [bounded line] --> run(work, db) on a pool thread --rk_loop_post--> done(work)
 *
 * The line is fair: works with a key (who asked) wait in a line of that key, and the lines take
 * turns, so that who asks for much waits for himself only. Works without a key share one.
 */
#ifndef RK_BASE_POOL_H
#define RK_BASE_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/list.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

struct db; /* management/store/db.h; NULL on threads of a pool without connections */

/** Embed in your own struct and recover it with rk_container_of. While it is out, all that it
 *  points to belongs to the pool thread. */
struct rk_work {
    void (*run)(struct rk_work *w, struct db *db);    /* pool thread */
    void (*done)(struct rk_work *w, enum rk_code rc); /* on `loop`; RK_OK, or RK_CANCELLED when
                                                         run was never called */
    struct rk_loop *loop; /* where done runs; NULL: done runs on the pool thread itself */
    uint64_t key;         /* who asked, by rk_work_key; 0: nobody in particular */
    struct rk_task task;  /* private */
    struct rk_list link;  /* private */
    enum rk_code rc;      /* private */
};

/** A number for whoever asks (an address, a user); empty gives 0. */
uint64_t rk_work_key(struct rk_str who);

struct rk_pool_ops { /* both NULL for a pool without connections */
    /** Per thread: for the first one in rk_pool_new, for each other one when it is first needed. */
    enum rk_code (*open)(void *arg, struct db **out, struct rk_err *err);
    void (*close)(struct db *db);
    void *arg;
};

struct rk_pool;

/** At most n threads, of which all but the first start when work waits for them; max_queued bounds
 * the waiting line (submit refuses past it). Owned: rk_pool_free. */
enum rk_code rk_pool_new(struct rk_pool **out, size_t n_threads, size_t max_queued,
                         const struct rk_pool_ops *ops, struct rk_err *err) RK_MUST;

/** At most this many works of one key may wait, beyond: RK_LIMIT. Before the first submit; 0 (as it
 *  is without this call): as many as of all. */
void rk_pool_limit_key(struct rk_pool *p, size_t max_queued_per_key);

/** Any thread. RK_LIMIT when the line is full, RK_CANCELLED when the pool is stopping: then done is
 *  NOT called and the work stays the caller's. */
enum rk_code rk_pool_submit(struct rk_pool *p, struct rk_work *w) RK_MUST;

/** Stop taking work; what waits gets done(RK_CANCELLED), what runs is finished; joins the threads.
 *  The loops that done runs on must still turn. */
void rk_pool_stop(struct rk_pool *p);
void rk_pool_free(struct rk_pool *p); /* stops first; accepts NULL */

#endif
