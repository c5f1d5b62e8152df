/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * WebSocket (RFC 6455): upgrade and frames, for both roles, as bytes in and bytes out. No sockets,
 * no extensions, no subprotocols. One thread at a time per object.
 *
 *   server: ws_head_size -> ws_server_parse -> ws_server_response -> frames
 *   client: ws_client_request -> (bytes) -> ws_head_size -> ws_client_check -> frames
 *   frames: ws_rx_next pulls messages out of received bytes; ws_put writes one frame
 *
 * The reader is pulled, not called back, so its user may stop and free everything between two
 * messages.
 */
#ifndef RK_NET_WS_H
#define RK_NET_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

#define WS_HEAD_MAX    16384 /* bytes of an HTTP/1.1 head that we look at */
#define WS_ACCEPT_LEN  28    /* characters of Sec-WebSocket-Accept */
#define WS_CONTROL_MAX 125   /* bytes of a control frame, RFC 6455 section 5.5 */
#define WS_FRAME_HEAD  14    /* most bytes in front of a payload */

enum ws_role { WS_SERVER, WS_CLIENT };

enum ws_close_code {
    WS_CLOSE_NORMAL = 1000,
    WS_CLOSE_GOING_AWAY = 1001,
    WS_CLOSE_PROTOCOL = 1002,
    WS_CLOSE_UNSUPPORTED = 1003,
    WS_CLOSE_NONE = 1005, /* never on the wire: a close frame without a code */
    WS_CLOSE_TOO_BIG = 1009,
};

/* ---- upgrade */

/** Bytes of the HTTP head at the start of `in`, with the empty line; 0 while it is incomplete. More
 *  than WS_HEAD_MAX bytes without an end: the caller gives up. */
size_t ws_head_size(struct rk_str in);

/* What a server reads from a request head; open. Views are borrowed from the head; absent ones are
 * empty. */
struct ws_request {
    int status;         /* 101, or the HTTP status to refuse with: 400, 405, 426, 505 */
    const char *reason; /* why it is refused, for the answer and the log; literal */
    struct rk_str method, target, path, query; /* target = path['?' query] */
    struct rk_str host, key, origin;
    struct rk_str real_ip, real_port, forwarded_for; /* X-Real-Ip, X-Real-Port, X-Forwarded-For:
                                                        believe them from trusted proxies only */
};

/** True when the head asks for an upgrade to WebSocket at all (cheap; for routing). */
bool ws_is_upgrade(struct rk_str head);

/** Parse a complete head. Any Host and any Origin is fine. RK_OK also when the request must be
 *  refused: see status. Errors: RK_BAD_REQUEST when it is not HTTP at all. */
enum rk_code ws_server_parse(struct rk_str head, struct ws_request *out,
                             struct rk_err *err) RK_MUST;

/** Append the answer to a parsed request: 101 with the accept key, or the refusal with
 *  "Connection: close" (426 with the Upgrade headers), after which the connection is closed. */
void ws_server_response(const struct ws_request *req, struct rk_buf *out);

/** Append an upgrade request. host is the Host header ("example.com:8443"). accept receives what
 *  the answer must carry (with a NUL). */
void ws_client_request(struct rk_str host, struct rk_str path, struct rk_buf *out,
                       char accept[WS_ACCEPT_LEN + 1]);

/** Check the answer's head. Errors: RK_UNAVAILABLE (status 5xx or 429), RK_NOT_FOUND (404),
 *  RK_BAD_REQUEST (anything else that is not this upgrade). */
enum rk_code ws_client_check(struct rk_str head, const char accept[WS_ACCEPT_LEN + 1],
                             struct rk_err *err) RK_MUST;

/* ---- frames */

enum ws_event {
    WS_MORE,   /* the input is used up; nothing complete is left */
    WS_BINARY, /* a message (joined if it came in fragments) */
    WS_TEXT,
    WS_PING, /* answer with ws_put_pong(payload) */
    WS_PONG,
    WS_CLOSE,  /* the peer closes; `close_code` is set; nothing follows */
    WS_FAILED, /* the peer broke the protocol or a limit; `close_code` says what to send; the reader
                  is dead and gives WS_FAILED for ever */
};

struct ws_msg { /* open */
    uint8_t *p; /* payload, unmasked; borrowed and writable until the next ws_rx call (or in the
                   input: ws_rx_set_in_place) */
    size_t n;   /* bytes */
    bool fragmented; /* came in more than one frame */
    unsigned close_code;
};

struct ws_rx { /* embedded; use the functions */
    enum ws_role role;
    bool in_place;
    size_t max_message;
    uint8_t head[WS_FRAME_HEAD]; /* of the frame being read */
    unsigned head_n;
    bool in_frame; /* head complete, payload outstanding */
    uint8_t op;    /* of the frame */
    bool fin;
    bool dead;
    uint8_t msg_op; /* of the message in fragments; 0: none */
    bool fragmented;
    uint64_t left; /* payload bytes of the frame still to come */
    uint8_t mask[4];
    size_t mask_at;
    uint8_t *msg; /* owned; grows to the message, freed when idle */
    size_t msg_n, msg_cap;
    uint8_t control[WS_CONTROL_MAX];
    size_t control_n;
    bool spent; /* the message was handed out: start over at the next call */
    unsigned fail_code;
};

/** role: which end we are (a server demands masked frames, a client unmasked ones). A message above
 *  max_message bytes fails with 1009 before memory is taken for it. */
void ws_rx_init(struct ws_rx *rx, enum ws_role role, size_t max_message);
void ws_rx_done(struct ws_rx *rx);

/** Another limit from the next frame on (the relay allows less before authentication). */
void ws_rx_set_max(struct ws_rx *rx, size_t max_message);

/** From now on what ws_rx_next is given may be written to: a message that lies there whole, in one
 *  frame, is unmasked where it is and not copied. It then lives as long as those bytes. */
void ws_rx_set_in_place(struct ws_rx *rx);

/** Take bytes from the front of *in (moved on) until something is complete. */
enum ws_event ws_rx_next(struct ws_rx *rx, struct rk_str *in, struct ws_msg *out) RK_MUST;

enum ws_op {
    WS_OP_CONT = 0,
    WS_OP_TEXT = 1,
    WS_OP_BINARY = 2,
    WS_OP_CLOSE = 8,
    WS_OP_PING = 9,
    WS_OP_PONG = 10
};

/** Head of an unmasked (server) frame with FIN set; returns its length, 2..10. */
size_t ws_frame_head(uint8_t out[WS_FRAME_HEAD], enum ws_op op, size_t payload_bytes);

/** Append one frame with FIN set: unmasked as a server, masked with fresh random bytes as a client.
 *  Sticky: look at out->full. */
void ws_put(struct rk_buf *out, enum ws_role role, enum ws_op op, struct rk_str payload);
/** One client frame with FIN set, in memory of the caller (WS_FRAME_HEAD + a.n + b.n bytes of
 * room): the payload is a followed by b, copied once, masked on the way with mask (fresh random
 * bytes). Returns the length of the frame. */
size_t ws_client_frame(uint8_t *out, enum ws_op op, const uint8_t mask[4], struct rk_str a,
                       struct rk_str b);
/** A pong; payload is cut at WS_CONTROL_MAX. */
void ws_put_pong(struct rk_buf *out, enum ws_role role, struct rk_str payload);
/** A close frame; code WS_CLOSE_NONE sends an empty one. */
void ws_put_close(struct rk_buf *out, enum ws_role role, unsigned code);

#endif
