/* SPDX-License-Identifier: BSD-3-Clause */
/* Timing of offers; see guard.h. */
#include "config.h"

#include "agent/peer/guard.h"

#include "lib/base/num.h"
#include "lib/crypto/secret.h"

#define OPEN_STEP_MS  3000
#define EVENT_STEP_MS 800
#define CAP_MIN_MS    30000
#define CAP_SPREAD_MS 15000
#define HOUR_MS       3600000
#define PARTIAL_TRIES 3

static int64_t jitter(int64_t ms)
{
    return ms - ms / 10 + rk_secret_random_below((uint32_t)(ms / 5) + 1);
}

/* The next tick one step later, and the step after it twice as long. */
static void advance(struct guard *g, int64_t now_ms)
{
    g->next_ms = now_ms + jitter(g->step_ms);
    g->step_ms = rk_min_i64(2 * g->step_ms, g->cap_ms);
}

void guard_open(struct guard *g, int64_t now_ms)
{
    *g = (struct guard){
        .cap_ms = CAP_MIN_MS + rk_secret_random_below(CAP_SPREAD_MS),
        .step_ms = OPEN_STEP_MS,
        .next_ms = now_ms,
    };
}

void guard_event(struct guard *g, int64_t now_ms)
{
    g->step_ms = EVENT_STEP_MS;
    g->partial_tries = 0;
    g->hourly = false;
    advance(g, now_ms);
}

bool guard_tick(struct guard *g, int64_t now_ms, enum guard_status status)
{
    if (now_ms < g->next_ms)
        return false;
    if (g->hourly)
        g->next_ms = now_ms + HOUR_MS;
    else
        advance(g, now_ms);
    switch (status) {
    case GUARD_CONNECTED:
        return false;
    case GUARD_DISCONNECTED:
        return true;
    case GUARD_PARTIAL:
        break;
    }
    if (g->hourly || g->partial_tries++ < PARTIAL_TRIES)
        return true;
    g->hourly = true;
    g->next_ms = now_ms + HOUR_MS;
    return false;
}

enum guard_status guard_status_of(const struct guard_facts *f)
{
    bool relayed = f->uses_relay && f->relay_up;

    if (f->force_relay || !f->remote_ice)
        return relayed ? GUARD_CONNECTED : GUARD_DISCONNECTED;
    if ((f->ice_up || f->ice_in_progress) && (!f->uses_relay || f->relay_up))
        return GUARD_CONNECTED;
    return relayed ? GUARD_PARTIAL : GUARD_DISCONNECTED;
}
