/* SPDX-License-Identifier: BSD-3-Clause */
/* Entries of the journal as every answer shows them: JSON with names beside the ids. Any thread. */
#ifndef MGMT_OPS_HISTORY_PUT_H
#define MGMT_OPS_HISTORY_PUT_H

#include "management/ops/history.h"

/** Append the object of an entry. s: where names are looked up. actor: may the reader know who did
 *  it? mem: for what is in between. */
void history_put(struct rk_arena *mem, const struct snapshot *s, const struct history_entry *e,
                 bool actor, struct rk_buf *b);

/** Name of a user, peer or setup key; empty for others and for those that are gone. Lent by s. */
struct rk_str history_actor_name(const struct snapshot *s, struct rk_str id);

#endif
