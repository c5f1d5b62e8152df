/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One connected peer of the relay: authentication, dispatch of its messages, health check, events
 * of the peers it subscribed to, and the bounded queue of what it is to receive. Knows no
 * transport: a link (relay/listen_ws, listen_quic) feeds messages in and takes framed bytes out.
 *
 *   link ─relay_session_message─▶ dispatch ─transport─▶ relay_session_deliver(other session)
 *                                                            │ queue, bounded, any thread
 *   link ◀──transmit── relay_session_flush ◀──lane, own loop───┘
 *
 * Life: relay_session_new, messages, [relay_session_end by whoever sees a reason],
 * relay_session_gone when the transport is closed. Other threads keep the memory alive with
 * references.
 */
#ifndef RK_RELAY_SESSION_H
#define RK_RELAY_SESSION_H

#include <pthread.h>
#include <stdatomic.h>

#include "lib/base/bytes.h"
#include "lib/base/map.h"
#include "lib/net/addr.h"
#include "relay/hub.h"

/* Bytes waiting for one peer before new datagrams are dropped: about 190 full WireGuard packets, so
 * that a slow path adds little delay on top of the socket's own buffer. */
#define RELAY_QUEUE_MAX ((size_t)256 << 10)
/* Room above that for what must not be lost (answers, health checks, peer states). A peer that lets
 * even this fill up is dropped. */
#define RELAY_QUEUE_CONTROL ((size_t)128 << 10)
/* Peers that one session may watch: more than any account has. */
#define RELAY_WATCH_MAX 16384
/* Undelivered online/offline events of one session; a peer that far behind is dropped. */
#define RELAY_EVENTS_MAX 32768
#define RELAY_FRAME_HEAD 16 /* most bytes that a transport puts in front of a message */

struct relay_transport;

struct relay_transport_ops { /* loop thread of the session, except frame_head (any thread) */
    enum relay_kind kind;
    const char *transport; /* "ws", "quic" for logs */
    /** Messages may get lost: health checks come more often, the first answer comes twice. */
    bool lossy;
    /** What stands before a message of n bytes; returns its length. */
    size_t (*frame_head)(uint8_t out[RELAY_FRAME_HEAD], size_t n);
    /** Take n framed bytes, from the start of b; takes the reference. */
    void (*transmit)(struct relay_transport *l, struct rk_bytes *b, size_t n);
    /** The longest message that it carries now. */
    size_t (*max_message)(const struct relay_transport *l);
    /** The transport has enough: call relay_session_flush when it drained. */
    bool (*congested)(struct relay_transport *l);
    /** Stop or go on reading, for a limit of bytes per second. NULL: cannot be stopped; datagrams
     *  above the limit are dropped. */
    void (*hold)(struct relay_transport *l, bool on);
    /** Close; after what was transmitted has left (at most linger_ms) if linger_ms > 0.
     *  relay_session_gone follows, never from inside. */
    void (*close)(struct relay_transport *l, int64_t linger_ms);
};

struct relay_transport { /* embedded in the transport's struct */
    const struct relay_transport_ops *ops;
};

enum relay_state { RELAY_WAIT_AUTH, RELAY_OPEN, RELAY_ENDED };

/* The state of a remote peer that this session wants to hear of; made by the registry. */
struct relay_watch;

struct relay_event {
    struct relay_event *next;
    struct rly_peer_id id;
    bool online;
};

struct relay_session { /* fields for relay/ only */
    struct relay_hub *hub;
    struct relay_lane *lane;
    _Atomic uint32_t refs;
    struct rly_peer_id id; /* fixed once RELAY_OPEN */
    const struct relay_transport_ops *link_ops;

    /* loop thread of the lane */
    enum relay_state state;
    struct relay_transport *link; /* NULL after relay_session_gone */
    struct rk_addr peer;
    struct rk_list in_lane, in_waiting;
    struct rk_timer *timer; /* authentication, then health */
    int64_t began_ms, send_at_ms, window_at_ms, last_transport_ms;
    int64_t again_at_ms; /* when the answer to the authentication is repeated; 0: no more */
    bool answered;       /* a health check came back in this window */
    unsigned misses;     /* windows without */
    struct relay_pace pace;
    struct rk_timer *hold_timer; /* set while the link is held */
    int64_t held_until_ns;       /* monotonic; for links that cannot be held */
    struct rk_map watches;       /* peer id → relay_watch */
    struct rk_log_gate ignored_gate;

    /* any thread */
    struct relay_session *next_dirty;
    _Atomic bool dirty;                   /* in the lane's list */
    _Atomic bool kicked;                  /* another connection took over the id */
    _Atomic bool overflown;               /* control messages or events did not fit */
    _Atomic(struct relay_event *) events; /* newest first */
    _Atomic uint32_t n_events;
    pthread_mutex_t lock; /* guards the three below */
    struct rk_bytes *out; /* owned; framed messages not yet given to the link */
    size_t out_n;         /* bytes used of it */
    size_t out_hint;      /* size that the last one reached */
};

/** A connection came in. One reference, the link's, dropped by relay_session_gone. */
struct relay_session *relay_session_new(struct relay_lane *lane, struct relay_transport *link,
                                        const struct rk_addr *peer);

/** One message of the peer; writable, and the payload of a transport is changed in place. */
void relay_session_message(struct relay_session *s, uint8_t *p, size_t n);

/** The largest message that is acceptable now. */
size_t relay_session_max_message(const struct relay_session *s);

/** Give what waits to the link, handle events and kicks. Loop thread. */
void relay_session_flush(struct relay_session *s);

/** End for a reason (for the log; literal); closes the link. Idempotent. */
void relay_session_end(struct relay_session *s, const char *why);

/** Say goodbye with a Close message, then end: the relay shuts down. */
void relay_session_goodbye(struct relay_session *s, int64_t linger_ms);

/** End the session of this lane that has waited longest for its authentication, to make room for
 *  another one; false when none waits. Loop thread. */
bool relay_session_evict(struct relay_lane *lane);

/** The link is closed and forgets the session. */
void relay_session_gone(struct relay_session *s);

struct relay_session *relay_session_ref(struct relay_session *s);
void relay_session_unref(struct relay_session *s); /* accepts NULL */

/** Queue a message for a peer; false when it was dropped. Any thread; relay_lane_mark must follow.
 */
bool relay_session_deliver(struct relay_session *s, const uint8_t *p, size_t n);

/** Another connection has the id now. Any thread; relay_lane_mark must follow. */
void relay_session_kick(struct relay_session *s);

/** Queue an online or offline event. Any thread, wait-free, so it may run under a lock of the
 *  registry; relay_lane_mark must follow. */
void relay_session_tell(struct relay_session *s, const struct rly_peer_id *id, bool online);

#endif
