/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Commands and variables of the official client that this agent does not have: each with the
 * reason, so that nobody believes in what is not there. (Its options are rows of
 * agent/config/options_foreign.c.) Main thread.
 */
#ifndef RK_AGENT_CLI_FOREIGN_H
#define RK_AGENT_CLI_FOREIGN_H

#include "agent/config/options.h"
#include "lib/base/log.h"

/** Why a command of the official client is not here; NULL for any other words. Lends. */
const char *foreign_verb(int argc, char **argv);

/** ROOK_… and NB_… of the environment that do nothing here: one line each in the log, with the
 *  reason, or that nothing has that name (of 16 at most). */
void foreign_env(struct rk_log *log);

/** Those of the official client that say what an option says here: NB_SKIP_NFTABLES_CHECK and
 *  NB_FORCE_USERSPACE_FIREWALL (--firewall), NB_LOG_FORMAT (--log-json), unless that is given. */
void foreign_env_apply(const struct rk_opts *o, struct daemon_opts *d);

#endif
