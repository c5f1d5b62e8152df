/* SPDX-License-Identifier: BSD-3-Clause */
/* See reach.h. */
#include "config.h"

#include "management/reach/reach_priv.h"

#include "lib/base/err.h"
#include "management/domain/peer.h"
#include "management/domain/version.h"
#include "management/netmap/firewall.h"
#include "management/netmap/routes.h"

/* ---- faults */

static const struct {
    const char *text, *sentence;
} FAULTS[REACH_FAULTS] = {
    [REACH_FROM_NOT_APPROVED] = {"source_not_approved",
                                 "the source waits for approval, or its owner is blocked"},
    [REACH_TO_NOT_APPROVED] = {"destination_not_approved",
                               "the destination waits for approval, or its owner is blocked"},
    [REACH_FROM_LOGIN_EXPIRED] = {"source_login_expired", "the source must log in again"},
    [REACH_TO_LOGIN_EXPIRED] = {"destination_login_expired", "the destination must log in again"},
    [REACH_NO_POLICY] = {"no_policy", "no policy connects the two"},
    [REACH_POLICY_DISABLED] = {"policy_disabled", "this policy would allow it, but is disabled"},
    [REACH_RULE_DISABLED] = {"rule_disabled", "this rule would allow it, but is disabled"},
    [REACH_ONE_WAY] = {"one_way", "this rule allows the other direction only"},
    [REACH_POSTURE] = {"posture", "the source fails this posture check of the policy"},
    [REACH_PORT] = {"port", "this rule connects the two, but not for this protocol or port"},
    [REACH_DROPPED] = {"dropped", "this rule forbids it"},
    [REACH_BLOCKS_INBOUND] = {"blocks_inbound", "the destination itself lets nobody in"},
    [REACH_NO_ROUTE] = {"no_route", "no route and no network resource leads there"},
    [REACH_ROUTE_DISABLED] = {"route_disabled",
                              "this route or resource leads there, but is disabled"},
    [REACH_NOT_GIVEN] = {"not_given", "this route or resource leads there, but not for the source"},
    [REACH_NO_ROUTER] = {"no_router", "no routing peer of it that the source can use"},
    [REACH_IGNORES_ROUTES] = {"ignores_routes", "the source itself takes no routes"},
    [REACH_NOT_ROUTING] = {"not_routing", "this routing peer itself serves no routes"},
};

const char *reach_fault_text(enum reach_fault f)
{
    return FAULTS[f].text;
}

const char *reach_fault_sentence(enum reach_fault f)
{
    return FAULTS[f].sentence;
}

void reach_miss(struct asking *k, enum reach_fault fault, const struct policy *policy,
                const struct rule *rule, struct rk_str id)
{
    struct reach_answer *a = k->a;

    for (size_t i = 0; i < a->n_missing; i++)
        if (a->missing[i].fault == fault && a->missing[i].policy == policy &&
            a->missing[i].rule == rule && rk_str_eq(a->missing[i].id, id))
            return;
    if (a->n_missing == REACH_MISSES)
        return;
    a->missing[a->n_missing++] =
        (struct reach_miss){.fault = fault, .policy = policy, .rule = rule, .id = id};
}

static void add_by(struct asking *k, const struct policy *policy, const struct rule *rule,
                   bool reverse)
{
    struct reach_answer *a = k->a;

    for (size_t i = 0; i < a->n_by; i++)
        if (a->by[i].rule == rule && a->by[i].policy == policy)
            return;
    if ((a->n_by & (a->n_by + 1)) == 0 || !a->by) { /* room for 1, 3, 7, … */
        struct reach_by *more = rk_arena_alloc(k->mem, (2 * a->n_by + 2) * sizeof *more);

        if (a->n_by)
            memcpy(more, a->by, a->n_by * sizeof *more);
        a->by = more;
    }
    a->by[a->n_by++] = (struct reach_by){.policy = policy, .rule = rule, .reverse = reverse};
}

/* ---- entries of one rule */

struct setting {
    struct flows *f;
    enum rule_protocol proto;
};

static void set_port(void *arg, struct rk_str port, const struct port_range *range)
{
    const struct setting *t = arg;
    uint16_t one;

    if (port.n == 0)
        flows_set(t->f, t->proto, range->start, range->end, true);
    else if (port_parse(port, &one) && one)
        flows_set(t->f, t->proto, one, one, true);
}

void reach_rule_flows(const struct view *v, const struct rule *r, struct flows *f)
{
    struct setting t = {.f = f, .proto = firewall_protocol(r)};

    firewall_ports(v, r, set_port, &t);
}

static bool answers(const struct asking *k, const struct flows *f)
{
    return flows_allow(f, k->q->protocol, k->q->port);
}

/* ---- a peer that the source lets packets into */

struct gather {       /* what one receiver lets in from one peer */
    struct asking *k; /* NULL: only flows */
    uint32_t from;
    struct flows *flows, *dropped;
};

static void note_rule(struct asking *k, const struct view *v, const struct plan_rule *r)
{
    const struct policy *p = v->s->plan->policies[r->policy].p;
    bool forward = view_on_side(v, &r->dst);

    k->one = (struct flows){0};
    reach_rule_flows(v, r->r, &k->one);
    if (!answers(k, &k->one))
        reach_miss(k, REACH_PORT, p, r->r, (struct rk_str){0});
    else if (r->r->action == ACTION_DROP)
        reach_miss(k, REACH_DROPPED, p, r->r, (struct rk_str){0});
    else
        add_by(k, p, r->r, !forward);
}

static void gather_rule(void *arg, const struct view *v, const struct plan_rule *r,
                        enum firewall_dir dir, const struct bits *peers)
{
    struct gather *g = arg;

    if (dir != FIREWALL_IN || !bits_has(peers, g->from))
        return;
    reach_rule_flows(v, r->r, r->r->action == ACTION_DROP ? g->dropped : g->flows);
    if (g->k)
        note_rule(g->k, v, r);
}

/* The maps of both list the other one as reachable. */
static bool connected(struct view *from, struct view *to)
{
    return bits_has(&from->connect, to->self) && bits_has(&to->connect, from->self);
}

void reach_view(struct view *v, const struct snapshot *s, uint32_t peer,
                const struct netmap_opts *opts)
{
    (void)view_init(v, s, peer, opts); /* the caller's peers exist */
    view_select(v);
}

/* ---- standing of the machines */

static bool standing(struct asking *k, uint32_t peer, bool from)
{
    const struct peer *p = snap_peer_at(k->s, peer);

    if (!peer_is_validated(p)) {
        reach_miss(k, from ? REACH_FROM_NOT_APPROVED : REACH_TO_NOT_APPROVED, NULL, NULL, p->id);
        return false;
    }
    if (peer_login_expired(p, snap_settings(k->s), k->q->now_us)) {
        reach_miss(k, from ? REACH_FROM_LOGIN_EXPIRED : REACH_TO_LOGIN_EXPIRED, NULL, NULL, p->id);
        return false;
    }
    return true;
}

static void ask_peer(struct asking *k)
{
    struct netmap_opts opts = {.now_us = k->q->now_us};
    const struct peer *to = snap_peer_at(k->s, k->q->to);
    struct view from_view, to_view;
    struct gather g = {k, k->q->from, &k->a->flows, &k->dropped};
    bool fit = standing(k, k->q->from, true);

    fit &= standing(k, k->q->to, false);
    reach_view(&from_view, k->s, k->q->from, &opts);
    reach_view(&to_view, k->s, k->q->to, &opts);
    firewall_each(&to_view, gather_rule, &g);
    fit &= connected(&from_view, &to_view);
    flows_drop(&k->a->flows, &k->dropped);
    if (to->meta.flags & PEER_FLAG_BLOCK_INBOUND) {
        reach_miss(k, REACH_BLOCKS_INBOUND, NULL, NULL, to->id);
        fit = false;
    }
    if (!fit)
        k->a->flows = (struct flows){0};
    k->a->yes = fit && answers(k, &k->a->flows);
    view_done(&from_view);
    view_done(&to_view);
    if (!k->a->yes)
        reach_why_peer(k);
}

bool reach_between(const struct snapshot *s, uint32_t from, uint32_t to, int64_t now_us,
                   struct flows *out)
{
    struct netmap_opts opts = {.now_us = now_us};
    struct flows dropped = {0};
    struct view from_view, to_view;
    struct gather g = {NULL, from, out, &dropped};
    const struct settings *st = snap_settings(s);

    *out = (struct flows){0};
    if (from == to || (snap_peer_at(s, to)->meta.flags & PEER_FLAG_BLOCK_INBOUND) ||
        peer_login_expired(snap_peer_at(s, from), st, now_us) ||
        peer_login_expired(snap_peer_at(s, to), st, now_us))
        return false;
    reach_view(&from_view, s, from, &opts);
    reach_view(&to_view, s, to, &opts);
    if (connected(&from_view, &to_view))
        firewall_each(&to_view, gather_rule, &g);
    flows_drop(out, &dropped);
    view_done(&from_view);
    view_done(&to_view);
    return flows_any(out);
}

/* ---- all at once */

struct sweep { /* one peer's rules of one direction */
    enum firewall_dir dir;
    struct bits *out, dropped;
};

/* Some port of the rule means something to a machine that does (or not) understand port ranges. */
static bool says_anything(const struct view *v, const struct rule *r, bool ranges)
{
    struct view as = *v;
    struct flows f = {0};

    as.ranges = ranges;
    reach_rule_flows(&as, r, &f);
    return flows_any(&f);
}

/* It is the receiver of packets that must understand the rule. */
static bool understands(const struct view *v, const struct sweep *w, uint32_t other)
{
    const struct peer *p = w->dir == FIREWALL_IN ? v->p : snap_peer_at(v->s, other);

    return version_has_feature(p->meta.version, PORT_RANGES_SINCE);
}

static void sweep_rule(void *arg, const struct view *v, const struct plan_rule *r,
                       enum firewall_dir dir, const struct bits *peers)
{
    struct sweep *w = arg;
    struct bits *to = r->r->action == ACTION_DROP ? &w->dropped : w->out;
    bool modern, old;

    if (dir != w->dir)
        return;
    modern = says_anything(v, r->r, true);
    old = says_anything(v, r->r, false);
    if (modern && old)
        bits_or(to, peers);
    else if (modern || old)
        for (BITS_EACH(i, peers))
            if (understands(v, w, i) == modern)
                bits_set(to, i);
}

void reach_keep_fit(const struct snapshot *s, enum reach_way way, int64_t now_us, struct bits *set)
{
    const struct settings *st = snap_settings(s);

    for (BITS_EACH(i, set)) {
        const struct peer *p = snap_peer_at(s, i);

        if (!peer_is_validated(p) || peer_login_expired(p, st, now_us) ||
            (way == REACH_TARGETS && (p->meta.flags & PEER_FLAG_BLOCK_INBOUND)))
            bits_unset(set, i);
    }
}

void reach_peers(const struct snapshot *s, uint32_t peer, enum reach_way way, int64_t now_us,
                 struct bits *out)
{
    struct netmap_opts opts = {.now_us = now_us};
    struct sweep w = {.dir = way == REACH_SOURCES ? FIREWALL_IN : FIREWALL_OUT, .out = out};
    const struct peer *p = snap_peer_at(s, peer);
    struct flows f;
    struct view v;

    bits_clear(out);
    if (peer_login_expired(p, snap_settings(s), now_us) ||
        (way == REACH_SOURCES && (p->meta.flags & PEER_FLAG_BLOCK_INBOUND)))
        return;
    reach_view(&v, s, peer, &opts);
    firewall_each(&v, sweep_rule, &w);
    bits_and(out, &v.connect);
    reach_keep_fit(s, way, now_us, out);
    for (BITS_EACH(i, &w.dropped)) /* something may be left of what is dropped in part */
        if (bits_has(out, i) && !(way == REACH_SOURCES ? reach_between(s, i, peer, now_us, &f)
                                                       : reach_between(s, peer, i, now_us, &f)))
            bits_unset(out, i);
    bits_done(&w.dropped);
    view_done(&v);
}

/* ---- addresses and names behind routing peers */

static bool name_matches(struct rk_str domain, struct rk_str name)
{
    if (domain.n > 2 && domain.p[0] == '*' && domain.p[1] == '.') {
        struct rk_str tail = rk_str_sub(domain, 1, domain.n - 1);

        return name.n > tail.n && rk_str_ieq(rk_str_sub(name, name.n - tail.n, tail.n), tail);
    }
    return rk_str_ieq(domain, name);
}

bool reach_matches(const struct reach_query *q, const struct rk_prefix *network,
                   const struct rk_str *domains, size_t n_domains)
{
    for (size_t i = 0; i < n_domains; i++)
        if (q->addr.family == 0 && name_matches(domains[i], q->name))
            return true;
    if (n_domains || q->addr.family == 0)
        return false;
    if (network->bits == 0 && network->ip.family == 4)
        return true; /* an exit node: its IPv6 twin stands beside it */
    return rk_prefix_contains(network, &q->addr);
}

struct ways { /* routes of the source that lead there, the most specific ones */
    struct asking *k;
    struct map_route *v;
    size_t n, cap;
    int bits; /* of the network of those */
};

static void take_way(void *arg, const struct view *v, const struct map_route *r)
{
    struct ways *w = arg;
    const struct reach_query *q = w->k->q;
    bool v6 = q->addr.family == 6 || r->network.ip.family == 6;
    int bits = r->n_domains ? 0 : r->network.bits;

    if (!reach_matches(q, &r->network, r->domains, r->n_domains) || (v6 && !v->ip6) ||
        bits < w->bits)
        return;
    if (bits > w->bits)
        w->n = 0;
    w->bits = bits;
    if (w->n == w->cap) {
        struct map_route *more = rk_arena_alloc(w->k->mem, (2 * w->cap + 4) * sizeof *more);

        if (w->n)
            memcpy(more, w->v, w->n * sizeof *more);
        w->v = more;
        w->cap = 2 * w->cap + 4;
    }
    w->v[w->n++] = *r;
}

struct crossing { /* one way, seen by its routing peer */
    struct asking *k;
    const struct map_route *way;
    struct flows *flows, *dropped;
};

void reach_grant_flows(const struct rule *r, struct flows *f)
{
    uint16_t port;

    if (!r) {
        flows_set(f, PROTO_ALL, 0, 0, true);
        return;
    }
    if (r->protocol == PROTO_SSH)
        return; /* agents refuse it on routes */
    for (size_t i = 0; i < r->ports.n; i++)
        if (port_parse(r->ports.v[i], &port) && port)
            flows_set(f, r->protocol, port, port, true);
    if (r->ports.n > 0)
        return;
    for (size_t i = 0; i < r->n_ranges; i++)
        if (r->ranges[i].start && r->ranges[i].end)
            flows_set(f, r->protocol, r->ranges[i].start, r->ranges[i].end, true);
        else
            flows_set(f, r->protocol, 0, 0, true);
    if (r->n_ranges == 0)
        flows_set(f, r->protocol, 0, 0, true);
}

static void cross_grant(void *arg, const struct view *v, const struct route_grant *g)
{
    struct crossing *c = arg;
    struct asking *k = c->k;
    bool v6 = k->q->addr.family == 6 || g->route->network.ip.family == 6;
    const struct policy *p;

    if (!rk_str_eq(g->route->id, c->way->id) ||
        (v6 && (!v->ip6 || snap_peer_at(k->s, k->q->from)->ip6.family != 6)))
        return;
    if (g->peers && !bits_has(g->peers, k->q->from))
        return;
    p = g->policy == NO_INDEX ? NULL : v->s->plan->policies[g->policy].p;
    k->one = (struct flows){0};
    reach_grant_flows(g->rule, &k->one);
    flows_add(g->rule && g->rule->action == ACTION_DROP ? c->dropped : c->flows, &k->one);
    if (!answers(k, &k->one))
        reach_miss(k, REACH_PORT, p, g->rule, (struct rk_str){0});
    else if (g->rule && g->rule->action == ACTION_DROP)
        reach_miss(k, REACH_DROPPED, p, g->rule, (struct rk_str){0});
    else
        add_by(k, p, g->rule, false);
}

/* Whether the routing peer of a way lets the question through; its flows are added. */
static bool cross(struct asking *k, struct view *from, const struct map_route *way)
{
    struct netmap_opts opts = {.now_us = k->q->now_us};
    const struct peer *router = snap_peer_at(k->s, way->peer);
    struct flows *flows = rk_new(k->mem, struct flows), *dropped = rk_new(k->mem, struct flows);
    struct crossing c = {k, way, flows, dropped};
    struct view v;
    bool usable;

    if (way->peer == k->q->from) { /* its own network: no rule of ours is between */
        flows_set(&k->a->flows, PROTO_ALL, 0, 0, true);
        return true;
    }
    reach_view(&v, k->s, way->peer, &opts);
    usable = connected(from, &v) && !peer_login_expired(router, snap_settings(k->s), opts.now_us);
    if (!usable)
        reach_miss(k, REACH_NO_ROUTER, NULL, NULL, router->id);
    else if (router->meta.flags & PEER_FLAG_NO_SERVER_ROUTES)
        reach_miss(k, REACH_NOT_ROUTING, NULL, NULL, router->id);
    else
        routes_each_grant(&v, cross_grant, &c);
    view_done(&v);
    flows_drop(flows, dropped);
    flows_add(&k->a->flows, flows);
    return answers(k, flows);
}

static struct reach_over over_of(const struct asking *k, const struct map_route *w)
{
    struct rk_str domain = {0};

    for (size_t i = 0; i < w->n_domains && !domain.n; i++)
        if (name_matches(w->domains[i], k->q->name))
            domain = w->domains[i];
    return (struct reach_over){.id = w->id,
                               .resource = snap_find(k->s, ENT_RESOURCE, w->id) != NULL,
                               .net_id = w->net_id,
                               .network = w->network,
                               .domain = domain,
                               .router = w->peer,
                               .metric = w->metric,
                               .masquerade = w->masquerade,
                               .by_choice = w->skip_auto_apply};
}

static void ask_address(struct asking *k)
{
    struct netmap_opts opts = {.now_us = k->q->now_us};
    const struct peer *p = snap_peer_at(k->s, k->q->from);
    struct ways w = {.k = k, .bits = -1};
    struct view from;

    if (!standing(k, k->q->from, true))
        return;
    if (p->meta.flags & PEER_FLAG_NO_CLIENT_ROUTES) {
        reach_miss(k, REACH_IGNORES_ROUTES, NULL, NULL, p->id);
        return;
    }
    reach_view(&from, k->s, k->q->from, &opts);
    routes_each(&from, take_way, &w);
    k->a->over = rk_arena_alloc(k->mem, (w.n + 1) * sizeof *k->a->over);
    for (size_t i = 0; i < w.n; i++) {
        struct reach_over *o = &k->a->over[k->a->n_over++];

        *o = over_of(k, &w.v[i]);
        o->open = cross(k, &from, &w.v[i]);
        k->a->yes |= o->open;
    }
    view_done(&from);
    if (w.n == 0)
        reach_why_address(k);
    else if (!k->a->yes && k->a->n_missing == 0)
        reach_miss(k, REACH_NO_POLICY, NULL, NULL, w.v[0].id);
}

struct reach_answer *reach_ask(const struct snapshot *s, const struct reach_query *q,
                               struct rk_arena *mem)
{
    struct asking *k = rk_new(mem, struct asking);

    k->s = s;
    k->q = q;
    k->mem = mem;
    k->a = rk_new(mem, struct reach_answer);
    k->a->missing = rk_arena_alloc(mem, REACH_MISSES * sizeof *k->a->missing);
    if (q->to == q->from) {
        k->a->yes = true;
        flows_set(&k->a->flows, PROTO_ALL, 0, 0, true);
    } else if (q->to != SNAP_NO_PEER) {
        ask_peer(k);
    } else {
        ask_address(k);
    }
    if (k->a->yes)
        k->a->n_missing = 0;
    return k->a;
}
