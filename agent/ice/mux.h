/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The agent's one public UDP socket (the "WireGuard port" that peers are told), shared by the ICE
 * agents of all peers and by their WireGuard packets, with gathering of our own addresses.
 *
 *   socket -> STUN? -> known STUN server -> gathering (mapped address, cached 25 s per server)
 *                   -> else by attribute 0x8100, remote address, ufrag -> ice sessions
 *          -> other -> by remote address -> the wire port that claimed it (imux_claim)
 *
 * Packets from and to overlay addresses are dropped, so ICE can never run inside the tunnel.
 * Loop thread.
 */
#ifndef RK_AGENT_ICE_MUX_H
#define RK_AGENT_ICE_MUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "lib/net/addr.h"

struct imux;

struct imux_opts { /* copied; the views are borrowed for the call */
    struct rk_loop *loop;
    struct rk_log *log;             /* borrowed for life, may be NULL */
    uint16_t port;                  /* 0 or taken: the kernel chooses, see imux_port */
    uint32_t fwmark;                /* 0: none */
    bool disable_ipv6;              /* no IPv6 candidates */
    bool with_loopback;             /* offer loopback addresses too (tests, one-host set-ups) */
    const struct rk_str *blacklist; /* prefixes of interface names that are not offered */
    size_t n_blacklist;
    const struct rk_str *own_ifaces; /* exact names: our WireGuard interface */
    size_t n_own_ifaces;
};

/** Bind the socket (dual stack; IPv4 only where there is no IPv6). Owned: imux_close. */
enum rk_code imux_open(const struct imux_opts *opts, struct imux **out, struct rk_err *err) RK_MUST;
void imux_close(struct imux *m); /* accepts NULL; the handle dies a loop turn later */

/** The bound port: what offers announce. */
uint16_t imux_port(const struct imux *m);

/** Overlay prefixes of our interface: never candidates, never sources. Replaces the former set. */
void imux_set_overlay(struct imux *m, const struct rk_prefix *prefixes, size_t n);

/** STUN servers as management names them ("stun:host:port", "host:port"); replaces the list;
 *  names are resolved in the background. Others than stun: are ignored. At most 16. */
void imux_set_stun(struct imux *m, const struct rk_str *uris, size_t n);

/** For status: server i as given, and the address it last showed us (family 0: none yet). */
bool imux_stun_status(const struct imux *m, size_t i, struct rk_str *uri, struct rk_addr *mapped,
                      struct rk_err *last_err);

#endif
