/* SPDX-License-Identifier: BSD-3-Clause */
/* As on macOS and 64-bit FreeBSD. */
#ifndef RK_TESTS_BSD_TIME_H
#define RK_TESTS_BSD_TIME_H

struct timespec {
    long tv_sec, tv_nsec;
};

int nanosleep(const struct timespec *wanted, struct timespec *left);

#endif
