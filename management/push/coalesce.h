/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When a stream may get its next map. After a quiet time at once; else when both `gap_ms` have
 * passed since the last one and nothing has changed for `quiet_ms`, but never later than
 * `max_wait_ms` after the first change that waits.
 *
 *   change  |        ||| |        | | | | | | | | | | | | |
 *   map     |------gap------|     |------gap------x  x        (x: by max_wait, not starved)
 *
 * Pure: times are passed in (monotonic ms, above 0). One thread at a time.
 */
#ifndef MGMT_PUSH_COALESCE_H
#define MGMT_PUSH_COALESCE_H

#include <stdint.h>

struct coalesce_rule { /* open */
    int64_t gap_ms;
    int64_t quiet_ms;
    int64_t max_wait_ms;
};

struct coalesce {       /* zero-initialised: quiet */
    int64_t open_at_ms; /* the last map plus the gap */
    int64_t first_ms;   /* first change that waits; 0: none */
};

/** A change came: the time at which to send (now or later; a later change may move it). */
int64_t coalesce_mark(struct coalesce *c, const struct coalesce_rule *rule, int64_t now_ms);

/** What waited was sent. */
void coalesce_sent(struct coalesce *c, const struct coalesce_rule *rule, int64_t now_ms);

/** What waited was no news, so the next change need not wait; but neither is building maps for
 *  nothing without end. */
void coalesce_skipped(struct coalesce *c, const struct coalesce_rule *rule, int64_t now_ms);

#endif
