/* SPDX-License-Identifier: BSD-3-Clause */
/* The signal service put together; see app.h. */
#include "config.h"

#include "signal/app.h"

#include <stdlib.h>

#include "lib/base/num.h"
#include "signal/envelope.h"
#include "signal/registry.h"
#include "signal/service.h"
#include "signal/stream.h"

struct sig_app {
    struct sig_hub hub;
};

/* By how much numbers of two processes may be out of order (their clocks follow the database's by
 * its answers, which may be late). A stream that ends in vain registers again; one that stays in
 * vain swallows messages. */
#define NUMBER_SLACK (INT64_C(1000000000)) /* ns */

#define NAME(n) (combined ? "signal_" n : n)

static const int64_t DELAY_BOUNDS[] = {/* microseconds */
                                       100,    500,    1000,    5000,    10000,   50000,
                                       100000, 500000, 1000000, 5000000, 10000000};

static struct rk_metric *delay(struct rk_metrics *r, const char *name, const char *labels,
                               const char *help)
{
    return rk_metric_histogram_milli(r, name, labels, help, DELAY_BOUNDS,
                                     RK_ARRAY_LEN(DELAY_BOUNDS));
}

static void failures_init(struct sig_metrics *m, struct rk_metrics *r, bool combined)
{
    static const char reg[] = "Registrations that were refused.";
    static const char fwd[] = "Messages that were not forwarded.";
    const char *name = NAME("registration_failures_total");

    m->fail_missing_id = rk_metric_counter(r, name, "error=\"missing_id\"", reg);
    m->fail_registration = rk_metric_counter(r, name, "error=\"failed_registration\"", reg);
    name = NAME("message_forward_failures_total");
    m->not_connected = rk_metric_counter(r, name, "type=\"not_connected\"", fwd);
    m->timeout = rk_metric_counter(r, name, "type=\"timeout\"", fwd);
    m->error = rk_metric_counter(r, name, "type=\"error\"", fwd);
    m->disconnected = rk_metric_counter(r, name, "type=\"disconnected\"", fwd);
}

static void metrics_init(struct sig_metrics *m, struct rk_metrics *r, bool combined)
{
    static const int64_t seconds[] = {1, 60, 600, 3600, 7200, 21600, 43200, 86400, 172800};
    static const int64_t bytes[] = {100,   250,   500,    1000,   5000,
                                    10000, 50000, 100000, 500000, 1000000};

    m->active = rk_metric_gauge(r, NAME("active_peers"), NULL, "Registered peers.");
    m->registrations =
        rk_metric_counter(r, NAME("registrations_total"), NULL, "Registrations of new peers.");
    m->deregistrations =
        rk_metric_counter(r, NAME("deregistrations_total"), NULL, "Registrations that ended.");
    m->connection_s =
        rk_metric_histogram(r, NAME("peer_connection_duration_seconds"), NULL,
                            "Duration of registrations.", seconds, RK_ARRAY_LEN(seconds));
    m->registration_ms =
        delay(r, NAME("registration_delay_milliseconds"), NULL, "Time to register a peer.");
    m->find_found_ms = delay(r, NAME("get_registration_delay_milliseconds"),
                             "type=\"stream\",status=\"found\"", "Time to find a destination.");
    m->find_missing_ms =
        delay(r, NAME("get_registration_delay_milliseconds"),
              "type=\"stream\",status=\"not_found\"", "Time to find a destination.");
    m->forward_ms = delay(r, NAME("message_forward_latency_milliseconds"), "type=\"stream\"",
                          "Time from a message to its place in the destination's stream.");
    m->forwarded =
        rk_metric_counter(r, NAME("messages_forwarded_total"), NULL, "Forwarded messages.");
    m->size = rk_metric_histogram(r, NAME("message_size_bytes"), "type=\"message\"",
                                  "Size of messages.", bytes, RK_ARRAY_LEN(bytes));
    failures_init(m, r, combined);
}

enum rk_code sig_app_new(const struct sig_app_opts *o, struct sig_app **out, struct rk_err *err)
{
    struct sig_app *a = rk_calloc(1, sizeof *a);
    enum rk_code rc;

    a->hub.registry = sig_registry_new();
    a->hub.max_streams = o->max_streams ? o->max_streams : SIG_MAX_STREAMS;
    a->hub.send_timeout_ms = o->send_timeout_ms ? o->send_timeout_ms : SIG_SEND_TIMEOUT_MS;
    a->hub.greets = o->greeting;
    if (o->greeting)
        rk_key_generate(&a->hub.greeting_key);
    a->hub.log = o->log;
    a->hub.bus = o->bus;
    a->hub.n_lanes = o->n_loops;
    a->hub.lanes = rk_calloc(o->n_loops, sizeof *a->hub.lanes);
    for (size_t i = 0; i < o->n_loops; i++)
        sig_lane_init(&a->hub.lanes[i], &a->hub, o->loops[i]);
    metrics_init(&a->hub.metrics, o->metrics, o->combined);
    rc = sig_service_register(o->edge, &a->hub, err);
    if (rc) {
        sig_app_free(a);
        return rc;
    }
    *out = a;
    return RK_OK;
}

void sig_app_free(struct sig_app *a)
{
    if (!a)
        return;
    for (size_t i = 0; i < a->hub.n_lanes; i++)
        sig_lane_done(&a->hub.lanes[i]);
    free(a->hub.lanes);
    sig_registry_free(a->hub.registry);
    rk_key_wipe(&a->hub.greeting_key);
    free(a);
}

bool sig_app_deliver(struct sig_app *a, struct rk_str body)
{
    int64_t since_us = rk_unix_us();
    struct sig_envelope e;
    struct sig_stream *to;

    if (sig_envelope_decode(body, &e, NULL))
        return false;
    to = sig_registry_find(a->hub.registry, e.remote_key);
    if (!to)
        return false;
    sig_stream_deliver(to, NULL, rk_bytes_dup(body), since_us);
    sig_stream_unref(to);
    return true;
}

void sig_app_elsewhere(struct sig_app *a, struct rk_str key, int64_t number)
{
    struct sig_stream *s = sig_registry_find(a->hub.registry, key);

    if (s && sig_stream_number(s) < number + NUMBER_SLACK)
        sig_stream_displace(s, NULL);
    sig_stream_unref(s);
}

size_t sig_app_streams(const struct sig_app *a)
{
    return sig_registry_size(a->hub.registry);
}
