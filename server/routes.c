/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of routes; see routes.h. */
#include "config.h"

#include "server/routes.h"

#include "lib/net/relayproto.h"

const struct server_route SERVER_ROUTES[] = {
    {ROUTE_GRPC, "/management.ManagementService/", "login and network maps", false, false},
    {ROUTE_GRPC, "/signalexchange.SignalExchange/", "signal", true, false},
    {ROUTE_GRPC, "/flow.FlowService/", "traffic events", false, false},
    {ROUTE_GRPC, "/management.ProxyService/", "reverse proxies", false, false},
    {ROUTE_WS, RLY_WS_PATH, "relay", false, true},
    {ROUTE_WS, "/ws-proxy/management", "management for clients without HTTP/2", false, false},
    {ROUTE_WS, "/ws-proxy/signal", "signal for clients without HTTP/2", true, false},
    {ROUTE_WS, "/ws-proxy/flow", "traffic events for clients without HTTP/2", false, false},
    {ROUTE_HTTP, "/api/", "REST", false, false},
    {ROUTE_HTTP, "/oauth2/", "sign-in", false, false},
    {ROUTE_HTTP, "/", "everything else", false, false},
};
const size_t SERVER_N_ROUTES = RK_ARRAY_LEN(SERVER_ROUTES);

struct check {
    struct rk_err *err;
    enum rk_code rc;
};

static void check_path(void *arg, struct rk_str path, bool websocket)
{
    struct check *k = arg;

    for (size_t i = 0; i < SERVER_N_ROUTES; i++) {
        const struct server_route *r = &SERVER_ROUTES[i];

        if (websocket ? r->kind == ROUTE_WS && rk_str_eqz(path, r->path)
                      : r->kind == ROUTE_GRPC && rk_str_starts(path, rk_str_z(r->path)))
            return;
    }
    k->rc = rk_fail(k->err, RK_INTERNAL, "%.*s is not in the table of routes", RK_STR_ARG(path));
}

enum rk_code server_routes_check(const struct edge *e, struct rk_err *err)
{
    struct check k = {.err = err};

    edge_paths(e, check_path, &k);
    return k.rc;
}
