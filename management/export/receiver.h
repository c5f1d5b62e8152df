/* SPDX-License-Identifier: BSD-3-Clause */
/* Where events go: one kind of receiver each in receiver_*.c. A receiver belongs to one thread. */
#ifndef MGMT_EXPORT_RECEIVER_H
#define MGMT_EXPORT_RECEIVER_H

#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

struct export_line { /* open; one event */
    bool audit;      /* else traffic */
    int64_t at_us;
    struct rk_str json; /* one line, without its end */
    struct rk_str id;   /* of the event */
    int64_t place;      /* in the store */
};

struct receiver {
    /** Bring all of them, in order; RK_OK: all of them are there. Blocks, some ten seconds at most.
     *  Errors: RK_PRECONDITION (refused, perhaps for what is in them: see refusal.h);
     *  RK_UNAVAILABLE, RK_TIMEOUT and all others: not now. */
    enum rk_code (*bring)(struct receiver *r, struct rk_arena *mem, const struct export_line *v,
                          size_t n, struct rk_err *err);
    void (*free)(struct receiver *r);
};

/* Owned: r->free. Errors: RK_INVALID (cannot be understood). Nothing is opened yet. */
enum rk_code receiver_syslog(const char *where, struct receiver **out, struct rk_err *err) RK_MUST;
enum rk_code receiver_file(const char *path, struct receiver **out, struct rk_err *err) RK_MUST;
enum rk_code receiver_webhook(const char *url, struct rk_str secret, struct receiver **out,
                              struct rk_err *err) RK_MUST;

#endif
