/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct peers: the remote peers of this agent. The network map's list against what we have, by
 * sort and sweep; one connection (agent/peer) for each; and the WireGuard device with what it shall
 * hold. What a connection asks of WireGuard ends here, and nobody else changes the device.
 *
 *   engine --apply, signal--> peers --> peers.c         the table, the map's list
 *                               |  \--> peers_device.c  device, wishes, a picture of its counters
 *                               '-----> peers_status.c  what status shows
 *
 * Loop thread. The three callbacks about the device never run inside the function that causes them;
 * the others are called inside and may ask back, but not apply, clear, close or free.
 */
#ifndef RK_AGENT_ENGINE_PEERS_H
#define RK_AGENT_ENGINE_PEERS_H

#include <jansson.h>

#include "agent/client/signal_msg.h"
#include "agent/config/options.h"
#include "agent/config/profile.h"
#include "agent/config/state.h"
#include "agent/engine/events.h"
#include "agent/engine/route_set.h"
#include "agent/os/nl.h"
#include "agent/peer/conn.h"
#include "agent/wg/device.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "schema/gen/management.pb-c.h"

/* A network of more peers than this is refused as a whole: something is wrong. */
#define PEERS_MAX 100000
/* Allowed addresses that one peer may bring in a map. */
#define PEERS_ALLOWED_MAX 1024

struct peers;

struct peers_user { /* embedded in the owner's struct */
    const struct peers_ops *ops;
};

struct peers_ops {
    /** As of struct wg_device_ops; opened never comes after peers_stop. After closed there is no
     *  device, and peers_free may be called inside. */
    void (*opened)(struct peers_user *u, const struct rk_err *failed);
    void (*lost)(struct peers_user *u, const struct rk_err *why);
    void (*closed)(struct peers_user *u);
    /** What peers_route answers has changed, or a peer came to the device anew and has none of the
     *  networks that it carried: choose again, on a later turn (peers change in bursts). */
    void (*choose)(struct peers_user *u);
    /** What status shows has changed. */
    void (*changed)(struct peers_user *u);
    /** Packets of ours will go to this address outside the overlay. */
    void (*bypass)(struct peers_user *u, const struct rk_ip *ip);
    /** The device did not take something: call peers_reconcile soon. */
    void (*refused)(struct peers_user *u);
    /** For status: an array of the networks that a peer carries. The array is given away. */
    json_t *(*networks)(struct peers_user *u, const struct rk_key *key);
};

struct peers_opts { /* copied; handles borrowed until freed */
    struct rk_loop *loop;
    struct rk_log *log;
    struct nl_sock *route;
    struct state *state;           /* the device is entered here as long as it exists */
    const struct profile *profile; /* private and pre-shared key, port and name of the interface */
    const struct daemon_opts *daemon;
    struct events *events; /* may be NULL */
    struct rk_key own_key; /* public: an entry of ours in the map is no peer */
    uint32_t mark;         /* of WireGuard's own packets; 0: none */
};

/** Owned: peers_free, when there is no device (never opened, or after closed). */
struct peers *peers_new(const struct peers_opts *o, struct peers_user *u);
void peers_free(struct peers *t); /* accepts NULL */

/* ---- the device */

/** Make it; opened follows. Once. */
void peers_open(struct peers *t);

/** After opened: keys, mark, port, and no peers. The configured port unless somebody has it: then
 *  another is taken, and offers tell which. */
enum rk_code peers_configure(struct peers *t, struct rk_err *err) RK_MUST;

/** The device's UDP port, known only once the link is up: the kernel's WireGuard binds no earlier.
 *  RK_UNAVAILABLE when it has none. */
enum rk_code peers_port(struct peers *t, uint16_t *port, struct rk_err *err) RK_MUST;

/** From opened until closed; else NULL. Lent; for reading and for wg_device_share. */
struct wg_device *peers_device(const struct peers *t);

/** From here on the device is told nothing more: it goes as a whole. Idempotent. */
void peers_stop(struct peers *t);

/** After peers_stop and peers_clear: closed follows. False: there is no device to close. */
bool peers_close(struct peers *t);

/* ---- the peers */

/** Peers may come from now on. env: what their connections share, lent until peers_clear. v6: we
 *  have an IPv6 address ourselves; else those of peers are left out. */
void peers_up(struct peers *t, struct peer_conn_env *env, bool v6);

/** Make the table what the map says: what is gone or has changed is dropped, what is new is added,
 *  the rest is not disturbed. A bad entry is left out and told to people. Errors: RK_LIMIT (too
 *  many: nothing is changed); the last one of a peer that could not be added: the others are. */
enum rk_code peers_apply(struct peers *t, const Management__NetworkMap *map,
                         struct rk_err *err) RK_MUST;

/** Drop them all. Idempotent. */
void peers_clear(struct peers *t);

/** A signal message; one of a peer that is not in the map yet is kept for a while (see early.h). */
void peers_on_signal(struct peers *t, const struct rk_key *from, const struct signal_msg *msg);

size_t peers_count(const struct peers *t);

/* ---- questions and wishes of others */

/** For the choice of who carries a network. */
struct route_peer peers_route(const struct peers *t, const struct rk_key *key);

/** Traffic for a prefix goes to this peer, or (on false) no longer; told by the next flush. */
void peers_carry(struct peers *t, const struct rk_key *key, const struct rk_prefix *p, bool on);

/** Tell the device what was wished since the last time. On an error it is wished again. */
enum rk_code peers_flush(struct peers *t, struct rk_err *err) RK_MUST;

/** Compare the device with the wishes and correct it; *fixed: how many peers were wrong. */
enum rk_code peers_reconcile(struct peers *t, size_t *fixed, struct rk_err *err) RK_MUST;

/** The first overlay address of a peer; false: no such peer. */
bool peers_address(const struct peers *t, const struct rk_key *key, struct rk_ip *out);

/** Is this the address of a peer that is not connected now? */
bool peers_away(const struct peers *t, const struct rk_ip *ip);

/** "peers" of status: {total, connected, details}, by address, those that are offline last; names
 *  as official agents use them. Owned by the caller. */
json_t *peers_json(struct peers *t);

#endif
