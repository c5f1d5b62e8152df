/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests management/rest/geo.c. */
#include "config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "management/rest/geo.h"
#include "tests/unit/run.h"

#define HEAD "city_name,geoname_id,country_iso_code,country_name\n"

static char path[] = "/tmp/rookery-geo.XXXXXX";

static struct geo *with(const char *text)
{
    FILE *f = fopen(path, "we");

    ck_assert_ptr_nonnull(f);
    (void)fputs(text, f);
    (void)fclose(f);
    return geo_new(path, NULL);
}

static void setup(void)
{
    int fd;

    (void)snprintf(path, sizeof path, "/tmp/rookery-geo.XXXXXX");
    fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

static void teardown(void)
{
    (void)unlink(path);
}

START_TEST(names_are_sorted_and_once)
{
    struct geo *g =
        with(HEAD ",3,US,\"United States, of \"\"America\"\"\"\r\n"
                  "Zwickau,9,DE,Germany\n\"Ahlen\",8,DE,Germany\nAhlen,7,DE,Germany\n"
                  "Boston,6,US,x\n,2,DE,Germany\n,2,DE,Germany\nbroken\n\n,x,FR,France\n"
                  "Paris,5,,\n");
    const struct geo_country *c;
    const struct geo_city *t;
    size_t n;

    ck_assert_int_eq(geo_countries(g, &c, &n, NULL), RK_OK);
    ck_assert_uint_eq(n, 2);
    ck_assert(rk_str_eqz(c[0].code, "DE") &&
              rk_str_eqz(c[1].name, "United States, of \"America\""));
    ck_assert_int_eq(geo_cities(g, RK_STR("DE"), &t, &n, NULL), RK_OK);
    ck_assert_uint_eq(n, 2);
    ck_assert(rk_str_eqz(t[0].name, "Ahlen") && rk_str_eqz(t[1].name, "Zwickau") &&
              t[1].geoname_id == 9);
    ck_assert_int_eq(geo_cities(g, RK_STR("FR"), &t, &n, NULL), RK_OK);
    ck_assert_uint_eq(n, 0);
    geo_free(g);
}
END_TEST

START_TEST(wrong_files_are_refused)
{
    const struct geo_country *c;
    struct geo *g = with("a,b\n1,2\n");
    size_t n;

    ck_assert_int_eq(geo_countries(g, &c, &n, NULL), RK_INVALID);
    geo_free(g);
    g = with("");
    ck_assert_int_eq(geo_countries(g, &c, &n, NULL), RK_INVALID);
    geo_free(g);
    g = geo_new("/nowhere/at/all.csv", NULL);
    ck_assert_int_eq(geo_countries(g, &c, &n, NULL), RK_UNAVAILABLE);
    geo_free(g);
}
END_TEST

START_TEST(every_truncation_is_harmless)
{
    static const char TEXT[] = HEAD "\"A \"\"b\"\"\",1,DE,\"G\"\n,2,DE,\"Ger";
    const struct geo_city *t;
    size_t n;

    for (size_t cut = 0; cut < sizeof TEXT; cut++) {
        char part[sizeof TEXT];
        struct geo *g;

        (void)snprintf(part, sizeof part, "%.*s", (int)cut, TEXT);
        g = with(part);
        RK_IGNORE(geo_cities(g, RK_STR("DE"), &t, &n, NULL));
        geo_free(g);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("geo");
    TCase *t = tcase_create("geo");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, names_are_sorted_and_once);
    tcase_add_test(t, wrong_files_are_refused);
    tcase_add_test(t, every_truncation_is_harmless);
    suite_add_tcase(s, t);
    return run_suite(s);
}
