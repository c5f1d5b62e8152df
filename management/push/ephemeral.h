/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When ephemeral peers without a stream are deleted: ten minutes after they were last seen, looked
 * at one minute after the earliest deadline, so that many go in one run. No clock of its own.
 */
#ifndef MGMT_PUSH_EPHEMERAL_H
#define MGMT_PUSH_EPHEMERAL_H

#include "lib/base/heap.h"

#define EPHEMERAL_LIFETIME_MS ((int64_t)600 * 1000)
#define EPHEMERAL_WINDOW_MS   ((int64_t)60 * 1000)

struct ephemeral_list { /* ephemeral_init; entries are the caller's */
    struct rk_heap by_deadline;
};

void ephemeral_init(struct ephemeral_list *l);
void ephemeral_done(struct ephemeral_list *l);

/** Registered, or its stream ended: its lifetime starts (again). */
void ephemeral_start(struct ephemeral_list *l, struct rk_heap_node *peer, int64_t now_ms);

/** Connected, or gone: harmless when it is not in the list. */
void ephemeral_stop(struct ephemeral_list *l, struct rk_heap_node *peer);

/** When the next run is; INT64_MAX: nobody waits. */
int64_t ephemeral_next_run(const struct ephemeral_list *l);

/** In a run: takes one peer whose deadline has passed out of the list, NULL when there is none. */
struct rk_heap_node *ephemeral_take(struct ephemeral_list *l, int64_t now_ms);

#endif
