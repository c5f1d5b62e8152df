/* SPDX-License-Identifier: BSD-3-Clause */
/* macOS takes a name and a new value that it could write to; FreeBSD takes constant ones. */
#ifndef RK_TESTS_BSD_SYS_SYSCTL_H
#define RK_TESTS_BSD_SYS_SYSCTL_H

#include <stddef.h>

#define CTL_NET 4

#ifdef __APPLE__
int sysctl(int *name, unsigned int n, void *old, size_t *old_size, void *fresh, size_t fresh_size);
#else
int sysctl(const int *name, unsigned int n, void *old, size_t *old_size, const void *fresh,
           size_t fresh_size);
#endif

#endif
