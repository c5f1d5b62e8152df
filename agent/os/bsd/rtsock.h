/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Asking the kernel over a routing socket. Everybody who has such a socket hears every change of
 * the table, so the answer to a question stands among others: it is the message with the same type,
 * sequence and process, and it must come within RTSOCK_REPLY_MS however many others do. A lost
 * answer, or a full buffer of the kernel, is tried again on a new socket with waits of 50 to 500 ms
 * between; what the kernel says no to is not. The budget counts whole attempts: one lost answer
 * never uses it up. Blocks; one thread at a time.
 */
#ifndef RK_AGENT_OS_BSD_RTSOCK_H
#define RK_AGENT_OS_BSD_RTSOCK_H

#include "agent/os/bsd/rtmsg.h"

#define RTSOCK_REPLY_MS        1000
#define RTSOCK_ATTEMPTS_HOST   3 /* routes of single addresses */
#define RTSOCK_ATTEMPTS_SCOPED 5 /* defaults: without them nothing leaves */

struct rtsock { /* open; zeroed but for what the owner fills */
    const struct rtmsg_layout *layout;
    /** A new routing socket, closed by us; -1 and errno. Tests give one end of a pair. */
    int (*open)(struct rtsock *s);
    int32_t pid, seq; /* the last one used */
};

/** Send m (its type, flags, addresses) and wait for the answer; *answer may be NULL. Errors:
 *  RK_EXISTS, RK_NOT_FOUND (the kernel says so), RK_TIMEOUT (no answer in all attempts),
 *  RK_UNAVAILABLE (no socket, buffers full to the end), RK_INTERNAL (another errno). */
enum rk_code rtsock_ask(struct rtsock *s, struct rtmsg *m, unsigned attempts, struct rtmsg *answer,
                        struct rk_err *err) RK_MUST;

#endif
