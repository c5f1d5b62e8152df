/* SPDX-License-Identifier: BSD-3-Clause */
/* Texts without what tells who somebody is, and JSON as YAML. */
#include "config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/cli/anonymize.h"
#include "agent/cli/yaml.h"
#include "lib/base/arena.h"

static void becomes(struct anonymizer *a, const char *in, const char *want)
{
    struct rk_str out = anonymizer_text(a, rk_str_z(in));

    ck_assert_msg(rk_str_eqz(out, want), "\"%s\" becomes \"%.*s\", not \"%s\"", in, RK_STR_ARG(out),
                  want);
}

START_TEST(by_default)
{
    struct anonymizer *a = anonymizer_new(false);
    json_t *status =
        json_pack("{s:s,s:{s:s},s:[{s:s}]}", "fqdn", "host-a.corp.example.com", "management", "url",
                  "https://vpn.example.net:443", "details", "uri", "stun:stun.example.org:3478");

    anonymizer_learn(a, status);
    json_decref(status);
    /* the same address becomes the same, with ports, prefixes, brackets and points around it */
    becomes(a, "203.0.113.7:51820 via 203.0.113.7/32, [2600::1]:443.",
            "198.51.100.0:51820 via 198.51.100.0/32, [2001:db8:ffff::1]:443.");
    becomes(a, "is 203.0.113.7.", "is 198.51.100.0.");
    becomes(a, "203.0.113.8", "198.51.100.1");
    /* what is private tells nothing by default; what tells nobody never does */
    becomes(a, "10.1.2.3 100.64.0.1 169.254.1.1 fe80::1 127.0.0.1 0.0.0.0 255.255.255.0 ::",
            "10.1.2.3 100.64.0.1 169.254.1.1 fe80::1 127.0.0.1 0.0.0.0 255.255.255.0 ::");
    becomes(a, "fd00::5", "2001:db8:ffff::2");
    becomes(a, "mac=aa:bb:cc:dd:ee:f0 AA-bb-cc-dd-ee-f0 ff:ff:ff:ff:ff:ff",
            "mac=02:00:00:00:00:01 02-00-00-00-00-02 ff:ff:ff:ff:ff:ff");
    becomes(a, "host-a.corp.example.com. vpn.Example.NET/x other.example.org",
            "host-a.corp.anon-1.domain. vpn.anon-2.domain/x other.anon-3.domain");
    /* not everything with digits, dots or colons is an address */
    becomes(a, "12:34:56.789 v1.2.3.4.5 a.b 1.2.3 dead:beef deadbeef.txt x203.0.113.7",
            "12:34:56.789 v1.2.3.4.5 a.b 1.2.3 dead:beef deadbeef.txt x203.0.113.7");
    becomes(a, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    /* a second time changes nothing */
    becomes(a, "198.51.100.0 02:00:00:00:00:01 vpn.anon-2.domain",
            "198.51.100.0 02:00:00:00:00:01 vpn.anon-2.domain");
    anonymizer_free(a);
}
END_TEST

START_TEST(strictly)
{
    static const char *const keys[] = {
        "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB=",
        "+BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB=",
        "/BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB=",
        "++/BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB=",
    };
    struct anonymizer *a = anonymizer_new(true);
    struct rk_str first, again, among;

    anonymizer_learn_name(a, RK_STR("laptop"));
    anonymizer_learn_name(a, RK_STR("peer-x.mesh.example.com"));
    becomes(a, "10.1.2.3 100.64.0.1 fd00::5 203.0.113.7",
            "198.18.0.0 198.18.0.1 2001:db8:1::1 198.51.100.0");
    becomes(a, "laptop and peer-x.mesh.example.com", "host-1 and host-2.host-3.anon-1.domain");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        char text[100];

        first = anonymizer_text(a, rk_str_z(keys[i]));
        again = anonymizer_text(a, rk_str_z(keys[i]));
        ck_assert(rk_str_eq(first, again) && !rk_str_eqz(first, keys[i]));
        ck_assert_uint_eq(first.n, strlen(keys[i]));
        (void)snprintf(text, sizeof text, "{\"publicKey\":\"%s\"}", keys[i]);
        among = anonymizer_text(a, rk_str_z(text));
        ck_assert_uint_lt(rk_str_find(among, first), among.n);
        ck_assert(rk_str_eq(anonymizer_text(a, first), first)); /* ours */
    }
    becomes(a, "/usr/bin + a/b //", "/usr/bin + a/b //");
    anonymizer_free(a);
}
END_TEST

START_TEST(yaml)
{
    json_t *v =
        json_pack("{s:s,s:i,s:b,s:n,s:[],s:{},s:[{s:s,s:[ii]},s],s:s,s:s}", "a", "word", "b", 7,
                  "c", 1, "d", "e", "f", "g", "x", "1 2", "y", 1, 2, "z: no", "h", "true", "i", "");
    char *p = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&p, &n);

    yaml_print(f, v);
    (void)fclose(f);
    ck_assert_str_eq(p,
                     "a: word\nb: 7\nc: true\nd: null\ne: []\nf: {}\ng:\n  - x: \"1 2\"\n    y:\n"
                     "      - 1\n      - 2\n  - \"z: no\"\nh: \"true\"\ni: \"\"\n");
    free(p);
    json_decref(v);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("anonymize");
    TCase *t = tcase_create("anonymize");
    SRunner *r;
    int failed;

    tcase_add_test(t, by_default);
    tcase_add_test(t, strictly);
    tcase_add_test(t, yaml);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
