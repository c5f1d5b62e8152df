/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `rookery run`: management, signal, relay and STUN behind one edge.
 *
 *   main thread: configuration, secrets ─▶ loops ─▶ apps ─▶ listen ─▶ wait for signals ─▶ stop all
 *
 *        loops (one per core) ── edge ──┬─ management (its own store, lane and build threads)
 *                                       ├─ signal
 *                                       └─ relay, STUN
 */
#ifndef RK_SERVER_RUN_H
#define RK_SERVER_RUN_H

/** Run with the arguments behind "run"; returns the exit status after a signal or a failed start.
 *  Main thread; blocks signals in the whole process. */
int server_run_main(int argc, char **argv);

#endif
