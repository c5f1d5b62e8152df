/* SPDX-License-Identifier: BSD-3-Clause */
/* Wished peers against told and actual ones; see peers.h. */
#include "config.h"

#include "agent/wg/peers.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/map.h"

struct allowed {
    struct rk_prefix prefix;
    bool told;
};

struct wish {
    struct rk_key key;
    struct rk_key psk;
    int keepalive_s;
    struct rk_addr endpoint; /* family 0: none */
    bool known;              /* the device was told of the peer */
    bool new_conf;           /* psk or keepalive is not told yet */
    bool new_endpoint;
    bool forget;        /* remove and add again without an endpoint */
    bool fewer_allowed; /* something told was taken away: the whole list must go out */
    struct allowed *allowed;
    size_t n_allowed, cap_allowed;
};

struct wg_peers {
    struct rk_map by_key;    /* key bytes → struct wish */
    struct rk_map by_prefix; /* prefix → the wish that owns it */
    struct rk_key *gone;     /* removed, not told yet */
    size_t n_gone, cap_gone;
};

static struct rk_str key_str(const struct rk_key *k)
{
    return rk_str_of(k->b, sizeof k->b);
}

static struct rk_str prefix_str(const struct rk_prefix *p)
{
    return rk_str_of(p, sizeof *p); /* bytes only, unused ones are zero: no padding */
}
_Static_assert(sizeof(struct rk_prefix) == 18, "a prefix is compared as bytes");

struct wg_peers *wg_peers_new(void)
{
    struct wg_peers *t = rk_calloc(1, sizeof *t);

    rk_map_init(&t->by_key, true);
    rk_map_init(&t->by_prefix, false);
    return t;
}

static void wish_free(struct wish *w)
{
    rk_key_wipe(&w->psk);
    free(w->allowed);
    free(w);
}

void wg_peers_free(struct wg_peers *t)
{
    size_t pos = 0;
    void *w;

    if (!t)
        return;
    while (rk_map_next(&t->by_key, &pos, NULL, &w))
        wish_free(w);
    rk_map_done(&t->by_key);
    rk_map_done(&t->by_prefix);
    free(t->gone);
    free(t);
}

static struct wish *find(const struct wg_peers *t, const struct rk_key *peer)
{
    return rk_map_get(&t->by_key, key_str(peer));
}

void wg_peers_put(struct wg_peers *t, const struct rk_key *peer, const struct rk_key *psk,
                  int keepalive_s)
{
    static const struct rk_key none;
    struct wish *w = find(t, peer);
    const struct rk_key *want = psk ? psk : &none;

    if (!w) {
        w = rk_calloc(1, sizeof *w);
        w->key = *peer;
        w->new_conf = true;
        (void)rk_map_put(&t->by_key, key_str(&w->key), w);
    } else if (!rk_key_eq(&w->psk, want) || w->keepalive_s != keepalive_s) {
        w->new_conf = true;
    }
    w->psk = *want;
    w->keepalive_s = keepalive_s;
}

bool wg_peers_has(const struct wg_peers *t, const struct rk_key *peer)
{
    return find(t, peer) != NULL;
}

void wg_peers_remove(struct wg_peers *t, const struct rk_key *peer)
{
    struct wish *w = rk_map_del(&t->by_key, key_str(peer));

    if (!w)
        return;
    for (size_t i = 0; i < w->n_allowed; i++)
        (void)rk_map_del(&t->by_prefix, prefix_str(&w->allowed[i].prefix));
    if (w->known) {
        if (t->n_gone == t->cap_gone) {
            t->cap_gone = t->cap_gone ? t->cap_gone * 2 : 8;
            t->gone = rk_realloc(t->gone, t->cap_gone, sizeof *t->gone);
        }
        t->gone[t->n_gone++] = w->key;
    }
    wish_free(w);
}

void wg_peers_endpoint(struct wg_peers *t, const struct rk_key *peer, const struct rk_addr *to)
{
    struct wish *w = find(t, peer);

    if (!w)
        return;
    w->endpoint = *to;
    w->new_endpoint = true;
}

void wg_peers_forget(struct wg_peers *t, const struct rk_key *peer)
{
    struct wish *w = find(t, peer);

    if (!w)
        return;
    w->forget = true;
    w->endpoint = (struct rk_addr){0};
    w->new_endpoint = false;
}

/* Forget one allowed prefix; `moved`: another peer gets it, which takes it from here by itself. */
static void drop_allowed(struct wish *w, const struct rk_prefix *p, bool moved)
{
    for (size_t i = 0; i < w->n_allowed; i++) {
        if (rk_prefix_cmp(&w->allowed[i].prefix, p) != 0)
            continue;
        if (w->allowed[i].told && !moved)
            w->fewer_allowed = true;
        memmove(&w->allowed[i], &w->allowed[i + 1], (w->n_allowed - i - 1) * sizeof *w->allowed);
        w->n_allowed--;
        return;
    }
}

void wg_peers_allow(struct wg_peers *t, const struct rk_key *peer, const struct rk_prefix *p)
{
    struct rk_prefix m = rk_prefix_masked(p);
    struct wish *w = find(t, peer), *owner;

    if (!w)
        return;
    owner = rk_map_get(&t->by_prefix, prefix_str(&m));
    if (owner == w)
        return;
    if (owner)
        drop_allowed(owner, &m, true);
    (void)rk_map_put(&t->by_prefix, prefix_str(&m), w);
    if (w->n_allowed == w->cap_allowed) {
        w->cap_allowed = w->cap_allowed ? w->cap_allowed * 2 : 4;
        w->allowed = rk_realloc(w->allowed, w->cap_allowed, sizeof *w->allowed);
    }
    w->allowed[w->n_allowed++] = (struct allowed){.prefix = m};
}

void wg_peers_disallow(struct wg_peers *t, const struct rk_key *peer, const struct rk_prefix *p)
{
    struct rk_prefix m = rk_prefix_masked(p);
    struct wish *w = find(t, peer);

    if (!w || rk_map_get(&t->by_prefix, prefix_str(&m)) != w)
        return;
    (void)rk_map_del(&t->by_prefix, prefix_str(&m));
    drop_allowed(w, &m, false);
}

/* ---- one change */

struct building {
    struct rk_arena *mem;
    struct wg_peer_change *items;
    size_t n, cap;
};

static struct wg_peer_change *add(struct building *b, const struct rk_key *key)
{
    b->items = rk_arena_grow(b->mem, b->items, b->n, &b->cap, sizeof *b->items);
    b->items[b->n] = (struct wg_peer_change){.key = *key, .keepalive_s = WG_KEEPALIVE_KEEP};
    return &b->items[b->n++];
}

static int by_wish_key(const void *a, const void *b)
{
    const struct wish *const *x = a, *const *y = b;

    return memcmp((*x)->key.b, (*y)->key.b, RK_KEY_SIZE);
}

/* Something that the device was not told. */
static bool has_news(const struct wish *w)
{
    if (!w->known || w->forget || w->new_conf || w->new_endpoint || w->fewer_allowed)
        return true;
    for (size_t i = 0; i < w->n_allowed; i++)
        if (!w->allowed[i].told)
            return true;
    return false;
}

static struct wish **sorted(const struct wg_peers *t, struct rk_arena *mem, bool only_news,
                            size_t *n_out)
{
    struct wish **all = rk_new_n(mem, struct wish *, t->by_key.n ? t->by_key.n : 1);
    size_t pos = 0, n = 0;
    void *w;

    while (rk_map_next(&t->by_key, &pos, NULL, &w))
        if (!only_news || has_news(w))
            all[n++] = w;
    qsort(all, n, sizeof(struct wish *), by_wish_key);
    *n_out = n;
    return all;
}

static void put_allowed(struct rk_arena *mem, struct wg_peer_change *c, const struct wish *w,
                        bool all)
{
    struct rk_prefix *out = rk_new_n(mem, struct rk_prefix, w->n_allowed ? w->n_allowed : 1);

    for (size_t i = 0; i < w->n_allowed; i++)
        if (all || !w->allowed[i].told)
            out[c->n_allowed++] = w->allowed[i].prefix;
    c->allowed = out;
    c->replace_allowed = all;
}

/* Everything about a peer that the device does not have. */
static void put_whole(struct building *b, const struct wish *w)
{
    struct wg_peer_change *c = add(b, &w->key);

    c->has_psk = !rk_key_is_zero(&w->psk);
    c->psk = w->psk;
    c->keepalive_s = w->keepalive_s;
    c->has_endpoint = w->endpoint.ip.family != 0;
    c->endpoint = w->endpoint;
    put_allowed(b->mem, c, w, true);
}

static void put_news(struct building *b, const struct wish *w)
{
    struct wg_peer_change *c;
    bool more = false;

    for (size_t i = 0; i < w->n_allowed; i++)
        more = more || !w->allowed[i].told;
    if (!w->known || w->forget) {
        if (w->known)
            add(b, &w->key)->remove = true;
        put_whole(b, w);
        return;
    }
    c = add(b, &w->key);
    c->update_only = true; /* it is known: a missing peer is reconcile's matter */
    if (w->new_conf) {
        c->has_psk = true;
        c->psk = w->psk;
        c->keepalive_s = w->keepalive_s;
    }
    if (w->new_endpoint) {
        c->has_endpoint = true;
        c->endpoint = w->endpoint;
    }
    if (more || w->fewer_allowed)
        put_allowed(b->mem, c, w, w->fewer_allowed);
}

static void mark_told(struct wg_peers *t, bool ok)
{
    size_t pos = 0;
    void *value;

    while (rk_map_next(&t->by_key, &pos, NULL, &value)) {
        struct wish *w = value;

        if (!ok) { /* nobody knows how far the device got: say it all again */
            w->new_conf = w->fewer_allowed = true;
            w->new_endpoint = w->endpoint.ip.family != 0;
            w->known = false;
            continue;
        }
        w->known = true;
        w->new_conf = w->new_endpoint = w->forget = w->fewer_allowed = false;
        for (size_t i = 0; i < w->n_allowed; i++)
            w->allowed[i].told = true;
    }
    if (ok)
        t->n_gone = 0;
}

enum rk_code wg_peers_flush(struct wg_peers *t, struct wg_device *d, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(0);
    struct building b = {.mem = mem};
    size_t n;
    /* a map adds its peers one by one: sorting all of them each time would take minutes */
    struct wish **all = sorted(t, mem, true, &n);
    struct wg_change c = {0};
    enum rk_code rc;

    for (size_t i = 0; i < t->n_gone; i++)
        add(&b, &t->gone[i])->remove = true;
    for (size_t i = 0; i < n; i++)
        put_news(&b, all[i]);
    if (!b.n)
        return RK_OK;
    c.peers = b.items;
    c.n_peers = b.n;
    rc = wg_device_apply(d, &c, err);
    mark_told(t, rc == RK_OK);
    return rc;
}

/* ---- against the device's own picture */

static int by_state_key(const void *a, const void *b)
{
    const struct wg_peer_state *const *x = a, *const *y = b;

    return memcmp((*x)->key.b, (*y)->key.b, RK_KEY_SIZE);
}

static int by_prefix(const void *a, const void *b)
{
    return rk_prefix_cmp(a, b);
}

static bool same_allowed(const struct wish *w, const struct wg_peer_state *s, struct rk_arena *mem)
{
    struct rk_prefix *x = rk_new_n(mem, struct rk_prefix, w->n_allowed + 1);
    struct rk_prefix *y = rk_new_n(mem, struct rk_prefix, s->n_allowed + 1);

    if (w->n_allowed != s->n_allowed)
        return false;
    for (size_t i = 0; i < w->n_allowed; i++) {
        x[i] = w->allowed[i].prefix;
        y[i] = s->allowed[i];
    }
    qsort(x, w->n_allowed, sizeof *x, by_prefix);
    qsort(y, w->n_allowed, sizeof *y, by_prefix);
    for (size_t i = 0; i < w->n_allowed; i++)
        if (rk_prefix_cmp(&x[i], &y[i]) != 0)
            return false;
    return true;
}

static void put_repair(struct building *b, const struct wish *w, const struct wg_peer_state *s)
{
    bool allowed_ok = same_allowed(w, s, b->mem), psk_ok = rk_key_eq(&w->psk, &s->psk);
    struct wg_peer_change *c;

    if (allowed_ok && psk_ok && w->keepalive_s == s->keepalive_s)
        return;
    c = add(b, &w->key);
    if (!psk_ok) {
        c->has_psk = true;
        c->psk = w->psk;
    }
    if (w->keepalive_s != s->keepalive_s)
        c->keepalive_s = w->keepalive_s;
    if (!allowed_ok)
        put_allowed(b->mem, c, w, true);
}

void wg_peers_diff(struct wg_peers *t, const struct wg_state *have, struct rk_arena *mem,
                   struct wg_change *out)
{
    struct building b = {.mem = mem};
    size_t n_want;
    struct wish **want = sorted(t, mem, false, &n_want);
    const struct wg_peer_state **is =
        rk_new_n(mem, const struct wg_peer_state *, have->n_peers ? have->n_peers : 1);
    size_t i = 0, j = 0;

    for (size_t k = 0; k < have->n_peers; k++)
        is[k] = &have->peers[k];
    qsort(is, have->n_peers, sizeof(const struct wg_peer_state *), by_state_key);
    for (size_t k = 0; k < have->n_peers; k++) { /* removals first: they free prefixes */
        while (i < n_want && memcmp(want[i]->key.b, is[k]->key.b, RK_KEY_SIZE) < 0)
            i++;
        if (i == n_want || memcmp(want[i]->key.b, is[k]->key.b, RK_KEY_SIZE) != 0)
            add(&b, &is[k]->key)->remove = true;
    }
    for (i = 0; i < n_want; i++) {
        while (j < have->n_peers && memcmp(is[j]->key.b, want[i]->key.b, RK_KEY_SIZE) < 0)
            j++;
        if (j < have->n_peers && memcmp(is[j]->key.b, want[i]->key.b, RK_KEY_SIZE) == 0)
            put_repair(&b, want[i], is[j]);
        else
            put_whole(&b, want[i]);
    }
    *out = (struct wg_change){.peers = b.items, .n_peers = b.n};
}

enum rk_code wg_peers_reconcile(struct wg_peers *t, struct wg_device *d, size_t *fixed,
                                struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(0);
    struct wg_state have;
    struct wg_change c;
    enum rk_code rc = wg_peers_flush(t, d, err);

    if (rc == RK_OK)
        rc = wg_device_read(d, mem, &have, err);
    if (rc)
        return rc;
    wg_peers_diff(t, &have, mem, &c);
    *fixed = c.n_peers;
    return c.n_peers ? wg_device_apply(d, &c, err) : RK_OK;
}
