/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests the codec of agent/ice/portmap_pcp.c (RFC 6887); a real router is asked in
 * netns/router_port. */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ice/portmap_pcp.h"
#include "lib/base/num.h"
#include "tests/unit/run.h"

static const struct portmap_ask ASK = {.own = {4, {192, 168, 1, 7}},
                                       .gateway = {4, {192, 168, 1, 1}},
                                       .port = 51820,
                                       .wanted = 40001,
                                       .nonce = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}};

static const uint8_t REQUEST[PCP_MAP_SIZE] = {
    2,  1, 0, 0, 0,    0,    0x1c, 0x20,                                    /* 7200 s */
    0,  0, 0, 0, 0,    0,    0,    0,    0, 0,  0xff, 0xff, 192, 168, 1, 7, /* we */
    1,  2, 3, 4, 5,    6,    7,    8,    9, 10, 11,   12,                   /* nonce */
    17, 0, 0, 0, 0xca, 0x6c, 0x9c, 0x41,                                    /* UDP, ports */
    0,  0, 0, 0, 0,    0,    0,    0,    0, 0,  0xff, 0xff, 0,   0,   0, 0};

static const uint8_t ANSWER[PCP_MAP_SIZE] = {
    2,    0x81, 0, 0, 0, 0, 0x0e, 0x10,                                    /* 3600 s */
    0,    0,    1, 0, 0, 0, 0,    0,    0, 0,  0,  0,  0,    0,    0,   0, /* epoch */
    1,    2,    3, 4, 5, 6, 7,    8,    9, 10, 11, 12, 17,   0,    0,   0, 0xca, 0x6c,
    0x9c, 0x42, 0, 0, 0, 0, 0,    0,    0, 0,  0,  0,  0xff, 0xff, 203, 0, 113,  5};

START_TEST(the_request_is_that_of_the_rfc)
{
    uint8_t out[PCP_MAP_SIZE];

    pcp_map_request(&ASK, 7200, out);
    ck_assert_mem_eq(out, REQUEST, sizeof out);
}
END_TEST

START_TEST(an_answer_is_read)
{
    struct portmap_answer a = {0};
    struct rk_ip ip = {4, {203, 0, 113, 5}};

    ck_assert_int_eq(pcp_map_answer(rk_str_of(ANSWER, sizeof ANSWER), &ASK, &a), PCP_OK);
    ck_assert_int_eq(a.method, PORTMAP_PCP);
    ck_assert_uint_eq(a.outside.port, 40002);
    ck_assert(rk_ip_eq(&a.outside.ip, &ip));
    ck_assert_int_eq(a.lifetime_s, 3600);
}
END_TEST

START_TEST(every_truncation_is_ignored)
{
    for (size_t n = 0; n < sizeof ANSWER; n++) {
        RK_CLEANUP(rk_freep) char *exact = rk_memdup(ANSWER, n);
        struct portmap_answer a = {0};

        ck_assert_int_eq(pcp_map_answer(rk_str_of(exact, n), &ASK, &a), PCP_IGNORE);
        ck_assert_int_eq(a.method, PORTMAP_NONE);
    }
}
END_TEST

START_TEST(what_is_not_ours_is_ignored)
{
    static const size_t at[] = {24, 35, 36, 40, 41}; /* nonce, protocol, port */

    for (size_t i = 0; i < RK_ARRAY_LEN(at); i++) {
        uint8_t in[PCP_MAP_SIZE];
        struct portmap_answer a = {0};

        memcpy(in, ANSWER, sizeof in);
        in[at[i]] ^= 1;
        ck_assert_int_eq(pcp_map_answer(rk_str_of(in, sizeof in), &ASK, &a), PCP_IGNORE);
    }
    ck_assert_int_eq(
        pcp_map_answer(rk_str_of(REQUEST, sizeof REQUEST), &ASK, &(struct portmap_answer){0}),
        PCP_IGNORE);
}
END_TEST

START_TEST(refusals_and_other_versions_are_told_apart)
{
    static const uint8_t natpmp[] = {0, 0x81, 0, 1, 0, 0, 0, 9};
    static const uint8_t nowhere[16] = {[10] = 0xff, [11] = 0xff};
    uint8_t in[PCP_MAP_SIZE];
    struct portmap_answer a = {0};

    ck_assert_int_eq(pcp_map_answer(rk_str_of(natpmp, sizeof natpmp), &ASK, &a), PCP_FOREIGN);
    memcpy(in, ANSWER, sizeof in);
    in[3] = 8; /* no resources */
    ck_assert_int_eq(pcp_map_answer(rk_str_of(in, sizeof in), &ASK, &a), PCP_REFUSED);
    memcpy(in, ANSWER, sizeof in);
    memset(in + 4, 0, 4); /* for no time */
    ck_assert_int_eq(pcp_map_answer(rk_str_of(in, sizeof in), &ASK, &a), PCP_REFUSED);
    memcpy(in, ANSWER, sizeof in);
    memcpy(in + 44, nowhere, sizeof nowhere); /* the router does not know where it is */
    ck_assert_int_eq(pcp_map_answer(rk_str_of(in, sizeof in), &ASK, &a), PCP_OK);
    ck_assert_uint_eq(a.outside.ip.family, 0);
    ck_assert_uint_eq(a.outside.port, 40002);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("portmap_pcp");
    TCase *t = tcase_create("portmap_pcp");

    tcase_add_test(t, the_request_is_that_of_the_rfc);
    tcase_add_test(t, an_answer_is_read);
    tcase_add_test(t, every_truncation_is_ignored);
    tcase_add_test(t, what_is_not_ours_is_ignored);
    tcase_add_test(t, refusals_and_other_versions_are_told_apart);
    suite_add_tcase(s, t);
    return run_suite(s);
}
