/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of peers: the map's list against what we have, by sort and sweep; see peers.h. */
#include "config.h"

#include "agent/engine/peers.h"

#include <stdlib.h>
#include <string.h>

#include "agent/engine/peers_priv.h"

static struct peer *find(const struct peers *t, const struct rk_key *key)
{
    return rk_map_get(&t->by_key, peers_key(key));
}

/* ---- what a connection asks */

static enum rk_code wg_set(struct peer_conn_user *u, const struct rk_addr *endpoint,
                           uint16_t keepalive_s, struct rk_err *err)
{
    return peers_wg_set(rk_container_of(u, struct peer, user), endpoint, keepalive_s, err);
}

static enum rk_code wg_forget(struct peer_conn_user *u, struct rk_err *err)
{
    return peers_wg_forget(rk_container_of(u, struct peer, user), err);
}

static void wg_remove(struct peer_conn_user *u)
{
    peers_wg_remove(rk_container_of(u, struct peer, user));
}

static bool wg_stats(struct peer_conn_user *u, struct peer_conn_wg_stats *out)
{
    return peers_wg_stats(rk_container_of(u, struct peer, user), out);
}

static void on_changed(struct peer_conn_user *u)
{
    struct peers *t = rk_container_of(u, struct peer, user)->table;

    t->user->ops->choose(t->user);
    t->user->ops->changed(t->user);
}

static const struct peer_conn_user_ops PEER_OPS = {.wg_set = wg_set,
                                                   .wg_forget = wg_forget,
                                                   .wg_remove = wg_remove,
                                                   .wg_stats = wg_stats,
                                                   .changed = on_changed};

/* ---- one peer */

static void peer_free(struct peer *p)
{
    peer_conn_free(p->conn);
    free(p->fqdn);
    free(p->version);
    free(p->allowed);
    free(p);
}

static void peer_drop(struct peers *t, struct peer *p)
{
    (void)rk_map_del(&t->by_key, peers_key(&p->key));
    peer_free(p);
}

/* A peer as the map wants it; borrowed from the message's arena. */
struct wanted {
    struct rk_key key;
    const Management__RemotePeerConfig *msg;
    struct rk_prefix *allowed;
    size_t n_allowed;
};

static void give_early(void *arg, const struct signal_msg *msg)
{
    struct peer *p = arg;

    peer_conn_on_signal(p->conn, msg);
}

static enum rk_code peer_add(struct peers *t, const struct wanted *w, struct rk_err *err)
{
    struct peer *p = rk_calloc(1, sizeof *p);
    struct peer_conn_opts opts = {.key = w->key, .remote_version = rk_str_z(w->msg->agentversion)};
    enum rk_code rc;

    p->user.ops = &PEER_OPS;
    p->table = t;
    p->key = w->key;
    p->fqdn = rk_str_dupz(rk_str_z(w->msg->fqdn));
    p->version = rk_str_dupz(rk_str_z(w->msg->agentversion));
    p->n_allowed = w->n_allowed;
    p->allowed = rk_memdup(w->allowed, w->n_allowed * sizeof *w->allowed);
    (void)rk_map_put(&t->by_key, peers_key(&p->key), p);
    rc = peer_conn_new(t->env, &opts, &p->user, &p->conn, err);
    if (rc) {
        p->conn = NULL;
        peers_wg_remove(p);
        peer_drop(t, p);
    } else {
        early_take(&t->early, &w->key, give_early, p);
    }
    return rc;
}

static bool same_allowed(const struct peer *p, const struct wanted *w)
{
    if (p->n_allowed != w->n_allowed)
        return false;
    for (size_t i = 0; i < w->n_allowed; i++) { /* as sets: order means nothing */
        bool found = false;

        for (size_t j = 0; j < p->n_allowed; j++)
            found = found || rk_prefix_cmp(&p->allowed[j], &w->allowed[i]) == 0;
        if (!found)
            return false;
    }
    return true;
}

static void peer_rename(struct peer *p, const char *fqdn)
{
    if (strcmp(p->fqdn, fqdn) == 0)
        return;
    free(p->fqdn);
    p->fqdn = rk_str_dupz(rk_str_z(fqdn));
}

/* ---- the list */

/* The addresses of one entry; IPv6 ones only if we have IPv6 ourselves. */
static bool read_allowed(struct peers *t, struct rk_arena *mem, struct wanted *w)
{
    size_t n = w->msg->n_allowedips;

    if (n > PEERS_ALLOWED_MAX)
        return false;
    w->allowed = rk_new_n(mem, struct rk_prefix, n + 1);
    for (size_t i = 0; i < n; i++) {
        struct rk_prefix p;

        if (rk_prefix_parse(rk_str_z(w->msg->allowedips[i]), &p, NULL))
            continue; /* the others are good for something */
        if (p.ip.family == 6 && !t->v6)
            continue;
        w->allowed[w->n_allowed++] = rk_prefix_masked(&p);
    }
    return w->n_allowed > 0;
}

static int by_key(const void *a, const void *b)
{
    const struct wanted *x = a, *y = b;

    return memcmp(x->key.b, y->key.b, RK_KEY_SIZE);
}

static int by_peer_key(const void *a, const void *b)
{
    const struct peer *const *x = a, *const *y = b;

    return memcmp((*x)->key.b, (*y)->key.b, RK_KEY_SIZE);
}

struct claim {
    struct rk_prefix prefix;
    struct wanted *by;
};

static int by_claim(const void *a, const void *b)
{
    const struct claim *x = a, *y = b;
    int c = rk_prefix_cmp(&x->prefix, &y->prefix);

    return c ? c : (x->by > y->by) - (x->by < y->by);
}

static void unclaim(struct wanted *w, const struct rk_prefix *p)
{
    size_t kept = 0;

    for (size_t i = 0; i < w->n_allowed; i++)
        if (rk_prefix_cmp(&w->allowed[i], p) != 0)
            w->allowed[kept++] = w->allowed[i];
    w->n_allowed = kept;
}

/* An address belongs to one peer: the one with the smaller key, whoever connects first. Returns how
 * many were claimed by others too. */
static size_t settle_claims(struct rk_arena *mem, struct wanted *list, size_t n)
{
    struct claim *all;
    size_t n_all = 0, twice = 0;

    for (size_t i = 0; i < n; i++)
        n_all += list[i].n_allowed;
    all = rk_new_n(mem, struct claim, n_all + 1);
    n_all = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < list[i].n_allowed; j++)
            all[n_all++] = (struct claim){list[i].allowed[j], &list[i]};
    qsort(all, n_all, sizeof *all, by_claim);
    for (size_t i = 1; i < n_all; i++) {
        if (rk_prefix_cmp(&all[i - 1].prefix, &all[i].prefix) != 0 || all[i - 1].by == all[i].by)
            continue;
        unclaim(all[i].by, &all[i].prefix);
        twice++;
    }
    return twice;
}

/* Entries that can be used, sorted, each key once. One bad entry must not cost the other peers. */
static struct wanted *read_list(struct peers *t, struct rk_arena *mem,
                                const Management__NetworkMap *map, size_t *n_out)
{
    struct wanted *list = rk_new_n(mem, struct wanted, map->n_remotepeers + 1);
    size_t n = 0, kept = 0, bad = 0, twice;

    for (size_t i = 0; i < map->n_remotepeers && !map->remotepeersisempty; i++) {
        struct wanted w = {.msg = map->remotepeers[i]};

        if (rk_key_parse_wire(rk_str_z(w.msg->wgpubkey), &w.key, NULL) ||
            !read_allowed(t, mem, &w)) {
            rk_log(t->o.log, RK_WARN, "peer of the map cannot be used, leaving it out",
                   kv_z("peer", w.msg->wgpubkey), kv_z("fqdn", w.msg->fqdn));
            bad++;
            continue;
        }
        if (!rk_key_eq(&w.key, &t->o.own_key))
            list[n++] = w;
    }
    qsort(list, n, sizeof *list, by_key);
    for (size_t i = 0; i < n; i++)
        if (!kept || memcmp(list[kept - 1].key.b, list[i].key.b, RK_KEY_SIZE) != 0)
            list[kept++] = list[i];
    if (bad || kept < n)
        events_add(t->o.events, EVENT_WARNING, EVENT_NETWORK,
                   "%zu peers of the network map cannot be used, %zu are named twice", bad,
                   n - kept);
    twice = settle_claims(mem, list, kept);
    if (twice)
        events_add(t->o.events, EVENT_WARNING, EVENT_NETWORK,
                   "%zu addresses of the network map are claimed by several peers", twice);
    *n_out = kept;
    return list;
}

static struct peer **sorted_peers(struct peers *t, struct rk_arena *mem)
{
    struct peer **all = rk_new_n(mem, struct peer *, t->by_key.n + 1);
    size_t pos = 0, n = 0;
    void *v;

    while (rk_map_next(&t->by_key, &pos, NULL, &v))
        all[n++] = v;
    qsort(all, n, sizeof(struct peer *), by_peer_key);
    return all;
}

/* Drop what the list does not have and what has changed; what is left differs in its name at most.
 */
static void sweep_out(struct peers *t, struct rk_arena *mem, const struct wanted *list, size_t n)
{
    struct peer **have = sorted_peers(t, mem);
    size_t n_have = t->by_key.n, j = 0;

    for (size_t i = 0; i < n_have; i++) {
        struct peer *p = have[i];

        while (j < n && memcmp(list[j].key.b, p->key.b, RK_KEY_SIZE) < 0)
            j++;
        if (j == n || memcmp(list[j].key.b, p->key.b, RK_KEY_SIZE) != 0 ||
            !same_allowed(p, &list[j]) || strcmp(p->version, list[j].msg->agentversion) != 0)
            peer_drop(t, p);
        else
            peer_rename(p, list[j].msg->fqdn);
    }
}

static void offline_clear(struct peers *t)
{
    for (size_t i = 0; i < t->n_offline; i++) {
        free(t->offline[i].fqdn);
        free(t->offline[i].ip);
    }
    free(t->offline);
    t->offline = NULL;
    t->n_offline = 0;
}

static void set_offline(struct peers *t, const Management__NetworkMap *map)
{
    offline_clear(t);
    if (!map->n_offlinepeers)
        return;
    t->offline = rk_calloc(map->n_offlinepeers, sizeof *t->offline);
    for (size_t i = 0; i < map->n_offlinepeers; i++) {
        const Management__RemotePeerConfig *m = map->offlinepeers[i];
        struct offline_peer *o = &t->offline[t->n_offline];
        struct rk_str ip = {0}, rest;

        if (rk_key_parse_wire(rk_str_z(m->wgpubkey), &o->key, NULL))
            continue;
        if (m->n_allowedips)
            (void)rk_str_cut(rk_str_z(m->allowedips[0]), '/', &ip, &rest);
        o->fqdn = rk_str_dupz(rk_str_z(m->fqdn));
        o->ip = rk_str_dupz(ip);
        t->n_offline++;
    }
}

enum rk_code peers_apply(struct peers *t, const Management__NetworkMap *map, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct wanted *list;
    enum rk_code rc = RK_OK, one;
    size_t n;

    if (map->n_remotepeers > PEERS_MAX)
        return rk_fail(err, RK_LIMIT, "the map has %zu peers, more than %d", map->n_remotepeers,
                       PEERS_MAX);
    set_offline(t, map);
    list = read_list(t, mem, map, &n);
    sweep_out(t, mem, list, n);
    for (size_t i = 0; i < n; i++) {
        if (find(t, &list[i].key))
            continue;
        one = peer_add(t, &list[i], err);
        if (one) {
            rk_log(t->o.log, RK_WARN, "peer is not added", kv_z("peer", list[i].msg->wgpubkey),
                   KV_ERR(err));
            rc = one; /* the others are still tried; the next map tries this one again */
        }
    }
    return rc;
}

void peers_clear(struct peers *t)
{
    size_t pos = 0;
    void *v;

    while (rk_map_next(&t->by_key, &pos, NULL, &v)) {
        struct peer *p = v;

        (void)rk_map_del(&t->by_key, peers_key(&p->key));
        peer_free(p);
    }
    offline_clear(t);
}

/* ---- questions of others */

size_t peers_count(const struct peers *t)
{
    return t->by_key.n;
}

void peers_on_signal(struct peers *t, const struct rk_key *from, const struct signal_msg *msg)
{
    struct peer *p = find(t, from);

    if (p && p->conn)
        peer_conn_on_signal(p->conn, msg);
    else
        early_put(&t->early, from, msg); /* its peer may be in the next map */
}

struct route_peer peers_route(const struct peers *t, const struct rk_key *key)
{
    const struct peer *p = find(t, key);
    struct peer_conn_status s = {0};

    if (!p || !p->conn)
        return (struct route_peer){0};
    peer_conn_status(p->conn, &s);
    return (struct route_peer){.known = s.state != PEER_CONN_CONNECTING,
                               .connected = s.state == PEER_CONN_CONNECTED,
                               .relayed = s.path == PEER_CONN_PATH_RELAY,
                               .latency_us = s.latency_us};
}

bool peers_address(const struct peers *t, const struct rk_key *key, struct rk_ip *out)
{
    const struct peer *p = find(t, key);

    if (!p || !p->n_allowed)
        return false;
    *out = p->allowed[0].ip;
    return true;
}

static bool is_address_of(const struct peer *p, const struct rk_ip *ip)
{
    for (size_t i = 0; i < p->n_allowed; i++)
        if (rk_ip_eq(&p->allowed[i].ip, ip) && p->allowed[i].bits == rk_ip_size(ip) * 8)
            return true;
    return false;
}

bool peers_away(const struct peers *t, const struct rk_ip *ip)
{
    void *value;

    for (size_t pos = 0; rk_map_next(&t->by_key, &pos, NULL, &value);) {
        const struct peer *p = value;
        struct peer_conn_status s = {0};

        if (!is_address_of(p, ip))
            continue;
        if (p->conn)
            peer_conn_status(p->conn, &s);
        return !p->conn || s.state != PEER_CONN_CONNECTED;
    }
    return false;
}

/* ---- life */

struct peers *peers_new(const struct peers_opts *o, struct peers_user *u)
{
    struct peers *t = rk_calloc(1, sizeof *t);

    t->o = *o;
    t->user = u;
    rk_map_init(&t->by_key, true);
    rk_map_init(&t->stats_by_key, true);
    early_init(&t->early);
    t->wg = wg_peers_new();
    return t;
}

void peers_up(struct peers *t, struct peer_conn_env *env, bool v6)
{
    t->env = env;
    t->v6 = v6;
}

void peers_free(struct peers *t)
{
    if (!t)
        return;
    early_done(&t->early);
    rk_map_done(&t->by_key);
    rk_map_done(&t->stats_by_key);
    rk_arena_free(t->stats_mem);
    wg_peers_free(t->wg);
    free(t);
}
