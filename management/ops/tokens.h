/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations on personal access tokens. Store thread. */
#ifndef MGMT_OPS_TOKENS_H
#define MGMT_OPS_TOKENS_H

#include "management/ops/op.h"

#define PAT_DAYS_MIN 1
#define PAT_DAYS_MAX 365

/** May the caller do this with tokens of that user? *out is the user. Errors: RK_FORBIDDEN,
 *  RK_NOT_FOUND. */
enum rk_code token_check_target(const struct op *op, struct rk_str user_id, enum perm_op what,
                                const struct user **out, struct rk_err *err) RK_MUST;

/** *plain is the token's only showing. Errors: RK_INVALID and those above. */
enum rk_code token_create(struct op *op, struct rk_str user_id, struct rk_str name, int64_t days,
                          const struct pat **out, struct rk_str *plain, struct rk_err *err) RK_MUST;

/** Token of a user of the caller's account. RK_NOT_FOUND. */
enum rk_code token_get(const struct op *op, struct rk_str user_id, struct rk_str id,
                       const struct pat **out, struct rk_err *err) RK_MUST;

enum rk_code token_delete(struct op *op, struct rk_str user_id, struct rk_str id,
                          struct rk_err *err) RK_MUST;

/** A new token and the row for it; expires after days. For op-less callers (setup). arena */
struct rk_str token_build(struct rk_arena *mem, struct rk_str user_id, struct rk_str name,
                          int64_t days, struct rk_str created_by, int64_t now_us, struct pat *out);

#endif
