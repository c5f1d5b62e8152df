/* SPDX-License-Identifier: BSD-3-Clause */
/* Limits of bytes per second; see pace.h. */
#include "config.h"

#include "relay/pace.h"

#include <stdatomic.h>

#include "lib/base/num.h"

#define NS_PER_S  ((int64_t)1000000000)
#define NS_PER_MS ((int64_t)1000000)
#define BURST_NS  (RELAY_PACE_BURST_MS * NS_PER_MS)

int64_t relay_pace_take(struct relay_pace *p, int64_t bytes_per_s, int64_t now_ns, int64_t n)
{
    int64_t was = atomic_load_explicit(&p->paid_ns, memory_order_relaxed), paid;

    do
        paid = rk_max_i64(was, now_ns) + n * NS_PER_S / bytes_per_s;
    while (!atomic_compare_exchange_weak_explicit(&p->paid_ns, &was, paid, memory_order_relaxed,
                                                  memory_order_relaxed));
    paid -= now_ns + BURST_NS;
    return paid <= 0 ? 0 : (paid + NS_PER_MS - 1) / NS_PER_MS;
}
