/* SPDX-License-Identifier: BSD-3-Clause */
/* Window against replays; see replay.h. */
#include "config.h"

#include "agent/wg/core/replay.h"

#include "agent/wg/core/proto.h"

bool wgc_replay_take(struct wgc_replay *r, uint64_t counter)
{
    uint64_t word, bit, top, steps;

    if (counter >= WGC_REJECT_AFTER_MESSAGES)
        return false;
    if (counter + WGC_WINDOW < r->next)
        return false;
    word = counter / 64;
    if (counter >= r->next) {
        top = r->next ? (r->next - 1) / 64 : 0;
        steps = word - top;
        if (steps > WGC_WINDOW_WORDS)
            steps = WGC_WINDOW_WORDS;
        for (uint64_t i = 1; i <= steps; i++)
            r->bits[(top + i) % WGC_WINDOW_WORDS] = 0;
        r->next = counter + 1;
    }
    bit = (uint64_t)1 << (counter % 64);
    if (r->bits[word % WGC_WINDOW_WORDS] & bit)
        return false;
    r->bits[word % WGC_WINDOW_WORDS] |= bit;
    return true;
}
