/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the parts of one relay share (struct relay_hub) and what belongs to one loop (struct
 * relay_lane). Internal to relay/.
 *
 *   any loop: put bytes or events into a session, relay_lane_mark(session)
 *        └─▶ its lane's list of dirty sessions ─doorbell─▶ its loop: relay_session_flush()
 *
 * A loop that handles a batch of input calls relay_lane_end() behind it: own dirty sessions are
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
#include "relay/pace.h"

struct relay_hub;
struct relay_registry;
struct relay_session;

enum relay_kind { RELAY_WS, RELAY_QUIC, RELAY_KINDS }; /* of transports */

struct relay_metrics { /* lent by the registry of metrics; all may be NULL */
    struct rk_metric *peers[RELAY_KINDS];
    struct rk_metric *sent_bytes, *received_bytes, *active, *idle, *reconnections;
    struct rk_metric *auth_time, *store_time; /* observed in microseconds */
    struct rk_metric *dropped_full, *dropped_unknown, *dropped_too_big, *auth_failures;
    struct rk_metric *dropped_paced, *holds;
};

#define RELAY_LOG_EVERY_MS 60000 /* one line of a kind in this time, with an address */

struct relay_lane {
    struct relay_hub *hub;
    struct rk_loop *loop;
    size_t index;

    _Atomic(struct relay_session *)
        dirty;              /* stack, any thread pushes; each entry holds a reference */
    _Atomic bool rung;      /* the task is posted and has not run yet */
    _Atomic uint64_t bells; /* times that it was posted, for tests */
    struct rk_task task;

    /* below: loop thread only */
    bool *touched; /* per lane: marked since the last relay_lane_end */
    struct rk_list sessions;
    struct rk_list waiting; /* for their authentication, oldest first */
    size_t n_sessions;
    struct rk_ratelimit *joins; /* per address: connections that may try to authenticate */
    struct rk_timer *tick;
    _Atomic int64_t beat_ms; /* monotonic time of the last tick, for the health page */
    int64_t n_active;        /* as last counted */
    int64_t n_open;          /* likewise */
    /* of the current batch */
    int64_t sent_bytes, received_bytes, dropped_full, dropped_unknown, dropped_too_big;
    int64_t dropped_paced, holds;
    bool stopping;
    void (*emptied)(struct relay_lane *l);            /* when stopping: no session is left */
    struct rk_task start_task, stop_task, fence_task; /* of the app */
};

struct relay_hub {
    struct relay_registry *registry;
    struct rk_key auth_key;      /* of tokens; wiped by the owner */
    struct rk_str url;           /* instance URL; borrowed from the owner */
    struct rly_peer_id probe_id; /* of official health checks: they fail quietly */
    size_t max_peers;            /* sessions of all lanes */
    unsigned health_misses;      /* windows without an answer until a peer is dropped */
    int64_t health_send_ms, health_window_ms, auth_timeout_ms;
    int64_t max_bytes_per_s, max_peer_bytes_per_s; /* of datagrams received; 0: no limit */
    struct relay_pace pace;                        /* of all sessions */
    struct rk_log *log;                            /* borrowed, may be NULL */
    struct relay_metrics metrics;
    struct rk_log_gate auth_gate, full_gate;
    _Atomic size_t n_sessions;
    struct relay_lane *lanes; /* owned by the app */
    size_t n_lanes;
};

/** Set up one lane in place; its loop may already run. */
void relay_lane_init(struct relay_lane *l, struct relay_hub *hub, size_t index,
                     struct rk_loop *loop);
void relay_lane_done(struct relay_lane *l); /* nothing may be marked or posted any more */

/** A session of any lane has something to do. from: the lane whose loop thread this is; its
 *  relay_lane_end must follow. Any loop thread of the hub. */
void relay_lane_mark(struct relay_lane *from, struct relay_session *s);

/** Why a connection from this address is not wanted now, or NULL. May end one that waits for its
 *  authentication to make room. Loop thread. */
struct rk_addr;
const char *relay_lane_refuses(struct relay_lane *l, const struct rk_addr *client);

/** End of a batch on this lane's loop thread. */
void relay_lane_end(struct relay_lane *l);

/** The hub of a relay, for tests that bring their own connections. Lent. */
struct relay_app;
struct relay_hub *relay_app_hub(struct relay_app *a);

/** Begin and end of periodic counting. Loop thread. */
#define RELAY_TICK_MS 5000
void relay_lane_start(struct relay_lane *l);
void relay_lane_stop(struct relay_lane *l);

#endif
