/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by peer_login.c and peer_register.c; nothing else includes it. */
#ifndef MGMT_OPS_PEER_LOGIN_IMPL_H
#define MGMT_OPS_PEER_LOGIN_IMPL_H

#include "management/ops/peer_login.h"

/** Check what can be checked before the mutation and fill j->mut (but done); a credential is there.
 */
enum rk_code peer_register_prepare(struct mgmt *m, struct db *db, struct peer_login_job *j,
                                   struct rk_err *err) RK_MUST;

/** Inside a mutation: a person has signed in for a machine now. user may be NULL. */
enum rk_code peer_user_seen(struct tx *tx, const struct user *user, struct rk_err *err) RK_MUST;

/** The peer with this key in the account's current snapshot. */
enum rk_code peer_login_result(struct mgmt *m, struct rk_str account_id, struct rk_str key,
                               bool registered, struct peer_login_res *out,
                               struct rk_err *err) RK_MUST;

#endif
