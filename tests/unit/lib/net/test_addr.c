/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests lib/net/addr.c. */
#include "config.h"

#include <check.h>
#include <stdlib.h>

#include "lib/net/addr.h"
#include "tests/unit/run.h"

START_TEST(addresses_round_trip)
{
    static const char *const ok[] = {"1.2.3.4:5", "[::1]:65535", "[fd00::1:2]:0", "0.0.0.0:80"};
    static const char *const bad[] = {"1.2.3.4",    "1.2.3.4:",   "1.2.3.4:65536", "::1:5",
                                      "[::1]5",     "[::1]",      "[1.2.3.4]:5",   ":5",
                                      "01.2.3.4:5", "1.2.3:4",    "[::1:5",        "[",
                                      "",           "1.2.3.4:-1", "[::1%lo]:5",    "a:5"};
    char buf[RK_ADDR_TEXT];
    struct rk_addr a, b;
    struct sockaddr_storage ss;

    for (size_t i = 0; i < RK_ARRAY_LEN(ok); i++) {
        ck_assert_int_eq(rk_addr_parse(rk_str_z(ok[i]), &a, NULL), RK_OK);
        ck_assert_str_eq(rk_addr_format(&a, buf).p, ok[i]);
        ck_assert_uint_gt(rk_addr_to_sa(&a, &ss), 0);
        ck_assert_int_eq(rk_addr_from_sa((struct sockaddr *)&ss, &b, NULL), RK_OK);
        ck_assert(rk_addr_eq(&a, &b));
    }
    for (size_t i = 0; i < RK_ARRAY_LEN(bad); i++)
        ck_assert_msg(rk_addr_parse(rk_str_z(bad[i]), &a, NULL) == RK_BAD_REQUEST, "%s", bad[i]);
}
END_TEST

START_TEST(prefixes_contain_and_overlap)
{
    struct rk_prefix p, q;
    struct rk_ip ip;
    char buf[RK_ADDR_TEXT];

    ck_assert_int_eq(rk_prefix_parse(RK_STR("100.64.1.2/10"), &p, NULL), RK_OK);
    ck_assert_str_eq(rk_prefix_format(&p, buf).p, "100.64.1.2/10");
    q = rk_prefix_masked(&p);
    ck_assert_str_eq(rk_prefix_format(&q, buf).p, "100.64.0.0/10");
    ck_assert_int_eq(rk_ip_parse(RK_STR("100.127.255.255"), &ip, NULL), RK_OK);
    ck_assert(rk_prefix_contains(&p, &ip));
    ck_assert_int_eq(rk_ip_parse(RK_STR("100.128.0.0"), &ip, NULL), RK_OK);
    ck_assert(!rk_prefix_contains(&p, &ip));
    ck_assert_int_eq(rk_prefix_parse(RK_STR("0.0.0.0/0"), &q, NULL), RK_OK);
    ck_assert(rk_prefix_overlaps(&p, &q) && rk_prefix_overlaps(&q, &p));
    ck_assert_int_eq(rk_prefix_parse(RK_STR("::/0"), &q, NULL), RK_OK);
    ck_assert(!rk_prefix_overlaps(&p, &q));
    ck_assert_int_ne(rk_prefix_parse(RK_STR("1.2.3.4/33"), &q, NULL), RK_OK);
    ck_assert_int_ne(rk_prefix_parse(RK_STR("1.2.3.4/08"), &q, NULL), RK_OK);
    ck_assert_int_ne(rk_prefix_parse(RK_STR("1.2.3.4"), &q, NULL), RK_OK);
}
END_TEST

START_TEST(configured_forms_are_read)
{
    struct rk_addr a;
    struct rk_prefix p;

    ck_assert_int_eq(rk_addr_parse_listen(RK_STR(":443"), &a, NULL), RK_OK);
    ck_assert(a.ip.family == 0 && a.port == 443);
    ck_assert_int_eq(rk_addr_parse_listen(RK_STR("[::1]:0"), &a, NULL), RK_OK);
    ck_assert(a.ip.family == 6 && a.port == 0);
    ck_assert_int_eq(rk_addr_parse_listen(RK_STR(":65536"), &a, NULL), RK_BAD_REQUEST);
    ck_assert_int_eq(rk_addr_parse_listen(RK_STR(":"), &a, NULL), RK_BAD_REQUEST);
    ck_assert_int_eq(rk_addr_parse_listen(RK_STR("443"), &a, NULL), RK_BAD_REQUEST);
    ck_assert_int_eq(rk_prefix_parse_or_ip(RK_STR("10.1.2.3"), &p, NULL), RK_OK);
    ck_assert(p.bits == 32);
    ck_assert_int_eq(rk_prefix_parse_or_ip(RK_STR("fd00::1"), &p, NULL), RK_OK);
    ck_assert(p.bits == 128);
    ck_assert_int_eq(rk_prefix_parse_or_ip(RK_STR("10.0.0.0/8"), &p, NULL), RK_OK);
    ck_assert(p.bits == 8);
    ck_assert_int_eq(rk_prefix_parse_or_ip(RK_STR("proxy"), &p, NULL), RK_BAD_REQUEST);
}
END_TEST

START_TEST(authorities_and_urls)
{
    static const char *const ok[] = {"http://a", "https://a.b:1/x?y=z", "HTTPS://[::1]:65535",
                                     "http://a?b"};
    static const char *const bad[] = {"",           "a",           "ftp://a",     "http://",
                                      "http:///x",  "http://a:0",  "http://a:",   "http://a:65536",
                                      "http://a b", "http://a/ b", "http://[::1", "http://[::1]x",
                                      "http://u@a", "http://a\n"};
    struct rk_str host;
    uint16_t port;

    for (size_t i = 0; i < RK_ARRAY_LEN(ok); i++)
        ck_assert_msg(rk_url_check(rk_str_z(ok[i]), NULL) == RK_OK, "%s", ok[i]);
    for (size_t i = 0; i < RK_ARRAY_LEN(bad); i++)
        ck_assert_msg(rk_url_check(rk_str_z(bad[i]), NULL) == RK_INVALID, "%s", bad[i]);
    ck_assert_int_eq(rk_authority_parse(RK_STR("[::1]:2"), &host, &port, NULL), RK_OK);
    ck_assert(rk_str_eqz(host, "::1") && port == 2);
    ck_assert_int_eq(rk_authority_parse(RK_STR("host"), &host, &port, NULL), RK_OK);
    ck_assert(rk_str_eqz(host, "host") && port == 0);
}
END_TEST

START_TEST(kinds_are_told_apart)
{
    struct rk_ip ip;

    ck_assert_int_eq(rk_ip_parse(RK_STR("::ffff:10.1.2.3"), &ip, NULL), RK_OK);
    ip = rk_ip_unmap(&ip);
    ck_assert(ip.family == 4 && rk_ip_is_private(&ip));
    ck_assert_int_eq(rk_ip_parse(RK_STR("fe80::1"), &ip, NULL), RK_OK);
    ck_assert(rk_ip_is_link_local(&ip) && !rk_ip_is_private(&ip));
    ck_assert_int_eq(rk_ip_from_bytes(rk_str_of("abc", 3), &ip, NULL), RK_BAD_REQUEST);
    ip = rk_ip4(127, 0, 0, 9);
    ck_assert(rk_ip_is_loopback(&ip) && !rk_ip_is_unspecified(&ip));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("addr");
    TCase *t = tcase_create("addr");

    tcase_add_test(t, addresses_round_trip);
    tcase_add_test(t, prefixes_contain_and_overlap);
    tcase_add_test(t, configured_forms_are_read);
    tcase_add_test(t, authorities_and_urls);
    tcase_add_test(t, kinds_are_told_apart);
    suite_add_tcase(s, t);
    return run_suite(s);
}
