/* SPDX-License-Identifier: BSD-3-Clause */
/* Who a subject is: a local user, or somebody whom an external provider described. */
#include "config.h"

#include "lib/crypto/vault.h"
#include "management/idp/idp_impl.h"

static const char SQL_PUT[] =
    "INSERT INTO idp_external_user (subject, email_sealed, name_sealed, groups_sealed, updated_at) "
    "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (subject) DO UPDATE SET "
    "email_sealed = excluded.email_sealed, name_sealed = excluded.name_sealed, "
    "groups_sealed = excluded.groups_sealed, updated_at = excluded.updated_at";
static const char SQL_GET[] = "SELECT email_sealed, name_sealed, groups_sealed FROM "
                              "idp_external_user WHERE subject = $1";

static const char *const COLUMNS[] = {"email", "name", "groups"};

static struct rk_str context(struct rk_arena *mem, size_t column, struct rk_str subject)
{
    return rk_arena_printf(mem, "idp_external_user.%s/%.*s", COLUMNS[column], RK_STR_ARG(subject));
}

enum rk_code idp_external_put(struct http_req *req, struct db *db, const struct local_user *u,
                              struct rk_str groups, struct rk_err *err)
{
    const struct vault *v = mgmt_vault(idp_of(req)->m);
    const struct rk_str plain[] = {u->email, u->name, groups};
    struct rk_str sealed[RK_ARRAY_LEN(COLUMNS)];
    enum rk_code rc = RK_OK;

    for (size_t k = 0; k < RK_ARRAY_LEN(COLUMNS) && rc == RK_OK; k++) {
        sealed[k] = RK_STR("");
        if (plain[k].n)
            rc = vault_seal(v, req->mem, context(req->mem, k, u->subject), plain[k], &sealed[k],
                            err);
    }
    if (rc)
        return rc;
    return db_exec(db, err, NULL, SQL_PUT,
                   DB_ARGS(db_text(u->subject), db_text(sealed[0]), db_text(sealed[1]),
                           db_text(sealed[2]), db_i64(idp_now_us(idp_of(req)))));
}

static enum rk_code external(struct http_req *req, struct db *db, struct rk_str subject,
                             struct local_user *u, struct rk_str *groups, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    const struct vault *v = mgmt_vault(idp_of(req)->m);
    struct rk_str text[RK_ARRAY_LEN(COLUMNS)] = {0};
    bool found = false;
    enum rk_code rc = db_query(db, &rows, err, SQL_GET, DB_ARGS(db_text(subject)));

    if (rc == RK_OK && db_next(rows)) {
        found = true;
        for (size_t k = 0; k < RK_ARRAY_LEN(COLUMNS); k++)
            text[k] = db_col_text(rows, (int)k, req->mem);
    }
    if (rc == RK_OK)
        rc = db_end(rows, err);
    if (rc == RK_OK && !found)
        rc = rk_fail(err, RK_NOT_FOUND, "no such user");
    for (size_t k = 0; k < RK_ARRAY_LEN(COLUMNS) && rc == RK_OK; k++)
        if (text[k].n)
            rc = vault_open(v, req->mem, context(req->mem, k, subject), text[k], &text[k], err);
    if (rc)
        return rc;
    *u = (struct local_user){.subject = subject, .email = text[0], .name = text[1]};
    *groups = text[2];
    return RK_OK;
}

enum rk_code idp_identity(struct http_req *req, struct db *db, struct rk_str subject,
                          struct local_user *u, struct rk_str *groups, struct rk_err *err)
{
    struct local_users l = {db, mgmt_vault(idp_of(req)->m), req->mem};
    struct rk_str id, connector, ignored;

    if (!groups)
        groups = &ignored;
    *groups = RK_STR("");
    if (idp_subject_decode(req->mem, subject, &id, &connector) &&
        !rk_str_eqz(connector, IDP_LOCAL_CONNECTOR))
        return external(req, db, subject, u, groups, err);
    return local_user_by_subject(&l, subject, u, err);
}
