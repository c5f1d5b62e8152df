/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A network in memory for tests of lib/quic: one server and clients behind a router that can lose,
 * shorten its path, and give a client another address; and a clock that runs when nothing else
 * does.
 */
#ifndef RK_TESTS_UNIT_QUIC_NET_H
#define RK_TESTS_UNIT_QUIC_NET_H

#include <stdlib.h>
#include <string.h>

#include "lib/base/num.h"
#include "lib/quic/quic.h"
#include "tests/unit/cert.h"
#include "tests/unit/vec.h"

enum { CLIENTS = 80, QUEUE = 4096, MS = 1000000 };

struct wire { /* a packet under way */
    struct rk_addr from, to;
    size_t n;
    uint8_t b[QUIC_UDP_MAX];
};

struct side { /* a connection's end */
    struct quic_conn_user user;
    struct quic_endpoint_user ep_user;
    struct quic_endpoint *ep; /* clients: their own */
    struct quic_conn *conn;
    struct rk_addr addr; /* clients: as the router shows it */
    bool ready, closed;
    struct rk_err why;
    size_t n_got, n_moved, n_writable;
    uint8_t last[QUIC_UDP_MAX];
    size_t last_n;
    bool echo, deaf; /* deaf: the router gives it nothing */
};

static struct network {
    int64_t now_ns;
    struct quic_endpoint *server;
    struct quic_endpoint_user server_user;
    struct rk_addr server_addr;
    struct tls_ctx *server_tls, *client_tls;
    struct test_cert cert;
    struct side clients[CLIENTS];
    struct side peers[CLIENTS]; /* the server's side of connections, in order of arrival */
    size_t n_clients, n_peers;
    bool refuse; /* the server's accept says no */
    struct wire *queue;
    size_t head, tail;
    size_t mtu;                        /* bytes of UDP payload that the router carries */
    bool (*lose)(const struct wire *); /* may be NULL */
    size_t n_sent, bytes_sent;         /* by the server */
    struct quic_metrics metrics;
    struct rk_metrics *registry;
} net;

static void side_datagram(struct quic_conn_user *u, uint8_t *p, size_t n)
{
    struct side *s = rk_container_of(u, struct side, user);

    s->n_got++;
    s->last_n = n;
    memcpy(s->last, p, n);
    if (s->echo) /* inside of ngtcp2's callback: must not be sent from here */
        (void)quic_conn_send(s->conn, (struct rk_str){0}, rk_str_of(p, n));
}

static void side_ready(struct quic_conn_user *u)
{
    rk_container_of(u, struct side, user)->ready = true;
}

static void side_writable(struct quic_conn_user *u)
{
    struct side *s = rk_container_of(u, struct side, user);

    s->n_writable++;
    if (s->echo && s->last_n)
        (void)quic_conn_send(s->conn, (struct rk_str){0}, rk_str_of(s->last, s->last_n));
}

static void side_moved(struct quic_conn_user *u)
{
    rk_container_of(u, struct side, user)->n_moved++;
}

static void side_closed(struct quic_conn_user *u, const struct rk_err *why)
{
    struct side *s = rk_container_of(u, struct side, user);

    ck_assert(!s->closed);
    s->closed = true;
    s->why = *why;
    s->conn = NULL;
}

static const struct quic_conn_ops SIDE_OPS = {.ready = side_ready,
                                              .datagram = side_datagram,
                                              .writable = side_writable,
                                              .moved = side_moved,
                                              .closed = side_closed};

static void put(const struct rk_addr *from, const struct rk_addr *to, struct rk_str packet)
{
    struct wire *w = &net.queue[net.tail % QUEUE];

    ck_assert_uint_lt(net.tail - net.head, QUEUE);
    ck_assert_uint_le(packet.n, sizeof w->b);
    if (packet.n > net.mtu)
        return;
    w->from = *from;
    w->to = *to;
    w->n = packet.n;
    memcpy(w->b, packet.p, packet.n);
    if (!net.lose || !net.lose(w))
        net.tail++;
}

/* As the kernel does with a batch whose longest datagram the interface does not carry. */
static bool batch_lost(const struct udp_out *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (v[i].bytes.n > net.mtu)
            return true;
    return false;
}

static void server_send(struct quic_endpoint_user *u, const struct udp_out *v, size_t n)
{
    (void)u;
    if (batch_lost(v, n))
        return;
    for (size_t i = 0; i < n; i++) {
        net.n_sent++;
        net.bytes_sent += v[i].bytes.n;
        put(&net.server_addr, &v[i].to, v[i].bytes);
    }
}

static void client_send(struct quic_endpoint_user *u, const struct udp_out *v, size_t n)
{
    const struct side *s = rk_container_of(u, struct side, ep_user);

    if (batch_lost(v, n))
        return;
    for (size_t i = 0; i < n; i++)
        put(&s->addr, &v[i].to, v[i].bytes);
}

static bool server_accept(struct quic_endpoint_user *u, struct quic_conn *c)
{
    struct side *s = &net.peers[net.n_peers];

    (void)u;
    if (net.refuse)
        return false;
    net.n_peers++;
    s->user.ops = &SIDE_OPS;
    s->conn = c;
    s->addr = quic_conn_peer(c);
    quic_conn_set_user(c, &s->user);
    return true;
}

static const struct quic_endpoint_ops SERVER_OPS = {.send = server_send, .accept = server_accept};
static const struct quic_endpoint_ops CLIENT_OPS = {.send = client_send};

static void server_start(struct quic_limits limits)
{
    struct quic_endpoint_opts o = {.tls = net.server_tls,
                                   .alpn = "test",
                                   .secret = (const uint8_t *)"0123456789abcdef0123456789abcdef",
                                   .local = net.server_addr,
                                   .idle_ms = 30000,
                                   .limits = limits,
                                   .metrics = net.metrics};

    ck_assert_int_eq(quic_server_new(&o, &net.server_user, &net.server, NULL), RK_OK);
}

static void network_start(void)
{
    struct tls_server_opts so;
    struct tls_client_opts co;

    memset(&net, 0, sizeof net);
    test_cert_new(&net.cert);
    so = (struct tls_server_opts){.cert_file = net.cert.cert, .key_file = net.cert.key};
    co = (struct tls_client_opts){.ca_file = net.cert.cert, .no_system_roots = true};
    ck_assert_int_eq(tls_server_new(&so, &net.server_tls, NULL), RK_OK);
    ck_assert_int_eq(tls_client_new(&co, &net.client_tls, NULL), RK_OK);
    net.now_ns = 1000 * (int64_t)MS;
    net.mtu = QUIC_UDP_MAX;
    net.queue = rk_calloc(QUEUE, sizeof *net.queue);
    net.server_user.ops = &SERVER_OPS;
    net.server_addr = (struct rk_addr){.ip = rk_ip4(192, 0, 2, 1), .port = 443};
    net.registry = rk_metrics_new();
    net.metrics.retries = rk_metric_counter(net.registry, "retries", NULL, "");
    net.metrics.resets = rk_metric_counter(net.registry, "resets", NULL, "");
}

static void network_stop(void)
{
    quic_endpoint_free(net.server);
    for (size_t i = 0; i < net.n_clients; i++)
        quic_endpoint_free(net.clients[i].ep);
    tls_ctx_free(net.server_tls);
    tls_ctx_free(net.client_tls);
    test_cert_free(&net.cert);
    rk_metrics_free(net.registry);
    free(net.queue);
}

/* A client at 198.51.100.1:PORT that begins to connect. */
static struct side *client_start_at(struct rk_ip ip, const char *name)
{
    struct side *s = &net.clients[net.n_clients++];
    struct quic_endpoint_opts o = {
        .tls = net.client_tls,
        .alpn = "test",
        .local = {.ip = rk_ip4(10, 0, 0, 2), .port = 5000},
        .idle_ms = 60000,
        .unanswered_ms = 8000,
        .keepalive_ms = 15000,
    };

    s->addr = (struct rk_addr){.ip = ip, .port = (uint16_t)(10000 + net.n_clients)};
    s->user.ops = &SIDE_OPS;
    s->ep_user.ops = &CLIENT_OPS;
    ck_assert_int_eq(quic_client_new(&o, &net.server_addr, name, net.now_ns, &s->ep_user, &s->user,
                                     &s->ep, &s->conn, NULL),
                     RK_OK);
    quic_endpoint_flush(s->ep, net.now_ns);
    return s;
}

static RK_UNUSED struct side *client_start(void)
{
    return client_start_at(rk_ip4(198, 51, 100, 1), "localhost");
}

static void deliver(const struct wire *w)
{
    struct udp_in in = {.from = w->from, .bytes = rk_str_of(w->b, w->n)};

    if (rk_addr_eq(&w->to, &net.server_addr)) {
        quic_endpoint_receive(net.server, &in, 1, net.now_ns);
        quic_endpoint_flush(net.server, net.now_ns);
        return;
    }
    for (size_t i = 0; i < net.n_clients; i++) {
        struct side *s = &net.clients[i];

        if (!rk_addr_eq(&w->to, &s->addr) || s->deaf)
            continue;
        quic_endpoint_receive(s->ep, &in, 1, net.now_ns);
        quic_endpoint_flush(s->ep, net.now_ns);
    }
}

/* Everything that is under way arrives; a packet takes a tenth of a millisecond. */
static void settle(void)
{
    while (net.head != net.tail) {
        net.now_ns += MS / 10;
        deliver(&net.queue[net.head++ % QUEUE]);
    }
}

/* So much time passes. */
static void pass(int64_t ms)
{
    int64_t until = net.now_ns + ms * MS;

    for (;;) {
        int64_t next = until;

        settle();
        next = rk_min_i64(next, net.server ? quic_endpoint_next(net.server) : next);
        for (size_t i = 0; i < net.n_clients; i++)
            next = rk_min_i64(next, quic_endpoint_next(net.clients[i].ep));
        if (next >= until)
            break;
        net.now_ns = rk_max_i64(net.now_ns, next);
        if (net.server)
            quic_endpoint_flush(net.server, net.now_ns);
        for (size_t i = 0; i < net.n_clients; i++)
            quic_endpoint_flush(net.clients[i].ep, net.now_ns);
    }
    net.now_ns = rk_max_i64(net.now_ns, until);
}

/* Send so many bytes, all of them `fill`. */
static RK_UNUSED enum quic_sent say(struct side *s, struct quic_endpoint *ep, char fill, size_t n)
{
    char m[2 * QUIC_UDP_MAX];
    enum quic_sent r;

    memset(m, fill, sizeof m);
    quic_endpoint_time(ep, net.now_ns);
    r = quic_conn_send(s->conn, (struct rk_str){0}, rk_str_of(m, n));
    quic_endpoint_flush(ep, net.now_ns);
    return r;
}

static RK_UNUSED int64_t metric(const char *name)
{
    struct rk_buf b;
    int64_t v = -1;
    const char *at;

    rk_buf_init(&b, 1 << 20);
    rk_metrics_write(net.registry, &b);
    rk_buf_addc(&b, '\0');
    for (at = b.p; (at = strstr(at, name)); at++)
        if ((at == b.p || at[-1] == '\n') && at[strlen(name)] == ' ')
            v = strtoll(at + strlen(name), NULL, 10);
    rk_buf_done(&b);
    return v;
}

#endif
