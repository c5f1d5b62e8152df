/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who wants to hear of changes: one thread follows the journals of the accounts that somebody
 * listens to, and the presence of their peers, and writes what each listener may know into a live
 * answer. Without listeners there is no thread and nothing is read.
 *
 *   commit (here or elsewhere) ─▶ observer ─▶ "account has news" ─┐
 *   stream of a peer ─▶ presence observer ─▶ "peer has news" ─────┴▶ thread: journal ─▶ listeners
 */
#ifndef MGMT_REST_FEED_H
#define MGMT_REST_FEED_H

#include "lib/http/live.h"
#include "management/engine/engine.h"

struct feed;

/** Registers itself as observer of m: before traffic starts. Owned: feed_stop, then feed_free after
 *  m is closed. */
struct feed *feed_new(struct mgmt *m, struct rk_log *log);

/** End all answers and the thread; nobody is let in any more. Idempotent; before m is closed. */
void feed_stop(struct feed *f);
void feed_free(struct feed *f); /* accepts NULL */

struct feed_want { /* open; texts borrowed for the call */
    struct rk_str account_id, user_id;
    struct rk_str pat_id; /* of the token that was shown; empty: another kind of token */
    bool events;          /* server-sent events; false: one answer as soon as there are news */
    int64_t since;        /* entry of the journal that is known; -1: the last there is */
    int64_t since_us;     /* presence is known up to then; 0: it is not asked for */
    int64_t timeout_ms;   /* of one answer: without news it is empty after that */
};

/** *out: one reference, for resp->live. Errors: RK_LIMIT (too many, of the user or in all),
 *  RK_UNAVAILABLE (no thread to be had; stopping). */
enum rk_code feed_listen(struct feed *f, const struct feed_want *w, struct http_live **out,
                         struct rk_err *err) RK_MUST;

#endif
