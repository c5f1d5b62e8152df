/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests lib/crypto/hmac: MACs (RFC 2202, RFC 4231), TURN and relay credentials. */
#include "config.h"

#include "tests/unit/vec.h"

#include "lib/crypto/hmac.h"

START_TEST(macs_match_the_rfcs)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *a = rk_arena_new(0);
    char longkey[131];
    uint8_t mac[HMAC_SHA256_SIZE];

    hmac_sha1(RK_STR("Jefe"), RK_STR("what do ya want for nothing?"), mac);
    vec_expect(a, rk_str_of(mac, 20), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    hmac_sha256(RK_STR("Jefe"), RK_STR("what do ya want for nothing?"), mac);
    vec_expect(a, rk_str_of(mac, 32),
               "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(longkey, 0xaa, sizeof longkey); /* keys above a block are hashed first */
    hmac_sha256(rk_str_of(longkey, sizeof longkey),
                RK_STR("Test Using Larger Than Block-Size Key - Hash Key First"), mac);
    vec_expect(a, rk_str_of(mac, 32),
               "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    hmac_sha1(rk_str_of(longkey, 80),
              RK_STR("Test Using Larger Than Block-Size Key - Hash Key First"), mac);
    vec_expect(a, rk_str_of(mac, 20), "aa4ae5e15272d00e95705637ce8a3b55ed402112");
    hmac_sha1((struct rk_str){0}, (struct rk_str){0}, mac);
    vec_expect(a, rk_str_of(mac, 20), "fbdb1d1b18aa6c08324b7d64b71fb76370690e1d");
    hmac_sha256((struct rk_str){0}, (struct rk_str){0}, mac);
    vec_expect(a, rk_str_of(mac, 32),
               "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}
END_TEST

START_TEST(credentials_match_the_vectors)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *a = rk_arena_new(0);
    struct hmac_credential c;
    struct hmac_relay_token t;
    struct rk_key key;

    hmac_turn_credential(RK_STR("netbird-turn-secret"), 1767268800, &c);
    ck_assert_str_eq(c.payload, "1767268800");
    ck_assert_str_eq(c.signature, "czrLKKmiYVloLvY/W73r3oeVfMk=");
    hmac_relay_key(RK_STR("netbird-relay-secret"), &key);
    hmac_relay_credential(&key, 1767268800, &c);
    ck_assert_str_eq(c.signature, "yNWb9uCOsWNjnM/Bpxo6U1wl15wPnRbp+XWmaMd5aeA=");
    ck_assert_int_eq(hmac_relay_token_build(rk_str_z(c.payload), rk_str_z(c.signature), &t, NULL),
                     RK_OK);
    vec_expect(a, rk_str_of(t.b, t.n),
               "01c8d59bf6e08eb163639ccfc1a71a3a535c25d79c0f9d16e9f975a668c77969e0"
               "31373637323638383030");
    hmac_relay_key(RK_STR("supersecret"), &key);
    vec_expect(a, rk_str_of(key.b, 32),
               "f75778f7425be4db0369d09af37a6c2b9a83dea0e53e7bd57412e4b060e607f7");
    hmac_relay_credential(&key, 1893456000, &c);
    ck_assert_str_eq(c.signature, "4ROAymKcrcDZSxJoh4eKLELGrKvXTvBEP8FO+hcqEhQ=");
}
END_TEST

/* A binary token signed for any payload. */
static struct rk_str token_of(struct rk_arena *a, const struct rk_key *key, struct rk_str payload)
{
    uint8_t *t = rk_arena_alloc(a, 1 + HMAC_SHA256_SIZE + payload.n);

    t[0] = HMAC_RELAY_ALGO_SHA256;
    hmac_sha256(rk_str_of(key->b, 32), payload, t + 1);
    memcpy(t + 1 + HMAC_SHA256_SIZE, payload.p, payload.n);
    return rk_str_of(t, 1 + HMAC_SHA256_SIZE + payload.n);
}

START_TEST(relay_tokens_live_until_their_second)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *a = rk_arena_new(0);
    struct rk_str token =
        vec_hex(a, "01e11380ca629cadc0d94b126887878a2c42c6acabd74ef0443fc14efa172a1214"
                   "31383933343536303030");
    struct rk_key key, wrong;
    int64_t expires = -1;

    hmac_relay_key(RK_STR("supersecret"), &key);
    hmac_relay_key(RK_STR("Supersecret"), &wrong);
    ck_assert_int_eq(hmac_relay_token_verify(&key, token, 1893456000, &expires, NULL), RK_OK);
    ck_assert_int_eq(expires, 1893456000);
    ck_assert_int_eq(hmac_relay_token_verify(&key, token, 0, NULL, NULL), RK_OK);
    ck_assert_int_eq(hmac_relay_token_verify(&key, token, 1893456001, NULL, NULL),
                     RK_UNAUTHENTICATED);
    ck_assert_int_eq(hmac_relay_token_verify(&wrong, token, 0, NULL, NULL), RK_UNAUTHENTICATED);
}
END_TEST

START_TEST(every_broken_relay_token_is_refused)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *a = rk_arena_new(0);
    struct rk_key key;
    struct rk_str good;
    int64_t expires = 5;

    hmac_relay_key(RK_STR("supersecret"), &key);
    good = token_of(a, &key, RK_STR("1893456000"));
    for (size_t n = 0; n < good.n; n++) {
        RK_CLEANUP(rk_freep) char *exact = rk_memdup(good.p, n);

        ck_assert_int_eq(hmac_relay_token_verify(&key, rk_str_of(exact, n), 0, &expires, NULL),
                         RK_UNAUTHENTICATED);
    }
    for (size_t bit = 0; bit < good.n * 8; bit++) {
        RK_CLEANUP(rk_freep) char *bent = rk_memdup(good.p, good.n);

        bent[bit / 8] = (char)(bent[bit / 8] ^ 1 << bit % 8);
        ck_assert_int_eq(hmac_relay_token_verify(&key, rk_str_of(bent, good.n), 0, &expires, NULL),
                         RK_UNAUTHENTICATED);
    }
    ck_assert_int_eq(expires, 5);
}
END_TEST

START_TEST(signed_nonsense_is_refused_too)
{
    static const struct {
        const char *payload;
        enum rk_code want;
    } cases[] = {
        {"1893456000", RK_OK},
        {"9223372036854775807", RK_OK},
        {"189345600", RK_UNAUTHENTICATED},           /* nine characters */
        {"9223372036854775808", RK_UNAUTHENTICATED}, /* 2^63 */
        {"18934560000000000000000", RK_UNAUTHENTICATED},
        {"1893456000 ", RK_UNAUTHENTICATED},
        {"1893456e10", RK_UNAUTHENTICATED},
        {"-9223372036854775808", RK_UNAUTHENTICATED}, /* expired, and no overflow on the way */
    };
    RK_CLEANUP(rk_arena_freep) struct rk_arena *a = rk_arena_new(0);
    struct rk_key key;
    struct rk_str zero = vec_hex(a, "0191978cb824906264777b32600445b4a4c32b76b0e17f8d2ed6b15aeb52"
                                    "6718f431383933343536303030");

    hmac_relay_key(RK_STR("supersecret"), &key);
    for (size_t i = 0; i < RK_ARRAY_LEN(cases); i++)
        ck_assert_int_eq(hmac_relay_token_verify(
                             &key, token_of(a, &key, rk_str_z(cases[i].payload)), 0, NULL, NULL),
                         cases[i].want);
    /* signed with the plain secret as key, as v0.29.0 did */
    ck_assert_int_eq(hmac_relay_token_verify(&key, zero, 0, NULL, NULL), RK_UNAUTHENTICATED);
    /* the probe of official health checks */
    zero = vec_hex(a, "0100000000000000000000000000000000000000000000000000000000000000006865616c7"
                      "468636865636b");
    ck_assert_int_eq(hmac_relay_token_verify(&key, zero, 0, NULL, NULL), RK_UNAUTHENTICATED);
}
END_TEST

START_TEST(broken_signatures_do_not_build)
{
    struct hmac_relay_token t = {.n = 3};

    ck_assert_int_eq(hmac_relay_token_build(RK_STR("1893456000"), RK_STR("!!!"), &t, NULL),
                     RK_BAD_REQUEST);
    ck_assert_int_eq(hmac_relay_token_build(RK_STR("1893456000"), RK_STR(""), &t, NULL),
                     RK_BAD_REQUEST);
    ck_assert_int_eq(hmac_relay_token_build(RK_STR("1893456000"),
                                            RK_STR("czrLKKmiYVloLvY/W73r3oeVfMk="), &t, NULL),
                     RK_BAD_REQUEST);
    ck_assert_int_eq(hmac_relay_token_build(RK_STR("123456789012345678901"),
                                            RK_STR("4ROAymKcrcDZSxJoh4eKLELGrKvXTvBEP8FO+hcqEhQ="),
                                            &t, NULL),
                     RK_BAD_REQUEST);
    ck_assert_uint_eq(t.n, 3);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("hmac");

    tcase_add_test(t, macs_match_the_rfcs);
    tcase_add_test(t, credentials_match_the_vectors);
    tcase_add_test(t, relay_tokens_live_until_their_second);
    tcase_add_test(t, every_broken_relay_token_is_refused);
    tcase_add_test(t, signed_nonsense_is_refused_too);
    tcase_add_test(t, broken_signatures_do_not_build);
    return vec_run(t, "hmac");
}
