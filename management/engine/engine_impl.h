/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside of the engine; only for management/engine.
 *
 *   life.c         open and close: store, lanes, keeper
 *   engine.c       accounts, lookups, submit
 *   lane.c         lane thread: batches, commit, publish
 *   tx.c           what a mutation may do
 *   work.c         changes, overlay and snapshots of an account in the batch
 *   follow.c       commits of other processes as changes, from the journal
 *   news.c         hearing of them
 *   keeper.c       presence, timers
 *   cluster.c      which other processes live
 *   lease.c        what one of them does for all
 */
#ifndef MGMT_ENGINE_IMPL_H
#define MGMT_ENGINE_IMPL_H

#include <pthread.h>

#include "lib/base/id.h"
#include "lib/base/map.h"
#include "management/engine/engine.h"
#include "management/engine/lease.h"
#include "management/snapshot/snapshot.h"
#include "management/store/db_lock.h"
#include "management/store/journal.h"
#include "management/store/store.h"

#define LANES_MAX 8
#define BATCH_MAX 256 /* mutations in one transaction: keeps the wait of the first one short */

/* Private flags of a mutation. */
#define MUT_CREATE (UINT32_C(1) << 16) /* arg: const struct account_data * */
#define MUT_DELETE (UINT32_C(1) << 17)
#define MUT_PLAIN  (UINT32_C(1) << 18) /* no account: fn may only use tx->db and tx->now_us */

/* One account. Entries live until mgmt_close. The account's lane writes, under m->lock, and reads
 * without; others read under it. */
struct acct {
    struct rk_str id;            /* owned */
    const struct snapshot *snap; /* NULL: not loaded, or deleted */
    int64_t version;             /* of snap */
    struct journal_head head;    /* of snap */
};

/* An account in the batch that runs. Lives in the lane's arena. */
struct work {
    struct acct *a;
    struct work *next;
    const struct snapshot *old; /* published when the batch began; one reference; NULL: none */
    const struct snapshot
        *cur; /* old with the first n_applied changes; borrowed from snaps or old */
    const struct snapshot **snaps; /* made in this batch; one reference each */
    size_t n_snaps, cap_snaps;
    struct change *changes;
    size_t n, cap, n_applied;
    struct rk_map overlay; /* overlay_key -> index of the latest change + 1 */
    uint64_t serial, serial_applied;
    int64_t version; /* after this batch */
    struct journal_head head;
    bool dirty;    /* something to commit */
    bool reloaded; /* another process was here */
    bool deleted;
};

struct lane {
    struct mgmt *m;
    pthread_t thread;
    struct db *db;        /* lane thread only */
    struct rk_arena *mem; /* of the batch */
    struct work *work;    /* accounts of the batch */
    bool plain_dirty;     /* a MUT_PLAIN one wrote */
    pthread_mutex_t lock; /* guards the next four */
    pthread_cond_t wake;
    struct rk_list queue; /* struct mgmt_mutation */
    size_t n_queued;
    bool stop;
};

struct follow_stats {          /* lanes write, anybody reads */
    _Atomic uint64_t followed; /* times that commits of others were applied as changes */
    _Atomic uint64_t reloaded; /* times that the account was read instead */
    _Atomic uint64_t versions; /* commits that were applied */
    _Atomic int64_t lag_us;    /* age of the oldest change, when it was applied last */
    struct rk_metric *m_followed, *m_reloaded, *m_versions, *m_delay;
};

struct mgmt {
    struct mgmt_opts opts;  /* texts owned */
    bool shared;            /* other processes may write, too: PostgreSQL */
    struct db_lock *file;   /* no second server on this SQLite file; NULL: PostgreSQL */
    pthread_rwlock_t lock;  /* guards accounts, each account's snap, and observers */
    struct rk_map accounts; /* id -> struct acct */
    struct rk_list observers;
    pthread_mutex_t chores_lock; /* guards chores; not held while one runs */
    struct rk_list chores;
    struct lease chore_lease; /* keeper thread; lanes read it while that one waits for them */
    struct lane lanes[LANES_MAX];
    size_t n_lanes;
    struct cluster *cluster;
    struct keeper *keeper;
    struct news_reader *news; /* NULL: nobody else writes */
    struct presences *presences;
    struct follow_stats follow;
    char node[RK_XID_LEN + 1];             /* this process, among those that share the database */
    char connection_name[RK_XID_LEN + 16]; /* "rookery <node>": others find what we left */
    _Atomic bool closing;
};

/* A running mutation, around what fn sees. */
struct run {
    struct tx tx;
    struct lane *lane;
    struct work *w;
    size_t mark; /* first change of this mutation */
    bool raise;  /* tx_raise_serial */
    bool events; /* an event was written */
    uint32_t flags;
};

/** How our connections are opened. */
struct db_opts mgmt_db_opts(struct mgmt *m);

/** The account's entry, made when needed. Never NULL. */
struct acct *mgmt_acct(struct mgmt *m, struct rk_str id);
struct lane *mgmt_lane_of(struct mgmt *m, struct rk_str account_id);

/** Lane thread until stop; opens nothing, closes nothing. */
void *mgmt_lane_main(void *lane);

/** Wait for a mutation; for mgmt_mutate and the private kinds. */
enum rk_code mgmt_run(struct mgmt *m, struct mgmt_mutation *mut, struct rk_err *err) RK_MUST;

/** Do changes of this kind raise the serial? */
bool mgmt_kind_in_maps(enum entity_kind k);

/** Serial after the mutation as it stands. */
uint64_t run_serial(const struct run *r);

/** Journal rows of the mutation's changes. */
enum rk_code run_journal(struct run *r, struct rk_err *err) RK_MUST;

/** Insert a complete account (MUT_CREATE). */
enum rk_code run_create(struct run *r, const struct account_data *d, struct rk_err *err) RK_MUST;
enum rk_code run_delete(struct run *r, struct rk_err *err) RK_MUST;

/** Make s, taken, the current snapshot of the work. */
void work_keep(struct lane *l, struct work *w, const struct snapshot *s);

/** Bring w->cur up to the first n changes. */
void work_apply(struct lane *l, struct work *w, size_t n);

/** Latest unpublished change of an entity, borrowed; NULL when there is none. */
const struct change *work_latest(struct work *w, struct rk_arena *mem, enum entity_kind kind,
                                 struct rk_str id, struct rk_str member);

/** The entity in a snapshot (NULL: none), whatever its kind; NULL when absent. Lends. */
const void *mgmt_entity_of(const struct snapshot *s, enum entity_kind kind, struct rk_str id);

struct news { /* what the database has of an account */
    int64_t version;
    uint64_t serial;
    struct journal_head head;
    size_t rows;         /* of the journal that were applied */
    int64_t first_at_us; /* when the first of them was written; 0: none */
};

/** Bring a new w, whose `old` is published, to what l->db sees, by the journal. *followed false: it
 *  does not lead there from `old`, w is as it was. Errors: RK_NOT_FOUND (no such account),
 *  RK_UNAVAILABLE. */
enum rk_code work_follow(struct lane *l, struct work *w, struct news *out, bool *followed,
                         struct rk_err *err) RK_MUST;

/** Add a change; before and after live as long as the batch. */
void work_record(struct work *w, struct rk_arena *mem, enum entity_kind kind, struct rk_str id,
                 const void *before, const void *after);

/** Forget the changes from index n on. */
void work_truncate(struct work *w, struct rk_arena *mem, size_t n);

#define NEWS_CHANNEL "rookery_commit"

/* The account is loaded, and older than that version of it. Any thread. */
bool mgmt_is_behind(struct mgmt *m, struct rk_str account_id, int64_t version);

/* Versions between what is loaded of it and that one; 0 when it is not loaded. Any thread. */
int64_t mgmt_lag(struct mgmt *m, struct rk_str account_id, int64_t version);

/* The account is loaded, and not in that state: behind, or on a chain that the database has lost (a
 * standby that was promoted before it had everything). Any thread. */
bool mgmt_differs(struct mgmt *m, struct rk_str account_id, int64_t version,
                  const struct journal_head *head);

#endif
