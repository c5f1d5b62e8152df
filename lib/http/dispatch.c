/* SPDX-License-Identifier: BSD-3-Clause */
/* Limits, routing, guard, pool and handler of a request; see dispatch.h. */
#include "config.h"

#include "lib/http/dispatch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "lib/base/num.h"
#include "lib/http/gzip.h"
#include "lib/http/live.h"
#include "lib/http/path.h"
#include "lib/http/reply.h"

#define MAX_RESPONSE   ((size_t)512 << 20) /* a list of every peer of the largest account */
#define DISCARD_FACTOR 4 /* of max_body_bytes: bytes we read past the limit before we hang up */
#define MAX_FORWARDED  (32 * 1024) /* X-Forwarded-For headers together */

struct http_dispatch {
    struct http_dispatch_opts o;
    struct http_proxies trusted; /* owned */
    struct rk_budget *own_budget;
    struct rk_budget_share all; /* holds nothing: to ask how tight it is */
    _Atomic bool stopping;
    pthread_mutex_t lock; /* guards lives */
    struct rk_list lives; /* calls with a live answer */
    struct rk_metric *m_class[6], *m_ms;
};

/* ---- the head */

void http_call_init(struct http_call *c, struct http_dispatch *d, const struct http_call_ops *ops,
                    struct rk_arena *mem, struct rk_loop *loop)
{
    *c = (struct http_call){.ops = ops, .d = d, .loop = loop, .state = HTTP_CALL_BODY};
    c->start_ms = rk_mono_ms();
    c->req.mem = mem;
    c->req.app = d->o.app;
    rk_xid(c->req.id);
    rk_buf_init(&c->body, d->o.max_body_bytes);
    rk_buf_init(&c->resp.body, MAX_RESPONSE);
}

/* Behind trusted proxies the client is who they say. */
static void forwarded(struct http_call *c)
{
    const struct http_proxies *trusted = &c->d->trusted;
    struct http_req *req = &c->req;
    struct rk_str real = {0}, proto;
    struct rk_buf list;

    if (!http_proxies_trust(trusted, &req->peer.ip) || req->n_headers >= HTTP_MAX_HEADERS)
        return; /* of too many headers the last are missing, which the proxies wrote */
    if (http_req_header(req, "X-Forwarded-Proto", &proto))
        req->https = rk_str_ieq(proto, RK_STR("https"));
    rk_buf_init(&list, MAX_FORWARDED);
    for (size_t i = 0; i < req->n_headers; i++) {
        if (!rk_str_ieq(req->headers[i].name, RK_STR("X-Forwarded-For")))
            continue;
        if (list.n)
            rk_buf_addc(&list, ',');
        rk_buf_add(&list, req->headers[i].value);
    }
    (void)http_req_header(req, "X-Real-IP", &real);
    if (!list.full)
        req->peer = http_real_addr(trusted, &req->peer, rk_buf_str(&list), real);
    rk_buf_done(&list);
}

static enum http_call_state refuse(struct http_call *c, enum rk_code code, unsigned status,
                                   const char *text)
{
    struct rk_err err = {0};

    (void)rk_fail(&err, code, "%s", text);
    http_resp_error(&c->resp, &err);
    if (status) /* one that no rk_code stands for */
        http_reply_status(&c->resp, status, text);
    return c->state = HTTP_CALL_READY;
}

void http_call_refuse(struct http_call *c, unsigned status, const char *text)
{
    rk_buf_done(&c->body);
    http_reply_status(&c->resp, status, text);
    c->state = HTTP_CALL_READY;
}

/* All Content-Length headers; those that contradict each other are how requests are smuggled past
 * proxies (RFC 9112 section 6.3). False: refuse. */
static bool content_length(const struct http_req *req, int64_t *length)
{
    bool have = false;

    *length = 0;
    for (size_t i = 0; i < req->n_headers; i++) {
        struct rk_str v = rk_str_trim(req->headers[i].value);
        int64_t n;

        if (!rk_str_ieq(req->headers[i].name, RK_STR("Content-Length")))
            continue;
        if (!v.n || v.p[0] < '0' || v.p[0] > '9' || rk_parse_i64(v, 0, INT64_MAX, &n, NULL) ||
            (have && n != *length))
            return false;
        have = true;
        *length = n;
    }
    return true;
}

/* What is decided by the head alone waits for the (mostly empty) body, unless that is huge. */
static enum http_call_state decided(struct http_call *c, int64_t length)
{
    bool huge = length > (int64_t)c->d->o.max_body_bytes;

    return c->state = huge ? HTTP_CALL_READY : HTTP_CALL_DECIDED;
}

static enum http_call_state moved(struct http_call *c, struct rk_str to)
{
    c->resp.status = 301;
    c->resp.content_type = "";
    http_resp_header(&c->resp, "Location", to);
    return c->state = HTTP_CALL_DECIDED;
}

/* What balancers send to see whether somebody is there: "OPTIONS * HTTP/1.1", "OPTIONS / HTTP/1.0".
 */
static bool is_probe(const struct http_req *req)
{
    return req->method == HTTP_OPTIONS &&
           (rk_str_eqz(req->path, "*") || rk_str_eqz(req->path, "/"));
}

enum http_call_state http_call_head(struct http_call *c)
{
    const struct http_dispatch_opts *o = &c->d->o;
    struct rk_str text;
    unsigned allow = 0;
    enum http_match m;
    int64_t length;
    char key[RK_BUDGET_KEY_MAX];

    forwarded(c);
    switch (http_path_take(c->req.mem, &c->req.path, c->req.query, &text)) {
    case HTTP_PATH_OK:
        break;
    case HTTP_PATH_MOVE:
        return moved(c, text);
    case HTTP_PATH_BAD:
        return refuse(c, RK_BAD_REQUEST, 0, "malformed request target");
    }
    rk_budget_join(o->budget, http_addr_key(&c->req.peer, key), &c->held);
    (void)rk_budget_hold(&c->held, c->head_bytes);
    c->gzip = http_req_header(&c->req, "Accept-Encoding", &text) && http_gzip_wanted(text);
    if (!content_length(&c->req, &length))
        return refuse(c, RK_BAD_REQUEST, 0, "Content-Length is no number");
    if (is_probe(&c->req)) {
        c->resp.status = 200;
        c->resp.content_type = "";
        return decided(c, length);
    }
    m = http_router_find(o->router, &c->req, &allow);
    if (c->req.method == HTTP_OPTIONS && m != HTTP_MATCH && allow) {
        http_reply_options(o->router, &c->req, &c->resp, allow);
        return decided(c, length);
    }
    if (m == HTTP_NO_PATH) {
        http_reply_not_found(&c->req, &c->resp, o->api_prefix);
        return decided(c, length);
    }
    if (m == HTTP_NO_METHOD) {
        http_reply_not_allowed(&c->req, &c->resp, allow);
        return decided(c, length);
    }
    /* somewhat too large: read to the end, or most clients would see a broken pipe, not our answer;
     * far too large, or asking first: say so at once */
    c->body.full = (uint64_t)length > o->max_body_bytes;
    if (c->body.full && ((uint64_t)length / DISCARD_FACTOR > o->max_body_bytes ||
                         http_req_header(&c->req, "Expect", &text)))
        return refuse(c, RK_LIMIT, 413, "request body too large");
    return HTTP_CALL_BODY;
}

bool http_call_body(struct http_call *c, struct rk_str in)
{
    c->body_seen += in.n;
    if (c->body_seen / DISCARD_FACTOR > c->d->o.max_body_bytes)
        return false;
    if (c->no_room || c->body.full || c->state != HTTP_CALL_BODY)
        return true;
    rk_buf_add(&c->body, in);
    (void)rk_budget_hold(&c->held, c->head_bytes + c->body.cap);
    c->no_room = rk_budget_short(&c->held);
    if (c->no_room || c->body.full) {
        bool full = c->body.full;

        rk_buf_done(&c->body);
        c->body.full = full;
        (void)rk_budget_hold(&c->held, c->head_bytes);
    }
    return true;
}

/* ---- the answer */

bool http_req_move(struct http_req *req, unsigned to)
{
    if (!(req->pools & to))
        return false;
    req->move_to = to;
    return true;
}

/* The guard and the handler; also what they cost, so on a pool thread if they may block. */
static void serve(struct http_call *c, struct db *db, bool guarded, struct rk_err *err)
{
    const struct http_dispatch_opts *o = &c->d->o;
    enum rk_code rc = RK_OK;

    if (!guarded && !(c->req.route->flags & HTTP_PUBLIC) && o->guard)
        rc = o->guard(&c->req, &c->resp, db, err);
    if (!rc)
        rc = c->req.route->handler(&c->req, &c->resp, db, err);
    if (!rc && c->req.move_to) /* not done yet: again in another pool */
        return;
    c->req.move_to = 0;
    if (rc) {
        err->code = rc;
        http_reply_log_failure(o->log, &c->req, err);
        http_resp_error(&c->resp, err);
    }
    if (o->finish && c->req.user)
        o->finish(&c->req);
    if (!rc && c->gzip && !c->resp.live && http_reply_compressible(&c->resp) &&
        http_gzip(&c->resp.body)) {
        http_resp_header(&c->resp, "Content-Encoding", RK_STR("gzip"));
        http_resp_header(&c->resp, "Vary", RK_STR("Accept-Encoding"));
    }
}

static void work_run(struct rk_work *w, struct db *db)
{
    struct http_call *c = rk_container_of(w, struct http_call, work);
    struct rk_err err = {0};

    serve(c, db, c->moved, &err);
}

static void work_done(struct rk_work *w, enum rk_code rc);

static struct rk_pool *pool_of(const struct http_dispatch *d, unsigned flags)
{
    if (flags & HTTP_CALLS_OUT && d->o.call_pool)
        return d->o.call_pool;
    if (flags & HTTP_HASHES && d->o.hash_pool)
        return d->o.hash_pool;
    return d->o.pool;
}

/* To the pool for these flags; when its line is full the answer is 503. */
static bool submit(struct http_call *c, unsigned flags)
{
    struct http_dispatch *d = c->d;
    const struct rk_ip *ip = &c->req.peer.ip;

    c->req.pools = 0;
    for (unsigned f = HTTP_HASHES; f <= HTTP_CALLS_OUT; f <<= 1)
        if (pool_of(d, f) != pool_of(d, flags))
            c->req.pools |= f;
    c->work = (struct rk_work){.run = work_run, .done = work_done, .loop = c->loop};
    c->work.key = rk_work_key(rk_str_of(ip->b, ip->family == 6 ? 8 : 4)); /* a customer's /64 */
    if (rk_pool_submit(pool_of(d, flags), &c->work) == RK_OK)
        return true;
    (void)refuse(c, RK_UNAVAILABLE, 0, "too many requests are waiting");
    return false;
}

static void work_done(struct rk_work *w, enum rk_code rc)
{
    struct http_call *c = rk_container_of(w, struct http_call, work);
    unsigned to = c->req.move_to;

    c->req.move_to = 0;
    if (!rc && to) {
        c->moved = true;
        if (submit(c, to))
            return;
        rc = RK_LIMIT;
    } else if (rc) {
        (void)refuse(c, RK_UNAVAILABLE, 0, "server is stopping");
    }
    if (rc && c->moved && c->d->o.finish && c->req.user)
        c->d->o.finish(&c->req);
    c->state = HTTP_CALL_READY;
    c->ops->ready(c);
}

/* True when the request could be served on this thread. A loop thread serves others as well, so
 * there only what needs no guard is quick enough. */
static bool serve_inline(struct http_call *c)
{
    const struct http_dispatch_opts *o = &c->d->o;
    bool public = c->req.route->flags & HTTP_PUBLIC || !o->guard;
    struct rk_err err = {0};
    enum rk_code rc = RK_OK;

    if (!o->pool) {
        serve(c, NULL, false, &err);
        return true;
    }
    if (!(c->req.route->flags & HTTP_INLINE) || (c->loop && c->gzip))
        return false;
    if (!public && (c->loop || !o->try_guard || !o->try_guard(&c->req, &rc, &err)))
        return false;
    if (rc) {
        err.code = rc;
        http_reply_log_failure(o->log, &c->req, &err);
        http_resp_error(&c->resp, &err);
    } else {
        serve(c, NULL, true, &err);
    }
    return true;
}

bool http_call_end(struct http_call *c)
{
    struct http_dispatch *d = c->d;

    if (c->state == HTTP_CALL_DECIDED || c->state == HTTP_CALL_READY)
        c->state = HTTP_CALL_READY;
    else if (c->body.full)
        (void)refuse(c, RK_LIMIT, 413, "request body too large");
    else if (c->no_room || (!c->known && rk_budget_level(&c->held) == RK_BUDGET_FULL))
        (void)refuse(c, RK_UNAVAILABLE, 0, "too many requests are held");
    else if (http_dispatch_stopping(d))
        (void)refuse(c, RK_UNAVAILABLE, 0, "server is stopping");
    if (c->state == HTTP_CALL_READY)
        return true;
    c->req.body = rk_buf_str(&c->body);
    c->state = HTTP_CALL_OUT;
    if (serve_inline(c)) {
        c->state = HTTP_CALL_READY;
        return true;
    }
    if (c->ops->out)
        c->ops->out(c);
    if (!submit(c, c->req.route->flags))
        c->ops->ready(c);
    return false;
}

static void live_begin(struct http_call *c)
{
    struct http_dispatch *d = c->d;

    (void)pthread_mutex_lock(&d->lock);
    rk_list_push_back(&d->lives, &c->live_link);
    (void)pthread_mutex_unlock(&d->lock);
    if (http_dispatch_stopping(d)) /* after the push: either we see it, or http_dispatch_stop us */
        http_live_end(c->resp.live);
    (void)rk_budget_hold(&c->held, http_live_max(c->resp.live));
}

/* Also for one that never began. */
static void live_done(struct http_call *c)
{
    if (!c->resp.live)
        return;
    (void)pthread_mutex_lock(&c->d->lock);
    rk_list_remove(&c->live_link);
    (void)pthread_mutex_unlock(&c->d->lock);
    http_live_detach(c->resp.live);
    http_live_unref(c->resp.live);
    c->resp.live = NULL;
}

void http_call_answer(struct http_call *c)
{
    const struct http_dispatch_opts *o = &c->d->o;
    struct http_resp *resp = &c->resp;

    if (resp->body.full) {
        struct rk_err err = {0};

        (void)rk_fail(&err, RK_INTERNAL, "response above %zu bytes", MAX_RESPONSE);
        http_reply_log_failure(o->log, &c->req, &err);
        http_resp_error(resp, &err);
    }
    http_reply_finish(&c->req, resp);
    rk_buf_done(&c->body);
    if (c->req.method == HTTP_HEAD)
        live_done(c);
    if (resp->live)
        live_begin(c);
    else
        (void)rk_budget_hold(&c->held, resp->body.cap);
    rk_metric_add(c->d->m_class[resp->status / 100 <= 5 ? resp->status / 100 : 0], 1);
    rk_metric_observe(c->d->m_ms, rk_mono_ms() - c->start_ms);
    if (rk_log_enabled(o->log, RK_DEBUG))
        rk_log(o->log, RK_DEBUG, "http request", kv_z("request", c->req.id),
               kv_z("method", http_method_name(c->req.method)),
               kv_str("path", http_reply_log_path(&c->req)), kv_i64("status", resp->status),
               kv_i64("dur_ms", rk_mono_ms() - c->start_ms));
}

void http_call_done(struct http_call *c)
{
    live_done(c);
    rk_buf_done(&c->body);
    rk_buf_done(&c->resp.body);
    rk_budget_leave(&c->held);
}

/* ---- life */

static void metrics_init(struct http_dispatch *d)
{
    static const char *const CLASS[] = {"code=\"other\"", "code=\"1xx\"", "code=\"2xx\"",
                                        "code=\"3xx\"",   "code=\"4xx\"", "code=\"5xx\""};
    static const int64_t MS[] = {1, 5, 20, 50, 100, 250, 1000, 5000};

    for (size_t i = 0; i < RK_ARRAY_LEN(CLASS); i++)
        d->m_class[i] = rk_metric_counter(d->o.metrics, "rookery_http_responses_total", CLASS[i],
                                          "HTTP responses by class.");
    d->m_ms = rk_metric_histogram_milli(d->o.metrics, "rookery_http_request_duration_seconds", NULL,
                                        "Time from the request line to the answer.", MS,
                                        RK_ARRAY_LEN(MS));
}

struct http_dispatch *http_dispatch_new(const struct http_dispatch_opts *opts)
{
    struct http_dispatch *d = rk_calloc(1, sizeof *d);

    d->o = *opts;
    if (!d->o.max_body_bytes)
        d->o.max_body_bytes = (size_t)1 << 20;
    if (!d->o.max_held_bytes)
        d->o.max_held_bytes = (size_t)256 << 20;
    if (!d->o.budget)
        d->o.budget = d->own_budget = rk_budget_new(d->o.max_held_bytes, d->o.max_held_bytes);
    rk_budget_join(d->o.budget, (struct rk_str){0}, &d->all);
    (void)pthread_mutex_init(&d->lock, NULL);
    rk_list_init(&d->lives);
    d->trusted.v = rk_memdup(opts->trusted.v, opts->trusted.n * sizeof *opts->trusted.v);
    d->trusted.n = opts->trusted.n;
    metrics_init(d);
    return d;
}

void http_dispatch_free(struct http_dispatch *d)
{
    if (!d)
        return;
    if (d->own_budget) /* another one's may be gone by now, and holds nothing of ours */
        rk_budget_leave(&d->all);
    rk_budget_free(d->own_budget);
    (void)pthread_mutex_destroy(&d->lock);
    free((void *)(uintptr_t)d->trusted.v);
    free(d);
}

void http_dispatch_stop(struct http_dispatch *d)
{
    atomic_store(&d->stopping, true);
    (void)pthread_mutex_lock(&d->lock);
    RK_LIST_FOR_EACH (it, &d->lives)
        http_live_end(rk_container_of(it, struct http_call, live_link)->resp.live);
    (void)pthread_mutex_unlock(&d->lock);
}

bool http_dispatch_stopping(const struct http_dispatch *d)
{
    return atomic_load(&d->stopping);
}

bool http_dispatch_tight(const struct http_dispatch *d)
{
    return rk_budget_level(&d->all) != RK_BUDGET_ROOM;
}
