/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct wgc: one WireGuard interface without its sockets. Bytes and a time go in; bytes, events
 * and the next deadline come out.
 *
 *   wgc_apply, wgc_read      configuration, as for the other back-ends (device.h)
 *   wgc_input                handshake messages and cookies, as they came
 *   wgc_rx_begin, wgc_rx_end around opening transport data (whitepaper 5.4.6)
 *   wgc_tx_begin, wgc_unref  around sealing it; wgc_stage when there is no session yet
 *   wgc_tick, wgc_deadline   the timers of section 6
 *
 *       +-- identity, gate (mac1, cookies)
 *   wgc +-- peers by key -- noise (handshake), stamp, three sessions, timers, staged packets
 *       +-- receiver indices -> handshake or session
 *       +-- allowed addresses -> peer
 *
 * One thread at a time: the device holds one lock around every call. Only the ciphers run outside
 * of it, which is what begin and end are for: between them a session is held by a reference.
 */
#ifndef RK_AGENT_WG_CORE_CORE_H
#define RK_AGENT_WG_CORE_CORE_H

#include "agent/wg/core/crypt.h"
#include "agent/wg/device.h"

struct wgc;
struct wgc_peer;

/* Where a peer is. Open; all zero: unknown. */
struct wgc_endpoint {
    struct rk_addr addr;
    struct rk_ip src; /* our address that it was last heard on; family 0: the kernel chooses */
    uint32_t way;     /* 0: UDP; else a number of the user's (a relayed way) */
};

struct wgc_user { /* embed */
    const struct wgc_user_ops *ops;
};

struct wgc_user_ops {
    /** Send one datagram to a peer. Called from inside the core; must not call back. */
    void (*send)(struct wgc_user *u, const struct wgc_endpoint *to, struct rk_str datagram);
    /** The way number of an endpoint that was configured: 0 for a UDP address. */
    uint32_t (*way_of)(struct wgc_user *u, const struct rk_addr *a);
    /** Wall clock, microseconds since 1970: initiations carry it. */
    int64_t (*unix_us)(struct wgc_user *u);
};

/** RK_UNAVAILABLE: no crypto. Owned. */
enum rk_code wgc_new(struct wgc_user *user, struct wgc **out, struct rk_err *err) RK_MUST;
/** No session may be held. Wipes. Accepts NULL. */
void wgc_free(struct wgc *w);

/** Keys, peers, allowed addresses; port and mark are the device's matter and ignored here.
 *  All or nothing is not promised, but nothing can fail half way. Errors: RK_INVALID. */
enum rk_code wgc_apply(struct wgc *w, const struct wg_change *c, int64_t mono_ms,
                       struct rk_err *err) RK_MUST;
/** Peers only; arena. */
void wgc_read(const struct wgc *w, struct rk_arena *mem, struct wg_state *out);

/** A message of type 1, 2 or 3 (see wgc_type_of), from a stranger perhaps. under_load: many are
 *  waiting, so ask for cookies. */
void wgc_input(struct wgc *w, struct rk_str msg, const struct wgc_endpoint *from, bool under_load,
               int64_t mono_ms);

/** Run what is due. Next: wgc_deadline, INT64_MAX for never. */
void wgc_tick(struct wgc *w, int64_t mono_ms);
int64_t wgc_deadline(const struct wgc *w);

/* ---- transport data */

/* A session as the ciphers need it: its keys do not change while it is held. */
struct wgc_hold {
    struct wgc_session *session; /* NULL: none */
    const struct rk_key *key;    /* to seal or open with; lent */
    uint64_t counter;            /* tx: of the first packet */
    uint32_t remote_index;       /* tx: for the header */
    struct wgc_endpoint to;      /* tx */
};

/** Session for data with this receiver index: session NULL means drop. Release by wgc_rx_end. */
struct wgc_hold wgc_rx_begin(struct wgc *w, uint32_t index, int64_t mono_ms);

struct wgc_rx { /* one opened packet */
    uint64_t counter;
    size_t wire_bytes; /* of the datagram */
    uint8_t *p;        /* plaintext, padded; in: where it is */
    size_t n;          /* in: its length; out: of the IP packet in it, 0: nothing to deliver */
};

/** Authentic packets of one session, in the order they came: replays are dropped, the source is
 *  checked against the allowed addresses, timers and roaming are done. Returns how many items have
 *  something to deliver. Gives the hold back, also when n is 0. from NULL: do not roam. */
size_t wgc_rx_end(struct wgc *w, struct wgc_hold *h, struct wgc_rx *v, size_t n,
                  const struct wgc_endpoint *from, int64_t mono_ms);

/** Whose is the destination of this IP packet? NULL: nobody's, or no IP packet. Lent under the
 *  lock. */
struct wgc_peer *wgc_route(const struct wgc *w, struct rk_str packet);

/** Take n counters of the peer's session, for n packets of together `bytes` on the wire; starts a
 *  handshake when one is due. session NULL: there is none, stage the packets. */
struct wgc_hold wgc_tx_begin(struct wgc *w, struct wgc_peer *p, size_t n, size_t bytes,
                             int64_t mono_ms);
void wgc_unref(struct wgc *w, struct wgc_hold *h);

/** Keep a copy of a packet until there is a session, and see that there will be one; the oldest
 *  packets go when there are too many. */
void wgc_stage(struct wgc *w, struct wgc_peer *p, struct rk_str packet, int64_t mono_ms);

/** Bytes of a transport message that carries a packet of n bytes. */
static inline size_t wgc_wire_size(size_t n)
{
    return 32 + (n + 15) / 16 * 16;
}

/** Header of a transport message. */
void wgc_put_header(uint8_t out[16], uint32_t remote_index, uint64_t counter);

/* For the status page and tests. */
struct wgc_stats {
    uint64_t handshakes_in;  /* initiations taken */
    uint64_t cookies_out;    /* replies sent */
    uint64_t dropped_macs;   /* messages with a wrong mac1 */
    uint64_t dropped_floods; /* proved senders that sent too many */
    uint64_t replays;        /* packets with a counter seen before */
    uint64_t strangers;      /* packets from a source that is not the peer's */
};
struct wgc_stats wgc_stats_of(const struct wgc *w);

#endif
