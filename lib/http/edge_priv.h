/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by edge.c (set-up, listeners, stop), edge_conn.c (first bytes), edge_pump.c (HTTP/1.1
 * under TLS) and edge_h2.c (HTTP/2) only. */
#ifndef RK_HTTP_EDGE_PRIV_H
#define RK_HTTP_EDGE_PRIV_H

#include <pthread.h>

#include "lib/base/budget.h"
#include "lib/base/buf.h"
#include "lib/base/list.h"
#include "lib/base/map.h"
#include "lib/http/dispatch.h"
#include "lib/http/edge.h"
#include "lib/http/edge_sniff.h"
#include "lib/http/h1_upgrade.h"
#include "lib/http/h2.h"
#include "lib/http/realip.h"
#include "lib/net/tcp.h"

enum {
    EDGE_MAX_WS = 16, /* registered WebSocket paths */
    EDGE_MAX_LISTEN = 8,
    EDGE_MAX_LOOPS = 64,
    EDGE_FINISH_MS = 5000,     /* for the last bytes of an answer */
    EDGE_LOG_EVERY_MS = 60000, /* one line per kind in this time, with an address */
    EDGE_LOG_KINDS = 64,
};

struct edge_loop;

struct edge_listener { /* one listening socket on one loop */
    struct tcp_watch watch;
    struct edge_loop *el;
    const struct edge_listen *conf;
    int fd; /* before the watch exists; -1 after */
    bool open;
    bool alone; /* accepts for all loops */
    bool given; /* by the service manager */
};

struct edge_loop { /* what belongs to one loop thread */
    struct edge *edge;
    struct rk_loop *loop;
    struct edge_listener listeners[EDGE_MAX_LISTEN];
    struct rk_list conns;
    size_t n_open; /* listeners and conns */
    int spare_fd;  /* given up to accept and close one connection when descriptors run out */
    bool stopping, finished;
    struct rk_timer *grace;
    struct rk_task start_task, stop_task;
};

struct edge_ws { /* a WebSocket path; ops NULL: /ws-proxy */
    char path[EDGE_PATH_MAX + 1];
    const struct edge_ws_ops *ops;
    void *app;
};

struct edge_stats {
    struct rk_metric *open, *accepted, *over_limit, *dropped, *tls_failed, *h2, *http1, *ws;
    struct rk_metric *proxy_active, *proxy_in, *proxy_out, *proxy_errors;
};

struct edge {
    struct edge_loop *loops;
    size_t n_loops;
    struct edge_listen listen[EDGE_MAX_LISTEN];
    size_t n_listen;
    bool one_acceptor;        /* loop 0 accepts for all, at some listener */
    bool never_shared;        /* asked for at every listener */
    _Atomic size_t next_loop; /* for sockets that are handed to some loop */
    struct tls_ctx *tls;
    struct rk_prefix *trusted;
    size_t n_trusted;
    struct edge_limits limits;
    struct rk_log *log;
    struct edge_stats stats;
    struct rk_map rpcs; /* path → struct edge_rpc */
    struct edge_rpc *unknown_rpc;
    struct edge_ws ws[EDGE_MAX_WS];
    struct rk_str ws_paths[EDGE_MAX_WS];
    size_t n_ws;
    struct rk_budget *budget;
    struct http_dispatch *dispatch; /* lent; NULL: no HTTP but gRPC */
    struct http_h1 *h1;
    edge_take_fd_fn *take;
    struct http_h1_upgrade upgrade;
    struct rk_log_gate log_gates[EDGE_LOG_KINDS];
    _Atomic size_t n_conns;
    pthread_mutex_t lock;   /* guards per_addr */
    struct rk_map per_addr; /* address or /64 → struct edge_count */
    bool started;
    int64_t grace_ms;
    void (*done)(void *arg);
    void *done_arg;
    _Atomic size_t loops_left;
};

enum edge_state {
    EC_PEEK, /* looking at the first bytes, nothing read yet */
    EC_TLS,  /* handshake */
    EC_HEAD, /* reading until we know, or until a WebSocket head is complete */
    EC_H2,
    EC_PUMP,  /* TLS ↔ socketpair ↔ lib/http/h1 */
    EC_WS,    /* belongs to a WebSocket service */
    EC_CLOSE, /* ending */
};

struct edge_conn {
    struct rk_list link; /* edge_loop.conns */
    int64_t began_ms;
    struct edge_loop *el;
    const struct edge_listen *conf;
    enum edge_state state;
    struct rk_addr peer; /* replaced by a PROXY header */
    struct rk_str addr_key;
    char addr_key_bytes[17];
    bool counted;           /* in per_addr */
    bool proxied;           /* a PROXY header was taken */
    bool answered;          /* 101 was sent by lib/http/h1 */
    struct tcp_watch watch; /* EC_PEEK */
    size_t peeked;          /* bytes that were there at the last look */
    enum edge_kind next;    /* what to do once the watch has let go of the socket */
    struct net_conn *conn;
    struct net_conn_user user;
    struct net_conn_hook hook;
    struct rk_timer *timer;
    struct rk_buf head; /* EC_HEAD */
    struct edge_h2_conn *h2;
};

/** edge_conn.c: a new connection on its loop; fd is taken. */
void edge_conn_accept(struct edge_loop *el, int fd, const struct rk_addr *peer,
                      const struct edge_listen *conf);
/** A WebSocket that lib/http/h1 has answered with 101: head_n bytes of request head, then data. */
void edge_conn_upgraded(struct edge_loop *el, int fd, const struct rk_addr *peer,
                        struct rk_str bytes, size_t head_n);
/** End it now, whatever state it is in. why NULL: not worth a log line. */
void edge_conn_drop(struct edge_conn *c, const char *why);
/** Timer of the first moments. */
void edge_conn_timeout(void *arg);
/** The last step: forget it. */
void edge_conn_gone(struct edge_conn *c);

/** edge_h2.c. `in`: what has been read already. */
void edge_h2_start(struct edge_conn *c, struct rk_str in);
void edge_h2_shutdown(struct edge_conn *c);
/** Nobody known is behind it, and it has done nothing for ms. */
bool edge_h2_idle(const struct edge_conn *c, int64_t ms);
/** A conn whose WebSocket head was answered with 101. */
void edge_ws_proxy_start(struct edge_conn *c, const struct rk_addr *client, struct rk_str in);

/** edge_rest.c. Requests over HTTP/2 that are not gRPC, for lib/http/dispatch. */
struct edge_rest_conn {     /* embedded in the connection */
    struct rk_list waiting; /* complete requests that are not begun yet */
    size_t n_out;           /* requests with a pool */
    size_t held;            /* bytes of answers that have not left */
    size_t expect;          /* bytes of the next answer, by experience */
    bool learned;           /* … of which there is some */
    bool many;              /* behind this connection are many clients, as far as we know */
    struct rk_task next;
    struct rk_loop *loop;
};
void edge_rest_conn_init(struct edge_rest_conn *rc, struct rk_loop *loop, bool many);
void edge_rest_conn_done(struct edge_rest_conn *rc); /* after all streams */
void edge_rest_start(struct edge_loop *el, struct edge_rest_conn *conn, const struct rk_addr *peer,
                     bool https, struct h2_stream *s);

/** edge_pump.c. Give a connection with unread or already read bytes to lib/http/h1. */
void edge_pump_start(struct edge_conn *c, struct rk_str in);

/** edge.c. One open connection or listener of this loop is gone. */
void edge_loop_less(struct edge_loop *el);
/** Count a connection against the limits; false: too many, *why says which. */
bool edge_count_add(struct edge_conn *c, const char **why);
void edge_count_del(struct edge_conn *c);
bool edge_trusts(const struct edge *e, const struct rk_addr *peer);
/** The gate of what is said about this kind of trouble, by its text. */
struct rk_log_gate *edge_log_gate(struct edge *e, const char *kind);

#endif
