/* SPDX-License-Identifier: BSD-3-Clause */
/* See decode.h. */
#include "config.h"

#include "tests/map-cases/decode.h"

#include <stdlib.h>

#include "lib/crypto/hash.h"

static struct rk_str peer_id_of(const struct account_data *d, const char *key)
{
    for (size_t i = 0; i < d->n_peers; i++)
        if (rk_str_eqz(d->peers[i].key, key))
            return d->peers[i].id;
    return rk_str_z("(unknown key)");
}

static json_t *str(struct rk_str s)
{
    return json_stringn(s.n ? s.p : "", s.n);
}

static json_t *strings(char **v, size_t n)
{
    json_t *a = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(a, json_string(v[i]));
    return a;
}

static json_t *remotes(Management__RemotePeerConfig **v, size_t n, const struct account_data *d)
{
    json_t *o = json_object();

    for (size_t i = 0; i < n; i++) {
        struct rk_str id = peer_id_of(d, v[i]->wgpubkey);
        char key[256];

        (void)snprintf(key, sizeof key, "%.*s", RK_STR_ARG(id));
        if (json_object_get(o, key))
            json_object_set_new(o, key, json_string("(twice)"));
        else
            json_object_set_new(o, key, strings(v[i]->allowedips, v[i]->n_allowedips));
    }
    return o;
}

static const char *protocol_text(Management__RuleProtocol p)
{
    switch (p) {
    case MANAGEMENT__RULE_PROTOCOL__ALL:
        return "all";
    case MANAGEMENT__RULE_PROTOCOL__TCP:
        return "tcp";
    case MANAGEMENT__RULE_PROTOCOL__UDP:
        return "udp";
    case MANAGEMENT__RULE_PROTOCOL__ICMP:
        return "icmp";
    case MANAGEMENT__RULE_PROTOCOL__NETBIRD_SSH:
        return "netbird-ssh";
    default:
        return "(unknown)";
    }
}

static json_t *port_text(const char *port, const Management__PortInfo *info)
{
    if (port && *port)
        return json_string(port);
    if (info && info->port_selection_case == MANAGEMENT__PORT_INFO__PORT_SELECTION_PORT)
        return json_sprintf("%u", info->port);
    if (info && info->port_selection_case == MANAGEMENT__PORT_INFO__PORT_SELECTION_RANGE &&
        (info->range->start || info->range->end))
        return json_sprintf("[%u-%u]", info->range->start, info->range->end);
    return json_string("-");
}

static json_t *firewall(const Management__NetworkMap *m)
{
    json_t *a = json_array();

    for (size_t i = 0; i < m->n_firewallrules; i++) {
        const Management__FirewallRule *r = m->firewallrules[i];
        json_t *port = port_text(r->port, r->portinfo);

        json_array_append_new(
            a, json_sprintf("%s %s %s %s %s %.*s",
                            r->direction == MANAGEMENT__RULE_DIRECTION__OUT ? "out" : "in",
                            r->action == MANAGEMENT__RULE_ACTION__DROP ? "drop" : "accept",
                            protocol_text(r->protocol), r->peerip, json_string_value(port),
                            (int)r->policyid.len, (const char *)r->policyid.data));
        json_decref(port);
    }
    return a;
}

static json_t *routes(const Management__NetworkMap *m)
{
    static const char *const TYPES[] = {"(invalid)", "ipv4", "ipv6", "domain"};
    json_t *a = json_array();

    for (size_t i = 0; i < m->n_routes; i++) {
        const Management__Route *r = m->routes[i];
        json_t *o =
            json_pack("{s:s,s:s,s:s,s:s,s:s,s:I,s:b}", "id", r->id, "net_id", r->netid, "network",
                      r->network, "type", TYPES[r->networktype & 3], "peer_key", r->peer, "metric",
                      (json_int_t)r->metric, "masquerade", r->masquerade);

        if (r->keeproute)
            json_object_set_new(o, "keep", json_true());
        if (r->skipautoapply)
            json_object_set_new(o, "skip_auto_apply", json_true());
        if (r->n_domains)
            json_object_set_new(o, "domains", strings(r->domains, r->n_domains));
        json_array_append_new(a, o);
    }
    return a;
}

static json_t *route_firewall(const Management__NetworkMap *m)
{
    json_t *a = json_array();

    for (size_t i = 0; i < m->n_routesfirewallrules; i++) {
        const Management__RouteFirewallRule *r = m->routesfirewallrules[i];
        json_t *o = json_pack(
            "{s:s,s:s%,s:s,s:s,s:s,s:o,s:o}", "route", r->routeid, "policy",
            (const char *)r->policyid.data ? (const char *)r->policyid.data : "", r->policyid.len,
            "action", r->action == MANAGEMENT__RULE_ACTION__DROP ? "drop" : "accept", "proto",
            protocol_text(r->protocol), "destination", r->destination, "sources",
            strings(r->sourceranges, r->n_sourceranges), "port", port_text(NULL, r->portinfo));

        if (r->isdynamic)
            json_object_set_new(o, "dynamic", json_true());
        if (r->n_domains)
            json_object_set_new(o, "domains", strings(r->domains, r->n_domains));
        json_array_append_new(a, o);
    }
    return a;
}

static const char *record_text(int64_t type)
{
    const char *t = record_type_text((enum record_type)type);

    return *t ? t : "(unknown)";
}

static json_t *dns(const Management__DNSConfig *c)
{
    json_t *zones = json_array(), *groups = json_array();

    for (size_t i = 0; i < c->n_customzones; i++) {
        const Management__CustomZone *z = c->customzones[i];
        json_t *o = json_pack("{s:s}", "domain", z->domain), *records = json_array();

        for (size_t k = 0; k < z->n_records; k++) {
            const Management__SimpleRecord *r = z->records[k];

            json_array_append_new(records,
                                  json_sprintf("%s %s %lld %s%s", r->name, record_text(r->type),
                                               (long long)r->ttl, r->rdata,
                                               strcmp(r->class_, "IN") ? " (class)" : ""));
        }
        json_object_set_new(o, "records", records);
        if (z->searchdomaindisabled)
            json_object_set_new(o, "search_disabled", json_true());
        if (z->nonauthoritative)
            json_object_set_new(o, "non_authoritative", json_true());
        json_array_append_new(zones, o);
    }
    for (size_t i = 0; i < c->n_nameservergroups; i++)
        json_array_append_new(groups, json_string(c->nameservergroups[i]->n_domains
                                                      ? c->nameservergroups[i]->domains[0]
                                                      : "(none)"));
    return json_pack("{s:b,s:o,s:o}", "enabled", c->serviceenable, "zones", zones,
                     "nameserver_groups", groups);
}

/* User whose hash this is: among the account's users, and those named by rules. */
static struct rk_str user_of(const struct account_data *d, ProtobufCBinaryData hash)
{
    uint8_t want[HASH_BLAKE2B128_SIZE];

    for (size_t i = 0; i < d->n_users; i++) {
        hash_blake2b128(d->users[i].id, want);
        if (hash.len == sizeof want && memcmp(hash.data, want, sizeof want) == 0)
            return d->users[i].id;
    }
    for (size_t i = 0; i < d->n_policies; i++)
        for (size_t k = 0; k < d->policies[i].n_rules; k++) {
            struct rk_str id = d->policies[i].rules[k].authorized_user;

            hash_blake2b128(id, want);
            if (id.n && hash.len == sizeof want && memcmp(hash.data, want, sizeof want) == 0)
                return id;
        }
    return rk_str_z("(unknown user)");
}

static json_t *ssh(const Management__SSHAuth *s, const struct account_data *d)
{
    json_t *o;

    if (!s)
        return json_null();
    o = json_object();
    for (size_t i = 0; i < s->n_machine_users; i++) {
        const Management__SSHAuth__MachineUsersEntry *e = s->machine_users[i];
        json_t *users = json_array();

        for (size_t k = 0; e->value && k < e->value->n_indexes; k++) {
            uint32_t at = e->value->indexes[k];

            json_array_append_new(users, at < s->n_authorizedusers
                                             ? str(user_of(d, s->authorizedusers[at]))
                                             : json_string("(bad index)"));
        }
        json_object_set_new(o, e->key, users);
    }
    return o;
}

json_t *decode_map(const Management__NetworkMap *m, const struct account_data *d)
{
    return json_pack("{s:I,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "serial", (json_int_t)m->serial,
                     "remote_peers", remotes(m->remotepeers, m->n_remotepeers, d), "offline_peers",
                     remotes(m->offlinepeers, m->n_offlinepeers, d), "firewall", firewall(m),
                     "routes", routes(m), "route_firewall", route_firewall(m), "dns",
                     dns(m->dnsconfig), "ssh_authorized", ssh(m->sshauth, d));
}

/* ---- order */

static int cmp_dump(const void *a, const void *b)
{
    char *x = json_dumps(*(json_t *const *)a, JSON_SORT_KEYS | JSON_ENCODE_ANY);
    char *y = json_dumps(*(json_t *const *)b, JSON_SORT_KEYS | JSON_ENCODE_ANY);
    int c = strcmp(x, y);

    free(x);
    free(y);
    return c;
}

static void sort_array(json_t *a)
{
    size_t n = json_array_size(a);
    json_t **v = rk_calloc(n + 1, sizeof *v);

    for (size_t i = 0; i < n; i++)
        v[i] = json_incref(json_array_get(a, i));
    qsort(v, n, sizeof *v, cmp_dump);
    json_array_clear(a);
    for (size_t i = 0; i < n; i++)
        json_array_append_new(a, v[i]);
    free(v);
}

void canonical(json_t *j, const char *keep)
{
    const char *key;
    json_t *v;
    size_t i;

    if (json_is_array(j)) {
        json_array_foreach (j, i, v)
            canonical(v, NULL);
        sort_array(j);
    }
    json_object_foreach (j, key, v)
        if (!keep || strcmp(key, keep) != 0)
            canonical(v, NULL);
}
