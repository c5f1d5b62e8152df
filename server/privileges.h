/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Root until the configuration is read, somebody else before anything is served: for containers
 * that are started as root because what is mounted into them belongs to root (the official image's
 * way). Main thread, before any other thread.
 */
#ifndef RK_SERVER_PRIVILEGES_H
#define RK_SERVER_PRIVILEGES_H

#include "lib/base/err.h"
#include "lib/base/str.h"

/** Become "UID:GID" for good: give the data folder (made when it is missing) and what is in it to
 *  them, and keep only the right to open ports below 1024. Nothing happens when `who` is empty or
 *  the process is not root. Errors: RK_INVALID for a `who` that is not two numbers above 0, else
 *  what the system said; the process must not go on then. */
enum rk_code privileges_drop(struct rk_str who, struct rk_str data_dir, struct rk_err *err) RK_MUST;

/** RK_INVALID unless it is UID:GID. */
enum rk_code privileges_check(struct rk_str who, struct rk_err *err);

#endif
