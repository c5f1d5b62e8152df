/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Domains of an account's own below which services of the reverse proxy may be. Who shows, by a
 * CNAME of "validation.<domain>" to the cluster, that the domain is theirs has it validated. Store
 * thread; names are looked up outside of mutations.
 */
#ifndef MGMT_OPS_PROXY_DOMAINS_H
#define MGMT_OPS_PROXY_DOMAINS_H

#include "management/ops/proxy_nodes.h"

#define PROXY_DOMAINS_MAX 100 /* of an account */

/** Does "validation.<domain>" lead to the cluster? Asks DNS: blocks for seconds. resolver: address
 *  and port to ask; empty: the machine's own. */
bool proxy_domain_points(struct rk_str domain, struct rk_str cluster, struct rk_str resolver);

/** Errors: RK_FORBIDDEN, RK_INVALID (no name), RK_PRECONDITION (no such cluster), RK_EXISTS (of
 * this or another account), RK_LIMIT. points: it is validated at once. */
enum rk_code
proxy_domain_create(struct op *op, struct rk_str domain, struct rk_str cluster,
                    bool (*points)(void *arg, struct rk_str domain, struct rk_str cluster),
                    void *arg, const struct proxy_domain **out, struct rk_err *err) RK_MUST;

/** RK_FORBIDDEN, RK_NOT_FOUND. */
enum rk_code proxy_domain_delete(struct op *op, struct rk_str id, struct rk_err *err) RK_MUST;

/** Which domain is to be validated. RK_FORBIDDEN, RK_NOT_FOUND. Lent by op->snap. */
enum rk_code proxy_domain_get(struct op *op, struct rk_str id, enum perm_op what,
                              const struct proxy_domain **out, struct rk_err *err) RK_MUST;

/** It was found to be theirs: written, with its event, unless it was gone or so already. user_id:
 *  who asked. */
enum rk_code proxy_domain_validated(struct mgmt *m, struct rk_str account_id, struct rk_str user_id,
                                    struct rk_str id, struct rk_err *err) RK_MUST;

#endif
