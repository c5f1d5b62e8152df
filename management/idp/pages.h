/* SPDX-License-Identifier: BSD-3-Clause */
/* The frame of the pages, and those that end something or say what went wrong. */
#ifndef MGMT_IDP_PAGES_H
#define MGMT_IDP_PAGES_H

#include "management/idp/request.h"

/** Headers of every page: CSP and the like. form_to: another origin that the form may lead to, or
 *  empty. */
void idp_page_headers(struct http_req *req, struct http_resp *resp, struct rk_str form_to);
/** A last page with a headline and a sentence; icon: 'y' done, 'n' not done. */
enum rk_code idp_page_end(struct http_req *req, struct http_resp *resp, unsigned status, char icon,
                          const char *title, const char *text);
/** A page that says what went wrong, with the request's id as the log has it, and a way on: to
 *  start again with r (NULL: not known, then to the page in the cookie or the dashboard). */
enum rk_code idp_page_trouble(struct http_req *req, struct http_resp *resp, unsigned status,
                              const struct idp_request *r, const char *title, const char *text);
/** "This page is too old": the form is not of this browser, or was used before. */
enum rk_code idp_page_stale(struct http_req *req, struct http_resp *resp);
/** Where the request begins: the authorization or device address with all its parameters. arena */
struct rk_str idp_page_start(struct http_req *req, const struct idp_request *r);
/** GET on the address of a form: back to the page that it is on. */
http_handler idp_page_back;

/* ---- pieces, for page_forms.c */

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
