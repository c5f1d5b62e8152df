/* SPDX-License-Identifier: BSD-3-Clause */
/* Activity events of versions that did not seal names and addresses of people: sealed afterwards.
 */
#ifndef MGMT_ENGINE_OLD_EVENTS_H
#define MGMT_ENGINE_OLD_EVENTS_H

#include <stdbool.h>

#include "management/engine/engine.h"

/** Seals some of the rows behind *after (0: from the beginning) in a transaction of its own, and
 * moves *after; *done: there are no more. Keeper thread. Errors: RK_UNAVAILABLE, RK_INTERNAL. */
RK_MUST enum rk_code old_events_seal(struct mgmt *m, struct db *db, int64_t *after, bool *done,
                                     struct rk_err *err);

#endif
