/* SPDX-License-Identifier: BSD-3-Clause */
/* See lines.h. */
#include "config.h"

#include "tests/property/lines.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/enc.h"

void lines_add(struct lines *l, const char *fmt, ...)
{
    char text[8192];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof text)
        abort(); /* a test whose accounts are too large */
    l->v = rk_arena_grow(l->mem, l->v, l->n, &l->cap, sizeof *l->v);
    l->v[l->n++] = rk_arena_dupz(l->mem, rk_str_of(text, (size_t)n));
}

static int cmp_line(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void lines_sort(struct lines *l)
{
    if (l->n > 0)
        qsort(l->v, l->n, sizeof *l->v, cmp_line);
}

bool lines_eq(const struct lines *a, const struct lines *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(a->v[i], b->v[i]) != 0)
            return false;
    return true;
}

void lines_print_diff(const char *name_a, const struct lines *a, const char *name_b,
                      const struct lines *b)
{
    size_t i = 0, k = 0;

    while (i < a->n || k < b->n) {
        int c = i == a->n ? 1 : k == b->n ? -1 : strcmp(a->v[i], b->v[k]);

        if (c < 0)
            printf("    only %s: %s\n", name_a, a->v[i]);
        else if (c > 0)
            printf("    only %s: %s\n", name_b, b->v[k]);
        i += c <= 0;
        k += c >= 0;
    }
}

/* ---- maps */

static const char *joined(struct lines *l, char **v, size_t n)
{
    struct rk_str out = {"", 0};

    for (size_t i = 0; i < n; i++)
        out = rk_arena_printf(l->mem, "%.*s%s%s", (int)out.n, out.p, i ? "," : "", v[i]);
    return rk_arena_dupz(l->mem, out);
}

static const char *hex(struct lines *l, ProtobufCBinaryData d)
{
    return rk_hex_encode(l->mem, rk_str_of(d.data, d.len)).p;
}

static void remote_lines(struct lines *l, const char *list, Management__RemotePeerConfig **v,
                         size_t n)
{
    for (size_t i = 0; i < n; i++)
        lines_add(l, "%s %s ips=%s ssh=%.*s fqdn=%s version=%s", list, v[i]->wgpubkey,
                  joined(l, v[i]->allowedips, v[i]->n_allowedips),
                  (int)v[i]->sshconfig->sshpubkey.len,
                  (const char *)v[i]->sshconfig->sshpubkey.data, v[i]->fqdn, v[i]->agentversion);
}

/* "none", "empty", "port N", "range A-B" */
static const char *port_info(struct lines *l, const Management__PortInfo *p)
{
    if (!p)
        return "none";
    if (p->port_selection_case == MANAGEMENT__PORT_INFO__PORT_SELECTION_PORT)
        return rk_arena_printf(l->mem, "port %u", p->port).p;
    if (p->port_selection_case == MANAGEMENT__PORT_INFO__PORT_SELECTION_RANGE)
        return rk_arena_printf(l->mem, "range %u-%u", p->range->start, p->range->end).p;
    return "empty";
}

static void firewall_lines(struct lines *l, const Management__NetworkMap *m)
{
    for (size_t i = 0; i < m->n_firewallrules; i++) {
        const Management__FirewallRule *r = m->firewallrules[i];

        lines_add(l, "fw dir=%d action=%d proto=%d peer=%s port=%s info=%s rule=%.*s src=%s",
                  r->direction, r->action, r->protocol, r->peerip, r->port,
                  port_info(l, r->portinfo), (int)r->policyid.len, (const char *)r->policyid.data,
                  r->n_sourceprefixes ? hex(l, r->sourceprefixes[0]) : "");
    }
}

static void route_lines(struct lines *l, const Management__NetworkMap *m)
{
    for (size_t i = 0; i < m->n_routes; i++) {
        const Management__Route *r = m->routes[i];

        lines_add(l,
                  "route %s net=%s net_id=%s type=%d peer=%s metric=%d masq=%d keep=%d skip=%d "
                  "domains=%s",
                  r->id, r->network, r->netid, (int)r->networktype, r->peer, (int)r->metric,
                  r->masquerade, r->keeproute, r->skipautoapply,
                  joined(l, r->domains, r->n_domains));
    }
    for (size_t i = 0; i < m->n_routesfirewallrules; i++) {
        const Management__RouteFirewallRule *r = m->routesfirewallrules[i];
        struct lines sources = {.mem = l->mem};

        for (size_t k = 0; k < r->n_sourceranges; k++)
            lines_add(&sources, "%s", r->sourceranges[k]);
        lines_sort(&sources);
        lines_add(l,
                  "routefw route=%s policy=%.*s action=%d proto=%d dst=%s info=%s dynamic=%d "
                  "domains=%s sources=%s",
                  r->routeid, (int)r->policyid.len, (const char *)r->policyid.data, r->action,
                  r->protocol, r->destination, port_info(l, r->portinfo), r->isdynamic,
                  joined(l, r->domains, r->n_domains), joined(l, sources.v, sources.n));
    }
}

static void dns_lines(struct lines *l, const Management__DNSConfig *c)
{
    lines_add(l, "dns enabled=%d port=%d", c->serviceenable, (int)c->forwarderport);
    for (size_t i = 0; i < c->n_customzones; i++) {
        const Management__CustomZone *z = c->customzones[i];

        lines_add(l, "zone %s search_disabled=%d non_authoritative=%d", z->domain,
                  z->searchdomaindisabled, z->nonauthoritative);
        for (size_t k = 0; k < z->n_records; k++)
            lines_add(l, "record %s: %s type=%d class=%s ttl=%d data=%s", z->domain,
                      z->records[k]->name, (int)z->records[k]->type, z->records[k]->class_,
                      (int)z->records[k]->ttl, z->records[k]->rdata);
    }
    for (size_t i = 0; i < c->n_nameservergroups; i++) {
        const Management__NameServerGroup *g = c->nameservergroups[i];
        struct rk_str servers = {"", 0};

        for (size_t k = 0; k < g->n_nameservers; k++)
            servers =
                rk_arena_printf(l->mem, "%.*s %s/%d/%d", RK_STR_ARG(servers), g->nameservers[k]->ip,
                                (int)g->nameservers[k]->nstype, (int)g->nameservers[k]->port);
        lines_add(l, "ns servers=%.*s primary=%d domains=%s search=%d", RK_STR_ARG(servers),
                  g->primary, joined(l, g->domains, g->n_domains), g->searchdomainsenabled);
    }
}

static void ssh_lines(struct lines *l, const Management__SSHAuth *s)
{
    if (!s) {
        lines_add(l, "ssh absent");
        return;
    }
    lines_add(l, "ssh claim=%s", s->useridclaim);
    for (size_t i = 0; i < s->n_machine_users; i++) {
        const Management__SSHAuth__MachineUsersEntry *e = s->machine_users[i];

        lines_add(l, "ssh login %s", e->key);
        for (size_t k = 0; k < e->value->n_indexes; k++)
            lines_add(l, "ssh login %s user %s", e->key,
                      e->value->indexes[k] < s->n_authorizedusers
                          ? hex(l, s->authorizedusers[e->value->indexes[k]])
                          : "(bad index)");
    }
}

void lines_add_config(struct lines *l, const Management__PeerConfig *c)
{
    lines_add(l, "config address=%s address6=%s fqdn=%s ssh=%d resolve=%d lazy=%d update=%s/%d",
              c->address, hex(l, c->address_v6), c->fqdn, c->sshconfig->sshenabled,
              c->routingpeerdnsresolutionenabled, c->lazyconnectionenabled, c->autoupdate->version,
              c->autoupdate->alwaysupdate);
}

void lines_of_map(struct lines *l, const Management__NetworkMap *m)
{
    lines_add(l, "serial %llu", (unsigned long long)m->serial);
    lines_add(l, "empty peers=%d firewall=%d routefw=%d", m->remotepeersisempty,
              m->firewallrulesisempty, m->routesfirewallrulesisempty);
    lines_add_config(l, m->peerconfig);
    remote_lines(l, "peer", m->remotepeers, m->n_remotepeers);
    remote_lines(l, "offline", m->offlinepeers, m->n_offlinepeers);
    firewall_lines(l, m);
    route_lines(l, m);
    dns_lines(l, m->dnsconfig);
    ssh_lines(l, m->sshauth);
    lines_sort(l);
}
