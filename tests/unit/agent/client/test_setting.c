/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests agent/client/setting.c. */
#include "config.h"

#include <check.h>
#include <unistd.h>

#include "agent/client/setting.h"
#include "lib/base/num.h"
#include "tests/unit/run.h"

static struct profile *p;

static void setup(void)
{
    (void)unlink("test-setting.json");
    ck_assert_int_eq(profile_load("test-setting.json", &p, NULL), RK_OK);
}

static void teardown(void)
{
    profile_free(p);
    (void)unlink("test-setting.json");
}

static void names_are(size_t n, const char *first)
{
    ck_assert_uint_eq(p->settings.dns_labels.n, n);
    ck_assert_msg(!n || rk_str_eqz(p->settings.dns_labels.items[0], first), "%.*s",
                  RK_STR_ARG(p->settings.dns_labels.items[0]));
}

START_TEST(names_for_this_peer)
{
    static const struct {
        const char *value, *first;
        size_t n; /* 0: refused */
    } rows[] = {
        {"web", "web", 1},
        {"Web, api.EU", "web", 2},
        {"*.apps", "*.apps", 1},
        {"_svc.web", "_svc.web", 1},
        {"b\xc3\xbc"
         "cher",
         "xn--bcher-kva", 1},
        {"a_b", "a_b", 1},
        {"bad name", NULL, 0},
        {"-web", NULL, 0},
        {"web-", NULL, 0},
        {"we!b", NULL, 0},
        {"a..b", NULL, 0},
        {"a.*.b", NULL, 0},
        {".", NULL, 0},
        {"a,,b", NULL, 0},
        {"_web", NULL, 0},
        {"\xff\xfe", NULL, 0},
    };
    struct rk_err err = {0};

    for (size_t i = 0; i < RK_ARRAY_LEN(rows); i++) {
        enum rk_code rc = setting_set(p, RK_STR("extra-dns-labels"), rk_str_z(rows[i].value), &err);

        ck_assert_msg(rc == (rows[i].n ? RK_OK : RK_INVALID), "%s: %s", rows[i].value, err.msg);
        if (rc == RK_OK)
            names_are(rows[i].n, rows[i].first);
        else
            names_are(1, "a_b"); /* nothing changed */
    }
    ck_assert_int_eq(setting_set(p, RK_STR("extra-dns-labels"), RK_STR(""), &err), RK_OK);
    names_are(0, NULL);
    ck_assert_int_eq(setting_set(p, RK_STR("hostname"), RK_STR("a b"), &err), RK_OK);
    ck_assert_int_eq(setting_set(p, RK_STR("no-such"), RK_STR("a"), &err), RK_NOT_FOUND);
}
END_TEST

START_TEST(addresses_outside)
{
    static const char *const good[] = {"1.2.3.4", "1.2.3.4/10.0.0.1,5.6.7.8/eth0", "2001:db8::1",
                                       "2001:db8::1/fd00::1", ""};
    static const char *const bad[] = {"x",
                                      "1.2.3.4/",
                                      "1.2.3.4/a/b",
                                      "1.2.3.4/fd00::1",
                                      "0.0.0.0",
                                      "1.2.3.4/an-interface-of-a-long-name",
                                      "1.2.3.4,,5.6.7.8",
                                      "/10.0.0.1"};
    struct rk_err err = {0};

    for (size_t i = 0; i < RK_ARRAY_LEN(good); i++)
        ck_assert_msg(setting_set(p, RK_STR("external-ip-map"), rk_str_z(good[i]), &err) == RK_OK,
                      "%s: %s", good[i], err.msg);
    for (size_t i = 0; i < RK_ARRAY_LEN(bad); i++)
        ck_assert_msg(setting_set(p, RK_STR("external-ip-map"), rk_str_z(bad[i]), &err) ==
                          RK_INVALID,
                      "%s", bad[i]);
    ck_assert_uint_eq(p->settings.external_ips.n, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("setting");
    TCase *t = tcase_create("setting");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, names_for_this_peer);
    tcase_add_test(t, addresses_outside);
    suite_add_tcase(s, t);
    return run_suite(s);
}
