/* SPDX-License-Identifier: BSD-3-Clause */
/* Table of peers and watches; see registry.h. */
#include "config.h"

#include "relay/registry.h"

#include <pthread.h>
#include <stdlib.h>

#include "lib/base/list.h"
#include "lib/base/map.h"
#include "relay/session.h"

enum { SHARDS = 64 }; /* many more than cores, so that two loops seldom meet */

struct entry {
    struct rly_peer_id id;
    struct relay_session *current; /* one reference; NULL: only watched */
    struct rk_list watches;
};

struct relay_watch {
    struct rly_peer_id id;
    struct relay_session *by; /* borrowed: a session drops its watches before it goes */
    struct rk_list in_entry;  /* guarded by the shard */
    bool online;              /* guarded by the shard: tell when the peer arrives */
};

struct shard {
    pthread_rwlock_t lock; /* guards entries and all that hangs on them */
    struct rk_map entries; /* keys borrowed from the entries */
} __attribute__((aligned(64)));

struct relay_registry {
    struct shard shards[SHARDS];
};

static struct rk_str key_of(const void *id36)
{
    return rk_str_of(id36, RLY_PEER_ID_SIZE);
}

/* Ids end in bytes of a SHA-256; a peer that chooses its id gains nothing but a crowded shard. */
static struct shard *shard_of(struct relay_registry *r, const void *id36)
{
    return &r->shards[((const uint8_t *)id36)[RLY_PEER_ID_SIZE - 1] % SHARDS];
}

struct relay_registry *relay_registry_new(void)
{
    struct relay_registry *r = aligned_alloc(64, sizeof *r);

    if (!r)
        abort();
    for (size_t i = 0; i < SHARDS; i++) {
        (void)pthread_rwlock_init(&r->shards[i].lock, NULL);
        rk_map_init(&r->shards[i].entries, true);
    }
    return r;
}

void relay_registry_free(struct relay_registry *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < SHARDS; i++) {
        rk_map_done(&r->shards[i].entries);
        (void)pthread_rwlock_destroy(&r->shards[i].lock);
    }
    free(r);
}

static struct entry *entry_get(struct shard *sh, const void *id36)
{
    struct entry *e = rk_map_get(&sh->entries, key_of(id36));

    if (e)
        return e;
    e = rk_calloc(1, sizeof *e);
    memcpy(e->id.b, id36, sizeof e->id.b);
    rk_list_init(&e->watches);
    (void)rk_map_put(&sh->entries, key_of(e->id.b), e);
    return e;
}

static void entry_drop_if_empty(struct shard *sh, struct entry *e)
{
    if (e->current || !rk_list_empty(&e->watches))
        return;
    (void)rk_map_del(&sh->entries, key_of(e->id.b));
    free(e);
}

/* Under the shard's lock, so that two events of one id reach a watcher in their order; telling and
 * marking only touch atomics. */
static void tell_watchers(struct entry *e, bool online, struct relay_lane *from)
{
    RK_LIST_FOR_EACH (it, &e->watches) {
        struct relay_watch *w = rk_container_of(it, struct relay_watch, in_entry);

        if (online && !w->online)
            continue;
        if (online)
            w->online = false;
        relay_session_tell(w->by, &e->id, online);
        relay_lane_mark(from, w->by);
    }
}

struct relay_session *relay_registry_add(struct relay_registry *r, struct relay_session *s,
                                         struct relay_lane *from)
{
    struct shard *sh = shard_of(r, s->id.b);
    struct relay_session *old;
    struct entry *e;

    (void)pthread_rwlock_wrlock(&sh->lock);
    e = entry_get(sh, s->id.b);
    old = e->current;
    e->current = relay_session_ref(s);
    tell_watchers(e, true, from);
    (void)pthread_rwlock_unlock(&sh->lock);
    return old;
}

bool relay_registry_remove(struct relay_registry *r, struct relay_session *s,
                           struct relay_lane *from)
{
    struct shard *sh = shard_of(r, s->id.b);
    bool mine = false;
    struct entry *e;

    (void)pthread_rwlock_wrlock(&sh->lock);
    e = rk_map_get(&sh->entries, key_of(s->id.b));
    if (e && e->current == s) {
        mine = true;
        e->current = NULL;
        tell_watchers(e, false, from);
        entry_drop_if_empty(sh, e);
    }
    (void)pthread_rwlock_unlock(&sh->lock);
    if (mine)
        relay_session_unref(s);
    return mine;
}

struct relay_session *relay_registry_find(struct relay_registry *r, const void *id36)
{
    struct shard *sh = shard_of(r, id36);
    struct relay_session *s = NULL;
    struct entry *e;

    (void)pthread_rwlock_rdlock(&sh->lock);
    e = rk_map_get(&sh->entries, key_of(id36));
    if (e && e->current)
        s = relay_session_ref(e->current);
    (void)pthread_rwlock_unlock(&sh->lock);
    return s;
}

bool relay_registry_watch(struct relay_registry *r, struct relay_session *by, const void *id36,
                          bool *online)
{
    struct shard *sh = shard_of(r, id36);
    struct relay_watch *w = rk_map_get(&by->watches, key_of(id36));
    bool is_new = !w;
    struct entry *e;

    if (is_new) {
        if (by->watches.n >= RELAY_WATCH_MAX)
            return false;
        w = rk_calloc(1, sizeof *w);
        memcpy(w->id.b, id36, sizeof w->id.b);
        w->by = by;
        (void)rk_map_put(&by->watches, key_of(w->id.b), w);
    }
    (void)pthread_rwlock_wrlock(&sh->lock);
    e = entry_get(sh, id36);
    if (is_new)
        rk_list_push_back(&e->watches, &w->in_entry);
    w->online = true;
    *online = e->current != NULL;
    (void)pthread_rwlock_unlock(&sh->lock);
    return true;
}

/* Out of the entry; the session's own table is the caller's. */
static void unlink_watch(struct relay_registry *r, struct relay_watch *w)
{
    struct shard *sh = shard_of(r, w->id.b);
    struct entry *e;

    (void)pthread_rwlock_wrlock(&sh->lock);
    rk_list_remove(&w->in_entry);
    e = rk_map_get(&sh->entries, key_of(w->id.b));
    if (e)
        entry_drop_if_empty(sh, e);
    (void)pthread_rwlock_unlock(&sh->lock);
    free(w);
}

void relay_registry_unwatch(struct relay_registry *r, struct relay_session *by, const void *id36)
{
    struct relay_watch *w = rk_map_del(&by->watches, key_of(id36));

    if (w)
        unlink_watch(r, w);
}

void relay_registry_unwatch_all(struct relay_registry *r, struct relay_session *by)
{
    size_t pos = 0;
    struct rk_str key;
    void *w;

    while (rk_map_next(&by->watches, &pos, &key, &w)) {
        (void)rk_map_del(&by->watches, key);
        unlink_watch(r, w);
    }
    rk_map_done(&by->watches);
}

size_t relay_registry_size(struct relay_registry *r)
{
    size_t n = 0;

    for (size_t i = 0; i < SHARDS; i++) {
        (void)pthread_rwlock_rdlock(&r->shards[i].lock);
        n += r->shards[i].entries.n;
        (void)pthread_rwlock_unlock(&r->shards[i].lock);
    }
    return n;
}
