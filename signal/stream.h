/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One registered client (its ConnectStream call), and the lanes that carry messages to the loop of
 * a stream from any other. Internal to signal/.
 *
 *   any loop: sig_stream_deliver ─▶ [same loop: send]
 *                                ─▶ [lane's inbox: mutex and list] ─doorbell─▶ its loop: send
 *
 * A stream whose client takes nothing for the forward timeout, or lets too much wait, is aborted,
 * so that the client connects again; nobody waits for it.
 */
#ifndef RK_SIGNAL_STREAM_H
#define RK_SIGNAL_STREAM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/bytes.h"
#include "lib/base/list.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/metrics.h"
#include "lib/base/str.h"
#include "lib/crypto/secret.h"
#include "lib/grpc/call.h"
#include "signal/places.h"

/* Bytes that may wait for one client: some thirty offers with post-quantum keys (512 KiB each). */
#define SIG_QUEUE_MAX ((size_t)16 << 20)
/* Bytes that may wait in the inbox of one loop; a loop that far behind does not turn any more. */
#define SIG_INBOX_MAX ((size_t)64 << 20)
/* One line of a kind in this time. */
#define SIG_LOG_EVERY_MS 60000
/* Characters of a key; real ones have 44. */
#define SIG_KEY_MAX 256

struct sig_registry;
struct sig_stream;

struct sig_metrics { /* lent by the registry of metrics; all may be NULL */
    struct rk_metric *active, *registrations, *deregistrations;
    struct rk_metric *fail_missing_id, *fail_registration;
    struct rk_metric *connection_s;
    struct rk_metric *registration_ms, *find_found_ms, *find_missing_ms, *forward_ms; /* observed
                                                                                         in µs */
    struct rk_metric *forwarded, *not_connected, *timeout, *error, *disconnected;
    struct rk_metric *size;
};

struct sig_lane { /* what belongs to one loop */
    struct sig_hub *hub;
    struct rk_loop *loop;
    struct sig_places places;
    struct rk_task task;
    pthread_mutex_t lock; /* guards the three below */
    struct rk_list inbox; /* deliveries */
    size_t inbox_bytes;
    bool rung;
};

struct sig_hub { /* shared by all loops */
    struct sig_registry *registry;
    struct sig_bus *bus; /* NULL: alone */
    struct sig_lane *lanes;
    size_t n_lanes;
    size_t max_streams;
    int64_t send_timeout_ms;
    bool greets;
    struct rk_key greeting_key; /* made at the start: greeting.h */
    struct rk_log *log;
    struct sig_metrics metrics;
    struct rk_log_gate displaced_gate, stalled_gate, full_gate;
};

void sig_lane_init(struct sig_lane *l, struct sig_hub *hub, struct rk_loop *loop);
void sig_lane_done(struct sig_lane *l); /* the loop runs no more tasks */
struct sig_lane *sig_lane_of(struct sig_hub *hub, const struct rk_loop *loop);

/** A stream for a call on this lane's loop; keeps the call until sig_stream_ended. One reference,
 *  the call's. */
struct sig_stream *sig_stream_new(struct sig_lane *lane, struct grpc_call *call, struct rk_str key);
struct sig_stream *sig_stream_ref(struct sig_stream *s);
void sig_stream_unref(struct sig_stream *s); /* accepts NULL */
struct rk_str sig_stream_key(const struct sig_stream *s);
int64_t sig_stream_number(const struct sig_stream *s); /* of the bus; 0 without one */

/** The call is over: forget it, drop its reference. Loop thread of the stream. */
void sig_stream_ended(struct sig_stream *s);

/** Everything that was sent has left. Loop thread of the stream. */
void sig_stream_drained(struct sig_stream *s);

/** Forward a message (takes the reference of body). from: the lane of the calling loop thread; NULL
 *  on other threads.
 *  since_us: when it came in (wall clock, for the latency metric). */
void sig_stream_deliver(struct sig_stream *s, struct sig_lane *from, struct rk_bytes *body,
                        int64_t since_us);

/** Take its place from the oldest stream of the connection of this lane that has most, for a
 *  newcomer on the connection of `call`; NULL when no connection has many. Lent: the caller takes
 * it out of the registry, then calls sig_stream_evicted, which ends its call. Loop thread of the
 * lane.
 */
struct sig_stream *sig_stream_evict(struct sig_lane *lane, const struct grpc_call *call);
void sig_stream_evicted(struct sig_stream *s);

/** A newer registration took over: end the stream with UNKNOWN "peer registered again". */
void sig_stream_displace(struct sig_stream *s, struct sig_lane *from);

#endif
