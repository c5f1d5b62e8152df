/* SPDX-License-Identifier: BSD-3-Clause */
/* Which interface a socket is bound to; see bound.h. */
#include "config.h"

#include "agent/os/bsd/bound.h"

#include "agent/os/bsd/facts.h"

void bound_clear(struct bound *b)
{
    *b = (struct bound){0};
}

void bound_set(struct bound *b, uint8_t family, uint32_t ifindex)
{
    if (family == 4)
        b->v4 = ifindex;
    else if (family == 6)
        b->v6 = ifindex;
}

bool bound_option(const struct bound *b, uint8_t family, uint32_t zone, struct bound_option *out)
{
    uint32_t own = family == 4 ? b->v4 : b->v6, other = family == 4 ? b->v6 : b->v4;
    uint32_t ifindex = zone ? zone : own ? own : other;

    if ((family != 4 && family != 6) || !ifindex)
        return false;
    *out = family == 4 ? (struct bound_option){BSD_IPPROTO_IP, BSD_IP_BOUND_IF, ifindex}
                       : (struct bound_option){BSD_IPPROTO_IPV6, BSD_IPV6_BOUND_IF, ifindex};
    return true;
}
