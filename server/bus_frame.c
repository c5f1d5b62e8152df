/* SPDX-License-Identifier: BSD-3-Clause */
/* Payloads of the bus between signal services: see bus_frame.h. */
#include "config.h"

#include "server/bus_frame.h"

#include "lib/base/enc.h"

static void add_be(struct rk_buf *b, uint64_t v, unsigned bytes)
{
    while (bytes-- > 0)
        rk_buf_addc(b, (char)(v >> bytes * 8));
}

void bus_payload_begin(struct rk_buf *raw, uint64_t number)
{
    add_be(raw, number, BUS_HEAD);
}

bool bus_payload_add(struct rk_buf *raw, enum bus_kind kind, struct rk_str body)
{
    if (body.n > BUS_FRAME_MAX || raw->n + BUS_FRAME_HEAD + body.n > BUS_RAW_MAX)
        return false;
    add_be(raw, (uint64_t)kind, 1);
    add_be(raw, body.n, 2);
    rk_buf_add(raw, body);
    return true;
}

enum rk_code bus_payload_open(struct rk_arena *mem, struct rk_str text, struct rk_rd *out,
                              struct rk_err *err)
{
    uint8_t *raw = rk_arena_alloc(mem, BUS_RAW_MAX);
    size_t n = 0;
    enum rk_code rc;

    if (text.n > BUS_PAYLOAD_MAX)
        return rk_fail(err, RK_BAD_REQUEST, "payload of the bus: %zu characters", text.n);
    rc = rk_base64_decode(text, raw, BUS_RAW_MAX, &n, err);
    if (rc)
        return rc;
    if (n < BUS_HEAD)
        return rk_fail(err, RK_BAD_REQUEST, "payload of the bus: %zu bytes", n);
    *out = rk_rd_of(rk_str_of(raw + BUS_HEAD, n - BUS_HEAD));
    return RK_OK;
}

bool bus_payload_next(struct rk_rd *rd, struct bus_frame *out)
{
    while (rd->left && !rd->bad) {
        unsigned kind = rk_rd_u8(rd);
        size_t n = rk_rd_u16(rd);
        const uint8_t *p = rk_rd_take(rd, n);

        if (rd->bad)
            return false;
        if (kind < BUS_MESSAGE || kind > BUS_PARCEL)
            continue; /* of a later release */
        *out = (struct bus_frame){.kind = (enum bus_kind)kind, .body = rk_str_of(p, n)};
        return true;
    }
    return false;
}
