/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daemon, `rook service run`.
 *
 *   commands --UNIX socket--> control/server --> app --> one job at a time (up, login, down,
 * logout)
 *                                                 |
 *                             profile, state <----+----> runloop --> login, engine
 *                                                                       |
 *          mgmt_client (Sync)   signal_client, relay_client, peer_conn  wg/device  os/route …
 *
 * Everything runs on one loop; the app owns it.
 */
#ifndef RK_AGENT_APP_H
#define RK_AGENT_APP_H

#include "agent/config/options.h"
#include "agent/config/profile.h"
#include "agent/config/profiles.h"
#include "lib/base/err.h"
#include "lib/base/log.h"

struct app_opts { /* borrowed until app_run has returned */
    const struct daemon_opts *daemon;
    struct profiles *profiles;
    struct profile *profile;   /* the active one; taken */
    const char *resolv_backup; /* where /etc/resolv.conf is kept while ours is in its place */
    struct rk_log *log;
    bool connect;    /* also when the profile says not to, or is new */
    bool foreground; /* end, with the reason, when the connection ends or fails for good */
};

/** Run until SIGINT or SIGTERM; then everything is undone before it returns. Errors: what keeps it
 *  from starting; in the foreground also what ended the connection. */
enum rk_code app_run(const struct app_opts *opts, struct rk_err *err) RK_MUST;

#endif
