/* SPDX-License-Identifier: BSD-3-Clause */
/* Look-ups of the loop's own clients: host name to addresses of both families; see resolver.h. */
#include "config.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/dns/resolver_priv.h"
#include "lib/base/file.h"
#include "lib/base/num.h"

/* A client looks up a name because it could not connect: what was learnt a minute ago may be the
 * reason. So it is asked anew, and what is known serves when the answer is late. */
#define JUST_NOW_MS    5000
#define LATE_MS        1000
#define HOSTS_MAX      ((size_t)4 << 20)
#define CANDIDATES_MAX (RESOLVCONF_SEARCH_MAX + 1)

enum { V4, V6, FAMILIES };
static const uint16_t TYPES[FAMILIES] = {DNS_A, DNS_AAAA};

struct own {
    struct rk_list link;
    struct dns_resolver *r;
    struct tcp_resolve *res; /* NULL: nobody waits any more */
    char *host;
    struct dns_name self;                  /* the host as it was asked for */
    struct dns_name names[CANDIDATES_MAX]; /* the name itself and with search domains */
    size_t n_names, at;
    struct dns_lookup lookups[FAMILIES];
    unsigned waiting;
    struct tcp_resolve system;
    bool in_system;
    struct rk_timer *timer;
    struct rk_addr out[TCP_RESOLVE_MAX];
    size_t n_out;
    struct rk_err err;
};

static void ask_next(struct own *o);

static void own_free(struct own *o)
{
    rk_list_remove(&o->link);
    rk_timer_cancel(&o->timer);
    for (size_t i = 0; i < FAMILIES; i++)
        dns_lookup_cancel(&o->lookups[i]);
    free(o->host);
    free(o);
}

/* ---- telling */

/* Does the host have a way there? Asks the kernel only; no packet leaves. */
static bool reachable(const struct own *o, const struct rk_addr *a)
{
    struct sockaddr_storage sa;
    socklen_t len = rk_addr_to_sa(a, &sa);
    int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool ok;

    if (fd < 0)
        return false;
    if (o->r->fwmark)
        (void)setsockopt(fd, SOL_SOCKET, SO_MARK, &o->r->fwmark, sizeof o->r->fwmark);
    ok = connect(fd, (const struct sockaddr *)&sa, len) == 0;
    (void)close(fd);
    return ok;
}

/* IPv6 first where it leads somewhere, as RFC 6724 has it; hopeless ones last. */
static void order(struct own *o)
{
    struct rk_addr sorted[TCP_RESOLVE_MAX];
    bool way[TCP_RESOLVE_MAX];
    size_t n = 0;

    for (size_t i = 0; i < o->n_out; i++)
        way[i] = reachable(o, &o->out[i]);
    for (int pass = 0; pass < 4; pass++)
        for (size_t i = 0; i < o->n_out; i++)
            if (way[i] == (pass < 2) && (o->out[i].ip.family == 6) == (pass % 2 == 0))
                sorted[n++] = o->out[i];
    for (size_t i = 0; i < n; i++)
        o->out[i] = sorted[i];
}

static void tell(void *arg)
{
    struct own *o = arg;
    struct tcp_resolve *res = o->res;
    struct rk_addr out[TCP_RESOLVE_MAX];
    size_t n = o->n_out;
    struct rk_err err = o->err;

    if (n > 1)
        order(o);
    for (size_t i = 0; i < n; i++) {
        out[i] = o->out[i];
        out[i].port = res ? res->port : 0;
    }
    if (!n && err.code)
        (void)rk_wrap(&err, "resolve %s", o->host);
    own_free(o);
    if (res)
        res->done(res, out, n, &err);
}

static void tell_later(struct own *o)
{
    rk_timer_start(o->r->loop, &o->timer, 0, tell, o);
}

static void add(struct own *o, const struct rk_ip *ips, size_t n)
{
    for (size_t i = 0; i < n && o->n_out < TCP_RESOLVE_MAX; i++)
        o->out[o->n_out++].ip = ips[i];
}

/* ---- what is known without asking */

static bool from_hosts(struct own *o)
{
    struct rk_ip ips[TCP_RESOLVE_MAX];
    struct rk_buf text;
    size_t n = 0;

    rk_buf_init(&text, HOSTS_MAX);
    if (rk_file_read(o->r->hosts, 0, &text, NULL) == RK_OK)
        n = hosts_find(rk_buf_str(&text), rk_str_z(o->host), ips, RK_ARRAY_LEN(ips));
    rk_buf_done(&text);
    add(o, ips, n);
    return n > 0;
}

/* What is known and not older than that. */
static bool from_cache(struct own *o, int64_t max_age_ms)
{
    int64_t now = rk_loop_now_ms(o->r->loop);

    for (size_t f = 0; f < FAMILIES; f++) {
        const struct dns_entry *e = dns_names_find(o->r->names, &o->self, TYPES[f], now);

        if (e && (now - e->stored_ms <= max_age_ms) &&
            (max_age_ms == INT64_MAX || now < e->expires_ms))
            add(o, e->ips, e->n);
    }
    return o->n_out > 0;
}

/* Under the name that was asked for: with a search domain another one was found. complete: a family
 * without addresses has none. */
static void store(struct own *o, bool complete)
{
    int64_t now = rk_loop_now_ms(o->r->loop);

    for (size_t f = 0; f < FAMILIES; f++) {
        struct rk_ip ips[TCP_RESOLVE_MAX];
        size_t count = 0;

        for (size_t i = 0; i < o->n_out; i++)
            if (o->out[i].ip.family == (f == V4 ? 4 : 6))
                ips[count++] = o->out[i].ip;
        if (count || complete) /* without IPv6 on this host the C library does not even ask */
            dns_names_store(o->r->names, &o->self, TYPES[f], ips, count, now);
    }
}

/* ---- the host's servers */

static void one_done(struct own *o, const struct rk_ip *ips, size_t n, const struct rk_err *why)
{
    add(o, ips, n);
    if (why)
        o->err = *why;
    if (--o->waiting)
        return;
    if (o->n_out) {
        if (!o->err.code)
            store(o, true);
        o->err = (struct rk_err){0};
        tell(o);
        return;
    }
    if (!o->err.code)
        (void)rk_fail(&o->err, RK_NOT_FOUND, "the name has no address");
    o->at++;
    ask_next(o);
}

/* The questions go on without us: what they bring is remembered. */
static void on_late(void *arg)
{
    struct own *o = arg;

    if (!o->n_out && !from_cache(o, INT64_MAX))
        return; /* wait for what there is to be had */
    o->err = (struct rk_err){0};
    for (size_t f = 0; f < FAMILIES; f++)
        dns_lookup_cancel(&o->lookups[f]);
    tell(o);
}

static void v4_done(struct dns_lookup *l, const struct rk_ip *ips, size_t n,
                    const struct rk_err *why)
{
    one_done(rk_container_of(l, struct own, lookups[V4]), ips, n, why);
}

static void v6_done(struct dns_lookup *l, const struct rk_ip *ips, size_t n,
                    const struct rk_err *why)
{
    one_done(rk_container_of(l, struct own, lookups[V6]), ips, n, why);
}

/* ---- the C library, while there is no overlay: it has other sources too (mDNS, modules) */

static void system_done(struct tcp_resolve *res, const struct rk_addr *addrs, size_t n,
                        const struct rk_err *why)
{
    struct own *o = rk_container_of(res, struct own, system);

    o->in_system = false;
    if (!o->r) { /* the resolver is gone, and whoever asked has been told */
        own_free(o);
        return;
    }
    if (n) {
        o->n_out = 0;
        for (size_t i = 0; i < n; i++)
            o->out[o->n_out++] = addrs[i];
        store(o, false);
    } else if (!o->err.code) {
        o->err = *why;
    }
    tell(o);
}

static void ask_system(struct own *o)
{
    o->system.done = system_done;
    o->in_system = tcp_resolve_system(o->r->loop, &o->system, o->host, 0, &o->err) == RK_OK;
    if (!o->in_system)
        tell_later(o);
}

static void ask_next(struct own *o)
{
    if (o->at == o->n_names) {
        rk_timer_cancel(&o->timer);
        if (!from_cache(o, INT64_MAX) && !o->r->overlay)
            ask_system(o);
        else
            tell_later(o);
        return;
    }
    o->waiting = FAMILIES;
    o->lookups[V4].done = v4_done;
    o->lookups[V6].done = v6_done;
    for (size_t f = 0; f < FAMILIES; f++)
        dns_resolver_lookup(o->r, &o->lookups[f], &o->names[o->at], TYPES[f]);
}

/* ---- start */

static void candidate(struct own *o, struct rk_str domain)
{
    struct dns_name *to = &o->names[o->n_names];
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct rk_str text = RK_CAT(mem, rk_str_z(o->host), rk_str_z(domain.n ? "." : ""), domain);

    if (o->n_names < CANDIDATES_MAX && dns_name_parse(text, to, NULL) == RK_OK)
        o->n_names++;
}

/* resolv.conf(5): a name with ndots dots is tried as it is first, another one last. */
static void candidates(struct own *o)
{
    struct rk_str host = rk_str_z(o->host);
    bool absolute = rk_str_ends(host, RK_STR("."));
    int dots = 0;

    for (size_t i = 0; i < host.n; i++)
        dots += host.p[i] == '.';
    if (absolute || dots >= o->r->ndots)
        candidate(o, (struct rk_str){0});
    for (size_t i = 0; i < o->r->n_search && !absolute; i++)
        candidate(o, o->r->search[i]);
    if (!absolute && dots < o->r->ndots)
        candidate(o, (struct rk_str){0});
}

static void start(struct tcp_resolver *s, struct tcp_resolve *res, const char *host)
{
    struct dns_resolver *r = rk_container_of(s, struct dns_resolver, hook);
    struct own *o = rk_calloc(1, sizeof *o);
    struct rk_ip literal;

    o->r = r;
    o->res = res;
    o->host = rk_str_dupz(rk_str_z(host));
    rk_list_push_back(&r->owns, &o->link);
    if (rk_ip_parse(rk_str_z(host), &literal, NULL) == RK_OK) {
        add(o, &literal, 1);
        tell_later(o);
        return;
    }
    (void)dns_resolver_servers(r, NULL, 0); /* reads search domains too */
    candidates(o);
    if (!o->n_names || dns_name_parse(rk_str_z(host), &o->self, NULL)) {
        (void)rk_fail(&o->err, RK_INVALID, "not a host name");
        tell_later(o);
    } else if (from_hosts(o) || from_cache(o, JUST_NOW_MS)) {
        tell_later(o);
    } else {
        rk_timer_start(r->loop, &o->timer, LATE_MS, on_late, o);
        ask_next(o);
    }
}

static void cancel(struct tcp_resolver *s RK_UNUSED, struct tcp_resolve *res)
{
    struct dns_resolver *r = rk_container_of(s, struct dns_resolver, hook);

    RK_LIST_FOR_EACH (it, &r->owns) {
        struct own *o = rk_container_of(it, struct own, link);

        if (o->res != res)
            continue;
        o->n_out = 0;
        (void)rk_fail(&o->err, RK_CANCELLED, "cancelled");
        if (o->in_system) {
            tcp_resolve_cancel(&o->system);
        } else {
            for (size_t f = 0; f < FAMILIES; f++)
                dns_lookup_cancel(&o->lookups[f]);
            tell_later(o);
        }
        return;
    }
}

void dns_resolver_serve_loop(struct dns_resolver *r)
{
    r->hook = (struct tcp_resolver){.start = start, .cancel = cancel};
    tcp_resolver_set(r->loop, &r->hook);
}

void dns_resolver_leave_loop(struct dns_resolver *r)
{
    struct rk_err err = {0};

    tcp_resolver_set(r->loop, NULL);
    (void)rk_fail(&err, RK_CANCELLED, "cancelled");
    RK_LIST_FOR_EACH_SAFE (it, &r->owns) {
        struct own *o = rk_container_of(it, struct own, link);
        struct tcp_resolve *res = o->res;

        if (o->in_system) { /* its thread may still run: it frees itself */
            tcp_resolve_cancel(&o->system);
            rk_list_remove(&o->link);
            o->r = NULL;
            o->res = NULL;
        } else {
            own_free(o);
        }
        if (res)
            res->done(res, NULL, 0, &err);
    }
}
