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

enum direction { DIR_IN, DIR_OUT };

struct middle {   /* the piece that does not depend on the address */
    size_t at, n; /* in struct entries.b */
};

struct entries { /* all entries that one rule gives per address */
    struct rk_buf b;
    struct middle *v;
    size_t n, cap;
    size_t total; /* bytes of all pieces */
};

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

static void add_entry(struct entries *e, const struct view *v, const struct rule *r,
                      enum direction dir, struct rk_str port, const struct port_range *range)
{
    enum rule_protocol proto = r->protocol == PROTO_SSH ? PROTO_TCP : r->protocol;
    bool open = range->start == 0 && range->end == 0;
    struct middle m = {.at = e->b.n};

    pb_uint(&e->b, 2, dir);
    pb_uint(&e->b, 3, r->action == ACTION_DROP);
    pb_uint(&e->b, 4, firewall_wire_protocol(proto));
    pb_str(&e->b, 5, port);
    if (port.n == 0 && (proto == PROTO_TCP || proto == PROTO_UDP) && !(open && v->no_open_portinfo))
        put_port_info(&e->b, range);
    pb_str(&e->b, 7, r->id);
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

/* Entries for the ports of a rule, as the receiver understands them. */
static void expand(struct entries *e, const struct view *v, const struct rule *r,
                   enum direction dir)
{
    static const struct port_range OPEN = {0, 0};
    bool has_ssh = false, has_native = false;

    if (r->ports.n == 0 && r->n_ranges == 0) {
        add_entry(e, v, r, dir, (struct rk_str){0}, &OPEN);
        return;
    }
    for (size_t i = 0; i < r->ports.n; i++) {
        add_entry(e, v, r, dir, r->ports.v[i], &OPEN);
        has_ssh |= rk_str_eqz(r->ports.v[i], "22");
        has_native |= rk_str_eqz(r->ports.v[i], TEXT_NATIVE);
    }
    for (size_t i = 0; i < r->n_ranges && r->ports.n == 0; i++) {
        const struct port_range *range = &r->ranges[i];
        char text[8];

        if (v->ranges)
            add_entry(e, v, r, dir, (struct rk_str){0}, range);
        else if (range->start == range->end) {
            int n = snprintf(text, sizeof text, "%u", range->start);

            add_entry(e, v, r, dir, rk_str_of(text, (size_t)n), &OPEN);
        } else
            continue;
        has_ssh |= covers(range, PORT_SSH);
        has_native |= covers(range, PORT_NATIVE);
    }
    if ((r->protocol == PROTO_SSH || (v->native_ssh && r->protocol == PROTO_TCP)) && has_ssh &&
        !has_native)
        add_entry(e, v, r, dir, RK_STR(TEXT_NATIVE), &OPEN);
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

struct emitter {
    struct view *v;
    struct rk_buf *out;
    struct seen *seen; /* one per class that occurred */
    uint32_t n_seen;
};

static struct bits *seen_of(struct emitter *em, uint32_t twins, enum direction dir)
{
    for (uint32_t i = 0; i < em->n_seen; i++)
        if (em->seen[i].twins == twins)
            return &em->seen[i].dir[dir];
    em->seen = rk_realloc(em->seen, em->n_seen + 1, sizeof *em->seen);
    em->seen[em->n_seen] = (struct seen){.twins = twins};
    return &em->seen[em->n_seen++].dir[dir];
}

/* Entries of one rule in one direction for the peers in the set, minus those it had before. */
static void emit(struct emitter *em, const struct plan_rule *r, enum direction dir,
                 struct bits *peers)
{
    struct entries e = {0};

    bits_unset(peers, em->v->self);
    if (r->twins != NO_INDEX) {
        struct bits *seen = seen_of(em, r->twins, dir);

        bits_andnot(peers, seen);
        bits_or(seen, peers);
    }
    if (!bits_any(peers))
        return;
    rk_buf_init(&e.b, SIZE_MAX / 2);
    expand(&e, em->v, r->r, dir);
    (void)rk_buf_room(&e.b, MIDDLE_FIXED); /* block copies may read behind the last one */
    put_peers(em->v, peers, &e, em->out);
    rk_buf_done(&e.b);
    free(e.v);
}

/* Both directions for both sides of a rule, in the order of the official server: inbound from the
 * destinations and outbound to the sources only for bidirectional rules. */
static void emit_rule(struct emitter *em, const struct view_hit *h)
{
    struct view *v = em->v;
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
        emit(em, r, DIR_IN, &set);
    }
    if (both && h->in_dst) {
        bits_copy(&set, &src);
        emit(em, r, DIR_OUT, &set);
    }
    if (h->in_src) {
        bits_copy(&set, &dst);
        if (both && h->in_dst)
            bits_andnot(&set, &src);
        emit(em, r, DIR_OUT, &set);
    }
    if (h->in_dst) {
        bits_copy(&set, &src);
        if (both && h->in_src)
            bits_andnot(&set, &dst);
        emit(em, r, DIR_IN, &set);
    }
    bits_done(&src);
    bits_done(&dst);
    bits_done(&set);
}

bool firewall_put(struct view *v, struct rk_buf *out)
{
    struct emitter em = {.v = v, .out = out};
    size_t before = out->n;

    for (uint32_t i = 0; i < v->n_hits; i++)
        emit_rule(&em, &v->hits[i]);
    for (uint32_t i = 0; i < em.n_seen; i++) {
        bits_done(&em.seen[i].dir[DIR_IN]);
        bits_done(&em.seen[i].dir[DIR_OUT]);
    }
    free(em.seen);
    return out->n > before;
}
