/* SPDX-License-Identifier: BSD-3-Clause */
/* See pb.h. */
#include "config.h"

#include "management/snapshot/pb.h"

void pb_end(struct rk_buf *b, size_t start)
{
    size_t len, more;
    char *p;

    if (b->full)
        return;
    len = b->n - start;
    more = pb_varint_size(len) - 1;
    if (more > 0) {
        if (!rk_buf_room(b, more))
            return;
        p = b->p + start;
        memmove(p + more, p, len);
        rk_buf_added(b, more);
    }
    (void)pb_put_varint((uint8_t *)b->p + start - 1, len);
}
