/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gRPC client: a channel is one HTTP/2 connection, without reconnecting (the caller decides when).
 * All functions: the channel's loop thread. Callbacks never run inside the call that causes them.
 */
#ifndef RK_GRPC_CLIENT_H
#define RK_GRPC_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/bytes.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "lib/crypto/tls.h"
#include "lib/grpc/status.h"
#include "lib/net/addr.h"

struct grpc_channel;
struct grpc_channel_user;

struct grpc_channel_ops {
    /** The server's SETTINGS came: the channel works. At most once. */
    void (*ready)(struct grpc_channel_user *u);
    /** Exactly once, last: could not connect, connection lost, GOAWAY with nothing left to do, or
     *  grpc_channel_close. All calls have had done() before. The channel is gone afterwards. */
    void (*down)(struct grpc_channel_user *u, const struct rk_err *why);
};

struct grpc_channel_user { /* embed in your own struct */
    const struct grpc_channel_ops *ops;
};

struct grpc_channel_opts { /* open; borrowed during the call, texts are copied */
    const char *host;      /* name or address */
    uint16_t port;
    struct tls_ctx *tls;    /* NULL: clear text; borrowed until down() */
    const char *user_agent; /* NULL: "rook" */
    uint32_t fwmark;        /* SO_MARK of the socket; 0: none */
    enum rk_code (*socket_hook)(void *arg, int fd, struct rk_err *err); /* see transport.h */
    void *hook_arg;
    int64_t connect_timeout_ms;   /* up to ready(); 0: 30 s */
    int64_t keepalive_ms;         /* PING after this silence while a call is open; 0: 30 s */
    int64_t keepalive_timeout_ms; /* down() without an answer; 0: 10 s */
    size_t max_message_bytes;     /* received; 0: 16 MiB */
    struct rk_log *log;           /* may be NULL */
};

/** Starts connecting. *out is valid until down() returns. Errors at once: RK_INVALID. */
enum rk_code grpc_channel_open(struct rk_loop *loop, const struct grpc_channel_opts *opts,
                               struct grpc_channel_user *user, struct grpc_channel **out,
                               struct rk_err *err) RK_MUST;

/** Cancel all calls and close; done() of each and down() follow. Idempotent. */
void grpc_channel_close(struct grpc_channel *ch);
bool grpc_channel_is_ready(const struct grpc_channel *ch);
/** Address of the server and of our end; RK_PRECONDITION before the connection stands. */
enum rk_code grpc_channel_addrs(const struct grpc_channel *ch, struct rk_addr *peer,
                                struct rk_addr *local, struct rk_err *err) RK_MUST;

struct grpc_header {           /* open */
    struct rk_str name, value; /* name in lower case */
};

struct grpc_client_call;
struct grpc_client_user;

struct grpc_client_ops { /* headers and drained may be NULL */
    /** Response headers without those of HTTP/gRPC itself; borrowed. Not called when the server
     *  answers with trailers only. */
    void (*headers)(struct grpc_client_user *u, const struct grpc_header *h, size_t n);
    /** One whole message; borrowed. */
    void (*message)(struct grpc_client_user *u, struct rk_str body);
    /** All that was sent so far left for the socket. */
    void (*drained)(struct grpc_client_user *u);
    /** Exactly once, last: the server's status, or ours (UNAVAILABLE connection lost,
     *  DEADLINE_EXCEEDED, CANCELLED). text is borrowed. The call is gone afterwards. */
    void (*done)(struct grpc_client_user *u, int status, struct rk_str text);
};

struct grpc_client_user {
    const struct grpc_client_ops *ops;
};

/** Start a call; before ready() it waits for the connection. headers: extra metadata, copied.
 *  timeout_ms 0: none; else sent as grpc-timeout and kept here too. Errors: RK_CANCELLED when the
 *  channel is closing or has got GOAWAY. */
enum rk_code grpc_client_call(struct grpc_channel *ch, const char *path,
                              const struct grpc_header *headers, size_t n_headers,
                              int64_t timeout_ms, struct grpc_client_user *user,
                              struct grpc_client_call **out, struct rk_err *err) RK_MUST;

/** Unary convenience: call, one message, half close. */
enum rk_code grpc_client_unary(struct grpc_channel *ch, const char *path, struct rk_str body,
                               int64_t timeout_ms, struct grpc_client_user *user,
                               struct grpc_client_call **out, struct rk_err *err) RK_MUST;

void grpc_client_send(struct grpc_client_call *c, struct rk_str body); /* queues a copy */
size_t grpc_client_queued(const struct grpc_client_call *c);
void grpc_client_half_close(struct grpc_client_call *c);
/** RST_STREAM CANCEL; done(CANCELLED) follows. Idempotent. */
void grpc_client_cancel(struct grpc_client_call *c);

#endif
