/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The first moments of a connection: limits, PROXY header, what it speaks, and the hand-over.
 * Clear text is looked at with MSG_PEEK, so that the untouched socket can go to lib/http/h1.
 *
 *   EC_PEEK ─ TLS ─▶ EC_TLS ─▶ EC_HEAD ─ preface ─▶ EC_H2        (edge_h2.c)
 *      │                          ├────── GET /ws ─▶ EC_WS        (edge_ws_ops, edge_h2.c)
 *      ├─ preface, GET /ws ───────┘└───── other ───▶ EC_PUMP      (edge_pump.c)
 *      └─ other HTTP/1.x ─▶ lib/http/h1, forgotten here
 */
#include "config.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/http/edge_priv.h"
#include "lib/http/h1.h"
#include "lib/net/ws.h"

enum {
    PEEK_BYTES = 1024,     /* above HTTP_PROXY_MAX and EDGE_SNIFF_MAX */
    HEAD_MAX = 128 * 1024, /* a head and what one read may bring behind it */
};

/* Clients that go away while they connect are no news. */
static void log_drop(struct edge_conn *c, const char *why)
{
    struct edge *e = c->el->edge;
    enum rk_log_level level =
        rk_str_starts(rk_str_z(why), RK_STR("receive: ")) ? RK_DEBUG : RK_INFO;
    char peer[RK_ADDR_TEXT];

    (void)rk_addr_format(&c->peer, peer);
    rk_log_every(edge_log_gate(e, why), EDGE_LOG_EVERY_MS, e->log, level, "edge connection dropped",
                 kv_z("peer", peer), kv_i64("port", c->conf->addr.port), kv_z("why", why));
}

void edge_conn_gone(struct edge_conn *c)
{
    struct edge_loop *el = c->el;

    rk_timer_cancel(&c->timer);
    rk_list_remove(&c->link);
    rk_buf_done(&c->head);
    edge_count_del(c);
    (void)atomic_fetch_sub(&el->edge->n_conns, 1);
    rk_metric_add(el->edge->stats.open, -1);
    free(c);
    edge_loop_less(el);
}

void edge_conn_drop(struct edge_conn *c, const char *why)
{
    if (c->state == EC_CLOSE)
        return;
    if (why) {
        log_drop(c, why);
        rk_metric_add(c->el->edge->stats.dropped, 1);
    }
    if (c->state == EC_PEEK) {
        c->state = EC_CLOSE;
        tcp_watch_close(&c->watch);
    } else {
        c->state = EC_CLOSE;
        net_conn_close(c->conn);
    }
}

void edge_conn_timeout(void *arg)
{
    struct edge_conn *c = arg;

    edge_conn_drop(c, c->state == EC_TLS  ? "TLS handshake took too long"
                      : c->state == EC_H2 ? "no HTTP/2 SETTINGS in time"
                                          : "no complete request head in time");
}

/* ---- answers of our own in HTTP/1.1 */

static void answer(struct edge_conn *c, const char *status, const char *text)
{
    char buf[512];

    (void)snprintf(buf, sizeof buf,
                   "HTTP/1.1 %s\r\nContent-Type: application/json; charset=UTF-8\r\n"
                   "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                   status, strlen(text), text);
    c->state = EC_CLOSE;
    rk_timer_cancel(&c->timer);
    net_conn_send(c->conn, rk_str_z(buf));
    net_conn_finish(c->conn, EDGE_FINISH_MS);
}

static void answer_no_http(struct edge_conn *c)
{
    answer(c, "404 Not Found", "{\"message\":\"not found\",\"code\":404}");
}

static void answer_use_tls(struct edge_conn *c)
{
    log_drop(c, "clear text on a TLS port");
    answer(c, "400 Bad Request", "{\"message\":\"this port speaks HTTPS\",\"code\":400}");
}

/* ---- WebSocket */

static struct rk_addr ws_client(struct edge_conn *c, const struct ws_request *ws)
{
    struct edge *e = c->el->edge;
    struct rk_addr a = http_real_addr(&(struct http_proxies){e->trusted, e->n_trusted}, &c->peer,
                                      ws->forwarded_for, ws->real_ip);
    int64_t port;

    if (!a.port && rk_parse_i64(ws->real_port, 1, 65535, &port, NULL) == RK_OK)
        a.port = (uint16_t)port;
    return a;
}

static void ws_upgrade(struct edge_conn *c, const struct edge_ws *w, size_t head_n)
{
    struct rk_buf head = c->head, out; /* the callee may close the conn: keep the bytes here */
    struct edge_ws_req req = {.conn = c->conn, .peer = c->peer, .log = c->el->edge->log};
    struct ws_request ws;
    struct rk_err err;

    rk_buf_init(&c->head, HEAD_MAX);
    req.head = rk_str_sub(rk_buf_str(&head), 0, head_n);
    req.rest = rk_str_sub(rk_buf_str(&head), head_n, head.n);
    rk_timer_cancel(&c->timer);
    if (ws_server_parse(req.head, &ws, &err)) {
        edge_conn_drop(c, err.msg);
        rk_buf_done(&head);
        return;
    }
    if (!c->answered) {
        rk_buf_init(&out, 4096);
        ws_server_response(&ws, &out);
        net_conn_send(c->conn, rk_buf_str(&out));
        rk_buf_done(&out);
    }
    if (ws.status != 101) {
        c->state = EC_CLOSE;
        net_conn_finish(c->conn, EDGE_FINISH_MS);
    } else {
        c->state = EC_WS;
        rk_metric_add(c->el->edge->stats.ws, 1);
        req.client = ws_client(c, &ws);
        if (w->ops)
            w->ops->accept(w->app, &req);
        else
            edge_ws_proxy_start(c, &req.client, req.rest);
    }
    rk_buf_done(&head);
}

/* ---- bytes read by us */

/* What has been read goes on to whoever knows what it is, and is not kept here. */
static void hand_over(struct edge_conn *c, void (*start)(struct edge_conn *c, struct rk_str in))
{
    struct rk_buf head = c->head;

    rk_buf_init(&c->head, HEAD_MAX);
    start(c, rk_buf_str(&head));
    rk_buf_done(&head);
}

static void conn_head(struct edge_conn *c)
{
    struct edge *e = c->el->edge;
    struct rk_str in = rk_buf_str(&c->head);
    size_t i = 0, n;

    switch (edge_sniff(in, e->ws_paths, e->n_ws, &i)) {
    case EDGE_MORE:
        return;
    case EDGE_H2:
        hand_over(c, edge_h2_start);
        return;
    case EDGE_WS:
        n = ws_head_size(in);
        if (n)
            ws_upgrade(c, &e->ws[i], n);
        else if (in.n > WS_HEAD_MAX)
            edge_conn_drop(c, "request head too long");
        return;
    case EDGE_HTTP1:
        rk_timer_cancel(&c->timer);
        if (e->take)
            hand_over(c, edge_pump_start);
        else
            answer_no_http(c);
        return;
    case EDGE_TLS:
    case EDGE_GARBAGE:
        break;
    }
    edge_conn_drop(c, "neither HTTP/1.1 nor HTTP/2");
}

static void conn_data(struct net_conn_user *u, struct rk_str in)
{
    struct edge_conn *c = rk_container_of(u, struct edge_conn, user);

    if (c->state != EC_HEAD)
        return; /* closing, or a WebSocket service that forgot to take the conn */
    rk_buf_add(&c->head, in);
    if (c->head.full)
        edge_conn_drop(c, "request head too long");
    else
        conn_head(c);
}

static void conn_opened(struct net_conn_user *u)
{
    struct edge_conn *c = rk_container_of(u, struct edge_conn, user);

    c->state = EC_HEAD;
    if (rk_str_eqz(net_conn_alpn(c->conn), "h2"))
        edge_h2_start(c, (struct rk_str){0});
}

static void conn_closed(struct net_conn_user *u, const struct rk_err *why)
{
    struct edge_conn *c = rk_container_of(u, struct edge_conn, user);

    if (c->state == EC_TLS && why->code) {
        rk_metric_add(c->el->edge->stats.tls_failed, 1);
        log_drop(c, why->msg);
    }
}

static const struct net_conn_ops conn_ops = {
    .opened = conn_opened,
    .data = conn_data,
    .closed = conn_closed,
};

static void conn_hook_gone(struct net_conn_hook *h)
{
    edge_conn_gone(rk_container_of(h, struct edge_conn, hook));
}

/* ---- bytes only looked at */

/* false: c is gone. */
static bool adopt(struct edge_conn *c, int fd, struct tls_ctx *tls)
{
    struct rk_err err;

    c->user.ops = &conn_ops;
    if (net_conn_adopt(c->el->loop, fd, &c->peer, tls, &c->user, &c->conn, &err)) {
        log_drop(c, err.msg);
        edge_conn_gone(c);
        return false;
    }
    c->hook.gone = conn_hook_gone;
    net_conn_set_hook(c->conn, &c->hook);
    c->state = tls ? EC_TLS : EC_HEAD;
    return true;
}

static void hand_to_http(struct edge_conn *c, int fd)
{
    struct edge *e = c->el->edge;
    struct rk_err err;

    if (!e->take) {
        if (adopt(c, fd, NULL))
            answer_no_http(c);
        return;
    }
    rk_metric_add(e->stats.http1, 1);
    if (e->take(e->h1, fd, &c->peer, false, &err))
        log_drop(c, err.msg);
    edge_conn_gone(c);
}

/* The watch has let go of the socket: on to the next owner. */
static void peek_closed(struct tcp_watch *w)
{
    struct edge_conn *c = rk_container_of(w, struct edge_conn, watch);

    if (c->state == EC_CLOSE) { /* dropped meanwhile */
        if (w->keep_fd)
            (void)close(w->fd);
        edge_conn_gone(c);
    } else if (c->next == EDGE_HTTP1 && !c->conf->tls) {
        hand_to_http(c, w->fd);
    } else if (c->next == EDGE_TLS) {
        (void)adopt(c, w->fd, c->el->edge->tls);
    } else if (c->conf->tls) {
        if (adopt(c, w->fd, NULL))
            answer_use_tls(c);
    } else {
        (void)adopt(c, w->fd, NULL);
    }
}

/* More bytes are needed than the n that are there. Readable again with no more of them is the end
 * of the stream, which stays readable: without this look the loop would spin on it. */
static void peek_more(struct edge_conn *c, size_t n)
{
    if (n == c->peeked) {
        edge_conn_drop(c, NULL);
        return;
    }
    c->peeked = n;
    tcp_set_low_water(c->watch.fd, n + 1); /* or the loop would spin on these bytes */
}

/* A PROXY header in front is taken off. false: wait for more, or dropped. */
static bool proxy_header(struct edge_conn *c, const char *buf, size_t n, bool *again)
{
    struct rk_addr src = c->peer;
    char sink[HTTP_PROXY_MAX];
    size_t used;

    *again = false;
    if (!c->conf->proxy_protocol || c->proxied || !edge_trusts(c->el->edge, &c->peer))
        return true;
    switch (http_proxy_parse(rk_str_of(buf, n), &used, &src)) {
    case HTTP_PROXY_NONE:
        return true;
    case HTTP_PROXY_MORE:
        peek_more(c, n);
        return false;
    case HTTP_PROXY_BAD:
        edge_conn_drop(c, "broken PROXY header");
        return false;
    case HTTP_PROXY_OK:
        break;
    }
    if (recv(c->watch.fd, sink, used, MSG_DONTWAIT) != (ssize_t)used) {
        edge_conn_drop(c, "broken PROXY header");
        return false;
    }
    tcp_set_low_water(c->watch.fd, 1);
    c->peeked = 0;
    c->proxied = true;
    c->peer = src;
    *again = true;
    return true;
}

static void peek_decide(struct edge_conn *c, const char *buf, size_t n)
{
    struct edge *e = c->el->edge;
    size_t i;
    enum edge_kind kind = edge_sniff(rk_str_of(buf, n), e->ws_paths, e->n_ws, &i);

    if (kind == EDGE_MORE && n < PEEK_BYTES) {
        peek_more(c, n);
        return;
    }
    if (kind == EDGE_MORE || kind == EDGE_GARBAGE) {
        edge_conn_drop(c, c->conf->tls ? "not TLS" : "neither HTTP/1.1 nor HTTP/2");
        return;
    }
    if (kind == EDGE_TLS && !c->conf->tls) {
        edge_conn_drop(c, "TLS on a clear text port");
        return;
    }
    tcp_set_low_water(c->watch.fd, 1);
    c->next = kind;
    (void)tcp_watch_detach(&c->watch);
}

static void peek_ready(struct tcp_watch *w, bool readable, bool writable)
{
    struct edge_conn *c = rk_container_of(w, struct edge_conn, watch);
    char buf[PEEK_BYTES];
    bool again = true;

    (void)readable;
    (void)writable;
    while (again && c->state == EC_PEEK) {
        ssize_t n = tcp_peek(w->fd, buf, sizeof buf);

        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            tcp_watch_set(w, true, false);
            return;
        }
        if (n <= 0) { /* port scan, health check, or a peer that gave up */
            edge_conn_drop(c, NULL);
            return;
        }
        if (!proxy_header(c, buf, (size_t)n, &again))
            return;
        if (!again)
            peek_decide(c, buf, (size_t)n);
    }
}

/* A connection that counts, in no state yet; NULL: over a limit, fd is closed. */
static struct edge_conn *conn_new(struct edge_loop *el, int fd, const struct rk_addr *peer,
                                  const struct edge_listen *conf)
{
    struct edge_conn *c = rk_calloc(1, sizeof *c);
    const char *why;

    c->el = el;
    c->conf = conf;
    c->peer = *peer;
    c->began_ms = rk_loop_now_ms(el->loop);
    if (!edge_count_add(c, &why)) {
        rk_metric_add(el->edge->stats.over_limit, 1);
        log_drop(c, why);
        (void)close(fd);
        free(c);
        return NULL;
    }
    rk_buf_init(&c->head, HEAD_MAX);
    rk_list_push_back(&el->conns, &c->link);
    el->n_open++;
    (void)atomic_fetch_add(&el->edge->n_conns, 1);
    rk_metric_add(el->edge->stats.open, 1);
    return c;
}

void edge_conn_accept(struct edge_loop *el, int fd, const struct rk_addr *peer,
                      const struct edge_listen *conf)
{
    struct edge_conn *c = conn_new(el, fd, peer, conf);
    struct rk_err err;

    rk_metric_add(el->edge->stats.accepted, 1);
    if (!c)
        return;
    tcp_tune(fd);
    if (tcp_watch_init(el->loop, &c->watch, fd, &err)) {
        log_drop(c, err.msg);
        edge_conn_gone(c);
        return;
    }
    c->watch.ready = peek_ready;
    c->watch.closed = peek_closed;
    rk_timer_start(el->loop, &c->timer, el->edge->limits.header_timeout_ms, edge_conn_timeout, c);
    tcp_watch_set(&c->watch, true, false);
}

void edge_conn_upgraded(struct edge_loop *el, int fd, const struct rk_addr *peer,
                        struct rk_str bytes, size_t head_n)
{
    struct edge *e = el->edge;
    struct edge_conn *c = conn_new(el, fd, peer, &e->listen[0]);
    size_t i;

    if (!c || !adopt(c, fd, NULL))
        return;
    c->answered = true;
    rk_buf_add(&c->head, bytes);
    if (edge_sniff(bytes, e->ws_paths, e->n_ws, &i) == EDGE_WS)
        ws_upgrade(c, &e->ws[i], head_n);
    else
        edge_conn_drop(c, "not a WebSocket path");
}
