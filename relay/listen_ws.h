/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * WebSocket transport of the relay: takes upgraded connections from the edge, turns frames into
 * messages for a session and back. Loop threads of the edge's loops, which must be the lanes'.
 */
#ifndef RK_RELAY_LISTEN_WS_H
#define RK_RELAY_LISTEN_WS_H

#include "lib/base/err.h"
#include "lib/http/edge.h"
#include "relay/hub.h"

/** Serve RLY_WS_PATH on the edge; hub is borrowed until the edge is freed. Before edge_start.
 *  Errors: RK_EXISTS. */
enum rk_code relay_ws_listen(struct edge *edge, struct relay_hub *hub, struct rk_err *err) RK_MUST;

/** Take one upgraded connection: what the edge calls. Public for tests without an edge. */
void relay_ws_accept(void *hub, const struct edge_ws_req *req);

#endif
