/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The operators' listener: /metrics, /livez, /readyz and /health on ports of their own, off the
 * public one. Paths are the same on every listener, so the separate metrics and health addresses of
 * official configurations both work. Used by every program that serves.
 */
#ifndef RK_HTTP_OPS_H
#define RK_HTTP_OPS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/metrics.h"
#include "lib/net/addr.h"

struct ops_http;

struct ops_http_opts { /* open; lent until ops_http_free, but for `listen`, which is copied */
    struct rk_loop *loop;
    const struct rk_addr *listen;
    size_t n_listen; /* 0: ops_http_new gives NULL */
    struct rk_metrics *metrics;
    struct rk_log *log;
    /** Whether the server can serve; any thread, must not block. *why names what is missing. */
    bool (*ready)(void *arg, const char **why);
    /** Optional: the JSON body of /health and /readyz in place of the plain one. */
    void (*describe)(void *arg, bool ready, const char *why, struct rk_buf *out);
    void *arg;
};

/** Bind and serve. Owned: ops_http_stop, then ops_http_free. Errors: RK_UNAVAILABLE (bind). */
enum rk_code ops_http_new(const struct ops_http_opts *opts, struct ops_http **out,
                          struct rk_err *err) RK_MUST;

/** Close everything; done runs on the loop. Accepts NULL (done runs at once). */
void ops_http_stop(struct ops_http *o, void (*done)(void *arg), void *arg);
void ops_http_free(struct ops_http *o); /* after done; accepts NULL */

#endif
