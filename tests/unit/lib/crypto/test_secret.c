/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests lib/crypto/secret: key texts, key pairs, constant-time helpers. */
#include "config.h"

#include "tests/unit/vec.h"

#include "lib/crypto/secret.h"

static const struct {
    const char *private_hex, *public_hex, *text;
} PAIRS[] = {
    {"0002030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f60",
     "07a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c",
     "B6N8vBQgk8i3VdwbEOhstCY3StFqqFPtC9/AsrhtHHw="},
    {"808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e5f",
     "493e82fc74464a59268817623d2053c5eb8e2cc4a988b4fee179ec6b010d531d",
     "ST6C/HRGSlkmiBdiPSBTxeuOLMSpiLT+4XnsawENUx0="},
    {"202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e7f",
     "358072d6365880d1aeea329adf9121383851ed21a28e3b75e965d0d2cd166254",
     "NYBy1jZYgNGu6jKa35EhODhR7SGijjt16WXQ0s0WYlQ="},
    {"606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f",
     "675dd574ed7789310b3d2e7681f3790b466c773b1521fecf36577958371ea52f",
     "Z13VdO13iTELPS52gfN5C0ZsdzsVIf7PNld5WDcepS8="},
};

START_TEST(public_keys_match_the_vectors)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *a = rk_arena_new(0);
    struct rk_key priv, pub, back;
    char text[RK_KEY_TEXT + 1];

    memcpy(priv.b, vec_hex(a, PAIRS[_i].private_hex).p, sizeof priv.b);
    rk_key_public(&priv, &pub);
    vec_expect(a, rk_str_of(pub.b, sizeof pub.b), PAIRS[_i].public_hex);
    rk_key_format(&pub, text);
    ck_assert_str_eq(text, PAIRS[_i].text);
    ck_assert(rk_str_eqz(rk_key_text(a, &pub), text));
    ck_assert_int_eq(rk_key_parse(rk_str_z(text), &back, NULL), RK_OK);
    ck_assert(rk_key_eq(&back, &pub));
}
END_TEST

START_TEST(key_texts_are_strict)
{
    static const char good[] = "B6N8vBQgk8i3VdwbEOhstCY3StFqqFPtC9/AsrhtHHw=";
    static const char *const bad[] = {
        "B6N8vBQgk8i3VdwbEOhstCY3StFqqFPtC9/AsrhtHHx=",  /* bits left over */
        "B6N8vBQgk8i3VdwbEOhstCY3StFqqFPtC9/AsrhtHHw",   /* no padding */
        "B6N8vBQgk8i3VdwbEOhstCY3StFqqFPtC9/AsrhtHHw==", /* too much */
        "B6N8vBQgk8i3VdwbEOhstCY3StFqqFPtC9_AsrhtHHw=",  /* URL alphabet */
        "B6N8vBQgk8i3VdwbEOhstCY3StFqqFPtC9/Asrht\nHw=", /* white space */
        "B6N8vBQgk8i3VdwbEOhstCY3StFqqFPtC9/AsrhtHHwA",  /* 33 bytes */
        "B6N8vBQgk8i3VdwbEOhstCY3StFqqFPtC9/AsrhtHA==",  /* 31 bytes */
        "B6N8vBQgk8i3VdwbEOhstCY3StFqqFPtC9/AsrhtH===",  /* misplaced padding */
    };
    struct rk_key k = {{1}}, same = k;
    struct rk_err err = {0};

    for (size_t n = 0; n < sizeof good - 1; n++) {
        RK_CLEANUP(rk_freep) char *exact = rk_memdup(good, n);

        ck_assert_int_eq(rk_key_parse(rk_str_of(exact, n), &k, &err), RK_BAD_REQUEST);
        ck_assert_int_eq(rk_key_parse_wire(rk_str_of(exact, n), &k, NULL), RK_BAD_REQUEST);
    }
    for (size_t i = 0; i < RK_ARRAY_LEN(bad); i++) {
        ck_assert_int_eq(rk_key_parse(rk_str_z(bad[i]), &k, &err), RK_BAD_REQUEST);
        ck_assert_ptr_null(strstr(err.msg, "B6N8"));
        if (i)
            ck_assert_int_eq(rk_key_parse_wire(rk_str_z(bad[i]), &k, NULL), RK_BAD_REQUEST);
    }
    ck_assert_int_eq(rk_key_parse((struct rk_str){0}, &k, NULL), RK_BAD_REQUEST);
    ck_assert(rk_key_eq(&k, &same));
}
END_TEST

START_TEST(every_byte_outside_the_alphabet_is_refused)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t at = 0; at < RK_KEY_TEXT - 2; at++) {
        for (int v = 0; v < 256; v++) {
            char text[RK_KEY_TEXT + 1];
            bool known = memchr(alphabet, v, sizeof alphabet - 1) != NULL;
            struct rk_key k;

            memcpy(text, PAIRS[0].text, sizeof text);
            text[at] = (char)v;
            ck_assert_int_eq(rk_key_parse(rk_str_of(text, RK_KEY_TEXT), &k, NULL),
                             known ? RK_OK : RK_BAD_REQUEST);
            ck_assert_int_eq(rk_key_parse_wire(rk_str_of(text, RK_KEY_TEXT), &k, NULL),
                             known ? RK_OK : RK_BAD_REQUEST);
        }
    }
}
END_TEST

START_TEST(stray_bits_pass_on_the_wire_only)
{
    static const char last[] = "wxyz"; /* 48 to 51: same four upper bits */
    struct rk_key want, k;

    ck_assert_int_eq(rk_key_parse(rk_str_z(PAIRS[0].text), &want, NULL), RK_OK);
    for (size_t i = 0; i < 4; i++) {
        char text[RK_KEY_TEXT + 1];

        memcpy(text, PAIRS[0].text, sizeof text);
        text[RK_KEY_TEXT - 2] = last[i];
        ck_assert_int_eq(rk_key_parse(rk_str_z(text), &k, NULL), i ? RK_BAD_REQUEST : RK_OK);
        ck_assert_int_eq(rk_key_parse_wire(rk_str_z(text), &k, NULL), RK_OK);
        ck_assert(rk_key_eq(&k, &want));
    }
}
END_TEST

START_TEST(generated_keys_are_clamped_and_differ)
{
    struct rk_key last = {0}, k;

    for (int i = 0; i < 32; i++) {
        rk_key_generate(&k);
        ck_assert_uint_eq(k.b[0] & 7, 0);
        ck_assert_uint_eq(k.b[31] & 0xc0, 0x40);
        ck_assert(!rk_key_eq(&k, &last));
        last = k;
    }
    ck_assert(!rk_key_is_zero(&k));
    rk_key_wipe(&k);
    ck_assert(rk_key_is_zero(&k));
}
END_TEST

START_TEST(comparison_and_random_bounds)
{
    ck_assert(rk_secret_str_eq(RK_STR("abc"), RK_STR("abc")));
    ck_assert(!rk_secret_str_eq(RK_STR("abc"), RK_STR("abd")));
    ck_assert(!rk_secret_str_eq(RK_STR("abc"), RK_STR("ab")));
    ck_assert(rk_secret_str_eq((struct rk_str){0}, RK_STR("")));
    rk_secret_wipe(NULL, 0);
    rk_secret_random(NULL, 0);
    for (int i = 0; i < 100; i++)
        ck_assert_uint_lt(rk_secret_random_below(3), 3);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("secret");

    tcase_add_loop_test(t, public_keys_match_the_vectors, 0, RK_ARRAY_LEN(PAIRS));
    tcase_add_test(t, key_texts_are_strict);
    tcase_add_test(t, every_byte_outside_the_alphabet_is_refused);
    tcase_add_test(t, stray_bits_pass_on_the_wire_only);
    tcase_add_test(t, generated_keys_are_clamped_and_differ);
    tcase_add_test(t, comparison_and_random_bounds);
    return vec_run(t, "secret");
}
