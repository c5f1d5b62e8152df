/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct portmap: a port of the NAT router in front of this host that leads to our UDP port, asked
 * for by PCP (RFC 6887), else by NAT-PMP (RFC 6886) and else by UPnP, and kept while the handle
 * lives. Peers reach us by it where no hole can be punched.
 *
 *   portmap_network --> a thread of its own asks, since the libraries block --> mapped()
 *                       again at half of the lifetime, and when the network changes
 *
 * Loop thread.
 */
#ifndef RK_AGENT_ICE_PORTMAP_H
#define RK_AGENT_ICE_PORTMAP_H

#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/net/addr.h"

struct portmap;

struct portmap_user { /* embed */
    /** The outside of our port; ip family 0: the router does not say which address it has.
     *  port 0: there is no mapping any more. */
    void (*mapped)(struct portmap_user *u, const struct rk_addr *outside);
};

/** Does nothing before it has a network. Owned: portmap_close. log: borrowed for life. */
struct portmap *portmap_open(struct rk_loop *loop, struct rk_log *log, uint16_t port,
                             struct portmap_user *user);

/** The IPv4 router of this host and our address towards it (family 0: there is none); asks anew,
 *  also when nothing has changed. */
void portmap_network(struct portmap *p, const struct rk_ip *gateway, const struct rk_ip *own);

/** The mapping is taken back in the background. No callback any more. Accepts NULL. */
void portmap_close(struct portmap *p);

#endif
