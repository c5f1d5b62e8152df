/* SPDX-License-Identifier: BSD-3-Clause */
/* What both flows of agent/client/sso.h share. */
#ifndef RK_AGENT_SSO_PRIV_H
#define RK_AGENT_SSO_PRIV_H

#include "agent/client/sso.h"

/** A text member; empty when it is absent. Lends. */
struct rk_str sso_text(const json_t *o, const char *name);

/** "form&name=value", encoded; the form as it is when the value is empty. arena */
struct rk_str sso_add(struct rk_arena *mem, struct rk_str form, const char *name,
                      struct rk_str value);

/** POST a form to the address that the flow has under a name. *out: an object, the caller's. */
enum rk_code sso_post(struct rk_arena *mem, const json_t *flow, const char *url_name,
                      struct rk_str form, unsigned *status, json_t **out,
                      struct rk_err *err) RK_MUST;

/** The token of an answer, if it is one for management. arena */
enum rk_code sso_take_token(struct rk_arena *mem, const json_t *flow, const json_t *answer,
                            struct rk_str *token, struct rk_err *err) RK_MUST;

#endif
