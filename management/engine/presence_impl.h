/* SPDX-License-Identifier: BSD-3-Clause */
/* Start and end of the presence table, and what other processes say; for engine.c and keeper.c. */
#ifndef MGMT_PRESENCE_IMPL_H
#define MGMT_PRESENCE_IMPL_H

#include "lib/base/err.h"

struct db;
struct mgmt;

void presences_new(struct mgmt *m);
void presences_free(struct mgmt *m); /* accepts an engine without one */

/** Learn which peers are connected to other processes of the same database. */
enum rk_code presence_look(struct mgmt *m, struct db *db, struct rk_err *err) RK_MUST;

/** All that is connected here waits to be stored again: the rows may have lost it. Any thread. */
void presence_again(struct mgmt *m);

#endif
