/* SPDX-License-Identifier: BSD-3-Clause */
/* The gRPC methods of signalexchange.SignalExchange: registration and forwarding. */
#ifndef RK_SIGNAL_SERVICE_H
#define RK_SIGNAL_SERVICE_H

#include "lib/base/err.h"
#include "lib/grpc/server.h"
#include "signal/stream.h"

/** Register Send and ConnectStream on the edge; hub is borrowed until the edge is freed.
 *  Errors: RK_EXISTS. */
enum rk_code sig_service_register(struct edge *edge, struct sig_hub *hub,
                                  struct rk_err *err) RK_MUST;

#endif
