/* SPDX-License-Identifier: BSD-3-Clause */
/* QR codes on a terminal. Main thread. */
#ifndef RK_AGENT_CLI_QR_H
#define RK_AGENT_CLI_QR_H

#include <stdio.h>

#include "lib/base/err.h"
#include "lib/base/str.h"

/** Draw a text, dark on light whatever the terminal's colours. Errors: RK_UNAVAILABLE (libqrencode
 *  is not installed), RK_LIMIT (too long a text). */
enum rk_code qr_print(FILE *out, struct rk_str text, struct rk_err *err) RK_MUST;

#endif
