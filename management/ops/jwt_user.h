/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From the claims of a verified token to a user of an account: finds or makes both, keeps name,
 * mail, account domain and group memberships in step with the token. Verification of the token
 * itself is not done here. Used by REST (bearer) and by peer login.
 */
#ifndef MGMT_AUTH_JWT_USER_H
#define MGMT_AUTH_JWT_USER_H

#include "management/engine/engine.h"

struct jwt_users;

struct jwt_users_opts { /* open; texts are copied */
    /* All users share one account. Holds while at most one account exists at the first use. */
    bool single_account;
    const char
        *domain; /* of that account, when it has none; NULL or empty: single_account is off */
};

/** m is borrowed until free. Owned: jwt_users_free. Any thread. */
struct jwt_users *jwt_users_new(struct mgmt *m, const struct jwt_users_opts *opts);
void jwt_users_free(struct jwt_users *j); /* accepts NULL */

struct jwt_claims {        /* open; borrowed for the call; embed it for `list` */
    struct rk_str user_id; /* not empty */
    struct rk_str name, email;
    struct rk_str domain, domain_category; /* as in the token; may be empty */
    int64_t last_login_us;                 /* when the person signed in; 0: not said */
    bool login_is_guessed;                 /* … or when the token was made: may be a refresh */
    bool local_user; /* of the embedded provider: rules about groups do not apply */
    /* Texts of the claim with this name, into mem; leaves *out alone when there is none. May be
     * NULL: no such claims. */
    void (*list)(const struct jwt_claims *c, struct rk_str claim, struct rk_arena *mem,
                 struct str_list *out);
};

struct jwt_user_found {          /* open */
    const struct snapshot *snap; /* one reference, the caller's */
    const struct user *user; /* lent by snap; may be blocked or pending: ask perm_check_active */
};

/**
 * Store thread. What only keeps the user in step (name, groups) never fails the call: it is logged.
 * Errors: RK_INVALID (no user id), RK_FORBIDDEN "user does not belong to any of the allowed JWT
 * groups", RK_UNAVAILABLE.
 */
enum rk_code jwt_user_find(struct jwt_users *j, struct db *db, struct rk_arena *mem,
                           const struct jwt_claims *claims, struct jwt_user_found *out,
                           struct rk_err *err) RK_MUST;

/** A domain that can be shared by the users of a company: "example.com". */
bool jwt_domain_ok(struct rk_str s);

#endif
