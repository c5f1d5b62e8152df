/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Users by their JSON web tokens: verifies the token, then finds or makes the user (jwt_user.h).
 */
#ifndef MGMT_AUTH_BEARER_H
#define MGMT_AUTH_BEARER_H

#include "management/auth/auth.h"
#include "management/engine/engine.h"
#include "management/oidc/jwt.h"

struct bearer;

#define BEARER_ISSUERS_MAX 8

struct bearer_opts { /* open; borrowed until bearer_free */
    struct mgmt *m;
    struct jwt_issuer issuers[BEARER_ISSUERS_MAX];
    size_t n_issuers;
    const char *user_claim;      /* names the user; NULL: "sub" */
    const char *custom_audience; /* prefix of claims like wt_account_domain; NULL: none */
    bool local_auth_disabled;    /* local users may not come in */
    const char *account_domain;  /* of the one account that everybody shares; NULL: one each */
};

/** Owned: bearer_free, after all requests. */
struct bearer *bearer_new(const struct bearer_opts *opts);
void bearer_free(struct bearer *b); /* accepts NULL */

struct auth *bearer_auth(struct bearer *b);

#endif
