/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Logging in as a person, on the side of the command line: the device flow (RFC 8628) against the
 * provider that management names. Blocks; main thread of a command, never the daemon.
 */
#ifndef RK_AGENT_SSO_H
#define RK_AGENT_SSO_H

#include <jansson.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "schema/gen/management.pb-c.h"

/** What management says about the flow, as the daemon hands it to commands. Owned: json_decref. */
json_t *sso_flow_json(const Management__ProviderConfig *p, struct rk_str ca_file);

struct sso_prompt { /* what the person is to do; borrowed for the call */
    struct rk_str url, code;
};

struct sso_user { /* embedded in the owner's struct */
    void (*show)(struct sso_user *u, const struct sso_prompt *p);
};

/** From such a flow to a token; waits for the person as long as the provider does. arena (use a
 *  wiping one). Errors: RK_FORBIDDEN (refused), RK_TIMEOUT (nobody answered), RK_UNAVAILABLE,
 *  RK_BAD_REQUEST (the provider's answers make no sense). */
enum rk_code sso_device(struct rk_arena *mem, const json_t *flow, struct sso_user *u,
                        struct rk_str *token, struct rk_err *err) RK_MUST;

#endif
