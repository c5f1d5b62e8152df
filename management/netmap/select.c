/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a receiver may see: rules that concern it, routes and network resources make the peers it
 * may know and those it connects to; see view.h. Stands above view.c and routes.c.
 */
#include "config.h"

#include <stdlib.h>

#include "management/domain/peer.h"
#include "management/netmap/routes.h"
#include "management/netmap/view.h"

/* Take one side's peers into the component set: approved ones that pass the checks (if any), or
 * the directly named one as it is; where the account demands approval, that one only with it. */
static void take_side(struct view *v, const struct plan_side *side,
                      const struct plan_policy *checks)
{
    if (side->peer.n > 0) {
        uint32_t i = snap_index_of(v->s, side->peer);

        if (i != SNAP_NO_PEER &&
            (bits_has(&v->s->valid, i) || !snap_settings(v->s)->peer_approval_enabled))
            bits_set(&v->peers, i);
        return;
    }
    if (!checks || checks->n_checks == 0) {
        for (uint32_t i = 0; i < side->groups.n; i++)
            bits_or_and(&v->peers, state_members(v->s, side->groups.g[i]), &v->s->valid);
        return;
    }
    view_members(v->s, &side->groups, &v->tmp);
    bits_and(&v->tmp, &v->s->valid);
    view_drop_failing(v->s, checks, &v->tmp);
    bits_or(&v->peers, &v->tmp);
}

static void select_rules(struct view *v)
{
    const struct plan *pl = v->s->plan;

    view_find_hits(v);
    for (uint32_t i = 0; i < v->n_hits; i++) {
        const struct plan_rule *r = &pl->rules[v->hits[i].rule];

        if (v->hits[i].in_src)
            take_side(v, &r->dst, NULL);
        if (v->hits[i].in_dst)
            take_side(v, &r->src, &pl->policies[r->policy]);
    }
}

/* ---- routes */

static void select_routes(struct view *v)
{
    const struct plan *pl = v->s->plan;
    uint32_t n, *list = view_candidates(v, &pl->routed_by, &pl->routed_to, REF_ROUTE, &n);

    for (uint32_t i = 0; i < n; i++) {
        const struct plan_route *r = &pl->routes[list[i]];
        uint32_t peer;

        if (!r->r->enabled && !routes_served_by(v->s, r, v->self))
            continue; /* only its routing peers care for a disabled route */
        list[v->n_routes++] = list[i];
        peer = r->r->peer.n ? snap_index_of(v->s, r->r->peer) : SNAP_NO_PEER;
        if (peer != SNAP_NO_PEER && bits_has(&v->s->valid, peer))
            bits_set(&v->peers, peer);
        for (uint32_t g = 0; g < r->peer_groups.n; g++)
            bits_or_and(&v->peers, state_members(v->s, r->peer_groups.g[g]), &v->s->valid);
    }
    v->routes = list;
}

/* ---- networks */

/* Sources of a resource policy into the component set: approved, passing. */
static void take_sources(struct view *v, const struct plan_policy *p)
{
    if (p->sources.peer.n > 0) {
        uint32_t i = snap_index_of(v->s, p->sources.peer);

        if (i != SNAP_NO_PEER && bits_has(&v->s->valid, i) && view_passes(v, p, i))
            bits_set(&v->peers, i);
        return;
    }
    take_side(v, &p->sources, p);
}

static void select_resource(struct view *v, uint32_t index)
{
    const struct plan *pl = v->s->plan;
    const struct plan_resource *r = &pl->resources[index];
    const struct plan_network *n = &pl->networks[r->network];
    bool router = view_routes_network(v, n), take = router;

    if (r->n_policies == 0)
        return;
    for (uint32_t i = 0; i < r->n_policies; i++) {
        const struct plan_policy *p = &pl->policies[r->policies[i]];

        if (take)
            take_sources(v, p); /* for a client: only of the policies behind its own */
        else
            take = view_on_side(v, &p->sources) && view_passes(v, p, v->self);
    }
    if (!take)
        return;
    view_network_peers(v->s, n, &v->tmp);
    bits_and(&v->tmp, &v->s->valid);
    bits_or(&v->peers, &v->tmp);
    v->is_router |= router;
    v->resources[v->n_resources++] = (struct view_resource){.resource = index, .router = router};
}

static void select_resources(struct view *v)
{
    const struct plan *pl = v->s->plan;
    uint32_t n_nets, n_res, total, *nets, *res, *all;

    if (pl->n_resources == 0)
        return;
    nets = view_candidates(v, &pl->networks_of, NULL, REF_NETWORK, &n_nets);
    res = view_candidates(v, &pl->resources_of, NULL, REF_RESOURCE, &n_res);
    total = n_res;
    for (uint32_t i = 0; i < n_nets; i++)
        total += pl->networks[nets[i]].n_resources;
    all = rk_malloc((total + 1) * sizeof *all);
    for (total = 0; total < n_res; total++)
        all[total] = res[total];
    for (uint32_t i = 0; i < n_nets; i++)
        for (uint32_t k = 0; k < pl->networks[nets[i]].n_resources; k++)
            all[total++] = pl->networks[nets[i]].resources[k];
    total = view_sort_unique(all, total);
    v->resources = rk_malloc((total + 1) * sizeof *v->resources);
    for (uint32_t i = 0; i < total; i++)
        select_resource(v, all[i]);
    free(nets);
    free(res);
    free(all);
}

/* ---- connections */

static void connect_rules(struct view *v)
{
    const struct plan *pl = v->s->plan;

    for (uint32_t i = 0; i < v->n_hits; i++) {
        const struct plan_rule *r = &pl->rules[v->hits[i].rule];

        if (v->hits[i].in_src) {
            view_side(v, &r->dst, NULL, &v->tmp);
            bits_or(&v->direct, &v->tmp);
        }
        if (v->hits[i].in_dst) {
            view_side(v, &r->src, &pl->policies[r->policy], &v->tmp);
            bits_or(&v->direct, &v->tmp);
        }
    }
    bits_unset(&v->direct, v->self);
}

/* Peers whose login has expired by time move to the offline list. */
static void split_offline(struct view *v)
{
    const struct settings *st = snap_settings(v->s);

    if (!st->peer_login_expiration_enabled)
        return;
    for (uint32_t i = 0; i < v->direct.n && i < v->s->pages->n; i++) {
        const struct page *p = v->s->pages->page[i];
        uint64_t w = v->direct.w[i] & p->sso;

        for (; w; w &= w - 1) {
            unsigned slot = (unsigned)__builtin_ctzll(w);

            if (!peer_time_expired(row_peer(p->row[slot]), st, v->opts->now_us))
                continue;
            bits_set(&v->offline, i * 64 + slot);
            bits_unset(&v->direct, i * 64 + slot);
        }
    }
}

void view_select(struct view *v)
{
    bits_reserve(&v->peers, v->s->limit);
    bits_reserve(&v->direct, v->s->limit);
    bits_set(&v->peers, v->self);
    if (!v->validated)
        return;
    select_routes(v);
    select_rules(v);
    bits_copy(&v->dns_peers, &v->peers);
    select_resources(v);
    connect_rules(v);
    split_offline(v);
    bits_copy(&v->connect, &v->direct);
    if (v->n_resources > 0)
        routes_connect(v);
}
