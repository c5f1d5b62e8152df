/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether the store can be used, found out by using it: a thread of its own looks every second, so
 * that /readyz answers at once and says the truth.
 *
 *   SQLite      the file is there, is a database, its disk takes a write, its pages hold together
 *   PostgreSQL  the server answers and takes writes
 *
 * After a write of the server itself failed (probe_note) a real write must succeed before the store
 * counts as usable again. An outage is one log line when it begins and one when it ends; between
 * them the log's outage mark is set, and failed requests do not log their own (lib/base/log.h).
 */
#ifndef STORE_PROBE_H
#define STORE_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/base/metrics.h"
#include "management/store/db.h"

struct probe;

struct probe_opts {             /* open; copied */
    const char *url;            /* of the store */
    struct rk_log *log;         /* lent until probe_free; may be NULL */
    struct rk_metrics *metrics; /* likewise */
};

/** A probe that takes notes and says yes until probe_start. Owned: probe_free. */
struct probe *probe_new(const struct probe_opts *opts);
/** Start to look, once the schema is there. Errors: RK_INTERNAL (no thread). */
enum rk_code probe_start(struct probe *p, struct rk_err *err) RK_MUST;
void probe_free(struct probe *p); /* accepts NULL */

/** Usable now? why gets the reason, naming path or host, never a password. Any thread, does not
 *  block. p NULL: yes. */
bool probe_ok(struct probe *p, char why[240]);

/** How long the store has not been usable, in ms; 0: it is. Any thread. p NULL: 0. */
int64_t probe_age_ms(struct probe *p);

/** A write of the server failed (err->code is RK_UNAVAILABLE or RK_INTERNAL). Others are ignored.
 *  Any thread. */
void probe_note(struct probe *p, const struct rk_err *err);

/** {"ok":…,"engine":…,…}: state, reason, since when, size on disk. Any thread. */
void probe_json(struct probe *p, struct rk_buf *out);

/** Path of the file behind an SQLite URL ("sqlite:PATH", "sqlite://PATH" or a bare path). Lent from
 *  the URL. */
const char *probe_sqlite_path(const char *url);

#endif
