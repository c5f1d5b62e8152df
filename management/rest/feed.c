/* SPDX-License-Identifier: BSD-3-Clause */
/* The thread that follows journals for whoever listens, and the listeners; see feed.h. */
#include "config.h"

#include "management/rest/feed.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "lib/base/map.h"
#include "lib/base/num.h"
#include "management/rest/feed_impl.h"
#include "management/snapshot/bits.h"

enum {
    SUBS_MAX = 500,       /* of the process: each may hold LIVE_MAX */
    SUBS_PER_USER = 16,   /* tabs of a browser, and some */
    LIVE_MAX = 128 << 10, /* bytes that a listener has not taken */
    ENTRIES_MAX = 500,    /* behind by more: "look again" is shorter */
    MOVED_MAX = 5000,     /* peers that came or went, between two rounds; more: the same */
    TICK_MS = 1000,       /* signs of life, ends, and what found no room */
    BEAT_MS = 15000,      /* below what proxies take for the end of a connection */
    LIFE_MS = 15 * 60000, /* then the listener comes again, with its credentials */
    SLACK_US = 5000000,   /* by which the presence of other processes is late */
    RESUME_MAX = 500,     /* peers that moved while somebody was away */
    LOG_EVERY_MS = 60000,
};

struct feed {
    struct mgmt *m;
    struct rk_log *log;
    struct rk_log_gate gate;
    struct mgmt_observer observer;
    struct presence_observer presence;
    _Atomic size_t n_subs;

    pthread_mutex_t lock; /* guards the next nine */
    pthread_cond_t wake;
    struct rk_list coming; /* struct feed_sub */
    struct rk_map by_user; /* user id → how many listen, as a pointer */
    struct rk_map dirty;   /* ids of accounts with news */
    struct rk_map moved;   /* ids of peers that came or went */
    size_t n_moved;
    bool news, moved_lost, stop, started;

    pthread_t thread;
    struct rk_list subs; /* thread */
    struct db *db;       /* thread; NULL: to be opened */
};

static char MARK; /* value of a set */

/* ---- observers */

static void account_changed(struct mgmt_observer *o, const struct snapshot *old,
                            const struct snapshot *now, const struct change *changes, size_t n)
{
    struct feed *f = rk_container_of(o, struct feed, observer);
    const struct snapshot *s = now ? now : old;

    (void)changes;
    (void)n;
    if (!atomic_load(&f->n_subs) || !s)
        return;
    (void)pthread_mutex_lock(&f->lock);
    (void)rk_map_put(&f->dirty, snap_account(s)->id, &MARK);
    f->news = true;
    (void)pthread_cond_signal(&f->wake);
    (void)pthread_mutex_unlock(&f->lock);
}

static void peer_moved(struct presence_observer *o, struct rk_str peer_id)
{
    struct feed *f = rk_container_of(o, struct feed, presence);

    if (!atomic_load(&f->n_subs))
        return;
    (void)pthread_mutex_lock(&f->lock);
    if (f->n_moved >= MOVED_MAX)
        f->moved_lost = true;
    else if (!rk_map_put(&f->moved, peer_id, &MARK))
        f->n_moved++;
    f->news = true;
    (void)pthread_cond_signal(&f->wake);
    (void)pthread_mutex_unlock(&f->lock);
}

/* ---- listeners */

static struct rk_str dup_str(struct rk_str s)
{
    return rk_str_of(rk_str_dupz(s), s.n);
}

static void sub_free(struct feed_sub *s)
{
    rk_list_remove(&s->link);
    http_live_end(s->live);
    http_live_unref(s->live);
    rk_buf_done(&s->changes);
    rk_buf_done(&s->presence);
    free((char *)(uintptr_t)s->account_id.p);
    free((char *)(uintptr_t)s->user_id.p);
    free((char *)(uintptr_t)s->pat_id.p);
    free(s);
}

static struct feed_sub *sub_new(const struct feed_want *w)
{
    struct feed_sub *s = rk_calloc(1, sizeof *s);
    int64_t now = rk_mono_ms();

    *s = (struct feed_sub){.account_id = dup_str(w->account_id),
                           .user_id = dup_str(w->user_id),
                           .pat_id = dup_str(w->pat_id),
                           .live = http_live_new(LIVE_MAX),
                           .events = w->events,
                           .fresh = true,
                           .behind = true,
                           .seq = w->since,
                           .since_us = w->since_us,
                           .end_ms = now + (w->events ? LIFE_MS : w->timeout_ms),
                           .beat_ms = now + BEAT_MS};
    rk_buf_init(&s->changes, LIVE_MAX / 2);
    rk_buf_init(&s->presence, LIVE_MAX / 4);
    return s;
}

/* Locked. How many of a user; by: 0 asks. */
static size_t count_user(struct feed *f, struct rk_str id, int by)
{
    size_t n = (size_t)(uintptr_t)rk_map_get(&f->by_user, id) + (size_t)by;

    if (by && n)
        (void)rk_map_put(&f->by_user, id, (void *)(uintptr_t)n);
    else if (by)
        (void)rk_map_del(&f->by_user, id);
    return n;
}

static void sub_drop(struct feed *f, struct feed_sub *s)
{
    (void)pthread_mutex_lock(&f->lock);
    (void)count_user(f, s->user_id, -1);
    (void)pthread_mutex_unlock(&f->lock);
    f->n_subs--;
    sub_free(s);
}

/* ---- one account in a round */

struct round { /* what was taken for it */
    struct rk_map dirty, moved;
    bool moved_lost;
    struct rk_arena *mem;
};

static bool of_account(const struct feed_sub *s, struct rk_str id)
{
    return rk_str_eq(s->account_id, id);
}

static void reset(struct feed *f, struct feed_sub *s)
{
    s->reset = true;
    if (s->events)
        s->lost = !feed_show_place(f->m, s, "reset");
}

/* What a listener knows is put in its place; whether it has to hear more. */
static void place(struct feed *f, struct feed_sub *s, int64_t before, int64_t last)
{
    bool unknown = s->seq >= 0 && (s->seq < before || s->seq > last);
    bool far = s->seq >= 0 && last - s->seq > ENTRIES_MAX;

    if (s->seq < 0) /* asks where it stands: no reason to wait */
        s->end_ms = s->events ? s->end_ms : 0;
    if (s->seq < 0 || unknown || far)
        s->seq = last;
    if (unknown || far)
        reset(f, s);
    else if (s->fresh && s->events)
        RK_IGNORE(feed_show_place(f->m, s, "ready"));
    s->behind = s->seq < last;
}

static enum rk_code entries(struct feed *f, struct rk_str id, const struct snapshot *snap,
                            struct rk_arena *mem, struct rk_err *err)
{
    struct history_entry *e = NULL;
    int64_t before, last, from;
    size_t n = 0;
    enum rk_code rc = history_span(f->db, id, &before, &last, err);

    if (rc)
        return rc;
    from = last;
    RK_LIST_FOR_EACH (it, &f->subs) {
        struct feed_sub *s = rk_container_of(it, struct feed_sub, link);

        if (!of_account(s, id))
            continue;
        place(f, s, before, last);
        from = rk_min_i64(from, s->seq);
    }
    if (from < last)
        rc = history_after(f->db, mem, id, from, last - from, &e, &n, err);
    RK_LIST_FOR_EACH (it, &f->subs) {
        struct feed_sub *s = rk_container_of(it, struct feed_sub, link);

        for (size_t i = 0; !rc && of_account(s, id) && i < n; i++)
            if (e[i].seq > s->seq && !feed_show_entry(f->m, snap, s, &e[i], mem))
                break;
        if (!rc && of_account(s, id))
            s->behind = s->seq < last;
    }
    return rc;
}

/* Whom somebody who was away has missed. */
static void resume(struct feed *f, struct feed_sub *s, const struct snapshot *snap)
{
    size_t n = 0;

    if (!s->since_us || s->reset || s->lost)
        return;
    for (BITS_EACH(i, snap_peers(snap))) {
        const struct peer *p = snap_peer_at(snap, i);

        if (presence_of(f->m, p).last_seen_us < s->since_us - SLACK_US)
            continue;
        if (++n > RESUME_MAX) {
            s->lost = true;
            return;
        }
        feed_show_presence(f->m, snap, s, p);
    }
}

static void presences(struct feed *f, struct rk_str id, const struct snapshot *snap,
                      struct round *r)
{
    RK_LIST_FOR_EACH (it, &f->subs) {
        struct feed_sub *s = rk_container_of(it, struct feed_sub, link);
        struct rk_str peer;
        void *value;

        if (!of_account(s, id))
            continue;
        if (s->fresh)
            resume(f, s, snap);
        s->fresh = false;
        s->lost |= r->moved_lost;
        for (size_t pos = 0; rk_map_next(&r->moved, &pos, &peer, &value);) {
            const struct peer *p = snap_peer(snap, peer);

            if (p)
                feed_show_presence(f->m, snap, s, p);
        }
    }
}

static bool wants_entries(struct feed *f, struct rk_str id, const struct round *r)
{
    if (rk_map_get(&r->dirty, id))
        return true;
    RK_LIST_FOR_EACH (it, &f->subs) {
        struct feed_sub *s = rk_container_of(it, struct feed_sub, link);

        if (s->behind && of_account(s, id))
            return true;
    }
    return false;
}

/* Those without their rights go before anything is shown. */
static void check_rights(struct feed *f, struct rk_str id, const struct snapshot *snap)
{
    RK_LIST_FOR_EACH_SAFE (it, &f->subs) {
        struct feed_sub *s = rk_container_of(it, struct feed_sub, link);

        if (of_account(s, id) && (!snap || !feed_sub_valid(f->m, snap, s)))
            sub_drop(f, s);
    }
}

static void account_round(struct feed *f, struct rk_str id, struct round *r)
{
    const struct snapshot *snap = mgmt_snapshot_try(f->m, id);
    struct rk_err err = {0};
    enum rk_code rc = RK_OK;

    check_rights(f, id, snap);
    if (!snap)
        return;
    if (wants_entries(f, id, r)) {
        if (!f->db)
            rc = mgmt_db_open(f->m, &f->db, &err);
        if (rc == RK_OK)
            rc = entries(f, id, snap, r->mem, &err);
    }
    if (rc) { /* in a second again, when the store answers */
        rk_log_every(&f->gate, LOG_EVERY_MS, f->log, rk_log_failure_level(f->log, &err),
                     "changes were not told", KV_ERR(&err));
        RK_LIST_FOR_EACH (it, &f->subs) {
            struct feed_sub *s = rk_container_of(it, struct feed_sub, link);

            s->behind |= of_account(s, id);
        }
    } else {
        presences(f, id, snap, r);
    }
    snap_unref(snap);
}

/* ---- time */

static bool has_answer(const struct feed_sub *s, int64_t now)
{
    return s->changes.n || s->presence.n || s->reset || s->lost || now >= s->end_ms;
}

/* false: it is over. */
static bool sub_tick(struct feed *f, struct feed_sub *s, int64_t now)
{
    if (http_live_over(s->live))
        return false;
    if (!s->events) {
        if (!has_answer(s, now))
            return true;
        feed_show_answer(f->m, s);
        return false;
    }
    if (s->lost && !http_live_held(s->live))
        reset(f, s);
    if (now >= s->beat_ms) {
        s->beat_ms = now + BEAT_MS;
        RK_IGNORE(http_live_write(s->live, RK_STR(": still here\n\n")));
    }
    return now < s->end_ms;
}

/* ---- rounds */

static void round_do(struct feed *f, struct round *r)
{
    struct str_list seen = {0};
    size_t cap = 0;
    int64_t now;

    RK_LIST_FOR_EACH (it, &f->subs) {
        struct rk_str id = rk_container_of(it, struct feed_sub, link)->account_id;

        if (str_list_has(&seen, id))
            continue;
        seen.v = rk_arena_grow(r->mem, seen.v, seen.n, &cap, sizeof *seen.v);
        seen.v[seen.n++] = rk_arena_dup(r->mem, id);
    }
    for (size_t i = 0; i < seen.n; i++)
        account_round(f, seen.v[i], r);
    now = rk_mono_ms();
    RK_LIST_FOR_EACH_SAFE (it, &f->subs) {
        struct feed_sub *s = rk_container_of(it, struct feed_sub, link);

        if (!sub_tick(f, s, now))
            sub_drop(f, s);
    }
}

static void set_take(struct rk_map *to, struct rk_map *from)
{
    *to = *from;
    rk_map_init(from, false);
}

/* Locked. Wait for something to do; false: the end. */
static bool round_take(struct feed *f, struct round *r)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_sec += TICK_MS / 1000;
    while (!f->stop && rk_list_empty(&f->coming) && !f->news) {
        if (rk_list_empty(&f->subs))
            (void)pthread_cond_wait(&f->wake, &f->lock);
        else if (pthread_cond_timedwait(&f->wake, &f->lock, &ts) == ETIMEDOUT)
            break;
    }
    rk_list_splice(&f->subs, &f->coming);
    set_take(&r->dirty, &f->dirty);
    set_take(&r->moved, &f->moved);
    r->moved_lost = f->moved_lost;
    f->n_moved = 0;
    f->news = false;
    f->moved_lost = false;
    return !f->stop;
}

static void *feed_main(void *arg)
{
    struct feed *f = arg;
    bool more = true;

    while (more) {
        struct round r = {.mem = rk_arena_new(0)};

        (void)pthread_mutex_lock(&f->lock);
        more = round_take(f, &r);
        (void)pthread_mutex_unlock(&f->lock);
        if (more)
            round_do(f, &r);
        rk_map_done(&r.dirty);
        rk_map_done(&r.moved);
        rk_arena_free(r.mem);
    }
    RK_LIST_FOR_EACH_SAFE (it, &f->subs)
        sub_drop(f, rk_container_of(it, struct feed_sub, link));
    db_close(f->db);
    return NULL;
}

/* Locked. */
static enum rk_code admit(struct feed *f, const struct feed_want *w, struct rk_err *err)
{
    if (f->stop)
        return rk_fail(err, RK_UNAVAILABLE, "the server is stopping");
    if (count_user(f, w->user_id, 0) >= SUBS_PER_USER)
        return rk_fail(err, RK_LIMIT, "you listen to changes %d times already", SUBS_PER_USER);
    if (f->n_subs >= SUBS_MAX)
        return rk_fail(err, RK_LIMIT, "%d clients listen to changes already", SUBS_MAX);
    if (!f->started && pthread_create(&f->thread, NULL, feed_main, f))
        return rk_fail(err, RK_UNAVAILABLE, "cannot start a thread");
    f->started = true;
    return RK_OK;
}

enum rk_code feed_listen(struct feed *f, const struct feed_want *w, struct http_live **out,
                         struct rk_err *err)
{
    struct feed_sub *s;
    enum rk_code rc;

    (void)pthread_mutex_lock(&f->lock);
    rc = admit(f, w, err);
    if (rc == RK_OK) {
        s = sub_new(w);
        *out = http_live_ref(s->live);
        f->n_subs++;
        (void)count_user(f, s->user_id, 1);
        rk_list_push_back(&f->coming, &s->link);
        (void)pthread_cond_signal(&f->wake);
    }
    (void)pthread_mutex_unlock(&f->lock);
    return rc;
}

struct feed *feed_new(struct mgmt *m, struct rk_log *log)
{
    struct feed *f = rk_calloc(1, sizeof *f);
    pthread_condattr_t attr;

    f->m = m;
    f->log = log;
    (void)pthread_mutex_init(&f->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&f->wake, &attr);
    (void)pthread_condattr_destroy(&attr);
    rk_list_init(&f->coming);
    rk_list_init(&f->subs);
    rk_map_init(&f->by_user, false);
    rk_map_init(&f->dirty, false);
    rk_map_init(&f->moved, false);
    f->observer.changed = account_changed;
    f->presence.changed = peer_moved;
    mgmt_observe(m, &f->observer);
    presence_observe(m, &f->presence);
    return f;
}

void feed_stop(struct feed *f)
{
    bool started;

    (void)pthread_mutex_lock(&f->lock);
    f->stop = true;
    started = f->started;
    f->started = false;
    (void)pthread_cond_signal(&f->wake);
    (void)pthread_mutex_unlock(&f->lock);
    if (started)
        (void)pthread_join(f->thread, NULL);
}

void feed_free(struct feed *f)
{
    if (!f)
        return;
    rk_map_done(&f->by_user);
    rk_map_done(&f->dirty);
    rk_map_done(&f->moved);
    (void)pthread_cond_destroy(&f->wake);
    (void)pthread_mutex_destroy(&f->lock);
    free(f);
}
