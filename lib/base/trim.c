/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory after the start; see trim.h. */
#include "config.h"

#include "lib/base/trim.h"

#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/num.h"

#define STACK_KEPT    ((uintptr_t)8192) /* below the frame that trims: what it calls needs some */
#define STACK_TRIMMED ((uintptr_t)1 << 20)

#ifndef RK_SANITIZE /* sanitizers keep their own books of what is where */

/* Text that the loader has changed would be lost; x86-64 and arm64 libraries have none. */
static bool has_text_relocations(const struct dl_phdr_info *o)
{
    for (size_t i = 0; i < o->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &o->dlpi_phdr[i];

        if (ph->p_type != PT_DYNAMIC)
            continue;
        for (const ElfW(Dyn) *d = (const void *)(o->dlpi_addr + ph->p_vaddr); d->d_tag != DT_NULL;
             d++)
            if (d->d_tag == DT_TEXTREL || (d->d_tag == DT_FLAGS && d->d_un.d_val & DF_TEXTREL))
                return true;
    }
    return false;
}

/* Segments that are never written: what is relocated and then protected is part of a writable one,
 * and its pages are ours alone. */
static int trim_object(struct dl_phdr_info *o, size_t size, void *arg)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

    (void)size;
    (void)arg;
    if (has_text_relocations(o))
        return 0;
    for (size_t i = 0; i < o->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &o->dlpi_phdr[i];
        uintptr_t at = o->dlpi_addr + ph->p_vaddr, end = at + ph->p_memsz;

        if (ph->p_type != PT_LOAD || ph->p_flags & PF_W)
            continue;
        at &= ~(page - 1);
        (void)madvise((void *)at, end - at, MADV_DONTNEED); /* refused: they stay */
    }
    return 0;
}

/* The C library raises this limit with each large block that is freed, unless it is set. */
void rk_trim_always(void)
{
#ifdef __GLIBC__
    (void)mallopt(M_MMAP_THRESHOLD, 128 << 10);
    (void)mallopt(M_ARENA_MAX, 1);
#endif
}

void rk_trim_heap(void)
{
#ifdef __GLIBC__ /* that of musl gives back by itself */
    (void)malloc_trim(0);
#endif
}

/* What lies below the frames in use: deep calls have been there, and the next ones get zeroes. */
static void trim_stack(void)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t end = ((uintptr_t)__builtin_frame_address(0) & ~(page - 1)) - STACK_KEPT, low;
    pthread_attr_t attr;
    size_t size = 0;
    void *bottom;

    if (pthread_getattr_np(pthread_self(), &attr))
        return;
    if (pthread_attr_getstack(&attr, &bottom, &size) == 0) {
        low = ((uintptr_t)bottom + page - 1) & ~(page - 1);
        if (end > low && end - low > STACK_TRIMMED)
            low = end - STACK_TRIMMED;
        if (end > low)
            (void)madvise((void *)low, end - low, MADV_DONTNEED); /* less is mapped: fine */
    }
    (void)pthread_attr_destroy(&attr);
}

void rk_trim(void)
{
    rk_trim_heap();
    trim_stack();
    (void)dl_iterate_phdr(trim_object, NULL);
}

#else

void rk_trim_always(void)
{
}

void rk_trim(void)
{
}

void rk_trim_heap(void)
{
}

#endif
