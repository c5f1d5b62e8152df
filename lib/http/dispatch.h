/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a request to its answer, whatever carried it: limits, routing, guard, pool, handler. Both
 * HTTP/1.1 (h1.c) and HTTP/2 (edge_rest.c) fill a struct http_call and ask the same three
 * questions; neither sees handlers, and nothing here sees a socket.
 *
 *   adapter: http_call_init ─▶ http_call_head ─▶ http_call_body … ─▶ http_call_end ─┬─▶ true
 *                                                                                  └─▶ ready()
 *            ◀── http_call_answer: resp is complete ── send it ─▶ http_call_done
 */
#ifndef RK_HTTP_DISPATCH_H
#define RK_HTTP_DISPATCH_H

#include "lib/base/budget.h"
#include "lib/base/list.h"
#include "lib/base/log.h"
#include "lib/base/metrics.h"
#include "lib/base/pool.h"
#include "lib/http/realip.h"
#include "lib/http/router.h"

struct http_dispatch;

#define HTTP_MAX_HEADERS 100 /* of a request; the rest is not seen */

struct http_dispatch_opts { /* open; zero means the default in brackets; borrowed until
                               http_dispatch_free unless said otherwise */
    const struct http_router *router;
    struct rk_pool *pool; /* where guards and handlers run; NULL: on the adapter's thread */

    /** Where routes with HTTP_HASHES and HTTP_CALLS_OUT run, which take a processor or wait for
     *  other servers: of their own, so that the rest goes on. NULL: `pool`. */
    struct rk_pool *hash_pool, *call_pool;

    void *app; /* req->app */

    /** Runs before the handler of every route that is not HTTP_PUBLIC; sets req->user. Same rules
     *  as a handler; failure is the answer. NULL: none. */
    http_handler *guard;

    /** Optional quick form of guard, on the adapter's thread, for HTTP_INLINE routes: true when it
     *  could decide without blocking (then *rc is the guard's result). */
    bool (*try_guard)(struct http_req *req, enum rk_code *rc, struct rk_err *err);

    /** Called once for each request whose req->user was set, when its response is complete, on the
     *  thread that made it: gives back what the guard took. NULL: none. */
    void (*finish)(struct http_req *req);

    const char *api_prefix;   /* "/api/": unknown paths below it get a JSON 404; NULL: none */
    size_t max_body_bytes;    /* [1 MiB] of one request */
    struct rk_budget *budget; /* for bodies and answers that are held; NULL: one of its own, of */
    size_t max_held_bytes;    /* [256 MiB] bytes */
    struct http_proxies trusted; /* whose X-Forwarded-For, X-Real-IP and -Proto count; copied */
    struct rk_log *log;          /* may be NULL */
    struct rk_metrics *metrics;  /* may be NULL */
};

/** Owned: http_dispatch_free, after everything that makes calls. */
struct http_dispatch *http_dispatch_new(const struct http_dispatch_opts *opts);
void http_dispatch_free(struct http_dispatch *d); /* accepts NULL */

/** From now on requests are answered with 503, and live answers end. Any thread. */
void http_dispatch_stop(struct http_dispatch *d);
bool http_dispatch_stopping(const struct http_dispatch *d);

/** More than half of what may be held is held: who does not take his answer should go. */
bool http_dispatch_tight(const struct http_dispatch *d);

struct http_call;

struct http_call_ops {
    /** The call is about to go out to a pool. May be NULL. Inside http_call_end. */
    void (*out)(struct http_call *c);
    /** The answer is in call->resp: on call->loop, or without one on the thread that made it. */
    void (*ready)(struct http_call *c);
};

enum http_call_state {
    HTTP_CALL_BODY,    /* read on */
    HTTP_CALL_DECIDED, /* the answer is known; the body is only read away */
    HTTP_CALL_OUT,     /* with a pool; belongs to it until ready() */
    HTTP_CALL_READY,   /* resp is the answer */
};

struct http_call { /* embedded by the adapter, in req.mem or around it */
    const struct http_call_ops *ops;
    struct http_dispatch *d;
    struct rk_loop *loop;
    enum http_call_state state;
    struct http_req req; /* the adapter fills method, path, query, headers, peer, https, mem */
    struct http_resp resp;
    bool known;                  /* the adapter: this connection has shown who it is before */
    size_t head_bytes;           /* what the adapter keeps of the head, for `held` */
    struct rk_budget_share held; /* head and body, then the answer */
    /* private */
    struct rk_buf body;
    size_t body_seen;
    struct rk_list live_link; /* in http_dispatch.lives */
    bool no_room;             /* for this body, among those of all requests */
    bool gzip, moved;
    struct rk_work work;
    int64_t start_ms;
};

/** Begin. mem is the call's arena (the adapter frees it after http_call_done). loop: where ready()
 *  is wanted; NULL: anywhere. */
void http_call_init(struct http_call *c, struct http_dispatch *d, const struct http_call_ops *ops,
                    struct rk_arena *mem, struct rk_loop *loop);

/** The head is complete in c->req: what needs no body is decided. On READY answer at once and
 *  take no more; on BODY and DECIDED go on. */
enum http_call_state http_call_head(struct http_call *c);

/** Body bytes. Also past a limit the rest is read, so that the answer is heard; false: too much of
 *  it, hang up. */
bool http_call_body(struct http_call *c, struct rk_str in);

/** The request is complete. True: READY; false: it is OUT, ready() will come (or, when the pool
 *  took it not, has come already). */
bool http_call_end(struct http_call *c);

/** Give up what has been read, and answer with this status (READY). */
void http_call_refuse(struct http_call *c, unsigned status, const char *text);

/** Last touches on a READY answer (status, CORS, request id, content type), counted and logged.
 *  Afterwards `held` counts the body of the answer. A live answer (resp.live) is the adapter's to
 *  attach to; of a HEAD there is none any more. */
void http_call_answer(struct http_call *c);

/** The answer has been sent, or nobody wants it: frees all but the arena, and detaches from a live
 *  answer. Not while OUT. */
void http_call_done(struct http_call *c);

#endif
