/* SPDX-License-Identifier: BSD-3-Clause */
/* Answers of lib/http/dispatch: headers around a response, CORS, and the shapes of refusals.
 * Internal to lib/http. */
#ifndef RK_HTTP_REPLY_H
#define RK_HTTP_REPLY_H

#include "lib/base/log.h"
#include "lib/http/router.h"

/** The headers that every answer gets: CORS, request id, content type; Retry-After with 503. */
void http_reply_finish(const struct http_req *req, struct http_resp *resp);

/** The path as it may be logged: long segments, which may be secrets, are left out. In req->mem. */
struct rk_str http_reply_log_path(const struct http_req *req);

/** One line for what someone must look at (INTERNAL), debug for the rest. */
void http_reply_log_failure(struct rk_log *log, const struct http_req *req,
                            const struct rk_err *err);

/** Error body for a status that no rk_code stands for. */
void http_reply_status(struct http_resp *resp, unsigned status, const char *text);

/** The body is large and of a kind that shrinks. */
bool http_reply_compressible(const struct http_resp *resp);

/** OPTIONS without a handler of its own: a CORS preflight, or the list of methods. */
void http_reply_options(const struct http_router *router, struct http_req *req,
                        struct http_resp *resp, unsigned allow);

/** No such path: below api_prefix (may be NULL) as JSON with CORS headers, else plain text. */
void http_reply_not_found(const struct http_req *req, struct http_resp *resp,
                          const char *api_prefix);

/** 405 with a JSON body and the Allow header. */
void http_reply_not_allowed(const struct http_req *req, struct http_resp *resp, unsigned allow);

#endif
