/* SPDX-License-Identifier: BSD-3-Clause */
/* See coalesce.h. */
#include "config.h"

#include "management/push/coalesce.h"

#include "lib/base/num.h"

int64_t coalesce_mark(struct coalesce *c, const struct coalesce_rule *rule, int64_t now_ms)
{
    int64_t due;

    if (!c->first_ms)
        c->first_ms = now_ms;
    if (now_ms >= c->open_at_ms)
        return now_ms;
    due = rk_max_i64(c->open_at_ms, now_ms + rule->quiet_ms);
    return rk_max_i64(rk_min_i64(due, c->first_ms + rule->max_wait_ms), now_ms);
}

void coalesce_sent(struct coalesce *c, const struct coalesce_rule *rule, int64_t now_ms)
{
    c->first_ms = 0;
    c->open_at_ms = now_ms + rule->gap_ms;
}

void coalesce_skipped(struct coalesce *c, const struct coalesce_rule *rule, int64_t now_ms)
{
    c->first_ms = 0;
    c->open_at_ms = rk_max_i64(c->open_at_ms, now_ms + rule->quiet_ms / 4);
}
