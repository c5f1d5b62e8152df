/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Temporary access: an ephemeral peer for a browser, with one policy per rule from it to one other
 * peer. Goes away like every ephemeral peer. Store thread.
 */
#ifndef MGMT_OPS_TEMPORARY_H
#define MGMT_OPS_TEMPORARY_H

#include "management/ops/op.h"

struct temporary_input { /* open; borrowed for the call */
    struct rk_str name;
    struct rk_str key;     /* WireGuard public key */
    struct str_list rules; /* "all", "icmp", "tcp/80", "udp/1000-2000", "netbird-ssh/22" */
};

/** *id is the new peer. All or nothing. Errors: RK_INVALID (rule, key, name), RK_FORBIDDEN,
 *  RK_NOT_FOUND (peer), RK_PRECONDITION (key in use). */
enum rk_code temporary_access(struct op *op, struct rk_str peer_id,
                              const struct temporary_input *in, struct rk_str *id,
                              struct rk_err *err) RK_MUST;

#endif
