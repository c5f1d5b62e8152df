/* SPDX-License-Identifier: BSD-3-Clause */
/* Applying what management says: configuration, checks, network map. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "agent/engine/engine_priv.h"
#include "lib/base/num.h"
#include "schema/pb_arena.h"

/* Decoded, a map of 100000 peers with routes and rules. */
#define MAP_MAX_BYTES ((size_t)512 << 20)
#define STUNS_MAX     16
#define RELAYS_MAX    64

/* ---- addresses */

void engine_overlay_done(struct overlay *o)
{
    free(o->text);
    free(o->fqdn);
    *o = (struct overlay){0};
}

enum rk_code engine_overlay_of(const Management__PeerConfig *pc, bool no_ipv6, struct overlay *out,
                               struct rk_err *err)
{
    struct overlay o = {0};
    struct rk_str v6 = pb_bytes(pc->address_v6);

    if (rk_prefix_parse(rk_str_z(pc->address), &o.v4, err) || o.v4.ip.family != 4)
        return rk_fail(err, RK_BAD_REQUEST,
                       "overlay address \"%s\" is not an IPv4 address with its prefix length",
                       pc->address);
    if (v6.n && !no_ipv6) { /* 16 bytes of address, then the length of the prefix */
        if (v6.n != 17 || (uint8_t)v6.p[16] > 128 ||
            rk_ip_from_bytes(rk_str_sub(v6, 0, 16), &o.v6.ip, NULL))
            return rk_fail(err, RK_BAD_REQUEST, "overlay IPv6 address of %zu bytes", v6.n);
        o.v6.bits = (uint8_t)v6.p[16];
    }
    o.text = rk_str_dupz(rk_str_z(pc->address));
    o.fqdn = rk_str_dupz(rk_str_z(pc->fqdn));
    engine_overlay_done(out);
    *out = o;
    return RK_OK;
}

/* Another address means a new start with a new login. */
static bool address_changed(struct engine *e, const Management__PeerConfig *pc)
{
    struct overlay now = {0};
    struct rk_err err = {0};
    bool changed;

    if (engine_overlay_of(pc, e->o.profile->settings.disable_ipv6, &now, &err)) {
        rk_log(e->log, RK_WARN, "peer configuration cannot be used, keeping the old one",
               KV_ERR(&err));
        return false;
    }
    changed = strcmp(now.text, e->addr.text) != 0 || rk_prefix_cmp(&now.v6, &e->configured_v6) != 0;
    if (!changed && strcmp(now.fqdn, e->addr.fqdn) != 0) {
        free(e->addr.fqdn);
        e->addr.fqdn = rk_str_dupz(rk_str_z(now.fqdn));
    }
    engine_overlay_done(&now);
    return changed;
}

/* ---- helper servers */

static enum rk_code apply_relay(struct engine *e, const Management__RelayConfig *rc,
                                struct rk_err *err)
{
    const struct rk_strs *own = &e->o.daemon->home_relays;
    struct rk_str urls[RELAYS_MAX];
    size_t n = 0;

    if (!rc) /* present configuration without relays: there are none any more */
        return relay_client_set_config(e->rcl, NULL, 0, (struct rk_str){0}, (struct rk_str){0},
                                       err);
    for (size_t i = 0; i < own->n && n < RELAYS_MAX; i++)
        urls[n++] = own->items[i];
    for (size_t i = 0; i < rc->n_urls && n < RELAYS_MAX && !own->n; i++)
        urls[n++] = rk_str_z(rc->urls[i]);
    return relay_client_set_config(e->rcl, urls, n, rk_str_z(rc->tokenpayload),
                                   rk_str_z(rc->tokensignature), err);
}

/* What cannot be recorded concerns nothing else. */
static void apply_traffic(struct engine *e, const Management__FlowConfig *fc)
{
    struct rk_err err = {0};

    if (!recorder_config(e->recorder, fc, &err))
        return;
    rk_log(e->log, RK_WARN, "traffic is not recorded", KV_ERR(&err));
    events_add(e->o.events, EVENT_WARNING, EVENT_NETWORK, "traffic is not recorded: %s", err.msg);
}

/* An empty list keeps the old one. */
static void apply_turn(struct engine *e, const Management__NetbirdConfig *nc)
{
    struct ice_mux_turn_server v[STUNS_MAX];
    size_t n = 0;

    for (size_t i = 0; i < nc->n_turns && n < STUNS_MAX; i++) {
        const Management__ProtectedHostConfig *t = nc->turns[i];

        if (t->hostconfig && t->hostconfig->uri[0])
            v[n++] = (struct ice_mux_turn_server){rk_str_z(t->hostconfig->uri), rk_str_z(t->user),
                                                  rk_str_z(t->password)};
    }
    if (n)
        ice_mux_set_turn(e->mux, v, n);
}

enum rk_code engine_apply_config(struct engine *e, const Management__NetbirdConfig *nc,
                                 struct rk_err *err)
{
    struct rk_str uris[STUNS_MAX];
    size_t n = 0;

    engine_names_config(e, nc);
    for (size_t i = 0; i < nc->n_stuns && n < STUNS_MAX; i++)
        if (nc->stuns[i]->uri[0])
            uris[n++] = rk_str_z(nc->stuns[i]->uri);
    if (n) /* an empty list keeps the old one */
        ice_mux_set_stun(e->mux, uris, n);
    apply_traffic(e, nc->flow);
    apply_turn(e, nc);
    return apply_relay(e, nc->relay, err);
}

/* ---- the map */

static void log_step(struct engine *e, const char *what, enum rk_code rc, const struct rk_err *err)
{
    if (!rc)
        return;
    rk_log(e->log, RK_WARN, "part of the network map is not applied", kv_z("part", what),
           KV_ERR(err));
    events_add(e->o.events, EVENT_ERROR, EVENT_NETWORK,
               "part of the network map is not applied: %s: %s", what, err->msg);
}

/* What this host was told to do goes before what management wants. */
static bool wants_lazy(const struct engine *e, const Management__PeerConfig *pc)
{
    struct rk_str local = e->o.daemon->lazy_conn;

    if (rk_str_eqz(local, "on") || rk_str_eqz(local, "true") || rk_str_eqz(local, "1"))
        return true;
    if (rk_str_eqz(local, "off") || rk_str_eqz(local, "false") || rk_str_eqz(local, "0"))
        return false;
    return pc->lazyconnectionenabled;
}

static void apply_map(struct engine *e, const Management__NetworkMap *map)
{
    const Management__PeerConfig *pc = map->peerconfig;
    struct rk_err err = {0};
    enum rk_code rc;

    /* before the look at the serial: an address can change without it */
    if (pc && address_changed(e, pc)) {
        (void)rk_fail(&err, RK_UNAVAILABLE, "the overlay address has changed to %s", pc->address);
        engine_end(e, &err);
        return;
    }
    if (map->serial < e->serial) {
        rk_log(e->log, RK_DEBUG, "older network map ignored",
               kv_i64("serial", (int64_t)map->serial));
        return;
    }
    if (pc)
        peer_conn_env_set_lazy(e->env, e->lazy = wants_lazy(e, pc));
    log_step(e, "names", engine_names_apply(e, map, &err), &err);
    log_step(e, "host", host_apply(e->host, map, &err), &err);
    recorder_map(e->recorder, map);
    if (e->ssh)
        log_step(e, "host keys for ssh",
                 ssh_files_apply(e->ssh, map, &e->addr.v4, &e->addr.v6, &err), &err);
    rc = peers_apply(e->peers, map, &err);
    log_step(e, "peers", rc, &err);
    host_routes_update(e->host); /* needs the peers in the device */
    if (rc == RK_OK)
        e->serial = map->serial;
    rk_log(e->log, RK_INFO, "network map applied", kv_i64("serial", (int64_t)map->serial),
           kv_i64("peers", (int64_t)peers_count(e->peers)));
}

void engine_apply_sync(struct engine *e, struct rk_str plain)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(MAP_MAX_BYTES);
    struct rk_err err = {0};
    const Management__SyncResponse *msg =
        pb_unpack(mem, &management__sync_response__descriptor, plain, &err);

    if (!msg) {
        rk_log(e->log, RK_WARN, "message of management cannot be read, ignored", KV_ERR(&err));
        return;
    }
    sync_keep_take(e->o.keep, plain);
    engine_apply_session(e, msg->sessionexpiresat);
    if (msg->netbirdconfig)
        log_step(e, "servers", engine_apply_config(e, msg->netbirdconfig, &err), &err);
    if (msg->version != 0 || !msg->networkmap) {
        if (msg->version != 0)
            rk_log(e->log, RK_WARN, "network map in a form that we did not ask for, ignored",
                   kv_i64("version", msg->version));
        engine_changed(e);
        return;
    }
    if (engine_apply_checks(e, msg->checks, msg->n_checks))
        engine_posture_look(e);
    apply_map(e, msg->networkmap);
    engine_changed(e);
}
