/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading whole small files. Blocks on the disk: never on a loop thread. Any other thread. */
#ifndef RK_BASE_FILE_H
#define RK_BASE_FILE_H

#include "lib/base/buf.h"
#include "lib/base/err.h"

/** Refuse a file that others than its owner may read. */
#define RK_FILE_PRIVATE 1u
/** Refuse what is no plain file of that name itself (a link, a pipe): in a folder where somebody
 * with fewer rights writes. */
#define RK_FILE_PLAIN 2u

/**
 * Append the whole file to out, whose ceiling is the largest size allowed. What was read is in out
 * also after an error; wipe it when it may be secret. Errors name the path: RK_NOT_FOUND;
 * RK_FORBIDDEN: not allowed to read it, or refused as the flags say; RK_LIMIT: larger
 * than out may be; RK_UNAVAILABLE: the disk.
 */
enum rk_code rk_file_read(const char *path, unsigned flags, struct rk_buf *out,
                          struct rk_err *err) RK_MUST;

/** At most size bytes from the front into a caller's buffer, for files of the kernel; how many, 0
 *  when it cannot be read. */
size_t rk_file_peek(const char *path, char *buf, size_t size);

#endif
