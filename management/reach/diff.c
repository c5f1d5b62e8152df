/* SPDX-License-Identifier: BSD-3-Clause */
/* See diff.h. */
#include "config.h"

#include "management/reach/diff.h"

#include <stdlib.h>

#include "management/domain/peer.h"
#include "management/netmap/firewall.h"
#include "management/netmap/routes.h"
#include "management/reach/reach_priv.h"

#define SIGNED 64 /* entries whose combinations are told apart by a word */
#define CACHED 32

struct entry {           /* one rule: who is let in, and with what */
    struct rk_str route; /* empty: to the peer itself */
    struct bits peers;
    bool anybody, drop;
    struct flows flows;
};

/* What one peer lets in, in one of the two states. */
struct door {
    const struct snapshot *s; /* NULL: the peer is not there in this state */
    uint32_t peer;
    struct entry *v;
    size_t n, cap;
    struct bits live; /* peers that it is connected with, in order both */
};

static struct entry *add_entry(struct door *d)
{
    if (d->n == d->cap) {
        d->cap = d->cap ? 2 * d->cap : 8;
        d->v = rk_realloc(d->v, d->cap, sizeof *d->v);
    }
    d->v[d->n] = (struct entry){0};
    return &d->v[d->n++];
}

static void take_rule(void *arg, const struct view *v, const struct plan_rule *r,
                      enum firewall_dir dir, const struct bits *peers)
{
    struct entry *e;

    if (dir != FIREWALL_IN)
        return;
    e = add_entry(arg);
    e->drop = r->r->action == ACTION_DROP;
    bits_copy(&e->peers, peers);
    reach_rule_flows(v, r->r, &e->flows);
}

static void take_grant(void *arg, const struct view *v, const struct route_grant *g)
{
    struct entry *e = add_entry(arg);

    (void)v;
    e->route = g->route->id;
    e->drop = g->rule && g->rule->action == ACTION_DROP;
    e->anybody = !g->peers;
    if (g->peers)
        bits_copy(&e->peers, g->peers);
    reach_grant_flows(g->rule, &e->flows);
}

/* fit: peers that may be let in at all, in this state. */
static void door_open(struct door *d, const struct snapshot *s, const struct bits *fit,
                      struct rk_str peer, int64_t now_us)
{
    struct netmap_opts opts = {.now_us = now_us};
    const struct peer *p;
    struct view v;

    *d = (struct door){.peer = snap_index_of(s, peer)};
    if (d->peer == SNAP_NO_PEER)
        return;
    d->s = s;
    p = snap_peer_at(s, d->peer);
    if (peer_login_expired(p, snap_settings(s), now_us) ||
        (p->meta.flags & PEER_FLAG_BLOCK_INBOUND))
        return;
    reach_view(&v, s, d->peer, &opts);
    firewall_each(&v, take_rule, d);
    if (!(p->meta.flags & PEER_FLAG_NO_SERVER_ROUTES))
        routes_each_grant(&v, take_grant, d);
    bits_copy(&d->live, &v.connect);
    bits_and(&d->live, fit);
    view_done(&v);
}

static void door_close(struct door *d)
{
    for (size_t i = 0; i < d->n; i++)
        bits_done(&d->v[i].peers);
    free(d->v);
    bits_done(&d->live);
}

/* ---- one source at one door */

static bool applies(const struct entry *e, struct rk_str route, uint32_t from)
{
    return rk_str_eq(e->route, route) && (e->anybody || bits_has(&e->peers, from));
}

/* Which of the first entries apply; beyond them nobody can say. */
static uint64_t signature(const struct door *d, struct rk_str route, uint32_t from)
{
    uint64_t sign = 0;

    if (!d->s || from == SNAP_NO_PEER || !bits_has(&d->live, from))
        return 0;
    for (size_t i = 0; i < d->n && i < SIGNED; i++)
        sign |= (uint64_t)applies(&d->v[i], route, from) << i;
    return sign;
}

static void let_in(const struct door *d, struct rk_str route, uint32_t from, struct flows *out)
{
    struct flows dropped = {0};

    *out = (struct flows){0};
    if (!d->s || from == SNAP_NO_PEER || !bits_has(&d->live, from))
        return;
    for (size_t i = 0; i < d->n; i++)
        if (applies(&d->v[i], route, from))
            flows_add(d->v[i].drop ? &dropped : out, &d->v[i].flows);
    flows_drop(out, &dropped);
}

/* ---- both states of one destination */

struct both {
    struct door old, now;
    struct bits old_fit, now_fit;
    reach_diff_fn *fn;
    void *arg;
    struct { /* verdicts for sources that the same entries apply to */
        uint64_t old, now;
        bool differs;
    } seen[CACHED];
    size_t n_seen;
    struct flows before, after;
};

static bool differs(struct both *b, struct rk_str route, uint32_t old, uint32_t now)
{
    uint64_t x = signature(&b->old, route, old), y = signature(&b->now, route, now);
    bool exact = b->old.n <= SIGNED && b->now.n <= SIGNED, answer;

    if (exact && x == 0 && y == 0)
        return false;
    for (size_t i = 0; i < b->n_seen && exact; i++)
        if (b->seen[i].old == x && b->seen[i].now == y && !b->seen[i].differs)
            return false;
    let_in(&b->old, route, old, &b->before);
    let_in(&b->now, route, now, &b->after);
    answer = !flows_eq(&b->before, &b->after);
    if (exact && b->n_seen < CACHED) {
        b->seen[b->n_seen].old = x;
        b->seen[b->n_seen].now = y;
        b->seen[b->n_seen++].differs = answer;
    }
    return answer;
}

static const struct peer *some_peer(const struct door *now, const struct door *old, uint32_t a,
                                    uint32_t b)
{
    return a != SNAP_NO_PEER ? snap_peer_at(now->s, a) : snap_peer_at(old->s, b);
}

static bool compare(struct both *b, struct rk_str route, uint32_t old, uint32_t now)
{
    struct reach_diff d = {.route = route, .before = &b->before, .after = &b->after};

    if (!differs(b, route, old, now))
        return true;
    d.to = b->now.s ? snap_peer_at(b->now.s, b->now.peer) : snap_peer_at(b->old.s, b->old.peer);
    d.from = some_peer(&b->now, &b->old, b->now.s ? now : SNAP_NO_PEER, old);
    return b->fn(b->arg, &d);
}

/* The place of a peer of s in the other state; mostly it is the same. */
static uint32_t index_in(const struct snapshot *other, const struct snapshot *s, uint32_t i)
{
    const struct peer *p = snap_peer_at(s, i),
                      *q = i < snap_peer_limit(other) ? snap_peer_at(other, i) : NULL;

    return q && (q == p || rk_str_eq(q->id, p->id)) ? i : snap_index_of(other, p->id);
}

/* Who is let in by entries for the route. Replaces *out. */
static void sources(const struct door *d, struct rk_str route, struct bits *out)
{
    bits_clear(out);
    for (size_t i = 0; i < d->n; i++)
        if (rk_str_eq(d->v[i].route, route))
            bits_or(out, d->v[i].anybody ? &d->live : &d->v[i].peers);
    bits_and(out, &d->live);
}

static bool compare_route(struct both *b, const struct snapshot *old, const struct snapshot *now,
                          struct rk_str route)
{
    struct bits now_set = {0}, old_set = {0};
    bool more = true;

    b->n_seen = 0;
    sources(&b->now, route, &now_set);
    sources(&b->old, route, &old_set);
    for (uint32_t i = bits_next(&now_set, 0); i != BITS_END && more; i = bits_next(&now_set, i + 1))
        more = compare(b, route, index_in(old, now, i), i);
    for (uint32_t i = bits_next(&old_set, 0); i != BITS_END && more;
         i = bits_next(&old_set, i + 1)) {
        uint32_t there = index_in(now, old, i);

        if (there == SNAP_NO_PEER || !bits_has(&now_set, there))
            more = compare(b, route, i, there);
    }
    bits_done(&now_set);
    bits_done(&old_set);
    return more;
}

/* The route was compared already: it stands in an entry before this one. */
static bool is_new_route(const struct both *b, const struct door *d, size_t i)
{
    struct rk_str route = d->v[i].route;

    if (route.n == 0)
        return false;
    for (size_t k = 0; k < i; k++)
        if (rk_str_eq(d->v[k].route, route))
            return false;
    for (size_t k = 0; d == &b->old && k < b->now.n; k++)
        if (rk_str_eq(b->now.v[k].route, route))
            return false;
    return true;
}

static bool compare_peer(struct both *b, const struct snapshot *old, const struct snapshot *now,
                         struct rk_str id, int64_t now_us)
{
    bool more;

    door_open(&b->old, old, &b->old_fit, id, now_us);
    door_open(&b->now, now, &b->now_fit, id, now_us);
    more = compare_route(b, old, now, (struct rk_str){0});
    for (size_t i = 0; i < b->now.n && more; i++)
        if (is_new_route(b, &b->now, i))
            more = compare_route(b, old, now, b->now.v[i].route);
    for (size_t i = 0; i < b->old.n && more; i++)
        if (is_new_route(b, &b->old, i))
            more = compare_route(b, old, now, b->old.v[i].route);
    door_close(&b->old);
    door_close(&b->now);
    return more;
}

void reach_diff(const struct snapshot *old, const struct snapshot *now,
                const struct reach_diff_opts *opts, reach_diff_fn *fn, void *arg)
{
    struct both *b = rk_calloc(1, sizeof *b);
    const struct bits *peers = opts->affected ? opts->affected : snap_peers(now);
    bool more = true;

    b->fn = fn;
    b->arg = arg;
    bits_copy(&b->old_fit, snap_peers(old));
    bits_copy(&b->now_fit, snap_peers(now));
    reach_keep_fit(old, REACH_SOURCES, opts->now_us, &b->old_fit);
    reach_keep_fit(now, REACH_SOURCES, opts->now_us, &b->now_fit);
    for (uint32_t i = bits_next(peers, 0); i != BITS_END && more; i = bits_next(peers, i + 1)) {
        const struct peer *p = snap_peer_at(now, i);

        if (p)
            more = compare_peer(b, old, now, p->id, opts->now_us);
    }
    for (uint32_t i = bits_next(snap_peers(old), 0); i != BITS_END && more;
         i = bits_next(snap_peers(old), i + 1)) {
        const struct peer *p = snap_peer_at(old, i);

        if (snap_index_of(now, p->id) == SNAP_NO_PEER)
            more = compare_peer(b, old, now, p->id, opts->now_us);
    }
    bits_done(&b->old_fit);
    bits_done(&b->now_fit);
    free(b);
}
