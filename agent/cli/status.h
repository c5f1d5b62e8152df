/* SPDX-License-Identifier: BSD-3-Clause */
/* Printing the answer of `status`. Main thread of a command. */
#ifndef RK_AGENT_CLI_STATUS_H
#define RK_AGENT_CLI_STATUS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/** The summary, with every peer in full before it when detail is set. */
void cli_status_print(FILE *out, const json_t *status, bool detail);

/** "live", "ready" or "startup": 0 when it holds, 1 when not, 2 for another word. */
int cli_status_check(const json_t *status, const char *what);

#endif
