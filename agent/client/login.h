/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Logging in: a plain Login first; if management does not know us (or the session is over) and
 * there is a setup key or a person's token, a Login with it. Loop thread.
 */
#ifndef RK_AGENT_LOGIN_H
#define RK_AGENT_LOGIN_H

#include "agent/client/mgmt_client.h"
#include "agent/config/profile.h"
#include "agent/os/nl.h"
#include "schema/gen/management.pb-c.h"

struct login;

struct login_user { /* embedded in the owner's struct */
    const struct login_ops *ops;
};

struct login_ops {
    /** Exactly once; the login is gone. On success msg is the answer, checked to have signal and
     *  peer configuration, lent for the call. err: RK_FORBIDDEN (a login is needed: no or no valid
     *  credentials, session over), RK_NOT_FOUND (setup key refused), RK_PRECONDITION (labels, …),
     *  RK_UNAVAILABLE, RK_TIMEOUT … (temporary). */
    void (*done)(struct login_user *u, const Management__LoginResponse *msg,
                 const struct rk_err *err);
};

struct login_opts { /* borrowed for the call, handles until done */
    struct rk_loop *loop;
    struct rk_log *log;
    struct mgmt_client *mgc;
    struct nl_sock *route;
    const struct profile *profile;
    struct rk_str setup_key; /* empty: none */
    struct rk_str token;     /* of a person; empty: none */
    int64_t retry_ms;        /* go on after temporary errors for so long; 0: one attempt */
};

/* retry_ms: for as long as it takes, also when the server's certificate is refused. Else that ends
 * the login at once: somebody waits who can do something about it. */
#define LOGIN_FOR_EVER INT64_MAX

/** Owned until done: login_cancel. done is never called from inside. */
struct login *login_start(const struct login_opts *opts, struct login_user *user);
void login_cancel(struct login *l); /* no callback follows; accepts NULL */

/** Why the last attempt failed; code RK_OK before there was one. Lent until done. */
const struct rk_err *login_last_err(const struct login *l);

#endif
