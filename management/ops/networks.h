/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations on networks, their resources and routers. Store thread. */
#ifndef MGMT_OPS_NETWORKS_H
#define MGMT_OPS_NETWORKS_H

#include "management/ops/op.h"

/** Create (id empty) or change; *out is what was stored. Errors: RK_FORBIDDEN, RK_NOT_FOUND. */
enum rk_code network_save(struct op *op, struct rk_str id, struct rk_str name,
                          struct rk_str description, const struct network **out,
                          struct rk_err *err) RK_MUST;

/** With resources and routers. */
enum rk_code network_delete(struct op *op, struct rk_str id, struct rk_err *err) RK_MUST;

struct resource_input { /* open; borrowed for the call */
    struct rk_str name, description;
    struct rk_str address; /* prefix, address or domain */
    bool enabled;
    struct str_list groups; /* that hold it afterwards */
};

/** Errors: RK_INVALID (address, name taken), RK_FORBIDDEN, RK_NOT_FOUND (network, resource,
 *  group). */
enum rk_code resource_save(struct op *op, struct rk_str network_id, struct rk_str id,
                           const struct resource_input *in, const struct resource **out,
                           struct rk_err *err) RK_MUST;
enum rk_code resource_delete(struct op *op, struct rk_str network_id, struct rk_str id,
                             struct rk_err *err) RK_MUST;

/** Resource of this network. RK_NOT_FOUND. */
enum rk_code resource_get(const struct op *op, struct rk_str network_id, struct rk_str id,
                          const struct resource **out, struct rk_err *err) RK_MUST;

struct router_input {
    struct rk_str peer;
    struct str_list peer_groups;
    int64_t metric;
    bool masquerade, enabled;
};

/** Errors: RK_BAD_REQUEST (peer and groups, or neither; another network's router), RK_FORBIDDEN,
 *  RK_NOT_FOUND. */
enum rk_code router_save(struct op *op, struct rk_str network_id, struct rk_str id,
                         const struct router_input *in, const struct router **out,
                         struct rk_err *err) RK_MUST;
enum rk_code router_delete(struct op *op, struct rk_str network_id, struct rk_str id,
                           struct rk_err *err) RK_MUST;
enum rk_code router_get(const struct op *op, struct rk_str network_id, struct rk_str id,
                        const struct router **out, struct rk_err *err) RK_MUST;

#endif
