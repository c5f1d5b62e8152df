/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Do the tables say what the journal says? The chain (journal.h) shows that the journal itself was
 * not altered; this compares every entity of an account with the last state that the journal has of
 * it, so that a row that was changed, added or removed by hand is noticed, too.
 *
 * Not compared, because it is not journaled: presence, when a token was last used, and the tables
 * of the identity provider. Nothing is said of entities whose last entry was pruned.
 */
#ifndef STORE_JOURNAL_STATE_H
#define STORE_JOURNAL_STATE_H

#include "management/store/journal.h"
#include "management/store/store.h"

/** Compare one account. s->vault opens sealed columns. A difference is a result in *out (broken,
 *  reason, bad_seq: the entry that says otherwise), not an error; rows grows by the entities that
 *  were compared. Inside a read transaction of the caller when the server runs. */
enum rk_code journal_state_verify(struct store *s, struct rk_str account_id,
                                  struct journal_report *out, struct rk_err *err) RK_MUST;

/** Chain and tables of every account in one read transaction, stopping at the first that is broken,
 *  whose id goes to *account_id (in mem). out->rows counts journal entries. */
enum rk_code journal_state_verify_all(struct db *db, const struct vault *vault,
                                      struct rk_arena *mem, struct rk_str *account_id,
                                      struct journal_report *out, struct rk_err *err) RK_MUST;

#endif
