/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests signal/greeting.c: a peer can read it, and it says HEARTBEAT. */
#include "config.h"

#include "signal/greeting.h"

#include "lib/crypto/box.h"
#include "signal/envelope.h"
#include "tests/unit/run.h"

START_TEST(it_is_a_heartbeat_for_the_peer)
{
    struct rk_key own, own_public, peer, peer_public;
    char name[RK_KEY_TEXT + 1], from[RK_KEY_TEXT + 1];
    uint8_t out[SIG_GREETING_MAX], plain[SIG_GREETING_MAX];
    struct sig_envelope e;
    struct box_shared s;
    size_t n;

    rk_key_generate(&own);
    rk_key_generate(&peer);
    rk_key_public(&own, &own_public);
    rk_key_public(&peer, &peer_public);
    rk_key_format(&own_public, from);
    rk_key_format(&peer_public, name);
    n = sig_greeting_make(&own, rk_str_z(name), out);
    ck_assert_uint_gt(n, 0);
    ck_assert_int_eq(sig_envelope_decode(rk_str_of(out, n), &e, NULL), RK_OK);
    ck_assert(rk_str_eqz(e.key, from) && rk_str_eqz(e.remote_key, name));
    ck_assert_int_eq(box_shared_init(&peer, &own_public, &s, NULL), RK_OK);
    ck_assert_int_eq(box_open(&s, e.body, plain, &n, NULL), RK_OK);
    ck_assert(rk_str_eq(rk_str_of(plain, n), RK_STR("\x08\x06")));
}
END_TEST

START_TEST(who_is_named_otherwise_gets_none)
{
    static const char *const names[] = {"", "me", "AAAA",
                                        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="};
    uint8_t out[SIG_GREETING_MAX];
    struct rk_key own;

    rk_key_generate(&own);
    for (size_t i = 0; i < RK_ARRAY_LEN(names); i++)
        ck_assert_uint_eq(sig_greeting_make(&own, rk_str_z(names[i]), out), 0);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("greeting");
    Suite *s = suite_create("signal/greeting");

    tcase_add_test(t, it_is_a_heartbeat_for_the_peer);
    tcase_add_test(t, who_is_named_otherwise_gets_none);
    suite_add_tcase(s, t);
    return run_suite(s);
}
