/* SPDX-License-Identifier: BSD-3-Clause */
/* The commands of `rook`. Main thread. */
#ifndef RK_AGENT_CLI_H
#define RK_AGENT_CLI_H

/** Run a command line (argv[0] is the program) and return the exit status. */
int cli_main(int argc, char **argv);

#endif
