/* SPDX-License-Identifier: BSD-3-Clause */
/* Send and ConnectStream; see service.h. */
#include "config.h"

#include "signal/service.h"

#include "lib/base/num.h"
#include "signal/bus.h"
#include "signal/envelope.h"
#include "signal/greeting.h"
#include "signal/registry.h"

/* Destination of the health check of clients v0.25.5 to v0.72.x: answered, never forwarded. */
#define DUMMY "dummy"

/* ---- ConnectStream */

static void refuse(struct grpc_call *c, struct rk_metric *counter, enum rk_code code,
                   const char *text)
{
    struct rk_err err = {0};

    rk_metric_add(counter, 1);
    (void)rk_fail(&err, code, "%s", text);
    grpc_call_fail(c, &err);
}

static void displace(struct sig_hub *hub, struct sig_lane *lane, struct sig_stream *old)
{
    /* two machines with one key displace each other for ever */
    rk_log_every(&hub->displaced_gate, SIG_LOG_EVERY_MS, hub->log, RK_INFO,
                 "signal peer registered again", kv_str("peer", sig_stream_key(old)));
    sig_stream_displace(old, lane);
    sig_stream_unref(old);
}

static void deregister(struct sig_hub *hub, struct sig_stream *s)
{
    if (!sig_registry_remove(hub->registry, s))
        return;
    rk_metric_add(hub->metrics.active, -1);
    rk_metric_add(hub->metrics.deregistrations, 1);
}

static bool evict(struct sig_lane *lane, const struct grpc_call *c)
{
    struct sig_stream *s = sig_stream_evict(lane, c);

    if (!s)
        return false;
    deregister(lane->hub, s);
    sig_stream_evicted(s);
    return true;
}

/* Strangers choose keys as they like: places that run short go to those who have few. */
static bool may_register(struct sig_lane *lane, struct grpc_call *c)
{
    const struct sig_hub *hub = lane->hub;
    size_t n = sig_registry_size(hub->registry);

    if (n >= hub->max_streams / 2 && !grpc_call_of_many(c) &&
        sig_places_of(&lane->places, grpc_call_conn(c)) >= SIG_PER_CONN)
        return false;
    return n < hub->max_streams || evict(lane, c);
}

static void greet(const struct sig_hub *hub, struct grpc_call *c, struct rk_str key)
{
    uint8_t message[SIG_GREETING_MAX];
    size_t n = hub->greets ? sig_greeting_make(&hub->greeting_key, key, message) : 0;

    if (n)
        grpc_call_send(c, rk_str_of(message, n));
}

static void connect_begin(struct grpc_call *c)
{
    struct sig_hub *hub = grpc_call_app(c);
    struct sig_lane *lane = sig_lane_of(hub, grpc_call_loop(c));
    struct rk_str key = grpc_call_header(c, "x-wiretrustee-peer-id");
    int64_t began_us = rk_unix_us();
    struct sig_stream *s, *old;

    if (!key.n) {
        rk_metric_add(hub->metrics.fail_missing_id, 1);
        grpc_call_fail_status(c, GRPC_FAILED_PRECONDITION,
                              RK_STR("missing connection header: x-wiretrustee-peer-id"));
        return;
    }
    if (key.n > SIG_KEY_MAX) {
        refuse(c, hub->metrics.fail_registration, RK_BAD_REQUEST, "peer id is too long");
        return;
    }
    if (!lane || !may_register(lane, c)) {
        refuse(c, hub->metrics.fail_registration, RK_LIMIT, "too many registered peers");
        return;
    }
    s = sig_stream_new(lane, c, key);
    grpc_call_set_data(c, s);
    /* the client waits for this header; it must be there before the first message */
    grpc_call_send_header(c, "x-wiretrustee-peer-registered", "1");
    greet(hub, c, key);
    key = sig_stream_key(s);
    grpc_call_forget_headers(c); /* most streams do nothing for days */
    old = sig_registry_add(hub->registry, s);
    if (hub->bus)
        hub->bus->ops->registered(hub->bus, key, sig_stream_number(s));
    if (old) {
        displace(hub, lane, old);
        return;
    }
    rk_metric_add(hub->metrics.active, 1);
    rk_metric_add(hub->metrics.registrations, 1);
    rk_metric_observe(hub->metrics.registration_ms, rk_max_i64(rk_unix_us() - began_us, 0));
    rk_log(hub->log, RK_DEBUG, "signal peer registered", kv_str("peer", key));
}

/* Official clients write nothing here; who does is not listened to. */
static void connect_message(struct grpc_call *c, struct rk_str body)
{
    (void)c;
    (void)body;
}

static void connect_drained(struct grpc_call *c)
{
    struct sig_stream *s = grpc_call_data(c);

    if (s)
        sig_stream_drained(s);
}

static void connect_ended(struct grpc_call *c, enum rk_code why)
{
    struct sig_hub *hub = grpc_call_app(c);
    struct sig_stream *s = grpc_call_data(c);

    if (!s)
        return;
    rk_log(hub->log, RK_DEBUG, "signal peer gone", kv_str("peer", sig_stream_key(s)),
           kv_z("reason", rk_code_name(why)));
    deregister(hub, s);
    grpc_call_set_data(c, NULL);
    sig_stream_ended(s);
}

/* ---- Send */

/* Where a message goes: to a stream of ours, else to the other processes, who look for it in
 * theirs. Nobody waits for what they find, so the sender's answer is the same. */
static void route(struct sig_hub *hub, struct sig_lane *lane, struct rk_str key, struct rk_str body)
{
    int64_t since_us = rk_unix_us();
    struct sig_stream *to = sig_registry_find(hub->registry, key);

    rk_metric_observe(to ? hub->metrics.find_found_ms : hub->metrics.find_missing_ms,
                      rk_max_i64(rk_unix_us() - since_us, 0));
    if (to)
        sig_stream_deliver(to, lane, rk_bytes_dup(body), since_us);
    else if (!hub->bus || !hub->bus->ops->send(hub->bus, body))
        rk_metric_add(hub->metrics.not_connected, 1);
    sig_stream_unref(to);
}

static void send_message(struct grpc_call *c, struct rk_str body)
{
    struct sig_hub *hub = grpc_call_app(c);
    struct sig_lane *lane = sig_lane_of(hub, grpc_call_loop(c));
    struct sig_envelope e;

    if (!lane || sig_envelope_decode(body, &e, NULL)) {
        grpc_call_fail_status(c, GRPC_INTERNAL, RK_STR("malformed message"));
        return;
    }
    rk_metric_observe(hub->metrics.size, (int64_t)body.n);
    if (!rk_str_eqz(e.remote_key, DUMMY))
        route(hub, lane, e.remote_key, body);
    /* one empty message, whatever became of it: an error would make the client repeat the call */
    grpc_call_reply(c, (struct rk_str){0});
}

static const struct grpc_method METHODS[] = {
    {.path = "/signalexchange.SignalExchange/Send", .kind = GRPC_UNARY, .message = send_message},
    {.path = "/signalexchange.SignalExchange/ConnectStream",
     .kind = GRPC_BIDI,
     .begin = connect_begin,
     .message = connect_message,
     .drained = connect_drained,
     .ended = connect_ended},
};

enum rk_code sig_service_register(struct edge *edge, struct sig_hub *hub, struct rk_err *err)
{
    return edge_add_grpc(edge, METHODS, RK_ARRAY_LEN(METHODS), hub, err);
}
