/* SPDX-License-Identifier: BSD-3-Clause */
/* See import_idp.h. */
#include "config.h"

#include "server/import_idp.h"

#include "lib/base/num.h"
#include "lib/crypto/vault.h"
#include "management/identity/connectors.h"
#include "management/identity/subject.h"

/* ---- second factors */

/* A parameter of "otpauth://totp/…?a=b&c=d"; no escapes stand in those that are asked for. */
static struct rk_str parameter(struct rk_str url, const char *name)
{
    struct rk_str rest = rk_str_sub(url, rk_str_find_c(url, '?') + 1, url.n), one, key, value;

    while (rest.n) {
        (void)rk_str_cut(rest, '&', &one, &rest);
        (void)rk_str_cut(one, '=', &key, &value);
        if (rk_str_eqz(key, name))
            return value;
    }
    return (struct rk_str){0};
}

static bool is_usual(struct rk_str v, const char *usual)
{
    return !v.n || rk_str_ieq(v, rk_str_z(usual));
}

static struct rk_str secret_of(struct imp *im, const json_t *s, struct rk_str user_id)
{
    struct rk_str url = imp_str_of(im, s, "secret"), secret = parameter(url, "secret");

    if (!json_is_true(json_object_get(s, "confirmed")) || !secret.n)
        return (struct rk_str){0};
    if (!rk_str_istarts(url, RK_STR("otpauth://totp/")) ||
        !is_usual(parameter(url, "algorithm"), "SHA1") ||
        !is_usual(parameter(url, "digits"), "6") || !is_usual(parameter(url, "period"), "30")) {
        imp_note(im,
                 "the second factor of user %.*s is of another kind: it is set up anew at the "
                 "next login",
                 RK_STR_ARG(user_id));
        return (struct rk_str){0};
    }
    return secret;
}

struct rk_str imp_totp(struct imp *im, const struct foreign_table *identities,
                       struct rk_str user_id)
{
    struct rk_str found = {0};

    im->table = "user_identity";
    for (size_t i = 0; i < identities->n && !found.n; i++) {
        imp_row r = &identities->rows[i];
        const char *name;
        json_t *all, *s;

        if (!rk_str_eq(imp_text(im, r, "user_id"), user_id) ||
            !rk_str_eqz(imp_text(im, r, "connector_id"), IDP_LOCAL_CONNECTOR))
            continue;
        all = imp_json(im, r, "mfa_secrets");
        json_object_foreach (all, name, s)
            if (!found.n && rk_str_eqz(imp_str_of(im, s, "type"), "TOTP"))
                found = secret_of(im, s, user_id);
        json_decref(all);
    }
    return found;
}

/* ---- other providers */

/* "keycloak-abc" is of that kind; a bare id, or another word, is plain OpenID Connect. */
static struct rk_str kind_of(struct rk_str type, struct rk_str id)
{
    struct rk_str word = rk_str_sub(id, 0, rk_str_find_c(id, '-'));

    if (!rk_str_eqz(type, "oidc"))
        return type;
    return word.n < id.n && idp_connector_type_ok(word) ? word : type;
}

enum rk_code imp_connectors(struct imp *im, struct foreign *idp, struct db *db,
                            const struct vault *vault, size_t *n, struct rk_err *err)
{
    struct idp_connectors to = {.db = db, .vault = vault, .mem = im->mem};
    struct foreign_table t = {0};
    enum rk_code rc = foreign_read(idp, "connector", im->mem, &t, err);

    im->table = "connector";
    for (size_t i = 0; rc == RK_OK && i < t.n; i++) {
        imp_row r = &t.rows[i];
        struct rk_str id = imp_text(im, r, "id"), type = imp_text(im, r, "type");
        json_t *j;
        struct idp_connector c = {.id = id,
                                  .realm = id,
                                  .type = kind_of(type, id),
                                  .name = imp_text(im, r, "name"),
                                  .created_at_us = rk_unix_us()};

        if (rk_str_eqz(type, "local"))
            continue;
        if (!idp_connector_type_ok(c.type)) {
            imp_note(im, "the provider \"%.*s\" was left out: its kind, %.*s, is not known here",
                     RK_STR_ARG(c.name), RK_STR_ARG(c.type));
            continue;
        }
        j = imp_json(im, r, "config");
        c.issuer = imp_str_of(im, j, "issuer");
        c.client_id = imp_str_of(im, j, "clientID");
        c.secret = imp_str_of(im, j, "clientSecret");
        json_decref(j);
        rc = idp_connector_insert(&to, &c, err);
        if (rc)
            return rk_wrap(err, "provider %.*s", RK_STR_ARG(id));
        if ((*n)++)
            imp_note(im,
                     "register <issuer>/callback/%.*s at the provider \"%.*s\": here only one "
                     "provider has the address without an id",
                     RK_STR_ARG(id), RK_STR_ARG(c.name));
    }
    return rc;
}

/* ---- who is gone */

static const char SQL_DELETED[] =
    "INSERT INTO deleted_user (id, email_sealed, name_sealed) VALUES ($1, $2, $3) "
    "ON CONFLICT DO NOTHING";

enum rk_code imp_deleted_users(struct imp *im, struct foreign *events, struct db *db,
                               const struct vault *vault, size_t *n, struct rk_err *err)
{
    struct foreign_table t = {0};
    size_t left_out = 0;
    enum rk_code rc = foreign_read(events, "deleted_users", im->mem, &t, err);

    im->table = "deleted_users";
    for (size_t i = 0; rc == RK_OK && i < t.n; i++) {
        imp_row r = &t.rows[i];
        struct rk_str id = imp_text(im, r, "id"), email, name;

        if (!rk_str_eqz(imp_text(im, r, "enc_algo"), "GCM")) { /* a form of before 0.30 */
            left_out++;
            continue;
        }
        rc = vault_seal(vault, im->mem,
                        rk_arena_printf(im->mem, "deleted_user.email/%.*s", RK_STR_ARG(id)),
                        imp_secret(im, r, "email"), &email, err);
        if (rc == RK_OK)
            rc = vault_seal(vault, im->mem,
                            rk_arena_printf(im->mem, "deleted_user.name/%.*s", RK_STR_ARG(id)),
                            imp_secret(im, r, "name"), &name, err);
        if (im->err.code)
            return rk_fail(err, im->err.code, "%s", im->err.msg);
        if (rc == RK_OK)
            rc = db_exec(db, err, NULL, SQL_DELETED,
                         DB_ARGS(db_text(id), db_text(email), db_text(name)));
        (*n)++;
    }
    if (left_out)
        imp_note(im,
                 "%zu names of users that were deleted long ago were left out: the activity log "
                 "shows their ids",
                 left_out);
    return rc;
}
