/* SPDX-License-Identifier: BSD-3-Clause */
/* Presence of peers in memory, and its batches: see presence.h. */
#include "config.h"

#include "management/engine/presence.h"

#include <stdlib.h>

#include "management/engine/engine_impl.h"
#include "management/engine/presence_impl.h"

/* One connect may be older than what the row has (another process got a newer stream). */
static const char SQL_CONNECTED[] = "UPDATE peer_status SET connected = 1, session_token = $2, "
                                    "last_seen = $3, node = $4 WHERE id = $1 AND "
                                    "session_token <= $2";
static const char SQL_GONE[] = "UPDATE peer_status SET connected = 0, session_token = 0, "
                               "last_seen = $3, node = NULL WHERE id = $1 AND session_token <= $2";
static const char SQL_PAT[] = "UPDATE pat SET last_used = $2 WHERE id = $1 AND "
                              "(last_used IS NULL OR last_used < $2)";

struct entry {
    struct rk_str id;       /* owned */
    struct presence p;      /* streams of this process */
    struct presence remote; /* of the others, as of the last look */
    int64_t remote_round;
    int64_t last_token;   /* newest stream ever seen here: bounds what the row may hold */
    struct rk_list dirty; /* linked while it waits for a batch */
};

struct pat_entry {
    struct rk_str id; /* owned */
    int64_t last_used_us;
    bool dirty;
};

struct presences {
    pthread_mutex_t lock; /* guards everything below */
    struct rk_map peers;  /* id -> struct entry */
    struct rk_map pats;   /* id -> struct pat_entry */
    struct rk_list dirty;
    size_t n_dirty_pats;
    size_t n_connected;
    int64_t round;                 /* of looks at other processes */
    struct mgmt_observer observer; /* forgets deleted peers */
};

/* ---- life */

static void entry_free(struct entry *e)
{
    rk_list_remove(&e->dirty);
    free((char *)(uintptr_t)e->id.p);
    free(e);
}

static void forget(struct presences *ps, struct rk_str peer_id)
{
    struct entry *e;

    (void)pthread_mutex_lock(&ps->lock);
    e = rk_map_del(&ps->peers, peer_id);
    if (e) {
        ps->n_connected -= e->p.connected;
        entry_free(e);
    }
    (void)pthread_mutex_unlock(&ps->lock);
}

static void on_change(struct mgmt_observer *o, const struct snapshot *old,
                      const struct snapshot *now, const struct change *changes, size_t n)
{
    struct presences *ps = rk_container_of(o, struct presences, observer);

    (void)old;
    (void)now;
    for (size_t i = 0; i < n; i++)
        if (changes[i].kind == ENT_PEER && !changes[i].after)
            forget(ps, changes[i].id);
}

void presences_new(struct mgmt *m)
{
    struct presences *ps = rk_calloc(1, sizeof *ps);

    (void)pthread_mutex_init(&ps->lock, NULL);
    rk_map_init(&ps->peers, true);
    rk_map_init(&ps->pats, true);
    rk_list_init(&ps->dirty);
    ps->observer.changed = on_change;
    m->presences = ps;
    mgmt_observe(m, &ps->observer);
}

void presences_free(struct mgmt *m)
{
    struct presences *ps = m->presences;
    struct rk_str key;
    void *value;

    if (!ps)
        return;
    for (size_t pos = 0; rk_map_next(&ps->peers, &pos, &key, &value);) {
        (void)rk_map_del(&ps->peers, key);
        entry_free(value);
    }
    for (size_t pos = 0; rk_map_next(&ps->pats, &pos, &key, &value);) {
        struct pat_entry *pe = value;

        (void)rk_map_del(&ps->pats, key);
        free((char *)(uintptr_t)pe->id.p);
        free(pe);
    }
    rk_map_done(&ps->peers);
    rk_map_done(&ps->pats);
    (void)pthread_mutex_destroy(&ps->lock);
    free(ps);
    m->presences = NULL;
}

/* ---- peers */

/* Locked. */
static struct entry *entry_get(struct presences *ps, struct rk_str id)
{
    struct entry *e = rk_map_get(&ps->peers, id);

    if (!e) {
        e = rk_calloc(1, sizeof *e);
        e->id = rk_str_of(rk_str_dupz(id), id.n);
        (void)rk_map_put(&ps->peers, e->id, e);
    }
    return e;
}

static void touch(struct mgmt *m, struct entry *e)
{
    e->p.last_seen_us = mgmt_now_us(m);
    if (!rk_list_linked(&e->dirty))
        rk_list_push_back(&m->presences->dirty, &e->dirty);
}

bool presence_connect(struct mgmt *m, struct rk_str peer_id, int64_t token)
{
    struct presences *ps = m->presences;
    struct entry *e;
    bool applied;

    (void)pthread_mutex_lock(&ps->lock);
    e = entry_get(ps, peer_id);
    applied = e->p.token < token;
    if (applied) {
        ps->n_connected += !e->p.connected;
        e->p.connected = true;
        e->p.token = e->last_token = token;
        touch(m, e);
    }
    (void)pthread_mutex_unlock(&ps->lock);
    return applied;
}

bool presence_disconnect(struct mgmt *m, struct rk_str peer_id, int64_t token)
{
    struct presences *ps = m->presences;
    struct entry *e;
    bool applied;

    (void)pthread_mutex_lock(&ps->lock);
    e = rk_map_get(&ps->peers, peer_id);
    applied = e && token != 0 && e->p.token == token;
    if (applied) {
        ps->n_connected -= e->p.connected;
        e->p.connected = false;
        e->p.token = 0;
        touch(m, e);
    }
    (void)pthread_mutex_unlock(&ps->lock);
    return applied;
}

void presence_seen(struct mgmt *m, struct rk_str peer_id)
{
    struct presences *ps = m->presences;

    (void)pthread_mutex_lock(&ps->lock);
    touch(m, entry_get(ps, peer_id));
    (void)pthread_mutex_unlock(&ps->lock);
}

struct presence presence_of(struct mgmt *m, const struct peer *p)
{
    struct presences *ps = m->presences;
    /* stored as connected: by another process, for our own rows were cleared at start */
    struct presence out = {.connected = p->status.connected,
                           .last_seen_us = p->status.last_seen_us,
                           .token = p->status.session_token};
    const struct entry *e;

    (void)pthread_mutex_lock(&ps->lock);
    e = rk_map_get(&ps->peers, p->id);
    if (e && e->remote_round)
        out = e->remote;
    if (e && (e->p.connected || (!e->remote.connected && e->p.last_seen_us >= out.last_seen_us)))
        out = e->p;
    (void)pthread_mutex_unlock(&ps->lock);
    return out;
}

size_t presence_connected_count(struct mgmt *m)
{
    size_t n;

    (void)pthread_mutex_lock(&m->presences->lock);
    n = m->presences->n_connected;
    (void)pthread_mutex_unlock(&m->presences->lock);
    return n;
}

/* ---- other processes */

static const char SQL_REMOTE[] = "SELECT id, last_seen, session_token FROM peer_status WHERE "
                                 "connected = 1 AND node IS NOT NULL AND node <> $1";

/* Locked. Whoever was connected elsewhere and is not in the list any more is gone. */
static void remote_sweep(struct presences *ps)
{
    struct rk_str key;
    void *value;

    for (size_t pos = 0; rk_map_next(&ps->peers, &pos, &key, &value);) {
        struct entry *e = value;

        if (e->remote_round && e->remote_round != ps->round)
            e->remote.connected = false;
    }
}

enum rk_code presence_look(struct mgmt *m, struct db *db, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    struct presences *ps = m->presences;
    enum rk_code rc = db_query(db, &rows, err, SQL_REMOTE, DB_ARGS(db_textz(m->node)));

    if (rc)
        return rc;
    (void)pthread_mutex_lock(&ps->lock);
    ps->round++;
    while (db_next(rows)) {
        struct entry *e = entry_get(ps, db_col_text_peek(rows, 0));

        e->remote = (struct presence){
            .connected = true, .last_seen_us = db_col_i64(rows, 1), .token = db_col_i64(rows, 2)};
        e->remote_round = ps->round;
    }
    rc = db_end(rows, err);
    if (rc == RK_OK)
        remote_sweep(ps);
    (void)pthread_mutex_unlock(&ps->lock);
    return rc;
}

/* ---- tokens */

void pat_used(struct mgmt *m, struct rk_str pat_id)
{
    struct presences *ps = m->presences;
    struct pat_entry *pe;

    (void)pthread_mutex_lock(&ps->lock);
    pe = rk_map_get(&ps->pats, pat_id);
    if (!pe) {
        pe = rk_calloc(1, sizeof *pe);
        pe->id = rk_str_of(rk_str_dupz(pat_id), pat_id.n);
        (void)rk_map_put(&ps->pats, pe->id, pe);
    }
    pe->last_used_us = mgmt_now_us(m);
    ps->n_dirty_pats += !pe->dirty;
    pe->dirty = true;
    (void)pthread_mutex_unlock(&ps->lock);
}

int64_t pat_last_used_us(struct mgmt *m, const struct pat *p)
{
    struct presences *ps = m->presences;
    const struct pat_entry *pe;
    int64_t us = p->last_used_us;

    (void)pthread_mutex_lock(&ps->lock);
    pe = rk_map_get(&ps->pats, p->id);
    if (pe && pe->last_used_us > us)
        us = pe->last_used_us;
    (void)pthread_mutex_unlock(&ps->lock);
    return us;
}

/* ---- batches */

#define BATCH_ROWS 2000 /* bounds how long the writer is busy with presence */

struct row { /* one UPDATE; texts in the batch's arena */
    struct rk_str id;
    struct presence p;
    int64_t last_token;
    bool is_pat;
};

struct batch {
    struct rk_arena *mem;
    struct row *rows;
    size_t n, cap;
    const char *node;
};

static void batch_add(struct batch *b, struct row row)
{
    row.id = rk_arena_dup(b->mem, row.id);
    b->rows = rk_arena_grow(b->mem, b->rows, b->n, &b->cap, sizeof *b->rows);
    b->rows[b->n++] = row;
}

static void batch_take(struct presences *ps, struct batch *b)
{
    struct rk_str key;
    void *value;

    (void)pthread_mutex_lock(&ps->lock);
    for (struct rk_list *it; b->n < BATCH_ROWS && (it = rk_list_pop_front(&ps->dirty)) != NULL;) {
        struct entry *e = rk_container_of(it, struct entry, dirty);

        batch_add(b, (struct row){.id = e->id, .p = e->p, .last_token = e->last_token});
    }
    for (size_t pos = 0;
         ps->n_dirty_pats && b->n < BATCH_ROWS && rk_map_next(&ps->pats, &pos, &key, &value);) {
        struct pat_entry *pe = value;

        if (!pe->dirty)
            continue;
        pe->dirty = false;
        ps->n_dirty_pats--;
        batch_add(b,
                  (struct row){.id = pe->id, .p.last_seen_us = pe->last_used_us, .is_pat = true});
    }
    (void)pthread_mutex_unlock(&ps->lock);
}

/* The batch did not reach the database: all of it waits again. */
static void batch_return(struct presences *ps, const struct batch *b)
{
    (void)pthread_mutex_lock(&ps->lock);
    for (size_t i = 0; i < b->n; i++) {
        if (b->rows[i].is_pat) {
            struct pat_entry *pe = rk_map_get(&ps->pats, b->rows[i].id);

            if (pe && !pe->dirty) {
                pe->dirty = true;
                ps->n_dirty_pats++;
            }
        } else {
            struct entry *e = rk_map_get(&ps->peers, b->rows[i].id);

            if (e && !rk_list_linked(&e->dirty))
                rk_list_push_back(&ps->dirty, &e->dirty);
        }
    }
    (void)pthread_mutex_unlock(&ps->lock);
}

static enum rk_code batch_write(struct tx *tx, void *arg, struct rk_err *err)
{
    const struct batch *b = arg;
    enum rk_code rc = RK_OK;

    for (size_t i = 0; rc == RK_OK && i < b->n; i++) {
        const struct row *r = &b->rows[i];
        struct db_val id = db_text(r->id), seen = db_time(r->p.last_seen_us);

        if (r->is_pat)
            rc = db_exec(tx->db, err, NULL, SQL_PAT, DB_ARGS(id, seen));
        else if (r->p.connected)
            rc = db_exec(tx->db, err, NULL, SQL_CONNECTED,
                         DB_ARGS(id, db_i64(r->p.token), seen, db_textz(b->node)));
        else
            rc = db_exec(tx->db, err, NULL, SQL_GONE, DB_ARGS(id, db_i64(r->last_token), seen));
    }
    return rc;
}

void presence_again(struct mgmt *m)
{
    struct presences *ps = m->presences;
    struct rk_str key;
    size_t pos = 0;
    void *value;

    (void)pthread_mutex_lock(&ps->lock);
    while (rk_map_next(&ps->peers, &pos, &key, &value)) {
        struct entry *e = value;

        if (e->p.connected && !rk_list_linked(&e->dirty))
            rk_list_push_back(&ps->dirty, &e->dirty);
    }
    (void)pthread_mutex_unlock(&ps->lock);
}

enum rk_code presence_flush(struct mgmt *m, struct rk_err *err)
{
    struct actor actor = ACTOR_SYSTEM;
    enum rk_code rc = RK_OK;
    bool more = true;

    while (rc == RK_OK && more) {
        RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
        struct batch b = {.mem = mem, .node = m->node};
        struct mgmt_mutation mut = {
            .actor = &actor, .flags = MUT_PLAIN, .fn = batch_write, .arg = &b};

        batch_take(m->presences, &b);
        more = b.n == BATCH_ROWS;
        if (b.n == 0)
            break;
        rc = mgmt_run(m, &mut, err);
        if (rc)
            batch_return(m->presences, &b);
    }
    return rc;
}
