/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What one process does for all: whoever holds the lease of a name. It is held as long as the
 * holder lives (cluster.h), needs no renewal, and falls to the first one who asks after that. Each
 * holder has a larger token, and a write that depends on the lease names it in its own transaction:
 * a holder that was paused, and that another one followed, changes nothing any more.
 */
#ifndef MGMT_LEASE_H
#define MGMT_LEASE_H

#include "management/engine/engine.h"

struct lease {        /* open; zero: not held */
    const char *name; /* static */
    int64_t token;
};

/** Take the lease, or see that it is still ours. *held false: another process has it. Outside of a
 *  transaction; blocks. Errors: RK_UNAVAILABLE (not held, as far as we know). */
enum rk_code lease_take(struct mgmt *m, struct db *db, const char *name, struct lease *out,
                        bool *held, struct rk_err *err) RK_MUST;

/** In a transaction: nobody else holds it until this transaction is over. RK_CANCELLED: somebody
 *  followed us; undo. */
enum rk_code lease_fence(struct mgmt *m, struct db *db, const struct lease *l,
                         struct rk_err *err) RK_MUST;

#endif
