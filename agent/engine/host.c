/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an engine needs of the host beside its device: policy rules and routes to networks behind
 * peers, forwarding for networks behind us, the firewall. Everything is in the state file before it
 * is made, so that a killed agent's successor takes it back.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "agent/engine/engine_priv.h"
#include "agent/engine/fw_text.h"
#include "agent/os/firewall.h"
#include "agent/os/link.h"
#include "agent/os/route.h"

/* Text of the largest firewall: 100000 peers and as many route rules. */
#define FW_TEXT_MAX ((size_t)64 << 20)

static const char *iface(const struct engine *e)
{
    return e->o.profile->settings.interface_name.p;
}

static bool want_routes(const struct engine *e)
{
    return !e->o.daemon->disable_custom_routing && !e->o.profile->settings.disable_client_routes;
}

static bool serves_routes(const struct engine *e)
{
    const struct settings *s = &e->o.profile->settings;

    return !s->disable_server_routes && !s->block_inbound && !s->disable_firewall;
}

static void save_sysctls(struct engine *e)
{
    state_set(e->o.state, STATE_SYSCTL, e->sysctls.n ? sysctls_json(&e->sysctls) : NULL);
}

/* ---- policy rules ---- */

/* Replies of an exit node come in by another way than the main table says: a strict reverse path
 * filter would drop them. */
static void relax_rp_filter(struct engine *e)
{
    struct rk_err err = {0};

    if (sysctl_change(&e->sysctls, "net/ipv4/conf/all/src_valid_mark", NULL, "1", &err) ||
        sysctl_change(&e->sysctls, "net/ipv4/conf/all/rp_filter", "1", "2", &err) ||
        sysctl_change_ifaces(&e->sysctls, "ipv4", "rp_filter", iface(e), "1", "2", &err))
        rk_log(e->log, RK_WARN, "reverse path filter is not relaxed, exit nodes may not work",
               KV_ERR(&err));
    save_sysctls(e);
}

static void rules_up(struct engine *e)
{
    struct rk_err err = {0};

    if (!want_routes(e))
        return;
    if (!e->o.marks) { /* routes go to the main table */
        e->routes_on = true;
        return;
    }
    state_set(e->o.state, STATE_ROUTES, json_pack("{s:i}", "table", (int)ROUTE_TABLE_OVERLAY));
    (void)!kernel_route_flush(e->o.route, ROUTE_TABLE_OVERLAY, NULL);
    /* without rules the overlay itself still works, only routed networks do not */
    if (rule_overlay_install(e->o.route, &err)) {
        rk_log(e->log, RK_WARN, "no policy rules, networks behind peers are not reached",
               KV_ERR(&err));
        return;
    }
    e->routes_on = true;
    relax_rp_filter(e);
}

/* ---- routes to networks behind peers ---- */

static struct kernel_route kernel_route(const struct engine *e, const struct routed *r)
{
    return (struct kernel_route){.dst = r->prefix,
                                 .table = e->o.marks ? ROUTE_TABLE_OVERLAY : ROUTE_TABLE_MAIN,
                                 .ifindex = r->block ? 0 : wg_device_ifindex(e->dev),
                                 .unreachable = r->block};
}

static bool same_way(const struct routed *a, const struct routed *b)
{
    return rk_prefix_cmp(&a->prefix, &b->prefix) == 0 && a->block == b->block;
}

static bool same_peer(const struct routed *a, const struct routed *b)
{
    return a->has_peer == b->has_peer && (!a->has_peer || rk_key_eq(&a->peer, &b->peer));
}

static void log_route(struct engine *e, const char *what, const struct routed *r,
                      const struct rk_err *err)
{
    char text[RK_ADDR_TEXT];

    (void)rk_prefix_format(&r->prefix, text);
    if (err)
        rk_log(e->log, RK_WARN, what, kv_z("network", text), KV_ERR(err));
    else
        rk_log(e->log, RK_INFO, what, kv_z("network", text));
}

static void drop_route(struct engine *e, const struct routed *r)
{
    struct kernel_route k = kernel_route(e, r);
    struct rk_err err = {0};
    enum rk_code rc;

    if (r->has_peer)
        wg_peers_disallow(e->wg, &r->peer, &r->prefix);
    rc = kernel_route_delete(e->o.route, &k, &err);
    log_route(e, "network removed", r, rc && rc != RK_NOT_FOUND ? &err : NULL);
}

static void make_route(struct engine *e, const struct routed *r)
{
    struct kernel_route k = kernel_route(e, r);
    struct rk_err err = {0};
    enum rk_code rc;

    if (r->has_peer)
        wg_peers_allow(e->wg, &r->peer, &r->prefix);
    rc = kernel_route_add(e->o.route, &k, &err);
    log_route(e, "network added", r, rc && rc != RK_EXISTS ? &err : NULL);
}

/* Old and new list are sorted by prefix: one sweep over both. Removals come first, so that what
 * moves between peers is free when it is given away. */
static void sync_routes(struct engine *e, const struct routed *now, size_t n)
{
    size_t i = 0, j = 0;

    while (i < e->n_routed) {
        int c = j < n ? rk_prefix_cmp(&e->routed[i].prefix, &now[j].prefix) : -1;

        if (c > 0) {
            j++;
            continue;
        }
        if (c < 0 || !same_way(&e->routed[i], &now[j]))
            drop_route(e, &e->routed[i]);
        else if (!same_peer(&e->routed[i], &now[j]) && e->routed[i].has_peer)
            wg_peers_disallow(e->wg, &e->routed[i].peer, &e->routed[i].prefix);
        i++;
    }
    for (i = 0, j = 0; j < n; j++) {
        while (i < e->n_routed && rk_prefix_cmp(&e->routed[i].prefix, &now[j].prefix) < 0)
            i++;
        if (i == e->n_routed || !same_way(&e->routed[i], &now[j]))
            make_route(e, &now[j]);
        else if (now[j].has_peer) /* again also for a peer that was made anew */
            wg_peers_allow(e->wg, &now[j].peer, &now[j].prefix);
    }
}

static struct route_peer peer_of(void *arg, const struct rk_key *key)
{
    struct engine *e = arg;
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

void engine_routes_update(struct engine *e)
{
    const struct routed *list;
    struct rk_err err = {0};
    size_t n;

    if (!e->routes_on || !e->routes || e->phase != ENGINE_RUNNING)
        return;
    (void)route_set_choose(e->routes, peer_of, e);
    list = route_set_list(e->routes, &n);
    sync_routes(e, list, n);
    free(e->routed);
    e->routed = n ? rk_memdup(list, n * sizeof *list) : NULL;
    e->n_routed = n;
    if (wg_peers_flush(e->wg, e->dev, &err))
        rk_log(e->log, RK_WARN, "allowed addresses are not set yet", KV_ERR(&err));
}

static void on_routes_timer(void *arg)
{
    engine_routes_update(arg);
}

void engine_routes_soon(struct engine *e)
{
    if (e->phase == ENGINE_RUNNING && e->routes_on)
        rk_timer_start(e->o.loop, &e->routes_timer, 0, on_routes_timer, e);
}

json_t *engine_networks(struct engine *e)
{
    return e->routes ? route_set_json(e->routes) : json_array();
}

enum rk_code engine_select(struct engine *e, const struct rk_str *ids, size_t n, bool select,
                           bool append, struct rk_err *err)
{
    enum rk_code rc;

    if (!e->routes)
        return rk_fail(err, RK_PRECONDITION, "no network map yet");
    rc = select ? route_set_select(e->routes, ids, n, append, err)
                : route_set_deselect(e->routes, ids, n, err);
    if (rc)
        return rc;
    state_set(e->o.state, STATE_SELECTED, route_set_selection(e->routes));
    engine_routes_update(e);
    engine_changed(e);
    return RK_OK;
}

/* ---- forwarding for networks behind us ---- */

static void forwarding_up(struct engine *e)
{
    struct sysctls keep = {0};
    struct rk_err err = {0};

    if (e->forwarding)
        return;
    e->forwarding = true;
    /* never switched off again: others may have begun to rely on it */
    if (sysctl_change(&keep, "net/ipv4/ip_forward", NULL, "1", &err))
        rk_log(e->log, RK_WARN, "no IPv4 forwarding", KV_ERR(&err));
    sysctls_done(&keep);
    if (!e->addr.v6.ip.family)
        return;
    /* a forwarding host ignores router advertisements unless told so */
    if (sysctl_change_ifaces(&e->sysctls, "ipv6", "accept_ra", iface(e), "1", "2", &err) ||
        sysctl_change(&e->sysctls, "net/ipv6/conf/all/forwarding", NULL, "1", &err))
        rk_log(e->log, RK_WARN, "no IPv6 forwarding", KV_ERR(&err));
    save_sysctls(e);
}

/* ---- firewall ---- */

/* The networks that this host is directly in, for block_lan_access. */
static const struct rk_prefix *own_networks(struct engine *e, struct rk_arena *mem, size_t *n)
{
    struct link_addr_list list = {0};
    struct rk_prefix *out;

    *n = 0;
    if (!e->o.profile->settings.block_lan_access || link_addrs(e->o.route, 0, mem, &list, NULL))
        return NULL;
    out = rk_new_n(mem, struct rk_prefix, list.n + 1);
    for (size_t i = 0; i < list.n; i++) {
        const struct rk_prefix *p = &list.items[i].prefix;

        if (list.items[i].index == wg_device_ifindex(e->dev) || rk_ip_is_loopback(&p->ip) ||
            rk_ip_is_link_local(&p->ip) || rk_ip_is_multicast(&p->ip))
            continue;
        out[(*n)++] = rk_prefix_masked(p);
    }
    return out;
}

static enum rk_code firewall_set(struct engine *e, const Management__NetworkMap *map,
                                 struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    const struct settings *s = &e->o.profile->settings;
    struct fw_opts o = {.table = e->o.daemon->nft_table,
                        .iface = s->interface_name,
                        .mtu_bytes = (uint32_t)s->mtu_bytes,
                        .v4 = e->addr.v4,
                        .v6 = e->addr.v6,
                        .own_key = rk_str_z(e->own_text),
                        .block_inbound = s->block_inbound,
                        .serve_routes = serves_routes(e),
                        .block_lan = s->block_lan_access};
    struct fw_stats stats;
    struct rk_buf text;
    enum rk_code rc;

    o.lan = own_networks(e, mem, &o.n_lan);
    rk_buf_init(&text, FW_TEXT_MAX);
    rc = fw_text_build(&o, map, &text, &stats, err);
    rk_buf_addc(&text, '\0');
    if (rc == RK_OK && (!e->fw_text || strcmp(e->fw_text, text.p) != 0)) {
        rc = firewall_run(text.p, err);
        free(e->fw_text); /* after a failure the next map tries again */
        e->fw_text = rc ? NULL : rk_str_dupz(rk_str_z(text.p));
        if (rc == RK_OK)
            rk_log(e->log, RK_INFO, "firewall set", kv_i64("peer_rules", (int64_t)stats.peer_rules),
                   kv_i64("route_rules", (int64_t)stats.route_rules),
                   kv_i64("skipped", (int64_t)stats.skipped));
    }
    rk_buf_done(&text);
    if (rc == RK_OK && stats.routes)
        forwarding_up(e);
    return rc;
}

static enum rk_code firewall_up(struct engine *e, struct rk_err *err)
{
    enum rk_code rc;

    if (e->o.profile->settings.disable_firewall)
        return RK_OK;
    state_set(e->o.state, STATE_FIREWALL,
              json_pack("{s:s%}", "table", e->o.daemon->nft_table.p, e->o.daemon->nft_table.n));
    rc = firewall_set(e, NULL, err);
    if (rc)
        return rk_wrap(err, "firewall (--disable-firewall goes on without)");
    return RK_OK;
}

static void firewall_down(struct engine *e)
{
    struct rk_err err = {0};
    struct rk_buf text;
    enum rk_code rc;

    if (!state_get(e->o.state, STATE_FIREWALL))
        return;
    rk_buf_init(&text, 4096);
    rc = fw_text_remove(e->o.daemon->nft_table, &text, &err);
    rk_buf_addc(&text, '\0');
    if (rc == RK_OK)
        rc = firewall_run(text.p, &err);
    if (rc)
        rk_log(e->log, RK_WARN, "firewall table is not removed", KV_ERR(&err));
    else
        state_set(e->o.state, STATE_FIREWALL, NULL);
    rk_buf_done(&text);
}

/* ---- all of it ---- */

enum rk_code engine_os_up(struct engine *e, struct rk_err *err)
{
    rules_up(e);
    return firewall_up(e, err);
}

enum rk_code engine_os_apply(struct engine *e, const Management__NetworkMap *map,
                             struct rk_err *err)
{
    struct route_opts o = {.own_key = e->own_key, .v4 = e->addr.v4, .v6 = e->addr.v6};
    enum rk_code rc = RK_OK, one;
    size_t left_out = 0;

    if (!e->routes)
        e->routes = route_set_new(&o, state_get(e->o.state, STATE_SELECTED));
    one = route_set_load(e->routes, map, &left_out, err);
    if (one)
        rc = one;
    if (left_out)
        rk_log(e->log, RK_WARN, "some routes of the map cannot be used",
               kv_i64("routes", (int64_t)left_out));
    if (!e->o.profile->settings.disable_firewall) {
        one = firewall_set(e, map, err);
        if (one)
            rc = one;
    }
    return rc;
}

void engine_os_down(struct engine *e)
{
    struct rk_err err = {0};

    rk_timer_cancel(&e->routes_timer);
    if (!e->o.marks && e->dev_open) /* those of our table go with it */
        for (size_t i = 0; i < e->n_routed; i++)
            drop_route(e, &e->routed[i]);
    free(e->routed);
    e->routed = NULL;
    e->n_routed = 0;
    e->routes_on = false;
    if (state_get(e->o.state, STATE_ROUTES)) {
        if (rule_overlay_remove(e->o.route, &err) ||
            kernel_route_flush(e->o.route, ROUTE_TABLE_OVERLAY, &err))
            rk_log(e->log, RK_WARN, "routes are not all removed", KV_ERR(&err));
        else
            state_set(e->o.state, STATE_ROUTES, NULL);
    }
    sysctls_undo(&e->sysctls);
    save_sysctls(e);
    firewall_down(e);
    free(e->fw_text);
    e->fw_text = NULL;
    route_set_free(e->routes);
    e->routes = NULL;
}
