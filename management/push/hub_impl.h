/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside of the hub, shared by service.c (life, streams, accounts, the engine's side), build.c
 * (messages), queue.c (whose turn it is, bytes on their way, time) and hub.c (lock, posts), each of
 * which calls only those after it. Nothing else includes it.
 *
 * One lock guards everything in struct hub and all streams but what is marked otherwise. Nothing is
 * called with it held that takes another lock: posts to loops and pools are collected and made by
 * hub_unlock().
 */
#ifndef MGMT_PUSH_HUB_IMPL_H
#define MGMT_PUSH_HUB_IMPL_H

#include <pthread.h>

#include "lib/base/heap.h"
#include "lib/base/list.h"
#include "lib/base/map.h"
#include "management/push/hub.h"
#include "management/push/message.h"

#define HUB_WANT_FIRST  1u /* the complete first message */
#define HUB_WANT_MAP    2u
#define HUB_WANT_CONFIG 4u /* fresh credentials */
#define HUB_WANT_NOW    8u /* no coalescing */

enum hub_need {              /* of a waiting map, most urgent first */
                HUB_REVOKED, /* this peer itself lost something */
                HUB_TIGHTER, /* the change took something from somebody */
                HUB_OTHER,
};

/* Where a message is that was given to a stream's loop and has not left for the socket. */
enum hub_way {
    HUB_NO_WAY, /* there is none */
    HUB_FRESH,  /* a moment ago: few, so that their bytes are still in the processor's cache */
    HUB_FAST,
    HUB_SLOW, /* the reader had its time and makes room for others */
    HUB_WAYS
};

struct hub_account {
    struct rk_str id;      /* owned */
    struct rk_map streams; /* by peer id, the newest of each peer */
    struct hub_stream **by_index;
    uint32_t n_index;
    uint64_t epoch; /* of the indexes; 0: they must be looked up again */
};

struct hub_post { /* one call of rk_loop_post that waits for hub_unlock */
    struct rk_list link;
    struct rk_loop *loop;
    struct rk_task task;
};

struct hub_stream {
    struct hub *hub;
    uint32_t refs; /* the call's, the builder's, one per post */
    uint32_t index;
    void *call; /* used on `loop` only; NULL once detached */
    struct rk_loop *loop;
    struct hub_account *account; /* NULL: replaced by a newer stream, or detached */
    struct rk_str peer_id;       /* in peer_id_text */
    struct box_shared shared;

    unsigned want;
    enum hub_need need;
    int64_t asked_at_us;  /* when the oldest change that no message holds came; 0: none waits */
    int64_t built_for_us; /* the same of the message that is being built */
    enum { HUB_IDLE, HUB_WAITING, HUB_READY } where;
    struct rk_heap_node node; /* in ready or waiting */
    struct coalesce coalesce;
    bool building; /* a builder has it */
    bool detached;
    bool ended; /* nothing is built any more, the call is being finished */
    bool cut_off;
    bool first_sent;

    uint64_t hash;     /* of the last map sent; the builder's while building */
    size_t last_bytes; /* of the last map sent */

    enum hub_way way; /* of the message on its way */
    size_t under_way_bytes;
    int64_t sent_at_ms;
    struct rk_list way_link;

    int64_t refresh_at_ms;
    struct rk_list refresh_link;

    struct rk_bytes *out; /* built, on its way to the loop */
    bool out_is_last;
    struct hub_post deliver, end;
    char peer_id_text[];
};

struct hub_builder {
    struct hub *hub;
    struct rk_work work;
    bool busy;   /* out at the pool */
    bool trim;   /* to give freed memory back, not to build */
    bool submit; /* hub_unlock hands it to the pool */
    struct rk_buf buf;
    struct rk_arena *mem;
};

struct hub {
    pthread_mutex_t lock;
    struct mgmt *mgmt;
    struct mgmt_observer observer;
    struct rk_pool *build;
    struct rk_loop *loop;
    struct servers *servers;
    const struct netmap_opts *netmap;
    bool components;
    hub_seal_fn *seal;
    void *seal_arg;
    const struct hub_sink_ops *sink;
    struct coalesce_rule coalesce;
    size_t fresh_max_bytes, budget_bytes, slow_max_bytes;
    int64_t slow_after_ms, refresh_ms;
    struct rk_log *log;

    bool stopping;
    struct rk_map accounts;        /* struct hub_account by id */
    struct rk_heap ready, waiting; /* by virtual deadline; by time */
    struct rk_list way[HUB_WAYS];  /* messages on their way, oldest first */
    size_t way_bytes[HUB_WAYS];
    bool starved;           /* builders stopped for want of room */
    size_t untrimmed;       /* bytes of messages made since freed memory went back to the system */
    int64_t trim_at_ms;     /* when it shall, if nothing else is done then; 0: not planned */
    struct rk_list refresh; /* streams by the time their credentials are due */
    size_t n_streams;
    uint64_t n_sent, n_skipped, n_cut_off;
    int64_t took_us; /* from a change to its message, the last time */
    struct rk_metric *m_streams, *m_sent, *m_skipped, *m_bytes, *m_cut_off, *m_latency;
    struct rk_metric *m_streams_upstream;
    struct rk_metrics *metrics;

    struct rk_list posts;
    struct hub_post tick;
    bool tick_posted;
    int64_t armed_at_ms;    /* 0: the timer is off */
    struct rk_timer *timer; /* loop thread */

    struct hub_builder *builders;
    size_t n_builders;
    bool submit_any;
};

/* hub.c */
static inline void hub_lock(struct hub *h)
{
    (void)pthread_mutex_lock(&h->lock);
}
void hub_unlock(struct hub *h);
void hub_stream_unref(struct hub_stream *s);                           /* locked */
void hub_post(struct hub *h, struct hub_post *p, struct rk_loop *loop, /* locked */
              void (*run)(struct rk_task *t));

/* queue.c; all locked */
void hub_stream_end(struct hub_stream *s); /* finish the call on its loop */
void hub_kick(struct hub *h);              /* let idle builders look */
void hub_mark(struct hub_stream *s, unsigned want, enum hub_need need, int64_t now_ms);
void hub_schedule(struct hub_stream *s, int64_t now_ms);
void hub_unschedule(struct hub_stream *s);
void hub_way_add(struct hub_stream *s, size_t bytes, int64_t now_ms);
void hub_way_del(struct hub_stream *s);
void hub_refresh_add(struct hub_stream *s, int64_t now_ms);
/** Next stream to build for, with a reference and `building` set; NULL: none, or no room. */
struct hub_stream *hub_take(struct hub *h, unsigned *want);
void hub_tick_now(struct hub *h); /* set the timer anew on its loop (or stop it) */

/* build.c */
void hub_builders_init(struct hub *h, size_t n);
void hub_builders_done(struct hub *h);

#endif
