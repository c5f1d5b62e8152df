/* SPDX-License-Identifier: BSD-3-Clause */
/* Enrolment of a new peer, for peer_login.c above it; nothing else includes it. */
#ifndef MGMT_OPS_PEER_REGISTER_H
#define MGMT_OPS_PEER_REGISTER_H

#include "management/ops/peer_login.h"

/** Check what can be checked before the mutation and fill j->mut (but done); a credential is there.
 */
enum rk_code peer_register_prepare(struct mgmt *m, struct db *db, struct peer_login_job *j,
                                   struct rk_err *err) RK_MUST;

/** More names that a machine wants below the network's domain: of one or more words, with "*." in
 *  front perhaps. RK_INVALID. */
enum rk_code peer_labels_check(const struct str_list *l, struct rk_err *err) RK_MUST;

/** Inside a mutation: a person has signed in for a machine now. user may be NULL. */
enum rk_code peer_user_seen(struct tx *tx, const struct user *user, struct rk_err *err) RK_MUST;

#endif
