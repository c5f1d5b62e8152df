/* SPDX-License-Identifier: BSD-3-Clause */
/* The commands' end of the control socket. Blocks; main thread of a command. */
#ifndef RK_AGENT_CONTROL_CLIENT_H
#define RK_AGENT_CONTROL_CLIENT_H

#include <jansson.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/str.h"

/** Ask the daemon. args is taken; NULL for none. *result: owned (json_decref). Errors: the
 *  daemon's, RK_UNAVAILABLE (no daemon there), RK_TIMEOUT, RK_INVALID (address). */
enum rk_code ctl_call(struct rk_str addr, const char *call, json_t *args, int64_t timeout_ms,
                      json_t **result, struct rk_err *err) RK_MUST;

#endif
