/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See affected.h. A map of y depends on a peer x when y may know x: a rule with x on one side and y
 * on the other, a route between them, a network that one routes and the other reaches. So the
 * peers to wake for x are found from the groups of x by the plan's indexes, without looking at
 * approval or posture (a superset), and changed objects wake everybody whom they name.
 */
#include "config.h"

#include "management/push/affected.h"

#include "management/netmap/netmap.h"
#include "management/netmap/routes.h"
#include "management/netmap/view.h"
#include "management/snapshot/dns_plan.h"
#include "management/snapshot/plan.h"
#include "management/snapshot/proxy.h"
#include "management/snapshot/state.h"

void affected_done(struct affected *a)
{
    bits_done(&a->out);
    bits_done(&a->tmp);
}

/* ---- adding peers */

static void add_peer(struct affected *a, struct rk_str id)
{
    uint32_t i = id.n ? snap_index_of(a->s, id) : SNAP_NO_PEER;

    if (i != SNAP_NO_PEER)
        bits_set(&a->out, i);
}

static void add_groups(struct affected *a, const struct glist *l)
{
    for (uint32_t i = 0; i < l->n; i++)
        bits_or(&a->out, state_members(a->s, l->g[i]));
}

static void add_side(struct affected *a, const struct plan_side *side)
{
    add_peer(a, side->peer);
    add_groups(a, &side->groups);
}

void affected_members(struct affected *a, const struct str_list *ids)
{
    for (size_t i = 0; i < ids->n; i++)
        bits_or(&a->out, snap_group_members(a->s, ids->v[i]));
}

static void add_ref_side(struct affected *a, const struct resource_ref *ref,
                         const struct str_list *groups)
{
    if (ref->type == RESOURCE_PEER)
        add_peer(a, ref->id);
    affected_members(a, groups);
}

static void add_servers(struct affected *a, const struct plan_route *r)
{
    add_peer(a, r->r->peer);
    add_groups(a, &r->peer_groups);
}

static void add_routers(struct affected *a, const struct plan_network *n)
{
    for (uint32_t i = 0; i < n->n_routers; i++)
        add_side(a, &a->s->plan->routers[n->routers[i]].peers);
}

/* Routing peers of routes whose access-control groups the policy is aimed at. */
static void add_acl_servers(struct affected *a, uint32_t policy)
{
    const struct plan *pl = a->s->plan;

    for (uint32_t i = 0; i < pl->n_routes; i++)
        for (uint32_t k = 0; k < pl->routes[i].n_acl; k++)
            if (pl->routes[i].acl[k].policy == policy)
                add_servers(a, &pl->routes[i]);
}

/* A client of a resource holds the sources of the resource's later policies among its component
 * peers; that shows only where it serves a route with access-control groups. */
static void add_acl_clients(struct affected *a, const struct plan_resource *r)
{
    const struct plan *pl = a->s->plan;
    struct bits clients = {0}, servers = {0};

    for (uint32_t i = 0; i < pl->n_routes; i++)
        if (pl->routes[i].n_acl > 0) {
            routes_servers(a->s, &pl->routes[i], &a->tmp);
            bits_or(&servers, &a->tmp);
        }
    for (uint32_t i = 0; i < r->n_policies && bits_any(&servers); i++) {
        const struct plan_side *side = &pl->policies[r->policies[i]].sources;
        uint32_t peer = side->peer.n ? snap_index_of(a->s, side->peer) : SNAP_NO_PEER;

        view_members(a->s, &side->groups, &clients);
        if (peer != SNAP_NO_PEER)
            bits_set(&clients, peer);
        bits_or_and(&a->out, &clients, &servers);
    }
    bits_done(&clients);
    bits_done(&servers);
}

static void add_sources(struct affected *a, const struct plan_resource *r)
{
    for (uint32_t i = 0; i < r->n_policies; i++)
        add_side(a, &a->s->plan->policies[r->policies[i]].sources);
}

static void add_network_sources(struct affected *a, const struct plan_network *n)
{
    for (uint32_t i = 0; i < n->n_resources; i++)
        add_sources(a, &a->s->plan->resources[n->resources[i]]);
}

/* Who routes the resource, and rare others. */
static void touch_resource(struct affected *a, uint32_t i)
{
    const struct plan_resource *r = &a->s->plan->resources[i];

    add_routers(a, &a->s->plan->networks[r->network]);
    add_acl_clients(a, r);
}

static void touch_resource_id(struct affected *a, struct rk_str id)
{
    const struct plan *pl = a->s->plan;

    for (uint32_t i = 0; i < pl->n_resources; i++)
        if (rk_str_eq(pl->resources[i].r->id, id))
            touch_resource(a, i);
}

/* ---- one peer, one group */

static bool lists(const struct glist *l, uint32_t g)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (l->g[i] == g)
            return true;
    return false;
}

static void source_matched(struct affected *a, const struct plan_rule *r)
{
    add_side(a, &r->dst);
    add_acl_servers(a, r->policy);
}

static void rules_of_group(struct affected *a, uint32_t g, bool whole)
{
    const struct plan *pl = a->s->plan;
    uint32_t n;
    const uint32_t *items = gindex_of(pl, &pl->rules_of, g, &n);

    for (uint32_t i = 0; i < n; i++) {
        const struct plan_rule *r = &pl->rules[items[i]];

        if (lists(&r->sources, g))
            source_matched(a, r);
        if (lists(&r->dst.groups, g))
            add_side(a, &r->src);
        if (whole) {
            add_side(a, &r->src);
            add_side(a, &r->dst);
        }
    }
    items = gindex_of(pl, &pl->resources_of, g, &n);
    for (uint32_t i = 0; i < n; i++) {
        touch_resource(a, items[i]);
        if (whole)
            add_sources(a, &pl->resources[items[i]]);
    }
    items = gindex_of(pl, &pl->networks_of, g, &n);
    for (uint32_t i = 0; i < n; i++) {
        /* A router holds its siblings among its component peers; that shows in its route firewall
         * where a sibling is also a source. */
        add_routers(a, &pl->networks[items[i]]);
        add_network_sources(a, &pl->networks[items[i]]);
    }
}

static void routes_of_group(struct affected *a, uint32_t g, bool whole)
{
    const struct plan *pl = a->s->plan;
    uint32_t n;
    const uint32_t *items = gindex_of(pl, &pl->routed_by, g, &n);

    for (uint32_t i = 0; i < n; i++) {
        const struct plan_route *r = &pl->routes[items[i]];

        add_servers(a, r); /* siblings resolve each other's names, also of a disabled route */
        if (r->r->enabled)
            add_groups(a, &r->groups);
    }
    items = gindex_of(pl, &pl->routed_to, g, &n);
    for (uint32_t i = 0; i < n; i++) {
        const struct plan_route *r = &pl->routes[items[i]];

        if (!r->r->enabled)
            continue;
        add_servers(a, r);
        if (whole)
            bits_or(&a->out, state_members(a->s, g));
    }
}

static bool names_group(const struct affected *a, const struct str_list *ids, uint32_t g)
{
    return str_list_has(ids, a->s->groups->g[g]->row->id);
}

/* Proxy peers and peer targets of services that the group may use. */
static void services_of_group(struct affected *a, uint32_t g, bool whole)
{
    const struct service *svc;

    for (struct snap_iter it = snap_iter(a->s, ENT_SERVICE); (svc = snap_next(&it)) != NULL;) {
        if (!svc->enabled || !names_group(a, &svc->access_groups, g))
            continue;
        for (BITS_EACH(i, &a->s->all))
            if (state_peer(a->s, i)->proxy_embedded &&
                rk_str_eq(state_peer(a->s, i)->proxy_cluster, svc->proxy_cluster))
                bits_set(&a->out, i);
        for (size_t t = 0; t < svc->n_targets && a->official_reach; t++)
            if (rk_str_eqz(svc->targets[t].target_type, "peer"))
                add_peer(a, svc->targets[t].target_id);
        if (whole)
            bits_or(&a->out, state_members(a->s, g));
    }
}

/* DNS objects matter to members alone. */
static void dns_of_group(struct affected *a, uint32_t g)
{
    const struct dns_plan *d = a->s->dns;
    bool used = lists(&d->disabled, g);

    for (uint32_t i = 0; i < d->n_zones; i++)
        used |= lists(&d->zones[i].groups, g);
    for (uint32_t i = 0; i < d->n_servers; i++)
        used |= lists(&d->servers[i].groups, g);
    for (uint32_t i = 0; i < d->n_services; i++)
        used |= lists(&d->services[i].groups, g);
    if (used)
        bits_or(&a->out, state_members(a->s, g));
}

static void link_group(struct affected *a, uint32_t g, bool whole)
{
    rules_of_group(a, g, whole);
    routes_of_group(a, g, whole);
    services_of_group(a, g, whole);
    if (whole)
        dns_of_group(a, g);
    if (a->official_reach && lists(&a->s->dns->disabled, g))
        bits_or(&a->out, state_members(a->s, g));
}

void affected_link(struct affected *a, struct rk_str group_id)
{
    uint32_t g = state_group_index(a->s, group_id);

    if (g != NO_INDEX)
        link_group(a, g, false);
}

void affected_group(struct affected *a, struct rk_str group_id)
{
    const struct group *group = snap_group(a->s, group_id);
    const struct policy *p;

    if (!group)
        return;
    link_group(a, state_group_index(a->s, group_id), true);
    for (size_t i = 0; i < group->n_resources; i++)
        affected_resource(a, group->resources[i].id, (struct rk_str){0},
                          &(struct str_list){&(struct rk_str){group_id.p, group_id.n}, 1});
    /* Lists in which All hides the group are in no index. */
    for (struct snap_iter it = snap_iter(a->s, ENT_POLICY); (p = snap_next(&it)) != NULL;)
        for (size_t i = 0; i < p->n_rules && p->enabled; i++)
            if (str_list_has(&p->rules[i].destinations, group_id))
                for (size_t k = 0; k < group->n_resources; k++)
                    touch_resource_id(a, group->resources[k].id);
}

static void refs_to_peer(struct affected *a, const struct peer *p)
{
    const struct plan *pl = a->s->plan;
    uint32_t n;
    const struct plan_ref *refs = plan_refs_to(pl, p->id, &n);

    for (uint32_t i = 0; i < n; i++) {
        const struct plan_route *r;
        const struct plan_rule *rule;

        switch (refs[i].kind) {
        case REF_RULE:
            rule = &pl->rules[refs[i].item];
            if (rk_str_eq(rule->src.peer, p->id))
                source_matched(a, rule);
            if (rk_str_eq(rule->dst.peer, p->id))
                add_side(a, &rule->src);
            break;
        case REF_ROUTE:
            r = &pl->routes[refs[i].item];
            if (r->r->enabled)
                add_groups(a, &r->groups);
            break;
        case REF_NETWORK:
            add_routers(a, &pl->networks[refs[i].item]);
            add_network_sources(a, &pl->networks[refs[i].item]);
            break;
        case REF_RESOURCE:
            touch_resource(a, refs[i].item);
            break;
        }
    }
}

void affected_peer(struct affected *a, uint32_t peer)
{
    const struct gset *groups;

    if (!state_peer_row(a->s, peer))
        return;
    groups = state_groups_of(a->s, peer);
    for (uint32_t i = 0; i < groups->n; i++)
        link_group(a, groups->g[i], false);
    refs_to_peer(a, state_peer(a->s, peer));
}

/* ---- objects */

static void add_acl_routes_of(struct affected *a, const struct rule *r)
{
    const struct plan *pl = a->s->plan;

    for (uint32_t i = 0; i < pl->n_routes; i++) {
        const struct str_list *acl = &pl->routes[i].r->access_control_groups;

        for (size_t k = 0; k < acl->n; k++)
            if (str_list_has(&r->destinations, acl->v[k]))
                add_servers(a, &pl->routes[i]);
    }
}

void affected_policy(struct affected *a, const struct policy *p)
{
    for (size_t i = 0; i < p->n_rules; i++) {
        const struct rule *r = &p->rules[i];

        add_ref_side(a, &r->source_resource, &r->sources);
        add_ref_side(a, &r->destination_resource, &r->destinations);
        add_acl_routes_of(a, r);
        touch_resource_id(a, r->destination_resource.id);
        for (size_t k = 0; k < r->destinations.n; k++) {
            const struct group *g = snap_group(a->s, r->destinations.v[k]);

            for (size_t m = 0; g && m < g->n_resources; m++)
                touch_resource_id(a, g->resources[m].id);
        }
    }
}

void affected_route(struct affected *a, const struct route *r)
{
    add_peer(a, r->peer);
    affected_members(a, &r->peer_groups);
    affected_members(a, &r->groups);
    if (a->official_reach)
        affected_members(a, &r->access_control_groups);
}

static const struct plan_network *find_network(const struct snapshot *s, struct rk_str id)
{
    for (uint32_t i = 0; i < s->plan->n_networks; i++)
        if (rk_str_eq(s->plan->networks[i].id, id))
            return &s->plan->networks[i];
    return NULL;
}

static void touch_network(struct affected *a, struct rk_str id)
{
    const struct plan_network *n = find_network(a->s, id);

    if (!n)
        return;
    add_routers(a, n);
    add_network_sources(a, n);
    for (uint32_t i = 0; i < n->n_resources; i++)
        add_acl_clients(a, &a->s->plan->resources[n->resources[i]]);
}

void affected_router(struct affected *a, const struct router *r)
{
    add_peer(a, r->peer);
    affected_members(a, &r->peer_groups);
    touch_network(a, r->network_id);
}

void affected_network(struct affected *a, struct rk_str network_id)
{
    touch_network(a, network_id);
}

static bool aims_at(const struct policy *p, struct rk_str resource, const struct str_list *groups)
{
    for (size_t i = 0; i < p->n_rules; i++) {
        if (rk_str_eq(p->rules[i].destination_resource.id, resource))
            return true;
        for (size_t k = 0; k < groups->n; k++)
            if (str_list_has(&p->rules[i].destinations, groups->v[k]))
                return true;
    }
    return false;
}

void affected_resource(struct affected *a, struct rk_str resource_id, struct rk_str network_id,
                       const struct str_list *groups)
{
    const struct resource *r = snap_find(a->s, ENT_RESOURCE, resource_id);
    const struct plan_network *n = find_network(a->s, r ? r->network_id : network_id);
    const struct policy *p;

    for (struct snap_iter it = snap_iter(a->s, ENT_POLICY); (p = snap_next(&it)) != NULL;)
        if (p->enabled && aims_at(p, resource_id, groups))
            for (size_t i = 0; i < p->n_rules; i++)
                add_ref_side(a, &p->rules[i].source_resource, &p->rules[i].sources);
    for (uint32_t i = 0; i < a->s->plan->n_resources; i++)
        if (rk_str_eq(a->s->plan->resources[i].r->id, resource_id))
            add_sources(a, &a->s->plan->resources[i]);
    touch_resource_id(a, resource_id);
    if (n)
        add_routers(a, n);
}

void affected_posture(struct affected *a, struct rk_str posture_id)
{
    const struct policy *p;

    for (struct snap_iter it = snap_iter(a->s, ENT_POLICY); (p = snap_next(&it)) != NULL;)
        if (p->enabled && str_list_has(&p->posture_checks, posture_id))
            affected_policy(a, p);
}

void affected_users(struct affected *a, const struct str_list *group_ids, bool active_set)
{
    const struct plan *pl = a->s->plan;

    for (uint32_t i = 0; i < pl->n_rules; i++) {
        const struct plan_rule *r = &pl->rules[i];
        bool named = false;

        if (!r->active)
            continue;
        for (size_t k = 0; k < r->r->n_authorized && r->r->protocol == PROTO_SSH; k++)
            named |= str_list_has(group_ids, r->r->authorized[k].group_id);
        if (active_set &&
            (r->r->protocol == PROTO_SSH ? r->r->n_authorized == 0 && r->r->authorized_user.n == 0
                                         : r->implies_ssh))
            named = true;
        if (named)
            add_side(a, &r->dst);
    }
}
