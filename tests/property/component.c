/* SPDX-License-Identifier: BSD-3-Clause */
/* See component.h. */
#include "config.h"

#include "tests/property/component.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/enc.h"
#include "tests/property/naive.h"

struct rebuild {
    struct rk_arena *mem;
    const Management__NetworkMapComponentsFull *f;
    struct account_data *d;
};

bool component_faithful(const struct account_data *d)
{
    for (size_t i = 0; i < d->n_policies; i++)
        if (d->policies[i].n_rules != 1 ||
            str_list_has(&d->policies[i].rules[0].ports, RK_STR("bad")))
            return false;
    return true;
}

static struct rk_str text(const char *z)
{
    return rk_str_z(z);
}

static struct str_list list_of(struct rebuild *b, char **v, size_t n)
{
    struct str_list l = {.v = rk_new_n(b->mem, struct rk_str, n + 1)};

    for (; l.n < n; l.n++)
        l.v[l.n] = text(v[l.n]);
    return l;
}

static struct rk_str peer_at(const struct rebuild *b, uint32_t i)
{
    return i < b->d->n_peers ? b->d->peers[i].id : RK_STR("bad-index");
}

/* ---- peers; a posture check becomes a process that runs where the check is passed */

static bool failed(const struct rebuild *b, size_t check, uint32_t peer)
{
    const Management__PeerIndexSet *set = b->f->posture_failed_peers[check]->value;

    for (size_t i = 0; i < set->n_peer_indexes; i++)
        if (set->peer_indexes[i] == peer)
            return true;
    return false;
}

static struct rk_ip ip_of(ProtobufCBinaryData raw)
{
    struct rk_ip ip = {0};

    if (raw.len > 0 && rk_ip_from_bytes(rk_str_of(raw.data, raw.len), &ip, NULL) != RK_OK)
        abort();
    return ip;
}

static void add_peer(struct rebuild *b, uint32_t at)
{
    const Management__PeerCompact *c = b->f->peers[at];
    struct peer *p = &b->d->peers[b->d->n_peers++];

    *p = (struct peer){
        .key = rk_base64_encode(b->mem, rk_str_of(c->wg_pub_key.data, c->wg_pub_key.len)),
        .ip = ip_of(c->ip),
        .ip6 = ip_of(c->ipv6),
        .ssh_key = rk_str_of(c->ssh_pub_key.data, c->ssh_pub_key.len),
        .dns_label = text(c->dns_label),
        .user_id = c->added_with_sso_login ? RK_STR("some-user") : RK_STR(""),
        .login_expiration_enabled = c->login_expiration_enabled,
        .last_login_us = c->last_login_unix_nano / 1000,
        .ssh_enabled = c->ssh_enabled,
        .meta = {.goos = RK_STR("linux"), .version = text(c->agent_version)}};
    p->id = p->key;
    if (c->supports_ipv6)
        p->meta.capabilities |= PEER_CAP_IPV6_OVERLAY;
    if (c->supports_source_prefixes)
        p->meta.capabilities |= PEER_CAP_SOURCE_PREFIXES;
    if (c->server_ssh_allowed)
        p->meta.flags |= PEER_FLAG_SERVER_SSH_ALLOWED;
    p->meta.files = rk_new_n(b->mem, struct peer_file, b->f->n_posture_failed_peers + 1);
    for (size_t i = 0; i < b->f->n_posture_failed_peers; i++)
        p->meta.files[p->meta.n_files++] = (struct peer_file){
            .path = text(b->f->posture_failed_peers[i]->key), .running = !failed(b, i, at)};
}

static void add_peers(struct rebuild *b)
{
    struct account_data *d = b->d;

    d->peers = rk_new_n(b->mem, struct peer, b->f->n_peers + 1);
    for (uint32_t i = 0; i < b->f->n_peers; i++)
        add_peer(b, i);
    d->postures = rk_new_n(b->mem, struct posture, b->f->n_posture_failed_peers + 1);
    for (size_t i = 0; i < b->f->n_posture_failed_peers; i++) {
        struct check_process *p = rk_new(b->mem, struct check_process);

        p->linux_path = text(b->f->posture_failed_peers[i]->key);
        d->postures[d->n_postures++] = (struct posture){
            .id = p->linux_path, .has_process = true, .processes = p, .n_processes = 1};
    }
}

/* ---- groups and policies */

static void add_groups(struct rebuild *b)
{
    struct account_data *d = b->d;
    size_t cap = 0;

    d->groups = rk_new_n(b->mem, struct group, b->f->n_groups + b->f->n_resource_policies_map + 1);
    for (size_t i = 0; i < b->f->n_groups; i++) {
        const Management__GroupCompact *g = b->f->groups[i];

        d->groups[d->n_groups++] =
            (struct group){.id = text(g->id), .name = g->is_all ? RK_STR("All") : text(g->id)};
        for (size_t k = 0; k < g->n_peer_indexes; k++) {
            d->group_peers = rk_arena_grow(b->mem, d->group_peers, d->n_group_peers, &cap,
                                           sizeof *d->group_peers);
            d->group_peers[d->n_group_peers++] =
                (struct group_peer){text(g->id), peer_at(b, g->peer_indexes[k])};
        }
    }
}

static struct resource_ref ref_of(const struct rebuild *b, const Management__ResourceCompact *r)
{
    struct resource_ref ref = {0};

    if (r && resource_type_parse(text(r->type), &ref.type) && r->peer_index_set)
        ref.id = peer_at(b, r->peer_index);
    return ref;
}

static void rule_of(struct rebuild *b, const Management__PolicyCompact *c, struct rule *r)
{
    static const enum rule_protocol PROTOCOLS[] = {PROTO_ALL,  PROTO_ALL, PROTO_TCP, PROTO_UDP,
                                                   PROTO_ICMP, PROTO_ALL, PROTO_SSH};

    *r = (struct rule){
        .id = text(c->id),
        .policy_id = text(c->id),
        .enabled = true,
        .action = c->action == MANAGEMENT__RULE_ACTION__DROP ? ACTION_DROP : ACTION_ACCEPT,
        .protocol = PROTOCOLS[c->protocol],
        .bidirectional = c->bidirectional,
        .sources = list_of(b, c->source_group_ids, c->n_source_group_ids),
        .destinations = list_of(b, c->destination_group_ids, c->n_destination_group_ids),
        .source_resource = ref_of(b, c->source_resource),
        .destination_resource = ref_of(b, c->destination_resource),
        .authorized_user = text(c->authorized_user)};
    r->ports.v = rk_new_n(b->mem, struct rk_str, c->n_ports + 1);
    for (; r->ports.n < c->n_ports; r->ports.n++)
        r->ports.v[r->ports.n] = rk_arena_printf(b->mem, "%u", c->ports[r->ports.n]);
    r->ranges = rk_new_n(b->mem, struct port_range, c->n_port_ranges + 1);
    for (; r->n_ranges < c->n_port_ranges; r->n_ranges++)
        r->ranges[r->n_ranges] = (struct port_range){(uint16_t)c->port_ranges[r->n_ranges]->start,
                                                     (uint16_t)c->port_ranges[r->n_ranges]->end};
    r->authorized = rk_new_n(b->mem, struct authorized_group, c->n_authorized_groups + 1);
    for (; r->n_authorized < c->n_authorized_groups; r->n_authorized++) {
        const Management__PolicyCompact__AuthorizedGroupsEntry *a =
            c->authorized_groups[r->n_authorized];

        r->authorized[r->n_authorized] =
            (struct authorized_group){text(a->key), list_of(b, a->value->names, a->value->n_names)};
    }
}

/* The link between policies and resources is given as a map; groups that hold the resource do the
 * same for the naive builder: one made-up group per resource, as another destination. */
static void link_resources(struct rebuild *b)
{
    struct account_data *d = b->d;

    for (size_t i = 0; i < b->f->n_resource_policies_map; i++) {
        const Management__NetworkMapComponentsFull__ResourcePoliciesMapEntry *m =
            b->f->resource_policies_map[i];
        struct group *g = &d->groups[d->n_groups++];

        *g = (struct group){.id = rk_arena_printf(b->mem, "holds-%s", m->key), .n_resources = 1};
        g->name = g->id;
        g->resources = rk_new(b->mem, struct resource_ref);
        g->resources[0] = (struct resource_ref){text(m->key), RESOURCE_SUBNET};
        for (size_t k = 0; k < m->value->n_ids; k++)
            for (size_t p = 0; p < d->n_policies; p++) {
                struct str_list *dst = &d->policies[p].rules[0].destinations, more;

                if (!rk_str_eqz(d->policies[p].id, m->value->ids[k]))
                    continue;
                more = (struct str_list){rk_new_n(b->mem, struct rk_str, dst->n + 1), dst->n + 1};
                if (dst->n > 0)
                    memcpy(more.v, dst->v, dst->n * sizeof *dst->v);
                more.v[dst->n] = g->id;
                *dst = more;
            }
    }
}

static void add_policies(struct rebuild *b)
{
    struct account_data *d = b->d;

    d->policies = rk_new_n(b->mem, struct policy, b->f->n_policies + 1);
    for (size_t i = 0; i < b->f->n_policies; i++) {
        const Management__PolicyCompact *c = b->f->policies[i];
        struct rule *r = rk_new(b->mem, struct rule);

        rule_of(b, c, r);
        d->policies[d->n_policies++] =
            (struct policy){.id = text(c->id),
                            .seq = (int64_t)i,
                            .enabled = true,
                            .rules = r,
                            .n_rules = 1,
                            .posture_checks = list_of(b, c->source_posture_check_ids,
                                                      c->n_source_posture_check_ids)};
    }
    link_resources(b);
}

/* ---- routes, networks, DNS, users */

static struct rk_prefix prefix_of(const char *z)
{
    struct rk_prefix p = {0};

    if (*z && rk_prefix_parse(text(z), &p, NULL) != RK_OK)
        abort();
    return p;
}

static void add_routes(struct rebuild *b)
{
    struct account_data *d = b->d;

    d->routes = rk_new_n(b->mem, struct route, b->f->n_routes + 1);
    for (size_t i = 0; i < b->f->n_routes; i++) {
        const Management__RouteRaw *r = b->f->routes[i];

        d->routes[d->n_routes++] =
            (struct route){.id = text(r->id),
                           .network = prefix_of(r->network_cidr),
                           .domains = list_of(b, r->domains, r->n_domains),
                           .kind = (enum route_kind)r->network_type,
                           .keep_route = r->keep_route,
                           .net_id = text(r->net_id),
                           .peer = r->peer_index_set ? peer_at(b, r->peer_index) : RK_STR(""),
                           .peer_groups = list_of(b, r->peer_group_ids, r->n_peer_group_ids),
                           .metric = r->metric,
                           .masquerade = r->masquerade,
                           .enabled = r->enabled,
                           .skip_auto_apply = r->skip_auto_apply,
                           .groups = list_of(b, r->group_ids, r->n_group_ids),
                           .access_control_groups = list_of(b, r->access_control_group_ids,
                                                            r->n_access_control_group_ids)};
    }
}

static void add_networks(struct rebuild *b)
{
    struct account_data *d = b->d;
    size_t cap = 0;

    d->resources = rk_new_n(b->mem, struct resource, b->f->n_network_resources + 1);
    for (size_t i = 0; i < b->f->n_network_resources; i++) {
        const Management__NetworkResourceRaw *r = b->f->network_resources[i];
        struct resource *out = &d->resources[d->n_resources++];

        *out = (struct resource){.id = text(r->id),
                                 .network_id = text(r->network_seq),
                                 .name = text(r->name),
                                 .prefix = prefix_of(r->prefix_cidr),
                                 .domain = text(r->domain_value),
                                 .enabled = r->enabled};
        if (!resource_type_parse(text(r->type), &out->type))
            abort();
    }
    for (size_t i = 0; i < b->f->n_routers_map; i++) {
        const Management__NetworkMapComponentsFull__RoutersMapEntry *m = b->f->routers_map[i];

        for (size_t k = 0; k < m->value->n_entries; k++) {
            const Management__NetworkRouterEntry *e = m->value->entries[k];

            d->routers = rk_arena_grow(b->mem, d->routers, d->n_routers, &cap, sizeof *d->routers);
            d->routers[d->n_routers++] = (struct router){.id = text(e->id),
                                                         .network_id = text(m->key),
                                                         .peer = peer_at(b, e->peer_index),
                                                         .masquerade = e->masquerade,
                                                         .metric = e->metric,
                                                         .enabled = e->enabled};
        }
    }
}

static void add_dns(struct rebuild *b)
{
    struct account_data *d = b->d;

    d->ns_groups = rk_new_n(b->mem, struct ns_group, b->f->n_nameserver_groups + 1);
    for (size_t i = 0; i < b->f->n_nameserver_groups; i++) {
        const Management__NameServerGroupRaw *g = b->f->nameserver_groups[i];
        struct ns_group *out = &d->ns_groups[d->n_ns_groups++];

        *out = (struct ns_group){.id = text(g->id),
                                 .groups = list_of(b, g->group_ids, g->n_group_ids),
                                 .primary = g->primary,
                                 .domains = list_of(b, g->domains, g->n_domains),
                                 .enabled = g->enabled,
                                 .search_domains = g->search_domains_enabled};
        out->servers = rk_new_n(b->mem, struct nameserver, g->n_nameservers + 1);
        for (; out->n_servers < g->n_nameservers; out->n_servers++) {
            struct nameserver *s = &out->servers[out->n_servers];

            *s = (struct nameserver){.ns_type = g->nameservers[out->n_servers]->nstype,
                                     .port = g->nameservers[out->n_servers]->port};
            if (rk_ip_parse(text(g->nameservers[out->n_servers]->ip), &s->ip, NULL) != RK_OK)
                abort();
        }
    }
    if (b->f->dns_settings)
        d->dns_settings.disabled_management_groups =
            list_of(b, b->f->dns_settings->disabled_management_group_ids,
                    b->f->dns_settings->n_disabled_management_group_ids);
    d->settings.dns_domain = text(b->f->dns_domain);
}

static struct user *user_named(struct rebuild *b, const char *id)
{
    struct account_data *d = b->d;

    for (size_t i = 0; i < d->n_users; i++)
        if (rk_str_eqz(d->users[i].id, id))
            return &d->users[i];
    d->users[d->n_users] = (struct user){.id = text(id)};
    return &d->users[d->n_users++];
}

static void add_users(struct rebuild *b)
{
    b->d->users = rk_new_n(b->mem, struct user, 256);
    for (size_t i = 0; i < b->f->n_allowed_user_ids; i++)
        (void)user_named(b, b->f->allowed_user_ids[i]);
    for (size_t i = 0; i < b->f->n_group_id_to_user_ids; i++) {
        const Management__NetworkMapComponentsFull__GroupIdToUserIdsEntry *m =
            b->f->group_id_to_user_ids[i];

        for (size_t k = 0; k < m->value->n_user_ids; k++) {
            struct user *u = user_named(b, m->value->user_ids[k]);
            struct str_list more = {rk_new_n(b->mem, struct rk_str, u->auto_groups.n + 1), 0};

            for (; more.n < u->auto_groups.n; more.n++)
                more.v[more.n] = u->auto_groups.v[more.n];
            more.v[more.n++] = text(m->key);
            u->auto_groups = more;
        }
    }
}

/* ---- lines */

static void zone_lines(struct lines *l, const char *domain, Management__SimpleRecord **v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        lines_add(l, "record %s: %s type=%d class=%s ttl=%d data=%s", domain, v[i]->name,
                  (int)v[i]->type, v[i]->class_, (int)v[i]->ttl, v[i]->rdata);
}

/* What the agent takes as it is: its configuration and the zones. */
static void given_lines(struct lines *l, const Management__NetworkMapComponentsFull *f, bool dns)
{
    lines_add_config(l, f->peer_config);
    if (!dns)
        return;
    if (*f->custom_zone_domain && f->n_all_dns_records > 0) {
        lines_add(l, "zone %s search_disabled=0 non_authoritative=0", f->custom_zone_domain);
        zone_lines(l, f->custom_zone_domain, f->all_dns_records, f->n_all_dns_records);
    }
    for (size_t i = 0; i < f->n_account_zones; i++) {
        const Management__CustomZone *z = f->account_zones[i];

        lines_add(l, "zone %s search_disabled=%d non_authoritative=%d", z->domain,
                  z->searchdomaindisabled, z->nonauthoritative);
        zone_lines(l, z->domain, z->records, z->n_records);
    }
}

static bool starts(const char *line, const char *with)
{
    return strncmp(line, with, strlen(with)) == 0;
}

void component_lines(struct lines *l, const Management__NetworkMapEnvelope *e,
                     struct rk_str self_key, int64_t now_us)
{
    struct rebuild b = {.mem = l->mem, .f = e->full, .d = rk_new(l->mem, struct account_data)};
    struct lines naive = {.mem = l->mem};
    size_t self = SIZE_MAX;
    bool dns = false;

    add_peers(&b);
    add_groups(&b);
    add_policies(&b);
    add_routes(&b);
    add_networks(&b);
    add_dns(&b);
    add_users(&b);
    b.d->account.serial = b.f->network->serial;
    b.d->settings.peer_login_expiration_enabled =
        b.f->account_settings->peer_login_expiration_enabled;
    b.d->settings.peer_login_expiration_s =
        b.f->account_settings->peer_login_expiration_ns / 1000000000;
    for (size_t i = 0; i < b.d->n_peers; i++)
        if (rk_str_eq(b.d->peers[i].key, self_key))
            self = i;
    if (self == SIZE_MAX) {
        lines_add(l, "the receiver is not among the peers");
        return;
    }
    naive_map(&naive, b.d, self, now_us);
    for (size_t i = 0; i < naive.n; i++) {
        if (starts(naive.v[i], "dns enabled")) {
            dns = starts(naive.v[i], "dns enabled=1");
            lines_add(l, "dns enabled=%d port=%d", dns, (int)b.f->dns_forwarder_port);
        } else if (!starts(naive.v[i], "zone ") && !starts(naive.v[i], "record ") &&
                   !starts(naive.v[i], "config ")) {
            lines_add(l, "%s", naive.v[i]);
        }
    }
    given_lines(l, b.f, dns);
    lines_sort(l);
}

void component_comparable(struct lines *out, const struct lines *map)
{
    for (size_t i = 0; i < map->n; i++) {
        const char *rule = starts(map->v[i], "fw ") ? strstr(map->v[i], " rule=") : NULL;
        const char *src = rule ? strstr(rule, " src=") : NULL;

        if (src)
            lines_add(out, "%.*s%s", (int)(rule - map->v[i]), map->v[i], src);
        else
            lines_add(out, "%s", map->v[i]);
    }
    lines_sort(out);
}
