/* SPDX-License-Identifier: BSD-3-Clause */
/* Per-loop part of the relay: dirty sessions, doorbells, counting; see hub.h. */
#include "config.h"

#include <stdlib.h>

#include "lib/base/num.h"
#include "relay/hub.h"
#include "relay/session.h"

enum {
    ACTIVE_MS = 30000,       /* a peer that sent a datagram within this time is active */
    JOIN_ADDRESSES = 4096,   /* addresses whose recent joins are remembered per loop */
    JOIN_RATE_MILLI = 50000, /* joins per second and address, in thousandths ... */
    JOIN_BURST = 1000,       /* ... and at once: a site behind one NAT after a restart */
};

static void counters_out(struct relay_lane *l)
{
    struct relay_metrics *m = &l->hub->metrics;

    if (l->sent_bytes)
        rk_metric_add(m->sent_bytes, l->sent_bytes);
    if (l->received_bytes)
        rk_metric_add(m->received_bytes, l->received_bytes);
    if (l->dropped_full)
        rk_metric_add(m->dropped_full, l->dropped_full);
    if (l->dropped_unknown)
        rk_metric_add(m->dropped_unknown, l->dropped_unknown);
    if (l->dropped_too_big)
        rk_metric_add(m->dropped_too_big, l->dropped_too_big);
    if (l->dropped_paced)
        rk_metric_add(m->dropped_paced, l->dropped_paced);
    if (l->holds)
        rk_metric_add(m->holds, l->holds);
    l->dropped_paced = l->holds = 0;
    l->sent_bytes = l->received_bytes = l->dropped_full = l->dropped_unknown = 0;
    l->dropped_too_big = 0;
}

/* Flush the dirty sessions in the order in which they were marked. */
static void drain(struct relay_lane *l)
{
    struct relay_session *s = atomic_exchange(&l->dirty, NULL), *first = NULL, *next;

    for (; s; s = next) {
        next = s->next_dirty;
        s->next_dirty = first;
        first = s;
    }
    for (s = first; s; s = next) {
        next = s->next_dirty;
        /* before looking at its queue: who adds later marks it again */
        atomic_store(&s->dirty, false);
        relay_session_flush(s);
        relay_session_unref(s);
    }
}

static void on_bell(struct rk_task *t)
{
    struct relay_lane *l = rk_container_of(t, struct relay_lane, task);

    atomic_store(&l->rung, false);
    drain(l);
    relay_lane_end(l);
}

void relay_lane_init(struct relay_lane *l, struct relay_hub *hub, size_t index,
                     struct rk_loop *loop)
{
    *l = (struct relay_lane){.hub = hub, .loop = loop, .index = index, .task = {.run = on_bell}};
    l->touched = rk_calloc(hub->n_lanes, sizeof *l->touched);
    rk_list_init(&l->sessions);
    rk_list_init(&l->waiting);
    l->joins = rk_ratelimit_new(JOIN_ADDRESSES, JOIN_RATE_MILLI, JOIN_BURST);
}

void relay_lane_done(struct relay_lane *l)
{
    free(l->touched);
    rk_ratelimit_free(l->joins);
}

/* Key of the join limit: an IPv4 address, or the /64 of an IPv6 one. */
static struct rk_str join_key(const struct rk_ip *ip)
{
    return rk_str_of(ip->b, ip->family == 4 ? 4 : 8);
}

const char *relay_lane_refuses(struct relay_lane *l, const struct rk_addr *client)
{
    if (l->stopping)
        return "shutting down";
    /* strangers that have only come give way to those that come; who has a token stays */
    if (atomic_load(&l->hub->n_sessions) >= l->hub->max_peers && !relay_session_evict(l))
        return "too many peers";
    if (!rk_ip_is_loopback(&client->ip) &&
        !rk_ratelimit_take(l->joins, join_key(&client->ip), rk_loop_now_ms(l->loop)))
        return "too many connections from this address";
    return NULL;
}

void relay_lane_mark(struct relay_lane *from, struct relay_session *s)
{
    struct relay_lane *l = s->lane;
    struct relay_session *head;

    from->touched[l->index] = true;
    if (atomic_load(&s->dirty) || atomic_exchange(&s->dirty, true))
        return;
    (void)relay_session_ref(s);
    head = atomic_load(&l->dirty);
    do
        s->next_dirty = head;
    while (!atomic_compare_exchange_weak(&l->dirty, &head, s));
}

void relay_lane_end(struct relay_lane *l)
{
    struct relay_lane *lanes = l->hub->lanes;

    /* flushing may end sessions, which may mark others of this lane */
    while (l->touched[l->index]) {
        l->touched[l->index] = false;
        drain(l);
    }
    for (size_t i = 0; i < l->hub->n_lanes; i++) {
        if (!l->touched[i])
            continue;
        l->touched[i] = false;
        if (atomic_exchange(&lanes[i].rung, true))
            continue;
        (void)atomic_fetch_add_explicit(&lanes[i].bells, 1, memory_order_relaxed);
        rk_loop_post(lanes[i].loop, &lanes[i].task);
    }
    counters_out(l);
}

static void count(struct relay_lane *l)
{
    struct relay_metrics *m = &l->hub->metrics;
    int64_t now = rk_loop_now_ms(l->loop), active = 0, open = 0;

    RK_LIST_FOR_EACH (it, &l->sessions) {
        struct relay_session *s = rk_container_of(it, struct relay_session, in_lane);

        if (s->state != RELAY_OPEN)
            continue;
        open++;
        if (s->last_transport_ms && now - s->last_transport_ms <= ACTIVE_MS)
            active++;
    }
    rk_metric_add(m->active, active - l->n_active);
    rk_metric_add(m->idle, (open - active) - (l->n_open - l->n_active));
    l->n_active = active;
    l->n_open = open;
}

static void on_tick(void *arg)
{
    struct relay_lane *l = arg;

    atomic_store(&l->beat_ms, rk_mono_ms());
    count(l);
    rk_timer_start(l->loop, &l->tick, RELAY_TICK_MS, on_tick, l);
}

void relay_lane_start(struct relay_lane *l)
{
    on_tick(l);
}

void relay_lane_stop(struct relay_lane *l)
{
    rk_timer_cancel(&l->tick);
    rk_metric_add(l->hub->metrics.active, -l->n_active);
    rk_metric_add(l->hub->metrics.idle, -(l->n_open - l->n_active));
    l->n_active = l->n_open = 0;
}
