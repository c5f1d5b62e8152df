/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The signal service: peers find each other through it. It forwards sealed messages between
 * registered streams and stores nothing. One service lives on the loops and the edge that it is
 * given; nothing is global.
 *
 *        edge (gRPC)
 *          │ ConnectStream                     │ Send
 *   ┌──────▼────────────┐               ┌──────▼────────────┐
 *   │ service: register │               │ service: envelope │   per loop
 *   └──────┬────────────┘               └──────┬────────────┘
 *          │ add, displace                     │ find
 *   ┌──────▼───────────────────────────────────▼────────────┐
 *   │ registry: key → stream                                │   shared, sharded locks
 *   └───────────────────────────────────────────────────────┘   (bus.h: of other processes)
 *     stream ◀── lane: inbox and doorbell ◀── deliver (any loop)
 *
 * Order: sig_app_new (before edge_start), …, edge_stop until done, the loops end, sig_app_free.
 */
#ifndef RK_SIGNAL_APP_H
#define RK_SIGNAL_APP_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/metrics.h"
#include "lib/http/edge.h"
#include "signal/bus.h"

#define SIG_MAX_STREAMS     100000 /* registered clients, by default */
#define SIG_SEND_TIMEOUT_MS 10000  /* a client that takes nothing for this long is dropped */

struct sig_app;

struct sig_app_opts {             /* open; borrowed during sig_app_new; zero is the default */
    struct rk_loop *const *loops; /* those of the edge; lent until sig_app_free */
    size_t n_loops;
    struct edge *edge;
    size_t max_streams;      /* [SIG_MAX_STREAMS] */
    int64_t send_timeout_ms; /* [SIG_SEND_TIMEOUT_MS] */
    bool greeting;           /* a first message follows each registration: signal/greeting.h */
    bool combined;           /* metrics get the prefix signal_, as in official combined servers */
    struct rk_log *log;      /* may be NULL; lent until sig_app_free */
    struct rk_metrics *metrics; /* likewise */
    struct sig_bus *bus;        /* to other processes; NULL: this one is alone. Lent likewise */
};

/** Registers the two methods on the edge. Owned: sig_app_free. Errors: RK_EXISTS. */
enum rk_code sig_app_new(const struct sig_app_opts *opts, struct sig_app **out,
                         struct rk_err *err) RK_MUST;

/** After the edge has stopped and the loops run no more; accepts NULL. */
void sig_app_free(struct sig_app *a);

/** From the bus: an EncryptedMessage (borrowed) that another process could not deliver. false: its
 *  destination is not here either, or it is no message. Any thread. */
bool sig_app_deliver(struct sig_app *a, struct rk_str body);

/** From the bus: key has registered at another process with that number. An older stream of it
 *  here ends, as if it had registered again here. Any thread. */
void sig_app_elsewhere(struct sig_app *a, struct rk_str key, int64_t number);

/** Registered clients. Any thread. */
size_t sig_app_streams(const struct sig_app *a);

#endif
