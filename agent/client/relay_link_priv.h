/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside of struct relay_link, shared by relay_link.c (connection) and relay_stream.c (streams). */
#ifndef RK_AGENT_RELAY_LINK_PRIV_H
#define RK_AGENT_RELAY_LINK_PRIV_H

#include "agent/client/relay_link.h"
#include "lib/base/buf.h"
#include "lib/base/list.h"
#include "lib/base/map.h"
#include "lib/net/transport.h"
#include "lib/net/ws.h"

enum relay_link_state { RELAY_LINK_DIAL, RELAY_LINK_UPGRADE, RELAY_LINK_AUTH, RELAY_LINK_UP };

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
    struct net_conn_user conn_user;
    struct net_conn *conn;
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
    bool health_seen;
    struct ws_rx rx;
    char accept[WS_ACCEPT_LEN + 1];
    struct rk_buf head, tx, token;
    struct rk_map streams;          /* peer id → struct relay_client_stream */
    struct relay_link_early *early; /* RELAY_LINK_MAX_EARLY of them once needed; owned */
};

/* relay_frame.c */
/** Write one frame; false when the connection is too far behind. */
bool relay_link_send_frame(struct relay_link *l, enum ws_op op, struct rk_str payload);
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
