/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Route table: finds the handler of a method and path. Literal segments win over {parameters},
 * parameters over a {rest...} tail. Immutable after construction, so any thread may look up.
 */
#ifndef RK_HTTP_ROUTER_H
#define RK_HTTP_ROUTER_H

#include "lib/http/msg.h"

enum http_route_flags {
    HTTP_PUBLIC = 1 << 0,    /* the guard is not called */
    HTTP_CORS = 1 << 1,      /* answer preflights and send Access-Control-Allow-Origin: * */
    HTTP_INLINE = 1 << 2,    /* never blocks and takes no db: may run on the server's own thread */
    HTTP_HASHES = 1 << 3,    /* hashes passwords: a processor for a tenth of a second */
    HTTP_CALLS_OUT = 1 << 4, /* waits for another server, or a large search, for seconds */
};

struct http_route { /* open, static const tables */
    enum http_method method;
    const char *path; /* "/api/peers/{peerId}"; a last segment "{name...}" takes the rest */
    http_handler *handler;
    unsigned flags;
    const void *arg; /* for the handler: req->route->arg */
};

struct http_router;

/** Borrowed: the tables, until free. A pattern twice for one method aborts (our bug). Owned. */
struct http_router *http_router_new(void);
void http_router_add(struct http_router *r, const struct http_route *routes, size_t n);
void http_router_free(struct http_router *r); /* accepts NULL */

enum http_match { HTTP_MATCH, HTTP_NO_PATH, HTTP_NO_METHOD };

/**
 * Look up req->method and req->path; on HTTP_MATCH sets req->route and the params, which
 * point into the path. GET routes also match HEAD. On HTTP_NO_METHOD *allow (may be NULL) has a bit
 * 1 << method for each method the path knows.
 */
enum http_match http_router_find(const struct http_router *r, struct http_req *req,
                                 unsigned *allow);

/** First route of any method for this path (for CORS preflights), or NULL. */
const struct http_route *http_router_any(const struct http_router *r, struct http_req *req);

#endif
