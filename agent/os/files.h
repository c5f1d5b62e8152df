/* SPDX-License-Identifier: BSD-3-Clause */
/* Small files written whole and safely. Blocks on the disk; any thread. */
#ifndef RK_AGENT_OS_FILES_H
#define RK_AGENT_OS_FILES_H

#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

/** Write beside the file, flush to the disk, put it in its place: after a crash there is the old
 *  one or the new one. Missing folders are made with mode 0700. */
enum rk_code files_write(const char *path, struct rk_str text, mode_t mode,
                         struct rk_err *err) RK_MUST;

/** As files_write, and tells what was replaced: in *was what stood there at that moment, also what
 *  somebody put there just before, *there: there was a file. Where the file cannot be exchanged (it
 *  is mounted by itself, as in containers) its content is, and what is told was read just before.
 *  Symbolic links are followed; mode and owner of a file that is there are kept. A file that cannot
 *  be read stays, and is an error; also in files_take. */
enum rk_code files_exchange(const char *path, struct rk_str text, mode_t mode, struct rk_buf *was,
                            bool *there, struct rk_err *err) RK_MUST;

/** Remove a file and tell what was in it (nothing: there was none). A link itself is removed. */
enum rk_code files_take(const char *path, struct rk_buf *was, struct rk_err *err) RK_MUST;

/** Make a folder and those above it (mode 0700 for new ones). */
enum rk_code files_mkdir(const char *path, struct rk_err *err) RK_MUST;

#endif
