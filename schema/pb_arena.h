/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Protobuf messages in arenas: what the generated code (schema/gen) allocates comes from an arena
 * with a ceiling, so a small message cannot unfold into gigabytes, and nothing is freed alone.
 * Any thread, one arena at a time.
 */
#ifndef RK_SCHEMA_PB_ARENA_H
#define RK_SCHEMA_PB_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

/** Decode a message into the arena; cast-free in C because the result is void *:
 *      Management__LoginRequest *req =
 *          pb_unpack(mem, &management__login_request__descriptor, plain, &err);
 *  Every string is valid UTF-8 without a NUL inside (so nothing hides behind a C string's end);
 *  bytes fields may hold anything; enums may hold values that we do not know. Never free it.
 *  NULL on failure, with RK_BAD_REQUEST (not this message) or RK_LIMIT (arena ceiling). The message
 *  takes what is left of the arena but for half of it, at most 8 MiB: that is for the caller, who
 *  may rk_arena_alloc amounts of its own choosing from it. arena */
void *pb_unpack(struct rk_arena *a, const ProtobufCMessageDescriptor *type, struct rk_str in,
                struct rk_err *err) RK_MUST;

/** Encode into the arena. Errors: RK_LIMIT (arena ceiling). arena */
enum rk_code pb_pack(struct rk_arena *a, const ProtobufCMessage *msg, struct rk_str *out,
                     struct rk_err *err) RK_MUST;

/** Encode behind `head` bytes that stay free for the caller (frame, nonce and tag, to seal in
 *  place); *size counts both. NULL past the ceiling, with RK_LIMIT. arena */
uint8_t *pb_pack_behind(struct rk_arena *a, size_t head, const ProtobufCMessage *msg, size_t *size,
                        struct rk_err *err) RK_MUST;

/** Bytes fields as views and back; both borrow. Text fields: rk_str_z to read, pb_text to set. */
static inline struct rk_str pb_bytes(ProtobufCBinaryData d)
{
    return rk_str_of(d.data, d.len);
}

static inline ProtobufCBinaryData pb_bytes_of(struct rk_str s)
{
    return (ProtobufCBinaryData){.len = s.n, .data = (uint8_t *)(uintptr_t)s.p};
}

/** Copy for a text field, which is a char * in generated structs. arena */
static inline char *pb_text(struct rk_arena *a, struct rk_str s)
{
    return s.n ? rk_arena_dupz(a, s) : (char *)(uintptr_t)protobuf_c_empty_string;
}

#endif
