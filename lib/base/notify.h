/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a program tells the service manager that started it (sd_notify(3), Type=notify): "I serve",
 * "I read my configuration again", "I stop", "I am alive". Without a manager nothing happens. The
 * protocol is one datagram to the socket that NOTIFY_SOCKET names, so no library is needed.
 * Any thread; does not block where nothing else is said.
 */
#ifndef RK_BASE_NOTIFY_H
#define RK_BASE_NOTIFY_H

#include <stdint.h>

/** Send "READY=1" and the like, lines separated by \n. Errors are not reported: the manager's own
 *  time limits act on silence. */
void rk_notify(const char *state);

/** The same with a descriptor, of which the manager gets a copy ("FDSTORE=1"). */
void rk_notify_fd(const char *state, int fd);

/** Wait until the manager has acted on all that was sent before; at most some seconds. */
void rk_notify_barrier(void);

/** "STATUS=…" for `systemctl status`, printf-like. Line ends in the text become blanks. */
__attribute__((format(printf, 1, 2))) void rk_notify_status(const char *fmt, ...);

/** How often WATCHDOG=1 is to be sent, in ms: half of what the manager waits. 0: not asked for. */
int64_t rk_notify_watchdog_ms(void);

#endif
