/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests over HTTP/2 that are not gRPC: headers and body become a struct http_call, the answer
 * becomes headers and one piece of data. How many are begun at a time follows what the client takes
 * of the answers, so that a client that reads nothing gets nothing made:
 *
 *   stream ends ─▶ waiting (head and body held) ─ room? ─▶ dispatch ─▶ answer held ─▶ leaves ─┐
 *                        ▲────────────────── next ◀───────────────────────────────────────────┘
 *
 * A live answer is taken a piece at a time, when the stream holds nothing that has not left.
 */
#include "config.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/num.h"
#include "lib/http/edge_priv.h"
#include "lib/http/live.h"

enum {
    AHEAD = 1024 * 1024,  /* bytes of answers that wait for a client before more are made … */
    AHEAD_MANY = 2 << 20, /* … for an address behind which are many clients */
    OUT_MAX = 16,         /* requests of a connection that are with the pool at a time … */
    OUT_FIRST = 4,        /* … before we know how large its answers are */
    EXPECT = 16 * 1024,   /* size of an answer until then */
    STREAM_BYTES = 2 << 10 /* what the HTTP/2 stream itself holds, more or less */,
    LIVE_PIECE = 16 * 1024, /* of a live answer, at a time */
    MAX_HEADERS = HTTP_RESP_MAX_HEADERS + 2,
};

struct edge_rest { /* lives in the arena of its call */
    struct h2_stream_user user;
    struct http_call http;
    struct h2_stream *stream;    /* NULL once closed */
    struct edge_rest_conn *conn; /* NULL once closed */
    struct edge_loop *el;
    struct rk_list link; /* in conn->waiting */
    size_t counted;      /* bytes of the body in edge_h2_info.recv_bytes */
    size_t unsent;       /* bytes of the answer in conn->held */
    bool out, answered;
    struct http_live_sink live;
    struct rk_task live_task;
    _Atomic bool live_posted; /* live_task waits for its run */
};

static void rest_free(struct edge_rest *r)
{
    struct rk_arena *mem = r->http.req.mem;

    http_call_done(&r->http);
    rk_arena_free(mem);
}

/* The request's bytes count against what its connection may keep us from freeing. */
static void count(struct edge_rest *r, size_t now)
{
    struct edge_h2_info *info = edge_h2_info(r->stream);

    info->recv_bytes += now;
    info->recv_bytes -= r->counted;
    r->counted = now;
}

/* ---- answer */

static bool hop_by_hop(struct rk_str name)
{
    return rk_str_ieq(name, RK_STR("connection")) || rk_str_ieq(name, RK_STR("keep-alive")) ||
           rk_str_ieq(name, RK_STR("transfer-encoding")) || rk_str_ieq(name, RK_STR("upgrade")) ||
           rk_str_ieq(name, RK_STR("proxy-connection"));
}

static struct rk_str lower(struct rk_arena *mem, struct rk_str s)
{
    char *z = rk_arena_dupz(mem, s);

    for (char *p = z; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
    return rk_str_of(z, s.n);
}

/* HTTP/2 forms of the headers of resp; returns their number. */
static size_t head_of(const struct http_call *c, struct h2_header v[MAX_HEADERS])
{
    const struct http_resp *resp = &c->resp;
    struct rk_arena *mem = c->req.mem;
    size_t n = 0;

    v[n++] = (struct h2_header){RK_STR(":status"), rk_arena_printf(mem, "%u", resp->status)};
    if (resp->status != 204 && resp->status != 304 && !resp->live)
        v[n++] =
            (struct h2_header){RK_STR("content-length"), rk_arena_printf(mem, "%zu", resp->body.n)};
    for (size_t i = 0; i < resp->n_headers; i++)
        if (!hop_by_hop(resp->headers[i].name))
            v[n++] = (struct h2_header){lower(mem, resp->headers[i].name), resp->headers[i].value};
    return n;
}

/* How large an answer of this connection is to be expected. */
static void learn(struct edge_rest_conn *rc, size_t size)
{
    size_t less = rc->expect - rc->expect / 4;

    rc->expect = size > less ? size : less;
    rc->learned = true;
}

/* ---- live answers */

static void live_sleep(struct http_live_sink *s)
{
    (void)s;
}

static void live_wake(struct http_live_sink *s)
{
    struct edge_rest *r = rk_container_of(s, struct edge_rest, live);

    if (!atomic_exchange(&r->live_posted, true))
        rk_loop_post(r->el->loop, &r->live_task);
}

static void written(struct edge_rest *r, size_t n)
{
    size_t live = r->http.resp.live ? http_live_max(r->http.resp.live) : 0;

    (void)rk_budget_hold(&r->http.held, r->unsent + live);
    r->conn->held += n;
}

static void live_pump(struct edge_rest *r)
{
    char piece[LIVE_PIECE];
    bool end;
    size_t n;

    if (h2_stream_queued(r->stream) || h2_stream_ending(r->stream))
        return;
    n = http_live_take(r->http.resp.live, piece, sizeof piece, &end);
    if (end)
        h2_stream_finish(r->stream, NULL, 0);
    if (!n)
        return;
    r->unsent += n;
    written(r, n);
    h2_stream_write(r->stream, (struct rk_str){0}, rk_bytes_dup(rk_str_of(piece, n)));
}

static void live_run(struct rk_task *t)
{
    struct edge_rest *r = rk_container_of(t, struct edge_rest, live_task);

    r->live_posted = false;
    if (r->stream)
        live_pump(r);
    else
        rest_free(r); /* stream_closed left it to us */
}

static void live_start(struct edge_rest *r)
{
    r->live = (struct http_live_sink){live_sleep, live_wake};
    r->live_task.run = live_run;
    http_live_attach(r->http.resp.live, &r->live);
    live_pump(r);
}

/* The call is READY: send its answer. */
static void respond(struct edge_rest *r)
{
    struct http_call *c = &r->http;
    struct h2_header v[MAX_HEADERS];
    struct rk_bytes *body = NULL;
    size_t n;

    r->answered = true;
    if (r->http.req.user)
        edge_h2_known(edge_h2_info(r->stream));
    count(r, 0);
    h2_stream_deadline(r->stream, 0);
    http_call_answer(c);
    n = head_of(c, v);
    if (c->resp.live) {
        h2_stream_respond(r->stream, v, n, false);
        live_start(r);
        return;
    }
    learn(r->conn, c->resp.body.n);
    if (c->resp.body.n && c->req.method != HTTP_HEAD)
        body = rk_bytes_dup(rk_buf_str(&c->resp.body));
    rk_buf_done(&c->resp.body);
    h2_stream_respond(r->stream, v, n, !body);
    r->unsent = body ? body->n : 0;
    written(r, r->unsent);
    if (!body)
        return;
    h2_stream_write(r->stream, (struct rk_str){0}, body);
    h2_stream_finish(r->stream, NULL, 0);
}

static void refuse(struct edge_rest *r, unsigned status, const char *text)
{
    http_call_refuse(&r->http, status, text);
    respond(r);
}

/* ---- whose turn it is */

static bool may_begin(const struct edge_rest_conn *rc, const struct edge_rest *r)
{
    size_t ahead = rc->held + rc->n_out * rc->expect;

    if (rk_budget_level(&r->http.held) != RK_BUDGET_ROOM)
        return !ahead;
    if (rc->n_out >= (rc->learned ? OUT_MAX : OUT_FIRST))
        return false;
    if (rc->many) /* one slow client must not hold up all behind the same proxy */
        return ahead < AHEAD_MANY || !rc->n_out;
    return ahead < AHEAD;
}

static void begin(struct edge_rest *r)
{
    r->out = true;
    r->conn->n_out++;
    r->el->n_open++;
    r->http.known = edge_h2_info(r->stream)->known;
    r->http.head_bytes += r->conn->expect; /* the answer counts before it is there */
    (void)rk_budget_hold(&r->http.held, r->http.held.held + r->conn->expect);
    if (!http_call_end(&r->http))
        return;
    r->http.ops->ready(&r->http);
}

static void next(struct rk_task *t)
{
    struct edge_rest_conn *rc = rk_container_of(t, struct edge_rest_conn, next);

    while (!rk_list_empty(&rc->waiting)) {
        struct edge_rest *r = rk_container_of(rc->waiting.next, struct edge_rest, link);

        if (!may_begin(rc, r))
            break;
        rk_list_remove(&r->link);
        begin(r);
    }
}

static void kick(struct edge_rest_conn *rc, struct edge_loop *el)
{
    if (!rk_list_empty(&rc->waiting))
        rk_loop_defer(el->loop, &rc->next);
}

static void call_ready(struct http_call *http)
{
    struct edge_rest *r = rk_container_of(http, struct edge_rest, http);
    struct edge_loop *el = r->el;

    r->out = false;
    if (r->stream) {
        r->conn->n_out--;
        respond(r);
        kick(r->conn, el);
    } else {
        rest_free(r);
    }
    edge_loop_less(el);
}

static const struct http_call_ops call_ops = {.ready = call_ready};

/* ---- request */

static void stream_data(struct h2_stream_user *u, struct h2_stream *s, struct rk_str in)
{
    struct edge_rest *r = rk_container_of(u, struct edge_rest, user);

    h2_stream_consume(s, in.n);
    if (r->answered)
        return;
    if (!http_call_body(&r->http, in)) {
        refuse(r, 413, "request body too large");
        return;
    }
    count(r, r->http.body.n);
    if (edge_h2_info(s)->recv_bytes > r->el->edge->limits.max_conn_recv_bytes)
        refuse(r, 429, "too many unfinished requests on this connection");
}

static void stream_end(struct h2_stream_user *u, struct h2_stream *s)
{
    struct edge_rest *r = rk_container_of(u, struct edge_rest, user);

    if (r->answered)
        return;
    h2_stream_deadline(s, 0);
    rk_list_push_back(&r->conn->waiting, &r->link);
    if (r->conn->waiting.next == &r->link)
        next(&r->conn->next);
}

static void stream_late(struct h2_stream_user *u, struct h2_stream *s)
{
    struct edge_rest *r = rk_container_of(u, struct edge_rest, user);

    (void)s;
    if (!r->answered)
        refuse(r, 408, "the request did not come in time");
}

static void stream_sent(struct h2_stream_user *u, struct h2_stream *s, size_t n)
{
    struct edge_rest *r = rk_container_of(u, struct edge_rest, user);

    (void)s;
    n = rk_min_size(n, r->unsent);
    r->unsent -= n;
    r->conn->held -= n;
    written(r, 0);
    kick(r->conn, r->el);
}

static void stream_drained(struct h2_stream_user *u, struct h2_stream *s)
{
    struct edge_rest *r = rk_container_of(u, struct edge_rest, user);

    (void)s;
    if (r->answered && r->http.resp.live && !r->live_posted)
        live_pump(r);
}

/* The server, or its part of this connection, is about to end. */
static void stream_shutdown(struct h2_stream_user *u, struct h2_stream *s)
{
    struct edge_rest *r = rk_container_of(u, struct edge_rest, user);

    (void)s;
    if (r->answered && r->http.resp.live)
        http_live_end(r->http.resp.live);
}

static void stream_closed(struct h2_stream_user *u, struct h2_stream *s, const struct rk_err *why)
{
    struct edge_rest *r = rk_container_of(u, struct edge_rest, user);
    struct edge_rest_conn *rc = r->conn;

    (void)s;
    (void)why;
    count(r, 0);
    rk_list_remove(&r->link);
    rc->held -= r->unsent;
    r->stream = NULL;
    r->conn = NULL;
    if (r->answered)
        http_live_detach(r->http.resp.live); /* no wake from here on */
    if (r->out)
        rc->n_out--; /* ready() frees it */
    else if (!r->live_posted)
        rest_free(r);
    if (!rk_list_empty(&rc->waiting))
        rk_loop_defer(rc->loop, &rc->next);
}

static const struct h2_stream_ops stream_ops = {
    .data = stream_data,
    .end = stream_end,
    .late = stream_late,
    .sent = stream_sent,
    .drained = stream_drained,
    .shutdown = stream_shutdown,
    .closed = stream_closed,
};

static bool target_ok(struct rk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= 0x20 || (unsigned char)s.p[i] == 0x7f)
            return false;
    return s.n > 0;
}

/* The stream may be gone while the call is with a pool: everything is copied. */
static void copy_head(struct edge_rest *r)
{
    struct http_req *req = &r->http.req;
    struct rk_arena *mem = req->mem;
    size_t max = rk_min_size(h2_stream_n_headers(r->stream) + 1, HTTP_MAX_HEADERS);
    struct http_header *v = rk_new_n(mem, struct http_header, max);
    struct rk_str authority = h2_stream_header(r->stream, ":authority");

    req->method = http_method_parse(h2_stream_header(r->stream, ":method"));
    (void)rk_str_cut(rk_arena_dup(mem, h2_stream_header(r->stream, ":path")), '?', &req->path,
                     &req->query);
    req->headers = v;
    if (authority.n)
        v[req->n_headers++] = (struct http_header){RK_STR("host"), rk_arena_dup(mem, authority)};
    for (size_t i = 0; i < h2_stream_n_headers(r->stream); i++) {
        struct h2_header h = h2_stream_header_at(r->stream, i);

        if (!h.name.n || h.name.p[0] == ':' || hop_by_hop(h.name) ||
            (authority.n && rk_str_eqz(h.name, "host")) || req->n_headers == max)
            continue;
        v[req->n_headers++] =
            (struct http_header){rk_arena_dup(mem, h.name), rk_arena_dup(mem, h.value)};
    }
    r->http.head_bytes = rk_arena_used(mem) + STREAM_BYTES;
}

void edge_rest_start(struct edge_loop *el, struct edge_rest_conn *conn, const struct rk_addr *peer,
                     bool https, struct h2_stream *s)
{
    struct rk_arena *mem = rk_arena_new(0);
    struct edge_rest *r = rk_new(mem, struct edge_rest);

    *r = (struct edge_rest){.user = {&stream_ops}, .stream = s, .conn = conn, .el = el};
    http_call_init(&r->http, el->edge->dispatch, &call_ops, mem, el->loop);
    r->http.req.peer = *peer;
    r->http.req.https = https;
    h2_stream_set_user(s, &r->user);
    copy_head(r);
    if (!target_ok(h2_stream_header(s, ":path")))
        refuse(r, 400, "malformed request target");
    else if (http_call_head(&r->http) == HTTP_CALL_READY)
        respond(r);
    else
        h2_stream_deadline(s, el->edge->limits.request_timeout_ms);
}

void edge_rest_conn_init(struct edge_rest_conn *rc, struct rk_loop *loop, bool many)
{
    *rc = (struct edge_rest_conn){
        .next = {.run = next}, .loop = loop, .many = many, .expect = EXPECT};
    rk_list_init(&rc->waiting);
}

void edge_rest_conn_done(struct edge_rest_conn *rc)
{
    rk_list_remove(&rc->next.link);
}
