/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages of the relay protocol: bytes in, bytes out, no sockets. Serves the relay and the agent's
 * relay client. Any thread; nothing is allocated unless said.
 *
 *     +---------+------+-----------------------------------------------------------+
 *     | version | type | body                                                      |
 *     +---------+------+-----------------------------------------------------------+
 *       1         3 transport      peer id 36, payload (one WireGuard datagram)
 *                 4 close          -
 *                 5 health check   -
 *                 6 auth           magic 4, own peer id 36, token
 *                 7 auth response  instance URL
 *                 8..11 lists      n peer ids of 36: subscribe, unsubscribe, online, went offline
 *
 * One message is one unfragmented binary WebSocket frame. Types 1 and 2 (a handshake of one old
 * release) are refused like unknown ones.
 */
#ifndef RK_NET_RELAYPROTO_H
#define RK_NET_RELAYPROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/base/wr.h"

#define RLY_VERSION           1
#define RLY_PEER_ID_SIZE      36
#define RLY_HEADER_SIZE       2
#define RLY_TRANSPORT_HEADER  (RLY_HEADER_SIZE + RLY_PEER_ID_SIZE)
#define RLY_MAX_MESSAGE       8820 /* bytes: the read buffer of every official peer */
#define RLY_MAX_PAYLOAD       (RLY_MAX_MESSAGE - RLY_TRANSPORT_HEADER)
#define RLY_MAX_AUTH          212  /* bytes of the first message */
#define RLY_MAX_AUTH_RESPONSE 8192 /* bytes, as clients read it */
#define RLY_MAX_IDS           ((RLY_MAX_MESSAGE - RLY_HEADER_SIZE) / RLY_PEER_ID_SIZE) /* 244 */
#define RLY_PEER_TEXT         (4 + 44) /* characters of "sha-" and base64, without a NUL */

#define RLY_WS_PATH "/relay"

#define RLY_HEALTH_SEND_MS    25000 /* the server sends one this often; clients rely on <= 25 s */
#define RLY_HEALTH_WINDOW_MS  45000 /* server: a window without an answer is a failure */
#define RLY_CLIENT_WINDOW_MS  35000 /* client: a window without a health check is a failure */
#define RLY_AUTH_TIMEOUT_MS   10000 /* server waits for the auth message */
#define RLY_CLIENT_TIMEOUT_MS 8000  /* client waits for the auth response */

enum rly_type {
    RLY_HELLO = 1,          /* legacy, refused */
    RLY_HELLO_RESPONSE = 2, /* legacy, refused */
    RLY_TRANSPORT = 3,
    RLY_CLOSE = 4,
    RLY_HEALTH_CHECK = 5,
    RLY_AUTH = 6,
    RLY_AUTH_RESPONSE = 7,
    RLY_SUBSCRIBE = 8,
    RLY_UNSUBSCRIBE = 9,
    RLY_PEERS_ONLINE = 10,
    RLY_PEERS_OFFLINE = 11,
};

struct rly_peer_id { /* open; opaque bytes to the relay, so without a check of "sha-" */
    uint8_t b[RLY_PEER_ID_SIZE];
};

/* A decoded message; open. Views are borrowed from the input. */
struct rly_frame {
    enum rly_type type;
    struct rk_str peer;    /* TRANSPORT, AUTH: RLY_PEER_ID_SIZE bytes */
    struct rk_str payload; /* TRANSPORT: the datagram (may be empty); AUTH: the token */
    struct rk_str url;     /* AUTH_RESPONSE: at least 1 byte, not checked further */
    struct rk_str ids;     /* lists: n_ids * RLY_PEER_ID_SIZE bytes */
    size_t n_ids;          /* lists: may be 0 */
};

/** Decode one message of either direction. Borrowed: views into `in`.
 *  Errors, with *out untouched:
 *    RK_BAD_REQUEST  version, length below 2, unknown or legacy type, bad auth, bytes above
 *                    RLY_MAX_MESSAGE: the relay closes the connection, a client skips the message
 *    RK_INVALID      a known type whose body has a wrong length (short transport, a list that is
 *                    not a multiple of 36): both sides ignore the message and go on */
enum rk_code rly_frame_decode(struct rk_str in, struct rly_frame *out, struct rk_err *err) RK_MUST;

/** The i-th id of a list (i < n_ids). Borrowed view of RLY_PEER_ID_SIZE bytes. */
struct rk_str rly_frame_id(const struct rly_frame *f, size_t i);

/** Writers; sticky, see rk_wr. ids is n * RLY_PEER_ID_SIZE bytes and n at most RLY_MAX_IDS. */
void rly_put_header(struct rk_wr *w, enum rly_type type);
void rly_put_transport(struct rk_wr *w, const struct rly_peer_id *peer, struct rk_str payload);
void rly_put_auth(struct rk_wr *w, const struct rly_peer_id *self, struct rk_str token);
void rly_put_auth_response(struct rk_wr *w, struct rk_str url);
void rly_put_ids(struct rk_wr *w, enum rly_type type, struct rk_str ids);

/** Peer id of a WireGuard public key: "sha-" and SHA-256 of its base64 TEXT (44 characters). */
void rly_peer_id_of(struct rk_str key_text, struct rly_peer_id *out);

/** "sha-" and base64 of the rest for logs, with a NUL. */
void rly_peer_id_text(const void *id36, char out[RLY_PEER_TEXT + 1]);

/* "rel://host[:port]" or "rels://host[:port]"; open. */
struct rly_url {
    bool tls;
    struct rk_str host; /* borrowed from the text; an IPv6 literal without brackets */
    uint16_t port;      /* given, else 443 (rels) or 80 (rel) */
    bool has_port;
};

/** Parse a relay URL; a path behind the authority is ignored, as clients do. RK_BAD_REQUEST. */
enum rk_code rly_url_parse(struct rk_str text, struct rly_url *out, struct rk_err *err) RK_MUST;

/** The instance URL of a configured address: with a scheme as it stands, else "rels://" in front
 *  when the relay ends TLS itself and "rel://" when not. Nothing is normalised, for peers compare
 *  the text. arena. Errors: RK_INVALID (other scheme, rel:// together with own TLS, no host). */
enum rk_code rly_instance_url(struct rk_str configured, bool own_tls, struct rk_arena *mem,
                              struct rk_str *out, struct rk_err *err) RK_MUST;

#endif
