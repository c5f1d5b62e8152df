/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connection to one remote peer: offers and answers, the relayed and the direct path in parallel,
 * and a loopback proxy that WireGuard talks to, so its endpoint stays the same while paths change.
 *
 *   WireGuard 127.0.0.1:wg <-> proxy socket of this peer <-+-> imux (direct, after ICE)
 *                                                          +-> relay_client_stream (relay)
 *
 * The engine owns one pconn per peer and a peer_conn_env for all; it embeds a peer_conn_user in its
 * own struct of a peer. All on one loop thread; callbacks may call back in, but not peer_conn_free.
 */
#ifndef RK_AGENT_PEER_CONN_H
#define RK_AGENT_PEER_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/client/signal_msg.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "lib/crypto/secret.h"
#include "lib/net/addr.h"

struct ice_mux;
struct wg_port;
struct relay_client;
struct signal_client;
struct peer_conn;
struct peer_conn_env;

/* ---- what all peers share */

struct peer_conn_env_opts { /* copied; handles borrowed for the life of the env */
    struct rk_loop *loop;
    struct rk_log *log;     /* may be NULL */
    struct ice_mux *mux;    /* public socket; may be NULL with force_relay */
    struct wg_port *shared; /* WireGuard's port is the public one: direct paths are the device's;
                               NULL: all packets pass through proxies */
    struct signal_client *signal; /* see peer_conn_env_signal_ready */
    struct relay_client *relay;   /* see peer_conn_env_relay_ready */
    struct rk_key own_key;        /* public */
    struct rk_str version;        /* our agent version, as announced */
    struct rk_addr wg_addr;       /* where the WireGuard device listens: 127.0.0.1:port */
    uint16_t mtu;                 /* of the WireGuard interface */
    bool force_relay;             /* no ICE at all */
    bool turn_only;               /* ICE by TURN servers alone, to peers without a relay */
    int64_t idle_ms;              /* of no traffic end a lazy connection; 0: 15 min */
};

enum rk_code peer_conn_env_new(const struct peer_conn_env_opts *opts, struct peer_conn_env **out,
                               struct rk_err *err) RK_MUST;
void peer_conn_env_free(struct peer_conn_env *e); /* after all its pconns; accepts NULL */

/** The engine forwards these events of its signal and relay clients (signal_client_user.ready,
 *  relay_client_user.home_up): peers that are not fully connected offer anew. */
void peer_conn_env_signal_ready(struct peer_conn_env *e);
void peer_conn_env_relay_ready(struct peer_conn_env *e);

/** And of the network monitor: direct paths that leave from another address now begin a new
 *  session at once, all of them when the host has slept; others stay. */
void peer_conn_env_network_changed(struct peer_conn_env *e, bool slept);

/** Lazy connections allowed (flag of the peer configuration)? Default no. A change closes or opens
 *  the peers concerned. */
void peer_conn_env_set_lazy(struct peer_conn_env *e, bool on);

/* ---- what the engine does for a peer */

struct peer_conn_user { /* embedded in the engine's peer */
    const struct peer_conn_user_ops *ops;
};

struct peer_conn_wg_stats {
    int64_t last_handshake_unix_ms; /* 0: never */
    uint64_t rx_bytes, tx_bytes;
};

struct peer_conn_user_ops {
    /** Add the peer to the WireGuard device or update it: allowed addresses and preshared key are
     *  the engine's, endpoint (NULL: leave as it is, none if new) and keepalive (0: off) ours. */
    enum rk_code (*wg_set)(struct peer_conn_user *u, const struct rk_addr *endpoint,
                           uint16_t keepalive_s, struct rk_err *err);
    /** Remove and add again without an endpoint, so that the session is forgotten. */
    enum rk_code (*wg_forget)(struct peer_conn_user *u, struct rk_err *err);
    /** Remove the peer from the device. */
    void (*wg_remove)(struct peer_conn_user *u);
    /** false: not readable now. May answer from a picture up to 1 s old. */
    bool (*wg_stats)(struct peer_conn_user *u, struct peer_conn_wg_stats *out);
    /** peer_conn_status would answer differently now. Optional. */
    void (*changed)(struct peer_conn_user *u);
};

struct peer_conn_opts {           /* copied */
    struct rk_key key;            /* the remote's public key */
    struct rk_str remote_version; /* agent version by the map; decides about lazy; may be empty */
    bool never_lazy;              /* keep open in any case */
};

/** New connection; opens at once, or waits for traffic when lazy. wg_set is called from inside.
 *  Owned: peer_conn_free. Errors: no socket left. */
enum rk_code peer_conn_new(struct peer_conn_env *e, const struct peer_conn_opts *opts,
                           struct peer_conn_user *user, struct peer_conn **out,
                           struct rk_err *err) RK_MUST;

/** Closes everything and calls wg_remove; no callback after it has returned. Accepts NULL. Not from
 *  inside a pconn callback. */
void peer_conn_free(struct peer_conn *p);

/** A signal message from this peer (any type); borrowed for the call. */
void peer_conn_on_signal(struct peer_conn *p, const struct signal_msg *msg);

/** Open now if it is waiting for traffic (ha groups, DNS warm-up). */
void peer_conn_wake(struct peer_conn *p);

enum peer_conn_state { PEER_CONN_IDLE, PEER_CONN_CONNECTING, PEER_CONN_CONNECTED };
enum peer_conn_path {
    PEER_CONN_PATH_NONE = 0,
    PEER_CONN_PATH_RELAY = 1,
    PEER_CONN_PATH_DIRECT = 3
};

struct peer_conn_status { /* views lent until the next loop turn */
    enum peer_conn_state state;
    enum peer_conn_path path;
    int64_t changed_unix_ms;                /* last change of state or path; 0: never */
    struct rk_str local_type, remote_type;  /* "host", "srflx", "prflx"; empty unless direct */
    struct rk_addr local_addr, remote_addr; /* of the selected pair; family 0 unless direct */
    struct rk_str relay_url;                /* of the open relay stream; empty: none */
    int64_t latency_us;                     /* round trip of the direct path; 0: unknown */
    uint64_t rx_bytes, tx_bytes;            /* WireGuard datagrams seen by the proxy */
};
void peer_conn_status(const struct peer_conn *p, struct peer_conn_status *out);

const char *peer_conn_state_name(enum peer_conn_state s); /* "Idle", "Connecting", "Connected" */

#endif
