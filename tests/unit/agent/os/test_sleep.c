/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests agent/os/sleep.c with a clock that the test sets: nobody suspends a test machine. */
#include "config.h"

#include <check.h>
#include <unistd.h>

#include "agent/os/sleep.h"
#include "lib/base/loop_uv.h"
#include "lib/base/num.h"
#include "tests/unit/run.h"

enum { LOOK_MS = 10, LEAST_MS = 5000, WAIT_MS = 10000 };

static int64_t asleep_ms; /* what the clocks say */
static unsigned looks, told;
static int64_t told_ms;

static int64_t clocks(void)
{
    looks++;
    return asleep_ms;
}

static void on_slept(struct sleep_user *u, int64_t for_ms)
{
    (void)u;
    told++;
    told_ms = for_ms;
}

static void turn(struct rk_loop *loop)
{
    (void)uv_run(rk_loop_uv(loop), UV_RUN_NOWAIT);
    (void)usleep(1000);
}

static void end(struct rk_loop *loop)
{
    rk_loop_stop(loop);
    rk_loop_run(loop);
    rk_loop_free(loop);
}

/* Let it look at least twice more, so that a second call would show. */
static void look_again(struct rk_loop *loop)
{
    unsigned until = looks + 2;
    int64_t end = rk_mono_ms() + WAIT_MS;

    while (looks < until) {
        ck_assert_int_lt(rk_mono_ms(), end);
        turn(loop);
    }
}

START_TEST(a_sleep_is_told_once)
{
    struct sleep_opts o = {.look_ms = LOOK_MS, .least_ms = LEAST_MS, .total_ms = clocks};
    struct sleep_user u = {.slept = on_slept};
    struct sleep_watch *w;
    struct rk_loop *loop;

    ck_assert_int_eq(rk_loop_new(&loop, NULL), RK_OK);
    asleep_ms = 1000000; /* from before the agent was started: of no interest */
    ck_assert_int_eq(sleep_watch_open(loop, &o, &u, &w, NULL), RK_OK);
    look_again(loop);
    ck_assert_uint_eq(told, 0);

    asleep_ms += LEAST_MS - 1; /* a nap */
    look_again(loop);
    ck_assert_uint_eq(told, 0);

    asleep_ms += 3600000;
    look_again(loop);
    ck_assert_uint_eq(told, 1);
    ck_assert_int_eq(told_ms, 3600000);

    sleep_watch_close(w);
    asleep_ms += 3600000;
    for (int i = 0; i < 3 * LOOK_MS; i++)
        turn(loop);
    ck_assert_uint_eq(told, 1);
    end(loop);
}
END_TEST

START_TEST(this_host_is_awake)
{
    struct sleep_opts o = {.look_ms = LOOK_MS, .least_ms = LEAST_MS};
    struct sleep_user u = {.slept = on_slept};
    struct sleep_watch *w;
    struct rk_loop *loop;

    told = 0;
    ck_assert_int_eq(rk_loop_new(&loop, NULL), RK_OK);
    ck_assert_int_eq(sleep_watch_open(loop, &o, &u, &w, NULL), RK_OK);
    for (int i = 0; i < 5 * LOOK_MS; i++)
        turn(loop);
    ck_assert_uint_eq(told, 0);
    sleep_watch_close(w);
    end(loop);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("os/sleep");
    TCase *t = tcase_create("sleep");

    tcase_add_test(t, a_sleep_is_told_once);
    tcase_add_test(t, this_host_is_awake);
    suite_add_tcase(s, t);
    return run_suite(s);
}
