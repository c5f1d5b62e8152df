/* SPDX-License-Identifier: BSD-3-Clause */
/* Tables to entities; see import_map.h. */
#include "config.h"

#include "server/import_map.h"

#include <string.h>

#include "lib/base/id.h"

enum { NS_PER_S = 1000000000 };

enum rk_code imp_tables_read(struct imp *im, struct foreign *f, struct imp_tables *t,
                             struct rk_err *err)
{
    const struct {
        const char *name;
        struct foreign_table *to;
    } all[] = {{"accounts", &t->accounts},
               {"account_onboardings", &t->onboardings},
               {"users", &t->users},
               {"personal_access_tokens", &t->pats},
               {"setup_keys", &t->setup_keys},
               {"peers", &t->peers},
               {"groups", &t->groups},
               {"group_peers", &t->group_peers},
               {"policies", &t->policies},
               {"policy_rules", &t->rules},
               {"routes", &t->routes},
               {"name_server_groups", &t->ns_groups},
               {"posture_checks", &t->postures},
               {"networks", &t->networks},
               {"network_routers", &t->routers},
               {"network_resources", &t->resources},
               {"zones", &t->zones},
               {"records", &t->records},
               {"user_invites", &t->invites}};
    enum rk_code rc = RK_OK;

    if (!foreign_has(f, "accounts", NULL) || !foreign_has(f, "peers", "key"))
        return rk_fail(err, RK_INVALID, "this is not a store of the official server");
    if (!foreign_has(f, "group_peers", NULL) || !foreign_has(f, "users", "email"))
        return rk_fail(err, RK_PRECONDITION,
                       "this store is older than release 0.62: start a newer official server on it "
                       "once, whose own migrations then run");
    for (size_t i = 0; rc == RK_OK && i < RK_ARRAY_LEN(all); i++)
        rc = foreign_read(f, all[i].name, im->mem, all[i].to, err);
    return rc;
}

/* ---- rows of one account */

static bool belongs(imp_row r, const char *column, struct rk_str id)
{
    return rk_str_eq(foreign_get(r, column).s, id);
}

static size_t count(const struct foreign_table *t, const char *column, struct rk_str id)
{
    size_t n = 0;

    for (size_t i = 0; i < t->n; i++)
        n += belongs(&t->rows[i], column, id);
    return n;
}

/* Array of the account's rows of a table, filled by fn. */
#define EACH(tbl, column, id, type, items, n_items, fn)                                            \
    do {                                                                                           \
        (items) = rk_new_n(im->mem, struct type, count(tbl, column, id) + 1);                      \
        (n_items) = 0;                                                                             \
        im->table = #tbl;                                                                          \
        for (size_t each_ = 0; each_ < (tbl)->n; each_++)                                          \
            if (belongs(&(tbl)->rows[each_], column, id))                                          \
                fn(im, &(tbl)->rows[each_], &(items)[(n_items)++]);                                \
    } while (0)

static struct rk_str public_id(struct imp *im, imp_row r)
{
    struct rk_str id = imp_text(im, r, "public_id");
    char made[RK_XID_LEN + 1];

    if (id.n || foreign_get(r, "public_id").type != DB_NULL)
        return id;
    rk_xid(made); /* releases before 0.75 had none */
    return rk_arena_dup(im->mem, rk_str_z(made));
}

static void resource_ref(struct imp *im, const json_t *j, struct resource_ref *out)
{
    out->id = imp_str_of(im, j, "ID");
    out->type = RESOURCE_NONE;
    if (out->id.n && !resource_type_parse(imp_str_of(im, j, "Type"), &out->type))
        imp_fault(im, RK_INVALID, "resource", "unknown type");
}

static void user(struct imp *im, imp_row r, struct user *u)
{
    struct rk_str role = imp_text(im, r, "role"), issued = imp_text(im, r, "issued");

    *u = (struct user){.id = imp_text(im, r, "id"),
                       .is_service = imp_bool(im, r, "is_service_user"),
                       .non_deletable = imp_bool(im, r, "non_deletable"),
                       .service_name = imp_text(im, r, "service_user_name"),
                       .auto_groups = imp_list(im, r, "auto_groups"),
                       .blocked = imp_bool(im, r, "blocked"),
                       .pending_approval = imp_bool(im, r, "pending_approval"),
                       .last_login_us = imp_time_us(im, r, "last_login"),
                       .created_at_us = imp_time_us(im, r, "created_at"),
                       .integration_id = imp_i64(im, r, "integration_ref_id"),
                       .integration_type = imp_text(im, r, "integration_ref_integration_type"),
                       .name = imp_secret(im, r, "name"),
                       .email = imp_secret(im, r, "email")};
    if (!user_role_parse(role, &u->role))
        imp_fault(im, RK_INVALID, "role", "unknown");
    if (issued.n && !issued_by_parse(issued, &u->issued))
        imp_fault(im, RK_INVALID, "issued", "unknown");
}

static void pat(struct imp *im, imp_row r, struct pat *p)
{
    *p = (struct pat){.id = imp_text(im, r, "id"),
                      .user_id = imp_text(im, r, "user_id"),
                      .name = imp_text(im, r, "name"),
                      .hash = imp_text(im, r, "hashed_token"),
                      .expires_at_us = imp_time_us(im, r, "expiration_date"),
                      .created_by = imp_text(im, r, "created_by"),
                      .created_at_us = imp_time_us(im, r, "created_at"),
                      .last_used_us = imp_time_us(im, r, "last_used")};
}

static void setup_key(struct imp *im, imp_row r, struct setup_key *k)
{
    *k = (struct setup_key){.id = imp_text(im, r, "id"),
                            .hash = imp_text(im, r, "key"),
                            .display = imp_text(im, r, "key_secret"),
                            .name = imp_text(im, r, "name"),
                            .created_at_us = imp_time_us(im, r, "created_at"),
                            .updated_at_us = imp_time_us(im, r, "updated_at"),
                            .expires_at_us = imp_time_us(im, r, "expires_at"),
                            .last_used_us = imp_time_us(im, r, "last_used"),
                            .revoked = imp_bool(im, r, "revoked"),
                            .used = imp_i64(im, r, "used_times"),
                            .usage_limit = imp_i64(im, r, "usage_limit"),
                            .auto_groups = imp_list(im, r, "auto_groups"),
                            .ephemeral = imp_bool(im, r, "ephemeral"),
                            .allow_extra_dns_labels = imp_bool(im, r, "allow_extra_dns_labels")};
    if (!setup_key_type_parse(imp_text(im, r, "type"), &k->type))
        imp_fault(im, RK_INVALID, "type", "unknown");
}

static void peer_flags(struct imp *im, imp_row r, struct peer_meta *m)
{
    static const char *const FLAGS[] = {
        "RosenpassEnabled",    "RosenpassPermissive",  "ServerSSHAllowed", "DisableClientRoutes",
        "DisableServerRoutes", "DisableDNS",           "DisableFirewall",  "BlockLANAccess",
        "BlockInbound",        "LazyConnectionEnabled"};
    json_t *j = imp_json(im, r, "meta_flags"), *caps = imp_json(im, r, "meta_capabilities"), *v;
    size_t i;

    for (i = 0; i < RK_ARRAY_LEN(FLAGS); i++)
        if (json_is_true(json_object_get(j, FLAGS[i])))
            m->flags |= UINT32_C(1) << i;
    json_array_foreach (caps, i, v)
        if (json_is_integer(v) && json_integer_value(v) >= 0 && json_integer_value(v) < 32)
            m->capabilities |= UINT32_C(1) << json_integer_value(v);
    json_decref(j);
    json_decref(caps);
}

static void peer_lists(struct imp *im, imp_row r, struct peer_meta *m)
{
    json_t *nets = imp_json(im, r, "meta_network_addresses"), *v;
    json_t *files = imp_json(im, r, "meta_files");
    json_t *env = imp_json(im, r, "meta_environment");
    size_t i;

    m->addresses = rk_new_n(im->mem, struct peer_address, json_array_size(nets) + 1);
    json_array_foreach (nets, i, v) {
        struct peer_address *a = &m->addresses[m->n_addresses];

        a->mac = imp_str_of(im, v, "Mac");
        if (rk_prefix_parse(imp_str_of(im, v, "NetIP"), &a->prefix, NULL) == RK_OK)
            m->n_addresses++;
    }
    m->files = rk_new_n(im->mem, struct peer_file, json_array_size(files) + 1);
    json_array_foreach (files, i, v)
        m->files[m->n_files++] =
            (struct peer_file){.path = imp_str_of(im, v, "Path"),
                               .exist = json_is_true(json_object_get(v, "Exist")),
                               .running = json_is_true(json_object_get(v, "ProcessIsRunning"))};
    m->env_cloud = imp_str_of(im, env, "Cloud");
    m->env_platform = imp_str_of(im, env, "Platform");
    json_decref(nets);
    json_decref(files);
    json_decref(env);
}

static void peer_meta(struct imp *im, imp_row r, struct peer_meta *m)
{
    *m = (struct peer_meta){.hostname = imp_text(im, r, "meta_hostname"),
                            .goos = imp_text(im, r, "meta_go_os"),
                            .kernel = imp_text(im, r, "meta_kernel"),
                            .core = imp_text(im, r, "meta_core"),
                            .platform = imp_text(im, r, "meta_platform"),
                            .os = imp_text(im, r, "meta_os"),
                            .os_version = imp_text(im, r, "meta_os_version"),
                            .version = imp_text(im, r, "meta_wt_version"),
                            .ui_version = imp_text(im, r, "meta_ui_version"),
                            .kernel_version = imp_text(im, r, "meta_kernel_version"),
                            .serial_number = imp_text(im, r, "meta_system_serial_number"),
                            .product_name = imp_text(im, r, "meta_system_product_name"),
                            .manufacturer = imp_text(im, r, "meta_system_manufacturer"),
                            .sync_message_version =
                                (int32_t)imp_i64(im, r, "meta_sync_message_version")};
    peer_flags(im, r, m);
    peer_lists(im, r, m);
}

static void peer(struct imp *im, imp_row r, struct peer *p)
{
    *p = (struct peer){
        .id = imp_text(im, r, "id"),
        .key = imp_text(im, r, "key"),
        .ip = imp_ip(im, r, "ip"),
        .ip6 = imp_ip(im, r, "ipv6"),
        .name = imp_text(im, r, "name"),
        .dns_label = imp_text(im, r, "dns_label"),
        .user_id = imp_text(im, r, "user_id"),
        .ssh_key = imp_text(im, r, "ssh_key"),
        .ssh_enabled = imp_bool(im, r, "ssh_enabled"),
        .login_expiration_enabled = imp_bool(im, r, "login_expiration_enabled"),
        .inactivity_expiration_enabled = imp_bool(im, r, "inactivity_expiration_enabled"),
        .last_login_us = imp_time_us(im, r, "last_login"),
        .created_at_us = imp_time_us(im, r, "created_at"),
        .ephemeral = imp_bool(im, r, "ephemeral"),
        .extra_dns_labels = imp_list(im, r, "extra_dns_labels"),
        .allow_extra_dns_labels = imp_bool(im, r, "allow_extra_dns_labels"),
        .proxy_embedded = imp_bool(im, r, "proxy_meta_embedded"),
        .proxy_cluster = imp_text(im, r, "proxy_meta_cluster"),
        .location = {.connection_ip = imp_ip(im, r, "location_connection_ip"),
                     .country_code = imp_text(im, r, "location_country_code"),
                     .city_name = imp_text(im, r, "location_city_name"),
                     .geoname_id = (uint64_t)imp_i64(im, r, "location_geo_name_id")},
        .status = {.last_seen_us = imp_time_us(im, r, "peer_status_last_seen"),
                   .login_expired = imp_bool(im, r, "peer_status_login_expired"),
                   .requires_approval = imp_bool(im, r, "peer_status_requires_approval")}};
    peer_meta(im, r, &p->meta);
}

static void group(struct imp *im, imp_row r, struct group *g)
{
    json_t *list = imp_json(im, r, "resources"), *v;
    struct rk_str issued = imp_text(im, r, "issued");
    size_t i;

    *g = (struct group){.id = imp_text(im, r, "id"),
                        .public_id = public_id(im, r),
                        .name = imp_text(im, r, "name"),
                        .integration_id = imp_i64(im, r, "integration_ref_id"),
                        .integration_type = imp_text(im, r, "integration_ref_integration_type")};
    if (issued.n && !issued_by_parse(issued, &g->issued))
        imp_fault(im, RK_INVALID, "issued", "unknown");
    g->resources = rk_new_n(im->mem, struct resource_ref, json_array_size(list) + 1);
    json_array_foreach (list, i, v)
        resource_ref(im, v, &g->resources[g->n_resources++]);
    json_decref(list);
}

static void member(struct imp *im, imp_row r, struct group_peer *gp)
{
    *gp = (struct group_peer){.group_id = imp_text(im, r, "group_id"),
                              .peer_id = imp_text(im, r, "peer_id")};
}

/* ---- policies */

static void rule_lists(struct imp *im, imp_row r, struct rule *u)
{
    json_t *ranges = imp_json(im, r, "port_ranges"), *users = imp_json(im, r, "authorized_groups");
    const char *key;
    json_t *v;
    size_t i;

    u->ranges = rk_new_n(im->mem, struct port_range, json_array_size(ranges) + 1);
    json_array_foreach (ranges, i, v)
        u->ranges[u->n_ranges++] =
            (struct port_range){(uint16_t)json_integer_value(json_object_get(v, "Start")),
                                (uint16_t)json_integer_value(json_object_get(v, "End"))};
    u->authorized = rk_new_n(im->mem, struct authorized_group, json_object_size(users) + 1);
    json_object_foreach (users, key, v)
        u->authorized[u->n_authorized++] = (struct authorized_group){
            .group_id = rk_arena_dup(im->mem, rk_str_z(key)), .names = imp_list_of(im, v)};
    json_decref(ranges);
    json_decref(users);
}

static void rule(struct imp *im, imp_row r, struct rule *u)
{
    json_t *src = imp_json(im, r, "source_resource"),
           *dst = imp_json(im, r, "destination_resource");

    *u = (struct rule){.id = imp_text(im, r, "id"),
                       .policy_id = imp_text(im, r, "policy_id"),
                       .name = imp_text(im, r, "name"),
                       .description = imp_text(im, r, "description"),
                       .enabled = imp_bool(im, r, "enabled"),
                       .bidirectional = imp_bool(im, r, "bidirectional"),
                       .sources = imp_list(im, r, "sources"),
                       .destinations = imp_list(im, r, "destinations"),
                       .ports = imp_list(im, r, "ports"),
                       .authorized_user = imp_text(im, r, "authorized_user")};
    if (!rule_action_parse(imp_text(im, r, "action"), &u->action) ||
        !rule_protocol_parse(imp_text(im, r, "protocol"), &u->protocol))
        imp_fault(im, RK_INVALID, "action", "unknown action or protocol");
    resource_ref(im, src, &u->source_resource);
    resource_ref(im, dst, &u->destination_resource);
    json_decref(src);
    json_decref(dst);
    rule_lists(im, r, u);
}

static void policies(struct imp *im, const struct imp_tables *t, struct rk_str id,
                     struct account_data *d)
{
    const struct foreign_table *policy_rules = &t->rules;

    d->policies = rk_new_n(im->mem, struct policy, count(&t->policies, "account_id", id) + 1);
    for (size_t i = 0; i < t->policies.n; i++) {
        imp_row r = &t->policies.rows[i];
        struct policy *p = &d->policies[d->n_policies];

        if (!belongs(r, "account_id", id))
            continue;
        im->table = "policies";
        *p = (struct policy){.id = imp_text(im, r, "id"),
                             .public_id = public_id(im, r),
                             .seq = (int64_t)d->n_policies + 1,
                             .name = imp_text(im, r, "name"),
                             .description = imp_text(im, r, "description"),
                             .enabled = imp_bool(im, r, "enabled"),
                             .posture_checks = imp_list(im, r, "source_posture_checks")};
        EACH(policy_rules, "policy_id", p->id, rule, p->rules, p->n_rules, rule);
        d->n_policies++;
    }
}

static struct rk_str below(struct imp *im, const json_t *j, const char *system, const char *key)
{
    return imp_str_of(im, json_object_get(j, system), key);
}

static void posture_lists(struct imp *im, const json_t *all, struct posture *p)
{
    const json_t *geo = json_object_get(all, "GeoLocationCheck");
    const json_t *net = json_object_get(all, "PeerNetworkRangeCheck");
    const json_t *run = json_object_get(all, "ProcessCheck");
    const json_t *list = json_object_get(geo, "Locations");
    size_t i;
    json_t *v;

    p->has_geo = json_is_object(geo);
    if (p->has_geo && !check_action_parse(imp_str_of(im, geo, "Action"), &p->geo_action))
        imp_fault(im, RK_INVALID, "checks", "unknown action");
    p->geo = rk_new_n(im->mem, struct geo_location, json_array_size(list) + 1);
    json_array_foreach ((json_t *)(uintptr_t)list, i, v)
        p->geo[p->n_geo++] = (struct geo_location){.country_code = imp_str_of(im, v, "CountryCode"),
                                                   .city_name = imp_str_of(im, v, "CityName")};
    p->has_net_range = json_is_object(net);
    if (p->has_net_range && !check_action_parse(imp_str_of(im, net, "Action"), &p->net_action))
        imp_fault(im, RK_INVALID, "checks", "unknown action");
    list = json_object_get(net, "Ranges");
    p->ranges = rk_new_n(im->mem, struct rk_prefix, json_array_size(list) + 1);
    json_array_foreach ((json_t *)(uintptr_t)list, i, v)
        if (rk_prefix_parse(rk_str_z(json_string_value(v) ? json_string_value(v) : ""),
                            &p->ranges[p->n_ranges++], NULL))
            imp_fault(im, RK_INVALID, "checks", "a range is not a prefix");
    p->has_process = json_is_object(run);
    list = json_object_get(run, "Processes");
    p->processes = rk_new_n(im->mem, struct check_process, json_array_size(list) + 1);
    json_array_foreach ((json_t *)(uintptr_t)list, i, v)
        p->processes[p->n_processes++] =
            (struct check_process){.linux_path = imp_str_of(im, v, "LinuxPath"),
                                   .mac_path = imp_str_of(im, v, "MacPath"),
                                   .windows_path = imp_str_of(im, v, "WindowsPath")};
}

static void posture(struct imp *im, imp_row r, struct posture *p)
{
    json_t *all = imp_json(im, r, "checks");
    const json_t *nb = json_object_get(all, "NBVersionCheck");
    const json_t *os = json_object_get(all, "OSVersionCheck");

    *p = (struct posture){.id = imp_text(im, r, "id"),
                          .public_id = public_id(im, r),
                          .name = imp_text(im, r, "name"),
                          .description = imp_text(im, r, "description"),
                          .has_nb_version = json_is_object(nb),
                          .nb_min_version = imp_str_of(im, nb, "MinVersion"),
                          .has_os_version = json_is_object(os),
                          .android_min_version = below(im, os, "Android", "MinVersion"),
                          .darwin_min_version = below(im, os, "Darwin", "MinVersion"),
                          .ios_min_version = below(im, os, "Ios", "MinVersion"),
                          .linux_min_kernel = below(im, os, "Linux", "MinKernelVersion"),
                          .windows_min_kernel = below(im, os, "Windows", "MinKernelVersion")};
    posture_lists(im, all, p);
    json_decref(all);
}

/* ---- networks and names */

static void route(struct imp *im, imp_row r, struct route *o)
{
    int64_t kind = imp_i64(im, r, "network_type");

    *o = (struct route){.id = imp_text(im, r, "id"),
                        .public_id = public_id(im, r),
                        .description = imp_text(im, r, "description"),
                        .network = imp_prefix(im, r, "network"),
                        .domains = imp_list(im, r, "domains"),
                        .kind = (enum route_kind)kind,
                        .keep_route = imp_bool(im, r, "keep_route"),
                        .net_id = imp_text(im, r, "net_id"),
                        .peer = imp_text(im, r, "peer"),
                        .peer_groups = imp_list(im, r, "peer_groups"),
                        .metric = imp_i64(im, r, "metric"),
                        .masquerade = imp_bool(im, r, "masquerade"),
                        .enabled = imp_bool(im, r, "enabled"),
                        .skip_auto_apply = imp_bool(im, r, "skip_auto_apply"),
                        .groups = imp_list(im, r, "groups"),
                        .access_control_groups = imp_list(im, r, "access_control_groups")};
    if (kind < ROUTE_INVALID || kind > ROUTE_DOMAIN)
        imp_fault(im, RK_INVALID, "network_type", "unknown");
}

static void ns_group(struct imp *im, imp_row r, struct ns_group *g)
{
    json_t *list = imp_json(im, r, "name_servers"), *v;
    size_t i;

    *g = (struct ns_group){.id = imp_text(im, r, "id"),
                           .public_id = public_id(im, r),
                           .name = imp_text(im, r, "name"),
                           .description = imp_text(im, r, "description"),
                           .groups = imp_list(im, r, "groups"),
                           .primary = imp_bool(im, r, "primary"),
                           .domains = imp_list(im, r, "domains"),
                           .enabled = imp_bool(im, r, "enabled"),
                           .search_domains = imp_bool(im, r, "search_domains_enabled")};
    g->servers = rk_new_n(im->mem, struct nameserver, json_array_size(list) + 1);
    json_array_foreach (list, i, v) {
        struct nameserver *s = &g->servers[g->n_servers++];

        if (rk_ip_parse(imp_str_of(im, v, "IP"), &s->ip, NULL))
            imp_fault(im, RK_INVALID, "name_servers", "not an address");
        s->ns_type = json_integer_value(json_object_get(v, "NSType"));
        s->port = json_integer_value(json_object_get(v, "Port"));
    }
    json_decref(list);
}

static void network(struct imp *im, imp_row r, struct network *n)
{
    *n = (struct network){.id = imp_text(im, r, "id"),
                          .public_id = public_id(im, r),
                          .name = imp_text(im, r, "name"),
                          .description = imp_text(im, r, "description")};
}

static void router(struct imp *im, imp_row r, struct router *o)
{
    *o = (struct router){.id = imp_text(im, r, "id"),
                         .network_id = imp_text(im, r, "network_id"),
                         .public_id = public_id(im, r),
                         .peer = imp_text(im, r, "peer"),
                         .peer_groups = imp_list(im, r, "peer_groups"),
                         .masquerade = imp_bool(im, r, "masquerade"),
                         .metric = imp_i64(im, r, "metric"),
                         .enabled = imp_bool(im, r, "enabled")};
}

static void resource(struct imp *im, imp_row r, struct resource *o)
{
    *o = (struct resource){.id = imp_text(im, r, "id"),
                           .network_id = imp_text(im, r, "network_id"),
                           .public_id = public_id(im, r),
                           .name = imp_text(im, r, "name"),
                           .description = imp_text(im, r, "description"),
                           .domain = imp_text(im, r, "domain"),
                           .prefix = imp_prefix(im, r, "prefix"),
                           .enabled = imp_bool(im, r, "enabled")};
    if (!resource_type_parse(imp_text(im, r, "type"), &o->type))
        imp_fault(im, RK_INVALID, "type", "unknown");
}

static void zone_row(struct imp *im, imp_row r, struct zone *z)
{
    *z = (struct zone){.id = imp_text(im, r, "id"),
                       .name = imp_text(im, r, "name"),
                       .domain = imp_text(im, r, "domain"),
                       .enabled = imp_bool(im, r, "enabled"),
                       .search_domain = imp_bool(im, r, "enable_search_domain"),
                       .groups = imp_list(im, r, "distribution_groups")};
}

static void record(struct imp *im, imp_row r, struct record *o)
{
    *o = (struct record){.id = imp_text(im, r, "id"),
                         .zone_id = imp_text(im, r, "zone_id"),
                         .name = imp_text(im, r, "name"),
                         .content = imp_text(im, r, "content"),
                         .ttl_s = imp_i64(im, r, "ttl")};
    if (!record_type_parse(imp_text(im, r, "type"), &o->type))
        imp_fault(im, RK_INVALID, "type", "unknown");
}

static void invite(struct imp *im, imp_row r, struct invite *o)
{
    *o = (struct invite){.id = imp_text(im, r, "id"),
                         .email = imp_secret(im, r, "email"),
                         .name = imp_secret(im, r, "name"),
                         .auto_groups = imp_list(im, r, "auto_groups"),
                         .token_hash = imp_text(im, r, "hashed_token"),
                         .expires_at_us = imp_time_us(im, r, "expires_at"),
                         .created_at_us = imp_time_us(im, r, "created_at"),
                         .created_by = imp_text(im, r, "created_by")};
    if (!user_role_parse(imp_text(im, r, "role"), &o->role))
        imp_fault(im, RK_INVALID, "role", "unknown");
}

/* ---- the account */

static void settings(struct imp *im, imp_row r, struct settings *s)
{
    json_t *features = imp_json(im, r, "settings_dashboard_features");
    const json_t *agent = json_object_get(features, "AgentNetwork");

    *s = (struct settings){
        .peer_login_expiration_enabled = imp_bool(im, r, "settings_peer_login_expiration_enabled"),
        .peer_login_expiration_s = imp_i64(im, r, "settings_peer_login_expiration") / NS_PER_S,
        .peer_inactivity_expiration_enabled =
            imp_bool(im, r, "settings_peer_inactivity_expiration_enabled"),
        .peer_inactivity_expiration_s =
            imp_i64(im, r, "settings_peer_inactivity_expiration") / NS_PER_S,
        .regular_users_view_blocked = imp_bool(im, r, "settings_regular_users_view_blocked"),
        .groups_propagation_enabled = imp_bool(im, r, "settings_groups_propagation_enabled"),
        .jwt_groups_enabled = imp_bool(im, r, "settings_jwt_groups_enabled"),
        .jwt_groups_claim = imp_text(im, r, "settings_jwt_groups_claim_name"),
        .jwt_allow_groups = imp_list(im, r, "settings_jwt_allow_groups"),
        .routing_peer_dns_resolution =
            imp_bool(im, r, "settings_routing_peer_dns_resolution_enabled"),
        .dns_domain = imp_text(im, r, "settings_dns_domain"),
        .network_range4 = imp_prefix(im, r, "settings_network_range"),
        .network_range6 = imp_prefix(im, r, "settings_network_range_v6"),
        .peer_expose_enabled = imp_bool(im, r, "settings_peer_expose_enabled"),
        .peer_expose_groups = imp_list(im, r, "settings_peer_expose_groups"),
        .peer_approval_enabled = imp_bool(im, r, "settings_extra_peer_approval_enabled"),
        .user_approval_required = imp_bool(im, r, "settings_extra_user_approval_required"),
        .integrated_validator = imp_text(im, r, "settings_extra_integrated_validator"),
        .integrated_validator_groups =
            imp_list(im, r, "settings_extra_integrated_validator_groups"),
        .lazy_connection = imp_bool(im, r, "settings_lazy_connection_enabled"),
        .auto_update_version = imp_text(im, r, "settings_auto_update_version"),
        .auto_update_always = imp_bool(im, r, "settings_auto_update_always"),
        .ipv6_groups = imp_list(im, r, "settings_ipv6_enabled_groups"),
        .metrics_push = imp_bool(im, r, "settings_metrics_push_enabled"),
        .agent_network_only = imp_bool(im, r, "settings_agent_network_only"),
        .has_dashboard_features = json_is_object(features),
        .dashboard_agent_network = json_is_true(agent)    ? TRI_TRUE
                                   : json_is_false(agent) ? TRI_FALSE
                                                          : TRI_UNSET,
        .local_mfa = imp_bool(im, r, "settings_local_mfa_enabled")};
    json_decref(features);
}

static void account(struct imp *im, imp_row r, const struct imp_tables *t, struct account *a)
{
    struct rk_str category = imp_text(im, r, "domain_category");

    *a = (struct account){.id = imp_text(im, r, "id"),
                          .created_by = imp_text(im, r, "created_by"),
                          .created_at_us = imp_time_us(im, r, "created_at"),
                          .domain = imp_text(im, r, "domain"),
                          .domain_primary = imp_bool(im, r, "is_domain_primary_account"),
                          .net_id = imp_text(im, r, "network_identifier"),
                          .net4 = imp_net(im, r, "network_net"),
                          .net6 = imp_net(im, r, "network_net_v6"),
                          .serial = (uint64_t)imp_i64(im, r, "network_serial") + 1,
                          .rp_nonce = imp_text(im, r, "reverse_proxy_free_domain_nonce")};
    if (category.n && !domain_category_parse(category, &a->domain_category))
        a->domain_category = DOMAIN_UNKNOWN;
    for (size_t i = 0; i < t->onboardings.n; i++) {
        imp_row o = &t->onboardings.rows[i];

        if (!belongs(o, "account_id", a->id))
            continue;
        a->onboarding_flow_pending = imp_bool(im, o, "onboarding_flow_pending");
        a->signup_form_pending = imp_bool(im, o, "signup_form_pending");
        a->onboarding_created_at_us = imp_time_us(im, o, "created_at");
        a->onboarding_updated_at_us = imp_time_us(im, o, "updated_at");
    }
}

/* Tokens hang on users, which hang on the account. */
static void pats(struct imp *im, const struct imp_tables *t, struct account_data *d)
{
    im->table = "personal_access_tokens";
    d->pats = rk_new_n(im->mem, struct pat, t->pats.n + 1);
    for (size_t i = 0; i < t->pats.n; i++)
        for (size_t k = 0; k < d->n_users; k++)
            if (belongs(&t->pats.rows[i], "user_id", d->users[k].id))
                pat(im, &t->pats.rows[i], &d->pats[d->n_pats++]);
}

/* Memberships of peers and groups that are gone are leftovers of the old server. */
static void members(struct imp *im, const struct imp_tables *t, struct rk_str id,
                    struct account_data *d)
{
    const struct foreign_table *group_peers = &t->group_peers;
    size_t kept = 0;

    EACH(group_peers, "account_id", id, group_peer, d->group_peers, d->n_group_peers, member);
    for (size_t i = 0; i < d->n_group_peers; i++) {
        bool has_group = false, has_peer = false;

        for (size_t k = 0; k < d->n_groups && !has_group; k++)
            has_group = rk_str_eq(d->groups[k].id, d->group_peers[i].group_id);
        for (size_t k = 0; k < d->n_peers && !has_peer; k++)
            has_peer = rk_str_eq(d->peers[k].id, d->group_peers[i].peer_id);
        if (has_group && has_peer)
            d->group_peers[kept++] = d->group_peers[i];
    }
    if (kept < d->n_group_peers)
        imp_note(im, "%zu memberships of machines or groups that are gone were left out",
                 d->n_group_peers - kept);
    d->n_group_peers = kept;
}

void imp_account(struct imp *im, const struct imp_tables *t, imp_row r, struct account_data *d)
{
    const struct foreign_table *users = &t->users, *setup_keys = &t->setup_keys, *peers = &t->peers,
                               *groups = &t->groups, *routes = &t->routes,
                               *name_server_groups = &t->ns_groups, *posture_checks = &t->postures,
                               *networks = &t->networks, *network_routers = &t->routers,
                               *network_resources = &t->resources, *zones = &t->zones,
                               *records = &t->records, *user_invites = &t->invites;
    struct rk_str id;

    *d = (struct account_data){0};
    im->table = "accounts";
    account(im, r, t, &d->account);
    settings(im, r, &d->settings);
    d->dns_settings.disabled_management_groups =
        imp_list(im, r, "dns_settings_disabled_management_groups");
    id = d->account.id;
    EACH(users, "account_id", id, user, d->users, d->n_users, user);
    pats(im, t, d);
    EACH(setup_keys, "account_id", id, setup_key, d->setup_keys, d->n_setup_keys, setup_key);
    EACH(peers, "account_id", id, peer, d->peers, d->n_peers, peer);
    EACH(groups, "account_id", id, group, d->groups, d->n_groups, group);
    members(im, t, id, d);
    policies(im, t, id, d);
    EACH(posture_checks, "account_id", id, posture, d->postures, d->n_postures, posture);
    EACH(routes, "account_id", id, route, d->routes, d->n_routes, route);
    EACH(name_server_groups, "account_id", id, ns_group, d->ns_groups, d->n_ns_groups, ns_group);
    EACH(networks, "account_id", id, network, d->networks, d->n_networks, network);
    EACH(network_routers, "account_id", id, router, d->routers, d->n_routers, router);
    EACH(network_resources, "account_id", id, resource, d->resources, d->n_resources, resource);
    EACH(zones, "account_id", id, zone, d->zones, d->n_zones, zone_row);
    EACH(records, "account_id", id, record, d->records, d->n_records, record);
    EACH(user_invites, "account_id", id, invite, d->invites, d->n_invites, invite);
}
