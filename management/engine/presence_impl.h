/* SPDX-License-Identifier: BSD-3-Clause */
/* Start and end of the presence table, and what other processes say; for engine.c and keeper.c. */
#ifndef MGMT_PRESENCE_IMPL_H
#define MGMT_PRESENCE_IMPL_H

#include "lib/base/err.h"
#include "lib/base/str.h"

struct db;
struct mgmt;

void presences_new(struct mgmt *m);
void presences_free(struct mgmt *m); /* accepts an engine without one */

/** Learn which peers are connected to other processes of the same database, and write again what
 *  is connected here and lost its row. */
enum rk_code presence_look(struct mgmt *m, struct db *db, struct rk_err *err) RK_MUST;

/** The same of some: ids with commas between, as another process told them after a batch. */
enum rk_code presence_look_at(struct mgmt *m, struct db *db, struct rk_str ids,
                              struct rk_err *err) RK_MUST;

/* First byte of the news of a presence batch, in the place of an account's id. */
#define PRESENCE_NEWS "!"

/** All that is connected here waits to be stored again: the rows may have lost it. Any thread. */
void presence_again(struct mgmt *m);

#endif
