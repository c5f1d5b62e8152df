/* SPDX-License-Identifier: BSD-3-Clause */
/* Logout: an agent asks to be deleted. */
#ifndef MGMT_OPS_PEER_LOGOUT_H
#define MGMT_OPS_PEER_LOGOUT_H

#include "management/engine/engine.h"

/** Delete the peer with this key as its owner would (the system where it has none). Store thread.
 *  Errors: RK_NOT_FOUND (unknown key), RK_FORBIDDEN (its owner may not delete peers),
 *  RK_PRECONDITION (a router or a service needs it), RK_UNAVAILABLE. */
enum rk_code peer_logout(struct mgmt *m, struct db *db, struct rk_str peer_key,
                         struct rk_err *err) RK_MUST;

#endif
