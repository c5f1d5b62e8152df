/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When to send an offer to a peer: a ticker whose steps double, with rules by how well the pair is
 * connected. Plain data without I/O; times are monotonic ms.
 *
 *   open:  at once, 3, 6, 12, 24 s … cap          event: 0.8, 1.6, 3.2 s … cap, counters cleared
 *   tick:  connected: nothing · disconnected: offer · only the relay: 3 offers, then one per hour
 */
#ifndef RK_AGENT_GUARD_H
#define RK_AGENT_GUARD_H

#include <stdbool.h>
#include <stdint.h>

enum guard_status { GUARD_DISCONNECTED, GUARD_PARTIAL, GUARD_CONNECTED };

struct guard { /* open for tests; use the functions */
    int64_t cap_ms, step_ms, next_ms;
    unsigned partial_tries;
    bool hourly;
};

/** The peer connection was opened: the first tick is due now. The cap is random, 30 to 45 s. */
void guard_open(struct guard *g, int64_t now_ms);

/** A path was lost, signal or relay came back, our addresses changed. */
void guard_event(struct guard *g, int64_t now_ms);

/** To be called at guard_deadline or later. true: send an offer now. */
bool guard_tick(struct guard *g, int64_t now_ms, enum guard_status status);

static inline int64_t guard_deadline(const struct guard *g)
{
    return g->next_ms;
}

/* What the status is made of. */
struct guard_facts {
    bool force_relay; /* we do no ICE */
    bool remote_ice;  /* the remote sent ICE credentials, or nothing yet */
    bool uses_relay;  /* both sides have a relay */
    bool relay_up;    /* the stream to the peer is ready */
    bool ice_up;      /* connected directly */
    bool ice_in_progress;
};
enum guard_status guard_status_of(const struct guard_facts *f);

#endif
