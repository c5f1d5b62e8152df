/* SPDX-License-Identifier: BSD-3-Clause */
/* Handshake watch; see watch.h. */
#include "config.h"

#include "agent/peer/watch.h"

#include "lib/base/num.h"

#define FIRST_MS 30000
#define NEXT_MS  210000
#define SKEW_MS  1000 /* the device's clock and ours are read at different times */

void wg_watch_start(struct wg_watch *w, int64_t now_ms, int64_t handshake_unix_ms)
{
    *w = (struct wg_watch){
        .on = true, .last_unix_ms = handshake_unix_ms, .deadline_ms = now_ms + FIRST_MS};
}

void wg_watch_restart(struct wg_watch *w, int64_t now_ms)
{
    if (w->on)
        wg_watch_start(w, now_ms, 0);
}

void wg_watch_stop(struct wg_watch *w)
{
    *w = (struct wg_watch){0};
}

bool wg_watch_check(struct wg_watch *w, int64_t now_ms, int64_t now_unix_ms, bool known,
                    int64_t handshake_unix_ms)
{
    int64_t age = now_unix_ms - handshake_unix_ms;

    /* unreadable, unchanged, too old (a suspended machine), or from the future (a set clock) */
    if (!known || handshake_unix_ms == w->last_unix_ms || age > NEXT_MS || age < -SKEW_MS) {
        wg_watch_stop(w);
        return false;
    }
    w->last_unix_ms = handshake_unix_ms;
    w->deadline_ms = now_ms + rk_max_i64(0, NEXT_MS - age);
    return true;
}
