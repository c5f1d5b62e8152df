/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations on invite links: the way for people to become local users by themselves. Store thread.
 */
#ifndef MGMT_OPS_INVITES_H
#define MGMT_OPS_INVITES_H

#include "management/ops/op.h"

struct invite_input { /* open; borrowed for the call */
    struct rk_str email, name, role;
    struct str_list auto_groups;
    int64_t expires_in_s; /* 0 or less: three days */
};

/** Make an invite; *token is its only showing. Errors: RK_INVALID, RK_FORBIDDEN, RK_EXISTS (a user
 *  or an invite has this address). */
enum rk_code invite_create(struct op *op, const struct invite_input *in, const struct invite **out,
                           struct rk_str *token, struct rk_err *err) RK_MUST;

/** A new token and time for an invite; the old token dies. */
enum rk_code invite_regenerate(struct op *op, struct rk_str id, int64_t expires_in_s,
                               struct rk_str *token, int64_t *expires_at_us,
                               struct rk_err *err) RK_MUST;

enum rk_code invite_delete(struct op *op, struct rk_str id, struct rk_err *err) RK_MUST;

/* What the holder of a link may know. arena */
struct invite_info {
    struct rk_str email, name, invited_by;
    int64_t expires_at_us;
    bool valid;
};

/** Errors: RK_INVALID (no such kind of token), RK_NOT_FOUND. */
enum rk_code invite_look(struct mgmt *m, struct db *db, struct rk_arena *mem, struct rk_str token,
                         struct invite_info *out, struct rk_err *err) RK_MUST;

/** Become a user. Errors: RK_INVALID (password, token, expired), RK_NOT_FOUND, RK_EXISTS. */
enum rk_code invite_accept(struct mgmt *m, struct db *db, struct rk_arena *mem, struct rk_str token,
                           struct rk_str password, struct rk_err *err) RK_MUST;

#endif
