/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct sleep_watch: has this host been suspended? The boot clock goes on meanwhile, the monotonic
 * one does not. Looked for by a timer of the boot clock, which is due at once after waking, so that
 * nobody waits for a look and nothing wakes the host for it.
 * Facts: clock_gettime(2), timerfd_create(2). Loop thread.
 */
#ifndef RK_AGENT_OS_SLEEP_H
#define RK_AGENT_OS_SLEEP_H

#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/loop.h"

struct sleep_watch;

struct sleep_user { /* embed */
    void (*slept)(struct sleep_user *u, int64_t for_ms);
};

struct sleep_opts {   /* copied */
    int64_t look_ms;  /* between two looks */
    int64_t least_ms; /* shorter naps are not told: connections outlive them */
    /** How long the host has slept since it was started; NULL: as the clocks say. For tests. */
    int64_t (*total_ms)(void);
};

/** Errors: RK_UNAVAILABLE. Owned: sleep_watch_close. */
enum rk_code sleep_watch_open(struct rk_loop *loop, const struct sleep_opts *o,
                              struct sleep_user *u, struct sleep_watch **out,
                              struct rk_err *err) RK_MUST;
/** No callback follows. The handle dies on a later turn. Accepts NULL. */
void sleep_watch_close(struct sleep_watch *w);

#endif
