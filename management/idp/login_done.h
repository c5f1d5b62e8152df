/* SPDX-License-Identifier: BSD-3-Clause */
/* Where every way to sign in ends. */
#ifndef MGMT_IDP_LOGIN_DONE_H
#define MGMT_IDP_LOGIN_DONE_H

#include "management/identity/local_users.h"
#include "management/idp/request.h"

/** The user is who they say: start a session and go on with the request. */
enum rk_code idp_login_done(struct http_req *req, struct http_resp *resp, struct db *db,
                            const struct idp_request *r, const struct local_user *u,
                            struct rk_err *err) RK_MUST;

#endif
