/* SPDX-License-Identifier: BSD-3-Clause */
/* External addresses; see external_ip.h. */
#include "config.h"

#include "agent/os/external_ip.h"

#include <ifaddrs.h>
#include <stdio.h>
#include <string.h>

enum rk_code external_ip_parse(struct rk_str text, struct external_ip *out, struct rk_err *err)
{
    struct external_ip e = {0};
    struct rk_str outside, inside;
    bool two = rk_str_cut(text, '/', &outside, &inside);

    if (rk_ip_parse(outside, &e.outside, NULL) || rk_ip_is_unspecified(&e.outside) ||
        rk_ip_is_multicast(&e.outside))
        return rk_fail(err, RK_INVALID, "external-ip-map: \"%.*s\" does not begin with an address",
                       RK_STR_ARG(rk_str_sub(text, 0, 80)));
    if (two && rk_ip_parse(inside, &e.inside, NULL)) {
        if (!inside.n || inside.n >= sizeof e.iface || rk_str_find_c(inside, '/') < inside.n)
            return rk_fail(
                err, RK_INVALID,
                "external-ip-map: behind the \"/\" of \"%.*s\" is neither an address nor "
                "an interface",
                RK_STR_ARG(rk_str_sub(text, 0, 80)));
        memcpy(e.iface, inside.p, inside.n);
    }
    if (e.inside.family && e.inside.family != e.outside.family)
        return rk_fail(err, RK_INVALID, "external-ip-map: \"%.*s\" is of two families",
                       RK_STR_ARG(rk_str_sub(text, 0, 80)));
    *out = e;
    return RK_OK;
}

static bool is_first_of(const char *iface, const struct rk_ip *ip)
{
    struct ifaddrs *all;
    bool found = false, same = false;

    if (getifaddrs(&all))
        return false;
    for (const struct ifaddrs *i = all; i && !found; i = i->ifa_next) {
        struct rk_addr a;

        if (strcmp(i->ifa_name, iface) != 0 || !i->ifa_addr ||
            rk_addr_from_sa(i->ifa_addr, &a, NULL) || a.ip.family != 4)
            continue;
        found = true;
        same = rk_ip_eq(&a.ip, ip);
    }
    freeifaddrs(all);
    return same;
}

/* One for this very address goes before one for all. */
bool external_ip_of(const struct external_ip *list, size_t n, const struct rk_ip *inside,
                    struct rk_ip *out)
{
    const struct external_ip *best = NULL;

    for (size_t i = 0; i < n; i++) {
        const struct external_ip *e = &list[i];
        bool whole = !e->inside.family && !e->iface[0];

        if (e->outside.family != inside->family || (whole && best))
            continue;
        if (whole || (e->inside.family && rk_ip_eq(&e->inside, inside)) ||
            (e->iface[0] && is_first_of(e->iface, inside)))
            best = e;
        if (best && !whole)
            break;
    }
    if (best)
        *out = best->outside;
    return best != NULL;
}
