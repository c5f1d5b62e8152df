/* SPDX-License-Identifier: BSD-3-Clause */
/* See timing.h. */
#include "config.h"

#include "management/push/timing.h"

#include "lib/base/num.h"

/* ---- accounts */

void wake_done(struct wake_buffer *w)
{
    bits_done(&w->waiting);
}

bool wake_add(struct wake_buffer *w, const struct bits *peers)
{
    bits_or(&w->waiting, peers);
    return !w->sending && w->due_ms == 0;
}

void wake_take(struct wake_buffer *w, struct bits *out)
{
    bits_copy(out, &w->waiting);
    bits_clear(&w->waiting);
    w->sending = true;
    w->due_ms = 0;
}

void wake_sent(struct wake_buffer *w, int64_t now_ms)
{
    w->sending = false;
    w->due_ms = bits_any(&w->waiting) ? now_ms + w->interval_ms : 0;
}

/* ---- streams */

void debounce_init(struct debounce *d)
{
    *d = (struct debounce){.window_ms = DEBOUNCE_WINDOW_MS, .max_wait_ms = DEBOUNCE_MAX_WAIT_MS};
    rk_list_init(&d->held);
}

bool debounce_add(struct debounce *d, struct debounce_item *item, int64_t now_ms,
                  struct debounce_item **replaced)
{
    *replaced = NULL;
    if (d->due_ms == 0) {
        d->due_ms = now_ms + d->window_ms;
        return true;
    }
    if (rk_list_empty(&d->held)) {
        d->oldest_ms = now_ms;
    } else {
        struct debounce_item *last = rk_container_of(d->held.prev, struct debounce_item, node);

        if (item->map && last->map) {
            rk_list_remove(&last->node);
            *replaced = last;
        }
    }
    rk_list_push_back(&d->held, &item->node);
    d->due_ms = rk_min_i64(now_ms + d->window_ms, d->oldest_ms + d->max_wait_ms);
    return false;
}

void debounce_fire(struct debounce *d, int64_t now_ms, struct rk_list *out)
{
    d->due_ms = rk_list_empty(&d->held) ? 0 : now_ms + d->window_ms;
    rk_list_splice(out, &d->held);
}
