/* SPDX-License-Identifier: BSD-3-Clause */
/* What refers to what in an account, beyond the foreign keys of the store. Any thread. */
#ifndef MGMT_OPS_REFS_H
#define MGMT_OPS_REFS_H

#include "management/engine/engine.h"

/** A reference to an entity; false ends the walk. */
typedef bool refs_fn(void *arg, enum entity_kind kind, struct rk_str id);

/** Each reference of an entity to another one, memberships of peers apart. False when fn ended the
 *  walk. */
bool refs_each(enum entity_kind kind, const void *entity, refs_fn *fn, void *arg);

/** Everything that the entity refers to is there (for this mutation), and no other has a name that
 *  must be its own. Errors: RK_PRECONDITION, which names what is missing. */
enum rk_code refs_check(struct tx *tx, enum entity_kind kind, const void *entity,
                        struct rk_err *err) RK_MUST;

/** Nothing of tx->snap refers to the entity but what `gone` says is deleted with it. Errors:
 *  RK_PRECONDITION, which names what does. */
enum rk_code refs_unused(struct tx *tx, enum entity_kind kind, struct rk_str id, refs_fn *gone,
                         void *arg, struct rk_err *err) RK_MUST;

#endif
