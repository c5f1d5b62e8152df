/* SPDX-License-Identifier: BSD-3-Clause */
/* See account.h and, for the form of the file, the specification of the corpus. */
#include "config.h"

#include "tests/map-cases/account.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/num.h"

static void die(const char *what, const char *value)
{
    fprintf(stderr, "map-cases: bad %s: %s\n", what, value ? value : "(none)");
    exit(99);
}

struct rk_str tj_str(const json_t *j)
{
    return rk_str_of(json_string_value(j), json_string_length(j));
}

struct str_list tj_list(struct rk_arena *mem, const json_t *j)
{
    struct str_list l = {.v = rk_new_n(mem, struct rk_str, json_array_size(j) + 1)};

    for (; l.n < json_array_size(j); l.n++)
        l.v[l.n] = tj_str(json_array_get(j, l.n));
    return l;
}

int64_t tj_time(const json_t *j)
{
    int64_t us = 0;

    if (json_is_string(j) && rk_time_parse_us(tj_str(j), &us, NULL) != RK_OK)
        die("time", json_string_value(j));
    return us;
}

json_t *account_get(const struct cases *c, const char *kind, const json_t *j, const char *key)
{
    json_t *v = json_object_get(j, key);

    return v ? v : json_object_get(json_object_get(c->defaults, kind), key);
}

static bool get_bool(const struct cases *c, const char *kind, const json_t *j, const char *key)
{
    return json_is_true(account_get(c, kind, j, key));
}

static struct rk_str get_str(const struct cases *c, const char *kind, const json_t *j,
                             const char *key)
{
    return tj_str(account_get(c, kind, j, key));
}

static struct rk_ip get_ip(struct rk_str s)
{
    struct rk_ip ip = {0};

    if (s.n > 0 && rk_ip_parse(s, &ip, NULL) != RK_OK)
        die("address", s.p);
    return ip;
}

static struct rk_prefix get_prefix(struct rk_str s)
{
    struct rk_prefix p = {0};

    if (s.n > 0 && rk_prefix_parse(s, &p, NULL) != RK_OK)
        die("prefix", s.p);
    return p;
}

/* ---- peers */

static void peer_meta_of(struct rk_arena *mem, const json_t *meta, struct peer_meta *m)
{
    const json_t *addresses = json_object_get(meta, "addresses");
    const json_t *files = json_object_get(meta, "files");

    m->goos = tj_str(json_object_get(meta, "goos"));
    m->os_version = tj_str(json_object_get(meta, "os_version"));
    m->kernel_version = tj_str(json_object_get(meta, "kernel_version"));
    m->addresses = rk_new_n(mem, struct peer_address, json_array_size(addresses) + 1);
    for (; m->n_addresses < json_array_size(addresses); m->n_addresses++)
        m->addresses[m->n_addresses].prefix =
            get_prefix(tj_str(json_array_get(addresses, m->n_addresses)));
    m->files = rk_new_n(mem, struct peer_file, json_array_size(files) + 1);
    for (; m->n_files < json_array_size(files); m->n_files++) {
        const json_t *f = json_array_get(files, m->n_files);

        m->files[m->n_files] = (struct peer_file){
            .path = tj_str(json_object_get(f, "path")),
            .exist = true,
            .running = json_is_true(json_object_get(f, "running")),
        };
    }
}

void account_peer(const struct cases *c, struct rk_arena *mem, const char *id, const json_t *j,
                  struct peer *out)
{
    const json_t *embedded = account_get(c, "peer", j, "embedded");
    const json_t *caps = account_get(c, "peer", j, "caps");
    const json_t *key = json_object_get(j, "key"), *label = json_object_get(j, "label");
    const json_t *cap;
    size_t i;

    *out = (struct peer){
        .id = rk_str_z(id),
        .key = key ? tj_str(key) : rk_arena_printf(mem, "key-%s", id),
        .ip = get_ip(tj_str(json_object_get(j, "ip"))),
        .ip6 = get_ip(get_str(c, "peer", j, "ipv6")),
        .name = rk_str_z(id),
        .dns_label = label ? tj_str(label) : rk_str_z(id),
        .user_id = get_str(c, "peer", j, "user"),
        .ssh_enabled = get_bool(c, "peer", j, "ssh"),
        .login_expiration_enabled = get_bool(c, "peer", j, "login_expiration"),
        .last_login_us = tj_time(account_get(c, "peer", j, "last_login")),
        .extra_dns_labels = tj_list(mem, account_get(c, "peer", j, "extra_labels")),
        .proxy_embedded = json_is_string(embedded),
        .proxy_cluster = tj_str(embedded),
        .location = {.connection_ip = get_ip(get_str(c, "peer", j, "connection_ip")),
                     .country_code = get_str(c, "peer", j, "country"),
                     .city_name = get_str(c, "peer", j, "city")},
        .status = {.connected = get_bool(c, "peer", j, "connected"),
                   .requires_approval = !get_bool(c, "peer", j, "validated")},
    };
    peer_meta_of(mem, account_get(c, "peer", j, "meta"), &out->meta);
    out->meta.version = get_str(c, "peer", j, "version");
    if (get_bool(c, "peer", j, "ssh_allowed"))
        out->meta.flags |= PEER_FLAG_SERVER_SSH_ALLOWED;
    if (get_bool(c, "peer", j, "disable_ipv6"))
        out->meta.flags |= PEER_FLAG_NO_IPV6;
    json_array_foreach (caps, i, cap) {
        if (rk_str_eqz(tj_str(cap), "ipv6"))
            out->meta.capabilities |= PEER_CAP_IPV6_OVERLAY;
        else if (rk_str_eqz(tj_str(cap), "source_prefixes"))
            out->meta.capabilities |= PEER_CAP_SOURCE_PREFIXES;
        else
            die("capability", json_string_value(cap));
    }
}

static void add_peers(const struct cases *c, struct rk_arena *mem, const json_t *account,
                      struct account_data *d)
{
    json_t *peers = json_object_get(account, "peers"), *j;
    const char *id;

    d->peers = rk_new_n(mem, struct peer, json_object_size(peers) + 1);
    json_object_foreach (peers, id, j)
        account_peer(c, mem, id, j, &d->peers[d->n_peers++]);
}

/* ---- groups */

static void add_member(struct rk_arena *mem, struct account_data *d, size_t *cap,
                       struct rk_str group, struct rk_str peer)
{
    d->group_peers =
        rk_arena_grow(mem, d->group_peers, d->n_group_peers, cap, sizeof *d->group_peers);
    d->group_peers[d->n_group_peers++] = (struct group_peer){.group_id = group, .peer_id = peer};
}

static void add_members(struct rk_arena *mem, struct account_data *d, size_t *cap,
                        struct rk_str group, const json_t *peers)
{
    json_t *p;
    size_t i;

    if (json_is_string(peers)) { /* "*" */
        for (i = 0; i < d->n_peers; i++)
            if (!d->peers[i].proxy_embedded)
                add_member(mem, d, cap, group, d->peers[i].id);
        return;
    }
    json_array_foreach (peers, i, p)
        add_member(mem, d, cap, group, tj_str(p));
}

static void add_groups(struct rk_arena *mem, const json_t *account, struct account_data *d)
{
    json_t *groups = json_object_get(account, "groups"), *j;
    const char *id;
    size_t cap = 0;

    d->groups = rk_new_n(mem, struct group, json_object_size(groups) + 1);
    json_object_foreach (groups, id, j) {
        struct group *g = &d->groups[d->n_groups++];
        const json_t *name = json_object_get(j, "name"), *res = json_object_get(j, "resources");

        *g = (struct group){.id = rk_str_z(id), .name = name ? tj_str(name) : rk_str_z(id)};
        g->resources = rk_new_n(mem, struct resource_ref, json_array_size(res) + 1);
        for (; g->n_resources < json_array_size(res); g->n_resources++)
            g->resources[g->n_resources] = (struct resource_ref){
                .id = tj_str(json_array_get(res, g->n_resources)), .type = RESOURCE_SUBNET};
        add_members(mem, d, &cap, g->id, json_is_array(j) ? j : json_object_get(j, "peers"));
    }
}

/* ---- policies */

static struct resource_ref resource_of(const json_t *j)
{
    struct resource_ref r = {.id = tj_str(json_object_get(j, "id"))};

    if (json_is_object(j) && !resource_type_parse(tj_str(json_object_get(j, "type")), &r.type))
        die("resource type", json_string_value(json_object_get(j, "type")));
    return r;
}

static void rule_of(const struct cases *c, struct rk_arena *mem, const json_t *j,
                    struct rk_str policy_id, struct rule *out)
{
    const json_t *id = json_object_get(j, "id");
    json_t *ranges = account_get(c, "rule", j, "port_ranges");
    json_t *groups = account_get(c, "rule", j, "authorized_groups"), *names;
    const char *group;

    *out = (struct rule){
        .id = id ? tj_str(id) : policy_id,
        .policy_id = policy_id,
        .enabled = get_bool(c, "rule", j, "enabled"),
        .bidirectional = get_bool(c, "rule", j, "bidirectional"),
        .sources = tj_list(mem, account_get(c, "rule", j, "sources")),
        .destinations = tj_list(mem, account_get(c, "rule", j, "destinations")),
        .source_resource = resource_of(account_get(c, "rule", j, "source_resource")),
        .destination_resource = resource_of(account_get(c, "rule", j, "destination_resource")),
        .ports = tj_list(mem, account_get(c, "rule", j, "ports")),
        .authorized_user = get_str(c, "rule", j, "authorized_user"),
    };
    if (!rule_action_parse(get_str(c, "rule", j, "action"), &out->action) ||
        !rule_protocol_parse(get_str(c, "rule", j, "protocol"), &out->protocol))
        die("rule", policy_id.p);
    out->ranges = rk_new_n(mem, struct port_range, json_array_size(ranges) + 1);
    for (; out->n_ranges < json_array_size(ranges); out->n_ranges++) {
        const json_t *r = json_array_get(ranges, out->n_ranges);

        out->ranges[out->n_ranges] =
            (struct port_range){(uint16_t)json_integer_value(json_array_get(r, 0)),
                                (uint16_t)json_integer_value(json_array_get(r, 1))};
    }
    out->authorized = rk_new_n(mem, struct authorized_group, json_object_size(groups) + 1);
    json_object_foreach (groups, group, names)
        out->authorized[out->n_authorized++] =
            (struct authorized_group){.group_id = rk_str_z(group), .names = tj_list(mem, names)};
}

void account_policy(const struct cases *c, struct rk_arena *mem, const json_t *j, int64_t seq,
                    struct policy *out)
{
    const json_t *rules = json_object_get(j, "rules"), *one = json_object_get(j, "rule");

    *out = (struct policy){
        .id = tj_str(json_object_get(j, "id")),
        .seq = seq,
        .enabled = get_bool(c, "policy", j, "enabled"),
        .posture_checks = tj_list(mem, account_get(c, "policy", j, "posture")),
        .n_rules = rules ? json_array_size(rules) : 1,
    };
    out->rules = rk_new_n(mem, struct rule, out->n_rules + 1);
    for (size_t i = 0; i < out->n_rules; i++)
        rule_of(c, mem, rules ? json_array_get(rules, i) : one, out->id, &out->rules[i]);
}

static void add_policies(const struct cases *c, struct rk_arena *mem, const json_t *account,
                         struct account_data *d)
{
    json_t *list = json_object_get(account, "policies"), *j;
    size_t i;

    d->policies = rk_new_n(mem, struct policy, json_array_size(list) + 1);
    json_array_foreach (list, i, j)
        account_policy(c, mem, j, (int64_t)i, &d->policies[d->n_policies++]);
}

/* ---- posture checks and users */

static struct rk_str sub_str(const json_t *j, const char *system, const char *key)
{
    return tj_str(json_object_get(json_object_get(j, system), key));
}

static enum check_action action_of(const json_t *j)
{
    enum check_action a = CHECK_ALLOW;

    if (!check_action_parse(tj_str(json_object_get(j, "action")), &a))
        die("check action", json_string_value(json_object_get(j, "action")));
    return a;
}

static void posture_lists(struct rk_arena *mem, const json_t *j, struct posture *out)
{
    const json_t *geo = json_object_get(json_object_get(j, "geo"), "locations");
    const json_t *ranges = json_object_get(json_object_get(j, "net_range"), "ranges");
    const json_t *procs = json_object_get(json_object_get(j, "process"), "processes");

    out->geo = rk_new_n(mem, struct geo_location, json_array_size(geo) + 1);
    for (; out->n_geo < json_array_size(geo); out->n_geo++) {
        const json_t *g = json_array_get(geo, out->n_geo);

        out->geo[out->n_geo] = (struct geo_location){tj_str(json_object_get(g, "country_code")),
                                                     tj_str(json_object_get(g, "city_name"))};
    }
    out->ranges = rk_new_n(mem, struct rk_prefix, json_array_size(ranges) + 1);
    for (; out->n_ranges < json_array_size(ranges); out->n_ranges++)
        out->ranges[out->n_ranges] = get_prefix(tj_str(json_array_get(ranges, out->n_ranges)));
    out->processes = rk_new_n(mem, struct check_process, json_array_size(procs) + 1);
    for (; out->n_processes < json_array_size(procs); out->n_processes++) {
        const json_t *p = json_array_get(procs, out->n_processes);

        out->processes[out->n_processes] = (struct check_process){
            tj_str(json_object_get(p, "linux_path")), tj_str(json_object_get(p, "mac_path")),
            tj_str(json_object_get(p, "windows_path"))};
    }
}

void account_posture(struct rk_arena *mem, const char *id, const json_t *j, struct posture *out)
{
    const json_t *os = json_object_get(j, "os_version");

    *out = (struct posture){
        .id = rk_str_z(id),
        .has_nb_version = json_object_get(j, "nb_version") != NULL,
        .nb_min_version = sub_str(j, "nb_version", "min_version"),
        .has_os_version = os != NULL,
        .android_min_version = sub_str(os, "android", "min_version"),
        .darwin_min_version = sub_str(os, "darwin", "min_version"),
        .ios_min_version = sub_str(os, "ios", "min_version"),
        .linux_min_kernel = sub_str(os, "linux", "min_kernel_version"),
        .windows_min_kernel = sub_str(os, "windows", "min_kernel_version"),
        .has_geo = json_object_get(j, "geo") != NULL,
        .has_net_range = json_object_get(j, "net_range") != NULL,
        .has_process = json_object_get(j, "process") != NULL,
    };
    if (out->has_geo)
        out->geo_action = action_of(json_object_get(j, "geo"));
    if (out->has_net_range)
        out->net_action = action_of(json_object_get(j, "net_range"));
    posture_lists(mem, j, out);
}

static void add_postures(struct rk_arena *mem, const json_t *account, struct account_data *d)
{
    json_t *checks = json_object_get(account, "posture_checks"), *j;
    const char *id;

    d->postures = rk_new_n(mem, struct posture, json_object_size(checks) + 1);
    json_object_foreach (checks, id, j)
        account_posture(mem, id, j, &d->postures[d->n_postures++]);
}

static void add_users(const struct cases *c, struct rk_arena *mem, const json_t *account,
                      struct account_data *d)
{
    json_t *users = json_object_get(account, "users"), *j;
    const char *id;

    d->users = rk_new_n(mem, struct user, json_object_size(users) + 1);
    json_object_foreach (users, id, j)
        d->users[d->n_users++] =
            (struct user){.id = rk_str_z(id),
                          .role = ROLE_USER,
                          .blocked = get_bool(c, "user", j, "blocked"),
                          .is_service = get_bool(c, "user", j, "service"),
                          .auto_groups = tj_list(mem, account_get(c, "user", j, "auto_groups"))};
}

/* ---- routes and networks */

void account_route(const struct cases *c, struct rk_arena *mem, const json_t *j, struct route *out)
{
    const json_t *net_id = json_object_get(j, "net_id");
    struct rk_str network = get_str(c, "route", j, "network");

    *out = (struct route){
        .id = tj_str(json_object_get(j, "id")),
        .net_id = tj_str(net_id ? net_id : json_object_get(j, "id")),
        .domains = tj_list(mem, account_get(c, "route", j, "domains")),
        .keep_route = get_bool(c, "route", j, "keep"),
        .peer = get_str(c, "route", j, "peer"),
        .peer_groups = tj_list(mem, account_get(c, "route", j, "peer_groups")),
        .metric = json_integer_value(account_get(c, "route", j, "metric")),
        .masquerade = get_bool(c, "route", j, "masquerade"),
        .enabled = get_bool(c, "route", j, "enabled"),
        .skip_auto_apply = get_bool(c, "route", j, "skip_auto_apply"),
        .groups = tj_list(mem, account_get(c, "route", j, "groups")),
        .access_control_groups = tj_list(mem, account_get(c, "route", j, "acl_groups")),
    };
    out->network = get_prefix(out->domains.n ? RK_STR(ROUTE_DOMAIN_PLACEHOLDER) : network);
    out->kind = out->domains.n                ? ROUTE_DOMAIN
                : out->network.ip.family == 6 ? ROUTE_IPV6
                                              : ROUTE_IPV4;
}

void account_router(const struct cases *c, struct rk_arena *mem, const json_t *j,
                    struct router *out)
{
    *out = (struct router){
        .id = tj_str(json_object_get(j, "id")),
        .network_id = tj_str(json_object_get(j, "network")),
        .peer = get_str(c, "router", j, "peer"),
        .peer_groups = tj_list(mem, account_get(c, "router", j, "peer_groups")),
        .masquerade = get_bool(c, "router", j, "masquerade"),
        .metric = json_integer_value(account_get(c, "router", j, "metric")),
        .enabled = get_bool(c, "router", j, "enabled"),
    };
}

static void resource_from(const struct cases *c, const json_t *j, struct resource *out)
{
    const json_t *name = json_object_get(j, "name");
    struct rk_str address = tj_str(json_object_get(j, "address"));

    *out = (struct resource){
        .id = tj_str(json_object_get(j, "id")),
        .network_id = tj_str(json_object_get(j, "network")),
        .name = tj_str(name ? name : json_object_get(j, "id")),
        .enabled = get_bool(c, "resource", j, "enabled"),
    };
    if (!resource_type_parse(tj_str(json_object_get(j, "type")), &out->type))
        die("resource", out->id.p);
    if (out->type == RESOURCE_DOMAIN)
        out->domain = address;
    else
        out->prefix = get_prefix(address);
}

static void add_networks(const struct cases *c, struct rk_arena *mem, const json_t *account,
                         struct account_data *d)
{
    json_t *routes = json_object_get(account, "routes"), *j;
    json_t *routers = json_object_get(account, "routers");
    json_t *resources = json_object_get(account, "resources");
    size_t i;

    d->routes = rk_new_n(mem, struct route, json_array_size(routes) + 1);
    json_array_foreach (routes, i, j)
        account_route(c, mem, j, &d->routes[d->n_routes++]);
    d->routers = rk_new_n(mem, struct router, json_array_size(routers) + 1);
    json_array_foreach (routers, i, j)
        account_router(c, mem, j, &d->routers[d->n_routers++]);
    d->resources = rk_new_n(mem, struct resource, json_array_size(resources) + 1);
    json_array_foreach (resources, i, j)
        resource_from(c, j, &d->resources[d->n_resources++]);
}

/* ---- DNS */

static void ns_group_from(const struct cases *c, struct rk_arena *mem, const json_t *j,
                          struct ns_group *out)
{
    const json_t *servers = json_object_get(j, "servers");

    *out = (struct ns_group){
        .id = tj_str(json_object_get(j, "id")),
        .groups = tj_list(mem, json_object_get(j, "groups")),
        .enabled = get_bool(c, "nameserver_group", j, "enabled"),
    };
    /* Maps carry no id of a nameserver group; the domain tells the test which one it is. */
    out->domains = (struct str_list){rk_new(mem, struct rk_str), 1};
    out->domains.v[0] = out->id;
    out->servers = rk_new_n(mem, struct nameserver, json_array_size(servers) + 1);
    for (; out->n_servers < json_array_size(servers); out->n_servers++)
        out->servers[out->n_servers] = (struct nameserver){
            .ip = get_ip(tj_str(json_object_get(json_array_get(servers, out->n_servers), "ip"))),
            .ns_type = 1,
            .port = 53};
}

static void add_records(struct rk_arena *mem, struct account_data *d, size_t *cap,
                        struct rk_str zone, const json_t *records)
{
    json_t *j;
    size_t i;

    json_array_foreach (records, i, j) {
        struct record r = {
            .id = rk_arena_printf(mem, "%.*s-%04zu", RK_STR_ARG(zone), i),
            .zone_id = zone,
            .name = tj_str(json_object_get(j, "name")),
            .content = tj_str(json_object_get(j, "content")),
            .ttl_s = json_integer_value(json_object_get(j, "ttl")),
        };

        if (!record_type_parse(tj_str(json_object_get(j, "type")), &r.type))
            die("record type", zone.p);
        d->records = rk_arena_grow(mem, d->records, d->n_records, cap, sizeof *d->records);
        d->records[d->n_records++] = r;
    }
}

static void add_dns(const struct cases *c, struct rk_arena *mem, const json_t *account,
                    struct account_data *d)
{
    json_t *servers = json_object_get(account, "nameservers"), *j;
    json_t *zones = json_object_get(account, "zones");
    size_t i, cap = 0;

    d->ns_groups = rk_new_n(mem, struct ns_group, json_array_size(servers) + 1);
    json_array_foreach (servers, i, j)
        ns_group_from(c, mem, j, &d->ns_groups[d->n_ns_groups++]);
    d->zones = rk_new_n(mem, struct zone, json_array_size(zones) + 1);
    json_array_foreach (zones, i, j) {
        struct zone *z = &d->zones[d->n_zones++];

        *z = (struct zone){
            .id = tj_str(json_object_get(j, "id")),
            .domain = tj_str(json_object_get(j, "domain")),
            .enabled = get_bool(c, "zone", j, "enabled"),
            .search_domain = get_bool(c, "zone", j, "search"),
            .groups = tj_list(mem, json_object_get(j, "groups")),
        };
        add_records(mem, d, &cap, z->id, json_object_get(j, "records"));
    }
    d->dns_settings.disabled_management_groups =
        tj_list(mem, json_object_get(account, "dns_disabled_groups"));
}

/* ---- reverse proxy, settings */

static void service_from(const struct cases *c, struct rk_arena *mem, const json_t *j,
                         struct service *out)
{
    const json_t *targets = account_get(c, "service", j, "targets");

    *out = (struct service){
        .id = tj_str(json_object_get(j, "id")),
        .domain = tj_str(json_object_get(j, "domain")),
        .proxy_cluster = tj_str(json_object_get(j, "cluster")),
        .mode = get_str(c, "service", j, "mode"),
        .enabled = get_bool(c, "service", j, "enabled"),
        .terminated = get_bool(c, "service", j, "terminated"),
        .is_private = get_bool(c, "service", j, "private"),
        .access_groups = tj_list(mem, account_get(c, "service", j, "access_groups")),
    };
    out->targets = rk_new_n(mem, struct service_target, json_array_size(targets) + 1);
    for (; out->n_targets < json_array_size(targets); out->n_targets++) {
        const json_t *t = json_array_get(targets, out->n_targets);

        out->targets[out->n_targets] = (struct service_target){
            .path = tj_str(json_object_get(t, "path")),
            .target_type = tj_str(json_object_get(t, "type")),
            .target_id = tj_str(json_object_get(t, "id")),
            .protocol = tj_str(json_object_get(t, "protocol")),
            .port = (uint16_t)json_integer_value(json_object_get(t, "port")),
            .enabled = true,
        };
    }
}

static void add_services(const struct cases *c, struct rk_arena *mem, const json_t *account,
                         struct account_data *d)
{
    json_t *list = json_object_get(account, "services"), *j;
    json_t *domains = json_object_get(account, "custom_domains");
    size_t i;

    d->services = rk_new_n(mem, struct service, json_array_size(list) + 1);
    json_array_foreach (list, i, j)
        service_from(c, mem, j, &d->services[d->n_services++]);
    d->proxy_domains = rk_new_n(mem, struct proxy_domain, json_array_size(domains) + 1);
    json_array_foreach (domains, i, j)
        d->proxy_domains[d->n_proxy_domains++] =
            (struct proxy_domain){.id = tj_str(json_object_get(j, "domain")),
                                  .domain = tj_str(json_object_get(j, "domain")),
                                  .cluster = tj_str(json_object_get(j, "cluster"))};
}

static void add_settings(const struct cases *c, struct rk_arena *mem, const json_t *account,
                         struct account_data *d)
{
    const json_t *st = json_object_get(account, "settings");
    const json_t *net = json_object_get(account, "network");
    int64_t expiration_ms = 0;

    if (rk_parse_duration_ms(get_str(c, "settings", st, "peer_login_expiration"), &expiration_ms,
                             NULL) != RK_OK)
        die("duration", "peer_login_expiration");
    settings_default(&d->settings);
    d->settings.peer_login_expiration_enabled =
        get_bool(c, "settings", st, "peer_login_expiration_enabled");
    d->settings.peer_login_expiration_s = expiration_ms / 1000;
    d->settings.ipv6_groups = tj_list(mem, account_get(c, "settings", st, "ipv6_groups"));
    d->settings.dns_domain = get_str(c, "settings", st, "dns_domain");
    d->settings.routing_peer_dns_resolution = get_bool(c, "settings", st, "routing_peer_dns");
    d->settings.lazy_connection = get_bool(c, "settings", st, "lazy");
    d->account = (struct account){
        .id = RK_STR("account"),
        .net_id = get_str(c, "network", net, "id"),
        .net4 = get_prefix(get_str(c, "network", net, "net")),
        .net6 = get_prefix(get_str(c, "network", net, "net_v6")),
        .serial = (uint64_t)json_integer_value(account_get(c, "network", net, "serial")),
    };
}

struct account_data *account_of(const struct cases *c, struct rk_arena *mem, const json_t *account)
{
    struct account_data *d = rk_new(mem, struct account_data);

    add_settings(c, mem, account, d);
    add_peers(c, mem, account, d);
    add_groups(mem, account, d);
    add_policies(c, mem, account, d);
    add_postures(mem, account, d);
    add_users(c, mem, account, d);
    add_networks(c, mem, account, d);
    add_dns(c, mem, account, d);
    add_services(c, mem, account, d);
    return d;
}
