/* SPDX-License-Identifier: BSD-3-Clause */
/* The end of logins; see logins.h. */
#include "config.h"

#include "management/identity/logins.h"

#include "management/identity/subject.h"

static const char SQL_RAISE[] = "INSERT INTO idp_login (subject, gen) VALUES ($1, 1) "
                                "ON CONFLICT (subject) DO UPDATE SET gen = idp_login.gen + 1";
static const char SQL_GEN[] = "SELECT COALESCE((SELECT gen FROM idp_login WHERE subject = $1), 0)";

/* Rows of the old generation are worth nothing; they go so that nobody has to wonder. */
static const char SQL_END_SESSIONS[] = "DELETE FROM idp_session WHERE subject = $1";
static const char SQL_END_CODES[] = "DELETE FROM idp_code WHERE subject = $1";
static const char SQL_END_REFRESH[] = "DELETE FROM idp_refresh WHERE subject = $1";
static const char SQL_END_DEVICES[] = "DELETE FROM idp_device WHERE subject = $1";

static const char SQL_EXTERNALS[] = "SELECT subject FROM idp_external_user";
static const char SQL_FORGET[] = "DELETE FROM idp_external_user WHERE subject = $1";

static const char SQL_LOCAL[] =
    "SELECT COALESCE((SELECT gen FROM idp_login g WHERE g.subject = local_user.subject), 0) "
    "FROM local_user WHERE subject = $1";
static const char SQL_EXTERNAL[] =
    "SELECT COALESCE((SELECT gen FROM idp_login g WHERE g.subject = e.subject), 0) "
    "FROM idp_external_user e WHERE subject = $1 AND EXISTS (SELECT 1 FROM idp_connector c "
    "WHERE CASE c.realm WHEN '' THEN c.id ELSE c.realm END = $2)";

enum rk_code logins_end(struct db *db, struct rk_str subject, struct rk_err *err)
{
    static const char *const SQL[] = {SQL_RAISE, SQL_END_SESSIONS, SQL_END_CODES, SQL_END_REFRESH,
                                      SQL_END_DEVICES};
    enum rk_code rc = RK_OK;

    for (size_t i = 0; i < RK_ARRAY_LEN(SQL) && rc == RK_OK; i++)
        rc = db_exec(db, err, NULL, SQL[i], DB_ARGS(db_text(subject)));
    return rc;
}

static enum rk_code of_realm(struct db *db, struct rk_arena *mem, struct rk_str realm,
                             struct rk_str **out, size_t *n, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    struct rk_str subject, id, whose;
    size_t cap = 0;
    enum rk_code rc = db_query(db, &rows, err, SQL_EXTERNALS, DB_NOARGS);

    *out = NULL;
    *n = 0;
    while (rc == RK_OK && db_next(rows)) {
        subject = db_col_text(rows, 0, mem);
        if (!idp_subject_decode(mem, subject, &id, &whose) || !rk_str_eq(whose, realm))
            continue;
        *out = rk_arena_grow(mem, *out, *n, &cap, sizeof **out);
        (*out)[(*n)++] = subject;
    }
    return rc ? rc : db_end(rows, err);
}

enum rk_code logins_end_realm(struct db *db, struct rk_arena *mem, struct rk_str realm,
                              struct rk_err *err)
{
    struct rk_str *all;
    size_t n;
    enum rk_code rc = of_realm(db, mem, realm, &all, &n, err);

    for (size_t i = 0; i < n && rc == RK_OK; i++) {
        rc = logins_end(db, all[i], err);
        if (rc == RK_OK)
            rc = db_exec(db, err, NULL, SQL_FORGET, DB_ARGS(db_text(all[i])));
    }
    return rc;
}

enum rk_code logins_gen(struct db *db, struct rk_str subject, int64_t *out, struct rk_err *err)
{
    return db_get_i64(db, out, err, SQL_GEN, DB_ARGS(db_text(subject)));
}

enum rk_code logins_check(struct db *db, struct rk_arena *mem, struct rk_str subject, int64_t gen,
                          struct rk_err *err)
{
    struct rk_str id, realm;
    int64_t now = -1;
    enum rk_code rc;

    if (!idp_subject_decode(mem, subject, &id, &realm))
        return rk_fail(err, RK_UNAUTHENTICATED, "the token is for nobody here");
    rc = rk_str_eqz(realm, IDP_LOCAL_CONNECTOR)
             ? db_get_i64(db, &now, err, SQL_LOCAL, DB_ARGS(db_text(subject)))
             : db_get_i64(db, &now, err, SQL_EXTERNAL, DB_ARGS(db_text(subject), db_text(realm)));
    if (rc == RK_NOT_FOUND)
        return rk_fail(err, RK_UNAUTHENTICATED, "the token's user or provider is gone");
    if (rc == RK_OK && now != gen)
        return rk_fail(err, RK_UNAUTHENTICATED,
                       "the token is older than a change of password, second factor or block");
    return rc;
}
