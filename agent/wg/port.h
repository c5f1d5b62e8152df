/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct wg_port: WireGuard's UDP port, shared with ICE, so that direct packets need no proxy.
 *
 *             +-- our own device   its socket; relayed ways are part of the device
 *   wg_port --+
 *             +-- raw socket       beside the kernel or a daemon, which keep their sockets
 *
 * An interface of functions: its users (agent/ice, agent/peer) do not know who is behind it. Loop
 * thread.
 */
#ifndef RK_AGENT_WG_PORT_H
#define RK_AGENT_WG_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/net/addr.h"
#include "lib/net/udp.h"

struct wg_port_user { /* embed */
    const struct wg_port_user_ops *ops;
};
struct wg_port_user_ops {
    /** Datagrams that are not WireGuard's; borrowed for the call. */
    void (*other)(struct wg_port_user *u, const struct udp_in *v, size_t n);
};

/* A way to one peer that is not UDP: packets for `addr` come to its user instead. */
struct wg_way { /* embed; zero at first */
    const struct wg_way_ops *ops;
    struct rk_addr addr; /* out: to be given to the device as the peer's endpoint */
    uint32_t number;     /* out */
};
struct wg_way_ops {
    /** Datagrams of the device for this peer; borrowed for the call. */
    void (*data)(struct wg_way *w, const struct udp_in *v, size_t n);
};

struct wg_port {
    const struct wg_port_ops *ops;
    struct wg_port_user *user; /* NULL: nobody listens; set by the user */
    uint16_t number;           /* bound UDP port */
};

struct wg_port_ops {
    /** As udp_sendv, from the WireGuard port. */
    size_t (*sendv)(struct wg_port *p, const struct udp_out *v, size_t n);
    /** false: there are no ways here, use a loopback socket. */
    bool (*way_open)(struct wg_port *p, struct wg_way *w);
    void (*way_close)(struct wg_port *p, struct wg_way *w); /* idempotent */
    /** A datagram that came by the way. */
    void (*way_input)(struct wg_port *p, const struct wg_way *w, struct rk_str datagram);
    /** Give WireGuard a datagram as if it came from this UDP address. false: cannot. NULL: never
     *  needed (ways do not roam). */
    bool (*inject)(struct wg_port *p, const struct rk_addr *from, struct rk_str datagram);
};

static inline size_t wg_port_sendv(struct wg_port *p, const struct udp_out *v, size_t n)
{
    return p->ops->sendv(p, v, n);
}

#endif
