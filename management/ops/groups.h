/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations on groups and their members. Store thread. */
#ifndef MGMT_OPS_GROUPS_H
#define MGMT_OPS_GROUPS_H

#include "management/ops/op.h"

struct group_input { /* open; borrowed for the call */
    struct rk_str name;
    struct str_list peers; /* unknown ids are dropped */
    struct resource_ref *resources;
    size_t n_resources;
};

/** Create a group; *id is its new id. Errors: RK_INVALID, RK_FORBIDDEN, RK_EXISTS (name). */
enum rk_code group_create(struct op *op, const struct group_input *in, struct rk_str *id,
                          struct rk_err *err) RK_MUST;

/** May this group be updated at all? Checked before the body is looked at. Errors: RK_NOT_FOUND,
 *  RK_INVALID (All). */
enum rk_code group_check_update(const struct op *op, struct rk_str id, struct rk_err *err) RK_MUST;

/** Replace name, members and resources. Errors: as above. */
enum rk_code group_update(struct op *op, struct rk_str id, const struct group_input *in,
                          struct rk_err *err) RK_MUST;

/** Delete a group that nothing refers to. Errors: RK_FORBIDDEN; RK_BAD_REQUEST for every other
 *  refusal, in the words that dashboards show. */
enum rk_code group_delete(struct op *op, struct rk_str id, struct rk_err *err) RK_MUST;

/** Inside a mutation: put a peer into a group, or out of it, with the event. */
enum rk_code group_member_event(struct tx *tx, struct rk_arena *mem, const struct group *g,
                                const struct peer *p, bool added, struct rk_err *err) RK_MUST;

/** First thing of the account that refers to the group: kind ("policy") and name; false if none.
 *  arena: borrowed from the snapshot. */
bool group_link(const struct snapshot *s, const struct group *g, const char **kind,
                struct rk_str *name);

#endif
