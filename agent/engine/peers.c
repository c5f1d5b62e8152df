/* SPDX-License-Identifier: BSD-3-Clause */
/* The peers of an engine: the map's list against what we have, by sort and sweep. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "agent/engine/engine_priv.h"
#include "lib/base/num.h"

#define STATS_MAX_AGE_MS 250

static struct rk_str key_str(const struct rk_key *k)
{
    return rk_str_of(k->b, sizeof k->b);
}

struct epeer *engine_peer(struct engine *e, const struct rk_key *key)
{
    return rk_map_get(&e->peers, key_str(key));
}

struct route_peer engine_route_peer(struct engine *e, const struct rk_key *key)
{
    struct epeer *p = engine_peer(e, key);
    struct peer_conn_status s = {0};

    if (!p || !p->conn)
        return (struct route_peer){0};
    peer_conn_status(p->conn, &s);
    return (struct route_peer){.known = s.state != PEER_CONN_CONNECTING,
                               .connected = s.state == PEER_CONN_CONNECTED,
                               .relayed = s.path == PEER_CONN_PATH_RELAY,
                               .latency_us = s.latency_us};
}

/* ---- what a connection asks of the device */

static enum rk_code flush(struct engine *e, struct rk_err *err)
{
    enum rk_code rc;

    if (e->phase == ENGINE_STOPPING || !e->dev)
        return RK_OK; /* the device goes as a whole */
    rc = wg_peers_flush(e->wg, e->dev, err);
    if (rc)
        engine_reconcile_soon(e);
    return rc;
}

static enum rk_code wg_set(struct peer_conn_user *u, const struct rk_addr *endpoint,
                           uint16_t keepalive_s, struct rk_err *err)
{
    struct epeer *p = rk_container_of(u, struct epeer, user);
    struct engine *e = p->e;
    struct rk_key psk;
    bool has_psk = profile_psk(e->o.profile, &psk);
    bool fresh = !wg_peers_has(e->wg, &p->key);

    wg_peers_put(e->wg, &p->key, has_psk ? &psk : NULL, keepalive_s);
    rk_key_wipe(&psk);
    if (fresh) {
        host_routes_soon(e->host); /* networks that it carries must be given to it again */
        for (size_t i = 0; i < p->n_allowed; i++)
            wg_peers_allow(e->wg, &p->key, &p->allowed[i]);
    }
    if (endpoint) {
        host_bypass(e->host, &endpoint->ip);
        wg_peers_endpoint(e->wg, &p->key, endpoint);
    }
    return flush(e, err);
}

static enum rk_code wg_forget(struct peer_conn_user *u, struct rk_err *err)
{
    struct epeer *p = rk_container_of(u, struct epeer, user);

    wg_peers_forget(p->e->wg, &p->key);
    return flush(p->e, err);
}

static void wg_remove(struct peer_conn_user *u)
{
    struct epeer *p = rk_container_of(u, struct epeer, user);
    struct rk_err err = {0};

    wg_peers_remove(p->e->wg, &p->key);
    if (flush(p->e, &err))
        rk_log(p->e->log, RK_WARN, "peer is not removed from the interface yet", KV_ERR(&err));
}

/* A new picture of the device unless the old one is young. */
static void refresh_stats(struct engine *e)
{
    struct rk_err err = {0};

    if (e->stats_mem && rk_mono_ms() - e->stats_at_ms < STATS_MAX_AGE_MS)
        return;
    if (!e->stats_mem)
        e->stats_mem = rk_arena_new_wiping(0);
    rk_arena_reset(e->stats_mem);
    rk_map_done(&e->stats_by_key);
    e->stats = (struct wg_state){0};
    e->stats_at_ms = rk_mono_ms();
    if (!e->dev || wg_device_read(e->dev, e->stats_mem, &e->stats, &err)) {
        e->stats = (struct wg_state){0};
        return;
    }
    for (size_t i = 0; i < e->stats.n_peers; i++)
        (void)rk_map_put(&e->stats_by_key, key_str(&e->stats.peers[i].key), &e->stats.peers[i]);
}

static bool wg_stats(struct peer_conn_user *u, struct peer_conn_wg_stats *out)
{
    struct epeer *p = rk_container_of(u, struct epeer, user);
    const struct wg_peer_state *s;

    if (!p->e->dev_open || !p->e->dev)
        return false;
    refresh_stats(p->e);
    s = rk_map_get(&p->e->stats_by_key, key_str(&p->key));
    if (!s)
        return false;
    *out = (struct peer_conn_wg_stats){.last_handshake_unix_ms = s->handshake_unix_ms,
                                       .rx_bytes = s->rx_bytes,
                                       .tx_bytes = s->tx_bytes};
    return true;
}

static void on_changed(struct peer_conn_user *u)
{
    struct epeer *p = rk_container_of(u, struct epeer, user);

    host_routes_soon(p->e->host);
    engine_changed(p->e);
}

static const struct peer_conn_user_ops PEER_OPS = {.wg_set = wg_set,
                                                   .wg_forget = wg_forget,
                                                   .wg_remove = wg_remove,
                                                   .wg_stats = wg_stats,
                                                   .changed = on_changed};

/* ---- one peer */

static void peer_free(struct epeer *p)
{
    peer_conn_free(p->conn);
    free(p->fqdn);
    free(p->version);
    free(p->allowed);
    free(p);
}

static void peer_drop(struct engine *e, struct epeer *p)
{
    (void)rk_map_del(&e->peers, key_str(&p->key));
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
    struct epeer *p = arg;

    peer_conn_on_signal(p->conn, msg);
}

static enum rk_code peer_add(struct engine *e, const struct wanted *w, struct rk_err *err)
{
    struct epeer *p = rk_calloc(1, sizeof *p);
    struct peer_conn_opts opts = {.key = w->key, .remote_version = rk_str_z(w->msg->agentversion)};
    enum rk_code rc;

    p->user.ops = &PEER_OPS;
    p->e = e;
    p->key = w->key;
    p->fqdn = rk_str_dupz(rk_str_z(w->msg->fqdn));
    p->version = rk_str_dupz(rk_str_z(w->msg->agentversion));
    p->n_allowed = w->n_allowed;
    p->allowed = rk_memdup(w->allowed, w->n_allowed * sizeof *w->allowed);
    (void)rk_map_put(&e->peers, key_str(&p->key), p);
    rc = peer_conn_new(e->env, &opts, &p->user, &p->conn, err);
    if (rc) {
        p->conn = NULL;
        wg_remove(&p->user);
        peer_drop(e, p);
    } else {
        early_take(&e->early, &w->key, give_early, p);
    }
    return rc;
}

static bool same_allowed(const struct epeer *p, const struct wanted *w)
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

static void peer_rename(struct epeer *p, const char *fqdn)
{
    if (strcmp(p->fqdn, fqdn) == 0)
        return;
    free(p->fqdn);
    p->fqdn = rk_str_dupz(rk_str_z(fqdn));
}

/* ---- the list */

/* The addresses of one entry; IPv6 ones only if we have IPv6 ourselves. */
static bool read_allowed(struct engine *e, struct rk_arena *mem, struct wanted *w)
{
    size_t n = w->msg->n_allowedips;

    if (n > ENGINE_ALLOWED_MAX)
        return false;
    w->allowed = rk_new_n(mem, struct rk_prefix, n + 1);
    for (size_t i = 0; i < n; i++) {
        struct rk_prefix p;

        if (rk_prefix_parse(rk_str_z(w->msg->allowedips[i]), &p, NULL))
            return false;
        if (p.ip.family == 6 && !e->addr.v6.ip.family)
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
    const struct epeer *const *x = a, *const *y = b;

    return memcmp((*x)->key.b, (*y)->key.b, RK_KEY_SIZE);
}

/* Entries that can be used, sorted, each key once. One bad entry must not cost the other peers. */
static struct wanted *read_list(struct engine *e, struct rk_arena *mem,
                                const Management__NetworkMap *map, size_t *n_out)
{
    struct wanted *list = rk_new_n(mem, struct wanted, map->n_remotepeers + 1);
    size_t n = 0, kept = 0, bad = 0;

    for (size_t i = 0; i < map->n_remotepeers && !map->remotepeersisempty; i++) {
        struct wanted w = {.msg = map->remotepeers[i]};

        if (rk_key_parse_wire(rk_str_z(w.msg->wgpubkey), &w.key, NULL) ||
            !read_allowed(e, mem, &w)) {
            rk_log(e->log, RK_WARN, "peer of the map cannot be used, leaving it out",
                   kv_z("peer", w.msg->wgpubkey), kv_z("fqdn", w.msg->fqdn));
            bad++;
            continue;
        }
        if (!rk_key_eq(&w.key, &e->own_key))
            list[n++] = w;
    }
    qsort(list, n, sizeof *list, by_key);
    for (size_t i = 0; i < n; i++)
        if (!kept || memcmp(list[kept - 1].key.b, list[i].key.b, RK_KEY_SIZE) != 0)
            list[kept++] = list[i];
    if (bad || kept < n)
        events_add(e->o.events, EVENT_WARNING, EVENT_NETWORK,
                   "%zu peers of the network map cannot be used, %zu are named twice", bad,
                   n - kept);
    *n_out = kept;
    return list;
}

static struct epeer **sorted_peers(struct engine *e, struct rk_arena *mem)
{
    struct epeer **all = rk_new_n(mem, struct epeer *, e->peers.n + 1);
    size_t pos = 0, n = 0;
    void *v;

    while (rk_map_next(&e->peers, &pos, NULL, &v))
        all[n++] = v;
    qsort(all, n, sizeof(struct epeer *), by_peer_key);
    return all;
}

/* Drop what the list does not have and what has changed; what is left differs in its name at most.
 */
static void sweep_out(struct engine *e, struct rk_arena *mem, const struct wanted *list, size_t n)
{
    struct epeer **have = sorted_peers(e, mem);
    size_t n_have = e->peers.n, j = 0;

    for (size_t i = 0; i < n_have; i++) {
        struct epeer *p = have[i];

        while (j < n && memcmp(list[j].key.b, p->key.b, RK_KEY_SIZE) < 0)
            j++;
        if (j == n || memcmp(list[j].key.b, p->key.b, RK_KEY_SIZE) != 0 ||
            !same_allowed(p, &list[j]) || strcmp(p->version, list[j].msg->agentversion) != 0)
            peer_drop(e, p);
        else
            peer_rename(p, list[j].msg->fqdn);
    }
}

static void offline_clear(struct engine *e)
{
    for (size_t i = 0; i < e->n_offline; i++) {
        free(e->offline[i].fqdn);
        free(e->offline[i].ip);
    }
    free(e->offline);
    e->offline = NULL;
    e->n_offline = 0;
}

static void set_offline(struct engine *e, const Management__NetworkMap *map)
{
    offline_clear(e);
    if (!map->n_offlinepeers)
        return;
    e->offline = rk_calloc(map->n_offlinepeers, sizeof *e->offline);
    for (size_t i = 0; i < map->n_offlinepeers; i++) {
        const Management__RemotePeerConfig *m = map->offlinepeers[i];
        struct offline_peer *o = &e->offline[e->n_offline];
        struct rk_str ip = {0}, rest;

        if (rk_key_parse_wire(rk_str_z(m->wgpubkey), &o->key, NULL))
            continue;
        if (m->n_allowedips)
            (void)rk_str_cut(rk_str_z(m->allowedips[0]), '/', &ip, &rest);
        o->fqdn = rk_str_dupz(rk_str_z(m->fqdn));
        o->ip = rk_str_dupz(ip);
        e->n_offline++;
    }
}

enum rk_code engine_apply_peers(struct engine *e, const Management__NetworkMap *map,
                                struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct wanted *list;
    enum rk_code rc = RK_OK, one;
    size_t n;

    if (map->n_remotepeers > ENGINE_PEERS_MAX)
        return rk_fail(err, RK_LIMIT, "the map has %zu peers, more than %d", map->n_remotepeers,
                       ENGINE_PEERS_MAX);
    set_offline(e, map);
    list = read_list(e, mem, map, &n);
    sweep_out(e, mem, list, n);
    for (size_t i = 0; i < n; i++) {
        if (engine_peer(e, &list[i].key))
            continue;
        one = peer_add(e, &list[i], err);
        if (one) {
            rk_log(e->log, RK_WARN, "peer is not added", kv_z("peer", list[i].msg->wgpubkey),
                   KV_ERR(err));
            rc = one; /* the others are still tried; the next map tries this one again */
        }
    }
    return rc;
}

void engine_peers_clear(struct engine *e)
{
    size_t pos = 0;
    void *v;

    while (rk_map_next(&e->peers, &pos, NULL, &v)) {
        struct epeer *p = v;

        (void)rk_map_del(&e->peers, key_str(&p->key));
        peer_free(p);
    }
    offline_clear(e);
}
