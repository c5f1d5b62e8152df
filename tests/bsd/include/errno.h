/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers of errors that macOS and FreeBSD share. */
#ifndef RK_TESTS_BSD_ERRNO_H
#define RK_TESTS_BSD_ERRNO_H

int *__error(void);
#define errno (*__error())

#define ESRCH   3
#define EINTR   4
#define ENOMEM  12
#define EEXIST  17
#define EAGAIN  35
#define ENOBUFS 55

#endif
