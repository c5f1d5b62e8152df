/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The edge: one TCP port for everything. N loops, each with its own SO_REUSEPORT listener; a
 * connection belongs to the loop that accepted it for life.
 *
 *   accept ─▶ limits ─▶ [PROXY header, only from trusted proxies] ─▶ [TLS, ALPN] ─▶ look at bytes:
 *     HTTP/2 preface ─▶ lib/http/h2 ─▶ by :path ─▶ edge_rpc (gRPC, lib/grpc/server)
 *                                       └─ others ─▶ lib/http/dispatch
 *     GET of a registered path ─▶ WebSocket handshake ─▶ edge_ws_ops (relay, /ws-proxy)
 *     other HTTP/1.x ─▶ the socket, or under TLS one end of a socketpair, to lib/http/h1
 *                       (which gives requests to lib/http/dispatch as well)
 *     anything else ─▶ closed, one log line
 *
 * Order of use: edge_new, edge_add_*, edge_set_*, edge_start, …, edge_stop, edge_free.
 */
#ifndef RK_HTTP_EDGE_H
#define RK_HTTP_EDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/budget.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/metrics.h"
#include "lib/base/str.h"
#include "lib/crypto/tls.h"
#include "lib/net/addr.h"
#include "lib/net/transport.h"

struct edge;
struct h2_stream;
struct http_dispatch;
struct http_h1;

struct edge_listen {     /* open */
    struct rk_addr addr; /* family 0: all addresses, IPv6 and IPv4; port 0: any free one */
    bool tls;            /* needs edge_opts.cert_file */
    bool proxy_protocol; /* trusted proxies may send a PROXY v1/v2 header */
};

struct edge_limits {            /* open; zero means the default in brackets */
    size_t max_conns;           /* [20000] open connections of all loops */
    size_t max_conns_per_addr;  /* [half of max_conns] of one IPv4 address or IPv6 /64; loopback,
                                   private addresses and trusted proxies are not counted: behind
                                   them are many */
    int64_t header_timeout_ms;  /* [10000] from accept to a complete TLS handshake and head */
    int64_t idle_timeout_ms;    /* [600000] HTTP/2 connection without streams */
    int64_t request_timeout_ms; /* [30000] HTTP/2: from the head of a request, or the first byte of
                                   a gRPC message, to its end */
    int64_t stall_timeout_ms;   /* [30000] HTTP/2: for H2_STALL_BYTES of an answer to leave */
    int64_t ping_after_ms;      /* [60000] HTTP/2: silence before the server pings */
    int64_t ping_timeout_ms;    /* [20000] HTTP/2: no answer to that ping */
    uint32_t max_streams;       /* [250] concurrent HTTP/2 streams of a connection */
    size_t max_header_bytes;    /* [16384] header list of one request */
    size_t max_conn_recv_bytes; /* [16 MiB] unfinished messages buffered per connection */
    size_t max_stream_queued_bytes; /* [64 MiB] unsent bytes of one stream; beyond: reset */
    size_t max_held_bytes;          /* [128 MiB] unfinished requests and unsent answers of all */
    size_t max_held_bytes_per_addr; /* [32 MiB] … of one IPv4 address or IPv6 /64; private ones are
                                       not counted */
};

struct edge_opts {                /* open; borrowed during edge_new, arrays and texts are copied */
    struct rk_loop *const *loops; /* lent until edge_free; running or not yet */
    size_t n_loops;
    const struct edge_listen *listen;
    size_t n_listen;
    const char *cert_file, *key_file; /* PEM; NULL: no TLS */
    const struct rk_prefix *trusted;  /* proxies whose X-Forwarded-For, X-Real-IP and PROXY header
                                         are believed; nobody by default */
    size_t n_trusted;
    bool single_acceptor; /* one listener for all loops (also done where the kernel cannot
                             share a port) */
    struct edge_limits limits;
    struct rk_log *log;         /* may be NULL */
    struct rk_metrics *metrics; /* may be NULL */
};

/** Binds nothing yet. Owned: edge_free. Errors: RK_INVALID (options, certificate files). */
enum rk_code edge_new(const struct edge_opts *opts, struct edge **out, struct rk_err *err) RK_MUST;

/**
 * A handler of HTTP/2 requests by exact :path. Used by lib/grpc/server: services call
 * edge_add_grpc() there. begin runs on the connection's loop once the request headers are complete
 * and must attach a user to the stream (lib/http/h2.h). The edge owns `rpc` and calls destroy in
 * edge_free.
 */
struct edge_rpc {
    void (*begin)(struct edge_rpc *rpc, struct h2_stream *s);
    void (*destroy)(struct edge_rpc *rpc); /* may be NULL */
};

/** What the edge knows about an HTTP/2 connection: h2_session_data() of its sessions. */
struct edge_h2_info { /* open */
    struct edge *edge;
    struct rk_loop *loop;
    struct rk_addr peer;              /* the socket's other end, or what a PROXY header says */
    size_t recv_bytes;                /* of unfinished messages; handlers keep the count */
    struct rk_budget_share held;      /* bytes that gRPC calls hold; by edge_h2_hold */
    bool many;                        /* a trusted proxy, or a private address: many clients */
    bool known;                       /* a caller has shown who it is: by edge_h2_known */
    const struct edge_limits *limits; /* defaults filled in */
    struct rk_log *log;               /* may be NULL */
};
struct edge_h2_info *edge_h2_info(const struct h2_stream *s);

/** A call's bytes of this connection have become `now` from `before`. */
enum rk_budget_level edge_h2_hold(struct edge_h2_info *info, size_t before, size_t now);

/** A caller on this connection has shown who it is: its place is given away last. */
void edge_h2_known(struct edge_h2_info *info);

/** The client of one request by X-Forwarded-For and X-Real-IP, if the peer is a trusted proxy. */
struct rk_addr edge_client_addr(const struct h2_stream *s);

/** path NULL: requests with content-type application/grpc whose path nobody has registered.
 *  Errors: RK_EXISTS. */
enum rk_code edge_add_rpc(struct edge *e, const char *path, struct edge_rpc *rpc,
                          struct rk_err *err) RK_MUST;
bool edge_has_rpc(const struct edge *e, const char *path);

/** Every path that was registered, gRPC methods and WebSockets. path is lent for the call. */
void edge_paths(const struct edge *e, void (*each)(void *arg, struct rk_str path, bool websocket),
                void *arg);

/** What the edge knows about a WebSocket client. */
struct edge_ws_req { /* open; borrowed during accept() */
    struct net_conn *conn;
    struct rk_addr peer;   /* the socket's other end */
    struct rk_addr client; /* behind trusted proxies the client they report, else = peer */
    struct rk_str head;    /* request head up to and with the empty line */
    struct rk_str rest;    /* bytes already read behind it */
    struct rk_log *log;    /* may be NULL */
};

struct edge_ws_ops {
    /** An upgrade request was checked and answered with 101; from now on the conn is the callee's:
     *  it must call net_conn_set_user() in here, treat `rest` as its first input, and sees
     *  closed() last. Loop thread of the conn. */
    void (*accept)(void *app, const struct edge_ws_req *req);
};
/** Exact path, at most 64 bytes. ops is static. Errors: RK_EXISTS, RK_INVALID. */
enum rk_code edge_add_ws(struct edge *e, const char *path, const struct edge_ws_ops *ops, void *app,
                         struct rk_err *err) RK_MUST;

/** Offer `path` ("/ws-proxy/management") as WebSocket that carries raw HTTP/2 into the same
 *  handlers. Errors: RK_EXISTS, RK_INVALID. */
enum rk_code edge_add_ws_proxy(struct edge *e, const char *path, struct rk_err *err) RK_MUST;

/** Where requests go that are not gRPC: those over HTTP/2 to d, HTTP/1.x connections to h1
 * (http_h1_take_fd). NULL: 404. Both are lent until edge_free; h1 asks the edge about paths and
 * gives WebSocket upgrades on reused connections back to it: edge_free comes after http_h1_stop,
 * and the loops must still turn then. Which of both stops first is free. */
typedef enum rk_code edge_take_fd_fn(struct http_h1 *h1, int fd, const struct rk_addr *peer,
                                     bool https, struct rk_err *err);
void edge_set_http(struct edge *e, struct http_dispatch *d, struct http_h1 *h1,
                   edge_take_fd_fn *take);

/** What strangers may make this edge and all behind it keep. Lent; for http_dispatch_opts. */
struct rk_budget *edge_budget(const struct edge *e);

/** Bind all listeners (on the calling thread, so that "address in use" is reported here) and start
 *  accepting on the loops. Errors: RK_UNAVAILABLE naming the address. */
enum rk_code edge_start(struct edge *e, struct rk_err *err) RK_MUST;

/** Port of listener i after edge_start (useful with port 0); 0 if it does not exist. */
uint16_t edge_port(const struct edge *e, size_t i);

/** Read the certificate files again (SIGHUP). Any thread; blocks on files. On an error the old
 *  certificate stays. RK_OK without TLS. */
enum rk_code edge_reload_tls(struct edge *e, struct rk_err *err) RK_MUST;

/** The server's TLS context, for a listener beside the edge; NULL without TLS. Lent. */
struct tls_ctx *edge_tls(const struct edge *e);

/** When the certificate ends, ms since 1970; 0 without TLS. Any thread. */
int64_t edge_cert_not_after_ms(const struct edge *e);

/**
 * Stop accepting, send GOAWAY, let unary calls end for up to grace_ms, then close everything. done
 * runs once on some loop of the edge, after the last connection is gone; sockets handed to
 * lib/http/h1 are not waited for. The loops must turn until then. Any thread; once.
 */
void edge_stop(struct edge *e, int64_t grace_ms, void (*done)(void *arg), void *arg);
void edge_free(struct edge *e); /* after done, or never started; accepts NULL */

/** Open connections, for health pages and tests. Any thread. */
size_t edge_conns(const struct edge *e);

#endif
