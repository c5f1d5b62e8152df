/* SPDX-License-Identifier: BSD-3-Clause */
/* Whose turn it is: the hub's queues, the budget of bytes, and time. See hub.h and hub_impl.h. */
#include "config.h"

#include "lib/base/num.h"
#include "management/push/hub_impl.h"

/* How much later, in microseconds, a map may come than one of the most urgent kind. */
#define WAIT_TIGHTER_US  300000
#define WAIT_OTHER_US    600000
#define WAIT_SIZE_US_MAX 250000
#define SIZE_PER_US      16 /* a megabyte waits 65 ms longer than a small map */

/* After large pushes freed memory is kept for a moment, since page faults cost a tenth of a push.
 */
#define TRIM_BYTES    ((size_t)16 << 20)
#define TRIM_AFTER_MS 2000

#define FRESH_MS 30 /* a message that was not taken by then is out of the cache anyway */

/* Streams that are ready are served by virtual deadline: later for what can wait and for large
 * maps, but everybody's comes. */
static int64_t ready_key(const struct hub_stream *s, int64_t now_ms)
{
    int64_t key = now_ms * 1000;

    if (s->need == HUB_TIGHTER)
        key += WAIT_TIGHTER_US;
    else if (s->need == HUB_OTHER)
        key += WAIT_OTHER_US;
    return key + rk_min_i64((int64_t)(s->last_bytes / SIZE_PER_US), WAIT_SIZE_US_MAX);
}

static struct hub_stream *way_first(const struct hub *h, enum hub_way way)
{
    const struct rk_list *head = &h->way[way];

    return rk_list_empty(head) ? NULL : rk_container_of(head->next, struct hub_stream, way_link);
}

static void way_move(struct hub_stream *s, enum hub_way to)
{
    struct hub *h = s->hub;

    if (s->way)
        h->way_bytes[s->way] -= s->under_way_bytes;
    rk_list_remove(&s->way_link);
    s->way = to;
    if (to) {
        h->way_bytes[to] += s->under_way_bytes;
        rk_list_push_back(&h->way[to], &s->way_link);
    }
}

/* Room for one more message: few fresh ones, and not too many in all. */
static bool budget_left(struct hub *h, int64_t now_ms)
{
    struct hub_stream *s;

    while ((s = way_first(h, HUB_FRESH)) && s->sent_at_ms + FRESH_MS <= now_ms)
        way_move(s, HUB_FAST);
    h->starved = h->way_bytes[HUB_FRESH] >= h->fresh_max_bytes ||
                 h->way_bytes[HUB_FRESH] + h->way_bytes[HUB_FAST] >= h->budget_bytes;
    return !h->starved;
}

void hub_kick(struct hub *h)
{
    size_t wanted = h->ready.n;

    if (h->stopping || !wanted || !budget_left(h, rk_mono_ms()))
        return;
    for (size_t i = 0; i < h->n_builders && wanted; i++) {
        struct hub_builder *b = &h->builders[i];

        if (!b->busy) {
            b->busy = b->submit = h->submit_any = true;
            wanted--;
        }
    }
}

static void tick_on_loop(struct rk_task *t);

void hub_tick_now(struct hub *h)
{
    if (h->tick_posted)
        return;
    h->tick_posted = true;
    hub_post(h, &h->tick, h->loop, tick_on_loop);
}

static void arm(struct hub *h, int64_t at_ms)
{
    if (h->stopping || (h->armed_at_ms && h->armed_at_ms <= at_ms))
        return;
    h->armed_at_ms = at_ms;
    hub_tick_now(h);
}

void hub_unschedule(struct hub_stream *s)
{
    if (s->where == HUB_READY)
        rk_heap_remove(&s->hub->ready, &s->node);
    else if (s->where == HUB_WAITING)
        rk_heap_remove(&s->hub->waiting, &s->node);
    s->where = HUB_IDLE;
}

static void end_on_loop(struct rk_task *t)
{
    struct hub_stream *s = rk_container_of(t, struct hub_stream, end.task);
    struct hub *h = s->hub;
    struct rk_err why = {0};
    bool cut_off;
    void *call;

    hub_lock(h);
    call = s->call;
    cut_off = s->cut_off;
    hub_unlock(h);
    if (cut_off)
        (void)rk_fail(&why, RK_UNAVAILABLE, "the agent does not read its messages");
    if (call)
        h->sink->finish(call, cut_off ? &why : NULL);
    hub_lock(h);
    hub_stream_unref(s);
    hub_unlock(h);
}

void hub_stream_end(struct hub_stream *s)
{
    if (s->ended || s->detached)
        return;
    s->ended = true;
    s->want = 0;
    hub_unschedule(s);
    s->refs++;
    hub_post(s->hub, &s->end, s->loop, end_on_loop);
}

static void make_ready(struct hub_stream *s, int64_t now_ms)
{
    int64_t key = ready_key(s, now_ms);

    if (s->where == HUB_READY) /* a further change does not send it to the end of the line */
        key = rk_min_i64(key, s->node.key);
    else
        hub_unschedule(s);
    s->where = HUB_READY;
    rk_heap_set(&s->hub->ready, &s->node, key);
}

/* What the stream wants has changed, or it is free again. */
void hub_schedule(struct hub_stream *s, int64_t now_ms)
{
    struct hub *h = s->hub;
    int64_t due = now_ms;

    if (!s->want || s->building || s->way || s->detached || s->ended)
        return;
    if (s->want == HUB_WANT_MAP && s->where != HUB_READY)
        due = coalesce_mark(&s->coalesce, &h->coalesce, now_ms);
    if (due <= now_ms) {
        make_ready(s, now_ms);
        return;
    }
    hub_unschedule(s);
    s->where = HUB_WAITING;
    rk_heap_set(&h->waiting, &s->node, due);
    arm(h, due);
}

void hub_mark(struct hub_stream *s, unsigned want, enum hub_need need, int64_t now_ms)
{
    if (need < s->need || !(s->want & HUB_WANT_MAP))
        s->need = need;
    if ((want & HUB_WANT_MAP) && !s->asked_at_us)
        s->asked_at_us = rk_mono_us();
    s->want |= want;
    hub_schedule(s, now_ms);
}

/* ---- bytes on their way */

void hub_way_add(struct hub_stream *s, size_t bytes, int64_t now_ms)
{
    struct hub *h = s->hub;

    s->under_way_bytes = bytes;
    s->sent_at_ms = now_ms;
    way_move(s, HUB_FRESH);
    arm(h, now_ms + h->slow_after_ms);
    h->untrimmed += bytes;
    if (h->untrimmed >= TRIM_BYTES) {
        if (!h->trim_at_ms)
            arm(h, now_ms + TRIM_AFTER_MS);
        h->trim_at_ms = now_ms + TRIM_AFTER_MS;
    }
}

void hub_way_del(struct hub_stream *s)
{
    way_move(s, HUB_NO_WAY);
}

/* Readers that had their time make room for others; too many of them, and the oldest go. */
static void check_slow(struct hub *h, int64_t now_ms)
{
    struct hub_stream *s;

    (void)budget_left(h, now_ms); /* moves what is no longer fresh */
    while ((s = way_first(h, HUB_FAST)) && s->sent_at_ms + h->slow_after_ms <= now_ms)
        way_move(s, HUB_SLOW);
    while (h->way_bytes[HUB_SLOW] > h->slow_max_bytes && (s = way_first(h, HUB_SLOW))) {
        hub_way_del(s);
        s->cut_off = true;
        h->n_cut_off++;
        rk_metric_add(h->m_cut_off, 1);
        hub_stream_end(s);
    }
}

/* ---- time */

/* All streams have the same period, so the list is in order of time by itself. */
void hub_refresh_add(struct hub_stream *s, int64_t now_ms)
{
    if (!s->hub->refresh_ms)
        return;
    s->refresh_at_ms = now_ms + s->hub->refresh_ms;
    rk_list_remove(&s->refresh_link);
    rk_list_push_back(&s->hub->refresh, &s->refresh_link);
    arm(s->hub, s->refresh_at_ms);
}

static struct hub_stream *refresh_first(const struct hub *h)
{
    return rk_list_empty(&h->refresh)
               ? NULL
               : rk_container_of(h->refresh.next, struct hub_stream, refresh_link);
}

static void check_refresh(struct hub *h, int64_t now_ms)
{
    struct hub_stream *s;

    while ((s = refresh_first(h)) && s->refresh_at_ms <= now_ms) {
        hub_refresh_add(s, now_ms);
        s->want |= HUB_WANT_CONFIG;
        hub_schedule(s, now_ms);
    }
}

static int64_t next_time(const struct hub *h)
{
    const struct hub_stream *r = refresh_first(h), *f = way_first(h, HUB_FAST);
    const struct hub_stream *fresh = way_first(h, HUB_FRESH);
    int64_t at = h->waiting.n ? rk_heap_min(&h->waiting)->key : INT64_MAX;

    if (r)
        at = rk_min_i64(at, r->refresh_at_ms);
    if (f)
        at = rk_min_i64(at, f->sent_at_ms + h->slow_after_ms);
    if (fresh)
        at = rk_min_i64(at, fresh->sent_at_ms +
                                (h->starved && h->ready.n ? FRESH_MS : h->slow_after_ms));
    if (h->trim_at_ms)
        at = rk_min_i64(at, h->trim_at_ms);
    return h->stopping ? INT64_MAX : at;
}

static void check_trim(struct hub *h, int64_t now_ms)
{
    struct hub_builder *b = &h->builders[0];

    if (!h->trim_at_ms || h->trim_at_ms > now_ms || b->busy)
        return;
    h->trim_at_ms = 0;
    h->untrimmed = 0;
    b->busy = b->submit = b->trim = h->submit_any = true;
}

static void fire(void *arg)
{
    struct hub *h = arg;
    int64_t now_ms = rk_mono_ms();

    hub_lock(h);
    while (!h->stopping && h->waiting.n && rk_heap_min(&h->waiting)->key <= now_ms)
        make_ready(rk_container_of(rk_heap_min(&h->waiting), struct hub_stream, node), now_ms);
    check_refresh(h, now_ms);
    check_slow(h, now_ms);
    check_trim(h, now_ms);
    hub_kick(h);
    h->armed_at_ms = 0;
    hub_tick_now(h);
    hub_unlock(h);
}

static void tick_on_loop(struct rk_task *t)
{
    struct hub *h = rk_container_of(t, struct hub, tick.task);
    int64_t at;

    hub_lock(h);
    h->tick_posted = false;
    at = next_time(h);
    h->armed_at_ms = at == INT64_MAX ? 0 : at;
    hub_unlock(h);
    if (at == INT64_MAX)
        rk_timer_cancel(&h->timer);
    else
        rk_timer_start(h->loop, &h->timer, rk_max_i64(at - rk_mono_ms(), 0), fire, h);
}

/* ---- the builders' end */

/* Taking clears what is wanted: a change that comes while the map is being built marks the stream
 * anew, so the newest state is always built at last and never twice at once (`building`). Nothing
 * is taken while the bytes on their way have used up the budget; whoever reads makes room. */
struct hub_stream *hub_take(struct hub *h, unsigned *want)
{
    struct rk_heap_node *first = rk_heap_min(&h->ready);
    struct hub_stream *s;

    if (h->stopping || !first)
        return NULL;
    if (!budget_left(h, rk_mono_ms())) {
        arm(h, rk_mono_ms() + FRESH_MS); /* unless a reader makes room before */
        return NULL;
    }
    s = rk_container_of(first, struct hub_stream, node);
    hub_unschedule(s);
    *want = s->want;
    s->built_for_us = s->asked_at_us;
    s->asked_at_us = 0;
    s->want = 0;
    s->need = HUB_OTHER;
    s->building = true;
    s->refs++;
    return s;
}
