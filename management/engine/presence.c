/* SPDX-License-Identifier: BSD-3-Clause */
/* Presence of peers in memory, and its batches: see presence.h. */
#include "config.h"

#include "management/engine/presence.h"

#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/base/num.h"
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
    int64_t found_round;  /* look that found our stream in its row */
    bool written;         /* our stream was: looks should find it */
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
    struct rk_list observers;      /* only grows before traffic starts: no lock */
};

/* Not locked. */
static void tell(struct presences *ps, struct rk_str peer_id)
{
    RK_LIST_FOR_EACH (it, &ps->observers) {
        struct presence_observer *o = rk_container_of(it, struct presence_observer, link);

        o->changed(o, peer_id);
    }
}

void presence_observe(struct mgmt *m, struct presence_observer *o)
{
    rk_list_push_back(&m->presences->observers, &o->link);
}

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
    rk_list_init(&ps->observers);
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
        e->written = false;
        touch(m, e);
    }
    (void)pthread_mutex_unlock(&ps->lock);
    if (applied)
        tell(ps, peer_id);
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
    if (applied)
        tell(ps, peer_id);
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

/* Ours, too: a row can lose a stream that is there. */
static const char SQL_CONNECTED_ALL[] = "SELECT id, last_seen, session_token, node FROM "
                                        "peer_status WHERE connected = 1 AND node IS NOT NULL";
static const char SQL_SEEN[] = "SELECT last_seen FROM peer_status WHERE id = $1";
static const char SQL_ONE[] =
    "SELECT last_seen, connected, session_token, node FROM peer_status WHERE id = $1";

static void list_add(struct rk_arena *mem, struct str_list *l, size_t *cap, struct rk_str s)
{
    l->v = rk_arena_grow(mem, l->v, l->n, cap, sizeof *l->v);
    l->v[l->n++] = rk_arena_dup(mem, s);
}

/* Locked. Whoever was connected elsewhere and is not in the list any more is gone; whoever is
 * connected here, and was when the look began, and is not in the list, is written again. */
static void remote_sweep(struct presences *ps, struct rk_arena *mem, struct str_list *gone)
{
    struct rk_str key;
    size_t cap = 0;
    void *value;

    for (size_t pos = 0; rk_map_next(&ps->peers, &pos, &key, &value);) {
        struct entry *e = value;

        if (e->remote.connected && e->remote_round != ps->round) {
            e->remote.connected = false;
            list_add(mem, gone, &cap, e->id);
        }
        if (e->p.connected && e->written && e->found_round != ps->round && !e->remote.connected &&
            !rk_list_linked(&e->dirty))
            rk_list_push_back(&ps->dirty, &e->dirty);
    }
}

/* When they were seen last is in rows that the look did not ask for. */
static enum rk_code last_seen_of(struct presences *ps, struct db *db, const struct str_list *gone,
                                 struct rk_err *err)
{
    enum rk_code rc = RK_OK;

    for (size_t i = 0; rc == RK_OK && i < gone->n; i++) {
        int64_t us = 0;
        struct entry *e;

        rc = db_get_i64(db, &us, err, SQL_SEEN, DB_ARGS(db_text(gone->v[i])));
        if (rc == RK_NOT_FOUND) { /* deleted */
            rc = RK_OK;
            continue;
        }
        (void)pthread_mutex_lock(&ps->lock);
        e = rk_map_get(&ps->peers, gone->v[i]);
        if (e && !e->remote.connected && us > e->remote.last_seen_us)
            e->remote.last_seen_us = us;
        (void)pthread_mutex_unlock(&ps->lock);
        tell(ps, gone->v[i]);
    }
    return rc;
}

/* Locked. True: that is news. */
static bool row_seen(struct presences *ps, const char *self, struct db_rows *rows)
{
    struct entry *e = entry_get(ps, db_col_text_peek(rows, 0));
    bool news;

    if (rk_str_eqz(db_col_text_peek(rows, 3), self)) {
        e->found_round = ps->round;
        return false;
    }
    news = !e->remote.connected;
    if (e->p.token < db_col_i64(rows, 2))
        e->written = false; /* the agent has moved: our stream just does not know yet */
    e->remote = (struct presence){
        .connected = true, .last_seen_us = db_col_i64(rows, 1), .token = db_col_i64(rows, 2)};
    e->remote_round = ps->round;
    return news;
}

enum rk_code presence_look(struct mgmt *m, struct db *db, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    struct presences *ps = m->presences;
    struct str_list gone = {0}, came = {0};
    size_t cap = 0;
    enum rk_code rc = db_query(db, &rows, err, SQL_CONNECTED_ALL, DB_NOARGS);

    if (rc)
        return rc;
    (void)pthread_mutex_lock(&ps->lock);
    ps->round++;
    while (db_next(rows))
        if (row_seen(ps, m->node, rows))
            list_add(mem, &came, &cap, db_col_text_peek(rows, 0));
    rc = db_end(rows, err);
    if (rc == RK_OK)
        remote_sweep(ps, mem, &gone);
    (void)pthread_mutex_unlock(&ps->lock);
    for (size_t i = 0; i < came.n; i++)
        tell(ps, came.v[i]);
    return rc ? rc : last_seen_of(ps, db, &gone, err);
}

static enum rk_code look_one(struct mgmt *m, struct db *db, struct rk_str id, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    struct presences *ps = m->presences;
    enum rk_code rc = db_query(db, &rows, err, SQL_ONE, DB_ARGS(db_text(id)));

    while (rc == RK_OK && db_next(rows)) {
        struct presence p = {.last_seen_us = db_col_i64(rows, 0),
                             .connected = db_col_bool(rows, 1),
                             .token = db_col_i64(rows, 2)};
        struct entry *e;
        bool news;

        if (rk_str_eqz(db_col_text_peek(rows, 3), m->node))
            continue;
        (void)pthread_mutex_lock(&ps->lock);
        e = entry_get(ps, id);
        if (p.connected && e->p.token < p.token)
            e->written = false;
        news = e->remote.connected != p.connected;
        e->remote = p;
        e->remote_round = rk_max_i64(ps->round, 1);
        (void)pthread_mutex_unlock(&ps->lock);
        if (news)
            tell(ps, id);
    }
    return rc ? rc : db_end(rows, err);
}

enum rk_code presence_look_at(struct mgmt *m, struct db *db, struct rk_str ids, struct rk_err *err)
{
    enum rk_code rc = RK_OK;

    while (rc == RK_OK && ids.n) {
        struct rk_str id;

        (void)rk_str_cut(ids, ',', &id, &ids);
        rc = look_one(m, db, id, err);
    }
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

#define NEWS_MAX   7900 /* a notification of PostgreSQL is below 8,000 bytes */
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

/* "<node> !<id>,<id>…": the others read these rows; without ids all of them. */
static enum rk_code batch_tell(struct tx *tx, const struct batch *b, struct rk_err *err)
{
    struct rk_buf news;
    size_t peers = 0;
    enum rk_code rc = RK_OK;

    rk_buf_init(&news, NEWS_MAX);
    rk_buf_printf(&news, "%s " PRESENCE_NEWS, b->node);
    for (size_t i = 0; i < b->n; i++)
        if (!b->rows[i].is_pat)
            rk_buf_printf(&news, "%s%.*s", peers++ ? "," : "", RK_STR_ARG(b->rows[i].id));
    if (news.full)
        rc = db_notify(tx->db, NEWS_CHANNEL,
                       RK_CAT(b->mem, rk_str_z(b->node), RK_STR(" " PRESENCE_NEWS)), err);
    else if (peers)
        rc = db_notify(tx->db, NEWS_CHANNEL, rk_buf_str(&news), err);
    rk_buf_done(&news);
    return rc;
}

static enum rk_code batch_write(struct tx *tx, void *arg, struct rk_err *err)
{
    const struct batch *b = arg;
    enum rk_code rc = tx->m->shared ? batch_tell(tx, b, err) : RK_OK;

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

static void batch_written(struct presences *ps, const struct batch *b)
{
    (void)pthread_mutex_lock(&ps->lock);
    for (size_t i = 0; i < b->n; i++) {
        struct entry *e = b->rows[i].is_pat ? NULL : rk_map_get(&ps->peers, b->rows[i].id);

        if (e && e->p.connected && e->p.token == b->rows[i].p.token)
            e->written = true;
    }
    (void)pthread_mutex_unlock(&ps->lock);
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
        else
            batch_written(m->presences, &b);
    }
    return rc;
}
