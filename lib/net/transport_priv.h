/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by transport.c (life), transport_dial.c (connecting), transport_recv.c and
 * transport_send.c only. All functions: loop thread of the conn. */
#ifndef RK_NET_TRANSPORT_PRIV_H
#define RK_NET_TRANSPORT_PRIV_H

#include "lib/base/buf.h"
#include "lib/net/tcp.h"
#include "lib/net/transport.h"

enum {
    NET_READ_BYTES = 64 * 1024, /* one recv; on the stack */
    NET_READ_LEAST = 2 * 1024,
    NET_PLAIN_BYTES = 16 * 1024,  /* one TLS record */
    NET_CIPHER_MAX = 1024 * 1024, /* ceiling of that buffer: records, alerts, handshake */
};

#if defined(__has_attribute) && __has_attribute(uninitialized)
#define NO_INIT                                                                                    \
    __attribute__((uninitialized)) /* big buffers: zeroing would cost more than recv               \
                                    */
#else
#define NO_INIT
#endif

enum net_state { ST_RESOLVE, ST_CONNECT, ST_HANDSHAKE, ST_OPEN, ST_CLOSING };

/* A piece of the send queue: own bytes, or a slice of shared ones. */
struct net_chunk {
    struct rk_list link;
    struct rk_bytes *shared; /* reference, or NULL: own */
    size_t off, end;         /* unsent part */
    size_t cap;              /* own: room in data */
    char data[];
};

struct net_dial { /* what connecting needs: as much as all the rest */
    struct net_conn *conn;
    char *sni, *alpn;
    int64_t deadline_ms; /* loop time; end of connecting */
    struct tcp_resolve resolve;
    struct rk_addr addrs[TCP_RESOLVE_MAX];
    size_t n_addrs, next_addr;
    uint32_t fwmark;
    int64_t dead_ms;
    enum rk_code (*socket_hook)(void *arg, int fd, struct rk_err *err);
    void *hook_arg;
    struct rk_err err; /* of the last address */
};

struct net_conn {
    struct rk_loop *loop;
    struct net_conn_user *user;
    struct net_conn_hook *hook; /* lent or NULL */
    enum net_state state;
    struct tcp_watch watch;
    bool watch_open;
    bool paused;
    bool finishing; /* close once the queue is empty */
    bool linger;    /* … and let the peer close first */
    bool draining;  /* … for which we wait; input is thrown away */
    bool above_low; /* drained() is owed */
    bool blocked;   /* the socket took no more: wait for writable */
    struct rk_list queue;
    size_t queue_bytes;
    size_t low_water;
    size_t read_max; /* bytes of one recv */
    struct tls_sess *tls;
    struct tls_sess_user tls_user;
    struct tls_ctx *tls_ctx; /* for connecting; lent */
    struct rk_buf cipher;    /* for the socket */
    size_t cipher_off;
    struct rk_buf stash;  /* received while paused */
    struct rk_task turn;  /* deferred: flush, and continue after resume */
    struct rk_task shake; /* queued: a handshake of a server waits for its turn */
    bool shaking;         /* which it has */
    bool resumed;
    struct rk_timer *timer;
    int64_t last_rx_ms;
    struct rk_addr peer;
    struct net_dial *dial; /* of a connection that we open, until it is open; owned */
    bool resolving;
    struct rk_err *err; /* why it ends; owned; NULL: orderly */
};

/* transport.c */
struct net_conn *net_conn_new(struct rk_loop *loop, struct net_conn_user *user);
void net_conn_end(struct net_conn *c, const struct rk_err *why); /* NULL or RK_OK: orderly */
void net_conn_fail_errno(struct net_conn *c, enum rk_code code, int errnum, const char *what);
void net_conn_release(struct net_conn *c); /* once nothing is open any more */
void net_conn_timeout(void *arg);
enum rk_code net_conn_watch(struct net_conn *c, int fd, struct rk_err *err) RK_MUST;
void net_conn_update_watch(struct net_conn *c);

/* transport_dial.c */
void net_dial_free(struct net_conn *c); /* nothing resolves any more */
void net_conn_try_next(struct net_conn *c);
void net_conn_next_after(struct net_conn *c, int errnum);
void net_conn_connected(struct net_conn *c);

/* transport_recv.c */
void net_conn_readable(struct net_conn *c);
bool net_conn_handshake(struct net_conn *c); /* false: closing */
void net_conn_shake(struct rk_task *t);

/* transport_send.c */
bool net_conn_flush(struct net_conn *c); /* write what the socket takes; false: closing */
ssize_t net_conn_flush_cipher(struct net_conn *c);
void net_conn_tell_drained(struct net_conn *c);
void net_conn_turn(struct rk_task *t);
void net_conn_tls_output(struct tls_sess_user *u, struct rk_str s);
void net_chunk_free(struct net_chunk *k);

#endif
