/* SPDX-License-Identifier: BSD-3-Clause */
/* Overlay addresses inside a mutation: IPv6 that follows group membership, new IPv4 ranges. */
#ifndef MGMT_OPS_ADDRESSES_H
#define MGMT_OPS_ADDRESSES_H

#include "management/ops/op.h"

/** A random host address of an IPv6 prefix; host parts of all zeroes or ones become …1. */
struct rk_ip addr6_random(const struct rk_prefix *net);

/**
 * Give and take IPv6 addresses of some peers as the settings, the account and the memberships of
 * this mutation ask (tx_get). ids may repeat. Errors: those of tx_put; RK_PRECONDITION when no free
 * address was found.
 */
enum rk_code addr6_reconcile(struct tx *tx, struct rk_arena *mem, const struct str_list *peer_ids,
                             struct rk_err *err) RK_MUST;

/** The same for all peers of the account. */
enum rk_code addr6_reconcile_all(struct tx *tx, struct rk_arena *mem, struct rk_err *err) RK_MUST;

/** Give every peer a new address from net4. Errors: RK_PRECONDITION when it is too small. */
enum rk_code addr4_move_all(struct tx *tx, struct rk_arena *mem, const struct rk_prefix *net4,
                            struct rk_err *err) RK_MUST;

#endif
