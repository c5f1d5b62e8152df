/* SPDX-License-Identifier: BSD-3-Clause */
/* Flows out of the store, newest first, page by page; what agents told of one flow put together. */
#ifndef MGMT_TRAFFIC_READ_H
#define MGMT_TRAFFIC_READ_H

#include "lib/base/arena.h"
#include "management/traffic/row.h"
#include "management/traffic/traffic.h"

#define TRAFFIC_ANY (-1)

enum {
    TRAFFIC_PAGE_MAX = 50000,    /* flows */
    TRAFFIC_LOOK_MAX = 1000000,  /* flows, the newest of its time: what a question looks through */
    TRAFFIC_SEARCH_MAX = 200000, /* ... and a search by text */
};

/* Numbers of the protocol (schema/proto/flow.proto). */
enum traffic_type { TRAFFIC_TYPE_UNKNOWN, TRAFFIC_START, TRAFFIC_ENDED, TRAFFIC_DROP };

struct traffic_filter { /* open; empty texts and TRAFFIC_ANY take all */
    struct rk_str user_id, reporter, source_id, dest_id;
    int64_t protocol, direction, routed, type;
    int64_t since_us, until_us;
    /** Not NULL: asked of each flow that the rest of the filter takes. */
    bool (*wanted)(void *arg, const struct traffic_row *r);
    void *arg;
    int64_t limit, offset;
};

struct traffic_happened { /* open */
    enum traffic_type type;
    int64_t at_us;
};

struct traffic_flow {     /* open; one flow as one machine saw it */
    struct traffic_row r; /* the first message; window and counts are those of all of them */
    struct traffic_happened *happened;
    size_t n_happened, cap_happened;
};

/** Flows of an account. *total: how many there are on all pages, of those that are looked through.
 *  arena. Errors: RK_UNAVAILABLE. */
enum rk_code traffic_list(struct traffic *t, struct rk_str account_id,
                          const struct traffic_filter *f, struct rk_arena *mem,
                          struct traffic_flow **out, size_t *n, int64_t *total,
                          struct rk_err *err) RK_MUST;

struct traffic_told { /* open; a message as it came */
    struct rk_str account_id;
    struct traffic_row r;
};

/** Messages of all accounts behind a place in the store, in its order: none that stands before one
 *  of them comes later (traffic_rows_alone). arena. Errors: RK_UNAVAILABLE. */
enum rk_code traffic_after(struct traffic *t, int64_t seq, int64_t most, struct rk_arena *mem,
                           struct traffic_told **out, size_t *n, struct rk_err *err) RK_MUST;
/** The last place there is; 0: none. */
enum rk_code traffic_last(struct traffic *t, int64_t *seq, struct rk_err *err) RK_MUST;

#endif
