/* SPDX-License-Identifier: BSD-3-Clause */
/* Browser sessions as the store keeps them. */
#ifndef MGMT_IDP_SESSION_H
#define MGMT_IDP_SESSION_H

#include "management/identity/local_users.h"
#include "management/idp/base.h"

struct idp_session { /* open; arena */
    struct rk_str subject;
    int64_t auth_time_s;
    int64_t gen; /* of its logins: identity/logins.h */
    struct local_user user;
};

/** The browser's session and its user. RK_NOT_FOUND: none that is valid. */
enum rk_code idp_session_find(struct http_req *req, struct db *db, struct idp_session *out,
                              struct rk_err *err) RK_MUST;
enum rk_code idp_session_start(struct http_req *req, struct http_resp *resp, struct db *db,
                               const struct local_user *u, struct rk_err *err) RK_MUST;
/** Forget the browser's session, if it has one, and its cookie. */
enum rk_code idp_session_end(struct http_req *req, struct http_resp *resp, struct db *db,
                             struct rk_err *err) RK_MUST;

#endif
