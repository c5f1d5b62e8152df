/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The last network map, kept for debug bundles while somebody wants it ("rook debug persistence
 * on"): it can be large, so it is not kept by default. Loop thread.
 */
#ifndef RK_AGENT_ENGINE_SYNC_KEEP_H
#define RK_AGENT_ENGINE_SYNC_KEEP_H

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#include "lib/base/str.h"

struct sync_keep { /* zeroed: off */
    bool on;
    char *p; /* owned, wiped: tokens are in it */
    size_t n;
};

/** Off forgets what is kept. */
void sync_keep_set(struct sync_keep *k, bool on);
/** A SyncResponse; copied when on. k may be NULL. */
void sync_keep_take(struct sync_keep *k, struct rk_str message);
/** It as JSON, without the secrets of relays and TURN servers; null when there is none. Owned by
 *  the caller. */
json_t *sync_keep_json(const struct sync_keep *k);

/** Any message by its description: names as in the .proto file, bytes as base64. Owned by the
 *  caller. */
json_t *sync_keep_message_json(const ProtobufCMessage *m);

#endif
