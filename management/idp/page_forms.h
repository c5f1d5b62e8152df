/* SPDX-License-Identifier: BSD-3-Clause */
/* The pages with forms. They show what they are given; what an answer leads to is decided by the
 * file that its form is sent to. */
#ifndef MGMT_IDP_PAGE_FORMS_H
#define MGMT_IDP_PAGE_FORMS_H

#include "management/idp/request.h"

enum rk_code idp_page_login(struct http_req *req, struct http_resp *resp, struct db *db,
                            const struct idp_request *r, unsigned status, const char *problem,
                            struct rk_str login, struct rk_err *err) RK_MUST;
enum rk_code idp_page_code(struct http_req *req, struct http_resp *resp, unsigned status,
                           const char *problem, struct rk_str code, struct rk_str login_hint,
                           struct rk_err *err) RK_MUST;
/** May the device, or the program on this computer (r->what), sign in as this person? */
enum rk_code idp_page_confirm(struct http_req *req, struct http_resp *resp,
                              const struct idp_request *r, struct rk_str who,
                              struct rk_err *err) RK_MUST;
/** r->secret: show it, for the app to learn. */
enum rk_code idp_page_totp(struct http_req *req, struct http_resp *resp,
                           const struct idp_request *r, unsigned status, const char *problem,
                           struct rk_str email, struct rk_err *err) RK_MUST;

#endif
