/* SPDX-License-Identifier: BSD-3-Clause */
/* An account as the objects of a file; see set.h. */
#include "config.h"

#include "lib/base/num.h"
#include "management/domain/dns.h"
#include "management/domain/network.h"
#include "management/domain/posture.h"
#include "management/domain/route.h"
#include "management/ops/domains.h"
#include "management/snapshot/bits.h"
#include "management/wanted/set.h"

struct building {
    struct rk_arena *mem;
    const struct snapshot *s;
    int64_t now_us;
    struct want_set *out;
    struct rk_map groups, peers, postures, resources; /* name → NAMED or SEVERAL */
};

static char NAMED, SEVERAL;

static void count_name(struct rk_map *m, struct rk_str name)
{
    (void)rk_map_put(m, name, rk_map_get(m, name) ? &SEVERAL : &NAMED);
}

static struct rk_str shown(const struct rk_map *m, struct rk_str name, struct rk_str id)
{
    return name.n && rk_map_get(m, name) == &NAMED ? name : id;
}

static struct rk_str group_shown(struct building *b, struct rk_str id)
{
    const struct group *g = snap_group(b->s, id);

    return g ? shown(&b->groups, g->name, id) : (struct rk_str){0};
}

static struct rk_str peer_shown(struct building *b, const struct peer *p)
{
    char text[RK_ADDR_TEXT];

    if (rk_map_get(&b->peers, p->name) == &NAMED)
        return p->name;
    return rk_arena_dup(b->mem, rk_ip_format(&p->ip, text));
}

static struct want_node *list(struct building *b, struct want_node *n, const char *key)
{
    return want_add(b->mem, n, rk_str_z(key), WANT_LIST);
}

/* References to what is gone are left out. */
static void put_groups(struct building *b, struct want_node *n, const char *key,
                       const struct str_list *ids)
{
    struct want_node *l = list(b, n, key);

    for (size_t i = 0; i < ids->n; i++) {
        struct rk_str name = group_shown(b, ids->v[i]);

        if (name.n)
            want_add_text(b->mem, l, NULL, name);
    }
    want_sort(b->mem, l);
}

static void put_texts(struct building *b, struct want_node *n, const char *key,
                      const struct str_list *v)
{
    struct want_node *l = list(b, n, key);

    for (size_t i = 0; i < v->n; i++)
        want_add_text(b->mem, l, NULL, v->v[i]);
}

static void put_peer(struct building *b, struct want_node *n, struct rk_str id)
{
    const struct peer *p = snap_peer(b->s, id);

    want_add_text(b->mem, n, "peer", p ? peer_shown(b, p) : RK_STR(""));
}

static struct rk_str prefix_text(struct rk_arena *mem, const struct rk_prefix *p)
{
    char text[RK_ADDR_TEXT];

    return rk_arena_dup(mem, rk_prefix_format(p, text));
}

/* ---- objects */

static void put_group(struct building *b, const struct group *g)
{
    struct want_node *n = want_new(b->mem, WANT_MAP), *l;
    struct want_object *o;

    want_add_text(b->mem, n, "name", g->name);
    if (!group_is_all(g)) {
        l = list(b, n, "peers");
        for (BITS_EACH(i, snap_group_members(b->s, g->id)))
            want_add_text(b->mem, l, NULL, peer_shown(b, snap_peer_at(b->s, i)));
        want_sort(b->mem, l);
    }
    o = want_set_add(b->mem, b->out, WANT_GROUP, NULL, n, g->id);
    o->fixed = group_is_all(g) || g->issued != ISSUED_API;
}

static void put_version(struct building *b, struct want_node *to, const char *name, const char *key,
                        struct rk_str v)
{
    if (v.n)
        want_add_text(b->mem, want_add(b->mem, to, rk_str_z(name), WANT_MAP), key, v);
}

static void put_lists_of_posture(struct building *b, struct want_node *to, const struct posture *p)
{
    struct want_node *n, *l;

    if (p->has_geo) {
        n = want_add(b->mem, to, RK_STR("geo_location_check"), WANT_MAP);
        l = list(b, n, "locations");
        for (size_t i = 0; i < p->n_geo; i++) {
            struct want_node *at = want_add(b->mem, l, (struct rk_str){0}, WANT_MAP);

            want_add_text(b->mem, at, "country_code", p->geo[i].country_code);
            want_add_text(b->mem, at, "city_name", p->geo[i].city_name);
        }
        want_add_text(b->mem, n, "action", rk_str_z(check_action_text(p->geo_action)));
    }
    if (p->has_net_range) {
        n = want_add(b->mem, to, RK_STR("peer_network_range_check"), WANT_MAP);
        l = list(b, n, "ranges");
        for (size_t i = 0; i < p->n_ranges; i++)
            want_add_text(b->mem, l, NULL, prefix_text(b->mem, &p->ranges[i]));
        want_add_text(b->mem, n, "action", rk_str_z(check_action_text(p->net_action)));
    }
    if (!p->has_process)
        return;
    n = want_add(b->mem, to, RK_STR("process_check"), WANT_MAP);
    l = list(b, n, "processes");
    for (size_t i = 0; i < p->n_processes; i++) {
        struct want_node *at = want_add(b->mem, l, (struct rk_str){0}, WANT_MAP);

        want_add_text(b->mem, at, "linux_path", p->processes[i].linux_path);
        want_add_text(b->mem, at, "mac_path", p->processes[i].mac_path);
        want_add_text(b->mem, at, "windows_path", p->processes[i].windows_path);
    }
}

static void put_posture(struct building *b, const struct posture *p)
{
    struct want_node *n = want_new(b->mem, WANT_MAP), *checks, *os;

    want_add_text(b->mem, n, "name", p->name);
    want_add_text(b->mem, n, "description", p->description);
    checks = want_add(b->mem, n, RK_STR("checks"), WANT_MAP);
    if (p->has_nb_version)
        put_version(b, checks, "nb_version_check", "min_version", p->nb_min_version);
    if (p->has_os_version) {
        os = want_add(b->mem, checks, RK_STR("os_version_check"), WANT_MAP);
        put_version(b, os, "android", "min_version", p->android_min_version);
        put_version(b, os, "darwin", "min_version", p->darwin_min_version);
        put_version(b, os, "ios", "min_version", p->ios_min_version);
        put_version(b, os, "linux", "min_kernel_version", p->linux_min_kernel);
        put_version(b, os, "windows", "min_kernel_version", p->windows_min_kernel);
    }
    put_lists_of_posture(b, checks, p);
    (void)want_set_add(b->mem, b->out, WANT_POSTURE, NULL, n, p->id);
}

static void put_resource(struct building *b, struct want_object *network, const struct resource *r)
{
    struct want_node *n = want_new(b->mem, WANT_MAP), *l;
    struct snap_iter it = snap_iter(b->s, ENT_GROUP);
    const struct group *g;

    want_add_text(b->mem, n, "name", r->name);
    want_add_text(b->mem, n, "description", r->description);
    want_add_text(b->mem, n, "address",
                  r->type != RESOURCE_DOMAIN ? prefix_text(b->mem, &r->prefix)
                  : r->address_given.n       ? r->address_given
                                             : r->domain);
    want_add_bool(b->mem, n, "enabled", r->enabled);
    l = list(b, n, "groups");
    while ((g = snap_next(&it)) != NULL)
        for (size_t i = 0; i < g->n_resources; i++)
            if (rk_str_eq(g->resources[i].id, r->id)) {
                want_add_text(b->mem, l, NULL, group_shown(b, g->id));
                break;
            }
    want_sort(b->mem, l);
    (void)want_set_add(b->mem, b->out, WANT_RESOURCE, network, n, r->id);
}

static void put_router(struct building *b, struct want_object *network, const struct router *r)
{
    struct want_node *n = want_new(b->mem, WANT_MAP);

    put_peer(b, n, r->peer);
    put_groups(b, n, "peer_groups", &r->peer_groups);
    want_add_int(b->mem, n, "metric", r->metric);
    want_add_bool(b->mem, n, "masquerade", r->masquerade);
    want_add_bool(b->mem, n, "enabled", r->enabled);
    (void)want_set_add(b->mem, b->out, WANT_ROUTER, network, n, r->id);
}

static void put_network(struct building *b, const struct network *net)
{
    struct want_node *n = want_new(b->mem, WANT_MAP);
    struct snap_iter it = snap_iter(b->s, ENT_RESOURCE);
    const struct resource *r;
    const struct router *t;
    struct want_object *o;

    want_add_text(b->mem, n, "name", net->name);
    want_add_text(b->mem, n, "description", net->description);
    o = want_set_add(b->mem, b->out, WANT_NETWORK, NULL, n, net->id);
    while ((r = snap_next(&it)) != NULL)
        if (rk_str_eq(r->network_id, net->id))
            put_resource(b, o, r);
    it = snap_iter(b->s, ENT_ROUTER);
    while ((t = snap_next(&it)) != NULL)
        if (rk_str_eq(t->network_id, net->id))
            put_router(b, o, t);
}

static void put_end(struct building *b, struct want_node *n, const char *key,
                    const struct resource_ref *ref)
{
    const struct peer *p = snap_peer(b->s, ref->id);
    const struct resource *r = snap_find(b->s, ENT_RESOURCE, ref->id);
    struct want_node *end;

    if (!p && !r)
        return;
    end = want_add(b->mem, n, rk_str_z(key), WANT_MAP);
    if (p)
        put_peer(b, end, ref->id);
    else
        want_add_text(b->mem, end, "resource", shown(&b->resources, r->name, r->id));
}

/* A range of one is a port: the API has both. */
static void put_ports(struct building *b, struct want_node *n, const struct rule *r)
{
    struct want_node *l = list(b, n, "ports");

    for (size_t i = 0; i < r->ports.n; i++)
        want_add_text(b->mem, l, NULL, r->ports.v[i])->type = WANT_INT;
    for (size_t i = 0; i < r->n_ranges; i++) {
        unsigned first = r->ranges[i].start, last = r->ranges[i].end;

        if (first == last)
            want_add_int(b->mem, l, NULL, first);
        else
            want_add_text(b->mem, l, NULL, rk_arena_printf(b->mem, "%u-%u", first, last));
    }
    want_sort(b->mem, l);
}

static void put_rule(struct building *b, struct want_node *rules, const struct rule *r)
{
    struct want_node *n = want_add(b->mem, rules, (struct rk_str){0}, WANT_MAP), *by;

    want_add_text(b->mem, n, "name", r->name);
    want_add_text(b->mem, n, "description", r->description);
    want_add_bool(b->mem, n, "enabled", r->enabled);
    want_add_text(b->mem, n, "action", rk_str_z(rule_action_text(r->action)));
    want_add_text(b->mem, n, "protocol", rk_str_z(rule_protocol_text(r->protocol)));
    want_add_bool(b->mem, n, "bidirectional", r->bidirectional);
    put_ports(b, n, r);
    put_groups(b, n, "sources", &r->sources);
    put_end(b, n, "source", &r->source_resource);
    put_groups(b, n, "destinations", &r->destinations);
    put_end(b, n, "destination", &r->destination_resource);
    if (!r->n_authorized)
        return;
    by = want_add(b->mem, n, RK_STR("authorized_groups"), WANT_MAP);
    for (size_t i = 0; i < r->n_authorized; i++) {
        struct rk_str name = group_shown(b, r->authorized[i].group_id);
        struct want_node *l = name.n ? want_add(b->mem, by, name, WANT_LIST) : NULL;

        for (size_t k = 0; l && k < r->authorized[i].names.n; k++)
            want_add_text(b->mem, l, NULL, r->authorized[i].names.v[k]);
    }
}

static void put_policy(struct building *b, const struct policy *p)
{
    struct want_node *n = want_new(b->mem, WANT_MAP), *l;

    want_add_text(b->mem, n, "name", p->name);
    want_add_text(b->mem, n, "description", p->description);
    want_add_bool(b->mem, n, "enabled", p->enabled);
    l = list(b, n, "posture_checks");
    for (size_t i = 0; i < p->posture_checks.n; i++) {
        const struct posture *c = snap_find(b->s, ENT_POSTURE, p->posture_checks.v[i]);

        if (c)
            want_add_text(b->mem, l, NULL, shown(&b->postures, c->name, c->id));
    }
    want_sort(b->mem, l);
    l = list(b, n, "rules");
    for (size_t i = 0; i < p->n_rules; i++)
        put_rule(b, l, &p->rules[i]);
    (void)want_set_add(b->mem, b->out, WANT_POLICY, NULL, n, p->id);
}

static void put_route(struct building *b, const struct route *r)
{
    struct want_node *n = want_new(b->mem, WANT_MAP), *l;

    want_add_text(b->mem, n, "network_id", r->net_id);
    want_add_text(b->mem, n, "description", r->description);
    want_add_text(b->mem, n, "network",
                  r->kind == ROUTE_DOMAIN ? RK_STR("") : prefix_text(b->mem, &r->network));
    l = list(b, n, "domains");
    for (size_t i = 0; r->kind == ROUTE_DOMAIN && i < r->domains.n; i++)
        want_add_text(b->mem, l, NULL, dns_name_to_unicode(b->mem, r->domains.v[i]));
    want_sort(b->mem, l);
    put_peer(b, n, r->peer);
    put_groups(b, n, "peer_groups", &r->peer_groups);
    put_groups(b, n, "groups", &r->groups);
    put_groups(b, n, "access_control_groups", &r->access_control_groups);
    want_add_int(b->mem, n, "metric", r->metric);
    want_add_bool(b->mem, n, "masquerade", r->masquerade);
    want_add_bool(b->mem, n, "enabled", r->enabled);
    want_add_bool(b->mem, n, "keep_route", r->keep_route);
    want_add_bool(b->mem, n, "skip_auto_apply", r->skip_auto_apply);
    (void)want_set_add(b->mem, b->out, WANT_ROUTE, NULL, n, r->id);
}

static void put_ns_group(struct building *b, const struct ns_group *g)
{
    struct want_node *n = want_new(b->mem, WANT_MAP), *l;
    char text[RK_ADDR_TEXT];

    want_add_text(b->mem, n, "name", g->name);
    want_add_text(b->mem, n, "description", g->description);
    l = list(b, n, "nameservers");
    for (size_t i = 0; i < g->n_servers; i++) {
        struct want_node *s = want_add(b->mem, l, (struct rk_str){0}, WANT_MAP);

        want_add_text(b->mem, s, "ip", rk_arena_dup(b->mem, rk_ip_format(&g->servers[i].ip, text)));
        want_add_text(b->mem, s, "ns_type", RK_STR("udp"));
        want_add_int(b->mem, s, "port", g->servers[i].port);
    }
    want_add_bool(b->mem, n, "enabled", g->enabled);
    want_add_bool(b->mem, n, "primary", g->primary);
    put_texts(b, n, "domains", &g->domains);
    want_sort(b->mem, want_get(n, "domains"));
    put_groups(b, n, "groups", &g->groups);
    want_add_bool(b->mem, n, "search_domains_enabled", g->search_domains);
    (void)want_set_add(b->mem, b->out, WANT_NS_GROUP, NULL, n, g->id);
}

static void put_zone(struct building *b, const struct zone *z)
{
    struct want_node *n = want_new(b->mem, WANT_MAP);
    struct snap_iter it = snap_iter(b->s, ENT_RECORD);
    const struct record *r;
    struct want_object *o;

    want_add_text(b->mem, n, "name", z->name);
    want_add_text(b->mem, n, "domain", z->domain);
    want_add_bool(b->mem, n, "enabled", z->enabled);
    want_add_bool(b->mem, n, "enable_search_domain", z->search_domain);
    put_groups(b, n, "distribution_groups", &z->groups);
    o = want_set_add(b->mem, b->out, WANT_ZONE, NULL, n, z->id);
    while ((r = snap_next(&it)) != NULL) {
        if (!rk_str_eq(r->zone_id, z->id))
            continue;
        n = want_new(b->mem, WANT_MAP);
        want_add_text(b->mem, n, "name", r->name);
        want_add_text(b->mem, n, "type", rk_str_z(record_type_text(r->type)));
        want_add_text(b->mem, n, "content", r->content);
        want_add_int(b->mem, n, "ttl", r->ttl_s);
        (void)want_set_add(b->mem, b->out, WANT_RECORD, o, n, r->id);
    }
}

/* Keys that nobody can use any more are history. */
static void put_setup_key(struct building *b, const struct setup_key *k)
{
    struct want_node *n = want_new(b->mem, WANT_MAP);

    if (!setup_key_usable(k, b->now_us))
        return;
    want_add_text(b->mem, n, "name", k->name);
    want_add_text(b->mem, n, "type", rk_str_z(setup_key_type_text(k->type)));
    want_add_int(b->mem, n, "expires_in",
                 k->expires_at_us ? (k->expires_at_us - k->created_at_us + 500000) / 1000000 : 0);
    put_groups(b, n, "auto_groups", &k->auto_groups);
    want_add_int(b->mem, n, "usage_limit", k->usage_limit);
    want_add_bool(b->mem, n, "ephemeral", k->ephemeral);
    want_add_bool(b->mem, n, "allow_extra_dns_labels", k->allow_extra_dns_labels);
    (void)want_set_add(b->mem, b->out, WANT_SETUP_KEY, NULL, n, k->id);
}

static void put_settings(struct building *b)
{
    const struct settings *s = snap_settings(b->s);
    struct want_node *n = want_new(b->mem, WANT_MAP), *extra;
    struct rk_arena *mem = b->mem;

    want_add_bool(mem, n, "peer_login_expiration_enabled", s->peer_login_expiration_enabled);
    want_add_int(mem, n, "peer_login_expiration", s->peer_login_expiration_s);
    want_add_bool(mem, n, "peer_inactivity_expiration_enabled",
                  s->peer_inactivity_expiration_enabled);
    want_add_int(mem, n, "peer_inactivity_expiration", s->peer_inactivity_expiration_s);
    want_add_bool(mem, n, "regular_users_view_blocked", s->regular_users_view_blocked);
    want_add_bool(mem, n, "groups_propagation_enabled", s->groups_propagation_enabled);
    want_add_bool(mem, n, "jwt_groups_enabled", s->jwt_groups_enabled);
    want_add_text(mem, n, "jwt_groups_claim_name", s->jwt_groups_claim);
    put_texts(b, n, "jwt_allow_groups", &s->jwt_allow_groups);
    want_add_bool(mem, n, "routing_peer_dns_resolution_enabled", s->routing_peer_dns_resolution);
    want_add_text(mem, n, "dns_domain", s->dns_domain);
    if (s->network_range4.ip.family)
        want_add_text(mem, n, "network_range", prefix_text(mem, &s->network_range4));
    if (s->network_range6.ip.family)
        want_add_text(mem, n, "network_range_v6", prefix_text(mem, &s->network_range6));
    want_add_bool(mem, n, "peer_expose_enabled", s->peer_expose_enabled);
    put_groups(b, n, "peer_expose_groups", &s->peer_expose_groups);
    want_add_bool(mem, n, "lazy_connection_enabled", s->lazy_connection);
    put_groups(b, n, "ipv6_enabled_groups", &s->ipv6_groups);
    extra = want_add(mem, n, RK_STR("extra"), WANT_MAP);
    want_add_bool(mem, extra, "peer_approval_enabled", s->peer_approval_enabled);
    want_add_bool(mem, extra, "user_approval_required", s->user_approval_required);
    want_add_bool(mem, extra, "network_traffic_logs_enabled", s->traffic_logs);
    put_groups(b, extra, "network_traffic_logs_groups", &s->traffic_groups);
    want_add_bool(mem, extra, "network_traffic_packet_counter_enabled", s->traffic_counters);
    want_add_text(mem, n, "auto_update_version", s->auto_update_version);
    want_add_bool(mem, n, "auto_update_always", s->auto_update_always);
    want_add_bool(mem, n, "metrics_push_enabled", s->metrics_push);
    want_add_bool(mem, n, "agent_network_only", s->agent_network_only);
    want_add_bool(mem, n, "local_mfa_enabled", s->local_mfa);
    (void)want_set_add(mem, b->out, WANT_SETTINGS, NULL, n, snap_account(b->s)->id);
    n = want_new(mem, WANT_MAP);
    put_groups(b, n, "disabled_management_groups",
               &snap_dns_settings(b->s)->disabled_management_groups);
    (void)want_set_add(mem, b->out, WANT_DNS_SETTINGS, NULL, n, snap_account(b->s)->id);
}

/* ---- all of them */

#define EACH(b, kind, type, fn)                                                                    \
    do {                                                                                           \
        struct snap_iter it = snap_iter((b)->s, kind);                                             \
        const type *row;                                                                           \
                                                                                                   \
        while ((row = snap_next(&it)) != NULL)                                                     \
            fn((b), row);                                                                          \
    } while (0)

static void name_group(struct building *b, const struct group *g)
{
    count_name(&b->groups, g->name);
}

static void name_peer(struct building *b, const struct peer *p)
{
    count_name(&b->peers, p->name);
}

static void name_posture(struct building *b, const struct posture *p)
{
    count_name(&b->postures, p->name);
}

static void name_resource(struct building *b, const struct resource *r)
{
    count_name(&b->resources, r->name);
}

struct want_set *want_present(struct rk_arena *mem, const struct snapshot *snap, int64_t now_us)
{
    struct building b = {
        .mem = mem, .s = snap, .now_us = now_us, .out = rk_new(mem, struct want_set)};

    *b.out = (struct want_set){0};
    rk_map_init(&b.groups, true);
    rk_map_init(&b.peers, true);
    rk_map_init(&b.postures, true);
    rk_map_init(&b.resources, true);
    EACH(&b, ENT_GROUP, struct group, name_group);
    EACH(&b, ENT_PEER, struct peer, name_peer);
    EACH(&b, ENT_POSTURE, struct posture, name_posture);
    EACH(&b, ENT_RESOURCE, struct resource, name_resource);
    EACH(&b, ENT_GROUP, struct group, put_group);
    EACH(&b, ENT_POSTURE, struct posture, put_posture);
    EACH(&b, ENT_NETWORK, struct network, put_network);
    EACH(&b, ENT_POLICY, struct policy, put_policy);
    EACH(&b, ENT_ROUTE, struct route, put_route);
    EACH(&b, ENT_NS_GROUP, struct ns_group, put_ns_group);
    EACH(&b, ENT_ZONE, struct zone, put_zone);
    put_settings(&b);
    EACH(&b, ENT_SETUP_KEY, struct setup_key, put_setup_key);
    rk_map_done(&b.groups);
    rk_map_done(&b.peers);
    rk_map_done(&b.postures);
    rk_map_done(&b.resources);
    want_set_sort(mem, b.out);
    return b.out;
}
