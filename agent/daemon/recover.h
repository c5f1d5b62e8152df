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

#endif
