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

void hub_post(struct hub *h, struct hub_post *p, struct rk_loop *loop,
              void (*run)(struct rk_task *t))
{
    p->loop = loop;
    p->task = (struct rk_task){.run = run};
    rk_list_push_back(&h->posts, &p->link);
}

static bool budget_left(const struct hub *h)
{
    return h->fast_bytes < h->budget_bytes;
}

void hub_kick(struct hub *h)
{
    size_t wanted = h->ready.n;

    if (h->stopping || !budget_left(h))
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

    if (!s->want || s->building || s->under_way || s->detached || s->ended)
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
    s->want |= want;
    hub_schedule(s, now_ms);
}

/* ---- bytes on their way ---------------------------------------------------------------------- */

void hub_way_add(struct hub_stream *s, size_t bytes, int64_t now_ms)
{
    struct hub *h = s->hub;

    s->under_way = true;
    s->under_way_bytes = bytes;
    s->sent_at_ms = now_ms;
    s->slow = false;
    h->fast_bytes += bytes;
    rk_list_push_back(&h->fast, &s->way_link);
    arm(h, now_ms + h->slow_after_ms);
}

void hub_way_del(struct hub_stream *s)
{
    if (!s->under_way)
        return;
    s->under_way = false;
    *(s->slow ? &s->hub->slow_bytes : &s->hub->fast_bytes) -= s->under_way_bytes;
    rk_list_remove(&s->way_link);
}

static struct hub_stream *way_first(const struct rk_list *head)
{
    return rk_list_empty(head) ? NULL : rk_container_of(head->next, struct hub_stream, way_link);
}

/* Readers that had their time make room for others; too many of them, and the oldest go. */
static void check_slow(struct hub *h, int64_t now_ms)
{
    struct hub_stream *s;

    while ((s = way_first(&h->fast)) && s->sent_at_ms + h->slow_after_ms <= now_ms) {
        rk_list_remove(&s->way_link);
        rk_list_push_back(&h->slow, &s->way_link);
        h->fast_bytes -= s->under_way_bytes;
        h->slow_bytes += s->under_way_bytes;
        s->slow = true;
    }
    while (h->slow_bytes > h->slow_max_bytes && (s = way_first(&h->slow))) {
        hub_way_del(s);
        s->cut_off = true;
        h->n_cut_off++;
        rk_metric_add(h->m_cut_off, 1);
        hub_stream_end(s);
    }
}

/* ---- time -------------------------------------------------------------------------------------
 */

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
    const struct hub_stream *r = refresh_first(h), *f = way_first(&h->fast);
    int64_t at = h->waiting.n ? rk_heap_min(&h->waiting)->key : INT64_MAX;

    if (r)
        at = rk_min_i64(at, r->refresh_at_ms);
    if (f)
        at = rk_min_i64(at, f->sent_at_ms + h->slow_after_ms);
    return h->stopping ? INT64_MAX : at;
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

/* ---- the builders' end --------------------------------------------------------------------------
 */

struct hub_stream *hub_take(struct hub *h, unsigned *want)
{
    struct hub_stream *s;

    if (h->stopping || !h->ready.n || !budget_left(h))
        return NULL;
    s = rk_container_of(rk_heap_min(&h->ready), struct hub_stream, node);
    hub_unschedule(s);
    *want = s->want;
    s->want = 0;
    s->need = HUB_OTHER;
    s->building = true;
    s->refs++;
    return s;
}
