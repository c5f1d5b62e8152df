/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests agent/ice/candidate.c. Known answers: foundations and priorities of official agents. */
#include "config.h"

#include "agent/ice/candidate.h"
#include "tests/unit/vec.h"

static struct ice_cand make(enum ice_cand_type type, const char *addr)
{
    struct ice_cand c = {.type = type};

    ck_assert_int_eq(rk_addr_parse(rk_str_z(addr), &c.addr, NULL), RK_OK);
    ice_cand_complete(&c);
    return c;
}

START_TEST(foundations_and_priorities_are_those_of_official_agents)
{
    static const struct {
        enum ice_cand_type type;
        const char *addr, *foundation;
        uint32_t priority;
    } known[] = {
        {ICE_HOST, "192.168.1.10:1", "2631669666", 2130706431},
        {ICE_SRFLX, "203.0.113.5:1", "2637446644", 1694498815},
        {ICE_PRFLX, "203.0.113.5:1", "849178686", 1862270975},
        {ICE_RELAY, "198.51.100.9:1", "2547162059", 16777215},
        {ICE_HOST, "[2001:db8::10]:1", "2972068683", 2130706431},
    };

    for (size_t i = 0; i < RK_ARRAY_LEN(known); i++) {
        struct ice_cand c = make(known[i].type, known[i].addr);

        ck_assert_str_eq(c.foundation, known[i].foundation);
        ck_assert_uint_eq(c.priority, known[i].priority);
    }
}
END_TEST

static const char SRFLX[] =
    "2637446644 1 udp 1694498815 203.0.113.5 40001 typ srflx raddr 0.0.0.0 rport 51820 ufrag "
    "aBcDeFgHiJkLmNoP cid BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB";

START_TEST(lines_are_written_as_official_agents_do)
{
    struct ice_cand c = make(ICE_SRFLX, "203.0.113.5:40001");
    struct rk_buf out;

    rk_buf_init(&out, ICE_CAND_LINE_MAX);
    ck_assert_int_eq(rk_addr_parse(RK_STR("0.0.0.0:51820"), &c.related, NULL), RK_OK);
    memset(c.id, 'B', 32);
    ice_cand_format(&c, RK_STR("aBcDeFgHiJkLmNoP"), &out);
    ck_assert(rk_str_eqz(rk_buf_str(&out), SRFLX));

    rk_buf_clear(&out);
    c = make(ICE_HOST, "192.168.1.10:51820");
    ice_cand_format(&c, (struct rk_str){0}, &out);
    ck_assert(
        rk_str_eqz(rk_buf_str(&out), "2631669666 1 udp 2130706431 192.168.1.10 51820 typ host"));
    rk_buf_done(&out);
}
END_TEST

START_TEST(lines_are_read_back)
{
    struct ice_cand c;
    char text[RK_ADDR_TEXT];

    ck_assert_int_eq(ice_cand_parse(rk_str_z(SRFLX), &c, NULL), RK_OK);
    ck_assert_int_eq(c.type, ICE_SRFLX);
    ck_assert_str_eq(rk_addr_format(&c.addr, text).p, "203.0.113.5:40001");
    ck_assert_str_eq(rk_addr_format(&c.related, text).p, "0.0.0.0:51820");
    ck_assert_uint_eq(c.priority, 1694498815);
    ck_assert_str_eq(c.foundation, "2637446644");
    ck_assert_str_eq(c.id, "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB");

    /* an old agent: prefix, no extensions, zone, upper case protocol */
    ck_assert_int_eq(
        ice_cand_parse(RK_STR("candidate:1 1 UDP 5 fe80::1%eth0 9 typ host"), &c, NULL), RK_OK);
    ck_assert_str_eq(rk_addr_format(&c.addr, text).p, "[fe80::1]:9");
    ck_assert_str_eq(c.id, "");
    ck_assert_uint_eq(c.related.ip.family, 0);

    /* extensions that we do not know */
    ck_assert_int_eq(
        ice_cand_parse(RK_STR("1 1 udp 5 1.2.3.4 9 typ prflx generation 0 x"), &c, NULL), RK_OK);
    ck_assert_int_eq(c.type, ICE_PRFLX);
}
END_TEST

START_TEST(bad_lines_are_refused)
{
    static const char *const bad[] = {
        "",
        " ",
        "candidate:",
        "1 1 udp 5 1.2.3.4 9 typ",
        "1 1 udp 5 1.2.3.4 9 typ hosts",
        "1 1 udp 5 1.2.3.4 9 host",
        "1 1 udp 5 1.2.3.4 0 typ host",
        "1 1 udp 5 1.2.3.4 65536 typ host",
        "1 1 udp 5 abc.local 9 typ host",
        "1 1 udp 4294967296 1.2.3.4 9 typ host",
        "1 1 udp -1 1.2.3.4 9 typ host",
        "1 2 udp 5 1.2.3.4 9 typ host",
        "1 1 tcp 5 1.2.3.4 9 typ host",
        "1 1 udp 5 1.2.3.4 9 typ host tcptype active",
        "? 1 udp 5 1.2.3.4 9 typ host",
        "123456789012345678901234567890123 1 udp 5 1.2.3.4 9 typ host",
        "1 1 udp 5 1.2.3.4 9 typ srflx raddr x rport 1",
        "1 1 udp 5 1.2.3.4 9 typ srflx raddr 1.2.3.4 rport 70000",
        "1 1 udp 5 1.2.3.4 9 typ host cid",
        "1 1 udp 5 1.2.3.4 9 typ host cid a:b",
        ("1 1 udp 5 1.2.3.4 9 typ host cid "
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
    };
    struct ice_cand c = {.priority = 77};

    for (size_t i = 0; i < RK_ARRAY_LEN(bad); i++)
        ck_assert_msg(ice_cand_parse(rk_str_z(bad[i]), &c, NULL) == RK_BAD_REQUEST, "%s", bad[i]);
    ck_assert_uint_eq(c.priority, 77);
}
END_TEST

START_TEST(every_truncation_is_judged_without_reading_past_it)
{
    for (size_t n = 0; n < sizeof SRFLX; n++) {
        RK_CLEANUP(rk_freep) char *exact = rk_memdup(SRFLX, n);
        struct ice_cand c;

        RK_IGNORE(ice_cand_parse(rk_str_of(exact, n), &c, NULL));
    }
}
END_TEST

START_TEST(ids_are_32_ice_characters_and_differ)
{
    char a[ICE_CAND_ID_MAX + 1], b[ICE_CAND_ID_MAX + 1];

    ice_cand_make_id(a);
    ice_cand_make_id(b);
    ck_assert_uint_eq(strlen(a), 32);
    ck_assert_str_ne(a, b);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("candidate");

    tcase_add_test(t, foundations_and_priorities_are_those_of_official_agents);
    tcase_add_test(t, lines_are_written_as_official_agents_do);
    tcase_add_test(t, lines_are_read_back);
    tcase_add_test(t, bad_lines_are_refused);
    tcase_add_test(t, every_truncation_is_judged_without_reading_past_it);
    tcase_add_test(t, ids_are_32_ice_characters_and_differ);
    return vec_run(t, "agent/ice/candidate");
}
