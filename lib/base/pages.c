/* SPDX-License-Identifier: BSD-3-Clause */
/* Buffers of whole pages; see pages.h. */
#include "config.h"

#include "lib/base/pages.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

void *rk_pages_new(size_t n)
{
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED) {
        (void)fprintf(stderr, "level=error event=\"out of memory\" bytes=%zu\n", n);
        abort();
    }
    return p;
}

void rk_pages_free(void *p, size_t n)
{
    if (p)
        (void)munmap(p, n);
}

void rk_pages_drop(void *p, size_t n)
{
    (void)madvise(p, n, MADV_DONTNEED);
}
