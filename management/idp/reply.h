/* SPDX-License-Identifier: BSD-3-Clause */
/* Answers that are no pages. */
#ifndef MGMT_IDP_REPLY_H
#define MGMT_IDP_REPLY_H

#include "management/idp/base.h"

enum rk_code idp_redirect(struct http_req *req, struct http_resp *resp, struct rk_str to);
/** RFC 6749 5.2: error is its code, why a sentence for who reads logs, or NULL. */
enum rk_code idp_oauth_error(struct http_resp *resp, unsigned status, const char *error,
                             const char *why);
void idp_cookie_set(struct http_req *req, struct http_resp *resp, const char *name,
                    struct rk_str value, int64_t max_age_s);

#endif
