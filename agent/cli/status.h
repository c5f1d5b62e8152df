/* SPDX-License-Identifier: BSD-3-Clause */
/* Printing the answer of `status`. Main thread of a command. */
#ifndef RK_AGENT_CLI_STATUS_H
#define RK_AGENT_CLI_STATUS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "lib/base/cfg.h"
#include "lib/base/str.h"

/** The summary, with every peer in full before it when detail is set. */
void cli_status_print(FILE *out, const json_t *status, bool detail);

struct status_filter { /* empty: everything; borrowed */
    const struct rk_strs *ips, *names;
    struct rk_str status, path; /* "idle", "connecting", "connected"; "P2P", "Relayed" */
};

/** Leave only those peers in a status that all parts of the filter want. False: a word that is
 *  none. Names match whole, or up to a dot. */
bool cli_status_filter(json_t *status, const struct status_filter *f);

/** "live", "ready" or "startup": 0 when it holds, 1 when not, 2 for another word. */
int cli_status_check(const json_t *status, const char *what);

#endif
