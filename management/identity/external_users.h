/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * People who signed in at an external provider, as it described them last: table idp_external_user.
 * Statements only; callers bring the transaction. Store thread.
 */
#ifndef MGMT_IDENTITY_EXTERNAL_USERS_H
#define MGMT_IDENTITY_EXTERNAL_USERS_H

#include "management/identity/local_users.h"

struct external_user {      /* open; arena */
    struct local_user user; /* subject, email, email_verified, name, gen */
    struct rk_str groups;   /* JSON array of texts, or empty */
    struct rk_str refresh;  /* the provider's refresh token, or empty */
};

/** Only while the provider is there as it was: one that was deleted, or has another issuer by now,
 *  vouches for nobody. Errors: RK_NOT_FOUND (also for local users). */
enum rk_code external_user_get(struct local_users *l, struct rk_str subject,
                               struct external_user *out, struct rk_err *err) RK_MUST;

/** Insert or replace, by subject. */
enum rk_code external_user_put(struct local_users *l, const struct external_user *x, int64_t now_us,
                               struct rk_err *err) RK_MUST;

#endif
