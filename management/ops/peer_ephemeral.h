/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ephemeral peers go when they had no stream for ten minutes. A look every half minute, so a peer
 * is gone between 10 and 11 minutes after its last stream; after a start all get the full time
 * again.
 */
#ifndef MGMT_OPS_PEER_EPHEMERAL_H
#define MGMT_OPS_PEER_EPHEMERAL_H

#include "management/engine/engine.h"

#define EPHEMERAL_LIFETIME_US ((int64_t)600 * 1000000)
#define EPHEMERAL_EVERY_MS    30000

struct ephemeral { /* open; outlives the engine */
    struct mgmt_chore chore;
    int64_t lifetime_us;
};

/** Let the engine do it from now on. lifetime_us: 0 for the usual. */
void ephemeral_start(struct ephemeral *e, struct mgmt *m, int64_t lifetime_us);

/** One look: delete those that are due, each in a mutation of its own, as the system. One that a
 *  service points at stays. Keeper or store thread. */
enum rk_code ephemeral_clean(struct mgmt *m, struct db *db, int64_t lifetime_us,
                             struct rk_err *err) RK_MUST;

#endif
