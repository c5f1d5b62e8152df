/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests the small modules of lib/base: err, str, arena, buf, rd, wr, map, heap, num, enc, id,
 * ratelimit, metrics, log. */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/enc.h"
#include "lib/base/err.h"
#include "lib/base/heap.h"
#include "lib/base/id.h"
#include "lib/base/log.h"
#include "lib/base/map.h"
#include "lib/base/metrics.h"
#include "lib/base/num.h"
#include "lib/base/ratelimit.h"
#include "lib/base/rd.h"
#include "lib/base/wr.h"
#include "tests/unit/run.h"

START_TEST(errors_carry_context_and_are_cut)
{
    struct rk_err err;
    char longtext[500];

    ck_assert_int_eq(rk_fail(&err, RK_NOT_FOUND, "peer %d", 7), RK_NOT_FOUND);
    ck_assert_int_eq(rk_wrap(&err, "load %s", "x"), RK_NOT_FOUND);
    ck_assert_str_eq(err.msg, "load x: peer 7");
    memset(longtext, 'y', sizeof longtext - 1);
    longtext[sizeof longtext - 1] = '\0';
    (void)rk_wrap(&err, "%s", longtext);
    ck_assert_uint_eq(strlen(err.msg), sizeof err.msg - 1);
    ck_assert_int_eq(rk_fail(NULL, RK_LIMIT, "x"), RK_LIMIT);
    (void)rk_fail_errno(&err, RK_INTERNAL, 2, "open");
    ck_assert_str_eq(err.msg, "open: No such file or directory");
    ck_assert_str_eq(rk_code_name(RK_PRECONDITION), "precondition");
}
END_TEST

START_TEST(strings_compare_and_cut)
{
    struct rk_str h, r;

    ck_assert(rk_str_cut(RK_STR("a=b=c"), '=', &h, &r));
    ck_assert(rk_str_eqz(h, "a") && rk_str_eqz(r, "b=c"));
    ck_assert(!rk_str_cut(RK_STR("abc"), '=', &h, &r));
    ck_assert(rk_str_eqz(h, "abc") && r.n == 0);
    ck_assert(rk_str_ieq(RK_STR("Te"), RK_STR("tE")));
    ck_assert_int_lt(rk_str_cmp(RK_STR("ab"), RK_STR("abc")), 0);
    ck_assert(rk_str_ends(RK_STR("x.c"), RK_STR(".c")));
    ck_assert(!rk_str_ends(RK_STR("c"), RK_STR(".c")));
    ck_assert(rk_str_eqz(rk_str_trim(RK_STR(" \t x y\r\n")), "x y"));
    ck_assert_uint_eq(rk_str_find(RK_STR("hello"), RK_STR("ll")), 2);
    ck_assert_uint_eq(rk_str_find(RK_STR("hello"), RK_STR("z")), 5);
}
END_TEST

START_TEST(utf8_is_checked_by_the_book)
{
    static const struct {
        const char *s;
        bool ok;
    } c[] = {{"", true},
             {"abc", true},
             {"\xc3\xa9", true},
             {"\xc0\x80", false},
             {"\xed\xa0\x80", false},
             {"\xf0\x9f\x98\x80", true},
             {"\xf4\x90\x80\x80", false},
             {"\xe2\x82", false},
             {"\x80", false},
             {"\xff", false}};

    for (size_t i = 0; i < RK_ARRAY_LEN(c); i++)
        ck_assert_int_eq(rk_str_utf8_ok(rk_str_z(c[i].s)), c[i].ok);
}
END_TEST

START_TEST(arena_keeps_a_ceiling)
{
    struct rk_arena *a = rk_arena_new(1000);
    char *p, *q;

    ck_assert_ptr_nonnull(rk_arena_try(a, 600));
    ck_assert_ptr_null(rk_arena_try(a, 401));
    ck_assert_ptr_nonnull(rk_arena_try(a, 400));
    ck_assert_ptr_null(rk_arena_try(a, 1));
    rk_arena_reset(a);
    ck_assert_uint_eq(rk_arena_left(a), 1000);
    for (int i = 0; i < 62; i++)
        ck_assert_ptr_nonnull(rk_arena_try(a, 0));
    ck_assert_ptr_null(rk_arena_try(a, 0)); /* nothing is not for nothing */
    rk_arena_reset(a);
    ck_assert_ptr_null(rk_arena_try(a, SIZE_MAX - 4));
    p = rk_arena_alloc(a, 3);
    memset(p, 'x', 3);
    q = rk_arena_alloc(a, 100);
    ck_assert_int_eq(q[0] | q[99], 0);
    ck_assert_uint_eq((uintptr_t)q % 16, 0);
    rk_arena_free(a);
    a = rk_arena_new(0);
    ck_assert_ptr_nonnull(rk_arena_alloc(a, 10));
    ck_assert_ptr_nonnull(rk_arena_alloc(a, 1000000)); /* a block of its own */
    ck_assert(rk_str_eqz(rk_arena_printf(a, "%d-%s", 5, "x"), "5-x"));
    p = rk_arena_alloc(a, 5000);
    memset(p, 'y', 5000);
    ck_assert_uint_eq(RK_CAT(a, RK_STR("x"), rk_str_of(p, 5000), (struct rk_str){0}).n, 5001);
    ck_assert(rk_str_eqz(RK_CAT(a, RK_STR("ab"), RK_STR(""), RK_STR("c")), "abc"));
    rk_arena_free(a);
    rk_arena_free(NULL);
}
END_TEST

START_TEST(buffer_is_sticky_when_full)
{
    struct rk_buf b;

    rk_buf_init(&b, 10);
    rk_buf_addz(&b, "12345678");
    rk_buf_addz(&b, "9ab");
    ck_assert(b.full);
    rk_buf_addc(&b, 'x');
    ck_assert_uint_eq(b.n, 8);
    rk_buf_drop(&b, 3);
    ck_assert(rk_str_eqz(rk_buf_str(&b), "45678"));
    rk_buf_clear(&b);
    rk_buf_printf(&b, "%d", 123);
    ck_assert(!b.full && rk_str_eqz(rk_buf_str(&b), "123"));
    rk_buf_done(&b);
}
END_TEST

START_TEST(reader_and_writer_are_sticky)
{
    uint8_t raw[15];
    struct rk_wr w = rk_wr_of(raw, sizeof raw);
    struct rk_rd r;

    rk_wr_u8(&w, 1);
    rk_wr_u16(&w, 0x0203);
    rk_wr_u32(&w, 0x04050607);
    rk_wr_u64(&w, UINT64_C(0x08090a0b0c0d0e0f));
    ck_assert(!w.bad && w.n == 15);
    rk_wr_u8(&w, 1);
    ck_assert(w.bad && rk_wr_done(&w).n == 0);
    r = rk_rd_of(rk_str_of(raw, sizeof raw));
    ck_assert_uint_eq(rk_rd_u8(&r), 1);
    ck_assert_uint_eq(rk_rd_u16(&r), 0x0203);
    ck_assert_uint_eq(rk_rd_u32(&r), 0x04050607);
    ck_assert_uint_eq(rk_rd_u64(&r), UINT64_C(0x08090a0b0c0d0e0f));
    ck_assert(!r.bad && rk_rd_rest(&r).n == 0);
    ck_assert_uint_eq(rk_rd_u8(&r), 0);
    ck_assert(r.bad);
    ck_assert_ptr_null(rk_rd_take(&r, 0));
}
END_TEST

START_TEST(map_survives_churn)
{
    struct rk_map m;
    char key[16];
    static int v[5000];
    size_t pos = 0, seen = 0;
    void *value;

    rk_map_init(&m, false);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 5000; i++) {
            int n = snprintf(key, sizeof key, "k%d", i);

            (void)rk_map_put(&m, rk_str_of(key, (size_t)n), &v[i]);
        }
        ck_assert_uint_eq(m.n, 5000);
        for (int i = 0; i < 5000; i += 2) {
            int n = snprintf(key, sizeof key, "k%d", i);

            ck_assert_ptr_eq(rk_map_del(&m, rk_str_of(key, (size_t)n)), &v[i]);
            ck_assert_ptr_null(rk_map_del(&m, rk_str_of(key, (size_t)n)));
        }
        ck_assert_uint_eq(m.n, 2500);
    }
    ck_assert_ptr_eq(rk_map_get(&m, RK_STR("k4999")), &v[4999]);
    ck_assert_ptr_null(rk_map_get(&m, RK_STR("k4998")));
    ck_assert_uint_le(m.cap, 16384); /* deleted slots are reclaimed */
    while (rk_map_next(&m, &pos, NULL, &value))
        seen++;
    ck_assert_uint_eq(seen, 2500);
    rk_map_done(&m);
}
END_TEST

START_TEST(heap_gives_the_smallest)
{
    enum { N = 300 };
    struct rk_heap h;
    struct rk_heap_node n[N] = {0};
    int64_t last = INT64_MIN;
    size_t out = 0;

    rk_heap_init(&h);
    for (int i = 0; i < N; i++)
        rk_heap_set(&h, &n[i], (i * 7919) % 1009);
    for (int i = 0; i < N; i += 3)
        rk_heap_set(&h, &n[i], (i * 31) % 500);
    for (int i = 1; i < N; i += 3)
        rk_heap_remove(&h, &n[i]);
    rk_heap_remove(&h, &n[1]);
    for (struct rk_heap_node *x; (x = rk_heap_min(&h)); out++) {
        ck_assert(x->key >= last);
        last = x->key;
        rk_heap_remove(&h, x);
    }
    ck_assert_uint_eq(out, 200);
    rk_heap_done(&h);
}
END_TEST

START_TEST(bit_rates_have_a_unit_and_bounds)
{
    static const char *const bad[] = {
        "1",    "20",     "mbit",    "1.5mbit",  "-1mbit",  "0mbit",    "63kbit",
        "20mb", "20mbps", "20 mbit", "1001gbit", " 20mbit", "64000bit", "99999999999999999999kbit"};
    int64_t v = -1;

    ck_assert_int_eq(rk_parse_bit_rate(RK_STR("64kbit"), &v, NULL), RK_OK);
    ck_assert_int_eq(v, 64000);
    ck_assert_int_eq(rk_parse_bit_rate(RK_STR("20Mbit"), &v, NULL), RK_OK);
    ck_assert_int_eq(v, 20000000);
    ck_assert_int_eq(rk_parse_bit_rate(RK_STR("1000gbit"), &v, NULL), RK_OK);
    ck_assert_int_eq(v, RK_BIT_RATE_MAX);
    ck_assert_int_eq(rk_parse_bit_rate(RK_STR(""), &v, NULL), RK_OK);
    ck_assert_int_eq(v, 0);
    v = 7;
    for (size_t i = 0; i < RK_ARRAY_LEN(bad); i++)
        ck_assert_msg(rk_parse_bit_rate(rk_str_z(bad[i]), &v, NULL) == RK_BAD_REQUEST, "%s",
                      bad[i]);
    ck_assert_int_eq(v, 7);
}
END_TEST

START_TEST(numbers_and_durations_are_strict)
{
    int64_t v = 7;

    ck_assert_int_eq(rk_parse_i64(RK_STR("-9223372036854775808"), INT64_MIN, INT64_MAX, &v, NULL),
                     RK_OK);
    ck_assert(v == INT64_MIN);
    ck_assert_int_eq(rk_parse_i64(RK_STR("9223372036854775808"), INT64_MIN, INT64_MAX, &v, NULL),
                     RK_BAD_REQUEST);
    ck_assert_int_eq(rk_parse_i64(RK_STR("12 "), 0, 99, &v, NULL), RK_BAD_REQUEST);
    ck_assert_int_eq(rk_parse_i64(RK_STR("-"), -9, 99, &v, NULL), RK_BAD_REQUEST);
    ck_assert_int_eq(rk_parse_i64(RK_STR("100"), 0, 99, &v, NULL), RK_BAD_REQUEST);
    ck_assert_int_eq(rk_parse_duration_ms(RK_STR("1h1.5s20ms"), &v, NULL), RK_OK);
    ck_assert(v == 3601520);
    ck_assert_int_eq(rk_parse_duration_ms(RK_STR("7d"), &v, NULL), RK_OK);
    ck_assert(v == 604800000);
    ck_assert_int_eq(rk_parse_duration_ms(RK_STR("5"), &v, NULL), RK_BAD_REQUEST);
    ck_assert_int_eq(rk_parse_duration_ms(RK_STR("h"), &v, NULL), RK_BAD_REQUEST);
    ck_assert_int_eq(rk_parse_duration_ms(RK_STR("99999999999999h"), &v, NULL), RK_BAD_REQUEST);
}
END_TEST

START_TEST(times_round_trip)
{
    char buf[RK_TIME_TEXT];
    int64_t us;

    ck_assert_int_eq(rk_time_parse_us(RK_STR("2024-02-29T23:59:59.120+01:30"), &us, NULL), RK_OK);
    ck_assert(rk_str_eqz(rk_time_format_us(us, buf), "2024-02-29T22:29:59.12Z"));
    ck_assert(rk_str_eqz(rk_time_format_us(0, buf), "1970-01-01T00:00:00Z"));
    ck_assert_int_eq(rk_time_parse_us(RK_STR("0001-01-01T00:00:00Z"), &us, NULL), RK_OK);
    ck_assert(rk_str_eqz(rk_time_format_us(us, buf), "0001-01-01T00:00:00Z"));
    ck_assert_int_ne(rk_time_parse_us(RK_STR("2023-02-29T00:00:00Z"), &us, NULL), RK_OK);
    ck_assert_int_ne(rk_time_parse_us(RK_STR("2023-02-28T00:00:00"), &us, NULL), RK_OK);
    ck_assert_int_ne(rk_time_parse_us(RK_STR("2023-02-28T00:00:00Zx"), &us, NULL), RK_OK);
    ck_assert_int_ne(rk_time_parse_us(RK_STR("2023-02-28T00:00:00."), &us, NULL), RK_OK);
    ck_assert_int_ne(rk_time_parse_us(RK_STR(""), &us, NULL), RK_OK);
}
END_TEST

START_TEST(encodings_round_trip_and_refuse)
{
    struct rk_arena *a = rk_arena_new(0);
    uint8_t raw[64], out[64];
    size_t n;
    struct rk_str s;

    for (size_t i = 0; i < sizeof raw; i++)
        raw[i] = (uint8_t)(i * 37 + 11);
    for (size_t len = 0; len <= sizeof raw; len++) {
        struct rk_str in = rk_str_of(raw, len);

        ck_assert_int_eq(rk_base64_decode(rk_base64_encode(a, in), out, sizeof out, &n, NULL), 0);
        ck_assert(n == len && memcmp(out, raw, n) == 0);
        ck_assert_int_eq(rk_base64url_decode(rk_base64url_encode(a, in), out, sizeof out, &n, NULL),
                         0);
        ck_assert(n == len && memcmp(out, raw, n) == 0);
        ck_assert_int_eq(rk_hex_decode(rk_hex_encode(a, in), out, sizeof out, &n, NULL), 0);
        ck_assert(n == len && memcmp(out, raw, n) == 0);
    }
    ck_assert(rk_str_eqz(rk_base64_encode(a, RK_STR("fo")), "Zm8="));
    ck_assert_int_ne(rk_base64_decode(RK_STR("Zm9="), out, sizeof out, &n, NULL), RK_OK);
    ck_assert_int_ne(rk_base64_decode(RK_STR("Zm8"), out, sizeof out, &n, NULL), RK_OK);
    ck_assert_int_ne(rk_base64_decode(RK_STR("Z=8="), out, sizeof out, &n, NULL), RK_OK);
    ck_assert_int_eq(rk_base64_decode(RK_STR("Zm8="), out, 1, &n, NULL), RK_LIMIT);
    ck_assert_int_eq(rk_percent_decode(a, RK_STR("a%20b+c%2F"), true, &s, NULL), RK_OK);
    ck_assert(rk_str_eqz(s, "a b c/"));
    ck_assert_int_ne(rk_percent_decode(a, RK_STR("a%2"), true, &s, NULL), RK_OK);
    ck_assert_int_ne(rk_percent_decode(a, RK_STR("a%zz"), true, &s, NULL), RK_OK);
    ck_assert_int_eq(rk_percent_decode(a, RK_STR("%41"), false, &s, NULL), RK_OK);
    ck_assert(rk_str_eqz(s, "A"));
    ck_assert(rk_str_eqz(rk_percent_encode(a, RK_STR("a b/\xff")), "a%20b%2F%FF"));
    rk_arena_free(a);
}
END_TEST

START_TEST(ids_have_their_form)
{
    char x[RK_XID_LEN + 1], y[RK_XID_LEN + 1], u[RK_UUID_LEN + 1];

    rk_xid(x);
    rk_xid(y);
    ck_assert_uint_eq(strlen(x), RK_XID_LEN);
    ck_assert_uint_eq(strspn(x, "0123456789abcdefghijklmnopqrstuv"), RK_XID_LEN);
    ck_assert_str_ne(x, y);
    rk_uuid(u);
    ck_assert_uint_eq(strlen(u), RK_UUID_LEN);
    ck_assert(u[14] == '4' && u[8] == '-' && strchr("89ab", u[19]));
}
END_TEST

START_TEST(buckets_refill_and_the_table_is_bounded)
{
    struct rk_bucket b = {0};
    struct rk_ratelimit *r;

    for (int i = 0; i < 5; i++)
        ck_assert(rk_bucket_take(&b, 1000, 2000, 5));
    ck_assert(!rk_bucket_take(&b, 1000, 2000, 5));
    ck_assert(!rk_bucket_take(&b, 1499, 2000, 5));
    ck_assert(rk_bucket_take(&b, 1500, 2000, 5));
    ck_assert(!rk_bucket_take(&b, 1500, 2000, 5));
    ck_assert(rk_bucket_take(&b, INT64_MAX / 2, 2000, 5)); /* no overflow after a long time */
    r = rk_ratelimit_new(2, 1000, 1);
    ck_assert(rk_ratelimit_take(r, RK_STR("a"), 1));
    ck_assert(!rk_ratelimit_take(r, RK_STR("a"), 1));
    ck_assert(rk_ratelimit_take(r, RK_STR("b"), 1));
    ck_assert(rk_ratelimit_take(r, RK_STR("c"), 1)); /* forgets a */
    ck_assert(rk_ratelimit_take(r, RK_STR("a"), 1));
    ck_assert(!rk_ratelimit_take(r, RK_STR("a"), 1));
    rk_ratelimit_give(r, RK_STR("a")); /* what was right does not count … */
    rk_ratelimit_give(r, RK_STR("a")); /* … and makes no room beyond the burst */
    rk_ratelimit_give(r, RK_STR("unknown"));
    ck_assert(rk_ratelimit_take(r, RK_STR("a"), 1));
    ck_assert(!rk_ratelimit_take(r, RK_STR("a"), 1));
    rk_ratelimit_free(r);
}
END_TEST

START_TEST(metrics_are_grouped_by_name)
{
    static const int64_t bounds[] = {1, 10};
    struct rk_metrics *m = rk_metrics_new();
    struct rk_metric *a = rk_metric_counter(m, "x_total", "k=\"a\"", "things");
    struct rk_metric *h = rk_metric_histogram(m, "lat_ms", NULL, "time", bounds, 2);
    struct rk_metric *b = rk_metric_counter(m, "x_total", "k=\"b\"", "things");
    struct rk_buf out;

    rk_metric_add(a, 2);
    rk_metric_add(b, 3);
    rk_metric_observe(h, 10);
    rk_metric_observe(h, 11);
    rk_metric_add(NULL, 1);
    rk_buf_init(&out, 4096);
    rk_metrics_write(m, &out);
    rk_buf_addc(&out, '\0');
    ck_assert_str_eq(out.p, "# HELP x_total things\n# TYPE x_total counter\n"
                            "x_total{k=\"a\"} 2\nx_total{k=\"b\"} 3\n"
                            "# HELP lat_ms time\n# TYPE lat_ms histogram\n"
                            "lat_ms_bucket{le=\"1\"} 0\nlat_ms_bucket{le=\"10\"} 1\n"
                            "lat_ms_bucket{le=\"+Inf\"} 2\nlat_ms_sum 21\nlat_ms_count 2\n");
    rk_buf_done(&out);
    rk_metrics_free(m);
}
END_TEST

START_TEST(metrics_in_thousandths_are_shown_in_units)
{
    static const int64_t bounds[] = {100, 500, 1000, 12345};
    struct rk_metrics *m = rk_metrics_new();
    struct rk_metric *h = rk_metric_histogram_milli(m, "t_ms", NULL, "time", bounds, 4);
    struct rk_buf out;

    ck_assert_ptr_eq(rk_metric_histogram_milli(m, "t_ms", NULL, "time", bounds, 4), h);
    rk_metric_observe(h, 100);
    rk_metric_observe(h, 1001);
    rk_buf_init(&out, 4096);
    rk_metrics_write(m, &out);
    rk_buf_addc(&out, '\0');
    ck_assert_str_eq(out.p, "# HELP t_ms time\n# TYPE t_ms histogram\n"
                            "t_ms_bucket{le=\"0.1\"} 1\nt_ms_bucket{le=\"0.5\"} 1\n"
                            "t_ms_bucket{le=\"1\"} 1\nt_ms_bucket{le=\"12.345\"} 2\n"
                            "t_ms_bucket{le=\"+Inf\"} 2\nt_ms_sum 1.101\nt_ms_count 2\n");
    rk_buf_done(&out);
    rk_metrics_free(m);
}
END_TEST

START_TEST(log_lines_cannot_be_forged)
{
    int fd[2];
    char line[9000];
    ssize_t n;
    struct rk_log *log, *child;

    ck_assert_int_eq(pipe(fd), 0);
    log = rk_log_new(fd[1], RK_INFO, false);
    child = rk_log_with(log, kv_z("part", "test"));
    rk_log(child, RK_DEBUG, "hidden");
    rk_log(child, RK_INFO, "peer login", kv_z("name", "a\nlevel=error"), kv_i64("n", -3),
           kv_bool("ok", true));
    n = read(fd[0], line, sizeof line - 1);
    ck_assert_int_gt(n, 0);
    line[n] = '\0';
    ck_assert_ptr_nonnull(strstr(line, " level=info event=\"peer login\" part=test "
                                       "name=\"a\\nlevel=error\" n=-3 ok=true\n"));
    rk_log_free(log);
    rk_log_free(child);
    (void)close(fd[0]);
    (void)close(fd[1]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("base");
    TCase *t = tcase_create("base");

    tcase_add_test(t, errors_carry_context_and_are_cut);
    tcase_add_test(t, strings_compare_and_cut);
    tcase_add_test(t, utf8_is_checked_by_the_book);
    tcase_add_test(t, arena_keeps_a_ceiling);
    tcase_add_test(t, buffer_is_sticky_when_full);
    tcase_add_test(t, reader_and_writer_are_sticky);
    tcase_add_test(t, map_survives_churn);
    tcase_add_test(t, heap_gives_the_smallest);
    tcase_add_test(t, bit_rates_have_a_unit_and_bounds);
    tcase_add_test(t, numbers_and_durations_are_strict);
    tcase_add_test(t, times_round_trip);
    tcase_add_test(t, encodings_round_trip_and_refuse);
    tcase_add_test(t, ids_have_their_form);
    tcase_add_test(t, buckets_refill_and_the_table_is_bounded);
    tcase_add_test(t, metrics_are_grouped_by_name);
    tcase_add_test(t, metrics_in_thousandths_are_shown_in_units);
    tcase_add_test(t, metrics_in_thousandths_are_shown_in_units);
    tcase_add_test(t, log_lines_cannot_be_forged);
    suite_add_tcase(s, t);
    return run_suite(s);
}
