/* SPDX-License-Identifier: BSD-3-Clause */
/* Answers of lib/http/h1: headers around a response, CORS, and the shapes of refusals. Internal. */
#ifndef RK_HTTP_H1_REPLY_H
#define RK_HTTP_H1_REPLY_H

#include "lib/base/log.h"
#include "lib/http/router.h"

struct MHD_Connection;

/** Queue resp; takes the memory of its body. close: also end the connection. */
bool h1_send(struct MHD_Connection *mhd, const struct http_req *req, struct http_resp *resp,
             bool close);

/** One line for what someone must look at (INTERNAL), debug for the rest. */
void h1_log_failure(struct rk_log *log, const struct http_req *req, const struct rk_err *err);

/** Error body for a status that no rk_code stands for. */
void h1_error_status(struct http_resp *resp, unsigned status, const char *text);

/** The body is large and of a kind that shrinks. */
bool h1_compressible(const struct http_resp *resp);

/** OPTIONS without a handler of its own: a CORS preflight, or the list of methods. */
void h1_options(const struct http_router *router, struct http_req *req, struct http_resp *resp,
                unsigned allow);

/** No such path: below api_prefix (may be NULL) as JSON with CORS headers, else plain text. */
void h1_not_found(const struct http_req *req, struct http_resp *resp, const char *api_prefix);

/** 405 with an empty body and the Allow header. */
void h1_not_allowed(const struct http_req *req, struct http_resp *resp, unsigned allow);

#endif
