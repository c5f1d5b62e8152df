/* SPDX-License-Identifier: BSD-3-Clause */
/* `rookery setup`: from a fresh machine to a server with an owner, and the lines that enrol
 * machines. */
#ifndef RK_SERVER_SETUP_H
#define RK_SERVER_SETUP_H

#include "lib/base/err.h"

/** Run with the arguments behind "setup". Returns the exit status. Main thread. */
int server_setup_main(int argc, char **argv);

/** `rookery health`: status 0 when the server of the configuration (or --url) is ready. */
int server_health_main(int argc, char **argv);

#endif
