/* SPDX-License-Identifier: BSD-3-Clause */
/* Loopback proxy between WireGuard and the paths of a peer; see proxy.h. */
#include "config.h"

#include "agent/peer/proxy.h"

#include "lib/base/num.h"

#define BUFFER_BYTES  ((size_t)1 << 20)
#define HELD_MS       5000 /* WireGuard sends a new initiation after that */
#define JUST_MS       1000
#define MIN_WG_BYTES  32 /* the shortest message: an empty transport packet */
#define WG_INITIATION 1
#define WG_DATA       4
#define BATCH         64

/* Message type, 1..4; 0: not a WireGuard message (the two-byte punch of old agents, noise). */
static unsigned wg_type(struct rk_str d)
{
    const uint8_t *p = (const uint8_t *)d.p;

    if (d.n < MIN_WG_BYTES || p[0] > WG_DATA || p[1] || p[2] || p[3])
        return 0;
    return p[0];
}

static bool is_payload(struct rk_str d)
{
    return d.n > MIN_WG_BYTES && wg_type(d) == WG_DATA;
}

/* ---- from WireGuard */

static void hold(struct peer_proxy *p, struct rk_str d)
{
    if (wg_type(d) != WG_INITIATION || d.n != PEER_PROXY_INITIATION_SIZE)
        return;
    memcpy(p->held, d.p, d.n);
    p->held_ms = rk_mono_ms();
    p->held_rx = p->rx_bytes;
}

static void send_turned(struct peer_proxy *p, const struct udp_in *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0, m = udp_in_count(&v[i]); k < m; k++)
            ice_mux_send_relayed(p->mux, &p->direct, udp_in_at(&v[i], k));
}

static void send_direct(struct peer_proxy *p, const struct udp_in *v, size_t n)
{
    struct udp_out out[BATCH];

    if (p->turned) {
        send_turned(p, v, n);
        return;
    }
    while (n) {
        size_t k = rk_min_size(n, BATCH);

        for (size_t i = 0; i < k; i++)
            out[i] = (struct udp_out){.to = p->direct, .bytes = v[i].bytes, .seg = v[i].seg};
        ice_mux_sendv(p->mux, out, k);
        v += k;
        n -= k;
    }
}

static void from_wireguard(struct peer_proxy *p, const struct udp_in *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p->tx_bytes += v[i].bytes.n;
    if (p->direct_on) {
        send_direct(p, v, n);
        return;
    }
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0, m = udp_in_count(&v[i]); k < m; k++)
            hold(p, udp_in_at(&v[i], k));
    if (p->relay)
        relay_client_stream_send(p->relay, v, n);
    else
        p->user->stuck(p->user);
}

static void on_socket(struct udp_user *u, const struct udp_in *v, size_t n)
{
    from_wireguard(rk_container_of(u, struct peer_proxy, sock_user), v, n);
}

static void on_way(struct wg_way *w, const struct udp_in *v, size_t n)
{
    from_wireguard(rk_container_of(w, struct peer_proxy, way), v, n);
}

static const struct udp_ops SOCK_OPS = {.received = on_socket};
static const struct wg_way_ops WAY_OPS = {.data = on_way};

static void release_held(struct peer_proxy *p)
{
    struct udp_in in = {.bytes = rk_str_of(p->held, sizeof p->held)};

    if (!p->held_ms || p->rx_bytes != p->held_rx || rk_mono_ms() - p->held_ms > HELD_MS) {
        peer_proxy_drop_held(p);
        return;
    }
    if (p->direct_on)
        send_direct(p, &in, 1);
    else
        relay_client_stream_send(p->relay, &in, 1);
    p->released_ms = rk_mono_ms();
}

bool peer_proxy_just_released(const struct peer_proxy *p)
{
    return p->released_ms && rk_mono_ms() - p->released_ms < JUST_MS;
}

void peer_proxy_drop_held(struct peer_proxy *p)
{
    p->held_ms = 0;
}

/* ---- to WireGuard */

static void on_wire(struct ice_mux_wire *w, const struct udp_in *v, size_t n)
{
    struct peer_proxy *p = rk_container_of(w, struct peer_proxy, wire);
    struct udp_out out[BATCH];
    size_t k = 0;
    bool payload = false;

    if (!p->sock)
        return; /* the device has the port: what is WireGuard's does not come here */
    for (size_t i = 0; i < n; i++) {
        if (!wg_type(udp_in_at(&v[i], 0)))
            continue;
        payload = payload || is_payload(udp_in_at(&v[i], 0));
        p->rx_bytes += v[i].bytes.n;
        out[k++] = (struct udp_out){.bytes = v[i].bytes, .seg = v[i].seg};
        if (k == BATCH) {
            (void)udp_sendv(p->sock, out, k);
            k = 0;
        }
    }
    if (k)
        (void)udp_sendv(p->sock, out, k);
    if (payload)
        p->rx_data_ms = rk_mono_ms();
}

void peer_proxy_from_relay(struct peer_proxy *p, struct rk_str datagram)
{
    if (!wg_type(datagram))
        return;
    p->rx_bytes += datagram.n;
    if (is_payload(datagram))
        p->rx_data_ms = rk_mono_ms();
    if (p->way.number)
        p->port->ops->way_input(p->port, &p->way, datagram);
    else if (!p->port || !p->direct_on || p->turned || !p->port->ops->inject ||
             !p->port->ops->inject(p->port, &p->direct, datagram)) /* late: it must not roam back */
        (void)udp_send(p->sock, NULL, NULL, datagram);
}

/* To the device it is no other than what a relay brings. */
static void on_relayed(struct ice_mux_wire *w, struct rk_str datagram)
{
    peer_proxy_from_relay(rk_container_of(w, struct peer_proxy, wire), datagram);
}

static const struct ice_mux_wire_ops WIRE_OPS = {.data = on_wire, .relayed = on_relayed};

/* ---- life */

enum rk_code peer_proxy_open(struct peer_proxy *p, const struct peer_proxy_opts *o,
                             struct peer_proxy_user *user, struct rk_err *err)
{
    struct udp_opts u = {
        .bind = {.ip = o->wg_addr.ip},
        .peer = o->wg_addr,
        .offload = true,
        .buffer_bytes = BUFFER_BYTES,
        .scratch = o->scratch,
    };

    *p = (struct peer_proxy){.loop = o->loop, .mux = o->mux, .port = o->port, .user = user};
    p->sock_user.ops = &SOCK_OPS;
    p->wire.ops = &WIRE_OPS;
    p->way.ops = &WAY_OPS;
    if (p->port && p->port->ops->way_open(p->port, &p->way))
        return RK_OK;
    return udp_open(p->loop, &u, &p->sock_user, &p->sock, err);
}

void peer_proxy_close(struct peer_proxy *p)
{
    if (p->mux)
        ice_mux_unclaim_all(p->mux, &p->wire);
    if (p->port)
        p->port->ops->way_close(p->port, &p->way);
    udp_close(p->sock);
    p->sock = NULL;
}

const struct rk_addr *peer_proxy_endpoint(const struct peer_proxy *p)
{
    return p->way.number ? &p->way.addr : udp_local(p->sock);
}

void peer_proxy_claim(struct peer_proxy *p, const struct rk_addr *from)
{
    ice_mux_claim(p->mux, &p->wire, from);
}

void peer_proxy_set_direct(struct peer_proxy *p, const struct rk_addr *to, bool turned)
{
    p->direct_on = to != NULL;
    p->turned = to && turned;
    if (to) {
        p->direct = *to;
        release_held(p);
    }
}

void peer_proxy_set_relay(struct peer_proxy *p, struct relay_client_stream *stream)
{
    p->relay = stream;
    if (stream && !p->direct_on)
        release_held(p);
}
