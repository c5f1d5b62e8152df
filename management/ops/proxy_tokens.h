/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tokens of proxies: of one account, made over REST, or of all accounts, made by whoever runs the
 * server. Rows, not entities, for those of all accounts belong to none. Store thread.
 */
#ifndef MGMT_OPS_PROXY_TOKENS_H
#define MGMT_OPS_PROXY_TOKENS_H

#include "management/ops/op.h"

#define PROXY_TOKEN_NAME_MAX 255
#define PROXY_TOKENS_MAX     1000 /* that are good, of one account or of all */

struct proxy_token { /* open; arena */
    struct rk_str id;
    struct rk_str account_id; /* empty: for all accounts */
    struct rk_str name, created_by;
    int64_t created_at_us, expires_at_us, last_used_us; /* 0: never */
    bool revoked;
};

struct proxy_token_list {
    struct proxy_token *v;
    size_t n;
};

/** Of an account, or those for all (account_id empty); oldest first. arena */
enum rk_code proxy_tokens_read(struct db *db, struct rk_arena *mem, struct rk_str account_id,
                               struct proxy_token_list *out, struct rk_err *err) RK_MUST;

/** A new token; *plain is shown once. expires_in_s 0: never. Errors: RK_BAD_REQUEST (name, expiry),
 *  RK_LIMIT. arena */
enum rk_code proxy_token_new(struct db *db, struct rk_arena *mem, struct rk_str account_id,
                             struct rk_str name, int64_t expires_in_s, struct rk_str created_by,
                             int64_t now_us, struct proxy_token *out, struct rk_str *plain,
                             struct rk_err *err) RK_MUST;

/** RK_NOT_FOUND: unknown, or of another account. */
enum rk_code proxy_token_revoke(struct db *db, struct rk_str account_id, struct rk_str id,
                                struct rk_err *err) RK_MUST;

/** Whose token is that? arena. RK_UNAUTHENTICATED: malformed, unknown, revoked or expired. */
enum rk_code proxy_token_check(struct db *db, struct rk_arena *mem, struct rk_str plain,
                               int64_t now_us, struct proxy_token *out, struct rk_err *err) RK_MUST;

/** Is it still good? By id. RK_UNAUTHENTICATED. */
enum rk_code proxy_token_still(struct db *db, struct rk_str id, int64_t now_us,
                               struct rk_err *err) RK_MUST;

/* The same for callers of REST. RK_FORBIDDEN besides. */
enum rk_code proxy_tokens_list(struct op *op, struct proxy_token_list *out,
                               struct rk_err *err) RK_MUST;
enum rk_code proxy_tokens_create(struct op *op, struct rk_str name, int64_t expires_in_s,
                                 struct proxy_token *out, struct rk_str *plain,
                                 struct rk_err *err) RK_MUST;
enum rk_code proxy_tokens_revoke(struct op *op, struct rk_str id, struct rk_err *err) RK_MUST;

#endif
