/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests lib/base/trim.c: pages go, and nothing that they held is lost. */
#include "config.h"

#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/base/str.h"
#include "lib/base/trim.h"
#include "tests/unit/run.h"

/* Many times what the kernel maps again around one page that is touched: whole runs of its cache.
 */
enum { CONST_BYTES = 8 << 20, DEEP_BYTES = 256 << 10 };

static const unsigned char constants[CONST_BYTES] = {1, [CONST_BYTES - 1] = 2};
static int counter = 3; /* written below: a page of the file that became ours */
static int (*const relocated[])(const char *, const char *) = {strcmp, strcasecmp};

/* How many of these pages this process has. The kernel's sums for the process are no measure: it
 * maps other pages of a file around each one that is touched. */
static size_t mapped_pages(uintptr_t at, size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), n = 0;
    uintptr_t from = at / page, to = (at + bytes) / page;
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    for (uintptr_t i = from; i < to; i++) {
        uint64_t entry = 0;

        ck_assert_int_eq(pread(fd, &entry, sizeof entry, (off_t)(i * sizeof entry)), sizeof entry);
        n += entry >> 63; /* proc(5): present */
    }
    (void)close(fd);
    return n;
}

static unsigned sum(void)
{
    const volatile unsigned char *p = constants;
    unsigned n = 0;

    for (size_t i = 0; i < CONST_BYTES; i++)
        n += p[i];
    return n;
}

START_TEST(code_and_constants_survive)
{
    char *heap = rk_str_dupz(RK_STR("kept"));
    size_t before, after;

    ck_assert_uint_eq(sum(), 3);
    counter++;
    before = mapped_pages((uintptr_t)constants, CONST_BYTES);
    rk_trim();
    after = mapped_pages((uintptr_t)constants, CONST_BYTES);
#ifdef RK_SANITIZE
    (void)before;
    (void)after;
#else
    ck_assert_uint_gt(before, CONST_BYTES / 4096 / 2);
    ck_assert_uint_le(after, before / 2);
#endif
    ck_assert_uint_eq(sum(), 3);
    ck_assert_int_eq(counter, 4);
    ck_assert_str_eq(heap, "kept");
    ck_assert_int_eq(relocated[0]("a", "A") != 0, 1);
    ck_assert_int_eq(relocated[1]("a", "A"), 0);
    free(heap);
}
END_TEST

/* Returns the lowest address that it wrote to. */
static __attribute__((noinline)) uintptr_t dive(void)
{
    volatile unsigned char deep[DEEP_BYTES];

    for (size_t i = 0; i < DEEP_BYTES; i++)
        deep[i] = 1;
    return (uintptr_t)deep + (size_t)deep[0] - 1;
}

static void stack_of_this_thread_goes(void)
{
    volatile int kept = 5;
    uintptr_t low = dive();

    ck_assert_uint_ge(mapped_pages(low, DEEP_BYTES / 2), DEEP_BYTES / 2 / 4096);
    rk_trim();
#ifndef RK_SANITIZE
    ck_assert_uint_eq(mapped_pages(low, DEEP_BYTES / 2), 0);
#endif
    ck_assert_int_eq(kept, 5);
    ck_assert_uint_eq(dive(), low); /* and it can be used again */
}

static void *in_thread(void *unused)
{
    stack_of_this_thread_goes();
    return unused;
}

START_TEST(unused_stack_goes)
{
    pthread_t t;
    pthread_attr_t attr;

    stack_of_this_thread_goes();
    ck_assert_int_eq(pthread_attr_init(&attr), 0);
    ck_assert_int_eq(pthread_attr_setstacksize(&attr, (size_t)4 * DEEP_BYTES), 0);
    ck_assert_int_eq(pthread_create(&t, &attr, in_thread, NULL), 0);
    ck_assert_int_eq(pthread_join(t, NULL), 0);
    ck_assert_int_eq(pthread_attr_destroy(&attr), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("trim");
    TCase *t = tcase_create("trim");

    tcase_add_test(t, code_and_constants_survive);
    tcase_add_test(t, unused_stack_goes);
    suite_add_tcase(s, t);
    return run_suite(s);
}
