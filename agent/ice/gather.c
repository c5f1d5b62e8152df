/* SPDX-License-Identifier: BSD-3-Clause */
/* Our own candidates: addresses of interfaces, and what STUN servers see; see mux.h. */
#include "config.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>

#include "agent/ice/mux_priv.h"

#define ROUTER_PORT_BETTER 1000 /* than what a STUN server sees */

static bool name_in(const char *name, char *const *list, size_t n, bool prefix)
{
    for (size_t i = 0; i < n; i++)
        if (prefix ? strncmp(name, list[i], strlen(list[i])) == 0 : strcmp(name, list[i]) == 0)
            return true;
    return false;
}

/* A WireGuard device of the kernel, ours or somebody else's, says so in its uevent file. */
static bool is_wireguard(const char *name)
{
    char path[64 + IF_NAMESIZE], line[128];
    bool found = false;
    FILE *f;

    (void)snprintf(path, sizeof path, "/sys/class/net/%s/uevent", name);
    f = fopen(path, "re");
    if (!f)
        return false;
    while (!found && fgets(line, sizeof line, f))
        found = strncmp(line, "DEVTYPE=wireguard", 17) == 0;
    (void)fclose(f);
    return found;
}

static bool iface_usable(const struct ice_mux *m, const struct ifaddrs *i)
{
    if (!(i->ifa_flags & IFF_UP))
        return false;
    if (i->ifa_flags & IFF_LOOPBACK)
        return m->with_loopback;
    return !name_in(i->ifa_name, m->blacklist, m->n_blacklist, true) &&
           !name_in(i->ifa_name, m->own_ifaces, m->n_own_ifaces, false) &&
           !is_wireguard(i->ifa_name);
}

/* IPv4-compatible (::a.b.c.d) and site-local (fec0::/10) addresses are history. */
static bool is_obsolete(const struct rk_ip *ip)
{
    static const uint8_t ZEROES[12];

    return ip->family == 6 && !rk_ip_is_loopback(ip) &&
           (memcmp(ip->b, ZEROES, sizeof ZEROES) == 0 ||
            (ip->b[0] == 0xfe && (ip->b[1] & 0xc0) == 0xc0));
}

size_t ice_mux_host_addrs(const struct ice_mux *m, struct rk_ip *out, size_t max)
{
    struct ifaddrs *all;
    size_t n = 0;

    if (getifaddrs(&all))
        return 0;
    for (const struct ifaddrs *i = all; i && n < max; i = i->ifa_next) {
        struct rk_addr a;
        size_t known = 0;

        if (!i->ifa_addr || rk_addr_from_sa(i->ifa_addr, &a, NULL) || !ice_mux_may_send(m, &a.ip) ||
            is_obsolete(&a.ip) || !iface_usable(m, i))
            continue;
        while (known < n && !rk_ip_eq(&out[known], &a.ip))
            known++;
        if (known == n)
            out[n++] = a.ip;
    }
    freeifaddrs(all);
    return n;
}

/* As official agents do: what is said to be the address outside stands in the place of the one
 * inside, which peers then do not hear of. */
static size_t as_outside(const struct ice_mux *m, struct rk_ip *hosts, size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        struct rk_ip ip = hosts[i];
        size_t known = 0;

        (void)external_ip_of(m->external, m->n_external, &hosts[i], &ip);
        while (known < kept && !rk_ip_eq(&hosts[known], &ip))
            known++;
        if (known == kept)
            hosts[kept++] = ip;
    }
    return kept;
}

static void tell_hosts(struct ice_mux *m, struct ice_mux_gather *g)
{
    struct rk_ip hosts[ICE_MUX_MAX_HOSTS];
    size_t n = as_outside(m, hosts, ice_mux_host_addrs(m, hosts, ICE_MUX_MAX_HOSTS));

    for (size_t i = 0; i < n; i++) {
        struct ice_cand c = {.type = ICE_HOST, .addr = {hosts[i], ice_mux_port(m)}};

        ice_cand_complete(&c);
        g->ops->candidate(g, &c);
    }
}

/* As official agents tell it: like an address that a STUN server saw, but better. */
void ice_mux_tell_router_port(struct ice_mux *m, struct ice_mux_gather *g,
                              const struct rk_addr *seen)
{
    struct ice_cand c = {.type = ICE_SRFLX, .addr = m->router_port};

    if (!m->router_port.port || (seen && seen->ip.family != 4))
        return;
    if (!c.addr.ip.family && seen)
        c.addr.ip = seen->ip;
    if (!c.addr.ip.family)
        return;
    c.related = (struct rk_addr){{.family = 4}, ice_mux_port(m)};
    ice_cand_complete(&c);
    c.priority += ROUTER_PORT_BETTER;
    g->ops->candidate(g, &c);
}

void ice_mux_set_router_port(struct ice_mux *m, const struct rk_addr *outside)
{
    m->router_port = *outside;
    RK_LIST_FOR_EACH (it, &m->gathers)
        ice_mux_tell_router_port(m, rk_container_of(it, struct ice_mux_gather, link), NULL);
}

static void serve(void *arg)
{
    struct ice_mux *m = arg;
    struct rk_list *node;

    while ((node = rk_list_pop_front(&m->fresh))) {
        struct ice_mux_gather *g = rk_container_of(node, struct ice_mux_gather, link);

        rk_list_push_back(&m->gathers, node);
        tell_hosts(m, g);
        ice_mux_tell_router_port(m, g, NULL);
        ice_mux_servers_ask(m, g);
        ice_mux_turn_tell(m, g);
    }
}

void ice_mux_gather_start(struct ice_mux *m, struct ice_mux_gather *g)
{
    rk_list_remove(&g->link);
    rk_list_push_back(&m->fresh, &g->link);
    if (!m->serve_timer)
        rk_timer_start(m->loop, &m->serve_timer, 0, serve, m);
}

void ice_mux_gather_stop(struct ice_mux *m, struct ice_mux_gather *g)
{
    (void)m;
    rk_list_remove(&g->link);
}

void ice_mux_gather_clear(struct ice_mux *m)
{
    rk_timer_cancel(&m->serve_timer);
    while (rk_list_pop_front(&m->fresh) || rk_list_pop_front(&m->gathers))
        ;
}
