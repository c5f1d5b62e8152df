/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Firewall rules between peers. A rule gives every remote address the same entries but for the
 * address, so each kind of entry is encoded once and copied between the two pieces that depend on
 * the address (struct fw_addr):
 *
 *   tag, length | PeerIP | direction, action, protocol, port, policy id | source prefix
 */
#include "config.h"

#include "management/netmap/firewall.h"

#include <stdlib.h>

#include "management/snapshot/pb.h"

#define FIELD_RULES  8
#define PORT_SSH     22
#define PORT_NATIVE  22022
#define TEXT_NATIVE  "22022"
#define HEAD_MAX     4  /* tag and length of an entry */
#define OVERSHOOT    64 /* what block copies may write behind the last entry */
#define MIDDLE_FIXED 48 /* bytes that are copied at once, whatever the length */

struct middle {   /* the piece that does not depend on the address */
    size_t at, n; /* in struct entries.b */
};

struct entries { /* all entries that one rule gives per address */
    struct rk_buf b;
    struct middle *v;
    size_t n, cap;
    size_t total; /* bytes of all pieces */
};

enum rule_protocol firewall_protocol(const struct rule *r)
{
    return r->protocol == PROTO_SSH ? PROTO_TCP : r->protocol;
}

unsigned firewall_wire_protocol(enum rule_protocol p)
{
    switch (p) {
    case PROTO_ALL:
        return 1;
    case PROTO_TCP:
        return 2;
    case PROTO_UDP:
        return 3;
    case PROTO_ICMP:
        return 4;
    case PROTO_SSH:
        return 6;
    }
    return 0;
}

static void put_port_info(struct rk_buf *b, const struct port_range *range)
{
    size_t info = pb_begin(b, 6), inner = pb_begin(b, 2);

    pb_uint(b, 1, range->start);
    pb_uint(b, 2, range->end);
    pb_end(b, inner);
    pb_end(b, info);
}

/* One rule in one direction, while its entries are made. */
struct making {
    struct entries *e;
    const struct view *v;
    const struct rule *r;
    enum firewall_dir dir;
};

static void add_entry(void *arg, struct rk_str port, const struct port_range *range)
{
    const struct making *k = arg;
    struct entries *e = k->e;
    enum rule_protocol proto = firewall_protocol(k->r);
    bool open = range->start == 0 && range->end == 0;
    struct middle m = {.at = e->b.n};

    pb_uint(&e->b, 2, k->dir);
    pb_uint(&e->b, 3, k->r->action == ACTION_DROP);
    pb_uint(&e->b, 4, firewall_wire_protocol(proto));
    pb_str(&e->b, 5, port);
    if (port.n == 0 && (proto == PROTO_TCP || proto == PROTO_UDP) &&
        !(open && k->v->no_open_portinfo))
        put_port_info(&e->b, range);
    pb_str(&e->b, 7, k->r->id);
    m.n = e->b.n - m.at;
    if (e->n == e->cap) {
        e->cap = e->cap ? e->cap * 2 : 8;
        e->v = rk_realloc(e->v, e->cap, sizeof *e->v);
    }
    e->v[e->n++] = m;
    e->total += m.n;
}

static bool covers(const struct port_range *r, uint16_t port)
{
    return r->start <= port && port <= r->end;
}

void firewall_ports(const struct view *v, const struct rule *r, firewall_port_fn *fn, void *arg)
{
    static const struct port_range OPEN = {0, 0};
    bool has_ssh = false, has_native = false;

    if (r->ports.n == 0 && r->n_ranges == 0) {
        fn(arg, (struct rk_str){0}, &OPEN);
        return;
    }
    for (size_t i = 0; i < r->ports.n; i++) {
        fn(arg, r->ports.v[i], &OPEN);
        has_ssh |= rk_str_eqz(r->ports.v[i], "22");
        has_native |= rk_str_eqz(r->ports.v[i], TEXT_NATIVE);
    }
    for (size_t i = 0; i < r->n_ranges && r->ports.n == 0; i++) {
        const struct port_range *range = &r->ranges[i];
        char text[8];

        if (v->ranges)
            fn(arg, (struct rk_str){0}, range);
        else if (range->start == range->end) {
            int n = snprintf(text, sizeof text, "%u", range->start);

            fn(arg, rk_str_of(text, (size_t)n), &OPEN);
        } else
            continue;
        has_ssh |= covers(range, PORT_SSH);
        has_native |= covers(range, PORT_NATIVE);
    }
    if ((r->protocol == PROTO_SSH || (v->native_ssh && r->protocol == PROTO_TCP)) && has_ssh &&
        !has_native)
        fn(arg, RK_STR(TEXT_NATIVE), &OPEN);
}

/* One entry at p; returns its end. Copies whole blocks, so up to OVERSHOOT bytes behind the end are
 * overwritten. */
static uint8_t *put_entry(uint8_t *p, const uint8_t *ip, size_t n_ip, size_t ip_block,
                          const uint8_t *middle, size_t n_middle, const uint8_t *src, size_t n_src)
{
    *p++ = FIELD_RULES << 3 | PB_LEN;
    p += pb_put_varint(p, n_ip + n_middle + n_src);
    memcpy(p, ip, ip_block);
    p += n_ip;
    if (n_middle <= MIDDLE_FIXED)
        memcpy(p, middle, MIDDLE_FIXED);
    else
        memcpy(p, middle, n_middle);
    p += n_middle;
    memcpy(p, src, n_src);
    return p + n_src;
}

/* The entries of all peers of one page that are in w. */
static void put_page(const struct view *v, const struct page *pg, uint64_t w,
                     const struct entries *e, struct rk_buf *out)
{
    size_t n_peers = (size_t)__builtin_popcountll(w);
    size_t max = n_peers * (e->total + e->n * (HEAD_MAX + FW_SRC4 + 8)) + OVERSHOOT +
                 (v->ip6 ? n_peers * (e->total + e->n * (HEAD_MAX + FW_SRC6)) : 0);
    uint8_t *start = (uint8_t *)rk_buf_room(out, max), *p = start;

    if (!start)
        return;
    for (; w; w &= w - 1) {
        const struct fw_addr *f = &pg->derived->fw[__builtin_ctzll(w)];

        for (size_t i = 0; i < e->n; i++)
            p = put_entry(p, f->b + FW_IP4, f->n_ip4, FW_SRC4 - FW_IP4,
                          (const uint8_t *)e->b.p + e->v[i].at, e->v[i].n, f->b + FW_SRC4,
                          v->prefixes ? f->n_src4 : 0);
        for (size_t i = 0; i < e->n && v->ip6 && f->n_ip6; i++)
            p = put_entry(p, f->b + FW_IP6, f->n_ip6, FW_SRC6 - FW_IP6,
                          (const uint8_t *)e->b.p + e->v[i].at, e->v[i].n, f->b + FW_SRC6,
                          v->prefixes ? f->n_src6 : 0);
    }
    rk_buf_added(out, (size_t)(p - start));
}

static void put_peers(const struct view *v, const struct bits *peers, const struct entries *e,
                      struct rk_buf *out)
{
    if (e->n == 0)
        return;
    for (uint32_t i = 0; i < peers->n && i < v->s->pages->n; i++) {
        uint64_t w = peers->w[i] & v->s->pages->page[i]->used;

        if (w)
            put_page(v, v->s->pages->page[i], w, e, out);
    }
}

/* Peers that a class of twin rules has given entries already, per direction. */
struct seen {
    uint32_t twins;
    struct bits dir[2];
};

struct walk {
    struct view *v;
    firewall_fn *fn;
    void *arg;
    struct seen *seen; /* one per class that occurred */
    uint32_t n_seen;
};

static struct bits *seen_of(struct walk *k, uint32_t twins, enum firewall_dir dir)
{
    for (uint32_t i = 0; i < k->n_seen; i++)
        if (k->seen[i].twins == twins)
            return &k->seen[i].dir[dir];
    k->seen = rk_realloc(k->seen, k->n_seen + 1, sizeof *k->seen);
    k->seen[k->n_seen] = (struct seen){.twins = twins};
    return &k->seen[k->n_seen++].dir[dir];
}

/* One rule in one direction for the peers in the set, minus those that had it before. */
static void emit(struct walk *k, const struct plan_rule *r, enum firewall_dir dir,
                 struct bits *peers)
{
    bits_unset(peers, k->v->self);
    if (r->twins != NO_INDEX) {
        struct bits *seen = seen_of(k, r->twins, dir);

        bits_andnot(peers, seen);
        bits_or(seen, peers);
    }
    if (bits_any(peers))
        k->fn(k->arg, k->v, r, dir, peers);
}

/* Both directions for both sides of a rule, in the order of the official server: inbound from the
 * destinations and outbound to the sources only for bidirectional rules. */
static void emit_rule(struct walk *k, const struct view_hit *h)
{
    struct view *v = k->v;
    const struct plan_rule *r = &v->s->plan->rules[h->rule];
    const struct plan_policy *p = &v->s->plan->policies[r->policy];
    bool both = r->r->bidirectional;
    struct bits src = {0}, dst = {0}, set = {0};

    if (h->in_src)
        view_side(v, &r->dst, NULL, &dst);
    if (h->in_dst)
        view_side(v, &r->src, p, &src);
    if (both && h->in_src) {
        bits_copy(&set, &dst);
        emit(k, r, FIREWALL_IN, &set);
    }
    if (both && h->in_dst) {
        bits_copy(&set, &src);
        emit(k, r, FIREWALL_OUT, &set);
    }
    if (h->in_src) {
        bits_copy(&set, &dst);
        if (both && h->in_dst)
            bits_andnot(&set, &src);
        emit(k, r, FIREWALL_OUT, &set);
    }
    if (h->in_dst) {
        bits_copy(&set, &src);
        if (both && h->in_src)
            bits_andnot(&set, &dst);
        emit(k, r, FIREWALL_IN, &set);
    }
    bits_done(&src);
    bits_done(&dst);
    bits_done(&set);
}

void firewall_each(struct view *v, firewall_fn *fn, void *arg)
{
    struct walk k = {.v = v, .fn = fn, .arg = arg};

    for (uint32_t i = 0; i < v->n_hits; i++)
        emit_rule(&k, &v->hits[i]);
    for (uint32_t i = 0; i < k.n_seen; i++) {
        bits_done(&k.seen[i].dir[FIREWALL_IN]);
        bits_done(&k.seen[i].dir[FIREWALL_OUT]);
    }
    free(k.seen);
}

/* ---- on the wire */

static void put_rule(void *arg, const struct view *v, const struct plan_rule *r,
                     enum firewall_dir dir, const struct bits *peers)
{
    struct entries e = {0};
    struct making k = {.e = &e, .v = v, .r = r->r, .dir = dir};

    rk_buf_init(&e.b, SIZE_MAX / 2);
    firewall_ports(v, r->r, add_entry, &k);
    (void)rk_buf_room(&e.b, MIDDLE_FIXED); /* block copies may read behind the last one */
    put_peers(v, peers, &e, arg);
    rk_buf_done(&e.b);
    free(e.v);
}

bool firewall_put(struct view *v, struct rk_buf *out)
{
    size_t before = out->n;

    firewall_each(v, put_rule, out);
    return out->n > before;
}
