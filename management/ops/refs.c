/* SPDX-License-Identifier: BSD-3-Clause */
/* See refs.h. */
#include "config.h"

#include "management/ops/refs.h"

#include "management/domain/account_data.h"
#include "management/snapshot/snapshot.h"

/* ---- what an entity refers to */

static bool one(refs_fn *fn, void *arg, enum entity_kind kind, struct rk_str id)
{
    return !id.n || fn(arg, kind, id);
}

static bool groups(refs_fn *fn, void *arg, const struct str_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (!one(fn, arg, ENT_GROUP, l->v[i]))
            return false;
    return true;
}

static bool resource(refs_fn *fn, void *arg, const struct resource_ref *r)
{
    return one(fn, arg, r->type == RESOURCE_PEER ? ENT_PEER : ENT_RESOURCE, r->id);
}

static bool of_group(const struct group *g, refs_fn *fn, void *arg)
{
    for (size_t i = 0; i < g->n_resources; i++)
        if (!resource(fn, arg, &g->resources[i]))
            return false;
    return true;
}

static bool of_rule(const struct rule *r, refs_fn *fn, void *arg)
{
    for (size_t i = 0; i < r->n_authorized; i++)
        if (!one(fn, arg, ENT_GROUP, r->authorized[i].group_id))
            return false;
    return groups(fn, arg, &r->sources) && groups(fn, arg, &r->destinations) &&
           resource(fn, arg, &r->source_resource) && resource(fn, arg, &r->destination_resource);
}

static bool of_policy(const struct policy *p, refs_fn *fn, void *arg)
{
    for (size_t i = 0; i < p->posture_checks.n; i++)
        if (!one(fn, arg, ENT_POSTURE, p->posture_checks.v[i]))
            return false;
    for (size_t i = 0; i < p->n_rules; i++)
        if (!of_rule(&p->rules[i], fn, arg))
            return false;
    return true;
}

static bool of_route(const struct route *r, refs_fn *fn, void *arg)
{
    return one(fn, arg, ENT_PEER, r->peer) && groups(fn, arg, &r->peer_groups) &&
           groups(fn, arg, &r->groups) && groups(fn, arg, &r->access_control_groups);
}

static bool of_router(const struct router *r, refs_fn *fn, void *arg)
{
    return one(fn, arg, ENT_NETWORK, r->network_id) && one(fn, arg, ENT_PEER, r->peer) &&
           groups(fn, arg, &r->peer_groups);
}

static bool of_service(const struct service *v, refs_fn *fn, void *arg)
{
    for (size_t i = 0; i < v->n_targets; i++) {
        bool peer = rk_str_eqz(v->targets[i].target_type, "peer");

        if (!rk_str_eqz(v->targets[i].target_type, "cluster") &&
            !one(fn, arg, peer ? ENT_PEER : ENT_RESOURCE, v->targets[i].target_id))
            return false;
    }
    return groups(fn, arg, &v->access_groups) && groups(fn, arg, &v->bearer_groups);
}

static bool of_settings(const struct settings *s, refs_fn *fn, void *arg)
{
    return groups(fn, arg, &s->ipv6_groups) && groups(fn, arg, &s->peer_expose_groups) &&
           groups(fn, arg, &s->traffic_groups) && groups(fn, arg, &s->integrated_validator_groups);
}

bool refs_each(enum entity_kind kind, const void *e, refs_fn *fn, void *arg)
{
    switch (kind) {
    case ENT_GROUP:
        return of_group(e, fn, arg);
    case ENT_POLICY:
        return of_policy(e, fn, arg);
    case ENT_ROUTE:
        return of_route(e, fn, arg);
    case ENT_ROUTER:
        return of_router(e, fn, arg);
    case ENT_RESOURCE:
        return one(fn, arg, ENT_NETWORK, ((const struct resource *)e)->network_id);
    case ENT_NS_GROUP:
        return groups(fn, arg, &((const struct ns_group *)e)->groups);
    case ENT_ZONE:
        return groups(fn, arg, &((const struct zone *)e)->groups);
    case ENT_RECORD:
        return one(fn, arg, ENT_ZONE, ((const struct record *)e)->zone_id);
    case ENT_DNS_SETTINGS:
        return groups(fn, arg, &((const struct dns_settings *)e)->disabled_management_groups);
    case ENT_SETTINGS:
        return of_settings(e, fn, arg);
    case ENT_PEER:
        return one(fn, arg, ENT_USER, ((const struct peer *)e)->user_id);
    case ENT_USER:
        return groups(fn, arg, &((const struct user *)e)->auto_groups);
    case ENT_SETUP_KEY:
        return groups(fn, arg, &((const struct setup_key *)e)->auto_groups);
    case ENT_SERVICE:
        return of_service(e, fn, arg);
    case ENT_GROUP_PEER:
        return one(fn, arg, ENT_GROUP, ((const struct group_peer *)e)->group_id) &&
               one(fn, arg, ENT_PEER, ((const struct group_peer *)e)->peer_id);
    default:
        return true;
    }
}

/* ---- what must be there */

struct missing {
    struct tx *tx;
    enum entity_kind kind;
    struct rk_str id;
};

static bool is_there(void *arg, enum entity_kind kind, struct rk_str id)
{
    struct missing *m = arg;

    m->kind = kind;
    m->id = id;
    return tx_get(m->tx, kind, id) != NULL;
}

/* The store does not mind two of these with one name, the API does. */
static struct rk_str own_name(enum entity_kind kind, const void *e)
{
    return kind == ENT_GROUP     ? ((const struct group *)e)->name
           : kind == ENT_POSTURE ? ((const struct posture *)e)->name
                                 : (struct rk_str){0};
}

static bool name_taken(const struct snapshot *s, enum entity_kind kind, const void *e)
{
    struct rk_str name = own_name(kind, e);
    struct snap_iter it = snap_iter(s, kind);
    const void *other;

    while (name.n && (other = snap_next(&it)) != NULL)
        if (rk_str_eq(own_name(kind, other), name) &&
            !rk_str_eq(entity_id(kind, other), entity_id(kind, e)))
            return true;
    return false;
}

enum rk_code refs_check(struct tx *tx, enum entity_kind kind, const void *e, struct rk_err *err)
{
    struct missing m = {.tx = tx};

    if (!refs_each(kind, e, is_there, &m))
        return rk_fail(err, RK_PRECONDITION,
                       "%s %.*s refers to %s %.*s, which is not there any more; bring that back "
                       "first",
                       entity_kind_text(kind), RK_STR_ARG(entity_id(kind, e)),
                       entity_kind_text(m.kind), RK_STR_ARG(m.id));
    if (own_name(kind, e).n && name_taken(tx->snap, kind, e))
        return rk_fail(err, RK_PRECONDITION, "another %s is called %.*s by now",
                       entity_kind_text(kind), RK_STR_ARG(own_name(kind, e)));
    return RK_OK;
}

/* ---- what must not be referred to */

struct wanted {
    enum entity_kind kind;
    struct rk_str id;
};

static bool is_other(void *arg, enum entity_kind kind, struct rk_str id)
{
    const struct wanted *w = arg;

    return kind != w->kind || !rk_str_eq(id, w->id);
}

static enum rk_code in_use(enum entity_kind kind, struct rk_str id, enum entity_kind by,
                           struct rk_str by_id, struct rk_err *err)
{
    return rk_fail(err, RK_PRECONDITION, "%s %.*s is in use by %s%s%.*s", entity_kind_text(kind),
                   RK_STR_ARG(id), entity_kind_text(by), by_id.n ? " " : "", RK_STR_ARG(by_id));
}

enum rk_code refs_unused(struct tx *tx, enum entity_kind kind, struct rk_str id, refs_fn *gone,
                         void *arg, struct rk_err *err)
{
    static const enum entity_kind BY[] = {ENT_GROUP,    ENT_POLICY,   ENT_ROUTE,     ENT_ROUTER,
                                          ENT_RESOURCE, ENT_NS_GROUP, ENT_RECORD,    ENT_ZONE,
                                          ENT_USER,     ENT_PEER,     ENT_SETUP_KEY, ENT_SERVICE};
    struct wanted w = {.kind = kind, .id = id};
    const void *e;

    for (size_t i = 0; i < RK_ARRAY_LEN(BY); i++)
        for (struct snap_iter it = snap_iter(tx->snap, BY[i]); (e = snap_next(&it)) != NULL;)
            if (!refs_each(BY[i], e, is_other, &w) && !gone(arg, BY[i], entity_id(BY[i], e)))
                return in_use(kind, id, BY[i], entity_id(BY[i], e), err);
    if (!refs_each(ENT_SETTINGS, snap_settings(tx->snap), is_other, &w))
        return in_use(kind, id, ENT_SETTINGS, RK_STR(""), err);
    if (!refs_each(ENT_DNS_SETTINGS, snap_dns_settings(tx->snap), is_other, &w))
        return in_use(kind, id, ENT_DNS_SETTINGS, RK_STR(""), err);
    return RK_OK;
}
