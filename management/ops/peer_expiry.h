/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Logins of users' peers that end: by time, or because a peer was away for too long. One look a
 * second over the loaded accounts, by one process for all that share the store; an account that is
 * loaded nowhere has nobody to tell.
 */
#ifndef MGMT_OPS_PEER_EXPIRY_H
#define MGMT_OPS_PEER_EXPIRY_H

#include "management/engine/engine.h"

struct expiry { /* open; outlives the engine */
    struct mgmt_chore chore;
    unsigned runs; /* private */
};

/** Let the engine do it from now on. */
void expiry_start(struct expiry *e, struct mgmt *m);

/** One look: flag those that are due, one mutation per account. Keeper or store thread. */
enum rk_code peers_expire_due(struct mgmt *m, struct rk_err *err) RK_MUST;

#endif
