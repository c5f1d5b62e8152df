/* SPDX-License-Identifier: BSD-3-Clause */
/* `rookery reach`, `history`, `diff`, `undo`: questions about the network, asked of the server on
 * this machine; `plan`, `apply`, `export`: the network as a file, here or elsewhere. */
#ifndef RK_SERVER_ASK_H
#define RK_SERVER_ASK_H

/** argv[0] is the first word behind the command. Returns the exit status: 0 reachable, 1 not, 2 the
 *  question could not be answered. */
int server_reach_main(int argc, char **argv);
int server_history_main(int argc, char **argv); /* 0 or 2, as the next two */
int server_diff_main(int argc, char **argv);
int server_undo_main(int argc, char **argv);
int server_plan_main(int argc, char **argv); /* 0 all tests hold, 1 one does not, 2 */
int server_apply_main(int argc, char **argv);
int server_export_main(int argc, char **argv);

#endif
