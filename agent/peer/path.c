/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which way WireGuard's packets of a peer take. Where its port is shared with us, a direct path is
 * the device's own endpoint and packets do not pass here; else, and for the relay, its endpoint is
 * the proxy, and a switch needs no change of the device.
 */
#include "config.h"

#include "agent/peer/conn_priv.h"
#include "lib/base/num.h"

#define KEEPALIVE_S       25
#define RESPONDER_WAIT_MS 5000 /* for the controller's handshake, before we start one */

static void wg_set(struct peer_conn *p, const struct rk_addr *endpoint, uint16_t keepalive_s)
{
    struct rk_err err = {0};

    if (p->user->ops->wg_set(p->user, endpoint, keepalive_s, &err))
        rk_log(p->env->log, RK_WARN, "wireguard peer", kv_z("peer", p->key_text), KV_ERR(&err));
    else
        p->wg_known = true;
}

static const struct rk_addr *wg_endpoint(const struct peer_conn *p)
{
    return p->env->shared && p->ice_up && !p->proxy.turned ? &p->proxy.direct
                                                           : peer_proxy_endpoint(&p->proxy);
}

static bool handshake_of(struct peer_conn *p, int64_t *unix_ms)
{
    struct peer_conn_wg_stats stats = {0};
    bool known = p->user->ops->wg_stats(p->user, &stats);

    *unix_ms = known ? stats.last_handshake_unix_ms : 0;
    return known;
}

/* The device waits for the controller's handshake: on_responder_wait sets the endpoint. */
static bool awaits_controller(struct peer_conn *p)
{
    int64_t handshake;

    return p->endpoint_timer &&
           (!handshake_of(p, &handshake) || handshake == p->watch.last_unix_ms);
}

void peer_conn_path_follow(struct peer_conn *p)
{
    if (!p->env->shared || !p->wg_known || awaits_controller(p))
        return;
    rk_timer_cancel(&p->endpoint_timer);
    wg_set(p, wg_endpoint(p), KEEPALIVE_S);
}

static void on_responder_wait(void *arg)
{
    struct peer_conn *p = arg;

    wg_set(p, wg_endpoint(p), KEEPALIVE_S);
}

/* The controller begins the handshake; the other side answers, and begins only after a while. */
static void wg_begin(struct peer_conn *p)
{
    rk_timer_cancel(&p->endpoint_timer);
    if (p->controller) {
        if (!peer_proxy_just_released(
                &p->proxy)) /* turning keepalives on makes WireGuard send at once */
            wg_set(p, NULL, 0);
        wg_set(p, wg_endpoint(p), KEEPALIVE_S);
        return;
    }
    wg_set(p, NULL, 0); /* turned on now, keepalives would begin one too */
    rk_timer_start(p->env->loop, &p->endpoint_timer, RESPONDER_WAIT_MS, on_responder_wait, p);
}

/* Begin a new session at once. The remote may have forgotten the old one, and turning keepalives on
 * when there is an endpoint is what makes WireGuard send. */
static void wg_restart_session(struct peer_conn *p)
{
    struct rk_err err = {0};

    rk_timer_cancel(&p->endpoint_timer);
    wg_set(p, NULL, 0);
    if (p->user->ops->wg_forget(p->user, &err))
        rk_log(p->env->log, RK_WARN, "wireguard peer", kv_z("peer", p->key_text), KV_ERR(&err));
    wg_watch_restart(&p->watch, rk_mono_ms());
    wg_set(p, wg_endpoint(p), KEEPALIVE_S);
}

/* ---- handshake watch */

static void arm_watch(struct peer_conn *p);

static void on_watch(void *arg)
{
    struct peer_conn *p = arg;
    int64_t handshake;
    bool known = handshake_of(p, &handshake);

    if (wg_watch_check(&p->watch, rk_mono_ms(), rk_unix_ms(), known, handshake)) {
        arm_watch(p);
        return;
    }
    rk_log(p->env->log, RK_WARN, "no wireguard handshake over the path", kv_z("peer", p->key_text),
           kv_z("path", peer_conn_path_name(p->path)));
    if (p->path == PEER_CONN_PATH_DIRECT)
        peer_conn_ice_fail(p);
    else if (p->path == PEER_CONN_PATH_RELAY)
        peer_conn_relay_fail(p);
}

static void arm_watch(struct peer_conn *p)
{
    int64_t at = wg_watch_deadline(&p->watch);

    if (at == INT64_MAX)
        rk_timer_cancel(&p->watch_timer);
    else
        rk_timer_start(p->env->loop, &p->watch_timer, rk_max_i64(0, at - rk_mono_ms()), on_watch,
                       p);
}

static void start_watch(struct peer_conn *p)
{
    int64_t handshake;

    if (p->watch.on)
        return;
    (void)handshake_of(p, &handshake);
    wg_watch_start(&p->watch, rk_mono_ms(), handshake);
}

/* ---- choosing */

static enum peer_conn_path best(const struct peer_conn *p)
{
    if (p->ice_up)
        return PEER_CONN_PATH_DIRECT;
    return p->relay_up ? PEER_CONN_PATH_RELAY : PEER_CONN_PATH_NONE;
}

const char *peer_conn_path_name(enum peer_conn_path path)
{
    switch (path) {
    case PEER_CONN_PATH_RELAY:
        return "relay";
    case PEER_CONN_PATH_DIRECT:
        return "direct";
    case PEER_CONN_PATH_NONE:
        break;
    }
    return "none";
}

void peer_conn_path_before(struct peer_conn *p)
{
    if (p->path == PEER_CONN_PATH_NONE && !p->controller)
        peer_proxy_drop_held(&p->proxy);
}

void peer_conn_path_update(struct peer_conn *p, bool restarted)
{
    enum peer_conn_path was = p->path, now = best(p);

    if (now == was)
        return;
    p->path = now;
    rk_log(p->env->log, RK_INFO, "path to peer", kv_z("peer", p->key_text),
           kv_z("path", peer_conn_path_name(now)), kv_z("was", peer_conn_path_name(was)));
    if (now == PEER_CONN_PATH_NONE) {
        wg_watch_stop(&p->watch);
        p->path_was_lost = true;
        peer_conn_path_follow(p); /* what it sends now waits in the proxy */
    } else if (was == PEER_CONN_PATH_NONE) {
        start_watch(p);
        if (p->path_was_lost && p->controller)
            wg_restart_session(p);
        else
            wg_begin(p);
    } else if (now == PEER_CONN_PATH_RELAY && restarted && p->controller) {
        wg_restart_session(p);
    } else {
        peer_conn_path_follow(p);
    }
    arm_watch(p);
    peer_conn_changed(p);
}

void peer_conn_path_close(struct peer_conn *p)
{
    rk_timer_cancel(&p->endpoint_timer);
    wg_watch_stop(&p->watch);
    rk_timer_cancel(&p->watch_timer);
    peer_proxy_set_direct(&p->proxy, NULL, false);
    peer_proxy_set_relay(&p->proxy, NULL);
    p->path = PEER_CONN_PATH_NONE;
    p->path_was_lost = false;
}

enum rk_code peer_conn_path_init(struct peer_conn *p, struct rk_err *err)
{
    enum rk_code rc;

    if (p->wg_known) {      /* back to idle: the remote has forgotten the session too */
        wg_set(p, NULL, 0); /* or it would try to send before it has an endpoint again */
        rc = p->user->ops->wg_forget(p->user, err);
        if (rc)
            return rc;
    }
    /* idle: traffic must reach the proxy to wake us; controller: its first initiation waits there
     */
    rc = p->user->ops->wg_set(p->user,
                              p->controller || !p->open ? peer_proxy_endpoint(&p->proxy) : NULL,
                              p->controller && p->open ? KEEPALIVE_S : 0, err);
    p->wg_known = p->wg_known || rc == RK_OK;
    return rc;
}
