/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations on classic routes. Store thread. */
#ifndef MGMT_OPS_ROUTES_H
#define MGMT_OPS_ROUTES_H

#include "management/ops/op.h"

struct route_input { /* open; borrowed for the call; p/v NULL: not given */
    struct rk_str description, net_id, network, peer;
    struct str_list domains, peer_groups, groups, access_control_groups;
    int64_t metric;
    bool enabled, masquerade, keep_route, skip_auto_apply;
};

/** Create (id empty) or replace; *out is what was stored. Errors: RK_INVALID, RK_FORBIDDEN,
 *  RK_NOT_FOUND, RK_EXISTS (a routing peer has this network already). */
enum rk_code route_save(struct op *op, struct rk_str id, const struct route_input *in,
                        const struct route **out, struct rk_err *err) RK_MUST;

enum rk_code route_delete(struct op *op, struct rk_str id, struct rk_err *err) RK_MUST;

#endif
