/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gRPC channels and calls of a client; see client.h.
 *
 *   grpc_client_call ─▶ h2 stream ─┐
 *   grpc_client_call ─▶ h2 stream ─┴─▶ h2 session ─▶ net_conn
 *
 * The end always comes from below: net_conn closed() ends the session, which ends the calls, then
 * the channel itself.
 */
#include "config.h"

#include "lib/grpc/client.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/num.h"
#include "lib/grpc/frame.h"
#include "lib/http/h2.h"
#include "lib/net/transport.h"

enum {
    CONNECT_MS = 30000, /* the three defaults are those of official clients */
    KEEPALIVE_MS = 30000,
    KEEPALIVE_TIMEOUT_MS = 10000,
    MAX_MESSAGE = 16 * 1024 * 1024,
    STREAM_WINDOW = 1024 * 1024,
    CONN_WINDOW = 4 * 1024 * 1024,
    FINISH_MS = 1000,
    MAX_HEADERS = 16, /* extra metadata of one call */
    TEXT_MAX = 1024,  /* of a status message */
};

struct grpc_channel {
    struct rk_loop *loop;
    struct grpc_channel_user *user;
    struct net_conn *conn;
    struct net_conn_user conn_user;
    struct h2_io io;
    struct h2_session *session;
    struct h2_session_user session_user;
    struct rk_timer *timer; /* until ready */
    char *authority, *user_agent;
    size_t max_message;
    bool tls, ready, closing, connected;
    struct rk_err why; /* set before the conn closes */
};

struct grpc_client_call {
    struct h2_stream_user stream_user;
    struct h2_stream *stream;
    struct grpc_channel *ch;
    struct grpc_client_user *user;
    struct grpc_reader reader;
    struct rk_timer *deadline;
    bool over;  /* status is set; nothing more goes to the user but done() */
    int status; /* enum grpc_status */
    struct rk_buf text;
};

/* ---- calls */

static void set_status(struct grpc_client_call *c, int status, struct rk_str text)
{
    if (c->over)
        return;
    c->over = true;
    c->status = status;
    rk_buf_add(&c->text, rk_str_sub(text, 0, TEXT_MAX));
}

static void call_stop(struct grpc_client_call *c, int status, const char *text)
{
    set_status(c, status, rk_str_z(text));
    h2_stream_reset(c->stream, H2_CANCEL);
}

static void deadline_passed(void *arg)
{
    call_stop(arg, GRPC_DEADLINE_EXCEEDED, "deadline exceeded");
}

static bool is_http_header(struct rk_str name)
{
    return !name.n || name.p[0] == ':' || rk_str_starts(name, RK_STR("grpc-")) ||
           rk_str_eqz(name, "content-type");
}

static void tell_headers(struct grpc_client_call *c, struct h2_stream *s)
{
    struct grpc_header v[MAX_HEADERS];
    size_t n = 0;

    for (size_t i = 0; i < h2_stream_n_headers(s) && n < MAX_HEADERS; i++) {
        struct h2_header h = h2_stream_header_at(s, i);

        if (!is_http_header(h.name))
            v[n++] = (struct grpc_header){h.name, h.value};
    }
    if (c->user->ops->headers)
        c->user->ops->headers(c->user, v, n);
}

static void call_headers(struct h2_stream_user *u, struct h2_stream *s)
{
    struct grpc_client_call *c = rk_container_of(u, struct grpc_client_call, stream_user);
    int64_t status = 0;
    char text[96];

    if (c->over || h2_stream_header(s, "grpc-status").n) /* trailers only */
        return;
    if (rk_parse_i64(h2_stream_header(s, ":status"), 100, 999, &status, NULL))
        status = 0;
    if (status != 200 ||
        !rk_str_istarts(h2_stream_header(s, "content-type"), RK_STR("application/grpc"))) {
        (void)snprintf(text, sizeof text, "not a gRPC answer: HTTP status %d", (int)status);
        call_stop(c, (int)grpc_status_of_http((unsigned)status), text);
        return;
    }
    tell_headers(c, s);
}

static void call_data(struct h2_stream_user *u, struct h2_stream *s, struct rk_str in)
{
    struct grpc_client_call *c = rk_container_of(u, struct grpc_client_call, stream_user);
    struct rk_err err = {0};

    h2_stream_consume(s, in.n);
    while (in.n && !c->over) {
        struct rk_str msg;
        bool have;

        if (grpc_reader_next(&c->reader, &in, &msg, &have, &err))
            call_stop(c, err.code == RK_LIMIT ? GRPC_RESOURCE_EXHAUSTED : GRPC_INTERNAL, err.msg);
        else if (have)
            c->user->ops->message(c->user, msg);
    }
}

static void call_end(struct h2_stream_user *u, struct h2_stream *s)
{
    struct grpc_client_call *c = rk_container_of(u, struct grpc_client_call, stream_user);
    struct rk_str status = h2_stream_header(s, "grpc-status");
    struct rk_buf text;

    if (!status.n) {
        set_status(c, GRPC_UNKNOWN, RK_STR("the server ended without a status"));
    } else if (!c->over && !grpc_reader_at_boundary(&c->reader)) {
        set_status(c, GRPC_INTERNAL, RK_STR("message is cut off"));
    } else {
        rk_buf_init(&text, TEXT_MAX);
        grpc_message_decode(&text, rk_str_sub(h2_stream_header(s, "grpc-message"), 0, TEXT_MAX));
        set_status(c, grpc_status_parse(status), rk_buf_str(&text));
        rk_buf_done(&text);
    }
    if (!h2_stream_ending(s)) /* the server wants no more of our messages */
        h2_stream_reset(s, H2_CANCEL);
}

static void call_drained(struct h2_stream_user *u, struct h2_stream *s)
{
    struct grpc_client_call *c = rk_container_of(u, struct grpc_client_call, stream_user);

    (void)s;
    if (!c->over && c->user->ops->drained)
        c->user->ops->drained(c->user);
}

static void call_closed(struct h2_stream_user *u, struct h2_stream *s, const struct rk_err *why)
{
    struct grpc_client_call *c = rk_container_of(u, struct grpc_client_call, stream_user);

    (void)s;
    if (c->ch->closing)
        set_status(c, GRPC_CANCELLED, RK_STR("channel closed"));
    set_status(c, why->code ? (int)grpc_status_of(why->code) : GRPC_INTERNAL,
               why->code ? rk_str_z(why->msg) : RK_STR("the server ended without a status"));
    rk_timer_cancel(&c->deadline);
    c->user->ops->done(c->user, c->status, rk_buf_str(&c->text));
    grpc_reader_done(&c->reader);
    rk_buf_done(&c->text);
    free(c);
}

static const struct h2_stream_ops call_ops = {
    .headers = call_headers,
    .data = call_data,
    .end = call_end,
    .drained = call_drained,
    .closed = call_closed,
};

enum rk_code grpc_client_call(struct grpc_channel *ch, const char *path,
                              const struct grpc_header *headers, size_t n_headers,
                              int64_t timeout_ms, struct grpc_client_user *user,
                              struct grpc_client_call **out, struct rk_err *err)
{
    char timeout[GRPC_TIMEOUT_TEXT];
    struct h2_header v[8 + MAX_HEADERS] = {
        {RK_STR(":method"), RK_STR("POST")},
        {RK_STR(":scheme"), ch->tls ? RK_STR("https") : RK_STR("http")},
        {RK_STR(":path"), rk_str_z(path)},
        {RK_STR(":authority"), rk_str_z(ch->authority)},
        {RK_STR("content-type"), RK_STR("application/grpc")},
        {RK_STR("user-agent"), rk_str_z(ch->user_agent)},
        {RK_STR("te"), RK_STR("trailers")},
    };
    size_t n = 7;
    struct grpc_client_call *c;
    enum rk_code rc;

    if (ch->closing || !ch->session)
        return rk_fail(err, RK_CANCELLED, "channel is closing");
    if (n_headers > MAX_HEADERS)
        return rk_fail(err, RK_INVALID, "too many headers");
    if (timeout_ms > 0)
        v[n++] =
            (struct h2_header){RK_STR("grpc-timeout"), grpc_timeout_format(timeout_ms, timeout)};
    for (size_t i = 0; i < n_headers; i++)
        v[n++] = (struct h2_header){headers[i].name, headers[i].value};
    c = rk_calloc(1, sizeof *c);
    c->ch = ch;
    c->user = user;
    c->stream_user.ops = &call_ops;
    rc = h2_session_request(ch->session, v, n, &c->stream_user, &c->stream, err);
    if (rc) {
        free(c);
        return rc;
    }
    grpc_reader_init(&c->reader, ch->max_message);
    rk_buf_init(&c->text, TEXT_MAX);
    if (timeout_ms > 0)
        rk_timer_start(ch->loop, &c->deadline, timeout_ms, deadline_passed, c);
    *out = c;
    return RK_OK;
}

enum rk_code grpc_client_unary(struct grpc_channel *ch, const char *path, struct rk_str body,
                               int64_t timeout_ms, struct grpc_client_user *user,
                               struct grpc_client_call **out, struct rk_err *err)
{
    enum rk_code rc = grpc_client_call(ch, path, NULL, 0, timeout_ms, user, out, err);

    if (rc)
        return rc;
    grpc_client_send(*out, body);
    grpc_client_half_close(*out);
    return RK_OK;
}

void grpc_client_send(struct grpc_client_call *c, struct rk_str body)
{
    uint8_t prefix[GRPC_PREFIX];

    if (c->over || body.n > UINT32_MAX)
        return;
    grpc_prefix(prefix, body.n);
    h2_stream_write(c->stream, rk_str_of(prefix, sizeof prefix),
                    body.n ? rk_bytes_dup(body) : NULL);
}

size_t grpc_client_queued(const struct grpc_client_call *c)
{
    return h2_stream_queued(c->stream);
}

void grpc_client_half_close(struct grpc_client_call *c)
{
    if (!c->over)
        h2_stream_finish(c->stream, NULL, 0);
}

void grpc_client_cancel(struct grpc_client_call *c)
{
    call_stop(c, GRPC_CANCELLED, "cancelled");
}

/* ---- channel */

static void channel_fail(struct grpc_channel *ch, const struct rk_err *why)
{
    if (!ch->why.code)
        ch->why = *why;
    net_conn_fail(ch->conn, why);
}

static void ready_timeout(void *arg)
{
    struct grpc_channel *ch = arg;
    struct rk_err err;

    (void)rk_fail(&err, RK_TIMEOUT, "no HTTP/2 SETTINGS from the server in time");
    channel_fail(ch, &err);
}

static void session_ready(struct h2_session_user *u)
{
    struct grpc_channel *ch = rk_container_of(u, struct grpc_channel, session_user);

    rk_timer_cancel(&ch->timer);
    ch->ready = true;
    if (!ch->closing && ch->user->ops->ready)
        ch->user->ops->ready(ch->user);
}

static void session_over(struct h2_session_user *u, const struct rk_err *why)
{
    struct grpc_channel *ch = rk_container_of(u, struct grpc_channel, session_user);

    if (why->code) {
        channel_fail(ch, why);
        return;
    }
    if (!ch->why.code && !ch->closing)
        (void)rk_fail(&ch->why, RK_UNAVAILABLE, "the server is going away");
    net_conn_finish(ch->conn, FINISH_MS);
}

static void session_request(struct h2_session_user *u, struct h2_stream *s)
{
    (void)u; /* clients get no requests */
    (void)s;
}

static const struct h2_session_ops session_ops = {session_request, session_ready, session_over};

static void io_send(struct h2_io *io, struct rk_str s)
{
    net_conn_send(rk_container_of(io, struct grpc_channel, io)->conn, s);
}

static void io_send_bytes(struct h2_io *io, struct rk_bytes *b, size_t off, size_t n)
{
    net_conn_send_bytes(rk_container_of(io, struct grpc_channel, io)->conn, b, off, n);
}

static size_t io_queued(struct h2_io *io)
{
    return net_conn_queued(rk_container_of(io, struct grpc_channel, io)->conn);
}

static const struct h2_io_ops io_ops = {io_send, io_send_bytes, io_queued};

static void conn_opened(struct net_conn_user *u)
{
    struct grpc_channel *ch = rk_container_of(u, struct grpc_channel, conn_user);
    struct rk_err err;

    ch->connected = true;
    if (ch->tls && !rk_str_eqz(net_conn_alpn(ch->conn), "h2")) {
        (void)rk_fail(&err, RK_UNAVAILABLE, "the server does not offer HTTP/2 (ALPN h2)");
        channel_fail(ch, &err);
    }
}

static void conn_data(struct net_conn_user *u, struct rk_str in)
{
    h2_session_feed(rk_container_of(u, struct grpc_channel, conn_user)->session, in);
}

static void conn_drained(struct net_conn_user *u)
{
    h2_session_wrote(rk_container_of(u, struct grpc_channel, conn_user)->session);
}

static void conn_closed(struct net_conn_user *u, const struct rk_err *why)
{
    struct grpc_channel *ch = rk_container_of(u, struct grpc_channel, conn_user);
    struct h2_session *session = ch->session;
    struct rk_err lost = {0};

    rk_timer_cancel(&ch->timer);
    ch->session = NULL; /* no new calls from within done() */
    if (ch->why.code)
        lost = ch->why;
    else if (why->code)
        lost = *why;
    else if (!ch->closing)
        (void)rk_fail(&lost, RK_UNAVAILABLE, "connection closed by the server");
    h2_session_free(session, lost.code ? &lost : NULL);
    ch->user->ops->down(ch->user, &lost);
    free(ch->authority);
    free(ch->user_agent);
    free(ch);
}

static const struct net_conn_ops conn_ops = {conn_opened, conn_data, conn_drained, conn_closed};

static char *make_authority(const char *host, uint16_t port)
{
    char buf[300];
    bool bare6 = strchr(host, ':') && host[0] != '[';

    (void)snprintf(buf, sizeof buf, "%s%s%s:%u", bare6 ? "[" : "", host, bare6 ? "]" : "", port);
    return rk_str_dupz(rk_str_z(buf));
}

enum rk_code grpc_channel_open(struct rk_loop *loop, const struct grpc_channel_opts *opts,
                               struct grpc_channel_user *user, struct grpc_channel **out,
                               struct rk_err *err)
{
    int64_t timeout = opts->connect_timeout_ms > 0 ? opts->connect_timeout_ms : CONNECT_MS;
    struct net_connect_opts net = {.host = opts->host,
                                   .port = opts->port,
                                   .tls = opts->tls,
                                   .alpn = "h2",
                                   .timeout_ms = timeout,
                                   .fwmark = opts->fwmark,
                                   .socket_hook = opts->socket_hook,
                                   .hook_arg = opts->hook_arg};
    struct h2_opts h2 = {
        .stream_window = STREAM_WINDOW,
        .conn_window = CONN_WINDOW,
        .ping_after_ms = opts->keepalive_ms > 0 ? opts->keepalive_ms : KEEPALIVE_MS,
        .ping_timeout_ms =
            opts->keepalive_timeout_ms > 0 ? opts->keepalive_timeout_ms : KEEPALIVE_TIMEOUT_MS};
    struct grpc_channel *ch = rk_calloc(1, sizeof *ch);
    enum rk_code rc;

    ch->loop = loop;
    ch->user = user;
    ch->conn_user.ops = &conn_ops;
    ch->io.ops = &io_ops;
    ch->session_user.ops = &session_ops;
    ch->tls = opts->tls != NULL;
    ch->max_message = opts->max_message_bytes ? opts->max_message_bytes : MAX_MESSAGE;
    rc = net_conn_connect(loop, &net, &ch->conn_user, &ch->conn, err);
    if (rc) {
        free(ch);
        return rc;
    }
    ch->authority = make_authority(opts->host, opts->port);
    ch->user_agent = rk_str_dupz(rk_str_z(opts->user_agent ? opts->user_agent : "rook"));
    net_conn_set_low_water(ch->conn, H2_IO_HIGH / 4);
    ch->session = h2_session_new(loop, &h2, &ch->io, &ch->session_user);
    rk_timer_start(loop, &ch->timer, timeout, ready_timeout, ch);
    *out = ch;
    return RK_OK;
}

void grpc_channel_close(struct grpc_channel *ch)
{
    ch->closing = true;
    net_conn_close(ch->conn);
}

bool grpc_channel_is_ready(const struct grpc_channel *ch)
{
    return ch->ready && !ch->closing && ch->session && !h2_session_going(ch->session);
}

enum rk_code grpc_channel_addrs(const struct grpc_channel *ch, struct rk_addr *peer,
                                struct rk_addr *local, struct rk_err *err)
{
    if (!ch->connected)
        return rk_fail(err, RK_PRECONDITION, "not connected");
    *peer = *net_conn_peer(ch->conn);
    return net_conn_local(ch->conn, local, err);
}
