/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sliding window against replayed counters (whitepaper section 5.4.6; the algorithm of RFC 6479:
 * a ring of words, of which one is always being cleared). Embedded; one thread at a time.
 */
#ifndef RK_AGENT_WG_CORE_REPLAY_H
#define RK_AGENT_WG_CORE_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#define WGC_WINDOW_WORDS 64                            /* power of two */
#define WGC_WINDOW       ((WGC_WINDOW_WORDS - 1) * 64) /* counters behind the newest: 4032 */

struct wgc_replay { /* all zero: nothing was seen */
    uint64_t next;  /* greatest counter seen, plus one */
    uint64_t bits[WGC_WINDOW_WORDS];
};

/** Take note of an authentic counter. false: seen before, too old, or beyond the limit of section
 *  6.1: drop the packet. */
bool wgc_replay_take(struct wgc_replay *r, uint64_t counter);

#endif
