/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The relay service: peers that cannot reach each other directly meet here. One relay lives on the
 * loops and the edge that it is given; nothing is global.
 *
 *      edge ("/relay", WebSocket)    UDP (QUIC)         UDP (STUN)
 *        │ upgraded connections        │                   │
 *   ┌────▼──────────┬──────────────────▼┐            ┌─────▼───────┐
 *   │ listen_ws     │ listen_quic       │  per loop  │ stun_server │
 *   ├───────────────┴──────────────────┬┘            └─────────────┘
 *   │ session     auth, health, queue  │
 *   │ lane        dirty sessions, bell │
 *   └────┬──────────────────────▲──────┘
 *        │ find, watch          │ deliver, tell (any loop)
 *   ┌────▼──────────────────────┴──────┐
 *   │ registry    id → session,        │  shared, sharded locks
 *   │             id → who watches     │
 *   └──────────────────────────────────┘
 *
 * Order: relay_app_new (before edge_start), relay_app_start, …, relay_app_stop (before edge_stop,
 * so that peers get a Close message), relay_app_free (after edge_free or at least after edge_stop's
 * done).
 */
#ifndef RK_RELAY_APP_H
#define RK_RELAY_APP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/metrics.h"
#include "lib/base/str.h"
#include "lib/http/edge.h"
#include "lib/net/addr.h"

/* Default limit of connections. Idle ones take 2 KB each in clear text and 16 KB over TLS,
 * so 100 to 800 MB. */
#define RELAY_MAX_PEERS 50000
#define RELAY_STUN_MAX  16 /* UDP addresses */

struct relay_app;

struct relay_app_opts { /* open; borrowed during relay_app_new; zero is the default in [] */
    struct rk_loop *const *loops; /* those of the edge; lent until relay_app_free */
    size_t n_loops;
    struct edge *edge;             /* NULL: nothing is registered; STUN only without a secret */
    struct rk_str exposed_address; /* "host:port" or a rel:// or rels:// URL: what peers are told */
    bool own_tls;                  /* the edge ends TLS itself */
    struct rk_str auth_secret;     /* shared with management */
    bool quic;                     /* also take QUIC; without own_tls it has no effect */
    struct rk_addr quic_addr;      /* UDP, of QUIC; family 0: wildcard; port 0: any free one */
    size_t quic_max_per_addr;    /* [half of max_peers] QUIC connections of one address and loop */
    size_t max_peers;            /* [RELAY_MAX_PEERS] */
    int64_t max_bits_per_s;      /* [no limit] of datagrams that are taken, all peers together */
    int64_t max_peer_bits_per_s; /* [no limit] of those that one peer sends */
    unsigned health_misses;      /* [1] unanswered windows until a peer is dropped */
    int64_t health_send_ms;      /* [25000] for tests; clients rely on at most 25 s */
    int64_t health_window_ms;    /* [45000] */
    int64_t auth_timeout_ms;     /* [10000] */
    const struct rk_addr *stun;  /* UDP addresses of the STUN server; family 0: wildcard */
    size_t n_stun;               /* 0: no STUN; at most RELAY_STUN_MAX */
    struct rk_log *log;          /* may be NULL; lent until relay_app_free */
    struct rk_metrics *metrics;  /* likewise */
};

/** Registers /relay on the edge; nothing runs yet. Owned: relay_app_free.
 *  Errors: RK_INVALID (addresses, secret), RK_EXISTS (path is taken). */
enum rk_code relay_app_new(const struct relay_app_opts *opts, struct relay_app **out,
                           struct rk_err *err) RK_MUST;

/** Bind the UDP sockets (STUN, QUIC) and begin. Errors: RK_UNAVAILABLE naming the address; then
 * nothing was started. Main thread, loops may run already. */
enum rk_code relay_app_start(struct relay_app *a, struct rk_err *err) RK_MUST;

/** Refuse newcomers, say Close to every peer, close after linger_ms at most; then done(arg) on some
 *  loop. The loops must turn. Only after a successful start; once. */
void relay_app_stop(struct relay_app *a, int64_t linger_ms, void (*done)(void *arg), void *arg);

/** After done, or never started; accepts NULL. */
void relay_app_free(struct relay_app *a);

/** The URL that peers are told; lent. */
struct rk_str relay_app_url(const struct relay_app *a);

/** Port of STUN address i after start (useful with port 0); 0 if there is none. */
uint16_t relay_app_stun_port(const struct relay_app *a, size_t i);

/** UDP port of QUIC after start; 0 without it. */
uint16_t relay_app_quic_port(const struct relay_app *a);

/** Connected sessions, authenticated or not. Any thread. */
size_t relay_app_sessions(const struct relay_app *a);

/** Every loop has turned lately, and an own certificate (0: none) has not run out. Any thread, does
 *  not block. *why: literal. */
bool relay_app_ready(const struct relay_app *a, int64_t cert_not_after_ms, const char **why);

/** Body of the health page with the fields of the official one: status, timestamp, listeners,
 *  certificate_valid; and the reason. Any thread. */
void relay_app_describe(const struct relay_app *a, bool ready, const char *why, struct rk_buf *out);

#endif
