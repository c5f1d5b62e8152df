/* SPDX-License-Identifier: BSD-3-Clause */
/* The end of every Check program: run a suite, say how it went. */
#ifndef RK_TESTS_UNIT_RUN_H
#define RK_TESTS_UNIT_RUN_H

#include <check.h>
#include <stdlib.h>

#include "lib/base/err.h"

/* Check's time limits are for tests that hang, not for those on a busy machine. */
__attribute__((constructor)) static void check_is_patient(void)
{
    (void)setenv("CK_DEFAULT_TIMEOUT", "60", 0);
    (void)setenv("CK_TIMEOUT_MULTIPLIER", "5", 0);
}

/** Runs the suite (taken), as CK_VERBOSITY and CK_FORK say; the exit status of the program. */
static inline RK_UNUSED int run_suite(Suite *s)
{
    SRunner *r = srunner_create(s);
    int failed;

    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
