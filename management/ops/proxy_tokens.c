/* SPDX-License-Identifier: BSD-3-Clause */
/* See proxy_tokens.h. */
#include "config.h"

#include "management/ops/proxy_tokens.h"

#include "lib/base/id.h"
#include "lib/crypto/secret.h"
#include "lib/crypto/token.h"

#define USED_EVERY_US ((int64_t)60 * 1000000) /* last_used is written that often at most */
#define EXPIRES_MAX_S ((int64_t)100 * 366 * 86400)

#define COLUMNS "id, account_id, name, created_by, created_at, expires_at, last_used, revoked"

static const char SQL_LIST[] = "SELECT " COLUMNS " FROM proxy_token WHERE "
                               "COALESCE(account_id, '') = $1 ORDER BY created_at, id";
static const char SQL_BY_HASH[] = "SELECT " COLUMNS " FROM proxy_token WHERE hash = $1";
static const char SQL_COUNT[] =
    "SELECT COUNT(*) FROM proxy_token WHERE COALESCE(account_id, '') = $1 AND revoked = 0 AND "
    "(expires_at IS NULL OR expires_at > $2)";
static const char SQL_NEW[] =
    "INSERT INTO proxy_token (id, account_id, name, hash, created_by, created_at, expires_at, "
    "revoked) VALUES ($1, $2, $3, $4, $5, $6, $7, 0)";
static const char SQL_REVOKE[] =
    "UPDATE proxy_token SET revoked = 1 WHERE id = $1 AND COALESCE(account_id, '') = $2";
static const char SQL_USED[] =
    "UPDATE proxy_token SET last_used = $2 WHERE id = $1 AND (last_used IS NULL OR last_used < $3)";
static const char SQL_GOOD[] = "SELECT COUNT(*) FROM proxy_token WHERE id = $1 AND revoked = 0 AND "
                               "(expires_at IS NULL OR expires_at > $2)";

static struct proxy_token of_row(struct db_rows *rows, struct rk_arena *mem)
{
    return (struct proxy_token){.id = db_col_text(rows, 0, mem),
                                .account_id = db_col_text(rows, 1, mem),
                                .name = db_col_text(rows, 2, mem),
                                .created_by = db_col_text(rows, 3, mem),
                                .created_at_us = db_col_i64(rows, 4),
                                .expires_at_us = db_col_i64(rows, 5),
                                .last_used_us = db_col_i64(rows, 6),
                                .revoked = db_col_bool(rows, 7)};
}

enum rk_code proxy_tokens_read(struct db *db, struct rk_arena *mem, struct rk_str account_id,
                               struct proxy_token_list *out, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    struct proxy_token_list l = {0};
    size_t cap = 0;
    enum rk_code rc = db_query(db, &rows, err, SQL_LIST, DB_ARGS(db_text(account_id)));

    while (rc == RK_OK && db_next(rows)) {
        l.v = rk_arena_grow(mem, l.v, l.n, &cap, sizeof *l.v);
        l.v[l.n++] = of_row(rows, mem);
    }
    if (rc == RK_OK)
        rc = db_end(rows, err);
    if (rc == RK_OK)
        *out = l;
    return rc;
}

struct making {
    struct proxy_token *t;
    const char *hash;
    int64_t now_us;
};

static enum rk_code new_tx(struct db *db, void *arg, struct rk_err *err)
{
    const struct making *m = arg;
    const struct proxy_token *t = m->t;
    int64_t n;
    enum rk_code rc =
        db_get_i64(db, &n, err, SQL_COUNT, DB_ARGS(db_text(t->account_id), db_i64(m->now_us)));

    if (rc == RK_OK && n >= PROXY_TOKENS_MAX)
        return rk_fail(err, RK_LIMIT, "there are %d proxy tokens already: revoke some",
                       PROXY_TOKENS_MAX);
    return rc ? rc
              : db_exec(db, err, NULL, SQL_NEW,
                        DB_ARGS(db_text(t->id), db_text_opt(t->account_id), db_text(t->name),
                                db_textz(m->hash), db_text(t->created_by), db_i64(t->created_at_us),
                                db_time(t->expires_at_us)));
}

enum rk_code proxy_token_new(struct db *db, struct rk_arena *mem, struct rk_str account_id,
                             struct rk_str name, int64_t expires_in_s, struct rk_str created_by,
                             int64_t now_us, struct proxy_token *out, struct rk_str *plain,
                             struct rk_err *err)
{
    char *text = rk_arena_alloc(mem, TOKEN_LEN + 1), hash[HASH_SHA256_TEXT + 1];
    struct making m = {.t = out, .hash = hash, .now_us = now_us};

    if (!name.n || name.n > PROXY_TOKEN_NAME_MAX)
        return rk_fail(err, RK_BAD_REQUEST, "the name of a token has 1 to %d characters",
                       PROXY_TOKEN_NAME_MAX);
    if (expires_in_s < 0 || expires_in_s > EXPIRES_MAX_S)
        return rk_fail(err, RK_BAD_REQUEST, "expires_in is a number of seconds, 0 for never");
    token_new(TOKEN_PROXY, text);
    token_stored_form(rk_str_of(text, TOKEN_LEN), hash);
    *out =
        (struct proxy_token){.id = rk_xid_new(mem),
                             .account_id = account_id,
                             .name = name,
                             .created_by = created_by,
                             .created_at_us = now_us,
                             .expires_at_us = expires_in_s ? now_us + expires_in_s * 1000000 : 0};
    *plain = rk_str_of(text, TOKEN_LEN);
    return db_tx(db, new_tx, &m, err);
}

enum rk_code proxy_token_revoke(struct db *db, struct rk_str account_id, struct rk_str id,
                                struct rk_err *err)
{
    int64_t n = 0;
    enum rk_code rc = db_exec(db, err, &n, SQL_REVOKE, DB_ARGS(db_text(id), db_text(account_id)));

    return rc == RK_OK && n == 0 ? rk_fail(err, RK_NOT_FOUND, "token not found") : rc;
}

enum rk_code proxy_token_check(struct db *db, struct rk_arena *mem, struct rk_str plain,
                               int64_t now_us, struct proxy_token *out, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    char hash[HASH_SHA256_TEXT + 1];
    bool found;
    enum rk_code rc = token_check(TOKEN_PROXY, plain, err);

    if (rc)
        return rc;
    token_stored_form(plain, hash);
    rc = db_query(db, &rows, err, SQL_BY_HASH, DB_ARGS(db_textz(hash)));
    if (rc)
        return rc;
    found = db_next(rows);
    if (found)
        *out = of_row(rows, mem);
    rc = db_end(rows, err);
    if (rc)
        return rc;
    if (!found || out->revoked || (out->expires_at_us && out->expires_at_us <= now_us))
        return rk_fail(err, RK_UNAUTHENTICATED, "%s",
                       found ? "the token was revoked or has expired" : "the token is not known");
    if (out->last_used_us >= now_us - USED_EVERY_US)
        return RK_OK;
    return db_exec(db, err, NULL, SQL_USED,
                   DB_ARGS(db_text(out->id), db_i64(now_us), db_i64(now_us - USED_EVERY_US)));
}

enum rk_code proxy_token_still(struct db *db, struct rk_str id, int64_t now_us, struct rk_err *err)
{
    int64_t n;
    enum rk_code rc = db_get_i64(db, &n, err, SQL_GOOD, DB_ARGS(db_text(id), db_i64(now_us)));

    if (rc == RK_OK && n == 0)
        return rk_fail(err, RK_UNAUTHENTICATED, "the token was revoked or has expired");
    return rc;
}

/* ---- REST */

enum rk_code proxy_tokens_list(struct op *op, struct proxy_token_list *out, struct rk_err *err)
{
    enum rk_code rc = op_may(op, PERM_SERVICES, PERM_READ, err);

    return rc ? rc : proxy_tokens_read(op->db, op->mem, op_account(op), out, err);
}

enum rk_code proxy_tokens_create(struct op *op, struct rk_str name, int64_t expires_in_s,
                                 struct proxy_token *out, struct rk_str *plain, struct rk_err *err)
{
    enum rk_code rc = op_may(op, PERM_SERVICES, PERM_CREATE, err);

    return rc ? rc
              : proxy_token_new(op->db, op->mem, op_account(op), name, expires_in_s, op->user->id,
                                mgmt_now_us(op->m), out, plain, err);
}

enum rk_code proxy_tokens_revoke(struct op *op, struct rk_str id, struct rk_err *err)
{
    enum rk_code rc = op_may(op, PERM_SERVICES, PERM_DELETE, err);

    return rc ? rc : proxy_token_revoke(op->db, op_account(op), id, err);
}
