/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * management.ProxyService: the calls of reverse proxies, behind the edge (schema/proto/
 * proxy_service.proto). Every call shows a token of a proxy; nothing is boxed.
 *
 *   commit ─▶ observer ─▶ stream (loop) ─▶ store thread: what its cluster serves now, compared with
 *                                          what it was told ─▶ messages ─▶ proxy
 *
 * A stream is told differences of states, not events: whatever changed, by whatever process, what
 * the proxy has is what the account has.
 */
#ifndef MGMT_PROXY_PROXY_H
#define MGMT_PROXY_PROXY_H

#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/pool.h"
#include "lib/http/edge.h"
#include "management/engine/engine.h"

struct proxies;

struct proxies_opts { /* open; what pointers name is borrowed until proxies_free */
    struct mgmt *mgmt;
    struct rk_pool *store;   /* threads with a connection */
    struct rk_pool *hash;    /* the same, for passwords: tens of milliseconds each */
    struct rk_str store_key; /* every process that shares the store has the same; copied */
    struct rk_log *log;      /* may be NULL */
};

/** Registers an observer and a chore. Owned: proxies_free. */
struct proxies *proxies_new(const struct proxies_opts *opts);

/** Serve all methods on an edge, before it starts. Errors: RK_EXISTS. */
enum rk_code proxies_attach(struct proxies *p, struct edge *e, struct rk_err *err) RK_MUST;

/** After the edge and the pools have stopped and the engine is closed. Accepts NULL. */
void proxies_free(struct proxies *p);

#endif
