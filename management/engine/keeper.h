/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The keeper: one thread of the engine for what time brings. Writes presence in batches, does
 * the chores of others (mgmt_chore_add).
 */
#ifndef MGMT_KEEPER_H
#define MGMT_KEEPER_H

#include "management/engine/engine.h"

struct keeper;

/** Owned: keeper_stop. Called by mgmt_open; the lanes are running. */
enum rk_code keeper_start(struct keeper **out, struct mgmt *m, struct rk_err *err) RK_MUST;
void keeper_stop(struct keeper *k); /* accepts NULL; writes pending presence first */

#endif
