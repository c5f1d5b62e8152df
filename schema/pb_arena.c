/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * protobuf-c over arenas. protobuf-c stores text as C strings without their length and does not
 * look at the characters, so the wire form is walked once before it is decoded.
 */
#include "config.h"

#include "schema/pb_arena.h"

#include <stdbool.h>

#include "lib/base/num.h"
#include "lib/base/rd.h"

/* Left in an arena with a ceiling for those who look at the message: they may use rk_arena_alloc,
 * and a message must not be able to bring them to the ceiling. */
#define RESERVE_MAX ((size_t)8 << 20)
#define DEPTH_MAX   32 /* levels of messages; ours have fewer than ten and none contains itself */

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_LEN = 2, WIRE_32 = 5 };

struct pool { /* allocator data; full is sticky, so decoding ends soon after the first refusal */
    struct rk_arena *arena;
    size_t reserve; /* bytes of the arena that are not for the message */
    bool full;
};

static void *pool_alloc(void *data, size_t size)
{
    struct pool *pool = data;
    size_t left = rk_arena_left(pool->arena);
    void *p = NULL;

    if (!pool->full && left > pool->reserve && size <= left - pool->reserve)
        p = rk_arena_try(pool->arena, size);
    if (!p)
        pool->full = true;
    return p;
}

static void pool_free(void *data, void *p)
{
    (void)data;
    (void)p;
}

/* At most 10 bytes; the value wraps as protobuf-c's does. */
static uint64_t take_varint(struct rk_rd *rd)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 70; shift += 7) {
        uint8_t b = rk_rd_u8(rd);

        v |= shift < 64 ? (uint64_t)(b & 0x7f) << shift : 0;
        if (!(b & 0x80))
            return v;
    }
    rd->bad = true;
    return 0;
}

/* A tag as protobuf-c reads it: one varint of at most 5 bytes, number and wire type. */
static uint32_t take_tag(struct rk_rd *rd)
{
    size_t before = rd->left;
    uint64_t v = take_varint(rd);

    if (before - rd->left > 5 || v > UINT32_MAX || v >> 3 == 0)
        rd->bad = true;
    return rd->bad ? 0 : (uint32_t)v;
}

static struct rk_str take_len(struct rk_rd *rd)
{
    uint64_t n = take_varint(rd);

    if (n > rd->left)
        rd->bad = true;
    return rk_rd_str(rd, rd->bad ? 0 : (size_t)n);
}

static bool text_ok(struct rk_str s)
{
    return rk_str_utf8_ok(s) && (s.n == 0 || !memchr(s.p, '\0', s.n));
}

static enum rk_code check(const ProtobufCMessageDescriptor *type, struct rk_str in, unsigned depth,
                          struct rk_err *err);

/* Look into a length-delimited field that the descriptor knows as text or message. */
static enum rk_code check_value(const ProtobufCMessageDescriptor *type, uint32_t number,
                                struct rk_str value, unsigned depth, struct rk_err *err)
{
    const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field(type, number);

    if (f && f->type == PROTOBUF_C_TYPE_STRING && !text_ok(value))
        return rk_fail(err, RK_BAD_REQUEST, "%s.%s is not valid UTF-8 text", type->name, f->name);
    if (f && f->type == PROTOBUF_C_TYPE_MESSAGE)
        return check(f->descriptor, value, depth + 1, err);
    return RK_OK;
}

static enum rk_code check(const ProtobufCMessageDescriptor *type, struct rk_str in, unsigned depth,
                          struct rk_err *err)
{
    struct rk_rd rd = rk_rd_of(in);
    enum rk_code rc = RK_OK;

    if (depth > DEPTH_MAX)
        return rk_fail(err, RK_BAD_REQUEST, "%s: nested too deeply", type->name);
    while (rc == RK_OK && rd.left && !rd.bad) {
        uint32_t tag = take_tag(&rd);

        switch (tag & 7) {
        case WIRE_VARINT:
            (void)take_varint(&rd);
            break;
        case WIRE_64:
            rk_rd_skip(&rd, 8);
            break;
        case WIRE_32:
            rk_rd_skip(&rd, 4);
            break;
        case WIRE_LEN: {
            struct rk_str value = take_len(&rd);

            if (!rd.bad)
                rc = check_value(type, tag >> 3, value, depth, err);
            break;
        }
        default: /* groups, which proto3 does not have, and two unassigned types */
            rd.bad = true;
        }
    }
    if (rc == RK_OK && rd.bad)
        return rk_fail(err, RK_BAD_REQUEST, "%s: not a protobuf message", type->name);
    return rc;
}

void *pb_unpack(struct rk_arena *a, const ProtobufCMessageDescriptor *type, struct rk_str in,
                struct rk_err *err)
{
    struct pool pool = {.arena = a, .reserve = rk_min_size(rk_arena_left(a) / 2, RESERVE_MAX)};
    ProtobufCAllocator allocator = {
        .alloc = pool_alloc, .free = pool_free, .allocator_data = &pool};
    ProtobufCMessage *msg;

    if (check(type, in, 0, err))
        return NULL;
    msg = protobuf_c_message_unpack(type, &allocator, in.n, (const uint8_t *)in.p);
    if (!msg && pool.full)
        (void)rk_fail(err, RK_LIMIT, "%s: %zu bytes unfold into too much", type->name, in.n);
    else if (!msg)
        (void)rk_fail(err, RK_BAD_REQUEST, "%s: not a protobuf message", type->name);
    return msg;
}

uint8_t *pb_pack_behind(struct rk_arena *a, size_t head, const ProtobufCMessage *msg, size_t *size,
                        struct rk_err *err)
{
    size_t n = protobuf_c_message_get_packed_size(msg);
    size_t total = 0;
    uint8_t *out = rk_add_size(head, n, &total) ? rk_arena_try(a, total ? total : 1) : NULL;

    if (!out) {
        (void)rk_fail(err, RK_LIMIT, "%s: %zu bytes are too many", msg->descriptor->name, n);
        return NULL;
    }
    (void)protobuf_c_message_pack(msg, out + head);
    *size = total;
    return out;
}

enum rk_code pb_pack(struct rk_arena *a, const ProtobufCMessage *msg, struct rk_str *out,
                     struct rk_err *err)
{
    size_t n = 0;
    uint8_t *p = pb_pack_behind(a, 0, msg, &n, err);

    if (!p)
        return RK_LIMIT;
    *out = rk_str_of(p, n);
    return RK_OK;
}
