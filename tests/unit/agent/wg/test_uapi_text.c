/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests agent/wg/uapi_text.c. */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/wg/backend.h"
#include "tests/unit/run.h"

#define AA "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define BB "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static struct rk_key key_of(uint8_t fill)
{
    struct rk_key k;

    memset(k.b, fill, sizeof k.b);
    return k;
}

START_TEST(change_as_text)
{
    struct rk_prefix allowed[1] = {{rk_ip4(100, 64, 0, 5), 32}};
    struct wg_peer_change peers[] = {
        {.key = key_of(0xaa), .remove = true, .keepalive_s = 25},
        {.key = key_of(0xbb),
         .update_only = true,
         .replace_allowed = true,
         .has_endpoint = true,
         .has_psk = true,
         .keepalive_s = 0,
         .endpoint = {rk_ip4(127, 0, 0, 1), 4660},
         .psk = key_of(0xaa),
         .allowed = allowed,
         .n_allowed = 1},
    };
    struct wg_change c = {.has_private_key = true,
                          .has_port = true,
                          .has_mark = true,
                          .replace_peers = true,
                          .private_key = key_of(0xbb),
                          .port = 0,
                          .mark = 113920,
                          .peers = peers,
                          .n_peers = 2};
    struct rk_buf out;

    rk_buf_init(&out, 4096);
    wg_uapi_encode(&c, &out);
    rk_buf_addc(&out, '\0');
    ck_assert_str_eq(out.p, "set=1\nprivate_key=" BB "\nlisten_port=0\nfwmark=113920\n"
                            "replace_peers=true\n"
                            "public_key=" AA "\nremove=true\n"
                            "public_key=" BB "\nupdate_only=true\npreshared_key=" AA "\n"
                            "endpoint=127.0.0.1:4660\npersistent_keepalive_interval=0\n"
                            "replace_allowed_ips=true\nallowed_ip=100.64.0.5/32\n\n");
    rk_buf_done(&out);
}
END_TEST

static const char ANSWER[] = "private_key=" AA "\nlisten_port=51820\nfwmark=7\n"
                             "public_key=" BB "\npreshared_key=" AA "\nprotocol_version=1\n"
                             "endpoint=[fd00::1]:9\nlast_handshake_time_sec=1700000000\n"
                             "last_handshake_time_nsec=250000000\ntx_bytes=2\nrx_bytes=1\n"
                             "persistent_keepalive_interval=25\nallowed_ip=100.64.0.5/32\n"
                             "allowed_ip=fd00::5/128\n"
                             "public_key=" AA "\n"
                             "errno=0\n\n";

START_TEST(answer_is_read)
{
    struct rk_arena *mem = rk_arena_new(0);
    struct wg_state s;

    ck_assert_int_eq(wg_uapi_decode(rk_str_z(ANSWER), mem, &s, NULL), RK_OK);
    ck_assert_uint_eq(s.port, 51820);
    ck_assert_uint_eq(s.mark, 7);
    ck_assert_uint_eq(s.n_peers, 2);
    ck_assert_uint_eq(s.peers[0].n_allowed, 2);
    ck_assert_int_eq(s.peers[0].handshake_unix_ms, 1700000000250);
    ck_assert_uint_eq(s.peers[0].rx_bytes, 1);
    ck_assert_uint_eq(s.peers[0].tx_bytes, 2);
    ck_assert_int_eq(s.peers[0].keepalive_s, 25);
    ck_assert_uint_eq(s.peers[0].endpoint.port, 9);
    ck_assert_uint_eq(s.peers[1].n_allowed, 0);
    rk_arena_free(mem);
}
END_TEST

START_TEST(cut_answers_are_refused)
{
    for (size_t n = 0; n < sizeof ANSWER - 1; n++) {
        RK_CLEANUP(rk_freep) char *exact = rk_memdup(ANSWER, n);
        struct rk_arena *mem = rk_arena_new(0);
        struct wg_state s;

        /* the last bytes are only the line ends behind errno=0 */
        if (n < sizeof ANSWER - 3)
            ck_assert_int_ne(wg_uapi_decode(rk_str_of(exact, n), mem, &s, NULL), RK_OK);
        rk_arena_free(mem);
    }
}
END_TEST

START_TEST(errors_of_the_daemon)
{
    struct rk_arena *mem = rk_arena_new(0);
    struct wg_state s;
    struct rk_err err = {0};

    ck_assert_int_eq(wg_uapi_decode(RK_STR("errno=-98\n\n"), mem, &s, &err), RK_EXISTS);
    ck_assert_int_eq(wg_uapi_decode(RK_STR("errno=-22\n\n"), mem, &s, &err), RK_INVALID);
    ck_assert_int_eq(wg_uapi_decode(RK_STR("\n"), mem, &s, &err), RK_BAD_REQUEST);
    ck_assert_int_eq(wg_uapi_decode(RK_STR("public_key=12\nerrno=0\n\n"), mem, &s, &err),
                     RK_BAD_REQUEST);
    rk_arena_free(mem);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("uapi_text");
    TCase *t = tcase_create("text");

    tcase_add_test(t, change_as_text);
    tcase_add_test(t, answer_is_read);
    tcase_add_test(t, cut_answers_are_refused);
    tcase_add_test(t, errors_of_the_daemon);
    suite_add_tcase(s, t);
    return run_suite(s);
}
