/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writing a ZIP archive (PKWARE APPNOTE 6.3, the parts that every program reads): entries deflated
 * one by one, the directory at the end. No encryption, no entries beyond 4 GiB. See
 * docs/decisions/0012-zip-by-zlib.md. Blocks; main thread of a command.
 */
#ifndef RK_AGENT_CLI_ZIP_H
#define RK_AGENT_CLI_ZIP_H

#include "lib/base/err.h"
#include "lib/base/str.h"

struct zip;

/** Over a new file; fd is taken. Owned: zip_end. */
struct zip *zip_new(int fd);

/** One file. Errors are kept until zip_end. */
void zip_add(struct zip *z, const char *name, struct rk_str content);

/** Write the directory and close. z is gone. Errors: RK_UNAVAILABLE (the disk), RK_LIMIT. */
enum rk_code zip_end(struct zip *z, struct rk_err *err) RK_MUST;

#endif
