/* SPDX-License-Identifier: BSD-3-Clause */
/* The relay service put together; see app.h. */
#include "config.h"

#include "relay/app.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "lib/base/num.h"
#include "lib/crypto/hmac.h"
#include "relay/hub.h"
#include "relay/listen_quic.h"
#include "relay/listen_ws.h"
#include "relay/registry.h"
#include "relay/session.h"
#include "relay/stun_server.h"

/* Official clients name the health probe's peer so. */
#define PROBE_NAME "healthcheck-agent"

struct relay_app {
    struct relay_hub hub;
    struct rk_arena *mem;
    struct rk_metrics *metrics;
    struct edge *edge;
    bool want_quic;
    struct rk_addr quic_addr;
    size_t quic_max_per_addr;
    struct relay_quic *quic; /* NULL: none, or not started */
    struct rk_addr stun_addr[RELAY_STUN_MAX];
    struct relay_stun **stun; /* of address i and lane k: [i * n_lanes + k]; NULL: none */
    size_t n_stun;
    int64_t linger_ms;
    void (*done)(void *arg);
    void *done_arg;
    _Atomic size_t to_empty, to_fence;
    bool fenced; /* the lanes take nothing from outside any more */
};

static void metrics_init(struct relay_metrics *m, struct rk_metrics *r)
{
    /* microseconds */
    static const int64_t bounds[] = {100,    500,    1000,    5000,    10000,   50000,
                                     100000, 500000, 1000000, 5000000, 10000000};

    m->sent_bytes = rk_metric_counter(r, "relay_transfer_sent_bytes_total", NULL,
                                      "Bytes of transport messages queued for their destination.");
    m->received_bytes = rk_metric_counter(r, "relay_transfer_received_bytes_total", NULL,
                                          "Bytes of transport messages received from peers.");
    m->peers[RELAY_WS] = rk_metric_gauge(r, "relay_peers", "transport=\"ws\"", "Connected peers.");
    m->peers[RELAY_QUIC] =
        rk_metric_gauge(r, "relay_peers", "transport=\"quic\"", "Connected peers.");
    m->active =
        rk_metric_gauge(r, "relay_peers_active", NULL, "Peers that sent a datagram within 30 s.");
    m->idle = rk_metric_gauge(r, "relay_peers_idle", NULL, "Connected peers that are not active.");
    m->reconnections = rk_metric_counter(r, "relay_peer_reconnections_total", NULL,
                                         "Connections that replaced an older one of their peer.");
    m->auth_time = rk_metric_histogram_milli(r, "relay_peer_authentication_time_milliseconds", NULL,
                                             "Time from the connection to its authentication.",
                                             bounds, RK_ARRAY_LEN(bounds));
    m->store_time = rk_metric_histogram_milli(r, "relay_peer_store_time_milliseconds", NULL,
                                              "Time to enter a peer in the table.", bounds,
                                              RK_ARRAY_LEN(bounds));
    m->dropped_full = rk_metric_counter(r, "relay_dropped_messages_total", "reason=\"queue_full\"",
                                        "Transport messages that were not forwarded.");
    m->dropped_unknown =
        rk_metric_counter(r, "relay_dropped_messages_total", "reason=\"not_connected\"",
                          "Transport messages that were not forwarded.");
    m->dropped_too_big = rk_metric_counter(r, "relay_dropped_messages_total", "reason=\"too_big\"",
                                           "Transport messages that were not forwarded.");
    m->dropped_paced = rk_metric_counter(r, "relay_dropped_messages_total", "reason=\"bandwidth\"",
                                         "Transport messages that were not forwarded.");
    m->holds = rk_metric_counter(r, "relay_bandwidth_waits_total", NULL,
                                 "Times that a limit of bandwidth kept a peer waiting.");
    m->auth_failures = rk_metric_counter(r, "relay_authentication_failures_total", NULL,
                                         "Connections with a bad first message.");
}

static enum rk_code check(const struct relay_app_opts *o, struct relay_app *a, struct rk_err *err)
{
    if (!o->n_loops)
        return rk_fail(err, RK_INVALID, "relay: no loops");
    if (o->n_stun > RELAY_STUN_MAX)
        return rk_fail(err, RK_INVALID, "relay: more than %d STUN addresses", RELAY_STUN_MAX);
    if (!o->edge && !o->auth_secret.n)
        return RK_OK; /* STUN only */
    if (!o->auth_secret.n)
        return rk_fail(err, RK_INVALID, "relay: the authentication secret is empty");
    if (rly_instance_url(o->exposed_address, o->own_tls, a->mem, &a->hub.url, err))
        return RK_INVALID;
    if (a->hub.url.n > RLY_MAX_AUTH_RESPONSE - RLY_HEADER_SIZE)
        return rk_fail(err, RK_INVALID, "relay: exposed address is too long");
    return RK_OK;
}

static void lane_emptied(struct relay_lane *l);

static void lanes_init(struct relay_app *a, const struct relay_app_opts *o)
{
    a->hub.n_lanes = o->n_loops;
    a->hub.lanes = rk_calloc(o->n_loops, sizeof *a->hub.lanes);
    for (size_t i = 0; i < o->n_loops; i++) {
        relay_lane_init(&a->hub.lanes[i], &a->hub, i, o->loops[i]);
        a->hub.lanes[i].emptied = lane_emptied;
    }
}

enum rk_code relay_app_new(const struct relay_app_opts *o, struct relay_app **out,
                           struct rk_err *err)
{
    struct relay_app *a = rk_calloc(1, sizeof *a);
    enum rk_code rc;

    a->mem = rk_arena_new(0);
    rc = check(o, a, err);
    if (rc) {
        rk_arena_free(a->mem);
        free(a);
        return rc;
    }
    a->hub.registry = relay_registry_new();
    hmac_relay_key(o->auth_secret, &a->hub.auth_key);
    rly_peer_id_of(RK_STR(PROBE_NAME), &a->hub.probe_id);
    a->hub.max_peers = o->max_peers ? o->max_peers : RELAY_MAX_PEERS;
    a->hub.health_misses = o->health_misses ? o->health_misses : 1;
    a->hub.health_send_ms = o->health_send_ms ? o->health_send_ms : RLY_HEALTH_SEND_MS;
    a->hub.health_window_ms = o->health_window_ms ? o->health_window_ms : RLY_HEALTH_WINDOW_MS;
    a->hub.auth_timeout_ms = o->auth_timeout_ms ? o->auth_timeout_ms : RLY_AUTH_TIMEOUT_MS;
    a->hub.max_bytes_per_s = o->max_bits_per_s / 8;
    a->hub.max_peer_bytes_per_s = o->max_peer_bits_per_s / 8;
    a->hub.log = o->log;
    a->metrics = o->metrics;
    metrics_init(&a->hub.metrics, o->metrics);
    lanes_init(a, o);
    a->edge = o->edge;
    a->want_quic = o->quic && o->own_tls && o->edge && edge_tls(o->edge);
    a->quic_addr = o->quic_addr;
    a->quic_max_per_addr = o->quic_max_per_addr;
    a->n_stun = o->n_stun;
    a->stun = rk_calloc(o->n_stun * o->n_loops + 1, sizeof *a->stun);
    for (size_t i = 0; i < o->n_stun; i++)
        a->stun_addr[i] = o->stun[i];
    rc = o->edge ? relay_ws_listen(o->edge, &a->hub, err) : RK_OK;
    if (rc) {
        relay_app_free(a);
        return rc;
    }
    *out = a;
    return RK_OK;
}

void relay_app_free(struct relay_app *a)
{
    if (!a)
        return;
    relay_quic_free(a->quic);
    for (size_t i = 0; i < a->hub.n_lanes; i++)
        relay_lane_done(&a->hub.lanes[i]);
    free(a->hub.lanes);
    free(a->stun);
    relay_registry_free(a->hub.registry);
    rk_key_wipe(&a->hub.auth_key);
    rk_arena_free(a->mem);
    free(a);
}

/* ---- start and stop */

static void lane_start(struct rk_task *t)
{
    relay_lane_start(rk_container_of(t, struct relay_lane, start_task));
}

static void stun_close(void *arg)
{
    struct relay_stun **s = arg;

    relay_stun_close(*s);
    *s = NULL;
}

static void stun_close_all(struct relay_app *a)
{
    for (size_t i = 0; i < a->n_stun * a->hub.n_lanes; i++)
        if (a->stun[i])
            rk_loop_call(a->hub.lanes[i % a->hub.n_lanes].loop, stun_close, &a->stun[i]);
}

/* A socket on each loop. The first one has the port or says why not; the others help. */
static enum rk_code stun_open(struct relay_app *a, size_t i, struct rk_err *err)
{
    size_t n = a->hub.n_lanes, first = i % n;
    struct relay_stun **of = &a->stun[i * n];
    enum rk_code rc =
        relay_stun_open(a->hub.lanes[first].loop, &a->stun_addr[i], a->metrics, &of[first], err);

    for (size_t k = 0; rc == RK_OK && k < n; k++) {
        struct rk_err why = {0};

        if (k != first &&
            relay_stun_join(a->hub.lanes[k].loop, of[first], a->metrics, &of[k], &why))
            rk_log(a->hub.log, RK_INFO, "STUN on fewer loops", KV_ERR(&why));
    }
    return rc;
}

static enum rk_code open_sockets(struct relay_app *a, struct rk_err *err)
{
    for (size_t i = 0; i < a->n_stun; i++) {
        enum rk_code rc = stun_open(a, i, err);

        if (rc)
            return rc;
    }
    return a->want_quic ? relay_quic_open(&a->hub, &a->quic_addr, edge_tls(a->edge),
                                          a->quic_max_per_addr, a->metrics, &a->quic, err)
                        : RK_OK;
}

enum rk_code relay_app_start(struct relay_app *a, struct rk_err *err)
{
    enum rk_code rc = open_sockets(a, err);

    if (rc) {
        stun_close_all(a);
        return rc;
    }
    for (size_t i = 0; i < a->hub.n_lanes; i++) {
        a->hub.lanes[i].start_task.run = lane_start;
        rk_loop_post(a->hub.lanes[i].loop, &a->hub.lanes[i].start_task);
    }
    return RK_OK;
}

static struct relay_app *app_of(struct relay_lane *l)
{
    return rk_container_of(l->hub, struct relay_app, hub);
}

static void fence(struct relay_app *a);

static void lane_fence(struct rk_task *t)
{
    struct relay_lane *lane = rk_container_of(t, struct relay_lane, fence_task);
    struct relay_app *a = app_of(lane);

    if (a->quic && !a->fenced)
        relay_quic_close_lane(a->quic, lane);
    if (atomic_fetch_sub(&a->to_fence, 1) != 1)
        return;
    if (!a->quic || a->fenced) {
        a->done(a->done_arg);
        return;
    }
    a->fenced = true; /* until now another lane's socket could hand over packets */
    fence(a);
}

static void fence(struct relay_app *a)
{
    atomic_store(&a->to_fence, a->hub.n_lanes);
    for (size_t i = 0, n = a->hub.n_lanes; i < n; i++) {
        a->hub.lanes[i].fence_task.run = lane_fence;
        rk_loop_post(a->hub.lanes[i].loop, &a->hub.lanes[i].fence_task);
    }
}

/* After the last lane no session is left to ring a bell, but bells may still wait in the loops'
 * queues: a task behind them tells when they are gone. */
static void lane_emptied(struct relay_lane *lane)
{
    struct relay_app *a = app_of(lane);

    if (atomic_fetch_sub(&a->to_empty, 1) == 1)
        fence(a);
}

static void lane_stop(struct rk_task *t)
{
    struct relay_lane *l = rk_container_of(t, struct relay_lane, stop_task);
    struct relay_app *a = app_of(l);
    bool empty = l->n_sessions == 0;

    l->stopping = true;
    relay_lane_stop(l);
    if (a->quic)
        relay_quic_stop_lane(a->quic, l);
    for (size_t i = 0; i < a->n_stun; i++)
        stun_close(&a->stun[i * a->hub.n_lanes + l->index]);
    RK_LIST_FOR_EACH_SAFE (it, &l->sessions) {
        relay_session_goodbye(rk_container_of(it, struct relay_session, in_lane),
                              app_of(l)->linger_ms);
    }
    relay_lane_end(l);
    if (empty)
        lane_emptied(l);
}

void relay_app_stop(struct relay_app *a, int64_t linger_ms, void (*done)(void *arg), void *arg)
{
    a->linger_ms = rk_max_i64(linger_ms, 1);
    a->done = done;
    a->done_arg = arg;
    atomic_store(&a->to_empty, a->hub.n_lanes);
    for (size_t i = 0, n = a->hub.n_lanes; i < n; i++) {
        a->hub.lanes[i].stop_task.run = lane_stop;
        rk_loop_post(a->hub.lanes[i].loop, &a->hub.lanes[i].stop_task);
    }
}

/* ---- questions */

struct relay_hub *relay_app_hub(struct relay_app *a)
{
    return &a->hub;
}

struct rk_str relay_app_url(const struct relay_app *a)
{
    return a->hub.url;
}

uint16_t relay_app_stun_port(const struct relay_app *a, size_t i)
{
    size_t n = a->hub.n_lanes, first = i * n + i % n;

    return i < a->n_stun && a->stun[first] ? relay_stun_port(a->stun[first]) : 0;
}

uint16_t relay_app_quic_port(const struct relay_app *a)
{
    return a->quic ? relay_quic_port(a->quic) : 0;
}

size_t relay_app_sessions(const struct relay_app *a)
{
    return atomic_load(&a->hub.n_sessions);
}

bool relay_app_ready(const struct relay_app *a, int64_t cert_not_after_ms, const char **why)
{
    int64_t now = rk_mono_ms();

    *why = "";
    for (size_t i = 0; i < a->hub.n_lanes && !**why; i++) {
        int64_t beat = atomic_load(&a->hub.lanes[i].beat_ms);

        if (!beat)
            *why = "starting";
        else if (now - beat > 3 * RELAY_TICK_MS)
            *why = "a loop does not turn";
    }
    if (!**why && cert_not_after_ms && cert_not_after_ms < rk_unix_ms())
        *why = "the certificate has expired";
    return !**why;
}

void relay_app_describe(const struct relay_app *a, bool ready, const char *why, struct rk_buf *out)
{
    /* official relays say false for plain ones, healthy or not */
    bool cert = ready && rk_str_starts(a->hub.url, RK_STR("rels://"));
    char now[RK_TIME_TEXT];

    rk_buf_printf(out,
                  "{\"status\":\"%s\",\"timestamp\":\"%.*s\",\"listeners\":[\"ws\"%s],"
                  "\"certificate_valid\":%s,\"reason\":\"%s\"}\n",
                  ready ? "healthy" : "unhealthy", RK_STR_ARG(rk_time_format_us(rk_unix_us(), now)),
                  a->quic ? ",\"quic\"" : "", cert ? "true" : "false", why);
}
