/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The handshake of WireGuard, Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s (whitepaper section 5.4.1 to
 * 5.4.3): makes and reads initiation and response, and derives the transport keys. Pure: bytes in,
 * bytes out; knows nothing of time, peers or sockets. One thread at a time per object.
 *
 *   initiator                               responder
 *   wgc_noise_initiate  --- initiation -->  wgc_noise_read_initiation (who is it?)
 *                                           wgc_noise_accept (not older than the last one?)
 *   wgc_noise_read_response <-- response -- wgc_noise_respond
 *   wgc_noise_keys                          wgc_noise_keys
 */
#ifndef RK_AGENT_WG_CORE_NOISE_H
#define RK_AGENT_WG_CORE_NOISE_H

#include "agent/wg/core/crypt.h"
#include "agent/wg/core/proto.h"

struct wgc_identity { /* our static key pair; private_key zero: none yet */
    struct rk_key private_key, public_key;
};

/* What both sides carry through a handshake: Noise's hash and chaining key. */
struct wgc_transcript {
    uint8_t hash[WGC_HASH_SIZE];
    struct rk_key chain;
};

enum wgc_noise_state { WGC_NOISE_IDLE, WGC_NOISE_INITIATED, WGC_NOISE_ACCEPTED, WGC_NOISE_READY };

struct wgc_noise { /* embed, one per peer; wiped by wgc_noise_clear */
    enum wgc_noise_state state;
    bool initiator;
    struct wgc_transcript t;
    struct rk_key ephemeral; /* our private one */
    struct rk_key remote_ephemeral;
    struct rk_key remote_static;
    struct rk_key static_static; /* DH of the two static keys, worked out once */
    bool can_talk;               /* static_static is not zero */
    struct rk_key psk;           /* zero: none, as the protocol has it */
    uint32_t local_index, remote_index;
    uint8_t newest[WGC_TIMESTAMP_SIZE]; /* timestamp of the last initiation taken */
};

/** What an initiation says before its peer is known. Secret; wipe. */
struct wgc_hello {
    struct wgc_transcript t;
    struct rk_key remote_ephemeral, remote_static;
    uint32_t sender;
    const uint8_t *timestamp; /* sealed; borrowed from the message */
};

/** Set up for a peer. Call again when our identity changes. Keeps psk and newest. */
void wgc_noise_init(struct wgc_noise *n, const struct wgc_identity *own,
                    const struct rk_key *remote);
/** Forget the handshake under way, not the peer. */
void wgc_noise_clear(struct wgc_noise *n);
void wgc_noise_done(struct wgc_noise *n);

/* What a message of ours is made with. */
struct wgc_mint {
    uint32_t index;                 /* ours, fresh */
    const struct rk_key *ephemeral; /* private; NULL: a fresh one (tests give theirs); borrowed */
};

/** Write an initiation, without its macs. false: the keys do not allow it. */
RK_MUST bool wgc_noise_initiate(struct wgc_noise *n, struct wgc_crypt *c,
                                const struct wgc_identity *own, struct wgc_mint mint,
                                const uint8_t timestamp[WGC_TIMESTAMP_SIZE],
                                uint8_t out[WGC_INITIATION_SIZE]);

/** Read an initiation up to the sender's static key (costs two X25519). false: not for us. */
RK_MUST bool wgc_noise_read_initiation(struct wgc_crypt *c, const struct wgc_identity *own,
                                       const uint8_t msg[WGC_INITIATION_SIZE],
                                       struct wgc_hello *out);

/** The rest, with what we know of that peer. false: not authentic, or not newer than the last. */
RK_MUST bool wgc_noise_accept(struct wgc_noise *n, struct wgc_crypt *c,
                              const struct wgc_hello *hello);

/** Write the response to the accepted initiation, without its macs. */
RK_MUST bool wgc_noise_respond(struct wgc_noise *n, struct wgc_crypt *c, struct wgc_mint mint,
                               uint8_t out[WGC_RESPONSE_SIZE]);

/** Read the response to our initiation; false leaves everything as it was. */
RK_MUST bool wgc_noise_read_response(struct wgc_noise *n, struct wgc_crypt *c,
                                     const struct wgc_identity *own,
                                     const uint8_t msg[WGC_RESPONSE_SIZE]);

/** Transport keys of a handshake that is READY; it is cleared. Section 5.4.5. */
void wgc_noise_keys(struct wgc_noise *n, struct wgc_crypt *c, struct rk_key *send,
                    struct rk_key *receive);

/** TAI64N of a wall clock time (microseconds since 1970), cut to about 17 ms so that it tells
 *  nobody how long our work takes. */
void wgc_timestamp(int64_t unix_us, uint8_t out[WGC_TIMESTAMP_SIZE]);

#endif
