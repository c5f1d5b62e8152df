/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The agent's one public UDP socket (the "WireGuard port" that peers are told), shared by the ICE
 * agents of all peers and by their WireGuard packets, with gathering of our own addresses.
 *
 *   socket -> STUN? -> known STUN server -> gathering (mapped address, cached 25 s per server)
 *                   -> else by attribute 0x8100, remote address, ufrag -> ice sessions
 *          -> other -> by remote address -> the wire port that claimed it (ice_mux_claim)
 *
 * Where WireGuard's port itself is shared, the socket is behind agent/wg/port.h and nothing but
 * STUN comes here.
 *
 * Packets from and to overlay addresses are dropped, so ICE can never run inside the tunnel.
 * Loop thread.
 */
#ifndef RK_AGENT_ICE_MUX_H
#define RK_AGENT_ICE_MUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/ice/candidate.h"
#include "agent/os/external_ip.h"
#include "lib/base/err.h"
#include "lib/base/list.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "lib/net/addr.h"
#include "lib/net/udp.h"

struct ice_mux;
struct stun_msg;
struct tls_ctx;
struct wg_port;
struct udp_scratch;

struct ice_mux_opts { /* copied; the views are borrowed for the call */
    struct rk_loop *loop;
    struct rk_log *log;     /* borrowed for life, may be NULL */
    uint16_t port;          /* 0 or taken: the kernel chooses, see ice_mux_port */
    struct wg_port *shared; /* WireGuard's own port, in place of a socket; borrowed for life;
                               then port does not count; NULL: a socket */
    uint32_t fwmark;        /* of the socket, and of look-ups of routes; 0: none */
    bool disable_ipv6;      /* no IPv6 candidates */
    struct tls_ctx *tls;    /* for TURN servers; borrowed for life; NULL: none over TLS */
    bool with_loopback;     /* offer loopback addresses too (tests, one-host set-ups) */
    const struct rk_str *blacklist; /* prefixes of interface names that are not offered */
    size_t n_blacklist;
    const struct rk_str *own_ifaces; /* exact names: our WireGuard interface */
    size_t n_own_ifaces;
    const struct external_ip *external; /* what a person says our addresses are outside */
    size_t n_external;
};

/** Bind the socket (dual stack; IPv4 only where there is no IPv6). Owned: ice_mux_close. */
enum rk_code ice_mux_open(const struct ice_mux_opts *opts, struct ice_mux **out,
                          struct rk_err *err) RK_MUST;
/** Sessions, wires and gathers are forgotten. Not from inside a callback of it. The handles die a
 *  loop turn later. Accepts NULL. */
void ice_mux_close(struct ice_mux *m);

/** The bound port: what offers announce. */
uint16_t ice_mux_port(const struct ice_mux *m);

/** Overlay prefixes of our interface: never candidates, never sources. Replaces the former set. */
void ice_mux_set_overlay(struct ice_mux *m, const struct rk_prefix *prefixes, size_t n);

/** STUN servers as management names them ("stun:host:port", "host:port"); replaces the list;
 *  names are resolved in the background. Others than stun: are ignored. At most 16. */
void ice_mux_set_stun(struct ice_mux *m, const struct rk_str *uris, size_t n);

struct ice_mux_turn_server { /* open */
    struct rk_str uri, user, password;
};
/** TURN servers as management names them ("turn:host:port?transport=udp"); replaces the list, or
 *  only the credentials where the list is the same. Nothing is asked before ice_mux_turn_hold. At
 *  most 4 are used. */
void ice_mux_set_turn(struct ice_mux *m, const struct ice_mux_turn_server *v, size_t n);
bool ice_mux_has_turn(const struct ice_mux *m);

/** For status: server i, our address there (family 0: none), what went wrong last. */
bool ice_mux_turn_status(const struct ice_mux *m, size_t i, struct rk_str *uri,
                         struct rk_addr *relayed, struct rk_err *last_err);

/** The outside of a port that a router gave us for ours, offered as one more address (ip family 0:
 *  the address that STUN servers see). port 0: none. */
void ice_mux_set_router_port(struct ice_mux *m, const struct rk_addr *outside);

/** This host's addresses or routes are others now: what STUN servers said about us is forgotten and
 *  asked anew, and so is the address at a TURN server. */
void ice_mux_network_changed(struct ice_mux *m);

/** For status: server i as given, and the address it last showed us (family 0: none yet). */
bool ice_mux_stun_status(const struct ice_mux *m, size_t i, struct rk_str *uri,
                         struct rk_addr *mapped, struct rk_err *last_err);

/* ---- for the connection logic; the engine needs nothing below */

/** Receive memory shared by all sockets of this loop. Lent. */
struct udp_scratch *ice_mux_scratch(const struct ice_mux *m);

/** May candidates be there? Not overlay, not ours by option, nothing that cannot be routed. */
bool ice_mux_may_send(const struct ice_mux *m, const struct rk_ip *to);

/** Our address towards a remote, by the kernel's routes; family 0: there is no way. */
struct rk_ip ice_mux_source(const struct ice_mux *m, const struct rk_addr *to);

/** Send one datagram (src family 0: any source), or a batch (see udp_sendv). */
void ice_mux_send(struct ice_mux *m, const struct rk_ip *src, const struct rk_addr *to,
                  struct rk_str datagram);
void ice_mux_sendv(struct ice_mux *m, const struct udp_out *v, size_t n);

/** Somebody needs an address at a TURN server: as long as one holds it, we have one, or try. */
void ice_mux_turn_hold(struct ice_mux *m);
void ice_mux_turn_release(struct ice_mux *m);
/** Send from that address; lost when there is none. */
void ice_mux_send_relayed(struct ice_mux *m, const struct rk_addr *to, struct rk_str datagram);

struct ice_mux_session;
struct ice_mux_session_ops {
    /** A STUN message that may be for this session, from `from` to our address `to`. true: it was
     *  (authenticated). */
    bool (*stun)(struct ice_mux_session *s, const struct rk_addr *from, const struct rk_ip *to,
                 const struct stun_msg *msg);
    /** The same, sent to our relayed address. Optional. */
    bool (*stun_relayed)(struct ice_mux_session *s, const struct rk_addr *from,
                         const struct stun_msg *msg);
};
struct ice_mux_session { /* embed; one per ICE agent */
    const struct ice_mux_session_ops *ops;
    struct rk_str ufrag;  /* ours; borrowed while added, unique among sessions */
    uint32_t tag;         /* out: for ice_opts.txid_tag */
    uint8_t tag_bytes[4]; /* private */
};
void ice_mux_session_add(struct ice_mux *m, struct ice_mux_session *s);
void ice_mux_session_remove(struct ice_mux *m, struct ice_mux_session *s); /* idempotent */

#define ICE_MUX_MAX_CLAIMS 64 /* addresses per wire; the oldest is given up */

struct ice_mux_wire;
struct ice_mux_wire_ops {
    /** Datagrams other than STUN from claimed addresses, as they came from the socket. */
    void (*data)(struct ice_mux_wire *w, const struct udp_in *v, size_t n);
    /** The same, one datagram that came to our relayed address. Optional. */
    void (*relayed)(struct ice_mux_wire *w, struct rk_str datagram);
};
struct ice_mux_wire { /* embed; where WireGuard packets of one peer go */
    const struct ice_mux_wire_ops *ops;
    struct rk_list claims; /* private; zero at first */
    size_t n_claims;
};
/** Route data from this address to the wire from now on, also when another one had it. */
void ice_mux_claim(struct ice_mux *m, struct ice_mux_wire *w, const struct rk_addr *from);
void ice_mux_unclaim_all(struct ice_mux *m, struct ice_mux_wire *w);

struct ice_mux_gather;
struct ice_mux_gather_ops {
    /** One of our candidates (type, address, related address); must not stop the gathering from
     *  inside. */
    void (*candidate)(struct ice_mux_gather *g, const struct ice_cand *c);
};
struct ice_mux_gather { /* embed */
    const struct ice_mux_gather_ops *ops;
    bool relayed;        /* our address at a TURN server too, while that is held */
    struct rk_list link; /* private; zero at first */
};
/** Tell our host candidates, then server-reflexive ones as STUN servers answer or from the cache,
 *  until stopped. Not from inside this call. */
void ice_mux_gather_start(struct ice_mux *m, struct ice_mux_gather *g);
void ice_mux_gather_stop(struct ice_mux *m, struct ice_mux_gather *g); /* idempotent */

#endif
