/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files that commands of `rookery admin` write where they are told to. They run as root mostly, so
 * a slip of the hand ("backup rookery.db", "backup /dev/null") must not cost a store or a device.
 */
#ifndef SERVER_ADMIN_OUT_H
#define SERVER_ADMIN_OUT_H

#include <stdbool.h>

#include "lib/base/err.h"
#include "server/admin.h"

/** May path be written? It must be absent, empty, or an earlier file of the same command, which
 *  begins so (at most 64 bytes), and no name that the store of `a` or its keys have, there or not.
 *  *file: false for what is there and no regular file (devices, pipes, folders): never to be
 *  replaced. Errors: RK_PRECONDITION for anything else. */
enum rk_code admin_out_check(const struct admin *a, const char *path, const char *begins,
                             bool *file, struct rk_err *err) RK_MUST;

#endif
