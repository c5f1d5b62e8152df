/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Events brought to others: syslog, a file of JSON lines, a webhook. Each receiver has a thread
 * that reads what is stored behind its place, brings it there and stores the new place:
 *
 *   store ──(events behind the place)──▶ lines ──▶ receiver ──▶ place
 *
 * So a slow receiver, or one that is away, costs nobody anything: what it has not got stays in the
 * store as long as that keeps it. At least once: a place that could not be stored is tried again.
 * Of several processes on one store one does it.
 */
#ifndef MGMT_EXPORT_EXPORT_H
#define MGMT_EXPORT_EXPORT_H

#include <stdbool.h>

#include "lib/base/metrics.h"
#include "management/engine/engine.h"

struct exports;
struct traffic; /* management/traffic/traffic.h */

struct export_opts {          /* open; texts are copied; NULL or "": no such receiver */
    struct mgmt *mgmt;        /* lent until exports_stop */
    struct traffic *traffic;  /* NULL: there are none */
    bool audit, with_traffic; /* which events */
    const char *syslog;       /* "udp://host:port", "tcp://host:port", "unix:/path" */
    const char *file;
    const char *webhook;          /* https://…, http://… */
    struct rk_str webhook_secret; /* signs; empty: not signed */
    const char *names[3];         /* of those three options, for errors */
    struct rk_metrics *metrics;   /* may be NULL */
};

/** Whether the texts can be understood. Errors: RK_INVALID. */
enum rk_code exports_check(const struct export_opts *opts, struct rk_err *err) RK_MUST;

/** Start the threads. A receiver that is new begins with what comes from now on. *out NULL: there
 *  are none. Owned: exports_stop. Errors: RK_INVALID, those of mgmt_db_open. */
enum rk_code exports_start(const struct export_opts *opts, struct exports **out,
                           struct rk_err *err) RK_MUST;

/** Finish what is under way; before the engine and the store of traffic end. Accepts NULL. */
void exports_stop(struct exports *x);

#endif
