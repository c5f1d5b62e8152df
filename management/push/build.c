/* SPDX-License-Identifier: BSD-3-Clause */
/* The hub's builders: from (newest snapshot, peer) to sealed bytes, on build threads. See hub.h. */
#include "config.h"

#include <malloc.h>
#include <stdlib.h>

#include "lib/base/num.h"
#include "management/push/hub_impl.h"

/* Agents before 0.74.2 refuse larger messages. */
#define OLD_AGENT_MAX ((size_t)4 << 20)

enum then { THEN_GO_ON, THEN_END };

struct built {
    struct rk_bytes *out; /* NULL: nothing to send */
    enum then then;
    uint64_t hash; /* of the map in it; 0: none */
};

static enum message_kind kind_of(unsigned want)
{
    if (want & HUB_WANT_FIRST)
        return MESSAGE_FIRST;
    return want & HUB_WANT_MAP ? MESSAGE_MAP : MESSAGE_CONFIG;
}

static void too_large(struct hub *h, const struct hub_stream *s)
{
    rk_log(h->log, RK_ERROR, "map too large", kv_str("peer", s->peer_id),
           kv_i64("max_bytes", (int64_t)MESSAGE_MAX));
}

static void seal(struct hub *h, struct hub_stream *s, const struct message *m, struct built *b)
{
    if (m->plain.n > OLD_AGENT_MAX) {
        static struct rk_log_gate gate;

        rk_log_every(&gate, 60000, h->log, RK_WARN,
                     "map beyond 4 MiB, agents before 0.74.2 refuse it", kv_str("peer", s->peer_id),
                     kv_i64("bytes", (int64_t)m->plain.n));
    }
    b->out = h->seal(h->seal_arg, &s->shared, m->plain);
    b->hash = m->hash;
}

/* No lock held; s->hash and s->first_sent are ours while s->building. */
static struct built build_from(struct hub *h, struct hub_builder *me, struct hub_stream *s,
                               unsigned want, const struct snapshot *snap)
{
    struct netmap_opts netmap = *h->netmap;
    struct message_in in = {.snap = snap,
                            .index = snap_index_of(snap, s->peer_id),
                            .netmap = &netmap,
                            .servers = h->servers,
                            .components = h->components};
    enum message_kind kind = kind_of(want);
    struct built b = {.then = THEN_GO_ON};
    struct message m;

    netmap.now_us = mgmt_now_us(h->mgmt);
    netmap.meta = NULL;
    if (in.index == SNAP_NO_PEER) {
        kind = MESSAGE_DELETED;
        b.then = THEN_END;
    } else if (snap_peer_at(snap, in.index)->status.login_expired) {
        b.then = THEN_END;
        return b;
    }
    rk_arena_reset(me->mem);
    if (!message_build(kind, &in, me->mem, &me->buf, &m)) {
        too_large(h, s);
        return b;
    }
    if (kind == MESSAGE_MAP && m.hash == s->hash) {
        if (!(want & HUB_WANT_CONFIG))
            return b; /* no news */
        kind = MESSAGE_CONFIG;
    }
    if (kind == MESSAGE_MAP && want & HUB_WANT_CONFIG) {
        /* Both are due, and a message has either: the map now, credentials next. */
        hub_lock(h);
        s->want |= HUB_WANT_CONFIG;
        hub_unlock(h);
    }
    if (kind == MESSAGE_CONFIG && !message_build(kind, &in, me->mem, &me->buf, &m)) {
        too_large(h, s);
        return b;
    }
    seal(h, s, &m, &b);
    return b;
}

static struct built build(struct hub *h, struct hub_builder *me, struct hub_stream *s,
                          unsigned want, struct rk_str account_id)
{
    const struct snapshot *snap = mgmt_snapshot_try(h->mgmt, account_id);
    struct built b = {.then = THEN_END}; /* the account is gone: the agent shall ask again */

    if (snap)
        b = build_from(h, me, s, want, snap);
    snap_unref(snap);
    return b;
}

static void deliver_on_loop(struct rk_task *t)
{
    struct hub_stream *s = rk_container_of(t, struct hub_stream, deliver.task);
    struct hub *h = s->hub;
    struct rk_bytes *out;
    void *call;
    bool last;

    hub_lock(h);
    out = s->out;
    s->out = NULL;
    last = s->out_is_last;
    call = s->call;
    hub_unlock(h);
    if (call) {
        h->sink->send(call, out);
        if (last)
            h->sink->finish(call, NULL);
    } else {
        rk_bytes_unref(out);
    }
    hub_lock(h);
    hub_stream_unref(s);
    hub_unlock(h);
}

/* Locked. Takes b->out and the builder's reference. */
static void finish(struct hub_stream *s, const struct built *b, unsigned want)
{
    struct hub *h = s->hub;
    int64_t now_ms = rk_mono_ms();

    s->building = false;
    if (s->detached || s->ended) {
        rk_bytes_unref(b->out);
    } else if (b->out) {
        h->n_sent++;
        rk_metric_add(h->m_sent, 1);
        rk_metric_add(h->m_bytes, (int64_t)b->out->n);
        if (s->built_for_us) {
            h->took_us = rk_mono_us() - s->built_for_us;
            rk_metric_observe(h->m_latency, h->took_us);
        }
        if (b->hash) {
            s->hash = b->hash;
            s->last_bytes = b->out->n;
            if (!(want & HUB_WANT_FIRST)) /* the first map makes no later one wait */
                coalesce_sent(&s->coalesce, &h->coalesce, now_ms);
        }
        s->out = b->out;
        s->out_is_last = s->ended = b->then == THEN_END;
        hub_way_add(s, b->out->n, now_ms);
        s->refs++;
        hub_post(h, &s->deliver, s->loop, deliver_on_loop);
    } else if (b->then == THEN_END) {
        hub_stream_end(s);
    } else {
        h->n_skipped++;
        rk_metric_add(h->m_skipped, 1);
        coalesce_skipped(&s->coalesce, &h->coalesce, now_ms);
    }
    hub_schedule(s, now_ms);
    hub_stream_unref(s);
}

static void builder_run(struct rk_work *w, struct db *none)
{
    struct hub_builder *me = rk_container_of(w, struct hub_builder, work);
    struct hub *h = me->hub;
    struct hub_stream *s;
    unsigned want;

    (void)none;
    if (me->trim) {
        me->trim = false; /* set and read by whoever has the builder */
        rk_buf_done(&me->buf);
        (void)malloc_trim(0);
        return;
    }
    hub_lock(h);
    while ((s = hub_take(h, &want))) {
        /* The account's id is copied: the stream may be replaced while we build. */
        char id[64];
        struct rk_str account_id = {id, 0};
        struct built b = {.then = THEN_END};

        if (s->account && s->account->id.n <= sizeof id) {
            account_id.n = s->account->id.n;
            memcpy(id, s->account->id.p, account_id.n);
        }
        hub_unlock(h);
        b = build(h, me, s, want, account_id);
        hub_lock(h);
        finish(s, &b, want);
        hub_unlock(h); /* lets the posts go out one by one, and others to the lock */
        hub_lock(h);
    }
    hub_unlock(h);
}

static void builder_done(struct rk_work *w, enum rk_code rc)
{
    struct hub_builder *me = rk_container_of(w, struct hub_builder, work);

    (void)rc;
    hub_lock(me->hub);
    me->busy = false;
    hub_kick(me->hub); /* what was marked between the last look and now */
    hub_unlock(me->hub);
}

void hub_builders_init(struct hub *h, size_t n)
{
    h->n_builders = n ? n : 1;
    h->builders = rk_calloc(h->n_builders, sizeof *h->builders);
    for (size_t i = 0; i < h->n_builders; i++) {
        struct hub_builder *b = &h->builders[i];

        b->hub = h;
        b->work = (struct rk_work){.run = builder_run, .done = builder_done};
        rk_buf_init(&b->buf, MESSAGE_MAX);
        b->mem = rk_arena_new(0);
    }
}

void hub_builders_done(struct hub *h)
{
    for (size_t i = 0; i < h->n_builders; i++) {
        rk_buf_done(&h->builders[i].buf);
        rk_arena_free(h->builders[i].mem);
    }
    free(h->builders);
}
