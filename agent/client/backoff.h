/* SPDX-License-Identifier: BSD-3-Clause */
/* Growing random waits between attempts. Plain data; any thread. */
#ifndef RK_AGENT_BACKOFF_H
#define RK_AGENT_BACKOFF_H

#include <stdint.h>

struct backoff { /* open: fill the first four, leave the rest zero */
    int64_t first_ms;
    int64_t max_ms;
    int factor_permille; /* 1700: each wait is 1.7 times the one before */
    int spread_permille; /* 1000: 0 to 2 times the wait; 500: half to one and a half */
    int64_t current_ms;  /* 0: at the start */
};

/** The next wait. */
int64_t backoff_next_ms(struct backoff *b);

/** Start over. */
void backoff_reset(struct backoff *b);

#endif
