/* SPDX-License-Identifier: BSD-3-Clause */
/* What no server can avoid: XSalsa20-Poly1305 over every byte of every map; see swarm.h. */
#include "config.h"

#include <stdlib.h>

#include "tests/bench/swarm/swarm.h"

#define CHUNK  ((size_t)256 << 10) /* fits into the second-level cache, as maps do */
#define RUNS   5
#define RUN_NS ((int64_t)60000000)

double limit_seal_speed(void)
{
    uint8_t *plain = rk_calloc(1, CHUNK), *out = rk_malloc(CHUNK + BOX_OVERHEAD);
    struct box_shared key = {{1}};
    double best = 0;

    for (int i = 0; i < RUNS; i++) {
        int64_t start = now_ns(), end;
        double bytes = 0;

        do {
            box_seal(&key, rk_str_of(plain, CHUNK), out);
            bytes += (double)CHUNK;
            end = now_ns();
        } while (end - start < RUN_NS);
        if (bytes * NS_PER_S / (double)(end - start) > best)
            best = bytes * NS_PER_S / (double)(end - start);
    }
    free(plain);
    free(out);
    return best;
}
