/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One connection to one relay: a race of transports (relay_way.h), authentication, health checks,
 * and streams to peers with their online state. Without reconnecting: relay_client.c decides about
 * that.
 *
 *   DIAL (WebSocket, QUIC) --the first that opens--> AUTH --auth response--> UP --> gone
 *
 * Loop thread. Callbacks never run inside relay_link_open.
 */
#ifndef RK_AGENT_RELAY_LINK_H
#define RK_AGENT_RELAY_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/client/relay_client.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "lib/net/addr.h"
#include "lib/net/relayproto.h"

struct relay_link;

struct relay_link_user { /* embed in your own struct */
    const struct relay_link_user_ops *ops;
};

struct relay_link_user_ops {
    void (*up)(struct relay_link_user *u); /* authenticated */
    /** QUIC does not do for this relay: messages do not fit, or do not come through; another time
     * it should not be tried. down() follows. */
    void (*quic_unfit)(struct relay_link_user *u);
    /** Could not connect, or lost. Streams have been closed before. Last call; the link is gone. */
    void (*down)(struct relay_link_user *u, const struct rk_err *why);
};

struct relay_link_opts { /* copied; views borrowed for the call, handles for life */
    struct rk_loop *loop;
    struct rk_log *log;
    struct tls_ctx *tls;
    uint32_t fwmark;
    enum relay_transport_mode mode;
    bool may_quic;     /* in modes that have a choice */
    size_t need_bytes; /* of the longest message; 0: not known */
    struct rk_str url;
    struct rk_ip ip; /* dial this instead of the host of the URL; family 0: do not */
    struct rly_peer_id self;
    struct rk_str token; /* binary */
};

/** Errors at once: RK_BAD_REQUEST (URL), RK_PRECONDITION (rels:// without TLS, QUIC without). Owned
 * until down() or relay_link_close. */
enum rk_code relay_link_open(const struct relay_link_opts *opts, struct relay_link_user *user,
                             struct relay_link **out, struct rk_err *err) RK_MUST;

/** Say goodbye and close; the streams' users are told `why`, the link's user is not. */
void relay_link_close(struct relay_link *l, const struct rk_err *why);

bool relay_link_is_up(const struct relay_link *l);
struct rk_str relay_link_url(const struct relay_link *l); /* as dialled. Lent */
struct rk_str
relay_link_instance(const struct relay_link *l); /* the relay's own name; empty before up. Lent */
struct rk_ip
relay_link_ip(const struct relay_link *l); /* we are connected to it; family 0 before */
/** "ws" or "quic"; "" before a transport has won. Static text. */
const char *relay_link_transport(const struct relay_link *l);
size_t relay_link_streams(const struct relay_link *l);
int64_t
relay_link_opened_ms(const struct relay_link *l); /* mono; when relay_link_open was called */

/** When its own address is none of these, go on from another one, or end it: true, and down()
 *  follows on a later turn. */
bool relay_link_network(struct relay_link *l, const struct rk_ip *own, size_t n);

/** As relay_client_stream_open, on this link; before up() the stream waits for it too. */
enum rk_code relay_link_stream_open(struct relay_link *l, struct rk_str peer_key_text,
                                    struct relay_client_stream_user *user,
                                    struct relay_client_stream **out, struct rk_err *err) RK_MUST;

#endif
