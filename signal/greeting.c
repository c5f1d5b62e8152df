/* SPDX-License-Identifier: BSD-3-Clause */
/* See greeting.h; the message is described in envelope.h. */
#include "config.h"

#include "signal/greeting.h"

#include <string.h>

#include "lib/crypto/box.h"

/* Body {type: HEARTBEAT} */
static const uint8_t HEARTBEAT[] = {0x08, 0x06};

#define SEALED_SIZE (sizeof HEARTBEAT + BOX_OVERHEAD)

/* A field of bytes; all sizes here are below 128. */
static uint8_t *put(uint8_t *at, unsigned field, const void *bytes, size_t n)
{
    *at++ = (uint8_t)(field << 3 | 2);
    *at++ = (uint8_t)n;
    memcpy(at, bytes, n);
    return at + n;
}

size_t sig_greeting_make(const struct rk_key *own, struct rk_str peer,
                         uint8_t out[SIG_GREETING_MAX])
{
    struct rk_key theirs, ours;
    struct box_shared shared;
    uint8_t sealed[SEALED_SIZE], *at = out;
    char name[RK_KEY_TEXT + 1];

    if (peer.n != RK_KEY_TEXT || rk_key_parse_wire(peer, &theirs, NULL) ||
        box_shared_init(own, &theirs, &shared, NULL))
        return 0;
    box_seal(&shared, rk_str_of(HEARTBEAT, sizeof HEARTBEAT), sealed);
    box_shared_wipe(&shared);
    rk_key_public(own, &ours);
    rk_key_format(&ours, name);
    at = put(at, 2, name, RK_KEY_TEXT);
    at = put(at, 3, peer.p, peer.n);
    at = put(at, 4, sealed, sizeof sealed);
    return (size_t)(at - out);
}
