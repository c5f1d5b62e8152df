/* SPDX-License-Identifier: BSD-3-Clause */
/* The second factor of local users. */
#ifndef MGMT_IDP_SECOND_H
#define MGMT_IDP_SECOND_H

#include "management/identity/local_users.h"
#include "management/idp/request.h"

http_handler idp_second;
enum rk_code idp_second_needed(struct http_req *req, struct db *db, const struct local_user *u,
                               bool *out, struct rk_err *err) RK_MUST;
enum rk_code idp_second_ask(struct http_req *req, struct http_resp *resp,
                            const struct idp_request *r, const struct local_user *u,
                            struct rk_err *err) RK_MUST;

#endif
