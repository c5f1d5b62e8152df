/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations on networks, resources and routers; see networks.h. */
#include "config.h"

#include "management/ops/networks.h"

#include "lib/base/id.h"
#include "management/ops/domains.h"

struct save {
    struct rk_arena *mem;
    struct rk_str network_id, id;
    struct rk_str name, description;
    struct str_list groups;
    struct resource resource;
    struct router router;
    const void *out;
};

static enum rk_code no_network(struct rk_str id, struct rk_err *err)
{
    return rk_fail(err, RK_NOT_FOUND, "network: %.*s not found", RK_STR_ARG(id));
}

static enum rk_code no_resource(struct rk_str id, struct rk_err *err)
{
    return rk_fail(err, RK_NOT_FOUND, "network resource: %.*s not found", RK_STR_ARG(id));
}

static enum rk_code no_router(struct rk_str id, struct rk_err *err)
{
    return rk_fail(err, RK_NOT_FOUND, "network router: %.*s not found", RK_STR_ARG(id));
}

/* ---- events */

static enum rk_code resource_event(struct tx *tx, struct rk_arena *mem, const struct network *n,
                                   const struct resource *r, int activity, struct rk_err *err)
{
    return tx_event(tx, activity, r->id,
                    META(mem, {"name", r->name}, {"type", rk_str_z(resource_type_text(r->type))},
                         {"network_name", n->name}, {"network_id", n->id}),
                    err);
}

static enum rk_code link_event(struct tx *tx, struct rk_arena *mem, const struct group *g,
                               const struct resource *r, int activity, struct rk_err *err)
{
    return tx_event(tx, activity, g->id,
                    META(mem, {"name", g->name}, {"id", g->id}, {"resource_name", r->name},
                         {"resource_id", r->id},
                         {"resource_type", rk_str_z(resource_type_text(r->type))}),
                    err);
}

static enum rk_code router_event(struct tx *tx, struct rk_arena *mem, const struct network *n,
                                 const struct router *r, int activity, struct rk_err *err)
{
    return tx_event(tx, activity, r->id,
                    META(mem, {"network_name", n->name}, {"network_id", n->id}, {"peer", r->peer},
                         {"peer_groups", op_list_text(mem, &r->peer_groups)}),
                    err);
}

/* ---- groups that hold a resource */

static size_t place_of(const struct group *g, struct rk_str resource_id)
{
    size_t i = 0;

    while (i < g->n_resources && !rk_str_eq(g->resources[i].id, resource_id))
        i++;
    return i;
}

static enum rk_code group_with(struct tx *tx, struct rk_arena *mem, const struct group *g,
                               const struct resource *r, bool with, struct rk_err *err)
{
    size_t at = place_of(g, r->id), n = 0;
    struct group *now;
    enum rk_code rc;

    if ((at < g->n_resources) == with)
        return RK_OK;
    now = rk_new(mem, struct group);
    *now = *g;
    now->resources = rk_new_n(mem, struct resource_ref, g->n_resources + 1);
    for (size_t i = 0; i < g->n_resources; i++)
        if (i != at)
            now->resources[n++] = g->resources[i];
    if (with)
        now->resources[n++] = (struct resource_ref){r->id, r->type};
    now->n_resources = n;
    rc = tx_put(tx, ENT_GROUP, now, err);
    return rc ? rc
              : link_event(tx, mem, g, r, with ? ACT_RESOURCE_GROUP_ADD : ACT_RESOURCE_GROUP_DELETE,
                           err);
}

/* Every group in `groups` gains the resource, every other one loses it. */
static enum rk_code set_groups(struct tx *tx, struct rk_arena *mem, const struct resource *r,
                               const struct str_list *groups, struct rk_err *err)
{
    struct snap_iter it = snap_iter(tx->snap, ENT_GROUP);
    const struct group *g;
    enum rk_code rc = RK_OK;

    for (size_t i = 0; i < groups->n; i++)
        if (!tx_get(tx, ENT_GROUP, groups->v[i]))
            return rk_fail(err, RK_NOT_FOUND, "group: %.*s not found", RK_STR_ARG(groups->v[i]));
    while (!rc && (g = snap_next(&it)) != NULL) {
        const struct group *now = tx_get(tx, ENT_GROUP, g->id); /* changed in this mutation */

        if (now)
            rc = group_with(tx, mem, now, r, str_list_has(groups, g->id), err);
    }
    return rc;
}

/* ---- networks */

static enum rk_code network_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    const struct network *old = s->id.n ? tx_get(tx, ENT_NETWORK, s->id) : NULL;
    struct network *n = rk_new(s->mem, struct network);
    enum rk_code rc;

    if (s->id.n && !old)
        return no_network(s->id, err);
    *n = (struct network){.id = old ? old->id : rk_xid_new(s->mem),
                          .account_id = tx->account_id,
                          .public_id = old ? old->public_id : rk_xid_new(s->mem),
                          .name = s->name,
                          .description = s->description};
    rc = tx_put(tx, ENT_NETWORK, n, err);
    s->out = entity_dup(s->mem, ENT_NETWORK, n);
    return rc ? rc
              : tx_event(tx, old ? ACT_NETWORK_UPDATE : ACT_NETWORK_CREATE, n->id,
                         META(s->mem, {"name", n->name}), err);
}

enum rk_code network_save(struct op *op, struct rk_str id, struct rk_str name,
                          struct rk_str description, const struct network **out, struct rk_err *err)
{
    struct save s = {.mem = op->mem, .id = id, .name = name, .description = description};
    enum rk_code rc = op_may(op, PERM_NETWORKS, id.n ? PERM_UPDATE : PERM_CREATE, err);

    if (!rc)
        rc = op_mutate(op, network_tx, &s, err);
    if (!rc)
        *out = s.out;
    return rc;
}

static enum rk_code delete_resource(struct tx *tx, struct rk_arena *mem, const struct network *n,
                                    const struct resource *r, struct rk_err *err)
{
    static const struct str_list none = {0};
    enum rk_code rc = set_groups(tx, mem, r, &none, err);

    if (!rc)
        rc = resource_event(tx, mem, n, r, ACT_NETWORK_RESOURCE_DELETE, err);
    return rc ? rc : tx_del(tx, ENT_RESOURCE, r->id, err);
}

static enum rk_code delete_router(struct tx *tx, struct rk_arena *mem, const struct network *n,
                                  const struct router *r, struct rk_err *err)
{
    enum rk_code rc = router_event(tx, mem, n, r, ACT_NETWORK_ROUTER_DELETE, err);

    return rc ? rc : tx_del(tx, ENT_ROUTER, r->id, err);
}

static enum rk_code network_delete_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    struct snap_iter resources = snap_iter(tx->snap, ENT_RESOURCE);
    struct snap_iter routers = snap_iter(tx->snap, ENT_ROUTER);
    const struct network *n = tx_get(tx, ENT_NETWORK, s->id);
    const struct resource *e;
    const struct router *r;
    enum rk_code rc = RK_OK;

    if (!n)
        return rk_fail(err, RK_NOT_FOUND, "failed to get network: network: %.*s not found",
                       RK_STR_ARG(s->id));
    while (!rc && (e = snap_next(&resources)) != NULL)
        if (rk_str_eq(e->network_id, s->id))
            rc = delete_resource(tx, s->mem, n, e, err);
    while (!rc && (r = snap_next(&routers)) != NULL)
        if (rk_str_eq(r->network_id, s->id))
            rc = delete_router(tx, s->mem, n, r, err);
    if (!rc)
        rc = tx_event(tx, ACT_NETWORK_DELETE, n->id, META(s->mem, {"name", n->name}), err);
    return rc ? rc : tx_del(tx, ENT_NETWORK, s->id, err);
}

enum rk_code network_delete(struct op *op, struct rk_str id, struct rk_err *err)
{
    struct save s = {.mem = op->mem, .id = id};
    enum rk_code rc = op_may(op, PERM_NETWORKS, PERM_DELETE, err);

    return rc ? rc : op_mutate(op, network_delete_tx, &s, err);
}

/* ---- resources */

/* A prefix, an address or a domain, tried in this order. */
static enum rk_code read_address(struct rk_arena *mem, struct rk_str text, struct resource *r,
                                 struct rk_err *err)
{
    if (!rk_prefix_parse(text, &r->prefix, NULL)) {
        bool host = r->prefix.bits == (r->prefix.ip.family == 4 ? 32 : 128);

        r->type = host ? RESOURCE_HOST : RESOURCE_SUBNET;
        return RK_OK;
    }
    if (!rk_ip_parse(text, &r->prefix.ip, NULL)) {
        r->prefix.bits = r->prefix.ip.family == 4 ? 32 : 128;
        r->type = RESOURCE_HOST;
        return RK_OK;
    }
    r->prefix = (struct rk_prefix){0};
    r->type = RESOURCE_DOMAIN;
    if (dns_name_to_ascii(mem, text, true, &r->domain, NULL))
        return rk_fail(err, RK_INVALID, "invalid address: not a valid host, subnet, or domain");
    if (!rk_str_eq(r->domain, text))
        r->address_given = text;
    return RK_OK;
}

static bool name_taken(const struct snapshot *s, const struct resource *r)
{
    struct snap_iter it = snap_iter(s, ENT_RESOURCE);
    const struct resource *o;

    while ((o = snap_next(&it)) != NULL)
        if (rk_str_eq(o->name, r->name) && !rk_str_eq(o->id, r->id))
            return true;
    return false;
}

static enum rk_code resource_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    const struct network *n = tx_get(tx, ENT_NETWORK, s->network_id);
    const struct resource *old = s->id.n ? tx_get(tx, ENT_RESOURCE, s->id) : NULL;
    struct resource *r = rk_new(s->mem, struct resource);
    enum rk_code rc;

    if (!n)
        return no_network(s->network_id, err);
    if (s->id.n && (!old || !rk_str_eq(old->network_id, n->id)))
        return no_resource(s->id, err);
    *r = s->resource;
    r->id = old ? old->id : rk_xid_new(s->mem);
    r->public_id = old ? old->public_id : rk_xid_new(s->mem);
    r->network_id = s->network_id;
    if (name_taken(tx->snap, r))
        return old ? rk_fail(err, RK_INVALID, "new resource name already exists")
                   : rk_fail(err, RK_INVALID, "resource with name %.*s already exists",
                             RK_STR_ARG(r->name));
    rc = tx_put(tx, ENT_RESOURCE, r, err);
    if (!rc)
        rc = resource_event(tx, s->mem, n, r,
                            old ? ACT_NETWORK_RESOURCE_UPDATE : ACT_NETWORK_RESOURCE_CREATE, err);
    if (!rc)
        rc = set_groups(tx, s->mem, r, &s->groups, err);
    s->out = entity_dup(s->mem, ENT_RESOURCE, r);
    return rc;
}

enum rk_code resource_save(struct op *op, struct rk_str network_id, struct rk_str id,
                           const struct resource_input *in, const struct resource **out,
                           struct rk_err *err)
{
    struct save *s = rk_new(op->mem, struct save);
    enum rk_code rc = op_may(op, PERM_NETWORKS, id.n ? PERM_UPDATE : PERM_CREATE, err);

    s->mem = op->mem;
    s->network_id = network_id;
    s->id = id;
    s->groups = in->groups;
    s->resource = (struct resource){.account_id = op_account(op),
                                    .name = in->name,
                                    .description = in->description,
                                    .enabled = in->enabled};
    if (!rc)
        rc = read_address(op->mem, in->address, &s->resource, err);
    if (!rc)
        rc = op_mutate(op, resource_tx, s, err);
    if (!rc)
        *out = s->out;
    return rc;
}

enum rk_code resource_get(const struct op *op, struct rk_str network_id, struct rk_str id,
                          const struct resource **out, struct rk_err *err)
{
    const struct resource *r = snap_find(op->snap, ENT_RESOURCE, id);

    if (!r || !rk_str_eq(r->network_id, network_id))
        return no_resource(id, err);
    *out = r;
    return RK_OK;
}

static enum rk_code check_unused(const struct snapshot *s, const struct resource *r,
                                 struct rk_err *err)
{
    struct snap_iter it = snap_iter(s, ENT_SERVICE);
    const struct service *v;

    while ((v = snap_next(&it)) != NULL)
        for (size_t i = 0; i < v->n_targets; i++)
            if (rk_str_eq(v->targets[i].target_id, r->id))
                return rk_fail(err, RK_PRECONDITION, "resource %.*s is in use by proxy %.*s",
                               RK_STR_ARG(r->id), RK_STR_ARG(v->id));
    return RK_OK;
}

static enum rk_code resource_delete_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    const struct network *n = tx_get(tx, ENT_NETWORK, s->network_id);
    const struct resource *r = tx_get(tx, ENT_RESOURCE, s->id);
    enum rk_code rc;

    if (!n)
        return no_network(s->network_id, err);
    if (!r || !rk_str_eq(r->network_id, n->id))
        return no_resource(s->id, err);
    rc = check_unused(tx->snap, r, err);
    return rc ? rc : delete_resource(tx, s->mem, n, r, err);
}

enum rk_code resource_delete(struct op *op, struct rk_str network_id, struct rk_str id,
                             struct rk_err *err)
{
    struct save s = {.mem = op->mem, .network_id = network_id, .id = id};
    enum rk_code rc = op_may(op, PERM_NETWORKS, PERM_DELETE, err);

    return rc ? rc : op_mutate(op, resource_delete_tx, &s, err);
}

/* ---- routers */

static enum rk_code find_router(struct tx *tx, const struct save *s, const struct network **n,
                                const struct router **r, struct rk_err *err)
{
    *n = tx_get(tx, ENT_NETWORK, s->network_id);
    *r = s->id.n ? tx_get(tx, ENT_ROUTER, s->id) : NULL;
    if (!*n)
        return no_network(s->network_id, err);
    if (s->id.n && !*r)
        return no_router(s->id, err);
    if (*r && !rk_str_eq((*r)->network_id, s->network_id))
        return rk_fail(err, RK_BAD_REQUEST, "router %.*s is not part of the network %.*s",
                       RK_STR_ARG(s->id), RK_STR_ARG(s->network_id));
    return RK_OK;
}

static enum rk_code router_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    const struct network *n;
    const struct router *old;
    struct router *r = rk_new(s->mem, struct router);
    enum rk_code rc = find_router(tx, s, &n, &old, err);

    if (rc)
        return rc;
    *r = s->router;
    r->id = old ? old->id : rk_xid_new(s->mem);
    r->public_id = old ? old->public_id : rk_xid_new(s->mem);
    r->network_id = s->network_id;
    if (!old)
        r->enabled = true; /* a new router works at once, as with the official server */
    rc = tx_put(tx, ENT_ROUTER, r, err);
    s->out = entity_dup(s->mem, ENT_ROUTER, r);
    return rc ? rc
              : router_event(tx, s->mem, n, r,
                             old ? ACT_NETWORK_ROUTER_UPDATE : ACT_NETWORK_ROUTER_CREATE, err);
}

enum rk_code router_save(struct op *op, struct rk_str network_id, struct rk_str id,
                         const struct router_input *in, const struct router **out,
                         struct rk_err *err)
{
    struct save *s = rk_new(op->mem, struct save);
    enum rk_code rc;

    if (in->peer.n && in->peer_groups.n)
        return rk_fail(err, RK_BAD_REQUEST, "peer and peer_groups cannot be set at the same time");
    if (!in->peer.n && !in->peer_groups.n)
        return rk_fail(err, RK_BAD_REQUEST, "either peer or peer_groups must be provided");
    rc = op_may(op, PERM_NETWORKS, id.n ? PERM_UPDATE : PERM_CREATE, err);
    s->mem = op->mem;
    s->network_id = network_id;
    s->id = id;
    s->router = (struct router){.account_id = op_account(op),
                                .peer = in->peer,
                                .peer_groups = in->peer_groups,
                                .metric = in->metric,
                                .masquerade = in->masquerade,
                                .enabled = in->enabled};
    if (!rc)
        rc = op_mutate(op, router_tx, s, err);
    if (!rc)
        *out = s->out;
    return rc;
}

enum rk_code router_get(const struct op *op, struct rk_str network_id, struct rk_str id,
                        const struct router **out, struct rk_err *err)
{
    const struct router *r = snap_find(op->snap, ENT_ROUTER, id);

    if (!r || !rk_str_eq(r->network_id, network_id))
        return no_router(id, err);
    *out = r;
    return RK_OK;
}

static enum rk_code router_delete_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    const struct network *n;
    const struct router *r;
    enum rk_code rc = find_router(tx, s, &n, &r, err);

    return rc ? rc : delete_router(tx, s->mem, n, r, err);
}

enum rk_code router_delete(struct op *op, struct rk_str network_id, struct rk_str id,
                           struct rk_err *err)
{
    struct save s = {.mem = op->mem, .network_id = network_id, .id = id};
    enum rk_code rc = op_may(op, PERM_NETWORKS, PERM_DELETE, err);

    return rc ? rc : op_mutate(op, router_delete_tx, &s, err);
}
