/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests lib/crypto/hash and lib/crypto/token: digests, checksummed tokens, setup keys. */
#include "config.h"

#include "tests/unit/vec.h"

#include "lib/crypto/hash.h"
#include "lib/crypto/token.h"

START_TEST(digests_match_the_vectors)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *a = rk_arena_new(0);
    uint8_t d[HASH_SHA256_SIZE];

    hash_sha256((struct rk_str){0}, d);
    vec_expect(a, rk_str_of(d, 32),
               "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    hash_sha256(RK_STR("netbird-relay-secret"), d);
    vec_expect(a, rk_str_of(d, 32),
               "7dc2c8f0e598fb14b4d8008f809cfc325d81a23198b647fdaba77bcce93d59b5");
    hash_blake2b128((struct rk_str){0}, d);
    vec_expect(a, rk_str_of(d, 16), "cae66941d9efbd404e4d88758ea67670");
    hash_blake2b128(RK_STR("a"), d);
    vec_expect(a, rk_str_of(d, 16), "27c35e6e9373877f29e562464e46497e");
    hash_blake2b128(RK_STR("user@example.com"), d);
    vec_expect(a, rk_str_of(d, 16), "a5060c048fc2219ff10f83c61bf65c81");
    ck_assert_uint_eq(hash_crc32((struct rk_str){0}), 0);
    ck_assert_uint_eq(hash_crc32(RK_STR("123456789")), 0xcbf43926);
    /* a relay names peers by this digest */
    ck_assert(rk_str_eqz(
        hash_sha256_base64_new(a, RK_STR("NYBy1jZYgNGu6jKa35EhODhR7SGijjt16WXQ0s0WYlQ=")),
        "KqAEU8vCzDW/bj+z9jrDHfyJKuCn3eXBiLCKEqGa6ro="));
}
END_TEST

static const struct {
    const char *secret;
    uint32_t crc;
    enum token_kind kind;
    const char *token, *stored;
} TOKENS[] = {
    {"0123456789ABCDEFGHIJKLMNOPQRST", 4039328943, TOKEN_PAT,
     "nbp_0123456789ABCDEFGHIJKLMNOPQRST4PMbyp", "qDyr7QW1pZhu4imN/r3ZfPVXX7skWyvIg8LihjVMd6k="},
    {"abcdefghijklmnopqrstuvwxyz0130", 8387247, TOKEN_PAT,
     "nbp_abcdefghijklmnopqrstuvwxyz013000ZBuB", "deZMghzPHQwO6GrqFMFzHS+VegEAxNy+J4dnjGfROws="},
    {"0123456789ABCDEFGHIJKLMNOPQRST", 4039328943, TOKEN_INVITE,
     "nbi_0123456789ABCDEFGHIJKLMNOPQRST4PMbyp", "EWnqNG0R3bmdVJeD928lMpQ6015lqFQ0H25iCAlPS5Q="},
    {"0123456789ABCDEFGHIJKLMNOPQRST", 4039328943, TOKEN_PROXY,
     "nbx_0123456789ABCDEFGHIJKLMNOPQRST4PMbyp", "DUdqXvUsAQsJRX+e+5Bn2zeMoYTh1MqAaOj5uDoPzqA="},
};

START_TEST(tokens_match_the_vectors)
{
    char token[TOKEN_LEN + 1], stored[HASH_SHA256_TEXT + 1];

    ck_assert_uint_eq(hash_crc32(rk_str_z(TOKENS[_i].secret)), TOKENS[_i].crc);
    token_of_secret(TOKENS[_i].kind, TOKENS[_i].secret, token);
    ck_assert_str_eq(token, TOKENS[_i].token);
    token_stored_form(rk_str_z(token), stored);
    ck_assert_str_eq(stored, TOKENS[_i].stored);
    for (int kind = TOKEN_PAT; kind <= TOKEN_PROXY; kind++)
        ck_assert_int_eq(token_check((enum token_kind)kind, rk_str_z(token), NULL),
                         kind == (int)TOKENS[_i].kind ? RK_OK : RK_UNAUTHENTICATED);
}
END_TEST

START_TEST(every_truncation_and_typing_error_is_refused)
{
    const char *good = TOKENS[0].token;
    struct rk_err err = {0};

    for (size_t n = 0; n < TOKEN_LEN; n++) {
        RK_CLEANUP(rk_freep) char *exact = rk_memdup(good, n);

        ck_assert_int_eq(token_check(TOKEN_PAT, rk_str_of(exact, n), &err), RK_UNAUTHENTICATED);
        ck_assert_ptr_null(strstr(err.msg, "nbp_"));
    }
    for (size_t i = 0; i < TOKEN_LEN; i++) {
        RK_CLEANUP(rk_freep) char *bent = rk_memdup(good, TOKEN_LEN);

        bent[i] = bent[i] == 'x' ? 'y' : 'x';
        ck_assert_int_eq(token_check(TOKEN_PAT, rk_str_of(bent, TOKEN_LEN), NULL),
                         RK_UNAUTHENTICATED);
        bent[i] = '-';
        ck_assert_int_eq(token_check(TOKEN_PAT, rk_str_of(bent, TOKEN_LEN), NULL),
                         RK_UNAUTHENTICATED);
        bent[i] = '\0';
        ck_assert_int_eq(token_check(TOKEN_PAT, rk_str_of(bent, TOKEN_LEN), NULL),
                         RK_UNAUTHENTICATED);
    }
}
END_TEST

START_TEST(checksums_are_read_modulo_32_bits)
{
    /* 62^6 is above 2^32, so crc + 2^32 has six digits too and means the same. */
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    char token[TOKEN_LEN + 1];
    uint64_t v = 4039328943 + ((uint64_t)1 << 32);

    token_of_secret(TOKEN_PAT, TOKENS[0].secret, token);
    for (size_t i = 0; i < TOKEN_CHECKSUM_LEN; i++, v /= 62)
        token[TOKEN_LEN - 1 - i] = digits[v % 62];
    ck_assert_uint_eq(v, 0);
    ck_assert_str_ne(token, TOKENS[0].token);
    ck_assert_int_eq(token_check(TOKEN_PAT, rk_str_z(token), NULL), RK_OK);
}
END_TEST

START_TEST(new_tokens_are_valid_and_differ)
{
    char one[TOKEN_LEN + 1], two[TOKEN_LEN + 1];

    for (int kind = TOKEN_PAT; kind <= TOKEN_PROXY; kind++) {
        token_new((enum token_kind)kind, one);
        token_new((enum token_kind)kind, two);
        ck_assert_int_eq(token_check((enum token_kind)kind, rk_str_z(one), NULL), RK_OK);
        ck_assert_str_ne(one, two);
        ck_assert_uint_eq(strlen(one), TOKEN_LEN);
    }
}
END_TEST

START_TEST(setup_keys_have_no_case)
{
    char stored[HASH_SHA256_TEXT + 1], longest[TOKEN_SETUP_KEY_MAX + 1] = {0};

    ck_assert_int_eq(
        token_setup_key_stored_form(RK_STR("A2C8E62B-38F5-4553-B31E-DD66C696CEBB"), stored, NULL),
        RK_OK);
    ck_assert_str_eq(stored, "uXspNY+GG/bbf0inGAz7i1Yb7ZtGQghH2PwMtZG4LI0=");
    ck_assert_int_eq(
        token_setup_key_stored_form(RK_STR("a2c8e62b-38f5-4553-b31e-dd66c696cebb"), stored, NULL),
        RK_OK);
    ck_assert_str_eq(stored, "uXspNY+GG/bbf0inGAz7i1Yb7ZtGQghH2PwMtZG4LI0=");
    ck_assert_int_eq(token_setup_key_stored_form(rk_str_of(longest, sizeof longest), stored, NULL),
                     RK_BAD_REQUEST);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("hash");

    tcase_add_test(t, digests_match_the_vectors);
    tcase_add_loop_test(t, tokens_match_the_vectors, 0, RK_ARRAY_LEN(TOKENS));
    tcase_add_test(t, every_truncation_and_typing_error_is_refused);
    tcase_add_test(t, checksums_are_read_modulo_32_bits);
    tcase_add_test(t, new_tokens_are_valid_and_differ);
    tcase_add_test(t, setup_keys_have_no_case);
    return vec_run(t, "hash");
}
