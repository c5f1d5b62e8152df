/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of the control plane and their addresses; see names.h. */
#include "config.h"

#include "agent/dns/names.h"

#include <stdlib.h>

#include "lib/base/num.h"

struct role_names {
    struct dns_name *v;
    size_t n;
};

struct dns_names {
    int64_t ttl_ms;
    struct role_names roles[DNS_ROLE_COUNT];
    struct dns_entry **v; /* few: a plain list is searched */
    size_t n, cap;
};

struct dns_names *dns_names_new(int64_t ttl_ms)
{
    struct dns_names *n = rk_calloc(1, sizeof *n);

    n->ttl_ms = ttl_ms ? ttl_ms : DNS_NAMES_TTL_MS;
    return n;
}

void dns_names_free(struct dns_names *n)
{
    if (!n)
        return;
    for (size_t i = 0; i < n->n; i++)
        free(n->v[i]);
    for (size_t i = 0; i < DNS_ROLE_COUNT; i++)
        free(n->roles[i].v);
    free(n->v);
    free(n);
}

static bool listed(const struct role_names *r, const struct dns_name *name)
{
    for (size_t i = 0; i < r->n; i++)
        if (dns_name_eq(&r->v[i], name))
            return true;
    return false;
}

enum dns_names_match dns_names_match(const struct dns_names *n, const struct dns_name *name)
{
    const struct role_names *relays = &n->roles[DNS_ROLE_RELAY];

    for (size_t i = 0; i < DNS_ROLE_COUNT; i++)
        if (listed(&n->roles[i], name))
            return DNS_NAMES_LISTED;
    for (size_t i = 0; i < relays->n; i++)
        if (dns_name_below(name, &relays->v[i]))
            return DNS_NAMES_IN_POOL;
    return DNS_NAMES_OTHER;
}

static void drop(struct dns_names *n, size_t i)
{
    free(n->v[i]);
    n->v[i] = n->v[--n->n];
}

bool dns_names_set(struct dns_names *n, enum dns_role role, const struct dns_name *v, size_t count)
{
    struct role_names *r = &n->roles[role];
    bool fresh = false;

    count = rk_min_size(count, DNS_NAMES_PER_ROLE);
    for (size_t i = 0; i < count; i++)
        fresh = fresh || !listed(r, &v[i]);
    if (!fresh && count == r->n)
        return false;
    free(r->v);
    r->v = count ? rk_memdup(v, count * sizeof *v) : NULL;
    r->n = count;
    for (size_t i = n->n; i-- > 0;)
        if (dns_names_match(n, &n->v[i]->name) == DNS_NAMES_OTHER)
            drop(n, i);
    return fresh;
}

const struct dns_name *dns_names_of(const struct dns_names *n, enum dns_role role, size_t *count)
{
    *count = n->roles[role].n;
    return n->roles[role].v;
}

/* ---- entries */

static struct dns_entry *entry(const struct dns_names *n, const struct dns_name *name,
                               uint16_t type)
{
    for (size_t i = 0; i < n->n; i++)
        if (n->v[i]->type == type && dns_name_eq(&n->v[i]->name, name))
            return n->v[i];
    return NULL;
}

const struct dns_entry *dns_names_find(struct dns_names *n, const struct dns_name *name,
                                       uint16_t type, int64_t now_ms)
{
    struct dns_entry *e = entry(n, name, type);

    if (!e)
        return NULL;
    e->used_ms = now_ms;
    return e->known ? e : NULL;
}

/* The one that was not used for longest among those of pools; listed names stay. */
static bool evict(struct dns_names *n)
{
    size_t worst = n->n;

    for (size_t i = 0; i < n->n; i++) {
        const struct dns_entry *e = n->v[i];

        if (e->refreshing || dns_names_match(n, &e->name) == DNS_NAMES_LISTED)
            continue;
        if (worst == n->n || e->used_ms < n->v[worst]->used_ms)
            worst = i;
    }
    if (worst == n->n)
        return false;
    drop(n, worst);
    return true;
}

static struct dns_entry *make(struct dns_names *n, const struct dns_name *name, uint16_t type,
                              int64_t now_ms)
{
    struct dns_entry *e = entry(n, name, type);

    if (e)
        return e;
    if (dns_names_match(n, name) == DNS_NAMES_OTHER || (n->n >= DNS_NAMES_MAX && !evict(n)))
        return NULL;
    if (n->n == n->cap) {
        n->cap = n->cap ? n->cap * 2 : 16;
        n->v = rk_realloc(n->v, n->cap, sizeof(struct dns_entry *));
    }
    e = rk_calloc(1, sizeof *e);
    e->name = *name;
    e->type = type;
    e->used_ms = now_ms;
    n->v[n->n++] = e;
    return e;
}

bool dns_names_refresh(struct dns_names *n, const struct dns_name *name, uint16_t type,
                       int64_t now_ms)
{
    struct dns_entry *e = make(n, name, type, now_ms);

    if (!e || e->refreshing || now_ms < e->retry_ms || (e->known && now_ms < e->expires_ms))
        return false;
    e->refreshing = true;
    return true;
}

void dns_names_store(struct dns_names *n, const struct dns_name *name, uint16_t type,
                     const struct rk_ip *ips, size_t count, int64_t now_ms)
{
    struct dns_entry *e = make(n, name, type, now_ms);

    if (!e)
        return;
    e->n = rk_min_size(count, DNS_NAMES_IPS);
    for (size_t i = 0; i < e->n; i++)
        e->ips[i] = ips[i];
    e->known = true;
    e->refreshing = false;
    e->retry_ms = 0;
    e->stored_ms = now_ms;
    e->expires_ms = now_ms + n->ttl_ms;
}

void dns_names_failed(struct dns_names *n, const struct dns_name *name, uint16_t type,
                      int64_t now_ms)
{
    struct dns_entry *e = entry(n, name, type);

    if (!e)
        return;
    e->refreshing = false;
    e->retry_ms = now_ms + DNS_NAMES_RETRY_MS;
}

const struct dns_entry *dns_names_next(const struct dns_names *n, size_t *pos)
{
    return *pos < n->n ? n->v[(*pos)++] : NULL;
}

/* ---- addresses of servers */

struct rk_str dns_uri_host(struct rk_str uri)
{
    size_t scheme = rk_str_find(uri, RK_STR("://"));
    struct rk_str host, rest;
    struct rk_ip ip;

    if (scheme < uri.n) {
        uri = rk_str_sub(uri, scheme + 3, uri.n);
    } else {
        static const char *const schemes[] = {"stuns:", "stun:", "turns:", "turn:"};

        for (size_t i = 0; i < RK_ARRAY_LEN(schemes); i++)
            if (rk_str_istarts(uri, rk_str_z(schemes[i]))) {
                uri = rk_str_sub(uri, strlen(schemes[i]), uri.n);
                break;
            }
    }
    (void)rk_str_cut(uri, '/', &uri, &rest);
    (void)rk_str_cut(uri, '?', &uri, &rest);
    if (uri.n && *uri.p == '[')
        return (struct rk_str){0};
    (void)rk_str_cut(uri, ':', &host, &rest);
    if (!host.n || rk_str_find_c(rest, ':') < rest.n || rk_ip_parse(host, &ip, NULL) == RK_OK)
        return (struct rk_str){0};
    return host;
}
