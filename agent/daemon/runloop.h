/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct runloop: keeps this host connected: attempt after attempt of log in, engine, run, until it
 * is stopped or management wants new credentials. It alone starts and stops engines.
 *
 *   start -> [ LOGIN -> ENGINE -> RUNNING -> CLOSING ] -> wait -> [ … ] … -> ended
 *                 stop, at any point: cancelled at once, then CLOSING, then ended
 *
 * Waits between attempts: 0..2 s first, factor 1.7, at most 30 s (twice 15 s); back to the first
 * after an attempt that was running. Loop thread. Callbacks never run inside the function that
 * causes them.
 */
#ifndef RK_AGENT_RUNLOOP_H
#define RK_AGENT_RUNLOOP_H

#include "agent/engine/engine.h"

/* Words of `rook status`; the order is that of the names. */
enum agent_status {
    AGENT_IDLE,
    AGENT_CONNECTING,
    AGENT_CONNECTED,
    AGENT_NEEDS_LOGIN,
    AGENT_LOGIN_FAILED,
    AGENT_SESSION_EXPIRED
};
const char *agent_status_name(enum agent_status s); /* "Idle", "Connecting" … */

struct runloop;

struct runloop_user { /* embedded in the owner's struct */
    const struct runloop_ops *ops;
};

struct runloop_ops {
    /** Status or something that status shows has changed. Optional. */
    void (*changed)(struct runloop_user *u);
    /** See engine_ops; engine_job_done with runloop_engine, if it is there then. Optional. */
    void (*bundle)(struct runloop_user *u, struct rk_str id, const Management__BundleParameters *p);
    /** Last call: nothing of it is left running. why: RK_OK after a stop, RK_FORBIDDEN when a login
     *  is needed. The run loop may be freed. */
    void (*ended)(struct runloop_user *u, const struct rk_err *why);
};

struct runloop_opts { /* copied; handles and texts borrowed until ended */
    struct rk_loop *loop;
    struct rk_log *log;
    struct nl_sock *route;
    struct state *state;
    struct tls_ctx *tls;
    struct dns_resolver *resolver; /* for all look-ups of the loop */
    const struct profile *profile;
    const struct daemon_opts *daemon;
    struct events *events;  /* may be NULL */
    struct sync_keep *keep; /* may be NULL */
};

/** Can be stopped from now on, also before start. Owned. */
struct runloop *runloop_new(const struct runloop_opts *opts, struct runloop_user *user);

/** Begin. Errors: RK_PRECONDITION (started before, or stopped already); RK_INVALID (no usable
 *  management URL). */
enum rk_code runloop_start(struct runloop *r, struct rk_err *err) RK_MUST;

/** Cancel at once; ended follows if it was started. Idempotent. */
void runloop_stop(struct runloop *r);

/** Only when never started or ended. Accepts NULL. */
void runloop_free(struct runloop *r);

enum agent_status runloop_status(const struct runloop *r);
/** Why the last attempt failed; code RK_OK when there is nothing to say. */
const struct rk_err *runloop_last_err(const struct runloop *r);
/** See engine_status; writes nothing while there is no engine. */
void runloop_engine_status(struct runloop *r, json_t *out);
/** Where it stands, for debug bundles. Owned by the caller. */
json_t *runloop_json(const struct runloop *r);
/** The running engine, or NULL. Lent for the call at hand. */
struct engine *runloop_engine(struct runloop *r);

#endif
