/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A batch of which a receiver refuses something. Its first events are brought in ever smaller
 * parts, until one alone is refused; that one has several tries, further apart each time. It is
 * given up only when the receiver takes one behind it and refuses it still: a receiver that refuses
 * everything (a wrong token, a wrong path, a fault of its own) loses nothing. One thread.
 */
#ifndef MGMT_EXPORT_REFUSAL_H
#define MGMT_EXPORT_REFUSAL_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/log.h"
#include "management/export/receiver.h"

struct refusal {       /* open; zero: nothing is refused */
    int looks;         /* at the first event, which was refused each time */
    size_t next;       /* of those behind it: where to look on */
    int64_t try_at_ms; /* monotonic: not before */
};

struct refusal_taken { /* open */
    size_t over;       /* events from the first on that were brought, or given up */
    size_t lost;       /* of them */
};

/** Whether it is too early to try again. */
bool refusal_waits(const struct refusal *f, int64_t now_ms);

/** Bring what the receiver takes of n events, at least one. *taken is filled in also on error.
 *  Errors: those of bring; RK_PRECONDITION: the first one is refused, try again at f->try_at_ms. */
enum rk_code refusal_bring(struct refusal *f, struct receiver *to, struct rk_arena *mem,
                           const struct export_line *v, size_t n, struct rk_log *log,
                           struct refusal_taken *taken, struct rk_err *err) RK_MUST;

#endif
