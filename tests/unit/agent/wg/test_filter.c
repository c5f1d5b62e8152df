/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests agent/wg/own/filter.c: packets made by hand, in buffers of their exact size. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "agent/wg/own/filter.h"
#include "lib/base/num.h"
#include "tests/unit/run.h"

#define US   "100.64.0.1"
#define PEER "100.64.0.2"
#define LAN  "10.9.0.7"

static struct wgo_filter *f;
static int64_t now = 1000;
static uint8_t *made; /* the last packet */

static void setup(void)
{
    f = wgo_filter_new();
}

static void teardown(void)
{
    wgo_filter_free(f);
    free(made);
    made = NULL;
}

static struct rk_ip ip_of(const char *text)
{
    struct rk_ip ip;

    ck_assert_int_eq(rk_ip_parse(rk_str_z(text), &ip, NULL), RK_OK);
    return ip;
}

static struct rk_prefix net_of(const char *text)
{
    struct rk_prefix p;

    ck_assert_int_eq(rk_prefix_parse(rk_str_z(text), &p, NULL), RK_OK);
    return p;
}

/* An IP packet of n bytes behind the header, zero but for what the caller puts there. */
static uint8_t *packet(const char *src, const char *dst, uint8_t proto, size_t n)
{
    struct rk_ip s = ip_of(src), d = ip_of(dst);
    size_t head = s.family == 4 ? 20 : 40;

    free(made);
    made = rk_calloc(1, head + n);
    if (s.family == 4) {
        made[0] = 0x45;
        made[3] = (uint8_t)(head + n);
        made[9] = proto;
        memcpy(made + 12, s.b, 4);
        memcpy(made + 16, d.b, 4);
    } else {
        made[0] = 0x60;
        made[5] = (uint8_t)n;
        made[6] = proto;
        memcpy(made + 8, s.b, 16);
        memcpy(made + 24, d.b, 16);
    }
    return made + head;
}

static size_t bytes(size_t n)
{
    return n + (made[0] >> 4 == 4 ? 20 : 40);
}

static void ports(uint8_t *body, unsigned from, unsigned to)
{
    body[0] = (uint8_t)(from >> 8);
    body[1] = (uint8_t)from;
    body[2] = (uint8_t)(to >> 8);
    body[3] = (uint8_t)to;
}

static bool udp_in(const char *src, const char *dst, unsigned from, unsigned to)
{
    ports(packet(src, dst, 17, 8), from, to);
    return wgo_filter_in(f, made, bytes(8), now);
}

static void udp_out(const char *src, const char *dst, unsigned from, unsigned to)
{
    ports(packet(src, dst, 17, 8), from, to);
    wgo_filter_out(f, made, bytes(8), now);
}

static bool tcp(bool out, unsigned from, unsigned to, uint8_t flags)
{
    uint8_t *b = packet(out ? US : PEER, out ? PEER : US, 6, 20);

    ports(b, from, to);
    b[13] = flags;
    if (!out)
        return wgo_filter_in(f, made, bytes(20), now);
    wgo_filter_out(f, made, bytes(20), now);
    return true;
}

static bool echo(bool out, bool request, unsigned id)
{
    uint8_t *b = packet(out ? US : PEER, out ? PEER : US, 1, 8);

    b[0] = request ? 8 : 0;
    b[4] = (uint8_t)(id >> 8);
    b[5] = (uint8_t)id;
    if (!out)
        return wgo_filter_in(f, made, bytes(8), now);
    wgo_filter_out(f, made, bytes(8), now);
    return true;
}

static void rules(const struct wgo_filter_rule *local, size_t n_local,
                  const struct wgo_filter_rule *routed, size_t n_routed)
{
    struct wgo_filter_rules r = {.own = {ip_of(US), ip_of("fd00::1")},
                                 .local = local,
                                 .n_local = n_local,
                                 .routed = routed,
                                 .n_routed = n_routed};

    wgo_filter_set(f, &r);
}

START_TEST(nothing_comes_in_but_answers)
{
    rules(NULL, 0, NULL, 0);
    ck_assert(!udp_in(PEER, US, 53, 4000));
    udp_out(US, PEER, 4000, 53);
    ck_assert(udp_in(PEER, US, 53, 4000));
    ck_assert(!udp_in(PEER, US, 53, 4001));
    ck_assert(!udp_in("100.64.0.3", US, 53, 4000));
    ck_assert(!udp_in(PEER, LAN, 53, 4000));
    now += 29999;
    ck_assert(udp_in(PEER, US, 53, 4000)); /* which keeps it alive */
    now += 29999;
    ck_assert(udp_in(PEER, US, 53, 4000));
    now += 30001;
    ck_assert(!udp_in(PEER, US, 53, 4000));
}
END_TEST

START_TEST(tcp_lives_as_long_as_it_says)
{
    rules(NULL, 0, NULL, 0);
    tcp(true, 4000, 80, 2);
    now += 59000;
    ck_assert(tcp(false, 80, 4000, 0x12));
    now += 3 * 3600 * 1000 - 1000;
    ck_assert(tcp(false, 80, 4000, 0x10));
    tcp(true, 4000, 80, 0x11); /* the end */
    now += 59000;
    ck_assert(tcp(false, 80, 4000, 0x11));
    now += 61000;
    ck_assert(!tcp(false, 80, 4000, 0x10));
    tcp(true, 4000, 81, 2); /* never answered */
    now += 61000;
    ck_assert(!tcp(false, 81, 4000, 0x12));
}
END_TEST

START_TEST(echoes)
{
    rules(NULL, 0, NULL, 0);
    echo(true, true, 77);
    ck_assert(echo(false, false, 77));
    ck_assert(!echo(false, false, 78));
    ck_assert(!echo(false, true, 77)); /* somebody else's question of the same number */
}
END_TEST

START_TEST(rules_of_peers)
{
    const struct wgo_filter_rule local[] = {
        {.proto = WGO_TCP,
         .port_lo = 80,
         .port_hi = 90,
         .src = net_of("100.64.0.0/16"),
         .dst = net_of("0.0.0.0/0")},
        {.drop = true, .src = net_of("100.64.0.9/32"), .dst = net_of("0.0.0.0/0")},
        {.proto = WGO_ICMP, .src = net_of("::/0"), .dst = net_of("::/0")},
    };
    uint8_t *b;

    rules(local, RK_ARRAY_LEN(local), NULL, 0);
    ck_assert(tcp(false, 4000, 80, 2));
    ck_assert(tcp(false, 4000, 90, 2));
    ck_assert(!tcp(false, 4000, 91, 2));
    ck_assert(!tcp(false, 4000, 79, 2));
    ck_assert(!udp_in(PEER, US, 4000, 80));
    ports(packet("100.64.0.9", US, 6, 20), 4000, 80); /* a drop counts, wherever it stands */
    ck_assert(!wgo_filter_in(f, made, bytes(20), now));
    ports(packet(PEER, LAN, 6, 20), 4000, 80); /* not this host */
    ck_assert(!wgo_filter_in(f, made, bytes(20), now));
    b = packet("fd00::2", "fd00::1", 58, 8);
    b[0] = 128;
    ck_assert(wgo_filter_in(f, made, bytes(8), now));
    /* what has begun goes on without its rule, as behind other firewalls */
    tcp(true, 80, 4000, 0x12);
    rules(NULL, 0, NULL, 0);
    ck_assert(tcp(false, 4000, 80, 0x10));
    ck_assert(!tcp(false, 4001, 80, 2));
}
END_TEST

START_TEST(rules_of_routes)
{
    const struct wgo_filter_rule routed[] = {
        {.drop = true, .src = net_of("0.0.0.0/0"), .dst = net_of("10.9.1.0/24")},
        {.proto = WGO_UDP, .src = net_of("100.64.0.2/32"), .dst = net_of("10.9.0.0/16")},
    };

    rules(NULL, 0, routed, RK_ARRAY_LEN(routed));
    ck_assert(udp_in(PEER, LAN, 1, 2));
    ck_assert(!udp_in(PEER, "10.9.1.7", 1, 2));
    ck_assert(!udp_in(PEER, "10.8.0.7", 1, 2));
    ck_assert(!udp_in("100.64.0.3", LAN, 1, 2));
    ck_assert(!udp_in(PEER, US, 1, 2)); /* rules of routes are not for this host */
}
END_TEST

START_TEST(fragments_follow_the_first)
{
    const struct wgo_filter_rule local[] = {{.proto = WGO_UDP,
                                             .src = net_of("0.0.0.0/0"),
                                             .dst = net_of("0.0.0.0/0"),
                                             .port_lo = 7,
                                             .port_hi = 7}};
    uint8_t *b;

    rules(local, 1, NULL, 0);
    b = packet(PEER, US, 17, 16);
    ports(b, 1, 7);
    made[4] = 0xab;
    made[6] = 0x20; /* more follow */
    made[7] = 0;
    (void)b;
    packet(PEER, US, 17, 16)[0] = 1;
    made[4] = 0xab;
    made[7] = 2; /* the second comes before the first */
    ck_assert(!wgo_filter_in(f, made, bytes(16), now));
    ports(packet(PEER, US, 17, 16), 1, 7);
    made[4] = 0xab;
    made[6] = 0x20;
    ck_assert(wgo_filter_in(f, made, bytes(16), now));
    packet(PEER, US, 17, 16)[0] = 1;
    made[4] = 0xab;
    made[7] = 2;
    ck_assert(wgo_filter_in(f, made, bytes(16), now));
    made[4] = 0xac; /* of another packet */
    ck_assert(!wgo_filter_in(f, made, bytes(16), now));
    /* IPv6, with a header in front */
    b = packet("fd00::2", "fd00::1", 44, 24);
    b[0] = 17;
    b[3] = 8; /* offset 8 bytes */
    ck_assert(!wgo_filter_in(f, made, bytes(24), now));
}
END_TEST

/* A drop of one port, and a first fragment that ends before the ports. */
START_TEST(ports_hidden_in_a_later_fragment)
{
    const struct wgo_filter_rule local[] = {
        {.src = net_of("::/0"), .dst = net_of("::/0")},
        {.src = net_of("0.0.0.0/0"), .dst = net_of("0.0.0.0/0")},
        {.proto = WGO_TCP,
         .drop = true,
         .src = net_of("::/0"),
         .dst = net_of("::/0"),
         .port_lo = 22,
         .port_hi = 22},
    };
    uint8_t *b;

    rules(local, RK_ARRAY_LEN(local), NULL, 0);
    b = packet("fd00::2", "fd00::1", 44, 36);
    b[0] = 60; /* fragment 0: options, TCP */
    b[3] = 1;
    b[8] = 6;
    ports(b + 16, 4000, 23);
    ck_assert(wgo_filter_in(f, made, bytes(36), now));
    ports(b + 16, 4000, 22);
    ck_assert(!wgo_filter_in(f, made, bytes(36), now));
    b = packet("fd00::2", "fd00::1", 44, 16);
    b[0] = 60;
    b[3] = 1;
    b[7] = 9; /* another packet */
    b[8] = 6; /* and TCP is still to come */
    ck_assert(!wgo_filter_in(f, made, bytes(16), now));
    b = packet("fd00::2", "fd00::1", 44, 28);
    b[0] = 60;
    b[3] = 8;
    b[7] = 9;
    ports(b + 8, 4000, 22);
    ck_assert(!wgo_filter_in(f, made, bytes(28), now));
    packet(PEER, US, 17, 3);
    ck_assert(!wgo_filter_in(f, made, bytes(3), now));
}
END_TEST

START_TEST(errors_about_what_was_sent)
{
    uint8_t inner[28] = {0x45};
    uint8_t *b;

    rules(NULL, 0, NULL, 0);
    udp_out(US, LAN, 4000, 9);
    memcpy(inner, made, sizeof inner);
    b = packet(PEER, US, 1, 8 + sizeof inner);
    b[0] = 3;
    memcpy(b + 8, inner, sizeof inner);
    ck_assert(wgo_filter_in(f, made, bytes(8 + sizeof inner), now));
    b[8 + 21] ^= 1; /* about another port */
    ck_assert(!wgo_filter_in(f, made, bytes(8 + sizeof inner), now));
    b[0] = 5; /* a redirect is no error */
    b[8 + 21] ^= 1;
    ck_assert(!wgo_filter_in(f, made, bytes(8 + sizeof inner), now));
}
END_TEST

/* Every length of a packet, and every byte of its headers as something else: no read beyond. */
START_TEST(nonsense)
{
    const struct wgo_filter_rule local[] = {
        {.src = net_of("0.0.0.0/0"), .dst = net_of("0.0.0.0/0"), .port_lo = 1, .port_hi = 9}};
    static const uint8_t protos[] = {0, 1, 6, 17, 43, 44, 58, 60, 255};

    rules(local, 1, NULL, 0);
    for (size_t p = 0; p < RK_ARRAY_LEN(protos); p++)
        for (int v6 = 0; v6 < 2; v6++)
            for (size_t n = 0; n <= 24; n++) {
                packet(v6 ? "fd00::2" : PEER, v6 ? "fd00::1" : US, protos[p], n);
                (void)wgo_filter_in(f, made, bytes(n), now);
                wgo_filter_out(f, made, bytes(n), now);
                for (size_t i = 0; i < 12; i++) {
                    made[i] ^= 0x5a;
                    (void)wgo_filter_in(f, made, bytes(n) * (i != 0), now);
                    made[i] ^= 0x5a;
                }
            }
    for (size_t n = 0; n < 40; n++) {
        uint8_t *exact = rk_calloc(1, n ? n : 1);

        exact[0] = n % 2 ? 0x60 : 0x4f;
        ck_assert(!wgo_filter_in(f, exact, n, now));
        free(exact);
    }
}
END_TEST

/* Who opens as many flows as he likes takes the places of his like, not the memory. */
START_TEST(many_flows)
{
    rules(NULL, 0, NULL, 0);
    for (unsigned i = 1; i < 60000; i++)
        udp_out(US, PEER, i, 53);
    ck_assert(udp_in(PEER, US, 53, 59999));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("filter");
    TCase *t = tcase_create("packets");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, nothing_comes_in_but_answers);
    tcase_add_test(t, tcp_lives_as_long_as_it_says);
    tcase_add_test(t, echoes);
    tcase_add_test(t, rules_of_peers);
    tcase_add_test(t, rules_of_routes);
    tcase_add_test(t, fragments_follow_the_first);
    tcase_add_test(t, ports_hidden_in_a_later_fragment);
    tcase_add_test(t, errors_about_what_was_sent);
    tcase_add_test(t, nonsense);
    tcase_add_test(t, many_flows);
    suite_add_tcase(s, t);
    return run_suite(s);
}
