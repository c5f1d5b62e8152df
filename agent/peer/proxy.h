/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Data path of one peer: a loopback socket that WireGuard has as the peer's endpoint, and the two
 * ways out of it.
 *
 *   WireGuard <-> [127.0.0.1:n] <-+-> imux to a remote address     (direct)
 *                                 +-> relay_client_stream                   (relay)
 *
 * Packets from both ways reach WireGuard at any time; packets from WireGuard take the direct way if
 * there is one, else the relay. The newest handshake initiation is kept for as long as WireGuard
 * waits until it makes another (5 s): it is sent as soon as there is a way, and again over each
 * better way until something comes back, for the relay may be up on one side only. Loop thread.
 */
#ifndef RK_AGENT_WG_PROXY_H
#define RK_AGENT_WG_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/client/relay_client.h"
#include "agent/ice/mux.h"
#include "agent/wg/port.h"
#include "lib/base/err.h"
#include "lib/base/loop.h"
#include "lib/net/addr.h"
#include "lib/net/udp.h"

#define PEER_PROXY_INITIATION_SIZE 148 /* bytes of a handshake initiation */

struct peer_proxy_user {
    /** WireGuard wants to send and there is no way. Often. */
    void (*stuck)(struct peer_proxy_user *u);
};

struct peer_proxy { /* embed; use the functions */
    struct rk_loop *loop;
    struct peer_proxy_user *user;
    struct udp_user sock_user;
    struct udp_sock *sock; /* or, when the device has ways of its own: */
    struct wg_port *port;  /* borrowed for life */
    struct wg_way way;
    struct ice_mux *mux; /* NULL: no direct way */
    struct ice_mux_wire wire;
    bool direct_on;
    bool turned; /* … from our address at a TURN server */
    struct rk_addr direct;
    struct relay_client_stream *relay; /* NULL: no relayed way; borrowed */
    uint64_t rx_bytes, tx_bytes;
    int64_t rx_data_ms; /* last transport data that is not a keepalive; mono, 0: none */
    int64_t held_ms;    /* mono; 0: nothing is held */
    uint64_t held_rx;   /* rx_bytes when it came */
    int64_t released_ms;
    uint8_t held[PEER_PROXY_INITIATION_SIZE];
};

struct peer_proxy_opts { /* borrowed for life but for the address */
    struct rk_loop *loop;
    struct ice_mux *mux;         /* NULL: no direct way */
    struct udp_scratch *scratch; /* for a loopback socket */
    struct wg_port *port;        /* shared; NULL: none */
    struct rk_addr wg_addr;      /* where WireGuard listens on loopback */
};

/** Errors: RK_UNAVAILABLE (no socket left). */
enum rk_code peer_proxy_open(struct peer_proxy *p, const struct peer_proxy_opts *o,
                             struct peer_proxy_user *user, struct rk_err *err) RK_MUST;
void peer_proxy_close(struct peer_proxy *p);

/** What WireGuard is given as endpoint of the peer. Lent. */
const struct rk_addr *peer_proxy_endpoint(const struct peer_proxy *p);

/** Where packets that belong to this peer may come from. */
void peer_proxy_claim(struct peer_proxy *p, const struct rk_addr *from);

/** NULL: no way any more. turned: from our address at a TURN server, so that packets pass here
 *  even where WireGuard's port is shared. */
void peer_proxy_set_direct(struct peer_proxy *p, const struct rk_addr *to, bool turned);
void peer_proxy_set_relay(struct peer_proxy *p, struct relay_client_stream *stream); /* likewise */

/** A datagram that came over the relay. */
void peer_proxy_from_relay(struct peer_proxy *p, struct rk_str datagram);

/** An initiation that had been kept was sent a moment ago. */
bool peer_proxy_just_released(const struct peer_proxy *p);

/** Forget a kept initiation. */
void peer_proxy_drop_held(struct peer_proxy *p);

#endif
