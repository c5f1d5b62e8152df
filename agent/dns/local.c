/* SPDX-License-Identifier: BSD-3-Clause */
/* Handlers that answer by themselves; see local.h. */
#include "config.h"

#include "agent/dns/local.h"

#include <stdlib.h>

#include "lib/base/num.h"

#define OUTSIDE_TTL_S 60 /* of what an alias leads to outside our zones */
#define ALIASES_MAX   8
#define ANSWER_SIZE   16384

struct handler {
    struct dns_handler h;
    struct dns_local *l;
};

struct dns_local {
    struct dns_local_opts o;
    struct dns_zones *zones;
    struct handler *v;
    struct dns_handler **list;
    size_t n, cap;
    unsigned turn;
};

/* ---- zones */

/* An alias leads out of our zones: the rest of the answer comes from others. */
struct outside {
    struct dns_asker asker;
    struct dns_local *l;
    struct dns_query *q;   /* who waits */
    struct dns_query *sub; /* under way */
    struct dns_name target;
    struct rk_arena *mem; /* the records, as their zones may go meanwhile */
    struct dns_zone_answer found;
};

static void outside_free(struct outside *o)
{
    dns_query_cancel(o->sub);
    rk_arena_free(o->mem);
    free(o);
}

static void outside_drop(struct dns_query *q)
{
    outside_free(q->job);
}

static void outside_answer(struct dns_asker *asker, uint8_t *bytes, size_t n)
{
    struct outside *o = rk_container_of(asker, struct outside, asker);
    struct dns_query *q = o->q;
    uint8_t buf[ANSWER_SIZE];
    struct rk_ip ips[DNS_ZONE_ANSWER_MAX];
    struct dns_writer w;
    struct dns_msg m;
    unsigned code = DNS_SERVFAIL;
    size_t count = 0;
    uint32_t ttl = 0;

    o->sub = NULL;
    if (dns_decode(rk_str_of(bytes, n), &m, NULL) == RK_OK) {
        code = m.flags & DNS_RCODE_MASK;
        count = rk_min_size(dns_addresses(&m, ips, RK_ARRAY_LEN(ips), &ttl), RK_ARRAY_LEN(ips));
    }
    dns_begin_reply(&w, buf, sizeof buf, &q->msg, DNS_RA | code);
    dns_zones_write(&o->found, &w, 0, NULL, NULL);
    for (size_t i = 0; i < count; i++)
        dns_put_ip(&w, &o->target, (uint32_t)rk_min_i64(ttl, OUTSIDE_TTL_S), &ips[i]);
    if (q->msg.has_opt)
        dns_put_opt(&w, 1232, q->msg.opt_do, -1);
    outside_free(o);
    n = dns_end(&w).n;
    if (n)
        dns_query_answer(q, buf, n);
    else
        dns_query_code(q, DNS_SERVFAIL, -1);
}

static void ask_outside(struct dns_local *l, struct dns_query *q, const struct dns_zone_answer *a)
{
    uint8_t buf[DNS_HEADER_SIZE + DNS_NAME_MAX + 4];
    struct outside *o;
    struct dns_writer w;
    struct dns_msg m;

    if (q->aliases >= ALIASES_MAX) {
        dns_query_code(q, DNS_SERVFAIL, -1);
        return;
    }
    o = rk_calloc(1, sizeof *o);
    o->l = l;
    o->q = q;
    o->asker.answer = outside_answer;
    o->target = a->target;
    o->mem = rk_arena_new(0);
    o->found = *a;
    for (size_t i = 0; i < a->n; i++) {
        struct dns_record *r = rk_new(o->mem, struct dns_record);

        *r = *a->v[i];
        r->data = rk_arena_dup(o->mem, r->data);
        o->found.v[i] = r;
    }
    q->job = o;
    q->drop = outside_drop;
    dns_begin_query(&w, buf, sizeof buf, 0, &a->target, q->msg.qtype);
    RK_IGNORE(dns_decode(dns_end(&w), &m, NULL)); /* our own */
    /* not the names of the control plane: those are nobody's alias */
    dns_chain_ask(l->o.chain, &m, q->tcp, DNS_PRIO_ROUTE, &o->asker, &o->sub);
}

static void answer_found(struct dns_local *l, struct dns_query *q, const struct dns_zone_answer *a)
{
    uint8_t buf[ANSWER_SIZE];
    unsigned flags = DNS_AA | DNS_RA;
    struct dns_writer w;
    size_t n;

    if (a->found == DNS_FOUND_NOTHING)
        flags |= DNS_NXDOMAIN;
    dns_begin_reply(&w, buf, sizeof buf, &q->msg, flags);
    dns_zones_write(a, &w, l->turn++, l->o.away, l->o.away_arg);
    if (q->msg.has_opt)
        dns_put_opt(&w, 1232, q->msg.opt_do, -1);
    n = dns_end(&w).n;
    if (n)
        dns_query_answer(q, buf, n);
    else
        dns_query_code(q, DNS_SERVFAIL, -1);
}

static void ask_zones(struct dns_handler *h, struct dns_query *q)
{
    struct dns_local *l = rk_container_of(h, struct handler, h)->l;
    struct dns_zone_answer *a = rk_malloc(sizeof *a);

    dns_zones_find(l->zones, &q->msg.qname, q->msg.qtype, a);
    if (a->found == DNS_FOUND_PASS)
        dns_query_pass(q);
    else if (a->found == DNS_FOUND_ELSEWHERE)
        ask_outside(l, q, a);
    else
        answer_found(l, q, a);
    free(a);
}

/* ---- names of the control plane */

struct control { /* a name that has to be asked for first */
    struct dns_lookup lookup;
    struct dns_query *q;
};

static void control_drop(struct dns_query *q)
{
    struct control *c = q->job;

    dns_lookup_cancel(&c->lookup);
    free(c);
}

static void answer_ips(struct dns_query *q, const struct rk_ip *ips, size_t n, uint32_t ttl_s)
{
    uint8_t buf[DNS_HEADER_SIZE + DNS_NAME_MAX + 32 + DNS_NAMES_IPS * 28];
    struct dns_writer w;

    dns_begin_reply(&w, buf, sizeof buf, &q->msg, DNS_RA);
    for (size_t i = 0; i < n; i++)
        dns_put_ip(&w, &q->msg.qname, ttl_s, &ips[i]);
    if (q->msg.has_opt)
        dns_put_opt(&w, 1232, q->msg.opt_do, -1);
    dns_query_answer(q, buf, dns_end(&w).n);
}

static void control_done(struct dns_lookup *lookup, const struct rk_ip *ips, size_t n,
                         const struct rk_err *why)
{
    struct control *c = rk_container_of(lookup, struct control, lookup);
    struct dns_query *q = c->q;

    free(c);
    if (why) /* perhaps it is a name of the overlay after all */
        dns_query_pass(q);
    else
        answer_ips(q, ips, n, DNS_NAMES_TTL_MS / 1000);
}

static void ask_control(struct dns_handler *h, struct dns_query *q)
{
    struct dns_local *l = rk_container_of(h, struct handler, h)->l;
    struct dns_names *names = dns_resolver_cache(l->o.resolver);
    int64_t now = rk_loop_now_ms(l->o.loop);
    const struct dns_entry *e;
    struct control *c;

    if (q->msg.qtype != DNS_A && q->msg.qtype != DNS_AAAA) {
        dns_query_pass(q);
        return;
    }
    e = dns_names_find(names, &q->msg.qname, q->msg.qtype, now);
    if (e) { /* old is good enough while a newer one is fetched, but is not to be kept */
        dns_resolver_refresh(l->o.resolver, &q->msg.qname, q->msg.qtype);
        answer_ips(q, e->ips, e->n,
                   e->expires_ms > now ? (uint32_t)((e->expires_ms - now) / 1000) : 0);
        return;
    }
    c = rk_calloc(1, sizeof *c);
    c->q = q;
    c->lookup.done = control_done;
    q->job = c;
    q->drop = control_drop;
    dns_resolver_lookup(l->o.resolver, &c->lookup, &q->msg.qname, q->msg.qtype);
}

/* ---- the list */

static void add(struct dns_local *l, const struct dns_handler *h)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 32;
        l->v = rk_realloc(l->v, l->cap, sizeof *l->v);
    }
    l->v[l->n++] = (struct handler){.h = *h, .l = l};
}

struct dns_handler *const *dns_local_handlers(struct dns_local *l, size_t *n)
{
    const struct dns_names *names = dns_resolver_cache(l->o.resolver);
    const struct dns_zone *zone;

    l->n = 0;
    for (enum dns_role role = 0; role < DNS_ROLE_COUNT; role++) {
        size_t count;
        const struct dns_name *v = dns_names_of(names, role, &count);

        for (size_t i = 0; i < count; i++)
            add(l, &(struct dns_handler){.priority = DNS_PRIO_NAMES,
                                         .pattern = v[i],
                                         .subdomains = role == DNS_ROLE_RELAY,
                                         .ask = ask_control});
    }
    for (size_t i = 0; (zone = dns_zones_at(l->zones, i)); i++)
        add(l, &(struct dns_handler){.priority = DNS_PRIO_LOCAL,
                                     .pattern = zone->apex,
                                     .subdomains = true,
                                     .ask = ask_zones});
    l->list = rk_realloc(l->list, l->n + 1, sizeof(struct dns_handler *));
    for (size_t i = 0; i < l->n; i++)
        l->list[i] = &l->v[i].h;
    *n = l->n;
    return l->list;
}

void dns_local_zones(struct dns_local *l, struct dns_zones *zones)
{
    dns_zones_free(l->zones);
    l->zones = zones;
}

const struct dns_zones *dns_local_zones_get(const struct dns_local *l)
{
    return l->zones;
}

struct dns_local *dns_local_new(const struct dns_local_opts *opts)
{
    struct dns_local *l = rk_calloc(1, sizeof *l);

    l->o = *opts;
    return l;
}

void dns_local_free(struct dns_local *l)
{
    if (!l)
        return;
    dns_zones_free(l->zones);
    free(l->v);
    free(l->list);
    free(l);
}
