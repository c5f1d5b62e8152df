/* SPDX-License-Identifier: BSD-3-Clause */
/* Time-based one-time passwords (RFC 6238) as authenticator apps make them: SHA-1, 6 digits, 30
 * seconds. Any thread. */
#ifndef MGMT_IDP_TOTP_H
#define MGMT_IDP_TOTP_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/str.h"

#define TOTP_SECRET_SIZE 20 /* bytes, as RFC 4226 recommends */
#define TOTP_DIGITS      6
#define TOTP_STEP_S      30
#define TOTP_DRIFT       1 /* steps that a phone's clock may be off */

/** New secret in base32, as people may have to type it. arena */
struct rk_str totp_secret_new(struct rk_arena *mem);

/** The code of one step: digits and a NUL. false: not a secret of ours. */
bool totp_code(struct rk_str secret, int64_t step, char out[TOTP_DIGITS + 1]);

/** Does the code fit around this time? *step is the step whose code it is, after last_step only.
 *  Constant time in the code. */
bool totp_check(struct rk_str secret, struct rk_str code, int64_t now_s, int64_t last_step,
                int64_t *step);

#endif
