/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One HTTP/2 connection on nghttp2, server or client, without a socket: bytes in by
 * h2_session_feed, bytes out by struct h2_io, so that TCP, TLS and WebSocket tunnels look alike.
 *
 *   io bytes ─▶ feed ─▶ nghttp2 ─▶ stream ops: headers, data, end
 *   h2_stream_write ─▶ queue of the stream ─▶ nghttp2 (windows, order) ─▶ io.send / io.send_bytes
 *
 * Bytes leave at the end of the loop turn, and only while the io holds less than H2_IO_HIGH, so
 * what is queued for a slow peer stays in its stream where the user can count and drop it.
 * Message bytes are passed on by reference, never copied here. All functions: loop thread.
 */
#ifndef RK_HTTP_H2_H
#define RK_HTTP_H2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/bytes.h"
#include "lib/base/err.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

struct h2_session;
struct h2_stream;

#define H2_IO_HIGH ((size_t)128 * 1024) /* bytes in the io before we wait for h2_session_wrote */

struct h2_io { /* embedded by the owner; borrowed until h2_session_free */
    const struct h2_io_ops *ops;
};
struct h2_io_ops {
    void (*send)(struct h2_io *io, struct rk_str s);                                /* copies */
    void (*send_bytes)(struct h2_io *io, struct rk_bytes *b, size_t off, size_t n); /* refs */
    size_t (*queued)(struct h2_io *io);
};

struct h2_session_user {
    const struct h2_session_ops *ops;
};
struct h2_session_ops {
    /** Server: the headers of a request are complete. Must call h2_stream_set_user (and may answer
     *  at once); otherwise the stream is refused. */
    void (*request)(struct h2_session_user *u, struct h2_stream *s);
    /** The peer's first SETTINGS came. May be NULL. */
    void (*ready)(struct h2_session_user *u);
    /** Nothing more to do or to hope for: send what the io holds and close it, then free the
     *  session (not in here). Once. RK_OK: orderly. */
    void (*over)(struct h2_session_user *u, const struct rk_err *why);
    /** Whether memory is short, so that stalled streams get an eighth of their time only. May be
     *  NULL. */
    bool (*hurry)(struct h2_session_user *u);
};

struct h2_opts { /* open; zero means the default in brackets */
    bool server;
    uint32_t max_streams;    /* [250] that the peer may have open */
    size_t max_header_bytes; /* [16384] of one request or response; beyond: 431 or reset */
    uint32_t stream_window;  /* [256 KiB] bytes in flight towards us per stream */
    uint32_t conn_window;    /* [1 MiB] … per connection */
    int64_t ping_after_ms;   /* [0: never] silence before a PING; clients: while streams are open */
    int64_t ping_timeout_ms; /* [20000] for any sign of life after it */
    int64_t idle_timeout_ms; /* [0: never] without streams: GOAWAY */
    /** [0: never] A stream whose unsent bytes have not shrunk by H2_STALL_BYTES in this time is
     *  reset, and a connection that takes nothing at all for as long is over. */
    int64_t stall_timeout_ms;
};

#define H2_STALL_BYTES ((size_t)16 * 1024) /* in stall_timeout_ms, or all that there is */

/** Queues the preface and SETTINGS. Owned: h2_session_free. */
struct h2_session *h2_session_new(struct rk_loop *loop, const struct h2_opts *opts,
                                  struct h2_io *io, struct h2_session_user *user);

/** Open streams get closed(why) first (NULL: "connection lost"). Never inside a callback of the
 *  session. Accepts NULL. */
void h2_session_free(struct h2_session *s, const struct rk_err *why);

/** Bytes from the peer. Callbacks run inside. Ignored once over. */
void h2_session_feed(struct h2_session *s, struct rk_str in);

/** The io has room again. */
void h2_session_wrote(struct h2_session *s);

/** Graceful end: GOAWAY, streams are told by ops->shutdown, over() after the last one. */
void h2_session_shutdown(struct h2_session *s);

size_t h2_session_streams(const struct h2_session *s); /* open ones */
bool h2_session_going(const struct h2_session *s);     /* no new streams: GOAWAY seen or sent */

struct h2_header { /* open; names in lower case */
    struct rk_str name, value;
};

struct h2_stream_user {
    const struct h2_stream_ops *ops;
};
struct h2_stream_ops { /* all but closed may be NULL */
    /** Client: the final response headers are there (h2_stream_header). */
    void (*headers)(struct h2_stream_user *u, struct h2_stream *s);
    /** Body bytes; borrowed. Give the credit back with h2_stream_consume as they are used. */
    void (*data)(struct h2_stream_user *u, struct h2_stream *s, struct rk_str in);
    /** The peer's side ended; trailers can be read now. */
    void (*end)(struct h2_stream_user *u, struct h2_stream *s);
    /** n bytes of what was written have been handed to the io. For counting only: nothing of the
     *  session may be called in here. */
    void (*sent)(struct h2_stream_user *u, struct h2_stream *s, size_t n);
    /** The time of h2_stream_deadline is over; NULL: the stream is reset. */
    void (*late)(struct h2_stream_user *u, struct h2_stream *s);
    /** All that was written has been handed to the io. */
    void (*drained)(struct h2_stream_user *u, struct h2_stream *s);
    /** The session is going down: end soon. */
    void (*shutdown)(struct h2_stream_user *u, struct h2_stream *s);
    /** Once, last. RK_OK: both sides ended (or the peer needed no more of our answer);
     * RK_CANCELLED: reset by the peer; RK_UNAVAILABLE: connection lost or refused before
     * processing. The stream is gone when this returns. */
    void (*closed)(struct h2_stream_user *u, struct h2_stream *s, const struct rk_err *why);
};

void h2_stream_set_user(struct h2_stream *s, struct h2_stream_user *u);
struct h2_session *h2_stream_session(const struct h2_stream *s);
/** What the server's session user has set for its streams (see h2_session_set_data). */
void h2_session_set_data(struct h2_session *s, void *data);
void *h2_session_data(const struct h2_session *s);

/** Value of a received header (":path" too) or trailer; empty where absent; lent by the stream.
 *  Several of one name: the first; _all joins them with ", " into out. */
struct rk_str h2_stream_header(const struct h2_stream *s, const char *name);
size_t h2_stream_n_headers(const struct h2_stream *s);
struct h2_header h2_stream_header_at(const struct h2_stream *s, size_t i);
/** Index of the first trailer: headers before, trailers from there on. */
size_t h2_stream_first_trailer(const struct h2_stream *s);

/** Forget the headers that came so far, for streams that stay long. */
void h2_stream_forget_headers(struct h2_stream *s);

/** Something that the peer owes (the end of a request, of a message) must be there in ms, else
 *  late(); to within H2_TICK_MS. 0: no more. */
void h2_stream_deadline(struct h2_stream *s, int64_t ms);
#define H2_TICK_MS 1000

/** Give n bytes of window back to the peer. */
void h2_stream_consume(struct h2_stream *s, size_t n);

/** Server: send the response headers, once; end: nothing follows. */
void h2_stream_respond(struct h2_stream *s, const struct h2_header *v, size_t n, bool end);

/** Client: new stream. user's closed() follows in any case. RK_CANCELLED when going down. */
enum rk_code h2_session_request(struct h2_session *s, const struct h2_header *v, size_t n,
                                struct h2_stream_user *user, struct h2_stream **out,
                                struct rk_err *err) RK_MUST;

#define H2_HEAD_MAX 8
/** Queue head (at most H2_HEAD_MAX bytes, copied) and then the bytes of b, whose reference is
 *  taken (NULL: none). Counts as one piece for h2_stream_drop_unsent. */
void h2_stream_write(struct h2_stream *s, struct rk_str head, struct rk_bytes *b);

/** End our side behind what is queued: with trailers, or plainly (n == 0). */
void h2_stream_finish(struct h2_stream *s, const struct h2_header *trailers, size_t n);

/** RST_STREAM; queued bytes are dropped; closed(RK_OK) follows. HTTP/2 error code. */
void h2_stream_reset(struct h2_stream *s, uint32_t code);
enum { H2_NO_ERROR = 0, H2_REFUSED = 7, H2_CANCEL = 8, H2_ENHANCE_YOUR_CALM = 11 };

size_t h2_stream_queued(const struct h2_stream *s);
/** Drop pieces of which nothing has left yet; returns how many. */
size_t h2_stream_drop_unsent(struct h2_stream *s);
/** True once our side is finished or reset. */
bool h2_stream_ending(const struct h2_stream *s);

#endif
