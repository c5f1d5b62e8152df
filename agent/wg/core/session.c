/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sessions and transport data (whitepaper sections 5.4.5, 5.4.6, 6.2, 6.3). A peer has up to three:
 * the current one, the one before it (packets under way), and, on the responder's side, the next,
 * which becomes current with the first packet that proves that the initiator has it.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "agent/wg/core/core_priv.h"
#include "lib/base/num.h"

/* ---- life */

static void session_free(struct wgc_session *s)
{
    rk_secret_wipe(s, sizeof *s);
    free(s);
}

/* No packet of it is taken from now on; it goes when nobody holds it. */
static void retire(struct wgc *w, struct wgc_session **slot)
{
    struct wgc_session *s = *slot;

    *slot = NULL;
    if (!s)
        return;
    wgc_index_remove(w, &s->index);
    s->peer = NULL;
    if (!s->holds)
        session_free(s);
}

void wgc_sessions_clear(struct wgc_peer *p)
{
    retire(p->w, &p->current);
    retire(p->w, &p->previous);
    retire(p->w, &p->next);
}

void wgc_session_begin(struct wgc_peer *p, int64_t mono_ms)
{
    struct wgc_session *s = rk_calloc(1, sizeof *s);
    struct wgc *w = p->w;

    s->peer = p;
    s->initiator = p->noise.initiator;
    s->remote_index = p->noise.remote_index;
    s->born_ms = mono_ms;
    memcpy(s->index.key, p->hs_index.key, sizeof s->index.key); /* the number stays the same */
    wgc_index_remove(w, &p->hs_index);
    s->index.session = s;
    (void)rk_map_put(&w->indices, rk_str_of(s->index.key, sizeof s->index.key), &s->index);
    wgc_noise_keys(&p->noise, w->crypt, &s->send, &s->receive);
    if (!s->initiator) { /* until the initiator uses it */
        retire(w, &p->next);
        retire(w, &p->previous);
        p->next = s;
        return;
    }
    retire(w, &p->previous);
    if (p->next) { /* both sides began at once */
        p->previous = p->next;
        p->next = NULL;
        retire(w, &p->current);
    } else {
        p->previous = p->current;
    }
    p->current = s;
}

static bool is_old(const struct wgc_session *s, int64_t mono_ms)
{
    return mono_ms - s->born_ms >= WGC_REJECT_AFTER_MS;
}

/* ---- receiving */

struct wgc_hold wgc_rx_begin(struct wgc *w, uint32_t index, int64_t mono_ms)
{
    uint8_t key[4];
    struct wgc_index *i;
    struct wgc_hold h = {0};

    wgc_put32(key, index);
    i = rk_map_get(&w->indices, rk_str_of(key, sizeof key));
    if (!i || !i->session || is_old(i->session, mono_ms))
        return h;
    h.session = i->session;
    h.session->holds++;
    h.key = &h.session->receive;
    return h;
}

void wgc_unref(struct wgc *w RK_UNUSED, struct wgc_hold *h)
{
    struct wgc_session *s = h->session;

    h->session = NULL;
    if (s && --s->holds == 0 && !s->peer)
        session_free(s);
}

/* Length of the IP packet at the start of the plaintext; 0 when it is none or its source is not the
 * peer's. The rest is padding. */
static size_t inner_size(struct wgc *w, const struct wgc_peer *p, const uint8_t *d, size_t n)
{
    const struct wgc_owner *o = NULL;
    size_t len = 0;

    if (n >= 20 && d[0] >> 4 == 4) {
        len = (size_t)d[2] << 8 | d[3];
        if (len >= 20)
            o = wgc_allowed_find4(&w->allowed, d + 12);
    } else if (n >= 40 && d[0] >> 4 == 6) {
        len = ((size_t)d[4] << 8 | d[5]) + 40;
        o = wgc_allowed_find6(&w->allowed, d + 8);
    }
    if (len > n)
        return 0;
    if (o != &p->owner) {
        w->stats.strangers++;
        return 0;
    }
    return len;
}

/* The initiator has the keys: the next session becomes the current one. */
static void confirm(struct wgc_peer *p, struct wgc_session *s, int64_t mono_ms)
{
    if (p->next != s)
        return;
    retire(p->w, &p->previous);
    p->previous = p->current;
    p->current = s;
    p->next = NULL;
    wgc_on_complete(p, mono_ms);
    wgc_flush_staged(p, false, mono_ms);
}

/* 6.2: a session near its end is replaced by its initiator when something comes in. */
static void keep_fresh_receiving(struct wgc_peer *p, int64_t mono_ms)
{
    const struct wgc_session *s = p->current;

    if (p->late_rekey || !s || !s->initiator ||
        mono_ms - s->born_ms < WGC_REJECT_AFTER_MS - WGC_KEEPALIVE_MS - WGC_REKEY_TIMEOUT_MS)
        return;
    p->late_rekey = true;
    wgc_initiate(p, false, mono_ms);
}

size_t wgc_rx_end(struct wgc *w, struct wgc_hold *h, struct wgc_rx *v, size_t n,
                  const struct wgc_endpoint *from, int64_t mono_ms)
{
    struct wgc_session *s = h->session;
    struct wgc_peer *p = s->peer;
    size_t deliver = 0, fresh = 0;
    bool payload = false;

    for (size_t i = 0; i < n; i++) {
        if (!p || !wgc_replay_take(&s->replay, v[i].counter)) {
            w->stats.replays += p != NULL;
            v[i].n = 0;
            continue;
        }
        fresh++;
        p->rx_bytes += v[i].wire_bytes;
        payload = payload || v[i].n;
        v[i].n = v[i].n ? inner_size(w, p, v[i].p, v[i].n) : 0;
        deliver += v[i].n != 0;
    }
    if (fresh) {
        wgc_peer_heard(p, from);
        confirm(p, s, mono_ms);
        keep_fresh_receiving(p, mono_ms);
        wgc_on_received(p, mono_ms);
        if (payload)
            wgc_on_data_received(p, mono_ms);
    }
    wgc_unref(w, h);
    return deliver;
}

/* ---- sending */

struct wgc_peer *wgc_route(const struct wgc *w, struct rk_str packet)
{
    const uint8_t *d = (const uint8_t *)packet.p;
    struct wgc_owner *o = NULL;

    if (packet.n >= 20 && d[0] >> 4 == 4)
        o = wgc_allowed_find4(&w->allowed, d + 16);
    else if (packet.n >= 40 && d[0] >> 4 == 6)
        o = wgc_allowed_find6(&w->allowed, d + 24);
    return o ? rk_container_of(o, struct wgc_peer, owner) : NULL;
}

/* 6.2: rekey after so many messages, or so much time on the initiator's side. */
static void keep_fresh_sending(struct wgc_peer *p, int64_t mono_ms)
{
    const struct wgc_session *s = p->current;

    if (s->counter > WGC_REKEY_AFTER_MESSAGES ||
        (s->initiator && mono_ms - s->born_ms >= WGC_REKEY_AFTER_MS))
        wgc_initiate(p, false, mono_ms);
}

static struct wgc_hold take_counters(struct wgc_peer *p, size_t n, size_t bytes, int64_t mono_ms)
{
    struct wgc_session *s = p->current;
    struct wgc_hold h = {0};

    if (!s || is_old(s, mono_ms) || s->counter + n >= WGC_REJECT_AFTER_MESSAGES)
        return h;
    h.session = s;
    h.key = &s->send;
    h.counter = s->counter;
    h.remote_index = s->remote_index;
    h.to = p->endpoint;
    s->counter += n;
    s->holds++;
    p->tx_bytes += bytes;
    wgc_on_sent(p, mono_ms);
    keep_fresh_sending(p, mono_ms);
    return h;
}

struct wgc_hold wgc_tx_begin(struct wgc *w RK_UNUSED, struct wgc_peer *p, size_t n, size_t bytes,
                             int64_t mono_ms)
{
    struct wgc_hold h = take_counters(p, n, bytes, mono_ms);

    if (h.session)
        wgc_on_data_sent(p, mono_ms);
    return h;
}

void wgc_put_header(uint8_t out[16], uint32_t remote_index, uint64_t counter)
{
    wgc_put32(out, WGC_DATA);
    wgc_put32(out + 4, remote_index);
    wgc_put64(out + 8, counter);
}

/* ---- without a session, or without a batch */

static void staged_drop(struct wgc_peer *p)
{
    struct wgc_staged *s = rk_container_of(p->staged.next, struct wgc_staged, link);

    rk_list_remove(&s->link);
    p->n_staged--;
    p->staged_bytes -= s->n;
    free(s);
}

void wgc_staged_clear(struct wgc_peer *p)
{
    while (p->n_staged)
        staged_drop(p);
}

void wgc_stage(struct wgc *w RK_UNUSED, struct wgc_peer *p, struct rk_str packet, int64_t mono_ms)
{
    struct wgc_staged *s;

    if (packet.n > UINT16_MAX)
        return;
    s = rk_calloc(1, sizeof *s + packet.n);
    s->n = packet.n;
    memcpy(s->p, packet.p, packet.n);
    rk_list_push_back(&p->staged, &s->link);
    p->n_staged++;
    p->staged_bytes += packet.n;
    while (p->n_staged > WGC_STAGED_MAX || p->staged_bytes > WGC_STAGED_BYTES)
        staged_drop(p);
    wgc_initiate(p, false, mono_ms);
}

static bool send_one(struct wgc_peer *p, const uint8_t *packet, size_t n, int64_t mono_ms)
{
    size_t size = wgc_wire_size(n);
    struct wgc_hold h = take_counters(p, 1, size, mono_ms);
    uint8_t *d;

    if (!h.session)
        return false;
    d = rk_calloc(1, size);
    wgc_put_header(d, h.remote_index, h.counter);
    if (n)
        memcpy(d + WGC_DATA_HEADER, packet, n);
    wgc_seal(p->w->crypt, h.key, h.counter, d + WGC_DATA_HEADER, size - WGC_DATA_OVERHEAD);
    wgc_peer_send(p, rk_str_of(d, size));
    wgc_unref(p->w, &h);
    free(d);
    return true;
}

void wgc_flush_staged(struct wgc_peer *p, bool or_keepalive, int64_t mono_ms)
{
    bool any = p->n_staged != 0;

    while (p->n_staged) {
        const struct wgc_staged *s = rk_container_of(p->staged.next, struct wgc_staged, link);

        if (!send_one(p, s->p, s->n, mono_ms)) {
            wgc_initiate(p, false, mono_ms);
            return;
        }
        wgc_on_data_sent(p, mono_ms);
        staged_drop(p);
    }
    if (!any && or_keepalive && !send_one(p, NULL, 0, mono_ms))
        wgc_initiate(p, false, mono_ms);
}
