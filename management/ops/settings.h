/* SPDX-License-Identifier: BSD-3-Clause */
/* The settings of an account: a replacement as a whole, with all that follows from it. */
#ifndef MGMT_OPS_SETTINGS_H
#define MGMT_OPS_SETTINGS_H

#include "management/ops/op.h"

struct settings_input { /* open; borrowed for the call */
    struct settings s;  /* but for what follows; extra.* only when has_extra */
    bool has_extra;
    struct rk_str range4, range6; /* CIDR; p NULL: no override */
    bool has_onboarding;
    bool signup_form_pending, onboarding_flow_pending;
    bool embedded_idp; /* the second factor can be switched */
};

/**
 * Replace the settings; *out is what was stored. Errors: RK_INVALID naming the rule, RK_FORBIDDEN,
 * RK_PRECONDITION (no room for all peers in a new range).
 */
enum rk_code settings_update(struct op *op, struct rk_str account_id,
                             const struct settings_input *in, const struct settings **out,
                             struct rk_err *err) RK_MUST;

/** Inside the mutation that switches local_mfa on: who came in without a second factor comes in
 *  again. */
enum rk_code settings_second_factor_on(struct tx *tx, struct rk_arena *mem,
                                       struct rk_err *err) RK_MUST;

#endif
