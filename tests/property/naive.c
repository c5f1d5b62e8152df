/* SPDX-License-Identifier: BSD-3-Clause */
/* See naive.h. Sets of peers are arrays of bool over d->peers. */
#include "config.h"

#include "tests/property/naive.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/enc.h"
#include "lib/crypto/hash.h"
#include "management/domain/version.h"

#define MAX_PEERS    64
#define MAX_POLICIES 256

typedef bool set[MAX_PEERS];

struct naive {
    struct lines *l;
    const struct account_data *d;
    const struct peer *self;
    size_t me;
    int64_t now_us;
    bool ip6;

    const struct policy *policies[MAX_POLICIES]; /* enabled, in order, made-up ones too */
    size_t n_policies;
    bool relevant[MAX_POLICIES];

    set component, dns_component; /* P, and P at the end of the first selection step */
    set connect, offline;
    size_t n_remote, n_firewall, n_routefw;
    bool ssh;
};

#define FOR_PEERS(n, i) for (size_t i = 0; i < (n)->d->n_peers; i++)
#define TEXT(n, ...)    (rk_arena_printf((n)->l->mem, __VA_ARGS__).p)
#define Z(n, s)         rk_arena_dupz((n)->l->mem, s)

/* ---- look-ups */

static const struct group *group_by_id(const struct naive *n, struct rk_str id)
{
    for (size_t i = 0; i < n->d->n_groups; i++)
        if (rk_str_eq(n->d->groups[i].id, id))
            return &n->d->groups[i];
    return NULL;
}

/* An existing peer is a member of an existing group. */
static bool is_member(const struct naive *n, struct rk_str group, size_t peer)
{
    if (!group_by_id(n, group))
        return false;
    for (size_t i = 0; i < n->d->n_group_peers; i++)
        if (rk_str_eq(n->d->group_peers[i].group_id, group) &&
            rk_str_eq(n->d->group_peers[i].peer_id, n->d->peers[peer].id))
            return true;
    return false;
}

static bool in_any(const struct naive *n, const struct str_list *groups, size_t peer)
{
    for (size_t i = 0; i < groups->n; i++)
        if (is_member(n, groups->v[i], peer))
            return true;
    return false;
}

/* Group list as it evaluates: a group named All alone decides. */
static bool in_list(const struct naive *n, const struct str_list *groups, size_t peer)
{
    for (size_t i = 0; i < groups->n; i++) {
        const struct group *g = group_by_id(n, groups->v[i]);

        if (g && rk_str_eqz(g->name, "All"))
            return is_member(n, g->id, peer);
    }
    return in_any(n, groups, peer);
}

static bool valid(const struct naive *n, size_t peer)
{
    return !n->d->peers[peer].status.requires_approval;
}

static bool passes(const struct naive *n, const struct policy *p, size_t peer)
{
    for (size_t i = 0; i < p->posture_checks.n; i++)
        for (size_t k = 0; k < n->d->n_postures; k++)
            if (rk_str_eq(n->d->postures[k].id, p->posture_checks.v[i]) &&
                !posture_passes(&n->d->postures[k], &n->d->peers[peer]))
                return false;
    return true;
}

static bool names_peer(const struct resource_ref *r)
{
    return r->type == RESOURCE_PEER && r->id.n > 0;
}

static const char *ip_text(const struct naive *n, const struct rk_ip *ip)
{
    char text[RK_ADDR_TEXT];

    return Z(n, rk_ip_format(ip, text));
}

static const char *prefix_text(const struct naive *n, struct rk_prefix p)
{
    char text[RK_ADDR_TEXT];

    return Z(n, rk_prefix_format(&p, text));
}

static struct rk_str dns_domain(const struct naive *n)
{
    return n->d->settings.dns_domain.n ? n->d->settings.dns_domain : RK_STR("server.test");
}

static const char *join_list(const struct naive *n, const struct str_list *list)
{
    struct rk_str out = {"", 0};

    for (size_t i = 0; i < list->n; i++)
        out = rk_arena_printf(n->l->mem, "%.*s%s%.*s", RK_STR_ARG(out), i ? "," : "",
                              RK_STR_ARG(list->v[i]));
    return Z(n, out);
}

/* ---- policies, with those that services make up (3.9) */

static struct rule *made_up(struct naive *n, struct rk_str id)
{
    struct policy *p = rk_new(n->l->mem, struct policy);
    struct rule *r = rk_new(n->l->mem, struct rule);

    *r = (struct rule){.id = id, .policy_id = id, .enabled = true, .protocol = PROTO_TCP};
    *p = (struct policy){.id = id, .enabled = true, .rules = r, .n_rules = 1};
    n->policies[n->n_policies++] = p;
    return r;
}

static void add_target(struct naive *n, const struct service *s, const struct service_target *t,
                       const struct peer *proxy)
{
    uint16_t port = t->port;
    struct rule *r;

    if (!port && (rk_str_eqz(t->protocol, "https") || rk_str_eqz(t->protocol, "tls")))
        port = 443;
    if (!port && rk_str_eqz(t->protocol, "http"))
        port = 80;
    if (!t->enabled || !port)
        return;
    r = made_up(n, rk_arena_printf(n->l->mem, "proxy-access-%.*s-%.*s-%.*s", RK_STR_ARG(s->id),
                                   RK_STR_ARG(proxy->id), RK_STR_ARG(t->path)));
    if (rk_str_eqz(s->mode, "udp"))
        r->protocol = PROTO_UDP;
    r->source_resource = (struct resource_ref){proxy->id, RESOURCE_PEER};
    r->destination_resource.id = t->target_id;
    if (!resource_type_parse(t->target_type, &r->destination_resource.type))
        r->destination_resource.type = RESOURCE_NONE;
    r->ranges = rk_new(n->l->mem, struct port_range);
    r->ranges[0] = (struct port_range){port, port};
    r->n_ranges = 1;
}

static void add_private(struct naive *n, const struct service *s, const struct peer *proxy)
{
    struct str_list access = {rk_new_n(n->l->mem, struct rk_str, s->access_groups.n + 1), 0};
    struct rule *r;

    for (size_t i = 0; i < s->access_groups.n; i++)
        if (group_by_id(n, s->access_groups.v[i]))
            access.v[access.n++] = s->access_groups.v[i];
    if (!s->is_private || access.n == 0)
        return;
    r = made_up(n, rk_arena_printf(n->l->mem, "private-access-%.*s-%.*s", RK_STR_ARG(s->id),
                                   RK_STR_ARG(proxy->id)));
    r->sources = access;
    r->destination_resource = (struct resource_ref){proxy->id, RESOURCE_PEER};
    r->ranges = rk_new_n(n->l->mem, struct port_range, 2);
    r->ranges[0] = (struct port_range){80, 80};
    r->ranges[1] = (struct port_range){443, 443};
    r->n_ranges = 2;
}

/* Targets first, then the private access; proxies in id order (the order of policies shows where a
 * client of a resource holds the sources of later policies). */
static void add_service(struct naive *n, const struct service *s)
{
    const struct peer *proxies[MAX_PEERS];
    size_t count = 0;

    FOR_PEERS(n, i)
    {
        const struct peer *p = &n->d->peers[i];
        size_t at = count;

        if (!p->proxy_embedded || !rk_str_eq(p->proxy_cluster, s->proxy_cluster))
            continue;
        for (; at > 0 && rk_str_cmp(proxies[at - 1]->id, p->id) > 0; at--)
            proxies[at] = proxies[at - 1];
        proxies[at] = p;
        count++;
    }
    for (size_t t = 0; t < s->n_targets; t++)
        for (size_t i = 0; i < count; i++)
            add_target(n, s, &s->targets[t], proxies[i]);
    for (size_t i = 0; i < count; i++)
        add_private(n, s, proxies[i]);
}

static int cmp_policy(const void *a, const void *b)
{
    const struct policy *x = *(const struct policy *const *)a;
    const struct policy *y = *(const struct policy *const *)b;

    if (x->seq != y->seq)
        return x->seq < y->seq ? -1 : 1;
    return rk_str_cmp(x->id, y->id);
}

static void collect_policies(struct naive *n)
{
    for (size_t i = 0; i < n->d->n_policies; i++)
        if (n->d->policies[i].enabled)
            n->policies[n->n_policies++] = &n->d->policies[i];
    qsort(n->policies, n->n_policies, sizeof n->policies[0], cmp_policy);
    for (size_t i = 0; i < n->d->n_services; i++)
        if (n->d->services[i].enabled)
            add_service(n, &n->d->services[i]);
}

/* ---- 3.2: component peers and relevant policies */

static bool serves_route(const struct naive *n, const struct route *r, size_t peer)
{
    return rk_str_eq(r->peer, n->d->peers[peer].id) || in_any(n, &r->peer_groups, peer);
}

static bool route_relevant(const struct naive *n, const struct route *r)
{
    return serves_route(n, r, n->me) || (r->enabled && in_any(n, &r->groups, n->me));
}

static bool source_selected(const struct naive *n, const struct policy *p, const struct rule *r,
                            size_t peer)
{
    if (names_peer(&r->source_resource))
        return rk_str_eq(r->source_resource.id, n->d->peers[peer].id);
    return in_list(n, &r->sources, peer) && valid(n, peer) && passes(n, p, peer);
}

static bool destination_selected(const struct naive *n, const struct rule *r, size_t peer)
{
    if (names_peer(&r->destination_resource))
        return rk_str_eq(r->destination_resource.id, n->d->peers[peer].id);
    return in_list(n, &r->destinations, peer) && valid(n, peer);
}

static bool aims_at_acl_of_self(const struct naive *n, const struct rule *r)
{
    for (size_t i = 0; i < n->d->n_routes; i++) {
        const struct route *route = &n->d->routes[i];

        for (size_t k = 0; k < route->access_control_groups.n; k++)
            if (route->enabled && route_relevant(n, route) &&
                str_list_has(&r->destinations, route->access_control_groups.v[k]))
                return true;
    }
    return false;
}

static void select_first(struct naive *n)
{
    n->component[n->me] = true;
    for (size_t i = 0; i < n->d->n_routes; i++)
        FOR_PEERS(n, p)
    if (route_relevant(n, &n->d->routes[i]) && serves_route(n, &n->d->routes[i], p) && valid(n, p))
        n->component[p] = true;
    for (size_t i = 0; i < n->n_policies; i++)
        for (size_t k = 0; k < n->policies[i]->n_rules; k++) {
            const struct policy *p = n->policies[i];
            const struct rule *r = &p->rules[k];
            bool src = source_selected(n, p, r, n->me), dst = destination_selected(n, r, n->me);

            if (!r->enabled)
                continue;
            n->relevant[i] |= src || dst || aims_at_acl_of_self(n, r);
            FOR_PEERS(n, q)
            n->component[q] |=
                (src && destination_selected(n, r, q)) || (dst && source_selected(n, p, r, q));
        }
    memcpy(n->dns_component, n->component, sizeof n->component);
}

/* ---- 3.6: network resources */

/* The router a peer stands for: of the enabled routers in id order, the last one. */
static const struct router *router_of(const struct naive *n, struct rk_str network, size_t peer)
{
    const struct router *found = NULL;

    for (size_t i = 0; i < n->d->n_routers; i++) {
        const struct router *r = &n->d->routers[i];
        bool stands =
            r->peer.n ? rk_str_eq(r->peer, n->d->peers[peer].id) : in_any(n, &r->peer_groups, peer);

        if (r->enabled && rk_str_eq(r->network_id, network) && stands &&
            (!found || rk_str_cmp(r->id, found->id) > 0))
            found = r;
    }
    return found;
}

static bool group_holds(const struct naive *n, struct rk_str group, struct rk_str resource)
{
    const struct group *g = group_by_id(n, group);

    for (size_t i = 0; g && i < g->n_resources; i++)
        if (rk_str_eq(g->resources[i].id, resource))
            return true;
    return false;
}

/* Policies per resource, with the repetitions of the official server: *n of them. */
static const struct policy **resource_policies(const struct naive *n, const struct resource *res,
                                               size_t *count)
{
    const struct policy **list = rk_new_n(n->l->mem, const struct policy *, 1024);

    *count = 0;
    for (size_t i = 0; i < n->n_policies; i++)
        for (size_t k = 0; k < n->policies[i]->n_rules; k++) {
            const struct rule *r = &n->policies[i]->rules[k];
            bool through_group = false;

            if (!r->enabled)
                continue;
            if (rk_str_eq(r->destination_resource.id, res->id)) {
                list[(*count)++] = n->policies[i];
                break;
            }
            for (size_t g = 0; g < r->destinations.n; g++)
                through_group |= group_holds(n, r->destinations.v[g], res->id);
            if (through_group)
                list[(*count)++] = n->policies[i];
        }
    return list;
}

/* "Sources" of a resource policy: the first rule's peer, or the groups of all rules. */
static bool resource_source(const struct naive *n, const struct policy *p, size_t peer)
{
    struct str_list all = {rk_new_n(n->l->mem, struct rk_str, 256), 0};

    if (p->n_rules > 0 && names_peer(&p->rules[0].source_resource))
        return rk_str_eq(p->rules[0].source_resource.id, n->d->peers[peer].id);
    for (size_t i = 0; i < p->n_rules; i++)
        for (size_t k = 0; k < p->rules[i].sources.n; k++)
            all.v[all.n++] = p->rules[i].sources.v[k];
    return in_list(n, &all, peer);
}

/* What self is to a resource: 0 nothing, 1 client, 2 router. Takes peers into the component set. */
static int select_resource(struct naive *n, const struct resource *res)
{
    size_t count;
    const struct policy **list = resource_policies(n, res, &count);
    bool router = router_of(n, res->network_id, n->me) != NULL, take = router;

    if (!res->enabled || count == 0)
        return 0;
    for (size_t i = 0; i < count; i++) {
        if (!take) {
            take = resource_source(n, list[i], n->me) && passes(n, list[i], n->me);
            continue;
        }
        FOR_PEERS(n, q)
        n->component[q] |= resource_source(n, list[i], q) && valid(n, q) && passes(n, list[i], q);
    }
    FOR_PEERS(n, q)
    n->component[q] |= take && valid(n, q) && router_of(n, res->network_id, q);
    return router ? 2 : take ? 1 : 0;
}

/* ---- 3.3: connections, firewall, SSH */

static bool calc_source(const struct naive *n, const struct policy *p, const struct rule *r,
                        size_t peer)
{
    if (!n->component[peer])
        return false;
    if (names_peer(&r->source_resource))
        return rk_str_eq(r->source_resource.id, n->d->peers[peer].id);
    return in_list(n, &r->sources, peer) && passes(n, p, peer);
}

static bool calc_destination(const struct naive *n, const struct rule *r, size_t peer)
{
    if (!n->component[peer])
        return false;
    if (names_peer(&r->destination_resource))
        return rk_str_eq(r->destination_resource.id, n->d->peers[peer].id);
    return in_list(n, &r->destinations, peer);
}

struct emitted { /* keys of firewall entries that exist already */
    const char *key[4096];
    size_t n;
};

static void put_fw(struct naive *n, const struct rule *r, int dir, const struct rk_ip *ip,
                   const char *port, const struct port_range *range)
{
    int proto = r->protocol == PROTO_ALL    ? 1
                : r->protocol == PROTO_UDP  ? 3
                : r->protocol == PROTO_ICMP ? 4
                                            : 2;
    bool old_portinfo =
        rk_str_eqz(n->self->meta.version, "0.36.4") || rk_str_eqz(n->self->meta.version, "0.36.5");
    const char *info = "none", *src = "";

    if (!*port && (proto == 2 || proto == 3) &&
        !(old_portinfo && range->start == 0 && range->end == 0))
        info = TEXT(n, "range %u-%u", range->start, range->end);
    if (n->self->meta.capabilities & PEER_CAP_SOURCE_PREFIXES)
        src = TEXT(n, "%s%02x", rk_hex_encode(n->l->mem, rk_str_of(ip->b, rk_ip_size(ip))).p,
                   ip->family == 4 ? 32 : 128);
    lines_add(n->l, "fw dir=%d action=%d proto=%d peer=%s port=%s info=%s rule=%s src=%s", dir,
              r->action == ACTION_DROP, proto, ip_text(n, ip), port, info, Z(n, r->id), src);
    n->n_firewall++;
}

static void expand(struct naive *n, const struct rule *r, int dir, const struct rk_ip *ip)
{
    static const struct port_range NONE = {0, 0};
    struct rk_str version = n->self->meta.version;
    bool covers22 = false, covers22022 = false;
    bool native = r->protocol == PROTO_SSH ||
                  (r->protocol == PROTO_TCP && version_has_feature(version, "0.60.0") &&
                   n->self->ssh_enabled && (n->self->meta.flags & PEER_FLAG_SERVER_SSH_ALLOWED));

    if (r->ports.n == 0 && r->n_ranges == 0) {
        put_fw(n, r, dir, ip, "", &NONE);
        return;
    }
    for (size_t i = 0; i < r->ports.n; i++) {
        put_fw(n, r, dir, ip, Z(n, r->ports.v[i]), &NONE);
        covers22 |= rk_str_eqz(r->ports.v[i], "22");
        covers22022 |= rk_str_eqz(r->ports.v[i], "22022");
    }
    for (size_t i = 0; r->ports.n == 0 && i < r->n_ranges; i++) {
        const struct port_range *g = &r->ranges[i];

        if (version_has_feature(version, "0.48.0"))
            put_fw(n, r, dir, ip, "", g);
        else if (g->start == g->end)
            put_fw(n, r, dir, ip, TEXT(n, "%u", g->start), &NONE);
        else
            continue;
        covers22 |= g->start <= 22 && 22 <= g->end;
        covers22022 |= g->start <= 22022 && 22022 <= g->end;
    }
    if (native && covers22 && !covers22022)
        put_fw(n, r, dir, ip, "22022", &NONE);
}

static bool first_time(struct naive *n, struct emitted *e, const struct rule *r, int dir,
                       const struct rk_ip *ip)
{
    int proto = r->protocol == PROTO_SSH ? PROTO_TCP : (int)r->protocol;
    const char *key = TEXT(n, "%.*s|%s|%d|%d|%d|%s", RK_STR_ARG(r->id), ip_text(n, ip), dir, proto,
                           (int)r->action, join_list(n, &r->ports));

    for (size_t i = 0; i < e->n; i++)
        if (strcmp(e->key[i], key) == 0)
            return false;
    e->key[e->n++] = key;
    return true;
}

static void emit(struct naive *n, struct emitted *e, const struct rule *r, int dir, size_t peer)
{
    const struct peer *p = &n->d->peers[peer];

    if (peer == n->me)
        return;
    n->connect[peer] = true;
    if (!first_time(n, e, r, dir, &p->ip))
        return;
    expand(n, r, dir, &p->ip);
    if (n->ip6 && p->ip6.family == 6 && first_time(n, e, r, dir, &p->ip6))
        expand(n, r, dir, &p->ip6);
}

static void connections(struct naive *n)
{
    struct emitted *e = rk_new(n->l->mem, struct emitted);

    for (size_t i = 0; i < n->n_policies; i++)
        for (size_t k = 0; k < n->policies[i]->n_rules; k++) {
            const struct policy *p = n->policies[i];
            const struct rule *r = &p->rules[k];
            bool src = calc_source(n, p, r, n->me), dst = calc_destination(n, r, n->me);

            if (!r->enabled || !n->relevant[i])
                continue;
            for (int pass = 0; pass < 4; pass++)
                FOR_PEERS(n, q)
                {
                    if (pass == 0 && r->bidirectional && src && calc_destination(n, r, q))
                        emit(n, e, r, 0, q);
                    if (pass == 1 && r->bidirectional && dst && calc_source(n, p, r, q))
                        emit(n, e, r, 1, q);
                    if (pass == 2 && src && calc_destination(n, r, q))
                        emit(n, e, r, 1, q);
                    if (pass == 3 && dst && calc_source(n, p, r, q))
                        emit(n, e, r, 0, q);
                }
        }
}

static void split_offline(struct naive *n)
{
    FOR_PEERS(n, i)
    if (n->connect[i] && peer_offline_in_maps(&n->d->peers[i], &n->d->settings, n->now_us)) {
        n->connect[i] = false;
        n->offline[i] = true;
    }
}

/* ---- 3.4 */

struct grant {
    const char *login, *user;
};

struct grants {
    struct grant v[1024];
    size_t n;
    const char *logins[64];
    size_t n_logins;
};

static void grant(struct naive *n, struct grants *g, const char *login, struct rk_str user)
{
    uint8_t hash[HASH_BLAKE2B128_SIZE];
    const char *text;
    bool known = false;

    hash_blake2b128(user, hash);
    text = rk_hex_encode(n->l->mem, rk_str_of(hash, sizeof hash)).p;
    for (size_t i = 0; i < g->n_logins; i++)
        known |= strcmp(g->logins[i], login) == 0;
    if (!known)
        g->logins[g->n_logins++] = login;
    for (size_t i = 0; i < g->n; i++)
        if (strcmp(g->v[i].login, login) == 0 && strcmp(g->v[i].user, text) == 0)
            return;
    g->v[g->n++] = (struct grant){login, text};
}

static void grant_everybody(struct naive *n, struct grants *g)
{
    size_t kept = 0;
    bool known = false;

    for (size_t i = 0; i < g->n; i++)
        if (strcmp(g->v[i].login, "*") != 0)
            g->v[kept++] = g->v[i];
    g->n = kept;
    for (size_t i = 0; i < g->n_logins; i++)
        known |= strcmp(g->logins[i], "*") == 0;
    if (!known)
        g->logins[g->n_logins++] = "*";
    for (size_t i = 0; i < n->d->n_users; i++)
        if (!n->d->users[i].blocked && !n->d->users[i].is_service)
            grant(n, g, "*", n->d->users[i].id);
}

static void grant_group(struct naive *n, struct grants *g, const struct authorized_group *a)
{
    const struct group *group = group_by_id(n, a->group_id);
    bool all = group && rk_str_eqz(group->name, "All");

    for (size_t i = 0; i < n->d->n_users; i++) {
        const struct user *u = &n->d->users[i];

        if (!group || u->blocked || u->is_service ||
            !(all || str_list_has(&u->auto_groups, a->group_id)))
            continue;
        for (size_t k = 0; k < a->names.n; k++)
            grant(n, g, Z(n, a->names.v[k]), u->id);
        if (a->names.n == 0)
            grant(n, g, "*", u->id);
    }
}

static void ssh_auth(struct naive *n)
{
    struct grants *g = rk_new(n->l->mem, struct grants);

    for (size_t i = 0; i < n->n_policies; i++)
        for (size_t k = 0; k < n->policies[i]->n_rules; k++) {
            const struct rule *r = &n->policies[i]->rules[k];

            if (!r->enabled || !destination_selected(n, r, n->me))
                continue;
            if (r->protocol == PROTO_SSH) {
                n->ssh = true;
                for (size_t a = 0; a < r->n_authorized; a++)
                    grant_group(n, g, &r->authorized[a]);
                if (r->n_authorized == 0 && r->authorized_user.n > 0)
                    grant(n, g, "*", r->authorized_user);
                else if (r->n_authorized == 0)
                    grant_everybody(n, g);
            } else if (rule_implies_ssh(r) && n->self->ssh_enabled) {
                n->ssh = true;
                grant_everybody(n, g);
            }
        }
    lines_add(n->l, "ssh claim=sub");
    for (size_t i = 0; i < g->n_logins; i++)
        lines_add(n->l, "ssh login %s", g->logins[i]);
    for (size_t i = 0; i < g->n; i++)
        lines_add(n->l, "ssh login %s user %s", g->v[i].login, g->v[i].user);
}

/* ---- 3.6, 3.7: routes */

struct naive_route { /* one route of the map */
    const char *id, *net_id, *domains;
    struct rk_prefix network;
    int type;
    size_t peer;
    int metric;
    bool masquerade, keep, skip;
};

static struct rk_prefix prefix_of(const char *text)
{
    struct rk_prefix p = {0};

    if (rk_prefix_parse(rk_str_z(text), &p, NULL) != RK_OK)
        abort();
    return p;
}

static bool is_default(const struct naive_route *r)
{
    return r->network.ip.family == 4 && r->network.bits == 0;
}

static void put_route(struct naive *n, const struct naive_route *r)
{
    const struct peer *p = &n->d->peers[r->peer];

    if (r->network.ip.family == 6 && !n->ip6)
        return;
    lines_add(n->l,
              "route %s net=%s net_id=%s type=%d peer=%s metric=%d masq=%d keep=%d skip=%d "
              "domains=%s",
              r->id, prefix_text(n, r->network), r->net_id, r->type, Z(n, p->key), r->metric,
              r->masquerade, r->keep, r->skip, r->domains);
    if (is_default(r) && n->ip6)
        lines_add(n->l,
                  "route %s-v6-default net=::/0 net_id=%s-v6 type=2 peer=%s metric=%d masq=%d "
                  "keep=%d skip=%d domains=%s",
                  r->id, r->net_id, Z(n, p->key), r->metric, r->masquerade, r->keep, r->skip,
                  r->domains);
}

static struct naive_route from_route(const struct naive *n, const struct route *r, size_t peer)
{
    const struct peer *p = &n->d->peers[peer];
    bool direct = rk_str_eq(r->peer, p->id);

    return (struct naive_route){
        .id = direct ? Z(n, r->id) : TEXT(n, "%.*s:%.*s", RK_STR_ARG(r->id), RK_STR_ARG(p->id)),
        .net_id = Z(n, r->net_id),
        .domains = join_list(n, &r->domains),
        .network = r->domains.n ? prefix_of("192.0.2.0/32") : r->network,
        .type = (int)r->kind,
        .peer = peer,
        .metric = (int)r->metric,
        .masquerade = r->masquerade,
        .keep = r->keep_route,
        .skip = r->skip_auto_apply};
}

static struct naive_route from_resource(const struct naive *n, const struct resource *res,
                                        size_t peer)
{
    const struct peer *p = &n->d->peers[peer];
    const struct router *router = router_of(n, res->network_id, peer);
    bool domain = res->type == RESOURCE_DOMAIN;

    return (struct naive_route){.id = TEXT(n, "%.*s:%.*s", RK_STR_ARG(res->id), RK_STR_ARG(p->id)),
                                .net_id = Z(n, res->name),
                                .domains = domain ? Z(n, res->domain) : "",
                                .network = domain ? prefix_of("192.0.2.0/32") : res->prefix,
                                .type = domain                       ? 3
                                        : res->prefix.ip.family == 6 ? 2
                                                                     : 1,
                                .peer = peer,
                                .metric = (int)router->metric,
                                .masquerade = router->masquerade,
                                .keep = true};
}

static bool same_ha(const struct route *a, const struct route *b)
{
    if (!rk_str_eq(a->net_id, b->net_id))
        return false;
    if (a->domains.n || b->domains.n)
        return str_list_eq(&a->domains, &b->domains);
    return rk_prefix_cmp(&a->network, &b->network) == 0;
}

static void classic_routes(struct naive *n, const set direct)
{
    for (size_t i = 0; i < n->d->n_routes; i++) {
        const struct route *r = &n->d->routes[i];
        bool mine = false;

        if (!r->enabled)
            continue;
        if (serves_route(n, r, n->me)) {
            struct naive_route nr = from_route(n, r, n->me);

            put_route(n, &nr);
        }
        for (size_t k = 0; k < n->d->n_routes; k++)
            mine |= serves_route(n, &n->d->routes[k], n->me) && same_ha(&n->d->routes[k], r);
        FOR_PEERS(n, p)
        if (!mine && direct[p] && serves_route(n, r, p) && in_any(n, &r->groups, n->me)) {
            struct naive_route nr = from_route(n, r, p);

            put_route(n, &nr);
        }
    }
}

/* ---- 3.7.1: firewall rules of routes */

static const char *source_list(struct naive *n, const set sources, bool v6)
{
    struct lines l = {.mem = n->l->mem};
    struct rk_str out = {"", 0};

    FOR_PEERS(n, p)
    {
        const struct rk_ip *ip = v6 ? &n->d->peers[p].ip6 : &n->d->peers[p].ip;

        if (sources[p] && ip->family)
            lines_add(&l, "%s/%d", ip_text(n, ip), v6 ? 128 : 32);
    }
    lines_sort(&l);
    for (size_t i = 0; i < l.n; i++)
        out = rk_arena_printf(l.mem, "%.*s%s%s", RK_STR_ARG(out), i ? "," : "", l.v[i]);
    return Z(n, out);
}

static void put_routefw(struct naive *n, const struct naive_route *r, const char *suffix,
                        const char *dst, const struct policy *p, const struct rule *rule,
                        const char *info, const char *sources)
{
    static const int NUMBER[] = {
        [PROTO_ALL] = 1, [PROTO_TCP] = 2, [PROTO_UDP] = 3, [PROTO_ICMP] = 4, [PROTO_SSH] = 6};

    lines_add(n->l,
              "routefw route=%s%s policy=%s action=%d proto=%d dst=%s info=%s dynamic=%d "
              "domains=%s sources=%s",
              r->id, suffix, p ? Z(n, p->id) : "", rule && rule->action == ACTION_DROP,
              rule ? NUMBER[rule->protocol] : 1, dst, info, r->type == 3, r->domains, sources);
    n->n_routefw++;
}

/* One family of a rule: an entry per distinct port or range. */
static void put_ports(struct naive *n, const struct naive_route *r, const char *suffix,
                      const char *dst, const struct policy *p, const struct rule *rule,
                      const char *sources)
{
    for (size_t i = 0; i < rule->ports.n; i++) {
        uint16_t port;
        bool seen = false;

        for (size_t k = 0; k < i; k++)
            seen |= rk_str_eq(rule->ports.v[k], rule->ports.v[i]);
        if (!seen && port_parse(rule->ports.v[i], &port))
            put_routefw(n, r, suffix, dst, p, rule, TEXT(n, "port %u", port), sources);
    }
    for (size_t i = 0; rule->ports.n == 0 && i < rule->n_ranges; i++) {
        const struct port_range *g = &rule->ranges[i];
        bool seen = false;

        for (size_t k = 0; k < i; k++)
            seen |= rule->ranges[k].start == g->start && rule->ranges[k].end == g->end;
        if (!seen)
            put_routefw(n, r, suffix, dst, p, rule,
                        g->start && g->end ? TEXT(n, "range %u-%u", g->start, g->end) : "empty",
                        sources);
    }
    if (rule->ports.n == 0 && rule->n_ranges == 0)
        put_routefw(n, r, suffix, dst, p, rule, "empty", sources);
}

static void rule_for_route(struct naive *n, const struct naive_route *r, const struct policy *p,
                           const struct rule *rule, const set within, bool keep_empty)
{
    bool v6_route = r->network.ip.family == 6;
    const char *v4, *v6, *dst = prefix_text(n, r->network);
    set sources = {0};

    if (v6_route && !n->ip6)
        return;
    FOR_PEERS(n, q)
    {
        bool named = names_peer(&rule->source_resource) &&
                     rk_str_eq(rule->source_resource.id, n->d->peers[q].id);
        bool member = q != n->me && in_any(n, &rule->sources, q);

        sources[q] = (named || member) && within[q] && n->component[q] && passes(n, p, q);
    }
    v4 = source_list(n, sources, false);
    v6 = source_list(n, sources, true);
    if (keep_empty || *(v6_route ? v6 : v4))
        put_ports(n, r, "", dst, p, rule, v6_route ? v6 : v4);
    if (n->ip6 && *v6 && r->type == 3)
        put_ports(n, r, "", dst, p, rule, v6);
    else if (n->ip6 && *v6 && is_default(r))
        put_ports(n, r, "-v6-default", "::/0", p, rule, v6);
}

static void policy_for_route(struct naive *n, const struct naive_route *r, const struct policy *p,
                             const set within, bool keep_empty)
{
    for (size_t i = 0; i < p->n_rules; i++)
        if (p->rules[i].enabled)
            rule_for_route(n, r, p, &p->rules[i], within, keep_empty);
}

static void classic_firewall(struct naive *n)
{
    for (size_t i = 0; i < n->d->n_routes; i++) {
        const struct route *r = &n->d->routes[i];
        struct naive_route nr;
        set dist = {0};

        if (!r->enabled || !serves_route(n, r, n->me))
            continue;
        nr = from_route(n, r, n->me);
        if (r->access_control_groups.n == 0) {
            bool v6 = nr.network.ip.family == 6;

            if (v6 && !n->ip6)
                continue;
            put_routefw(n, &nr, "", prefix_text(n, nr.network), NULL, NULL, "empty",
                        v6 ? "::/0" : "0.0.0.0/0");
            if (n->ip6 && nr.type == 3)
                put_routefw(n, &nr, "", prefix_text(n, nr.network), NULL, NULL, "empty", "::/0");
            else if (n->ip6 && is_default(&nr))
                put_routefw(n, &nr, "-v6-default", "::/0", NULL, NULL, "empty", "::/0");
            continue;
        }
        FOR_PEERS(n, p) dist[p] = in_any(n, &r->groups, p);
        for (size_t g = 0; g < r->access_control_groups.n; g++)
            for (size_t p = 0; p < n->n_policies; p++)
                for (size_t k = 0; k < n->policies[p]->n_rules; k++)
                    if (n->relevant[p] && str_list_has(&n->policies[p]->rules[k].destinations,
                                                       r->access_control_groups.v[g]))
                        policy_for_route(n, &nr, n->policies[p], dist, true);
    }
}

static void resource_firewall(struct naive *n, const struct resource *res)
{
    struct naive_route nr = from_resource(n, res, n->me);
    size_t count;
    const struct policy **list = resource_policies(n, res, &count);
    set within = {0};

    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < list[i]->n_rules; k++)
            FOR_PEERS(n, p)
            {
                const struct rule *r = &list[i]->rules[k];

                within[p] |= in_any(n, &r->sources, p) ||
                             (names_peer(&r->source_resource) &&
                              rk_str_eq(r->source_resource.id, n->d->peers[p].id));
            }
    for (size_t i = 0; i < count; i++)
        policy_for_route(n, &nr, list[i], within, false);
}

static void resources(struct naive *n, const int *role)
{
    set extra = {0};

    for (size_t i = 0; i < n->d->n_resources; i++) {
        const struct resource *res = &n->d->resources[i];
        size_t count;
        const struct policy **list = resource_policies(n, res, &count);

        if (role[i] == 2) {
            struct naive_route nr = from_resource(n, res, n->me);

            put_route(n, &nr);
            resource_firewall(n, res);
            for (size_t k = 0; k < count; k++)
                FOR_PEERS(n, p)
            extra[p] |= resource_source(n, list[k], p) && passes(n, list[k], p) && n->component[p];
        }
        FOR_PEERS(n, p)
        if (role[i] == 1 && n->component[p] && router_of(n, res->network_id, p)) {
            struct naive_route nr = from_resource(n, res, p);

            put_route(n, &nr);
            extra[p] = true;
        }
    }
    FOR_PEERS(n, p)
    if (extra[p] && p != n->me && !n->offline[p])
        n->connect[p] = true;
}

/* ---- 3.8 */

static bool publishes_ip6(const struct naive *n, size_t peer)
{
    const struct peer *p = &n->d->peers[peer];

    return p->ip6.family == 6 && peer_supports_ipv6(p) &&
           ((p->proxy_embedded && n->d->settings.ipv6_groups.n > 0) ||
            in_any(n, &n->d->settings.ipv6_groups, peer));
}

static void peer_records(struct naive *n, const char *zone, size_t peer, struct rk_str label)
{
    const struct peer *p = &n->d->peers[peer];

    lines_add(n->l, "record %s: %.*s.%.*s type=1 class=IN ttl=300 data=%s", zone, RK_STR_ARG(label),
              RK_STR_ARG(dns_domain(n)), ip_text(n, &p->ip));
    if (n->ip6 && publishes_ip6(n, peer))
        lines_add(n->l, "record %s: %.*s.%.*s type=28 class=IN ttl=300 data=%s", zone,
                  RK_STR_ARG(label), RK_STR_ARG(dns_domain(n)), ip_text(n, &p->ip6));
}

static void peer_zone(struct naive *n)
{
    const char *zone = TEXT(n, "%.*s.", RK_STR_ARG(dns_domain(n)));

    lines_add(n->l, "zone %s search_disabled=0 non_authoritative=0", zone);
    FOR_PEERS(n, p)
    {
        if (!n->dns_component[p])
            continue;
        peer_records(n, zone, p, n->d->peers[p].dns_label);
        for (size_t i = 0; i < n->d->peers[p].extra_dns_labels.n; i++)
            peer_records(n, zone, p, n->d->peers[p].extra_dns_labels.v[i]);
    }
}

static void user_zones(struct naive *n)
{
    for (size_t i = 0; i < n->d->n_zones; i++) {
        const struct zone *z = &n->d->zones[i];
        size_t records = 0;

        if (!z->enabled || !in_any(n, &z->groups, n->me))
            continue;
        for (size_t k = 0; k < n->d->n_records; k++) {
            const struct record *r = &n->d->records[k];

            if (!rk_str_eq(r->zone_id, z->id))
                continue;
            lines_add(n->l, "record %.*s.: %.*s. type=%d class=IN ttl=%d data=%.*s%s",
                      RK_STR_ARG(z->domain), RK_STR_ARG(r->name), (int)r->type, (int)r->ttl_s,
                      RK_STR_ARG(r->content), r->type == RECORD_CNAME ? "." : "");
            records++;
        }
        if (records > 0)
            lines_add(n->l, "zone %.*s. search_disabled=%d non_authoritative=1",
                      RK_STR_ARG(z->domain), !z->search_domain);
    }
}

/* Services of the tests live under their cluster's domain. */
static void service_zones(struct naive *n)
{
    struct lines zones = {.mem = n->l->mem};

    for (size_t i = 0; i < n->d->n_services; i++) {
        const struct service *s = &n->d->services[i];

        if (!s->enabled || !s->is_private || !in_any(n, &s->access_groups, n->me))
            continue;
        FOR_PEERS(n, p)
        {
            const struct peer *q = &n->d->peers[p];

            if (!q->proxy_embedded || !rk_str_eq(q->proxy_cluster, s->proxy_cluster) ||
                !q->status.connected)
                continue;
            lines_add(n->l, "record %.*s.: %.*s. type=1 class=IN ttl=5 data=%s",
                      RK_STR_ARG(s->proxy_cluster), RK_STR_ARG(s->domain), ip_text(n, &q->ip));
            lines_add(&zones, "zone %.*s. search_disabled=1 non_authoritative=1",
                      RK_STR_ARG(s->proxy_cluster));
        }
    }
    lines_sort(&zones);
    for (size_t i = 0; i < zones.n; i++)
        if (i == 0 || strcmp(zones.v[i], zones.v[i - 1]) != 0)
            lines_add(n->l, "%s", zones.v[i]);
}

static void nameservers(struct naive *n)
{
    for (size_t i = 0; i < n->d->n_ns_groups; i++) {
        const struct ns_group *g = &n->d->ns_groups[i];
        struct rk_str servers = {"", 0};
        bool self = false;

        for (size_t k = 0; k < g->n_servers; k++) {
            self |= rk_ip_eq(&g->servers[k].ip, &n->self->ip);
            servers = rk_arena_printf(n->l->mem, "%.*s %s/%d/%d", RK_STR_ARG(servers),
                                      ip_text(n, &g->servers[k].ip), (int)g->servers[k].ns_type,
                                      (int)g->servers[k].port);
        }
        if (g->enabled && !self && in_any(n, &g->groups, n->me))
            lines_add(n->l, "ns servers=%.*s primary=%d domains=%s search=%d", RK_STR_ARG(servers),
                      g->primary, join_list(n, &g->domains), g->search_domains);
    }
}

static int forwarder_port(const struct naive *n)
{
    FOR_PEERS(n, p)
    if (!version_semver_at_least(n->d->peers[p].meta.version, "0.59.0"))
        return 5353;
    return 22054;
}

static void dns(struct naive *n, bool validated)
{
    bool enabled = validated && !in_any(n, &n->d->dns_settings.disabled_management_groups, n->me);

    lines_add(n->l, "dns enabled=%d port=%d", enabled, forwarder_port(n));
    if (!enabled)
        return;
    peer_zone(n);
    user_zones(n);
    service_zones(n);
    nameservers(n);
}

/* ---- 3.11 */

static bool must_resolve(const struct naive *n)
{
    for (size_t i = 0; i < n->d->n_services; i++)
        for (size_t t = 0; t < n->d->services[i].n_targets; t++)
            for (size_t r = 0; r < n->d->n_resources; r++) {
                const struct service *s = &n->d->services[i];
                const struct resource *res = &n->d->resources[r];

                if (s->enabled && !s->terminated && s->targets[t].enabled &&
                    rk_str_eqz(s->targets[t].target_type, "domain") &&
                    rk_str_eq(s->targets[t].target_id, res->id) && res->enabled &&
                    res->type == RESOURCE_DOMAIN && router_of(n, res->network_id, n->me))
                    return true;
            }
    return false;
}

static void config(struct naive *n, bool validated)
{
    const struct settings *st = &n->d->settings;
    struct rk_prefix net4 = {n->self->ip, n->d->account.net4.bits};
    const char *v6 = "";

    if (n->ip6 && n->d->account.net6.ip.family == 6)
        v6 = TEXT(n, "%s%02x", rk_hex_encode(n->l->mem, rk_str_of(n->self->ip6.b, 16)).p,
                  n->d->account.net6.bits);
    lines_add(
        n->l, "config address=%s address6=%s fqdn=%.*s.%.*s ssh=%d resolve=%d lazy=%d update=%s/%d",
        prefix_text(n, net4), v6, RK_STR_ARG(n->self->dns_label), RK_STR_ARG(dns_domain(n)),
        n->self->ssh_enabled || n->ssh,
        st->routing_peer_dns_resolution || n->self->proxy_embedded ||
            (validated && must_resolve(n)),
        st->lazy_connection, st->auto_update_version.n ? Z(n, st->auto_update_version) : "disabled",
        st->auto_update_always);
}

static void remote(struct naive *n, const char *list, size_t peer)
{
    const struct peer *p = &n->d->peers[peer];
    const char *v6 = "";

    if (n->ip6 && p->ip6.family == 6)
        v6 = TEXT(n, ",%s/128", ip_text(n, &p->ip6));
    lines_add(n->l, "%s %.*s ips=%s/32%s ssh=%.*s fqdn=%.*s.%.*s version=%.*s", list,
              RK_STR_ARG(p->key), ip_text(n, &p->ip), v6, RK_STR_ARG(p->ssh_key),
              RK_STR_ARG(p->dns_label), RK_STR_ARG(dns_domain(n)), RK_STR_ARG(p->meta.version));
}

static void finish(struct naive *n, bool validated)
{
    FOR_PEERS(n, p)
    {
        if (n->connect[p]) {
            remote(n, "peer", p);
            n->n_remote++;
        }
        if (n->offline[p])
            remote(n, "offline", p);
    }
    dns(n, validated);
    config(n, validated);
    lines_add(n->l, "serial %llu", (unsigned long long)n->d->account.serial);
    lines_add(n->l, "empty peers=%d firewall=%d routefw=%d", n->n_remote == 0, n->n_firewall == 0,
              n->n_routefw == 0);
    lines_sort(n->l);
}

void naive_map(struct lines *l, const struct account_data *d, size_t self, int64_t now_us)
{
    struct naive n = {.l = l, .d = d, .self = &d->peers[self], .me = self, .now_us = now_us};
    int *role = rk_new_n(l->mem, int, d->n_resources + 1);
    set direct;

    n.ip6 = n.self->ip6.family == 6 && peer_supports_ipv6(n.self);
    if (n.self->status.requires_approval) { /* 3.1 */
        lines_add(l, "ssh absent");
        finish(&n, false);
        return;
    }
    collect_policies(&n);
    select_first(&n);
    for (size_t i = 0; i < d->n_resources; i++)
        role[i] = select_resource(&n, &d->resources[i]);
    connections(&n);
    split_offline(&n);
    memcpy(direct, n.connect, sizeof direct);
    classic_routes(&n, direct);
    classic_firewall(&n);
    resources(&n, role);
    ssh_auth(&n);
    finish(&n, true);
}
