/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The account in the past, from the journal: which changes there were, what the account was at a
 * moment, and one change taken back.
 *
 *   now ──(entries behind the moment, backwards)──▶ snapshot of then     nothing is kept for it
 *
 * Costs what the entries between cost, and nothing while nobody asks. Store thread.
 */
#ifndef MGMT_OPS_HISTORY_H
#define MGMT_OPS_HISTORY_H

#include "management/ops/op.h"

#define HISTORY_PAGE     100
#define HISTORY_PAGE_MAX 1000
#define HISTORY_ENTITIES 100000             /* entities that a moment may be away: bounds memory */
#define HISTORY_BYTES    ((size_t)64 << 20) /* of their states, as the journal has them */

struct history_entry { /* one changed entity; texts in the arena */
    int64_t seq;       /* place in the journal */
    int64_t version;   /* equal for all that was changed at once */
    int64_t serial;    /* of the account after it */
    int64_t at_us;
    struct rk_str actor; /* user, peer, setup key, or "sys" */
    struct rk_str op;    /* create, update, delete */
    struct rk_str kind, id;
    struct rk_str before, after; /* as stored: sealed where it names people; empty: none */
    const struct vault *vault;   /* opens what is sealed; borrowed; NULL: nothing is opened */
};

struct history_filter {
    struct rk_str kind, id, actor; /* empty: any */
    int64_t since_us, until_us;    /* until_us 0: no end */
    int64_t seq;                   /* 0: any */
    int64_t limit, offset;
};

/** Entries, newest first. arena. Errors: RK_FORBIDDEN, RK_UNAVAILABLE. */
enum rk_code history_list(struct op *op, const struct history_filter *f, struct history_entry **out,
                          size_t *n, struct rk_err *err) RK_MUST;

/** Entries behind one, oldest first, for whoever follows the journal and has the right to. arena.
 *  Errors: RK_UNAVAILABLE. */
enum rk_code history_after(struct db *db, struct rk_arena *mem, struct rk_str account_id,
                           int64_t seq, int64_t limit, struct history_entry **out, size_t *n,
                           struct rk_err *err) RK_MUST;

/** The last entry that was pruned (0: none was) and the last that there is. */
enum rk_code history_span(struct db *db, struct rk_str account_id, int64_t *before, int64_t *last,
                          struct rk_err *err) RK_MUST;

/** Names of the columns that differ between the two states of an entry; sealed ones differ where
 *  they cannot be opened. arena */
struct str_list history_fields(struct rk_arena *mem, const struct history_entry *e);

/** A text column of the entity, as it is after the entry (or was, when it is gone); empty when
 * there is none. arena */
struct rk_str history_text(struct rk_arena *mem, const struct history_entry *e, const char *column);

/** A moment as people write it: RFC 3339, "now", "yesterday", or how long ago ("90m", "7d").
 *  Errors: RK_INVALID. */
enum rk_code history_time(struct rk_str text, int64_t now_us, int64_t *out_us,
                          struct rk_err *err) RK_MUST;

/** The account as it was at a time (now and later: as it is). *out has one reference. Errors:
 *  RK_FORBIDDEN; RK_INVALID: before the journal or the account begins, too far away;
 * RK_PRECONDITION (written by an older version in another form). */
enum rk_code history_at(struct op *op, int64_t at_us, const struct snapshot **out,
                        struct rk_err *err) RK_MUST;

/** What was changed behind one moment and up to another one, entity by entity: how each was at the
 *  first and at the second. arena. */
enum rk_code history_between(struct op *op, const struct snapshot *from, const struct snapshot *to,
                             int64_t from_us, int64_t to_us, struct change **out, size_t *n,
                             struct rk_err *err) RK_MUST;

/** Take back everything that was changed together with an entry, as a new change. Errors:
 *  RK_FORBIDDEN (it needs the rights of each change), RK_NOT_FOUND, RK_PRECONDITION naming what was
 *  changed since, what would refer to nothing, or what cannot be taken back (users, tokens, keys,
 *  jobs). */
enum rk_code history_undo(struct op *op, int64_t seq, struct rk_err *err) RK_MUST;

#endif
