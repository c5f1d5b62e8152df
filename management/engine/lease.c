/* SPDX-License-Identifier: BSD-3-Clause */
/* Leases: see lease.h. */
#include "config.h"

#include "management/engine/lease.h"

#include "lib/base/num.h"
#include "management/engine/cluster.h"
#include "management/engine/engine_impl.h"

static const char SQL_SEE[] =
    "SELECT CASE WHEN node = $2 AND epoch = $3 THEN token ELSE 0 END FROM lease WHERE name = $1";
static const char SQL_NEW[] = "INSERT INTO lease (name, node, epoch, token, since) VALUES "
                              "($1, '', 0, 0, 0) ON CONFLICT (name) DO NOTHING";
/* Our own membership is a condition, too: after it ended, a lease would be free at once. */
static const char SQL_TAKE[] =
    "UPDATE lease SET node = $2, epoch = $3, token = token + 1, since = $4 WHERE name = $1 AND "
    "NOT EXISTS (SELECT 1 FROM node WHERE node.id = lease.node AND node.epoch = lease.epoch) AND "
    "EXISTS (SELECT 1 FROM node WHERE node.id = $2 AND node.epoch = $3) RETURNING token";
/* The row stays locked until the transaction ends. */
static const char SQL_FENCE[] = "UPDATE lease SET token = token WHERE name = $1 AND token = $2";

/* *there false: no row. */
static enum rk_code token_of(struct db *db, const char *sql, const struct db_val *args, size_t n,
                             int64_t *token, bool *there, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    enum rk_code rc = db_query(db, &rows, err, sql, args, n);

    *there = false;
    while (rc == RK_OK && db_next(rows)) {
        *token = db_col_i64(rows, 0);
        *there = true;
    }
    return rc ? rc : db_end(rows, err);
}

enum rk_code lease_take(struct mgmt *m, struct db *db, const char *name, struct lease *out,
                        bool *held, struct rk_err *err)
{
    struct db_val id = db_textz(cluster_self(m)), epoch = db_i64(cluster_epoch(m));
    struct db_val key = db_textz(name);
    struct lease l = {.name = name};
    bool there = false;
    enum rk_code rc;

    *held = false;
    if (!m->shared) {
        l.token = 1;
        *out = l;
        *held = true;
        return RK_OK;
    }
    rc = token_of(db, SQL_SEE, DB_ARGS(key, id, epoch), &l.token, &there, err);
    if (rc == RK_OK && !there)
        rc = db_exec(db, err, NULL, SQL_NEW, DB_ARGS(key));
    if (rc == RK_OK && !l.token)
        rc = token_of(db, SQL_TAKE, DB_ARGS(key, id, epoch, db_i64(rk_unix_us())), &l.token, &there,
                      err);
    if (rc == RK_OK && l.token) {
        *held = true;
        *out = l;
    }
    return rc;
}

enum rk_code lease_fence(struct mgmt *m, struct db *db, const struct lease *l, struct rk_err *err)
{
    int64_t mine = 0;
    enum rk_code rc;

    if (!m->shared)
        return RK_OK;
    rc = db_exec(db, err, &mine, SQL_FENCE, DB_ARGS(db_textz(l->name), db_i64(l->token)));
    if (rc == RK_OK && mine == 0)
        rc = rk_fail(err, RK_CANCELLED, "another process has taken over \"%s\"", l->name);
    return rc;
}
