/* SPDX-License-Identifier: BSD-3-Clause */
/* As on macOS and FreeBSD. */
#ifndef RK_TESTS_BSD_POLL_H
#define RK_TESTS_BSD_POLL_H

struct pollfd {
    int fd;
    short events, revents;
};
#define POLLIN 0x1

int poll(struct pollfd *fds, unsigned int n, int timeout_ms);

#endif
