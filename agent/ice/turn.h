/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct ice_turn: one allocation at one TURN server (RFC 8656), by long-term credentials, over
 * UDP, TCP or TLS.
 *
 *   open ─▶ name ─▶ Allocate (401: realm, nonce) ─▶ Allocate ─▶ allocated() … Refresh … ─▶ gone()
 *   send(to) ─▶ ChannelBind of `to` (permission and channel in one) ─▶ ChannelData
 *   ChannelData, Data indications ─▶ data(from)
 *
 * What is sent to an address whose channel is not bound yet is lost: ICE asks again. Channels that
 * nobody sends to any more run out at the server. Sockets carry the mark of the other control
 * sockets; names are looked up by the loop's resolver. Loop thread.
 */
#ifndef RK_AGENT_ICE_TURN_H
#define RK_AGENT_ICE_TURN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "lib/crypto/tls.h"
#include "lib/net/addr.h"
#include "lib/net/udp.h"

#define ICE_TURN_MAX_PEERS 256 /* channels; the one that was used longest ago is given up */

enum ice_turn_transport { ICE_TURN_UDP, ICE_TURN_TCP, ICE_TURN_TLS };

struct ice_turn_uri { /* open */
    enum ice_turn_transport transport;
    char host[256];
    uint16_t port;
};

/** "turn:host:port?transport=udp|tcp", "turns:host:port?transport=tcp" (RFC 7065; the port may be
 *  missing, an IPv6 address stands in brackets). Errors: RK_INVALID, also for DTLS. */
enum rk_code ice_turn_uri_parse(struct rk_str text, struct ice_turn_uri *out,
                                struct rk_err *err) RK_MUST;

struct ice_turn;
struct ice_turn_user {
    const struct ice_turn_ops *ops;
};
struct ice_turn_ops {
    /** The server gave us an address. Once. */
    void (*allocated)(struct ice_turn_user *u, const struct rk_addr *relayed);
    /** A datagram that `from` sent to that address; borrowed. Must not close from inside. */
    void (*data)(struct ice_turn_user *u, const struct rk_addr *from, struct rk_str datagram);
    /** The end: refused, no answer, lost. Once, unless it was closed before; close it then or
     *  later, not from inside. */
    void (*gone)(struct ice_turn_user *u, const struct rk_err *why);
};

struct ice_turn_opts { /* open; borrowed during the call but for what is said */
    struct rk_loop *loop;
    const struct ice_turn_uri *uri;
    struct rk_str user, password;
    uint32_t fwmark;
    struct tls_ctx *tls;         /* borrowed for life; NULL: no TLS */
    struct udp_scratch *scratch; /* borrowed for life */
    /** May the server be at this address? Not inside the overlay. */
    bool (*may_send)(void *arg, const struct rk_ip *ip);
    void *arg;
};

/** Owned: ice_turn_close. Errors: RK_INVALID (credentials too long), RK_UNAVAILABLE. */
enum rk_code ice_turn_open(const struct ice_turn_opts *opts, struct ice_turn_user *user,
                           struct ice_turn **out, struct rk_err *err) RK_MUST;
/** Gives the allocation back. No callback follows. Accepts NULL. */
void ice_turn_close(struct ice_turn *t);

void ice_turn_send(struct ice_turn *t, const struct rk_addr *to, struct rk_str datagram);

/** Does the server still know us? If not, gone() follows in some seconds. */
void ice_turn_check(struct ice_turn *t);

/** Our address at the server; family 0 before allocated(). Lent. */
const struct rk_addr *ice_turn_relayed(const struct ice_turn *t);

#endif
