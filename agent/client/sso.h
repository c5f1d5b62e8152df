/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Logging in as a person, on the side of the command line, at the provider that management names:
 * the authorization code flow with PKCE (RFC 7636) for a browser on this machine, which comes back
 * to a port of it (RFC 8252), and the device flow (RFC 8628) for a browser anywhere. Blocks; main
 * thread of a command, never the daemon.
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

/** The same by a browser of this machine. hint: who it may be, to fill in; or empty. More errors:
 *  RK_PRECONDITION (no redirect address of the flow is a free port of this machine: use the device
 *  flow). */
enum rk_code sso_pkce(struct rk_arena *mem, const json_t *flow, struct rk_str hint,
                      struct sso_user *u, struct rk_str *token, struct rk_err *err) RK_MUST;

/** Whom a token is about, to suggest at the next login: not verified. arena; may be empty. */
struct rk_str sso_email(struct rk_arena *mem, struct rk_str token);

#endif
