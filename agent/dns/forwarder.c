/* SPDX-License-Identifier: BSD-3-Clause */
/* The name server of a routing peer; see forwarder.h. */
#include "config.h"

#include "agent/dns/forwarder.h"

#include <stdlib.h>
#include <string.h>

#include "agent/dns/idn.h"
#include "agent/dns/listen.h"
#include "agent/dns/resolvconf.h"
#include "lib/base/arena.h"
#include "lib/base/file.h"
#include "lib/base/map.h"
#include "lib/base/num.h"

#define HOSTS_MAX   ((size_t)4 << 20)
#define IPS_MAX     64
#define LIMIT_MS    15000
#define EDE_TIMEOUT 49152 /* of the range for private use: what official clients show */
#define EDE_FAILURE 49153

struct domain {
    struct dns_name name;
    bool wildcard; /* also itself, as routing peers have always done */
    struct rk_str text;
};

struct kept { /* the last good answer of a name */
    size_t n;
    struct rk_ip ips[];
};

struct dns_forwarder {
    struct dns_forwarder_opts o;
    struct dns_forwarder_user *user;
    struct rk_arena *mem;
    struct domain *domains;
    size_t n;
    struct dns_listener_user listener_user;
    struct dns_listener *listeners[2];
    struct dns_chain *chain;
    struct dns_handler handler;
    struct rk_map kept; /* type and name → struct kept */
};

/* One question that this host resolves for a peer. */
struct resolving {
    struct dns_asker asker;
    struct dns_forwarder *f;
    struct dns_query *q;   /* of the peer */
    struct dns_query *sub; /* ours, under way */
    struct rk_timer *timer;
};

/* ---- matching */

static bool matches(const struct domain *d, const struct dns_name *name)
{
    return d->wildcard ? dns_name_below(name, &d->name) : dns_name_eq(name, &d->name);
}

static bool any_match(const struct dns_forwarder *f, const struct dns_name *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (matches(&f->domains[i], name))
            return true;
    return false;
}

/* Every route that has the name gets the address: each has its own access rules. */
static void allow(struct dns_forwarder *f, const struct dns_name *name, const struct rk_ip *ips,
                  size_t n)
{
    for (size_t i = 0; i < f->n; i++)
        for (size_t j = 0; j < n && matches(&f->domains[i], name); j++)
            f->user->forwarded(f->user, f->domains[i].text, &ips[j]);
}

/* ---- answers */

static struct rk_str kept_key(const struct dns_msg *m, uint8_t buf[DNS_NAME_MAX + 2])
{
    buf[0] = (uint8_t)(m->qtype >> 8);
    buf[1] = (uint8_t)m->qtype;
    memcpy(buf + 2, m->qname.b, m->qname.n);
    return rk_str_of(buf, (size_t)m->qname.n + 2);
}

static void kept_clear(struct dns_forwarder *f)
{
    struct rk_str key;
    void *value;

    for (size_t pos = 0; rk_map_next(&f->kept, &pos, &key, &value);)
        free(value);
    rk_map_done(&f->kept);
    rk_map_init(&f->kept, false);
}

static void keep(struct dns_forwarder *f, const struct dns_msg *m, const struct rk_ip *ips,
                 size_t n)
{
    uint8_t key[DNS_NAME_MAX + 2];
    struct kept *k;

    if (f->kept.n >= DNS_FORWARD_KEPT_MAX) /* a wildcard has any number of names */
        kept_clear(f);
    k = rk_malloc(sizeof *k + n * sizeof *ips);
    k->n = n;
    memcpy(k->ips, ips, n * sizeof *ips);
    free(rk_map_put(&f->kept, kept_key(m, key), k));
}

static void answer_ips(struct dns_forwarder *f, struct dns_query *q, const struct rk_ip *ips,
                       size_t n)
{
    uint8_t buf[DNS_HEADER_SIZE + DNS_NAME_MAX + 32 + IPS_MAX * 28];
    struct dns_writer w;

    allow(f, &q->msg.qname, ips, n);
    dns_begin_reply(&w, buf, sizeof buf, &q->msg, DNS_RA);
    for (size_t i = 0; i < n; i++)
        dns_put_ip(&w, &q->msg.qname, DNS_FORWARD_TTL_S, &ips[i]);
    if (q->msg.has_opt)
        dns_put_opt(&w, 1232, q->msg.opt_do, -1);
    dns_query_answer(q, buf, dns_end(&w).n);
}

static void answer_failure(struct dns_forwarder *f, struct dns_query *q, int ede)
{
    uint8_t key[DNS_NAME_MAX + 2];
    const struct kept *k = rk_map_get(&f->kept, kept_key(&q->msg, key));

    if (k)
        answer_ips(f, q, k->ips, k->n);
    else
        dns_query_code(q, DNS_SERVFAIL, ede);
}

static bool for_addresses(const struct dns_msg *m)
{
    return m->qtype == DNS_A || m->qtype == DNS_AAAA;
}

/* Types without addresses in them. */
static bool passed_on(uint16_t type)
{
    static const uint16_t types[] = {DNS_MX, DNS_TXT, DNS_NS, DNS_SRV, DNS_CNAME, DNS_PTR};

    for (size_t i = 0; i < RK_ARRAY_LEN(types); i++)
        if (type == types[i])
            return true;
    return false;
}

static void resolving_free(struct resolving *r)
{
    dns_query_cancel(r->sub);
    rk_timer_cancel(&r->timer);
    free(r);
}

static void resolving_drop(struct dns_query *q)
{
    resolving_free(q->job);
}

static void on_limit(void *arg)
{
    struct resolving *r = arg;
    struct dns_forwarder *f = r->f;
    struct dns_query *q = r->q;

    q->drop = NULL;
    resolving_free(r);
    answer_failure(f, q, EDE_TIMEOUT);
}

static void on_answer(struct dns_asker *asker, uint8_t *bytes, size_t n)
{
    struct resolving *r = rk_container_of(asker, struct resolving, asker);
    struct dns_forwarder *f = r->f;
    struct dns_query *q = r->q;
    struct rk_ip ips[IPS_MAX];
    struct dns_msg m;
    uint32_t ttl;
    size_t count;

    r->sub = NULL;
    q->drop = NULL;
    resolving_free(r);
    if (dns_decode(rk_str_of(bytes, n), &m, NULL) ||
        (dns_rcode(&m) != DNS_NOERROR && dns_rcode(&m) != DNS_NXDOMAIN)) {
        answer_failure(f, q, EDE_FAILURE);
    } else if (dns_rcode(&m) == DNS_NXDOMAIN) {
        dns_query_code(q, DNS_NXDOMAIN, -1);
    } else if (for_addresses(&q->msg)) {
        count = rk_min_size(dns_addresses(&m, ips, IPS_MAX, &ttl), IPS_MAX);
        if (count)
            keep(f, &q->msg, ips, count);
        answer_ips(f, q, ips, count);
    } else {
        dns_query_answer(q, bytes, dns_give_back(bytes, &m, &q->msg));
    }
}

/* ---- questions */

static size_t from_hosts(const struct dns_forwarder *f, const struct dns_msg *m, struct rk_ip *out)
{
    uint8_t family = m->qtype == DNS_A ? 4 : 6;
    struct rk_ip ips[IPS_MAX];
    char text[DNS_NAME_TEXT];
    struct rk_buf b;
    size_t n = 0, kept = 0;

    rk_buf_init(&b, HOSTS_MAX);
    if (rk_file_read(f->o.hosts, 0, &b, NULL) == RK_OK)
        n = hosts_find(rk_buf_str(&b), dns_name_format(&m->qname, text), ips, IPS_MAX);
    rk_buf_done(&b);
    for (size_t i = 0; i < n; i++)
        if (ips[i].family == family)
            out[kept++] = ips[i];
    return kept;
}

static void ask(struct dns_handler *h, struct dns_query *q)
{
    struct dns_forwarder *f = rk_container_of(h, struct dns_forwarder, handler);
    struct rk_ip ips[IPS_MAX];
    struct resolving *r;
    size_t n;

    if (!any_match(f, &q->msg.qname)) {
        dns_query_code(q, DNS_REFUSED, -1);
        return;
    }
    if (!for_addresses(&q->msg) && !passed_on(q->msg.qtype)) {
        dns_query_code(q, DNS_NOERROR, -1);
        return;
    }
    n = for_addresses(&q->msg) ? from_hosts(f, &q->msg, ips) : 0;
    if (n) {
        answer_ips(f, q, ips, n);
        return;
    }
    r = rk_calloc(1, sizeof *r);
    r->f = f;
    r->q = q;
    r->asker.answer = on_answer;
    q->job = r;
    q->drop = resolving_drop;
    rk_timer_start(f->o.loop, &r->timer, LIMIT_MS, on_limit, r);
    f->user->ask(f->user, &q->msg, &r->asker, &r->sub);
}

static void on_ask(struct dns_listener_user *u, const struct dns_msg *msg, bool tcp,
                   const struct rk_addr *from RK_UNUSED, struct dns_asker *asker,
                   struct dns_query **out)
{
    struct dns_forwarder *f = rk_container_of(u, struct dns_forwarder, listener_user);

    dns_chain_ask(f->chain, msg, tcp, DNS_PRIO_PRIMARY, asker, out);
}

/* ---- life */

static void stop(struct dns_forwarder *f)
{
    for (size_t i = 0; i < RK_ARRAY_LEN(f->listeners); i++) {
        dns_listener_close(f->listeners[i]);
        f->listeners[i] = NULL;
    }
}

static enum rk_code listen_up(struct dns_forwarder *f, const struct rk_addr *addr,
                              struct rk_err *err)
{
    const struct rk_addr addrs[] = {*addr, {addr->ip, DNS_FORWARD_OLD_PORT}};
    char text[RK_ADDR_TEXT];
    size_t n = 0;

    for (size_t i = 0; i < RK_ARRAY_LEN(addrs); i++) {
        if (f->listeners[i] || (i && addr->port == DNS_FORWARD_OLD_PORT)) {
            n++;
            continue;
        }
        if (dns_listener_open(f->o.loop, &addrs[i], &f->listener_user, &f->listeners[i], err)) {
            rk_log(f->o.log, RK_WARN, "forwarder of names does not listen on one of its ports",
                   KV_ERR(err));
            continue;
        }
        n++;
        (void)rk_addr_format(&addrs[i], text);
        rk_log(f->o.log, RK_INFO, "forwarder of names listens", kv_z("address", text));
    }
    return n ? RK_OK : err->code;
}

static bool same(const struct dns_forwarder *f, const struct rk_str *domains, size_t n)
{
    if (n != f->n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!rk_str_eq(domains[i], f->domains[i].text))
            return false;
    return true;
}

enum rk_code dns_forwarder_set(struct dns_forwarder *f, const struct rk_addr *addr,
                               const struct rk_str *domains, size_t n, struct rk_err *err)
{
    struct rk_err here = {0};

    n = rk_min_size(n, DNS_FORWARD_DOMAINS_MAX);
    if (!same(f, domains, n)) {
        kept_clear(f);
        rk_arena_reset(f->mem);
        f->domains = rk_new_n(f->mem, struct domain, n + 1);
        f->n = 0;
        for (size_t i = 0; i < n; i++) {
            struct domain *d = &f->domains[f->n];
            struct rk_str text = domains[i];

            d->wildcard = rk_str_starts(text, RK_STR("*."));
            d->text = rk_arena_dup(f->mem, domains[i]);
            if (d->wildcard)
                text = rk_str_sub(text, 2, text.n);
            if (dns_domain_parse(text, &d->name, NULL) == RK_OK && d->name.n > 1)
                f->n++;
        }
    }
    if (!f->n) {
        stop(f);
        return RK_OK;
    }
    return listen_up(f, addr, err ? err : &here);
}

struct dns_forwarder *dns_forwarder_new(const struct dns_forwarder_opts *opts,
                                        struct dns_forwarder_user *user)
{
    struct dns_forwarder *f = rk_calloc(1, sizeof *f);
    struct dns_handler *h = &f->handler;

    f->o = *opts;
    f->user = user;
    f->mem = rk_arena_new(0);
    f->listener_user.ask = on_ask;
    f->chain = dns_chain_new(opts->loop);
    f->handler =
        (struct dns_handler){.priority = DNS_PRIO_PRIMARY, .pattern = {.n = 1}, .ask = ask};
    dns_chain_set(f->chain, &h, 1);
    rk_map_init(&f->kept, false);
    return f;
}

void dns_forwarder_free(struct dns_forwarder *f)
{
    if (!f)
        return;
    stop(f);
    dns_chain_free(f->chain);
    kept_clear(f);
    rk_map_done(&f->kept);
    rk_arena_free(f->mem);
    free(f);
}
