/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTTP/2 behind the edge: over the connection itself, or inside binary WebSocket messages
 * (/ws-proxy/…). Requests go by :path to what edge_add_rpc registered.
 */
#include "config.h"

#include <stdlib.h>

#include "lib/base/num.h"
#include "lib/http/edge_priv.h"
#include "lib/net/ws.h"

enum {
    WS_MESSAGE_MAX = 32768,       /* both ways, as official servers have it */
    WS_OUT_MAX = 8 * 1024 * 1024, /* above H2_IO_HIGH and any control frames */
};

struct edge_h2_conn {
    struct edge_conn *c;
    struct net_conn_user user;
    struct h2_io io;
    struct h2_session_user session_user;
    struct h2_session *session;
    struct edge_h2_info info;
    struct edge_rest_conn rest;
    bool ws;           /* inside WebSocket messages */
    bool ending;       /* over() was told */
    struct ws_rx *rx;  /* … reads them; owned; else NULL */
    size_t rx_held;    /* of info.held */
    struct rk_buf out; /* HTTP/2 bytes that are to become messages */
    struct rk_task pack;
};

/* ---- requests */

struct edge_h2_info *edge_h2_info(const struct h2_stream *s)
{
    return h2_session_data(h2_stream_session(s));
}

enum rk_budget_level edge_h2_hold(struct edge_h2_info *info, size_t before, size_t now)
{
    return rk_budget_hold(&info->held, info->held.held - before + now);
}

void edge_h2_known(struct edge_h2_info *info)
{
    info->known = true;
}

/* All headers of one name joined by commas, as RFC 9110 section 5.3 allows. */
static void join_headers(const struct h2_stream *s, const char *name, struct rk_buf *out)
{
    for (size_t i = 0; i < h2_stream_n_headers(s); i++) {
        struct h2_header h = h2_stream_header_at(s, i);

        if (!rk_str_eqz(h.name, name))
            continue;
        if (out->n)
            rk_buf_addc(out, ',');
        rk_buf_add(out, h.value);
    }
}

struct rk_addr edge_client_addr(const struct h2_stream *s)
{
    const struct edge_h2_info *info = edge_h2_info(s);
    struct edge *e = info->edge;
    struct rk_addr a = info->peer;
    struct rk_buf forwarded;

    if (!e->n_trusted || !edge_trusts(e, &info->peer))
        return a;
    rk_buf_init(&forwarded, e->limits.max_header_bytes); /* all of them fit */
    join_headers(s, "x-forwarded-for", &forwarded);
    if (!forwarded.full) /* the end, which the proxies wrote, would be missing: do not guess */
        a = http_real_addr(&(struct http_proxies){e->trusted, e->n_trusted}, &info->peer,
                           rk_buf_str(&forwarded), h2_stream_header(s, "x-real-ip"));
    rk_buf_done(&forwarded);
    return a;
}

static void plain_closed(struct h2_stream_user *u, struct h2_stream *s, const struct rk_err *why)
{
    (void)u;
    (void)s;
    (void)why;
}

static const struct h2_stream_ops plain_ops = {.closed = plain_closed};
static struct h2_stream_user plain_user = {&plain_ops};

static void answer_not_found(struct h2_stream *s)
{
    static const struct h2_header v[] = {{RK_STR(":status"), RK_STR("404")},
                                         {RK_STR("content-length"), RK_STR("0")}};

    h2_stream_set_user(s, &plain_user);
    h2_stream_respond(s, v, RK_ARRAY_LEN(v), true);
}

static void session_request(struct h2_session_user *u, struct h2_stream *s)
{
    struct edge_h2_conn *h = rk_container_of(u, struct edge_h2_conn, session_user);
    struct edge *e = h->info.edge;
    struct edge_rpc *rpc = rk_map_get(&e->rpcs, h2_stream_header(s, ":path"));

    if (!rpc && rk_str_istarts(h2_stream_header(s, "content-type"), RK_STR("application/grpc")))
        rpc = e->unknown_rpc;
    if (rpc)
        rpc->begin(rpc, s);
    else if (e->dispatch && !h->ws)
        edge_rest_start(h->c->el, &h->rest, &h->info.peer, net_conn_is_tls(h->c->conn), s);
    else
        answer_not_found(s);
}

/* ---- the session's end and start */

static void session_ready(struct h2_session_user *u)
{
    struct edge_h2_conn *h = rk_container_of(u, struct edge_h2_conn, session_user);

    rk_timer_cancel(&h->c->timer);
}

/* Frame what waits as binary messages. */
static void pack(struct rk_task *t)
{
    struct edge_h2_conn *h = rk_container_of(t, struct edge_h2_conn, pack);
    struct rk_str in = rk_buf_str(&h->out);
    uint8_t head[WS_FRAME_HEAD];

    rk_list_remove(&h->pack.link);
    rk_metric_add(h->info.edge->stats.proxy_out, (int64_t)in.n);
    while (in.n) {
        size_t n = rk_min_size(in.n, WS_MESSAGE_MAX), head_n = ws_frame_head(head, WS_OP_BINARY, n);

        net_conn_send(h->c->conn, rk_str_of(head, head_n));
        net_conn_send(h->c->conn, rk_str_sub(in, 0, n));
        in = rk_str_sub(in, n, in.n);
    }
    rk_buf_done(&h->out);
    rk_buf_init(&h->out, WS_OUT_MAX);
}

static void ws_finish(struct edge_h2_conn *h, unsigned code)
{
    struct rk_buf b;

    h->ending = true;
    pack(&h->pack);
    rk_buf_init(&b, WS_CONTROL_MAX + WS_FRAME_HEAD);
    ws_put_close(&b, WS_SERVER, code);
    net_conn_send(h->c->conn, rk_buf_str(&b));
    rk_buf_done(&b);
    net_conn_finish(h->c->conn, EDGE_FINISH_MS);
}

static void session_over(struct h2_session_user *u, const struct rk_err *why)
{
    struct edge_h2_conn *h = rk_container_of(u, struct edge_h2_conn, session_user);
    struct edge *e = h->info.edge;
    char peer[RK_ADDR_TEXT];

    if (why->code) {
        (void)rk_addr_format(&h->info.peer, peer);
        rk_log_every(edge_log_gate(e, why->msg), EDGE_LOG_EVERY_MS, e->log, RK_INFO,
                     "http2 connection ended", kv_z("peer", peer), KV_ERR(why));
    }
    if (h->ending)
        return;
    h->ending = true;
    if (h->ws)
        ws_finish(h, WS_CLOSE_NORMAL);
    else
        net_conn_finish(h->c->conn, EDGE_FINISH_MS);
}

static bool session_hurry(struct h2_session_user *u)
{
    const struct edge_h2_conn *h = rk_container_of(u, struct edge_h2_conn, session_user);

    return rk_budget_level(&h->info.held) != RK_BUDGET_ROOM;
}

static const struct h2_session_ops session_ops = {session_request, session_ready, session_over,
                                                  session_hurry};

/* ---- bytes */

static void io_send(struct h2_io *io, struct rk_str s)
{
    struct edge_h2_conn *h = rk_container_of(io, struct edge_h2_conn, io);

    if (!h->ws) {
        net_conn_send(h->c->conn, s);
        return;
    }
    rk_buf_add(&h->out, s);
    rk_loop_defer(h->c->el->loop, &h->pack);
}

static void io_send_bytes(struct h2_io *io, struct rk_bytes *b, size_t off, size_t n)
{
    struct edge_h2_conn *h = rk_container_of(io, struct edge_h2_conn, io);

    if (h->ws)
        io_send(io, rk_str_of(b->p + off, n));
    else
        net_conn_send_bytes(h->c->conn, b, off, n);
}

static size_t io_queued(struct h2_io *io)
{
    const struct edge_h2_conn *h = rk_container_of(io, struct edge_h2_conn, io);

    return net_conn_queued(h->c->conn) + h->out.n;
}

static const struct h2_io_ops io_ops = {io_send, io_send_bytes, io_queued};

static void ws_pong(struct edge_h2_conn *h, const struct ws_msg *msg)
{
    struct rk_buf b;

    rk_buf_init(&b, WS_CONTROL_MAX + WS_FRAME_HEAD);
    ws_put_pong(&b, WS_SERVER, rk_str_of(msg->p, msg->n));
    net_conn_send(h->c->conn, rk_buf_str(&b));
    rk_buf_done(&b);
}

static void ws_feed(struct edge_h2_conn *h, struct rk_str in)
{
    struct edge *e = h->info.edge;
    struct ws_msg msg;

    while (!h->ending) {
        switch (ws_rx_next(h->rx, &in, &msg)) {
        case WS_MORE:
            (void)edge_h2_hold(&h->info, h->rx_held, h->rx->msg_cap);
            h->rx_held = h->rx->msg_cap;
            if (h->rx_held && rk_budget_level(&h->info.held) == RK_BUDGET_FULL)
                ws_finish(h, WS_CLOSE_TOO_BIG);
            return;
        case WS_BINARY:
            rk_metric_add(e->stats.proxy_in, (int64_t)msg.n);
            h2_session_feed(h->session, rk_str_of(msg.p, msg.n));
            break;
        case WS_TEXT:
            rk_log_every(edge_log_gate(e, "text"), EDGE_LOG_EVERY_MS, e->log, RK_WARN,
                         "ws-proxy text message ignored");
            break;
        case WS_PING:
            ws_pong(h, &msg);
            break;
        case WS_PONG:
            break;
        case WS_CLOSE:
            ws_finish(h, WS_CLOSE_NORMAL);
            break;
        case WS_FAILED:
            rk_metric_add(e->stats.proxy_errors, 1);
            ws_finish(h, msg.close_code);
            break;
        }
    }
}

static void conn_data(struct net_conn_user *u, struct rk_str in)
{
    struct edge_h2_conn *h = rk_container_of(u, struct edge_h2_conn, user);

    if (h->ws)
        ws_feed(h, in);
    else
        h2_session_feed(h->session, in);
}

static void conn_drained(struct net_conn_user *u)
{
    struct edge_h2_conn *h = rk_container_of(u, struct edge_h2_conn, user);

    h2_session_wrote(h->session);
}

static void conn_closed(struct net_conn_user *u, const struct rk_err *why)
{
    struct edge_h2_conn *h = rk_container_of(u, struct edge_h2_conn, user);

    (void)why;
    h2_session_free(h->session, NULL);
    edge_rest_conn_done(&h->rest);
    rk_budget_leave(&h->info.held);
    if (h->ws) {
        rk_metric_add(h->info.edge->stats.proxy_active, -1);
        ws_rx_done(h->rx);
        free(h->rx);
        rk_list_remove(&h->pack.link);
    }
    rk_buf_done(&h->out);
    h->c->h2 = NULL;
    free(h);
}

static const struct net_conn_ops conn_ops = {NULL, conn_data, conn_drained, conn_closed};

static struct edge_h2_conn *start(struct edge_conn *c, const struct rk_addr *peer, bool ws)
{
    struct edge *e = c->el->edge;
    struct h2_opts opts = {.server = true,
                           .max_streams = e->limits.max_streams,
                           .max_header_bytes = e->limits.max_header_bytes,
                           .ping_after_ms = e->limits.ping_after_ms,
                           .ping_timeout_ms = e->limits.ping_timeout_ms,
                           .idle_timeout_ms = e->limits.idle_timeout_ms,
                           .stall_timeout_ms = e->limits.stall_timeout_ms};
    struct edge_h2_conn *h = rk_calloc(1, sizeof *h);
    char key_bytes[RK_BUDGET_KEY_MAX];
    struct rk_str key = {0};

    h->c = c;
    h->user.ops = &conn_ops;
    h->io.ops = &io_ops;
    h->session_user.ops = &session_ops;
    h->ws = ws;
    h->pack.run = pack;
    h->info.edge = e;
    h->info.loop = c->el->loop;
    h->info.peer = *peer;
    h->info.limits = &e->limits;
    h->info.log = e->log;
    if (!edge_trusts(e, peer))
        key = http_addr_key(peer, key_bytes);
    rk_budget_join(e->budget, key, &h->info.held);
    h->info.many = !key.n;
    edge_rest_conn_init(&h->rest, c->el->loop, h->info.many);
    rk_buf_init(&h->out, WS_OUT_MAX);
    c->h2 = h;
    c->state = EC_H2;
    net_conn_set_user(c->conn, &h->user);
    net_conn_set_low_water(c->conn, H2_IO_HIGH / 4);
    h->session = h2_session_new(c->el->loop, &opts, &h->io, &h->session_user);
    h2_session_set_data(h->session, &h->info);
    rk_metric_add(e->stats.h2, 1);
    return h;
}

void edge_h2_start(struct edge_conn *c, struct rk_str in)
{
    struct edge_h2_conn *h = start(c, &c->peer, false);

    if (in.n)
        h2_session_feed(h->session, in);
}

void edge_ws_proxy_start(struct edge_conn *c, const struct rk_addr *client, struct rk_str in)
{
    struct edge_h2_conn *h = start(c, client, true);
    struct edge *e = c->el->edge;

    rk_metric_add(e->stats.proxy_active, 1);
    h->rx = rk_calloc(1, sizeof *h->rx);
    ws_rx_init(h->rx, WS_SERVER, WS_MESSAGE_MAX);
    rk_timer_start(c->el->loop, &c->timer, e->limits.header_timeout_ms, edge_conn_timeout, c);
    ws_feed(h, in);
}

bool edge_h2_idle(const struct edge_conn *c, int64_t ms)
{
    const struct edge_h2_conn *h = c->h2;

    return h && !h->info.known && !h2_session_streams(h->session) &&
           rk_loop_now_ms(c->el->loop) - net_conn_last_rx_ms(c->conn) >= ms;
}

void edge_h2_shutdown(struct edge_conn *c)
{
    h2_session_shutdown(c->h2->session);
}
