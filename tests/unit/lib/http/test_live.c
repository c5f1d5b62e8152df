/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests lib/http/live.c: the bound, the order, and who is woken when. */
#include "config.h"

#include <check.h>

#include "lib/base/err.h"
#include "lib/http/live.h"
#include "tests/unit/run.h"

static struct {
    struct http_live_sink sink;
    int slept, woken;
} client;

static void on_sleep(struct http_live_sink *s)
{
    (void)s;
    client.slept++;
}

static void on_wake(struct http_live_sink *s)
{
    (void)s;
    client.woken++;
}

static struct http_live *live_with_client(size_t max)
{
    struct http_live *l = http_live_new(max);

    client.sink = (struct http_live_sink){on_sleep, on_wake};
    client.slept = client.woken = 0;
    http_live_attach(l, &client.sink);
    return l;
}

START_TEST(a_slow_client_is_not_waited_for)
{
    struct http_live *l = live_with_client(10);
    char out[16];
    bool end;

    ck_assert_int_eq(http_live_write(l, RK_STR("12345678")), HTTP_LIVE_OK);
    ck_assert_int_eq(http_live_write(l, RK_STR("abc")), HTTP_LIVE_FULL);
    ck_assert_uint_eq(http_live_held(l), 8);
    ck_assert_uint_eq(http_live_take(l, out, 5, &end), 5);
    ck_assert_int_eq(http_live_write(l, RK_STR("abc")), HTTP_LIVE_OK);
    ck_assert_uint_eq(http_live_take(l, out, sizeof out, &end), 6);
    ck_assert_mem_eq(out, "678abc", 6);
    ck_assert(!end);
    http_live_unref(l);
}
END_TEST

START_TEST(a_client_is_woken_once_for_each_sleep)
{
    struct http_live *l = live_with_client(10);
    char out[16];
    bool end;

    ck_assert_int_eq(http_live_write(l, RK_STR("a")), HTTP_LIVE_OK);
    ck_assert_int_eq(client.woken, 0); /* it has not slept */
    ck_assert_uint_eq(http_live_take(l, out, sizeof out, &end), 1);
    ck_assert_uint_eq(http_live_take(l, out, sizeof out, &end), 0);
    ck_assert_int_eq(client.slept, 1);
    ck_assert_int_eq(http_live_write(l, RK_STR("b")), HTTP_LIVE_OK);
    ck_assert_int_eq(http_live_write(l, RK_STR("c")), HTTP_LIVE_OK);
    ck_assert_int_eq(client.woken, 1);
    http_live_unref(l);
}
END_TEST

START_TEST(the_end_comes_behind_what_was_written)
{
    struct http_live *l = live_with_client(10);
    char out[16];
    bool end;

    ck_assert_uint_eq(http_live_take(l, out, sizeof out, &end), 0);
    ck_assert_int_eq(http_live_write(l, RK_STR("last")), HTTP_LIVE_OK);
    http_live_end(l);
    ck_assert_int_eq(client.woken, 1);
    ck_assert_int_eq(http_live_write(l, RK_STR("x")), HTTP_LIVE_OVER);
    ck_assert_uint_eq(http_live_take(l, out, sizeof out, &end), 4);
    ck_assert(!end);
    ck_assert_uint_eq(http_live_take(l, out, sizeof out, &end), 0);
    ck_assert(end);
    http_live_unref(l);
}
END_TEST

START_TEST(nobody_calls_a_client_that_is_gone)
{
    struct http_live *l = live_with_client(10);
    char out[16];
    bool end;

    ck_assert_uint_eq(http_live_take(l, out, sizeof out, &end), 0);
    http_live_detach(l);
    ck_assert(http_live_over(l));
    ck_assert_int_eq(http_live_write(l, RK_STR("x")), HTTP_LIVE_OVER);
    http_live_end(l);
    ck_assert_int_eq(client.woken, 0);
    ck_assert_uint_eq(http_live_held(l), 0);
    http_live_unref(l);
    http_live_detach(NULL);
    http_live_unref(NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("live");
    TCase *tc = tcase_create("live");

    suite_add_tcase(s, tc);
    tcase_add_test(tc, a_slow_client_is_not_waited_for);
    tcase_add_test(tc, a_client_is_woken_once_for_each_sleep);
    tcase_add_test(tc, the_end_comes_behind_what_was_written);
    tcase_add_test(tc, nobody_calls_a_client_that_is_gone);
    return run_suite(s);
}
