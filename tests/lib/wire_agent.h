/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An agent as the management server sees it, and nothing behind it: the real wire protocol over
 * lib/grpc/client, for tests and for the load generator. One struct is one machine with a key pair
 * of its own. Everything on its loop thread; callbacks never run inside the call that causes them.
 */
#ifndef TEST_WIRE_AGENT_H
#define TEST_WIRE_AGENT_H

#include "lib/crypto/box.h"
#include "lib/grpc/client.h"
#include "schema/gen/management.pb-c.h"

struct wire_agent;

struct wire_agent_ops { /* all but down may be NULL */
    /** The server's key is known (or the channel went down instead). */
    void (*ready)(struct wire_agent *a);
    /** Answer of a unary call. status 0: plain is its content. Borrowed. */
    void (*reply)(struct wire_agent *a, int status, struct rk_str plain, struct rk_str text);
    /** One message on Sync. wire_bytes: what travelled. plain is only its beginning when
     *  wire_agent.peek is set. Borrowed. */
    void (*update)(struct wire_agent *a, struct rk_str plain, size_t wire_bytes);
    /** Sync has ended. */
    void (*sync_ended)(struct wire_agent *a, int status, struct rk_str text);
    /** One JobRequest on Job; the stream's end. */
    void (*job)(struct wire_agent *a, struct rk_str plain);
    void (*job_ended)(struct wire_agent *a, int status);
    /** The connection is gone, last; wire_agent_connect may be called again. */
    void (*down)(struct wire_agent *a, const struct rk_err *why);
};

struct wire_call { /* private */
    struct grpc_client_user user;
    struct wire_agent *a;
    struct grpc_client_call *call; /* NULL: none */
    struct rk_bytes *got;          /* unary: the answer */
    bool plain_answer;             /* the answer is in the clear */
};

struct wire_agent { /* open: zero it, fill the first part, then wire_agent_connect */
    const struct wire_agent_ops *ops;
    struct rk_loop *loop;
    const char *host;
    uint16_t port;
    struct tls_ctx *tls;
    struct rk_key private_key;
    size_t peek; /* of Sync messages open only so many bytes, without checking the tag; 0: all */
    void *data;  /* of the caller */

    struct rk_key public_key; /* from here on: filled in */
    char key_text[RK_KEY_TEXT + 1];
    struct box_shared shared;
    bool have_server_key;
    struct grpc_channel_user channel_user;
    struct grpc_channel *channel;
    struct wire_call unary, sync, job;
};

/** Connect and ask for the server's key. */
enum rk_code wire_agent_connect(struct wire_agent *a, struct rk_err *err) RK_MUST;

/** down() follows. */
void wire_agent_close(struct wire_agent *a);

/** One sealed unary call ("Login"); reply() follows. One at a time. clear: the answer is Empty in
 *  the clear (SyncMeta, Logout). */
enum rk_code wire_agent_call(struct wire_agent *a, const char *method, struct rk_str plain,
                             bool clear, struct rk_err *err) RK_MUST;

/** Any bytes as request, for tests of bad input. */
enum rk_code wire_agent_call_raw(struct wire_agent *a, const char *path, struct rk_str body,
                                 struct rk_err *err) RK_MUST;

enum rk_code wire_agent_sync(struct wire_agent *a, struct rk_str plain, struct rk_err *err) RK_MUST;
enum rk_code wire_agent_job(struct wire_agent *a, struct rk_str hello, struct rk_err *err) RK_MUST;
enum rk_code wire_agent_job_send(struct wire_agent *a, struct rk_str plain,
                                 struct rk_err *err) RK_MUST;

/** EncryptedMessage of this agent around plain. arena */
struct rk_str wire_agent_seal(struct wire_agent *a, struct rk_arena *mem, struct rk_str plain);

/** What most tests log in with: meta of a current Linux agent. arena */
struct rk_str wire_login(struct rk_arena *mem, const char *setup_key, const char *hostname);
struct rk_str wire_sync_request(struct rk_arena *mem, const char *hostname);
Management__PeerSystemMeta *wire_meta(struct rk_arena *mem, const char *hostname);

#endif
