/* SPDX-License-Identifier: BSD-3-Clause */
/* The Authorization header of the REST API. No I/O; any thread. */
#ifndef MGMT_REST_CREDENTIALS_H
#define MGMT_REST_CREDENTIALS_H

#include "lib/http/msg.h"

/** "Token TOKEN" or "Bearer TOKEN" in any case; *is_pat says that it must be a personal access
 *  token (sent as Token, or looking like one). Borrowed from the request. RK_UNAUTHENTICATED. */
enum rk_code rest_credentials(const struct http_req *req, struct rk_str *token, bool *is_pat,
                              struct rk_err *err) RK_MUST;

#endif
