/* SPDX-License-Identifier: BSD-3-Clause */
/* What all peer connections of an engine share, and events for all of them; see conn.h. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "agent/peer/conn_priv.h"
#include "lib/base/num.h"

#define IDLE_CHECK_MS    60000
#define IDLE_MS          (15 * 60000)
#define MONITOR_MS       (5 * 60000)
#define MONITOR_WAIT_MS  5000
#define MONITOR_FIRST_MS 10000
#define OWN_SLOTS        16

static void events(struct peer_conn_env *e)
{
    RK_LIST_FOR_EACH (it, &e->peers)
        peer_conn_guard_event(rk_container_of(it, struct peer_conn, link));
}

/* Signal or relay came back: offers make sense once both are there. */
static void reconnected(struct peer_conn_env *e)
{
    if (signal_client_is_ready(e->signal) && relay_client_home(e->relay, NULL, NULL))
        events(e);
}

/* Peers whose session ended with our address. */
static void offer_hurried(struct peer_conn_env *e)
{
    RK_LIST_FOR_EACH (it, &e->peers) {
        struct peer_conn *p = rk_container_of(it, struct peer_conn, link);

        if (p->open && p->hurry)
            peer_conn_send_offer(p);
        p->hurry = false;
    }
}

void peer_conn_env_signal_ready(struct peer_conn_env *e)
{
    reconnected(e);
    offer_hurried(e);
}

void peer_conn_env_relay_ready(struct peer_conn_env *e)
{
    RK_LIST_FOR_EACH (it, &e->peers)
        peer_conn_relay_resume(rk_container_of(it, struct peer_conn, link));
    reconnected(e);
    RK_LIST_FOR_EACH (it, &e->peers) {
        struct peer_conn *p = rk_container_of(it, struct peer_conn, link);

        /* an offer that went out before the relay was there: the remote would never learn of it */
        if (p->open && !p->told_relay)
            peer_conn_send_offer(p);
    }
}

void peer_conn_env_network_changed(struct peer_conn_env *e, bool slept)
{
    if (e->mux)
        ice_mux_network_changed(e->mux);
    RK_LIST_FOR_EACH (it, &e->peers)
        peer_conn_ice_moved(rk_container_of(it, struct peer_conn, link), slept);
    if (!signal_client_is_ready(e->signal))
        return;
    events(e);
    offer_hurried(e);
}

/* ---- lazy */

static void on_idle_check(void *arg)
{
    struct peer_conn_env *e = arg;
    int64_t now = rk_mono_ms();

    RK_LIST_FOR_EACH (it, &e->peers)
        peer_conn_check_idle(rk_container_of(it, struct peer_conn, link), now, e->idle_ms);
    rk_timer_start(e->loop, &e->idle_timer, IDLE_CHECK_MS, on_idle_check, e);
}

void peer_conn_env_set_lazy(struct peer_conn_env *e, bool on)
{
    if (e->lazy == on)
        return;
    e->lazy = on;
    if (on) { /* who is open stays so until it is quiet */
        rk_timer_start(e->loop, &e->idle_timer, IDLE_CHECK_MS, on_idle_check, e);
        return;
    }
    rk_timer_cancel(&e->idle_timer);
    RK_LIST_FOR_EACH (it, &e->peers)
        peer_conn_wake(rk_container_of(it, struct peer_conn, link));
}

/* ---- candidate monitor: every 5 min, do we have other addresses than before? */

static void on_monitor(void *arg);

static void on_monitor_candidate(struct ice_mux_gather *g, const struct ice_cand *c)
{
    struct peer_conn_env *e = rk_container_of(g, struct peer_conn_env, monitor);
    size_t i = 0;

    while (i < e->n_seen && rk_addr_cmp(&e->seen[i], &c->addr) < 0)
        i++;
    if (e->n_seen == PEER_CONN_MAX_ADDRS || (i < e->n_seen && rk_addr_eq(&e->seen[i], &c->addr)))
        return;
    memmove(&e->seen[i + 1], &e->seen[i], (e->n_seen - i) * sizeof e->seen[0]);
    e->seen[i] = c->addr;
    e->n_seen++;
}

static bool addrs_differ(const struct peer_conn_env *e)
{
    if (e->n_seen != e->n_last)
        return true;
    for (size_t i = 0; i < e->n_seen; i++)
        if (!rk_addr_eq(&e->seen[i], &e->last[i]))
            return true;
    return false;
}

static void on_monitor_end(void *arg)
{
    struct peer_conn_env *e = arg;

    ice_mux_gather_stop(e->mux, &e->monitor);
    if (e->have_last && addrs_differ(e)) {
        rk_log(e->log, RK_INFO, "own addresses changed", kv_i64("n", (int64_t)e->n_seen));
        peer_conn_env_network_changed(e, false);
    }
    memcpy(e->last, e->seen, sizeof e->last);
    e->n_last = e->n_seen;
    e->have_last = true;
    rk_timer_start(e->loop, &e->monitor_timer, MONITOR_MS, on_monitor, e);
}

static const struct ice_mux_gather_ops MONITOR_OPS = {.candidate = on_monitor_candidate};

static void on_monitor(void *arg)
{
    struct peer_conn_env *e = arg;

    e->n_seen = 0;
    e->monitor.ops = &MONITOR_OPS;
    ice_mux_gather_start(e->mux, &e->monitor);
    rk_timer_start(e->loop, &e->monitor_timer, MONITOR_WAIT_MS, on_monitor_end, e);
}

/* ---- life */

enum rk_code peer_conn_env_new(const struct peer_conn_env_opts *opts, struct peer_conn_env **out,
                               struct rk_err *err)
{
    struct peer_conn_env *e;

    if (!opts->mux && !opts->force_relay)
        return rk_fail(err, RK_INVALID, "peer connections need a socket unless relay is forced");
    e = rk_calloc(1, sizeof *e);
    e->loop = opts->loop;
    e->log = opts->log;
    e->mux = opts->mux;
    e->signal = opts->signal;
    e->relay = opts->relay;
    e->own_key = opts->own_key;
    rk_key_format(&e->own_key, e->own_text);
    e->version = rk_str_dupz(opts->version);
    e->wg_addr = opts->wg_addr;
    e->shared = opts->shared;
    e->force_relay = opts->force_relay;
    e->turn_only = opts->turn_only;
    e->idle_ms = opts->idle_ms ? opts->idle_ms : IDLE_MS;
    rk_list_init(&e->peers);
    if (!e->mux)
        e->own_scratch = udp_scratch_new(OWN_SLOTS, UDP_SCRATCH_GRO);
    e->scratch = e->mux ? ice_mux_scratch(e->mux) : e->own_scratch;
    if (e->mux && !e->force_relay)
        rk_timer_start(e->loop, &e->monitor_timer, MONITOR_FIRST_MS, on_monitor, e);
    *out = e;
    return RK_OK;
}

void peer_conn_env_free(struct peer_conn_env *e)
{
    if (!e)
        return;
    rk_timer_cancel(&e->idle_timer);
    rk_timer_cancel(&e->monitor_timer);
    if (e->mux)
        ice_mux_gather_stop(e->mux, &e->monitor);
    udp_scratch_free(e->own_scratch);
    free(e->version);
    free(e);
}
