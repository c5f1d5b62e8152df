/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Commands and variables of the official client that this agent does not have: each with the
 * reason, so that nobody believes in what is not there. (Its options are rows of
 * agent/config/options_foreign.c.) Main thread.
 */
#ifndef RK_AGENT_CLI_FOREIGN_H
#define RK_AGENT_CLI_FOREIGN_H

#include "lib/base/log.h"

/** Why a command of the official client is not here; NULL for any other words. Lends. */
const char *foreign_verb(int argc, char **argv);

/** ROOK_… and NB_… of the environment that do nothing here: one line each in the log. */
void foreign_env(struct rk_log *log);

#endif
