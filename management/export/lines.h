/* SPDX-License-Identifier: BSD-3-Clause */
/* Stored events as lines of JSON, with names as they are now. */
#ifndef MGMT_EXPORT_LINES_H
#define MGMT_EXPORT_LINES_H

#include "management/engine/engine.h"
#include "management/export/receiver.h"
#include "management/traffic/read.h"

/** Events behind a place, in the store's order. Activity: up to the first that did not come before
 * a time. arena. Errors: RK_UNAVAILABLE. */
enum rk_code lines_audit(struct mgmt *m, struct db *db, int64_t place, int64_t before_us,
                         int64_t most, struct rk_arena *mem, struct export_line **out, size_t *n,
                         struct rk_err *err) RK_MUST;
enum rk_code lines_traffic(struct mgmt *m, struct traffic *t, int64_t place, int64_t most,
                           struct rk_arena *mem, struct export_line **out, size_t *n,
                           struct rk_err *err) RK_MUST;

#endif
