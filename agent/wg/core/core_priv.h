/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside of struct wgc. Files: core.c (life, configuration), handshake.c (messages 1 to 3),
 * session.c (keys and transport data), timers.c (section 6), each with its state below.
 */
#ifndef RK_AGENT_WG_CORE_CORE_PRIV_H
#define RK_AGENT_WG_CORE_CORE_PRIV_H

#include "agent/wg/core/allowed.h"
#include "agent/wg/core/cookie.h"
#include "agent/wg/core/core.h"
#include "agent/wg/core/noise.h"
#include "agent/wg/core/replay.h"
#include "lib/base/heap.h"
#include "lib/base/map.h"
#include "lib/base/ratelimit.h"

#define WGC_STAGED_MAX   128 /* packets that wait for a session */
#define WGC_STAGED_BYTES 262144
#define WGC_ATTEMPTS     (WGC_REKEY_ATTEMPT_MS / WGC_REKEY_TIMEOUT_MS)

/* A random number of ours under which the peer's messages arrive. */
struct wgc_index {
    uint8_t key[4];              /* as on the wire */
    struct wgc_peer *peer;       /* of a handshake, or */
    struct wgc_session *session; /* of a session */
};

struct wgc_session { /* freed when retired and not held */
    struct wgc_index index;
    struct wgc_peer *peer; /* NULL: retired */
    unsigned holds;
    struct rk_key send, receive;
    uint32_t remote_index;
    uint64_t counter; /* of the next packet sent */
    struct wgc_replay replay;
    int64_t born_ms;
    bool initiator;
};

struct wgc_staged {
    struct rk_list link;
    size_t n;
    uint8_t p[];
};

/* Deadlines of section 6, mono; 0: not set. */
enum wgc_timer {
    WGC_T_RETRANSMIT,    /* initiation again */
    WGC_T_KEEPALIVE,     /* something came and we sent nothing back */
    WGC_T_NEW_HANDSHAKE, /* we sent and nothing came back */
    WGC_T_ZERO,          /* forget all keys */
    WGC_T_PERSISTENT,    /* the configured keepalive */
    WGC_TIMERS
};

struct wgc_peer {
    struct rk_key key;
    struct wgc *w;
    struct wgc_noise noise;
    struct wgc_stamp stamp;
    struct wgc_index hs_index; /* peer NULL: not in the table */
    struct wgc_session *current, *previous, *next;
    struct wgc_owner owner; /* its allowed addresses */
    struct wgc_endpoint endpoint;
    bool way_given; /* the endpoint is a way that was configured, not one that was heard */
    int keepalive_s;
    struct rk_list staged;
    size_t n_staged, staged_bytes;
    int64_t handshake_unix_ms;
    uint64_t rx_bytes, tx_bytes;
    /* timers */
    struct rk_heap_node due; /* never later than the earliest of `at` */
    int64_t at[WGC_TIMERS];
    int64_t initiated_ms; /* our last initiation; 0: never */
    int64_t accepted_ms;  /* the remote's */
    unsigned attempts;
    bool another_keepalive; /* more came after the timer was set */
    bool late_rekey;        /* asked for new keys already, near the end of a session */
};

struct wgc {
    struct wgc_user *user;
    struct wgc_crypt *crypt;
    struct wgc_identity own;
    struct wgc_gate gate;
    struct rk_map peers;   /* key bytes → struct wgc_peer */
    struct rk_map indices; /* wire bytes → struct wgc_index */
    struct wgc_allowed allowed;
    struct rk_heap due;
    struct rk_ratelimit *per_source; /* of proved senders under load; made when needed */
    struct wgc_stats stats;
};

/* core.c */
uint32_t wgc_index_add(struct wgc *w, struct wgc_index *i);
void wgc_index_remove(struct wgc *w, struct wgc_index *i); /* idempotent */
void wgc_peer_send(struct wgc_peer *p, struct rk_str datagram);
/** An authentic packet came from there. NULL: leave it. A way that was configured stays, one that
 * was heard gives place to UDP, and UDP never to a way. */
void wgc_peer_heard(struct wgc_peer *p, const struct wgc_endpoint *from);

/* handshake.c */
/** Send an initiation unless one went out less than REKEY_TIMEOUT ago. */
void wgc_initiate(struct wgc_peer *p, bool is_retry, int64_t mono_ms);

/* session.c */
/** Begin a session with the keys of the finished handshake. */
void wgc_session_begin(struct wgc_peer *p, int64_t mono_ms);
void wgc_sessions_clear(struct wgc_peer *p);
/** Send what is staged; without anything and when asked for, an empty packet. */
void wgc_flush_staged(struct wgc_peer *p, bool or_keepalive, int64_t mono_ms);
void wgc_staged_clear(struct wgc_peer *p);

/* timers.c: the events of section 6, named as they happen */
void wgc_on_data_sent(struct wgc_peer *p, int64_t mono_ms);
void wgc_on_data_received(struct wgc_peer *p, int64_t mono_ms);
void wgc_on_sent(struct wgc_peer *p, int64_t mono_ms); /* anything authenticated */
void wgc_on_received(struct wgc_peer *p, int64_t mono_ms);
void wgc_on_initiated(struct wgc_peer *p, int64_t mono_ms);
void wgc_on_complete(struct wgc_peer *p, int64_t mono_ms);
void wgc_on_derived(struct wgc_peer *p, int64_t mono_ms);
/** The interval of persistent keepalives changed, or there is an endpoint now. */
void wgc_timers_keepalive(struct wgc_peer *p, int64_t mono_ms);
void wgc_timers_stop(struct wgc_peer *p);

#endif
