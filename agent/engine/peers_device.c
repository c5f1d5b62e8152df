/* SPDX-License-Identifier: BSD-3-Clause */
/* The WireGuard device of the peers: its life, what it shall hold, its counters; see peers.h. */
#include "config.h"

#include "agent/engine/peers_priv.h"
#include "lib/base/num.h"
#include "lib/net/udp.h"

#define STATS_MAX_AGE_MS 100

/* ---- life */

static void remember_device(struct peers *t)
{
    uint64_t start = 0;
    pid_t pid = wg_device_pid(t->dev, &start);

    state_set(t->o.state, STATE_DEVICE,
              json_pack("{s:s,s:I,s:s,s:I,s:I}", "name", wg_device_name(t->dev), "ifindex",
                        (json_int_t)wg_device_ifindex(t->dev), "socket_dir",
                        t->o.daemon->wireguard_sockets.p, "pid", (json_int_t)pid, "pid_start",
                        (json_int_t)start));
}

static void on_opened(struct wg_device_user *u, const struct rk_err *failed)
{
    struct peers *t = rk_container_of(u, struct peers, wg_user);

    if (t->stopped)
        return; /* stop came first: the device is closing */
    if (!failed) {
        t->dev_open = true;
        remember_device(t);
    }
    t->user->ops->opened(t->user, failed);
}

static void on_lost(struct wg_device_user *u, const struct rk_err *why)
{
    struct peers *t = rk_container_of(u, struct peers, wg_user);

    t->user->ops->lost(t->user, why);
}

static void on_closed(struct wg_device_user *u)
{
    struct peers *t = rk_container_of(u, struct peers, wg_user);

    t->dev = NULL;
    state_set(t->o.state, STATE_DEVICE, NULL);
    t->user->ops->closed(t->user);
}

static const struct wg_device_ops DEVICE_OPS = {
    .opened = on_opened, .lost = on_lost, .closed = on_closed};

static enum wg_mode device_mode(const struct daemon_opts *o)
{
    if (rk_str_eqz(o->device, "kernel"))
        return WG_KERNEL;
    if (rk_str_eqz(o->device, "daemon"))
        return WG_DAEMON;
    return rk_str_eqz(o->device, "own") || o->kernel_disabled ? WG_OWN : WG_AUTO;
}

void peers_open(struct peers *t)
{
    struct wg_open opts = {.name = t->o.profile->settings.interface_name.p,
                           .mode = device_mode(t->o.daemon),
                           .program = t->o.daemon->wireguard_go.p,
                           .socket_dir = t->o.daemon->wireguard_sockets.p,
                           .route = t->o.route,
                           .log = t->o.log};

    t->wg_user.ops = &DEVICE_OPS;
    t->dev = wg_device_open(t->o.loop, &opts, &t->wg_user);
}

static uint16_t wanted_port(const struct peers *t)
{
    uint16_t port = (uint16_t)t->o.profile->settings.wireguard_port;

    if (!port || udp_port_free(port))
        return port;
    rk_log(t->o.log, RK_WARN, "udp port is taken, using another", kv_i64("port", port));
    return 0;
}

enum rk_code peers_configure(struct peers *t, struct rk_err *err)
{
    struct wg_change c = {.has_private_key = true,
                          .private_key = t->o.profile->private_key,
                          .has_port = true,
                          .port = wanted_port(t),
                          .has_mark = true,
                          .mark = t->o.mark,
                          .replace_peers = true};
    enum rk_code rc = wg_device_apply(t->dev, &c, err);

    rk_key_wipe(&c.private_key);
    return rc;
}

enum rk_code peers_port(struct peers *t, uint16_t *port, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(0);
    struct wg_state s = {0};
    enum rk_code rc = wg_device_read(t->dev, mem, &s, err);

    if (rc == RK_OK && !s.port)
        rc = rk_fail(err, RK_UNAVAILABLE, "the WireGuard device has no UDP port");
    *port = s.port;
    return rc;
}

struct wg_device *peers_device(const struct peers *t)
{
    return t->dev_open ? t->dev : NULL;
}

void peers_stop(struct peers *t)
{
    t->stopped = true;
}

bool peers_close(struct peers *t)
{
    if (!t->dev)
        return false;
    wg_device_close(t->dev);
    return true;
}

/* ---- what it shall hold */

void peers_carry(struct peers *t, const struct rk_key *key, const struct rk_prefix *p, bool on)
{
    if (on)
        wg_peers_allow(t->wg, key, p);
    else
        wg_peers_disallow(t->wg, key, p);
}

enum rk_code peers_flush(struct peers *t, struct rk_err *err)
{
    if (t->stopped || !t->dev)
        return RK_OK; /* the device goes as a whole */
    return wg_peers_flush(t->wg, t->dev, err);
}

enum rk_code peers_reconcile(struct peers *t, size_t *fixed, struct rk_err *err)
{
    *fixed = 0;
    if (t->stopped || !t->dev)
        return RK_OK;
    return wg_peers_reconcile(t->wg, t->dev, fixed, err);
}

static enum rk_code flush(struct peers *t, struct rk_err *err)
{
    enum rk_code rc = peers_flush(t, err);

    if (rc)
        t->user->ops->refused(t->user);
    return rc;
}

enum rk_code peers_wg_set(struct peer *p, const struct rk_addr *endpoint, uint16_t keepalive_s,
                          struct rk_err *err)
{
    struct peers *t = p->table;
    struct rk_key psk;
    bool has_psk = profile_psk(t->o.profile, &psk);
    bool fresh = !wg_peers_has(t->wg, &p->key);

    wg_peers_put(t->wg, &p->key, has_psk ? &psk : NULL, keepalive_s);
    rk_key_wipe(&psk);
    if (fresh) {
        t->user->ops->choose(t->user); /* networks that it carries must be given to it again */
        for (size_t i = 0; i < p->n_allowed; i++)
            wg_peers_allow(t->wg, &p->key, &p->allowed[i]);
    }
    if (endpoint) {
        t->user->ops->bypass(t->user, &endpoint->ip);
        wg_peers_endpoint(t->wg, &p->key, endpoint);
    }
    return flush(t, err);
}

enum rk_code peers_wg_forget(struct peer *p, struct rk_err *err)
{
    wg_peers_forget(p->table->wg, &p->key);
    return flush(p->table, err);
}

void peers_wg_remove(struct peer *p)
{
    struct rk_err err = {0};

    wg_peers_remove(p->table->wg, &p->key);
    if (flush(p->table, &err))
        rk_log(p->table->o.log, RK_WARN, "peer is not removed from the interface yet",
               KV_ERR(&err));
}

/* ---- its counters */

/* A new picture of the device unless the old one is young. */
static void refresh_stats(struct peers *t)
{
    struct rk_err err = {0};

    if (t->stats_mem && rk_mono_ms() - t->stats_at_ms < STATS_MAX_AGE_MS)
        return;
    if (!t->stats_mem)
        t->stats_mem = rk_arena_new_wiping(0);
    rk_arena_reset(t->stats_mem);
    rk_map_done(&t->stats_by_key);
    t->stats = (struct wg_state){0};
    t->stats_at_ms = rk_mono_ms();
    if (!t->dev || wg_device_read(t->dev, t->stats_mem, &t->stats, &err)) {
        t->stats = (struct wg_state){0};
        return;
    }
    for (size_t i = 0; i < t->stats.n_peers; i++)
        (void)rk_map_put(&t->stats_by_key, peers_key(&t->stats.peers[i].key), &t->stats.peers[i]);
}

bool peers_wg_stats(struct peer *p, struct peer_conn_wg_stats *out)
{
    const struct wg_peer_state *s;

    if (!p->table->dev_open || !p->table->dev)
        return false;
    refresh_stats(p->table);
    s = rk_map_get(&p->table->stats_by_key, peers_key(&p->key));
    if (!s)
        return false;
    *out = (struct peer_conn_wg_stats){.last_handshake_unix_ms = s->handshake_unix_ms,
                                       .rx_bytes = s->rx_bytes,
                                       .tx_bytes = s->tx_bytes};
    return true;
}
