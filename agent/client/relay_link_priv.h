/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside of struct rlk, shared by relay_link.c (connection) and relay_stream.c (streams). */
#ifndef RK_AGENT_RELAY_LINK_PRIV_H
#define RK_AGENT_RELAY_LINK_PRIV_H

#include "agent/client/relay_link.h"
#include "lib/base/buf.h"
#include "lib/base/list.h"
#include "lib/base/map.h"
#include "lib/net/transport.h"
#include "lib/net/ws.h"

enum rlk_state { RLK_DIAL, RLK_UPGRADE, RLK_AUTH, RLK_UP };

#define RLK_MAX_EARLY 256 /* senders whose first datagram is kept until their stream opens */

struct rlk_early {
    bool used;
    struct rly_peer_id peer;
    int64_t at_ms;
    uint8_t *bytes; /* owned */
    size_t n;
};

struct rlk {
    struct rk_loop *loop;
    struct rk_log *log;
    struct rlk_user *user;
    struct net_conn_user conn_user;
    struct net_conn *conn;
    enum rlk_state state;
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
    struct rk_map streams;   /* peer id → struct rcl_stream */
    struct rlk_early *early; /* RLK_MAX_EARLY of them once needed; owned */
};

/** Send one relay message; false when it was dropped. */
bool rlk_send_message(struct rlk *l, struct rk_str message);

void rlk_streams_up(struct rlk *l);
void rlk_streams_data(struct rlk *l, struct rk_str peer, struct rk_str payload);
void rlk_streams_online(struct rlk *l, const struct rly_frame *f);
void rlk_streams_offline(struct rlk *l, const struct rly_frame *f);
/** Tell and free all streams, and forget early datagrams. */
void rlk_streams_clear(struct rlk *l, const struct rk_err *why);

#endif
