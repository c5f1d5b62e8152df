/* SPDX-License-Identifier: BSD-3-Clause */
/* Metrics and health pages on an edge of their own; see pages.h. */
#include "config.h"

#include "lib/serve/pages.h"

#include <stdlib.h>

#include "lib/http/edge.h"
#include "lib/http/h1.h"

enum { METRICS_MAX = 4 * 1024 * 1024, STOP_GRACE_MS = 200 };

struct serve_pages {
    struct serve_pages_opts opts;
    struct edge *edge;
    struct http_dispatch *dispatch;
    struct http_h1 *h1;
    struct http_router *router;
};

static enum rk_code get_metrics(struct http_req *req, struct http_resp *resp, struct db *db,
                                struct rk_err *err)
{
    const struct serve_pages *o = req->app;

    (void)db;
    (void)err;
    resp->content_type = "text/plain; version=0.0.4; charset=utf-8";
    rk_buf_done(&resp->body);
    rk_buf_init(&resp->body, METRICS_MAX);
    rk_metrics_write(o->opts.metrics, &resp->body);
    return RK_OK;
}

static enum rk_code get_livez(struct http_req *req, struct http_resp *resp, struct db *db,
                              struct rk_err *err)
{
    (void)req;
    (void)db;
    (void)err;
    rk_buf_addz(&resp->body, "{\"status\":\"ok\"}\n");
    return RK_OK;
}

static enum rk_code put_state(struct http_req *req, struct http_resp *resp, bool useful_will_do)
{
    const struct serve_pages *o = req->app;
    const char *why = "";
    bool ready = o->opts.ready(o->opts.arg, &why);

    resp->status =
        ready || (useful_will_do && o->opts.useful && o->opts.useful(o->opts.arg)) ? 200 : 503;
    if (o->opts.describe)
        o->opts.describe(o->opts.arg, ready, why, &resp->body);
    else
        rk_buf_printf(&resp->body, "{\"status\":\"%s\",\"reason\":\"%s\"}\n",
                      ready ? "healthy" : "unhealthy", why);
    return RK_OK;
}

static enum rk_code get_readyz(struct http_req *req, struct http_resp *resp, struct db *db,
                               struct rk_err *err)
{
    (void)db;
    (void)err;
    return put_state(req, resp, true);
}

static enum rk_code get_health(struct http_req *req, struct http_resp *resp, struct db *db,
                               struct rk_err *err)
{
    (void)db;
    (void)err;
    return put_state(req, resp, false);
}

static const struct http_route ROUTES[] = {
    {HTTP_GET, "/metrics", get_metrics, HTTP_PUBLIC | HTTP_INLINE, NULL},
    {HTTP_GET, "/livez", get_livez, HTTP_PUBLIC | HTTP_INLINE, NULL},
    {HTTP_GET, "/readyz", get_readyz, HTTP_PUBLIC | HTTP_INLINE, NULL},
    {HTTP_GET, "/health", get_health, HTTP_PUBLIC | HTTP_INLINE, NULL},
};

static enum rk_code start(struct serve_pages *o, struct rk_err *err)
{
    struct edge_listen listen[4];
    struct edge_opts edge = {.loops = &o->opts.loop,
                             .n_loops = 1,
                             .listen = listen,
                             .log = o->opts.log,
                             .limits = {.max_conns = 64}};
    struct http_dispatch_opts d = {.router = o->router, .app = o, .log = o->opts.log};
    struct http_h1_opts h1 = {.max_connections = 64, .log = o->opts.log};
    enum rk_code rc;

    for (; edge.n_listen < o->opts.n_listen && edge.n_listen < RK_ARRAY_LEN(listen);
         edge.n_listen++)
        listen[edge.n_listen] = (struct edge_listen){.addr = o->opts.listen[edge.n_listen]};
    o->dispatch = h1.dispatch = http_dispatch_new(&d);
    rc = http_h1_new(&h1, &o->h1, err);
    if (rc == RK_OK)
        rc = edge_new(&edge, &o->edge, err);
    if (rc == RK_OK) {
        edge_set_http(o->edge, o->dispatch, o->h1, http_h1_take_fd);
        rc = edge_start(o->edge, err);
    }
    return rc;
}

enum rk_code serve_pages_new(const struct serve_pages_opts *opts, struct serve_pages **out,
                             struct rk_err *err)
{
    struct serve_pages *o;
    enum rk_code rc;

    *out = NULL;
    if (!opts->n_listen)
        return RK_OK;
    o = rk_calloc(1, sizeof *o);
    o->opts = *opts;
    o->router = http_router_new();
    http_router_add(o->router, ROUTES, RK_ARRAY_LEN(ROUTES));
    rc = start(o, err);
    o->opts.listen = NULL;
    if (rc) {
        serve_pages_free(o);
        return rk_wrap(err, "health and metrics");
    }
    *out = o;
    return RK_OK;
}

void serve_pages_stop(struct serve_pages *o, void (*done)(void *arg), void *arg)
{
    if (o)
        edge_stop(o->edge, STOP_GRACE_MS, done, arg);
    else
        done(arg);
}

void serve_pages_free(struct serve_pages *o)
{
    if (!o)
        return;
    http_h1_free(o->h1); /* before the edge, which it asks about WebSocket paths */
    edge_free(o->edge);
    http_dispatch_free(o->dispatch);
    http_router_free(o->router);
    free(o);
}
