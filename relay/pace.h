/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A limit of bytes per second that delays and does not drop: who takes more than there is learns
 * how long to wait before taking again. What was taken meanwhile is a debt that the next wait
 * includes, so the rate holds over time however large single takes are. No lock: loops share one.
 */
#ifndef RK_RELAY_PACE_H
#define RK_RELAY_PACE_H

#include <stdint.h>

#define RELAY_PACE_BURST_MS 50 /* bytes of so long pass at once */

struct relay_pace {          /* zero-initialised: nothing taken yet */
    _Atomic int64_t paid_ns; /* when all that was taken would have passed at the rate */
};

/** Take n bytes at bytes_per_s. Returns ms to wait before the next take; 0: none. now_ns is
 *  monotonic. Any thread. */
int64_t relay_pace_take(struct relay_pace *p, int64_t bytes_per_s, int64_t now_ns, int64_t n);

#endif
