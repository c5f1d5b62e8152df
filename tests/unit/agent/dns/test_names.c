/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests agent/dns/names.c: what is remembered of the control plane, with a clock of its own. */
#include "config.h"

#include "agent/dns/names.h"

#include <stdio.h>

#include "tests/unit/vec.h"

static struct dns_names *n;
static int64_t now;

static void setup(void)
{
    now = 1000000;
    n = dns_names_new(0);
}

static void teardown(void)
{
    dns_names_free(n);
}

static struct dns_name name(const char *text)
{
    struct dns_name out;

    ck_assert_int_eq(dns_name_parse(rk_str_z(text), &out, NULL), RK_OK);
    return out;
}

static bool set(enum dns_role role, const char *text)
{
    struct dns_name v = name(text);

    return dns_names_set(n, role, &v, 1);
}

static void store(const char *text, unsigned last)
{
    struct dns_name v = name(text);
    struct rk_ip ip = rk_ip4(192, 0, 2, last);

    dns_names_store(n, &v, DNS_A, &ip, 1, now);
}

/* Last byte of the address that is known; -1: nothing. */
static int known(const char *text)
{
    struct dns_name v = name(text);
    const struct dns_entry *e = dns_names_find(n, &v, DNS_A, now);

    return e ? e->ips[0].b[3] : -1;
}

static bool due(const char *text)
{
    struct dns_name v = name(text);

    return dns_names_refresh(n, &v, DNS_A, now);
}

START_TEST(pools_hold_what_lies_below)
{
    struct dns_name v;

    ck_assert(set(DNS_ROLE_RELAY, "relay.example"));
    ck_assert(set(DNS_ROLE_SIGNAL, "signal.example"));
    ck_assert(!set(DNS_ROLE_SIGNAL, "Signal.Example."));
    v = name("relay.example");
    ck_assert_int_eq(dns_names_match(n, &v), DNS_NAMES_LISTED);
    v = name("fra-1.relay.example");
    ck_assert_int_eq(dns_names_match(n, &v), DNS_NAMES_IN_POOL);
    v = name("x.signal.example");
    ck_assert_int_eq(dns_names_match(n, &v), DNS_NAMES_OTHER);
    store("fra-1.relay.example", 1);
    store("evil.example", 2);
    ck_assert_int_eq(known("fra-1.relay.example"), 1);
    ck_assert_int_eq(known("evil.example"), -1);
    /* the pool is gone: so is what was learnt about it */
    ck_assert(set(DNS_ROLE_RELAY, "other.example"));
    ck_assert_int_eq(known("fra-1.relay.example"), -1);
}
END_TEST

START_TEST(old_entries_are_served_while_one_refresh_runs)
{
    struct dns_name v = name("m.example");

    (void)set(DNS_ROLE_MANAGEMENT, "m.example");
    ck_assert(due("m.example")); /* nothing known */
    ck_assert(!due("m.example"));
    store("m.example", 1);
    ck_assert(!due("m.example")); /* fresh */
    now += DNS_NAMES_TTL_MS;
    ck_assert_int_eq(known("m.example"), 1);
    ck_assert(due("m.example"));
    ck_assert(!due("m.example")); /* runs already */
    dns_names_failed(n, &v, DNS_A, now);
    ck_assert(!due("m.example"));
    ck_assert_int_eq(known("m.example"), 1);
    now += DNS_NAMES_RETRY_MS;
    ck_assert(due("m.example"));
    store("m.example", 2);
    ck_assert_int_eq(known("m.example"), 2);
    /* a week without any answer */
    now += INT64_C(7) * 86400000;
    ck_assert_int_eq(known("m.example"), 2);
}
END_TEST

START_TEST(an_empty_answer_is_an_answer)
{
    struct dns_name v = name("m.example");
    const struct dns_entry *e;

    (void)set(DNS_ROLE_MANAGEMENT, "m.example");
    store("m.example", 1);
    dns_names_store(n, &v, DNS_A, NULL, 0, now);
    e = dns_names_find(n, &v, DNS_A, now);
    ck_assert(e && e->n == 0);
}
END_TEST

START_TEST(a_pool_cannot_fill_the_memory)
{
    char text[64];
    struct dns_name v;
    size_t count = 0;

    (void)set(DNS_ROLE_RELAY, "relay.example");
    store("relay.example", 9);
    for (unsigned i = 0; i < DNS_NAMES_MAX + 100; i++) {
        (void)snprintf(text, sizeof text, "r%u.relay.example", i);
        v = name(text);
        now++;
        if (dns_names_refresh(n, &v, DNS_A, now))
            store(text, 1);
    }
    for (size_t pos = 0; dns_names_next(n, &pos);)
        count++;
    ck_assert_uint_eq(count, DNS_NAMES_MAX);
    ck_assert_int_eq(known("relay.example"), 9); /* the listed one stays, the oldest went */
    ck_assert_int_eq(known("r0.relay.example"), -1);
    ck_assert_int_eq(known(text), 1);
}
END_TEST

START_TEST(hosts_of_uris)
{
    static const char *const cases[][2] = {
        {"https://m.example:443", "m.example"},
        {"rels://relay.example:443/relay", "relay.example"},
        {"stun:stun.example:3478", "stun.example"},
        {"turn:turn.example:3478?transport=udp", "turn.example"},
        {"STUNS:s.example", "s.example"},
        {"signal.example:10000", "signal.example"},
        {"signal.example", "signal.example"},
        {"https://192.0.2.1:443", ""},
        {"https://[2001:db8::1]:443/x", ""},
        {"2001:db8::1", ""},
        {"", ""},
        {"://", ""},
    };

    for (size_t i = 0; i < RK_ARRAY_LEN(cases); i++)
        ck_assert_msg(rk_str_eqz(dns_uri_host(rk_str_z(cases[i][0])), cases[i][1]), "%s",
                      cases[i][0]);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("names");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, pools_hold_what_lies_below);
    tcase_add_test(t, old_entries_are_served_while_one_refresh_runs);
    tcase_add_test(t, an_empty_answer_is_an_answer);
    tcase_add_test(t, a_pool_cannot_fill_the_memory);
    tcase_add_test(t, hosts_of_uris);
    return vec_run(t, "agent/dns/names");
}
