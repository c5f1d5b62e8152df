/* SPDX-License-Identifier: BSD-3-Clause */
/* See proxy_domains.h. */
#include "config.h"

#include "management/ops/proxy_domains.h"

#include "lib/base/id.h"
#include "management/ops/domains.h"

static const char SQL_TAKEN[] = "SELECT COUNT(*) FROM proxy_domain WHERE domain = $1";

struct save {
    struct rk_arena *mem;
    struct proxy_domain d;
    const struct proxy_domain *out;
};

static enum rk_code event(struct tx *tx, struct rk_arena *mem, const struct proxy_domain *d,
                          int activity, struct rk_err *err)
{
    return tx_event(tx, activity, d->id,
                    META(mem, {"domain", d->domain}, {"target_cluster", d->cluster},
                         {"validated", op_bool(d->validated)}),
                    err);
}

static enum rk_code create_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    int64_t taken;
    enum rk_code rc;

    if (snap_count(tx->snap, ENT_PROXY_DOMAIN) >= PROXY_DOMAINS_MAX)
        return rk_fail(err, RK_LIMIT, "an account has at most %d domains", PROXY_DOMAINS_MAX);
    rc = db_get_i64(tx->db, &taken, err, SQL_TAKEN, DB_ARGS(db_text(s->d.domain)));
    if (rc == RK_OK && taken)
        return rk_fail(err, RK_EXISTS, "the domain %.*s is registered already",
                       RK_STR_ARG(s->d.domain));
    if (rc == RK_OK)
        rc = tx_put(tx, ENT_PROXY_DOMAIN, &s->d, err);
    return rc ? rc : event(tx, s->mem, &s->d, ACT_DOMAIN_ADD, err);
}

/* The cluster must be one that the account may use, and be there now. */
static enum rk_code check_cluster(struct op *op, struct rk_str cluster, struct rk_err *err)
{
    struct proxy_clusters l;
    const struct proxy_cluster *c;
    enum rk_code rc =
        proxy_clusters_read(op->db, op->mem, op_account(op), mgmt_now_us(op->m), &l, err);

    if (rc)
        return rc;
    c = proxy_cluster_find(&l, cluster);
    if (!c || !c->online)
        return rk_fail(err, RK_PRECONDITION, "no proxy of the cluster %.*s is connected",
                       RK_STR_ARG(cluster));
    return RK_OK;
}

enum rk_code proxy_domain_create(struct op *op, struct rk_str domain, struct rk_str cluster,
                                 bool (*points)(void *arg, struct rk_str domain,
                                                struct rk_str cluster),
                                 void *arg, const struct proxy_domain **out, struct rk_err *err)
{
    struct save *s = rk_new(op->mem, struct save);
    enum rk_code rc = op_may(op, PERM_SERVICES, PERM_CREATE, err);

    s->mem = op->mem;
    if (rc == RK_OK)
        rc = dns_name_to_ascii(op->mem, domain, false, &s->d.domain, err);
    if (rc == RK_OK)
        rc = check_cluster(op, cluster, err);
    if (rc)
        return rc;
    s->d.id = rk_xid_new(op->mem);
    s->d.cluster = cluster;
    s->d.validated = points && points(arg, s->d.domain, cluster);
    rc = op_mutate(op, create_tx, s, err);
    if (rc == RK_OK)
        *out = &s->d;
    return rc;
}

static enum rk_code no_domain(struct rk_str id, struct rk_err *err)
{
    return rk_fail(err, RK_NOT_FOUND, "domain: %.*s not found", RK_STR_ARG(id));
}

static enum rk_code delete_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    const struct save *s = arg;
    const struct proxy_domain *d = tx_get(tx, ENT_PROXY_DOMAIN, s->d.id);
    enum rk_code rc;

    if (!d)
        return no_domain(s->d.id, err);
    rc = event(tx, s->mem, d, ACT_DOMAIN_DELETE, err);
    return rc ? rc : tx_del(tx, ENT_PROXY_DOMAIN, d->id, err);
}

enum rk_code proxy_domain_delete(struct op *op, struct rk_str id, struct rk_err *err)
{
    struct save s = {.mem = op->mem, .d = {.id = id}};
    enum rk_code rc = op_may(op, PERM_SERVICES, PERM_DELETE, err);

    return rc ? rc : op_mutate(op, delete_tx, &s, err);
}

enum rk_code proxy_domain_get(struct op *op, struct rk_str id, enum perm_op what,
                              const struct proxy_domain **out, struct rk_err *err)
{
    const struct proxy_domain *d = snap_find(op->snap, ENT_PROXY_DOMAIN, id);
    enum rk_code rc = op_may(op, PERM_SERVICES, what, err);

    if (rc)
        return rc;
    if (!d)
        return no_domain(id, err);
    *out = d;
    return RK_OK;
}

static enum rk_code validated_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    const struct proxy_domain *old = tx_get(tx, ENT_PROXY_DOMAIN, *(const struct rk_str *)arg);
    struct proxy_domain d;
    enum rk_code rc;

    if (!old || old->validated)
        return RK_OK;
    d = *old;
    d.validated = true;
    rc = tx_put(tx, ENT_PROXY_DOMAIN, &d, err);
    return rc ? rc : event(tx, tx->mem, &d, ACT_DOMAIN_VALIDATE, err);
}

enum rk_code proxy_domain_validated(struct mgmt *m, struct rk_str account_id, struct rk_str user_id,
                                    struct rk_str id, struct rk_err *err)
{
    struct actor actor = {.id = user_id};

    return mgmt_mutate(m, account_id, &actor, 0, validated_tx, &id, err);
}
