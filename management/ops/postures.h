/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations on posture checks. Store thread. */
#ifndef MGMT_OPS_POSTURES_H
#define MGMT_OPS_POSTURES_H

#include "management/ops/op.h"

/** Rules of form: name, at least one check, and those of each kind. Errors: RK_INVALID. */
enum rk_code posture_check_form(const struct posture *p, struct rk_err *err) RK_MUST;

/** Create (id empty) or replace; *out is what was stored. Errors: RK_INVALID, RK_FORBIDDEN,
 *  RK_NOT_FOUND. in is borrowed for the call. */
enum rk_code posture_save(struct op *op, struct rk_str id, const struct posture *in,
                          const struct posture **out, struct rk_err *err) RK_MUST;

/** Errors: RK_PRECONDITION while a policy uses it. */
enum rk_code posture_delete(struct op *op, struct rk_str id, struct rk_err *err) RK_MUST;

#endif
