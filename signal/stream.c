/* SPDX-License-Identifier: BSD-3-Clause */
/* Registered streams and the lanes to them; see stream.h. */
#include "config.h"

#include "signal/stream.h"

#include <stdlib.h>

#include "lib/base/num.h"
#include "signal/bus.h"

struct sig_stream {
    _Atomic uint32_t refs;
    struct sig_lane *lane;
    struct rk_str key; /* own copy behind the struct */
    struct sig_place place;
    int64_t number;
    /* loop thread of the lane */
    struct grpc_call *call; /* NULL once ended */
    int64_t began_ms;
    uint64_t sent;  /* bytes given to the call */
    uint64_t taken; /* bytes that had left when the stall timer was armed */
    struct rk_timer *stall;
    char key_bytes[];
};

struct delivery { /* in a lane's inbox */
    struct rk_list link;
    struct sig_stream *to; /* one reference */
    struct rk_bytes *body; /* one reference; NULL: displace */
    int64_t since_us;
};

/* ---- life */

struct sig_stream *sig_stream_new(struct sig_lane *lane, struct grpc_call *call, struct rk_str key)
{
    struct sig_stream *s = rk_calloc(1, sizeof *s + key.n);

    atomic_init(&s->refs, 1);
    s->lane = lane;
    s->call = grpc_call_ref(call);
    s->began_ms = rk_loop_now_ms(lane->loop);
    s->number = lane->hub->bus ? lane->hub->bus->ops->number(lane->hub->bus) : 0;
    memcpy(s->key_bytes, key.p, key.n);
    s->key = rk_str_of(s->key_bytes, key.n);
    sig_places_enter(&lane->places, grpc_call_conn(call), &s->place);
    return s;
}

struct sig_stream *sig_stream_ref(struct sig_stream *s)
{
    (void)atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void sig_stream_unref(struct sig_stream *s)
{
    if (s && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1)
        free(s);
}

struct rk_str sig_stream_key(const struct sig_stream *s)
{
    return s->key;
}

int64_t sig_stream_number(const struct sig_stream *s)
{
    return s->number;
}

void sig_stream_ended(struct sig_stream *s)
{
    rk_metric_observe(s->lane->hub->metrics.connection_s,
                      (rk_loop_now_ms(s->lane->loop) - s->began_ms) / 1000);
    rk_timer_cancel(&s->stall);
    sig_places_leave(&s->lane->places, &s->place);
    grpc_call_unref(s->call);
    s->call = NULL;
    sig_stream_unref(s);
}

/* ---- sending, on the stream's loop */

static void abort_stalled(struct sig_stream *s, struct rk_metric *counter, const char *why)
{
    struct sig_hub *hub = s->lane->hub;

    rk_metric_add(counter, 1);
    rk_log_every(&hub->stalled_gate, SIG_LOG_EVERY_MS, hub->log, RK_WARN, "signal stream aborted",
                 kv_str("peer", s->key), kv_z("reason", why),
                 kv_i64("waiting_bytes", (int64_t)grpc_call_queued(s->call)));
    rk_timer_cancel(&s->stall);
    grpc_call_abort(s->call);
}

/* Bytes that have left. The frame heads in the queue are counted as not yet left: harmless. */
static uint64_t taken(const struct sig_stream *s)
{
    uint64_t queued = grpc_call_queued(s->call);

    return queued < s->sent ? s->sent - queued : 0;
}

static void on_stall(void *arg)
{
    struct sig_stream *s = arg;
    uint64_t now;

    if (!s->call || grpc_call_is_over(s->call) || !grpc_call_queued(s->call))
        return;
    now = taken(s);
    if (now == s->taken) {
        abort_stalled(s, s->lane->hub->metrics.timeout, "takes no messages");
        return;
    }
    s->taken = now; /* slow, but alive */
    rk_timer_start(s->lane->loop, &s->stall, s->lane->hub->send_timeout_ms, on_stall, s);
}

void sig_stream_drained(struct sig_stream *s)
{
    rk_timer_cancel(&s->stall);
}

static void send_now(struct sig_stream *s, struct rk_bytes *body, int64_t since_us)
{
    struct sig_metrics *m = &s->lane->hub->metrics;

    if (!s->call || grpc_call_is_over(s->call)) {
        rk_metric_add(m->disconnected, 1);
        rk_bytes_unref(body);
        return;
    }
    if (grpc_call_queued(s->call) + body->n > SIG_QUEUE_MAX) {
        abort_stalled(s, m->error, "too much waits");
        rk_bytes_unref(body);
        return;
    }
    s->sent += body->n;
    grpc_call_send_owned(s->call, body);
    rk_metric_add(m->forwarded, 1);
    rk_metric_observe(m->forward_ms, rk_max_i64(rk_unix_us() - since_us, 0));
    if (!s->stall && grpc_call_queued(s->call)) {
        s->taken = taken(s);
        rk_timer_start(s->lane->loop, &s->stall, s->lane->hub->send_timeout_ms, on_stall, s);
    }
}

static void displace_now(struct sig_stream *s)
{
    if (!s->call)
        return;
    if (grpc_call_queued(s->call)) /* a status would wait behind what the client does not take */
        grpc_call_abort(s->call);
    else
        grpc_call_fail_status(s->call, GRPC_UNKNOWN, RK_STR("peer registered again"));
}

struct sig_stream *sig_stream_evict(struct sig_lane *lane, const struct grpc_call *call)
{
    struct sig_place *place = sig_places_victim(&lane->places, grpc_call_conn(call));

    if (!place)
        return NULL;
    sig_places_leave(&lane->places, place);
    return rk_container_of(place, struct sig_stream, place);
}

void sig_stream_evicted(struct sig_stream *s)
{
    grpc_call_fail_status(s->call, GRPC_RESOURCE_EXHAUSTED,
                          RK_STR("too many registrations on this connection"));
}

/* ---- lanes */

static void deliver_now(struct delivery *d)
{
    if (d->body)
        send_now(d->to, d->body, d->since_us);
    else
        displace_now(d->to);
    sig_stream_unref(d->to);
    free(d);
}

static void on_bell(struct rk_task *t)
{
    struct sig_lane *l = rk_container_of(t, struct sig_lane, task);
    struct rk_list batch, *node;

    rk_list_init(&batch);
    (void)pthread_mutex_lock(&l->lock);
    rk_list_splice(&batch, &l->inbox);
    l->inbox_bytes = 0;
    l->rung = false;
    (void)pthread_mutex_unlock(&l->lock);
    while ((node = rk_list_pop_front(&batch)))
        deliver_now(rk_container_of(node, struct delivery, link));
}

/* Put into the inbox of another loop; false when it is full. */
static bool post(struct sig_lane *l, struct sig_stream *to, struct rk_bytes *body, int64_t since_us)
{
    size_t size = body ? body->n : 0;
    struct delivery *d = rk_malloc(sizeof *d);
    bool ring, fits;

    *d = (struct delivery){.to = sig_stream_ref(to), .body = body, .since_us = since_us};
    (void)pthread_mutex_lock(&l->lock);
    fits = !body || l->inbox_bytes + size <= SIG_INBOX_MAX;
    ring = fits && !l->rung;
    if (fits) {
        rk_list_push_back(&l->inbox, &d->link);
        l->inbox_bytes += size;
        l->rung = true;
    }
    (void)pthread_mutex_unlock(&l->lock);
    if (ring)
        rk_loop_post(l->loop, &l->task);
    if (!fits) {
        sig_stream_unref(to);
        free(d);
    }
    return fits;
}

void sig_lane_init(struct sig_lane *l, struct sig_hub *hub, struct rk_loop *loop)
{
    *l = (struct sig_lane){.hub = hub, .loop = loop, .task = {.run = on_bell}};
    (void)pthread_mutex_init(&l->lock, NULL);
    rk_list_init(&l->inbox);
    sig_places_init(&l->places);
}

void sig_lane_done(struct sig_lane *l)
{
    (void)pthread_mutex_destroy(&l->lock);
    sig_places_done(&l->places);
}

struct sig_lane *sig_lane_of(struct sig_hub *hub, const struct rk_loop *loop)
{
    for (size_t i = 0; i < hub->n_lanes; i++)
        if (hub->lanes[i].loop == loop)
            return &hub->lanes[i];
    return NULL;
}

void sig_stream_deliver(struct sig_stream *s, struct sig_lane *from, struct rk_bytes *body,
                        int64_t since_us)
{
    if (s->lane == from) {
        send_now(s, body, since_us);
    } else if (!post(s->lane, s, body, since_us)) {
        rk_metric_add(s->lane->hub->metrics.error, 1);
        rk_bytes_unref(body);
    }
}

void sig_stream_displace(struct sig_stream *s, struct sig_lane *from)
{
    if (s->lane == from)
        displace_now(s);
    else
        (void)post(s->lane, s, NULL, 0);
}
