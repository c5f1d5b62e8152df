/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by call.c and server.c only. */
#ifndef RK_GRPC_CALL_PRIV_H
#define RK_GRPC_CALL_PRIV_H

#include "lib/base/log.h"
#include "lib/grpc/call.h"
#include "lib/grpc/frame.h"
#include "lib/grpc/server.h"
#include "lib/http/edge.h"
#include "lib/http/h2.h"

struct grpc_endpoint { /* one registered method, or the answer to unknown paths (method NULL) */
    struct edge_rpc rpc;
    const struct grpc_method *method; /* borrowed */
    void *app;
    struct rk_log_gate gates[RK_CODE_COUNT]; /* failed calls that are the client's fault */
    struct rk_log_gate dropped;
};

/** Take over a stream whose request line and content type are fine. */
void grpc_call_start(struct grpc_endpoint *ep, struct h2_stream *stream);

#endif
