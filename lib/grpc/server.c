/* SPDX-License-Identifier: BSD-3-Clause */
/* From HTTP/2 requests to gRPC calls; see server.h. */
#include "config.h"

#include "lib/grpc/server.h"

#include <stdlib.h>

#include "lib/grpc/call_priv.h"

static void plain_closed(struct h2_stream_user *u, struct h2_stream *s, const struct rk_err *why)
{
    (void)u;
    (void)s;
    (void)why;
}

/* An HTTP answer to something that is not gRPC: nothing to keep. */
static const struct h2_stream_ops plain_ops = {.closed = plain_closed};
static struct h2_stream_user plain_user = {&plain_ops};

static void refuse_http(struct h2_stream *s, const char *status, const char *name,
                        const char *value)
{
    struct h2_header v[3] = {{RK_STR(":status"), rk_str_z(status)},
                             {RK_STR("content-length"), RK_STR("0")},
                             {rk_str_z(name), rk_str_z(value)}};

    h2_stream_set_user(s, &plain_user);
    h2_stream_respond(s, v, name ? 3 : 2, true);
}

static bool content_type_ok(struct rk_str ct)
{
    static const struct rk_str grpc = {"application/grpc", sizeof "application/grpc" - 1};
    struct rk_str rest;

    if (!rk_str_istarts(ct, grpc))
        return false;
    rest = rk_str_sub(ct, grpc.n, ct.n);
    if (rk_str_istarts(rest, RK_STR("+proto")))
        rest = rk_str_sub(rest, 6, rest.n);
    return !rest.n || rest.p[0] == ';' || rest.p[0] == ' ';
}

static void endpoint_begin(struct edge_rpc *rpc, struct h2_stream *s)
{
    struct grpc_endpoint *ep = rk_container_of(rpc, struct grpc_endpoint, rpc);

    if (!rk_str_eqz(h2_stream_header(s, ":method"), "POST"))
        refuse_http(s, "405", "allow", "POST");
    else if (!content_type_ok(h2_stream_header(s, "content-type")))
        refuse_http(s, "415", "accept", "application/grpc");
    else
        grpc_call_start(ep, s);
}

static void endpoint_destroy(struct edge_rpc *rpc)
{
    free(rk_container_of(rpc, struct grpc_endpoint, rpc));
}

static enum rk_code add(struct edge *e, const char *path, const struct grpc_method *m, void *app,
                        struct rk_err *err)
{
    struct grpc_endpoint *ep = rk_calloc(1, sizeof *ep);
    enum rk_code rc;

    ep->rpc.begin = endpoint_begin;
    ep->rpc.destroy = endpoint_destroy;
    ep->method = m;
    ep->app = app;
    rc = edge_add_rpc(e, path, &ep->rpc, err);
    if (rc)
        free(ep);
    return rc;
}

enum rk_code edge_add_grpc(struct edge *e, const struct grpc_method *methods, size_t n, void *app,
                           struct rk_err *err)
{
    enum rk_code rc = RK_OK;

    if (!edge_has_rpc(e, NULL))
        rc = add(e, NULL, NULL, NULL, err);
    for (size_t i = 0; rc == RK_OK && i < n; i++)
        rc = add(e, methods[i].path, &methods[i], app, err);
    return rc;
}
