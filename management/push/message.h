/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Plain text of one SyncResponse. Which fields a message has is part of the protocol:
 *
 *               | netbirdConfig | map, peerConfig | Checks   | sessionExpiresAt
 *      FIRST    | all of it     | yes             | yes      | yes
 *      MAP      | absent        | yes             | yes      | yes
 *      CONFIG   | what expires  | absent          | (agents) | absent
 *      DELETED  | absent        | the empty one   | absent   | absent
 *
 * (agents): 0.28.0 to 0.72.2 take the absence of Checks for "none", so theirs are repeated.
 * Pure; any thread, one buffer and arena each.
 */
#ifndef MGMT_PUSH_MESSAGE_H
#define MGMT_PUSH_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "management/netmap/netmap.h"
#include "management/push/servers.h"
#include "management/snapshot/snapshot.h"

enum message_kind { MESSAGE_FIRST, MESSAGE_MAP, MESSAGE_CONFIG, MESSAGE_DELETED };

struct message_in { /* open; borrowed for the call */
    const struct snapshot *snap;
    uint32_t index; /* of the receiver; not used for MESSAGE_DELETED */
    const struct netmap_opts *netmap;
    struct servers *servers;
    bool components; /* the server offers the component form */
};

struct message {         /* open */
    struct rk_str plain; /* view into the buffer */
    uint64_t hash;       /* of the content: equal maps under different serials have the same; 0 for
                            CONFIG and DELETED */
};

#define MESSAGE_MAX ((size_t)256 << 20) /* bytes; a map of some 500,000 peers */

/** Write into buf (cleared first; its memory is reused from call to call). mem is for what is
 * needed on the way. false: the message does not fit into buf. */
bool message_build(enum message_kind kind, const struct message_in *in, struct rk_arena *mem,
                   struct rk_buf *buf, struct message *out);

/** Field `field` of LoginResponse and SyncResponse: one Checks message per posture check. */
void message_put_checks(struct rk_buf *b, unsigned field, const struct snapshot *s, uint32_t index,
                        struct rk_arena *mem);

/** Field `field`: sessionExpiresAt, present in any case; empty when the session never ends. */
void message_put_session(struct rk_buf *b, unsigned field, const struct peer *p,
                         const struct settings *s);

/** Deadline of the peer's session; 0 when it never ends. */
int64_t session_expires_at_us(const struct peer *p, const struct settings *s);

#endif
