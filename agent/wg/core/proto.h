/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages and constants of WireGuard (whitepaper, "WireGuard: Next Generation Kernel Network
 * Tunnel", sections 5.4 and 6.1). Offsets, not structs: all integers are little endian.
 *
 *   initiation  type 4 | sender 4 | ephemeral 32 | static 32+16 | timestamp 12+16 | mac1 | mac2
 *   response    type 4 | sender 4 | receiver 4 | ephemeral 32 | empty 0+16 | mac1 | mac2
 *   cookie      type 4 | receiver 4 | nonce 24 | cookie 16+16
 *   data        type 4 | receiver 4 | counter 8 | packet, padded to 16, + 16
 */
#ifndef RK_AGENT_WG_CORE_PROTO_H
#define RK_AGENT_WG_CORE_PROTO_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/str.h"

enum wgc_type { WGC_INITIATION = 1, WGC_RESPONSE = 2, WGC_COOKIE = 3, WGC_DATA = 4 };

#define WGC_INITIATION_SIZE 148
#define WGC_RESPONSE_SIZE   92
#define WGC_COOKIE_SIZE     64
#define WGC_DATA_HEADER     16
#define WGC_DATA_MIN        32 /* an empty packet: a keepalive */
#define WGC_DATA_OVERHEAD   32 /* header and tag */
#define WGC_PADDING         16 /* packets are padded to multiples of it, section 5.4.6 */

#define WGC_MACS_SIZE      32 /* mac1 and mac2 at the end of both handshake messages */
#define WGC_TIMESTAMP_SIZE 12 /* TAI64N */

/* Section 6.1. Times in milliseconds. */
#define WGC_REKEY_AFTER_MESSAGES  ((uint64_t)1 << 60)
#define WGC_REJECT_AFTER_MESSAGES (UINT64_MAX - ((uint64_t)1 << 13))
#define WGC_REKEY_AFTER_MS        120000
#define WGC_REJECT_AFTER_MS       180000
#define WGC_REKEY_ATTEMPT_MS      90000
#define WGC_REKEY_TIMEOUT_MS      5000
#define WGC_KEEPALIVE_MS          10000
#define WGC_COOKIE_MS             120000 /* a cookie's life; section 5.4.7 */
#define WGC_JITTER_MS             333    /* added to a retry, so that two sides do not collide */

static inline uint32_t wgc_get32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t wgc_get64(const uint8_t *p)
{
    return (uint64_t)wgc_get32(p) | (uint64_t)wgc_get32(p + 4) << 32;
}

static inline void wgc_put32(uint8_t *p, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static inline void wgc_put64(uint8_t *p, uint64_t v)
{
    wgc_put32(p, (uint32_t)v);
    wgc_put32(p + 4, (uint32_t)(v >> 32));
}

/** Type of a datagram whose type word and length fit together; 0: not WireGuard (STUN, the punch of
 *  old agents, noise). A receiver index may look like anything, so this comes before other tests.
 */
static inline unsigned wgc_type_of(struct rk_str d)
{
    uint32_t type = d.n >= 4 ? wgc_get32((const uint8_t *)d.p) : 0;

    if (type == WGC_DATA)
        return d.n >= WGC_DATA_MIN ? WGC_DATA : 0;
    if ((type == WGC_INITIATION && d.n == WGC_INITIATION_SIZE) ||
        (type == WGC_RESPONSE && d.n == WGC_RESPONSE_SIZE) ||
        (type == WGC_COOKIE && d.n == WGC_COOKIE_SIZE))
        return type;
    return 0;
}

#endif
