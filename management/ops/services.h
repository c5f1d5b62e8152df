/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Operations on services of the reverse proxy. What proxies are told of them follows from the
 * account's next snapshot (management/proxy). Store thread.
 */
#ifndef MGMT_OPS_SERVICES_H
#define MGMT_OPS_SERVICES_H

#include "management/ops/proxy_nodes.h"

#define SERVICE_NAME_MAX      255
#define SERVICE_TARGETS_MAX   100
#define SERVICE_CIDRS_MAX     200 /* of one list */
#define SERVICE_COUNTRIES_MAX 50
#define SERVICE_HEADERS_MAX   16 /* of one target */
#define SERVICE_AUTHS_MAX     16 /* headers that let somebody in */
#define SERVICE_SECRET_MAX    4096
#define SERVICES_MAX          5000  /* of an account */
#define SERVICE_PORT_MIN      10000 /* those that are given to services which ask for none */
#define SERVICE_PORT_MAX      49151

struct service_input { /* open; borrowed for the call */
    /* What the caller says: name, domain, mode, listen_port, switches, targets, auth without
     * hashes, restrictions, groups. listen_port 0: none was asked for. */
    struct service s;
    struct rk_str password, pin;  /* plain; empty: as it is */
    struct rk_str *header_values; /* one for each of s.header_auths */
};

/** Form of an input, without looking at anything else. Writes what is derived (mode, domain and
 *  countries in their stored form). Errors: RK_INVALID. */
enum rk_code service_input_check(struct rk_arena *mem, struct service_input *in,
                                 struct rk_err *err) RK_MUST;

/** Hash what is plain in the input: tens of milliseconds for each. Not for a lane. */
enum rk_code service_input_hash(struct rk_arena *mem, struct service_input *in,
                                struct rk_err *err) RK_MUST;

/** A text that can be compared with a stored hash of service_input_hash. RK_UNAUTHENTICATED. */
enum rk_code service_secret_verify(struct rk_str hash, struct rk_str plain,
                                   struct rk_err *err) RK_MUST;

/** Create (id empty) or replace; hashes secrets, so not on a loop. Errors: RK_INVALID, RK_FORBIDDEN
 *  (also: terminated), RK_NOT_FOUND, RK_EXISTS (domain, port), RK_PRECONDITION (no cluster, no port
 *  left), RK_LIMIT. arena */
enum rk_code service_save(struct op *op, struct rk_str id, struct service_input *in,
                          const struct service **out, struct rk_err *err) RK_MUST;
enum rk_code service_delete(struct op *op, struct rk_str id, struct rk_err *err) RK_MUST;

/** RK_FORBIDDEN, RK_NOT_FOUND. Lent by op->snap. */
enum rk_code service_get(const struct op *op, struct rk_str id, const struct service **out,
                         struct rk_err *err) RK_MUST;

/** Inside a mutation: find cluster and port for a checked and hashed service, refuse what is taken,
 *  make its keys, and put it. activity: the event; more: of its meta. `old` NULL: it is new. */
struct service_put {
    struct rk_arena *mem;
    struct service *s;
    const struct service *old;
    bool port_is_wish; /* a cluster without custom ports gives another one, instead of refusing */
    int activity;
    const struct op_kv *more;
    size_t n_more;
};
enum rk_code service_put_tx(struct tx *tx, struct service_put *p, struct rk_err *err) RK_MUST;

/** No other service of its cluster has its port. RK_EXISTS. */
enum rk_code service_port_free(struct tx *tx, const struct service *s, struct rk_err *err) RK_MUST;

/** Inside a mutation: delete with an event. */
enum rk_code service_del_tx(struct tx *tx, struct rk_arena *mem, const struct service *s,
                            int activity, const struct op_kv *more, size_t n_more,
                            struct rk_err *err) RK_MUST;

/** Where a target is now: overlay address of a peer, address or name of a resource, the host as
 *  stored for others; "unknown" when it is gone. arena */
struct rk_str service_target_host(struct rk_arena *mem, const struct snapshot *s,
                                  const struct service_target *t);

/** The service that has this domain, in any account: its account and id. arena. RK_NOT_FOUND. */
enum rk_code service_by_domain(struct db *db, struct rk_arena *mem, struct rk_str domain,
                               struct rk_str *account_id, struct rk_str *id,
                               struct rk_err *err) RK_MUST;

/** Accounts that have services of this cluster. arena */
enum rk_code service_accounts(struct db *db, struct rk_arena *mem, struct rk_str cluster,
                              struct str_list *out, struct rk_err *err) RK_MUST;

/** A duration as Go writes it: "1m30s". arena */
struct rk_str service_duration(struct rk_arena *mem, int64_t ms);

/* ---- what proxies report */

struct service_status { /* open */
    struct rk_str service_id;
    struct rk_str status; /* "pending", "active", … */
    int64_t issued_at_us; /* of the certificate; 0: none */
};

/** Of all services of an account; those that are not in it are pending. arena array of *n */
enum rk_code service_statuses(struct db *db, struct rk_arena *mem, struct rk_str account_id,
                              struct service_status **out, size_t *n, struct rk_err *err) RK_MUST;

/** certificate: it has been issued now. The service must be there (RK_INVALID else). */
enum rk_code service_status_set(struct db *db, struct rk_str service_id, struct rk_str status,
                                bool certificate, int64_t now_us, struct rk_err *err) RK_MUST;

#endif
