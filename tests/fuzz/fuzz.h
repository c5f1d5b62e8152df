/* SPDX-License-Identifier: BSD-3-Clause */
/* What every fuzz target has: the entry point, and a check that stays on in every build. */
#ifndef RK_TESTS_FUZZ_H
#define RK_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/** Feed one input; returns 0. Must not keep state between calls. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** Abort, which both drivers report with the input, unless cond holds. */
#define FUZZ_CHECK(cond)                                                                           \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #cond);                     \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
