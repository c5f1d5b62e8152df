/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Relay client: a permanent connection to one home relay (the first of the configured ones that
 * dials and authenticates), shared connections to foreign relays where peers live, and one stream
 * per (relay, peer). Over WebSocket or QUIC, whichever answers first. Loop thread.
 */
#ifndef RK_AGENT_RELAY_CLIENT_H
#define RK_AGENT_RELAY_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "lib/net/addr.h"
#include "lib/net/udp.h"

struct relay_client;
struct relay_client_stream;
struct tls_ctx;

struct relay_client_user { /* embedded in the owner's struct */
    const struct relay_client_user_ops *ops;
};

struct relay_client_user_ops {
    void (*home_up)(struct relay_client_user *u); /* authenticated at a home relay (again) */
    void (*home_down)(struct relay_client_user *u,
                      const struct rk_err *why); /* lost; it reconnects */
};

enum relay_transport_mode {                       /* the words of NB_RELAY_TRANSPORT in its order */
                            RELAY_TRANSPORT_AUTO, /* both at once, the first that opens is taken */
                            RELAY_TRANSPORT_QUIC,
                            RELAY_TRANSPORT_WS,
                            RELAY_TRANSPORT_PREFER_QUIC, /* the other one when the first fails */
                            RELAY_TRANSPORT_PREFER_WS,
};

/** "auto", "quic", "ws", "prefer-quic", "prefer-ws"; anything else is auto. */
enum relay_transport_mode relay_transport_mode_parse(struct rk_str text);

#define RELAY_QUIC_MTU_MAX 1280 /* of the tunnel: longer packets do not fit into datagrams */

struct relay_client_opts { /* copied; views borrowed for the call */
    struct rk_loop *loop;
    struct rk_log *log;  /* borrowed for life, may be NULL */
    struct tls_ctx *tls; /* for rels:// URLs; borrowed for life; NULL: those fail */
    uint32_t fwmark;     /* 0: none */
    enum relay_transport_mode transport;
    int64_t mtu_bytes;          /* of the tunnel; 0: not known, QUIC may be used */
    struct rk_str own_key_text; /* base64 of our WireGuard key, 44 characters */
};

/** Owned: relay_client_close. Does nothing before it has URLs and a token. */
enum rk_code relay_client_open(const struct relay_client_opts *opts, struct relay_client_user *user,
                               struct relay_client **out, struct rk_err *err) RK_MUST;

/** Closes all connections and streams (their users are told). No callback after it has returned;
 *  handles die a loop turn later. Accepts NULL. */
void relay_client_close(struct relay_client *c);

/** Relay block of the management configuration. Replaces URLs (none: the home connection stays
 *  until lost, but no relay is offered) and token, which the next connection uses.
 *  Errors: RK_BAD_REQUEST (signature is not base64), then nothing changes. */
enum rk_code relay_client_set_config(struct relay_client *c, const struct rk_str *urls, size_t n,
                                     struct rk_str token_payload, struct rk_str token_signature,
                                     struct rk_err *err) RK_MUST;

/** Are any relay URLs configured? */
bool relay_client_has_urls(const struct relay_client *c);

/** Home relay: its own name for itself (instance URL) and the address we are connected to. False
 *  while not connected. Lent until the connection changes. */
bool relay_client_home(const struct relay_client *c, struct rk_str *instance_url, struct rk_ip *ip);

struct relay_client_status { /* one line of `rook status`; views lent until the next call into c */
    struct rk_str url;
    bool connected;
    const char *transport; /* "ws" or "quic"; "" while not connected */
    struct rk_str error;   /* empty: none yet */
};
/** The home relay, or while there is none all configured ones with why they are not; then connected
 *  foreign ones. Others that are configured are not in use: they are neither up nor down. False
 * past the end. */
bool relay_client_status_at(const struct relay_client *c, size_t i,
                            struct relay_client_status *out);

struct relay_client_stream_user { /* embedded in the owner's struct */
    const struct relay_client_stream_ops *ops;
};

struct relay_client_stream_ops {
    void (*ready)(struct relay_client_stream_user *u); /* the peer is online on that relay */
    void (*data)(struct relay_client_stream_user *u,
                 struct rk_str datagram); /* borrowed for the call */
    /** Timed out while opening, peer went offline, or connection lost. The stream is gone: last
     *  call, not made by relay_client_stream_close. */
    void (*closed)(struct relay_client_stream_user *u, const struct rk_err *why);
};

/** Open a stream to a peer (its key text) on a relay. url equal to the home instance URL means the
 *  home connection, else a foreign one is made, dialling ip first when its family is not 0.
 *  ready or closed follows, never from inside this call. Owned: relay_client_stream_close.
 *  Errors: RK_PRECONDITION (no home relay), RK_EXISTS (a stream to that peer there), RK_LIMIT. */
enum rk_code relay_client_stream_open(struct relay_client *c, struct rk_str url, struct rk_ip ip,
                                      struct rk_str peer_key_text,
                                      struct relay_client_stream_user *user,
                                      struct relay_client_stream **out, struct rk_err *err) RK_MUST;
void relay_client_stream_close(struct relay_client_stream *s); /* accepts NULL; no callback */

/** Queue WireGuard datagrams, copied once; dropped while the connection is congested or not ready.
 */
void relay_client_stream_send(struct relay_client_stream *s, const struct udp_in *v, size_t n);

/** Instance URL of the relay the stream uses. Lent. */
struct rk_str relay_client_stream_url(const struct relay_client_stream *s);

/** As mgmt_client_hurry. */
void relay_client_hurry(struct relay_client *c);

/** As mgmt_client_network. */
void relay_client_network(struct relay_client *c, const struct rk_ip *own, size_t n);

#endif
