/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads the envelope of signal messages; see envelope.h. */
#include "config.h"

#include "signal/envelope.h"

#include "lib/base/rd.h"

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 }; /* protobuf wire types */

static uint64_t varint(struct rk_rd *rd)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t b = rk_rd_u8(rd);

        if (shift == 63 && b > 1)
            break; /* more than 64 bits */
        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80))
            return v;
    }
    rd->bad = true;
    return 0;
}

static struct rk_str length_delimited(struct rk_rd *rd)
{
    uint64_t n = varint(rd);

    if (n > rd->left) {
        rd->bad = true;
        return (struct rk_str){0};
    }
    return rk_rd_str(rd, (size_t)n);
}

static void skip(struct rk_rd *rd, unsigned wire_type)
{
    switch (wire_type) {
    case VARINT:
        (void)varint(rd);
        return;
    case FIXED64:
        rk_rd_skip(rd, 8);
        return;
    case BYTES:
        (void)length_delimited(rd);
        return;
    case FIXED32:
        rk_rd_skip(rd, 4);
        return;
    default: /* groups have been obsolete since before this protocol was made */
        rd->bad = true;
    }
}

enum rk_code sig_envelope_decode(struct rk_str in, struct sig_envelope *out, struct rk_err *err)
{
    struct rk_rd rd = rk_rd_of(in);
    struct sig_envelope e = {0};

    while (rd.left && !rd.bad) {
        uint64_t tag = varint(&rd);
        struct rk_str *slot = tag >> 3 == 2   ? &e.key
                              : tag >> 3 == 3 ? &e.remote_key
                              : tag >> 3 == 4 ? &e.body
                                              : NULL;

        if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
            rd.bad = true;
        else if (slot && (tag & 7) == BYTES)
            *slot = length_delimited(&rd); /* of several the last counts */
        else
            skip(&rd, (unsigned)(tag & 7));
    }
    if (rd.bad || !rk_str_utf8_ok(e.key) || !rk_str_utf8_ok(e.remote_key))
        return rk_fail(err, RK_BAD_REQUEST, "malformed signal message of %zu bytes", in.n);
    *out = e;
    return RK_OK;
}
