/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Secrets in files of a data folder: one line of text, mode 0600, made on first use. A file that
 * exists is never overwritten, so two processes that start at once agree on one value. Blocks on
 * files. Any thread.
 */
#ifndef RK_CRYPTO_KEYFILE_H
#define RK_CRYPTO_KEYFILE_H

#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

#define KEYFILE_MAX 4096 /* bytes of a file that is read */

/** Make the folder (mode 0700) with its parents' last missing level; fine when it exists.
 *  Errors: RK_FORBIDDEN, RK_UNAVAILABLE naming it. */
enum rk_code keyfile_dir(struct rk_str dir, struct rk_err *err) RK_MUST;

/** The text of dir/name without white space at its ends. arena.
 *  Errors: RK_NOT_FOUND; RK_FORBIDDEN (also when others may read the file); RK_INVALID (empty). */
enum rk_code keyfile_read(struct rk_arena *mem, struct rk_str dir, const char *name,
                          struct rk_str *out, struct rk_err *err) RK_MUST;

/** The same, and when there is no file one is made of n random bytes in base64 (with fsync of file
 *  and folder before it returns). *made may be NULL. */
enum rk_code keyfile_get(struct rk_arena *mem, struct rk_str dir, const char *name, size_t n,
                         struct rk_str *out, bool *made, struct rk_err *err) RK_MUST;

/** Make dir/name with this text, as if it had been made here. Errors: RK_EXISTS, and those of
 *  keyfile_get. */
enum rk_code keyfile_write(struct rk_str dir, const char *name, struct rk_str text,
                           struct rk_err *err) RK_MUST;

/** Remove dir/name; fine when it is not there. */
void keyfile_remove(struct rk_str dir, const char *name);

#endif
