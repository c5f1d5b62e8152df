/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * STUN messages (RFC 8489, ICE attributes of RFC 8445) as bytes in and bytes out: no sockets, no
 * retransmission, nothing allocated. Serves the STUN server and the agent's ICE. Any thread.
 *
 *     0                   1                   2                   3
 *     0 0 type (class in bits 4 and 8) | length of what follows the header
 *     magic cookie 0x2112A442
 *     transaction id, 12 bytes
 *     attributes: type 16, length 16, value padded to 4 bytes
 *
 * Official peers append attribute 0x8100 (two candidate ids) BEHIND the fingerprint, covered by
 * neither MESSAGE-INTEGRITY nor FINGERPRINT. The decoder takes it there, the writer puts it there.
 */
#ifndef RK_NET_STUN_H
#define RK_NET_STUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/net/addr.h"

#define STUN_HEADER_SIZE  20
#define STUN_TXID_SIZE    12
#define STUN_COOKIE       0x2112A442u
#define STUN_MAX_SIZE     1500 /* longer datagrams are refused: one Ethernet frame */
#define STUN_USERNAME_MAX 513  /* bytes, RFC 8489 section 14.3 */
#define STUN_CANDIDATES_MAX                                                                        \
    256                    /* bytes of attribute 0x8100 that we read; official ones have 65        \
                            */
#define STUN_UNKNOWN_MAX 8 /* unknown comprehension-required types that are remembered */

#define STUN_METHOD_BINDING 1

/* TURN, RFC 8656 */
#define STUN_METHOD_ALLOCATE     3
#define STUN_METHOD_REFRESH      4
#define STUN_METHOD_SEND         6 /* indications */
#define STUN_METHOD_DATA         7
#define STUN_METHOD_CHANNEL_BIND 9

enum stun_class { STUN_REQUEST = 0, STUN_INDICATION = 1, STUN_SUCCESS = 2, STUN_ERROR = 3 };

enum stun_attr {
    STUN_ATTR_MAPPED_ADDRESS = 0x0001,
    STUN_ATTR_USERNAME = 0x0006,
    STUN_ATTR_MESSAGE_INTEGRITY = 0x0008,
    STUN_ATTR_ERROR_CODE = 0x0009,
    STUN_ATTR_UNKNOWN_ATTRIBUTES = 0x000A,
    STUN_ATTR_CHANNEL_NUMBER = 0x000C,
    STUN_ATTR_LIFETIME = 0x000D,
    STUN_ATTR_XOR_PEER_ADDRESS = 0x0012,
    STUN_ATTR_DATA = 0x0013,
    STUN_ATTR_REALM = 0x0014,
    STUN_ATTR_NONCE = 0x0015,
    STUN_ATTR_XOR_RELAYED_ADDRESS = 0x0016,
    STUN_ATTR_REQUESTED_TRANSPORT = 0x0019,
    STUN_ATTR_XOR_MAPPED_ADDRESS = 0x0020,
    STUN_ATTR_PRIORITY = 0x0024,
    STUN_ATTR_USE_CANDIDATE = 0x0025,
    STUN_ATTR_SOFTWARE = 0x8022,
    STUN_ATTR_FINGERPRINT = 0x8028,
    STUN_ATTR_ICE_CONTROLLED = 0x8029,
    STUN_ATTR_ICE_CONTROLLING = 0x802A,
    STUN_ATTR_NB_CANDIDATES = 0x8100, /* "<sender candidate id>:<receiver candidate id>" */
};

#define STUN_ERR_BAD_REQUEST       400
#define STUN_ERR_UNAUTHENTICATED   401
#define STUN_ERR_UNKNOWN_ATTRIBUTE 420
#define STUN_ERR_STALE_NONCE       438
#define STUN_ERR_ROLE_CONFLICT     487

struct stun_txid { /* open */
    uint8_t b[STUN_TXID_SIZE];
};

/* A decoded message; open. Views are borrowed from the datagram. Of an attribute that stands more
 * than once the first counts; what stands behind MESSAGE-INTEGRITY is ignored, except FINGERPRINT
 * and, as it is only a hint, 0x8100. */
struct stun_msg {
    enum stun_class cls;
    uint16_t method; /* 12 bits */
    struct stun_txid txid;
    struct rk_str raw; /* header and attributes as received; bytes behind them are not in it */

    bool has_username, has_priority, has_controlling, has_controlled, use_candidate;
    struct rk_str username; /* "<receiver's ufrag>:<sender's ufrag>" in ICE requests */
    uint32_t priority;
    uint64_t tie_breaker; /* of ICE-CONTROLLING or ICE-CONTROLLED */

    struct rk_addr mapped;       /* XOR-MAPPED-ADDRESS, else MAPPED-ADDRESS; family 0: neither */
    unsigned error_code;         /* 300..699; 0: no ERROR-CODE */
    struct rk_str error_reason;  /* UTF-8 by the standard, not checked: do not log it raw */
    struct rk_str software;      /* not checked either */
    struct rk_str nb_candidates; /* value of 0x8100; empty: absent or above STUN_CANDIDATES_MAX */

    size_t integrity_at;   /* offset of the MESSAGE-INTEGRITY attribute in raw; 0: absent */
    size_t fingerprint_at; /* likewise FINGERPRINT */

    uint16_t unknown[STUN_UNKNOWN_MAX]; /* comprehension-required types that we do not know */
    size_t n_unknown;                   /* at most STUN_UNKNOWN_MAX */
};

/** Quick look for sharing a socket with WireGuard: at least 20 bytes, cookie in place, first two
 *  bits zero, and not a well-formed WireGuard message. stun_decode decides for good. */
bool stun_is(struct rk_str datagram);

/** Decode a datagram. Neither integrity nor fingerprint is checked (see below). Borrowed views into
 *  `in`. Bytes behind the length of the header are tolerated, as official servers do.
 *  Errors: RK_BAD_REQUEST (malformed), RK_LIMIT (above STUN_MAX_SIZE); *out is untouched. */
enum rk_code stun_decode(struct rk_str in, struct stun_msg *out, struct rk_err *err) RK_MUST;

/** MESSAGE-INTEGRITY is present and was made with this key (for ICE: the password text). Constant
 *  time compare. */
bool stun_integrity_ok(const struct stun_msg *m, struct rk_str key);

/** FINGERPRINT is present and right for the bytes before it. Official agents do not check it in
 *  ICE messages, so its absence should not be an error. */
bool stun_fingerprint_ok(const struct stun_msg *m);

/** An attribute that struct stun_msg has no field for: its value, the first of several, as it came
 *  (borrowed); false: absent. Those behind MESSAGE-INTEGRITY do not count. */
bool stun_attr_find(const struct stun_msg *m, unsigned type, struct rk_str *value);
/** The same as an address that is masked like XOR-MAPPED-ADDRESS, and as a number of 32 bits. */
bool stun_attr_xor_address(const struct stun_msg *m, unsigned type, struct rk_addr *out);
bool stun_attr_u32(const struct stun_msg *m, unsigned type, uint32_t *out);

/** Split 0x8100 at its first colon; false when it has none. Borrowed views. */
bool stun_nb_candidates_split(const struct stun_msg *m, struct rk_str *sender,
                              struct rk_str *receiver);

/** New random transaction id. */
void stun_txid_random(struct stun_txid *out);
bool stun_txid_eq(const struct stun_txid *a, const struct stun_txid *b);

/*
 * Writer into the caller's buffer (STUN_MAX_SIZE bytes hold all that we send). Sticky: what does
 * not fit gives an empty result at the end. Order: attributes, then stun_put_integrity, then
 * stun_put_fingerprint, then stun_put_nb_candidates, each optional.
 *
 *     stun_begin(&w, buf, sizeof buf, STUN_REQUEST, STUN_METHOD_BINDING, &txid);
 *     stun_put_username(&w, username);
 *     stun_put_integrity(&w, remote_pwd);
 *     stun_put_fingerprint(&w);
 *     out = stun_end(&w);
 */
struct stun_writer { /* open so that it can live on the stack; use the functions */
    uint8_t *p;      /* borrowed */
    size_t n, cap;
    bool bad;
};

void stun_begin(struct stun_writer *w, void *buf, size_t cap, enum stun_class cls, unsigned method,
                const struct stun_txid *txid);
void stun_put_bytes(struct stun_writer *w, unsigned type, struct rk_str value);
void stun_put_username(struct stun_writer *w, struct rk_str username);
void stun_put_priority(struct stun_writer *w, uint32_t priority);
void stun_put_use_candidate(struct stun_writer *w);
void stun_put_controlling(struct stun_writer *w, uint64_t tie_breaker);
void stun_put_controlled(struct stun_writer *w, uint64_t tie_breaker);
void stun_put_u32(struct stun_writer *w, unsigned type, uint32_t v);
/** An address masked like XOR-MAPPED-ADDRESS. */
void stun_put_xor_address(struct stun_writer *w, unsigned type, const struct rk_addr *a);
void stun_put_xor_mapped(struct stun_writer *w, const struct rk_addr *a);
/** code 300..699, e.g. STUN_ERR_ROLE_CONFLICT. */
void stun_put_error(struct stun_writer *w, unsigned code, struct rk_str reason);
void stun_put_unknown(struct stun_writer *w, const uint16_t *types, size_t n);
void stun_put_integrity(struct stun_writer *w, struct rk_str key);
void stun_put_fingerprint(struct stun_writer *w);
/** Attribute 0x8100; goes behind the fingerprint and only the header's length learns of it. */
void stun_put_nb_candidates(struct stun_writer *w, struct rk_str sender, struct rk_str receiver);
/** The message; empty when something did not fit. Borrowed from the caller's buffer. */
struct rk_str stun_end(struct stun_writer *w) RK_MUST;

#endif
