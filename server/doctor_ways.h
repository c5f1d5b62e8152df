/* SPDX-License-Identifier: BSD-3-Clause */
/* The ways that agents take to a server, tried: gRPC over HTTP/2 and a WebSocket, through whatever
 * proxy stands between. Blocks, at most ten seconds each. Main thread. */
#ifndef RK_SERVER_DOCTOR_WAYS_H
#define RK_SERVER_DOCTOR_WAYS_H

#include "lib/base/err.h"

/** A call of GetServerKey. ca (may be NULL): a PEM file that is trusted as well. Errors:
 *  RK_UNAVAILABLE with what came instead. */
enum rk_code doctor_try_grpc(const char *url, const char *ca, struct rk_err *err) RK_MUST;
/** A WebSocket handshake at url + path. */
enum rk_code doctor_try_websocket(const char *url, const char *path, const char *ca,
                                  struct rk_err *err) RK_MUST;

#endif
