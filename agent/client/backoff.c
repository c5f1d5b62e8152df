/* SPDX-License-Identifier: BSD-3-Clause */
/* Growing random waits; see backoff.h. */
#include "config.h"

#include "agent/client/backoff.h"

#include "lib/base/num.h"
#include "lib/crypto/secret.h"

int64_t backoff_next_ms(struct backoff *b)
{
    int64_t now = b->current_ms ? b->current_ms : b->first_ms;
    int64_t low = now * (1000 - b->spread_permille) / 1000;
    int64_t width = 2 * now * b->spread_permille / 1000;
    int64_t mono = rk_mono_ms();
    int64_t max = b->max_ms;

    if (!b->current_ms)
        b->since_ms = mono;
    if (b->early_max_ms && mono - b->since_ms < BACKOFF_EARLY_MS)
        max = b->early_max_ms;
    b->current_ms = rk_min_i64(now * b->factor_permille / 1000, max);
    return low + (int64_t)rk_secret_random_below((uint32_t)width + 1);
}

void backoff_reset(struct backoff *b)
{
    b->current_ms = 0;
}
