/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests the messages of agent/wg/device_netlink.c byte by byte (by hand from linux/wireguard.h). */
#include "config.h"

#include <check.h>
#include <linux/genetlink.h>
#include <stdlib.h>
#include <string.h>

#include "agent/wg/backend.h"
#include "lib/base/buf.h"
#include "lib/base/enc.h"
#include "tests/unit/run.h"

static _Alignas(8) char space[NL_MSG_SIZE];

static struct nlmsghdr *fresh(void)
{
    struct nlmsghdr *h;

    memset(space, 0, sizeof space);
    h = mnl_nlmsg_put_header(space);
    (void)mnl_nlmsg_put_extra_header(h, sizeof(struct genlmsghdr));
    return h;
}

static struct rk_key key_of(uint8_t fill)
{
    struct rk_key k;

    memset(k.b, fill, sizeof k.b);
    return k;
}

static struct rk_prefix prefix_of(const char *text)
{
    struct rk_prefix p;

    ck_assert_int_eq(rk_prefix_parse(rk_str_z(text), &p, NULL), RK_OK);
    return p;
}

/* Compare everything behind the generic header with a hex text (blanks allowed). */
static void expect(const struct nlmsghdr *h, const char *hex)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    const size_t head = sizeof(struct nlmsghdr) + sizeof(struct genlmsghdr);
    struct rk_str got = rk_hex_encode(mem, rk_str_of((const char *)h + head, h->nlmsg_len - head));
    struct rk_buf want;

    rk_buf_init(&want, 65536);
    for (; *hex; hex++)
        if (*hex != ' ')
            rk_buf_addc(&want, *hex);
    rk_buf_addc(&want, '\0');
    ck_assert_str_eq(got.p, want.p);
    rk_buf_done(&want);
}

#define AA "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define BB "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

START_TEST(device_attributes)
{
    struct wg_change c = {.has_private_key = true,
                          .has_port = true,
                          .has_mark = true,
                          .replace_peers = true,
                          .private_key = key_of(0xaa),
                          .port = 51820,
                          .mark = 0x1BD00};
    struct nlmsghdr *h = fresh();
    struct wg_nl_pos pos = {0};

    wg_nl_encode(h, sizeof space, 7, &c, &pos);
    ck_assert(pos.done);
    expect(h, "0800 0100 07000000"   /* IFINDEX 7 */
              "2400 0300 " AA        /* PRIVATE_KEY */
              "0600 0600 6cca 0000"  /* LISTEN_PORT 51820, padded */
              "0800 0700 00bd0100"   /* FWMARK */
              "0800 0500 01000000"); /* FLAGS REPLACE_PEERS */
}
END_TEST

START_TEST(peer_attributes)
{
    struct rk_prefix allowed[2] = {prefix_of("100.64.0.5/32"), prefix_of("fd00::/64")};
    struct wg_peer_change peer = {.key = key_of(0xbb),
                                  .replace_allowed = true,
                                  .has_endpoint = true,
                                  .has_psk = true,
                                  .keepalive_s = 25,
                                  .psk = key_of(0xaa),
                                  .allowed = allowed,
                                  .n_allowed = 2};
    struct wg_change c = {.peers = &peer, .n_peers = 1};
    struct nlmsghdr *h = fresh();
    struct wg_nl_pos pos = {0};

    ck_assert_int_eq(rk_addr_parse(RK_STR("127.0.0.1:4660"), &peer.endpoint, NULL), RK_OK);
    wg_nl_encode(h, sizeof space, 7, &c, &pos);
    ck_assert(pos.done);
    expect(h, "0800 0100 07000000"
              "bc00 0880"                                     /* PEERS, nested */
              "b800 0080"                                     /* entry */
              "2400 0100 " BB                                 /* PUBLIC_KEY */
              "0800 0300 02000000"                            /* FLAGS REPLACE_ALLOWEDIPS */
              "2400 0200 " AA                                 /* PRESHARED_KEY */
              "1400 0400 0200 1234 7f000001 0000000000000000" /* ENDPOINT sockaddr_in */
              "0600 0500 1900 0000"                           /* KEEPALIVE 25 */
              "4800 0980"                                     /* ALLOWEDIPS */
              "1c00 0080"                                     /* entry */
              "0600 0100 0200 0000"                           /* FAMILY AF_INET */
              "0800 0200 64400005"                            /* IPADDR */
              "0500 0300 20 000000"                           /* CIDR_MASK 32 */
              "2800 0080"
              "0600 0100 0a00 0000" /* FAMILY AF_INET6 */
              "1400 0200 fd000000000000000000000000000000"
              "0500 0300 40 000000");
}
END_TEST

START_TEST(removal_says_nothing_else)
{
    struct wg_peer_change peer = {
        .key = key_of(0xbb), .remove = true, .has_psk = true, .keepalive_s = 25};
    struct wg_change c = {.peers = &peer, .n_peers = 1};
    struct nlmsghdr *h = fresh();
    struct wg_nl_pos pos = {0};

    wg_nl_encode(h, sizeof space, 7, &c, &pos);
    expect(h, "0800 0100 07000000"
              "3400 0880 3000 0080"
              "2400 0100 " BB "0800 0300 01000000"); /* REMOVE_ME */
}
END_TEST

/* A big change cut into messages means the same as one without the cuts: what the kernel would
 * have afterwards is rebuilt here by the decoder. */
START_TEST(large_change_is_cut_and_loses_nothing)
{
    enum { PEERS = 40, ALLOWED = 90 };
    static struct rk_prefix allowed[PEERS][ALLOWED];
    static struct wg_peer_change peers[PEERS];
    struct wg_change c = {
        .has_port = true, .port = 9, .replace_peers = true, .peers = peers, .n_peers = PEERS};
    struct rk_arena *mem = rk_arena_new(0);
    struct wg_state got = {0};
    struct wg_nl_pos pos = {0};
    int messages = 0;

    for (uint8_t i = 0; i < PEERS; i++) {
        for (uint8_t j = 0; j < ALLOWED; j++)
            allowed[i][j] = (struct rk_prefix){rk_ip4(10, i, j, 0), 24};
        peers[i] = (struct wg_peer_change){.key = key_of((uint8_t)(i + 1)),
                                           .replace_allowed = true,
                                           .keepalive_s = 25,
                                           .allowed = allowed[i],
                                           .n_allowed = ALLOWED};
    }
    while (!pos.done) {
        struct nlmsghdr *h = fresh();

        wg_nl_encode(h, 4096, 7, &c, &pos);
        ck_assert_uint_le(h->nlmsg_len, 4096);
        ck_assert_int_eq(wg_nl_decode(h, mem, &got, NULL), RK_OK);
        ck_assert_int_lt(++messages, 1000);
    }
    ck_assert_int_gt(messages, 20);
    ck_assert_uint_eq(got.n_peers, PEERS);
    ck_assert_uint_eq(got.port, 9);
    for (size_t i = 0; i < PEERS; i++) {
        ck_assert(rk_key_eq(&got.peers[i].key, &peers[i].key));
        ck_assert_int_eq(got.peers[i].keepalive_s, 25);
        ck_assert_uint_eq(got.peers[i].n_allowed, ALLOWED);
        for (size_t j = 0; j < ALLOWED; j++)
            ck_assert_int_eq(rk_prefix_cmp(&got.peers[i].allowed[j], &allowed[i][j]), 0);
    }
    rk_arena_free(mem);
}
END_TEST

START_TEST(answer_with_statistics)
{
    struct rk_arena *mem = rk_arena_new(0);
    struct nlmsghdr *h = fresh();
    struct wg_state got = {0};
    struct nlattr *peers, *peer;
    int64_t when[2] = {1700000000, 250000000};

    mnl_attr_put_u32(h, 1, 7);
    mnl_attr_put_u16(h, 6, 51820);
    peers = mnl_attr_nest_start(h, 8);
    peer = mnl_attr_nest_start(h, 0);
    mnl_attr_put(h, 1, 32, key_of(0xbb).b);
    mnl_attr_put(h, 6, sizeof when, when); /* LAST_HANDSHAKE_TIME */
    mnl_attr_put_u64(h, 7, 1000);
    mnl_attr_put_u64(h, 8, 2000);
    mnl_attr_nest_end(h, peer);
    mnl_attr_nest_end(h, peers);
    ck_assert_int_eq(wg_nl_decode(h, mem, &got, NULL), RK_OK);
    ck_assert_uint_eq(got.port, 51820);
    ck_assert_uint_eq(got.n_peers, 1);
    ck_assert_int_eq(got.peers[0].handshake_unix_ms, 1700000000250);
    ck_assert_uint_eq(got.peers[0].rx_bytes, 1000);
    ck_assert_uint_eq(got.peers[0].tx_bytes, 2000);
    ck_assert_uint_eq(got.peers[0].endpoint.ip.family, 0);
    rk_arena_free(mem);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("device_netlink");
    TCase *t = tcase_create("messages");

    tcase_add_test(t, device_attributes);
    tcase_add_test(t, peer_attributes);
    tcase_add_test(t, removal_says_nothing_else);
    tcase_add_test(t, large_change_is_cut_and_loses_nothing);
    tcase_add_test(t, answer_with_statistics);
    suite_add_tcase(s, t);
    return run_suite(s);
}
