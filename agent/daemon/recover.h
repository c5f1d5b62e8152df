/* SPDX-License-Identifier: BSD-3-Clause */
/* Undo what a killed agent left on this host, by its state file. */
#ifndef RK_AGENT_RECOVER_H
#define RK_AGENT_RECOVER_H

#include <stdbool.h>

#include "agent/config/state.h"
#include "agent/os/nl.h"
#include "lib/base/log.h"

/** Run every cleaner whose name is in the file; what succeeds is cleared, what fails stays for the
 *  next start and is logged. Blocks up to a second or so. Before anything is started. keep_routes:
 * a connection follows at once, which takes over rules and table; an exit node's traffic must not
 *  leave in the clear in between. */
void recover(struct state *s, struct nl_sock *route, bool keep_routes, struct rk_log *log);

/** The same for one name of the file, whose note is gone then. Names that are no note of something
 *  to undo stay as they are. Errors: it could not be undone, and the note stays. */
enum rk_code recover_one(struct state *s, struct nl_sock *route, const char *name,
                         struct rk_log *log, struct rk_err *err) RK_MUST;

#endif
