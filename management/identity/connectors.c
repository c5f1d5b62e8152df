/* SPDX-License-Identifier: BSD-3-Clause */
/* External identity providers; see connectors.h. */
#include "config.h"

#include "management/identity/connectors.h"

#include "lib/crypto/vault.h"

#define COLUMNS                                                                                    \
    "SELECT id, type, name, issuer, client_id, secret_sealed, created_at, realm, "                 \
    "shared_callback FROM idp_connector "

static const char SQL_LIST[] = COLUMNS "ORDER BY created_at, id";
static const char SQL_GET[] = COLUMNS "WHERE id = $1";
static const char SQL_BY_REALM[] = COLUMNS "WHERE CASE realm WHEN '' THEN id ELSE realm END = $1";
static const char SQL_INSERT[] =
    "INSERT INTO idp_connector (id, type, name, issuer, client_id, secret_sealed, created_at, "
    "realm, shared_callback) VALUES ($1, $2, $3, $4, $5, $6, $7, '', "
    "CASE WHEN EXISTS (SELECT 1 FROM idp_connector WHERE shared_callback = 1) THEN 0 ELSE 1 END)";
static const char SQL_UPDATE[] = "UPDATE idp_connector SET name = $2, issuer = $3, client_id = $4, "
                                 "secret_sealed = $5, realm = $6 WHERE id = $1";
static const char SQL_DELETE[] = "DELETE FROM idp_connector WHERE id = $1";

bool idp_connector_type_ok(struct rk_str type)
{
    static const char *const TYPES[] = {"oidc",     "zitadel",   "entra",     "google",   "okta",
                                        "pocketid", "microsoft", "authentik", "keycloak", "adfs"};

    for (size_t i = 0; i < RK_ARRAY_LEN(TYPES); i++)
        if (rk_str_eqz(type, TYPES[i]))
            return true;
    return false;
}

bool idp_connector_type_fixed(struct rk_str type)
{
    return rk_str_eqz(type, "google");
}

struct rk_str idp_connector_issuer(const struct idp_connector *c)
{
    if (rk_str_eqz(c->type, "google"))
        return RK_STR("https://accounts.google.com");
    if (rk_str_eqz(c->type, "microsoft") && !c->issuer.n)
        return RK_STR("https://login.microsoftonline.com/common/v2.0");
    return c->issuer;
}

static struct rk_str context(struct idp_connectors *c, struct rk_str id)
{
    return rk_arena_printf(c->mem, "idp_connector.secret/%.*s", RK_STR_ARG(id));
}

static struct idp_connector row_of(struct idp_connectors *c, struct db_rows *rows)
{
    struct idp_connector i = {.id = db_col_text(rows, 0, c->mem),
                              .type = db_col_text(rows, 1, c->mem),
                              .name = db_col_text(rows, 2, c->mem),
                              .issuer = db_col_text(rows, 3, c->mem),
                              .client_id = db_col_text(rows, 4, c->mem),
                              .secret = db_col_text(rows, 5, c->mem),
                              .created_at_us = db_col_i64(rows, 6),
                              .realm = db_col_text(rows, 7, c->mem),
                              .shared_callback = db_col_bool(rows, 8)};

    if (!i.realm.n)
        i.realm = i.id;
    return i;
}

static enum rk_code unseal(struct idp_connectors *c, struct idp_connector *i, struct rk_err *err)
{
    if (!i->secret.n)
        return RK_OK;
    return vault_open(c->vault, c->mem, context(c, i->id), i->secret, &i->secret, err);
}

enum rk_code idp_connectors_list(struct idp_connectors *c, struct idp_connector_list *out,
                                 struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    struct idp_connector_list l = {0};
    size_t cap = 0;
    enum rk_code rc = db_query(c->db, &rows, err, SQL_LIST, DB_NOARGS);

    while (!rc && db_next(rows)) {
        l.v = rk_arena_grow(c->mem, l.v, l.n, &cap, sizeof *l.v);
        l.v[l.n++] = row_of(c, rows);
    }
    if (!rc)
        rc = db_end(rows, err);
    for (size_t i = 0; i < l.n && !rc; i++)
        rc = unseal(c, &l.v[i], err);
    if (!rc)
        *out = l;
    return rc;
}

static enum rk_code get(struct idp_connectors *c, const char *sql, struct rk_str key,
                        struct idp_connector *out, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    struct idp_connector i = {0};
    bool found = false;
    enum rk_code rc = db_query(c->db, &rows, err, sql, DB_ARGS(db_text(key)));

    if (!rc && db_next(rows)) {
        i = row_of(c, rows);
        found = true;
    }
    if (!rc)
        rc = db_end(rows, err);
    if (!rc && !found)
        rc = rk_fail(err, RK_NOT_FOUND, "identity provider: %.*s not found", RK_STR_ARG(key));
    if (!rc)
        rc = unseal(c, &i, err);
    if (!rc)
        *out = i;
    return rc;
}

enum rk_code idp_connector_get(struct idp_connectors *c, struct rk_str id,
                               struct idp_connector *out, struct rk_err *err)
{
    return get(c, SQL_GET, id, out, err);
}

enum rk_code idp_connector_by_realm(struct idp_connectors *c, struct rk_str realm,
                                    struct idp_connector *out, struct rk_err *err)
{
    return get(c, SQL_BY_REALM, realm, out, err);
}

static enum rk_code seal(struct idp_connectors *c, const struct idp_connector *in,
                         struct rk_str *out, struct rk_err *err)
{
    *out = RK_STR("");
    if (!in->secret.n)
        return RK_OK;
    return vault_seal(c->vault, c->mem, context(c, in->id), in->secret, out, err);
}

enum rk_code idp_connector_insert(struct idp_connectors *c, const struct idp_connector *in,
                                  struct rk_err *err)
{
    struct rk_str secret;
    enum rk_code rc = seal(c, in, &secret, err);

    return rc ? rc
              : db_exec(c->db, err, NULL, SQL_INSERT,
                        DB_ARGS(db_text(in->id), db_text(in->type), db_text(in->name),
                                db_text(in->issuer), db_text(in->client_id), db_text(secret),
                                db_time(in->created_at_us)));
}

enum rk_code idp_connector_update(struct idp_connectors *c, const struct idp_connector *in,
                                  struct rk_err *err)
{
    struct rk_str secret;
    enum rk_code rc = seal(c, in, &secret, err);

    return rc ? rc
              : db_exec(c->db, err, NULL, SQL_UPDATE,
                        DB_ARGS(db_text(in->id), db_text(in->name), db_text(in->issuer),
                                db_text(in->client_id), db_text(secret),
                                db_text(rk_str_eq(in->realm, in->id) ? RK_STR("") : in->realm)));
}

enum rk_code idp_connector_delete(struct idp_connectors *c, struct rk_str id, struct rk_err *err)
{
    return db_exec(c->db, err, NULL, SQL_DELETE, DB_ARGS(db_text(id)));
}
