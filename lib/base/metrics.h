/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counters, gauges and histograms in the Prometheus text format (version 0.0.4). A registry owns
 * its metrics; updating one is one relaxed atomic add. Any thread.
 */
#ifndef RK_BASE_METRICS_H
#define RK_BASE_METRICS_H

#include <stdint.h>

#include "lib/base/buf.h"

struct rk_metrics;
struct rk_metric;

struct rk_metrics *rk_metrics_new(void);
void rk_metrics_free(struct rk_metrics *m); /* accepts NULL */

/** Register by name; labels is a literal such as "type=\"offer\"" or NULL. The same name may be
 *  registered with several labels; help of the first counts. Name and labels that are registered
 *  already give the metric that is there. Lent, lives as long as the registry. m NULL gives NULL,
 *  and all update calls accept NULL. */
struct rk_metric *rk_metric_counter(struct rk_metrics *m, const char *name, const char *labels,
                                    const char *help);
struct rk_metric *rk_metric_gauge(struct rk_metrics *m, const char *name, const char *labels,
                                  const char *help);
/** bounds: n ascending upper bounds in the metric's unit (integers), at most 16. */
struct rk_metric *rk_metric_histogram(struct rk_metrics *m, const char *name, const char *labels,
                                      const char *help, const int64_t *bounds, size_t n);

/** The same for a metric whose unit is coarser than what is observed: observations and bounds are
 *  in thousandths of the unit that is printed (microseconds observed, milliseconds shown). */
struct rk_metric *rk_metric_histogram_milli(struct rk_metrics *m, const char *name,
                                            const char *labels, const char *help,
                                            const int64_t *bounds, size_t n);

/** Microseconds observed, seconds shown. */
struct rk_metric *rk_metric_histogram_micro(struct rk_metrics *m, const char *name,
                                            const char *labels, const char *help,
                                            const int64_t *bounds, size_t n);

void rk_metric_add(struct rk_metric *c, int64_t v);
void rk_metric_set(struct rk_metric *g, int64_t v);
void rk_metric_observe(struct rk_metric *h, int64_t v);
int64_t rk_metric_value(const struct rk_metric *c);

/** Ask `write` for more text at each rk_metrics_write, behind everything else: for series whose
 *  values are looked up when they are asked for. It writes whole families with HELP and TYPE, must
 *  not block, and may run on any thread; one at a time. arg is lent. At most 8. m may be NULL. */
typedef void rk_metrics_writer(void *arg, struct rk_buf *out);
void rk_metrics_collect(struct rk_metrics *m, rk_metrics_writer *write, void *arg);
/** Take it back: when this returns `write` does not run and will not be called. */
void rk_metrics_uncollect(struct rk_metrics *m, rk_metrics_writer *write, void *arg);

/** All metrics in text form. */
void rk_metrics_write(const struct rk_metrics *m, struct rk_buf *out);

#endif
