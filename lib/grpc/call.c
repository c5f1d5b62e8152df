/* SPDX-License-Identifier: BSD-3-Clause */
/* One gRPC call on the server's side: request messages in, answer out; see call.h. */
#include "config.h"

#include "lib/grpc/call.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/num.h"
#include "lib/grpc/call_priv.h"

enum {
    DEFAULT_MAX_REQUEST = 4 * 1024 * 1024, /* gRPC's own default */
    STASH_MAX = 4 * 1024 * 1024,           /* above any window we grant */
    UNAVAILABLE_LOG_MS = 60000,
    CLIENT_FAULT_LOG_MS = 60000, /* one line per method and kind in this time */
};

struct grpc_call {
    struct h2_stream_user user;
    struct h2_stream *stream; /* NULL once closed */
    struct grpc_endpoint *ep;
    struct rk_loop *loop;
    struct edge_h2_info *info; /* lent while stream lives */
    struct rk_log *log;
    struct rk_arena *mem;
    void *data;
    struct rk_addr client;
    struct grpc_reader reader;
    struct rk_buf stash; /* DATA that came while paused; its window is not given back */
    struct rk_str body;  /* UNARY, SERVER_STREAM: the message, kept in reader */
    struct rk_timer *deadline;
    int64_t deadline_ms; /* loop time; INT64_MAX: none */
    struct rk_task resume;
    size_t counted; /* of info->recv_bytes */
    size_t unsent;  /* bytes of answers, of info->held */
    unsigned refs;
    enum rk_code result; /* for ended() */
    bool started;        /* the service has heard of it */
    bool quiet;          /* refusals are told at debug level only */
    bool known;          /* the service knows who calls: its messages may wait */
    bool owed;           /* the peer has begun something and must end it in time */
    bool headers_sent, over, got_message, remote_ended, told_half_closed, paused;
};

static const struct h2_stream_ops call_ops;

/* ---- life */

struct grpc_call *grpc_call_ref(struct grpc_call *c)
{
    c->refs++;
    return c;
}

void grpc_call_unref(struct grpc_call *c)
{
    if (!c || --c->refs)
        return;
    grpc_reader_done(&c->reader);
    rk_buf_done(&c->stash);
    rk_arena_free(c->mem);
    free(c);
}

static void count_held(struct grpc_call *c, size_t now)
{
    c->info->recv_bytes += now;
    c->info->recv_bytes -= c->counted;
    (void)edge_h2_hold(c->info, c->counted, now);
    c->counted = now;
}

static void count_unsent(struct grpc_call *c)
{
    size_t now = c->known || !c->stream ? 0 : h2_stream_queued(c->stream);

    (void)edge_h2_hold(c->info, c->unsent, now);
    c->unsent = now;
}

static void call_closed(struct h2_stream_user *u, struct h2_stream *s, const struct rk_err *why)
{
    struct grpc_call *c = rk_container_of(u, struct grpc_call, user);
    const struct grpc_method *m = c->ep->method;
    enum rk_code code = why->code;

    (void)s;
    count_held(c, 0);
    c->stream = NULL;
    count_unsent(c);
    rk_timer_cancel(&c->deadline);
    rk_list_remove(&c->resume.link);
    if (code == RK_OK)
        code = c->over ? c->result : RK_CANCELLED;
    c->over = true;
    c->info = NULL;
    if (c->started && m && m->ended)
        m->ended(c, code);
    grpc_call_unref(c);
}

/* ---- answering */

static void send_headers(struct grpc_call *c, const char *name, const char *value)
{
    struct h2_header v[3] = {{RK_STR(":status"), RK_STR("200")},
                             {RK_STR("content-type"), RK_STR("application/grpc")},
                             {rk_str_z(name), rk_str_z(value)}};

    c->headers_sent = true;
    h2_stream_respond(c->stream, v, name ? 3 : 2, false);
}

void grpc_call_send_header(struct grpc_call *c, const char *name, const char *value)
{
    if (c->over)
        return;
    if (c->headers_sent) {
        rk_log(c->log, RK_WARN, "grpc header after headers", kv_z("path", grpc_call_path(c)),
               kv_z("name", name));
        return;
    }
    send_headers(c, name, value);
}

static void over_queue_limit(struct grpc_call *c)
{
    char peer[RK_ADDR_TEXT];

    (void)rk_addr_format(&c->client, peer);
    rk_log_every(&c->ep->dropped, CLIENT_FAULT_LOG_MS, c->log, RK_WARN, "grpc call dropped",
                 kv_z("path", grpc_call_path(c)), kv_z("peer", peer),
                 kv_z("why", "the client does not take its messages"));
    c->over = true;
    c->result = RK_LIMIT;
    h2_stream_reset(c->stream, H2_ENHANCE_YOUR_CALM);
}

void grpc_call_send_owned(struct grpc_call *c, struct rk_bytes *body)
{
    uint8_t prefix[GRPC_PREFIX];

    if (c->over || body->n > UINT32_MAX) {
        rk_bytes_unref(body);
        return;
    }
    if (!c->headers_sent)
        send_headers(c, NULL, NULL);
    grpc_prefix(prefix, body->n);
    h2_stream_write(c->stream, rk_str_of(prefix, sizeof prefix), body);
    count_unsent(c);
    if (h2_stream_queued(c->stream) > c->info->limits->max_stream_queued_bytes ||
        (c->unsent > RK_BUDGET_MUCH && rk_budget_short(&c->info->held)))
        over_queue_limit(c);
}

void grpc_call_send(struct grpc_call *c, struct rk_str body)
{
    if (!c->over)
        grpc_call_send_owned(c, rk_bytes_dup(body));
}

/* Trailers, or headers and trailers in one when nothing has been sent yet. */
static void end(struct grpc_call *c, enum rk_code result, int status, struct rk_str text,
                bool accept_identity)
{
    struct rk_buf msg;
    char number[12];
    struct h2_header v[5];
    size_t n = 0;

    c->over = true;
    c->result = result;
    rk_buf_init(&msg, 4096);
    grpc_message_encode(&msg, text);
    (void)snprintf(number, sizeof number, "%d", status);
    if (!c->headers_sent) {
        v[n++] = (struct h2_header){RK_STR(":status"), RK_STR("200")};
        v[n++] = (struct h2_header){RK_STR("content-type"), RK_STR("application/grpc")};
    }
    v[n++] = (struct h2_header){RK_STR("grpc-status"), rk_str_z(number)};
    if (msg.n)
        v[n++] = (struct h2_header){RK_STR("grpc-message"), rk_buf_str(&msg)};
    if (accept_identity)
        v[n++] = (struct h2_header){RK_STR("grpc-accept-encoding"), RK_STR("identity")};
    if (c->headers_sent)
        h2_stream_finish(c->stream, v, n);
    else
        h2_stream_respond(c->stream, v, n, true);
    rk_buf_done(&msg);
}

void grpc_call_finish(struct grpc_call *c)
{
    if (c->over)
        return;
    if (!c->headers_sent) /* clients expect headers before the trailers of a success */
        send_headers(c, NULL, NULL);
    end(c, RK_OK, GRPC_OK, (struct rk_str){0}, false);
}

void grpc_call_reply(struct grpc_call *c, struct rk_str body)
{
    grpc_call_send(c, body);
    grpc_call_finish(c);
}

static void log_failure(struct grpc_call *c, const struct rk_err *err)
{
    char peer[RK_ADDR_TEXT];
    enum rk_log_level level = rk_log_failure_level(c->log, err);

    (void)rk_addr_format(&c->client, peer);
    if (level == RK_WARN) { /* one of many */
        static struct rk_log_gate gate;

        rk_log_every(&gate, UNAVAILABLE_LOG_MS, c->log, level, "grpc call failed",
                     kv_z("path", grpc_call_path(c)), kv_z("peer", peer), KV_ERR(err));
    } else if (level == RK_INFO && c->quiet) {
        rk_log(c->log, RK_DEBUG, "grpc call refused", kv_z("path", grpc_call_path(c)),
               kv_z("peer", peer), KV_ERR(err));
    } else if (level == RK_INFO) {
        rk_log_every(&c->ep->gates[err->code], CLIENT_FAULT_LOG_MS, c->log, level,
                     "grpc call refused", kv_z("path", grpc_call_path(c)), kv_z("peer", peer),
                     KV_ERR(err));
    } else {
        rk_log(c->log, level, "grpc call failed", kv_z("path", grpc_call_path(c)),
               kv_z("peer", peer), KV_ERR(err));
    }
}

void grpc_call_fail(struct grpc_call *c, const struct rk_err *err)
{
    const char *text = err->msg;

    if (c->over)
        return;
    log_failure(c, err);
    if (err->code == RK_INTERNAL)
        text = "internal error";
    else if (err->code == RK_UNAVAILABLE)
        text = "temporarily unavailable, try again";
    end(c, err->code, (int)grpc_status_of(err->code), rk_str_z(text), false);
}

static void fail_status(struct grpc_call *c, enum rk_code result, enum grpc_status status,
                        struct rk_str text)
{
    enum rk_log_level level = c->quiet ? RK_DEBUG : RK_INFO;
    char peer[RK_ADDR_TEXT];

    if (c->over)
        return;
    (void)rk_addr_format(&c->client, peer);
    rk_log_every(&c->ep->gates[result], CLIENT_FAULT_LOG_MS, c->log, level, "grpc call refused",
                 kv_z("path", grpc_call_path(c)), kv_z("peer", peer),
                 kv_z("status", grpc_status_name((int)status)), kv_str("error", text));
    end(c, result, (int)status, text, false);
}

void grpc_call_fail_status(struct grpc_call *c, enum grpc_status status, struct rk_str text)
{
    fail_status(c, grpc_status_code((int)status), status, text);
}

void grpc_call_abort(struct grpc_call *c)
{
    if (!c->over)
        over_queue_limit(c);
}

static void deadline_passed(void *arg)
{
    struct grpc_call *c = arg;

    if (c->over) /* the answer waits for a client that does not take it */
        h2_stream_reset(c->stream, H2_CANCEL);
    else
        fail_status(c, RK_TIMEOUT, GRPC_DEADLINE_EXCEEDED, RK_STR("deadline exceeded"));
}

/* ---- request */

static void frame_error(struct grpc_call *c, const struct rk_err *err)
{
    enum grpc_status status = err->code == RK_LIMIT ? GRPC_RESOURCE_EXHAUSTED : GRPC_INTERNAL;

    fail_status(c, err->code, status, rk_str_z(err->msg));
}

static void take_message(struct grpc_call *c, struct rk_str msg)
{
    const struct grpc_method *m = c->ep->method;

    if (m->kind == GRPC_BIDI) {
        m->message(c, msg);
    } else if (c->got_message) {
        fail_status(c, RK_BAD_REQUEST, GRPC_INTERNAL, RK_STR("more than one request message"));
    } else {
        c->got_message = true;
        c->body = msg; /* stays in the reader: nothing is read behind it */
    }
}

/* The reader must not be touched behind a kept message: any further byte is a second message. */
static bool trailing_bytes(struct grpc_call *c, struct rk_str in)
{
    if (!c->got_message || !in.n)
        return false;
    fail_status(c, RK_BAD_REQUEST, GRPC_INTERNAL, RK_STR("more than one request message"));
    return true;
}

/* The call has its answer: what has been read of a message is of no use any more. */
static struct rk_str forget(struct grpc_call *c)
{
    size_t max = c->reader.max_message;

    grpc_reader_done(&c->reader);
    grpc_reader_init(&c->reader, max);
    count_held(c, 0);
    return (struct rk_str){0};
}

/* A message that has begun must end in time, and so must the request of a call that is none of
 * BIDI. */
static void watch_rest(struct grpc_call *c)
{
    bool owed =
        c->ep->method->kind == GRPC_BIDI ? !grpc_reader_at_boundary(&c->reader) : !c->remote_ended;

    if (owed != c->owed)
        h2_stream_deadline(c->stream, owed ? c->info->limits->request_timeout_ms : 0);
    c->owed = owed;
}

/* Give bytes to the reader and messages to the service; returns what was not used (paused). */
static struct rk_str take_bytes(struct grpc_call *c, struct rk_str in)
{
    struct rk_err err = {0};

    while (in.n && !c->over && !c->paused) {
        struct rk_str msg;
        bool have;

        if (trailing_bytes(c, in))
            break;
        if (grpc_reader_next(&c->reader, &in, &msg, &have, &err)) {
            frame_error(c, &err);
            break;
        }
        if (have)
            take_message(c, msg);
    }
    if (c->over)
        return forget(c);
    /* a kept message waits for the end of the request, which the client may never send */
    count_held(c, c->got_message ? c->body.n : grpc_reader_held(&c->reader));
    watch_rest(c);
    if (c->counted && (c->info->recv_bytes > c->info->limits->max_conn_recv_bytes ||
                       rk_budget_short(&c->info->held))) {
        fail_status(c, RK_LIMIT, GRPC_RESOURCE_EXHAUSTED,
                    RK_STR("too many unfinished messages on this connection"));
        return forget(c);
    }
    return in;
}

static void half_closed(struct grpc_call *c)
{
    const struct grpc_method *m = c->ep->method;

    if (c->over || c->told_half_closed || c->stash.n || c->paused)
        return;
    c->told_half_closed = true;
    if (!grpc_reader_at_boundary(&c->reader))
        fail_status(c, RK_BAD_REQUEST, GRPC_INTERNAL, RK_STR("request message is cut off"));
    else if (m->kind == GRPC_BIDI) {
        if (m->half_closed)
            m->half_closed(c);
    } else if (!c->got_message) {
        fail_status(c, RK_BAD_REQUEST, GRPC_INTERNAL, RK_STR("request message is missing"));
    } else {
        c->started = true;
        m->message(c, c->body);
    }
}

static void call_data(struct h2_stream_user *u, struct h2_stream *s, struct rk_str in)
{
    struct grpc_call *c = rk_container_of(u, struct grpc_call, user);
    struct rk_str rest;

    if (c->stash.n) { /* order: behind what waits */
        rk_buf_add(&c->stash, in);
        return;
    }
    rest = take_bytes(c, in);
    h2_stream_consume(s, in.n - rest.n);
    rk_buf_add(&c->stash, rest);
}

static void call_end(struct h2_stream_user *u, struct h2_stream *s)
{
    struct grpc_call *c = rk_container_of(u, struct grpc_call, user);

    (void)s;
    c->remote_ended = true;
    if (!c->over)
        watch_rest(c);
    half_closed(c);
}

static void call_late(struct h2_stream_user *u, struct h2_stream *s)
{
    struct grpc_call *c = rk_container_of(u, struct grpc_call, user);

    (void)s;
    fail_status(c, RK_TIMEOUT, GRPC_DEADLINE_EXCEEDED, RK_STR("the request did not end in time"));
    (void)forget(c);
}

static void call_sent(struct h2_stream_user *u, struct h2_stream *s, size_t n)
{
    (void)s;
    (void)n;
    count_unsent(rk_container_of(u, struct grpc_call, user));
}

static void call_drained(struct h2_stream_user *u, struct h2_stream *s)
{
    struct grpc_call *c = rk_container_of(u, struct grpc_call, user);
    const struct grpc_method *m = c->ep->method;

    (void)s;
    if (!c->over && m->drained)
        m->drained(c);
}

static void call_shutdown(struct h2_stream_user *u, struct h2_stream *s)
{
    struct grpc_call *c = rk_container_of(u, struct grpc_call, user);

    (void)s;
    if (c->ep->method && c->ep->method->kind != GRPC_UNARY) {
        c->quiet = true; /* the program says so itself */
        fail_status(c, RK_UNAVAILABLE, GRPC_UNAVAILABLE, RK_STR("server is shutting down"));
    }
}

static const struct h2_stream_ops call_ops = {
    .data = call_data,
    .end = call_end,
    .late = call_late,
    .sent = call_sent,
    .drained = call_drained,
    .shutdown = call_shutdown,
    .closed = call_closed,
};

static void resume_turn(struct rk_task *t)
{
    struct grpc_call *c = rk_container_of(t, struct grpc_call, resume);
    struct rk_buf waiting = c->stash;
    struct rk_str rest;

    if (c->paused || !c->stream)
        return;
    rk_buf_init(&c->stash, STASH_MAX);
    rest = take_bytes(c, rk_buf_str(&waiting));
    h2_stream_consume(c->stream, waiting.n - rest.n);
    rk_buf_add(&c->stash, rest);
    rk_buf_done(&waiting);
    if (c->remote_ended)
        half_closed(c);
}

void grpc_call_pause(struct grpc_call *c)
{
    c->paused = true;
}

void grpc_call_resume(struct grpc_call *c)
{
    if (!c->paused)
        return;
    c->paused = false;
    if (c->stream)
        rk_loop_defer(c->loop, &c->resume);
}

static bool encoding_ok(struct grpc_call *c)
{
    struct rk_str enc = h2_stream_header(c->stream, "grpc-encoding");
    char text[80];

    if (!enc.n || rk_str_ieq(enc, RK_STR("identity")))
        return true;
    (void)snprintf(text, sizeof text, "compression \"%.32s\" is not supported", enc.p ? enc.p : "");
    end(c, RK_BAD_REQUEST, GRPC_UNIMPLEMENTED, rk_str_z(text), true);
    return false;
}

static bool timeout_ok(struct grpc_call *c)
{
    struct rk_str text = h2_stream_header(c->stream, "grpc-timeout");
    int64_t ms;

    if (!text.n)
        return true;
    if (grpc_timeout_parse(text, &ms, NULL)) {
        fail_status(c, RK_BAD_REQUEST, GRPC_INTERNAL, RK_STR("malformed grpc-timeout"));
        return false;
    }
    c->deadline_ms = rk_loop_now_ms(c->loop) + ms;
    rk_timer_start(c->loop, &c->deadline, ms, deadline_passed, c);
    return true;
}

void grpc_call_start(struct grpc_endpoint *ep, struct h2_stream *stream)
{
    struct grpc_call *c = rk_calloc(1, sizeof *c);
    size_t max = ep->method && ep->method->max_request_bytes ? ep->method->max_request_bytes
                                                             : DEFAULT_MAX_REQUEST;

    c->refs = 1;
    c->user.ops = &call_ops;
    c->stream = stream;
    c->ep = ep;
    c->info = edge_h2_info(stream);
    c->log = c->info->log;
    c->loop = c->info->loop;
    c->client = edge_client_addr(stream);
    c->deadline_ms = INT64_MAX;
    c->resume.run = resume_turn;
    grpc_reader_init(&c->reader, max);
    rk_buf_init(&c->stash, STASH_MAX);
    h2_stream_set_user(stream, &c->user);
    if (!ep->method) {
        struct rk_str path = h2_stream_header(stream, ":path");
        char text[160];

        (void)snprintf(text, sizeof text, "unknown method %.*s", (int)rk_min_size(path.n, 128),
                       path.p ? path.p : "");
        fail_status(c, RK_NOT_FOUND, GRPC_UNIMPLEMENTED, rk_str_z(text));
        return;
    }
    if (!encoding_ok(c) || !timeout_ok(c))
        return;
    watch_rest(c);
    if (ep->method->kind == GRPC_BIDI || ep->method->begin)
        c->started = true;
    if (ep->method->begin)
        ep->method->begin(c);
}

/* ---- looking at a call */

struct rk_arena *grpc_call_arena(struct grpc_call *c)
{
    if (!c->mem)
        c->mem = rk_arena_new(GRPC_CALL_ARENA_MAX);
    return c->mem;
}

void *grpc_call_app(const struct grpc_call *c)
{
    return c->ep->app;
}

void grpc_call_set_data(struct grpc_call *c, void *data)
{
    c->data = data;
}

void *grpc_call_data(const struct grpc_call *c)
{
    return c->data;
}

struct rk_loop *grpc_call_loop(const struct grpc_call *c)
{
    return c->loop;
}

const char *grpc_call_path(const struct grpc_call *c)
{
    return c->ep->method ? c->ep->method->path : "(unknown)";
}

struct rk_log *grpc_call_log(const struct grpc_call *c)
{
    return c->log;
}

const struct rk_addr *grpc_call_peer(const struct grpc_call *c)
{
    return &c->client;
}

struct rk_str grpc_call_header(const struct grpc_call *c, const char *name)
{
    return c->stream ? h2_stream_header(c->stream, name) : (struct rk_str){0};
}

void grpc_call_forget_headers(struct grpc_call *c)
{
    if (c->stream)
        h2_stream_forget_headers(c->stream);
}

const void *grpc_call_conn(const struct grpc_call *c)
{
    return c->info;
}

bool grpc_call_of_many(const struct grpc_call *c)
{
    return c->info && c->info->many;
}

bool grpc_call_is_over(const struct grpc_call *c)
{
    return c->over;
}

int64_t grpc_call_time_left_ms(const struct grpc_call *c)
{
    if (c->deadline_ms == INT64_MAX)
        return INT64_MAX;
    return rk_max_i64(c->deadline_ms - rk_loop_now_ms(c->loop), 0);
}

size_t grpc_call_queued(const struct grpc_call *c)
{
    return c->stream ? h2_stream_queued(c->stream) : 0;
}

size_t grpc_call_drop_unsent(struct grpc_call *c)
{
    size_t n = c->stream ? h2_stream_drop_unsent(c->stream) : 0;

    if (n)
        count_unsent(c);
    return n;
}

void grpc_call_set_quiet(struct grpc_call *c)
{
    c->quiet = true;
}

void grpc_call_set_known(struct grpc_call *c)
{
    c->known = true;
    if (!c->info)
        return;
    count_unsent(c);
    edge_h2_known(c->info);
}
