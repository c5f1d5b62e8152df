/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The timers of whitepaper section 6. Each is a deadline in the peer; the peer lies in the heap
 * under a time that is never later than its earliest deadline. Packets move deadlines back all the
 * time, so the heap is only told of earlier ones, and wgc_tick looks again.
 */
#include "config.h"

#include "agent/wg/core/core_priv.h"
#include "lib/base/num.h"

static int64_t jitter(void)
{
    return rk_secret_random_below(WGC_JITTER_MS + 1);
}

static void set(struct wgc_peer *p, enum wgc_timer t, int64_t at_ms)
{
    p->at[t] = at_ms;
    if (!p->due.pos || at_ms < p->due.key)
        rk_heap_set(&p->w->due, &p->due, at_ms);
}

static bool pending(const struct wgc_peer *p, enum wgc_timer t)
{
    return p->at[t] != 0;
}

/* 6.5: sent, and nothing heard for KEEPALIVE + REKEY_TIMEOUT: a new handshake. */
void wgc_on_data_sent(struct wgc_peer *p, int64_t mono_ms)
{
    if (!pending(p, WGC_T_NEW_HANDSHAKE))
        set(p, WGC_T_NEW_HANDSHAKE, mono_ms + WGC_KEEPALIVE_MS + WGC_REKEY_TIMEOUT_MS + jitter());
}

/* 6.5: heard, and nothing sent for KEEPALIVE: a passive keepalive. */
void wgc_on_data_received(struct wgc_peer *p, int64_t mono_ms)
{
    if (pending(p, WGC_T_KEEPALIVE))
        p->another_keepalive = true;
    else
        set(p, WGC_T_KEEPALIVE, mono_ms + WGC_KEEPALIVE_MS);
}

static void traversed(struct wgc_peer *p, int64_t mono_ms)
{
    if (p->keepalive_s)
        set(p, WGC_T_PERSISTENT, mono_ms + (int64_t)p->keepalive_s * 1000);
}

void wgc_on_sent(struct wgc_peer *p, int64_t mono_ms)
{
    p->at[WGC_T_KEEPALIVE] = 0;
    traversed(p, mono_ms);
}

void wgc_on_received(struct wgc_peer *p, int64_t mono_ms)
{
    p->at[WGC_T_NEW_HANDSHAKE] = 0;
    traversed(p, mono_ms);
}

void wgc_on_initiated(struct wgc_peer *p, int64_t mono_ms)
{
    set(p, WGC_T_RETRANSMIT, mono_ms + WGC_REKEY_TIMEOUT_MS + jitter());
}

void wgc_on_complete(struct wgc_peer *p, int64_t mono_ms)
{
    (void)mono_ms;
    p->at[WGC_T_RETRANSMIT] = 0;
    p->attempts = 0;
    p->late_rekey = false;
    p->handshake_unix_ms = p->w->user->ops->unix_us(p->w->user) / 1000;
}

/* 6.3: all keys go after three times REJECT_AFTER_TIME without new ones. */
void wgc_on_derived(struct wgc_peer *p, int64_t mono_ms)
{
    set(p, WGC_T_ZERO, mono_ms + (int64_t)3 * WGC_REJECT_AFTER_MS);
}

void wgc_timers_keepalive(struct wgc_peer *p, int64_t mono_ms)
{
    if (!p->keepalive_s)
        p->at[WGC_T_PERSISTENT] = 0;
    else if (!pending(p, WGC_T_PERSISTENT))
        set(p, WGC_T_PERSISTENT, mono_ms + (int64_t)p->keepalive_s * 1000);
}

void wgc_timers_stop(struct wgc_peer *p)
{
    for (size_t i = 0; i < WGC_TIMERS; i++)
        p->at[i] = 0;
    rk_heap_remove(&p->w->due, &p->due);
    p->attempts = 0;
    p->another_keepalive = p->late_rekey = false;
}

/* ---- what is due */

/* 6.4: REKEY_ATTEMPT_TIME of tries and no answer: give up until there is traffic again. */
static void give_up(struct wgc_peer *p, int64_t mono_ms)
{
    p->at[WGC_T_KEEPALIVE] = 0;
    wgc_staged_clear(p);
    if (!pending(p, WGC_T_ZERO))
        set(p, WGC_T_ZERO, mono_ms + (int64_t)3 * WGC_REJECT_AFTER_MS);
}

static void forget_source(struct wgc_peer *p)
{
    p->endpoint.src = (struct rk_ip){0}; /* perhaps that address is why nothing comes back */
}

static void fire(struct wgc_peer *p, enum wgc_timer t, int64_t mono_ms)
{
    switch (t) {
    case WGC_T_RETRANSMIT:
        if (p->attempts >= WGC_ATTEMPTS) {
            give_up(p, mono_ms);
            break;
        }
        p->attempts++;
        forget_source(p);
        wgc_initiate(p, true, mono_ms);
        break;
    case WGC_T_KEEPALIVE:
        wgc_flush_staged(p, true, mono_ms);
        if (p->another_keepalive)
            set(p, WGC_T_KEEPALIVE, mono_ms + WGC_KEEPALIVE_MS);
        p->another_keepalive = false;
        break;
    case WGC_T_NEW_HANDSHAKE:
        forget_source(p);
        wgc_initiate(p, false, mono_ms);
        break;
    case WGC_T_ZERO:
        wgc_index_remove(p->w, &p->hs_index);
        wgc_noise_clear(&p->noise);
        wgc_sessions_clear(p);
        break;
    case WGC_T_PERSISTENT:
        wgc_flush_staged(p, true, mono_ms);
        if (p->keepalive_s && !pending(p, WGC_T_PERSISTENT)) /* nothing could be sent */
            traversed(p, mono_ms);
        break;
    case WGC_TIMERS:
        break;
    }
}

static void run(struct wgc_peer *p, int64_t mono_ms)
{
    int64_t next = INT64_MAX;

    for (enum wgc_timer t = 0; t < WGC_TIMERS; t++)
        if (p->at[t] && p->at[t] <= mono_ms) {
            p->at[t] = 0;
            fire(p, t, mono_ms);
        }
    for (enum wgc_timer t = 0; t < WGC_TIMERS; t++)
        if (p->at[t])
            next = rk_min_i64(next, p->at[t]);
    if (next == INT64_MAX)
        rk_heap_remove(&p->w->due, &p->due);
    else
        rk_heap_set(&p->w->due, &p->due, rk_max_i64(next, mono_ms + 1));
}

void wgc_tick(struct wgc *w, int64_t mono_ms)
{
    struct rk_heap_node *n;

    while ((n = rk_heap_min(&w->due)) && n->key <= mono_ms)
        run(rk_container_of(n, struct wgc_peer, due), mono_ms);
}

int64_t wgc_deadline(const struct wgc *w)
{
    const struct rk_heap_node *n = rk_heap_min(&w->due);

    return n ? n->key : INT64_MAX;
}
