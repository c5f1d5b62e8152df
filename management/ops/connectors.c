/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations on external identity providers; see connectors.h. */
#include "config.h"

#include "management/ops/connectors.h"

#include "lib/base/id.h"
#include "management/identity/discovery.h"
#include "management/identity/local_users.h"
#include "management/identity/logins.h"

static const char SQL_OWNERS[] = "SELECT id FROM usr WHERE role = $1";

struct save {
    struct rk_arena *mem;
    struct rk_str id;        /* of the one to change */
    struct idp_connector in; /* as given */
    struct idp_connector c;  /* as it will be stored, set by the mutation */
    bool update;
};

static struct idp_connectors table(struct tx *tx, struct rk_arena *mem)
{
    return (struct idp_connectors){tx->db, mgmt_vault(tx->m), mem};
}

static enum rk_code event(struct tx *tx, const struct save *s, int activity, struct rk_err *err)
{
    return tx_event(tx, activity, s->c.id,
                    META(s->mem, {"name", s->c.name}, {"type", s->c.type}, {"issuer", s->c.issuer}),
                    err);
}

static enum rk_code check_new(const struct idp_connector *in, struct rk_err *err)
{
    if (!in->name.n)
        return rk_fail(err, RK_INVALID, "identity provider name is required");
    if (!idp_connector_type_ok(in->type))
        return rk_fail(err, RK_INVALID,
                       in->type.n ? "unsupported identity provider type"
                                  : "identity provider type is required");
    if (!in->issuer.n && rk_str_eqz(in->type, "microsoft"))
        return rk_fail(err, RK_INVALID,
                       "identity provider issuer is required: for microsoft it is "
                       "https://login.microsoftonline.com/TENANT-ID/v2.0");
    if (!in->issuer.n && !idp_connector_type_fixed(in->type))
        return rk_fail(err, RK_INVALID, "identity provider issuer is required");
    if (rk_str_eqz(in->type, "google") && in->issuer.n &&
        !rk_str_eq(in->issuer, idp_connector_issuer(in)))
        return rk_fail(err, RK_INVALID,
                       "a provider of type google has the issuer %.*s: leave it out",
                       RK_STR_ARG(idp_connector_issuer(in)));
    if (!in->client_id.n)
        return rk_fail(err, RK_INVALID, "identity provider client ID is required");
    return RK_OK;
}

static struct rk_str pick(struct rk_str given, struct rk_str stored)
{
    return given.n ? given : stored;
}

/* What an update leaves out stays. A new issuer is a new provider: it must not get the secret of
 * the old one, nor may its users become those of the old one. */
static enum rk_code merge(struct rk_arena *mem, const struct idp_connector *old,
                          const struct idp_connector *in, struct idp_connector *out,
                          struct rk_err *err)
{
    struct idp_connector c = {.id = old->id,
                              .type = old->type,
                              .name = pick(in->name, old->name),
                              .issuer = pick(in->issuer, old->issuer),
                              .client_id = pick(in->client_id, old->client_id),
                              .secret = pick(in->secret, old->secret),
                              .created_at_us = old->created_at_us,
                              .realm = old->realm,
                              .shared_callback = old->shared_callback};

    if (in->type.n && !rk_str_eq(in->type, old->type))
        return rk_fail(err, RK_INVALID, "the type of an identity provider cannot be changed");
    if (!rk_str_eq(idp_connector_issuer(&c), idp_connector_issuer(old))) {
        if (old->secret.n && !in->secret.n)
            return rk_fail(err, RK_INVALID,
                           "with another issuer the client secret must be given again");
        c.realm =
            rk_arena_printf(mem, "%.*s~%.*s", RK_STR_ARG(old->id), RK_STR_ARG(rk_xid_new(mem)));
    }
    *out = c;
    return check_new(out, err);
}

/* Whoever can change where an owner signs in can sign in as that owner. */
static enum rk_code check_owners(struct tx *tx, struct rk_arena *mem, const struct idp_connector *c,
                                 struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    const struct user *by = tx->actor->user;
    struct rk_str owner, id, realm;
    bool ok = true;
    enum rk_code rc =
        db_query(tx->db, &rows, err, SQL_OWNERS, DB_ARGS(db_textz(user_role_text(ROLE_OWNER))));

    while (rc == RK_OK && ok && db_next(rows)) {
        owner = db_col_text(rows, 0, mem);
        if (idp_subject_decode(mem, owner, &id, &realm) && rk_str_eq(realm, c->realm))
            ok = by->role == ROLE_OWNER && tx_get(tx, ENT_USER, owner);
    }
    if (rc == RK_OK && ok)
        rc = db_end(rows, err);
    if (rc == RK_OK && !ok)
        rc = rk_fail(err, RK_FORBIDDEN,
                     "an owner signs in with this identity provider: only owners may change it");
    return rc;
}

static enum rk_code update_tx(struct tx *tx, struct save *s, struct rk_err *err)
{
    struct idp_connectors t = table(tx, s->mem);
    struct idp_connector old;
    enum rk_code rc = idp_connector_get(&t, s->id, &old, err);

    if (!rc)
        rc = check_owners(tx, s->mem, &old, err);
    if (!rc)
        rc = merge(s->mem, &old, &s->in, &s->c, err);
    if (!rc)
        rc = idp_connector_update(&t, &s->c, err);
    return rc || rk_str_eq(old.realm, s->c.realm)
               ? rc
               : logins_end_realm(tx->db, s->mem, old.realm, err);
}

static enum rk_code save_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    struct idp_connectors t = table(tx, s->mem);
    enum rk_code rc;

    if (s->update) {
        rc = update_tx(tx, s, err);
    } else {
        s->c = s->in;
        s->c.created_at_us = tx->now_us;
        rc = idp_connector_insert(&t, &s->c, err);
    }
    return rc ? rc
              : event(tx, s, s->update ? ACT_IDENTITYPROVIDER_UPDATE : ACT_IDENTITYPROVIDER_CREATE,
                      err);
}

/* What can be told before the provider is asked; the mutation decides. */
static enum rk_code check_early(struct op *op, struct save *s, struct rk_err *err)
{
    struct idp_connectors t = {op->db, mgmt_vault(op->m), op->mem};
    struct idp_connector old, c = s->in;
    enum rk_code rc = RK_OK;

    if (s->update)
        rc = idp_connector_get(&t, s->id, &old, err);
    if (!rc)
        rc = s->update ? merge(op->mem, &old, &s->in, &c, err) : check_new(&c, err);
    s->c = c;
    return rc;
}

static enum rk_code check_issuer(struct op *op, const struct save *s, struct rk_err *err)
{
    struct disco where;
    struct rk_err why = {0};

    if (!s->in.issuer.n) /* only what is new is asked for */
        return RK_OK;
    return disco_get(NULL, op->mem, s->in.issuer, &where, &why)
               ? rk_fail(err, RK_INVALID, "identity provider: %s", why.msg)
               : RK_OK;
}

enum rk_code connector_save(struct op *op, struct rk_str id, const struct idp_connector *in,
                            struct idp_connector *out, struct rk_err *err)
{
    struct save *s = rk_new(op->mem, struct save);
    enum rk_code rc = op_may(op, PERM_IDENTITY_PROVIDERS, id.n ? PERM_UPDATE : PERM_CREATE, err);

    *s = (struct save){.mem = op->mem, .id = id, .in = *in, .update = id.n > 0};
    if (!rc)
        rc = check_early(op, s, err);
    if (!rc)
        rc = check_issuer(op, s, err);
    if (rc)
        return rc;
    if (!s->update)
        s->in.id = rk_str_eqz(in->type, "oidc")
                       ? rk_xid_new(op->mem)
                       : rk_arena_printf(op->mem, "%.*s-%.*s", RK_STR_ARG(in->type),
                                         RK_STR_ARG(rk_xid_new(op->mem)));
    rc = op_mutate(op, save_tx, s, err);
    if (!rc)
        *out = s->c;
    return rc;
}

static enum rk_code delete_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    struct idp_connectors t = table(tx, s->mem);
    enum rk_code rc = idp_connector_get(&t, s->id, &s->c, err);

    if (!rc)
        rc = check_owners(tx, s->mem, &s->c, err);
    if (!rc)
        rc = logins_end_realm(tx->db, s->mem, s->c.realm, err);
    if (!rc)
        rc = idp_connector_delete(&t, s->id, err);
    return rc ? rc : event(tx, s, ACT_IDENTITYPROVIDER_DELETE, err);
}

enum rk_code connector_delete(struct op *op, struct rk_str id, struct rk_err *err)
{
    struct save *s = rk_new(op->mem, struct save);
    enum rk_code rc = op_may(op, PERM_IDENTITY_PROVIDERS, PERM_DELETE, err);

    *s = (struct save){.mem = op->mem, .id = id};
    return rc ? rc : op_mutate(op, delete_tx, s, err);
}
