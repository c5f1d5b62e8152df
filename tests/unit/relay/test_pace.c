/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests relay/pace.c with a clock of its own. */
#include "config.h"

#include "relay/pace.h"

#include "tests/unit/vec.h"

enum { RATE = 1000000, MS = 1000000 }; /* bytes per second; ns */

START_TEST(a_burst_passes_and_the_rest_waits)
{
    struct relay_pace p = {0};
    int64_t burst = RATE / 1000 * RELAY_PACE_BURST_MS;

    ck_assert_int_eq(relay_pace_take(&p, RATE, 0, burst), 0);
    ck_assert_int_eq(relay_pace_take(&p, RATE, 0, 1), 1);
    ck_assert_int_eq(relay_pace_take(&p, RATE, 0, 999), 1);
    ck_assert_int_eq(relay_pace_take(&p, RATE, 0, 5000), 6);
    ck_assert_int_eq(relay_pace_take(&p, RATE, 6 * MS, 0), 0);
}
END_TEST

START_TEST(the_rate_holds_whatever_the_steps_are)
{
    static const int64_t steps[] = {1, 1300, 65536, 3};

    for (size_t k = 0; k < RK_ARRAY_LEN(steps); k++) {
        struct relay_pace p = {0};
        int64_t now = 5 * (int64_t)MS, began = now, taken = 0;

        while (taken < 2 * RATE) { /* who waits as it is told gets no more than the rate */
            now += relay_pace_take(&p, RATE, now, steps[k]) * MS;
            taken += steps[k];
        }
        ck_assert_int_ge(now - began, 2000 * (int64_t)MS - (RELAY_PACE_BURST_MS + 1) * MS);
        ck_assert_int_le(now - began, 2000 * (int64_t)MS + 70 * MS); /* one step more */
    }
}
END_TEST

START_TEST(silence_is_not_saved_up)
{
    struct relay_pace p = {0};
    int64_t now = 3600 * 1000 * (int64_t)MS, burst = RATE / 1000 * RELAY_PACE_BURST_MS;

    ck_assert_int_eq(relay_pace_take(&p, RATE, 0, 1), 0);
    ck_assert_int_eq(relay_pace_take(&p, RATE, now, burst), 0);
    ck_assert_int_gt(relay_pace_take(&p, RATE, now, 1000), 0);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("pace");
    Suite *s = suite_create("pace");

    tcase_add_test(t, a_burst_passes_and_the_rest_waits);
    tcase_add_test(t, the_rate_holds_whatever_the_steps_are);
    tcase_add_test(t, silence_is_not_saved_up);
    suite_add_tcase(s, t);
    return run_suite(s);
}
