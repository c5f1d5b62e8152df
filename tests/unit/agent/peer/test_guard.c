/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests agent/peer/guard.c and agent/peer/watch.c: pure timing. */
#include "config.h"

#include "agent/peer/guard.h"
#include "agent/peer/watch.h"
#include "tests/unit/vec.h"

/* Let the guard tick n times with one status; at[] gets the times since t0, sent[] its answers. */
static void ticks(struct guard *g, int64_t t0, size_t n, enum guard_status status, int64_t *at,
                  bool *sent)
{
    for (size_t i = 0; i < n; i++) {
        int64_t due = guard_deadline(g);

        ck_assert(!guard_tick(g, due - 1, GUARD_DISCONNECTED));
        at[i] = due - t0;
        sent[i] = guard_tick(g, due, status);
    }
}

static void expect_about(int64_t got, int64_t want)
{
    ck_assert_int_ge(got, want - want / 10);
    ck_assert_int_le(got, want + want / 10);
}

START_TEST(offers_go_out_at_once_then_slower_up_to_the_cap)
{
    struct guard g;
    int64_t at[10];
    bool sent[10];

    guard_open(&g, 1000);
    ck_assert_int_ge(g.cap_ms, 30000);
    ck_assert_int_lt(g.cap_ms, 45000);
    ticks(&g, 1000, 10, GUARD_DISCONNECTED, at, sent);
    ck_assert_int_eq(at[0], 0);
    expect_about(at[1] - at[0], 3000);
    expect_about(at[2] - at[1], 6000);
    expect_about(at[3] - at[2], 12000);
    expect_about(at[4] - at[3], 24000);
    for (size_t i = 5; i < 10; i++)
        expect_about(at[i] - at[i - 1], g.cap_ms);
    for (size_t i = 0; i < 10; i++)
        ck_assert(sent[i]);
}
END_TEST

START_TEST(an_event_starts_over_with_short_steps)
{
    struct guard g;
    int64_t at[4];
    bool sent[4];

    guard_open(&g, 0);
    ticks(&g, 0, 4, GUARD_CONNECTED, at, sent);
    for (size_t i = 0; i < 4; i++)
        ck_assert(!sent[i]);
    guard_event(&g, 50000);
    ticks(&g, 50000, 3, GUARD_DISCONNECTED, at, sent);
    expect_about(at[0], 800);
    expect_about(at[1] - at[0], 1600);
    expect_about(at[2] - at[1], 3200);
    ck_assert(sent[0] && sent[1] && sent[2]);
}
END_TEST

START_TEST(with_only_the_relay_three_tries_then_one_per_hour)
{
    struct guard g;
    int64_t at[6];
    bool sent[6];

    guard_open(&g, 0);
    ticks(&g, 0, 6, GUARD_PARTIAL, at, sent);
    ck_assert(sent[0] && sent[1] && sent[2]);
    ck_assert(!sent[3]);
    ck_assert(sent[4] && sent[5]);
    ck_assert_int_eq(at[4] - at[3], 3600000);
    ck_assert_int_eq(at[5] - at[4], 3600000);
    guard_event(&g, at[5]);
    ticks(&g, at[5], 4, GUARD_PARTIAL, at, sent);
    ck_assert(sent[0] && sent[1] && sent[2] && !sent[3]);
}
END_TEST

START_TEST(status_follows_the_official_table)
{
    for (unsigned bits = 0; bits < 64; bits++) {
        struct guard_facts f = {bits & 1, bits & 2, bits & 4, bits & 8, bits & 16, bits & 32};
        enum guard_status s = guard_status_of(&f);
        bool relayed = f.uses_relay && f.relay_up;

        if (f.force_relay || !f.remote_ice)
            ck_assert_int_eq(s, relayed ? GUARD_CONNECTED : GUARD_DISCONNECTED);
        else if ((f.ice_up || f.ice_in_progress) && (relayed || !f.uses_relay))
            ck_assert_int_eq(s, GUARD_CONNECTED);
        else
            ck_assert_int_eq(s, relayed ? GUARD_PARTIAL : GUARD_DISCONNECTED);
    }
}
END_TEST

#define UNIX ((int64_t)1700000000000)

START_TEST(the_first_handshake_has_thirty_seconds)
{
    struct wg_watch w = {0};

    ck_assert_int_eq(wg_watch_deadline(&w), INT64_MAX);
    wg_watch_start(&w, 5000, UNIX);
    ck_assert_int_eq(wg_watch_deadline(&w), 35000);
    ck_assert(!wg_watch_check(&w, 35000, UNIX + 30000, true, UNIX)); /* the old one */
    ck_assert_int_eq(wg_watch_deadline(&w), INT64_MAX);

    wg_watch_start(&w, 5000, 0);
    ck_assert(wg_watch_check(&w, 35000, UNIX, true, UNIX - 29000));
    ck_assert_int_eq(wg_watch_deadline(&w), 35000 + 210000 - 29000);
    ck_assert(wg_watch_check(&w, 216000, UNIX + 181000, true, UNIX + 100000));
}
END_TEST

START_TEST(bad_handshake_times_end_the_watch)
{
    static const int64_t bad[] = {0, UNIX - 211000, UNIX + 5000};
    struct wg_watch w = {0};

    for (size_t i = 0; i < RK_ARRAY_LEN(bad); i++) {
        wg_watch_start(&w, 0, 1);
        ck_assert(!wg_watch_check(&w, 30000, UNIX, true, bad[i]));
    }
    wg_watch_start(&w, 0, 1);
    ck_assert(!wg_watch_check(&w, 30000, UNIX, false, UNIX));
    wg_watch_start(&w, 0, UNIX);
    wg_watch_restart(&w, 1000);
    ck_assert(wg_watch_check(&w, 31000, UNIX, true, UNIX)); /* the old one does not count */
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("guard");

    tcase_add_test(t, offers_go_out_at_once_then_slower_up_to_the_cap);
    tcase_add_test(t, an_event_starts_over_with_short_steps);
    tcase_add_test(t, with_only_the_relay_three_tries_then_one_per_hour);
    tcase_add_test(t, status_follows_the_official_table);
    tcase_add_test(t, the_first_handshake_has_thirty_seconds);
    tcase_add_test(t, bad_handshake_times_end_the_watch);
    return vec_run(t, "agent/guard");
}
