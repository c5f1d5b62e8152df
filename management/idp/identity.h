/* SPDX-License-Identifier: BSD-3-Clause */
/* Who a subject is: a local user, or somebody as their provider described them last. */
#ifndef MGMT_IDP_IDENTITY_H
#define MGMT_IDP_IDENTITY_H

#include "management/identity/external_users.h"
#include "management/idp/base.h"

/** Only who may sign in: a local user, or one whose provider is still there as it was.
 *  groups: JSON array or empty; may be NULL. RK_NOT_FOUND. */
enum rk_code idp_identity(struct http_req *req, struct db *db, struct rk_str subject,
                          struct local_user *u, struct rk_str *groups, struct rk_err *err) RK_MUST;
/** The same for a user of an external provider. RK_NOT_FOUND: no such one. */
enum rk_code idp_external_get(struct http_req *req, struct db *db, struct rk_str subject,
                              struct external_user *out, struct rk_err *err) RK_MUST;
/** Keep subject, email, name, groups and refresh token. */
enum rk_code idp_external_put(struct http_req *req, struct db *db, const struct external_user *x,
                              struct rk_err *err) RK_MUST;

#endif
