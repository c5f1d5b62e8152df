/* SPDX-License-Identifier: BSD-3-Clause */
/* See reach.h. */
#include "config.h"

#include "tests/property/reach.h"

#include <stdio.h>
#include <stdlib.h>

#include "management/domain/peer.h"
#include "management/netmap/netmap.h"
#include "management/reach/diff.h"
#include "management/reach/reach.h"
#include "schema/gen/management.pb-c.h"
#include "schema/pb_arena.h"

#define QUESTIONS 12

typedef Management__NetworkMap Map;

enum { WIRE_ALL = 1, WIRE_TCP, WIRE_UDP, WIRE_ICMP };

struct question {
    enum rule_protocol proto;
    uint16_t port;
};
static const struct question ASK[] = {{PROTO_TCP, 22},  {PROTO_TCP, 25},    {PROTO_TCP, 80},
                                      {PROTO_TCP, 443}, {PROTO_TCP, 8050},  {PROTO_UDP, 53},
                                      {PROTO_UDP, 80},  {PROTO_TCP, 22022}, {PROTO_TCP, 0},
                                      {PROTO_ICMP, 0},  {PROTO_UDP, 443},   {PROTO_UDP, 8080}};

static const Map *map_of(const struct snapshot *s, uint32_t peer, struct rk_arena *mem)
{
    struct netmap_opts opts = {.now_us = NOW_US};
    struct rk_err err = {0};
    struct rk_buf out;
    const Map *m;

    rk_buf_init(&out, 1 << 20);
    netmap_encode(s, peer, &opts, &out);
    m = pb_unpack(mem, &management__network_map__descriptor, rk_buf_str(&out), &err);
    rk_buf_done(&out);
    return m;
}

/* ---- one question, asked of decoded entries */

static bool proto_fits(unsigned wire, enum rule_protocol p)
{
    return wire == WIRE_ALL || (wire == WIRE_TCP && p == PROTO_TCP) ||
           (wire == WIRE_UDP && p == PROTO_UDP) || (wire == WIRE_ICMP && p == PROTO_ICMP);
}

static bool in_range(uint32_t first, uint32_t last, uint32_t port)
{
    return (first == 0 && last == 0) || (first <= port && port <= last);
}

/* The entry speaks about this port; ICMP has none. */
static bool fw_port_fits(const Management__FirewallRule *r, const struct question *q, uint32_t port)
{
    if (q->proto == PROTO_ICMP)
        return true;
    if (r->port[0])
        return port > 0 && strtoul(r->port, NULL, 10) == port;
    if (!r->portinfo ||
        r->portinfo->port_selection_case != MANAGEMENT__PORT_INFO__PORT_SELECTION_RANGE)
        return true;
    return in_range(r->portinfo->range->start, r->portinfo->range->end, port);
}

static bool is_address_of(const char *text, const struct peer *p)
{
    char a[RK_ADDR_TEXT];

    return (rk_str_eq(rk_ip_format(&p->ip, a), rk_str_z(text)) && p->ip.family) ||
           (rk_str_eq(rk_ip_format(&p->ip6, a), rk_str_z(text)) && p->ip6.family);
}

static bool fw_allows_port(const Map *m, const struct peer *from, const struct question *q,
                           uint32_t port)
{
    bool accept = false;

    for (size_t i = 0; i < m->n_firewallrules; i++) {
        const Management__FirewallRule *r = m->firewallrules[i];

        if (r->direction != MANAGEMENT__RULE_DIRECTION__IN || !is_address_of(r->peerip, from) ||
            !proto_fits(r->protocol, q->proto) || !fw_port_fits(r, q, port))
            continue;
        if (r->action == MANAGEMENT__RULE_ACTION__DROP)
            return false;
        accept = true;
    }
    return accept;
}

/* Ports at which the verdict may change: where entries begin, and behind their ends. */
static void edges(const Management__FirewallRule *r, uint32_t out[3])
{
    bool range = r->portinfo &&
                 r->portinfo->port_selection_case == MANAGEMENT__PORT_INFO__PORT_SELECTION_RANGE;

    out[0] = (uint32_t)strtoul(r->port, NULL, 10);
    out[1] = range ? r->portinfo->range->start : 0;
    out[2] = range ? r->portinfo->range->end + 1 : out[0] + 1;
}

static bool fw_allows(const Map *m, const struct peer *from, const struct question *q)
{
    if (q->port || q->proto == PROTO_ICMP)
        return fw_allows_port(m, from, q, q->port);
    for (size_t i = 0; i < m->n_firewallrules; i++) {
        uint32_t at[3];

        edges(m->firewallrules[i], at);
        for (size_t k = 0; k < RK_ARRAY_LEN(at); k++)
            if (at[k] < FLOWS_PORTS && fw_allows_port(m, from, q, at[k]))
                return true;
    }
    return false;
}

static bool knows(const Map *m, const struct peer *p)
{
    for (size_t i = 0; i < m->n_remotepeers; i++)
        if (rk_str_eqz(p->key, m->remotepeers[i]->wgpubkey))
            return true;
    return false;
}

/* ---- verdicts of the maps */

static bool in_order(const struct account_data *d, const struct peer *p)
{
    return peer_is_validated(p) && !peer_login_expired(p, &d->settings, NOW_US);
}

static bool peer_verdict(const struct account_data *d, const Map *from_map, const Map *to_map,
                         const struct peer *from, const struct peer *to, const struct question *q)
{
    return in_order(d, from) && in_order(d, to) && !(to->meta.flags & PEER_FLAG_BLOCK_INBOUND) &&
           knows(from_map, to) && knows(to_map, from) && fw_allows(to_map, from, q);
}

static bool route_port_fits(const Management__RouteFirewallRule *r, const struct question *q)
{
    const Management__PortInfo *p = r->portinfo;

    if (q->proto == PROTO_ICMP)
        return true;
    if (!p || p->port_selection_case == MANAGEMENT__PORT_INFO__PORT_SELECTION__NOT_SET)
        return true;
    if (p->port_selection_case == MANAGEMENT__PORT_INFO__PORT_SELECTION_PORT)
        return p->port == q->port;
    return in_range(p->range->start, p->range->end, q->port);
}

static bool source_fits(const Management__RouteFirewallRule *r, const struct rk_ip *source)
{
    for (size_t i = 0; i < r->n_sourceranges; i++) {
        struct rk_prefix p;

        if (!rk_prefix_parse(rk_str_z(r->sourceranges[i]), &p, NULL) &&
            rk_prefix_contains(&p, source))
            return true;
    }
    return false;
}

/* The map of a routing peer lets the source through into the route. */
static bool route_allows(const Map *m, const char *route, const struct rk_ip *source,
                         const struct question *q)
{
    size_t n = strlen(route);
    bool accept = false;

    for (size_t i = 0; i < m->n_routesfirewallrules; i++) {
        const Management__RouteFirewallRule *r = m->routesfirewallrules[i];

        if (strncmp(r->routeid, route, n) != 0 || !strchr(":-", r->routeid[n]) ||
            !proto_fits(r->protocol, q->proto) || !route_port_fits(r, q) || !source_fits(r, source))
            continue;
        if (r->action == MANAGEMENT__RULE_ACTION__DROP)
            return false;
        accept = true;
    }
    return accept;
}

static const struct peer *peer_by_key(const struct account_data *d, const char *key)
{
    for (size_t i = 0; i < d->n_peers; i++)
        if (rk_str_eqz(d->peers[i].key, key))
            return &d->peers[i];
    return NULL;
}

/* Length of the route's network when it leads to the address or name, -1: it does not. */
static int route_leads(const Management__Route *r, const struct reach_query *q)
{
    struct rk_prefix p;

    for (size_t i = 0; i < r->n_domains && q->addr.family == 0; i++) {
        const char *d = r->domains[i];
        size_t n = strlen(d);

        if (d[0] == '*'
                ? q->name.n > n - 1 && memcmp(q->name.p + q->name.n - (n - 1), d + 1, n - 1) == 0
                : rk_str_eqz(q->name, d))
            return 0;
    }
    if (r->n_domains || q->addr.family == 0 || rk_prefix_parse(rk_str_z(r->network), &p, NULL) ||
        !rk_prefix_contains(&p, &q->addr))
        return -1;
    return p.bits;
}

static bool route_verdict(const struct account_data *d, const struct snapshot *s,
                          const struct reach_query *q, const struct question *ask,
                          struct rk_arena *mem)
{
    const struct peer *from = snap_peer_at(s, q->from);
    const Map *m = map_of(s, q->from, mem);
    int best = -1;
    bool yes = false;

    if (!in_order(d, from) || (from->meta.flags & PEER_FLAG_NO_CLIENT_ROUTES))
        return false;
    for (size_t i = 0; i < m->n_routes; i++)
        if (route_leads(m->routes[i], q) > best)
            best = route_leads(m->routes[i], q);
    for (size_t i = 0; i < m->n_routes && best >= 0; i++) {
        const Management__Route *r = m->routes[i];
        const struct peer *router = peer_by_key(d, r->peer);
        const struct rk_ip *source = q->addr.family == 6 ? &from->ip6 : &from->ip;
        char id[80];

        if (route_leads(r, q) != best || !router)
            continue;
        if (router == from || rk_str_eq(router->id, from->id))
            return true;
        snprintf(id, sizeof id, "%.*s", (int)strcspn(r->id, ":"), r->id);
        if (strlen(id) > 11 && strcmp(id + strlen(id) - 11, "-v6-default") == 0)
            id[strlen(id) - 11] = 0;
        if (source->family && in_order(d, router) &&
            !(router->meta.flags & PEER_FLAG_NO_SERVER_ROUTES)) {
            const Map *rm = map_of(s, snap_index_of(s, router->id), mem);

            yes |= knows(m, router) && knows(rm, from) && route_allows(rm, id, source, ask);
        }
    }
    return yes;
}

/* ---- comparing */

static bool complain(const struct snapshot *s, const struct reach_query *q,
                     const struct reach_answer *a, bool want)
{
    char addr[RK_ADDR_TEXT];
    struct rk_str to = q->to != SNAP_NO_PEER ? snap_peer_at(s, q->to)->id
                       : q->addr.family      ? rk_ip_format(&q->addr, addr)
                                             : q->name;

    printf("reach from %.*s to %.*s %s/%u: the answer is %s, the maps say %s\n",
           RK_STR_ARG(snap_peer_at(s, q->from)->id), RK_STR_ARG(to),
           rule_protocol_text(q->protocol), q->port, a->yes ? "yes" : "no", want ? "yes" : "no");
    for (size_t i = 0; i < a->n_missing; i++)
        printf("    %s %.*s\n", reach_fault_text(a->missing[i].fault),
               RK_STR_ARG(a->missing[i].id));
    return false;
}

/* A yes names what allows it, a no says why. */
static bool has_reason(const struct reach_query *q, const struct reach_answer *a)
{
    bool own = q->from == q->to;

    for (size_t i = 0; i < a->n_over; i++)
        own |= a->over[i].router == q->from;
    return a->yes ? own || a->n_by > 0 : a->n_missing > 0;
}

static bool check_peer(struct rng *r, const struct account_data *d, const struct snapshot *s,
                       struct rk_arena *mem, bool *yes)
{
    const struct peer *from = &d->peers[rng_below(r, d->n_peers)];
    const struct peer *to = &d->peers[rng_below(r, d->n_peers)];
    const struct question *ask = &ASK[rng_below(r, RK_ARRAY_LEN(ASK))];
    struct reach_query q = {.from = snap_index_of(s, from->id),
                            .to = snap_index_of(s, to->id),
                            .protocol = ask->proto,
                            .port = ask->port,
                            .now_us = NOW_US};
    const struct reach_answer *a = reach_ask(s, &q, mem);
    struct flows *pair = rk_new(mem, struct flows);
    bool want =
        from == to || peer_verdict(d, map_of(s, q.from, mem), map_of(s, q.to, mem), from, to, ask);

    *yes = a->yes;
    if (from != to) {
        (void)reach_between(s, q.from, q.to, NOW_US, pair);
        if (!flows_eq(pair, &a->flows))
            return printf("reach_between differs from reach_ask\n"), complain(s, &q, a, want);
    }
    return (a->yes == want && has_reason(&q, a)) || complain(s, &q, a, want);
}

static bool check_address(struct rng *r, const struct account_data *d, const struct snapshot *s,
                          struct rk_arena *mem, bool *yes)
{
    static const char *const TO[] = {
        "10.1.2.3", "10.0.0.5",        "192.168.1.9",   "8.8.8.8",         "2001:db8::5",
        "fd12::1",  "app.example.com", "x.example.org", "int.example.com", "nowhere.test"};
    const char *to = TO[rng_below(r, RK_ARRAY_LEN(TO))];
    const struct peer *from = &d->peers[rng_below(r, d->n_peers)];
    const struct question *ask = &ASK[rng_below(r, RK_ARRAY_LEN(ASK) - 3)];
    struct reach_query q = {.from = snap_index_of(s, from->id),
                            .to = SNAP_NO_PEER,
                            .protocol = ask->proto,
                            .port = ask->port,
                            .now_us = NOW_US};
    const struct reach_answer *a;
    bool want;

    if (ask->proto == PROTO_TCP && ask->port == 0)
        q.port = 80;
    if (rk_ip_parse(rk_str_z(to), &q.addr, NULL))
        q.name = rk_str_z(to);
    for (size_t i = 0; i < d->n_routes && rng_chance(r, 60); i++)
        if (d->routes[i].domains.n == 0)
            q.addr = d->routes[i].network.ip;
    for (size_t i = 0; i < d->n_resources && rng_chance(r, 60); i++)
        if (d->resources[i].type != RESOURCE_DOMAIN)
            q.addr = d->resources[i].prefix.ip;
    a = reach_ask(s, &q, mem);
    want = route_verdict(d, s, &q, &(struct question){q.protocol, q.port}, mem);
    *yes = a->yes;
    return (a->yes == want && has_reason(&q, a)) || complain(s, &q, a, want);
}

/* The sets say of every peer what the question about the pair says. */
static bool check_sets(struct rng *r, const struct account_data *d, const struct snapshot *s)
{
    uint32_t self = snap_index_of(s, d->peers[rng_below(r, d->n_peers)].id);
    struct bits from = {0}, to = {0};
    struct flows f;
    bool ok = true;

    reach_peers(s, self, REACH_SOURCES, NOW_US, &from);
    reach_peers(s, self, REACH_TARGETS, NOW_US, &to);
    for (BITS_EACH(i, snap_peers(s))) {
        ok &= bits_has(&from, i) == (i != self && reach_between(s, i, self, NOW_US, &f));
        ok &= bits_has(&to, i) == (i != self && reach_between(s, self, i, NOW_US, &f));
        if (!ok) {
            printf("reach_peers of %.*s is wrong about %.*s\n",
                   RK_STR_ARG(snap_peer_at(s, self)->id), RK_STR_ARG(snap_peer_at(s, i)->id));
            break;
        }
    }
    bits_done(&from);
    bits_done(&to);
    return ok;
}

bool reach_check(struct rng *r, const struct account_data *d, const struct snapshot *s,
                 struct rk_arena *mem, size_t *asked, size_t *yes)
{
    if (d->n_peers > 0 && !check_sets(r, d, s))
        return false;
    for (size_t i = 0; i < QUESTIONS && d->n_peers > 0; i++) {
        bool said;

        if (!(i % 2 ? check_peer : check_address)(r, d, s, mem, &said))
            return false;
        ++*asked;
        *yes += said;
    }
    return true;
}

/* ---- two states */

struct pair {
    struct rk_str from, to;
};

struct found {
    struct pair v[4096];
    size_t n;
    bool ok;
};

static bool note_pair(void *arg, const struct reach_diff *d)
{
    struct found *f = arg;

    f->ok &= !flows_eq(d->before, d->after);
    if (d->route.n == 0 && f->n < RK_ARRAY_LEN(f->v))
        f->v[f->n++] = (struct pair){d->from->id, d->to->id};
    return true;
}

static void between(const struct snapshot *s, struct rk_str from, struct rk_str to, struct flows *f)
{
    uint32_t x = snap_index_of(s, from), y = snap_index_of(s, to);

    *f = (struct flows){0};
    if (x != SNAP_NO_PEER && y != SNAP_NO_PEER && x != y)
        (void)reach_between(s, x, y, NOW_US, f);
}

static size_t times(const struct found *f, struct rk_str from, struct rk_str to)
{
    size_t n = 0;

    for (size_t i = 0; i < f->n; i++)
        n += rk_str_eq(f->v[i].from, from) && rk_str_eq(f->v[i].to, to);
    return n;
}

/* Every pair of peers of one state, as the other one has it. */
static bool all_pairs(const struct snapshot *s, const struct snapshot *old,
                      const struct snapshot *now, const struct found *f)
{
    struct flows before, after;

    for (BITS_EACH(i, snap_peers(s)))
        for (BITS_EACH(k, snap_peers(s))) {
            struct rk_str from = snap_peer_at(s, i)->id, to = snap_peer_at(s, k)->id;
            size_t want;

            between(old, from, to, &before);
            between(now, from, to, &after);
            want = flows_eq(&before, &after) ? 0 : 1;
            if (times(f, from, to) == want)
                continue;
            printf("reach_diff: from %.*s to %.*s %zu times, not %zu\n", RK_STR_ARG(from),
                   RK_STR_ARG(to), times(f, from, to), want);
            return false;
        }
    return true;
}

bool reach_diff_check(const struct snapshot *old, const struct snapshot *now,
                      const struct bits *affected, size_t *found)
{
    struct found *f = calloc(1, sizeof *f);
    struct reach_diff_opts opts = {.now_us = NOW_US, .affected = affected};
    bool ok;

    f->ok = true;
    reach_diff(old, now, &opts, note_pair, f);
    ok = f->ok && all_pairs(now, old, now, f) && all_pairs(old, old, now, f);
    *found += f->n;
    free(f);
    return ok;
}
