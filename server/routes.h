/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the one port serves, as a reverse proxy must know it, and the configuration of such proxies.
 * `rookery run` compares the table with what its services registered, so it cannot fall behind.
 */
#ifndef RK_SERVER_ROUTES_H
#define RK_SERVER_ROUTES_H

#include "lib/http/edge.h"
#include "server/conf.h"

enum server_route_kind {
    ROUTE_GRPC, /* every path below it: HTTP/2 in clear text, streams that live for days */
    ROUTE_WS,   /* this path: WebSocket, HTTP/1.1 */
    ROUTE_HTTP, /* every path below it that is none of the above */
};

struct server_route { /* a row */
    enum server_route_kind kind;
    const char *path;
    const char *what;
    bool signal, relay; /* not when that service runs elsewhere */
};

extern const struct server_route SERVER_ROUTES[];
extern const size_t SERVER_N_ROUTES;

/** Is every path of the edge in the table? RK_INTERNAL naming one that is not. */
enum rk_code server_routes_check(const struct edge *e, struct rk_err *err) RK_MUST;

struct proxy_opts {          /* open */
    const char *kind;        /* nginx, caddy, traefik or haproxy */
    struct rk_str cert, key; /* empty: places are named as examples */
};

/** Is there a configuration for proxies of this kind? */
bool server_proxy_known(const char *kind);

/** The configuration of a proxy for this server. Errors: RK_INVALID (no such proxy, or a server
 *  that does not want one: it speaks TLS itself). */
enum rk_code server_proxy_conf(struct rk_arena *mem, const struct server_config *c,
                               const struct proxy_opts *o, struct rk_buf *out,
                               struct rk_err *err) RK_MUST;

#endif
