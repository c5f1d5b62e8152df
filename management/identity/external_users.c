/* SPDX-License-Identifier: BSD-3-Clause */
/* People from elsewhere; see external_users.h. */
#include "config.h"

#include "management/identity/external_users.h"

#include "lib/crypto/vault.h"

static const char SQL_PUT[] =
    "INSERT INTO idp_external_user (subject, email_sealed, name_sealed, groups_sealed, "
    "refresh_sealed, email_verified, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7) "
    "ON CONFLICT (subject) DO UPDATE SET email_sealed = excluded.email_sealed, "
    "name_sealed = excluded.name_sealed, groups_sealed = excluded.groups_sealed, "
    "refresh_sealed = excluded.refresh_sealed, email_verified = excluded.email_verified, "
    "updated_at = excluded.updated_at";
static const char SQL_GET[] =
    "SELECT email_sealed, name_sealed, groups_sealed, refresh_sealed, email_verified, "
    "COALESCE((SELECT gen FROM idp_login g WHERE g.subject = e.subject), 0) "
    "FROM idp_external_user e WHERE subject = $1 AND EXISTS (SELECT 1 FROM idp_connector c "
    "WHERE CASE c.realm WHEN '' THEN c.id ELSE c.realm END = $2)";

static const char *const COLUMNS[] = {"email", "name", "groups", "refresh"};

static struct rk_str context(struct rk_arena *mem, size_t column, struct rk_str subject)
{
    return rk_arena_printf(mem, "idp_external_user.%s/%.*s", COLUMNS[column], RK_STR_ARG(subject));
}

enum rk_code external_user_put(struct local_users *l, const struct external_user *x, int64_t now_us,
                               struct rk_err *err)
{
    const struct local_user *u = &x->user;
    const struct rk_str plain[] = {u->email, u->name, x->groups, x->refresh};
    struct rk_str sealed[RK_ARRAY_LEN(COLUMNS)];
    enum rk_code rc = RK_OK;

    for (size_t k = 0; k < RK_ARRAY_LEN(COLUMNS) && rc == RK_OK; k++) {
        sealed[k] = RK_STR("");
        if (plain[k].n)
            rc = vault_seal(l->vault, l->mem, context(l->mem, k, u->subject), plain[k], &sealed[k],
                            err);
    }
    if (rc)
        return rc;
    return db_exec(l->db, err, NULL, SQL_PUT,
                   DB_ARGS(db_text(u->subject), db_text(sealed[0]), db_text(sealed[1]),
                           db_text(sealed[2]), db_text(sealed[3]), db_i64(u->email_verified),
                           db_i64(now_us)));
}

enum rk_code external_user_get(struct local_users *l, struct rk_str subject,
                               struct external_user *out, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    struct rk_str text[RK_ARRAY_LEN(COLUMNS)] = {0}, id, realm;
    struct local_user u = {.subject = subject};
    bool found = false;
    enum rk_code rc;

    if (!idp_subject_decode(l->mem, subject, &id, &realm) || rk_str_eqz(realm, IDP_LOCAL_CONNECTOR))
        return rk_fail(err, RK_NOT_FOUND, "no such user");
    rc = db_query(l->db, &rows, err, SQL_GET, DB_ARGS(db_text(subject), db_text(realm)));
    if (rc == RK_OK && db_next(rows)) {
        found = true;
        for (size_t k = 0; k < RK_ARRAY_LEN(COLUMNS); k++)
            text[k] = db_col_text(rows, (int)k, l->mem);
        u.email_verified = (int)db_col_i64(rows, 4);
        u.gen = db_col_i64(rows, 5);
    }
    if (rc == RK_OK)
        rc = db_end(rows, err);
    if (rc == RK_OK && !found)
        rc = rk_fail(err, RK_NOT_FOUND, "no such user");
    for (size_t k = 0; k < RK_ARRAY_LEN(COLUMNS) && rc == RK_OK; k++)
        if (text[k].n)
            rc = vault_open(l->vault, l->mem, context(l->mem, k, subject), text[k], &text[k], err);
    if (rc)
        return rc;
    u.email = text[0];
    u.name = text[1];
    *out = (struct external_user){.user = u, .groups = text[2], .refresh = text[3]};
    return RK_OK;
}
