/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Does WireGuard still shake hands over the path that we gave it? Plain data without I/O. The first
 * handshake must come within 30 s of the path, each next one within 3 min 30 s of the one before.
 * Deadlines are monotonic ms; handshake times are Unix ms as the device tells them.
 */
#ifndef RK_AGENT_WG_WATCH_H
#define RK_AGENT_WG_WATCH_H

#include <stdbool.h>
#include <stdint.h>

struct wg_watch { /* zero: off */
    bool on;
    int64_t last_unix_ms; /* the newest handshake seen; 0: none */
    int64_t deadline_ms;
};

/** A path is there. handshake: what the device says now, before it was configured (0: never). */
void wg_watch_start(struct wg_watch *w, int64_t now_ms, int64_t handshake_unix_ms);
/** The session was thrown away: wait for a handshake from scratch. */
void wg_watch_restart(struct wg_watch *w, int64_t now_ms);
void wg_watch_stop(struct wg_watch *w);

/** At the deadline: judge what the device says (known false: it could not be read). false: the path
 *  does not work, and the watch is off. */
bool wg_watch_check(struct wg_watch *w, int64_t now_ms, int64_t now_unix_ms, bool known,
                    int64_t handshake_unix_ms);

/** INT64_MAX while off. */
static inline int64_t wg_watch_deadline(const struct wg_watch *w)
{
    return w->on ? w->deadline_ms : INT64_MAX;
}

#endif
