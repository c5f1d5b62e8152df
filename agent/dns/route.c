/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of networks behind peers; see route.h. */
#include "config.h"

#include "agent/dns/route.h"

#include <stdlib.h>

#include "agent/dns/ask.h"
#include "agent/dns/idn.h"
#include "lib/base/arena.h"
#include "lib/base/num.h"

#define FORWARD_MS 8000

struct domain {
    struct dns_handler h;
    struct dns_routes *all;
    struct rk_str id;
    struct rk_ip peer;
    /* own look-ups */
    struct lookup *lookups[2];
    struct rk_timer *timer;
};

struct dns_routes {
    struct rk_loop *loop;
    struct rk_log *log;
    struct dns_routes_user *user;
    struct rk_arena *mem;
    struct domain *v;
    size_t n;
    struct dns_routes_opts o;
};

/* ---- what an answer says */

static size_t addresses(const struct dns_msg *m, uint8_t family, struct rk_ip *out, size_t max)
{
    struct dns_iter it = {0};
    struct dns_rr rr;
    size_t n = 0;

    while (n < max && dns_next(m, &it, &rr) && rr.section == DNS_ANSWER)
        if (dns_rr_ip(&rr, &out[n]) && out[n].family == family)
            n++;
    return n;
}

static void tell(struct dns_routes *r, struct rk_str id, const struct dns_msg *m)
{
    struct rk_ip ips[DNS_ROUTE_IPS_MAX];
    char text[DNS_NAME_TEXT];
    uint8_t family = m->qtype == DNS_A ? 4 : 6;

    if (m->qtype != DNS_A && m->qtype != DNS_AAAA)
        return;
    r->user->resolved(r->user, id, dns_name_format(&m->qname, text), family, ips,
                      addresses(m, family, ips, RK_ARRAY_LEN(ips)));
}

/* ---- by the routing peer */

struct forward {
    struct dns_routes *r;
    struct dns_query *q;
    struct rk_str id; /* owned text: the routes may change meanwhile */
    struct dns_ask_user user;
    struct dns_ask *ask;
};

static void forward_free(struct forward *f)
{
    dns_ask_cancel(f->ask);
    free((char *)(uintptr_t)f->id.p);
    free(f);
}

static void forward_drop(struct dns_query *q)
{
    forward_free(q->job);
}

static void forward_done(struct dns_ask_user *u, uint8_t *bytes, const struct dns_msg *answer,
                         const struct rk_err *why)
{
    struct forward *f = rk_container_of(u, struct forward, user);
    struct dns_query *q = f->q;

    f->ask = NULL;
    q->drop = NULL;
    if (!answer) {
        rk_log(f->r->log, RK_DEBUG, "the routing peer gives no answer", KV_ERR(why));
        forward_free(f);
        dns_query_code(q, DNS_SERVFAIL, -1);
        return;
    }
    if (dns_rcode(answer) == DNS_NOERROR)
        tell(f->r, f->id, answer);
    forward_free(f);
    dns_query_answer(q, bytes, dns_give_back(bytes, answer, &q->msg));
}

static const struct dns_ask_ops FORWARD_OPS = {.done = forward_done};

static void ask_peer(struct dns_handler *h, struct dns_query *q)
{
    struct domain *d = rk_container_of(h, struct domain, h);
    struct dns_routes *r = d->all;
    struct rk_addr to = {d->peer, r->o.port ? r->o.port : DNS_FORWARDER_PORT};
    struct dns_ask_opts o = {.loop = r->loop,
                             .query = &q->msg,
                             .servers = &to,
                             .n = 1,
                             .udp_size = r->o.udp_size,
                             .tcp = q->tcp,
                             .each_ms = FORWARD_MS,
                             .total_ms = FORWARD_MS};
    struct forward *f;

    if (!d->peer.family) { /* nowhere else: the name would leave in the clear */
        dns_query_code(q, DNS_SERVFAIL, -1);
        return;
    }
    f = rk_calloc(1, sizeof *f);
    f->r = r;
    f->q = q;
    f->id = rk_str_of(rk_str_dupz(d->id), d->id.n);
    f->user.ops = &FORWARD_OPS;
    q->job = f;
    q->drop = forward_drop;
    f->ask = dns_ask_start(&o, &f->user);
}

/* ---- by us */

struct lookup {
    struct dns_asker asker;
    struct domain *d; /* NULL: the routes have changed */
    struct dns_query *q;
    uint16_t type;
};

static void look_up(void *arg);

static void lookup_answer(struct dns_asker *asker, uint8_t *bytes, size_t n)
{
    struct lookup *l = rk_container_of(asker, struct lookup, asker);
    struct domain *d = l->d;
    struct dns_msg m;
    bool ok;

    if (!d) {
        free(l);
        return;
    }
    d->lookups[l->type == DNS_AAAA] = NULL;
    free(l);
    ok = dns_decode(rk_str_of(bytes, n), &m, NULL) == RK_OK && dns_rcode(&m) == DNS_NOERROR;
    /* the later of both decides when the next look is due */
    rk_timer_start(d->all->loop, &d->timer, ok ? d->all->o.interval_ms : DNS_ROUTE_RETRY_MS,
                   look_up, d);
    if (ok) /* may change the routes: nothing of d is touched any more */
        tell(d->all, d->id, &m);
}

static void look_up(void *arg)
{
    struct domain *d = arg;
    struct dns_routes *r = d->all;
    uint8_t buf[DNS_HEADER_SIZE + DNS_NAME_MAX + 4];

    for (size_t i = 0; i < 2; i++) {
        uint16_t type = i ? DNS_AAAA : DNS_A;
        struct dns_writer w;
        struct dns_msg m;
        struct lookup *l;

        if (d->lookups[i])
            continue;
        dns_begin_query(&w, buf, sizeof buf, 0, &d->h.pattern, type);
        RK_IGNORE(dns_decode(dns_end(&w), &m, NULL)); /* our own */
        l = rk_calloc(1, sizeof *l);
        *l = (struct lookup){.asker.answer = lookup_answer, .d = d, .type = type};
        d->lookups[i] = l;
        r->user->ask(r->user, &m, &l->asker, &l->q);
    }
}

/* ---- the list */

static void domain_stop(struct domain *d)
{
    rk_timer_cancel(&d->timer);
    for (size_t i = 0; i < 2; i++)
        if (d->lookups[i])
            d->lookups[i]->d = NULL; /* its answer frees it */
    d->lookups[0] = d->lookups[1] = NULL;
}

static void domains_stop(struct dns_routes *r)
{
    for (size_t i = 0; i < r->n; i++)
        domain_stop(&r->v[i]);
    r->n = 0;
}

static bool read_domain(struct dns_routes *r, const struct dns_route *m, struct rk_str text,
                        struct domain *out)
{
    bool wildcard = rk_str_starts(text, RK_STR("*."));

    *out = (struct domain){.all = r, .id = m->id, .peer = m->peer};
    if (wildcard)
        text = rk_str_sub(text, 2, text.n);
    if (dns_domain_parse(text, &out->h.pattern, NULL) || out->h.pattern.n == 1) {
        rk_log(r->log, RK_WARN, "domain of a route is not usable",
               kv_str("domain", rk_str_sub(text, 0, 100)));
        return false;
    }
    out->h.priority = DNS_PRIO_ROUTE;
    out->h.wildcard = wildcard;
    out->h.ask = ask_peer;
    return true;
}

static bool same_domain(const struct domain *a, const struct domain *b)
{
    return dns_name_eq(&a->h.pattern, &b->h.pattern) && a->h.wildcard == b->h.wildcard &&
           rk_str_eq(a->id, b->id);
}

static bool same_list(const struct dns_routes *r, const struct domain *v, size_t n)
{
    if (n != r->n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!same_domain(&r->v[i], &v[i]))
            return false;
    return true;
}

bool dns_routes_set(struct dns_routes *r, const struct dns_route *v, size_t n,
                    const struct dns_routes_opts *o)
{
    struct rk_arena *mem = rk_arena_new(0);
    struct domain *list;
    size_t count = 0, most = 0;
    bool same;

    for (size_t i = 0; i < n; i++)
        most += v[i].n_domains;
    most = rk_min_size(most, DNS_ROUTES_MAX);
    list = rk_new_n(mem, struct domain, most + 1);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < v[i].n_domains && count < most; j++)
            count += read_domain(r, &v[i], v[i].domains[j], &list[count]);
    same = same_list(r, list, count) && o->by_peer == r->o.by_peer;
    r->o = *o;
    if (same) { /* perhaps another peer carries it */
        for (size_t i = 0; i < count; i++)
            r->v[i].peer = list[i].peer;
        rk_arena_free(mem);
        return false;
    }
    for (size_t i = 0; i < count; i++)
        list[i].id = rk_arena_dup(mem, list[i].id);
    domains_stop(r);
    rk_arena_free(r->mem);
    r->mem = mem;
    r->v = list;
    r->n = count;
    for (size_t i = 0; i < count && !o->by_peer; i++)
        if (!list[i].h.wildcard)
            rk_timer_start(r->loop, &list[i].timer, 0, look_up, &list[i]);
    return true;
}

struct dns_handler *dns_routes_handler(struct dns_routes *r, size_t i)
{
    return r->o.by_peer && i < r->n ? &r->v[i].h : NULL;
}

const struct dns_name *dns_routes_domain(const struct dns_routes *r, size_t i)
{
    return r->o.by_peer && i < r->n ? &r->v[i].h.pattern : NULL;
}

struct dns_routes *dns_routes_new(struct rk_loop *loop, struct rk_log *log,
                                  struct dns_routes_user *user)
{
    struct dns_routes *r = rk_calloc(1, sizeof *r);

    r->loop = loop;
    r->log = log;
    r->user = user;
    return r;
}

void dns_routes_free(struct dns_routes *r)
{
    if (!r)
        return;
    domains_stop(r);
    rk_arena_free(r->mem);
    free(r);
}
