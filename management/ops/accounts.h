/* SPDX-License-Identifier: BSD-3-Clause */
/* Accounts as a whole: a new one with its defaults, and the end of one. Store thread. */
#ifndef MGMT_OPS_ACCOUNTS_H
#define MGMT_OPS_ACCOUNTS_H

#include "management/ops/op.h"

struct account_new { /* open; borrowed for the call */
    struct rk_str domain;
    enum domain_category category;
    bool primary;           /* new users of the domain join this account */
    struct rk_str owner_id; /* becomes owner */
    struct rk_str owner_name, owner_email;
    bool owner_is_here;    /* it is the owner who asks: that is a login */
    const struct pat *pat; /* a token of the owner, or NULL */
};

/** Create an account: random ranges, group All, default policy. Event account.create by the owner.
 *  Errors: RK_EXISTS (the domain has a primary account, the owner another account),
 *  RK_UNAVAILABLE. arena: *id. */
enum rk_code account_create(struct mgmt *m, struct rk_arena *mem, const struct account_new *in,
                            struct rk_str *id, struct rk_err *err) RK_MUST;

/** Delete the caller's account with its local users. Errors: RK_FORBIDDEN (not the owner),
 *  RK_NOT_FOUND (another account). */
enum rk_code account_delete(struct op *op, struct rk_str id, struct rk_err *err) RK_MUST;

#endif
