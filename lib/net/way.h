/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the sockets of this process send to. A program whose own routes could catch its own packets
 * (an agent that cannot mark its sockets) asks to be told of each address before the first packet
 * goes there. Everybody else pays one comparison. One per process, of one loop thread; off until
 * net_way_watch.
 */
#ifndef RK_NET_WAY_H
#define RK_NET_WAY_H

#include "lib/net/addr.h"

/* Addresses that are remembered for a listener that comes later: servers, not peers. */
#define NET_WAY_RECENT 64

typedef void net_way_fn(void *arg, const struct rk_ip *to);

/** Remember addresses from now on. Before threads are started. */
void net_way_watch(void);

/** Tell of every address, at once of those that are remembered. fn NULL: no longer. */
void net_way_listen(net_way_fn *fn, void *arg);

/** A socket is about to send there. server: remember it. */
void net_way(const struct rk_ip *to, bool server);

#endif
