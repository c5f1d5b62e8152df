/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The operators' listener: /metrics, /livez, /readyz and /health on ports of their own, off the
 * public one. Paths are the same on every listener, so the separate metrics and health addresses of
 * official configurations both work. Used by every program that serves.
 */
#ifndef RK_SERVE_PAGES_H
#define RK_SERVE_PAGES_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/metrics.h"
#include "lib/net/addr.h"

struct serve_pages;

struct serve_pages_opts { /* open; lent until serve_pages_free, but for `listen`, which is copied */
    struct rk_loop *loop;
    const struct rk_addr *listen;
    size_t n_listen; /* 0: serve_pages_new gives NULL */
    struct rk_metrics *metrics;
    struct rk_log *log;
    /** Whether the server can serve; any thread, must not block. *why names what is missing. */
    bool (*ready)(void *arg, const char **why);
    /** Optional: whether /readyz is 200 all the same (see svc.h); /health is not. */
    bool (*useful)(void *arg);
    /** Optional: the JSON body of /health and /readyz in place of the plain one. */
    void (*describe)(void *arg, bool ready, const char *why, struct rk_buf *out);
    void *arg;
};

/** Bind and serve. Owned: serve_pages_stop, then serve_pages_free. Errors: RK_UNAVAILABLE (bind).
 */
enum rk_code serve_pages_new(const struct serve_pages_opts *opts, struct serve_pages **out,
                             struct rk_err *err) RK_MUST;

/** Close everything; done runs on the loop. Accepts NULL (done runs at once). */
void serve_pages_stop(struct serve_pages *o, void (*done)(void *arg), void *arg);
void serve_pages_free(struct serve_pages *o); /* after done; accepts NULL */

#endif
