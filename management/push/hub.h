/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct hub: brings every committed change to the agents that must know it.
 *
 *   engine commit ──▶ changed(): affected peers ∩ connected ──▶ mark(stream)
 *                                                               │ coalesce: now, or after the
 * window waiting ──time──▶ ready (heap: who loses access first, small maps before large, nobody for
 * ever) │ build threads: newest snapshot → message → equal to the last one? drop : seal │
 * rk_loop_post the stream's loop: grpc_call_send_owned ──▶ drained() ──▶ marked meanwhile? ready
 * again
 *
 * A stream has at most one message on its way; what happens meanwhile is one bit. The bytes on
 * their way of all streams have a budget, so ten thousand maps are never in memory at once; readers
 * that do not take theirs for a while are counted apart and, when there are too many, cut off.
 */
#ifndef MGMT_PUSH_HUB_H
#define MGMT_PUSH_HUB_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/metrics.h"
#include "lib/base/pool.h"
#include "lib/crypto/box.h"
#include "lib/grpc/call.h"
#include "management/engine/engine.h"
#include "management/netmap/netmap.h"
#include "management/push/coalesce.h"
#include "management/push/servers.h"

#define HUB_BUILDERS_MAX 64 /* more processors than that wait for memory anyway */

struct hub;
struct hub_stream;

/** Turns plain text into what is sent (rpc/envelope). Any thread. */
typedef struct rk_bytes *hub_seal_fn(void *arg, const struct box_shared *shared,
                                     struct rk_str plain);

/** Where messages go. One implementation sends on a struct grpc_call; tests have another. All on
 *  the stream's loop thread. */
struct hub_sink_ops {
    void (*send)(void *call, struct rk_bytes *taken);
    void (*finish)(void *call, const struct rk_err *why); /* NULL: status OK */
};

struct hub_opts { /* open; what pointers name is borrowed until hub_free unless said otherwise */
    struct mgmt *mgmt;
    struct rk_pool *build; /* threads without a database; lent */
    size_t builders;       /* threads of `build` to use at once */
    struct rk_loop *loop;  /* for the hub's own timer */
    struct servers *servers;
    const struct netmap_opts *netmap; /* now_us and meta are ignored */
    bool components;                  /* offer the component form */
    hub_seal_fn *seal;
    void *seal_arg;
    const struct hub_sink_ops *sink;
    struct coalesce_rule coalesce; /* zero: 1 s window, 2 s maximum wait */
    size_t budget_bytes;           /* on their way, to readers that read; 0: 48 MiB */
    size_t slow_bytes;             /* on their way, to readers that do not; 0: 128 MiB */
    int64_t slow_after_ms;         /* a message not taken for so long is slow; 0: 3 s */
    struct rk_log *log;            /* may be NULL */
    struct rk_metrics *metrics;    /* may be NULL */
};

/** Registers itself as observer of mgmt: no changes may be under way. Owned: hub_free. */
struct hub *hub_new(const struct hub_opts *opts);

/** No further messages are built. Streams may still detach. Any thread; before the pool and the
 *  loops end. */
void hub_stop(struct hub *h);

/** After hub_stop, when every stream is detached, the build pool has stopped and mgmt is closed.
 *  Accepts NULL. */
void hub_free(struct hub *h);

struct hub_attach { /* open; borrowed for the call */
    const struct snapshot *snap;
    uint32_t index; /* of the peer in snap */
    const struct box_shared *shared;
    struct rk_loop *loop;
    void *call; /* valid until hub_detach */
};

/**
 * Subscribe the peer and ask for its first message, which is built from a snapshot taken after
 * this moment: no change falls between. An earlier stream of the same peer is ended with OK and
 * no longer matters. Loop thread. Owned: hub_detach.
 */
struct hub_stream *hub_attach(struct hub *h, const struct hub_attach *a);

/** Everything sent so far has left (grpc drained()). Loop thread. */
void hub_drained(struct hub_stream *s);

/** The call is over; s must not be used any more. Loop thread. */
void hub_detach(struct hub_stream *s);

/** Which servers agents use has changed: tell every stream. Any thread. */
void hub_servers_changed(struct hub *h);

/** Is a stream of this peer attached? Any thread. */
bool hub_is_connected(struct hub *h, struct rk_str account_id, struct rk_str peer_id);

/** End the stream of a peer without a message (session expired, owner blocked). Any thread. */
void hub_close_peer(struct hub *h, struct rk_str account_id, struct rk_str peer_id);

struct hub_stats { /* open */
    size_t streams;
    uint64_t sent, skipped, cut_off; /* messages, maps that were no news, slow readers */
    size_t bytes_under_way;
    size_t waiting;  /* agents whose next message is not built yet */
    int64_t took_us; /* from a change to its message, the last time; 0: none yet */
};
void hub_stats(struct hub *h, struct hub_stats *out);

#endif
