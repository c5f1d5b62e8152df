/* SPDX-License-Identifier: BSD-3-Clause */
/* gRPC message framing; see frame.h. */
#include "config.h"

#include "lib/grpc/frame.h"

#include "lib/base/num.h"
#include "lib/base/rd.h"
#include "lib/base/wr.h"

void grpc_reader_init(struct grpc_reader *r, size_t max_message_bytes)
{
    *r = (struct grpc_reader){.max_message = max_message_bytes};
    rk_buf_init(&r->body, max_message_bytes);
}

void grpc_reader_done(struct grpc_reader *r)
{
    rk_buf_done(&r->body);
}

static enum rk_code read_head(struct grpc_reader *r, struct rk_err *err)
{
    struct rk_rd rd = rk_rd_of(rk_str_of(r->head, sizeof r->head));
    unsigned flag = rk_rd_u8(&rd);

    r->need = rk_rd_u32(&rd);
    if (flag == 1)
        return rk_fail(err, RK_INVALID, "compressed message");
    if (flag)
        return rk_fail(err, RK_BAD_REQUEST, "message flag %u", flag);
    if (r->need > r->max_message)
        return rk_fail(err, RK_LIMIT, "message of %zu bytes, at most %zu are accepted", r->need,
                       r->max_message);
    return RK_OK;
}

enum rk_code grpc_reader_next(struct grpc_reader *r, struct rk_str *in, struct rk_str *msg,
                              bool *have, struct rk_err *err)
{
    enum rk_code rc;
    size_t part;

    *have = false;
    if (r->spent) { /* idle streams hold no memory */
        rk_buf_done(&r->body);
        rk_buf_init(&r->body, r->max_message);
        r->head_n = 0;
        r->spent = false;
    }
    if (r->head_n < GRPC_PREFIX) {
        part = rk_min_size(in->n, GRPC_PREFIX - r->head_n);
        if (part)
            memcpy(r->head + r->head_n, in->p, part);
        *in = rk_str_sub(*in, part, in->n);
        r->head_n += part;
        if (r->head_n < GRPC_PREFIX)
            return RK_OK;
        rc = read_head(r, err);
        if (rc)
            return rc;
    }
    part = rk_min_size(in->n, r->need - r->body.n);
    rk_buf_add(&r->body, rk_str_sub(*in, 0, part));
    *in = rk_str_sub(*in, part, in->n);
    if (r->body.n == r->need) {
        *msg = rk_buf_str(&r->body);
        *have = r->spent = true;
    }
    return RK_OK;
}

bool grpc_reader_at_boundary(const struct grpc_reader *r)
{
    return r->spent || r->head_n == 0;
}

size_t grpc_reader_held(const struct grpc_reader *r)
{
    return r->spent ? 0 : r->body.n;
}

void grpc_prefix(uint8_t out[GRPC_PREFIX], size_t n)
{
    struct rk_wr w = rk_wr_of(out, GRPC_PREFIX);

    rk_wr_u8(&w, 0);
    rk_wr_u32(&w, (uint32_t)n);
}
