/* SPDX-License-Identifier: BSD-3-Clause */
/* What agent/os/bsd takes of it. */
#ifndef RK_TESTS_BSD_STRING_H
#define RK_TESTS_BSD_STRING_H

#include <stddef.h>

void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);
void *memmove(void *to, const void *from, size_t n);
int memcmp(const void *a, const void *b, size_t n);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
size_t strlen(const char *s);

#endif
