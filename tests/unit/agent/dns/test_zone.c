/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests agent/dns/zone.c: a table of questions against one configuration. */
#include "config.h"

#include "agent/dns/zone.h"

#include <stdio.h>

#include "tests/unit/agent/dns/dns_text.h"
#include "tests/unit/vec.h"

static struct rk_arena *mem;
static struct dns_zones *zones;
static size_t skipped;

struct rec {
    const char *name;
    int64_t type;
    const char *data;
};

static Management__CustomZone *zone(const char *domain, bool nonauth, const struct rec *v, size_t n)
{
    Management__CustomZone *z = rk_new(mem, Management__CustomZone);

    management__custom_zone__init(z);
    z->domain = (char *)(uintptr_t)domain;
    z->nonauthoritative = nonauth;
    z->searchdomaindisabled = nonauth;
    z->records = rk_new_n(mem, Management__SimpleRecord *, n);
    for (size_t i = 0; i < n; i++) {
        Management__SimpleRecord *r = rk_new(mem, Management__SimpleRecord);

        management__simple_record__init(r);
        r->name = (char *)(uintptr_t)v[i].name;
        r->class_ = (char *)(uintptr_t) "IN";
        r->type = v[i].type;
        r->ttl = 300;
        r->rdata = (char *)(uintptr_t)v[i].data;
        z->records[z->n_records++] = r;
    }
    return z;
}

static const struct rec PEERS[] = {
    {"a.nb.example", 1, "100.92.0.1"},     {"b.nb.example", 1, "100.92.0.2"},
    {"b.nb.example", 28, "fd00:1::2"},     {"c.deep.nb.example", 1, "100.92.0.3"},
    {"web.nb.example", 1, "100.92.0.11"},  {"web.nb.example", 1, "100.92.0.12"},
    {"web.nb.example", 1, "100.92.0.13"},  {"outside.other", 1, "100.92.0.9"},
    {"x.nb.example", 1, "not an address"}, {"y.nb.example", 99, "?"},
};
static const struct rec CUSTOM[] = {
    {"app.corp.test.", 5, "a.nb.example."},      {"*.corp.test.", 1, "10.1.1.1"},
    {"ring1.corp.test.", 5, "ring2.corp.test."}, {"ring2.corp.test.", 5, "ring1.corp.test."},
    {"far.corp.test.", 5, "www.example.net."},   {"corp.test.", 1, "10.1.1.2"},
    {"txt.corp.test.", 16, "\"hello\""},         {"gone.corp.test.", 5, "nobody.nb.example."},
};

static void setup(void)
{
    Management__CustomZone *list[3];
    Management__DNSConfig c = MANAGEMENT__DNSCONFIG__INIT;
    struct dns_zones_opts o = {0};

    mem = rk_arena_new(0);
    ck_assert_int_eq(rk_prefix_parse(RK_STR("100.92.0.1/16"), &o.v4, NULL), RK_OK);
    ck_assert_int_eq(rk_prefix_parse(RK_STR("fd00:1::1/64"), &o.v6, NULL), RK_OK);
    list[0] = zone("nb.example.", false, PEERS, RK_ARRAY_LEN(PEERS));
    list[1] = zone("corp.test.", true, CUSTOM, RK_ARRAY_LEN(CUSTOM));
    list[2] = zone("empty.test.", false, NULL, 0);
    c.customzones = list;
    c.n_customzones = 3;
    zones = dns_zones_new(&c, &o, &skipped);
}

static void teardown(void)
{
    dns_zones_free(zones);
    rk_arena_free(mem);
}

static const char *answer(const char *name, uint16_t type, unsigned turn, dns_away_fn *away)
{
    static const char *const found[] = {"", "NOTHING", "PASS", "ELSEWHERE "};
    struct dns_msg q = dns_text_query(mem, name, type, false);
    struct dns_zone_answer *a = rk_new(mem, struct dns_zone_answer);
    uint8_t *buf = rk_arena_alloc(mem, 4096);
    char text[DNS_NAME_TEXT];
    struct dns_writer w;

    dns_zones_find(zones, &q.qname, type, a);
    dns_begin_reply(&w, buf, 4096, &q, 0);
    dns_zones_write(a, &w, turn, away, NULL);
    return rk_arena_printf(mem, "%s%s%s", found[a->found],
                           a->found == DNS_FOUND_ELSEWHERE ? dns_name_format(&a->target, text).p
                                                           : "",
                           dns_text(mem, dns_end(&w)) + sizeof "NOERROR" - 1)
        .p;
}

START_TEST(questions)
{
    static const struct {
        const char *name;
        uint16_t type;
        const char *want;
    } cases[] = {
        {"a.nb.example", DNS_A, ": a.nb.example 300 A 100.92.0.1"},
        {"A.NB.example.", DNS_A, ": a.nb.example 300 A 100.92.0.1"},
        {"b.nb.example", DNS_AAAA, ": b.nb.example 300 AAAA fd00:1::2"},
        {"b.nb.example", DNS_ANY,
         ": b.nb.example 300 A 100.92.0.2, b.nb.example 300 AAAA fd00:1::2"},
        /* the name is there, the type is not; a name between others; the apex */
        {"a.nb.example", DNS_AAAA, ":"},
        {"deep.nb.example", DNS_A, ":"},
        {"nb.example", DNS_SOA, ":"},
        {"nobody.nb.example", DNS_A, "NOTHING:"},
        {"a.a.nb.example", DNS_A, "NOTHING:"},
        /* not ours at all, and a zone that does not know everything */
        {"www.example.net", DNS_A, "PASS:"},
        {"example", DNS_A, "PASS:"},
        {"empty.test", DNS_A, "PASS:"},
        {"a.b.corp.test", DNS_A, "PASS:"},
        {"outside.other", DNS_A, "PASS:"},
        /* wildcards, for one label and not where the name itself has something */
        {"any.corp.test", DNS_A, ": any.corp.test 300 A 10.1.1.1"},
        {"any.corp.test", DNS_AAAA, ":"},
        {"any.corp.test", DNS_NS, "PASS:"},
        {"txt.corp.test", DNS_A, ":"},
        {"txt.corp.test", DNS_TXT, ": txt.corp.test 300 TYPE16 6"},
        {"corp.test", DNS_A, ": corp.test 300 A 10.1.1.2"},
        /* aliases: into another zone, to nowhere, in a ring, out of our zones */
        {"app.corp.test", DNS_A,
         ": app.corp.test 300 CNAME a.nb.example, a.nb.example 300 A 100.92.0.1"},
        {"app.corp.test", DNS_CNAME, ": app.corp.test 300 CNAME a.nb.example"},
        {"gone.corp.test", DNS_A, "NOTHING: gone.corp.test 300 CNAME nobody.nb.example"},
        {"ring1.corp.test", DNS_A, "NOTHING:"},
        {"far.corp.test", DNS_A,
         "ELSEWHERE www.example.net: far.corp.test 300 CNAME "
         "www.example.net"},
        /* backwards: only names of zones that know everything */
        {"1.0.92.100.in-addr.arpa", DNS_PTR, ": 1.0.92.100.in-addr.arpa 300 PTR a.nb.example"},
        {"77.0.92.100.in-addr.arpa", DNS_PTR, "NOTHING:"},
        {"1.1.1.10.in-addr.arpa", DNS_PTR, "PASS:"},
        {"2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa", DNS_PTR,
         ": 2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa 300 PTR "
         "b.nb.example"},
    };

    for (size_t i = 0; i < RK_ARRAY_LEN(cases); i++)
        ck_assert_str_eq(answer(cases[i].name, cases[i].type, 0, NULL), cases[i].want);
    ck_assert_uint_eq(skipped, 3);
}
END_TEST

static const char *away_ip;

static bool away(void *arg RK_UNUSED, const struct rk_ip *ip)
{
    char text[RK_ADDR_TEXT];

    (void)rk_ip_format(ip, text);
    return !away_ip || strcmp(text, away_ip) == 0;
}

START_TEST(several_addresses_take_turns)
{
    ck_assert_str_eq(answer("web.nb.example", DNS_A, 1, NULL),
                     ": web.nb.example 300 A 100.92.0.12, web.nb.example 300 A 100.92.0.13, "
                     "web.nb.example 300 A 100.92.0.11");
}
END_TEST

START_TEST(addresses_of_peers_that_are_away_are_left_out)
{
    away_ip = "100.92.0.12";
    ck_assert_str_eq(answer("web.nb.example", DNS_A, 0, away),
                     ": web.nb.example 300 A 100.92.0.11, web.nb.example 300 A 100.92.0.13");
    /* a single one, and when all are away, is better than nothing */
    away_ip = NULL;
    ck_assert_str_eq(answer("a.nb.example", DNS_A, 0, away), ": a.nb.example 300 A 100.92.0.1");
    ck_assert_str_eq(answer("web.nb.example", DNS_A, 0, away),
                     ": web.nb.example 300 A 100.92.0.11, web.nb.example 300 A 100.92.0.12, "
                     "web.nb.example 300 A 100.92.0.13");
}
END_TEST

START_TEST(zones_say_what_they_are)
{
    const struct dns_zone *z;
    char text[DNS_NAME_TEXT];
    size_t search = 0, reverse = 0, n = 0;

    for (; (z = dns_zones_at(zones, n)); n++) {
        search += z->search && !z->reverse;
        reverse += z->reverse;
        if (z->search && !z->reverse)
            ck_assert_str_eq(dns_name_format(&z->apex, text).p, "nb.example");
    }
    ck_assert_uint_eq(n, 4);
    ck_assert_uint_eq(search, 1);
    ck_assert_uint_eq(reverse, 2);
}
END_TEST

/* A server that knows only the zone of peers does not mark it. */
START_TEST(a_zone_alone_knows_everything)
{
    Management__DNSConfig c = MANAGEMENT__DNSCONFIG__INIT;
    Management__CustomZone *one = zone("nb.example.", true, PEERS, 2);
    struct dns_zones_opts o = {0};

    c.customzones = &one;
    c.n_customzones = 1;
    dns_zones_free(zones);
    zones = dns_zones_new(&c, &o, &skipped);
    ck_assert_str_eq(answer("nobody.nb.example", DNS_A, 0, NULL), "NOTHING:");
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("zone");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, questions);
    tcase_add_test(t, several_addresses_take_turns);
    tcase_add_test(t, addresses_of_peers_that_are_away_are_left_out);
    tcase_add_test(t, zones_say_what_they_are);
    tcase_add_test(t, a_zone_alone_knows_everything);
    return vec_run(t, "agent/dns/zone");
}
