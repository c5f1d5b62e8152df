/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The hub as others see it: its life, streams that come and go, what the engine tells it. Stands
 * above hub.c, queue.c and build.c; see hub.h and hub_impl.h.
 */
#include "config.h"

#include "management/push/hub.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/num.h"
#include "management/push/affected.h"
#include "management/push/hub_impl.h"

#define GAP_MS        1000
#define QUIET_MS      200
#define MAX_WAIT_MS   2000
#define FRESH_BYTES   ((size_t)12 << 20) /* of a third-level cache */
#define BUDGET_BYTES  ((size_t)48 << 20)
#define SLOW_BYTES    ((size_t)128 << 20)
#define SLOW_AFTER_MS 3000

/* ---- accounts (locked) */

static struct hub_account *account_get(struct hub *h, struct rk_str id)
{
    struct hub_account *a = rk_map_get(&h->accounts, id);

    if (a)
        return a;
    a = rk_calloc(1, sizeof *a);
    a->id = rk_str_of(rk_memdup(id.p, id.n), id.n);
    rk_map_init(&a->streams, true);
    (void)rk_map_put(&h->accounts, a->id, a);
    return a;
}

static void account_free_if_empty(struct hub *h, struct hub_account *a)
{
    void *p;

    if (a->streams.n)
        return;
    (void)rk_map_del(&h->accounts, a->id);
    rk_map_done(&a->streams);
    memcpy(&p, &a->id.p, sizeof p); /* our own copy: constness is for the readers */
    free(p);
    free(a->by_index);
    free(a);
}

static void index_put(struct hub_account *a, struct hub_stream *s, uint32_t index)
{
    s->index = index;
    if (index == SNAP_NO_PEER)
        return;
    if (index >= a->n_index) {
        size_t n = (size_t)index * 2 + 64;

        a->by_index = rk_realloc(a->by_index, n, sizeof(struct hub_stream *));
        memset(a->by_index + a->n_index, 0, (n - a->n_index) * sizeof(struct hub_stream *));
        a->n_index = (uint32_t)n;
    }
    a->by_index[index] = s;
}

static void index_del(struct hub_account *a, const struct hub_stream *s)
{
    if (s->index < a->n_index && a->by_index[s->index] == s)
        a->by_index[s->index] = NULL;
}

/* Dense indexes are those of one epoch; after a renumbering all streams look theirs up again. */
static void index_follow(struct hub_account *a, const struct snapshot *now)
{
    struct rk_str key;
    void *value;

    if (a->epoch == snap_epoch(now))
        return;
    if (a->n_index)
        memset(a->by_index, 0, a->n_index * sizeof(struct hub_stream *));
    for (size_t pos = 0; rk_map_next(&a->streams, &pos, &key, &value);) {
        struct hub_stream *s = value;

        index_put(a, s, snap_index_of(now, s->peer_id));
    }
    a->epoch = snap_epoch(now);
}

/* ---- streams */

/* The stream is no longer the one of its peer; the account may be gone afterwards. */
static void stream_leave(struct hub_stream *s, bool keep_account)
{
    struct hub_account *a = s->account;

    if (!a)
        return;
    s->account = NULL;
    s->hub->n_streams--;
    index_del(a, s);
    (void)rk_map_del(&a->streams, s->peer_id); /* its key is our memory */
    rk_list_remove(&s->refresh_link);
    if (!keep_account)
        account_free_if_empty(s->hub, a);
}

static void stream_join(struct hub_stream *s, const struct hub_attach *at)
{
    struct hub *h = s->hub;
    struct hub_account *a = account_get(h, snap_account(at->snap)->id);
    struct hub_stream *before = rk_map_get(&a->streams, s->peer_id);

    if (before) {
        hub_stream_end(before);
        stream_leave(before, true);
    }
    if (!a->streams.n)
        a->epoch = snap_epoch(at->snap);
    s->account = a;
    (void)rk_map_put(&a->streams, s->peer_id, s);
    if (a->epoch == snap_epoch(at->snap))
        index_put(a, s, at->index);
    else
        a->epoch = 0; /* all look up their indexes with the next change */
    h->n_streams++;
    rk_metric_set(h->m_streams, (int64_t)h->n_streams);
    rk_metric_set(h->m_streams_upstream, (int64_t)h->n_streams);
}

struct hub_stream *hub_attach(struct hub *h, const struct hub_attach *at)
{
    const struct peer *p = snap_peer_at(at->snap, at->index);
    struct hub_stream *s = rk_calloc(1, sizeof *s + p->id.n);
    int64_t now_ms = rk_mono_ms();

    memcpy(s->peer_id_text, p->id.p, p->id.n);
    s->peer_id = rk_str_of(s->peer_id_text, p->id.n);
    s->hub = h;
    s->call = at->call;
    s->loop = at->loop;
    s->shared = *at->shared;
    s->refs = 1;
    s->index = SNAP_NO_PEER;
    s->need = HUB_OTHER;
    hub_lock(h);
    stream_join(s, at);
    hub_refresh_add(s, now_ms);
    hub_mark(s, HUB_WANT_FIRST | HUB_WANT_MAP, HUB_OTHER, now_ms);
    hub_kick(h);
    hub_unlock(h);
    return s;
}

void hub_drained(struct hub_stream *s)
{
    struct hub *h = s->hub;

    hub_lock(h);
    if (s->way && !s->out) {
        hub_way_del(s);
        hub_schedule(s, rk_mono_ms());
        hub_kick(h);
    }
    hub_unlock(h);
}

void hub_detach(struct hub_stream *s)
{
    struct hub *h = s->hub;

    hub_lock(h);
    s->detached = true;
    s->call = NULL;
    s->want = 0;
    hub_unschedule(s);
    hub_way_del(s);
    stream_leave(s, false);
    rk_metric_set(h->m_streams, (int64_t)h->n_streams);
    rk_metric_set(h->m_streams_upstream, (int64_t)h->n_streams);
    hub_stream_unref(s);
    hub_kick(h);
    hub_unlock(h);
}

static struct hub_stream *find(struct hub *h, struct rk_str account_id, struct rk_str peer_id)
{
    struct hub_account *a = rk_map_get(&h->accounts, account_id);

    return a ? rk_map_get(&a->streams, peer_id) : NULL;
}

bool hub_is_connected(struct hub *h, struct rk_str account_id, struct rk_str peer_id)
{
    bool yes;

    hub_lock(h);
    yes = find(h, account_id, peer_id) != NULL;
    hub_unlock(h);
    return yes;
}

void hub_close_peer(struct hub *h, struct rk_str account_id, struct rk_str peer_id)
{
    struct hub_stream *s;

    hub_lock(h);
    s = find(h, account_id, peer_id);
    if (s)
        hub_stream_end(s);
    hub_unlock(h);
}

static void mark_config(struct hub_stream *s, int64_t now_ms)
{
    s->want |= HUB_WANT_CONFIG;
    hub_schedule(s, now_ms);
}

void hub_servers_changed(struct hub *h)
{
    int64_t now_ms = rk_mono_ms();
    struct rk_str key;
    void *account, *stream;

    hub_lock(h);
    for (size_t a = 0; rk_map_next(&h->accounts, &a, &key, &account);)
        for (size_t s = 0;
             rk_map_next(&((struct hub_account *)account)->streams, &s, &key, &stream);)
            mark_config(stream, now_ms);
    hub_kick(h);
    hub_unlock(h);
}

void hub_stats(struct hub *h, struct hub_stats *out)
{
    hub_lock(h);
    *out = (struct hub_stats){.streams = h->n_streams,
                              .sent = h->n_sent,
                              .skipped = h->n_skipped,
                              .cut_off = h->n_cut_off,
                              .bytes_under_way = h->way_bytes[HUB_FRESH] + h->way_bytes[HUB_FAST] +
                                                 h->way_bytes[HUB_SLOW],
                              .waiting = h->ready.n + h->waiting.n,
                              .took_us = h->took_us};
    hub_unlock(h);
}

/* ---- the engine's side */

/* Does the change take something away from somebody? */
static bool tightens(const struct change *c)
{
    switch (c->kind) {
    case ENT_POLICY:
    case ENT_POSTURE:
    case ENT_RESOURCE:
    case ENT_ROUTE:
    case ENT_ROUTER:
    case ENT_SETTINGS:
        return c->before || !c->after;
    case ENT_PEER:
    case ENT_GROUP_PEER:
        return !c->after;
    default:
        return false;
    }
}

/* Streams of the peers that a change is about: gone, expired, or out of a group. */
static void mark_named(struct hub_account *a, const struct change *c, int64_t now_ms)
{
    const struct group_peer *gp = c->before;
    const struct peer *p = c->after;
    struct hub_stream *s;

    if (c->kind == ENT_GROUP_PEER && !c->after && gp) {
        s = rk_map_get(&a->streams, gp->peer_id);
        if (s)
            hub_mark(s, HUB_WANT_MAP, HUB_REVOKED, now_ms);
    } else if (c->kind == ENT_PEER) {
        s = rk_map_get(&a->streams, c->id);
        if (s && !p)
            hub_mark(s, HUB_WANT_MAP | HUB_WANT_NOW, HUB_REVOKED, now_ms);
        else if (s && p->status.login_expired)
            hub_stream_end(s);
    }
}

static void mark_all(struct hub_account *a, int64_t now_ms)
{
    struct rk_str key;
    void *value;

    for (size_t pos = 0; rk_map_next(&a->streams, &pos, &key, &value);)
        hub_mark(value, HUB_WANT_MAP, HUB_TIGHTER, now_ms);
}

/* Whether agents record traffic events is not in their maps: who shall begin or stop is told the
 * configuration. */
static void mark_recorders(struct hub_account *a, const struct snapshot *old,
                           const struct snapshot *now, const struct change *changes, size_t n,
                           int64_t now_ms)
{
    const struct settings *x = snap_settings(old), *y = snap_settings(now);
    bool all = x->traffic_logs != y->traffic_logs || x->traffic_counters != y->traffic_counters ||
               !str_list_eq(&x->traffic_groups, &y->traffic_groups);
    struct rk_str key;
    void *stream;

    for (size_t pos = 0; all && rk_map_next(&a->streams, &pos, &key, &stream);)
        mark_config(stream, now_ms);
    for (size_t i = 0; !all && y->traffic_groups.n && i < n; i++) {
        const struct group_peer *m = changes[i].after ? changes[i].after : changes[i].before;

        if (changes[i].kind == ENT_GROUP_PEER && m && str_list_has(&y->traffic_groups, m->group_id))
            if ((stream = rk_map_get(&a->streams, m->peer_id)) != NULL)
                mark_config(stream, now_ms);
    }
}

static void mark_affected(struct hub_account *a, const struct bits *affected,
                          const struct change *changes, size_t n, int64_t now_ms)
{
    enum hub_need need = HUB_OTHER;

    for (size_t i = 0; i < n && need == HUB_OTHER; i++)
        if (tightens(&changes[i]))
            need = HUB_TIGHTER;
    for (BITS_EACH(i, affected)) {
        if (i >= a->n_index)
            break;
        if (a->by_index[i])
            hub_mark(a->by_index[i], HUB_WANT_MAP, need, now_ms);
    }
    for (size_t i = 0; i < n; i++)
        mark_named(a, &changes[i], now_ms);
}

static bool account_known(struct hub *h, struct rk_str id)
{
    bool yes;

    hub_lock(h);
    yes = rk_map_get(&h->accounts, id) != NULL;
    hub_unlock(h);
    return yes;
}

static void hub_changed(struct mgmt_observer *o, const struct snapshot *old,
                        const struct snapshot *now, const struct change *changes, size_t n)
{
    struct hub *h = rk_container_of(o, struct hub, observer);
    struct rk_str id = snap_account(now ? now : old)->id;
    bool everything = !old || !now || !n;
    struct bits affected = {0};
    struct hub_account *a;
    int64_t now_ms;

    if (!account_known(h, id))
        return; /* nobody to tell; who attaches from now on builds from `now` or later */
    if (!everything)
        netmap_affected(old, now, changes, n, &affected);
    now_ms = rk_mono_ms();
    hub_lock(h);
    a = rk_map_get(&h->accounts, id);
    if (a && everything) {
        mark_all(a, now_ms);
    } else if (a) {
        index_follow(a, now);
        mark_affected(a, &affected, changes, n, now_ms);
        if (servers_have_flow(h->servers))
            mark_recorders(a, old, now, changes, n, now_ms);
    }
    hub_kick(h);
    hub_unlock(h);
    bits_done(&affected);
}

/* ---- life */

/* Of one moment. Any thread. */
static void queue_metrics(void *arg, struct rk_buf *out)
{
    struct hub *h = arg;
    size_t ready, waiting, under_way = 0;

    hub_lock(h);
    ready = h->ready.n;
    waiting = h->waiting.n;
    for (int i = 0; i < HUB_WAYS; i++)
        under_way += h->way_bytes[i];
    hub_unlock(h);
    rk_buf_printf(out,
                  "# HELP rookery_push_queue_length Agents whose next message is not built yet: "
                  "ready to be built, or waiting for further changes.\n"
                  "# TYPE rookery_push_queue_length gauge\n"
                  "rookery_push_queue_length{state=\"ready\"} %zu\n"
                  "rookery_push_queue_length{state=\"waiting\"} %zu\n"
                  "# HELP rookery_push_unsent_bytes Bytes of messages that wait for sockets.\n"
                  "# TYPE rookery_push_unsent_bytes gauge\n"
                  "rookery_push_unsent_bytes %zu\n",
                  ready, waiting, under_way);
}

static void make_metrics(struct hub *h, struct rk_metrics *m)
{
    static const int64_t latency_us[] = {1000,   2500,   5000,    10000,   25000,   50000,   100000,
                                         250000, 500000, 1000000, 2500000, 5000000, 10000000};

    h->metrics = m;
    rk_metrics_collect(m, queue_metrics, h);
    h->m_latency =
        rk_metric_histogram_micro(m, "rookery_push_latency_seconds", NULL,
                                  "Time from a change to the message that tells an agent of it.",
                                  latency_us, RK_ARRAY_LEN(latency_us));
    h->m_streams_upstream = rk_metric_gauge(m, "management_grpc_connected_streams_ratio", NULL,
                                            "Connected agents (the official server's name).");
    h->m_streams = rk_metric_gauge(m, "management_streams", NULL, "Connected agents.");
    h->m_sent = rk_metric_counter(m, "management_pushes_total", NULL, "Messages sent on Sync.");
    h->m_skipped = rk_metric_counter(m, "management_pushes_skipped_total", NULL,
                                     "Maps that were equal to the last one sent.");
    h->m_bytes = rk_metric_counter(m, "management_push_bytes_total", NULL, "Bytes sent on Sync.");
    h->m_cut_off = rk_metric_counter(m, "management_slow_agents_total", NULL,
                                     "Streams ended because the agent did not read.");
}

struct hub *hub_new(const struct hub_opts *o)
{
    struct hub *h = rk_calloc(1, sizeof *h);

    (void)pthread_mutex_init(&h->lock, NULL);
    h->mgmt = o->mgmt;
    h->build = o->build;
    h->loop = o->loop;
    h->servers = o->servers;
    h->netmap = o->netmap;
    h->components = o->components;
    h->seal = o->seal;
    h->seal_arg = o->seal_arg;
    h->sink = o->sink;
    h->coalesce = o->coalesce;
    if (!h->coalesce.gap_ms)
        h->coalesce = (struct coalesce_rule){GAP_MS, QUIET_MS, MAX_WAIT_MS};
    h->fresh_max_bytes = FRESH_BYTES;
    h->budget_bytes = o->budget_bytes ? o->budget_bytes : BUDGET_BYTES;
    h->slow_max_bytes = o->slow_bytes ? o->slow_bytes : SLOW_BYTES;
    h->slow_after_ms = o->slow_after_ms ? o->slow_after_ms : SLOW_AFTER_MS;
    h->refresh_ms = servers_refresh_s(o->servers) * 1000;
    h->log = o->log;
    make_metrics(h, o->metrics);
    rk_map_init(&h->accounts, true);
    rk_heap_init(&h->ready);
    rk_heap_init(&h->waiting);
    for (int i = 0; i < HUB_WAYS; i++)
        rk_list_init(&h->way[i]);
    rk_list_init(&h->refresh);
    rk_list_init(&h->posts);
    hub_builders_init(h, rk_min_size(o->builders, HUB_BUILDERS_MAX));
    h->observer = (struct mgmt_observer){.changed = hub_changed};
    mgmt_observe(h->mgmt, &h->observer);
    return h;
}

void hub_stop(struct hub *h)
{
    hub_lock(h);
    h->stopping = true;
    hub_tick_now(h); /* stops the timer, on its own loop */
    hub_unlock(h);
}

void hub_free(struct hub *h)
{
    if (!h)
        return;
    rk_metrics_uncollect(h->metrics, queue_metrics, h);
    hub_builders_done(h);
    rk_heap_done(&h->ready);
    rk_heap_done(&h->waiting);
    rk_map_done(&h->accounts);
    (void)pthread_mutex_destroy(&h->lock);
    free(h);
}
