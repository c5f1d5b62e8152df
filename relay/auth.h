/* SPDX-License-Identifier: BSD-3-Clause */
/* Decides on the first message of a connection to the relay. Any thread, no state, no database. */
#ifndef RK_RELAY_AUTH_H
#define RK_RELAY_AUTH_H

#include <stdbool.h>

#include "lib/base/err.h"
#include "relay/hub.h"

/** The first message must be a valid Auth with a token that is good at now_unix_s; *id is the peer
 *  that it claims to be. The token is bound to no peer: whoever holds one may take any id.
 *  Errors: RK_BAD_REQUEST (not an Auth), RK_UNAUTHENTICATED (token). */
enum rk_code relay_auth_check(const struct relay_hub *hub, struct rk_str message,
                              int64_t now_unix_s, struct rly_peer_id *id,
                              struct rk_err *err) RK_MUST;

/** The message is the probe of an official health check: refused like any other bad token, but
 *  nothing to log. */
bool relay_auth_is_probe(const struct relay_hub *hub, struct rk_str message);

#endif
