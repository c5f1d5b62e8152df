/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Proxies that are or were connected, and the clusters that they make: all proxies with one address
 * serve the same services. Rows, not entities: they change every minute and belong to no history.
 * Store thread.
 */
#ifndef MGMT_OPS_PROXY_NODES_H
#define MGMT_OPS_PROXY_NODES_H

#include "management/ops/op.h"

#define PROXY_ALIVE_US  ((int64_t)120 * 1000000)  /* heard of within: it counts */
#define PROXY_FORGET_US ((int64_t)3600 * 1000000) /* not heard of for: the row goes */

enum tri { TRI_UNKNOWN = -1, TRI_NO = 0, TRI_YES = 1 };

struct proxy_node { /* open */
    struct rk_str id, session;
    struct rk_str account_id; /* empty: for all accounts */
    struct rk_str cluster, ip, version;
    enum tri custom_ports, require_subdomain, crowdsec, overlay;
};

/** A proxy connects. RK_EXISTS: another account, or all accounts, have proxies with this address or
 *  this id. */
enum rk_code proxy_node_save(struct db *db, const struct proxy_node *n, int64_t now_us,
                             struct rk_err *err) RK_MUST;

/** It lives: its row is brought up to date, or made again where it was deleted meanwhile, but not
 *  when a newer session has it. */
enum rk_code proxy_node_seen(struct db *db, const struct proxy_node *n, int64_t now_us,
                             struct rk_err *err) RK_MUST;
enum rk_code proxy_node_gone(struct db *db, const struct proxy_node *n, struct rk_err *err) RK_MUST;

/** Rows that nobody has refreshed for PROXY_FORGET_US, and used tokens that have expired. */
enum rk_code proxy_nodes_sweep(struct db *db, int64_t now_us, struct rk_err *err) RK_MUST;

/** Every row counts as disconnected: after a crash. *n: how many were connected. dry: count only.
 */
enum rk_code proxy_nodes_disconnect(struct db *db, bool dry, int64_t *n,
                                    struct rk_err *err) RK_MUST;

struct proxy_cluster { /* open; arena */
    struct rk_str id;  /* smallest of its proxies' */
    struct rk_str address;
    bool own;                                                    /* of the account, not of all */
    bool online;                                                 /* at least one proxy is alive */
    int64_t connected;                                           /* that are alive */
    enum tri custom_ports, require_subdomain, crowdsec, overlay; /* of those that are alive */
};

struct proxy_clusters {
    struct proxy_cluster *v;
    size_t n;
};

/** Clusters that an account may use, its own first, then by address. arena */
enum rk_code proxy_clusters_read(struct db *db, struct rk_arena *mem, struct rk_str account_id,
                                 int64_t now_us, struct proxy_clusters *out,
                                 struct rk_err *err) RK_MUST;

/** By address, online or not; NULL: none. */
const struct proxy_cluster *proxy_cluster_find(const struct proxy_clusters *l,
                                               struct rk_str address);

/** The address of the cluster that serves a domain: one that is online and equals or ends it, else
 *  that of the longest domain of the account's own. Empty: none. */
struct rk_str proxy_cluster_of(const struct proxy_clusters *l, const struct snapshot *s,
                               struct rk_str domain);

/** GET /clusters: those of the caller. RK_FORBIDDEN. */
enum rk_code proxy_clusters_list(struct op *op, struct proxy_clusters *out,
                                 struct rk_err *err) RK_MUST;

/** Forget the registrations of the account's own cluster. RK_FORBIDDEN, RK_NOT_FOUND. */
enum rk_code proxy_cluster_delete(struct op *op, struct rk_str address, struct rk_err *err) RK_MUST;

/** A one-time text is used up now, for as long as it would have been good. *first: it was not used
 *  before. */
enum rk_code proxy_use_once(struct db *db, struct rk_str text, int64_t until_us, bool *first,
                            struct rk_err *err) RK_MUST;

#endif
