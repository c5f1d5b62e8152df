/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Personal access tokens: from the text of a request to the user it belongs to. What was looked up
 * once is remembered (hash -> account and token id) and checked against the current snapshot, so a
 * deleted token or a blocked user is noticed at once and no SQL is needed.
 */
#ifndef MGMT_AUTH_PAT_H
#define MGMT_AUTH_PAT_H

#include "management/domain/token.h"
#include "management/engine/engine.h"

struct pat_auth;

struct pat_auth_opts {        /* open; zero: no limit */
    int64_t limit_per_minute; /* requests of one token; 0: unlimited */
    int64_t limit_burst;
};

/** m is borrowed until free. Owned: pat_auth_free. */
struct pat_auth *pat_auth_new(struct mgmt *m, const struct pat_auth_opts *opts);
void pat_auth_free(struct pat_auth *a); /* accepts NULL */

/* Who a token belongs to. snap is one reference, the caller's. */
struct pat_found {
    const struct snapshot *snap;
    const struct pat *pat; /* lent by snap */
};

/** Take one request from the token's allowance. RK_LIMIT when it is used up. Any thread. */
enum rk_code pat_auth_limit(struct pat_auth *a, struct rk_str token, struct rk_err *err) RK_MUST;

/**
 * Decide without SQL: true when that was possible, then *rc is RK_OK with *out, or
 * RK_UNAUTHENTICATED. Any thread.
 */
bool pat_auth_try(struct pat_auth *a, struct rk_str token, struct pat_found *out, enum rk_code *rc,
                  struct rk_err *err);

/** The same with SQL when needed: store thread. Errors: RK_UNAUTHENTICATED, RK_UNAVAILABLE. */
enum rk_code pat_auth_check(struct pat_auth *a, struct db *db, struct rk_arena *mem,
                            struct rk_str token, struct pat_found *out, struct rk_err *err) RK_MUST;

#endif
