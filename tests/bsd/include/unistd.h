/* SPDX-License-Identifier: BSD-3-Clause */
/* As on macOS and 64-bit FreeBSD. */
#ifndef RK_TESTS_BSD_UNISTD_H
#define RK_TESTS_BSD_UNISTD_H

#include <stddef.h>

int close(int fd);
int getpid(void);

#endif
