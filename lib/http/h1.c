/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTTP/1.1 server on libmicrohttpd; see h1.h. Connections: h1_conn.c. Life of a request:
 *
 *   on_uri ─▶ on_request (head) ─▶ on_request (body …) ─▶ http_call_end ─┬─ answer at once
 *                                                                       └─ suspend ─▶ ready:
 *                                                     resume ─▶ on_request: queue the answer
 *
 * A live answer is suspended while there is nothing to send, resumed when there is.
 */
#include "config.h"

#include "lib/http/h1.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/base/num.h"
#include "lib/http/h1_priv.h"
#include "lib/http/h1_strict.h"
#include "lib/http/live.h"

#define LIVE_CHUNK 4096 /* bytes of a live answer that are taken at a time */

struct call { /* one request; con_cls of MHD; first in its own arena */
    struct http_call http;
    struct http_h1 *h;
    struct h1_conn *conn;
    struct MHD_Connection *mhd;
    const char *target_end; /* in MHD's buffer, until the head is read */
    bool head_done;
    bool busy; /* counted in n_busy */
    struct http_live_sink live;
};

/* ---- one request */

static void call_out(struct http_call *http)
{
    MHD_suspend_connection(rk_container_of(http, struct call, http)->mhd);
}

static void call_ready(struct http_call *http)
{
    MHD_resume_connection(rk_container_of(http, struct call, http)->mhd);
}

static const struct http_call_ops call_ops = {call_out, call_ready};

static void *on_uri(void *arg, const char *uri, struct MHD_Connection *mhd)
{
    struct http_h1 *h = arg;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct rk_arena *mem = rk_arena_new(0);
    struct call *c = rk_new(mem, struct call);
    struct rk_str text = rk_arena_dup(mem, rk_str_z(uri));

    *c = (struct call){.h = h, .mhd = mhd, .target_end = uri + strlen(uri)};
    c->conn = info ? info->socket_context : NULL;
    h1_conn_begun(c->conn, true);
    http_call_init(&c->http, h->o.dispatch, &call_ops, mem, NULL);
    (void)rk_str_cut(text, '?', &c->http.req.path, &c->http.req.query);
    return c;
}

static void busy(struct call *c, bool on)
{
    struct http_h1 *h = c->h;

    if (c->busy == on)
        return;
    pthread_mutex_lock(&h->lock);
    c->busy = on;
    h->n_busy += on ? 1 : (size_t)-1;
    if (c->conn) {
        c->conn->busy = on;
        c->conn->sending = false;
        c->conn->begun = false;
        c->conn->since_mono_ms = rk_mono_ms();
        c->conn->known |= !on && c->http.req.user;
    }
    if (!h->n_busy)
        pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->lock);
}

static void on_completed(void *arg, struct MHD_Connection *mhd, void **con_cls,
                         enum MHD_RequestTerminationCode why)
{
    struct call *c = *con_cls;

    (void)arg;
    (void)mhd;
    (void)why;
    if (!c)
        return;
    *con_cls = NULL;
    busy(c, false);
    h1_conn_begun(c->conn, false); /* also of one that never was busy */
    http_call_done(&c->http);
    rk_arena_free(c->http.req.mem);
}

struct header_fill {
    struct call *c;
    struct http_header *to;
};

static enum MHD_Result on_header(void *arg, enum MHD_ValueKind kind, const char *key,
                                 size_t key_size, const char *value, size_t value_size)
{
    struct header_fill *f = arg;
    struct http_req *req = &f->c->http.req;

    (void)kind;
    if (req->n_headers < HTTP_MAX_HEADERS)
        f->to[req->n_headers++] = (struct http_header){rk_str_of(key, key_size),
                                                       rk_str_of(value ? value : "", value_size)};
    return MHD_YES;
}

static void read_head(struct call *c, const char *method)
{
    struct http_req *req = &c->http.req;
    struct header_fill f = {c, rk_new_n(req->mem, struct http_header, HTTP_MAX_HEADERS)};

    req->method = http_method_parse(rk_str_z(method));
    req->headers = f.to;
    (void)MHD_get_connection_values_n(c->mhd, MHD_HEADER_KIND, on_header, &f);
    if (c->conn) {
        req->peer = c->conn->peer;
        req->https = c->conn->https;
    }
}

/* ---- live answers */

static void live_sleep(struct http_live_sink *s)
{
    MHD_suspend_connection(rk_container_of(s, struct call, live)->mhd);
}

static void live_wake(struct http_live_sink *s)
{
    MHD_resume_connection(rk_container_of(s, struct call, live)->mhd);
}

static ssize_t live_read(void *arg, uint64_t pos, char *to, size_t max)
{
    struct call *c = arg;
    bool end;
    size_t n = http_live_take(c->http.resp.live, to, max, &end);

    (void)pos;
    return end ? MHD_CONTENT_READER_END_OF_STREAM : (ssize_t)n;
}

static struct MHD_Response *live_response(struct call *c)
{
    c->live = (struct http_live_sink){live_sleep, live_wake};
    http_live_attach(c->http.resp.live, &c->live);
    return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, LIVE_CHUNK, live_read, c, NULL);
}

/* ---- answers */

/* The body goes to MHD without a copy; `held` counts it until on_completed. */
static bool queue(struct call *c, bool close)
{
    struct http_resp *resp = &c->http.resp;
    struct rk_arena *mem = c->http.req.mem;
    struct MHD_Response *r;
    bool ok = true;

    if (resp->live) {
        r = live_response(c);
    } else if (resp->body.n) {
        r = MHD_create_response_from_buffer(resp->body.n, resp->body.p, MHD_RESPMEM_MUST_FREE);
    } else {
        rk_buf_done(&resp->body);
        r = MHD_create_response_from_buffer(0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT);
    }
    if (!r)
        return false;
    resp->body = (struct rk_buf){.max = resp->body.max}; /* MHD has the memory */
    if (close)
        http_resp_header(resp, "Connection", RK_STR("close"));
    for (size_t i = 0; i < resp->n_headers && ok; i++)
        ok = MHD_add_response_header(r, rk_arena_dupz(mem, resp->headers[i].name),
                                     rk_arena_dupz(mem, resp->headers[i].value)) == MHD_YES;
    if (ok)
        ok = MHD_queue_response(c->mhd, resp->status, r) == MHD_YES;
    MHD_destroy_response(r);
    return ok;
}

static enum MHD_Result answer_and(struct call *c, bool close)
{
    http_call_answer(&c->http);
    h1_conn_sending(c->conn, c->http.resp.live && c->http.req.user);
    close |= http_dispatch_stopping(c->h->o.dispatch);
    return queue(c, close) ? MHD_YES : MHD_NO;
}

static enum MHD_Result answer(struct call *c)
{
    return answer_and(c, false);
}

/* A WebSocket on a connection that a proxy has used for requests before. */
static enum MHD_Result upgrade(struct call *c)
{
    struct http_call *http = &c->http;

    if (h1_upgrade(c->mhd, c->h->upgrade, &http->req, &c->conn->peer, &http->resp))
        return MHD_YES;
    http->state = HTTP_CALL_READY;
    return answer_and(c, true);
}

/* Head complete: what needs no body is decided here. */
static enum MHD_Result on_head(struct call *c, const char *method, const char *version)
{
    const struct http_req *req = &c->http.req;
    unsigned status;
    const char *why;

    c->head_done = true;
    read_head(c, method);
    why = h1_strict_check(req, version, &status);
    if (!why && h1_strict_hides(req->headers, req->n_headers, c->target_end, version))
        why = "NUL or folded line in the request head";
    if (why) { /* where such a request ends is anybody's guess: nothing more from here */
        http_call_refuse(&c->http, status, why);
        return answer_and(c, true);
    }
    if (c->h->upgrade && c->conn && c->http.req.method == HTTP_GET &&
        c->h->upgrade->wants(c->h->upgrade->arg, c->http.req.path))
        return upgrade(c);
    return http_call_head(&c->http) == HTTP_CALL_READY ? answer(c) : MHD_YES;
}

static enum MHD_Result on_body(struct call *c, const char *data, size_t *data_size)
{
    if (*data_size) {
        struct rk_str in = rk_str_of(data, *data_size);

        *data_size = 0;
        return http_call_body(&c->http, in) ? MHD_YES : MHD_NO;
    }
    busy(c, true);
    c->http.known = c->conn && c->conn->known;
    return http_call_end(&c->http) ? answer(c) : MHD_YES;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_size, void **con_cls)
{
    struct call *c = *con_cls;

    (void)arg;
    (void)mhd;
    (void)url;
    if (!c)
        return MHD_NO;
    if (!c->head_done)
        return on_head(c, method, version);
    switch (c->http.state) {
    case HTTP_CALL_BODY:
    case HTTP_CALL_DECIDED:
        return on_body(c, data, data_size);
    case HTTP_CALL_OUT:
        return MHD_YES; /* not resumed yet */
    case HTTP_CALL_READY:
        return answer(c);
    }
    return MHD_NO;
}

/* ---- start and stop */

static void on_mhd_log(void *arg, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));
static void on_mhd_log(void *arg, const char *fmt, va_list ap)
{
    struct http_h1 *h = arg;
    char text[256];

    if (!rk_log_enabled(h->o.log, RK_DEBUG))
        return;
    (void)vsnprintf(text, sizeof text, fmt, ap);
    rk_log(h->o.log, RK_DEBUG, "http server", kv_str("text", rk_str_trim(rk_str_z(text))));
}

/* Paths stay as sent: the router splits before it decodes. */
static size_t keep_escapes(void *arg, struct MHD_Connection *mhd, char *s)
{
    (void)arg;
    (void)mhd;
    return strlen(s);
}

static void defaults(struct http_h1_opts *o)
{
#define DEFAULT(field, value) o->field = o->field ? o->field : (value)
    DEFAULT(threads, 1);
    DEFAULT(max_connections, 4096);
    DEFAULT(max_per_address, 512);
    DEFAULT(max_header_bytes, (size_t)32 << 10);
    DEFAULT(idle_timeout_s, 60);
    DEFAULT(request_timeout_s, 30);
#undef DEFAULT
}

static void metrics_init(struct http_h1 *h)
{
    h->m_conns = rk_metric_gauge(h->o.metrics, "rookery_http_connections", NULL,
                                 "Open HTTP/1.1 connections.");
    h->m_evicted = rk_metric_counter(h->o.metrics, "rookery_http_evicted_total", NULL,
                                     "Idle HTTP/1.1 connections that made room for new ones.");
}

static enum rk_code start(struct http_h1 *h, struct rk_err *err)
{
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET |
                     MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem items[] = {
        /* ours is the limit; those that we have shut take a while to go */
        {MHD_OPTION_CONNECTION_LIMIT, (intptr_t)(2 * h->o.max_connections + 64), NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, (intptr_t)h->o.idle_timeout_s, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)h->o.max_header_bytes, NULL},
        {h->o.threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, (intptr_t)h->o.threads,
         NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    int rc;

    h->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, h, MHD_OPTION_EXTERNAL_LOGGER, on_mhd_log, h,
        MHD_OPTION_URI_LOG_CALLBACK, on_uri, h, MHD_OPTION_NOTIFY_COMPLETED, on_completed, h,
        MHD_OPTION_NOTIFY_CONNECTION, h1_conn_notify, h, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes,
        h, MHD_OPTION_ARRAY, items, MHD_OPTION_END);
    if (!h->daemon)
        return rk_fail(err, RK_INTERNAL, "the HTTP server threads do not start");
    rc = pthread_create(&h->reaper, NULL, h1_conn_reap, h);
    if (rc)
        return rk_fail_errno(err, RK_INTERNAL, rc, "start HTTP reaper thread");
    h->reaper_runs = true;
    return RK_OK;
}

enum rk_code http_h1_new(const struct http_h1_opts *opts, struct http_h1 **out, struct rk_err *err)
{
    struct http_h1 *h = rk_calloc(1, sizeof *h);
    pthread_condattr_t attr;
    enum rk_code rc;

    h->o = *opts;
    defaults(&h->o);
    pthread_mutex_init(&h->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&h->changed, &attr);
    pthread_condattr_destroy(&attr);
    rk_list_init(&h->conns);
    rk_map_init(&h->by_addr, false);
    metrics_init(h);
    rc = start(h, err);
    if (rc) {
        http_h1_free(h);
        return rc;
    }
    *out = h;
    return RK_OK;
}

void http_h1_set_upgrade(struct http_h1 *h, const struct http_h1_upgrade *u)
{
    h->upgrade = u;
}

void http_h1_stop(struct http_h1 *h, int64_t grace_ms)
{
    struct timespec ts;

    http_dispatch_stop(h->o.dispatch);
    if (!h->daemon)
        return;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_sec += grace_ms / 1000;
    ts.tv_nsec += grace_ms % 1000 * 1000000;
    if (ts.tv_nsec >= 1000000000) {
        ts.tv_sec++;
        ts.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&h->lock);
    h->stopping = true;
    pthread_cond_broadcast(&h->changed);
    while (h->n_busy && pthread_cond_timedwait(&h->changed, &h->lock, &ts) != ETIMEDOUT)
        ;
    /* past the grace period answers that are being sent are cut, but MHD must not be stopped while
     * a request is out with the pool: only hold on for those */
    h1_conn_shut_all(h);
    while (h->n_busy)
        pthread_cond_wait(&h->changed, &h->lock);
    pthread_mutex_unlock(&h->lock);
    MHD_stop_daemon(h->daemon);
    h->daemon = NULL;
    if (h->reaper_runs)
        pthread_join(h->reaper, NULL);
    h->reaper_runs = false;
}

void http_h1_free(struct http_h1 *h)
{
    if (!h)
        return;
    http_h1_stop(h, 0);
    h1_conn_done(h);
    pthread_cond_destroy(&h->changed);
    pthread_mutex_destroy(&h->lock);
    free(h);
}
