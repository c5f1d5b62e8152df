/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests over HTTP/2 that are not gRPC: each becomes one HTTP/1.0 exchange with lib/http/h1 on a
 * socketpair (1.0: the answer's body ends with the connection, there are no chunks to undo).
 *
 *   h2 stream ─ headers, body (buffered, limited) ─▶ request text ─▶ h1
 *   h2 stream ◀─ headers, body pieces ◀─ response text ◀──────────── h1
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/http/edge_priv.h"
#include "lib/http/h1.h"

enum {
    BODY_MAX = 1024 * 1024 + 1, /* of a request; h1 refuses what is above its own limit */
    HEAD_MAX = 64 * 1024,       /* of a response */
    MAX_HEADERS = 48,
    AHEAD = 256 * 1024, /* response bytes waiting in the stream before h1 is held back */
};

struct edge_rest {
    struct h2_stream_user user;
    struct h2_stream *stream; /* NULL once closed */
    struct net_conn *conn;    /* towards h1; NULL before and after */
    struct net_conn_user conn_user;
    struct edge *edge;
    struct edge_loop *el;
    struct rk_addr peer;
    bool https;
    size_t counted;    /* bytes of buf in edge_h2_info.recv_bytes */
    bool answered;     /* response headers are sent */
    bool held;         /* conn is paused */
    struct rk_buf buf; /* request body, then response head */
};

/* The request's bytes count against what its connection may keep us from freeing. */
static void count(struct edge_rest *r, size_t now)
{
    struct edge_h2_info *info = edge_h2_info(r->stream);

    info->recv_bytes += now;
    info->recv_bytes -= r->counted;
    r->counted = now;
}

/* What has been read of the request is of no use any more. */
static void forget_body(struct edge_rest *r)
{
    count(r, 0);
    rk_buf_done(&r->buf);
    rk_buf_init(&r->buf, HEAD_MAX);
}

static void answer(struct edge_rest *r, const char *status)
{
    struct h2_header v[] = {{RK_STR(":status"), rk_str_z(status)},
                            {RK_STR("content-length"), RK_STR("0")}};

    r->answered = true;
    forget_body(r);
    h2_stream_respond(r->stream, v, RK_ARRAY_LEN(v), true);
}

static void rest_free(struct edge_rest *r)
{
    if (r->stream || r->conn)
        return;
    rk_buf_done(&r->buf);
    free(r);
}

/* ---- response ---- */

static bool hop_by_hop(struct rk_str name)
{
    return rk_str_ieq(name, RK_STR("connection")) || rk_str_ieq(name, RK_STR("keep-alive")) ||
           rk_str_ieq(name, RK_STR("transfer-encoding")) || rk_str_ieq(name, RK_STR("upgrade")) ||
           rk_str_ieq(name, RK_STR("proxy-connection"));
}

static void lower(struct rk_str s) /* s points into our own buffer */
{
    for (char *p = (char *)(uintptr_t)s.p; p < s.p + s.n; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
}

/* "HTTP/1.1 200 OK\r\nName: value\r\n…\r\n" to HTTP/2 headers. */
static bool send_head(struct edge_rest *r, struct rk_str head)
{
    struct h2_header v[MAX_HEADERS];
    struct rk_str line, rest = head;
    size_t n = 0;

    (void)rk_str_cut(rest, '\n', &line, &rest);
    line = rk_str_sub(line, sizeof "HTTP/1.1", 3);
    if (!rk_str_starts(head, RK_STR("HTTP/1.")) || line.n != 3 || line.p[0] < '2')
        return false;
    v[n++] = (struct h2_header){RK_STR(":status"), line};
    while (rk_str_cut(rest, '\n', &line, &rest) && n < MAX_HEADERS) {
        struct h2_header h;

        if (!rk_str_cut(rk_str_trim(line), ':', &h.name, &h.value))
            continue;
        h.value = rk_str_trim(h.value);
        if (hop_by_hop(h.name))
            continue;
        lower(h.name);
        v[n++] = h;
    }
    r->answered = true;
    h2_stream_respond(r->stream, v, n, false);
    return true;
}

static void conn_data(struct net_conn_user *u, struct rk_str in)
{
    struct edge_rest *r = rk_container_of(u, struct edge_rest, conn_user);
    size_t end;

    if (!r->stream)
        return;
    if (!r->answered) {
        rk_buf_add(&r->buf, in);
        end = rk_str_find(rk_buf_str(&r->buf), RK_STR("\r\n\r\n"));
        if (end == r->buf.n && !r->buf.full)
            return;
        if (r->buf.full || !send_head(r, rk_str_sub(rk_buf_str(&r->buf), 0, end + 2))) {
            answer(r, "502");
            net_conn_close(r->conn);
            return;
        }
        in = rk_str_sub(rk_buf_str(&r->buf), end + 4, r->buf.n);
    }
    if (in.n)
        h2_stream_write(r->stream, (struct rk_str){0}, rk_bytes_dup(in));
    if (h2_stream_queued(r->stream) > AHEAD) {
        r->held = true;
        net_conn_pause(r->conn);
    }
}

static void conn_closed(struct net_conn_user *u, const struct rk_err *why)
{
    struct edge_rest *r = rk_container_of(u, struct edge_rest, conn_user);
    struct edge_loop *el = r->el;

    (void)why;
    r->conn = NULL;
    if (r->stream && !r->answered)
        answer(r, "502");
    else if (r->stream)
        h2_stream_finish(r->stream, NULL, 0);
    rest_free(r);
    edge_loop_less(el);
}

static const struct net_conn_ops conn_ops = {.data = conn_data, .closed = conn_closed};

/* ---- request ---- */

static bool target_ok(struct rk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= 0x20 || (unsigned char)s.p[i] == 0x7f)
            return false;
    return s.n > 0;
}

static void add_header(struct rk_buf *out, struct rk_str name, struct rk_str value)
{
    rk_buf_add(out, name);
    rk_buf_addz(out, ": ");
    rk_buf_add(out, value);
    rk_buf_addz(out, "\r\n");
}

static bool request_text(struct edge_rest *r, struct rk_buf *out)
{
    struct h2_stream *s = r->stream;
    struct rk_str method = h2_stream_header(s, ":method"), path = h2_stream_header(s, ":path");

    if (!target_ok(method) || !target_ok(path))
        return false;
    rk_buf_add(out, method);
    rk_buf_addc(out, ' ');
    rk_buf_add(out, path); /* printf would cut it */
    rk_buf_addz(out, " HTTP/1.0\r\n");
    if (h2_stream_header(s, ":authority").n)
        add_header(out, RK_STR("host"), h2_stream_header(s, ":authority"));
    for (size_t i = 0; i < h2_stream_first_trailer(s); i++) {
        struct h2_header h = h2_stream_header_at(s, i);
        bool twice = rk_str_eqz(h.name, "host") && h2_stream_header(s, ":authority").n;

        if (h.name.n && h.name.p[0] != ':' && !hop_by_hop(h.name) && !twice &&
            !rk_str_eqz(h.name, "content-length") && !rk_str_eqz(h.name, "expect"))
            add_header(out, h.name, h.value);
    }
    if (r->buf.n || !(rk_str_eqz(method, "GET") || rk_str_eqz(method, "HEAD")))
        rk_buf_printf(out, "content-length: %zu\r\n", r->buf.n);
    rk_buf_addz(out, "\r\n");
    return !out->full;
}

static enum rk_code start_exchange(struct edge_rest *r, struct rk_str head, struct rk_err *err)
{
    enum rk_code rc;
    int sv[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv))
        return rk_fail(err, RK_UNAVAILABLE, "no socket pair");
    r->conn_user.ops = &conn_ops;
    rc = net_conn_adopt(r->el->loop, sv[0], &r->peer, NULL, &r->conn_user, &r->conn, err);
    if (rc) {
        (void)close(sv[1]);
        return rc;
    }
    r->el->n_open++;
    rc = r->edge->take(r->edge->h1, sv[1], &r->peer, r->https, err);
    if (rc) {
        net_conn_close(r->conn); /* conn_closed answers 502 */
        return RK_OK;
    }
    net_conn_send(r->conn, head);
    net_conn_send(r->conn, rk_buf_str(&r->buf));
    forget_body(r);
    return RK_OK;
}

static void stream_data(struct h2_stream_user *u, struct h2_stream *s, struct rk_str in)
{
    struct edge_rest *r = rk_container_of(u, struct edge_rest, user);

    h2_stream_consume(s, in.n);
    if (r->answered)
        return;
    rk_buf_add(&r->buf, in);
    count(r, r->buf.n);
    if (r->buf.full)
        answer(r, "413");
    else if (edge_h2_info(s)->recv_bytes > r->edge->limits.max_conn_recv_bytes)
        answer(r, "429");
}

static void stream_end(struct h2_stream_user *u, struct h2_stream *s)
{
    struct edge_rest *r = rk_container_of(u, struct edge_rest, user);
    struct rk_buf head;

    (void)s;
    if (r->answered || r->conn)
        return;
    rk_buf_init(&head, HEAD_MAX);
    if (!request_text(r, &head))
        answer(r, "400");
    else if (start_exchange(r, rk_buf_str(&head), NULL))
        answer(r, "503");
    rk_buf_done(&head);
}

static void stream_drained(struct h2_stream_user *u, struct h2_stream *s)
{
    struct edge_rest *r = rk_container_of(u, struct edge_rest, user);

    (void)s;
    if (r->held && r->conn)
        net_conn_resume(r->conn);
    r->held = false;
}

static void stream_closed(struct h2_stream_user *u, struct h2_stream *s, const struct rk_err *why)
{
    struct edge_rest *r = rk_container_of(u, struct edge_rest, user);

    (void)s;
    (void)why;
    count(r, 0);
    r->stream = NULL;
    if (r->conn)
        net_conn_close(r->conn);
    rest_free(r);
}

static const struct h2_stream_ops stream_ops = {
    .data = stream_data,
    .end = stream_end,
    .drained = stream_drained,
    .closed = stream_closed,
};

void edge_rest_start(struct edge_loop *el, const struct rk_addr *peer, bool https,
                     struct h2_stream *s)
{
    struct edge_rest *r = rk_calloc(1, sizeof *r);

    r->user.ops = &stream_ops;
    r->stream = s;
    r->edge = el->edge;
    r->el = el;
    r->peer = *peer;
    r->https = https;
    rk_buf_init(&r->buf, BODY_MAX);
    h2_stream_set_user(s, &r->user);
}
