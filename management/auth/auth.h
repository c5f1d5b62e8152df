/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who asks: from a token to a user, for whoever serves requests. It knows no protocol: what is
 * wrong is one of a few faults, which REST and RPC each answer in their own way.
 */
#ifndef MGMT_AUTH_AUTH_H
#define MGMT_AUTH_AUTH_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

struct db;
struct snapshot;

enum auth_fault {
    AUTH_OK,
    AUTH_BAD,         /* no token of anybody whom we trust, or not for us */
    AUTH_EXPIRED,     /* it was good once: time is over, or all older logins were ended */
    AUTH_USED,        /* it has logged in before, and does so once */
    AUTH_NOT_ALLOWED, /* a good token of somebody who may not come in: groups, blocked, waiting */
    AUTH_NO_ACCOUNT,  /* the user cannot be found or made */
    AUTH_UNAVAILABLE, /* cannot be told now: keys, store */
    AUTH_FAULTS
};

struct auth_found {              /* open */
    struct rk_str user_id;       /* arena; a user of `snap` */
    const struct snapshot *snap; /* one reference, the caller's */
};

/* Store thread. On AUTH_OK *out is filled, else *why says what was found and expected; it has been
 * logged. */
struct auth {
    /** Of a request; the user may be blocked: operations check what they may do. */
    enum auth_fault (*request)(struct auth *a, struct db *db, struct rk_arena *mem,
                               struct rk_str token, struct auth_found *out, struct rk_err *why);
    /** Of a machine that logs in: the token is used up, and the user must be active. */
    enum auth_fault (*login)(struct auth *a, struct db *db, struct rk_arena *mem,
                             struct rk_str token, struct auth_found *out, struct rk_err *why);
};

#endif
