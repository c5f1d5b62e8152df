/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests lib/net/dnsmsg.c, dnsname.c and dnswrite.c. */
#include "config.h"

#include "lib/net/dnsmsg.h"

#include "tests/unit/vec.h"

static struct rk_arena *mem;

static void setup(void)
{
    mem = rk_arena_new(0);
}

static void teardown(void)
{
    rk_arena_free(mem);
}

/* www.example.com A? with a CNAME to web.example.com and its address, all names compressed, and an
 * OPT record: what a resolver sends. */
static const char ANSWER[] = "1234 8180 0001 0002 0000 0001"
                             "03777777 076578616d706c65 03636f6d 00 0001 0001"
                             "c00c 0005 0001 00000078 0006 03776562 c010"
                             "c02d 0001 0001 0000003c 0004 c0000201"
                             "00 0029 04d0 00000000 0006 000f 0002 0016";

static struct dns_name name(const char *text)
{
    struct dns_name n;

    ck_assert_int_eq(dns_name_parse(rk_str_z(text), &n, NULL), RK_OK);
    return n;
}

static struct dns_msg decoded(struct rk_str in)
{
    struct dns_msg m;
    struct rk_err err = {0};

    ck_assert_msg(dns_decode(in, &m, &err) == RK_OK, "%s", err.msg);
    return m;
}

START_TEST(names_have_one_form)
{
    static const struct {
        const char *in, *out; /* out NULL: refused */
    } cases[] = {{"Example.COM.", "example.com"},
                 {"example.com", "example.com"},
                 {".", "."},
                 {"", "."},
                 {"*.a", "*.a"},
                 {"_sip._tcp.a", "_sip._tcp.a"},
                 {"a..b", NULL},
                 {".a", NULL},
                 {"..", NULL},
                 {"a b.c", NULL},
                 {"0123456789012345678901234567890123456789012345678901234567890123.x", NULL},
                 {"012345678901234567890123456789012345678901234567890123456789012.x",
                  "012345678901234567890123456789012345678901234567890123456789012.x"}};
    char text[DNS_NAME_TEXT];

    for (size_t i = 0; i < RK_ARRAY_LEN(cases); i++) {
        struct dns_name n;
        enum rk_code rc = dns_name_parse(rk_str_z(cases[i].in), &n, NULL);

        ck_assert_msg((rc == RK_OK) == (cases[i].out != NULL), "%s", cases[i].in);
        if (cases[i].out)
            ck_assert_str_eq(dns_name_format(&n, text).p, cases[i].out);
    }
}
END_TEST

START_TEST(the_longest_name_fits_and_one_more_does_not)
{
    char text[DNS_NAME_TEXT], longest[260];
    struct dns_name n;

    memset(longest, 'a', sizeof longest);
    for (size_t i = 63; i < 253; i += 64)
        longest[i] = '.';
    longest[253] = '\0';
    ck_assert_int_eq(dns_name_parse(rk_str_z(longest), &n, NULL), RK_OK);
    ck_assert_uint_eq(n.n, DNS_NAME_MAX);
    ck_assert_str_eq(dns_name_format(&n, text).p, longest);
    longest[253] = 'a';
    longest[254] = '\0';
    ck_assert_int_eq(dns_name_parse(rk_str_z(longest), &n, NULL), RK_BAD_REQUEST);
}
END_TEST

START_TEST(names_know_their_place)
{
    struct dns_name a = name("a.b.example"), apex = name("example"), other = name("xexample"), out;
    char text[DNS_NAME_TEXT];
    struct rk_ip v4 = rk_ip4(100, 92, 3, 7), v6;

    ck_assert(dns_name_below(&a, &apex) && dns_name_below(&apex, &apex));
    ck_assert(!dns_name_below(&other, &apex) && !dns_name_below(&apex, &a));
    ck_assert(dns_name_below(&a, &(struct dns_name){.n = 1}));
    ck_assert_uint_eq(dns_name_labels(&a), 3);
    ck_assert(dns_name_wildcard(&a, &out));
    ck_assert_str_eq(dns_name_format(&out, text).p, "*.b.example");
    ck_assert(dns_name_parent(&a, &out));
    ck_assert_str_eq(dns_name_format(&out, text).p, "b.example");
    ck_assert(!dns_name_parent(&(struct dns_name){.n = 1}, &out));
    dns_name_reverse(&v4, &out);
    ck_assert_str_eq(dns_name_format(&out, text).p, "7.3.92.100.in-addr.arpa");
    ck_assert_int_eq(rk_ip_parse(RK_STR("fd00::12"), &v6, NULL), RK_OK);
    dns_name_reverse(&v6, &out);
    ck_assert_str_eq(dns_name_format(&out, text).p,
                     "2.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa");
}
END_TEST

START_TEST(compressed_answers_are_read)
{
    struct dns_msg m = decoded(vec_hex(mem, ANSWER));
    struct rk_ip ips[4];
    char text[RK_ADDR_TEXT];
    uint32_t ttl;

    ck_assert_uint_eq(m.id, 0x1234);
    ck_assert_uint_eq(m.qtype, DNS_A);
    ck_assert(m.has_opt && m.opt_last && m.opt_udp == 1232);
    ck_assert_int_eq(dns_extended_error(&m), 22);
    ck_assert_uint_eq(dns_addresses(&m, ips, 4, &ttl), 1);
    ck_assert_str_eq(rk_ip_format(&ips[0], text).p, "192.0.2.1");
    ck_assert_uint_eq(ttl, 60);
}
END_TEST

START_TEST(every_truncation_is_refused)
{
    struct rk_str whole = vec_hex(mem, ANSWER);

    for (size_t n = 0; n < whole.n; n++) {
        RK_CLEANUP(rk_freep) char *exact = rk_memdup(whole.p, n ? n : 1);
        struct dns_msg m = {.id = 77};

        ck_assert_int_eq(dns_decode(rk_str_of(exact, n), &m, NULL), RK_BAD_REQUEST);
        ck_assert_uint_eq(m.id, 77);
    }
}
END_TEST

START_TEST(broken_messages_are_refused)
{
    static const char *const cases[] = {
        /* a pointer to itself, forwards, and into the header */
        "1234 0100 0001 0000 0000 0000 c00c 0001 0001",
        "1234 0100 0001 0000 0000 0000 c012 0001 0001 00",
        "1234 0100 0001 0000 0000 0000 c002 0001 0001",
        /* a name that was not written before the pointer: it runs on over it */
        "1234 0100 0001 0000 0000 0000 0161 c00c 0001 0001",
        "1234 8180 0001 0001 0000 0000 0161 00 0001 0001 c015 0161 0001 00000000 0000 0161 00",
        /* reserved label types */
        "1234 0100 0001 0000 0000 0000 4161 00 0001 0001",
        "1234 0100 0001 0000 0000 0000 8161 00 0001 0001",
        /* no question, two questions */
        "1234 0100 0000 0000 0000 0000",
        "1234 0100 0002 0000 0000 0000 00 0001 0001 00 0001 0001",
        /* more records than bytes; data longer than the message */
        "1234 8180 0001 ffff 0000 0000 00 0001 0001",
        "1234 8180 0001 0001 0000 0000 00 0001 0001 00 0001 0001 00000000 0005 01020304",
        /* two OPT records; one in the answer section; one with a name */
        ("1234 0100 0001 0000 0000 0002 00 0001 0001 00 0029 04d0 00000000 0000"
         "00 0029 04d0 00000000 0000"),
        "1234 0100 0001 0001 0000 0000 00 0001 0001 00 0029 04d0 00000000 0000",
        "1234 0100 0001 0000 0000 0001 00 0001 0001 0161 00 0029 04d0 00000000 0000",
    };

    for (size_t i = 0; i < RK_ARRAY_LEN(cases); i++) {
        struct dns_msg m;

        ck_assert_msg(dns_decode(vec_hex(mem, cases[i]), &m, NULL) == RK_BAD_REQUEST, "%s",
                      cases[i]);
    }
}
END_TEST

START_TEST(rings_of_aliases_end)
{
    /* a CNAME b, b CNAME a */
    struct dns_msg m = decoded(vec_hex(mem, "1234 8180 0001 0002 0000 0000 0161 00 0001 0001"
                                            "c00c 0005 0001 00000001 0003 0162 00"
                                            "0162 00 0005 0001 00000001 0002 c00c"));
    struct rk_ip ips[2];
    uint32_t ttl;

    ck_assert_uint_eq(dns_addresses(&m, ips, 2, &ttl), 0);
}
END_TEST

START_TEST(a_query_is_passed_on_and_its_answer_comes_back_as_asked)
{
    uint8_t sent[256], back[256];
    /* wWw.example.com without EDNS */
    struct dns_msg q = decoded(vec_hex(mem, "abcd 0100 0001 0000 0000 0000"
                                            "03775777 076578616d706c65 03636f6d 00 0001 0001"));
    struct rk_str bytes = vec_hex(mem, ANSWER);
    size_t n = dns_forward(&q, 0x1234, 1212, true, sent, sizeof sent), m;
    struct dns_msg s = decoded(rk_str_of(sent, n)), a, b;

    ck_assert_uint_eq(s.id, 0x1234);
    ck_assert(s.has_opt && s.opt_udp == 1212 && s.flags & DNS_AD);
    memcpy(back, bytes.p, bytes.n);
    back[3] |= DNS_Z;
    a = decoded(rk_str_of(back, bytes.n));
    ck_assert(dns_answers(&a, &s));
    m = dns_give_back(back, &a, &q);
    b = decoded(rk_str_of(back, m));
    ck_assert_uint_eq(b.id, 0xabcd);
    ck_assert(!b.has_opt && !(b.flags & DNS_Z));
    ck_assert_uint_eq(b.counts[1], 2);
    ck_assert_mem_eq(back + 12, q.raw.p + 12, q.question_end - 12);
}
END_TEST

START_TEST(a_query_with_edns_keeps_it)
{
    uint8_t sent[256], back[256];
    struct dns_msg q = decoded(vec_hex(mem, "abcd 0100 0001 0000 0000 0001"
                                            "03777777 076578616d706c65 03636f6d 00 0001 0001"
                                            "00 0029 1000 00008000 0000"));
    struct rk_str bytes = vec_hex(mem, ANSWER);
    size_t n = dns_forward(&q, 1, 1212, false, sent, sizeof sent);
    struct dns_msg s = decoded(rk_str_of(sent, n)), a;

    ck_assert_uint_eq(n, q.raw.n);
    ck_assert(s.opt_udp == 1212 && s.opt_do && !(s.flags & DNS_AD));
    memcpy(back, bytes.p, bytes.n);
    a = decoded(rk_str_of(back, bytes.n));
    ck_assert_uint_eq(dns_give_back(back, &a, &q), bytes.n);
    ck_assert_uint_eq(dns_client_size(&q), 4096);
    ck_assert_uint_eq(dns_forward(&q, 1, 1212, false, sent, q.raw.n - 1), 0);
}
END_TEST

START_TEST(what_is_written_is_read_again)
{
    uint8_t buf[512];
    struct dns_name host = name("host.example"), alias = name("www.example");
    struct rk_ip v4 = rk_ip4(10, 0, 0, 1), got[2];
    struct dns_writer w;
    struct dns_msg q, m;
    uint32_t ttl;

    dns_begin_query(&w, buf, sizeof buf, 7, &alias, DNS_A);
    dns_put_opt(&w, 4096, true, -1);
    q = decoded(rk_arena_dup(mem, dns_end(&w)));
    dns_begin_reply(&w, buf, sizeof buf, &q, DNS_AA | DNS_RA);
    dns_put_name(&w, &alias, DNS_CNAME, 300, &host);
    dns_put_ip(&w, &host, 60, &v4);
    dns_put_opt(&w, 1232, true, 22);
    m = decoded(dns_end(&w));
    ck_assert(dns_answers(&m, &q) && m.flags & DNS_AA && m.flags & DNS_RD);
    ck_assert_uint_eq(m.counts[1], 2);
    ck_assert_int_eq(dns_extended_error(&m), 22);
    ck_assert_uint_eq(dns_addresses(&m, got, 2, &ttl), 1);
    ck_assert(rk_ip_eq(&got[0], &v4));
}
END_TEST

START_TEST(a_full_writer_gives_nothing)
{
    struct dns_name host = name("host.example");
    struct rk_ip v4 = rk_ip4(10, 0, 0, 1);
    uint8_t buf[60];

    for (size_t size = 0; size < sizeof buf; size++) {
        struct dns_writer w;
        struct rk_str out;

        dns_begin_query(&w, buf, size, 7, &host, DNS_A);
        dns_put_ip(&w, &host, 60, &v4);
        out = dns_end(&w);
        ck_assert_uint_eq(out.n, size < 46 ? 0 : 46);
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("dnsmsg");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, names_have_one_form);
    tcase_add_test(t, the_longest_name_fits_and_one_more_does_not);
    tcase_add_test(t, names_know_their_place);
    tcase_add_test(t, compressed_answers_are_read);
    tcase_add_test(t, every_truncation_is_refused);
    tcase_add_test(t, broken_messages_are_refused);
    tcase_add_test(t, rings_of_aliases_end);
    tcase_add_test(t, a_query_is_passed_on_and_its_answer_comes_back_as_asked);
    tcase_add_test(t, a_query_with_edns_keeps_it);
    tcase_add_test(t, what_is_written_is_read_again);
    tcase_add_test(t, a_full_writer_gives_nothing);
    return vec_run(t, "lib/net/dnsmsg");
}
