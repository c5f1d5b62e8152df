/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a program says about itself to a program: commands and options as lines with tabs. Man pages
 * and shell completions are made of it while building (deploy/man/make.awk), from the same tables
 * as --help. Asked for by the single argument --print-manual, which --help does not show.
 *
 *   program  NAME      what it is
 *   command  NAME      words behind it   what it does
 *   option   --FLAG    -L   arg name   choices   default   variables   help     (each may be empty)
 *
 * Options belong to the command line above them, or to the program. Any thread.
 */
#ifndef RK_BASE_MANUAL_H
#define RK_BASE_MANUAL_H

#include "lib/base/cfg.h"

#define RK_MANUAL_FLAG "--print-manual"

/** Whether the arguments (argv[0] is the first one) are that one and nothing else. */
bool rk_manual_asked(int argc, char *const *argv);

void rk_manual_program(struct rk_buf *out, const char *name, const char *what);
/** args: what stands behind the name ("FILE", "check|show"), or "". */
void rk_manual_command(struct rk_buf *out, const char *name, const char *args, const char *what);

/** The rows that --help shows. flags: only these, separated by blanks; NULL: all. */
void rk_manual_options(struct rk_buf *out, const struct rk_opt *table, size_t n, const char *flags);

/** Write to stdout and release. */
void rk_manual_print(struct rk_buf *out);

#endif
