/* SPDX-License-Identifier: BSD-3-Clause */
/* `rookery admin …`: work on the stored data. */
#ifndef RK_SERVER_ADMIN_H
#define RK_SERVER_ADMIN_H

/** Run with the arguments behind "admin". Returns the exit status. Main thread. */
int server_admin_main(int argc, char **argv);

#endif
