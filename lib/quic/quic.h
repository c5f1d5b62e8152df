/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * QUIC for messages: connections that carry datagrams (RFC 9221) and nothing else, on ngtcp2 and
 * GnuTLS, which these files alone know. No sockets, no clock: datagrams and a time in, datagrams
 * out. An endpoint is one UDP port: a server that takes connections, or a client with its own.
 *
 *   UDP in ─▶ quic_endpoint_receive ─▶ connection ─▶ quic_conn_ops.datagram
 *   quic_conn_send ─▶ connection ─▶ [packets of this turn] ─quic_endpoint_flush─▶ ops.send ─▶ UDP
 *
 * The owner calls quic_endpoint_flush behind each batch of input or of sends and when the time of
 * quic_endpoint_next has come. All functions of an endpoint and its connections on one thread.
 * Times are nanoseconds of the monotonic clock.
 */
#ifndef RK_QUIC_QUIC_H
#define RK_QUIC_QUIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/metrics.h"
#include "lib/base/str.h"
#include "lib/crypto/tls.h"
#include "lib/net/addr.h"
#include "lib/net/udp.h"

#define QUIC_NEVER       INT64_MAX
#define QUIC_UDP_MAX     1500 /* bytes of the largest packet that is taken or sent */
#define QUIC_SECRET_SIZE 32
#define QUIC_ALPN_MAX    32

struct quic_conn;
struct quic_endpoint;

/* ---- one connection */

struct quic_conn_user { /* embed in your own struct */
    const struct quic_conn_ops *ops;
};

struct quic_conn_ops { /* from inside quic_endpoint_receive and quic_endpoint_flush */
    /** The handshake is done (clients; a server's connections come with it). May be NULL. */
    void (*ready)(struct quic_conn_user *u);
    /** A message; the bytes are the callee's to change during the call. */
    void (*datagram)(struct quic_conn_user *u, uint8_t *p, size_t n);
    /** After QUIC_BLOCKED: try again. */
    void (*writable)(struct quic_conn_user *u);
    /** The other side has another address now (quic_conn_peer). May be NULL. */
    void (*moved)(struct quic_conn_user *u);
    /** Last call; the connection is gone. why->code RK_OK: closed in order, by either side. */
    void (*closed)(struct quic_conn_user *u, const struct rk_err *why);
};

enum quic_sent {
    QUIC_SENT,    /* in a packet, or dropped by one that is being closed */
    QUIC_BLOCKED, /* congestion: not taken, writable() follows */
    QUIC_TOO_BIG, /* more than quic_conn_max_datagram() */
};

void quic_conn_set_user(struct quic_conn *c, struct quic_conn_user *user);

/** Send one message, in two parts (at least 1 byte). quic_endpoint_flush must follow. */
enum quic_sent quic_conn_send(struct quic_conn *c, struct rk_str head, struct rk_str body);

/** The longest message that fits now: it grows while the path's MTU is found, and falls to what
 * every path carries when longer ones are lost and none of them arrives. 0 before ready. */
size_t quic_conn_max_datagram(const struct quic_conn *c);

/** Say goodbye (application error 0) and end; closed() follows from quic_endpoint_flush, which must
 *  come. Idempotent. */
void quic_conn_close(struct quic_conn *c);

struct rk_addr quic_conn_peer(const struct quic_conn *c);

/** Clients: the local address has changed, or the socket: go on from there. RK_PRECONDITION when
 *  the handshake is not done or the server gave no address to change to. */
enum rk_code quic_conn_move(struct quic_conn *c, const struct rk_addr *local, int64_t now_ns,
                            struct rk_err *err) RK_MUST;

/* ---- an endpoint */

struct quic_endpoint_user { /* embed in your own struct */
    const struct quic_endpoint_ops *ops;
};

struct quic_endpoint_ops {
    /** Packets to send at once; borrowed for the call. */
    void (*send)(struct quic_endpoint_user *u, const struct udp_out *v, size_t n);
    /** Server: may this address begin a handshake? NULL: yes. What is refused here cannot win a
     * race of transports. */
    bool (*admit)(struct quic_endpoint_user *u, const struct rk_addr *from);
    /** Server: a client has finished its handshake. Take it with quic_conn_set_user, or refuse it
     *  with false. NULL for clients. */
    bool (*accept)(struct quic_endpoint_user *u, struct quic_conn *c);
    /** Server: a packet of a connection that another endpoint of the same port has (the first byte
     *  of its connection id is that one's index). NULL: there is one. */
    void (*foreign)(struct quic_endpoint_user *u, unsigned index, const struct udp_in *packet);
};

struct quic_limits {      /* open; zero means the default in brackets */
    size_t max_conns;     /* [50000] connections of this endpoint */
    size_t max_per_addr;  /* [max_conns / 2] of one IPv4 address or IPv6 /64; loopback and private
                             addresses are not counted: behind them are many */
    size_t max_half_open; /* [1024] handshakes under way; then the oldest gives way */
    size_t retry_from;    /* [64] from so many on, newcomers show their address first */
    int64_t handshake_ms; /* [10000] */
};

struct quic_metrics { /* lent; all may be NULL */
    struct rk_metric *accepted, *retries, *refused, *resets, *moved;
};

struct quic_endpoint_opts { /* open; copied, handles are borrowed for life */
    struct tls_ctx *tls;   /* server: certificate, read again when it was reloaded; client: roots */
    const char *alpn;      /* what both sides must name */
    const uint8_t *secret; /* server: QUIC_SECRET_SIZE bytes of which the tokens are made; the same
                              ones after a restart let clients see at once that they are gone */
    unsigned index;        /* of this endpoint among those of its port, below 256 */
    unsigned n_endpoints;  /* [1] */
    struct rk_addr local;  /* bound address; port in use */
    int64_t idle_ms;       /* silence after which a connection is over */
    int64_t keepalive_ms;  /* 0: none */
    int64_t unanswered_ms; /* 0: off; a message out and nothing in for so long: it is over */
    struct quic_limits limits; /* server */
    struct quic_metrics metrics;
};

/** Owned: quic_endpoint_free. Errors: RK_INVALID (certificate). */
enum rk_code quic_server_new(const struct quic_endpoint_opts *opts, struct quic_endpoint_user *user,
                             struct quic_endpoint **out, struct rk_err *err) RK_MUST;

/** A client's endpoint with its connection to `to`, under way; server_name is verified, and sent
 *  unless it is an IP literal. */
enum rk_code quic_client_new(const struct quic_endpoint_opts *opts, const struct rk_addr *to,
                             const char *server_name, int64_t now_ns,
                             struct quic_endpoint_user *user, struct quic_conn_user *conn_user,
                             struct quic_endpoint **out, struct quic_conn **conn,
                             struct rk_err *err) RK_MUST;

/** Connections that are left are dropped without a word, their closed() runs. Accepts NULL. */
void quic_endpoint_free(struct quic_endpoint *e);

/** Datagrams that came. The bytes may be changed. */
void quic_endpoint_receive(struct quic_endpoint *e, const struct udp_in *v, size_t n,
                           int64_t now_ns);

/** Acknowledge, retransmit, end what is over, send what waits. */
void quic_endpoint_flush(struct quic_endpoint *e, int64_t now_ns);

/** The time of what is sent before the next call with one. */
void quic_endpoint_time(struct quic_endpoint *e, int64_t now_ns);

/** When quic_endpoint_flush must be called at the latest; QUIC_NEVER. */
int64_t quic_endpoint_next(const struct quic_endpoint *e);

/** No new connections from now on. */
void quic_endpoint_stop(struct quic_endpoint *e);

size_t quic_endpoint_conns(const struct quic_endpoint *e); /* handshakes under way too */

#endif
