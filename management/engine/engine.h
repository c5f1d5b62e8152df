/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine of the management service: one struct mgmt holds the store and, for every account that
 * was touched, its current immutable snapshot. All changes go through one mechanism:
 *
 *   mgmt_mutate / mgmt_submit (any thread)
 *        |  queue
 *        v
 *   lane thread: BEGIN; UPDATE account (lock, version check)
 *        |   for each waiting mutation: SAVEPOINT; fn(tx) -> tx_put / tx_del -> SQL + change list
 *        |   journal rows (hash chain), events, serial; COMMIT        <- one fsync for all of them
 *        |   snap_apply -> publish -> observers(old, new, changes)
 *        v
 *   done() of each mutation
 *
 * SQLite has one lane, PostgreSQL may have several (an account always uses the same one). Mutations
 * of one account therefore never overlap; what fn decides on stays true until it is committed. fn
 * must not block on anything but tx: no network, no password hashing.
 *
 * Readers take a reference to a snapshot and need no lock.
 */
#ifndef MGMT_ENGINE_H
#define MGMT_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/list.h"
#include "lib/base/log.h"
#include "lib/base/metrics.h"
#include "lib/base/pool.h"
#include "lib/base/str.h"
#include "management/domain/account_data.h"
#include "management/domain/change.h"
#include "management/store/db.h"

struct mgmt;
struct snapshot; /* management/snapshot/snapshot.h */
struct vault;    /* lib/crypto/vault.h */
struct probe;    /* management/store/probe.h */
struct places;   /* management/engine/places.h */

/* ---- life */

struct mgmt_opts {
    const char *store_url;     /* see struct db_opts */
    const struct vault *vault; /* opens and seals encrypted columns; borrowed until mgmt_close */
    struct rk_log *log;        /* borrowed; may be NULL */
    const char *dns_domain;    /* of peers, where an account has none; NULL: "netbird.selfhosted" */
    bool no_default_policy;    /* new accounts start without the policy All <-> All */
    int64_t (*now_us)(void);   /* wall clock; NULL: rk_unix_us */
    int64_t journal_keep_us;   /* journal rows that are older are dropped; 0: kept for ever */
    int64_t event_keep_us;     /* the same for activity events */
    int64_t journal_keep_rows; /* of an account; the oldest go; 0: however many */
    int64_t event_keep_rows;   /* the same for activity events */
    struct probe *probe;       /* told of writes that failed; lent until mgmt_close; may be NULL */
    struct places *places;     /* where addresses are; lent until mgmt_close; NULL: not known */
    struct rk_metrics *metrics; /* lent until mgmt_close; may be NULL */
    size_t lanes;               /* PostgreSQL: parallel writers; 0: 2. SQLite always has one */
};

/** Open the store, migrate it, clear stale presence, start the lanes. opts' texts are copied.
 *  Owned: mgmt_close. Errors: those of db_open and of db_lock_take (RK_PRECONDITION: another server
 *  uses this SQLite file); RK_PRECONDITION when the schema is newer than this program. */
enum rk_code mgmt_open(struct mgmt **out, const struct mgmt_opts *opts, struct rk_err *err) RK_MUST;

/** Refuse new mutations, finish those that wait, flush presence, join the threads. Snapshots that
 *  are still referenced stay valid. Accepts NULL. */
void mgmt_close(struct mgmt *m);

/** For rk_pool_new: store threads that each hold a connection to this store. m outlives the pool.
 */
struct rk_pool_ops mgmt_pool_ops(struct mgmt *m);

/** One more connection for the caller's own reads. Owned: db_close. */
enum rk_code mgmt_db_open(struct mgmt *m, struct db **out, struct rk_err *err) RK_MUST;

/** How long the store has been away, in ms: what is loaded is as old as that at least. 0: it
 *  answers. Any thread, never blocks. */
int64_t mgmt_store_age_ms(const struct mgmt *m);

int64_t mgmt_now_us(const struct mgmt *m);
const char *mgmt_dns_domain(const struct mgmt *m);
struct rk_log *mgmt_log(const struct mgmt *m);
const struct vault *mgmt_vault(const struct mgmt *m);
struct places *mgmt_places(const struct mgmt *m); /* NULL: none */
bool mgmt_no_default_policy(const struct mgmt *m);

/* ---- reading */

/** Current snapshot of an account, referenced (snap_unref), loading it when needed: blocks, store
 *  thread. Errors: RK_NOT_FOUND, RK_UNAVAILABLE. */
enum rk_code mgmt_snapshot(struct mgmt *m, struct rk_str account_id, const struct snapshot **out,
                           struct rk_err *err) RK_MUST;

/** The same when the account is loaded already, else NULL. Any thread, never blocks on SQL. */
const struct snapshot *mgmt_snapshot_try(struct mgmt *m, struct rk_str account_id);

/** Snapshot of the account that has a peer with this WireGuard key (44 characters), referenced.
 *  Looks in loaded accounts first, then asks the store, which knows what other processes did.
 *  Store thread. RK_NOT_FOUND; RK_UNAVAILABLE while it cannot be told. */
enum rk_code mgmt_snapshot_of_peer(struct mgmt *m, struct db *db, struct rk_str peer_key,
                                   const struct snapshot **out, struct rk_err *err) RK_MUST;
/** Loaded accounts only; NULL otherwise. Any thread. */
const struct snapshot *mgmt_snapshot_of_peer_try(struct mgmt *m, struct rk_str peer_key);

/** The same by user id. Store thread. RK_NOT_FOUND. */
enum rk_code mgmt_snapshot_of_user(struct mgmt *m, struct db *db, struct rk_str user_id,
                                   const struct snapshot **out, struct rk_err *err) RK_MUST;

/** Bring a loaded account up to what the database has now, when another process may have written
 *  (PostgreSQL): one small query, a load only if it is behind. *renewed (may be NULL): it was.
 *  Store thread. Errors: RK_UNAVAILABLE: the loaded state stays. */
enum rk_code mgmt_refresh(struct mgmt *m, struct db *db, struct rk_str account_id, bool *renewed,
                          struct rk_err *err) RK_MUST;

/* A question of mgmt_current; embed it. */
struct mgmt_current {
    void (*done)(struct mgmt_current *c); /* once, on a thread of the engine: hand over, return */
    struct rk_err err;                    /* out: RK_OK, or RK_UNAVAILABLE: it cannot be told */
    struct rk_list link;                  /* private */
};

/** Is what is loaded here at least as new as what the database had when this was called? Calls done
 *  when it is; all who ask at once share one small query. So nobody who comes from another process
 *  is shown an older state than there. *now: nobody else writes, done is not called. Any thread,
 *  never blocks. RK_UNAVAILABLE: the database is away, done is not called. */
enum rk_code mgmt_current(struct mgmt *m, struct mgmt_current *c, bool *now,
                          struct rk_err *err) RK_MUST;

/** Other processes may write to the same store. */
bool mgmt_is_shared(const struct mgmt *m);

/** Call fn with the snapshot of every loaded account; it may mutate. Store or keeper thread. */
void mgmt_each_loaded(struct mgmt *m, void (*fn)(const struct snapshot *s, void *arg), void *arg);

/** Ids of all accounts, oldest first. arena */
enum rk_code mgmt_account_ids(struct mgmt *m, struct db *db, struct rk_arena *mem,
                              struct str_list *out, struct rk_err *err) RK_MUST;

struct mgmt_follow {   /* what was done to keep up with other processes; open */
    uint64_t followed; /* times that their commits were applied from the journal */
    uint64_t versions; /* commits in them */
    uint64_t reloaded; /* times that an account was read as a whole instead */
    int64_t lag_us;    /* the last time: since the oldest change was written, by its clock */
};

/** Any thread. */
void mgmt_follow_stats(const struct mgmt *m, struct mgmt_follow *out);

/* ---- who does it */

/* Initiator of a mutation, for the journal and for events. Borrowed for the mutation. */
struct actor {
    struct rk_str id; /* user id, peer id, setup key id, or "sys" */
    /* The acting user where there is one, of a snapshot that the caller holds; ops check roles. */
    const struct user *user;
};

#define ACTOR_SYSTEM ((struct actor){.id = RK_STR(EVENT_INITIATOR_SYSTEM)})

/* ---- changing */

/* A running mutation. Open for reading; only valid inside fn and only on its thread. */
struct tx {
    struct mgmt *m;
    struct db *db;        /* inside the transaction: reads see this mutation's writes */
    struct rk_arena *mem; /* lives until the mutation is published and done() returned */
    /* State before this mutation, including everything that was committed or batched before it.
     * Does NOT show this mutation's own changes: use tx_get for those. */
    const struct snapshot *snap;
    struct rk_str account_id;
    const struct actor *actor;
    int64_t now_us; /* one time for the whole mutation */
};

/** RK_OK commits what was put and deleted; any other code undoes all of it and is returned to the
 *  caller with err's text. May run more than once (conflicts): start from scratch, set results by
 *  assignment. */
typedef enum rk_code mgmt_fn(struct tx *tx, void *arg, struct rk_err *err);

/* Flags of a mutation. */
#define MUT_QUIET UINT32_C(1) /* the serial stays, whatever changed (see tx_put) */
#define MUT_FRESH UINT32_C(2) /* never batched behind another one: for long imports */
/* fn looks at entities only through tx_get* and SQL, never at tx->snap for something that another
 * waiting mutation may have changed: snapshots are then made once per batch, not once per mutation.
 * For the paths that must do thousands a second (enrolment). */
#define MUT_STALE_SNAP UINT32_C(4)

/* By a chore that one process does for all (struct mgmt_chore, once): only while it is ours. */
#define MUT_CHORE UINT32_C(8)

/** Run fn on the account's lane and wait for the commit. Store thread (or any that may block),
 * never a loop or lane thread. Errors: fn's own; RK_NOT_FOUND (no such account); RK_UNAVAILABLE
 * (store: nothing was changed); RK_CANCELLED (closing). */
enum rk_code mgmt_mutate(struct mgmt *m, struct rk_str account_id, const struct actor *actor,
                         uint32_t flags, mgmt_fn *fn, void *arg, struct rk_err *err) RK_MUST;

struct mgmt_trial {                /* what a mutation would do; open */
    const struct snapshot *before; /* the account as it is, one reference */
    const struct snapshot *after;  /* as it would be, one reference */
    struct change *changes;        /* in order; arena of the caller */
    size_t n_changes;
};

/** Run fn as mgmt_mutate does, say what it did, and undo all of it: nothing is stored, published or
 *  told to anybody, and the serial stays. Rows and journal are written inside the transaction, so
 *  what the database would refuse is refused. *out is set with RK_OK alone; mgmt_trial_done. Store
 *  thread. Errors: as mgmt_mutate. */
enum rk_code mgmt_try(struct mgmt *m, struct rk_str account_id, const struct actor *actor,
                      mgmt_fn *fn, void *arg, struct rk_arena *mem, struct mgmt_trial *out,
                      struct rk_err *err) RK_MUST;
void mgmt_trial_done(struct mgmt_trial *t); /* drops the references */

/** mgmt_mutate, and *out says what it did, as mgmt_try would have: for good. */
enum rk_code mgmt_mutate_told(struct mgmt *m, struct rk_str account_id, const struct actor *actor,
                              mgmt_fn *fn, void *arg, struct rk_arena *mem, struct mgmt_trial *out,
                              struct rk_err *err) RK_MUST;

/* The same without waiting. Embed it; everything in it and behind arg stays the lane's until done,
 * which is called exactly once, on the lane thread: hand over and return. */
struct mgmt_mutation {
    struct rk_str account_id;
    const struct actor *actor;
    uint32_t flags;
    mgmt_fn *fn;
    void *arg;
    void (*done)(struct mgmt_mutation *mut);
    struct rk_err err;          /* out: code RK_OK when committed */
    uint64_t serial;            /* out: serial of the account after it */
    struct rk_list link;        /* private */
    bool ran;                   /* private */
    struct mgmt_trial *trial;   /* private; what it would do, or did */
    bool for_good;              /* private; with a trial: and do it */
    struct rk_arena *trial_mem; /* private */
};

/** Any thread. RK_LIMIT when too many wait, RK_CANCELLED when closing: then done is not called. */
enum rk_code mgmt_submit(struct mgmt *m, struct mgmt_mutation *mut, struct rk_err *err) RK_MUST;
#define MGMT_QUEUE_MAX 20000 /* one per registering agent of a very large fleet */

/** Wait until everything that was submitted before is over and its done() was called. For shutdown:
 *  before the loops stop that done() posts to. Any thread that may block. */
void mgmt_drain(struct mgmt *m);

/* ---- inside a mutation */

/**
 * Insert or update one entity by its id: SQL, journal row and change record. The struct itself is
 * copied at once; what it points to must live until done(): tx->mem, the op's own arena or a
 * snapshot, never the stack. account_id of the entity is ignored (the account's is stored).
 * Putting an entity equal to the present one changes nothing and records nothing.
 *
 * The serial grows by one when at least one changed entity can appear in a network map (peers,
 * groups, memberships, policies, posture checks, routes, networks' resources and routers,
 * nameserver groups, DNS settings, zones, records, services); not for users, tokens, keys, invites,
 * jobs, networks, the account row and settings: there call tx_raise_serial where the rules ask.
 *
 * Errors: RK_EXISTS (a unique column is taken: key, hash, name where unique …), RK_INVALID (text
 * not UTF-8), RK_UNAVAILABLE. After an error return it from fn; the database state is undone. The
 * address of `entity` is not kept. ENT_GROUP_PEER: struct group_peer.
 */
enum rk_code tx_put(struct tx *tx, enum entity_kind kind, const void *entity,
                    struct rk_err *err) RK_MUST;

/** As tx_put for a new entity, but a taken unique column is reported by *taken = true and RK_OK,
 * and nothing was written: for tries with another address or label. */
enum rk_code tx_insert_try(struct tx *tx, enum entity_kind kind, const void *entity, bool *taken,
                           struct rk_err *err) RK_MUST;

/** Delete by id. What belongs to it by the schema goes too and is recorded: group -> memberships;
 *  peer -> memberships; zone -> records; network -> resources and routers; user -> tokens;
 *  resource -> its place in groups. RK_NOT_FOUND when absent. Not for ENT_GROUP_PEER. */
enum rk_code tx_del(struct tx *tx, enum entity_kind kind, struct rk_str id,
                    struct rk_err *err) RK_MUST;

/** Memberships. Adding a member twice or removing a stranger is no error and changes nothing. */
enum rk_code tx_group_add_peer(struct tx *tx, struct rk_str group_id, struct rk_str peer_id,
                               struct rk_err *err) RK_MUST;
enum rk_code tx_group_del_peer(struct tx *tx, struct rk_str group_id, struct rk_str peer_id,
                               struct rk_err *err) RK_MUST;

/** Entity as this mutation left it: its own changes, then those batched before it, then the
 *  snapshot. NULL when absent. Lends until done(). */
const void *tx_get(struct tx *tx, enum entity_kind kind, struct rk_str id);
bool tx_group_has_peer(struct tx *tx, struct rk_str group_id, struct rk_str peer_id);

/** With MUT_STALE_SNAP: let tx->snap catch up with what was batched before this mutation. */
void tx_refresh(struct tx *tx);

/** Let tx->snap show this mutation's own changes so far, too: for several operations in one. */
void tx_show_own(struct tx *tx);

/** Raise the serial although no entity asked for it (at most once per mutation). */
void tx_raise_serial(struct tx *tx);

/** Serial that the account will have when this mutation commits as it stands. */
uint64_t tx_serial(const struct tx *tx);

/** Activity event in the same transaction. target and meta (JSON object text, may be empty) live as
 *  entities do. initiator: the actor. Does not count as a change. */
enum rk_code tx_event(struct tx *tx, int activity, struct rk_str target, struct rk_str meta,
                      struct rk_err *err) RK_MUST;
/** meta to what is stored: sealed where it names people, if there is a vault. arena */
enum rk_code event_meta_seal(const struct vault *v, struct rk_arena *mem, struct rk_str account_id,
                             struct rk_str *meta, struct rk_err *err) RK_MUST;
/** meta as it is stored, which is sealed where it names people, to what it was. arena */
enum rk_code event_meta_open(const struct vault *v, struct rk_arena *mem, struct rk_str account_id,
                             struct rk_str *meta, struct rk_err *err) RK_MUST;
/** With another initiator than the actor. */
enum rk_code tx_event_by(struct tx *tx, struct rk_str initiator, int activity, struct rk_str target,
                         struct rk_str meta, struct rk_err *err) RK_MUST;

/* ---- hearing of it */

/* Embedded in the listener's struct. changed() runs on the lane thread after each commit, in commit
 * order per account, before done() of the mutations; it must be quick and must not call back into
 * mgmt_mutate. old is NULL when an account is new or was loaded anew after a change by another
 * process (then changes is empty: assume everything). new is NULL when the account was deleted.
 * Borrowed for the call. */
struct mgmt_observer {
    void (*changed)(struct mgmt_observer *o, const struct snapshot *old, const struct snapshot *now,
                    const struct change *changes, size_t n_changes);
    struct rk_list link; /* private */
};

/** Any thread, but before traffic starts. Stays until mgmt_close. */
void mgmt_observe(struct mgmt *m, struct mgmt_observer *o);

/* ---- chores */

/* Something that is to be done from time to time, on the engine's own keeper thread, which may
 * block and mutate. Embedded in the owner's struct; errors are logged with `what`, at most once a
 * minute. */
struct mgmt_chore {
    const char *what; /* "ephemeral peers were not removed": for the log when it fails */
    enum rk_code (*run)(struct mgmt_chore *c, struct mgmt *m, struct db *db, struct rk_err *err);
    int64_t first_ms; /* after this much time, and then */
    int64_t every_ms; /* as often; a second is the finest */
    /* One process does it for all that share the store. What it changes by mgmt_mutate with
     * MUT_CHORE or by mgmt_chore_tx is refused (RK_CANCELLED) once another one has taken over. */
    bool once;
    int64_t due_ms;      /* private */
    struct rk_list link; /* private */
};

/** Any thread. Stays until mgmt_close. */
void mgmt_chore_add(struct mgmt *m, struct mgmt_chore *c);

/** For SQL of a chore with `once`, in its run() only: db_tx, while the chores are ours. */
enum rk_code mgmt_chore_tx(struct mgmt *m, struct db *db, db_tx_fn *fn, void *arg,
                           struct rk_err *err) RK_MUST;

/* ---- accounts */

/** Store a complete new account (all tables of d; ids and defaults are the caller's). RK_EXISTS. */
enum rk_code mgmt_account_insert(struct mgmt *m, const struct actor *actor,
                                 const struct account_data *d, struct rk_err *err) RK_MUST;

/** Delete an account with everything in it. RK_NOT_FOUND. */
enum rk_code mgmt_account_delete(struct mgmt *m, const struct actor *actor,
                                 struct rk_str account_id, struct rk_err *err) RK_MUST;

#endif
