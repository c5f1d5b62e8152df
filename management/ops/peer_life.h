/* SPDX-License-Identifier: BSD-3-Clause */
/* Logins of peers that end: by time, or because a peer was away for too long. */
#ifndef MGMT_OPS_PEER_LIFE_H
#define MGMT_OPS_PEER_LIFE_H

#include "management/engine.h"
#include "management/netmap/snapshot.h"

/** Mark peers whose login expired by time, or that were away for too long, in all loaded accounts.
 *  Keeper thread. */
enum rk_code peers_expire_due(struct mgmt *m, struct rk_err *err) RK_MUST;

#endif
