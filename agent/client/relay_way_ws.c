/* SPDX-License-Identifier: BSD-3-Clause */
/* WebSocket below a relay connection: TCP, TLS, the upgrade, frames; see relay_way.h. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "agent/client/relay_way.h"
#include "lib/base/buf.h"
#include "lib/base/bytes.h"
#include "lib/base/num.h"
#include "lib/crypto/secret.h"
#include "lib/net/transport.h"
#include "lib/net/ws.h"

#define TX_MAX      ((size_t)64 << 10)
#define HOST_HEADER 300
#define MASKS       64 /* datagrams in one piece of memory */

struct ws_way {
    struct relay_way way;
    struct net_conn_user conn_user;
    struct net_conn *conn;
    struct rk_loop *loop;
    struct rk_timer *timer; /* for the answer to the upgrade */
    char *url;              /* owned */
    char host[HOST_HEADER];
    bool upgraded;
    bool closing; /* by us: no callbacks any more */
    bool failed;  /* closed() is on its way */
    struct ws_rx rx;
    char accept[WS_ACCEPT_LEN + 1];
    struct rk_buf head, tx;
};

static struct ws_way *ws_of(struct relay_way *w)
{
    return rk_container_of(w, struct ws_way, way);
}

static void ws_end(struct ws_way *w, const struct rk_err *why)
{
    w->failed = true;
    net_conn_fail(w->conn, why);
}

static void ws_fail(struct ws_way *w, enum rk_code code, const char *what)
{
    struct rk_err err = {0};

    (void)rk_fail(&err, code, "relay %s: %s", w->url, what);
    ws_end(w, &err);
}

/* ---- sending */

static bool send_frame(struct ws_way *w, enum ws_op op, struct rk_str payload)
{
    if (w->closing || w->failed || net_conn_queued(w->conn) > RELAY_WAY_QUEUE_MAX)
        return false;
    rk_buf_clear(&w->tx);
    ws_put(&w->tx, WS_CLIENT, op, payload);
    if (w->tx.full)
        return false;
    net_conn_send(w->conn, rk_buf_str(&w->tx));
    return true;
}

static bool way_send(struct relay_way *w, struct rk_str message)
{
    return send_frame(ws_of(w), WS_OP_BINARY, message);
}

/* Frames of up to `max` datagrams from *at on; each is copied once, into what the connection keeps.
 */
static void send_some(struct ws_way *w, struct rk_str head, const struct udp_in *in, size_t *at,
                      size_t max)
{
    uint8_t masks[MASKS][4];
    size_t end = rk_min_size(udp_in_count(in), *at + max), bytes = 0, used = 0;
    struct rk_bytes *b;

    for (size_t i = *at; i < end; i++)
        bytes += WS_FRAME_HEAD + head.n + udp_in_at(in, i).n;
    b = rk_bytes_new(bytes);
    rk_secret_random(masks, sizeof masks);
    for (size_t i = *at; i < end; i++) {
        struct rk_str d = udp_in_at(in, i);

        if (d.n <= RLY_MAX_PAYLOAD)
            used += ws_client_frame((uint8_t *)b->p + used, WS_OP_BINARY, masks[i - *at], head, d);
    }
    net_conn_send_bytes(w->conn, b, 0, used);
    rk_bytes_unref(b);
    *at = end;
}

static void way_send_batch(struct relay_way *way, struct rk_str head, const struct udp_in *v,
                           size_t n)
{
    struct ws_way *w = ws_of(way);

    for (size_t i = 0; i < n; i++) {
        size_t at = 0;

        while (at < udp_in_count(&v[i])) {
            if (w->closing || w->failed || net_conn_queued(w->conn) > RELAY_WAY_QUEUE_MAX)
                return;
            send_some(w, head, &v[i], &at, MASKS);
        }
    }
}

/* ---- receiving */

static void on_frames(struct ws_way *w, struct rk_str in)
{
    struct ws_msg m;

    while (!w->closing && !w->failed) {
        switch (ws_rx_next(&w->rx, &in, &m)) {
        case WS_MORE:
            return;
        case WS_BINARY:
            w->way.user->ops->message(w->way.user, rk_str_of(m.p, m.n));
            break;
        case WS_PING:
            (void)send_frame(w, WS_OP_PONG, rk_str_of(m.p, m.n));
            break;
        case WS_PONG:
            break;
        case WS_CLOSE:
            ws_fail(w, RK_UNAVAILABLE, "closed by the server");
            return;
        case WS_TEXT:
        case WS_FAILED:
            ws_fail(w, RK_BAD_REQUEST, "broken WebSocket frames");
            return;
        }
    }
}

static void on_head(struct ws_way *w, struct rk_str in)
{
    struct rk_err err = {0};
    struct rk_str rest;
    size_t n;

    rk_buf_add(&w->head, in);
    n = ws_head_size(rk_buf_str(&w->head));
    if (!n) {
        if (w->head.full)
            ws_fail(w, RK_BAD_REQUEST, "the answer to the upgrade has no end");
        return;
    }
    if (ws_client_check(rk_str_sub(rk_buf_str(&w->head), 0, n), w->accept, &err)) {
        (void)rk_wrap(&err, "relay %s", w->url);
        ws_end(w, &err);
        return;
    }
    rk_timer_cancel(&w->timer);
    w->upgraded = true;
    w->way.user->ops->opened(w->way.user);
    rest = rk_str_sub(rk_buf_str(&w->head), n, w->head.n);
    if (rest.n)
        on_frames(w, rest);
}

static void on_upgrade_timeout(void *arg)
{
    ws_fail(arg, RK_TIMEOUT, "no answer to the upgrade within 8 s");
}

static void on_opened(struct net_conn_user *u)
{
    struct ws_way *w = rk_container_of(u, struct ws_way, conn_user);

    if (w->closing || w->failed)
        return;
    rk_buf_clear(&w->tx);
    ws_client_request(rk_str_z(w->host), RK_STR(RLY_WS_PATH), &w->tx, w->accept);
    net_conn_send(w->conn, rk_buf_str(&w->tx));
    rk_timer_start(w->loop, &w->timer, RLY_CLIENT_TIMEOUT_MS, on_upgrade_timeout, w);
}

static void on_data(struct net_conn_user *u, struct rk_str in)
{
    struct ws_way *w = rk_container_of(u, struct ws_way, conn_user);

    if (w->closing || w->failed)
        return;
    if (w->upgraded)
        on_frames(w, in);
    else
        on_head(w, in);
}

static void on_closed(struct net_conn_user *u, const struct rk_err *why)
{
    struct ws_way *w = rk_container_of(u, struct ws_way, conn_user);

    rk_timer_cancel(&w->timer);
    if (!w->closing)
        w->way.user->ops->closed(w->way.user, why);
    rk_buf_done(&w->tx);
    rk_buf_done(&w->head);
    ws_rx_done(&w->rx);
    free(w->url);
    free(w);
}

static const struct net_conn_ops CONN_OPS = {
    .opened = on_opened,
    .data = on_data,
    .closed = on_closed,
};

/* ---- the rest of the interface */

static void way_close(struct relay_way *way)
{
    struct ws_way *w = ws_of(way);

    w->closing = true;
    rk_timer_cancel(&w->timer);
    net_conn_close(w->conn); /* on_closed frees */
}

static void way_fail(struct relay_way *way, const struct rk_err *why)
{
    ws_end(ws_of(way), why);
}

static struct rk_ip way_peer(const struct relay_way *way)
{
    return net_conn_peer(rk_container_of(way, struct ws_way, way)->conn)->ip;
}

static struct rk_ip way_local(const struct relay_way *way)
{
    struct rk_addr local = {0};

    (void)!net_conn_local(rk_container_of(way, struct ws_way, way)->conn, &local, NULL);
    return local.ip;
}

static void way_trusted(struct relay_way *way)
{
    ws_rx_set_max(&ws_of(way)->rx, RLY_MAX_MESSAGE);
}

static const struct relay_way_ops WAY_OPS = {
    .name = "ws",
    .send = way_send,
    .send_batch = way_send_batch,
    .close = way_close,
    .fail = way_fail,
    .peer = way_peer,
    .local = way_local,
    .trusted = way_trusted,
};

static void put_host(struct ws_way *w, const struct rly_url *url)
{
    size_t n;

    (void)snprintf(w->host, sizeof w->host,
                   memchr(url->host.p, ':', url->host.n) ? "[%.*s]" : "%.*s",
                   RK_STR_ARG(url->host));
    n = strlen(w->host);
    if (url->has_port)
        (void)snprintf(w->host + n, sizeof w->host - n, ":%u", url->port);
}

enum rk_code relay_way_ws_open(const struct relay_way_opts *o, struct relay_way_user *user,
                               struct relay_way **out, struct rk_err *err)
{
    RK_CLEANUP(rk_freep) char *name = rk_str_dupz(o->parsed.host);
    struct ws_way *w = rk_calloc(1, sizeof *w);
    char ip[RK_ADDR_TEXT];
    struct net_connect_opts c = {
        .host = o->ip.family ? rk_ip_format(&o->ip, ip).p : name,
        .port = o->parsed.port,
        .tls = o->tls,
        .sni = name,
        .timeout_ms = RELAY_WAY_DIAL_MS,
        .fwmark = o->fwmark,
        .dead_ms = RELAY_WAY_DEAD_MS,
    };
    enum rk_code rc;

    w->way = (struct relay_way){.ops = &WAY_OPS, .user = user};
    w->conn_user.ops = &CONN_OPS;
    w->loop = o->loop;
    rc = net_conn_connect(o->loop, &c, &w->conn_user, &w->conn, err);
    if (rc) {
        free(w);
        return rc;
    }
    w->url = rk_str_dupz(rk_str_z(o->url));
    put_host(w, &o->parsed);
    rk_buf_init(&w->tx, TX_MAX);
    rk_buf_init(&w->head, WS_HEAD_MAX);
    ws_rx_init(&w->rx, WS_CLIENT, RLY_MAX_AUTH_RESPONSE);
    ws_rx_set_in_place(&w->rx); /* the copy for the device is the only one */
    *out = &w->way;
    return RK_OK;
}
