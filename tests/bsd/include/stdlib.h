/* SPDX-License-Identifier: BSD-3-Clause */
/* What agent/os/bsd takes of it. */
#ifndef RK_TESTS_BSD_STDLIB_H
#define RK_TESTS_BSD_STDLIB_H

#include <stddef.h>

void *malloc(size_t n);
void free(void *p);
char *getenv(const char *name);

#endif
