/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests signal/envelope.c against known messages and every truncation. */
#include "config.h"

#include "signal/envelope.h"

#include "tests/unit/vec.h"

#define KEY_A "NYBy1jZYgNGu6jKa35EhODhR7SGijjt16WXQ0s0WYlQ="

/* A self-addressed heartbeat as clients send it (without the gRPC prefix). */
static const char HEARTBEAT[] =
    "122c4e594279316a5a59674e4775366a4b61333545684f446852375347696a6a74313657585130733057596c513d1a"
    "2c4e594279316a5a59674e4775366a4b61333545684f446852375347696a6a74313657585130733057596c513d222a"
    "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7bc19e90cd343a25a25a79f48b2de7070a106";

static struct rk_arena *mem;

static void setup(void)
{
    mem = rk_arena_new(0);
}

static void teardown(void)
{
    rk_arena_free(mem);
}

START_TEST(known_messages_are_read)
{
    struct sig_envelope e;

    ck_assert_int_eq(sig_envelope_decode(vec_hex(mem, HEARTBEAT), &e, NULL), RK_OK);
    ck_assert(rk_str_eqz(e.key, KEY_A) && rk_str_eqz(e.remote_key, KEY_A));
    ck_assert_uint_eq(e.body.n, 42);
    ck_assert_int_eq(
        sig_envelope_decode(
            vec_hex(mem, "122c4e594279316a5a59674e4775366a4b61333545684f446852375347696a6a74313657"
                         "585130733057596c513d1a0564756d6d79"),
            &e, NULL),
        RK_OK);
    ck_assert(rk_str_eqz(e.remote_key, "dummy") && e.body.n == 0);
    ck_assert_int_eq(sig_envelope_decode((struct rk_str){0}, &e, NULL), RK_OK);
    ck_assert(!e.key.n && !e.remote_key.n);
}
END_TEST

START_TEST(truncations_are_refused_within_a_field)
{
    struct rk_str wire = vec_hex(mem, HEARTBEAT);

    for (size_t n = 0; n <= wire.n; n++) {
        RK_CLEANUP(rk_freep) char *exact = rk_memdup(wire.p, n);
        struct sig_envelope e = {0};
        bool between = n == 0 || n == 46 || n == 92 || n == wire.n;

        ck_assert_msg((sig_envelope_decode(rk_str_of(exact, n), &e, NULL) == RK_OK) == between,
                      "cut to %zu", n);
        ck_assert(between || !e.key.p);
    }
}
END_TEST

START_TEST(unknown_fields_are_skipped)
{
    struct sig_envelope e;

    /* 1 varint, 5 fixed64, 6 fixed32, 7 bytes, a body of another wire type; the last key counts */
    ck_assert_int_eq(sig_envelope_decode(vec_hex(mem, "08ffffffffffffffffff01"
                                                      "290102030405060708"
                                                      "3501020304"
                                                      "3a020102"
                                                      "2001"
                                                      "120161"
                                                      "120162"
                                                      "1a0163"),
                                         &e, NULL),
                     RK_OK);
    ck_assert(rk_str_eqz(e.key, "b") && rk_str_eqz(e.remote_key, "c") && e.body.n == 0);
}
END_TEST

START_TEST(malformed_messages_are_refused)
{
    static const char *const bad[] = {
        "00",                       /* field 0 */
        "0a",                       /* length is missing */
        "0a05616263",               /* shorter than it says */
        "0affffffffffffffffff01",   /* length of 64 bits */
        "08ffffffffffffffffff02",   /* varint of 65 bits */
        "08ffffffffffffffffffff01", /* varint of 11 bytes */
        "0b",                       /* group */
        "0c",
        "0e", /* wire type 6 */
        "29010203",
        "35010203",
        "1202ff41", /* key is not UTF-8 */
        "1a01c0",
        "80808080800101", /* field number above 2^29 */
    };

    for (size_t i = 0; i < RK_ARRAY_LEN(bad); i++) {
        struct sig_envelope e = {0};

        ck_assert_msg(sig_envelope_decode(vec_hex(mem, bad[i]), &e, NULL) == RK_BAD_REQUEST, "%s",
                      bad[i]);
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("envelope");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, known_messages_are_read);
    tcase_add_test(t, truncations_are_refused_within_a_field);
    tcase_add_test(t, unknown_fields_are_skipped);
    tcase_add_test(t, malformed_messages_are_refused);
    return vec_run(t, "signal/envelope");
}
