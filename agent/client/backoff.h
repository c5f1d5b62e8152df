/* SPDX-License-Identifier: BSD-3-Clause */
/* Growing random waits between attempts. Plain data; any thread. */
#ifndef RK_AGENT_BACKOFF_H
#define RK_AGENT_BACKOFF_H

#include <stdint.h>

/*
 * A server that is restarted is back within seconds, and an agent should notice it then. So waits
 * may be kept short (early_max_ms) in the first time of an outage (BACKOFF_EARLY_MS): N agents then
 * make N / early_max_ms attempts on average, spread evenly because each wait is random, and the
 * first attempt that succeeds is the last. A longer outage is treated as one: waits grow from there
 * up to max_ms.
 */
#define BACKOFF_EARLY_MS 60000

struct backoff { /* open: fill the first five, leave the rest zero */
    int64_t first_ms;
    int64_t max_ms;
    int64_t early_max_ms; /* instead of max_ms until BACKOFF_EARLY_MS after the first wait; 0: no */
    int factor_permille;  /* 1700: each wait is 1.7 times the one before */
    int spread_permille;  /* 1000: 0 to 2 times the wait; 500: half to one and a half */
    int64_t current_ms;   /* 0: at the start */
    int64_t since_ms;     /* mono; of the first wait */
};

/** The next wait. */
int64_t backoff_next_ms(struct backoff *b);

/** Start over. */
void backoff_reset(struct backoff *b);

#endif
