/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations on access policies. Store thread. */
#ifndef MGMT_OPS_POLICIES_H
#define MGMT_OPS_POLICIES_H

#include "management/ops/op.h"

struct rule_range {
    int64_t start, end;
};

struct rule_side { /* either groups or a resource; has_groups: the list was given, maybe empty */
    bool has_groups, has_resource;
    struct str_list groups;
    struct resource_ref resource;
};

struct rule_input { /* open; texts as the client sent them */
    struct rk_str id, name, description, action, protocol;
    bool enabled, bidirectional;
    struct rule_side source, destination;
    struct str_list ports;
    struct rule_range *ranges;
    size_t n_ranges;
    struct authorized_group *authorized;
    size_t n_authorized;
};

struct policy_input { /* open; borrowed for the call */
    struct rk_str name, description;
    bool enabled;
    struct str_list posture_checks; /* unknown ids are dropped */
    struct rule_input *rules;
    size_t n_rules;
    bool several_new; /* any number of rules may come without an id; clients may send one */
};

/** Create (id empty) or replace a policy; *out is what was stored. Nothing is written when nothing
 *  changes. Errors: RK_INVALID in the words of the official server, RK_FORBIDDEN, RK_NOT_FOUND. */
enum rk_code policy_save(struct op *op, struct rk_str id, const struct policy_input *in,
                         const struct policy **out, struct rk_err *err) RK_MUST;

enum rk_code policy_delete(struct op *op, struct rk_str id, struct rk_err *err) RK_MUST;

/** Same meaning: the order of groups, ports and ranges does not count. */
bool policy_same(const struct policy *a, const struct policy *b);

/** Creation number for a new policy: one more than the largest so far. */
int64_t policy_next_seq(const struct snapshot *s);

#endif
