/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which backups were made: the file last-backup in the data folder. Its own time is that of the
 * last one (for the metric and the doctor); a line each for the last BACKUP_LOG_MAX:
 *
 *   UNIX-TIME BYTES PATH
 */
#ifndef SERVER_BACKUP_LOG_H
#define SERVER_BACKUP_LOG_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"

#define BACKUP_LOG_MAX 14

/** A backup was written to path just now. Blocks on the disk. Errors: RK_UNAVAILABLE. */
enum rk_code backup_log_add(const char *log, const char *path, struct rk_err *err) RK_MUST;

/** [{"time":…,"size_bytes":…,"path":…}], newest first; [] when none is known. Blocks on the disk.
 */
void backup_log_put(const char *log, struct rk_buf *out);

#endif
