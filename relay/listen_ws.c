/* SPDX-License-Identifier: BSD-3-Clause */
/* WebSocket transport of the relay; see listen_ws.h. */
#include "config.h"

#include "relay/listen_ws.h"

#include <stdlib.h>

#include "lib/net/transport.h"
#include "lib/net/ws.h"
#include "relay/session.h"

enum {
    /* Bytes in the connection above which the session keeps the rest, and drops what exceeds its
     * queue; below LOW it goes on. Two full socket writes keep a fast path busy. */
    CONN_HIGH = 128 << 10,
    CONN_LOW = 64 << 10,
    CLOSE_LINGER_MS = 1000,
    QUANTA_PER_S = 20, /* reads of a peer whose bytes per second are limited */
};

struct ws_link {
    struct net_conn_user user;
    struct relay_transport link;
    struct net_conn *conn; /* valid until conn_closed */
    struct relay_session *session;
    struct ws_rx rx;
    bool closing;
};

_Static_assert(RELAY_FRAME_HEAD >= WS_FRAME_HEAD, "room for a frame head");

/* ---- towards the peer */

static size_t link_frame_head(uint8_t out[RELAY_FRAME_HEAD], size_t n)
{
    return ws_frame_head(out, WS_OP_BINARY, n);
}

static void link_transmit(struct relay_transport *link, struct rk_bytes *b, size_t n)
{
    struct ws_link *l = rk_container_of(link, struct ws_link, link);

    net_conn_send_bytes(l->conn, b, 0, n);
    rk_bytes_unref(b);
    net_conn_push(l->conn);
}

static size_t link_max_message(const struct relay_transport *link)
{
    (void)link;
    return RLY_MAX_MESSAGE;
}

static bool link_congested(struct relay_transport *link)
{
    struct ws_link *l = rk_container_of(link, struct ws_link, link);

    return net_conn_queued(l->conn) > CONN_HIGH;
}

static void link_hold(struct relay_transport *link, bool on)
{
    struct ws_link *l = rk_container_of(link, struct ws_link, link);

    if (l->closing)
        return;
    if (on)
        net_conn_pause(l->conn);
    else
        net_conn_resume(l->conn);
}

static void link_close(struct relay_transport *link, int64_t linger_ms)
{
    struct ws_link *l = rk_container_of(link, struct ws_link, link);

    if (l->closing)
        return;
    l->closing = true;
    if (linger_ms > 0)
        net_conn_finish(l->conn, linger_ms);
    else
        net_conn_close(l->conn);
}

static const struct relay_transport_ops LINK_OPS = {
    .kind = RELAY_WS,
    .transport = "ws",
    .frame_head = link_frame_head,
    .transmit = link_transmit,
    .max_message = link_max_message,
    .congested = link_congested,
    .hold = link_hold,
    .close = link_close,
};

/* ---- from the peer */

/* A control frame of the WebSocket itself; these are few, and not worth a place in the queue. */
static void put_control(struct ws_link *l, enum ws_op op, struct rk_str payload)
{
    uint8_t frame[WS_FRAME_HEAD + WS_CONTROL_MAX];
    size_t n = ws_frame_head(frame, op, payload.n);

    if (link_congested(&l->link))
        return;
    if (payload.n)
        memcpy(frame + n, payload.p, payload.n);
    net_conn_send(l->conn, rk_str_of(frame, n + payload.n));
}

static void put_close(struct ws_link *l, unsigned code)
{
    uint8_t body[2] = {(uint8_t)(code >> 8), (uint8_t)code};

    put_control(l, WS_OP_CLOSE, rk_str_of(body, code == WS_CLOSE_NONE ? 0 : sizeof body));
}

static void on_event(struct ws_link *l, enum ws_event e, const struct ws_msg *m)
{
    switch (e) {
    case WS_BINARY:
        if (m->n)
            relay_session_message(l->session, m->p, m->n);
        else
            relay_session_end(l->session, "empty message");
        ws_rx_set_max(&l->rx, relay_session_max_message(l->session));
        break;
    case WS_TEXT:
        relay_session_end(l->session, "text message");
        break;
    case WS_PING:
        put_control(l, WS_OP_PONG, rk_str_of(m->p, m->n));
        break;
    case WS_CLOSE:
        put_close(l, m->close_code);
        link_close(&l->link, CLOSE_LINGER_MS);
        relay_session_end(l->session, "closed by the peer");
        break;
    case WS_FAILED:
        /* before authentication nothing is said, whatever came */
        if (l->session->state == RELAY_OPEN) {
            put_close(l, m->close_code);
            link_close(&l->link, CLOSE_LINGER_MS);
        }
        relay_session_end(l->session, m->close_code == WS_CLOSE_TOO_BIG ? "message too big"
                                                                        : "broken WebSocket frame");
        break;
    case WS_PONG:
    case WS_MORE:
        break;
    }
}

static void conn_data(struct net_conn_user *u, struct rk_str in)
{
    struct ws_link *l = rk_container_of(u, struct ws_link, user);
    struct relay_lane *lane = l->session->lane;
    struct ws_msg m;
    enum ws_event e;

    while (!l->closing && (e = ws_rx_next(&l->rx, &in, &m)) != WS_MORE)
        on_event(l, e, &m);
    relay_lane_end(lane);
}

static void conn_drained(struct net_conn_user *u)
{
    struct ws_link *l = rk_container_of(u, struct ws_link, user);
    struct relay_lane *lane = l->session->lane;

    relay_session_flush(l->session);
    relay_lane_end(lane);
}

static void conn_closed(struct net_conn_user *u, const struct rk_err *why)
{
    struct ws_link *l = rk_container_of(u, struct ws_link, user);
    struct relay_lane *lane = l->session->lane;

    (void)why;
    l->closing = true;
    relay_session_gone(l->session);
    ws_rx_done(&l->rx);
    free(l);
    relay_lane_end(lane);
}

static const struct net_conn_ops CONN_OPS = {
    .data = conn_data,
    .drained = conn_drained,
    .closed = conn_closed,
};

/* ---- accepting */

static void refused_data(struct net_conn_user *u, struct rk_str in)
{
    (void)u;
    (void)in;
}

static void refused_closed(struct net_conn_user *u, const struct rk_err *why)
{
    (void)u;
    (void)why;
}

static const struct net_conn_ops REFUSED_OPS = {.data = refused_data, .closed = refused_closed};

static struct relay_lane *lane_of(struct relay_hub *hub, const struct rk_loop *loop)
{
    for (size_t i = 0; i < hub->n_lanes; i++)
        if (hub->lanes[i].loop == loop)
            return &hub->lanes[i];
    return NULL;
}

void relay_ws_accept(void *app, const struct edge_ws_req *req)
{
    /* const in effect: its callbacks keep nothing in it */
    static struct net_conn_user refused = {&REFUSED_OPS};
    struct relay_hub *hub = app;
    struct relay_lane *lane = lane_of(hub, net_conn_loop(req->conn));
    const char *why = lane ? relay_lane_refuses(lane, &req->client) : "foreign loop";
    char addr[RK_ADDR_TEXT];
    struct ws_link *l;

    if (why) {
        rk_log_every(&hub->full_gate, RELAY_LOG_EVERY_MS, hub->log, RK_WARN,
                     "relay connection refused", kv_str("addr", rk_addr_format(&req->client, addr)),
                     kv_z("reason", why));
        net_conn_set_user(req->conn, &refused);
        net_conn_close(req->conn);
        return;
    }
    l = rk_calloc(1, sizeof *l);
    l->user.ops = &CONN_OPS;
    l->link.ops = &LINK_OPS;
    l->conn = req->conn;
    ws_rx_init(&l->rx, WS_SERVER, RLY_MAX_AUTH);
    ws_rx_set_in_place(&l->rx); /* what a conn delivers lies in buffers of its own */
    l->session = relay_session_new(lane, &l->link, &req->client);
    net_conn_set_user(req->conn, &l->user);
    net_conn_set_low_water(req->conn, CONN_LOW);
    if (hub->max_peer_bytes_per_s) /* small steps: what has been read passes at once */
        net_conn_set_read_max(req->conn, (size_t)(hub->max_peer_bytes_per_s / QUANTA_PER_S));
    if (req->rest.n)
        conn_data(&l->user, req->rest);
}

static const struct edge_ws_ops WS_OPS = {.accept = relay_ws_accept};

enum rk_code relay_ws_listen(struct edge *edge, struct relay_hub *hub, struct rk_err *err)
{
    return edge_add_ws(edge, RLY_WS_PATH, &WS_OPS, hub, err);
}
