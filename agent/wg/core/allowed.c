/* SPDX-License-Identifier: BSD-3-Clause */
/* Trie of allowed addresses; see allowed.h. */
#include "config.h"

#include "agent/wg/core/allowed.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"

struct wgc_allowed_node {
    struct rk_list link;     /* in its owner */
    struct wgc_owner *owner; /* NULL: only a branch */
    struct wgc_allowed_node *parent, *child[2];
    struct rk_prefix p;
};

void wgc_owner_init(struct wgc_owner *o)
{
    rk_list_init(&o->nodes);
    o->n = 0;
}

static unsigned bit_at(const uint8_t *ip, unsigned i)
{
    return ip[i / 8] >> (7 - i % 8) & 1;
}

/* How many leading bits agree, at most max. */
static unsigned common(const uint8_t *a, const uint8_t *b, unsigned max)
{
    unsigned i = 0;

    while (i + 8 <= max && a[i / 8] == b[i / 8])
        i += 8;
    while (i < max && bit_at(a, i) == bit_at(b, i))
        i++;
    return i;
}

static struct wgc_allowed_node **root_of(struct wgc_allowed *t, const struct rk_ip *ip)
{
    return ip->family == 4 ? &t->v4 : &t->v6;
}

static struct wgc_allowed_node *node_new(const struct rk_prefix *p)
{
    struct wgc_allowed_node *n = rk_calloc(1, sizeof *n);

    n->p = *p;
    return n;
}

/* Where the pointer to n is kept. */
static struct wgc_allowed_node **slot_of(struct wgc_allowed *t, struct wgc_allowed_node *n)
{
    if (!n->parent)
        return root_of(t, &n->p.ip);
    return &n->parent->child[n->parent->child[1] == n];
}

static void attach(struct wgc_allowed_node *parent, struct wgc_allowed_node *n)
{
    parent->child[bit_at(n->p.ip.b, parent->p.bits)] = n;
    n->parent = parent;
}

/* The node of exactly this prefix, made if need be. */
static struct wgc_allowed_node *node_for(struct wgc_allowed *t, const struct rk_prefix *p)
{
    struct wgc_allowed_node **slot = root_of(t, &p->ip), *at = *slot, *parent = NULL, *n, *fork;
    unsigned same = 0;

    while (at) {
        same = common(at->p.ip.b, p->ip.b, at->p.bits < p->bits ? at->p.bits : p->bits);
        if (same < at->p.bits)
            break;
        if (at->p.bits == p->bits)
            return at;
        parent = at;
        slot = &at->child[bit_at(p->ip.b, at->p.bits)];
        at = *slot;
    }
    n = node_new(p);
    n->parent = parent;
    if (!at) {
        *slot = n;
        return n;
    }
    if (same == p->bits) { /* p is above what was there */
        *slot = n;
        attach(n, at);
        return n;
    }
    fork = node_new(&(struct rk_prefix){p->ip, (uint8_t)same});
    fork->p = rk_prefix_masked(&fork->p);
    fork->parent = parent;
    *slot = fork;
    attach(fork, at);
    attach(fork, n);
    return n;
}

/* Free nodes that neither belong to anybody nor branch, upwards. */
static void prune(struct wgc_allowed *t, struct wgc_allowed_node *n)
{
    while (n && !n->owner && !(n->child[0] && n->child[1])) {
        struct wgc_allowed_node *only = n->child[0] ? n->child[0] : n->child[1];
        struct wgc_allowed_node *parent = n->parent;

        *slot_of(t, n) = only;
        if (only)
            only->parent = parent;
        free(n);
        n = parent;
    }
}

static void disown(struct wgc_allowed_node *n)
{
    rk_list_remove(&n->link);
    n->owner->n--;
    n->owner = NULL;
}

void wgc_allowed_put(struct wgc_allowed *t, const struct rk_prefix *p, struct wgc_owner *o)
{
    struct rk_prefix m = rk_prefix_masked(p);
    struct wgc_allowed_node *n = node_for(t, &m);

    if (n->owner == o)
        return;
    if (n->owner)
        disown(n);
    n->owner = o;
    rk_list_push_back(&o->nodes, &n->link);
    o->n++;
}

void wgc_allowed_drop(struct wgc_allowed *t, struct wgc_owner *o)
{
    while (o->n) {
        struct wgc_allowed_node *n = rk_container_of(o->nodes.next, struct wgc_allowed_node, link);

        disown(n);
        prune(t, n);
    }
}

static struct wgc_owner *find(const struct wgc_allowed_node *at, const uint8_t *ip, unsigned bits)
{
    struct wgc_owner *best = NULL;

    while (at && common(at->p.ip.b, ip, at->p.bits) == at->p.bits) {
        if (at->owner)
            best = at->owner;
        if (at->p.bits == bits)
            break;
        at = at->child[bit_at(ip, at->p.bits)];
    }
    return best;
}

struct wgc_owner *wgc_allowed_find4(const struct wgc_allowed *t, const uint8_t ip[4])
{
    return find(t->v4, ip, 32);
}

struct wgc_owner *wgc_allowed_find6(const struct wgc_allowed *t, const uint8_t ip[16])
{
    return find(t->v6, ip, 128);
}

size_t wgc_allowed_list(const struct wgc_owner *o, struct rk_prefix *out, size_t max)
{
    size_t n = 0;

    RK_LIST_FOR_EACH (it, &o->nodes) {
        if (n == max)
            break;
        out[n++] = rk_container_of(it, struct wgc_allowed_node, link)->p;
    }
    return n;
}

void wgc_allowed_done(struct wgc_allowed *t RK_UNUSED)
{
    assert(!t->v4 && !t->v6);
}
