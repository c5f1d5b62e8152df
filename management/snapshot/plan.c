/* SPDX-License-Identifier: BSD-3-Clause */
/* See plan.h. */
#include "config.h"

#include "management/snapshot/plan.h"

#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/base/map.h"
#include "management/snapshot/proxy.h"

/* ---- group lists and indexes */

static bool has_group(const struct glist *l, uint32_t g)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (l->g[i] == g)
            return true;
    return false;
}

static void add_group(struct glist *l, uint32_t g)
{
    if (g != NO_INDEX && !has_group(l, g))
        l->g[l->n++] = g;
}

struct glist plan_groups_plain(const struct snapshot *s, struct rk_arena *mem,
                               const struct str_list *ids)
{
    struct glist l = {0};

    if (ids->n > 0)
        l.g = rk_new_n(mem, uint32_t, ids->n);
    for (size_t i = 0; i < ids->n; i++)
        add_group(&l, state_group_index(s, ids->v[i]));
    return l;
}

static bool is_all(const struct snapshot *s, uint32_t g)
{
    return group_is_all(row_group(s->groups->g[g]->row));
}

static void reduce_to_all(const struct snapshot *s, struct glist *l)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (is_all(s, l->g[i])) {
            l->g[0] = l->g[i];
            l->n = 1;
            return;
        }
}

struct glist plan_groups(const struct snapshot *s, struct rk_arena *mem, const struct str_list *ids)
{
    struct glist l = plan_groups_plain(s, mem, ids);

    reduce_to_all(s, &l);
    return l;
}

struct gindex gindex_build(struct rk_arena *mem, uint32_t n_groups, uint32_t n, gindex_lists *lists,
                           const void *arg)
{
    struct gindex x = {.start = rk_new_n(mem, uint32_t, n_groups + 2)};
    struct glist l[2];

    for (uint32_t i = 0; i < n; i++)
        for (unsigned k = lists(arg, i, l); k-- > 0;)
            for (uint32_t j = 0; j < l[k].n; j++)
                x.start[l[k].g[j] + 2]++;
    for (uint32_t g = 1; g < n_groups + 2; g++)
        x.start[g] += x.start[g - 1];
    x.item = rk_new_n(mem, uint32_t, x.start[n_groups + 1] + 1);
    for (uint32_t i = 0; i < n; i++)
        for (unsigned k = lists(arg, i, l); k-- > 0;)
            for (uint32_t j = 0; j < l[k].n; j++)
                x.item[x.start[l[k].g[j] + 1]++] = i;
    return x;
}

const uint32_t *gindex_of(const struct plan *p, const struct gindex *x, uint32_t group, uint32_t *n)
{
    if (group >= p->n_groups) {
        *n = 0;
        return x->item;
    }
    *n = x->start[group + 1] - x->start[group];
    return x->item + x->start[group];
}

/* ---- policies */

static int cmp_policy(const void *a, const void *b)
{
    const struct policy *x = *(const struct policy *const *)a;
    const struct policy *y = *(const struct policy *const *)b;

    if (x->seq != y->seq)
        return x->seq < y->seq ? -1 : 1;
    return rk_str_cmp(x->id, y->id);
}

/* Enabled policies in their order, then those that services make up. */
static const struct policy **ordered_policies(const struct snapshot *s, struct rk_arena *mem,
                                              uint32_t *n)
{
    const struct policy *const *extra, *p;
    const struct policy **list;
    uint32_t n_extra;

    extra = proxy_policies(s, mem, &n_extra);
    list = rk_new_n(mem, const struct policy *, snap_count(s, ENT_POLICY) + n_extra + 1);
    *n = 0;
    for (struct snap_iter it = snap_iter(s, ENT_POLICY); (p = snap_next(&it)) != NULL;)
        if (p->enabled)
            list[(*n)++] = p;
    qsort(list, *n, sizeof *list, cmp_policy);
    for (uint32_t i = 0; i < n_extra; i++)
        list[(*n)++] = extra[i];
    return list;
}

static struct plan_side side_of(const struct snapshot *s, struct rk_arena *mem,
                                const struct resource_ref *ref, const struct str_list *groups)
{
    if (ref->type == RESOURCE_PEER && ref->id.n > 0)
        return (struct plan_side){.peer = ref->id};
    return (struct plan_side){.groups = plan_groups(s, mem, groups)};
}

static void resolve_sources(struct plan *pl, const struct snapshot *s, struct plan_policy *pp)
{
    const struct policy *p = pp->p;
    const struct resource_ref *first = p->n_rules ? &p->rules[0].source_resource : NULL;
    struct str_list all = {0};
    size_t n = 0;

    for (size_t i = 0; i < p->n_rules; i++)
        n += p->rules[i].sources.n;
    all.v = rk_new_n(pl->mem, struct rk_str, n + 1);
    for (size_t i = 0; i < p->n_rules; i++)
        for (size_t k = 0; k < p->rules[i].sources.n; k++)
            all.v[all.n++] = p->rules[i].sources.v[k];
    pp->any_source = plan_groups_plain(s, pl->mem, &all);
    if (first && first->type == RESOURCE_PEER && first->id.n > 0)
        pp->sources.peer = first->id;
    else
        pp->sources.groups = plan_groups(s, pl->mem, &all);
}

static void resolve_checks(struct plan *pl, const struct snapshot *s, struct plan_policy *pp)
{
    const struct str_list *ids = &pp->p->posture_checks;

    pp->checks = rk_new_n(pl->mem, uint32_t, ids->n + 1);
    for (size_t i = 0; i < ids->n; i++)
        for (uint32_t k = 0; k < s->failing->n; k++)
            if (rk_str_eq(s->failing->check[k].row->id, ids->v[i]))
                pp->checks[pp->n_checks++] = k;
}

/* The text by which firewall entries of different rules are told apart. */
static void dedupe_key(struct rk_buf *b, const struct rule *r)
{
    rk_buf_clear(b);
    rk_buf_add(b, r->id);
    rk_buf_printf(b, "|%d|%d|", (int)(r->protocol == PROTO_SSH ? PROTO_TCP : r->protocol),
                  (int)r->action);
    for (size_t i = 0; i < r->ports.n; i++) {
        rk_buf_add(b, r->ports.v[i]);
        rk_buf_addc(b, ',');
    }
}

static void find_twins(struct plan *pl)
{
    struct rk_buf key;
    struct rk_map first;

    rk_buf_init(&key, SIZE_MAX / 2);
    rk_map_init(&first, false);
    for (uint32_t i = 0; i < pl->n_rules; i++) {
        struct plan_rule *r = &pl->rules[i], *other;

        r->twins = NO_INDEX;
        if (!r->active)
            continue;
        dedupe_key(&key, r->r);
        other = rk_map_get(&first, rk_buf_str(&key));
        if (other)
            r->twins = other->twins = (uint32_t)(other - pl->rules);
        else
            rk_map_put(&first, rk_buf_str(&key), r);
    }
    rk_map_done(&first);
    rk_buf_done(&key);
}

static void add_policies(struct plan *pl, const struct snapshot *s)
{
    const struct policy **list = ordered_policies(s, pl->mem, &pl->n_policies);
    size_t n_rules = 0;

    for (uint32_t i = 0; i < pl->n_policies; i++)
        n_rules += list[i]->n_rules;
    pl->policies = rk_new_n(pl->mem, struct plan_policy, pl->n_policies + 1);
    pl->rules = rk_new_n(pl->mem, struct plan_rule, n_rules + 1);
    for (uint32_t i = 0; i < pl->n_policies; i++) {
        const struct policy *p = list[i];
        struct plan_policy *pp = &pl->policies[i];

        *pp = (struct plan_policy){.p = p, .rule0 = pl->n_rules, .n_rules = (uint32_t)p->n_rules};
        resolve_sources(pl, s, pp);
        resolve_checks(pl, s, pp);
        for (size_t k = 0; k < p->n_rules; k++) {
            const struct rule *r = &p->rules[k];

            pl->rules[pl->n_rules++] = (struct plan_rule){
                .r = r,
                .policy = i,
                .active = r->enabled,
                .implies_ssh = rule_implies_ssh(r),
                .src = side_of(s, pl->mem, &r->source_resource, &r->sources),
                .dst = side_of(s, pl->mem, &r->destination_resource, &r->destinations),
                .sources = plan_groups_plain(s, pl->mem, &r->sources),
            };
        }
    }
    find_twins(pl);
}

/* ---- routes */

static struct rk_str ha_key(struct rk_arena *mem, const struct route *r)
{
    char text[RK_ADDR_TEXT];
    struct rk_buf b;
    struct rk_str key;

    rk_buf_init(&b, SIZE_MAX / 2);
    rk_buf_add(&b, r->net_id);
    rk_buf_addc(&b, '|');
    if (r->domains.n == 0)
        rk_buf_add(&b, rk_prefix_format(&r->network, text));
    for (size_t i = 0; i < r->domains.n; i++) {
        if (i > 0)
            rk_buf_addz(&b, ", ");
        rk_buf_add(&b, r->domains.v[i]);
    }
    key = rk_arena_dup(mem, rk_buf_str(&b));
    rk_buf_done(&b);
    return key;
}

/* The policies that a route's access-control groups select: per group and policy, once per rule
 * that aims at the group. */
static void add_acl(struct plan *pl, struct plan_route *pr)
{
    const struct str_list *groups = &pr->r->access_control_groups;
    size_t cap = 0;

    for (size_t g = 0; g < groups->n; g++)
        for (uint32_t i = 0; i < pl->n_rules; i++) {
            const struct plan_rule *r = &pl->rules[i];

            if (!str_list_has(&r->r->destinations, groups->v[g]))
                continue;
            pr->acl = rk_arena_grow(pl->mem, pr->acl, pr->n_acl, &cap, sizeof *pr->acl);
            pr->acl[pr->n_acl++] = (struct plan_acl){.policy = r->policy};
        }
    for (uint32_t a = 0; a < pr->n_acl; a++) {
        const struct plan_policy *pp = &pl->policies[pr->acl[a].policy];

        for (uint32_t k = 0; k < pp->n_rules && !pr->acl[a].by_enabled; k++)
            for (size_t g = 0; g < groups->n; g++)
                pr->acl[a].by_enabled |= pl->rules[pp->rule0 + k].active &&
                                         str_list_has(&pp->p->rules[k].destinations, groups->v[g]);
    }
}

static void add_routes(struct plan *pl, const struct snapshot *s)
{
    const struct route *r;

    pl->routes = rk_new_n(pl->mem, struct plan_route, snap_count(s, ENT_ROUTE) + 1);
    for (struct snap_iter it = snap_iter(s, ENT_ROUTE); (r = snap_next(&it)) != NULL;) {
        struct plan_route *pr = &pl->routes[pl->n_routes++];

        *pr = (struct plan_route){.r = r,
                                  .peer_groups = plan_groups_plain(s, pl->mem, &r->peer_groups),
                                  .groups = plan_groups_plain(s, pl->mem, &r->groups),
                                  .ha = ha_key(pl->mem, r)};
        if (r->enabled)
            add_acl(pl, pr);
    }
}

/* ---- networks */

static uint32_t network_index(struct plan *pl, struct rk_map *by_id, struct rk_str id)
{
    struct plan_network *n = rk_map_get(by_id, id);

    if (!n) {
        n = &pl->networks[pl->n_networks++];
        *n = (struct plan_network){.id = id};
        rk_map_put(by_id, id, n);
    }
    return (uint32_t)(n - pl->networks);
}

static void push(struct rk_arena *mem, uint32_t **list, uint32_t *n, uint32_t v)
{
    if ((*n & (*n - 1)) == 0) { /* at powers of two (and 0) the array is full */
        uint32_t *more = rk_new_n(mem, uint32_t, *n ? (size_t)*n * 2 : 1);

        if (*n > 0)
            memcpy(more, *list, *n * sizeof **list);
        *list = more;
    }
    (*list)[(*n)++] = v;
}

static void add_routers(struct plan *pl, const struct snapshot *s, struct rk_map *networks)
{
    const struct router *r;

    pl->routers = rk_new_n(pl->mem, struct plan_router, snap_count(s, ENT_ROUTER) + 1);
    for (struct snap_iter it = snap_iter(s, ENT_ROUTER); (r = snap_next(&it)) != NULL;) {
        struct plan_router *pr = &pl->routers[pl->n_routers];
        struct plan_network *n;

        if (!r->enabled)
            continue;
        *pr = (struct plan_router){.r = r};
        if (r->peer.n > 0)
            pr->peers.peer = r->peer;
        else
            pr->peers.groups = plan_groups_plain(s, pl->mem, &r->peer_groups);
        n = &pl->networks[network_index(pl, networks, r->network_id)];
        push(pl->mem, &n->routers, &n->n_routers, pl->n_routers++);
    }
}

static void aim_at(struct plan *pl, struct rk_map *by_id, struct rk_str resource, uint32_t policy,
                   uint32_t *ended)
{
    struct plan_resource *r = rk_map_get(by_id, resource);
    size_t i = r ? (size_t)(r - pl->resources) : 0;

    /* ended[i]: the policy after whose direct match nothing of it counts any more; rules come in
     * order, so one rule adds a resource once. */
    if (!r || ended[i] == policy + 1)
        return;
    push(pl->mem, &r->policies, &r->n_policies, policy);
}

/* Per rule: resources named directly, else those held by its destination groups (once each). */
static void aim_rule(struct plan *pl, const struct snapshot *s, struct rk_map *by_id,
                     const struct plan_rule *pr, uint32_t *ended, uint32_t *seen, uint32_t rule_no)
{
    const struct rule *r = pr->r;
    struct plan_resource *direct =
        r->destination_resource.id.n ? rk_map_get(by_id, r->destination_resource.id) : NULL;

    if (direct) {
        aim_at(pl, by_id, r->destination_resource.id, pr->policy, ended);
        ended[direct - pl->resources] = pr->policy + 1;
        seen[direct - pl->resources] = rule_no + 1;
    }
    for (size_t i = 0; i < r->destinations.n; i++) {
        const struct group *g = snap_group(s, r->destinations.v[i]);

        for (size_t k = 0; g && k < g->n_resources; k++) {
            struct plan_resource *res = rk_map_get(by_id, g->resources[k].id);

            if (!res || seen[res - pl->resources] == rule_no + 1)
                continue;
            seen[res - pl->resources] = rule_no + 1;
            aim_at(pl, by_id, g->resources[k].id, pr->policy, ended);
        }
    }
}

static void add_resources(struct plan *pl, const struct snapshot *s, struct rk_map *networks)
{
    size_t max = snap_count(s, ENT_RESOURCE);
    RK_CLEANUP(rk_freep) uint32_t *ended = rk_calloc(max + 1, sizeof *ended);
    RK_CLEANUP(rk_freep) uint32_t *seen = rk_calloc(max + 1, sizeof *seen);
    const struct resource *r;
    struct rk_map by_id;

    rk_map_init(&by_id, true);
    pl->resources = rk_new_n(pl->mem, struct plan_resource, max + 1);
    for (struct snap_iter it = snap_iter(s, ENT_RESOURCE); (r = snap_next(&it)) != NULL;) {
        struct plan_resource *pr = &pl->resources[pl->n_resources];
        struct plan_network *n;

        if (!r->enabled)
            continue;
        *pr = (struct plan_resource){.r = r,
                                     .network = network_index(pl, networks, r->network_id),
                                     .proxied = r->type == RESOURCE_DOMAIN &&
                                                proxy_targets_domain(s, r->id)};
        n = &pl->networks[pr->network];
        push(pl->mem, &n->resources, &n->n_resources, pl->n_resources++);
        rk_map_put(&by_id, r->id, pr);
    }
    for (uint32_t i = 0; pl->n_resources > 0 && i < pl->n_rules; i++)
        if (pl->rules[i].active)
            aim_rule(pl, s, &by_id, &pl->rules[i], ended, seen, i);
    rk_map_done(&by_id);
}

static void add_networks(struct plan *pl, const struct snapshot *s)
{
    struct rk_map by_id;

    rk_map_init(&by_id, true);
    pl->networks = rk_new_n(pl->mem, struct plan_network,
                            snap_count(s, ENT_RESOURCE) + snap_count(s, ENT_ROUTER) + 1);
    add_routers(pl, s, &by_id);
    add_resources(pl, s, &by_id);
    rk_map_done(&by_id);
}

/* ---- indexes */

static unsigned rule_lists(const void *arg, uint32_t i, struct glist out[2])
{
    const struct plan_rule *r = &((const struct plan *)arg)->rules[i];

    out[0] = r->sources;
    out[1] = r->dst.groups;
    return r->active ? 2 : 0;
}

static unsigned route_peer_lists(const void *arg, uint32_t i, struct glist out[2])
{
    out[0] = ((const struct plan *)arg)->routes[i].peer_groups;
    return 1;
}

static unsigned route_group_lists(const void *arg, uint32_t i, struct glist out[2])
{
    out[0] = ((const struct plan *)arg)->routes[i].groups;
    return 1;
}

/* Items of the next two are (resource, policy) and (network, router) pairs, flattened. */
struct pairs {
    const struct plan *pl;
    uint32_t *owner, *part;
    uint32_t n;
};

static unsigned source_lists(const void *arg, uint32_t i, struct glist out[2])
{
    const struct pairs *p = arg;

    out[0] = p->pl->policies[p->part[i]].any_source;
    return 1;
}

static unsigned router_lists(const void *arg, uint32_t i, struct glist out[2])
{
    const struct pairs *p = arg;

    out[0] = p->pl->routers[p->part[i]].peers.groups;
    return 1;
}

static void map_items(const struct plan *pl, struct gindex *x, const uint32_t *owner)
{
    for (uint32_t i = 0; i < x->start[pl->n_groups]; i++)
        x->item[i] = owner[x->item[i]];
}

static void index_pairs(struct plan *pl)
{
    struct pairs res = {.pl = pl}, net = {.pl = pl};
    uint32_t n_res = 0;

    for (uint32_t i = 0; i < pl->n_resources; i++)
        n_res += pl->resources[i].n_policies;
    res.owner = rk_new_n(pl->mem, uint32_t, n_res + 1);
    res.part = rk_new_n(pl->mem, uint32_t, n_res + 1);
    for (uint32_t i = 0; i < pl->n_resources; i++)
        for (uint32_t k = 0; k < pl->resources[i].n_policies; k++) {
            res.owner[res.n] = i;
            res.part[res.n++] = pl->resources[i].policies[k];
        }
    pl->resources_of = gindex_build(pl->mem, pl->n_groups, res.n, source_lists, &res);
    map_items(pl, &pl->resources_of, res.owner);
    net.owner = rk_new_n(pl->mem, uint32_t, pl->n_routers + 1);
    net.part = rk_new_n(pl->mem, uint32_t, pl->n_routers + 1);
    for (uint32_t i = 0; i < pl->n_networks; i++)
        for (uint32_t k = 0; k < pl->networks[i].n_routers; k++) {
            net.owner[net.n] = i;
            net.part[net.n++] = pl->networks[i].routers[k];
        }
    pl->networks_of = gindex_build(pl->mem, pl->n_groups, net.n, router_lists, &net);
    map_items(pl, &pl->networks_of, net.owner);
}

static void add_ref(struct plan *pl, size_t *cap, struct rk_str peer, enum ref_kind kind,
                    uint32_t item)
{
    if (peer.n == 0)
        return;
    pl->refs_by_peer =
        rk_arena_grow(pl->mem, pl->refs_by_peer, pl->n_refs, cap, sizeof *pl->refs_by_peer);
    pl->refs_by_peer[pl->n_refs++] =
        (struct plan_ref){.hash = rk_str_hash(peer), .peer = peer, .kind = kind, .item = item};
}

static int cmp_ref(const void *a, const void *b)
{
    const struct plan_ref *x = a, *y = b;
    int c;

    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    c = rk_str_cmp(x->peer, y->peer);
    if (c)
        return c;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    return (x->item > y->item) - (x->item < y->item);
}

static void add_refs(struct plan *pl)
{
    size_t cap = 0;

    for (uint32_t i = 0; i < pl->n_rules; i++)
        if (pl->rules[i].active) {
            add_ref(pl, &cap, pl->rules[i].src.peer, REF_RULE, i);
            add_ref(pl, &cap, pl->rules[i].dst.peer, REF_RULE, i);
        }
    for (uint32_t i = 0; i < pl->n_routes; i++)
        add_ref(pl, &cap, pl->routes[i].r->peer, REF_ROUTE, i);
    for (uint32_t i = 0; i < pl->n_networks; i++)
        for (uint32_t k = 0; k < pl->networks[i].n_routers; k++)
            add_ref(pl, &cap, pl->routers[pl->networks[i].routers[k]].peers.peer, REF_NETWORK, i);
    for (uint32_t i = 0; i < pl->n_resources; i++)
        for (uint32_t k = 0; k < pl->resources[i].n_policies; k++)
            add_ref(pl, &cap, pl->policies[pl->resources[i].policies[k]].sources.peer, REF_RESOURCE,
                    i);
    if (pl->n_refs > 0)
        qsort(pl->refs_by_peer, pl->n_refs, sizeof *pl->refs_by_peer, cmp_ref);
}

const struct plan_ref *plan_refs_to(const struct plan *p, struct rk_str peer_id, uint32_t *n)
{
    uint64_t hash = rk_str_hash(peer_id);
    uint32_t lo = 0, hi = p->n_refs;
    const struct plan_ref *first;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        const struct plan_ref *r = &p->refs_by_peer[mid];

        if (r->hash < hash || (r->hash == hash && rk_str_cmp(r->peer, peer_id) < 0))
            lo = mid + 1;
        else
            hi = mid;
    }
    first = p->refs_by_peer + lo;
    for (*n = 0; lo + *n < p->n_refs && rk_str_eq(first[*n].peer, peer_id);)
        ++*n;
    return first;
}

/* ---- life */

struct plan *plan_new(const struct snapshot *s)
{
    static const enum entity_kind KEPT[] = {ENT_POLICY, ENT_ROUTE,   ENT_RESOURCE,
                                            ENT_ROUTER, ENT_SERVICE, ENT_GROUP};
    struct plan *pl = rk_calloc(1, sizeof *pl);

    pl->refs = 1;
    pl->mem = rk_arena_new(0);
    pl->n_groups = s->groups ? s->groups->n : 0;
    for (size_t i = 0; i < RK_ARRAY_LEN(KEPT); i++)
        pl->keep[KEPT[i]] = sorted_array_ref(s->tab[KEPT[i]]);
    add_policies(pl, s);
    add_routes(pl, s);
    add_networks(pl, s);
    pl->rules_of = gindex_build(pl->mem, pl->n_groups, pl->n_rules, rule_lists, pl);
    pl->routed_by = gindex_build(pl->mem, pl->n_groups, pl->n_routes, route_peer_lists, pl);
    pl->routed_to = gindex_build(pl->mem, pl->n_groups, pl->n_routes, route_group_lists, pl);
    index_pairs(pl);
    add_refs(pl);
    return pl;
}

struct plan *plan_ref(struct plan *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

void plan_unref(struct plan *p)
{
    if (!p || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (unsigned k = 0; k < ENT_COUNT; k++)
        sorted_array_unref(p->keep[k]);
    rk_arena_free(p->mem);
    free(p);
}
