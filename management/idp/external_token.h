/* SPDX-License-Identifier: BSD-3-Clause */
/* What an external provider hands out: its token and userinfo endpoints, the ID token. */
#ifndef MGMT_IDP_EXTERNAL_TOKEN_H
#define MGMT_IDP_EXTERNAL_TOKEN_H

#include "management/identity/connectors.h"
#include "management/identity/external_users.h"
#include "management/idp/base.h"

/* A login at a provider. */
struct idp_provider { /* open; arena */
    struct idp_connector c;
    struct disco d;
    struct rk_str callback; /* where it answers */
};

/** What a token endpoint answered. */
struct idp_answer { /* open; arena */
    unsigned status;
    struct rk_str error; /* OAuth error code or empty */
    struct rk_str id_token, access_token, refresh_token;
};

/** POST to the token endpoint with the client's secret in the way that it announces, then in the
 *  other. form: what else, encoded. Any HTTP status is a success. */
enum rk_code idp_provider_post(struct http_req *req, const struct idp_provider *p,
                               struct rk_str form, struct idp_answer *out,
                               struct rk_err *err) RK_MUST;

/** From what the provider handed out to a person: verifies the ID token (nonce empty: may be
 *  absent), asks the userinfo endpoint for what it lacks. Errors: RK_UNAUTHENTICATED with what was
 *  found and expected, RK_UNAVAILABLE. */
enum rk_code idp_provider_person(struct http_req *req, const struct idp_provider *p,
                                 const struct idp_answer *a, struct rk_str nonce,
                                 struct external_user *out, struct rk_err *err) RK_MUST;

#endif
