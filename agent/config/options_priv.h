/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tables of options.c, options_commands.c and options_foreign.c share: how a row names its
 * member and its variables, and how a table says which commands take it. Constant.
 */
#ifndef RK_AGENT_OPTIONS_PRIV_H
#define RK_AGENT_OPTIONS_PRIV_H

#include "agent/config/options.h"

#define SETTING(member) .at = offsetof(struct settings, member)
#define DAEMON(member)  .at = offsetof(struct daemon_opts, member)
#define CLI(member)     .at = offsetof(struct cli_opts, member)
#define ENV(name)       .env = "ROOK_" name " NB_" name

#define DAEMON_ADDR "unix:///run/rook/rook.sock"

#define OPTIONS_ANY (~0u) /* every command */

struct options_part {
    unsigned group; /* mask of the commands that take these rows */
    const struct rk_opt *rows;
    size_t n, base; /* `at` of the rows counts from here in struct all_opts */
};

#define OPTIONS_PART(mask, rows, member)                                                           \
    {                                                                                              \
        mask, rows, RK_ARRAY_LEN(rows), offsetof(struct all_opts, member)                          \
    }

/** Options of single commands. */
const struct options_part *options_commands(size_t *n);

/** Rows that store nothing, of every command: what others have and we do not. */
const struct options_part *options_elsewhere(size_t *n);

#endif
