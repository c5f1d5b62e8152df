/* SPDX-License-Identifier: BSD-3-Clause */
/* The daemon's control socket; see proto.h for what goes over it. Loop thread. */
#ifndef RK_AGENT_CONTROL_SERVER_H
#define RK_AGENT_CONTROL_SERVER_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"

struct ctl_server;
struct ctl_req;

struct ctl_user { /* embedded in the owner's struct */
    const struct ctl_ops *ops;
};

struct ctl_ops {
    /** A request: answer it now or later by ctl_reply or ctl_fail, exactly once, unless gone comes
     *  first. args is an object, lent until then. */
    void (*request)(struct ctl_user *u, struct ctl_req *r, const char *call, const json_t *args);
    /** The command did not wait for its answer; r is gone. */
    void (*gone)(struct ctl_user *u, struct ctl_req *r);
};

/** Listen on a path; missing folders are made. A socket of a dead daemon is replaced, one of a
 *  living daemon is RK_EXISTS. Owned: ctl_server_close. */
enum rk_code ctl_server_open(struct rk_loop *loop, struct rk_log *log, const char *path,
                             struct ctl_user *user, struct ctl_server **out,
                             struct rk_err *err) RK_MUST;

/** Closes all connections and removes the socket; answers on their way are still sent. No callback
 *  follows; handles die on later turns. Accepts NULL. */
void ctl_server_close(struct ctl_server *s);

/** result is taken; NULL for none. */
void ctl_reply(struct ctl_req *r, json_t *result);
void ctl_fail(struct ctl_req *r, const struct rk_err *err);

/** User id of the command's process; (uid_t)-1 when the kernel does not say. */
uid_t ctl_uid(const struct ctl_req *r);

#endif
