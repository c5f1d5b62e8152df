/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See random.h. Accounts are small and dense on purpose: few groups, many references between
 * things, some of them dangling, so that rules, routes and networks meet each other.
 */
#include "config.h"

#include "tests/property/random.h"

#include <stdlib.h>

#include "lib/base/enc.h"

#define ROWS 40 /* room per table */

uint64_t rng_next(struct rng *r) /* splitmix64 */
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

size_t rng_below(struct rng *r, size_t n)
{
    return n ? (size_t)(rng_next(r) % n) : 0;
}

bool rng_chance(struct rng *r, unsigned percent)
{
    return rng_below(r, 100) < percent;
}

#define PICK(r, array) ((array)[rng_below((r), RK_ARRAY_LEN(array))])

struct gen {
    struct rng *r;
    struct rk_arena *mem;
    struct account_data *d;
};

/* ---- references */

static struct rk_str any_group(struct gen *g)
{
    if (g->d->n_groups == 0 || rng_chance(g->r, 5))
        return RK_STR("g-ghost");
    return g->d->groups[rng_below(g->r, g->d->n_groups)].id;
}

static struct rk_str any_peer(struct gen *g)
{
    if (g->d->n_peers == 0 || rng_chance(g->r, 5))
        return RK_STR("p-ghost");
    return g->d->peers[rng_below(g->r, g->d->n_peers)].id;
}

static struct str_list some_groups(struct gen *g, size_t min, size_t max)
{
    size_t n = min + rng_below(g->r, max - min + 1);
    struct str_list l = {.v = rk_new_n(g->mem, struct rk_str, n + 1)};

    while (l.n < n)
        l.v[l.n++] = any_group(g);
    return l;
}

static struct rk_str id_for(struct gen *g, const char *prefix, const void *row_of_old)
{
    static unsigned long counter; /* unique in the process is enough */

    if (row_of_old)
        return *(const struct rk_str *)row_of_old;
    /* not ascending: ids decide orders */
    return rk_arena_printf(g->mem, "%s-%02lx%lu", prefix, (unsigned long)rng_below(g->r, 256),
                           ++counter);
}

/* ---- rows; old: the row that is replaced, whose id (and uniques) stay, or NULL */

static void gen_meta(struct gen *g, struct peer_meta *m)
{
    static const char *const VERSIONS[] = {
        "0.35.0", "0.36.4",     "0.47.9",      "0.48.0", "0.58.2",
        "0.59.0", "0.60.0-rc1", "0.60.0",      "0.70.0", "0.70.0",
        "0.76.1", "0.76.1",     "development", "dev-1",  ""};
    static const char *const SYSTEMS[] = {"linux", "linux", "windows", "darwin"};
    static const uint32_t CAPS[] = {
        0, PEER_CAP_SOURCE_PREFIXES, PEER_CAP_SOURCE_PREFIXES | PEER_CAP_IPV6_OVERLAY,
        PEER_CAP_SOURCE_PREFIXES | PEER_CAP_IPV6_OVERLAY, PEER_CAP_IPV6_OVERLAY};

    *m = (struct peer_meta){.version = rk_str_z(PICK(g->r, VERSIONS)),
                            .goos = rk_str_z(PICK(g->r, SYSTEMS)),
                            .kernel_version = RK_STR("6.1.0"),
                            .os_version = RK_STR("14.0"),
                            .capabilities = PICK(g->r, CAPS)};
    /* mostly new agents, or the forwarder port would always be the old one */
    if (rng_chance(g->r, 75))
        m->version = RK_STR("0.76.1");
    if (rng_chance(g->r, 30))
        m->flags |= PEER_FLAG_SERVER_SSH_ALLOWED;
    if (rng_chance(g->r, 10))
        m->flags |= PEER_FLAG_NO_IPV6;
}

/* A peer's id is its key: agents, which know no ids of peers, name it so in the component form. */
static struct rk_str wg_key(struct gen *g)
{
    uint64_t raw[4] = {rng_next(g->r), rng_next(g->r), rng_next(g->r), rng_next(g->r)};

    return rk_base64_encode(g->mem, rk_str_of(raw, sizeof raw));
}

static void gen_peer(struct gen *g, struct peer *p, const struct peer *old)
{
    static unsigned long counter;
    unsigned long n = ++counter;

    *p = (struct peer){
        .id = old ? old->id : wg_key(g),
        .dns_label =
            old && rng_chance(g->r, 80) ? old->dns_label : rk_arena_printf(g->mem, "host%lu", n),
        .ip = old && rng_chance(g->r, 85)
                  ? old->ip
                  : rk_ip4(100, 64, (unsigned)(n / 250 % 250), (unsigned)(n % 250)),
        .ssh_key = rng_chance(g->r, 50) ? RK_STR("ssh-ed25519 AAAA") : RK_STR(""),
        .ssh_enabled = rng_chance(g->r, 40),
        .login_expiration_enabled = rng_chance(g->r, 60),
        .last_login_us =
            rng_chance(g->r, 10) ? 0 : NOW_US - (int64_t)rng_below(g->r, 48) * 3600 * 1000000,
        .user_id = rng_chance(g->r, 50) ? RK_STR("u-1") : RK_STR(""),
        .status = {.connected = rng_chance(g->r, 60), .requires_approval = rng_chance(g->r, 8)},
        .location = {.country_code = rng_chance(g->r, 70) ? RK_STR("DE") : RK_STR("FR")},
    };
    p->key = p->id;
    gen_meta(g, &p->meta);
    if (rng_chance(g->r, 60)) {
        p->ip6 = (struct rk_ip){.family = 6, .b = {0xfd, 0, 0, 1}};
        p->ip6.b[13] = (uint8_t)(n >> 16);
        p->ip6.b[14] = (uint8_t)(n >> 8);
        p->ip6.b[15] = (uint8_t)n;
    }
    if (rng_chance(g->r, 15)) {
        p->extra_dns_labels.v = rk_new(g->mem, struct rk_str);
        p->extra_dns_labels.v[0] = rk_arena_printf(g->mem, "extra%lu", n);
        p->extra_dns_labels.n = 1;
    }
    if (rng_chance(g->r, 8)) {
        p->proxy_embedded = true;
        p->proxy_cluster = RK_STR("eu.proxy.test");
    }
}

static void gen_group(struct gen *g, struct group *out, const struct group *old)
{
    *out = (struct group){.id = id_for(g, "g", old)};
    out->name = old ? old->name : out->id;
    if (rng_chance(g->r, 50) && g->d->n_resources > 0) {
        out->n_resources = 1 + rng_below(g->r, 2);
        out->resources = rk_new_n(g->mem, struct resource_ref, out->n_resources);
        for (size_t i = 0; i < out->n_resources; i++)
            out->resources[i] = (struct resource_ref){
                g->d->resources[rng_below(g->r, g->d->n_resources)].id, RESOURCE_SUBNET};
    }
}

static struct resource_ref gen_resource_ref(struct gen *g, bool destination)
{
    if (destination && g->d->n_resources > 0 && rng_chance(g->r, 60))
        return (struct resource_ref){g->d->resources[rng_below(g->r, g->d->n_resources)].id,
                                     RESOURCE_SUBNET};
    return (struct resource_ref){any_peer(g), RESOURCE_PEER};
}

static void gen_ports(struct gen *g, struct rule *r)
{
    static const char *const PORTS[] = {"22", "80", "443", "22022", "8080", "bad"};
    static const struct port_range RANGES[] = {{22, 22},       {20, 30}, {80, 80}, {8000, 8100},
                                               {22000, 22100}, {0, 0},   {30, 20}};
    size_t n = rng_below(g->r, 3);

    if (r->protocol != PROTO_TCP && r->protocol != PROTO_UDP && r->protocol != PROTO_SSH)
        return;
    if (rng_chance(g->r, 50)) {
        r->ports = (struct str_list){rk_new_n(g->mem, struct rk_str, n + 1), n};
        for (size_t i = 0; i < n; i++)
            r->ports.v[i] = rk_str_z(PICK(g->r, PORTS));
    }
    n = rng_below(g->r, 3);
    if (rng_chance(g->r, 40)) {
        r->ranges = rk_new_n(g->mem, struct port_range, n + 1);
        r->n_ranges = n;
        for (size_t i = 0; i < n; i++)
            r->ranges[i] = PICK(g->r, RANGES);
    }
}

static void gen_rule(struct gen *g, struct rule *r, struct rk_str policy, size_t number)
{
    static const enum rule_protocol PROTOCOLS[] = {PROTO_ALL, PROTO_ALL,  PROTO_TCP, PROTO_TCP,
                                                   PROTO_UDP, PROTO_ICMP, PROTO_SSH};

    *r = (struct rule){.id = rng_chance(g->r, 85)
                                 ? rk_arena_printf(g->mem, "%.*s-r%zu", RK_STR_ARG(policy), number)
                                 : policy,
                       .policy_id = policy,
                       .enabled = rng_chance(g->r, 85),
                       .action = rng_chance(g->r, 85) ? ACTION_ACCEPT : ACTION_DROP,
                       .protocol = PICK(g->r, PROTOCOLS),
                       .bidirectional = rng_chance(g->r, 50)};
    if (rng_chance(g->r, 15))
        r->source_resource = gen_resource_ref(g, false);
    else
        r->sources = some_groups(g, 0, 3);
    if (rng_chance(g->r, 30))
        r->destination_resource = gen_resource_ref(g, true);
    else
        r->destinations = some_groups(g, 0, 3);
    gen_ports(g, r);
    if (r->protocol == PROTO_SSH && rng_chance(g->r, 60)) {
        r->n_authorized = 1 + rng_below(g->r, 2);
        r->authorized = rk_new_n(g->mem, struct authorized_group, r->n_authorized);
        for (size_t i = 0; i < r->n_authorized; i++) {
            r->authorized[i].group_id = any_group(g);
            if (rng_chance(g->r, 70)) {
                r->authorized[i].names = (struct str_list){rk_new(g->mem, struct rk_str), 1};
                r->authorized[i].names.v[0] = rng_chance(g->r, 50) ? RK_STR("root") : RK_STR("ops");
            }
        }
    } else if (r->protocol == PROTO_SSH && rng_chance(g->r, 30)) {
        r->authorized_user = rng_chance(g->r, 50) ? RK_STR("u-ghost") : RK_STR("u-1");
    }
}

static void gen_policy(struct gen *g, struct policy *p, const struct policy *old)
{
    *p = (struct policy){.id = id_for(g, "pol", old),
                         .seq = old ? old->seq : (int64_t)rng_below(g->r, 8),
                         .enabled = rng_chance(g->r, 85),
                         .n_rules = rng_chance(g->r, 75) ? 1 : 1 + rng_below(g->r, 3)};
    p->rules = rk_new_n(g->mem, struct rule, p->n_rules);
    for (size_t i = 0; i < p->n_rules; i++)
        gen_rule(g, &p->rules[i], p->id, i);
    if (rng_chance(g->r, 30)) {
        p->posture_checks.n = 1 + rng_below(g->r, 2);
        p->posture_checks.v = rk_new_n(g->mem, struct rk_str, p->posture_checks.n);
        for (size_t i = 0; i < p->posture_checks.n; i++)
            p->posture_checks.v[i] = g->d->n_postures && rng_chance(g->r, 90)
                                         ? g->d->postures[rng_below(g->r, g->d->n_postures)].id
                                         : RK_STR("pc-ghost");
    }
}

static void gen_posture(struct gen *g, struct posture *p, const struct posture *old)
{
    *p = (struct posture){.id = id_for(g, "pc", old)};
    if (rng_chance(g->r, 60)) {
        p->has_nb_version = true;
        p->nb_min_version = rng_chance(g->r, 50) ? RK_STR("0.60.0") : RK_STR("0.76.0");
    } else {
        p->has_geo = true;
        p->geo_action = rng_chance(g->r, 50) ? CHECK_ALLOW : CHECK_DENY;
        p->geo = rk_new(g->mem, struct geo_location);
        p->geo[0].country_code = RK_STR("DE");
        p->n_geo = 1;
    }
}

static struct rk_prefix random_network(struct gen *g)
{
    static const char *const NETWORKS[] = {"10.1.0.0/16", "10.1.0.0/16", "10.2.0.0/24",
                                           "0.0.0.0/0",   "fd00:9::/64", "192.168.1.7/24"};
    struct rk_prefix p = {0};

    if (rk_prefix_parse(rk_str_z(PICK(g->r, NETWORKS)), &p, NULL) != RK_OK)
        abort();
    return p;
}

static void gen_route(struct gen *g, struct route *r, const struct route *old)
{
    *r = (struct route){.id = id_for(g, "r", old),
                        .net_id = rng_chance(g->r, 60) ? RK_STR("net-a") : RK_STR("net-b"),
                        .metric = 1 + (int64_t)rng_below(g->r, 3),
                        .masquerade = rng_chance(g->r, 50),
                        .keep_route = rng_chance(g->r, 50),
                        .skip_auto_apply = rng_chance(g->r, 30),
                        .enabled = rng_chance(g->r, 80),
                        .groups = some_groups(g, 1, 2)};
    if (rng_chance(g->r, 20)) {
        r->domains = (struct str_list){rk_new_n(g->mem, struct rk_str, 2), 1 + rng_below(g->r, 2)};
        r->domains.v[0] = RK_STR("app.example.com");
        r->domains.v[1] = RK_STR("*.example.org");
        if (!rk_prefix_parse(RK_STR(ROUTE_DOMAIN_PLACEHOLDER), &r->network, NULL))
            r->kind = ROUTE_DOMAIN;
    } else {
        r->network = random_network(g);
        r->kind = r->network.ip.family == 6 ? ROUTE_IPV6 : ROUTE_IPV4;
    }
    if (rng_chance(g->r, 50))
        r->peer = any_peer(g);
    else
        r->peer_groups = some_groups(g, 1, 2);
    if (rng_chance(g->r, 50))
        r->access_control_groups = some_groups(g, 1, 2);
}

static struct rk_str any_network(struct gen *g)
{
    return rng_chance(g->r, 60) ? RK_STR("n-1") : RK_STR("n-2");
}

static void gen_resource(struct gen *g, struct resource *r, const struct resource *old)
{
    *r = (struct resource){
        .id = id_for(g, "res", old), .network_id = any_network(g), .enabled = rng_chance(g->r, 85)};
    r->name = rk_arena_printf(g->mem, "name-%.*s", RK_STR_ARG(r->id));
    if (rng_chance(g->r, 25)) {
        r->type = RESOURCE_DOMAIN;
        r->domain = RK_STR("int.example.com");
    } else {
        r->type = RESOURCE_SUBNET;
        r->prefix = random_network(g);
    }
}

static void gen_router(struct gen *g, struct router *r, const struct router *old)
{
    *r = (struct router){.id = id_for(g, "ro", old),
                         .network_id = any_network(g),
                         .masquerade = rng_chance(g->r, 50),
                         .metric = (int64_t)rng_below(g->r, 3),
                         .enabled = rng_chance(g->r, 85)};
    if (rng_chance(g->r, 50))
        r->peer = any_peer(g);
    else
        r->peer_groups = some_groups(g, 1, 2);
}

static void gen_ns_group(struct gen *g, struct ns_group *n, const struct ns_group *old)
{
    *n = (struct ns_group){.id = id_for(g, "ns", old),
                           .groups = some_groups(g, 1, 2),
                           .enabled = rng_chance(g->r, 80),
                           .primary = rng_chance(g->r, 50)};
    n->n_servers = 1;
    n->servers = rk_new(g->mem, struct nameserver);
    n->servers[0] = (struct nameserver){.ip = rk_ip4(1, 1, 1, 1), .ns_type = 1, .port = 53};
    if (g->d->n_peers > 0 && rng_chance(g->r, 30))
        n->servers[0].ip = g->d->peers[rng_below(g->r, g->d->n_peers)].ip;
}

static void gen_zone(struct gen *g, struct zone *z, const struct zone *old)
{
    *z = (struct zone){.id = id_for(g, "z", old),
                       .enabled = rng_chance(g->r, 80),
                       .search_domain = rng_chance(g->r, 50),
                       .groups = some_groups(g, 1, 2)};
    z->domain = rk_arena_printf(g->mem, "%.*s.test", RK_STR_ARG(z->id));
}

static void gen_record(struct gen *g, struct record *r, const struct record *old)
{
    *r = (struct record){.id = id_for(g, "rec", old),
                         .zone_id = RK_STR("z-ghost"),
                         .name = RK_STR("www.corp.test"),
                         .type = rng_chance(g->r, 70) ? RECORD_A : RECORD_CNAME,
                         .ttl_s = (int64_t)rng_below(g->r, 3) * 60};
    r->content = r->type == RECORD_A ? RK_STR("10.0.0.9") : RK_STR("other.corp.test");
    if (g->d->n_zones > 0)
        r->zone_id = g->d->zones[rng_below(g->r, g->d->n_zones)].id;
}

static void gen_user(struct gen *g, struct user *u, const struct user *old)
{
    *u = (struct user){.id = id_for(g, "u", old),
                       .role = ROLE_USER,
                       .blocked = rng_chance(g->r, 20),
                       .is_service = rng_chance(g->r, 15),
                       .auto_groups = some_groups(g, 0, 2),
                       .last_login_us = (int64_t)rng_below(g->r, 1000)};
}

static void gen_service(struct gen *g, struct service *s, const struct service *old)
{
    static const char *const TYPES[] = {"peer", "domain", "subnet"};
    struct service_target *t = rk_new(g->mem, struct service_target);

    *s = (struct service){.id = id_for(g, "s", old),
                          .domain = RK_STR("app.eu.proxy.test"),
                          .proxy_cluster = RK_STR("eu.proxy.test"),
                          .mode = rng_chance(g->r, 80) ? RK_STR("http") : RK_STR("udp"),
                          .enabled = rng_chance(g->r, 85),
                          .terminated = rng_chance(g->r, 10),
                          .is_private = rng_chance(g->r, 50),
                          .access_groups = some_groups(g, 0, 2),
                          .targets = t,
                          .n_targets = 1};
    *t = (struct service_target){.target_type = rk_str_z(PICK(g->r, TYPES)),
                                 .protocol = RK_STR("https"),
                                 .port = (uint16_t)(rng_chance(g->r, 50) ? 8080 : 0),
                                 .enabled = rng_chance(g->r, 85)};
    t->target_id = any_peer(g);
    if (!rk_str_eqz(t->target_type, "peer") && g->d->n_resources > 0)
        t->target_id = g->d->resources[rng_below(g->r, g->d->n_resources)].id;
}

static void gen_settings(struct gen *g, struct settings *s)
{
    settings_default(s);
    s->peer_login_expiration_enabled = rng_chance(g->r, 70);
    s->dns_domain = rng_chance(g->r, 70) ? RK_STR("") : RK_STR("mesh.corp");
    s->routing_peer_dns_resolution = rng_chance(g->r, 50);
    s->lazy_connection = rng_chance(g->r, 50);
    s->ipv6_groups = some_groups(g, 0, 2);
    s->auto_update_version = rng_chance(g->r, 50) ? RK_STR("latest") : RK_STR("");
}

/* ---- tables */

static void gen_row(struct gen *g, enum entity_kind k, void *out, const void *old)
{
    switch (k) {
    case ENT_PEER:
        gen_peer(g, out, old);
        break;
    case ENT_GROUP:
        gen_group(g, out, old);
        break;
    case ENT_POLICY:
        gen_policy(g, out, old);
        break;
    case ENT_POSTURE:
        gen_posture(g, out, old);
        break;
    case ENT_ROUTE:
        gen_route(g, out, old);
        break;
    case ENT_RESOURCE:
        gen_resource(g, out, old);
        break;
    case ENT_ROUTER:
        gen_router(g, out, old);
        break;
    case ENT_NS_GROUP:
        gen_ns_group(g, out, old);
        break;
    case ENT_ZONE:
        gen_zone(g, out, old);
        break;
    case ENT_RECORD:
        gen_record(g, out, old);
        break;
    case ENT_USER:
        gen_user(g, out, old);
        break;
    case ENT_SERVICE:
        gen_service(g, out, old);
        break;
    default:
        abort();
    }
}

struct table { /* one array of account_data, writable */
    char *items;
    size_t *n;
    size_t size;
};

static struct table table_of(struct account_data *d, enum entity_kind k)
{
    switch (k) {
#define TABLE(kind, field)                                                                         \
    case kind:                                                                                     \
        return (struct table){(char *)d->field, &d->n_##field, entity_size(kind)}
        TABLE(ENT_PEER, peers);
        TABLE(ENT_GROUP, groups);
        TABLE(ENT_GROUP_PEER, group_peers);
        TABLE(ENT_POLICY, policies);
        TABLE(ENT_POSTURE, postures);
        TABLE(ENT_ROUTE, routes);
        TABLE(ENT_RESOURCE, resources);
        TABLE(ENT_ROUTER, routers);
        TABLE(ENT_NS_GROUP, ns_groups);
        TABLE(ENT_ZONE, zones);
        TABLE(ENT_RECORD, records);
        TABLE(ENT_USER, users);
        TABLE(ENT_SERVICE, services);
#undef TABLE
    default:
        abort();
    }
}

static void *append(struct table *t)
{
    return t->items + (*t->n)++ * t->size;
}

static void remove_at(struct table *t, size_t i)
{
    --*t->n;
    memmove(t->items + i * t->size, t->items + (i + 1) * t->size, (*t->n - i) * t->size);
}

static void fill(struct gen *g, enum entity_kind k, size_t n)
{
    struct table t = table_of(g->d, k);

    while (n-- > 0)
        gen_row(g, k, append(&t), NULL);
}

static bool joined(const struct account_data *d, struct rk_str group, struct rk_str peer)
{
    for (size_t i = 0; i < d->n_group_peers; i++)
        if (rk_str_eq(d->group_peers[i].group_id, group) &&
            rk_str_eq(d->group_peers[i].peer_id, peer))
            return true;
    return false;
}

struct account_data *random_account(struct rng *r, struct rk_arena *mem)
{
    struct account_data *d = rk_new(mem, struct account_data);
    struct gen g = {r, mem, d};

    d->account = (struct account){.id = RK_STR("acc"), .net_id = RK_STR("net"), .serial = 1};
    if (rk_prefix_parse(RK_STR("100.64.0.0/16"), &d->account.net4, NULL) ||
        rk_prefix_parse(RK_STR("fd00:1::/64"), &d->account.net6, NULL))
        abort();
#define ROOM(field, type) d->field = rk_new_n(mem, struct type, ROWS)
    ROOM(peers, peer);
    ROOM(groups, group);
    ROOM(policies, policy);
    ROOM(postures, posture);
    ROOM(routes, route);
    ROOM(resources, resource);
    ROOM(routers, router);
    ROOM(ns_groups, ns_group);
    ROOM(zones, zone);
    ROOM(records, record);
    ROOM(users, user);
    ROOM(services, service);
#undef ROOM
    d->group_peers = rk_new_n(mem, struct group_peer, (size_t)ROWS * ROWS);
    fill(&g, ENT_PEER, 2 + rng_below(r, 9));
    fill(&g, ENT_RESOURCE, rng_below(r, 4));
    fill(&g, ENT_GROUP, 2 + rng_below(r, 5));
    if (rng_chance(r, 80))
        d->groups[0].name = RK_STR(GROUP_ALL_NAME);
    for (size_t i = 0; i < d->n_groups; i++)
        for (size_t p = 0; p < d->n_peers; p++)
            if (group_is_all(&d->groups[i]) ? !d->peers[p].proxy_embedded : rng_chance(r, 35))
                d->group_peers[d->n_group_peers++] =
                    (struct group_peer){d->groups[i].id, d->peers[p].id};
    fill(&g, ENT_POSTURE, rng_below(r, 3));
    fill(&g, ENT_POLICY, rng_below(r, 6));
    fill(&g, ENT_ROUTE, rng_below(r, 5));
    fill(&g, ENT_ROUTER, rng_below(r, 4));
    fill(&g, ENT_NS_GROUP, rng_below(r, 3));
    fill(&g, ENT_ZONE, rng_below(r, 3));
    fill(&g, ENT_RECORD, rng_below(r, 4));
    fill(&g, ENT_USER, rng_below(r, 5));
    if (rng_chance(r, 25))
        fill(&g, ENT_SERVICE, 1 + rng_below(r, 2));
    gen_settings(&g, &d->settings);
    d->dns_settings.disabled_management_groups = some_groups(&g, 0, 1);
    return d;
}

/* ---- mutations */

struct recorder {
    struct rk_arena *mem;
    struct change *v;
    size_t n, cap;
};

static void record(struct recorder *rec, enum entity_kind k, struct rk_str id, const void *before,
                   const void *after)
{
    rec->v = rk_arena_grow(rec->mem, rec->v, rec->n, &rec->cap, sizeof *rec->v);
    rec->v[rec->n++] = (struct change){.kind = k,
                                       .id = id,
                                       .before = before ? entity_dup(rec->mem, k, before) : NULL,
                                       .after = after ? entity_dup(rec->mem, k, after) : NULL};
}

static void drop_members(struct account_data *d, struct rk_str group, struct rk_str peer)
{
    struct table t = table_of(d, ENT_GROUP_PEER);

    for (size_t i = d->n_group_peers; i-- > 0;)
        if (rk_str_eq(d->group_peers[i].group_id, group) ||
            rk_str_eq(d->group_peers[i].peer_id, peer))
            remove_at(&t, i);
}

static void mutate_member(struct gen *g, struct recorder *rec)
{
    struct account_data *d = g->d;
    struct table t = table_of(d, ENT_GROUP_PEER);

    if (d->n_group_peers > 0 && rng_chance(g->r, 50)) {
        size_t i = rng_below(g->r, d->n_group_peers);
        struct group_peer m = d->group_peers[i];

        remove_at(&t, i);
        record(rec, ENT_GROUP_PEER, m.group_id, &m, NULL);
    } else if (d->n_groups > 0 && d->n_peers > 0) {
        struct group_peer m = {d->groups[rng_below(g->r, d->n_groups)].id,
                               d->peers[rng_below(g->r, d->n_peers)].id};

        if (joined(d, m.group_id, m.peer_id))
            return;
        *(struct group_peer *)append(&t) = m;
        record(rec, ENT_GROUP_PEER, m.group_id, NULL, &m);
    }
}

/* A new peer joins groups in the same transaction, as enrolment does. */
static void enrol(struct gen *g, struct recorder *rec, struct rk_str peer)
{
    struct table t = table_of(g->d, ENT_GROUP_PEER);

    for (size_t i = 0; i < g->d->n_groups; i++) {
        struct group_peer m = {g->d->groups[i].id, peer};

        if (!group_is_all(&g->d->groups[i]) && !rng_chance(g->r, 30))
            continue;
        *(struct group_peer *)append(&t) = m;
        record(rec, ENT_GROUP_PEER, m.group_id, NULL, &m);
    }
}

static void mutate_table(struct gen *g, struct recorder *rec, enum entity_kind k)
{
    struct table t = table_of(g->d, k);
    size_t i = rng_below(g->r, *t.n);
    void *old = *t.n ? t.items + i * t.size : NULL;

    if (*t.n + 1 < ROWS && (!old || rng_chance(g->r, 25))) {
        void *row = append(&t);

        gen_row(g, k, row, NULL);
        record(rec, k, entity_id(k, row), NULL, row);
        if (k == ENT_PEER)
            enrol(g, rec, entity_id(k, row));
    } else if (old && rng_chance(g->r, 30)) {
        struct rk_str id = entity_id(k, old);

        record(rec, k, id, old, NULL);
        remove_at(&t, i);
        if (k == ENT_PEER)
            drop_members(g->d, RK_STR("-"), id);
        if (k == ENT_GROUP)
            drop_members(g->d, id, RK_STR("-"));
    } else if (old) {
        void *copy = entity_dup(g->mem, k, old);

        gen_row(g, k, old, copy);
        record(rec, k, entity_id(k, old), copy, old);
    }
}

static void mutate_settings(struct gen *g, struct recorder *rec)
{
    struct account_data *d = g->d;

    if (rng_chance(g->r, 60)) {
        struct settings before = d->settings;

        gen_settings(g, &d->settings);
        record(rec, ENT_SETTINGS, d->account.id, &before, &d->settings);
    } else {
        struct dns_settings before = d->dns_settings;

        d->dns_settings.disabled_management_groups = some_groups(g, 0, 2);
        record(rec, ENT_DNS_SETTINGS, d->account.id, &before, &d->dns_settings);
    }
}

struct change *random_mutation(struct rng *r, struct rk_arena *mem, struct account_data *d,
                               size_t *n)
{
    static const enum entity_kind KINDS[] = {ENT_PEER,   ENT_PEER,     ENT_PEER,    ENT_GROUP,
                                             ENT_POLICY, ENT_POLICY,   ENT_POSTURE, ENT_ROUTE,
                                             ENT_ROUTE,  ENT_RESOURCE, ENT_ROUTER,  ENT_NS_GROUP,
                                             ENT_ZONE,   ENT_RECORD,   ENT_USER,    ENT_USER};
    struct gen g = {r, mem, d};
    struct recorder rec = {.mem = mem};

    for (size_t i = rng_chance(r, 80) ? 1 : 1 + rng_below(r, 3); i > 0; i--) {
        if (rng_chance(r, 20))
            mutate_member(&g, &rec);
        else if (rng_chance(r, 6))
            mutate_settings(&g, &rec);
        else if (d->n_services > 0 && rng_chance(r, 10))
            mutate_table(&g, &rec, ENT_SERVICE);
        else
            mutate_table(&g, &rec, PICK(r, KINDS));
    }
    *n = rec.n;
    return rec.v;
}
