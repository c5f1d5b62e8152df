/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * management.ManagementService: the calls of agents, behind the edge.
 *
 *   edge ──▶ rpc_* (loop: open the envelope, decode) ──▶ store thread: management/ops ──▶ answer
 *              └─ Sync of a known peer with nothing new: straight to the hub, no SQL, no thread
 *   Sync, Job streams: management/push/hub, jobs.c
 */
#ifndef MGMT_RPC_SERVICE_H
#define MGMT_RPC_SERVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/metrics.h"
#include "lib/base/pool.h"
#include "lib/grpc/server.h"
#include "management/auth/auth.h"
#include "management/engine/engine.h"
#include "management/netmap/netmap.h"
#include "management/push/hub.h"
#include "management/push/servers.h"
#include "management/rpc/envelope.h"

struct rpc;

/* Where agents get their tokens. Empty client_id: not configured, answered with NOT_FOUND. */
struct rpc_flow { /* open */
    const char *client_id;
    const char *client_secret;
    const char *audience;
    const char *device_auth_endpoint;   /* device flow */
    const char *authorization_endpoint; /* PKCE */
    const char *token_endpoint;
    const char *scope;
    const char *const *redirect_urls; /* PKCE */
    size_t n_redirect_urls;
    bool use_id_token;
    bool disable_prompt_login;
    unsigned login_flag;
};

struct rpc_opts { /* open; what pointers name is borrowed until rpc_free, flows' texts are copied */
    struct mgmt *mgmt;
    struct rk_pool *store; /* threads with a connection */
    struct envelope *envelope;
    struct hub *hub;
    struct servers *servers;
    const struct netmap_opts *netmap;
    struct auth *auth; /* NULL: setup keys only */
    struct rpc_flow device, pkce;
    struct rk_log *log;         /* may be NULL */
    struct rk_metrics *metrics; /* may be NULL */
};

/** Owned: rpc_free. */
enum rk_code rpc_new(const struct rpc_opts *opts, struct rpc **out, struct rk_err *err) RK_MUST;

/** Learn of jobs that were pending when the process started. Store thread. */
enum rk_code rpc_load(struct rpc *r, struct db *db, struct rk_err *err) RK_MUST;

/** Can a job be given to this peer now? Any thread. */
bool rpc_can_reach(struct rpc *r, struct rk_str peer_id);

/** Serve all methods on an edge, before it starts. Errors: RK_EXISTS. */
enum rk_code rpc_attach(struct rpc *r, struct edge *e, struct rk_err *err) RK_MUST;

/** After the edge and the store pool have stopped. Accepts NULL. */
void rpc_free(struct rpc *r);

/** For the hub: where it sends, and how it seals (arg is the envelope). */
extern const struct hub_sink_ops RPC_SYNC_SINK;
struct rk_bytes *rpc_seal(void *envelope, const struct box_shared *shared, struct rk_str plain);

#endif
