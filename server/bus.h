/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bus between the signal services of processes that share one PostgreSQL (signal/bus.h):
 * messages for streams that are not here go to every other living process, packed, by NOTIFY on the
 * channel of each (management/engine/cluster.h); who has the stream delivers, the others drop it.
 *
 *   loop threads ─▶ queue (bounded) ─▶ sender ─ NOTIFY ─▶ receiver of the others ─▶ their streams
 *                                         └─ larger ones through table signal_parcel
 *
 * What was under way when a connection broke is lost, as on any network: agents offer again.
 */
#ifndef RK_SERVER_BUS_H
#define RK_SERVER_BUS_H

#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/metrics.h"
#include "signal/bus.h"

struct bus;
struct mgmt;
struct sig_app;

/** Not running yet; lent to sig_app_new. Owned: bus_free. log and metrics may be NULL; lent. */
struct bus *bus_new(struct mgmt *m, struct rk_log *log, struct rk_metrics *metrics);
struct sig_bus *bus_of_signal(struct bus *b);

/** Start its threads. app outlives bus_stop. Errors: RK_UNAVAILABLE. */
enum rk_code bus_start(struct bus *b, struct sig_app *app, struct rk_err *err) RK_MUST;
void bus_stop(struct bus *b); /* idempotent; accepts NULL */
void bus_free(struct bus *b); /* stopped, and no loop runs any more; accepts NULL */

#endif
