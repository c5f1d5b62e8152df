/* SPDX-License-Identifier: BSD-3-Clause */
/* Start and end of the membership; for life.c and keeper.c. */
#ifndef MGMT_CLUSTER_IMPL_H
#define MGMT_CLUSTER_IMPL_H

#include "lib/base/err.h"
#include "lib/base/str.h"

struct mgmt;

/** Join, end the presence of processes that are no more, start to watch. The schema is there. */
enum rk_code cluster_start(struct mgmt *m, struct rk_err *err) RK_MUST;
/** Say farewell. Accepts an engine without one. */
void cluster_stop(struct mgmt *m);
/** Memory, once nobody asks any more. */
void cluster_free(struct mgmt *m);

#endif
