/* SPDX-License-Identifier: BSD-3-Clause */
/* Streams of an HTTP/2 session: received headers and the queue of what is to be sent; see h2.h. */
#include "config.h"

#include "lib/http/h2_stream.h"

#include <stdlib.h>

#include "lib/base/num.h"

enum { HEADER_OVERHEAD = 32 /* per header, RFC 9113 section 6.5.2 */, MAX_NV = 64 };

struct h2_stream *h2_stream_new(struct h2_session *s, int32_t id)
{
    struct h2_stream *st = rk_calloc(1, sizeof *st);

    st->session = s;
    st->id = id;
    rk_buf_init(&st->text, s->opts.max_header_bytes * 2);
    rk_list_init(&st->queue);
    rk_list_push_back(&s->streams, &st->link);
    s->n_streams++;
    return st;
}

static void piece_free(struct h2_piece *p)
{
    rk_list_remove(&p->link);
    rk_bytes_unref(p->b);
    free(p);
}

static void queue_clear(struct h2_stream *st)
{
    while (!rk_list_empty(&st->queue))
        piece_free(rk_container_of(st->queue.next, struct h2_piece, link));
    st->queued = 0;
}

void h2_stream_free(struct h2_stream *st)
{
    struct h2_session *s = st->session;

    rk_list_remove(&st->link);
    rk_list_remove(&st->drained_link);
    if (--s->n_streams == 0)
        s->idle_since_ms = rk_loop_now_ms(s->loop);
    queue_clear(st);
    rk_buf_done(&st->text);
    free(st->slots);
    free(st->trailers);
    free(st);
}

/* ---- received headers */

void h2_stream_add_header(struct h2_stream *st, struct rk_str name, struct rk_str value)
{
    struct h2_slot slot;

    st->header_bytes += name.n + value.n + HEADER_OVERHEAD;
    if (st->too_big || st->header_bytes > st->session->opts.max_header_bytes) {
        st->too_big = true;
        return;
    }
    slot = (struct h2_slot){.name = (uint32_t)st->text.n,
                            .name_n = (uint32_t)name.n,
                            .value = (uint32_t)(st->text.n + name.n + 1),
                            .value_n = (uint32_t)value.n};
    rk_buf_add(&st->text, name);
    rk_buf_addc(&st->text, '\0');
    rk_buf_add(&st->text, value);
    rk_buf_addc(&st->text, '\0');
    if (st->n_slots == st->cap_slots) {
        st->cap_slots = st->cap_slots ? st->cap_slots * 2 : 12;
        st->slots = rk_realloc(st->slots, st->cap_slots, sizeof *st->slots);
    }
    st->slots[st->n_slots++] = slot;
}

size_t h2_stream_n_headers(const struct h2_stream *st)
{
    return st->n_slots;
}

struct h2_header h2_stream_header_at(const struct h2_stream *st, size_t i)
{
    const struct h2_slot *k = &st->slots[i];

    return (struct h2_header){rk_str_of(st->text.p + k->name, k->name_n),
                              rk_str_of(st->text.p + k->value, k->value_n)};
}

size_t h2_stream_first_trailer(const struct h2_stream *st)
{
    return st->first_trailer;
}

struct rk_str h2_stream_header(const struct h2_stream *st, const char *name)
{
    struct rk_str want = rk_str_z(name);

    for (size_t i = 0; i < st->n_slots; i++) {
        struct h2_header h = h2_stream_header_at(st, i);

        if (rk_str_eq(h.name, want))
            return h.value;
    }
    return (struct rk_str){0};
}

void h2_stream_forget_headers(struct h2_stream *st)
{
    rk_buf_done(&st->text);
    free(st->slots);
    st->slots = NULL;
    st->n_slots = st->cap_slots = st->first_trailer = 0;
}

void h2_stream_deadline(struct h2_stream *st, int64_t ms)
{
    st->late_ms = ms ? rk_loop_now_ms(st->session->loop) + ms : 0;
    if (ms)
        h2_watch_look(st->session, ms);
}

void h2_stream_consume(struct h2_stream *st, size_t n)
{
    if (!n)
        return;
    (void)nghttp2_session_consume_stream(st->session->ng, st->id, n);
    h2_session_kick(st->session);
}

/* ---- sending */

static size_t piece_size(const struct h2_piece *p)
{
    return p->head_n + (p->b ? p->b->n : 0);
}

static void submit_trailers(struct h2_stream *st)
{
    nghttp2_nv nv[MAX_NV];
    size_t n = rk_min_size(st->n_trailers, MAX_NV);

    for (size_t i = 0; i < n; i++)
        nv[i] = (nghttp2_nv){.name = (uint8_t *)(uintptr_t)st->trailers[i].name.p,
                             .value = (uint8_t *)(uintptr_t)st->trailers[i].value.p,
                             .namelen = st->trailers[i].name.n,
                             .valuelen = st->trailers[i].value.n};
    (void)nghttp2_submit_trailer(st->session->ng, st->id, nv, n);
}

ssize_t h2_stream_read_cb(nghttp2_session *ng, int32_t id, uint8_t *buf, size_t length,
                          uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct h2_stream *st = source->ptr;
    size_t n = rk_min_size(length, st->queued);

    (void)ng;
    (void)id;
    (void)buf;
    (void)arg;
    if (!n && !st->finished) {
        st->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (n)
        *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    st->reserved = n;
    if (st->finished && n == st->queued) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (st->n_trailers) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            submit_trailers(st);
        }
    }
    return (ssize_t)n;
}

/* Hand up to n bytes of the first piece to the io; returns how many. */
static size_t piece_send(struct h2_stream *st, size_t n)
{
    struct h2_io *io = st->session->io;
    struct h2_piece *p = rk_container_of(st->queue.next, struct h2_piece, link);
    size_t done = 0;

    if (p->sent < p->head_n) {
        done = rk_min_size(n, p->head_n - p->sent);
        io->ops->send(io, rk_str_of(p->head + p->sent, done));
        p->sent += done;
    }
    if (p->b && p->sent >= p->head_n && done < n) {
        size_t off = p->sent - p->head_n, part = rk_min_size(n - done, p->b->n - off);

        if (part)
            io->ops->send_bytes(io, p->b, off, part);
        p->sent += part;
        done += part;
    }
    if (p->sent == piece_size(p))
        piece_free(p);
    return done;
}

int h2_stream_send_cb(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *framehd,
                      size_t length, nghttp2_data_source *source, void *arg)
{
    struct h2_stream *st = source->ptr;
    struct h2_session *s = st->session;

    (void)ng;
    (void)frame; /* no padding: we set no select_padding callback */
    (void)arg;
    if (s->io->ops->queued(s->io) >= H2_IO_HIGH) {
        h2_mem_keep(&s->mem, framehd);
        return NGHTTP2_ERR_WOULDBLOCK;
    }
    s->io->ops->send(s->io, rk_str_of(framehd, 9));
    st->queued -= length;
    st->moved += length;
    s->io_handed += length + 9;
    st->reserved = 0;
    if (st->user && st->user->ops->sent)
        st->user->ops->sent(st->user, st, length);
    while (length)
        length -= piece_send(st, length);
    if (!st->queued && st->user && !rk_list_linked(&st->drained_link))
        rk_list_push_back(&s->drained, &st->drained_link);
    return 0;
}

static void resume(struct h2_stream *st)
{
    if (st->deferred) {
        st->deferred = false;
        (void)nghttp2_session_resume_data(st->session->ng, st->id);
    }
    h2_session_kick(st->session);
}

void h2_stream_write(struct h2_stream *st, struct rk_str head, struct rk_bytes *b)
{
    struct h2_piece *p;

    if (st->finished || st->reset || head.n > H2_HEAD_MAX) {
        rk_bytes_unref(b);
        return;
    }
    p = rk_calloc(1, sizeof *p);
    p->b = b;
    p->head_n = (uint8_t)head.n;
    if (head.n)
        memcpy(p->head, head.p, head.n);
    if (!piece_size(p)) {
        rk_bytes_unref(b);
        free(p);
        return;
    }
    if (!st->queued && st->session->opts.stall_timeout_ms) {
        st->stall_ms = rk_loop_now_ms(st->session->loop);
        st->moved = 0;
        h2_watch_look(st->session, H2_TICK_MS);
    }
    st->queued += piece_size(p);
    rk_list_push_back(&st->queue, &p->link);
    resume(st);
}

/* Array and texts in one block. */
static struct h2_header *headers_dup(const struct h2_header *v, size_t n)
{
    size_t bytes = n * sizeof *v;
    struct h2_header *out;
    char *p;

    for (size_t i = 0; i < n; i++)
        bytes += v[i].name.n + v[i].value.n;
    out = rk_malloc(bytes);
    p = (char *)(out + n);
    for (size_t i = 0; i < n; i++) {
        out[i] = (struct h2_header){{p, v[i].name.n}, {p + v[i].name.n, v[i].value.n}};
        if (v[i].name.n)
            memcpy(p, v[i].name.p, v[i].name.n);
        p += v[i].name.n;
        if (v[i].value.n)
            memcpy(p, v[i].value.p, v[i].value.n);
        p += v[i].value.n;
    }
    return out;
}

void h2_stream_finish(struct h2_stream *st, const struct h2_header *trailers, size_t n)
{
    if (st->finished || st->reset)
        return;
    st->finished = true;
    if (n) {
        st->trailers = headers_dup(trailers, n);
        st->n_trailers = n;
    }
    resume(st);
}

static size_t to_nv(const struct h2_header *v, size_t n, nghttp2_nv nv[MAX_NV])
{
    n = rk_min_size(n, MAX_NV);
    for (size_t i = 0; i < n; i++)
        nv[i] = (nghttp2_nv){.name = (uint8_t *)(uintptr_t)v[i].name.p,
                             .value = (uint8_t *)(uintptr_t)v[i].value.p,
                             .namelen = v[i].name.n,
                             .valuelen = v[i].value.n};
    return n;
}

void h2_stream_respond(struct h2_stream *st, const struct h2_header *v, size_t n, bool end)
{
    nghttp2_data_provider body = {.source.ptr = st, .read_callback = h2_stream_read_cb};
    nghttp2_nv nv[MAX_NV];

    if (st->responded || st->reset)
        return;
    st->responded = true;
    st->finished = end;
    n = to_nv(v, n, nv);
    (void)nghttp2_submit_response(st->session->ng, st->id, nv, n, end ? NULL : &body);
    h2_session_kick(st->session);
}

enum rk_code h2_session_request(struct h2_session *s, const struct h2_header *v, size_t n,
                                struct h2_stream_user *user, struct h2_stream **out,
                                struct rk_err *err)
{
    nghttp2_data_provider body = {.read_callback = h2_stream_read_cb};
    nghttp2_nv nv[MAX_NV];
    struct h2_stream *st;
    int32_t id;

    if (s->going || s->over || n > MAX_NV)
        return rk_fail(err, RK_CANCELLED, "connection is closing");
    st = h2_stream_new(s, 0);
    st->local = st->responded = true;
    st->user = user;
    body.source.ptr = st;
    (void)to_nv(v, n, nv);
    id = nghttp2_submit_request(s->ng, NULL, nv, n, &body, st);
    if (id < 0) {
        h2_stream_free(st);
        return rk_fail(err, RK_UNAVAILABLE, "HTTP/2: %s", nghttp2_strerror(id));
    }
    st->id = id;
    *out = st;
    h2_session_kick(s);
    return RK_OK;
}

void h2_stream_reset(struct h2_stream *st, uint32_t code)
{
    if (st->reset)
        return;
    st->reset = true;
    if (!st->reserved)
        queue_clear(st); /* now: the frame may have to wait for a peer that reads nothing */
    (void)nghttp2_submit_rst_stream(st->session->ng, NGHTTP2_FLAG_NONE, st->id, code);
    h2_session_kick(st->session);
}

size_t h2_stream_queued(const struct h2_stream *st)
{
    return st->queued;
}

size_t h2_stream_drop_unsent(struct h2_stream *st)
{
    size_t at = 0, dropped = 0;

    RK_LIST_FOR_EACH_SAFE (node, &st->queue) {
        struct h2_piece *p = rk_container_of(node, struct h2_piece, link);
        size_t left = piece_size(p) - p->sent;

        if (p->sent || at < st->reserved) {
            at += left;
            continue;
        }
        st->queued -= left;
        piece_free(p);
        dropped++;
    }
    return dropped;
}

bool h2_stream_ending(const struct h2_stream *st)
{
    return st->finished || st->reset;
}

void h2_stream_set_user(struct h2_stream *st, struct h2_stream_user *u)
{
    st->user = u;
}

struct h2_session *h2_stream_session(const struct h2_stream *st)
{
    return st->session;
}
