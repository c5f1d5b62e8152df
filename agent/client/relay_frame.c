/* SPDX-License-Identifier: BSD-3-Clause */
/* Writing to a relay connection, for the link itself and for the streams over it. */
#include "config.h"

#include "agent/client/relay_link.h"
#include "agent/client/relay_link_priv.h"
#include "lib/base/bytes.h"
#include "lib/base/num.h"
#include "lib/crypto/secret.h"

#define QUEUED_MAX                                                                                 \
    ((size_t)512 << 10) /* beyond it datagrams are dropped: about 50 ms at 100 Mbit */
#define MASKS 64        /* datagrams in one piece of memory */

bool relay_link_send_frame(struct relay_link *l, enum ws_op op, struct rk_str payload)
{
    if (l->closing || l->failed || net_conn_queued(l->conn) > QUEUED_MAX)
        return false;
    rk_buf_clear(&l->tx);
    ws_put(&l->tx, WS_CLIENT, op, payload);
    if (l->tx.full)
        return false;
    net_conn_send(l->conn, rk_buf_str(&l->tx));
    return true;
}

bool relay_link_send_message(struct relay_link *l, struct rk_str message)
{
    return relay_link_send_frame(l, WS_OP_BINARY, message);
}

/* Frames of up to `max` datagrams from *at on; each is copied once, into what the connection keeps.
 */
static void send_some(struct relay_link *l, struct rk_str head, const struct udp_in *in, size_t *at,
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
    net_conn_send_bytes(l->conn, b, 0, used);
    rk_bytes_unref(b);
    *at = end;
}

void relay_link_send_batch(struct relay_link *l, const struct rly_peer_id *peer,
                           const struct udp_in *v, size_t n)
{
    uint8_t buf[RLY_TRANSPORT_HEADER];
    struct rk_wr w = rk_wr_of(buf, sizeof buf);
    struct rk_str head;

    rly_put_transport(&w, peer, (struct rk_str){0});
    head = rk_wr_done(&w);
    for (size_t i = 0; i < n; i++) {
        size_t at = 0;

        while (at < udp_in_count(&v[i])) {
            if (l->closing || l->failed || net_conn_queued(l->conn) > QUEUED_MAX)
                return;
            send_some(l, head, &v[i], &at, MASKS);
        }
    }
}

bool relay_link_is_up(const struct relay_link *l)
{
    return l->state == RELAY_LINK_UP && !l->closing && !l->failed;
}
