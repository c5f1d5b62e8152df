/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Series that every program has: which build runs (rookery_build_info) and what the process uses
 * (process_*, the names of Prometheus' client libraries). Read from /proc when they are asked for.
 */
#ifndef RK_BASE_PROCSTAT_H
#define RK_BASE_PROCSTAT_H

#include "lib/base/metrics.h"

/** Add them to a registry. program: a literal such as "rookery". Before the first scrape. */
void rk_procstat_register(struct rk_metrics *m, const char *program);

#endif
