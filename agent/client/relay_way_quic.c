/* SPDX-License-Identifier: BSD-3-Clause */
/* QUIC below a relay connection: one message is one datagram; see relay_way.h. */
#include "config.h"

#include <stdlib.h>

#include "agent/client/relay_way.h"
#include "lib/base/list.h"
#include "lib/base/num.h"
#include "lib/net/tcp.h"
#include "lib/quic/port.h"

#define ALPN         "nb-quic"
#define HANDSHAKE_MS 5000   /* for one address; official clients wait as long */
#define IDLE_MS      240000 /* the server's 30 s count when they are shorter */
#define KEEPALIVE_MS 15000
#define MTU_GRACE_MS 3000 /* what does not fit while the MTU is looked for is dropped */
#define SLOTS        16
#define SOCKET_BYTES ((size_t)2 << 20)

struct item { /* a message that waits for room in the congestion window */
    struct rk_list link;
    size_t n;
    char bytes[];
};

struct quic_way {
    struct relay_way way;
    struct rk_loop *loop;
    struct tls_ctx *tls;
    uint32_t fwmark;
    char *url, *name; /* owned */
    struct tcp_resolve resolve;
    bool resolving;
    struct rk_addr addrs[TCP_RESOLVE_MAX];
    size_t n_addrs, next_addr;
    struct udp_scratch *scratch;
    struct quic_port port;
    struct quic_endpoint_user ep_user;
    struct quic_conn_user conn_user;
    struct quic_conn *conn; /* NULL: not begun, or over */
    struct rk_task end_task;
    struct rk_list waiting;
    size_t waiting_bytes;
    int64_t ready_ms; /* 0: not yet */
    size_t need_bytes;
    struct rk_timer *mtu_timer; /* when the MTU has been found */
    bool closing;               /* by us: no callbacks any more */
    bool told_big;
    struct rk_err why;
};

static struct quic_way *quic_of(struct relay_way *w)
{
    return rk_container_of(w, struct quic_way, way);
}

/* ---- sending */

static bool keep(struct quic_way *w, struct rk_str head, struct rk_str body)
{
    struct item *i;

    if (w->waiting_bytes > RELAY_WAY_QUEUE_MAX)
        return false;
    i = rk_malloc(sizeof *i + head.n + body.n);
    i->n = head.n + body.n;
    if (head.n)
        memcpy(i->bytes, head.p, head.n);
    if (body.n)
        memcpy(i->bytes + head.n, body.p, body.n);
    rk_list_push_back(&w->waiting, &i->link);
    w->waiting_bytes += i->n;
    return true;
}

static void drop_waiting(struct quic_way *w)
{
    struct rk_list *node;

    while ((node = rk_list_pop_front(&w->waiting)))
        free(rk_container_of(node, struct item, link));
    w->waiting_bytes = 0;
}

static void tell_too_big(struct quic_way *w)
{
    if (w->told_big || w->closing || w->why.code)
        return;
    w->told_big = true;
    w->way.user->ops->too_big(w->way.user);
}

static void too_big(struct quic_way *w)
{
    if (rk_mono_ms() - w->ready_ms >= MTU_GRACE_MS)
        tell_too_big(w);
}

/* Who only receives would never learn that what is sent to it does not fit: the path is thought to
 * be the same both ways. */
static void on_mtu_known(void *arg)
{
    struct quic_way *w = arg;

    if (w->conn && quic_conn_max_datagram(w->conn) < w->need_bytes)
        tell_too_big(w);
}

/* The time of sending must have been told. */
static bool send_one(struct quic_way *w, struct rk_str head, struct rk_str body)
{
    if (!rk_list_empty(&w->waiting))
        return keep(w, head, body);
    switch (quic_conn_send(w->conn, head, body)) {
    case QUIC_SENT:
        return true;
    case QUIC_BLOCKED:
        return keep(w, head, body);
    case QUIC_TOO_BIG:
        too_big(w);
        return false;
    }
    return false;
}

static bool can_send(const struct quic_way *w)
{
    return w->conn && w->ready_ms && !w->closing && !w->why.code;
}

static bool way_send(struct relay_way *way, struct rk_str message)
{
    struct quic_way *w = quic_of(way);

    if (!can_send(w))
        return false;
    quic_port_sending(&w->port);
    return send_one(w, (struct rk_str){0}, message);
}

static void way_send_batch(struct relay_way *way, struct rk_str head, const struct udp_in *v,
                           size_t n)
{
    struct quic_way *w = quic_of(way);

    if (!can_send(w))
        return;
    quic_port_sending(&w->port);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < udp_in_count(&v[i]) && can_send(w); k++)
            (void)send_one(w, head, udp_in_at(&v[i], k));
}

/* ---- the connection */

static void conn_ready(struct quic_conn_user *u)
{
    struct quic_way *w = rk_container_of(u, struct quic_way, conn_user);

    w->ready_ms = rk_mono_ms();
    rk_timer_start(w->loop, &w->mtu_timer, MTU_GRACE_MS, on_mtu_known, w);
    if (!w->closing)
        w->way.user->ops->opened(w->way.user);
}

static void conn_datagram(struct quic_conn_user *u, uint8_t *p, size_t n)
{
    struct quic_way *w = rk_container_of(u, struct quic_way, conn_user);

    if (!w->closing && !w->why.code)
        w->way.user->ops->message(w->way.user, rk_str_of(p, n));
}

static void conn_writable(struct quic_conn_user *u)
{
    struct quic_way *w = rk_container_of(u, struct quic_way, conn_user);

    while (!rk_list_empty(&w->waiting)) {
        struct item *i = rk_container_of(w->waiting.next, struct item, link);
        enum quic_sent r = quic_conn_send(w->conn, (struct rk_str){0}, rk_str_of(i->bytes, i->n));

        if (r == QUIC_BLOCKED)
            return;
        rk_list_remove(&i->link);
        w->waiting_bytes -= i->n;
        free(i);
        if (r == QUIC_TOO_BIG)
            too_big(w);
    }
}

static void conn_closed(struct quic_conn_user *u, const struct rk_err *why)
{
    struct quic_way *w = rk_container_of(u, struct quic_way, conn_user);

    w->conn = NULL;
    if (!w->why.code) {
        w->why = *why;
        if (!why->code)
            (void)rk_fail(&w->why, RK_UNAVAILABLE, "closed by the relay");
        (void)rk_wrap(&w->why, "relay %s", w->url);
    }
    rk_loop_defer(w->loop, &w->end_task); /* the endpoint cannot go while it calls */
}

static const struct quic_conn_ops CONN_OPS = {
    .ready = conn_ready,
    .datagram = conn_datagram,
    .writable = conn_writable,
    .closed = conn_closed,
};

static void ep_send(struct quic_endpoint_user *u, const struct udp_out *v, size_t n)
{
    quic_port_send(&rk_container_of(u, struct quic_way, ep_user)->port, v, n);
}

static const struct quic_endpoint_ops EP_OPS = {.send = ep_send};

/* ---- dialling */

static enum rk_code bind_to(struct quic_way *w, const struct rk_addr *to, struct rk_err *err)
{
    struct udp_opts o = {
        .peer = *to, .fwmark = w->fwmark, .buffer_bytes = SOCKET_BYTES, .scratch = w->scratch};

    o.bind.ip.family = to->ip.family;
    return quic_port_bind(&w->port, &o, err);
}

static bool try_address(struct quic_way *w, const struct rk_addr *to)
{
    struct quic_endpoint_opts o = {
        .tls = w->tls,
        .alpn = ALPN,
        .idle_ms = IDLE_MS,
        .keepalive_ms = KEEPALIVE_MS,
        .unanswered_ms = RELAY_WAY_DEAD_MS,
        .limits = {.handshake_ms = HANDSHAKE_MS},
    };

    if (bind_to(w, to, &w->why))
        return false;
    o.local = *udp_local(w->port.sock);
    if (quic_client_new(&o, to, w->name, quic_port_now_ns(), &w->ep_user, &w->conn_user,
                        &w->port.ep, &w->conn, &w->why))
        return false;
    quic_port_sending(&w->port);
    return true;
}

static void way_free(struct quic_way *w)
{
    rk_timer_cancel(&w->mtu_timer);
    drop_waiting(w);
    udp_scratch_free(w->scratch);
    free(w->url);
    free(w->name);
    free(w);
}

static void give_up(struct quic_way *w)
{
    struct relay_way_user *user = w->way.user;
    struct rk_err why = w->why;

    if (!w->closing)
        user->ops->closed(user, &why);
    way_free(w);
}

static void try_next(struct quic_way *w)
{
    while (w->next_addr < w->n_addrs) {
        const struct rk_addr *to = &w->addrs[w->next_addr++];

        w->why = (struct rk_err){0};
        if (try_address(w, to))
            return;
        quic_port_close(&w->port);
    }
    give_up(w);
}

/* The connection is over, or was never begun; outside of its callbacks. */
static void end_run(struct rk_task *t)
{
    struct quic_way *w = rk_container_of(t, struct quic_way, end_task);

    if (w->resolving) {
        tcp_resolve_cancel(&w->resolve); /* frees when it has come */
        return;
    }
    quic_port_close(&w->port);
    rk_list_remove(&w->end_task.link); /* closed() of what was left has put it there again */
    if (w->closing || w->ready_ms)
        give_up(w);
    else
        try_next(w);
}

static void resolved(struct tcp_resolve *r, const struct rk_addr *addrs, size_t n,
                     const struct rk_err *why)
{
    struct quic_way *w = rk_container_of(r, struct quic_way, resolve);

    w->resolving = false;
    rk_list_remove(&w->end_task.link);
    if (!w->closing)
        w->why = *why;
    if (w->closing || !n) {
        give_up(w);
        return;
    }
    memcpy(w->addrs, addrs, n * sizeof *addrs);
    w->n_addrs = n;
    try_next(w);
}

/* ---- the rest of the interface */

static void way_close(struct relay_way *way)
{
    struct quic_way *w = quic_of(way);

    w->closing = true;
    if (w->conn) {
        quic_port_sending(&w->port);
        quic_conn_close(w->conn);
    }
    rk_loop_defer(w->loop, &w->end_task);
}

static void way_fail(struct relay_way *way, const struct rk_err *why)
{
    struct quic_way *w = quic_of(way);

    w->why = *why;
    if (w->conn) {
        quic_port_sending(&w->port);
        quic_conn_close(w->conn);
    }
}

static struct rk_ip way_peer(const struct relay_way *way)
{
    const struct quic_way *w = rk_container_of(way, struct quic_way, way);

    return w->next_addr ? w->addrs[w->next_addr - 1].ip : (struct rk_ip){0};
}

static struct rk_ip way_local(const struct relay_way *way)
{
    const struct quic_way *w = rk_container_of(way, struct quic_way, way);

    return w->port.sock ? udp_local(w->port.sock)->ip : (struct rk_ip){0};
}

static bool way_move(struct relay_way *way)
{
    struct quic_way *w = quic_of(way);

    if (!can_send(w) || bind_to(w, &w->addrs[w->next_addr - 1], NULL))
        return false;
    quic_port_sending(&w->port);
    return quic_conn_move(w->conn, udp_local(w->port.sock), quic_port_now_ns(), NULL) == RK_OK;
}

static const struct relay_way_ops WAY_OPS = {
    .name = "quic",
    .lossy = true,
    .send = way_send,
    .send_batch = way_send_batch,
    .close = way_close,
    .fail = way_fail,
    .peer = way_peer,
    .local = way_local,
    .move = way_move,
};

enum rk_code relay_way_quic_open(const struct relay_way_opts *o, struct relay_way_user *user,
                                 struct relay_way **out, struct rk_err *err)
{
    struct quic_way *w = rk_calloc(1, sizeof *w);
    enum rk_code rc = RK_OK;

    w->way = (struct relay_way){.ops = &WAY_OPS, .user = user};
    w->loop = o->loop;
    w->tls = o->tls;
    w->fwmark = o->fwmark;
    w->need_bytes = o->need_bytes;
    w->url = rk_str_dupz(rk_str_z(o->url));
    w->name = rk_str_dupz(o->parsed.host);
    w->ep_user.ops = &EP_OPS;
    w->conn_user.ops = &CONN_OPS;
    w->end_task.run = end_run;
    w->scratch = udp_scratch_new(SLOTS, UDP_SCRATCH_GRO);
    rk_list_init(&w->waiting);
    quic_port_init(&w->port, o->loop, NULL);
    w->addrs[0] = (struct rk_addr){.ip = o->ip, .port = o->parsed.port};
    if (o->ip.family || rk_ip_parse(o->parsed.host, &w->addrs[0].ip, NULL) == RK_OK) {
        w->n_addrs = 1;
        rk_loop_defer(w->loop, &w->end_task); /* begins: callbacks are not for now */
    } else {
        rc = tcp_resolve_start(o->loop, &w->resolve, w->name, o->parsed.port, err);
        w->resolve.done = resolved;
        w->resolving = rc == RK_OK;
    }
    if (rc) {
        way_free(w);
        return rc;
    }
    *out = &w->way;
    return RK_OK;
}
