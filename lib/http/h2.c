/* SPDX-License-Identifier: BSD-3-Clause */
/* HTTP/2 sessions on nghttp2: callbacks, flood limits, keepalive, the end; see h2.h. */
#include "config.h"

#include "lib/http/h2_stream.h"

#include <stdlib.h>

#include "lib/base/num.h"

enum {
    DEFAULT_STREAMS = 250,
    DEFAULT_HEADER_BYTES = 16 * 1024,
    DEFAULT_STREAM_WINDOW = 256 * 1024,
    DEFAULT_CONN_WINDOW = 1024 * 1024,
    DEFAULT_PING_TIMEOUT_MS = 20000,
    /* Answers (PING, SETTINGS acks) waiting for a peer that does not read. */
    MAX_OUTBOUND_ACKS = 1000,
    /* Streams that end by RST_STREAM, either side's: a burst, then a steady rate. Cancelling calls
     * is normal, and a reverse proxy cancels for all clients behind it at once; opening and
     * cancelling without end is an attack (CVE-2023-44487, CVE-2025-8671). nghttp2 counts too,
     * above us. */
    RESET_BURST = 2000,
    RESETS_PER_S = 200,
    NG_RESET_BURST = 2 * RESET_BURST,
    NG_RESETS_PER_S = 2 * RESETS_PER_S,
    /* Frames that cost work and carry nothing: SETTINGS, PRIORITY, empty DATA. */
    ODD_BURST = 1000,
    ODD_PER_S = 100,
    GOAWAY_DELAY_MS = 200, /* between the notice and the final GOAWAY: requests under way get in */
};

static void set_why(struct h2_session *s, enum rk_code code, const char *lead, const char *text)
{
    if (!s->why)
        s->why = rk_calloc(1, sizeof *s->why);
    (void)rk_fail(s->why, code, "%s%s", lead, text);
}

static void over_as_said(struct h2_session *s)
{
    if (s->over)
        return;
    s->over = s->going = true;
    rk_timer_cancel(&s->timer);
    rk_loop_defer(s->loop, &s->turn);
}

void h2_session_over(struct h2_session *s, enum rk_code code, const char *text)
{
    if (s->over)
        return;
    if (code) {
        set_why(s, code, "", text);
    } else {
        free(s->why);
        s->why = NULL;
    }
    over_as_said(s);
}

static void flood(struct h2_session *s, const char *what)
{
    if (!s->over)
        (void)nghttp2_session_terminate_session(s->ng, NGHTTP2_ENHANCE_YOUR_CALM);
    s->going = true;
    if (!s->why)
        set_why(s, RK_LIMIT, "HTTP/2 flood: ", what);
}

static void count_odd(struct h2_session *s, const char *what)
{
    if (!rk_bucket_take(&s->oddities, rk_loop_now_ms(s->loop), ODD_PER_S * 1000, ODD_BURST))
        flood(s, what);
}

static void count_reset(struct h2_session *s)
{
    if (!rk_bucket_take(&s->resets, rk_loop_now_ms(s->loop), RESETS_PER_S * 1000, RESET_BURST))
        flood(s, "too many resets");
}

/* ---- nghttp2 callbacks */

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct h2_session *s = arg;

    if (s->opts.server && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        struct h2_stream *st = h2_stream_new(s, frame->hd.stream_id);

        (void)nghttp2_session_set_stream_user_data(ng, frame->hd.stream_id, st);
    }
    return 0;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags, void *arg)
{
    struct h2_stream *st = nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id);

    (void)flags;
    (void)arg;
    if (st)
        h2_stream_add_header(st, rk_str_of(name, name_n), rk_str_of(value, value_n));
    return 0;
}

static void request_complete(struct h2_session *s, struct h2_stream *st)
{
    static const struct h2_header too_large[] = {{RK_STR(":status"), RK_STR("431")},
                                                 {RK_STR("content-length"), RK_STR("0")}};

    st->have_headers = true;
    st->first_trailer = st->n_slots;
    if (st->too_big)
        h2_stream_respond(st, too_large, RK_ARRAY_LEN(too_large), true);
    else if (s->going)
        h2_stream_reset(st, NGHTTP2_REFUSED_STREAM);
    else {
        s->user->ops->request(s->user, st);
        if (!st->user)
            h2_stream_reset(st, NGHTTP2_REFUSED_STREAM);
    }
}

static void response_headers(struct h2_stream *st)
{
    struct rk_str status = h2_stream_header(st, ":status");

    if (status.n == 3 && status.p[0] == '1') { /* 1xx: the real one follows */
        st->n_slots = 0;
        st->text.n = 0;
        return;
    }
    st->have_headers = true;
    st->first_trailer = st->n_slots;
    if (st->too_big)
        h2_stream_reset(st, NGHTTP2_ENHANCE_YOUR_CALM);
    else if (st->user->ops->headers)
        st->user->ops->headers(st->user, st);
}

static void remote_end(struct h2_stream *st)
{
    st->remote_ended = true;
    if (st->user && !st->reset && st->user->ops->end)
        st->user->ops->end(st->user, st);
}

static void on_headers(struct h2_session *s, struct h2_stream *st, const nghttp2_frame *frame)
{
    if (!st)
        return;
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        request_complete(s, st);
    else if (st->local && !st->have_headers)
        response_headers(st);
    else if (st->too_big)
        h2_stream_reset(st, NGHTTP2_ENHANCE_YOUR_CALM);
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
        remote_end(st);
}

static void on_settings(struct h2_session *s, const nghttp2_frame *frame)
{
    if (frame->hd.flags & NGHTTP2_FLAG_ACK)
        return;
    count_odd(s, "SETTINGS");
    if (!s->ready) {
        s->ready = true;
        if (s->user->ops->ready)
            s->user->ops->ready(s->user);
    }
}

static int on_frame_recv(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct h2_session *s = arg;
    struct h2_stream *st = NULL;

    if (frame->hd.stream_id)
        st = nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id);
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        on_headers(s, st, frame);
        break;
    case NGHTTP2_DATA:
        if (frame->hd.length == 0 && !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
            count_odd(s, "empty DATA");
        if (st && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
            remote_end(st);
        break;
    case NGHTTP2_RST_STREAM:
        if (st)
            st->peer_reset = frame->rst_stream.error_code + 1;
        if (s->opts.server)
            count_reset(s);
        break;
    case NGHTTP2_SETTINGS:
        on_settings(s, frame);
        break;
    case NGHTTP2_PRIORITY:
        count_odd(s, "PRIORITY");
        break;
    case NGHTTP2_GOAWAY:
        s->going = s->stopping = true;
        break;
    default:
        break;
    }
    return 0;
}

static int on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *data, size_t n,
                   void *arg)
{
    struct h2_stream *st = nghttp2_session_get_stream_user_data(ng, id);

    (void)flags;
    (void)arg;
    (void)nghttp2_session_consume_connection(ng, n); /* streams hold back, the connection never */
    if (st && st->user && st->user->ops->data && !st->reset)
        st->user->ops->data(st->user, st, rk_str_of(data, n));
    else
        (void)nghttp2_session_consume_stream(ng, id, n);
    return 0;
}

static void stream_over(struct h2_stream *st, const struct rk_err *why)
{
    if (st->user)
        st->user->ops->closed(st->user, st, why);
    h2_stream_free(st);
}

static int on_stream_close(nghttp2_session *ng, int32_t id, uint32_t code, void *arg)
{
    struct h2_session *s = arg;
    struct h2_stream *st = nghttp2_session_get_stream_user_data(ng, id);
    struct rk_err why = {0};

    if (!st)
        return 0;
    if (st->reset)
        why.code = RK_OK; /* by us; the user knows why */
    else if (st->peer_reset && st->peer_reset - 1 == NGHTTP2_REFUSED_STREAM)
        (void)rk_fail(&why, RK_UNAVAILABLE, "refused by the server");
    else if (st->peer_reset && !(st->peer_reset - 1 == NGHTTP2_NO_ERROR && st->remote_ended))
        (void)rk_fail(&why, RK_CANCELLED, "reset by the peer: %s",
                      nghttp2_http2_strerror(st->peer_reset - 1));
    else if (code != NGHTTP2_NO_ERROR)
        (void)rk_fail(&why, s->opts.server ? RK_CANCELLED : RK_UNAVAILABLE, "stream failed: %s",
                      nghttp2_http2_strerror(code));
    stream_over(st, &why);
    return 0;
}

static int on_frame_send(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct h2_session *s = arg;

    if (frame->hd.type == NGHTTP2_RST_STREAM && s->opts.server &&
        frame->rst_stream.error_code != NGHTTP2_NO_ERROR)
        count_reset(s);
    /* Our answer is complete while the client may still send: nothing more is wanted. */
    if (s->opts.server && (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) &&
        nghttp2_session_get_stream_remote_close(ng, frame->hd.stream_id) == 0)
        (void)nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                        NGHTTP2_NO_ERROR);
    return 0;
}

/* A request that was cancelled before it left has no stream in nghttp2, so no close callback. */
static int on_frame_not_send(nghttp2_session *ng, const nghttp2_frame *frame, int code, void *arg)
{
    struct h2_session *s = arg;
    struct rk_err why = {0};

    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST ||
        nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id))
        return 0;
    RK_LIST_FOR_EACH (node, &s->streams) {
        struct h2_stream *st = rk_container_of(node, struct h2_stream, link);

        if (st->id != frame->hd.stream_id)
            continue;
        if (!st->reset)
            (void)rk_fail(&why, RK_UNAVAILABLE, "not sent: %s", nghttp2_strerror(code));
        stream_over(st, &why);
        break;
    }
    return 0;
}

static int on_invalid_frame(nghttp2_session *ng, const nghttp2_frame *frame, int code, void *arg)
{
    struct h2_session *s = arg;

    (void)ng;
    /* Go's gRPC client says goodbye with the highest stream id there is, which nghttp2 does not
     * take from a client: all the same an orderly end */
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code == NGHTTP2_NO_ERROR)
        return 0;
    if (!s->why)
        set_why(s, RK_BAD_REQUEST, "HTTP/2: ", nghttp2_strerror(code));
    return 0;
}

/* ---- sending and ending */

static void tell_drained(struct h2_session *s)
{
    struct rk_list batch, *node;

    rk_list_init(&batch);
    rk_list_splice(&batch, &s->drained);
    while ((node = rk_list_pop_front(&batch))) {
        struct h2_stream *st = rk_container_of(node, struct h2_stream, drained_link);

        if (!st->queued && st->user->ops->drained)
            st->user->ops->drained(st->user, st);
    }
}

static void pull(struct h2_session *s)
{
    while (s->io->ops->queued(s->io) < H2_IO_HIGH) {
        const uint8_t *data;
        ssize_t n;

        h2_mem_restore(&s->mem);
        n = nghttp2_session_mem_send(s->ng, &data);
        if (n < 0) {
            h2_session_over(s, RK_INTERNAL, nghttp2_strerror((int)n));
            return;
        }
        if (n == 0)
            break;
        s->io->ops->send(s->io, rk_str_of(data, (size_t)n));
        s->io_handed += (size_t)n;
    }
    if (!nghttp2_session_want_read(s->ng) && !nghttp2_session_want_write(s->ng))
        over_as_said(s);
}

static void turn(struct rk_task *t)
{
    static const struct rk_err orderly;
    struct h2_session *s = rk_container_of(t, struct h2_session, turn);

    if (!s->over) {
        pull(s);
        tell_drained(s);
    }
    if (s->over) {
        rk_list_remove(&s->turn.link);
        s->user->ops->over(s->user, s->why ? s->why : &orderly);
        return;
    }
    if (s->stopping && !s->n_streams && s->going)
        h2_session_over(s, RK_OK, "");
}

void h2_session_kick(struct h2_session *s)
{
    if (!s->over)
        rk_loop_defer(s->loop, &s->turn);
}

void h2_session_wrote(struct h2_session *s)
{
    h2_session_kick(s);
}

void h2_session_feed(struct h2_session *s, struct rk_str in)
{
    ssize_t n;

    if (s->over)
        return;
    s->last_rx_ms = rk_loop_now_ms(s->loop);
    s->pinging = false;
    n = nghttp2_session_mem_recv(s->ng, (const uint8_t *)in.p, in.n);
    if (n < 0) {
        (void)nghttp2_session_terminate_session(
            s->ng, n == NGHTTP2_ERR_FLOODED ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR);
        pull(s);
        h2_session_over(s, RK_BAD_REQUEST, nghttp2_strerror((int)n));
        return;
    }
    h2_session_kick(s);
}

/* ---- the end */

static void final_goaway(void *arg)
{
    struct h2_session *s = arg;

    s->going = true;
    s->timer_taken = false;
    h2_watch_arm(s);
    (void)nghttp2_submit_goaway(s->ng, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(s->ng), NGHTTP2_NO_ERROR,
                                NULL, 0);
    h2_session_kick(s);
}

void h2_session_shutdown(struct h2_session *s)
{
    if (s->stopping || s->over)
        return;
    s->stopping = s->timer_taken = true;
    if (s->opts.server)
        (void)nghttp2_submit_shutdown_notice(s->ng);
    rk_timer_start(s->loop, &s->timer, s->opts.server ? GOAWAY_DELAY_MS : 0, final_goaway, s);
    RK_LIST_FOR_EACH_SAFE (node, &s->streams) {
        struct h2_stream *st = rk_container_of(node, struct h2_stream, link);

        if (st->user && st->user->ops->shutdown)
            st->user->ops->shutdown(st->user, st);
    }
    h2_session_kick(s);
}

/* ---- life */

static nghttp2_session_callbacks *callbacks(void)
{
    nghttp2_session_callbacks *cb;

    if (nghttp2_session_callbacks_new(&cb))
        abort();
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_frame_send);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(cb, on_frame_not_send);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(cb, on_invalid_frame);
    nghttp2_session_callbacks_set_send_data_callback(cb, h2_stream_send_cb);
    return cb;
}

static void create_ng(struct h2_session *s)
{
    nghttp2_session_callbacks *cb = callbacks();
    nghttp2_option *opt;
    int rc;

    if (nghttp2_option_new(&opt))
        abort();
    nghttp2_option_set_no_auto_window_update(opt, 1);
    nghttp2_option_set_no_closed_streams(opt, 1);
    nghttp2_option_set_max_outbound_ack(opt, MAX_OUTBOUND_ACKS);
#ifdef HAVE_NGHTTP2_OPTION_SET_STREAM_RESET_RATE_LIMIT /* as an update in older releases */
    nghttp2_option_set_stream_reset_rate_limit(opt, NG_RESET_BURST, NG_RESETS_PER_S);
#endif
    h2_mem_init(&s->mem, s->loop, s->opts.server);
    rc = s->opts.server ? nghttp2_session_server_new3(&s->ng, cb, s, opt, &s->mem.ng)
                        : nghttp2_session_client_new3(&s->ng, cb, s, opt, &s->mem.ng);
    h2_mem_made(&s->mem);
    nghttp2_option_del(opt);
    nghttp2_session_callbacks_del(cb);
    if (rc)
        abort(); /* only without memory */
}

static void send_settings(struct h2_session *s)
{
    nghttp2_settings_entry v[4] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, s->opts.stream_window},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)s->opts.max_header_bytes},
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, s->opts.max_streams},
    };

    if (!s->opts.server)
        v[2] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_ENABLE_PUSH, 0};
    (void)nghttp2_submit_settings(s->ng, NGHTTP2_FLAG_NONE, v, 3);
    (void)nghttp2_session_set_local_window_size(s->ng, NGHTTP2_FLAG_NONE, 0,
                                                (int32_t)s->opts.conn_window);
}

static void defaults(struct h2_opts *o)
{
    if (!o->max_streams)
        o->max_streams = DEFAULT_STREAMS;
    if (!o->max_header_bytes)
        o->max_header_bytes = DEFAULT_HEADER_BYTES;
    if (!o->stream_window)
        o->stream_window = DEFAULT_STREAM_WINDOW;
    if (!o->conn_window)
        o->conn_window = DEFAULT_CONN_WINDOW;
    if (!o->ping_timeout_ms)
        o->ping_timeout_ms = DEFAULT_PING_TIMEOUT_MS;
}

struct h2_session *h2_session_new(struct rk_loop *loop, const struct h2_opts *opts,
                                  struct h2_io *io, struct h2_session_user *user)
{
    struct h2_session *s = rk_calloc(1, sizeof *s);

    s->loop = loop;
    s->io = io;
    s->user = user;
    s->opts = *opts;
    defaults(&s->opts);
    s->turn.run = turn;
    rk_list_init(&s->streams);
    rk_list_init(&s->drained);
    s->last_rx_ms = s->idle_since_ms = rk_loop_now_ms(loop);
    create_ng(s);
    send_settings(s);
    h2_watch_arm(s);
    h2_session_kick(s);
    return s;
}

void h2_session_free(struct h2_session *s, const struct rk_err *why)
{
    struct rk_err lost = {0};
    struct rk_list *node;

    if (!s)
        return;
    (void)rk_fail(&lost, RK_UNAVAILABLE, "connection lost");
    s->over = s->going = true;
    rk_timer_cancel(&s->timer);
    while ((node = s->streams.next) != &s->streams)
        stream_over(rk_container_of(node, struct h2_stream, link), why ? why : &lost);
    rk_list_remove(&s->turn.link);
    nghttp2_session_del(s->ng);
    h2_mem_done(&s->mem);
    free(s->why);
    free(s);
}

size_t h2_session_streams(const struct h2_session *s)
{
    return s->n_streams;
}

bool h2_session_going(const struct h2_session *s)
{
    return s->going || s->stopping;
}

void h2_session_set_data(struct h2_session *s, void *data)
{
    s->data = data;
}

void *h2_session_data(const struct h2_session *s)
{
    return s->data;
}
