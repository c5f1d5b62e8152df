/* SPDX-License-Identifier: BSD-3-Clause */
/* lib/http/edge_sniff and lib/http/realip: first bytes, PROXY headers, client addresses. */
#include "config.h"

#include "lib/http/edge_sniff.h"

#include <check.h>
#include <stdlib.h>

#include "lib/http/realip.h"
#include "tests/unit/run.h"

static const struct rk_str paths[] = {{"/relay", 6}, {"/ws-proxy/management", 20}, {"/r", 2}};

static enum edge_kind sniff(struct rk_str in, size_t *index)
{
    RK_CLEANUP(rk_freep) char *exact = rk_memdup(in.p, in.n);

    return edge_sniff(rk_str_of(exact, in.n), paths, RK_ARRAY_LEN(paths), index);
}

static const struct {
    struct rk_str in;
    enum edge_kind want;
    size_t index;
} cases[] = {
    {RK_STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0"), EDGE_H2, 0},
    {RK_STR("PRI * HTTP/1.1\r\n"), EDGE_GARBAGE, 0},
    {RK_STR("GET /relay HTTP/1.1\r\n"), EDGE_WS, 0},
    {RK_STR("GET /relay?x=1 HTTP/1.1\r\n"), EDGE_WS, 0},
    {RK_STR("GET /ws-proxy/management HTTP/1.1"), EDGE_WS, 1},
    {RK_STR("GET /r HTTP/1.1"), EDGE_WS, 2},
    {RK_STR("GET /relays HTTP/1.1\r\n"), EDGE_HTTP1, 0},
    {RK_STR("GET /rel HTTP/1.1\r\n"), EDGE_HTTP1, 0},
    {RK_STR("POST /relay HTTP/1.1\r\n"), EDGE_HTTP1, 0},
    {RK_STR("get /relay HTTP/1.1\r\n"), EDGE_HTTP1, 0},
    {RK_STR("PROPFIND / HTTP/1.1\r\n"), EDGE_HTTP1, 0},
    {RK_STR("PUT /api/peers HTTP/1.1\r\n"), EDGE_HTTP1, 0},
    {RK_STR("GET * HTTP/1.1\r\n"), EDGE_HTTP1, 0},
    {RK_STR("\x16\x03\x01\x02"), EDGE_TLS, 0},
    {RK_STR("\x16\x02\x01\x02"), EDGE_GARBAGE, 0},
    {RK_STR("GET  /relay HTTP/1.1\r\n"), EDGE_GARBAGE, 0},
    {RK_STR("GET\r\n"), EDGE_GARBAGE, 0},
    {RK_STR("\r\nGET / HTTP/1.1\r\n"), EDGE_GARBAGE, 0},
    {RK_STR("GET \r\n"), EDGE_GARBAGE, 0},
    {RK_STR("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), EDGE_GARBAGE, 0},
    {RK_STR("SSH-2.0-OpenSSH\r\n"), EDGE_GARBAGE, 0},
    {RK_STR("\0\0\0\0"), EDGE_GARBAGE, 0},
};

START_TEST(first_bytes)
{
    for (size_t i = 0; i < RK_ARRAY_LEN(cases); i++) {
        size_t index = 99;
        enum edge_kind got = sniff(cases[i].in, &index);

        ck_assert_msg(got == cases[i].want, "case %zu gives %d", i, got);
        if (got == EDGE_WS)
            ck_assert_uint_eq(index, cases[i].index);
    }
}
END_TEST

/* A shorter piece of the same bytes is undecided or decided alike: never decided otherwise. */
START_TEST(every_truncation_is_undecided_or_the_same)
{
    for (size_t i = 0; i < RK_ARRAY_LEN(cases); i++)
        for (size_t n = 0; n <= cases[i].in.n; n++) {
            size_t index;
            enum edge_kind got = sniff(rk_str_sub(cases[i].in, 0, n), &index);

            ck_assert_msg(got == EDGE_MORE || got == cases[i].want, "case %zu at %zu", i, n);
            ck_assert(n > 0 || got == EDGE_MORE);
        }
}
END_TEST

START_TEST(long_input_is_always_decided)
{
    char buf[EDGE_SNIFF_MAX];
    size_t index;

    for (int c = 0; c < 256; c++) {
        memset(buf, c, sizeof buf);
        ck_assert_int_ne(sniff(rk_str_of(buf, sizeof buf), &index), EDGE_MORE);
        memcpy(buf, "GET ", 4);
        ck_assert_int_ne(sniff(rk_str_of(buf, sizeof buf), &index), EDGE_MORE);
    }
}
END_TEST

#define V2 "\r\n\r\n\0\r\nQUIT\n"

static const struct {
    struct rk_str in;
    enum http_proxy_hdr want;
    const char *src; /* NULL: unchanged */
    size_t used;
} headers[] = {
    {RK_STR("PROXY TCP4 1.2.3.4 5.6.7.8 99 443\r\nGET"), HTTP_PROXY_OK, "1.2.3.4:99", 35},
    {RK_STR("PROXY TCP6 2001:db8::1 ::1 99 443\r\n"), HTTP_PROXY_OK, "[2001:db8::1]:99", 35},
    {RK_STR("PROXY UNKNOWN what ever\r\n"), HTTP_PROXY_OK, NULL, 25},
    {RK_STR("PROXY UNKNOWN\r\n"), HTTP_PROXY_OK, NULL, 15},
    {RK_STR("PROXY TCP4 1.2.3 5.6.7.8 99 443\r\n"), HTTP_PROXY_BAD, NULL, 0},
    {RK_STR("PROXY TCP4 1.2.3.4 5.6.7.8 99999 443\r\n"), HTTP_PROXY_BAD, NULL, 0},
    {RK_STR("PROXY UDP4 1.2.3.4 5.6.7.8 99 443\r\n"), HTTP_PROXY_BAD, NULL, 0},
    {RK_STR("PROXY TCP4\r\n"), HTTP_PROXY_BAD, NULL, 0},
    {RK_STR(V2 "\x21\x11\0\x0c\1\2\3\4\5\6\7\x8\0\x63\1\xbbX"), HTTP_PROXY_OK, "1.2.3.4:99", 28},
    {RK_STR(V2 "\x20\0\0\0"), HTTP_PROXY_OK, NULL, 16},
    {RK_STR(V2 "\x21\x11\0\x04\1\2\3\4"), HTTP_PROXY_BAD, NULL, 0},
    {RK_STR(V2 "\x31\x11\0\0"), HTTP_PROXY_BAD, NULL, 0},
    {RK_STR(V2 "\x21\x11\xff\xff"), HTTP_PROXY_BAD, NULL, 0},
    {RK_STR("GET / HTTP/1.1\r\n"), HTTP_PROXY_NONE, NULL, 0},
    {RK_STR("PRI * HTTP/2.0\r\n"), HTTP_PROXY_NONE, NULL, 0},
    {RK_STR("\x16\x03\x01"), HTTP_PROXY_NONE, NULL, 0},
};

START_TEST(proxy_headers)
{
    for (size_t i = 0; i < RK_ARRAY_LEN(headers); i++)
        for (size_t n = 0; n <= headers[i].in.n; n++) {
            RK_CLEANUP(rk_freep) char *exact = rk_memdup(headers[i].in.p, n);
            struct rk_addr src = {.ip = rk_ip4(9, 9, 9, 9), .port = 9};
            size_t used = 0;
            char text[RK_ADDR_TEXT];
            enum http_proxy_hdr got = http_proxy_parse(rk_str_of(exact, n), &used, &src);

            if (got == HTTP_PROXY_MORE) {
                ck_assert_uint_lt(n, headers[i].in.n);
                continue;
            }
            ck_assert_msg(got == headers[i].want, "case %zu at %zu gives %d", i, n, got);
            if (got != HTTP_PROXY_OK)
                continue;
            ck_assert_uint_eq(used, headers[i].used);
            ck_assert_str_eq(rk_addr_format(&src, text).p,
                             headers[i].src ? headers[i].src : "9.9.9.9:9");
        }
}
END_TEST

START_TEST(endless_proxy_header_is_refused)
{
    char buf[200];
    struct rk_addr src;
    size_t used;

    memset(buf, 'x', sizeof buf);
    memcpy(buf, "PROXY TCP4 ", 11);
    ck_assert_int_eq(http_proxy_parse(rk_str_of(buf, sizeof buf), &used, &src), HTTP_PROXY_BAD);
}
END_TEST

static const struct {
    const char *peer, *xff, *real, *want;
} clients[] = {
    {"8.8.8.8:5", "1.1.1.1", "2.2.2.2", "8.8.8.8:5"}, /* not trusted: both are ignored */
    {"10.0.0.1:5", "1.1.1.1", "2.2.2.2", "1.1.1.1:0"},
    {"10.0.0.1:5", "6.6.6.6, 1.1.1.1", "", "1.1.1.1:0"}, /* what the client wrote is skipped */
    {"10.0.0.1:5", "6.6.6.6, 1.1.1.1, 10.9.9.9", "", "1.1.1.1:0"},
    {"10.0.0.1:5", "10.1.1.1,10.2.2.2", "", "10.1.1.1:0"},
    {"10.0.0.1:5", "", "2.2.2.2", "2.2.2.2:0"},
    {"10.0.0.1:5", "", "", "10.0.0.1:5"},
    {"10.0.0.1:5", "unknown", "2.2.2.2", "10.0.0.1:5"},
    {"10.0.0.1:5", "1.1.1.1:77", "", "1.1.1.1:0"},
    {"10.0.0.1:5", "[2001:db8::9]:77", "", "[2001:db8::9]:0"},
    {"10.0.0.1:5", "[2001:db8::9]", "", "[2001:db8::9]:0"},
    {"10.0.0.1:5", "::ffff:1.2.3.4", "", "1.2.3.4:0"},
    {"10.0.0.1:5", ",", "", "10.0.0.1:5"},
};

START_TEST(real_addresses)
{
    struct rk_prefix trusted = {.ip = rk_ip4(10, 0, 0, 0), .bits = 8};
    struct http_proxies p = {&trusted, 1}, nobody = {0};

    for (size_t i = 0; i < RK_ARRAY_LEN(clients); i++) {
        struct rk_addr peer, got;
        char text[RK_ADDR_TEXT];

        ck_assert_int_eq(rk_addr_parse(rk_str_z(clients[i].peer), &peer, NULL), RK_OK);
        got = http_real_addr(&p, &peer, rk_str_z(clients[i].xff), rk_str_z(clients[i].real));
        ck_assert_str_eq(rk_addr_format(&got, text).p, clients[i].want);
        got = http_real_addr(&nobody, &peer, rk_str_z(clients[i].xff), rk_str_z(clients[i].real));
        ck_assert_str_eq(rk_addr_format(&got, text).p, clients[i].peer);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("edge_sniff");
    TCase *t = tcase_create("all");

    tcase_add_test(t, first_bytes);
    tcase_add_test(t, every_truncation_is_undecided_or_the_same);
    tcase_add_test(t, long_input_is_always_decided);
    tcase_add_test(t, proxy_headers);
    tcase_add_test(t, endless_proxy_header_is_refused);
    tcase_add_test(t, real_addresses);
    suite_add_tcase(s, t);
    return run_suite(s);
}
