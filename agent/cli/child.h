/* SPDX-License-Identifier: BSD-3-Clause */
/* What other programs say, for bundles and the doctor. Blocks; main thread of a command. */
#ifndef RK_AGENT_CLI_CHILD_H
#define RK_AGENT_CLI_CHILD_H

#include "lib/base/buf.h"

/** Append what a program of $PATH writes (both outputs), at most what fits, for at most 15 s (then
 *  it is killed). How it ended: its exit status; 127: it is not installed; -1: killed. */
int child_output(const char *const *argv, struct rk_buf *out);

#endif
