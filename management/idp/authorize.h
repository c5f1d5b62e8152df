/* SPDX-License-Identifier: BSD-3-Clause */
/* The authorization endpoint. */
#ifndef MGMT_IDP_AUTHORIZE_H
#define MGMT_IDP_AUTHORIZE_H

#include "management/idp/request.h"
#include "management/idp/session.h"

http_handler idp_authorize, idp_consent;
/** Send the browser back with a code for this session. */
enum rk_code idp_grant_code(struct http_req *req, struct http_resp *resp, struct db *db,
                            const struct idp_request *r, const struct idp_session *s,
                            struct rk_err *err) RK_MUST;

#endif
