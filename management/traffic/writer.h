/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one thread that writes traffic events. Whatever waits goes in one transaction; while the
 * store cannot be reached it is tried again, so a batch that was taken is stored before it is done,
 * or cancelled by the end of the process. Any thread but for what `done` says.
 */
#ifndef MGMT_TRAFFIC_WRITER_H
#define MGMT_TRAFFIC_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/list.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "management/traffic/row.h"

struct traffic_writer;

struct traffic_batch { /* embedded; the writer's from put to done */
    struct rk_str account_id;
    struct traffic_row *rows;
    size_t n;
    struct rk_loop *loop;
    void (*done)(struct traffic_batch *b, bool stored); /* on loop, once */
    struct rk_list link;                                /* private */
    struct rk_task task;                                /* private */
    bool stored;                                        /* private */
};

struct traffic_writer_opts { /* open */
    struct db *db;           /* taken */
    int64_t keep_days, keep_rows;
    struct rk_log *log; /* lent; may be NULL */
};

/** Starts the thread. Owned: traffic_writer_free. Errors: RK_UNAVAILABLE (db is closed). */
enum rk_code traffic_writer_new(const struct traffic_writer_opts *opts, struct traffic_writer **out,
                                struct rk_err *err) RK_MUST;
void traffic_writer_put(struct traffic_writer *w, struct traffic_batch *b);

/** Rows that were taken and are not stored. */
size_t traffic_writer_waiting(struct traffic_writer *w);

/** Try once more what waits, then hand back the rest; join. Idempotent. */
void traffic_writer_stop(struct traffic_writer *w);
void traffic_writer_free(struct traffic_writer *w); /* stops first; accepts NULL */

#endif
