/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The end of logins. Each subject (a user's id in our tokens) has a number, its generation; browser
 * sessions, authorization codes, refresh tokens, device codes and access tokens carry the one of
 * their time and count only while it is the present one. To end all of them, raise it: whatever is
 * on its way with the old number, like a login whose password was right a moment ago, comes too
 * late. Statements only: callers bring the transaction. Store and lane threads.
 */
#ifndef MGMT_IDENTITY_LOGINS_H
#define MGMT_IDENTITY_LOGINS_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "management/store/db.h"

/** Everything that was handed out to this subject ends now: a new password, a block, a replayed
 *  code, a second factor that is demanded from now on. */
enum rk_code logins_end(struct db *db, struct rk_str subject, struct rk_err *err) RK_MUST;

/** The same for all users of an external provider, who are forgotten too. realm: struct
 *  idp_connector. */
enum rk_code logins_end_realm(struct db *db, struct rk_arena *mem, struct rk_str realm,
                              struct rk_err *err) RK_MUST;

/** The present generation. */
enum rk_code logins_gen(struct db *db, struct rk_str subject, int64_t *out,
                        struct rk_err *err) RK_MUST;

/** Is a token of ours still good that was made for this subject in this generation? Its user must
 *  exist: a local one, or one whose provider is still there.
 *  Errors: RK_UNAUTHENTICATED with the reason, RK_UNAVAILABLE. */
enum rk_code logins_check(struct db *db, struct rk_arena *mem, struct rk_str subject, int64_t gen,
                          struct rk_err *err) RK_MUST;

#endif
