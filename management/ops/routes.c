/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations on classic routes; see routes.h. */
#include "config.h"

#include "management/ops/routes.h"

#include "lib/base/id.h"
#include "management/ops/domains.h"

#define NET_ID_MAX 40 /* characters */
#define METRIC_MIN 1
#define METRIC_MAX 9999

struct save {
    struct rk_arena *mem;
    struct rk_str id;
    struct route r;
    const struct route *out;
};

/* ---- form */

static size_t characters(struct rk_str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

static enum rk_code check_form(const struct route_input *in, struct rk_err *err)
{
    if (in->network.p && in->domains.v)
        return rk_fail(err, RK_INVALID, "only one of 'network' or 'domains' should be provided");
    if (!in->network.p && !in->domains.v)
        return rk_fail(err, RK_INVALID, "either 'network' or 'domains' should be provided");
    if (!in->peer.p && !in->peer_groups.v)
        return rk_fail(err, RK_INVALID, "either 'peer' or 'peer_groups' should be provided");
    if (in->peer.p && in->peer_groups.v)
        return rk_fail(err, RK_INVALID, "only one of 'peer' or 'peer_groups' should be provided");
    if (!in->net_id.n || characters(in->net_id) > NET_ID_MAX)
        return rk_fail(err, RK_INVALID, "identifier should be between 1 and %d characters",
                       NET_ID_MAX);
    if (in->metric < METRIC_MIN || in->metric > METRIC_MAX)
        return rk_fail(err, RK_INVALID, "metric should be between %d and %d", METRIC_MIN,
                       METRIC_MAX);
    return RK_OK;
}

static enum rk_code read_target(struct rk_arena *mem, const struct route_input *in, struct route *r,
                                struct rk_err *err)
{
    struct rk_prefix p;
    enum rk_code rc;

    if (in->domains.v) {
        rc = dns_names_to_ascii(mem, &in->domains, &r->domains, err);
        if (rc)
            return rk_wrap(err, "invalid domains");
        r->kind = ROUTE_DOMAIN;
        return rk_prefix_parse(RK_STR(ROUTE_DOMAIN_PLACEHOLDER), &r->network, err);
    }
    if (rk_prefix_parse(in->network, &p, NULL))
        return rk_fail(err, RK_INVALID, "invalid network %.*s", RK_STR_ARG(in->network));
    r->network = rk_prefix_masked(&p);
    r->kind = p.ip.family == 4 ? ROUTE_IPV4 : ROUTE_IPV6;
    return RK_OK;
}

/* ---- references */

static enum rk_code check_groups(struct tx *tx, const struct str_list *ids, struct rk_err *err)
{
    for (size_t i = 0; i < ids->n; i++) {
        if (!ids->v[i].n)
            return rk_fail(err, RK_INVALID, "group ID should not be empty string");
        if (!tx_get(tx, ENT_GROUP, ids->v[i]))
            return rk_fail(err, RK_INVALID, "group id %.*s not found", RK_STR_ARG(ids->v[i]));
    }
    return RK_OK;
}

static bool same_target(const struct route *a, const struct route *b)
{
    if ((a->kind == ROUTE_DOMAIN) != (b->kind == ROUTE_DOMAIN))
        return false;
    return a->kind == ROUTE_DOMAIN ? str_list_eq(&a->domains, &b->domains)
                                   : rk_prefix_cmp(&a->network, &b->network) == 0;
}

static struct rk_str target_text(struct rk_arena *mem, const struct route *r)
{
    char text[RK_ADDR_TEXT];

    if (r->kind == ROUTE_DOMAIN)
        return rk_arena_printf(mem, "domains %.*s", RK_STR_ARG(op_list_text(mem, &r->domains)));
    return rk_arena_printf(mem, "prefix %s", rk_prefix_format(&r->network, text).p);
}

/* Who serves this target by other routes: peers as a set, groups as a list. */
static void others(struct tx *tx, struct rk_arena *mem, const struct route *r, struct bits *peers,
                   struct str_list *groups)
{
    struct snap_iter it = snap_iter(tx->snap, ENT_ROUTE);
    const struct route *o;

    while ((o = snap_next(&it)) != NULL) {
        uint32_t index = snap_index_of(tx->snap, o->peer);

        if (rk_str_eq(o->id, r->id) || !same_target(o, r))
            continue;
        if (index != SNAP_NO_PEER)
            bits_set(peers, index);
        for (size_t i = 0; i < o->peer_groups.n; i++) {
            *groups = str_list_plus(mem, groups, o->peer_groups.v[i]);
            bits_or(peers, snap_group_members(tx->snap, o->peer_groups.v[i]));
        }
    }
}

static enum rk_code taken(struct rk_arena *mem, const struct route *r, const char *what,
                          struct rk_str who, struct rk_str group, struct rk_err *err)
{
    return rk_fail(err, RK_EXISTS,
                   "failed to add route with %.*s - %s %.*s%s%.*s already has this "
                   "route",
                   RK_STR_ARG(target_text(mem, r)), what, RK_STR_ARG(who),
                   group.n ? " from the group " : "", RK_STR_ARG(group));
}

static enum rk_code check_duplicates(struct tx *tx, struct rk_arena *mem, const struct route *r,
                                     const struct bits *peers, const struct str_list *groups,
                                     struct rk_err *err)
{
    if (r->peer.n && bits_has(peers, snap_index_of(tx->snap, r->peer)))
        return taken(mem, r, "peer", r->peer, RK_STR(""), err);
    for (size_t i = 0; i < r->peer_groups.n; i++) {
        const struct group *g = tx_get(tx, ENT_GROUP, r->peer_groups.v[i]);
        const struct bits *members = snap_group_members(tx->snap, r->peer_groups.v[i]);

        if (g && str_list_has(groups, g->id))
            return taken(mem, r, "peer group", g->name, RK_STR(""), err);
        for (BITS_EACH(k, members))
            if (g && bits_has(peers, k))
                return taken(mem, r, "peer", snap_peer_at(tx->snap, k)->id, g->name, err);
    }
    return RK_OK;
}

static enum rk_code check_references(struct tx *tx, struct rk_arena *mem, const struct route *r,
                                     struct rk_err *err)
{
    struct str_list groups = {0};
    struct bits peers = {0};
    enum rk_code rc;

    if (!r->groups.n)
        return rk_fail(err, RK_INVALID, "the list of group IDs should not be empty");
    rc = check_groups(tx, &r->groups, err);
    if (!rc)
        rc = check_groups(tx, &r->peer_groups, err);
    if (!rc)
        rc = check_groups(tx, &r->access_control_groups, err);
    if (!rc && r->peer.n && snap_index_of(tx->snap, r->peer) == SNAP_NO_PEER)
        rc = rk_fail(err, RK_INVALID, "peer with ID %.*s not found", RK_STR_ARG(r->peer));
    if (rc)
        return rc;
    others(tx, mem, r, &peers, &groups);
    rc = check_duplicates(tx, mem, r, &peers, &groups, err);
    bits_done(&peers);
    return rc;
}

/* ---- writing */

static struct rk_str route_meta(struct rk_arena *mem, const struct route *r)
{
    char text[RK_ADDR_TEXT];

    return META(mem, {"name", r->net_id}, {"network_range", rk_prefix_format(&r->network, text)},
                {"domains", op_list_text(mem, &r->domains)}, {"peer_id", r->peer},
                {"peer_groups", op_list_text(mem, &r->peer_groups)});
}

static enum rk_code save_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    const struct route *old = s->id.n ? tx_get(tx, ENT_ROUTE, s->id) : NULL;
    struct route *r = rk_new(s->mem, struct route);
    enum rk_code rc;

    if (s->id.n && !old)
        return rk_fail(err, RK_NOT_FOUND, "route: %.*s not found", RK_STR_ARG(s->id));
    *r = s->r;
    r->id = old ? old->id : rk_xid_new(s->mem);
    r->public_id = old ? old->public_id : rk_xid_new(s->mem);
    rc = check_references(tx, s->mem, r, err);
    if (!rc)
        rc = tx_put(tx, ENT_ROUTE, r, err);
    if (!rc)
        rc =
            tx_event(tx, old ? ACT_ROUTE_UPDATE : ACT_ROUTE_ADD, r->id, route_meta(s->mem, r), err);
    s->out = entity_dup(s->mem, ENT_ROUTE, r); /* what the snapshot lent ends with this call */
    return rc;
}

enum rk_code route_save(struct op *op, struct rk_str id, const struct route_input *in,
                        const struct route **out, struct rk_err *err)
{
    struct save *s = rk_new(op->mem, struct save);
    enum rk_code rc = check_form(in, err);

    s->mem = op->mem;
    s->id = id;
    s->r = (struct route){.account_id = op_account(op),
                          .description = in->description,
                          .net_id = in->net_id,
                          .peer = in->peer,
                          .peer_groups = in->peer_groups,
                          .metric = in->metric,
                          .masquerade = in->masquerade,
                          .enabled = in->enabled,
                          .keep_route = in->keep_route,
                          .skip_auto_apply = in->skip_auto_apply,
                          .groups = in->groups,
                          .access_control_groups = in->access_control_groups};
    if (!rc)
        rc = read_target(op->mem, in, &s->r, err);
    if (!rc)
        rc = op_may(op, PERM_ROUTES, id.n ? PERM_UPDATE : PERM_CREATE, err);
    if (!rc)
        rc = op_mutate(op, save_tx, s, err);
    if (!rc)
        *out = s->out;
    return rc;
}

static enum rk_code delete_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    const struct route *r = tx_get(tx, ENT_ROUTE, s->id);
    enum rk_code rc;

    if (!r)
        return rk_fail(err, RK_NOT_FOUND, "failed to delete route %.*s: route: %.*s not found",
                       RK_STR_ARG(s->id), RK_STR_ARG(s->id));
    rc = tx_event(tx, ACT_ROUTE_DELETE, r->id, route_meta(s->mem, r), err);
    return rc ? rc : tx_del(tx, ENT_ROUTE, s->id, err);
}

enum rk_code route_delete(struct op *op, struct rk_str id, struct rk_err *err)
{
    struct save s = {.mem = op->mem, .id = id};
    enum rk_code rc = op_may(op, PERM_ROUTES, PERM_DELETE, err);

    return rc ? rc : op_mutate(op, delete_tx, &s, err);
}
