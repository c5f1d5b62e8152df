/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTTP/1.1 server on libmicrohttpd; see h1.h. Life of a request:
 *
 *   on_uri ─▶ on_request (head) ─▶ on_request (body …) ─▶ dispatch ─┬─ inline: answer at once
 *                                                                  └─ suspend ─▶ pool ─▶ resume ─▶
 *                                                                     on_request: queue the answer
 */
#include "config.h"

#include "lib/http/h1.h"

#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/map.h"
#include "lib/base/num.h"
#include "lib/http/gzip.h"
#include "lib/http/h1_reply.h"
#include "lib/http/h1_upgrade.h"
#include "lib/http/realip.h"

#define BODY_CHUNK     (64 * 1024)
#define MAX_RESPONSE   ((size_t)512 << 20) /* a list of every peer of the largest account */
#define REAP_EVERY_S   1
#define MAX_HEADERS    100
#define DISCARD_FACTOR 4 /* of max_body_bytes: bytes we read past the limit before we hang up */

struct conn { /* one per socket; guarded by http_h1.lock but for what never changes */
    struct http_h1 *h;
    struct rk_list link; /* in http_h1.conns */
    int fd;
    bool https;
    struct rk_addr peer;
    int64_t since_mono_ms; /* start, begin or end of a request */
    bool begun;            /* the first bytes of a request are there, or come at once */
    bool busy;             /* a complete request is with us: no deadline */
};

struct http_h1 {
    struct http_h1_opts o;
    struct http_proxies trusted;           /* owned */
    const struct http_h1_upgrade *upgrade; /* lent or NULL; set before the first connection */
    struct MHD_Daemon *daemon;

    pthread_mutex_t lock; /* conns, by_addr, by_fd, n_busy, stopping */
    pthread_cond_t changed;
    struct rk_list conns;
    struct conn **by_fd; /* conns by descriptor, for the time between hand-over and start */
    size_t n_fd;
    struct rk_map by_addr; /* address bytes → struct addr_count */
    size_t n_conns;
    size_t n_busy;               /* requests between dispatch and answer */
    _Atomic size_t bodies_bytes; /* held by all calls */
    bool stopping;
    pthread_t reaper;
    bool reaper_runs;

    struct rk_metric *m_conns, *m_class[6], *m_ms;
};

struct addr_count {
    size_t n;
};

enum call_state {
    CALL_HEAD,
    CALL_BODY,
    CALL_DECIDED, /* the answer is known; the body is only read away */
    CALL_OUT,     /* with the pool */
    CALL_READY
};

struct call { /* one request; con_cls of MHD; first in its own arena */
    struct http_h1 *h;
    struct conn *conn;
    struct MHD_Connection *mhd;
    struct rk_arena *mem;
    enum call_state state;
    struct http_req req;
    struct http_resp resp;
    struct rk_buf body;
    size_t body_seen;
    size_t counted; /* of http_h1.bodies_bytes */
    bool no_room;   /* for this body, among those of all requests */
    bool gzip;
    bool busy; /* counted in n_busy */
    struct rk_work work;
    int64_t start_ms;
};

/* ---- connections ---- */

static struct rk_str addr_key(const struct rk_addr *a)
{
    return rk_str_of(a->ip.b, sizeof a->ip.b);
}

/* Lock held. */
static enum rk_code count_in(struct http_h1 *h, const struct rk_addr *peer, struct rk_err *err)
{
    struct addr_count *c = rk_map_get(&h->by_addr, addr_key(peer));

    if (h->stopping)
        return rk_fail(err, RK_CANCELLED, "server is stopping");
    if (h->n_conns >= h->o.max_connections)
        return rk_fail(err, RK_LIMIT, "%zu HTTP connections are open already", h->n_conns);
    if (c && c->n >= h->o.max_per_address && !http_proxies_trust(&h->trusted, &peer->ip))
        return rk_fail(err, RK_LIMIT, "%zu HTTP connections from one address", c->n);
    if (!c) {
        c = rk_calloc(1, sizeof *c);
        (void)rk_map_put(&h->by_addr, addr_key(peer), c);
    }
    c->n++;
    h->n_conns++;
    rk_metric_set(h->m_conns, (int64_t)h->n_conns);
    return RK_OK;
}

/* Lock held. */
static void count_out(struct http_h1 *h, const struct rk_addr *peer)
{
    struct addr_count *c = rk_map_get(&h->by_addr, addr_key(peer));

    if (c && --c->n == 0) {
        (void)rk_map_del(&h->by_addr, addr_key(peer));
        free(c);
    }
    h->n_conns--;
    rk_metric_set(h->m_conns, (int64_t)h->n_conns);
}

/* Lock held. */
static void by_fd_set(struct http_h1 *h, int fd, struct conn *c)
{
    size_t i = (size_t)fd, n = h->n_fd ? h->n_fd : 64;

    if (i >= h->n_fd) {
        while (n <= i)
            n *= 2;
        h->by_fd = rk_realloc(h->by_fd, n, sizeof *h->by_fd);
        memset(h->by_fd + h->n_fd, 0, (n - h->n_fd) * sizeof *h->by_fd);
        h->n_fd = n;
    }
    h->by_fd[i] = c;
}

static void conn_drop(struct conn *c)
{
    struct http_h1 *h = c->h;

    pthread_mutex_lock(&h->lock);
    rk_list_remove(&c->link);
    if ((size_t)c->fd < h->n_fd && h->by_fd[c->fd] == c)
        h->by_fd[c->fd] = NULL;
    count_out(h, &c->peer);
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->lock);
    free(c);
}

enum rk_code http_h1_take_fd(struct http_h1 *h, int fd, const struct rk_addr *peer, bool https,
                             struct rk_err *err)
{
    struct sockaddr_storage sa;
    socklen_t sa_len = sizeof sa;
    struct conn *c;
    enum rk_code rc;

    pthread_mutex_lock(&h->lock);
    rc = count_in(h, peer, err);
    if (rc) {
        pthread_mutex_unlock(&h->lock);
        close(fd);
        return rc;
    }
    c = rk_calloc(1, sizeof *c);
    *c = (struct conn){.h = h, .fd = fd, .https = https, .peer = *peer};
    c->since_mono_ms = rk_mono_ms();
    c->begun = true; /* the edge has seen them */
    rk_list_push_back(&h->conns, &c->link);
    by_fd_set(h, fd, c);
    pthread_cond_broadcast(&h->changed); /* the reaper may be asleep for want of connections */
    pthread_mutex_unlock(&h->lock);

    /* the family tells MHD whether TCP options make sense on this socket */
    if (getsockname(fd, (struct sockaddr *)&sa, &sa_len) != 0)
        sa_len = rk_addr_to_sa(peer, &sa);
    if (MHD_add_connection(h->daemon, fd, (struct sockaddr *)&sa, sa_len) == MHD_YES)
        return RK_OK;
    /* MHD has closed fd; its start notification did not run, or its end has run already */
    pthread_mutex_lock(&h->lock);
    if ((size_t)fd < h->n_fd && h->by_fd[fd] == c) {
        pthread_mutex_unlock(&h->lock);
        conn_drop(c);
    } else {
        pthread_mutex_unlock(&h->lock);
    }
    return rk_fail(err, RK_LIMIT, "the HTTP server takes no more connections");
}

static void on_connection(void *arg, struct MHD_Connection *mhd, void **socket_context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct http_h1 *h = arg;
    const union MHD_ConnectionInfo *info;

    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (*socket_context)
            conn_drop(*socket_context);
        *socket_context = NULL;
        return;
    }
    info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    pthread_mutex_lock(&h->lock);
    if (info && (size_t)info->connect_fd < h->n_fd) {
        *socket_context = h->by_fd[info->connect_fd];
        h->by_fd[info->connect_fd] = NULL;
    }
    pthread_mutex_unlock(&h->lock);
}

/* Shut sockets whose request does not arrive in time; MHD then sees the end and closes them. */
static void *reap(void *arg)
{
    struct http_h1 *h = arg;
    int64_t request_ms = 1000 * (int64_t)h->o.request_timeout_s;
    int64_t idle_ms = 1000 * (int64_t)h->o.idle_timeout_s + request_ms;

    pthread_mutex_lock(&h->lock);
    while (!h->stopping) {
        struct timespec ts;
        int64_t now;

        if (!h->n_conns) {
            pthread_cond_wait(&h->changed, &h->lock);
            continue;
        }
        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        ts.tv_sec += REAP_EVERY_S;
        while (!h->stopping && pthread_cond_timedwait(&h->changed, &h->lock, &ts) != ETIMEDOUT)
            ;
        now = rk_mono_ms();
        RK_LIST_FOR_EACH (it, &h->conns) {
            struct conn *c = rk_container_of(it, struct conn, link);

            if (!c->busy && now - c->since_mono_ms > (c->begun ? request_ms : idle_ms))
                (void)shutdown(c->fd, SHUT_RDWR);
        }
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

/* ---- one request ---- */

static void begun(struct call *c, bool on)
{
    if (!c->conn)
        return;
    pthread_mutex_lock(&c->h->lock);
    if (!on || !c->conn->begun) /* the first request of a connection began with it */
        c->conn->since_mono_ms = rk_mono_ms();
    c->conn->begun = on;
    pthread_mutex_unlock(&c->h->lock);
}

static void *on_uri(void *arg, const char *uri, struct MHD_Connection *mhd)
{
    struct http_h1 *h = arg;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct rk_arena *mem = rk_arena_new(0);
    struct call *c = rk_new(mem, struct call);
    struct rk_str text = rk_arena_dup(mem, rk_str_z(uri));

    *c = (struct call){.h = h, .mhd = mhd, .mem = mem, .state = CALL_HEAD};
    c->conn = info ? info->socket_context : NULL;
    begun(c, true);
    c->start_ms = rk_mono_ms();
    (void)rk_str_cut(text, '?', &c->req.path, &c->req.query);
    c->req.mem = mem;
    c->req.app = h->o.app;
    rk_xid(c->req.id);
    rk_buf_init(&c->body, h->o.max_body_bytes);
    rk_buf_init(&c->resp.body, MAX_RESPONSE);
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
        c->conn->begun = false;
        c->conn->since_mono_ms = rk_mono_ms();
    }
    if (!h->n_busy)
        pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->lock);
}

static void forget_body(struct call *c)
{
    rk_buf_done(&c->body);
    (void)atomic_fetch_sub(&c->h->bodies_bytes, c->counted);
    c->counted = 0;
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
    begun(c, false); /* also of one that never was busy */
    forget_body(c);
    rk_buf_done(&c->resp.body);
    rk_arena_free(c->mem);
}

struct header_fill {
    struct call *c;
    struct http_header *to;
};

static enum MHD_Result on_header(void *arg, enum MHD_ValueKind kind, const char *key,
                                 size_t key_size, const char *value, size_t value_size)
{
    struct header_fill *f = arg;
    struct http_req *req = &f->c->req;

    (void)kind;
    if (req->n_headers < MAX_HEADERS)
        f->to[req->n_headers++] = (struct http_header){rk_str_of(key, key_size),
                                                       rk_str_of(value ? value : "", value_size)};
    return MHD_YES;
}

/* Behind trusted proxies the client is who they say. */
static void forwarded(struct call *c)
{
    struct http_req *req = &c->req;
    struct rk_str real = {0}, proto;
    struct rk_buf list;

    if (!http_proxies_trust(&c->h->trusted, &req->peer.ip) || req->n_headers == MAX_HEADERS)
        return; /* of too many headers the last are missing, which the proxies wrote */
    if (http_req_header(req, "X-Forwarded-Proto", &proto))
        req->https = rk_str_ieq(proto, RK_STR("https"));
    rk_buf_init(&list, c->h->o.max_header_bytes);
    for (size_t i = 0; i < req->n_headers; i++) {
        if (!rk_str_ieq(req->headers[i].name, RK_STR("X-Forwarded-For")))
            continue;
        if (list.n)
            rk_buf_addc(&list, ',');
        rk_buf_add(&list, req->headers[i].value);
    }
    (void)http_req_header(req, "X-Real-IP", &real);
    if (!list.full)
        req->peer = http_real_addr(&c->h->trusted, &req->peer, rk_buf_str(&list), real);
    rk_buf_done(&list);
}

static void read_head(struct call *c, const char *method)
{
    struct header_fill f = {c, rk_new_n(c->mem, struct http_header, MAX_HEADERS)};
    struct http_req *req = &c->req;
    struct rk_str accept;

    req->method = http_method_parse(rk_str_z(method));
    req->headers = f.to;
    (void)MHD_get_connection_values_n(c->mhd, MHD_HEADER_KIND, on_header, &f);
    if (c->conn) {
        req->peer = c->conn->peer;
        req->https = c->conn->https;
    }
    forwarded(c);
    c->gzip = http_req_header(req, "Accept-Encoding", &accept) && http_gzip_wanted(accept);
}

static enum MHD_Result answer(struct call *c)
{
    struct http_h1 *h = c->h;
    struct http_resp *resp = &c->resp;
    bool closing;

    if (resp->body.full) {
        struct rk_err err = {0};

        (void)rk_fail(&err, RK_INTERNAL, "response above %zu bytes", MAX_RESPONSE);
        h1_log_failure(h->o.log, &c->req, &err);
        http_resp_error(resp, &err);
    }
    pthread_mutex_lock(&h->lock);
    closing = h->stopping;
    pthread_mutex_unlock(&h->lock);
    if (!resp->status)
        resp->status = 200;
    rk_metric_add(h->m_class[resp->status / 100 <= 5 ? resp->status / 100 : 0], 1);
    rk_metric_observe(h->m_ms, rk_mono_ms() - c->start_ms);
    rk_log(h->o.log, RK_DEBUG, "http request", kv_z("request", c->req.id),
           kv_z("method", http_method_name(c->req.method)), kv_str("path", c->req.path),
           kv_i64("status", resp->status), kv_i64("dur_ms", rk_mono_ms() - c->start_ms));
    return h1_send(c->mhd, &c->req, resp, closing) ? MHD_YES : MHD_NO;
}

static enum MHD_Result refuse(struct call *c, enum rk_code code, unsigned status, const char *text)
{
    struct rk_err err = {0};

    (void)rk_fail(&err, code, "%s", text);
    http_resp_error(&c->resp, &err);
    if (status) /* one that no rk_code stands for */
        h1_error_status(&c->resp, status, text);
    return answer(c);
}

/* The guard and the handler; also what they cost, so on a pool thread if they may block. */
static void serve(struct call *c, struct db *db, bool guarded, struct rk_err *err)
{
    const struct http_h1_opts *o = &c->h->o;
    enum rk_code rc = RK_OK;

    if (!guarded && !(c->req.route->flags & HTTP_PUBLIC) && o->guard)
        rc = o->guard(&c->req, &c->resp, db, err);
    if (!rc)
        rc = c->req.route->handler(&c->req, &c->resp, db, err);
    if (rc) {
        err->code = rc;
        h1_log_failure(o->log, &c->req, err);
        http_resp_error(&c->resp, err);
    }
    if (o->finish && c->req.user)
        o->finish(&c->req);
    if (!rc && c->gzip && h1_compressible(&c->resp) && http_gzip(&c->resp.body)) {
        http_resp_header(&c->resp, "Content-Encoding", RK_STR("gzip"));
        http_resp_header(&c->resp, "Vary", RK_STR("Accept-Encoding"));
    }
}

static void work_run(struct rk_work *w, struct db *db)
{
    struct call *c = rk_container_of(w, struct call, work);
    struct rk_err err = {0};

    serve(c, db, false, &err);
}

static void work_done(struct rk_work *w, enum rk_code rc)
{
    struct call *c = rk_container_of(w, struct call, work);
    struct rk_err err = {0};

    if (rc) {
        (void)rk_fail(&err, RK_UNAVAILABLE, "server is stopping");
        http_resp_error(&c->resp, &err);
    }
    c->state = CALL_READY;
    MHD_resume_connection(c->mhd);
}

/* True when the request could be served on this thread. */
static bool serve_inline(struct call *c)
{
    const struct http_h1_opts *o = &c->h->o;
    struct rk_err err = {0};
    enum rk_code rc = RK_OK;
    bool quick = c->req.route->flags & HTTP_INLINE, public = c->req.route->flags & HTTP_PUBLIC;

    if (!o->pool) {
        serve(c, NULL, false, &err);
        return true;
    }
    if (!quick || (!public && o->guard && (!o->try_guard || !o->try_guard(&c->req, &rc, &err))))
        return false;
    if (rc) {
        err.code = rc;
        h1_log_failure(o->log, &c->req, &err);
        http_resp_error(&c->resp, &err);
    } else {
        serve(c, NULL, true, &err);
    }
    return true;
}

static enum MHD_Result dispatch(struct call *c)
{
    struct rk_err err = {0};
    enum rk_code rc;
    bool stopping;

    busy(c, true);
    pthread_mutex_lock(&c->h->lock);
    stopping = c->h->stopping;
    pthread_mutex_unlock(&c->h->lock);
    c->req.body = rk_buf_str(&c->body);
    if (stopping)
        return refuse(c, RK_UNAVAILABLE, 0, "server is stopping");
    if (serve_inline(c))
        return answer(c);
    c->state = CALL_OUT;
    c->work = (struct rk_work){.run = work_run, .done = work_done};
    MHD_suspend_connection(c->mhd);
    rc = rk_pool_submit(c->h->o.pool, &c->work);
    if (rc) {
        (void)rk_fail(&err, RK_UNAVAILABLE, "too many requests are waiting");
        h1_log_failure(c->h->o.log, &c->req, &err);
        http_resp_error(&c->resp, &err);
        c->state = CALL_READY;
        MHD_resume_connection(c->mhd);
    }
    return MHD_YES;
}

/* A WebSocket on a connection that a proxy has used for requests before. */
static enum MHD_Result upgrade(struct call *c)
{
    if (h1_upgrade(c->mhd, c->h->upgrade, &c->req, &c->conn->peer, &c->resp))
        return MHD_YES;
    http_resp_header(&c->resp, "Connection", RK_STR("close"));
    return answer(c);
}

/* MHD closes a connection that is answered before its request has ended, so what is decided by the
 * head alone waits for the (mostly empty) body. */
static enum MHD_Result decided(struct call *c, int64_t length)
{
    c->state = CALL_DECIDED;
    return length > (int64_t)c->h->o.max_body_bytes ? answer(c) : MHD_YES;
}

/* Head complete: what needs no body is decided here. */
static enum MHD_Result on_head(struct call *c, const char *method)
{
    unsigned allow = 0;
    enum http_match m;
    struct rk_str text;
    int64_t length = 0;

    read_head(c, method);
    c->state = CALL_BODY;
    if (c->h->upgrade && c->conn && c->req.method == HTTP_GET &&
        c->h->upgrade->wants(c->h->upgrade->arg, c->req.path))
        return upgrade(c);
    if (http_req_header(&c->req, "Content-Length", &text) &&
        rk_parse_i64(text, 0, INT64_MAX, &length, NULL))
        return refuse(c, RK_BAD_REQUEST, 0, "Content-Length is no number");
    m = http_router_find(c->h->o.router, &c->req, &allow);
    if (c->req.method == HTTP_OPTIONS && m != HTTP_MATCH && allow) {
        h1_options(c->h->o.router, &c->req, &c->resp, allow);
        return decided(c, length);
    }
    if (m == HTTP_NO_PATH) {
        h1_not_found(&c->req, &c->resp, c->h->o.api_prefix);
        return decided(c, length);
    }
    if (m == HTTP_NO_METHOD) {
        h1_not_allowed(&c->req, &c->resp, allow);
        return decided(c, length);
    }
    /* somewhat too large: read to the end, or most clients would see a broken pipe, not our answer;
     * far too large, or asking first: say so at once */
    c->body.full = (uint64_t)length > c->h->o.max_body_bytes;
    if (c->body.full && ((uint64_t)length / DISCARD_FACTOR > c->h->o.max_body_bytes ||
                         http_req_header(&c->req, "Expect", &text)))
        return refuse(c, RK_LIMIT, 413, "request body too large");
    return MHD_YES;
}

/* Also past a limit the rest is read, so that the answer is heard. */
static enum MHD_Result take_body(struct call *c, struct rk_str in)
{
    struct http_h1 *h = c->h;

    c->body_seen += in.n;
    if (c->body_seen / DISCARD_FACTOR > h->o.max_body_bytes)
        return MHD_NO;
    if (c->no_room || c->state != CALL_BODY)
        return MHD_YES;
    rk_buf_add(&c->body, in);
    (void)atomic_fetch_add(&h->bodies_bytes, c->body.n - c->counted);
    c->counted = c->body.n;
    c->no_room = atomic_load(&h->bodies_bytes) > h->o.max_bodies_bytes;
    if (c->no_room)
        forget_body(c);
    return MHD_YES;
}

static enum MHD_Result on_body(struct call *c, const char *data, size_t *data_size)
{
    if (*data_size) {
        struct rk_str in = rk_str_of(data, *data_size);

        *data_size = 0;
        return take_body(c, in);
    }
    if (c->state == CALL_DECIDED)
        return answer(c);
    if (c->body.full)
        return refuse(c, RK_LIMIT, 413, "request body too large");
    if (c->no_room)
        return refuse(c, RK_UNAVAILABLE, 0, "too many requests are being read");
    return dispatch(c);
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_size, void **con_cls)
{
    struct call *c = *con_cls;

    (void)arg;
    (void)mhd;
    (void)url;
    (void)version;
    if (!c)
        return MHD_NO;
    switch (c->state) {
    case CALL_HEAD:
        return on_head(c, method);
    case CALL_BODY:
    case CALL_DECIDED:
        return on_body(c, data, data_size);
    case CALL_OUT:
        return MHD_YES; /* not resumed yet */
    case CALL_READY:
        return answer(c);
    }
    return MHD_NO;
}

/* ---- start and stop ---- */

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
    DEFAULT(max_body_bytes, (size_t)1 << 20);
    DEFAULT(max_bodies_bytes, (size_t)256 << 20);
    DEFAULT(max_header_bytes, (size_t)32 << 10);
    DEFAULT(idle_timeout_s, 60);
    DEFAULT(request_timeout_s, 30);
#undef DEFAULT
}

static void metrics_init(struct http_h1 *h)
{
    static const char *const CLASS[] = {"code=\"other\"", "code=\"1xx\"", "code=\"2xx\"",
                                        "code=\"3xx\"",   "code=\"4xx\"", "code=\"5xx\""};
    static const int64_t MS[] = {1, 5, 20, 50, 100, 250, 1000, 5000};

    h->m_conns = rk_metric_gauge(h->o.metrics, "rookery_http_connections", NULL,
                                 "Open HTTP/1.1 connections.");
    for (size_t i = 0; i < RK_ARRAY_LEN(CLASS); i++)
        h->m_class[i] = rk_metric_counter(h->o.metrics, "rookery_http_responses_total", CLASS[i],
                                          "HTTP/1.1 responses by class.");
    h->m_ms = rk_metric_histogram_milli(h->o.metrics, "rookery_http_request_duration_seconds", NULL,
                                        "Time from the request line to the answer.", MS,
                                        RK_ARRAY_LEN(MS));
}

static enum rk_code start(struct http_h1 *h, struct rk_err *err)
{
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET |
                     MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem items[] = {
        {MHD_OPTION_CONNECTION_LIMIT, (intptr_t)h->o.max_connections, NULL},
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
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, h, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes,
        h, MHD_OPTION_ARRAY, items, MHD_OPTION_END);
    if (!h->daemon)
        return rk_fail(err, RK_INTERNAL, "the HTTP server threads do not start");
    rc = pthread_create(&h->reaper, NULL, reap, h);
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
    h->trusted.v = rk_memdup(opts->trusted.v, opts->trusted.n * sizeof *opts->trusted.v);
    h->trusted.n = opts->trusted.n;
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
    RK_LIST_FOR_EACH (it, &h->conns)
        (void)shutdown(rk_container_of(it, struct conn, link)->fd, SHUT_RDWR);
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
    struct rk_str key;
    size_t pos = 0;
    void *value;

    if (!h)
        return;
    http_h1_stop(h, 0);
    while (rk_map_next(&h->by_addr, &pos, &key, &value))
        free(value);
    rk_map_done(&h->by_addr);
    pthread_cond_destroy(&h->changed);
    pthread_mutex_destroy(&h->lock);
    free(h->by_fd);
    free((void *)(uintptr_t)h->trusted.v);
    free(h);
}
