/* SPDX-License-Identifier: BSD-3-Clause */
/* See policy.h; the text forms are in enums.c. */
#include "config.h"

#include "management/domain/policy.h"

#define PORT_SSH        22
#define PORT_NATIVE_SSH 22022

bool port_parse(struct rk_str s, uint16_t *out)
{
    uint32_t v = 0;

    if (s.n == 0 || s.n > 16)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        v = v * 10 + (uint32_t)(s.p[i] - '0');
        if (v > UINT16_MAX)
            return false;
    }
    *out = (uint16_t)v;
    return true;
}

static bool in_range(const struct port_range *r, uint16_t port)
{
    return r->start <= port && port <= r->end;
}

bool rule_implies_ssh(const struct rule *r)
{
    if (r->protocol == PROTO_ALL)
        return true;
    if (r->protocol != PROTO_TCP)
        return false;
    for (size_t i = 0; i < r->ports.n; i++)
        if (rk_str_eqz(r->ports.v[i], "22") || rk_str_eqz(r->ports.v[i], "22022"))
            return true;
    for (size_t i = 0; i < r->n_ranges; i++)
        if (in_range(&r->ranges[i], PORT_SSH) || in_range(&r->ranges[i], PORT_NATIVE_SSH))
            return true;
    return false;
}
