/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct net_conn: a byte stream over TCP, clear or TLS, on one loop for life.
 *
 *   user --send--> [queue of copies and references] --end of the loop turn--> [TLS] --writev--> fd
 *   user <--data-- [TLS] <--recv-- fd          (paused: nothing is read)
 *
 * The user embeds struct net_conn_user and recovers its own struct with rk_container_of. A callback
 * never runs inside net_conn_connect/adopt/send/close. All functions: loop thread of the conn.
 */
#ifndef RK_NET_TRANSPORT_H
#define RK_NET_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/bytes.h"
#include "lib/base/err.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "lib/crypto/tls.h"
#include "lib/net/addr.h"

struct net_conn;
struct net_conn_user;

struct net_conn_ops { /* opened and drained may be NULL */
    /** Ready to use: connected and, with TLS, hands shaken. Not called for clear adopted sockets
     *  that were connected already (net_conn_adopt without TLS). */
    void (*opened)(struct net_conn_user *u);
    /** Plaintext came; borrowed during the call. The callee may send, pause, close, switch the
     *  user (the rest of what has been read goes to the new one). */
    void (*data)(struct net_conn_user *u, struct rk_str in);
    /** The send queue has fallen to the low water mark after having been above it. */
    void (*drained)(struct net_conn_user *u);
    /** Exactly once, last; the conn is gone when this returns. RK_OK: end of stream by the peer or
     *  closed by us; else what went wrong. Also reports that connecting failed. */
    void (*closed)(struct net_conn_user *u, const struct rk_err *why);
};

struct net_conn_user {
    const struct net_conn_ops *ops;
};

struct net_connect_opts { /* open; borrowed during the call (texts are copied) */
    const char *host;     /* name or IP literal; resolved off the loop */
    uint16_t port;        /* all addresses of the name are tried in turn */
    struct tls_ctx *tls;  /* NULL: clear text; borrowed until closed */
    const char *sni;      /* name to verify; NULL: host */
    const char *alpn;     /* "h2", "http/1.1,h2" …; NULL: none */
    int64_t timeout_ms;   /* for everything up to opened; 0: 30 s */
    uint32_t fwmark;      /* SO_MARK; 0: none */
    int64_t dead_ms;      /* see tcp_dead_after; 0: a minute or more */
    /** Optional: more socket options before connect (bind to a device …). */
    enum rk_code (*socket_hook)(void *arg, int fd, struct rk_err *err);
    void *hook_arg;
};

/** Start connecting. *out is valid until closed() returns. Errors at once: RK_INVALID (bad
 *  options); everything later comes by closed(). */
enum rk_code net_conn_connect(struct rk_loop *loop, const struct net_connect_opts *opts,
                              struct net_conn_user *user, struct net_conn **out,
                              struct rk_err *err) RK_MUST;

/** Take over a connected stream socket (accepted, socketpair). fd is taken, also on error. tls:
 *  server side handshake first (then opened()); NULL: clear, usable at once. */
enum rk_code net_conn_adopt(struct rk_loop *loop, int fd, const struct rk_addr *peer,
                            struct tls_ctx *tls, struct net_conn_user *user, struct net_conn **out,
                            struct rk_err *err) RK_MUST;

/** Queue a copy. Small pieces are joined; what is queued in one loop turn leaves in one writev or
 *  in full TLS records. Ignored once closing. More than NET_CONN_MAX_QUEUED waiting closes the
 *  connection with RK_LIMIT: look at net_conn_queued before. */
void net_conn_send(struct net_conn *c, struct rk_str s);
void net_conn_sendv(struct net_conn *c, const struct rk_str *v, size_t n);

/** Queue bytes [off, off+n) of b without a copy; takes a reference of its own. */
void net_conn_send_bytes(struct net_conn *c, struct rk_bytes *b, size_t off, size_t n);

/** Write what waits now and not at the end of the loop turn, if it is at least this much: while the
 *  bytes are still in the processor's cache. No callback runs inside. */
#define NET_CONN_PUSH_BYTES ((size_t)16 << 10)
void net_conn_push(struct net_conn *c);

/** Bytes not yet taken by the socket (plaintext plus ciphertext). */
size_t net_conn_queued(const struct net_conn *c);

#define NET_CONN_MAX_QUEUED ((size_t)256 << 20)

/** Mark for drained(); default 16 KiB. */
void net_conn_set_low_water(struct net_conn *c, size_t bytes);

/** Stop and continue reading: back-pressure towards the peer. End of stream is noticed after
 *  resume; a write error at once. */
void net_conn_pause(struct net_conn *c);
void net_conn_resume(struct net_conn *c);

/** Read at most n bytes (2 KiB to 64 KiB, the default) at a time before others have their turn. */
void net_conn_set_read_max(struct net_conn *c, size_t n);

/** Close now; unsent bytes are tried once, then dropped. closed() follows. Idempotent. */
void net_conn_close(struct net_conn *c);

/** Close, telling this reason to closed(). */
void net_conn_fail(struct net_conn *c, const struct rk_err *why);

/** Send what is queued, then close; at most timeout_ms. Nothing more is read. */
void net_conn_finish(struct net_conn *c, int64_t timeout_ms);

/** Hand the conn to another user: later callbacks go there. */
void net_conn_set_user(struct net_conn *c, struct net_conn_user *user);

/** For whoever keeps count of connections whose users it does not know: gone() runs after closed().
 *  One per conn. */
struct net_conn_hook {
    void (*gone)(struct net_conn_hook *h);
};
void net_conn_set_hook(struct net_conn *c, struct net_conn_hook *h);

struct rk_loop *net_conn_loop(const struct net_conn *c);
const struct rk_addr *net_conn_peer(const struct net_conn *c); /* lent */
/** The address of this end (for choosing the interface that reaches a server). */
enum rk_code net_conn_local(const struct net_conn *c, struct rk_addr *out,
                            struct rk_err *err) RK_MUST;
bool net_conn_is_tls(const struct net_conn *c);
struct rk_str net_conn_alpn(const struct net_conn *c); /* lent; empty without ALPN */

/** Monotonic ms of the last byte received. */
int64_t net_conn_last_rx_ms(const struct net_conn *c);

#endif
