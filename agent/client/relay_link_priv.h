/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside of struct relay_link, shared by relay_link.c (connection) and relay_stream.c (streams). */
#ifndef RK_AGENT_RELAY_LINK_PRIV_H
#define RK_AGENT_RELAY_LINK_PRIV_H

#include "agent/client/relay_link.h"
#include "agent/client/relay_way.h"
#include "lib/base/buf.h"
#include "lib/base/list.h"
#include "lib/base/map.h"

enum relay_link_state { RELAY_LINK_DIAL, RELAY_LINK_AUTH, RELAY_LINK_UP };

enum { RELAY_LINK_WS, RELAY_LINK_QUIC, RELAY_LINK_WAYS };

struct relay_racer { /* a transport that is being dialled, or the one in use */
    struct relay_way_user user;
    struct relay_link *link;
    struct relay_way *way; /* NULL: not begun, or over */
    bool wanted;           /* may be dialled, and has not been */
};

#define RELAY_LINK_MAX_EARLY                                                                       \
    256 /* senders whose first datagram is kept until their stream opens                           \
         */

struct relay_link_early {
    bool used;
    struct rly_peer_id peer;
    int64_t at_ms;
    uint8_t *bytes; /* owned */
    size_t n;
};

struct relay_link {
    struct rk_loop *loop;
    struct rk_log *log;
    struct relay_link_user *user;
    struct relay_racer racers[RELAY_LINK_WAYS];
    struct relay_way *way; /* that has won; NULL before */
    enum relay_transport_mode mode;
    bool may_quic;
    size_t need_bytes;
    enum relay_link_state state;
    bool closing; /* by us, or down() was called: no callbacks any more */
    bool failed;  /* closed() is on its way */
    struct tls_ctx *tls;
    uint32_t fwmark;
    struct rly_peer_id self;
    struct rk_ip ip_first; /* to dial before the host of the URL */
    char *url, *instance;  /* owned */
    struct rk_ip ip;
    int64_t opened_ms;
    struct rk_timer *timer; /* auth answer, then the health window */
    struct rk_timer *again; /* lossy transports: the auth message once more */
    int64_t again_ms;       /* how long that waits */
    struct rk_err dial_err; /* of the transport that failed; WebSocket's says more */
    bool health_seen;
    struct rk_buf token;
    struct rk_task free_task;       /* a callback that ends the link may be one of its own */
    struct rk_map streams;          /* peer id → struct relay_client_stream */
    struct relay_link_early *early; /* RELAY_LINK_MAX_EARLY of them once needed; owned */
};

/** Send one relay message; false when it was dropped. */
bool relay_link_send_message(struct relay_link *l, struct rk_str message);
/** Datagrams for a peer as transport messages, in one piece for the connection. */
void relay_link_send_batch(struct relay_link *l, const struct rly_peer_id *peer,
                           const struct udp_in *v, size_t n);

void relay_link_streams_up(struct relay_link *l);
void relay_link_streams_data(struct relay_link *l, struct rk_str peer, struct rk_str payload);
void relay_link_streams_online(struct relay_link *l, const struct rly_frame *f);
void relay_link_streams_offline(struct relay_link *l, const struct rly_frame *f);
/** Tell and free all streams, and forget early datagrams. */
void relay_link_streams_clear(struct relay_link *l, const struct rk_err *why);

#endif
