/* SPDX-License-Identifier: BSD-3-Clause */
/* Destinations of this process; see way.h. */
#include "config.h"

#include "lib/net/way.h"

static struct {
    bool on;
    net_way_fn *fn;
    void *arg;
    struct rk_ip recent[NET_WAY_RECENT]; /* a ring */
    size_t n, next;
} way;

void net_way_watch(void)
{
    way.on = true;
}

void net_way_listen(net_way_fn *fn, void *arg)
{
    way.fn = fn;
    way.arg = arg;
    for (size_t i = 0; fn && i < way.n; i++)
        fn(arg, &way.recent[i]);
}

static void remember(const struct rk_ip *to)
{
    for (size_t i = 0; i < way.n; i++)
        if (rk_ip_eq(&way.recent[i], to))
            return;
    way.recent[way.next] = *to;
    way.next = (way.next + 1) % NET_WAY_RECENT;
    if (way.n < NET_WAY_RECENT)
        way.n++;
}

void net_way(const struct rk_ip *to, bool server)
{
    if (!way.on)
        return;
    if (server)
        remember(to);
    if (way.fn)
        way.fn(way.arg, to);
}
