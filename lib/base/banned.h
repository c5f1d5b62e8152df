/* SPDX-License-Identifier: BSD-3-Clause */
/* Functions that have a safe replacement here; forced into every file by the build (-include). */
#ifndef RK_BASE_BANNED_H
#define RK_BASE_BANNED_H

/* The headers that declare them come first, or poisoning would break the declarations. */
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat sprintf vsprintf strtok strncpy strncat atoi atol
#pragma GCC poison gmtime localtime gethostbyname rand srand system

#endif
