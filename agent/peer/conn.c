/* SPDX-License-Identifier: BSD-3-Clause */
/* A peer connection's life: opening, idling, guarding, telling; see conn.h. */
#include "config.h"

#include "agent/peer/conn.h"

#include <stdio.h>
#include <stdlib.h>

#include "agent/peer/conn_priv.h"
#include "lib/base/num.h"

#define QUIET_BYTES 512 /* received in a minute without anybody using the tunnel */

/* ---- guard */

static void on_guard(void *arg);

static void arm_guard(struct peer_conn *p)
{
    rk_timer_start(p->env->loop, &p->guard_timer,
                   rk_max_i64(0, guard_deadline(&p->guard) - rk_mono_ms()), on_guard, p);
}

static enum guard_status guard_status_now(const struct peer_conn *p)
{
    struct guard_facts f = {
        .force_relay = p->env->force_relay,
        .remote_ice = p->remote_ice,
        .uses_relay = p->uses_relay && relay_client_has_urls(p->env->relay),
        .relay_up = p->relay_up,
        .ice_up = p->ice_up,
        .ice_in_progress = peer_conn_ice_in_progress(p),
    };

    return guard_status_of(&f);
}

static void on_guard(void *arg)
{
    struct peer_conn *p = arg;

    if (guard_tick(&p->guard, rk_mono_ms(), guard_status_now(p)))
        peer_conn_send_offer(p);
    arm_guard(p);
}

void peer_conn_guard_event(struct peer_conn *p)
{
    if (!p->open)
        return;
    guard_event(&p->guard, rk_mono_ms());
    arm_guard(p);
}

/* ---- opening and idling */

/* "0.45.0" or newer, or a development build. Suffixes do not count; a hash is an old build. */
static bool version_is_lazy_able(struct rk_str v)
{
    struct rk_str major, minor, rest;
    int64_t a, b;

    if (rk_str_starts(v, RK_STR("development")))
        return true;
    if (v.n && (v.p[0] == 'v' || v.p[0] == 'a'))
        v = rk_str_sub(v, 1, v.n);
    (void)rk_str_cut(v, '-', &v, &rest);
    if (!rk_str_cut(v, '.', &major, &rest))
        return false;
    (void)rk_str_cut(rest, '.', &minor, &rest);
    if (rk_parse_i64(major, 0, INT32_MAX, &a, NULL) || rk_parse_i64(minor, 0, INT32_MAX, &b, NULL))
        return false;
    return a > 0 || b >= 45;
}

bool peer_conn_is_lazy(const struct peer_conn *p)
{
    return p->env->lazy && p->lazy_able;
}

void peer_conn_changed(struct peer_conn *p)
{
    p->changed_unix_ms = rk_unix_ms();
    if (p->user->ops->changed)
        p->user->ops->changed(p->user);
}

void peer_conn_open(struct peer_conn *p)
{
    if (p->open)
        return;
    p->open = true;
    p->opened_ms = rk_mono_ms();
    p->remote_ice = true; /* until it says otherwise */
    peer_conn_ice_open(p);
    guard_open(&p->guard, p->opened_ms);
    arm_guard(p);
}

void peer_conn_close(struct peer_conn *p, bool tell_remote)
{
    struct signal_msg idle = {.type = SIGNAL_MSG_GO_IDLE};

    if (!p->open)
        return;
    if (tell_remote)
        (void)signal_client_send(p->env->signal, &p->key, &idle, NULL);
    p->open = false;
    rk_timer_cancel(&p->guard_timer);
    peer_conn_path_close(p);
    peer_conn_ice_close(p);
    peer_conn_relay_close(p);
    p->uses_relay = false;
}

/* Back to waiting for traffic. */
static void go_idle(struct peer_conn *p, bool tell_remote)
{
    struct rk_err err = {0};

    peer_conn_close(p, tell_remote);
    peer_proxy_drop_held(&p->proxy);
    if (peer_conn_path_init(p, &err))
        rk_log(p->env->log, RK_WARN, "wireguard peer", kv_z("peer", p->key_text), KV_ERR(&err));
    rk_log(p->env->log, RK_INFO, "peer idle", kv_z("peer", p->key_text));
    peer_conn_changed(p);
}

static void wake(struct peer_conn *p, const char *why)
{
    if (p->open)
        return;
    rk_log(p->env->log, RK_INFO, "peer woken", kv_z("peer", p->key_text), kv_z("by", why));
    peer_conn_open(p);
    peer_conn_changed(p);
}

static void on_stuck(struct peer_proxy_user *u)
{
    wake(rk_container_of(u, struct peer_conn, proxy_user), "traffic");
}

void peer_conn_wake(struct peer_conn *p)
{
    wake(p, "engine");
}

/* Direct packets do not pass here: ask the device once a minute. Keepalives and a handshake in that
 * time are less than this. */
static int64_t device_activity(struct peer_conn *p, int64_t now_ms)
{
    struct peer_conn_wg_stats stats = {0};

    if (p->user->ops->wg_stats(p->user, &stats)) {
        if (stats.rx_bytes > p->seen_bytes + QUIET_BYTES)
            p->active_ms = now_ms;
        p->seen_bytes = stats.rx_bytes;
    }
    return p->active_ms;
}

void peer_conn_check_idle(struct peer_conn *p, int64_t now_ms, int64_t limit_ms)
{
    int64_t active = rk_max_i64(p->proxy.rx_data_ms, p->opened_ms);

    if (p->env->shared)
        active = rk_max_i64(active, device_activity(p, now_ms));
    if (p->open && peer_conn_is_lazy(p) && now_ms - active > limit_ms)
        go_idle(p, true);
}

/* ---- the engine's view */

enum rk_code peer_conn_new(struct peer_conn_env *e, const struct peer_conn_opts *opts,
                           struct peer_conn_user *user, struct peer_conn **out, struct rk_err *err)
{
    struct peer_conn *p = rk_calloc(1, sizeof *p);
    enum rk_code rc;

    p->env = e;
    p->user = user;
    p->key = opts->key;
    rk_key_format(&p->key, p->key_text);
    p->controller = strcmp(e->own_text, p->key_text) > 0;
    p->lazy_able = !opts->never_lazy && version_is_lazy_able(opts->remote_version);
    p->changed_unix_ms = rk_unix_ms();
    p->proxy_user.stuck = on_stuck;
    rc = peer_proxy_open(&p->proxy,
                         &(struct peer_proxy_opts){.loop = e->loop,
                                                   .mux = e->mux,
                                                   .scratch = e->scratch,
                                                   .port = e->shared,
                                                   .wg_addr = e->wg_addr},
                         &p->proxy_user, err);
    if (rc) {
        free(p);
        return rc;
    }
    rk_list_push_back(&e->peers, &p->link);
    if (!peer_conn_is_lazy(p))
        peer_conn_open(p);
    rc = peer_conn_path_init(p, err);
    if (rc) {
        peer_conn_free(p);
        return rc;
    }
    *out = p;
    return RK_OK;
}

void peer_conn_free(struct peer_conn *p)
{
    if (!p)
        return;
    peer_conn_close(p, false);
    rk_list_remove(&p->link);
    peer_proxy_close(&p->proxy);
    if (p->wg_known)
        p->user->ops->wg_remove(p->user);
    free(p);
}

void peer_conn_on_signal(struct peer_conn *p, const struct signal_msg *msg)
{
    if (msg->type == SIGNAL_MSG_GO_IDLE) {
        if (p->open && peer_conn_is_lazy(p))
            go_idle(p, false);
        return;
    }
    wake(p, "signal");
    switch (msg->type) {
    case SIGNAL_MSG_OFFER:
    case SIGNAL_MSG_ANSWER:
        peer_conn_on_offer(p, msg);
        break;
    case SIGNAL_MSG_CANDIDATE:
        peer_conn_ice_on_candidate(p, msg->candidate);
        break;
    case SIGNAL_MSG_MODE:
    case SIGNAL_MSG_HEARTBEAT:
    case SIGNAL_MSG_GO_IDLE:
        break;
    }
}

void peer_conn_status(const struct peer_conn *p, struct peer_conn_status *out)
{
    struct ice_pair_info info;

    *out = (struct peer_conn_status){
        .state = !p->open                         ? PEER_CONN_IDLE
                 : p->path == PEER_CONN_PATH_NONE ? PEER_CONN_CONNECTING
                                                  : PEER_CONN_CONNECTED,
        .path = p->path,
        .changed_unix_ms = p->changed_unix_ms,
        .relay_url = p->relay_up ? relay_client_stream_url(p->stream) : (struct rk_str){0},
        .rx_bytes = p->proxy.rx_bytes,
        .tx_bytes = p->proxy.tx_bytes,
    };
    if (!p->ice_up || !ice_session_selected(p->agent, &info))
        return;
    out->local_type = rk_str_z(ice_cand_type_name(info.local->type));
    out->remote_type = rk_str_z(ice_cand_type_name(info.remote->type));
    out->local_addr = info.local->addr;
    out->remote_addr = info.remote->addr;
    out->latency_us = info.rtt_us;
}

const char *peer_conn_state_name(enum peer_conn_state s)
{
    switch (s) {
    case PEER_CONN_IDLE:
        return "Idle";
    case PEER_CONN_CONNECTING:
        return "Connecting";
    case PEER_CONN_CONNECTED:
        break;
    }
    return "Connected";
}
