/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Options of the official client that this agent does not have: each is refused with the reason, or
 * has no effect here and says so, so that nobody believes in what is not there. Main thread.
 */
#ifndef RK_AGENT_CLI_FOREIGN_H
#define RK_AGENT_CLI_FOREIGN_H

#include "lib/base/err.h"
#include "lib/base/log.h"

/** Take options without effect out of a command line (and tell it on stderr). *argc words are left.
 *  RK_PRECONDITION: one that would promise what is not there; `--option=false` never does. */
enum rk_code foreign_args(int *argc, char **argv, struct rk_err *err) RK_MUST;

/** Why a verb of the official client is not here; NULL for any other word. Lends. */
const char *foreign_verb(const char *verb);

/** The same for ROOK_… and NB_… of the environment: one line each in the log. */
void foreign_env(struct rk_log *log);

#endif
