/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations on external identity providers; see connectors.h. */
#include "config.h"

#include "management/ops/connectors.h"

#include "lib/base/id.h"

struct save {
    struct rk_arena *mem;
    struct idp_connector c;
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
    if (!in->issuer.n && !idp_connector_type_fixed(in->type))
        return rk_fail(err, RK_INVALID, "identity provider issuer is required");
    if (!in->client_id.n)
        return rk_fail(err, RK_INVALID, "identity provider client ID is required");
    return RK_OK;
}

static enum rk_code save_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    struct idp_connectors c = table(tx, s->mem);
    enum rk_code rc;

    s->c.created_at_us = tx->now_us;
    rc = s->update ? idp_connector_update(&c, &s->c, err) : idp_connector_insert(&c, &s->c, err);
    return rc ? rc
              : event(tx, s, s->update ? ACT_IDENTITYPROVIDER_UPDATE : ACT_IDENTITYPROVIDER_CREATE,
                      err);
}

static struct rk_str pick(struct rk_str given, struct rk_str stored)
{
    return given.n ? given : stored;
}

/* What an update leaves out stays. */
static enum rk_code merge(struct op *op, struct rk_str id, struct idp_connector *c,
                          struct rk_err *err)
{
    struct idp_connectors t = {op->db, mgmt_vault(op->m), op->mem};
    struct idp_connector old;
    enum rk_code rc = idp_connector_get(&t, id, &old, err);

    if (rc)
        return rc;
    if (c->type.n && !rk_str_eq(c->type, old.type))
        return rk_fail(err, RK_INVALID, "the type of an identity provider cannot be changed");
    *c = (struct idp_connector){.id = old.id,
                                .type = old.type,
                                .name = pick(c->name, old.name),
                                .issuer = pick(c->issuer, old.issuer),
                                .client_id = pick(c->client_id, old.client_id),
                                .secret = pick(c->secret, old.secret)};
    return RK_OK;
}

enum rk_code connector_save(struct op *op, struct rk_str id, const struct idp_connector *in,
                            struct idp_connector *out, struct rk_err *err)
{
    struct save *s = rk_new(op->mem, struct save);
    enum rk_code rc = op_may(op, PERM_IDENTITY_PROVIDERS, id.n ? PERM_UPDATE : PERM_CREATE, err);

    s->mem = op->mem;
    s->c = *in;
    s->update = id.n > 0;
    if (!rc && s->update)
        rc = merge(op, id, &s->c, err);
    if (!rc)
        rc = check_new(&s->c, err);
    if (!rc && in->issuer.n) /* only what is new is asked for */
        rc = idp_issuer_check(op->mem, s->c.issuer, err);
    if (rc)
        return rc;
    if (!s->update)
        s->c.id = rk_str_eqz(in->type, "oidc")
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
    struct idp_connectors c = table(tx, s->mem);
    enum rk_code rc = idp_connector_delete(&c, s->c.id, err);

    return rc ? rc : event(tx, s, ACT_IDENTITYPROVIDER_DELETE, err);
}

enum rk_code connector_delete(struct op *op, struct rk_str id, struct rk_err *err)
{
    struct idp_connectors t = {op->db, mgmt_vault(op->m), op->mem};
    struct save *s = rk_new(op->mem, struct save);
    enum rk_code rc = op_may(op, PERM_IDENTITY_PROVIDERS, PERM_DELETE, err);

    s->mem = op->mem;
    if (!rc)
        rc = idp_connector_get(&t, id, &s->c, err);
    return rc ? rc : op_mutate(op, delete_tx, s, err);
}
