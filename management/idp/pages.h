/* SPDX-License-Identifier: BSD-3-Clause */
/* Pieces of pages, for pages.c and page_forms.c. Private to management/idp. */
#ifndef MGMT_IDP_PAGES_H
#define MGMT_IDP_PAGES_H

#include "management/idp/idp_impl.h"

void page_esc(struct rk_buf *b, struct rk_str s);
/** From <!doctype> to below the server's name. title: ours, not escaped. */
void page_begin(struct http_req *req, struct rk_buf *b, const char *title);
void page_end(struct rk_buf *b, const char *foot); /* foot: HTML or NULL */
void page_problem(struct rk_buf *b, const char *problem);
/** <form> with the sealed request in it. */
void page_form(struct http_req *req, struct rk_buf *b, const char *action, struct rk_str sealed);
/** Host and port of this server. Lent. */
struct rk_str page_host(const struct http_req *req);
/** A cookie with the page that this request is on, for GET on the address of its form. */
void page_remember(struct http_req *req, struct http_resp *resp, const struct idp_request *r);

#endif
