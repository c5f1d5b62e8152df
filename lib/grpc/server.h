/* SPDX-License-Identifier: BSD-3-Clause */
/* gRPC services behind the edge: a table of methods per service; see lib/grpc/call.h for a call. */
#ifndef RK_GRPC_SERVER_H
#define RK_GRPC_SERVER_H

#include <stddef.h>

#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/grpc/call.h"
#include "lib/http/edge.h"

enum grpc_kind { GRPC_UNARY, GRPC_SERVER_STREAM, GRPC_BIDI };

struct grpc_method {  /* open, static */
    const char *path; /* "/package.Service/Method" */
    enum grpc_kind kind;
    size_t max_request_bytes; /* of one message; 0: 4 MiB; beyond: RESOURCE_EXHAUSTED */
    /** Optional. BIDI: the request headers are there. */
    void (*begin)(struct grpc_call *c);
    /** Borrowed body. UNARY and SERVER_STREAM: exactly once, after the client half-closed; more or
     *  fewer messages are refused before. */
    void (*message)(struct grpc_call *c, struct rk_str body);
    /** Optional, BIDI: the client sends no more. */
    void (*half_closed)(struct grpc_call *c);
    /** Optional: everything sent so far left for the socket. */
    void (*drained)(struct grpc_call *c);
    /** Optional; exactly once, last: RK_OK finished and sent, RK_CANCELLED reset by the client,
     *  RK_TIMEOUT deadline, RK_UNAVAILABLE connection lost or shutdown, RK_LIMIT refused. Not
     *  called for calls whose begin/message never ran. */
    void (*ended)(struct grpc_call *c, enum rk_code why);
};

/** Serve n methods; app is grpc_call_app() of their calls. Before edge_start. The array is borrowed
 *  until edge_free. Errors: RK_EXISTS. */
enum rk_code edge_add_grpc(struct edge *e, const struct grpc_method *methods, size_t n, void *app,
                           struct rk_err *err) RK_MUST;

#endif
