/* SPDX-License-Identifier: BSD-3-Clause */
/* How long the login of a person lasts, and warnings before it ends. */
#include "config.h"

#include "agent/engine/engine_priv.h"
#include "lib/base/num.h"

#define DAY_MS INT64_C(86400000)
/* A deadline beyond these makes no sense. */
#define FAR_MS  (3650 * DAY_MS)
#define PAST_MS (30 * DAY_MS)
/* When people are told. */
static const int64_t WARN_MS[] = {600000, 120000};

static void on_warning(void *arg);

/* The next warning that is still to come. */
static void arm(struct engine *e)
{
    int64_t now = rk_unix_ms();

    rk_timer_cancel(&e->session_timer);
    if (!e->session_expires_ms || e->phase == ENGINE_STOPPING || e->phase == ENGINE_STOPPED)
        return;
    for (size_t i = 0; i < RK_ARRAY_LEN(WARN_MS); i++)
        if (e->session_expires_ms - WARN_MS[i] > now) {
            rk_timer_start(e->o.loop, &e->session_timer,
                           rk_min_i64(e->session_expires_ms - WARN_MS[i] - now, DAY_MS), on_warning,
                           e);
            return;
        }
}

static void on_warning(void *arg)
{
    struct engine *e = arg;
    int64_t left = e->session_expires_ms - rk_unix_ms();

    if (left <= WARN_MS[0]) { /* else the timer only could not be set so far ahead */
        events_add(e->o.events, EVENT_WARNING, EVENT_AUTHENTICATION,
                   "the login ends in %lld minutes: \"rook login --extend\" makes it last longer",
                   (long long)((left + 30000) / 60000)); /* a timer may be early */
        rk_log(e->log, RK_WARN, "the login ends soon", kv_i64("in_s", left / 1000));
        engine_changed(e);
    }
    arm(e);
}

void engine_apply_session(struct engine *e, const Google__Protobuf__Timestamp *t)
{
    int64_t now = rk_unix_ms(), at = 0;

    if (!t)
        return; /* nothing known: keep */
    if (t->seconds > 0 && t->seconds <= INT64_MAX / 1000)
        at = t->seconds * 1000;
    if ((t->seconds || t->nanos) && (at > now + FAR_MS || at < now - PAST_MS)) {
        rk_log(e->log, RK_ERROR, "session deadline of management makes no sense, ignored",
               kv_i64("unix_s", t->seconds));
        events_add(e->o.events, EVENT_ERROR, EVENT_AUTHENTICATION,
                   "management's end of the login makes no sense and is ignored");
        at = 0;
    }
    if (at == e->session_expires_ms)
        return; /* those who were warned are not warned again */
    e->session_expires_ms = at;
    arm(e);
}

void engine_session_extended(struct engine *e, const Google__Protobuf__Timestamp *t)
{
    engine_apply_session(e, t);
    engine_changed(e);
}

int64_t engine_session_ms(const struct engine *e)
{
    return e->session_expires_ms;
}
