/* SPDX-License-Identifier: BSD-3-Clause */
/* Payloads of the bus between signal services. */
#include "config.h"

#include "server/bus_frame.h"

#include <check.h>
#include <string.h>

#include "lib/base/enc.h"
#include "tests/unit/run.h"

static struct rk_arena *mem;
static struct rk_buf raw;

static void setup(void)
{
    mem = rk_arena_new(0);
    rk_buf_init(&raw, BUS_RAW_MAX);
    bus_payload_begin(&raw, 7);
}

static void teardown(void)
{
    rk_buf_done(&raw);
    rk_arena_free(mem);
}

START_TEST(frames_come_back_in_order)
{
    struct rk_str text;
    struct bus_frame f;
    struct rk_rd rd;

    ck_assert(bus_payload_add(&raw, BUS_MESSAGE, RK_STR("first")));
    ck_assert(bus_payload_add(&raw, BUS_REGISTERED, RK_STR("12345678key")));
    ck_assert(bus_payload_add(&raw, (enum bus_kind)99, RK_STR("of a later release")));
    ck_assert(bus_payload_add(&raw, BUS_PARCEL, RK_STR("")));
    text = rk_base64_encode(mem, rk_buf_str(&raw));
    ck_assert_int_eq(bus_payload_open(mem, text, &rd, NULL), RK_OK);
    ck_assert(bus_payload_next(&rd, &f));
    ck_assert(f.kind == BUS_MESSAGE && rk_str_eqz(f.body, "first"));
    ck_assert(bus_payload_next(&rd, &f));
    ck_assert(f.kind == BUS_REGISTERED && rk_str_eqz(f.body, "12345678key"));
    ck_assert(bus_payload_next(&rd, &f));
    ck_assert(f.kind == BUS_PARCEL && f.body.n == 0);
    ck_assert(!bus_payload_next(&rd, &f));
}
END_TEST

START_TEST(a_full_payload_fits_into_a_notification)
{
    char *big = rk_arena_alloc(mem, BUS_FRAME_MAX + 1);

    memset(big, 0xff, BUS_FRAME_MAX + 1);
    ck_assert(!bus_payload_add(&raw, BUS_MESSAGE, rk_str_of(big, BUS_FRAME_MAX + 1)));
    ck_assert(bus_payload_add(&raw, BUS_MESSAGE, rk_str_of(big, BUS_FRAME_MAX)));
    ck_assert(!bus_payload_add(&raw, BUS_MESSAGE, RK_STR("")));
    ck_assert(!raw.full);
    ck_assert_uint_le(RK_BASE64_LEN(raw.n), BUS_PAYLOAD_MAX);
}
END_TEST

START_TEST(every_truncation_is_harmless)
{
    struct rk_str text;

    ck_assert(bus_payload_add(&raw, BUS_MESSAGE, RK_STR("a message")));
    ck_assert(bus_payload_add(&raw, BUS_MESSAGE, RK_STR("another")));
    for (size_t n = 0; n < raw.n; n++) {
        struct bus_frame f;
        struct rk_rd rd;
        size_t got = 0;

        text = rk_base64_encode(mem, rk_str_of(raw.p, n));
        if (bus_payload_open(mem, text, &rd, NULL)) {
            ck_assert_uint_lt(n, BUS_HEAD);
            continue;
        }
        while (bus_payload_next(&rd, &f))
            got++;
        ck_assert_uint_le(got, 1);
    }
    text = rk_base64_encode(mem, rk_buf_str(&raw));
    for (size_t n = 0; n < text.n; n++) {
        struct rk_rd rd;

        if (n % 4)
            ck_assert_int_eq(bus_payload_open(mem, rk_str_of(text.p, n), &rd, NULL),
                             RK_BAD_REQUEST);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bus_frame");
    TCase *tc = tcase_create("bus_frame");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, frames_come_back_in_order);
    tcase_add_test(tc, a_full_payload_fits_into_a_notification);
    tcase_add_test(tc, every_truncation_is_harmless);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
