/* SPDX-License-Identifier: BSD-3-Clause */
/* `rookery doctor`: what somebody who knows the server well would look at first. */
#ifndef RK_SERVER_DOCTOR_H
#define RK_SERVER_DOCTOR_H

/** Run with the arguments behind "doctor". Exit status: 0 all well, 1 something is broken, 3 only
 *  warnings. */
int server_doctor_main(int argc, char **argv);

#endif
