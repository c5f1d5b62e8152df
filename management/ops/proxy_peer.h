/* SPDX-License-Identifier: BSD-3-Clause */
/* The peer inside a proxy, through which it reaches an account's machines. Store thread. */
#ifndef MGMT_OPS_PROXY_PEER_H
#define MGMT_OPS_PROXY_PEER_H

#include "management/ops/op.h"

/** Let a WireGuard key log in as a proxy of this cluster. A key that is there already changes
 *  nothing, if it is a proxy's of the account (RK_EXISTS else). arena: until the mutation is over
 */
enum rk_code proxy_peer_create(struct mgmt *m, struct rk_arena *mem, struct rk_str account_id,
                               struct rk_str key, struct rk_str cluster,
                               struct rk_err *err) RK_MUST;

#endif
