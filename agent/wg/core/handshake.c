/* SPDX-License-Identifier: BSD-3-Clause */
/* Handshake messages and cookie replies, in and out (whitepaper sections 5.4.2 to 5.4.4, 5.4.7). */
#include "config.h"

#include <string.h>

#include "agent/wg/core/core_priv.h"
#include "lib/base/num.h"

#define RECEIVER_RESPONSE 8  /* offset of the receiver's index in a response */
#define RECEIVER_COOKIE   4  /* and in a cookie reply */
#define FLOOD_MS          20 /* between initiations of one peer that we answer */

/* Proved senders under load: 20 handshake messages in a second from one address, IPv6 by /64. */
#define SOURCE_RATE_MILLI 20000
#define SOURCE_BURST      5
#define SOURCE_MAX        4096

static void send_macs(struct wgc_peer *p, uint8_t *msg, size_t n, int64_t mono_ms)
{
    wgc_stamp_put(&p->stamp, p->w->crypt, msg, n, mono_ms);
    p->tx_bytes += n;
    wgc_peer_send(p, rk_str_of(msg, n));
    wgc_on_sent(p, mono_ms);
}

void wgc_initiate(struct wgc_peer *p, bool is_retry, int64_t mono_ms)
{
    uint8_t msg[WGC_INITIATION_SIZE], timestamp[WGC_TIMESTAMP_SIZE];
    struct wgc *w = p->w;
    uint32_t index;

    if (!is_retry)
        p->attempts = 0;
    if (p->initiated_ms && mono_ms - p->initiated_ms < WGC_REKEY_TIMEOUT_MS)
        return; /* section 6.1: not more often, whatever asks for it */
    if (!p->noise.can_talk || !p->endpoint.addr.ip.family)
        return; /* wgc_apply begins when there is an endpoint */
    index = wgc_index_add(w, &p->hs_index);
    p->hs_index.peer = p;
    wgc_timestamp(w->user->ops->unix_us(w->user), timestamp);
    if (!wgc_noise_initiate(&p->noise, w->crypt, &w->own, (struct wgc_mint){.index = index},
                            timestamp, msg)) {
        wgc_index_remove(w, &p->hs_index);
        return;
    }
    p->initiated_ms = mono_ms;
    send_macs(p, msg, sizeof msg, mono_ms);
    wgc_on_initiated(p, mono_ms);
}

static void respond(struct wgc_peer *p, int64_t mono_ms)
{
    uint8_t msg[WGC_RESPONSE_SIZE];
    uint32_t index = wgc_index_add(p->w, &p->hs_index);

    p->hs_index.peer = p;
    if (!wgc_noise_respond(&p->noise, p->w->crypt, (struct wgc_mint){.index = index}, msg)) {
        wgc_index_remove(p->w, &p->hs_index);
        return;
    }
    wgc_session_begin(p, mono_ms);
    wgc_on_derived(p, mono_ms);
    send_macs(p, msg, sizeof msg, mono_ms);
}

static void on_initiation(struct wgc *w, struct rk_str msg, const struct wgc_endpoint *from,
                          int64_t mono_ms)
{
    struct wgc_hello hello;
    struct wgc_peer *p = NULL;

    if (wgc_noise_read_initiation(w->crypt, &w->own, (const uint8_t *)msg.p, &hello))
        p = rk_map_get(&w->peers, rk_str_of(hello.remote_static.b, RK_KEY_SIZE));
    if (p && (!p->accepted_ms || mono_ms - p->accepted_ms >= FLOOD_MS) &&
        wgc_noise_accept(&p->noise, w->crypt, &hello)) {
        wgc_index_remove(w, &p->hs_index); /* of an initiation of ours, which is lost now */
        p->accepted_ms = mono_ms;
        p->rx_bytes += msg.n;
        w->stats.handshakes_in++;
        wgc_peer_heard(p, from);
        wgc_on_received(p, mono_ms);
        respond(p, mono_ms);
    }
    rk_secret_wipe(&hello, sizeof hello);
}

static struct wgc_peer *peer_by_index(const struct wgc *w, const char *index)
{
    const struct wgc_index *i = rk_map_get(&w->indices, rk_str_of(index, 4));

    if (!i)
        return NULL;
    return i->session ? i->session->peer : i->peer;
}

static void on_response(struct wgc *w, struct rk_str msg, const struct wgc_endpoint *from,
                        int64_t mono_ms)
{
    const struct wgc_index *i = rk_map_get(&w->indices, rk_str_of(msg.p + RECEIVER_RESPONSE, 4));
    struct wgc_peer *p = i ? i->peer : NULL;

    if (!p || !wgc_noise_read_response(&p->noise, w->crypt, &w->own, (const uint8_t *)msg.p))
        return;
    p->rx_bytes += msg.n;
    wgc_peer_heard(p, from);
    wgc_on_received(p, mono_ms);
    wgc_session_begin(p, mono_ms);
    wgc_on_derived(p, mono_ms);
    wgc_on_complete(p, mono_ms);
    wgc_flush_staged(p, true, mono_ms); /* the responder waits for a first packet */
}

static bool source_may(struct wgc *w, const struct rk_addr *from, int64_t mono_ms)
{
    struct rk_prefix p = {from->ip, from->ip.family == 6 ? 64 : 32};

    if (!w->per_source)
        w->per_source = rk_ratelimit_new(SOURCE_MAX, SOURCE_RATE_MILLI, SOURCE_BURST);
    p = rk_prefix_masked(&p);
    return rk_ratelimit_take(w->per_source, rk_str_of(p.ip.b, sizeof p.ip.b), mono_ms);
}

/* May this message cost us a Diffie-Hellman? */
static bool admit(struct wgc *w, struct rk_str msg, const struct wgc_endpoint *from,
                  bool under_load, int64_t mono_ms)
{
    uint8_t reply[WGC_COOKIE_SIZE];

    switch (wgc_gate_check(&w->gate, w->crypt, msg, &from->addr, under_load, mono_ms)) {
    case WGC_GATE_DROP:
        w->stats.dropped_macs++;
        return false;
    case WGC_GATE_COOKIE:
        wgc_gate_reply(&w->gate, w->crypt, msg, &from->addr, mono_ms, reply);
        w->stats.cookies_out++;
        w->user->ops->send(w->user, from, rk_str_of(reply, sizeof reply));
        return false;
    case WGC_GATE_PROVED:
        if (source_may(w, &from->addr, mono_ms))
            return true;
        w->stats.dropped_floods++;
        return false;
    case WGC_GATE_PASS:
        return true;
    }
    return false;
}

void wgc_input(struct wgc *w, struct rk_str msg, const struct wgc_endpoint *from, bool under_load,
               int64_t mono_ms)
{
    struct wgc_peer *p;

    if (rk_key_is_zero(&w->own.private_key))
        return;
    switch (wgc_type_of(msg)) {
    case WGC_INITIATION:
        if (admit(w, msg, from, under_load, mono_ms))
            on_initiation(w, msg, from, mono_ms);
        break;
    case WGC_RESPONSE:
        if (admit(w, msg, from, under_load, mono_ms))
            on_response(w, msg, from, mono_ms);
        break;
    case WGC_COOKIE:
        p = peer_by_index(w, msg.p + RECEIVER_COOKIE);
        if (p)
            RK_IGNORE(wgc_stamp_read_reply(&p->stamp, (const uint8_t *)msg.p, mono_ms));
        break;
    default:
        break;
    }
}
