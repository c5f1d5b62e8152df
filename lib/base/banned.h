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

/* Some of them are macros of the C library's checked forms: poisoning a macro is an error. */
#undef strcpy
#undef strcat
#undef sprintf
#undef vsprintf
#undef strtok
#undef strncpy
#undef strncat

#pragma GCC poison strcpy strcat sprintf vsprintf strtok strncpy strncat atoi atol
#pragma GCC poison gmtime localtime gethostbyname

/* Headers of other libraries use these words for other things (OpenSSL has parameters named rand),
 * so only a use is an error. */
#ifdef __clang__
#define RK_BANNED(why) __attribute__((unavailable(why)))
#else
#define RK_BANNED(why) __attribute__((error(why)))
#endif
int rand(void) RK_BANNED("use rk_secret_random");
void srand(unsigned seed) RK_BANNED("use rk_secret_random");
int system(const char *command) RK_BANNED("no shells");
#undef RK_BANNED

#endif
