/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct engine: one life of the overlay on this host, from a login answer to its end: device,
 * addresses, signal and relay, peers, the Sync stream. Single use: one start, one stop, free.
 *
 *   NEW --start--> STARTING --started--> RUNNING --stop--> STOPPING --stopped--> STOPPED
 *                     |  `------------- stop -----------------^
 *                     `-- failed ------------------------------ (stop follows by itself)
 *
 * Rules: a second start is an error and disturbs nothing; a start after stop is an error; whatever
 * fails in between takes everything down again; stop may come at any time, also twice, and while it
 * waits for the device no handler does anything any more. Only the owner (the run loop) stops it.
 * Loop thread. Callbacks never run inside the function that causes them.
 */
#ifndef RK_AGENT_ENGINE_H
#define RK_AGENT_ENGINE_H

#include <jansson.h>

#include "agent/client/mgmt_client.h"
#include "agent/config/options.h"
#include "agent/config/profile.h"
#include "agent/config/state.h"
#include "agent/dns/resolver.h"
#include "agent/engine/events.h"
#include "agent/engine/host.h"
#include "agent/engine/sync_keep.h"
#include "agent/os/nl.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/crypto/tls.h"
#include "schema/gen/management.pb-c.h"

struct engine;

struct engine_user { /* embedded in the owner's struct */
    const struct engine_ops *ops;
};

struct engine_ops {
    /** Start came to its end: err NULL, or why it failed (then only stopped follows). */
    void (*started)(struct engine_user *u, const struct rk_err *err);
    /** After started: this engine cannot go on (address changed, device lost, management refuses);
     *  stop it and make another. RK_FORBIDDEN: log in anew. Once. */
    void (*ended)(struct engine_user *u, const struct rk_err *why);
    /** Something that status shows has changed. May come often. */
    void (*changed)(struct engine_user *u);
    /** Management wants a debug bundle: engine_job_done tells of its end, as long as this engine
     *  lives. id and p: lent for the call. NULL: such jobs are refused. */
    void (*bundle)(struct engine_user *u, struct rk_str id, const Management__BundleParameters *p);
    /** Last call: everything is undone; engine_free may be called. */
    void (*stopped)(struct engine_user *u);
};

struct engine_opts { /* copied; handles and texts borrowed until stopped */
    struct rk_loop *loop;
    struct rk_log *log;
    struct nl_sock *route;
    struct state *state;
    struct mgmt_client *mgc;
    struct tls_ctx *tls; /* for signal and relays */
    struct dns_resolver *resolver;
    const struct profile *profile;
    const struct daemon_opts *daemon;
    struct events *events;  /* may be NULL */
    struct sync_keep *keep; /* may be NULL */
    bool marks;             /* sockets are marked and policy rules work */
};

/** login: the answer to start from; what is needed of it is copied. Owned. Errors: RK_BAD_REQUEST
 *  (an answer that cannot be used). */
enum rk_code engine_new(const struct engine_opts *opts, const Management__LoginResponse *login,
                        struct engine_user *user, struct engine **out, struct rk_err *err) RK_MUST;

/** Errors at once: RK_PRECONDITION "already started", "already stopped". Else started follows. */
enum rk_code engine_start(struct engine *e, struct rk_err *err) RK_MUST;

/** Idempotent. stopped follows, unless the engine was never started (then it is just over).
 *  another_follows: see host_down; the last word before the tear-down counts. */
void engine_stop(struct engine *e, bool another_follows);

/** Only when new or stopped. Accepts NULL. */
void engine_free(struct engine *e);

/** Status as JSON objects with the names that official agents use: "peers", "signal", "relays",
 *  "netbirdIp" … are set in out. */
void engine_status(struct engine *e, json_t *out);

/** A job's end. key: where the bundle is; NULL: it failed, and why. */
void engine_job_done(struct engine *e, struct rk_str id, const char *key, const char *reason);

/** The person's session lasts until then, as a message of management says; NULL: no news. */
void engine_session_extended(struct engine *e, const Google__Protobuf__Timestamp *t);
/** When it ends, as UNIX time; 0: never or unknown. */
int64_t engine_session_ms(const struct engine *e);

/** Networks behind peers are there; also what names of domain routes resolve to. Lent. */
struct host *engine_host(struct engine *e);

#endif
