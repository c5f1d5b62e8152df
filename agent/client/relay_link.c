/* SPDX-License-Identifier: BSD-3-Clause */
/* One relay connection; see relay_link.h. Streams over it: relay_stream.c. */
#include "config.h"

#include "agent/client/relay_link.h"

#include <stdio.h>
#include <stdlib.h>

#include "agent/client/relay_link_priv.h"
#include "lib/base/num.h"

#define DIAL_MS     30000 /* also for TLS */
#define DEAD_MS     8000  /* earlier than the health window; a tunnel waits for it */
#define TX_MAX      ((size_t)64 << 10)
#define HOST_HEADER 300

static void link_fail(struct relay_link *l, enum rk_code code, const char *what)
{
    struct rk_err err = {0};

    (void)rk_fail(&err, code, "relay %s: %s", l->url, what);
    l->failed = true;
    net_conn_fail(l->conn, &err);
}

static void on_health_window(void *arg)
{
    struct relay_link *l = arg;

    if (!l->health_seen) {
        link_fail(l, RK_TIMEOUT, "no health check for 35 s");
        return;
    }
    l->health_seen = false;
    rk_timer_start(l->loop, &l->timer, RLY_CLIENT_WINDOW_MS, on_health_window, l);
}

static void on_auth_timeout(void *arg)
{
    link_fail(arg, RK_TIMEOUT, "no answer to the authentication within 8 s");
}

/* ---- messages */

static void on_auth_response(struct relay_link *l, const struct rly_frame *f)
{
    l->state = RELAY_LINK_UP;
    l->instance = rk_str_dupz(f->url);
    l->health_seen = false;
    ws_rx_set_max(&l->rx, RLY_MAX_MESSAGE);
    rk_timer_start(l->loop, &l->timer, RLY_CLIENT_WINDOW_MS, on_health_window, l);
    relay_link_streams_up(l);
    l->user->ops->up(l->user);
}

static void answer_health_check(struct relay_link *l)
{
    uint8_t buf[RLY_HEADER_SIZE];
    struct rk_wr w = rk_wr_of(buf, sizeof buf);

    l->health_seen = true;
    rly_put_header(&w, RLY_HEALTH_CHECK);
    (void)relay_link_send_message(l, rk_wr_done(&w));
}

static void on_message(struct relay_link *l, struct rk_str message)
{
    struct rly_frame f;
    bool known = rly_frame_decode(message, &f, NULL) == RK_OK;

    if (l->state == RELAY_LINK_AUTH) {
        if (known && f.type == RLY_AUTH_RESPONSE)
            on_auth_response(l, &f);
        else
            link_fail(l, RK_BAD_REQUEST, "the first message is no auth response");
        return;
    }
    if (!known)
        return; /* official clients skip them too: newer relays may know more */
    switch (f.type) {
    case RLY_TRANSPORT:
        relay_link_streams_data(l, f.peer, f.payload);
        break;
    case RLY_PEERS_ONLINE:
        relay_link_streams_online(l, &f);
        break;
    case RLY_PEERS_OFFLINE:
        relay_link_streams_offline(l, &f);
        break;
    case RLY_HEALTH_CHECK:
        answer_health_check(l);
        break;
    case RLY_CLOSE:
        link_fail(l, RK_UNAVAILABLE, "closed by the relay");
        break;
    case RLY_HELLO:
    case RLY_HELLO_RESPONSE:
    case RLY_AUTH:
    case RLY_AUTH_RESPONSE:
    case RLY_SUBSCRIBE:
    case RLY_UNSUBSCRIBE:
        break; /* not for clients */
    }
}

static void on_frames(struct relay_link *l, struct rk_str in)
{
    struct ws_msg m;

    while (!l->closing && !l->failed) {
        switch (ws_rx_next(&l->rx, &in, &m)) {
        case WS_MORE:
            return;
        case WS_BINARY:
            on_message(l, rk_str_of(m.p, m.n));
            break;
        case WS_PING:
            (void)relay_link_send_frame(l, WS_OP_PONG, rk_str_of(m.p, m.n));
            break;
        case WS_PONG:
            break;
        case WS_CLOSE:
            link_fail(l, RK_UNAVAILABLE, "closed by the server");
            return;
        case WS_TEXT:
        case WS_FAILED:
            link_fail(l, RK_BAD_REQUEST, "broken WebSocket frames");
            return;
        }
    }
}

/* ---- opening */

static void send_auth(struct relay_link *l)
{
    uint8_t buf[RLY_MAX_AUTH];
    struct rk_wr w = rk_wr_of(buf, sizeof buf);

    rly_put_auth(&w, &l->self, rk_buf_str(&l->token));
    l->state = RELAY_LINK_AUTH;
    (void)relay_link_send_message(l, rk_wr_done(&w));
}

static void on_head(struct relay_link *l, struct rk_str in)
{
    struct rk_err err = {0};
    struct rk_str rest;
    size_t n;

    rk_buf_add(&l->head, in);
    n = ws_head_size(rk_buf_str(&l->head));
    if (!n) {
        if (l->head.full)
            link_fail(l, RK_BAD_REQUEST, "the answer to the upgrade has no end");
        return;
    }
    if (ws_client_check(rk_str_sub(rk_buf_str(&l->head), 0, n), l->accept, &err)) {
        (void)rk_wrap(&err, "relay %s", l->url);
        l->failed = true;
        net_conn_fail(l->conn, &err);
        return;
    }
    send_auth(l);
    rest = rk_str_sub(rk_buf_str(&l->head), n, l->head.n);
    if (rest.n)
        on_frames(l, rest);
}

static void on_opened(struct net_conn_user *u)
{
    struct relay_link *l = rk_container_of(u, struct relay_link, conn_user);
    char host[HOST_HEADER];
    struct rly_url parsed;

    if (l->closing || l->failed || rly_url_parse(rk_str_z(l->url), &parsed, NULL))
        return;
    l->ip = net_conn_peer(l->conn)->ip;
    (void)snprintf(host, sizeof host, memchr(parsed.host.p, ':', parsed.host.n) ? "[%.*s]" : "%.*s",
                   RK_STR_ARG(parsed.host));
    if (parsed.has_port) {
        size_t n = strlen(host);

        (void)snprintf(host + n, sizeof host - n, ":%u", parsed.port);
    }
    l->state = RELAY_LINK_UPGRADE;
    rk_buf_clear(&l->tx);
    ws_client_request(rk_str_z(host), RK_STR(RLY_WS_PATH), &l->tx, l->accept);
    net_conn_send(l->conn, rk_buf_str(&l->tx));
    rk_timer_start(l->loop, &l->timer, RLY_CLIENT_TIMEOUT_MS, on_auth_timeout, l);
}

static void on_data(struct net_conn_user *u, struct rk_str in)
{
    struct relay_link *l = rk_container_of(u, struct relay_link, conn_user);

    if (l->closing || l->failed)
        return;
    if (l->state == RELAY_LINK_UPGRADE)
        on_head(l, in);
    else
        on_frames(l, in);
}

static enum rk_code dial(struct relay_link *l, const struct rly_url *url, struct rk_err *err)
{
    RK_CLEANUP(rk_freep) char *name = rk_str_dupz(url->host);
    char ip[RK_ADDR_TEXT];
    struct net_connect_opts o = {
        .host = l->ip_first.family ? rk_ip_format(&l->ip_first, ip).p : name,
        .port = url->port,
        .tls = url->tls ? l->tls : NULL,
        .sni = name,
        .timeout_ms = DIAL_MS,
        .fwmark = l->fwmark,
        .dead_ms = DEAD_MS,
    };

    return net_conn_connect(l->loop, &o, &l->conn_user, &l->conn, err);
}

/* The announced address did not work: try the name. */
static bool dial_by_name(struct relay_link *l)
{
    struct rly_url url;

    if (l->closing || l->state != RELAY_LINK_DIAL || !l->ip_first.family)
        return false;
    l->ip_first = (struct rk_ip){0};
    return rly_url_parse(rk_str_z(l->url), &url, NULL) == RK_OK && dial(l, &url, NULL) == RK_OK;
}

static void on_closed(struct net_conn_user *u, const struct rk_err *why)
{
    struct relay_link *l = rk_container_of(u, struct relay_link, conn_user);
    struct rk_err err = *why;

    if (dial_by_name(l))
        return;
    rk_timer_cancel(&l->timer);
    if (!l->closing) {
        l->closing = true;
        if (!err.code)
            (void)rk_fail(&err, RK_UNAVAILABLE, "relay %s: connection closed", l->url);
        relay_link_streams_clear(l, &err);
        l->user->ops->down(l->user, &err);
    }
    rk_map_done(&l->streams);
    rk_buf_done(&l->tx);
    rk_buf_done(&l->head);
    rk_buf_done(&l->token);
    ws_rx_done(&l->rx);
    free(l->url);
    free(l->instance);
    free(l);
}

static const struct net_conn_ops CONN_OPS = {
    .opened = on_opened,
    .data = on_data,
    .closed = on_closed,
};

enum rk_code relay_link_open(const struct relay_link_opts *opts, struct relay_link_user *user,
                             struct relay_link **out, struct rk_err *err)
{
    struct rly_url url;
    struct relay_link *l;
    enum rk_code rc = rly_url_parse(opts->url, &url, err);

    if (rc)
        return rc;
    if (url.tls && !opts->tls)
        return rk_fail(err, RK_PRECONDITION, "relay %.*s: no TLS here", RK_STR_ARG(opts->url));
    l = rk_calloc(1, sizeof *l);
    l->loop = opts->loop;
    l->log = opts->log;
    l->user = user;
    l->conn_user.ops = &CONN_OPS;
    l->tls = opts->tls;
    l->fwmark = opts->fwmark;
    l->self = opts->self;
    l->ip_first = opts->ip;
    l->url = rk_str_dupz(opts->url);
    l->opened_ms = rk_mono_ms();
    rk_map_init(&l->streams, true);
    rk_buf_init(&l->tx, TX_MAX);
    rk_buf_init(&l->head, WS_HEAD_MAX);
    rk_buf_init(&l->token, RLY_MAX_AUTH);
    rk_buf_add(&l->token, opts->token);
    ws_rx_init(&l->rx, WS_CLIENT, RLY_MAX_AUTH_RESPONSE);
    rc = dial(l, &url, err);
    if (rc) {
        rk_buf_done(&l->token);
        free(l->url);
        free(l);
        return rc;
    }
    *out = l;
    return RK_OK;
}

void relay_link_close(struct relay_link *l, const struct rk_err *why)
{
    uint8_t buf[RLY_HEADER_SIZE];
    struct rk_wr w = rk_wr_of(buf, sizeof buf);

    if (!l || l->closing)
        return;
    if (l->state == RELAY_LINK_UP) {
        rly_put_header(&w, RLY_CLOSE);
        (void)relay_link_send_message(l, rk_wr_done(&w));
    }
    l->closing = true;
    rk_timer_cancel(&l->timer);
    relay_link_streams_clear(l, why);
    net_conn_close(l->conn); /* on_closed frees */
}

struct rk_str relay_link_url(const struct relay_link *l)
{
    return rk_str_z(l->url);
}

struct rk_str relay_link_instance(const struct relay_link *l)
{
    return rk_str_z(l->instance);
}

struct rk_ip relay_link_ip(const struct relay_link *l)
{
    return l->ip;
}

size_t relay_link_streams(const struct relay_link *l)
{
    return l->streams.n;
}

int64_t relay_link_opened_ms(const struct relay_link *l)
{
    return l->opened_ms;
}

bool relay_link_network(struct relay_link *l, const struct rk_ip *own, size_t n)
{
    struct rk_addr local;

    if (l->state == RELAY_LINK_DIAL || l->closing || l->failed ||
        net_conn_local(l->conn, &local, NULL) || rk_ip_among(&local.ip, own, n))
        return false;
    link_fail(l, RK_UNAVAILABLE, "the address of this host is gone");
    return true;
}
