/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The journal: one row per changed entity, in the transaction of the change, chained per account:
 *
 *   hash(n) = SHA-256( hash(n-1) | version | serial | at | actor | op | kind | id | before | after
 * )
 *
 * numbers as 8 bytes and texts behind a length of 8 bytes, all big-endian; hash(0) is 32 zero
 * bytes. The end of the chain stands in account_head, so neither an altered, inserted, dropped nor
 * truncated row goes unnoticed, short of rewriting the whole rest with the head.
 */
#ifndef STORE_JOURNAL_H
#define STORE_JOURNAL_H

#include <string.h>

#include "lib/crypto/hash.h"
#include "management/store/db.h"

struct journal_head { /* end of an account's chain; open */
    int64_t seq;      /* 0: empty */
    uint8_t hash[HASH_SHA256_SIZE];
};

enum journal_op { JOURNAL_CREATE, JOURNAL_UPDATE, JOURNAL_DELETE };

struct journal_row { /* open; borrowed for the call */
    struct rk_str account_id;
    int64_t version; /* of the account, the same for all rows of one commit */
    int64_t serial;
    int64_t at_us;
    struct rk_str actor;
    enum journal_op op;
    struct rk_str kind; /* entity_kind_text */
    struct rk_str entity_id;
    struct rk_str before, after; /* JSON; empty: did not or does not exist */
};

/** Insert a row behind *head and move *head. Inside the transaction that holds the account's row.
 */
enum rk_code journal_append(struct db *db, struct journal_head *head, const struct journal_row *row,
                            struct rk_err *err) RK_MUST;

/** Is that row, as it is stored, the one behind *at? Then *at moves to it; *fits false: another
 *  chain, or a row is missing. op: the stored text. Errors: RK_LIMIT. */
enum rk_code journal_step(struct journal_head *at, int64_t seq, const struct journal_row *row,
                          struct rk_str op, struct rk_str hash, bool *fits,
                          struct rk_err *err) RK_MUST;

static inline bool journal_head_eq(const struct journal_head *a, const struct journal_head *b)
{
    return a->seq == b->seq && memcmp(a->hash, b->hash, sizeof a->hash) == 0;
}

struct journal_report { /* open */
    int64_t rows;       /* checked */
    bool broken;
    int64_t bad_seq;  /* where the chain does not hold */
    char reason[120]; /* what is wrong, for people */
};

/** Check the chain of one account against its head, a thousand rows at a time. A broken chain is a
 *  result, not an error. RK_NOT_FOUND: no such account. */
enum rk_code journal_verify(struct db *db, struct rk_str account_id, struct journal_report *out,
                            struct rk_err *err) RK_MUST;

/** Every account that ever was, stopping at the first broken one (whose id goes to *account_id in
 *  mem; out->rows counts all). */
enum rk_code journal_verify_all(struct db *db, struct rk_arena *mem, struct rk_str *account_id,
                                struct journal_report *out, struct rk_err *err) RK_MUST;

struct journal_prune { /* open */
    struct rk_str account_id;
    int64_t before_us; /* drop what is older, */
    int64_t keep_rows; /* and the oldest when there are more (0: however many) */
    int64_t dropped;   /* out: by the last step */
};

/** A db_tx_fn, arg is a struct journal_prune: drop some rows; the chain then starts behind them.
 *  Until nothing was dropped: each step is a transaction, so that the lock is short. RK_NOT_FOUND:
 *  no such account. */
enum rk_code journal_prune_step(struct db *db, void *arg, struct rk_err *err) RK_MUST;

#endif
