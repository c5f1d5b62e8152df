/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Protobuf writing straight into a struct rk_buf: fields in ascending order, zero values left out,
 * as proto3 encoders do. Sticky like rk_buf: check `full` at the end.
 */
#ifndef MGMT_NETMAP_PB_H
#define MGMT_NETMAP_PB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/base/buf.h"

#define PB_VARINT_MAX 10

enum pb_wire { PB_VARINT = 0, PB_LEN = 2 };

/** Write a varint at p; returns the bytes written. */
static inline size_t pb_put_varint(uint8_t *p, uint64_t v)
{
    size_t n = 0;

    while (v >= 0x80) {
        p[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    p[n++] = (uint8_t)v;
    return n;
}

static inline size_t pb_varint_size(uint64_t v)
{
    return (size_t)(70 - __builtin_clzll(v | 1)) / 7;
}

static inline void pb_varint(struct rk_buf *b, uint64_t v)
{
    char *p = rk_buf_room(b, PB_VARINT_MAX);

    if (p)
        rk_buf_added(b, pb_put_varint((uint8_t *)p, v));
}

static inline void pb_tag(struct rk_buf *b, unsigned field, enum pb_wire wire)
{
    pb_varint(b, (uint64_t)field << 3 | (unsigned)wire);
}

/** Number, written even when zero (members of a oneof, elements). */
static inline void pb_uint_always(struct rk_buf *b, unsigned field, uint64_t v)
{
    pb_tag(b, field, PB_VARINT);
    pb_varint(b, v);
}

static inline void pb_uint(struct rk_buf *b, unsigned field, uint64_t v)
{
    if (v)
        pb_uint_always(b, field, v);
}

static inline void pb_int(struct rk_buf *b, unsigned field, int64_t v)
{
    pb_uint(b, field, (uint64_t)v);
}

static inline void pb_bool(struct rk_buf *b, unsigned field, bool v)
{
    pb_uint(b, field, v);
}

/** Text or bytes, written even when empty (elements of a repeated field). */
static inline void pb_str_always(struct rk_buf *b, unsigned field, struct rk_str s)
{
    pb_tag(b, field, PB_LEN);
    pb_varint(b, s.n);
    rk_buf_add(b, s);
}

static inline void pb_str(struct rk_buf *b, unsigned field, struct rk_str s)
{
    if (s.n)
        pb_str_always(b, field, s);
}

/** Open a message field; close it with pb_end(b, what pb_begin returned). */
static inline size_t pb_begin(struct rk_buf *b, unsigned field)
{
    pb_tag(b, field, PB_LEN);
    rk_buf_addc(b, 0); /* the length; more bytes are made room for at the end */
    return b->n;
}

void pb_end(struct rk_buf *b, size_t start);

#endif
