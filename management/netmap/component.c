/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The component form of a map: the objects that matter to the receiver, from which it computes its
 * map itself. The selection is that of view_select(); ids on the wire are public ids (or the plain
 * id of an object without one), peers are named by their position in the list of peers.
 *
 * A policy of several rules becomes several entries; those behind the first get ids of their own
 * ("<id>:2" …), because agents keep one entry per id.
 */
#include "config.h"

#include "management/netmap/netmap.h"

#include <stdlib.h>

#include "management/netmap/dnsview.h"
#include "management/netmap/firewall.h"
#include "management/netmap/routes.h"
#include "management/netmap/streams.h"
#include "management/netmap/view.h"
#include "management/snapshot/dns_plan.h"
#include "management/snapshot/pb.h"
#include "management/snapshot/user_plan.h"

enum { /* fields of NetworkMapComponentsFull */
       FULL_SERIAL = 1,
       FULL_PEER_CONFIG,
       FULL_NETWORK,
       FULL_SETTINGS,
       FULL_DNS_SETTINGS,
       FULL_DNS_DOMAIN,
       FULL_ZONE_DOMAIN,
       FULL_PEERS = 9,
       FULL_ROUTER_PEERS,
       FULL_POLICIES,
       FULL_GROUPS,
       FULL_ROUTES,
       FULL_NAMESERVERS,
       FULL_RECORDS,
       FULL_ZONES,
       FULL_RESOURCES,
       FULL_ROUTERS,
       FULL_RESOURCE_POLICIES,
       FULL_GROUP_USERS,
       FULL_USERS,
       FULL_POSTURE_FAILED,
       FULL_DNS_PORT,
       FULL_USER_CLAIM = 25,
};

#define NS_PER_S INT64_C(1000000000)

struct envelope {
    struct view *v;
    struct rk_buf *out;
    uint32_t *rank;       /* position on the wire of the first shipped peer of each bit-set word */
    struct bits groups;   /* shipped group indexes */
    struct bits policies; /* shipped plan policies */
};

static struct rk_str public_id(struct rk_str public, struct rk_str id)
{
    return public.n > 0 ? public : id;
}

/* ---- peers by position */

static void rank_peers(struct envelope *e)
{
    const struct bits *p = &e->v->peers;
    uint32_t n = 0;

    e->rank = rk_calloc((size_t)p->n + 1, sizeof *e->rank);
    for (uint32_t i = 0; i < p->n; i++) {
        e->rank[i] = n;
        n += (uint32_t)__builtin_popcountll(p->w[i]);
    }
}

static uint32_t position(const struct envelope *e, uint32_t peer)
{
    uint64_t below = e->v->peers.w[peer / 64] & ((UINT64_C(1) << (peer % 64)) - 1);

    return e->rank[peer / 64] + (uint32_t)__builtin_popcountll(below);
}

/* Packed positions of the shipped peers in the set. */
static void put_positions(struct envelope *e, unsigned field, const struct bits *set)
{
    const struct bits *peers = &e->v->peers;
    size_t packed;

    if (!bits_meet(set, peers))
        return;
    packed = pb_begin(e->out, field);
    for (uint32_t i = 0; i < set->n && i < peers->n; i++)
        for (uint64_t w = set->w[i] & peers->w[i]; w; w &= w - 1)
            pb_varint(e->out, position(e, i * 64 + (uint32_t)__builtin_ctzll(w)));
    pb_end(e->out, packed);
}

/* A peer id as {set, position} fields; nothing when the peer is not shipped. */
static void put_peer_ref(struct envelope *e, struct rk_str id, unsigned set_field,
                         unsigned index_field)
{
    uint32_t i = id.n ? snap_index_of(e->v->s, id) : SNAP_NO_PEER;

    if (i == SNAP_NO_PEER || !bits_has(&e->v->peers, i))
        return;
    /* ascending order of fields, whichever comes first */
    if (set_field < index_field)
        pb_bool(e->out, set_field, true);
    pb_uint(e->out, index_field, position(e, i));
    if (set_field > index_field)
        pb_bool(e->out, set_field, true);
}

/* ---- groups */

static void ship_groups(struct envelope *e, const struct str_list *ids)
{
    for (size_t i = 0; i < ids->n; i++) {
        uint32_t g = state_group_index(e->v->s, ids->v[i]);

        if (g != NO_INDEX)
            bits_set(&e->groups, g);
    }
}

static const struct group *group_at(const struct envelope *e, uint32_t g)
{
    return row_group(e->v->s->groups->g[g]->row);
}

/* Ids of groups, shipped or not, and of unknown ones too: an access-control list that came out
 * empty would mean "everybody" to the agent. */
static void put_group_ids(struct envelope *e, unsigned field, const struct str_list *ids)
{
    for (size_t i = 0; i < ids->n; i++) {
        const struct group *g = snap_group(e->v->s, ids->v[i]);

        pb_str_always(e->out, field, g ? public_id(g->public_id, g->id) : ids->v[i]);
    }
}

static void put_groups(struct envelope *e)
{
    for (BITS_EACH(g, &e->groups)) {
        const struct group *group = group_at(e, g);
        size_t msg = pb_begin(e->out, FULL_GROUPS);

        pb_str(e->out, 1, public_id(group->public_id, group->id));
        put_positions(e, 2, state_members(e->v->s, g));
        pb_bool(e->out, 3, group_is_all(group));
        pb_end(e->out, msg);
    }
}

/* ---- selection beyond the view's */

static void ship_policy(struct envelope *e, uint32_t policy)
{
    const struct policy *p = e->v->s->plan->policies[policy].p;

    bits_set(&e->policies, policy);
    for (size_t i = 0; i < p->n_rules; i++) {
        if (!p->rules[i].enabled)
            continue;
        ship_groups(e, &p->rules[i].sources);
        ship_groups(e, &p->rules[i].destinations);
        for (size_t k = 0; k < p->rules[i].n_authorized; k++)
            ship_groups(e, &(struct str_list){&p->rules[i].authorized[k].group_id, 1});
    }
}

static void select_objects(struct envelope *e)
{
    struct view *v = e->v;
    const struct plan *pl = v->s->plan;

    for (uint32_t i = 0; i < v->groups->n; i++)
        bits_set(&e->groups, v->groups->g[i]);
    for (uint32_t i = 0; i < v->n_hits; i++)
        ship_policy(e, pl->rules[v->hits[i].rule].policy);
    for (uint32_t i = 0; i < v->n_routes; i++) {
        const struct plan_route *r = &pl->routes[v->routes[i]];

        ship_groups(e, &r->r->peer_groups);
        ship_groups(e, &r->r->groups);
        if (!r->r->enabled || !routes_served_by(v->s, r, v->self))
            continue;
        ship_groups(e, &r->r->access_control_groups);
        for (uint32_t k = 0; k < r->n_acl; k++)
            if (r->acl[k].by_enabled)
                ship_policy(e, r->acl[k].policy);
    }
    for (uint32_t i = 0; i < v->n_resources; i++) {
        const struct plan_resource *r = &pl->resources[v->resources[i].resource];

        for (uint32_t k = 0; k < r->n_policies; k++)
            ship_policy(e, r->policies[k]);
    }
}

/* ---- policies */

static void put_policy_id(struct rk_buf *out, unsigned field, const struct policy *p, unsigned nth)
{
    char text[16];
    struct rk_str id = public_id(p->public_id, p->id);
    int n = nth > 1 ? snprintf(text, sizeof text, ":%u", nth) : 0;

    pb_tag(out, field, PB_LEN);
    pb_varint(out, id.n + (size_t)n);
    rk_buf_add(out, id);
    rk_buf_add(out, rk_str_of(text, (size_t)n));
}

static void put_ports(struct rk_buf *out, const struct rule *r)
{
    size_t packed = 0;
    uint16_t port;

    for (size_t i = 0; i < r->ports.n; i++) {
        if (!port_parse(r->ports.v[i], &port))
            continue;
        if (!packed)
            packed = pb_begin(out, 5);
        pb_varint(out, port);
    }
    if (packed)
        pb_end(out, packed);
    for (size_t i = 0; i < r->n_ranges; i++) {
        size_t range = pb_begin(out, 6);

        pb_uint(out, 1, r->ranges[i].start);
        pb_uint(out, 2, r->ranges[i].end);
        pb_end(out, range);
    }
}

static void put_authorized(struct envelope *e, const struct rule *r)
{
    for (size_t i = 0; i < r->n_authorized; i++) {
        const struct authorized_group *a = &r->authorized[i];
        const struct group *g = snap_group(e->v->s, a->group_id);
        size_t entry = pb_begin(e->out, 9), names;

        /* an unknown group too: without any the agent would admit everybody */
        pb_str(e->out, 1, g ? public_id(g->public_id, g->id) : a->group_id);
        names = pb_begin(e->out, 2);
        for (size_t k = 0; k < a->names.n; k++)
            pb_str_always(e->out, 1, a->names.v[k]);
        pb_end(e->out, names);
        pb_end(e->out, entry);
    }
}

static void put_resource_ref(struct envelope *e, unsigned field, const struct resource_ref *ref)
{
    size_t msg;

    if (ref->id.n == 0 && ref->type == RESOURCE_NONE)
        return;
    msg = pb_begin(e->out, field);
    pb_str(e->out, 1, rk_str_z(resource_type_text(ref->type)));
    if (ref->type == RESOURCE_PEER)
        put_peer_ref(e, ref->id, 2, 3);
    pb_end(e->out, msg);
}

static struct rk_str check_public_id(const struct envelope *e, uint32_t check)
{
    const struct posture *c = row_entity(e->v->s->failing->check[check].row);

    return public_id(c->public_id, c->id);
}

static void put_rule(struct envelope *e, const struct plan_policy *p, const struct rule *r,
                     unsigned nth)
{
    struct rk_buf *out = e->out;
    size_t msg = pb_begin(out, FULL_POLICIES);

    put_policy_id(out, 1, p->p, nth);
    pb_uint(out, 2, r->action == ACTION_DROP);
    pb_uint(out, 3, firewall_wire_protocol(r->protocol));
    pb_bool(out, 4, r->bidirectional);
    put_ports(out, r);
    put_group_ids(e, 7, &r->sources);
    put_group_ids(e, 8, &r->destinations);
    put_authorized(e, r);
    pb_str(out, 10, r->authorized_user);
    put_resource_ref(e, 11, &r->source_resource);
    put_resource_ref(e, 12, &r->destination_resource);
    for (uint32_t i = 0; i < p->n_checks; i++)
        pb_str_always(out, 13, check_public_id(e, p->checks[i]));
    pb_end(out, msg);
}

static void put_policies(struct envelope *e)
{
    const struct plan *pl = e->v->s->plan;

    for (BITS_EACH(i, &e->policies)) {
        const struct plan_policy *p = &pl->policies[i];
        unsigned nth = 0;

        for (size_t k = 0; k < p->p->n_rules; k++)
            if (p->p->rules[k].enabled)
                put_rule(e, p, &p->p->rules[k], ++nth);
    }
}

/* ---- routes, networks */

static void put_routes(struct envelope *e)
{
    struct rk_buf *out = e->out;

    for (uint32_t i = 0; i < e->v->n_routes; i++) {
        const struct route *r = e->v->s->plan->routes[e->v->routes[i]].r;
        size_t msg = pb_begin(out, FULL_ROUTES);
        char text[RK_ADDR_TEXT];

        pb_str(out, 1, public_id(r->public_id, r->id));
        pb_str(out, 2, r->net_id);
        pb_str(out, 3, r->description);
        pb_str(out, 4,
               r->domains.n ? RK_STR(ROUTE_DOMAIN_PLACEHOLDER)
                            : rk_prefix_format(&r->network, text));
        for (size_t k = 0; k < r->domains.n; k++)
            pb_str_always(out, 5, r->domains.v[k]);
        pb_bool(out, 6, r->keep_route);
        put_peer_ref(e, r->peer, 7, 8);
        put_group_ids(e, 9, &r->peer_groups);
        pb_uint(out, 10, r->kind);
        pb_bool(out, 11, r->masquerade);
        pb_int(out, 12, r->metric);
        pb_bool(out, 13, r->enabled);
        put_group_ids(e, 14, &r->groups);
        put_group_ids(e, 15, &r->access_control_groups);
        pb_bool(out, 16, r->skip_auto_apply);
        pb_end(out, msg);
    }
}

static struct rk_str network_public_id(const struct envelope *e, struct rk_str id)
{
    const struct network *n = snap_find(e->v->s, ENT_NETWORK, id);

    return n ? public_id(n->public_id, id) : id;
}

static void put_resources(struct envelope *e)
{
    struct rk_buf *out = e->out;

    for (uint32_t i = 0; i < e->v->n_resources; i++) {
        const struct resource *r = e->v->s->plan->resources[e->v->resources[i].resource].r;
        size_t msg = pb_begin(out, FULL_RESOURCES);
        char text[RK_ADDR_TEXT];
        bool domain = r->type == RESOURCE_DOMAIN;
        struct rk_str prefix = domain ? (struct rk_str){0} : rk_prefix_format(&r->prefix, text);

        pb_str(out, 1, public_id(r->public_id, r->id));
        pb_str(out, 2, network_public_id(e, r->network_id));
        pb_str(out, 3, r->name);
        pb_str(out, 4, r->description);
        pb_str(out, 5, rk_str_z(resource_type_text(r->type)));
        pb_str(out, 6, domain ? r->domain : prefix);
        pb_str(out, 7, r->domain);
        pb_str(out, 8, prefix);
        pb_bool(out, 9, r->enabled);
        pb_end(out, msg);
    }
}

static void put_network_routers(struct envelope *e, const struct plan_network *n)
{
    struct rk_buf *out = e->out;
    size_t entry = pb_begin(out, FULL_ROUTERS), list, msg;

    pb_str(out, 1, network_public_id(e, n->id));
    list = pb_begin(out, 2);
    for (BITS_EACH(i, &e->v->tmp)) {
        const struct router *r = view_router_of(e->v->s, n, i);

        msg = pb_begin(out, 1);
        pb_str(out, 1, public_id(r->public_id, r->id));
        pb_uint(out, 2, position(e, i));
        pb_bool(out, 3, true);
        pb_bool(out, 5, r->masquerade);
        pb_int(out, 6, r->metric);
        pb_bool(out, 7, true);
        pb_end(out, msg);
    }
    pb_end(out, list);
    pb_end(out, entry);
}

/* Networks of the shipped resources, each once; tmp holds their routers that are shipped peers.
 * Calls put(e, network) for each. */
static void each_network(struct envelope *e,
                         void (*put)(struct envelope *e, const struct plan_network *n))
{
    const struct plan *pl = e->v->s->plan;
    struct bits seen = {0};

    for (uint32_t i = 0; i < e->v->n_resources; i++) {
        uint32_t n = pl->resources[e->v->resources[i].resource].network;

        if (bits_has(&seen, n))
            continue;
        bits_set(&seen, n);
        view_network_peers(e->v->s, &pl->networks[n], &e->v->tmp);
        bits_and(&e->v->tmp, &e->v->peers);
        put(e, &pl->networks[n]);
    }
    bits_done(&seen);
}

static void collect_routers(struct envelope *e, const struct plan_network *n)
{
    (void)n;
    bits_or(&e->v->tmp2, &e->v->tmp);
}

static void put_router_peers(struct envelope *e)
{
    bits_clear(&e->v->tmp2);
    each_network(e, collect_routers);
    put_positions(e, FULL_ROUTER_PEERS, &e->v->tmp2);
}

static void put_resource_policies(struct envelope *e)
{
    const struct plan *pl = e->v->s->plan;
    struct rk_buf *out = e->out;

    for (uint32_t i = 0; i < e->v->n_resources; i++) {
        const struct plan_resource *r = &pl->resources[e->v->resources[i].resource];
        size_t entry = pb_begin(out, FULL_RESOURCE_POLICIES), ids;
        struct bits seen = {0};

        pb_str(out, 1, public_id(r->r->public_id, r->r->id));
        ids = pb_begin(out, 2);
        for (uint32_t k = 0; k < r->n_policies; k++) {
            const struct policy *p = pl->policies[r->policies[k]].p;
            unsigned nth = 0;

            for (size_t n = 0; n < p->n_rules && !bits_has(&seen, r->policies[k]); n++)
                if (p->rules[n].enabled)
                    put_policy_id(out, 1, p, ++nth);
            bits_set(&seen, r->policies[k]);
        }
        pb_end(out, ids);
        pb_end(out, entry);
        bits_done(&seen);
    }
}

/* ---- DNS */

static void put_nameservers(struct envelope *e)
{
    const struct dns_plan *d = e->v->s->dns;
    struct rk_buf *out = e->out;
    char text[RK_ADDR_TEXT];

    for (uint32_t i = 0; i < d->n_servers; i++) {
        const struct ns_group *g = d->servers[i].g;
        size_t msg, server;

        if (!gset_meets(e->v->groups, &d->servers[i].groups))
            continue;
        msg = pb_begin(out, FULL_NAMESERVERS);
        pb_str(out, 1, public_id(g->public_id, g->id));
        for (size_t k = 0; k < g->n_servers; k++) {
            server = pb_begin(out, 2);
            pb_str(out, 1, rk_ip_format(&g->servers[k].ip, text));
            pb_int(out, 2, g->servers[k].ns_type);
            pb_int(out, 3, g->servers[k].port);
            pb_end(out, server);
        }
        put_group_ids(e, 3, &g->groups);
        pb_bool(out, 4, g->primary);
        for (size_t k = 0; k < g->domains.n; k++)
            pb_str_always(out, 5, g->domains.v[k]);
        pb_bool(out, 6, true);
        pb_bool(out, 7, g->search_domains);
        pb_end(out, msg);
    }
}

/* The cached records carry the tag of a zone's field; give them that of this message. */
static void put_records(struct envelope *e)
{
    size_t at = e->out->n;

    dnsview_put_records(e->v, &e->v->dns_peers, e->out);
    if (e->out->full)
        return;
    while (at < e->out->n) {
        uint8_t *p = (uint8_t *)e->out->p + at;
        size_t len = 0, n = 1;

        p[0] = FULL_RECORDS << 3 | PB_LEN;
        for (unsigned shift = 0;; shift += 7) {
            len |= (size_t)(p[n] & 0x7f) << shift;
            if (!(p[n++] & 0x80))
                break;
        }
        at += n + len;
    }
}

/* ---- users */

static void put_group_users(struct envelope *e, struct rk_str group_id)
{
    const struct user_plan *u = e->v->s->users;
    const struct group *g = snap_group(e->v->s, group_id);
    bool all = g && group_is_all(g);
    size_t entry, list;
    uint32_t n;
    const uint32_t *users = user_plan_group(u, group_id, &n);

    if (all)
        n = u->n_users;
    if (!g || n == 0)
        return;
    entry = pb_begin(e->out, FULL_GROUP_USERS);
    pb_str(e->out, 1, public_id(g->public_id, g->id));
    list = pb_begin(e->out, 2);
    for (uint32_t i = 0; i < n; i++)
        pb_str_always(e->out, 1, u->users[all ? i : users[i]].u->id);
    pb_end(e->out, list);
    pb_end(e->out, entry);
}

/* Only what the SSH rules that target the receiver need. */
static void put_users(struct envelope *e)
{
    const struct view *v = e->v;
    bool everybody = false;

    for (uint32_t i = 0; i < v->n_hits; i++) {
        const struct rule *r = v->s->plan->rules[v->hits[i].rule].r;

        if (!view_hit_ssh(v, &v->hits[i]))
            continue;
        for (size_t k = 0; k < r->n_authorized && r->protocol == PROTO_SSH; k++)
            put_group_users(e, r->authorized[k].group_id); /* repeated keys: the last one counts */
        everybody |=
            r->protocol != PROTO_SSH || (r->n_authorized == 0 && r->authorized_user.n == 0);
    }
    for (uint32_t i = 0; everybody && i < v->s->users->n_users; i++)
        pb_str_always(e->out, FULL_USERS, v->s->users->users[i].u->id);
}

static void put_posture_failed(struct envelope *e)
{
    const struct failing *f = e->v->s->failing;
    struct bits named = {0};

    for (BITS_EACH(i, &e->policies)) {
        const struct plan_policy *p = &e->v->s->plan->policies[i];

        for (uint32_t k = 0; k < p->n_checks; k++)
            bits_set(&named, p->checks[k]);
    }
    for (BITS_EACH(c, &named)) {
        size_t entry, set;

        if (!bits_meet(&f->check[c].peers, &e->v->peers))
            continue;
        entry = pb_begin(e->out, FULL_POSTURE_FAILED);
        pb_str(e->out, 1, check_public_id(e, c));
        set = pb_begin(e->out, 2);
        put_positions(e, 1, &f->check[c].peers);
        pb_end(e->out, set);
        pb_end(e->out, entry);
    }
    bits_done(&named);
}

/* ---- the message */

static void put_network(const struct envelope *e)
{
    const struct account *a = snap_account(e->v->s);
    struct rk_prefix net4 = rk_prefix_masked(&a->net4), net6 = rk_prefix_masked(&a->net6);
    size_t msg = pb_begin(e->out, FULL_NETWORK);
    char text[RK_ADDR_TEXT];

    pb_str(e->out, 1, a->net_id);
    pb_str(e->out, 2, rk_prefix_format(&net4, text));
    if (net6.ip.family == 6)
        pb_str(e->out, 3, rk_prefix_format(&net6, text));
    pb_uint(e->out, 5, e->v->s->serial);
    pb_end(e->out, msg);
}

static void put_settings(const struct envelope *e)
{
    const struct settings *st = snap_settings(e->v->s);
    size_t msg = pb_begin(e->out, FULL_SETTINGS);

    if (e->v->validated) {
        pb_bool(e->out, 1, st->peer_login_expiration_enabled);
        pb_int(e->out, 2, st->peer_login_expiration_s * NS_PER_S);
    }
    pb_end(e->out, msg);
}

static void put_dns_settings(struct envelope *e)
{
    const struct str_list *ids = &snap_dns_settings(e->v->s)->disabled_management_groups;
    size_t msg;

    if (ids->n == 0)
        return;
    msg = pb_begin(e->out, FULL_DNS_SETTINGS);
    put_group_ids(e, 1, ids);
    pb_end(e->out, msg);
}

static void put_zone_domain(const struct envelope *e)
{
    struct rk_str domain = snap_dns_domain(e->v->s);

    if (domain.n == 0)
        return;
    pb_tag(e->out, FULL_ZONE_DOMAIN, PB_LEN);
    pb_varint(e->out, domain.n + 1);
    rk_buf_add(e->out, domain);
    rk_buf_addc(e->out, '.');
}

static void put_full(struct envelope *e)
{
    struct view *v = e->v;
    struct rk_buf *out = e->out;
    bool whole = v->validated;
    size_t msg;

    pb_uint(out, FULL_SERIAL, v->s->serial);
    msg = pb_begin(out, FULL_PEER_CONFIG);
    netmap_encode_peer_config(v->s, v->self, v->opts, view_ssh(v), out);
    pb_end(out, msg);
    put_network(e);
    put_settings(e);
    if (whole)
        put_dns_settings(e);
    pb_str(out, FULL_DNS_DOMAIN, snap_dns_domain(v->s));
    if (whole)
        put_zone_domain(e);
    streams_put(v->s, STREAM_COMPACT, &v->peers, out);
    if (whole) {
        put_router_peers(e);
        put_policies(e);
        put_groups(e);
        put_routes(e);
        put_nameservers(e);
        put_records(e);
        dnsview_put_zones(v, FULL_ZONES, out);
        put_resources(e);
        each_network(e, put_network_routers);
        put_resource_policies(e);
        put_users(e);
        put_posture_failed(e);
    }
    pb_int(out, FULL_DNS_PORT, netmap_forwarder_port(v->s));
    pb_str(out, FULL_USER_CLAIM, v->opts->user_claim.n ? v->opts->user_claim : RK_STR("sub"));
}

void netmap_encode_envelope(const struct snapshot *s, uint32_t index,
                            const struct netmap_opts *opts, struct rk_buf *out)
{
    struct view v;
    struct envelope e = {.v = &v, .out = out};
    size_t msg;

    if (view_init(&v, s, index, opts)) {
        view_select(&v);
        rank_peers(&e);
        if (v.validated)
            select_objects(&e);
        msg = pb_begin(out, 1);
        put_full(&e);
        pb_end(out, msg);
    }
    free(e.rank);
    bits_done(&e.groups);
    bits_done(&e.policies);
    view_done(&v);
}
