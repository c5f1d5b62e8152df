/* SPDX-License-Identifier: BSD-3-Clause */
/* Undo what a killed agent left on this host, by its state file. */
#ifndef RK_AGENT_RECOVER_H
#define RK_AGENT_RECOVER_H

#include "agent/config/state.h"
#include "agent/os/nl.h"
#include "lib/base/log.h"

/** Run every cleaner whose name is in the file; what succeeds is cleared, what fails stays for the
 *  next start and is logged. Blocks up to a second or so. Before anything is started. */
void recover(struct state *s, struct nl_sock *route, struct rk_log *log);

#endif
