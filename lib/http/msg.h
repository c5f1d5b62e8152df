/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One HTTP request and its response as plain data, the handler type, and the only place that turns
 * enum rk_code into an HTTP status. Knows no socket; filled by lib/http/h1, read by handlers.
 */
#ifndef RK_HTTP_MSG_H
#define RK_HTTP_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/id.h"
#include "lib/base/str.h"
#include "lib/net/addr.h"

struct db;        /* management/store/db.h; NULL where a pool has no connections */
struct http_live; /* lib/http/live.h */
struct http_route;

enum http_method {
    HTTP_OTHER,
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_PATCH,
    HTTP_DELETE,
    HTTP_OPTIONS,
};

/** Exact, case-sensitive (RFC 9110 section 9.1); unknown text gives HTTP_OTHER. */
enum http_method http_method_parse(struct rk_str s);
const char *http_method_name(enum http_method m);

struct http_header {
    struct rk_str name, value;
};

#define HTTP_MAX_PARAMS 4

struct http_req { /* open; everything is arena memory of `mem` or borrowed until the response */
    enum http_method method;
    struct rk_str path;  /* decoded and clean (path.h), without the query */
    struct rk_str query; /* raw, without the '?' */
    const struct http_header *headers;
    size_t n_headers;
    struct rk_str body;
    struct rk_str params[HTTP_MAX_PARAMS]; /* {names} of the route in order */
    size_t n_params;
    struct rk_addr peer; /* the client; behind trusted proxies the address they report */
    bool https;          /* the client's side of the connection is encrypted, as far as known */
    struct rk_arena *mem;
    char id[RK_XID_LEN + 1]; /* also sent as X-Request-Id */
    const struct http_route *route;
    void *app;        /* http_dispatch_opts.app */
    const void *user; /* what http_dispatch_opts.guard found out about the caller; its own type */
    unsigned pools;   /* private: those one could move to, of enum http_route_flags */
    unsigned move_to; /* private */
};

/** For a handler that finds out late that it is about to hash a password (HTTP_HASHES) or to wait
 *  for another server (HTTP_CALLS_OUT) and whose route does not say so: true: return RK_OK at once
 *  with nothing done, the handler is called again where that is allowed; false: it is there. */
bool http_req_move(struct http_req *req, unsigned to);

/** First header of that name (any case), trimmed; false where absent. */
bool http_req_header(const struct http_req *req, const char *name, struct rk_str *out);

/** First query parameter of that name, decoded into req->mem; false where absent. A broken escape
 *  counts as absent. */
bool http_req_query(const struct http_req *req, const char *name, struct rk_str *out);

/** Walk all `name=value` pairs of a query or form body: *pos starts at 0, false at the end; broken
 *  escapes are skipped. Decoded into mem. */
bool http_form_next(struct rk_arena *mem, struct rk_str form, size_t *pos, struct rk_str *name,
                    struct rk_str *value);

/** First cookie of that name in the Cookie headers (RFC 6265); false where absent. */
bool http_req_cookie(const struct http_req *req, const char *name, struct rk_str *out);

#define HTTP_RESP_MAX_HEADERS 24

struct http_resp {            /* open */
    unsigned status;          /* 0: 200 */
    const char *content_type; /* static text; NULL: HTTP_JSON; "": none is sent */
    struct http_header headers[HTTP_RESP_MAX_HEADERS]; /* values: arena or static */
    size_t n_headers;
    struct rk_buf body;     /* freed by the server */
    struct http_live *live; /* not NULL: the body comes from there; one reference, taken */
};

#define HTTP_JSON "application/json; charset=UTF-8"
#define HTTP_HTML "text/html; charset=utf-8"
#define HTTP_TEXT "text/plain; charset=utf-8"

/** Add a header; value must live as long as req->mem. Too many abort (our bug). */
void http_resp_header(struct http_resp *resp, const char *name, struct rk_str value);

/** HTTP status of a code by the table in style.md; RK_OK gives 200. */
unsigned http_status_of(enum rk_code code);

/**
 * Make resp the error answer {"message":…,"code":…}. BAD_REQUEST keeps its text, others are
 * lower-cased as official servers do; INTERNAL and UNAVAILABLE show a fixed text.
 */
void http_resp_error(struct http_resp *resp, const struct rk_err *err);

/**
 * A handler: fills resp and returns RK_OK, or returns a code with err set (then the server answers
 * with http_resp_error, and logs what is INTERNAL). Store thread; blocking is fine.
 */
typedef enum rk_code http_handler(struct http_req *req, struct http_resp *resp, struct db *db,
                                  struct rk_err *err);

#endif
