/* SPDX-License-Identifier: BSD-3-Clause */
/* Options of rookery's commands: loading with --help and error texts in one place. Main thread. */
#ifndef RK_SERVER_OPTIONS_H
#define RK_SERVER_OPTIONS_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/cfg.h"

struct server_command { /* open, static */
    const char *name;   /* "setup" */
    const char *args;   /* what stands behind the options in the usage line, or "" */
    const char *what;   /* a sentence or two for --help */
    const struct rk_opt *table;
    size_t n;
    const struct server_command *below; /* words behind one of args, for manual and completion */
};

/** Load options into values; arguments that are no options are left at the front of argv and
 *  counted in *n_rest (NULL: none allowed). False when the program is to end with *status: after
 *  --help, or after an error that was printed. */
bool server_options_load(struct rk_arena *mem, const struct server_command *cmd, void *values,
                         int argc, char **argv, int *n_rest, int *status);

/** The same without arguments that are no options; *given says which ones were given. */
bool server_options_given(struct rk_arena *mem, const struct server_command *cmd, void *values,
                          int argc, char **argv, struct rk_opts *given, int *status);

#endif
