/* SPDX-License-Identifier: BSD-3-Clause */
/* `rookery config check|show`. */
#ifndef RK_SERVER_CONF_CMD_H
#define RK_SERVER_CONF_CMD_H

/** Run with the arguments behind "config". Returns the exit status. Main thread. */
int server_config_main(int argc, char **argv);

#endif
