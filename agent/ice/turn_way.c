/* SPDX-License-Identifier: BSD-3-Clause */
/* UDP, TCP and TLS to a TURN server, and its URIs; see turn_way.h and turn.h. */
#include "config.h"

#include "agent/ice/turn_way.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/num.h"
#include "lib/net/stun.h"
#include "lib/net/tcp.h"
#include "lib/net/transport.h"

enum {
    DEFAULT_PORT = 3478,
    DEFAULT_TLS_PORT = 5349,
    MESSAGE_MAX = 2048,     /* a STUN message or ChannelData, padded */
    QUEUE_MAX = 256 * 1024, /* TCP: what waits beyond that is dropped, as UDP would */
    CONNECT_MS = 8000,
    LINGER_MS = 1000,
};

struct turn_way {
    struct turn_way_user *user;
    struct rk_loop *loop;
    enum ice_turn_transport transport;
    uint16_t port;
    uint32_t fwmark;
    struct udp_scratch *scratch;
    bool (*may_send)(void *arg, const struct rk_ip *ip);
    void *arg;
    struct tcp_resolve resolve; /* UDP */
    bool resolving, closed;
    struct udp_user udp_user;
    struct udp_sock *udp;
    struct net_conn_user conn_user;
    struct net_conn *conn;
    uint8_t part[MESSAGE_MAX]; /* TCP: a message that has not come whole */
    size_t part_n;
};

/* ---- URIs */

/* "host", "host:port", "[::1]:port"; *port keeps what it is where there is none. */
static bool host_port(struct rk_str in, struct rk_str *host, uint16_t *port)
{
    struct rk_str text;
    int64_t number = *port;

    if (in.n && in.p[0] == '[') {
        if (!rk_str_cut(rk_str_sub(in, 1, in.n), ']', host, &text) || (text.n && text.p[0] != ':'))
            return false;
        text = rk_str_sub(text, 1, text.n);
    } else {
        (void)rk_str_cut(in, ':', host, &text);
    }
    if (!host->n || memchr(host->p, '\0', host->n) ||
        (text.n && rk_parse_i64(text, 1, UINT16_MAX, &number, NULL)))
        return false;
    *port = (uint16_t)number;
    return true;
}

enum rk_code ice_turn_uri_parse(struct rk_str text, struct ice_turn_uri *out, struct rk_err *err)
{
    struct rk_str rest, scheme, host, query = {0};
    struct ice_turn_uri u = {.transport = ICE_TURN_UDP, .port = DEFAULT_PORT};

    (void)rk_str_cut(text, ':', &scheme, &rest);
    (void)rk_str_cut(rest, '?', &rest, &query);
    if (rk_str_ieq(scheme, RK_STR("turns"))) {
        u.transport = ICE_TURN_TLS;
        u.port = DEFAULT_TLS_PORT;
    } else if (!rk_str_ieq(scheme, RK_STR("turn"))) {
        return rk_fail(err, RK_INVALID, "TURN server: expected turn: or turns:");
    }
    if (!host_port(rest, &host, &u.port) || host.n >= sizeof u.host)
        return rk_fail(err, RK_INVALID, "TURN server: bad host or port");
    if (rk_str_ieq(query, RK_STR("transport=tcp"))) {
        if (u.transport == ICE_TURN_UDP)
            u.transport = ICE_TURN_TCP;
    } else if (query.n && !rk_str_ieq(query, RK_STR("transport=udp"))) {
        return rk_fail(err, RK_INVALID, "TURN server: transport is neither udp nor tcp");
    } else if (query.n && u.transport == ICE_TURN_TLS) {
        return rk_fail(err, RK_INVALID, "TURN server: TLS over UDP is not supported");
    }
    (void)snprintf(u.host, sizeof u.host, "%.*s", RK_STR_ARG(host));
    *out = u;
    return RK_OK;
}

/* ---- UDP */

static void on_udp(struct udp_user *user, const struct udp_in *v, size_t n)
{
    struct turn_way *w = rk_container_of(user, struct turn_way, udp_user);

    for (size_t i = 0; i < n && !w->closed; i++)
        for (size_t k = 0, m = udp_in_count(&v[i]); k < m && !w->closed; k++)
            w->user->ops->data(w->user, udp_in_at(&v[i], k));
}

static const struct udp_ops UDP_OPS = {.received = on_udp};

static void on_resolved(struct tcp_resolve *r, const struct rk_addr *addrs, size_t n,
                        const struct rk_err *why)
{
    struct turn_way *w = rk_container_of(r, struct turn_way, resolve);
    struct udp_opts opts = {.fwmark = w->fwmark, .offload = true, .scratch = w->scratch};
    struct rk_err err = {0};
    const struct rk_addr *to = NULL;

    w->resolving = false;
    if (w->closed) {
        free(w);
        return;
    }
    for (size_t i = 0; i < n; i++) /* IPv4 where there is a choice */
        if (w->may_send(w->arg, &addrs[i].ip) &&
            (!to || (to->ip.family == 6 && addrs[i].ip.family == 4)))
            to = &addrs[i];
    if (!to) {
        if (n)
            (void)rk_fail(&err, RK_UNAVAILABLE, "the TURN server is inside the overlay");
        w->user->ops->gone(w->user, n ? &err : why);
        return;
    }
    opts.peer = *to;
    opts.bind.ip.family = to->ip.family;
    w->udp_user.ops = &UDP_OPS;
    if (udp_open(w->loop, &opts, &w->udp_user, &w->udp, &err))
        w->user->ops->gone(w->user, &err);
    else
        w->user->ops->open(w->user);
}

/* ---- TCP and TLS */

/* Length of the message that begins so, with its padding; 0: more bytes are needed. */
static size_t message_size(const uint8_t *p, size_t n)
{
    size_t len;

    if (n < TURN_CHANNEL_HEAD)
        return 0;
    len = (size_t)p[2] << 8 | p[3];
    return (p[0] & 0xc0) == 0x40 ? TURN_CHANNEL_HEAD + ((len + 3) & ~(size_t)3)
                                 : STUN_HEADER_SIZE + len;
}

static void conn_data(struct net_conn_user *u, struct rk_str in)
{
    struct turn_way *w = rk_container_of(u, struct turn_way, conn_user);
    struct rk_err err = {0};

    while (in.n && !w->closed) {
        size_t size = message_size(w->part, w->part_n), part;

        if (size > MESSAGE_MAX) {
            (void)rk_fail(&err, RK_BAD_REQUEST, "the TURN server sends something else");
            net_conn_fail(w->conn, &err);
            return;
        }
        part = rk_min_size(in.n, (size ? size : TURN_CHANNEL_HEAD) - w->part_n);
        memcpy(w->part + w->part_n, in.p, part);
        w->part_n += part;
        in = rk_str_sub(in, part, in.n);
        size = message_size(w->part, w->part_n);
        if (!size || w->part_n < size)
            continue;
        w->part_n = 0;
        w->user->ops->data(w->user, rk_str_of(w->part, size));
    }
}

static void conn_opened(struct net_conn_user *u)
{
    struct turn_way *w = rk_container_of(u, struct turn_way, conn_user);

    if (!w->closed)
        w->user->ops->open(w->user);
}

static void conn_closed(struct net_conn_user *u, const struct rk_err *why)
{
    struct turn_way *w = rk_container_of(u, struct turn_way, conn_user);
    struct rk_err err = *why;

    w->conn = NULL;
    if (w->closed) {
        free(w);
        return;
    }
    if (!err.code)
        (void)rk_fail(&err, RK_UNAVAILABLE, "the TURN server closed the connection");
    w->user->ops->gone(w->user, &err);
}

static const struct net_conn_ops CONN_OPS = {conn_opened, conn_data, NULL, conn_closed};

/* ---- both */

enum rk_code turn_way_open(const struct ice_turn_opts *o, struct turn_way_user *user,
                           struct turn_way **out, struct rk_err *err)
{
    struct turn_way *w;
    struct net_connect_opts c = {
        .host = o->uri->host, .port = o->uri->port, .timeout_ms = CONNECT_MS, .fwmark = o->fwmark};
    enum rk_code rc;

    if (o->uri->transport == ICE_TURN_TLS && !o->tls)
        return rk_fail(err, RK_UNAVAILABLE, "TURN server: no TLS here");
    w = rk_calloc(1, sizeof *w);
    w->user = user;
    w->loop = o->loop;
    w->transport = o->uri->transport;
    w->port = o->uri->port;
    w->fwmark = o->fwmark;
    w->scratch = o->scratch;
    w->may_send = o->may_send;
    w->arg = o->arg;
    if (w->transport == ICE_TURN_UDP) {
        w->resolve.done = on_resolved;
        rc = tcp_resolve_start(o->loop, &w->resolve, o->uri->host, o->uri->port, err);
        w->resolving = rc == RK_OK;
    } else {
        c.tls = w->transport == ICE_TURN_TLS ? o->tls : NULL;
        w->conn_user.ops = &CONN_OPS;
        rc = net_conn_connect(o->loop, &c, &w->conn_user, &w->conn, err);
    }
    if (rc)
        free(w);
    else
        *out = w;
    return rc;
}

void turn_way_close(struct turn_way *w)
{
    w->closed = true;
    if (w->resolving) {
        tcp_resolve_cancel(&w->resolve); /* freed by on_resolved */
    } else if (w->conn) {
        net_conn_finish(w->conn, LINGER_MS); /* freed by conn_closed */
    } else {
        udp_close(w->udp);
        free(w);
    }
}

bool turn_way_reliable(const struct turn_way *w)
{
    return w->transport != ICE_TURN_UDP;
}

void turn_way_send(struct turn_way *w, struct rk_str message)
{
    if (w->udp)
        (void)udp_send(w->udp, NULL, NULL, message);
    else if (w->conn)
        net_conn_send(w->conn, message);
}

void turn_way_send_channel(struct turn_way *w, const char head[TURN_CHANNEL_HEAD],
                           struct rk_str datagram)
{
    static const char padding[3];
    char bytes[TURN_CHANNEL_HEAD + STUN_MAX_SIZE];

    if (w->udp) {
        memcpy(bytes, head, TURN_CHANNEL_HEAD);
        memcpy(bytes + TURN_CHANNEL_HEAD, datagram.p, datagram.n);
        (void)udp_send(w->udp, NULL, NULL, rk_str_of(bytes, TURN_CHANNEL_HEAD + datagram.n));
    } else if (w->conn && net_conn_queued(w->conn) < QUEUE_MAX) {
        net_conn_send(w->conn, rk_str_of(head, TURN_CHANNEL_HEAD));
        net_conn_send(w->conn, datagram);
        net_conn_send(w->conn, rk_str_of(padding, (4 - datagram.n % 4) % 4));
    }
}
