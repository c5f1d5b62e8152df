/* SPDX-License-Identifier: BSD-3-Clause */
/* QUIC transport of the relay; see listen_quic.h. */
#include "config.h"

#include "relay/listen_quic.h"

#include <pthread.h>
#include <stdlib.h>

#include "lib/base/num.h"
#include "lib/crypto/hmac.h"
#include "lib/quic/port.h"
#include "relay/session.h"

enum {
    SLOTS = 64,             /* receive calls of so many messages, each of many datagrams */
    SOCKET_BYTES = 4 << 20, /* of the kernel, each way: bursts of many peers */
    IDLE_MS = 30000,        /* official servers have their library's default, this */
    FOREIGN_MAX = 256,      /* packets on their way to another loop */
    UNFIT_AFTER_MS = 5000,  /* the MTU has been found by then ... */
    UNFIT_DROPS = 16,       /* ... and what is dropped is no stray packet */
    UNFIT_MS = 600000,      /* as long as official clients avoid QUIC */
    UNFIT_MAX = 256,
    LENGTH_SIZE = 2, /* before each message of a batch */
};

struct quic_link { /* one client */
    struct quic_conn_user user;
    struct relay_transport link;
    struct quic_conn *conn; /* valid until closed */
    struct quic_lane *lane;
    struct relay_session *session;
    struct rk_bytes *batch; /* of messages with their lengths, not sent yet; NULL: none */
    size_t at, n;           /* in batch */
    struct rk_log_gate big_gate;
    unsigned dropped_big;
    bool closing;
};

struct foreign { /* a packet that the socket of another lane got */
    struct rk_list link;
    struct rk_addr from;
    struct rk_ip to;
    size_t n;
    char bytes[];
};

struct quic_lane {
    struct relay_quic *q;
    struct relay_lane *lane;
    struct quic_port port;
    struct udp_scratch *scratch;
    struct quic_endpoint_user ep_user;

    pthread_mutex_t lock; /* guards the three below */
    struct rk_list foreign;
    size_t n_foreign;
    bool rung;
    struct rk_task foreign_task;
};

struct unfit { /* an address whose path is too narrow for QUIC */
    struct rk_ip ip;
    int64_t until_ms;
};

struct relay_quic {
    pthread_mutex_t lock; /* guards the two below */
    struct unfit unfit[UNFIT_MAX];
    size_t next_unfit;
    struct relay_hub *hub;
    struct quic_lane *lanes;
    size_t n_lanes;
    uint16_t port;
};

/* ---- towards the peer */

static size_t link_frame_head(uint8_t out[RELAY_FRAME_HEAD], size_t n)
{
    out[0] = (uint8_t)(n >> 8);
    out[1] = (uint8_t)n;
    return LENGTH_SIZE;
}

static void unfit_add(struct relay_quic *q, const struct rk_ip *ip)
{
    (void)pthread_mutex_lock(&q->lock);
    q->unfit[q->next_unfit++ % UNFIT_MAX] =
        (struct unfit){.ip = *ip, .until_ms = rk_mono_ms() + UNFIT_MS};
    (void)pthread_mutex_unlock(&q->lock);
}

static bool is_unfit(struct relay_quic *q, const struct rk_ip *ip)
{
    int64_t now = rk_mono_ms();
    bool found = false;

    (void)pthread_mutex_lock(&q->lock);
    for (size_t i = 0; i < UNFIT_MAX && !found; i++)
        found = q->unfit[i].until_ms > now && rk_ip_eq(&q->unfit[i].ip, ip);
    (void)pthread_mutex_unlock(&q->lock);
    return found;
}

/* What the path does not carry is dropped. A client that sends as much learns of it from its own
 * library and takes WebSocket; one that only receives would not: it is sent away, and its address
 * has no QUIC for a while. */
static void too_big(struct quic_link *l, size_t n)
{
    struct relay_lane *lane = l->lane->lane;
    char addr[RK_ADDR_TEXT];

    lane->dropped_too_big++;
    rk_log_every(&l->big_gate, RELAY_LOG_EVERY_MS, l->lane->q->hub->log, RK_WARN,
                 "relay message does not fit into a datagram",
                 kv_str("addr", rk_addr_format(&l->session->peer, addr)),
                 kv_i64("bytes", (int64_t)n),
                 kv_i64("fit", (int64_t)quic_conn_max_datagram(l->conn)));
    if (++l->dropped_big < UNFIT_DROPS ||
        rk_loop_now_ms(lane->loop) - l->session->began_ms < UNFIT_AFTER_MS)
        return;
    unfit_add(l->lane->q, &l->session->peer.ip);
    relay_session_end(l->session, "its path is too narrow for QUIC");
}

static void push(struct quic_link *l)
{
    while (l->at < l->n && !l->closing) {
        const uint8_t *p = (const uint8_t *)l->batch->p + l->at;
        size_t n = (size_t)p[0] << 8 | p[1];

        switch (quic_conn_send(l->conn, (struct rk_str){0}, rk_str_of(p + LENGTH_SIZE, n))) {
        case QUIC_BLOCKED:
            return;
        case QUIC_TOO_BIG:
            too_big(l, n);
            break;
        case QUIC_SENT:
            break;
        }
        l->at += LENGTH_SIZE + n;
    }
    rk_bytes_unref(l->batch);
    l->batch = NULL;
}

static void link_transmit(struct relay_transport *link, struct rk_bytes *b, size_t n)
{
    struct quic_link *l = rk_container_of(link, struct quic_link, link);

    if (l->batch || l->closing) { /* only a goodbye does not ask for room */
        rk_bytes_unref(b);
        return;
    }
    l->batch = b;
    l->at = 0;
    l->n = n;
    quic_port_sending(&l->lane->port);
    push(l);
}

static size_t link_max_message(const struct relay_transport *link)
{
    return quic_conn_max_datagram(rk_container_of(link, struct quic_link, link)->conn);
}

static bool link_congested(struct relay_transport *link)
{
    return rk_container_of(link, struct quic_link, link)->batch != NULL;
}

static void link_close(struct relay_transport *link, int64_t linger_ms)
{
    struct quic_link *l = rk_container_of(link, struct quic_link, link);

    (void)linger_ms; /* what was sent has left */
    if (l->closing)
        return;
    l->closing = true;
    quic_port_sending(&l->lane->port);
    quic_conn_close(l->conn);
}

static const struct relay_transport_ops LINK_OPS = {
    .kind = RELAY_QUIC,
    .transport = "quic",
    .lossy = true,
    .frame_head = link_frame_head,
    .transmit = link_transmit,
    .max_message = link_max_message,
    .congested = link_congested,
    .close = link_close,
};

/* ---- from the peer */

static void conn_datagram(struct quic_conn_user *u, uint8_t *p, size_t n)
{
    struct quic_link *l = rk_container_of(u, struct quic_link, user);

    if (l->closing)
        return;
    if (n > relay_session_max_message(l->session))
        relay_session_end(l->session, "message too big");
    else
        relay_session_message(l->session, p, n);
}

static void conn_writable(struct quic_conn_user *u)
{
    struct quic_link *l = rk_container_of(u, struct quic_link, user);

    if (l->batch)
        push(l);
    if (!l->batch)
        relay_session_flush(l->session);
}

static void conn_moved(struct quic_conn_user *u)
{
    struct quic_link *l = rk_container_of(u, struct quic_link, user);
    char before[RK_ADDR_TEXT], now[RK_ADDR_TEXT];
    struct rk_addr was = l->session->peer;

    l->session->peer = quic_conn_peer(l->conn);
    rk_log(l->lane->q->hub->log, RK_INFO, "relay peer moved",
           kv_str("from", rk_addr_format(&was, before)),
           kv_str("addr", rk_addr_format(&l->session->peer, now)));
}

static void conn_closed(struct quic_conn_user *u, const struct rk_err *why)
{
    struct quic_link *l = rk_container_of(u, struct quic_link, user);
    struct relay_lane *lane = l->lane->lane;

    l->closing = true;
    if (why->code)
        relay_session_end(l->session,
                          why->code == RK_TIMEOUT ? "silent for too long" : "connection lost");
    rk_bytes_unref(l->batch);
    relay_session_gone(l->session);
    free(l);
    relay_lane_end(lane);
}

static const struct quic_conn_ops CONN_OPS = {
    .datagram = conn_datagram,
    .writable = conn_writable,
    .moved = conn_moved,
    .closed = conn_closed,
};

/* ---- the socket */

static bool ep_admit(struct quic_endpoint_user *u, const struct rk_addr *from)
{
    return !is_unfit(rk_container_of(u, struct quic_lane, ep_user)->q, &from->ip);
}

static bool ep_accept(struct quic_endpoint_user *u, struct quic_conn *c)
{
    struct quic_lane *ql = rk_container_of(u, struct quic_lane, ep_user);
    struct rk_addr peer = quic_conn_peer(c);
    const char *why = relay_lane_refuses(ql->lane, &peer);
    char addr[RK_ADDR_TEXT];
    struct quic_link *l;

    if (why) {
        rk_log_every(&ql->q->hub->full_gate, RELAY_LOG_EVERY_MS, ql->q->hub->log, RK_WARN,
                     "relay connection refused", kv_str("addr", rk_addr_format(&peer, addr)),
                     kv_z("reason", why));
        return false;
    }
    l = rk_calloc(1, sizeof *l);
    l->user.ops = &CONN_OPS;
    l->link.ops = &LINK_OPS;
    l->conn = c;
    l->lane = ql;
    l->session = relay_session_new(ql->lane, &l->link, &peer);
    quic_conn_set_user(c, &l->user);
    return true;
}

static void ep_send(struct quic_endpoint_user *u, const struct udp_out *v, size_t n)
{
    quic_port_send(&rk_container_of(u, struct quic_lane, ep_user)->port, v, n);
}

static void ep_foreign(struct quic_endpoint_user *u, unsigned index, const struct udp_in *in)
{
    struct relay_quic *q = rk_container_of(u, struct quic_lane, ep_user)->q;
    struct quic_lane *l = &q->lanes[index];
    struct foreign *f;
    bool ring = false;

    (void)pthread_mutex_lock(&l->lock);
    if (l->n_foreign < FOREIGN_MAX) {
        f = rk_malloc(sizeof *f + in->bytes.n);
        f->link = (struct rk_list){0};
        f->from = in->from;
        f->to = in->to;
        f->n = in->bytes.n;
        memcpy(f->bytes, in->bytes.p, in->bytes.n);
        rk_list_push_back(&l->foreign, &f->link);
        l->n_foreign++;
        ring = !l->rung;
        l->rung = true;
    }
    (void)pthread_mutex_unlock(&l->lock);
    if (ring)
        rk_loop_post(l->lane->loop, &l->foreign_task);
}

static const struct quic_endpoint_ops EP_OPS = {
    .send = ep_send,
    .admit = ep_admit,
    .accept = ep_accept,
    .foreign = ep_foreign,
};

/* What one lane's input did to the sessions of others. */
static void port_turned(struct quic_port *p)
{
    relay_lane_end(rk_container_of(p, struct quic_lane, port)->lane);
}

static void foreign_run(struct rk_task *t)
{
    struct quic_lane *l = rk_container_of(t, struct quic_lane, foreign_task);
    struct rk_list got, *node;

    rk_list_init(&got);
    (void)pthread_mutex_lock(&l->lock);
    rk_list_splice(&got, &l->foreign);
    l->n_foreign = 0;
    l->rung = false;
    (void)pthread_mutex_unlock(&l->lock);
    while ((node = rk_list_pop_front(&got))) {
        struct foreign *f = rk_container_of(node, struct foreign, link);
        struct udp_in in = {.from = f->from, .to = f->to, .bytes = rk_str_of(f->bytes, f->n)};

        quic_port_receive(&l->port, &in, 1);
        free(f);
    }
}

/* ---- opening and closing */

struct opening {
    struct quic_lane *l;
    struct rk_addr addr;
    struct tls_ctx *tls;
    size_t max_per_addr;
    struct rk_metrics *metrics;
    enum rk_code rc;
    struct rk_err *err;
};

static struct quic_metrics metrics_of(struct rk_metrics *m)
{
    return (struct quic_metrics){
        .accepted = rk_metric_counter(m, "relay_quic_connections_total", NULL,
                                      "QUIC connections that finished their handshake."),
        .retries = rk_metric_counter(m, "relay_quic_retries_total", NULL,
                                     "Newcomers that were asked to show their address first."),
        .refused = rk_metric_counter(m, "relay_quic_refused_total", NULL,
                                     "Newcomers over a limit, and handshakes that gave way."),
        .resets = rk_metric_counter(m, "relay_quic_resets_total", NULL,
                                    "Packets of connections that are gone."),
        .moved = rk_metric_counter(m, "relay_quic_migrations_total", NULL,
                                   "Connections that went on from another address."),
    };
}

static void open_on_loop(void *arg)
{
    static const char label[] = "QUIC stateless reset and retry tokens";
    struct opening *o = arg;
    struct quic_lane *l = o->l;
    struct relay_hub *hub = l->q->hub;
    struct udp_opts udp = {
        .bind = o->addr,
        .want_dst = true,
        .served = l->lane->index == 0,
        .share_port = l->lane->index != 0,
        .buffer_bytes = SOCKET_BYTES,
        .scratch = l->scratch,
    };
    struct quic_endpoint_opts ep = {
        .tls = o->tls,
        .alpn = RELAY_QUIC_ALPN,
        .index = (unsigned)l->lane->index,
        .n_endpoints = (unsigned)l->q->n_lanes,
        .idle_ms = IDLE_MS,
        .limits = {.max_conns = hub->max_peers, .max_per_addr = o->max_per_addr},
        .metrics = metrics_of(o->metrics),
    };
    uint8_t secret[HMAC_SHA256_SIZE];

    o->rc = quic_port_bind(&l->port, &udp, o->err);
    if (o->rc)
        return;
    if (l->lane->index == 0)
        udp_share_port(l->port.sock);
    ep.local = *udp_local(l->port.sock);
    hmac_sha256(rk_str_of(hub->auth_key.b, sizeof hub->auth_key.b), rk_str_z(label), secret);
    ep.secret = secret;
    o->rc = quic_server_new(&ep, &l->ep_user, &l->port.ep, o->err);
    rk_secret_wipe(secret, sizeof secret);
}

static void close_on_loop(void *arg)
{
    quic_port_close(&((struct quic_lane *)arg)->port);
}

static void lane_init(struct relay_quic *q, size_t i)
{
    struct quic_lane *l = &q->lanes[i];

    l->q = q;
    l->lane = &q->hub->lanes[i];
    l->ep_user.ops = &EP_OPS;
    quic_port_init(&l->port, l->lane->loop, port_turned);
    l->foreign_task.run = foreign_run;
    l->scratch = udp_scratch_new(SLOTS, UDP_SCRATCH_GRO);
    (void)pthread_mutex_init(&l->lock, NULL);
    rk_list_init(&l->foreign);
}

enum rk_code relay_quic_open(struct relay_hub *hub, const struct rk_addr *addr, struct tls_ctx *tls,
                             size_t max_per_addr, struct rk_metrics *metrics,
                             struct relay_quic **out, struct rk_err *err)
{
    struct relay_quic *q = rk_calloc(1, sizeof *q);
    struct opening o = {
        .addr = *addr, .tls = tls, .max_per_addr = max_per_addr, .metrics = metrics, .err = err};
    char text[RK_ADDR_TEXT];

    (void)pthread_mutex_init(&q->lock, NULL);
    q->hub = hub;
    q->n_lanes = hub->n_lanes;
    q->lanes = rk_calloc(q->n_lanes, sizeof *q->lanes);
    for (size_t i = 0; i < q->n_lanes; i++)
        lane_init(q, i);
    for (size_t i = 0; i < q->n_lanes && !o.rc; i++) {
        o.l = &q->lanes[i];
        rk_loop_call(hub->lanes[i].loop, open_on_loop, &o);
        if (i && o.rc == RK_FORBIDDEN) { /* the first socket is the service manager's: it does */
            o.rc = RK_OK;
            break;
        }
        if (!o.rc)
            o.addr.port = q->port = udp_local(o.l->port.sock)->port;
    }
    if (o.rc) {
        if (err)
            (void)rk_wrap(err, "QUIC (x.quic, --quic) on UDP %s port %u",
                          addr->ip.family ? rk_ip_format(&addr->ip, text).p : "(all addresses)",
                          addr->port);
        for (size_t i = 0; i < q->n_lanes; i++)
            rk_loop_call(hub->lanes[i].loop, close_on_loop, &q->lanes[i]);
        relay_quic_free(q);
        return o.rc;
    }
    *out = q;
    return RK_OK;
}

uint16_t relay_quic_port(const struct relay_quic *q)
{
    return q->port;
}

void relay_quic_stop_lane(struct relay_quic *q, struct relay_lane *lane)
{
    if (q->lanes[lane->index].port.ep)
        quic_endpoint_stop(q->lanes[lane->index].port.ep);
}

void relay_quic_close_lane(struct relay_quic *q, struct relay_lane *lane)
{
    close_on_loop(&q->lanes[lane->index]);
}

void relay_quic_free(struct relay_quic *q)
{
    struct rk_list *node;

    if (!q)
        return;
    for (size_t i = 0; i < q->n_lanes; i++) {
        while ((node = rk_list_pop_front(&q->lanes[i].foreign)))
            free(rk_container_of(node, struct foreign, link));
        (void)pthread_mutex_destroy(&q->lanes[i].lock);
        udp_scratch_free(q->lanes[i].scratch);
    }
    (void)pthread_mutex_destroy(&q->lock);
    free(q->lanes);
    free(q);
}
