/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Management client: sealed calls and streams to one management server.
 *
 *   mgmt_client_call    one request, one answer: connect if needed, fetch the server's key, seal,
 * send mgmt_client_stream  Sync or Job: the same, then messages until it ends, then again after a
 * wait (0..1.6 s first, factor 1.7, at most 10 s)
 *
 * The server's key is fetched for every call and stream, since it may change with every restart of
 * the server. The connection is opened when something needs it and again after it was lost. Loop
 * thread. Callbacks never run inside the function that causes them; a callback may call anything
 * here, also mgmt_client_close.
 */
#ifndef RK_AGENT_MGMT_CLIENT_H
#define RK_AGENT_MGMT_CLIENT_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "lib/crypto/secret.h"
#include "lib/crypto/tls.h"
#include "lib/net/addr.h"

struct mgmt_client;
struct mgmt_client_call;
struct mgmt_client_stream;

struct mgmt_client_opts { /* texts and key are copied */
    struct rk_loop *loop;
    struct rk_log *log; /* may be NULL; borrowed until closed */
    const char *host;   /* name or address */
    uint16_t port;
    struct tls_ctx *tls;       /* NULL: clear text; borrowed until closed */
    uint32_t fwmark;           /* of the sockets; 0: none */
    struct rk_key private_key; /* the WireGuard key is the identity */
};

/** New client, not connected. Owned: mgmt_client_close. */
struct mgmt_client *mgmt_client_open(const struct mgmt_client_opts *opts);

/** Ends all calls and streams without calling back; no callback after it has returned. Handles die
 *  on later loop turns. Accepts NULL. */
void mgmt_client_close(struct mgmt_client *m);

/** Another server of the same operator has come back: what waits for its next attempt makes it now.
 *  The waits go on growing from where they are, so it is one attempt more for each connection made.
 */
void mgmt_client_hurry(struct mgmt_client *m);

/** The host has other addresses now, these. A connection from an address that is gone is ended, and
 *  what waits for its next attempt makes it now. n 0: no connection survived (a suspended host). */
void mgmt_client_network(struct mgmt_client *m, const struct rk_ip *own, size_t n);

/** Is the connection up? */
bool mgmt_client_is_connected(const struct mgmt_client *m);

enum mgmt_client_method {
    MGMT_CLIENT_LOGIN,
    MGMT_CLIENT_SYNC_META,
    MGMT_CLIENT_LOGOUT,
    MGMT_CLIENT_DEVICE_FLOW,
    MGMT_CLIENT_PKCE_FLOW,
    MGMT_CLIENT_EXTEND
};

struct mgmt_client_call_user { /* embedded in the caller's struct */
    const struct mgmt_client_call_ops *ops;
};

struct mgmt_client_call_ops {
    /** Exactly once; the call is gone. status: gRPC status of the server, or UNAVAILABLE when it
     *  could not be reached (err then is RK_UNAUTHENTICATED when its certificate was refused),
     * DEADLINE_EXCEEDED, DATA_LOSS when the answer could not be opened. plain is the answer's
     * message (empty for SyncMeta and Logout), borrowed. err describes a status other than 0. */
    void (*done)(struct mgmt_client_call_user *u, int status, struct rk_str plain,
                 const struct rk_err *err);
};

/** msg is encoded before this returns. Owned until done: mgmt_client_call_cancel. */
struct mgmt_client_call *mgmt_client_call(struct mgmt_client *m, enum mgmt_client_method method,
                                          const ProtobufCMessage *msg,
                                          struct mgmt_client_call_user *user);

/** No callback follows. Accepts NULL. */
void mgmt_client_call_cancel(struct mgmt_client_call *c);

enum mgmt_client_stream_kind { MGMT_CLIENT_SYNC, MGMT_CLIENT_JOB };

struct mgmt_client_stream_user { /* embedded in the caller's struct */
    const struct mgmt_client_stream_ops *ops;
};

struct mgmt_client_stream_ops {
    /** The first message of a new stream, made anew for every attempt. arena */
    const ProtobufCMessage *(*hello)(struct mgmt_client_stream_user *u, struct rk_arena *mem);
    /** Optional: the server has answered this attempt for the first time. */
    void (*up)(struct mgmt_client_stream_user *u);
    /** One message, opened; borrowed. */
    void (*message)(struct mgmt_client_stream_user *u, struct rk_str plain);
    /** Optional: an attempt failed or ended; the next one follows by itself. */
    void (*down)(struct mgmt_client_stream_user *u, const struct rk_err *why);
    /** The server refuses for good (PERMISSION_DENIED; for Job also UNIMPLEMENTED): no further
     *  attempt, the stream is gone. */
    void (*refused)(struct mgmt_client_stream_user *u, int status, const struct rk_err *why);
};

/** Owned: mgmt_client_stream_close (not after refused). */
struct mgmt_client_stream *mgmt_client_stream(struct mgmt_client *m,
                                              enum mgmt_client_stream_kind kind,
                                              struct mgmt_client_stream_user *user);
void mgmt_client_stream_close(struct mgmt_client_stream *s); /* no callback follows; accepts NULL */

/** Send one more message on a Job stream that is up; dropped otherwise. */
void mgmt_client_stream_send(struct mgmt_client_stream *s, const ProtobufCMessage *msg);

#endif
