/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTTP/1.1 server on libmicrohttpd without a listen socket: connections are handed in.
 *
 *   http_h1_take_fd ─▶ [MHD threads: parse, limits] ─suspend─▶ [rk_pool: guard, handler] ─resume─▶
 *                                                                      send (gzip for large bodies)
 */
#ifndef RK_HTTP_H1_H
#define RK_HTTP_H1_H

#include "lib/base/log.h"
#include "lib/base/metrics.h"
#include "lib/base/pool.h"
#include "lib/http/realip.h"
#include "lib/http/router.h"

struct http_h1;

struct http_h1_opts { /* open; zero means the default in brackets; borrowed until http_h1_free
                         unless said otherwise */
    const struct http_router *router;
    struct rk_pool *pool; /* where guards and handlers run; NULL: on the server's own threads */
    void *app;            /* req->app */

    /** Runs before the handler of every route that is not HTTP_PUBLIC; sets req->user. Same rules
     *  as a handler; failure is the answer. NULL: none. */
    http_handler *guard;

    /** Optional quick form of guard, on the server's own thread, for HTTP_INLINE routes: true when
     *  it could decide without blocking (then *rc is the guard's result). */
    bool (*try_guard)(struct http_req *req, enum rk_code *rc, struct rk_err *err);

    /** Called once for each request whose req->user was set, when its response is complete, on the
     *  thread that made it: gives back what the guard took. NULL: none. */
    void (*finish)(struct http_req *req);

    const char *api_prefix;      /* "/api/": unknown paths below it get a JSON 404; NULL: none */
    size_t threads;              /* [1] MHD threads */
    size_t max_connections;      /* [4096] in total */
    size_t max_per_address;      /* [512] from one address, except trusted proxies */
    size_t max_body_bytes;       /* [1 MiB] of one request */
    size_t max_bodies_bytes;     /* [256 MiB] of all requests that are held: nobody has shown who
                                    they are before their body is complete */
    size_t max_header_bytes;     /* [32 KiB] head of one request */
    unsigned idle_timeout_s;     /* [60] a connection without progress is closed */
    unsigned request_timeout_s;  /* [30] from the first byte of a request to its last */
    struct http_proxies trusted; /* whose X-Forwarded-For, X-Real-IP and -Proto count; copied */
    struct rk_log *log;          /* may be NULL */
    struct rk_metrics *metrics;  /* may be NULL */
};

/** Owned: http_h1_free. Errors: RK_INTERNAL when threads cannot be started. */
enum rk_code http_h1_new(const struct http_h1_opts *opts, struct http_h1 **out,
                         struct rk_err *err) RK_MUST;

/**
 * Hand over a connected stream socket (TCP, or one end of a socketpair) whose unread bytes begin
 * with an HTTP/1.1 request. fd is taken, also on error. Any thread.
 * https: TLS was ended in front of this socket. Errors: RK_LIMIT, RK_CANCELLED while stopping.
 */
enum rk_code http_h1_take_fd(struct http_h1 *h, int fd, const struct rk_addr *peer, bool https,
                             struct rk_err *err) RK_MUST;

/** Stop taking connections, let requests in progress end for up to grace_ms, then close all.
 *  Blocks; must not run on a pool thread. Idempotent. */
void http_h1_stop(struct http_h1 *h, int64_t grace_ms);
void http_h1_free(struct http_h1 *h); /* stops first; accepts NULL */

#endif
