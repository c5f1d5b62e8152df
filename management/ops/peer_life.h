/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What happens to enrolled peers: streams that open and close, logins that expire, ephemeral peers
 * that stay away, logout.
 */
#ifndef MGMT_OPS_PEER_LIFE_H
#define MGMT_OPS_PEER_LIFE_H

#include "management/engine.h"
#include "management/netmap/snapshot.h"

/** A Sync stream of the peer begins; token as for presence_connect. Clears a stored login-expired
 *  flag (which others then see). *applied false: a newer stream is there. Store thread when
 *  p->status.login_expired is set (it writes), else any. p: of a snapshot that the caller holds. */
enum rk_code peer_stream_begin(struct mgmt *m, const struct peer *p, int64_t token, bool *applied,
                               struct rk_err *err) RK_MUST;

/** Mark peers whose login expired by time, or that were away for too long, in all loaded accounts.
 *  Keeper thread. */
enum rk_code peers_expire_due(struct mgmt *m, struct rk_err *err) RK_MUST;

#endif
