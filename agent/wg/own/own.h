/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct wgo: rook as a WireGuard device: the protocol (agent/wg/core) between a TUN interface and
 * UDP sockets, with threads of its own, so that neither the agent's loop waits for packets nor
 * packets for the loop.
 *
 *    kernel           worker threads (one per core, up to 4)                    network
 *   TUN queue i --read--> split (TSO) -> seal -> batch --sendmmsg, UDP_SEGMENT--> socket i
 *   TUN queue i <--writev- join (GRO) <- open <- classify <--recvmmsg, UDP_GRO--- socket i
 *                                                  |  |
 *                     handshake messages, bounded  |  |  STUN and the rest, relayed batches
 *                           control thread <-------+  +-------> loop thread (ICE, relay)
 *                 (handshakes, timers: X25519 is                 its batches come back to a worker
 *                  never on the way of data)
 *
 * Locks: core_lock for the core, queue_lock for what threads hand to each other; never both. The
 * doorbell to the loop is a posted task, to a worker an eventfd, to control a condition.
 * All functions: loop thread.
 */
#ifndef RK_AGENT_WG_OWN_OWN_H
#define RK_AGENT_WG_OWN_OWN_H

#include "agent/wg/device.h"
#include "agent/wg/port.h"

struct wgo;

struct wgo_opts { /* texts are copied */
    struct rk_loop *loop;
    struct rk_log *log; /* borrowed for life */
    const char *name;   /* of the interface */
    size_t workers;     /* 0: as many as there are cores, at most 4 */
};

/** Make the interface (down, without addresses). Nothing runs before a change sets the port.
 *  Errors: RK_EXISTS, RK_FORBIDDEN, RK_PRECONDITION (no TUN), RK_UNAVAILABLE (no crypto). */
enum rk_code wgo_new(const struct wgo_opts *o, struct wgo **out, struct rk_err *err) RK_MUST;

/** Threads end, the interface goes. closed(arg) comes on a later turn; d is gone then. */
void wgo_close(struct wgo *d, void (*closed)(void *arg), void *arg);

/** Errors: RK_INVALID, RK_UNAVAILABLE (the port is taken). */
enum rk_code wgo_apply(struct wgo *d, const struct wg_change *c, struct rk_err *err) RK_MUST;
enum rk_code wgo_read(struct wgo *d, struct rk_arena *mem, struct wg_state *out,
                      struct rk_err *err) RK_MUST;

/** From now on packets of peers come in by these rules only, as do answers to what this host sends;
 *  see filter.h. */
struct wgo_filter_rules;
void wgo_filter_rules(struct wgo *d, const struct wgo_filter_rules *r);

/** Its port, to share; lent for life. */
struct wg_port *wgo_port(struct wgo *d);

#endif
