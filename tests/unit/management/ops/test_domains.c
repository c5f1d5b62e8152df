/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests management/ops/domains.c. */
#include "config.h"

#include <check.h>
#include <stdlib.h>

#include "management/ops/domains.h"
#include "tests/unit/run.h"

#define LABEL_63 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"

START_TEST(names_are_checked)
{
    static const char *const ok[] = {
        "a",   "a.b", "A-b.c0",       "xn--bcher-kva.de", "_tcp.a.b", "a_b.c", LABEL_63 ".org",
        "1.2", "_.a", "_dmarc.a.test"};
    static const char *const bad[] = {
        "",    ".",   "a.", ".a",   "a..b", "-a.b", "a-.b", "a b", "a/b",  "*.a",
        "a.*", "a._", "_",  "a_.b", "ä.de", "a.-b", "*",    "*.",  "a\tb", LABEL_63 "x.org"};

    for (size_t i = 0; i < RK_ARRAY_LEN(ok); i++) {
        char star[100];

        ck_assert_msg(dns_name_ok(rk_str_z(ok[i]), false), "%s", ok[i]);
        (void)snprintf(star, sizeof star, "*.%s", ok[i]);
        ck_assert_msg(dns_name_ok(rk_str_z(star), true), "%s", star);
        ck_assert_msg(!dns_name_ok(rk_str_z(star), false), "%s", star);
    }
    for (size_t i = 0; i < RK_ARRAY_LEN(bad); i++)
        ck_assert_msg(!dns_name_ok(rk_str_z(bad[i]), false), "%s", bad[i]);
}
END_TEST

START_TEST(names_become_punycode_and_back)
{
    struct rk_arena *mem = rk_arena_new(0);
    struct rk_str out;

    ck_assert_int_eq(dns_name_to_ascii(mem,
                                       RK_STR("*.B\xc3\xbc"
                                              "cher.DE"),
                                       true, &out, NULL),
                     RK_OK);
    ck_assert_str_eq(rk_arena_dupz(mem, out), "*.xn--bcher-kva.de");
    ck_assert_str_eq(rk_arena_dupz(mem, dns_name_to_unicode(mem, out)), "*.b\xc3\xbc"
                                                                        "cher.de");
    ck_assert_int_eq(dns_name_to_ascii(mem, RK_STR("_x.a_b.C"), false, &out, NULL), RK_OK);
    ck_assert_str_eq(rk_arena_dupz(mem, out), "_x.a_b.c");
    ck_assert_int_eq(dns_name_to_ascii(mem, RK_STR("*.a"), false, &out, NULL), RK_INVALID);
    ck_assert_int_eq(dns_name_to_ascii(mem, RK_STR("\xff.a"), false, &out, NULL), RK_INVALID);
    ck_assert_int_eq(dns_name_to_ascii(mem, RK_STR(""), false, &out, NULL), RK_INVALID);
    rk_arena_free(mem);
}
END_TEST

START_TEST(lists_have_limits)
{
    struct rk_arena *mem = rk_arena_new(0);
    struct rk_str names[DOMAINS_MAX + 1];
    struct str_list in = {names, 0}, out;

    for (size_t i = 0; i <= DOMAINS_MAX; i++)
        names[i] = RK_STR("a.b");
    ck_assert_int_eq(dns_names_to_ascii(mem, &in, &out, NULL), RK_INVALID);
    in.n = DOMAINS_MAX;
    ck_assert_int_eq(dns_names_to_ascii(mem, &in, &out, NULL), RK_OK);
    ck_assert_uint_eq(out.n, DOMAINS_MAX);
    in.n++;
    ck_assert_int_eq(dns_names_to_ascii(mem, &in, &out, NULL), RK_INVALID);
    rk_arena_free(mem);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("domains");
    TCase *t = tcase_create("domains");

    tcase_add_test(t, names_are_checked);
    tcase_add_test(t, names_become_punycode_and_back);
    tcase_add_test(t, lists_have_limits);
    suite_add_tcase(s, t);
    return run_suite(s);
}
