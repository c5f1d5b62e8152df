/* SPDX-License-Identifier: BSD-3-Clause */
/* See flows.h. */
#include "config.h"

#include "management/reach/flows.h"

#define WORDS (FLOWS_PORTS / 64)

static void set_ports(uint64_t *w, uint32_t first, uint32_t last, bool on)
{
    if (first == 0 && last == FLOWS_PORTS - 1) {
        memset(w, on ? 0xff : 0, WORDS * sizeof *w);
        return;
    }
    while (first <= last) {
        uint32_t bit = first % 64, n = 64 - bit;
        uint64_t mask;

        if (n > last - first + 1)
            n = last - first + 1;
        mask = (n == 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1) << bit;
        if (on)
            w[first / 64] |= mask;
        else
            w[first / 64] &= ~mask;
        first += n;
    }
}

void flows_set(struct flows *f, enum rule_protocol proto, uint16_t first, uint16_t last, bool on)
{
    bool open = first == 0 && last == 0;
    uint32_t to = open ? FLOWS_PORTS - 1 : last;

    if (proto == PROTO_ALL || proto == PROTO_TCP || proto == PROTO_SSH)
        set_ports(f->tcp, first, to, on);
    if (proto == PROTO_ALL || proto == PROTO_UDP)
        set_ports(f->udp, first, to, on);
    if (proto == PROTO_ICMP || (proto == PROTO_ALL && open))
        f->icmp = on;
    if (proto == PROTO_ALL && open)
        f->other = on;
}

static bool any_port(const uint64_t *w)
{
    for (size_t i = 0; i < WORDS; i++)
        if (w[i])
            return true;
    return false;
}

bool flows_any(const struct flows *f)
{
    return f->icmp || f->other || any_port(f->tcp) || any_port(f->udp);
}

static bool ports_allow(const uint64_t *w, uint16_t port)
{
    return port ? w[port / 64] >> (port % 64) & 1 : any_port(w);
}

bool flows_allow(const struct flows *f, enum rule_protocol proto, uint16_t port)
{
    switch (proto) {
    case PROTO_TCP:
    case PROTO_SSH:
        return ports_allow(f->tcp, port);
    case PROTO_UDP:
        return ports_allow(f->udp, port);
    case PROTO_ICMP:
        return f->icmp;
    case PROTO_ALL:
        if (port)
            return ports_allow(f->tcp, port) || ports_allow(f->udp, port);
        return flows_any(f);
    }
    return false;
}

bool flows_eq(const struct flows *a, const struct flows *b)
{
    return a->icmp == b->icmp && a->other == b->other &&
           memcmp(a->tcp, b->tcp, sizeof a->tcp) == 0 && memcmp(a->udp, b->udp, sizeof a->udp) == 0;
}

void flows_add(struct flows *a, const struct flows *b)
{
    for (size_t i = 0; i < WORDS; i++) {
        a->tcp[i] |= b->tcp[i];
        a->udp[i] |= b->udp[i];
    }
    a->icmp |= b->icmp;
    a->other |= b->other;
}

void flows_drop(struct flows *a, const struct flows *b)
{
    for (size_t i = 0; i < WORDS; i++) {
        a->tcp[i] &= ~b->tcp[i];
        a->udp[i] &= ~b->udp[i];
    }
    a->icmp &= !b->icmp;
    a->other &= !b->other;
}

/* ---- as text */

static bool has(const uint64_t *w, uint32_t port, bool inverted)
{
    return ((w[port / 64] >> (port % 64) & 1) != 0) != inverted;
}

static size_t count(const uint64_t *w)
{
    size_t n = 0;

    for (size_t i = 0; i < WORDS; i++)
        n += (size_t)__builtin_popcountll(w[i]);
    return n;
}

/* Ranges of ports that are set (or not, inverted); port 0 exists on no wire and says nothing. */
static void put_ranges(struct rk_buf *out, const uint64_t *w, bool inverted)
{
    const char *sep = " ";

    for (uint32_t p = 1; p < FLOWS_PORTS; p++) {
        uint32_t first = p;

        if (!has(w, p, inverted))
            continue;
        while (p + 1 < FLOWS_PORTS && has(w, p + 1, inverted))
            p++;
        rk_buf_printf(out, "%s%u", sep, first);
        if (first != p)
            rk_buf_printf(out, "-%u", p);
        sep = ", ";
    }
}

static void put_ports(struct rk_buf *out, size_t from, const char *name, const uint64_t *w)
{
    size_t n = count(w);

    if (n == 0)
        return;
    if (out->n > from)
        rk_buf_addz(out, "; ");
    rk_buf_addz(out, name);
    if (n >= FLOWS_PORTS - 1)
        return;
    if (n > FLOWS_PORTS / 2)
        rk_buf_addz(out, " but");
    put_ranges(out, w, n > FLOWS_PORTS / 2);
}

static void put_word(struct rk_buf *out, size_t from, const char *word)
{
    if (out->n > from)
        rk_buf_addz(out, "; ");
    rk_buf_addz(out, word);
}

void flows_text(const struct flows *f, struct rk_buf *out)
{
    size_t from = out->n;

    if (!flows_any(f)) {
        rk_buf_addz(out, "none");
        return;
    }
    if (f->icmp && f->other && count(f->tcp) >= FLOWS_PORTS - 1 &&
        count(f->udp) >= FLOWS_PORTS - 1) {
        rk_buf_addz(out, "all");
        return;
    }
    put_ports(out, from, "tcp", f->tcp);
    put_ports(out, from, "udp", f->udp);
    if (f->icmp)
        put_word(out, from, "icmp");
    if (f->other)
        put_word(out, from, "other protocols");
}
