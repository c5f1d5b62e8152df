/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * STUN on the UDP port of a WireGuard that is not ours (the kernel's, a daemon's): raw sockets see
 * a copy of every datagram, a filter in the kernel lets through what is STUN for that port, and
 * what we send carries that port as its source. Direct packets stay between WireGuard and the
 * network. Loop thread.
 *
 *   network --> WireGuard's socket (drops STUN: no type of its own)
 *      \--- copy -> [filter: port, magic cookie] -> raw socket -> wg_port_user (ICE)
 */
#ifndef RK_AGENT_WG_RAW_PORT_H
#define RK_AGENT_WG_RAW_PORT_H

#include "agent/wg/port.h"
#include "lib/base/err.h"
#include "lib/base/loop.h"

struct wg_raw_port_opts { /* copied */
    struct rk_loop *loop;
    uint16_t number; /* where WireGuard listens */
    uint32_t mark;   /* SO_MARK; 0: none */
    bool no_ipv6;    /* IPv4 only; else IPv6 too where there is any */
    bool kernel;     /* WireGuard is the kernel's: late relayed packets can be given to it under the
                        peer's direct address, so that it does not roam back (a daemon may answer
                        such a packet from 127.0.0.1) */
};

/** Errors: RK_FORBIDDEN (needs CAP_NET_RAW), RK_UNAVAILABLE. Owned: wg_raw_port_close. */
enum rk_code wg_raw_port_open(const struct wg_raw_port_opts *o, struct wg_port **out,
                              struct rk_err *err) RK_MUST;
void wg_raw_port_close(struct wg_port *p); /* accepts NULL; handles die a loop turn later */

#endif
