/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTTP/1.1 server on libmicrohttpd without a listen socket: connections are handed in. Reads and
 * checks requests; what becomes of them is lib/http/dispatch.
 *
 *   http_h1_take_fd ─▶ [MHD threads: parse] ─suspend─▶ [dispatch: pool] ─resume─▶ send
 */
#ifndef RK_HTTP_H1_H
#define RK_HTTP_H1_H

#include "lib/base/log.h"
#include "lib/base/metrics.h"
#include "lib/http/dispatch.h"
#include "lib/http/realip.h"

struct http_h1;

struct http_h1_opts { /* open; zero means the default in brackets; borrowed until http_h1_free
                         unless said otherwise */
    struct http_dispatch *dispatch;
    size_t threads;             /* [1] MHD threads */
    size_t max_connections;     /* [4096] in total; when they are taken the longest idle one goes */
    size_t max_per_address;     /* [512] from one IPv4 address or IPv6 /64, likewise; not counted
                                   are loopback, private addresses and trusted proxies */
    size_t max_header_bytes;    /* [32 KiB] head of one request */
    unsigned idle_timeout_s;    /* [60] a connection without progress is closed */
    unsigned request_timeout_s; /* [30] from the first byte of a request to its last */
    struct http_proxies trusted; /* lent */
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
