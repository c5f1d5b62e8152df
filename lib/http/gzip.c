/* SPDX-License-Identifier: BSD-3-Clause */
/* gzip bodies; see gzip.h. */
#include "config.h"

#include "lib/http/gzip.h"

#include <limits.h>
#include <zlib.h>

#define WINDOW_GZIP (15 + 16) /* zlib: largest window, gzip wrapping */
#define LEVEL       1         /* lists of peers shrink tenfold at once; more costs time only */
#define MEM_LEVEL   8

bool http_gzip_wanted(struct rk_str accept)
{
    struct rk_str part, name, params;

    while (accept.n) {
        (void)rk_str_cut(accept, ',', &part, &accept);
        (void)rk_str_cut(part, ';', &name, &params);
        name = rk_str_trim(name);
        if (!rk_str_ieq(name, RK_STR("gzip")) && !rk_str_eqz(name, "*"))
            continue;
        params = rk_str_trim(params);
        if (!rk_str_istarts(params, RK_STR("q=")))
            return true;
        for (size_t i = 2; i < params.n; i++)
            if (params.p[i] >= '1' && params.p[i] <= '9')
                return true; /* some digit is not zero */
        return false;
    }
    return false;
}

bool http_gzip(struct rk_buf *body)
{
    z_stream z = {0};
    struct rk_buf out;
    int rc;

    if (body->n > UINT_MAX ||
        deflateInit2(&z, LEVEL, Z_DEFLATED, WINDOW_GZIP, MEM_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    rk_buf_init(&out, body->n); /* larger than the original is of no use */
    z.next_out = (Bytef *)rk_buf_room(&out, body->n);
    z.avail_out = z.next_out ? (uInt)body->n : 0;
    z.next_in = (Bytef *)body->p;
    z.avail_in = (uInt)body->n;
    rc = deflate(&z, Z_FINISH);
    (void)deflateEnd(&z);
    if (rc != Z_STREAM_END) {
        rk_buf_done(&out);
        return false;
    }
    rk_buf_added(&out, z.total_out);
    out.max = body->max;
    rk_buf_done(body);
    *body = out;
    return true;
}
