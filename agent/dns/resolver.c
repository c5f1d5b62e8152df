/* SPDX-License-Identifier: BSD-3-Clause */
/* The agent's own look-ups; see resolver.h. */
#include "config.h"

#include "agent/dns/resolver.h"

#include <stdlib.h>
#include <unistd.h>

#include "agent/dns/ask.h"
#include "agent/dns/resolver_priv.h"
#include "lib/base/file.h"
#include "lib/base/num.h"

#define FILE_MAX  ((size_t)1 << 20)
#define EACH_MS   2000
#define TOTAL_MS  5000 /* of a refresh */
#define UDP_SIZE  1232 /* fits everywhere (DNS flag day 2020) */
#define REREAD_MS 1000

/* One question under way; everybody who asks the same waits here. */
struct job {
    struct rk_list link;
    struct dns_resolver *r;
    struct dns_name name;
    uint16_t type;
    struct dns_ask_user user;
    struct dns_ask *ask;
    struct rk_list waiting; /* struct dns_lookup */
};

/* ---- the host's own servers */

static bool is_own(const struct dns_resolver *r, const struct rk_ip *ip)
{
    for (size_t i = 0; i < r->n_own; i++)
        if (rk_ip_eq(&r->own[i], ip))
            return true;
    return false;
}

static size_t usable(const struct dns_resolver *r, const struct resolvconf *c, bool loopback,
                     struct rk_addr *out, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < c->n_servers && n < max; i++)
        if (!is_own(r, &c->servers[i]) && (loopback || !rk_ip_is_loopback(&c->servers[i])))
            out[n++] = (struct rk_addr){c->servers[i], 53};
    return n;
}

/* A file that we wrote says nothing about the host: what was there before is kept elsewhere. */
static bool read_conf(const struct dns_resolver *r, struct rk_buf *text, struct resolvconf *out)
{
    rk_buf_clear(text);
    if (rk_file_read(r->resolv_conf, 0, text, NULL))
        return false;
    resolvconf_parse(rk_buf_str(text), out);
    if (!out->ours)
        return true;
    rk_buf_clear(text);
    if (rk_file_read(r->backup, 0, text, NULL))
        return false;
    resolvconf_parse(rk_buf_str(text), out);
    return true;
}

static void reread(struct dns_resolver *r)
{
    int64_t now = rk_loop_now_ms(r->loop);
    struct rk_addr v[RESOLVCONF_SERVERS_MAX];
    struct resolvconf c;
    struct rk_buf text;
    size_t n = 0;

    if (r->read_ms && now - r->read_ms < REREAD_MS)
        return;
    r->read_ms = now;
    rk_buf_init(&text, FILE_MAX);
    if (read_conf(r, &text, &c)) {
        n = usable(r, &c, false, v, RK_ARRAY_LEN(v));
        r->ndots = c.ndots;
        rk_arena_reset(r->search_mem);
        r->n_search = c.n_search;
        for (size_t i = 0; i < c.n_search; i++)
            r->search[i] = rk_arena_dup(r->search_mem, c.search[i]);
    }
    for (size_t i = 0; !n && r->local[i]; i++) {
        struct resolvconf l;

        rk_buf_clear(&text);
        if (rk_file_read(r->local[i], 0, &text, NULL))
            continue;
        resolvconf_parse(rk_buf_str(&text), &l);
        n = usable(r, &l, false, v, RK_ARRAY_LEN(v));
    }
    if (!n && read_conf(r, &text, &c)) /* better than nothing */
        n = usable(r, &c, true, v, RK_ARRAY_LEN(v));
    rk_buf_done(&text);
    if (!n)
        return; /* what we knew may still work */
    for (size_t i = 0; i < n; i++)
        r->servers[i] = v[i];
    r->n_servers = n;
}

size_t dns_resolver_servers(struct dns_resolver *r, struct rk_addr *out, size_t max)
{
    size_t n;

    reread(r);
    n = rk_min_size(r->n_servers, max);
    for (size_t i = 0; i < n; i++)
        out[i] = r->servers[i];
    return n;
}

size_t dns_resolver_search(struct dns_resolver *r, struct rk_arena *mem, struct rk_str *out,
                           size_t max)
{
    size_t n;

    reread(r);
    n = rk_min_size(r->n_search, max);
    for (size_t i = 0; i < n; i++)
        out[i] = rk_arena_dup(mem, r->search[i]);
    return n;
}

const char *dns_resolver_file(const struct dns_resolver *r)
{
    return r->resolv_conf;
}

const char *dns_resolver_backup(const struct dns_resolver *r)
{
    return r->backup;
}

const char *dns_resolver_resolvconf(const struct dns_resolver *r)
{
    static const char *const places[] = {"/sbin/resolvconf", "/usr/sbin/resolvconf",
                                         "/usr/bin/resolvconf"};

    for (size_t i = 0; i < RK_ARRAY_LEN(places) && !r->resolvconf; i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return r->resolvconf;
}

const char *dns_resolver_hosts(const struct dns_resolver *r)
{
    return r->hosts;
}

/* ---- questions */

static void job_tell(struct job *j, const struct rk_ip *ips, size_t n, const struct rk_err *why)
{
    struct rk_list *node;

    rk_list_remove(&j->link);
    while ((node = rk_list_pop_front(&j->waiting))) {
        struct dns_lookup *l = rk_container_of(node, struct dns_lookup, link);

        l->done(l, ips, n, why);
    }
    free(j);
}

static void job_done(struct dns_ask_user *u, uint8_t *bytes RK_UNUSED, const struct dns_msg *m,
                     const struct rk_err *why)
{
    struct job *j = rk_container_of(u, struct job, user);
    int64_t now = rk_loop_now_ms(j->r->loop);
    struct rk_ip ips[DNS_NAMES_IPS];
    struct rk_err err = {0};
    uint32_t ttl;
    size_t n = 0;

    j->ask = NULL;
    if (!m)
        err = *why;
    else if (dns_rcode(m) == DNS_NXDOMAIN)
        (void)rk_fail(&err, RK_NOT_FOUND, "no such name");
    else if (dns_rcode(m) != DNS_NOERROR)
        (void)rk_fail(&err, RK_UNAVAILABLE, "the name server answered code %u", dns_rcode(m));
    else
        n = rk_min_size(dns_addresses(m, ips, RK_ARRAY_LEN(ips), &ttl), RK_ARRAY_LEN(ips));
    if (err.code)
        dns_names_failed(j->r->names, &j->name, j->type, now);
    else
        dns_names_store(j->r->names, &j->name, j->type, ips, n, now);
    job_tell(j, ips, n, err.code ? &err : NULL);
}

static const struct dns_ask_ops JOB_OPS = {.done = job_done};

static struct job *job_get(struct dns_resolver *r, const struct dns_name *name, uint16_t type)
{
    uint8_t buf[DNS_HEADER_SIZE + DNS_NAME_MAX + 4];
    struct rk_addr servers[RESOLVCONF_SERVERS_MAX];
    struct dns_writer w;
    struct dns_msg query;
    struct job *j;
    struct dns_ask_opts o = {.loop = r->loop,
                             .query = &query,
                             .servers = servers,
                             .fwmark = r->fwmark,
                             .around = true,
                             .udp_size = UDP_SIZE,
                             .each_ms = EACH_MS,
                             .total_ms = TOTAL_MS};

    RK_LIST_FOR_EACH (it, &r->jobs) {
        j = rk_container_of(it, struct job, link);
        if (j->type == type && dns_name_eq(&j->name, name))
            return j;
    }
    j = rk_calloc(1, sizeof *j);
    j->r = r;
    j->name = *name;
    j->type = type;
    j->user.ops = &JOB_OPS;
    rk_list_init(&j->waiting);
    rk_list_push_back(&r->jobs, &j->link);
    o.n = dns_resolver_servers(r, servers, RK_ARRAY_LEN(servers));
    dns_begin_query(&w, buf, sizeof buf, 0, name, type);
    RK_IGNORE(dns_decode(dns_end(&w), &query, NULL)); /* our own */
    j->ask = dns_ask_start(&o, &j->user);
    return j;
}

void dns_resolver_lookup(struct dns_resolver *r, struct dns_lookup *l, const struct dns_name *name,
                         uint16_t type)
{
    (void)dns_names_refresh(r->names, name, type, rk_loop_now_ms(r->loop));
    rk_list_push_back(&job_get(r, name, type)->waiting, &l->link);
}

void dns_lookup_cancel(struct dns_lookup *l)
{
    rk_list_remove(&l->link);
}

void dns_resolver_refresh(struct dns_resolver *r, const struct dns_name *name, uint16_t type)
{
    if (dns_names_refresh(r->names, name, type, rk_loop_now_ms(r->loop)))
        (void)job_get(r, name, type);
}

/* ---- names */

static void refresh_all(struct dns_resolver *r)
{
    for (enum dns_role role = 0; role < DNS_ROLE_COUNT; role++) {
        size_t n;
        const struct dns_name *v = dns_names_of(r->names, role, &n);

        for (size_t i = 0; i < n; i++) {
            dns_resolver_refresh(r, &v[i], DNS_A);
            dns_resolver_refresh(r, &v[i], DNS_AAAA);
        }
    }
}

void dns_resolver_names(struct dns_resolver *r, enum dns_role role, const struct rk_str *uris,
                        size_t n)
{
    struct dns_name v[DNS_NAMES_PER_ROLE];
    size_t count = 0;

    for (size_t i = 0; i < n && count < RK_ARRAY_LEN(v); i++) {
        struct rk_str host = dns_uri_host(uris[i]);

        if (host.n && dns_name_parse(host, &v[count], NULL) == RK_OK)
            count++;
    }
    if (dns_names_set(r->names, role, v, count) && r->overlay)
        refresh_all(r); /* while the way is open */
}

struct dns_names *dns_resolver_cache(struct dns_resolver *r)
{
    return r->names;
}

/* ---- what changes on the way */

void dns_resolver_mark(struct dns_resolver *r, uint32_t fwmark)
{
    r->fwmark = fwmark;
}

void dns_resolver_overlay_up(struct dns_resolver *r, const struct rk_ip *own, size_t n)
{
    r->n_own = rk_min_size(n, DNS_OWN_MAX);
    for (size_t i = 0; i < r->n_own; i++)
        r->own[i] = own[i];
    r->overlay = true;
    r->read_ms = 0;
    reread(r);
    refresh_all(r);
}

void dns_resolver_overlay_down(struct dns_resolver *r)
{
    r->overlay = false;
    r->n_own = 0;
    r->read_ms = 0;
}

void dns_resolver_end_jobs(struct dns_resolver *r, const struct rk_err *why)
{
    struct rk_list *node;

    while ((node = r->jobs.next) != &r->jobs) {
        struct job *j = rk_container_of(node, struct job, link);

        dns_ask_cancel(j->ask);
        job_tell(j, NULL, 0, why);
    }
}
