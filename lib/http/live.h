/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An answer that comes bit by bit, or late: server-sent events, and requests that wait for
 * something to happen. The handler puts it in resp->live, returns, and no thread waits; whoever has
 * news writes them, from any thread, into a small buffer from which the adapter of the connection
 * (h1.c, edge_rest.c) takes what its client takes.
 *
 *   any thread: http_live_write ─▶ [buffer, bounded] ─▶ adapter: http_live_take ─▶ client
 *                                        └── sink: sleep (nothing there) / wake (something is)
 */
#ifndef RK_HTTP_LIVE_H
#define RK_HTTP_LIVE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/str.h"

struct http_live;

/** Holds at most max_bytes that the client has not taken. Owned: one reference. */
struct http_live *http_live_new(size_t max_bytes);
struct http_live *http_live_ref(struct http_live *l); /* returns l */
void http_live_unref(struct http_live *l);            /* accepts NULL */

enum http_live_state {
    HTTP_LIVE_OK,
    HTTP_LIVE_FULL, /* the client is slow: nothing was added */
    HTTP_LIVE_OVER, /* ended, or the client is gone */
};

/** All of it or nothing. Any thread. */
enum http_live_state http_live_write(struct http_live *l, struct rk_str s);

/** How much of the buffer is taken; 0 once over. Any thread. */
size_t http_live_held(struct http_live *l);
bool http_live_over(struct http_live *l);

/** The answer ends behind what was written. Any thread, idempotent. */
void http_live_end(struct http_live *l);

/* ---- for adapters and lib/http/dispatch */

struct http_live_sink {
    /** There is nothing to take: a wake follows when there is. Called inside http_live_take. */
    void (*sleep)(struct http_live_sink *s);
    /** Take again. Once after each sleep, on any thread; must not call into the live answer. */
    void (*wake)(struct http_live_sink *s);
};

/** Who takes; borrowed until http_live_detach. */
void http_live_attach(struct http_live *l, struct http_live_sink *s);

/** No more calls of the sink after this has returned, and nothing more is kept. Accepts NULL and
 *  whoever never attached. */
void http_live_detach(struct http_live *l);

/** Up to n bytes; 0 with *end false: asleep, 0 with *end true: that was all. */
size_t http_live_take(struct http_live *l, char *to, size_t n, bool *end);

size_t http_live_max(const struct http_live *l);

#endif
