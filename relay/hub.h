/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the parts of one relay share (struct rly_hub) and what belongs to one loop (struct
 * rly_lane). Internal to relay/.
 *
 *   any loop: put bytes or events into a session, rly_lane_mark(session)
 *        └─▶ its lane's list of dirty sessions ─doorbell─▶ its loop: rly_session_flush()
 *
 * A loop that handles a batch of input calls rly_lane_end() behind it: own dirty sessions are
 * flushed at once, other lanes get one doorbell each, however many messages the batch had.
 */
#ifndef RK_RELAY_HUB_H
#define RK_RELAY_HUB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/list.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/metrics.h"
#include "lib/base/ratelimit.h"
#include "lib/base/str.h"
#include "lib/crypto/secret.h"
#include "lib/net/relayproto.h"

struct rly_hub;
struct rly_registry;
struct rly_session;

struct rly_metrics { /* lent by the registry of metrics; all may be NULL */
    struct rk_metric *sent_bytes, *received_bytes, *peers, *active, *idle, *reconnections;
    struct rk_metric *auth_time, *store_time; /* observed in microseconds */
    struct rk_metric *dropped_full, *dropped_unknown, *auth_failures;
};

struct rly_lane {
    struct rly_hub *hub;
    struct rk_loop *loop;
    size_t index;

    _Atomic(struct rly_session *)
        dirty;         /* stack, any thread pushes; each entry holds a reference */
    _Atomic bool rung; /* the task is posted and has not run yet */
    struct rk_task task;

    /* below: loop thread only */
    bool *touched; /* per lane: marked since the last rly_lane_end */
    struct rk_list sessions;
    size_t n_sessions;
    struct rk_ratelimit *joins; /* per address: connections that may try to authenticate */
    struct rk_timer *tick;
    _Atomic int64_t beat_ms; /* monotonic time of the last tick, for the health page */
    int64_t n_active;        /* as last counted */
    int64_t n_open;          /* likewise */
    int64_t sent_bytes, received_bytes, dropped_full, dropped_unknown; /* of the current batch */
    bool stopping;
    void (*emptied)(struct rly_lane *l);              /* when stopping: no session is left */
    struct rk_task start_task, stop_task, fence_task; /* of the app */
};

struct rly_hub {
    struct rly_registry *registry;
    struct rk_key auth_key;      /* of tokens; wiped by the owner */
    struct rk_str url;           /* instance URL; borrowed from the owner */
    struct rly_peer_id probe_id; /* of official health checks: they fail quietly */
    size_t max_peers;            /* sessions of all lanes */
    unsigned health_misses;      /* windows without an answer until a peer is dropped */
    int64_t health_send_ms, health_window_ms, auth_timeout_ms;
    struct rk_log *log; /* borrowed, may be NULL */
    struct rly_metrics metrics;
    struct rk_log_gate auth_gate, full_gate;
    _Atomic size_t n_sessions;
    struct rly_lane *lanes; /* owned by the app */
    size_t n_lanes;
};

/** Set up one lane in place; its loop may already run. */
void rly_lane_init(struct rly_lane *l, struct rly_hub *hub, size_t index, struct rk_loop *loop);
void rly_lane_done(struct rly_lane *l); /* nothing may be marked or posted any more */

/** A session of any lane has something to do. from: the lane whose loop thread this is; its
 *  rly_lane_end must follow. Any loop thread of the hub. */
void rly_lane_mark(struct rly_lane *from, struct rly_session *s);

/** End of a batch on this lane's loop thread. */
void rly_lane_end(struct rly_lane *l);

/** The hub of a relay, for tests that bring their own connections. Lent. */
struct rly_app;
struct rly_hub *rly_app_hub(struct rly_app *a);

/** Begin and end of periodic counting. Loop thread. */
#define RLY_TICK_MS 5000
void rly_lane_start(struct rly_lane *l);
void rly_lane_stop(struct rly_lane *l);

#endif
