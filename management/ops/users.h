/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations on users: service users, local users, roles, blocking, approval. Store thread. */
#ifndef MGMT_OPS_USERS_H
#define MGMT_OPS_USERS_H

#include "management/ops/op.h"

struct user_new { /* open; borrowed for the call */
    struct rk_str email, name;
    struct rk_str role; /* as sent */
    struct str_list auto_groups;
    bool is_service;
};

/** Make a service user, or a local user with a random password (*password, shown once; empty for
 *  service users). Errors: RK_INVALID, RK_FORBIDDEN, RK_PRECONDITION (no local users here),
 *  RK_EXISTS (address). local: whether local users can be made. */
enum rk_code user_create(struct op *op, const struct user_new *in, bool local,
                         const struct user **out, struct rk_str *password,
                         struct rk_err *err) RK_MUST;

struct user_update {
    struct rk_str role;
    struct str_list auto_groups;
    bool is_blocked;
};

/** Errors: RK_INVALID, RK_FORBIDDEN, RK_NOT_FOUND. */
enum rk_code user_update(struct op *op, struct rk_str id, const struct user_update *in,
                         struct rk_err *err) RK_MUST;

/** Delete a user with tokens and peers. Errors: RK_INVALID (oneself), RK_FORBIDDEN, RK_NOT_FOUND.
 */
enum rk_code user_delete(struct op *op, struct rk_str id, struct rk_err *err) RK_MUST;

/** Let a waiting user in; or delete one. Errors: as above, RK_INVALID (not waiting). */
enum rk_code user_approve(struct op *op, struct rk_str id, struct rk_err *err) RK_MUST;
enum rk_code user_reject(struct op *op, struct rk_str id, struct rk_err *err) RK_MUST;

/** The caller's own password. Errors: RK_INVALID with the reason. */
enum rk_code user_change_password(struct op *op, struct rk_str id, struct rk_str old_password,
                                  struct rk_str new_password, struct rk_err *err) RK_MUST;

/** User of this account with this address in any case, or NULL. */
const struct user *user_by_email(const struct snapshot *s, struct rk_str email);

/** Inside a mutation: the user's peers join and leave groups. Store thread. */
enum rk_code user_move_peers(struct tx *tx, struct rk_arena *mem, struct rk_str user_id,
                             const struct str_list *join, const struct str_list *leave,
                             struct rk_err *err) RK_MUST;

/** Inside a mutation: may these groups be given to whoever is meant? RK_INVALID with the reason. */
enum rk_code user_groups_check(struct tx *tx, struct rk_str who, const struct str_list *groups,
                               struct rk_err *err) RK_MUST;

#endif
