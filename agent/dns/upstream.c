/* SPDX-License-Identifier: BSD-3-Clause */
/* Asking other name servers; see upstream.h. */
#include "config.h"

#include "agent/dns/upstream.h"

#include <stdlib.h>
#include <string.h>

#include "agent/dns/ask.h"
#include "agent/dns/idn.h"
#include "lib/base/map.h"
#include "lib/base/num.h"

#define ONE_MS    4000 /* a group of one server */
#define GROUP_MS  5000 /* a larger group */
#define EACH_MS   2000 /* at least, for one of its servers */
#define HEALTH_MS 60000
#define TWINS_MAX 8 /* clients repeat a question a few times; more are a loop */
#define NS_UDP    1 /* the only kind of server that there is */

struct group {
    struct rk_addr servers[DNS_GROUP_SERVERS_MAX];
    size_t n;
    bool primary;
    struct rk_str *domains; /* texts, for people */
    size_t n_domains;
    bool failing; /* was logged */
};

struct health {             /* of one server */
    int64_t ok_ms, fail_ms; /* 0: never */
};

/* One domain; its groups. */
struct upstream {
    struct dns_handler h;
    struct dns_upstreams *all;
    uint16_t *groups; /* room for all that there are */
    size_t n;
};

struct dns_upstreams {
    struct dns_upstreams_opts o;
    struct rk_arena *mem; /* of groups and handlers */
    struct group *groups;
    size_t n_groups;
    struct upstream **v;
    size_t n;
    struct dns_domain *domains;
    size_t n_domains;
    size_t max_groups, max_domains; /* of this configuration */
    struct upstream last_resort;
    struct rk_map health; /* address bytes → struct health */
};

/* ---- health */

static struct rk_str addr_key(const struct rk_addr *a, uint8_t buf[19])
{
    buf[0] = a->ip.family;
    memcpy(buf + 1, a->ip.b, 16);
    buf[17] = (uint8_t)(a->port >> 8);
    buf[18] = (uint8_t)a->port;
    return rk_str_of(buf, 19);
}

static const struct health *health_of(const struct dns_upstreams *u, const struct rk_addr *a)
{
    static const struct health none;
    uint8_t key[19];
    const struct health *h = rk_map_get(&u->health, addr_key(a, key));

    return h ? h : &none;
}

static void note(struct dns_upstreams *u, const struct rk_addr *a, bool ok)
{
    uint8_t key[19];
    struct health *h = rk_map_get(&u->health, addr_key(a, key));
    int64_t now = rk_loop_now_ms(u->o.loop);

    if (!h) {
        h = rk_calloc(1, sizeof *h);
        (void)rk_map_put(&u->health, addr_key(a, key), h);
    }
    *(ok ? &h->ok_ms : &h->fail_ms) = rk_max_i64(now, 1);
}

static bool failed_lately(const struct dns_upstreams *u, const struct rk_addr *a)
{
    const struct health *h = health_of(u, a);

    return h->fail_ms > h->ok_ms && rk_loop_now_ms(u->o.loop) - h->fail_ms < HEALTH_MS;
}

/* 1 healthy, -1 only failures, 0 not known. */
static int group_health(const struct dns_upstreams *u, const struct group *g)
{
    int64_t now = rk_loop_now_ms(u->o.loop);
    bool failed = false;

    for (size_t i = 0; i < g->n; i++) {
        const struct health *h = health_of(u, &g->servers[i]);

        if (h->ok_ms > h->fail_ms && now - h->ok_ms < HEALTH_MS)
            return 1;
        failed = failed || (h->fail_ms > h->ok_ms);
    }
    return failed ? -1 : 0;
}

static void watch_groups(struct dns_upstreams *u)
{
    for (size_t i = 0; i < u->n_groups; i++) {
        struct group *g = &u->groups[i];
        int health = group_health(u, g);
        char text[RK_ADDR_TEXT];

        if (!g->n || !health || (health < 0) == g->failing)
            continue;
        g->failing = health < 0;
        (void)rk_addr_format(&g->servers[0], text);
        if (g->failing)
            rk_log(u->o.log, RK_WARN, "name servers of a group do not answer", kv_z("first", text),
                   kv_i64("servers", (int64_t)g->n));
        else
            rk_log(u->o.log, RK_INFO, "name servers of a group answer again", kv_z("first", text));
    }
}

/* ---- one question to several lists of servers */

struct race;

struct lane {
    struct race *race;
    struct dns_ask_user user;
    struct dns_ask *ask;
};

struct race {
    struct dns_upstreams *u;
    struct dns_query *q;
    size_t running, n;
    struct lane lanes[];
};

static void race_free(struct race *r)
{
    for (size_t i = 0; i < r->n; i++)
        dns_ask_cancel(r->lanes[i].ask);
    free(r);
}

static void race_drop(struct dns_query *q)
{
    race_free(q->job);
}

static void lane_done(struct dns_ask_user *user, uint8_t *bytes, const struct dns_msg *answer,
                      const struct rk_err *why)
{
    struct lane *l = rk_container_of(user, struct lane, user);
    struct race *r = l->race;
    struct dns_query *q = r->q;

    l->ask = NULL;
    r->running--;
    watch_groups(r->u);
    if (answer) {
        size_t n = dns_give_back(bytes, answer, &q->msg);

        race_free(r);
        dns_query_answer(q, bytes, n);
        return;
    }
    if (r->running)
        return;
    rk_log(r->u->o.log, RK_DEBUG, "no name server answered", KV_ERR(why));
    race_free(r);
    dns_query_code(q, DNS_SERVFAIL, -1);
}

static void lane_tried(struct dns_ask_user *user, const struct rk_addr *server, bool ok)
{
    note(rk_container_of(user, struct lane, user)->race->u, server, ok);
}

static const struct dns_ask_ops LANE_OPS = {.done = lane_done, .tried = lane_tried};

static struct race *race_new(struct dns_upstreams *u, struct dns_query *q, size_t n)
{
    struct race *r = rk_calloc(1, sizeof *r + n * sizeof r->lanes[0]);

    r->u = u;
    r->q = q;
    q->job = r;
    q->drop = race_drop;
    return r;
}

static void race_add(struct race *r, const struct rk_addr *servers, size_t n)
{
    struct lane *l = &r->lanes[r->n++];
    struct rk_addr sorted[DNS_ASK_SERVERS_MAX];
    struct dns_ask_opts o = {.loop = r->u->o.loop,
                             .query = &r->q->msg,
                             .servers = sorted,
                             .udp_size = r->u->o.udp_size,
                             .tcp = r->q->tcp,
                             .each_ms = ONE_MS,
                             .total_ms = ONE_MS};

    n = rk_min_size(n, RK_ARRAY_LEN(sorted));
    for (int bad = 0; bad < 2; bad++)
        for (size_t i = 0; i < n; i++)
            if (failed_lately(r->u, &servers[i]) == bad)
                sorted[o.n++] = servers[i];
    if (n > 1) {
        o.total_ms = GROUP_MS;
        o.each_ms = rk_max_i64(GROUP_MS / (int64_t)n, EACH_MS);
    }
    l->race = r;
    l->user.ops = &LANE_OPS;
    r->running++;
    l->ask = dns_ask_start(&o, &l->user);
}

void dns_upstreams_forward(struct dns_upstreams *u, struct dns_query *q,
                           const struct rk_addr *servers, size_t n)
{
    if (!n || dns_query_twins(q) > TWINS_MAX) {
        dns_query_code(q, DNS_SERVFAIL, -1);
        return;
    }
    race_add(race_new(u, q, 1), servers, n);
}

static void ask_groups(struct dns_handler *h, struct dns_query *q)
{
    struct upstream *up = rk_container_of(h, struct upstream, h);
    struct race *r;

    if (dns_query_twins(q) > TWINS_MAX) {
        dns_query_code(q, DNS_SERVFAIL, -1);
        return;
    }
    r = race_new(up->all, q, up->n);
    for (size_t i = 0; i < up->n; i++) {
        const struct group *g = &up->all->groups[up->groups[i]];

        race_add(r, g->servers, g->n);
    }
}

static void ask_last_resort(struct dns_handler *h, struct dns_query *q)
{
    struct dns_upstreams *u = rk_container_of(h, struct upstream, h)->all;
    struct rk_addr v[DNS_GROUP_SERVERS_MAX];

    dns_upstreams_forward(u, q, v, dns_resolver_servers(u->o.resolver, v, RK_ARRAY_LEN(v)));
}

/* ---- configuration */

static void read_servers(struct group *g, const Management__NameServerGroup *m,
                         const struct rk_ip *own, size_t n_own)
{
    for (size_t i = 0; i < m->n_nameservers && g->n < DNS_GROUP_SERVERS_MAX; i++) {
        const Management__NameServer *s = m->nameservers[i];
        struct rk_addr *a = &g->servers[g->n];
        bool us = false;

        if (s->nstype != NS_UDP || s->port < 1 || s->port > UINT16_MAX ||
            rk_ip_parse(rk_str_z(s->ip), &a->ip, NULL))
            continue;
        a->port = (uint16_t)s->port;
        for (size_t j = 0; j < n_own; j++)
            us = us || rk_ip_eq(&own[j], &a->ip);
        if (!us)
            g->n++;
    }
}

static struct upstream *upstream_of(struct dns_upstreams *u, const struct dns_name *name,
                                    int priority)
{
    struct upstream *up;

    for (size_t i = 0; i < u->n; i++)
        if (dns_name_eq(&u->v[i]->h.pattern, name))
            return u->v[i];
    if (u->n == u->max_domains)
        return NULL;
    up = rk_new(u->mem, struct upstream);
    up->groups = rk_new_n(u->mem, uint16_t, u->max_groups);
    up->all = u;
    up->h = (struct dns_handler){
        .priority = priority, .pattern = *name, .subdomains = true, .ask = ask_groups};
    return u->v[u->n++] = up;
}

static void add_domain(struct dns_upstreams *u, size_t group, struct rk_str text, bool search)
{
    struct dns_name name;
    struct upstream *up;

    if (rk_str_starts(text, RK_STR("*.")))
        text = rk_str_sub(text, 2, text.n);
    if (dns_domain_parse(text, &name, NULL) || name.n == 1) {
        rk_log(u->o.log, RK_WARN, "domain of a name server group is not usable",
               kv_str("domain", rk_str_sub(text, 0, 100)));
        return;
    }
    up = upstream_of(u, &name, DNS_PRIO_MATCH);
    if (!up || up->n == u->max_groups)
        return;
    if (!up->n)
        u->domains[u->n_domains++] = (struct dns_domain){.name = name};
    for (size_t i = 0; search && i < u->n_domains; i++)
        if (dns_name_eq(&u->domains[i].name, &name))
            u->domains[i].search = true;
    up->groups[up->n++] = (uint16_t)group;
}

static void add_group(struct dns_upstreams *u, const Management__NameServerGroup *m,
                      const struct rk_ip *own, size_t n_own)
{
    static const struct dns_name root = {.n = 1};
    struct group g = {.primary = m->primary};
    struct upstream *up;

    read_servers(&g, m, own, n_own);
    if (!g.n || u->n_groups == u->max_groups) {
        rk_log(u->o.log, RK_WARN, "name server group without a usable server is left out");
        return;
    }
    g.domains = rk_new_n(u->mem, struct rk_str, m->n_domains + 1);
    for (size_t i = 0; i < m->n_domains; i++)
        g.domains[g.n_domains++] = rk_arena_dup(u->mem, rk_str_z(m->domains[i]));
    u->groups[u->n_groups] = g;
    if (m->primary) {
        up = upstream_of(u, &root, DNS_PRIO_PRIMARY);
        if (up && up->n < u->max_groups)
            up->groups[up->n++] = (uint16_t)u->n_groups;
    }
    for (size_t i = 0; i < m->n_domains && !m->primary; i++)
        add_domain(u, u->n_groups, g.domains[i], m->searchdomainsenabled);
    u->n_groups++;
}

enum rk_code dns_upstreams_set(struct dns_upstreams *u, const Management__DNSConfig *config,
                               const struct rk_ip *own, size_t n_own, struct rk_err *err)
{
    size_t n = config ? config->n_nameservergroups : 0;

    for (size_t i = 0; i < n; i++)
        if (!config->nameservergroups[i]->primary && !config->nameservergroups[i]->n_domains)
            return rk_fail(err, RK_INVALID,
                           "name server group %zu is for no domain and not primary", i + 1);
    rk_arena_reset(u->mem);
    u->n_groups = u->n = u->n_domains = 0;
    u->max_groups = rk_min_size(n, DNS_GROUPS_MAX);
    u->max_domains = 1; /* the root */
    for (size_t i = 0; i < n; i++)
        u->max_domains += config->nameservergroups[i]->n_domains;
    u->max_domains = rk_min_size(u->max_domains, DNS_GROUP_DOMAINS_MAX);
    u->groups = rk_new_n(u->mem, struct group, u->max_groups + 1);
    u->v = rk_new_n(u->mem, struct upstream *, u->max_domains);
    u->domains = rk_new_n(u->mem, struct dns_domain, u->max_domains);
    for (size_t i = 0; i < n; i++)
        add_group(u, config->nameservergroups[i], own, n_own);
    return RK_OK;
}

struct dns_handler *dns_upstreams_handler(struct dns_upstreams *u, size_t i)
{
    if (i < u->n)
        return &u->v[i]->h;
    return i == u->n ? &u->last_resort.h : NULL;
}

bool dns_upstreams_primary(const struct dns_upstreams *u)
{
    for (size_t i = 0; i < u->n_groups; i++)
        if (u->groups[i].primary)
            return true;
    return false;
}

const struct dns_domain *dns_upstreams_domain(const struct dns_upstreams *u, size_t i)
{
    return i < u->n_domains ? &u->domains[i] : NULL;
}

json_t *dns_upstreams_json(const struct dns_upstreams *u)
{
    json_t *list = json_array();
    char text[RK_ADDR_TEXT];

    for (size_t i = 0; i < u->n_groups; i++) {
        const struct group *g = &u->groups[i];
        json_t *servers = json_array(), *domains = json_array();
        bool bad = group_health(u, g) < 0;

        for (size_t j = 0; j < g->n; j++)
            (void)json_array_append_new(servers,
                                        json_string(rk_addr_format(&g->servers[j], text).p));
        for (size_t j = 0; j < g->n_domains; j++)
            (void)json_array_append_new(domains, json_stringn(g->domains[j].p, g->domains[j].n));
        (void)json_array_append_new(list, json_pack("{s:o,s:o,s:b,s:s}", "servers", servers,
                                                    "domains", domains, "enabled", !bad, "error",
                                                    bad ? "no server of the group answers" : ""));
    }
    return list;
}

/* ---- life */

struct dns_upstreams *dns_upstreams_new(const struct dns_upstreams_opts *opts)
{
    struct dns_upstreams *u = rk_calloc(1, sizeof *u);

    u->o = *opts;
    u->mem = rk_arena_new(0);
    u->last_resort.all = u;
    u->last_resort.h = (struct dns_handler){
        .priority = DNS_PRIO_FALLBACK, .pattern = {.n = 1}, .ask = ask_last_resort};
    rk_map_init(&u->health, false);
    return u;
}

void dns_upstreams_free(struct dns_upstreams *u)
{
    struct rk_str key;
    void *value;

    if (!u)
        return;
    for (size_t pos = 0; rk_map_next(&u->health, &pos, &key, &value);)
        free(value);
    rk_map_done(&u->health);
    rk_arena_free(u->mem);
    free(u);
}
