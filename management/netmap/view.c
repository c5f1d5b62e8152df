/* SPDX-License-Identifier: BSD-3-Clause */
/* See view.h. */
#include "config.h"

#include "management/netmap/view.h"

#include <stdlib.h>

#include "management/domain/version.h"
#include "management/netmap/routes.h"

static void init_features(struct view *v)
{
    struct rk_str version = v->meta->version;

    v->ip6 = v->p->ip6.family == 6 && (v->meta->capabilities & PEER_CAP_IPV6_OVERLAY) &&
             !(v->meta->flags & PEER_FLAG_NO_IPV6);
    v->prefixes = v->meta->capabilities & PEER_CAP_SOURCE_PREFIXES;
    v->ranges = version_has_feature(version, PORT_RANGES_SINCE);
    v->native_ssh = v->p->ssh_enabled && (v->meta->flags & PEER_FLAG_SERVER_SSH_ALLOWED) &&
                    version_has_feature(version, "0.60.0");
    v->no_open_portinfo = rk_str_eqz(version, "0.36.4") || rk_str_eqz(version, "0.36.5");
}

bool view_init(struct view *v, const struct snapshot *s, uint32_t index,
               const struct netmap_opts *opts)
{
    const struct row *row = state_peer_row(s, index);

    *v = (struct view){.s = s, .opts = opts, .self = index};
    if (!row)
        return false;
    v->p = row_peer(row);
    v->meta = opts->meta ? opts->meta : &v->p->meta;
    v->groups = state_groups_of(s, index);
    v->validated = peer_is_validated(v->p);
    init_features(v);
    return true;
}

void view_done(struct view *v)
{
    free(v->hits);
    free(v->routes);
    free(v->resources);
    bits_done(&v->peers);
    bits_done(&v->dns_peers);
    bits_done(&v->direct);
    bits_done(&v->connect);
    bits_done(&v->offline);
    bits_done(&v->tmp);
    bits_done(&v->tmp2);
}

/* ---- sets */

void view_members(const struct snapshot *s, const struct glist *l, struct bits *out)
{
    if (l->n == 0) {
        bits_clear(out);
        return;
    }
    bits_copy(out, state_members(s, l->g[0]));
    for (uint32_t i = 1; i < l->n; i++)
        bits_or(out, state_members(s, l->g[i]));
}

bool view_passes(const struct view *v, const struct plan_policy *p, uint32_t peer)
{
    for (uint32_t i = 0; i < p->n_checks; i++)
        if (bits_has(&v->s->failing->check[p->checks[i]].peers, peer))
            return false;
    return true;
}

void view_drop_failing(const struct snapshot *s, const struct plan_policy *p, struct bits *set)
{
    for (uint32_t i = 0; i < p->n_checks; i++)
        bits_andnot(set, &s->failing->check[p->checks[i]].peers);
}

static void one_peer(const struct snapshot *s, struct rk_str id, struct bits *out)
{
    uint32_t i = snap_index_of(s, id);

    bits_clear(out);
    if (i != SNAP_NO_PEER)
        bits_set(out, i);
}

void view_side(const struct view *v, const struct plan_side *side, const struct plan_policy *checks,
               struct bits *out)
{
    if (side->peer.n > 0) { /* named directly: neither approval nor posture counts */
        one_peer(v->s, side->peer, out);
        bits_and(out, &v->peers);
        return;
    }
    view_members(v->s, &side->groups, out);
    bits_and(out, &v->peers);
    if (checks)
        view_drop_failing(v->s, checks, out);
}

bool view_on_side(const struct view *v, const struct plan_side *side)
{
    if (side->peer.n > 0)
        return rk_str_eq(side->peer, v->p->id);
    for (uint32_t i = 0; i < side->groups.n; i++)
        if (bits_has(state_members(v->s, side->groups.g[i]), v->self))
            return true;
    return false;
}

/* ---- rules */

static int cmp_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

uint32_t view_sort_unique(uint32_t *v, uint32_t n)
{
    uint32_t kept = 0;

    if (n > 1)
        qsort(v, n, sizeof *v, cmp_u32);
    for (uint32_t i = 0; i < n; i++)
        if (kept == 0 || v[kept - 1] != v[i])
            v[kept++] = v[i];
    return kept;
}

uint32_t *view_candidates(const struct view *v, const struct gindex *x, const struct gindex *y,
                          enum ref_kind kind, uint32_t *n)
{
    const struct plan *pl = v->s->plan;
    uint32_t total = 0, k, *list;
    const struct plan_ref *refs = plan_refs_to(pl, v->p->id, &k);

    for (uint32_t i = 0; i < k; i++)
        total += refs[i].kind == kind;
    for (uint32_t i = 0; i < v->groups->n; i++) {
        (void)gindex_of(pl, x, v->groups->g[i], n);
        total += *n;
        if (y) {
            (void)gindex_of(pl, y, v->groups->g[i], n);
            total += *n;
        }
    }
    list = rk_malloc((total + 1) * sizeof *list);
    total = 0;
    for (uint32_t i = 0; i < k; i++)
        if (refs[i].kind == kind)
            list[total++] = refs[i].item;
    for (uint32_t i = 0; i < v->groups->n; i++)
        for (const struct gindex *z = x; z; z = z == x ? y : NULL) {
            const uint32_t *items = gindex_of(pl, z, v->groups->g[i], n);

            for (uint32_t j = 0; j < *n; j++)
                list[total++] = items[j];
        }
    *n = view_sort_unique(list, total);
    return list;
}

void view_find_hits(struct view *v)
{
    const struct plan *pl = v->s->plan;
    uint32_t n, *list;

    if (!v->validated)
        return;
    list = view_candidates(v, &pl->rules_of, NULL, REF_RULE, &n);
    v->hits = rk_malloc((n + 1) * sizeof *v->hits);
    for (uint32_t i = 0; i < n; i++) {
        const struct plan_rule *r = &pl->rules[list[i]];
        struct view_hit h = {.rule = list[i]};

        h.in_src = view_on_side(v, &r->src) &&
                   (r->src.peer.n > 0 || view_passes(v, &pl->policies[r->policy], v->self));
        h.in_dst = view_on_side(v, &r->dst);
        if (h.in_src || h.in_dst)
            v->hits[v->n_hits++] = h;
    }
    free(list);
}

bool view_hit_ssh(const struct view *v, const struct view_hit *h)
{
    const struct plan_rule *r = &v->s->plan->rules[h->rule];

    return h->in_dst && (r->r->protocol == PROTO_SSH || (r->implies_ssh && v->p->ssh_enabled));
}

bool view_ssh(const struct view *v)
{
    for (uint32_t i = 0; i < v->n_hits; i++)
        if (view_hit_ssh(v, &v->hits[i]))
            return true;
    return false;
}

bool view_routes_network(const struct view *v, const struct plan_network *n)
{
    for (uint32_t i = 0; i < n->n_routers; i++)
        if (view_on_side(v, &v->s->plan->routers[n->routers[i]].peers))
            return true;
    return false;
}

void view_network_peers(const struct snapshot *s, const struct plan_network *n, struct bits *out)
{
    bits_clear(out);
    for (uint32_t i = 0; i < n->n_routers; i++) {
        const struct plan_side *side = &s->plan->routers[n->routers[i]].peers;
        uint32_t peer = side->peer.n ? snap_index_of(s, side->peer) : SNAP_NO_PEER;

        if (peer != SNAP_NO_PEER)
            bits_set(out, peer);
        for (uint32_t g = 0; g < side->groups.n; g++)
            bits_or(out, state_members(s, side->groups.g[g]));
    }
}

const struct router *view_router_of(const struct snapshot *s, const struct plan_network *n,
                                    uint32_t peer)
{
    for (uint32_t i = n->n_routers; i-- > 0;) {
        const struct plan_router *r = &s->plan->routers[n->routers[i]];

        if (r->peers.peer.n > 0) {
            if (rk_str_eq(r->peers.peer, state_peer(s, peer)->id))
                return r->r;
            continue;
        }
        for (uint32_t g = 0; g < r->peers.groups.n; g++)
            if (bits_has(state_members(s, r->peers.groups.g[g]), peer))
                return r->r;
    }
    return NULL;
}
