/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What every long-running program does with its process: signals as values that the main thread
 * waits for, the descriptor limit, a log file that can be reopened.
 *
 *   main: rk_proc_new (before any thread) → start things → rk_proc_wait in a loop → stop things
 */
#ifndef RK_BASE_PROC_H
#define RK_BASE_PROC_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/log.h"

struct rk_proc;

enum rk_proc_event {
    RK_PROC_TIMEOUT,   /* nothing within the time */
    RK_PROC_TERMINATE, /* SIGTERM or SIGINT */
    RK_PROC_RELOAD,    /* SIGHUP */
    RK_PROC_WOKEN,     /* rk_proc_wake since the last wait */
};

/** Block the signals above in this thread and all that it starts later, ignore SIGPIPE, and raise
 *  the limit of open files to what is allowed. Main thread, first thing. Owned: rk_proc_free. */
enum rk_code rk_proc_new(struct rk_proc **out, struct rk_err *err) RK_MUST;
void rk_proc_free(struct rk_proc *p); /* accepts NULL */

/** Wait for the next event; timeout_ms < 0: for ever. Main thread. */
enum rk_proc_event rk_proc_wait(struct rk_proc *p, int64_t timeout_ms);

/** End a wait. Any thread; several wakes may become one event. */
void rk_proc_wake(struct rk_proc *p);

/** A log to stderr (path "console", "" or NULL) or appended to a file (mode 0600). The descriptor
 *  is *fd, for rk_log_new. Errors: RK_INVALID naming the file. */
enum rk_code rk_proc_log_open(const char *path, int *fd, struct rk_err *err) RK_MUST;

/** After a rotation: open the path again under the same descriptor. On an error the old file stays
 *  in use. Nothing to do for the console. */
enum rk_code rk_proc_log_reopen(const char *path, int fd, struct rk_err *err) RK_MUST;

#endif
