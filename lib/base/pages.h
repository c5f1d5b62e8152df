/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Large buffers as whole pages of the system, beside the heap: a page takes memory from when it is
 * first written to, and can be given back while the buffer stays. For buffers whose size is a worst
 * case that is seldom met. Any thread.
 */
#ifndef RK_BASE_PAGES_H
#define RK_BASE_PAGES_H

#include <stddef.h>

/** n bytes, zero at first. Owned: rk_pages_free with the same n. Out of memory aborts. */
void *rk_pages_new(size_t n);
void rk_pages_free(void *p, size_t n); /* accepts NULL */

/** Forget what is in it (zero again) and give the memory back. */
void rk_pages_drop(void *p, size_t n);

#endif
