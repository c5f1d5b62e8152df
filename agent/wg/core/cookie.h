/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mac1, mac2 and cookies (whitepaper sections 5.3, 5.4.4, 5.4.7): whoever sends a handshake message
 * must know the receiver's public key, and under load must show that it receives at the address it
 * sends from. One thread at a time.
 *
 *   sender                                             receiver
 *   wgc_stamp_put  ---- message, mac1 (mac2) ------->  wgc_gate_check
 *   wgc_stamp_read_reply <---- cookie reply ---------  wgc_gate_reply, when it was WGC_GATE_COOKIE
 */
#ifndef RK_AGENT_WG_CORE_COOKIE_H
#define RK_AGENT_WG_CORE_COOKIE_H

#include "agent/wg/core/crypt.h"
#include "agent/wg/core/proto.h"
#include "lib/net/addr.h"

/* ---- for what we receive */

struct wgc_gate {                       /* embed; wiped by wgc_gate_done */
    struct rk_key mac1_key, cookie_key; /* of our public key */
    struct rk_key secret;               /* of the cookies, changed every two minutes */
    int64_t secret_ms;                  /* mono; 0: none yet */
};

enum wgc_gate_verdict {
    WGC_GATE_DROP,   /* mac1 is wrong: not for us */
    WGC_GATE_COOKIE, /* right, but under load it needs a cookie first */
    WGC_GATE_PASS,   /* go on */
    WGC_GATE_PROVED, /* with a valid mac2: the sender is where it says */
};

void wgc_gate_init(struct wgc_gate *g, struct wgc_crypt *c, const struct rk_key *own_public);
void wgc_gate_done(struct wgc_gate *g);

/** msg is an initiation or a response with its macs. */
enum wgc_gate_verdict wgc_gate_check(struct wgc_gate *g, struct wgc_crypt *c, struct rk_str msg,
                                     const struct rk_addr *from, bool under_load, int64_t mono_ms);

/** The cookie reply to msg. */
void wgc_gate_reply(struct wgc_gate *g, struct wgc_crypt *c, struct rk_str msg,
                    const struct rk_addr *from, int64_t mono_ms, uint8_t out[WGC_COOKIE_SIZE]);

/* ---- for what we send to one peer */

struct wgc_stamp {                      /* embed, one per peer; wiped by wgc_stamp_done */
    struct rk_key mac1_key, cookie_key; /* of the peer's public key */
    uint8_t cookie[WGC_MAC_SIZE];
    int64_t cookie_ms; /* mono, when it came; 0: none */
    uint8_t last_mac1[WGC_MAC_SIZE];
    bool sent; /* last_mac1 waits for a cookie reply */
};

void wgc_stamp_init(struct wgc_stamp *s, struct wgc_crypt *c, const struct rk_key *remote_public);
void wgc_stamp_done(struct wgc_stamp *s);

/** Fill in both macs of a message of n bytes. */
void wgc_stamp_put(struct wgc_stamp *s, struct wgc_crypt *c, uint8_t *msg, size_t n,
                   int64_t mono_ms);

/** Take the cookie of a reply to our last message; false: not one. */
RK_MUST bool wgc_stamp_read_reply(struct wgc_stamp *s, const uint8_t msg[WGC_COOKIE_SIZE],
                                  int64_t mono_ms);

#endif
