/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by h2.c (session, nghttp2 callbacks) and h2_stream.c (headers, send queue) only. */
#ifndef RK_HTTP_H2_STREAM_H
#define RK_HTTP_H2_STREAM_H

#include <nghttp2/nghttp2.h>

#include "lib/base/buf.h"
#include "lib/base/list.h"
#include "lib/base/ratelimit.h"
#include "lib/http/h2.h"
#include "lib/http/h2_mem.h"

struct h2_piece { /* one h2_stream_write */
    struct rk_list link;
    struct rk_bytes *b; /* reference or NULL */
    size_t sent;        /* of head and b together */
    uint8_t head_n;
    uint8_t head[H2_HEAD_MAX];
};

struct h2_slot { /* one header: offsets into text */
    uint32_t name, name_n, value, value_n;
};

struct h2_stream {
    struct rk_list link; /* session->streams */
    struct rk_list drained_link;
    struct h2_session *session;
    struct h2_stream_user *user;
    int32_t id;
    bool local;        /* we opened it (client) */
    bool have_headers; /* the final ones; what comes now are trailers */
    bool too_big;      /* header limit passed */
    bool responded, deferred, finished, reset, remote_ended;
    uint32_t peer_reset; /* code of a received RST_STREAM + 1; 0: none */
    struct rk_buf text;
    struct h2_slot *slots;
    size_t n_slots, cap_slots, first_trailer;
    size_t header_bytes; /* as RFC 9113 section 6.5.2 counts */
    struct rk_list queue;
    size_t queued;
    size_t reserved;            /* promised to nghttp2, not handed over yet */
    size_t moved;               /* bytes handed over since stall_ms */
    int64_t stall_ms;           /* when `moved` was looked at last */
    int64_t late_ms;            /* h2_stream_deadline; 0: none */
    struct h2_header *trailers; /* one block, text behind the array */
    size_t n_trailers;
};

struct h2_session {
    struct rk_loop *loop;
    struct h2_io *io;
    struct h2_session_user *user;
    void *data;
    struct h2_opts opts;
    nghttp2_session *ng;
    struct h2_mem mem; /* of ng */
    struct rk_list streams;
    size_t n_streams;
    struct rk_list drained; /* streams that owe drained() */
    struct rk_task turn;
    struct rk_timer *timer;
    int64_t last_rx_ms, ping_sent_ms, idle_since_ms;
    int64_t look_ms;            /* when to look at the streams again; 0: not */
    int64_t io_stall_ms;        /* since when the io holds bytes and takes no more; 0: it does */
    size_t io_handed, io_taken; /* bytes handed to the io; of those gone, at the last look */
    bool pinging, ready, going, stopping, over;
    bool timer_taken;                  /* by the way to the final GOAWAY */
    struct rk_bucket resets, oddities; /* what a flooding peer does */
    struct rk_err *why;                /* of the end; owned; NULL: orderly so far */
};

struct h2_stream *h2_stream_new(struct h2_session *s, int32_t id);
void h2_stream_free(struct h2_stream *st); /* unlinks; no callback */

/** Store one received header; over the limit sets too_big and stores nothing. */
void h2_stream_add_header(struct h2_stream *st, struct rk_str name, struct rk_str value);

/** nghttp2_data_source_read_callback and nghttp2_send_data_callback. */
ssize_t h2_stream_read_cb(nghttp2_session *ng, int32_t id, uint8_t *buf, size_t length,
                          uint32_t *flags, nghttp2_data_source *source, void *arg);
int h2_stream_send_cb(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *framehd,
                      size_t length, nghttp2_data_source *source, void *arg);

/** Something was submitted: send at the end of the turn. */
void h2_session_kick(struct h2_session *s);

/* h2_watch.c: time. */

/** Set the timer to the next thing that is due. */
void h2_watch_arm(struct h2_session *s);
/** Look at the streams in_ms from now at the latest. */
void h2_watch_look(struct h2_session *s, int64_t in_ms);
/** The session is over (h2.c). */
void h2_session_over(struct h2_session *s, enum rk_code code, const char *text);

#endif
