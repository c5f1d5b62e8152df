/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct traffic: who talked to whom, as agents report it (flow.FlowService,
 * schema/proto/flow.proto).
 *
 *   edge ─▶ service (loop: token, decode, names to ids) ─▶ writer (its thread: one transaction for
 *           all streams) ─▶ store of its own ─▶ acknowledgement, on the loop it came in on
 *                                    └─▶ read (REST)
 *
 * With SQLite the store is a file beside the main one, so that its writes never make changes wait;
 * with PostgreSQL tables of the same database. An event that comes twice (its acknowledgement was
 * lost) is kept once. While the store is away agents keep what they have, and so does each stream,
 * up to a limit.
 */
#ifndef MGMT_TRAFFIC_TRAFFIC_H
#define MGMT_TRAFFIC_TRAFFIC_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/metrics.h"
#include "lib/http/edge.h"
#include "management/engine/engine.h"

struct traffic;

struct traffic_opts {           /* open; borrowed during traffic_open unless said otherwise */
    struct mgmt *mgmt;          /* lent until traffic_free */
    const char *url;            /* of its store: see traffic_url */
    struct rk_str store_key;    /* as in struct servers_opts */
    int64_t keep_days;          /* 0: for ever */
    int64_t keep_rows;          /* the oldest go; 0: however many */
    bool addresses_only;        /* keep no users and no ports */
    struct rk_metrics *metrics; /* may be NULL */
};

/** The store that belongs to a main one: PostgreSQL itself, or a file beside SQLite's, with
 *  ".traffic" behind its name. arena */
const char *traffic_url(struct rk_arena *mem, const char *store_url);

/** Open and migrate the store, start the writer. Owned: traffic_free. Errors: those of db_open and
 *  store_migrate. */
enum rk_code traffic_open(const struct traffic_opts *opts, struct traffic **out,
                          struct rk_err *err) RK_MUST;

/** Serve flow.FlowService on an edge, before it starts. Errors: RK_EXISTS. */
enum rk_code traffic_attach(struct traffic *t, struct edge *e, struct rk_err *err) RK_MUST;

/** Write what waits if the store can be reached now, take no more. The loops must still turn. */
void traffic_stop(struct traffic *t);
void traffic_free(struct traffic *t); /* after traffic_stop and the edge; accepts NULL */

#endif
