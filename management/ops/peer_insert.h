/* SPDX-License-Identifier: BSD-3-Clause */
/* A new peer with addresses and a label of its own; shared by enrolment and temporary access. */
#ifndef MGMT_OPS_PEER_INSERT_H
#define MGMT_OPS_PEER_INSERT_H

#include "management/engine/engine.h"

/**
 * Inside a mutation: pick addresses and the DNS label of *p (its other fields are set) and insert
 * it. groups: those it will join, which decide on IPv6; the caller adds the memberships.
 * Errors: RK_PRECONDITION (key registered already, no address left), RK_INVALID (no label from the
 * name), RK_UNAVAILABLE.
 */
enum rk_code peer_insert(struct tx *tx, struct peer *p, const struct str_list *groups,
                         struct rk_err *err) RK_MUST;

#endif
