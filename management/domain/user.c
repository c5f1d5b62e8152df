/* SPDX-License-Identifier: BSD-3-Clause */
/* See user.h; the text forms are in enums.c. */
#include "config.h"

#include "management/domain/user.h"

bool user_is_active_human(const struct user *u)
{
    return !u->blocked && !u->is_service;
}
