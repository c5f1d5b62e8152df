/* SPDX-License-Identifier: BSD-3-Clause */
/* Local zones; see zone.h. Records are one list sorted by name, so that a name's records and the
 * names below it are found by a binary search. */
#include "config.h"

#include "agent/dns/zone.h"

#include <stdlib.h>
#include <string.h>

#include "agent/dns/idn.h"
#include "lib/base/buf.h"
#include "lib/base/num.h"

#define TXT_PIECE 255 /* RFC 1035 3.3: a text is at most this long */

struct dns_zones {
    struct rk_arena *mem;
    struct dns_zone *zones; /* the longer apex first */
    size_t n_zones;
    struct dns_record *v; /* sorted by owner, type, data */
    size_t n, cap;
};

/* ---- order: labels from the right, so that a zone is one run */

static size_t label_starts(struct rk_str wire, uint8_t at[128])
{
    size_t n = 0;

    for (size_t i = 0; i < wire.n && wire.p[i]; i += (size_t)(uint8_t)wire.p[i] + 1)
        at[n++] = (uint8_t)i;
    return n;
}

static int by_name(struct rk_str a, struct rk_str b)
{
    uint8_t ai[128], bi[128];
    size_t an = label_starts(a, ai), bn = label_starts(b, bi);

    while (an && bn) {
        struct rk_str x = rk_str_of(a.p + ai[an - 1] + 1, (uint8_t)a.p[ai[an - 1]]);
        struct rk_str y = rk_str_of(b.p + bi[bn - 1] + 1, (uint8_t)b.p[bi[bn - 1]]);
        int c = rk_str_cmp(x, y);

        if (c)
            return c;
        an--;
        bn--;
    }
    return an ? 1 : bn ? -1 : 0;
}

static int by_record(const void *p, const void *q)
{
    const struct dns_record *a = p, *b = q;
    int c = by_name(a->owner, b->owner);

    c = c ? c : (int)a->type - (int)b->type;
    return c ? c : rk_str_cmp(a->data, b->data);
}

static struct rk_str wire(const struct dns_name *name)
{
    return rk_str_of(name->b, name->n);
}

static struct dns_name name_of(struct rk_str w)
{
    struct dns_name n = {.n = (uint8_t)w.n};

    memcpy(n.b, w.p, w.n);
    return n;
}

/* First record whose owner is not before name. */
static size_t lower(const struct dns_zones *z, struct rk_str name)
{
    size_t lo = 0, hi = z->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (by_name(z->v[mid].owner, name) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* ---- making */

static struct dns_record *add(struct dns_zones *z, const struct dns_name *owner, uint16_t type,
                              uint32_t ttl, struct rk_str data)
{
    if (z->n == z->cap) { /* not in the arena: it would keep every smaller one */
        z->cap = z->cap ? z->cap * 2 : 64;
        z->v = rk_realloc(z->v, z->cap, sizeof *z->v);
    }
    z->v[z->n] = (struct dns_record){.owner = rk_arena_dup(z->mem, wire(owner)),
                                     .type = type,
                                     .ttl = ttl,
                                     .data = rk_arena_dup(z->mem, data)};
    return &z->v[z->n++];
}

/* A text in pieces of at most 255 bytes, quotes around it taken away. */
static bool txt_data(struct rk_arena *mem, struct rk_str text, struct rk_str *out)
{
    struct rk_buf b;

    if (text.n >= 2 && text.p[0] == '"' && text.p[text.n - 1] == '"')
        text = rk_str_sub(text, 1, text.n - 2);
    rk_buf_init(&b, 4096);
    do {
        struct rk_str piece = rk_str_sub(text, 0, TXT_PIECE);

        rk_buf_addc(&b, (char)piece.n);
        rk_buf_add(&b, piece);
        text = rk_str_sub(text, piece.n, text.n);
    } while (text.n);
    *out = rk_arena_dup(mem, rk_buf_str(&b));
    rk_buf_done(&b);
    return out->n > 0 && out->n < 4096;
}

static bool read_data(struct rk_arena *mem, int64_t type, struct rk_str text, struct rk_str *out)
{
    struct dns_name target;
    struct rk_ip ip;

    switch (type) {
    case DNS_A:
    case DNS_AAAA:
        if (rk_ip_parse(text, &ip, NULL) || ip.family != (type == DNS_A ? 4 : 6))
            return false;
        *out = rk_arena_dup(mem, rk_str_of(ip.b, rk_ip_size(&ip)));
        return true;
    case DNS_CNAME:
    case DNS_NS:
    case DNS_PTR:
        if (dns_domain_parse(text, &target, NULL))
            return false;
        *out = rk_arena_dup(mem, wire(&target));
        return true;
    case DNS_TXT:
        return txt_data(mem, text, out);
    default:
        return false;
    }
}

static bool read_record(struct dns_zones *z, const struct dns_zone *zone,
                        const Management__SimpleRecord *m)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct dns_name owner;
    struct rk_str data;

    if (!rk_str_ieq(rk_str_z(m->class_), RK_STR("IN")) || z->n >= DNS_ZONE_RECORDS ||
        dns_domain_parse(rk_str_z(m->name), &owner, NULL) || !dns_name_below(&owner, &zone->apex) ||
        !read_data(mem, m->type, rk_str_z(m->rdata), &data))
        return false;
    (void)add(z, &owner, (uint16_t)m->type, (uint32_t)rk_max_i64(0, rk_min_i64(m->ttl, INT32_MAX)),
              data);
    return true;
}

static void read_zone(struct dns_zones *z, const Management__CustomZone *m, bool authoritative,
                      size_t *skipped)
{
    struct dns_zone zone = {.authoritative = authoritative, .search = !m->searchdomaindisabled};
    size_t before = z->n;

    if (!m->n_records)
        return;
    if (z->n_zones == DNS_ZONES_MAX || dns_domain_parse(rk_str_z(m->domain), &zone.apex, NULL) ||
        zone.apex.n == 1) {
        ++*skipped;
        return;
    }
    for (size_t i = 0; i < m->n_records; i++)
        *skipped += !read_record(z, &zone, m->records[i]);
    if (z->n > before)
        z->zones[z->n_zones++] = zone;
}

/* The reverse zone of a network, its length rounded up to where names have a dot. */
static bool reverse_apex(const struct rk_prefix *net, struct dns_name *out)
{
    struct rk_prefix p = rk_prefix_masked(net);
    unsigned unit = p.ip.family == 4 ? 8 : 4;
    unsigned skip = (unsigned)(rk_ip_size(&p.ip) * 8) / unit - (p.bits + unit - 1u) / unit;

    if (!p.ip.family || p.bits == 0)
        return false;
    dns_name_reverse(&p.ip, out);
    for (; skip; skip--)
        if (!dns_name_parent(out, out))
            return false;
    return true;
}

static void add_reverse(struct dns_zones *z, const struct rk_prefix *net)
{
    uint16_t type = net->ip.family == 4 ? DNS_A : DNS_AAAA;
    struct dns_zone zone = {.authoritative = true, .reverse = true};
    size_t n = z->n, zones = z->n_zones;

    if (zones == DNS_ZONES_MAX || !reverse_apex(net, &zone.apex))
        return;
    for (size_t i = 0; i < n; i++) {
        struct dns_record r = z->v[i];
        struct dns_name owner = name_of(r.owner), back;
        struct rk_ip ip;
        bool authoritative = false;

        for (size_t j = 0; j < zones && !authoritative; j++)
            authoritative = z->zones[j].authoritative && dns_name_below(&owner, &z->zones[j].apex);
        if (r.type != type || !authoritative || (owner.b[0] == 1 && owner.b[1] == '*') ||
            rk_ip_from_bytes(r.data, &ip, NULL) || !rk_prefix_contains(net, &ip))
            continue;
        dns_name_reverse(&ip, &back);
        if (dns_name_below(&back, &zone.apex))
            (void)add(z, &back, DNS_PTR, r.ttl, r.owner);
    }
    z->zones[z->n_zones++] = zone;
}

static int by_apex_len(const void *a, const void *b)
{
    const struct dns_zone *x = a, *y = b;

    return (int)dns_name_labels(&y->apex) - (int)dns_name_labels(&x->apex);
}

struct dns_zones *dns_zones_new(const Management__DNSConfig *config, const struct dns_zones_opts *o,
                                size_t *skipped)
{
    struct dns_zones *z = rk_calloc(1, sizeof *z);
    size_t kept = 0;

    *skipped = 0;
    z->mem = rk_arena_new(0);
    /* two more for the reverse zones */
    z->zones =
        rk_new_n(z->mem, struct dns_zone, rk_min_size(config->n_customzones + 2, DNS_ZONES_MAX));
    for (size_t i = 0; i < config->n_customzones; i++) {
        const Management__CustomZone *m = config->customzones[i];

        /* servers that know only the peers' zone do not mark it */
        read_zone(z, m, !m->nonauthoritative || config->n_customzones == 1, skipped);
    }
    if (z->n_zones) {
        add_reverse(z, &o->v4);
        add_reverse(z, &o->v6);
    }
    if (z->n)
        qsort(z->v, z->n, sizeof *z->v, by_record);
    for (size_t i = 0; i < z->n; i++)
        if (!kept || by_record(&z->v[kept - 1], &z->v[i]) != 0)
            z->v[kept++] = z->v[i];
    z->n = kept;
    qsort(z->zones, z->n_zones, sizeof *z->zones, by_apex_len);
    return z;
}

void dns_zones_free(struct dns_zones *z)
{
    if (!z)
        return;
    rk_arena_free(z->mem);
    free(z->v);
    free(z);
}

const struct dns_zone *dns_zones_at(const struct dns_zones *z, size_t i)
{
    return z && i < z->n_zones ? &z->zones[i] : NULL;
}

/* ---- finding */

static const struct dns_zone *zone_of(const struct dns_zones *z, const struct dns_name *name)
{
    for (size_t i = 0; i < z->n_zones; i++)
        if (dns_name_below(name, &z->zones[i].apex))
            return &z->zones[i];
    return NULL;
}

struct range {
    size_t from, to;
};

static struct range records_of(const struct dns_zones *z, const struct dns_name *name)
{
    struct range r = {lower(z, wire(name)), 0};

    for (r.to = r.from; r.to < z->n && rk_str_eq(z->v[r.to].owner, wire(name));)
        r.to++;
    return r;
}

static struct range records_or_wildcard(const struct dns_zones *z, const struct dns_name *name,
                                        uint16_t type)
{
    struct range r = records_of(z, name);
    struct dns_name star;

    if (r.from < r.to || type == DNS_NS || type == DNS_SOA || !dns_name_wildcard(name, &star))
        return r;
    return records_of(z, &star);
}

/* A name without records exists when names below it do (RFC 8020). */
static bool has_below(const struct dns_zones *z, const struct dns_name *name)
{
    size_t i = lower(z, wire(name));
    struct dns_name below;

    if (i == z->n)
        return false;
    below = name_of(z->v[i].owner);
    return dns_name_below(&below, name);
}

static bool take(struct dns_zone_answer *a, const struct dns_record *r)
{
    if (a->n == DNS_ZONE_ANSWER_MAX)
        return false;
    a->owner_of[a->n] = (uint8_t)(a->n_owners - 1);
    a->v[a->n++] = r;
    return true;
}

/* The records of one name; the alias to follow, or NULL. */
static const struct dns_record *collect(const struct dns_zones *z, struct range r, uint16_t type,
                                        struct dns_zone_answer *out)
{
    const struct dns_record *alias = NULL;
    bool any = false;

    for (size_t i = r.from; i < r.to; i++) {
        const struct dns_record *rec = &z->v[i];

        if (rec->type == type || type == DNS_ANY)
            any = take(out, rec) || any;
        else if (rec->type == DNS_CNAME)
            alias = rec;
    }
    if (!any && alias && take(out, alias))
        return alias;
    return NULL;
}

static enum dns_found missing(const struct dns_zones *z, const struct dns_name *name, bool first)
{
    const struct dns_zone *zone = zone_of(z, name);

    if (!zone || !zone->authoritative)
        return first ? DNS_FOUND_PASS : DNS_FOUND_ELSEWHERE;
    if (dns_name_eq(name, &zone->apex) || has_below(z, name))
        return DNS_FOUND_RECORDS;
    return DNS_FOUND_NOTHING;
}

void dns_zones_find(const struct dns_zones *z, const struct dns_name *name, uint16_t type,
                    struct dns_zone_answer *out)
{
    out->n = out->n_owners = 0;
    out->found = DNS_FOUND_RECORDS;
    out->target = *name;
    for (unsigned hop = 0; hop <= DNS_ZONE_ALIASES; hop++) {
        struct range r = records_or_wildcard(z, &out->target, type);
        const struct dns_record *alias;

        if (r.from == r.to) {
            out->found = missing(z, &out->target, hop == 0);
            return;
        }
        out->owner[out->n_owners++] = out->target;
        alias = collect(z, r, type, out);
        if (!alias)
            return;
        out->target = name_of(alias->data);
    }
    out->n = 0; /* a ring of aliases has no end */
    out->found = DNS_FOUND_NOTHING;
}

/* ---- writing */

static bool address(const struct dns_record *r, struct rk_ip *ip)
{
    return (r->type == DNS_A || r->type == DNS_AAAA) &&
           rk_ip_from_bytes(r->data, ip, NULL) == RK_OK;
}

static void put(const struct dns_zone_answer *a, struct dns_writer *w, size_t i)
{
    dns_put(w, DNS_ANSWER, &a->owner[a->owner_of[i]], a->v[i]->type, a->v[i]->ttl, a->v[i]->data);
}

void dns_zones_write(const struct dns_zone_answer *a, struct dns_writer *w, unsigned turn,
                     dns_away_fn *away, void *arg)
{
    size_t first = 0, n, left_out = 0;
    bool out[DNS_ZONE_ANSWER_MAX] = {false};
    struct rk_ip ip;

    while (first < a->n && !address(a->v[first], &ip)) /* aliases keep their order */
        put(a, w, first++);
    n = a->n - first;
    for (size_t i = 0; away && n > 1 && i < n; i++) {
        out[i] = address(a->v[first + i], &ip) && away(arg, &ip);
        left_out += out[i];
    }
    for (size_t i = 0; i < n; i++) {
        size_t at = (i + turn) % n;

        if (!out[at] || left_out == n)
            put(a, w, first + at);
    }
}
