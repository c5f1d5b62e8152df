/* SPDX-License-Identifier: BSD-3-Clause */
/* Versions, labels, ports, enums, and deep copies of entities. */
#include "config.h"

#include "management/domain/account_data.h"
#include "management/domain/version.h"
#include "tests/unit/vec.h"

START_TEST(versions_compare)
{
    static const char *const ASCENDING[] = {
        "0.9",      "0.10.0-alpha", "0.10.0-alpha.2", "0.10.0-alpha.10", "0.10.0-beta", "0.10.0",
        "0.10.0.1", "v1",           "10.0.22631.4317"};
    struct version a, b;

    for (size_t i = 0; i < RK_ARRAY_LEN(ASCENDING); i++)
        for (size_t k = 0; k < RK_ARRAY_LEN(ASCENDING); k++) {
            int c;

            ck_assert(version_parse(rk_str_z(ASCENDING[i]), &a));
            ck_assert(version_parse(rk_str_z(ASCENDING[k]), &b));
            c = version_cmp(&a, &b);
            ck_assert_int_eq((c > 0) - (c < 0), (i > k) - (i < k));
        }
}
END_TEST

START_TEST(bad_versions_are_refused)
{
    static const char *const BAD[] = {"",
                                      "v",
                                      "x1",
                                      "1..2",
                                      "1.2-",
                                      "1.2+",
                                      "1.2 ",
                                      "1.2-a..b",
                                      "development",
                                      "1.2.3.4.5.6.7.8.9",
                                      "99999999999999999999",
                                      "1.2-!"};
    struct version v;

    for (size_t i = 0; i < RK_ARRAY_LEN(BAD); i++)
        ck_assert_msg(!version_parse(rk_str_z(BAD[i]), &v), "%s", BAD[i]);
}
END_TEST

START_TEST(features_by_version)
{
    ck_assert(version_has_feature(RK_STR("0.60.0-rc1"), "0.60.0"));
    ck_assert(version_has_feature(RK_STR("dev-123"), "0.60.0"));
    ck_assert(!version_has_feature(RK_STR("0.59.9"), "0.60.0"));
    ck_assert(!version_has_feature(RK_STR(""), "0.60.0"));
    ck_assert(version_semver_at_least(RK_STR("0.59.0"), "0.59.0"));
    ck_assert(!version_semver_at_least(RK_STR("0.59.0-rc1"), "0.59.0"));
    ck_assert(!version_semver_at_least(RK_STR("v0.60.0"), "0.59.0"));
    ck_assert(version_semver_at_least(RK_STR("ci-1"), "0.59.0"));
}
END_TEST

START_TEST(labels_of_odd_names)
{
    struct rk_arena *mem = rk_arena_new(0);
    static const struct {
        const char *in, *out;
    } CASES[] = {{"\xc3\xbc", "xn--tda"},
                 {"b\xc3\xbc"
                  "cher",
                  "xn--bcher-kva"},
                 {"\xe4\xb8\xad\xe6\x96\x87", "xn--fiq228c"},
                 {"a_-_b", "a---b"},
                 {"__", "-"}};
    struct rk_str out;

    for (size_t i = 0; i < RK_ARRAY_LEN(CASES); i++) {
        ck_assert_int_eq(peer_dns_label(mem, rk_str_z(CASES[i].in), NULL, &out, NULL), RK_OK);
        ck_assert_msg(rk_str_eqz(out, CASES[i].out), "%.*s", RK_STR_ARG(out));
    }
    /* long names are shortened, and a second machine of the same name still has a label */
    for (size_t n = 50; n <= 700; n += n < 70 ? 1 : 105) {
        const struct rk_ip ip = rk_ip4(100, 64, 255, 255);
        char name[1024];

        memset(name, 'x', n);
        if (n > 100) /* a character of two bytes where the name is cut, and nothing but such */
            for (size_t i = n & 1; i + 1 < n; i += 2)
                memcpy(name + i, "\xc3\xa4", 2);
        ck_assert_int_eq(peer_dns_label(mem, rk_str_of(name, n), NULL, &out, NULL), RK_OK);
        ck_assert_uint_le(out.n, 63);
        ck_assert_int_eq(peer_dns_label(mem, rk_str_of(name, n), &ip, &out, NULL), RK_OK);
        ck_assert_uint_le(out.n, 63);
        ck_assert(rk_str_ends(out, RK_STR("-255-255")));
    }
    ck_assert_int_eq(peer_dns_label(mem, RK_STR("\xff"), NULL, &out, NULL), RK_INVALID);
    ck_assert_int_eq(peer_dns_label(mem, RK_STR(".x"), NULL, &out, NULL), RK_INVALID);
    rk_arena_free(mem);
}
END_TEST

START_TEST(ports_are_strict)
{
    uint16_t p;

    ck_assert(port_parse(RK_STR("65535"), &p) && p == 65535);
    ck_assert(!port_parse(RK_STR("65536"), &p));
    ck_assert(!port_parse(RK_STR(""), &p));
    ck_assert(!port_parse(RK_STR("+1"), &p));
    ck_assert(!port_parse(RK_STR("99999999999999999999"), &p));
}
END_TEST

START_TEST(enums_round_trip)
{
    enum user_role role;
    enum rule_protocol proto;
    enum entity_kind kind;

    for (int k = 0; k < ENT_COUNT; k++) {
        ck_assert(entity_kind_parse(rk_str_z(entity_kind_text((enum entity_kind)k)), &kind));
        ck_assert_int_eq((int)kind, k);
        ck_assert_uint_gt(entity_size((enum entity_kind)k), 0);
    }
    ck_assert(!entity_kind_parse(RK_STR("unknown"), &kind));
    ck_assert(user_role_parse(RK_STR("network_admin"), &role) && role == ROLE_NETWORK_ADMIN);
    ck_assert(!user_role_parse(RK_STR("root"), &role) && role == ROLE_UNKNOWN);
    ck_assert(rule_protocol_parse(RK_STR("netbird-ssh"), &proto) && proto == PROTO_SSH);
    ck_assert(!rule_protocol_parse(RK_STR("NETBIRD-SSH"), &proto));
}
END_TEST

/* The copy must hold after the original is gone, and nothing of it may point into the original. */
START_TEST(copies_are_deep)
{
    struct rk_arena *mem = rk_arena_new(0);
    RK_CLEANUP(rk_freep) char *text = rk_str_dupz(RK_STR("name"));
    struct rk_str s = {text, 4};
    struct rk_str groups[] = {s, s};
    struct authorized_group auth = {.group_id = s, .names = {groups, 2}};
    struct port_range range = {1, 2};
    struct rule rules[] = {{.id = s,
                            .sources = {groups, 2},
                            .ports = {groups, 1},
                            .ranges = &range,
                            .n_ranges = 1,
                            .authorized = &auth,
                            .n_authorized = 1},
                           {.name = s}};
    struct policy p = {.id = s, .rules = rules, .n_rules = 2, .posture_checks = {groups, 2}};
    const struct policy *copy = entity_dup(mem, ENT_POLICY, &p);
    char *block = entity_dup_block(ENT_POLICY, &p, 32);
    const struct policy *other = (const struct policy *)(void *)(block + 32);

    ck_assert_ptr_eq(p.rules[0].authorized[0].names.v, groups); /* the source was not touched */
    memset(text, 'x', 4);
    memset(rules, 0, sizeof rules);
    for (int i = 0; i < 2; i++) {
        const struct policy *c = i ? other : copy;

        ck_assert(rk_str_eqz(c->id, "name"));
        ck_assert_uint_eq(c->n_rules, 2);
        ck_assert(rk_str_eqz(c->rules[0].sources.v[1], "name"));
        ck_assert(rk_str_eqz(c->rules[0].authorized[0].names.v[1], "name"));
        ck_assert(rk_str_eqz(c->rules[1].name, "name"));
        ck_assert_uint_eq(c->rules[0].ranges[0].end, 2);
        ck_assert(rk_str_eqz(entity_id(ENT_POLICY, c), "name"));
    }
    free(block);
    rk_arena_free(mem);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("domain");

    tcase_add_test(t, versions_compare);
    tcase_add_test(t, bad_versions_are_refused);
    tcase_add_test(t, features_by_version);
    tcase_add_test(t, labels_of_odd_names);
    tcase_add_test(t, ports_are_strict);
    tcase_add_test(t, enums_round_trip);
    tcase_add_test(t, copies_are_deep);
    return vec_run(t, "domain");
}
