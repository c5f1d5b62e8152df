/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests lib/net/stun.c against known messages, every truncation and damage. */
#include "config.h"

#include "lib/net/stun.h"

#include "tests/unit/vec.h"

/* Binding request of an official agent: attribute 0x8100 stands behind FINGERPRINT. */
static const char OFFICIAL[] =
    "000100a42112a442000102030405060708090a0b00060021525252525252525252525252525252523a4c4c4c4c4c4c"
    "4c4c4c4c4c4c4c4c4c4c000000802a00080001020304050607002400047effffff000800144030ccf29c186c12e003"
    "86140a1acdcdfed8e0c780280004e3a8b6468100004141414141414141414141414141414141414141414141414141"
    "4141"
    "41414141413a4242424242424242424242424242424242424242424242424242424242424242000000";
#define R16   "RRRRRRRRRRRRRRRR"
#define L16   "LLLLLLLLLLLLLLLL"
#define PWD32 "pppppppppppppppppppppppppppppppp"
#define A32   "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define B32   "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"

static const struct stun_txid TXID = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}};

static struct rk_arena *mem;

static void setup(void)
{
    mem = rk_arena_new(0);
}

static void teardown(void)
{
    rk_arena_free(mem);
}

static enum rk_code decode_exact(struct rk_str in, struct stun_msg *out)
{
    RK_CLEANUP(rk_freep) char *exact = rk_memdup(in.p, in.n); /* ASan sees one byte too far */
    enum rk_code rc = stun_decode(rk_str_of(exact, in.n), out, NULL);

    if (rc == RK_OK) {
        (void)stun_integrity_ok(out, RK_STR(PWD32));
        (void)stun_fingerprint_ok(out);
    }
    return rc;
}

START_TEST(official_request_is_understood)
{
    struct stun_msg m;
    struct rk_str sender, receiver;

    ck_assert(stun_is(vec_hex(mem, OFFICIAL)));
    ck_assert_int_eq(stun_decode(vec_hex(mem, OFFICIAL), &m, NULL), RK_OK);
    ck_assert_int_eq(m.cls, STUN_REQUEST);
    ck_assert_uint_eq(m.method, STUN_METHOD_BINDING);
    ck_assert(stun_txid_eq(&m.txid, &TXID));
    ck_assert(m.has_username && rk_str_eqz(m.username, R16 ":" L16));
    ck_assert(m.has_priority && m.priority == 2130706431);
    ck_assert(m.has_controlling && !m.has_controlled && m.tie_breaker == 0x0001020304050607);
    ck_assert(!m.use_candidate);
    ck_assert_uint_eq(m.n_unknown, 0);
    ck_assert(stun_integrity_ok(&m, RK_STR(PWD32)));
    ck_assert(!stun_integrity_ok(&m, RK_STR("qppppppppppppppppppppppppppppppp")));
    ck_assert(stun_fingerprint_ok(&m));
    ck_assert(stun_nb_candidates_split(&m, &sender, &receiver));
    ck_assert(rk_str_eqz(sender, A32) && rk_str_eqz(receiver, B32));
}
END_TEST

START_TEST(our_request_is_byte_for_byte_the_official_one)
{
    uint8_t buf[STUN_MAX_SIZE];
    struct stun_writer w;

    stun_begin(&w, buf, sizeof buf, STUN_REQUEST, STUN_METHOD_BINDING, &TXID);
    stun_put_username(&w, RK_STR(R16 ":" L16));
    stun_put_controlling(&w, 0x0001020304050607);
    stun_put_priority(&w, 2130706431);
    stun_put_integrity(&w, RK_STR(PWD32));
    stun_put_fingerprint(&w);
    stun_put_nb_candidates(&w, RK_STR(A32), RK_STR(B32));
    vec_expect(mem, stun_end(&w), OFFICIAL);
}
END_TEST

START_TEST(server_answers_match_the_vectors)
{
    uint8_t buf[STUN_MAX_SIZE];
    struct stun_writer w;
    struct rk_addr a;
    struct stun_msg m;

    ck_assert_int_eq(rk_addr_parse(RK_STR("192.0.2.1:32853"), &a, NULL), RK_OK);
    stun_begin(&w, buf, sizeof buf, STUN_SUCCESS, STUN_METHOD_BINDING, &TXID);
    stun_put_xor_mapped(&w, &a);
    stun_put_fingerprint(&w);
    vec_expect(mem, stun_end(&w),
               "010100142112a442000102030405060708090a0b002000080001a147e112a64380280004690e4207");
    ck_assert_int_eq(stun_decode(stun_end(&w), &m, NULL), RK_OK);
    ck_assert(m.cls == STUN_SUCCESS && rk_addr_eq(&m.mapped, &a) && stun_fingerprint_ok(&m));

    ck_assert_int_eq(rk_addr_parse(RK_STR("[2001:db8::1]:32853"), &a, NULL), RK_OK);
    stun_begin(&w, buf, sizeof buf, STUN_SUCCESS, STUN_METHOD_BINDING, &TXID);
    stun_put_xor_mapped(&w, &a);
    stun_put_fingerprint(&w);
    vec_expect(mem, stun_end(&w),
               "010100202112a442000102030405060708090a0b002000140002a1470113a9fa0001020304050607"
               "08090a0a80280004054efe42");
    ck_assert_int_eq(stun_decode(stun_end(&w), &m, NULL), RK_OK);
    ck_assert(rk_addr_eq(&m.mapped, &a) && stun_fingerprint_ok(&m));
}
END_TEST

START_TEST(mapped_sources_are_told_as_ipv4)
{
    uint8_t buf[STUN_MAX_SIZE];
    struct stun_writer w;
    struct rk_addr a = {.ip = {6, {[10] = 0xff, [11] = 0xff, 192, 0, 2, 1}}, .port = 32853};
    struct stun_msg m;

    stun_begin(&w, buf, sizeof buf, STUN_SUCCESS, STUN_METHOD_BINDING, &TXID);
    stun_put_xor_mapped(&w, &a);
    ck_assert_int_eq(stun_decode(stun_end(&w), &m, NULL), RK_OK);
    ck_assert_uint_eq(m.mapped.ip.family, 4);
    ck_assert_uint_eq(m.mapped.port, 32853);
}
END_TEST

START_TEST(every_class_and_method_survives)
{
    for (unsigned method = 0; method < 0x1000; method += 7)
        for (unsigned cls = 0; cls < 4; cls++) {
            uint8_t buf[STUN_HEADER_SIZE];
            struct stun_writer w;
            struct stun_msg m;

            stun_begin(&w, buf, sizeof buf, (enum stun_class)cls, method, &TXID);
            ck_assert_int_eq(stun_decode(stun_end(&w), &m, NULL), RK_OK);
            ck_assert_uint_eq(m.method, method);
            ck_assert_uint_eq((unsigned)m.cls, cls);
        }
}
END_TEST

START_TEST(every_truncation_is_refused)
{
    struct rk_str wire = vec_hex(mem, OFFICIAL);

    for (size_t n = 0; n < wire.n; n++) {
        struct stun_msg m = {0};

        ck_assert_int_eq(decode_exact(rk_str_of(wire.p, n), &m), RK_BAD_REQUEST);
        ck_assert_ptr_null(m.raw.p);
    }
}
END_TEST

START_TEST(every_shorter_length_field_is_safe)
{
    struct rk_str wire = vec_hex(mem, OFFICIAL);

    for (unsigned n = 0; n < 0x10000; n += n < 400 ? 1 : 97) {
        RK_CLEANUP(rk_freep) uint8_t *copy = rk_memdup(wire.p, wire.n);
        struct stun_msg m;
        enum rk_code rc;

        copy[2] = (uint8_t)(n >> 8);
        copy[3] = (uint8_t)n;
        rc = decode_exact(rk_str_of(copy, wire.n), &m);
        ck_assert(rc == RK_OK || rc == RK_BAD_REQUEST);
        ck_assert(rc != RK_OK || n % 4 == 0);
        ck_assert(rc == RK_BAD_REQUEST || n <= wire.n - STUN_HEADER_SIZE);
    }
}
END_TEST

START_TEST(every_flipped_bit_breaks_integrity)
{
    struct rk_str wire = vec_hex(mem, OFFICIAL);
    size_t integrity_at = 84;

    for (size_t bit = 0; bit < (integrity_at + 20) * 8; bit++) {
        RK_CLEANUP(rk_freep) uint8_t *copy = rk_memdup(wire.p, wire.n);
        struct stun_msg m;

        if (bit / 8 == 2 || bit / 8 == 3)
            continue; /* the length on the wire counts 0x8100, so it is rewritten for the check */
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ck_assert(stun_decode(rk_str_of(copy, wire.n), &m, NULL) != RK_OK ||
                  !stun_integrity_ok(&m, RK_STR(PWD32)));
    }
}
END_TEST

START_TEST(bytes_behind_the_message_are_tolerated)
{
    struct rk_str req = vec_hex(mem, "000100002112a442000102030405060708090a0bdeadbeef");
    struct stun_msg m;

    ck_assert_int_eq(stun_decode(req, &m, NULL), RK_OK);
    ck_assert_uint_eq(m.raw.n, STUN_HEADER_SIZE);
}
END_TEST

START_TEST(attributes_behind_integrity_are_ignored)
{
    uint8_t buf[STUN_MAX_SIZE];
    struct stun_writer w;
    struct stun_msg m;

    stun_begin(&w, buf, sizeof buf, STUN_REQUEST, STUN_METHOD_BINDING, &TXID);
    stun_put_username(&w, RK_STR("a:b"));
    stun_put_integrity(&w, RK_STR(PWD32));
    stun_put_use_candidate(&w); /* an attacker on the path could append this */
    stun_put_priority(&w, 7);
    ck_assert_int_eq(stun_decode(stun_end(&w), &m, NULL), RK_OK);
    ck_assert(stun_integrity_ok(&m, RK_STR(PWD32)));
    ck_assert(!m.use_candidate && !m.has_priority);
}
END_TEST

START_TEST(first_attribute_of_a_kind_counts)
{
    uint8_t buf[STUN_MAX_SIZE];
    struct stun_writer w;
    struct stun_msg m;

    stun_begin(&w, buf, sizeof buf, STUN_REQUEST, STUN_METHOD_BINDING, &TXID);
    stun_put_username(&w, RK_STR("first"));
    stun_put_username(&w, RK_STR("second"));
    stun_put_controlled(&w, 1);
    stun_put_controlling(&w, 2);
    ck_assert_int_eq(stun_decode(stun_end(&w), &m, NULL), RK_OK);
    ck_assert(rk_str_eqz(m.username, "first"));
    ck_assert(m.has_controlled && !m.has_controlling && m.tie_breaker == 1);
}
END_TEST

START_TEST(errors_and_unknown_types_are_read)
{
    static const uint16_t types[] = {0x0003, 0x7fff};
    uint8_t buf[STUN_MAX_SIZE];
    struct stun_writer w;
    struct stun_msg m;

    stun_begin(&w, buf, sizeof buf, STUN_ERROR, STUN_METHOD_BINDING, &TXID);
    stun_put_error(&w, STUN_ERR_ROLE_CONFLICT, RK_STR("Role Conflict"));
    stun_put_unknown(&w, types, 2);
    stun_put_bytes(&w, 0x0003, RK_STR("1234"));
    stun_put_bytes(&w, 0x8003, RK_STR("optional"));
    ck_assert_int_eq(stun_decode(stun_end(&w), &m, NULL), RK_OK);
    ck_assert_uint_eq(m.error_code, 487);
    ck_assert(rk_str_eqz(m.error_reason, "Role Conflict"));
    ck_assert_uint_eq(m.n_unknown, 1);
    ck_assert_uint_eq(m.unknown[0], 0x0003);
}
END_TEST

START_TEST(malformed_values_are_refused)
{
    static const char *const bad[] = {
        "000100082112a442000102030405060708090a0b0024000300000100", /* priority of 3 bytes */
        "000100082112a442000102030405060708090a0b0025000400000100", /* use-candidate with a value */
        "0001000c2112a442000102030405060708090a0b802a000700000000000000",           /* cut role */
        "0101000c2112a442000102030405060708090a0b002000080003a147e112a643",         /* family 3 */
        "010100102112a442000102030405060708090a0b0020000c0001a147e112a64300000000", /* too long */
        "0111000c2112a442000102030405060708090a0b0009000400000763",                 /* error 7xx */
        "000100042112a442000102030405060708090a0b0006ffff", /* length beyond the end */
        "c00100002112a442000102030405060708090a0b",         /* first bits set */
        "000100002112a443000102030405060708090a0b",         /* wrong cookie */
    };

    for (size_t i = 0; i < RK_ARRAY_LEN(bad); i++) {
        struct stun_msg m;

        ck_assert_msg(decode_exact(vec_hex(mem, bad[i]), &m) == RK_BAD_REQUEST, "%s", bad[i]);
    }
}
END_TEST

START_TEST(long_datagrams_are_refused)
{
    RK_CLEANUP(rk_freep) char *big = rk_calloc(1, STUN_MAX_SIZE + 1);
    struct stun_msg m;

    ck_assert_int_eq(stun_decode(rk_str_of(big, STUN_MAX_SIZE + 1), &m, NULL), RK_LIMIT);
}
END_TEST

START_TEST(a_full_writer_gives_nothing)
{
    for (size_t cap = 0; cap < 108; cap++) {
        RK_CLEANUP(rk_freep) uint8_t *buf = rk_calloc(1, cap);
        struct stun_writer w;

        stun_begin(&w, buf, cap, STUN_REQUEST, STUN_METHOD_BINDING, &TXID);
        stun_put_username(&w, RK_STR(R16 ":" L16));
        stun_put_controlling(&w, 1);
        stun_put_integrity(&w, RK_STR(PWD32));
        stun_put_fingerprint(&w);
        stun_put_nb_candidates(&w, RK_STR("a"), RK_STR("b"));
        ck_assert_uint_eq(stun_end(&w).n, 0);
    }
}
END_TEST

START_TEST(shared_socket_is_told_apart)
{
    struct rk_str req = vec_hex(mem, "000100002112a442000102030405060708090a0b");
    uint8_t wg[32] = {4, 0, 0, 0, 0x21, 0x12, 0xa4, 0x42};

    ck_assert(stun_is(req));
    ck_assert(!stun_is(rk_str_of(req.p, 19)));
    ck_assert(!stun_is(RK_STR("nb")));
    /* a WireGuard receiver index may look like the cookie */
    ck_assert(!stun_is(rk_str_of(wg, sizeof wg)));
    wg[0] = 0x80;
    ck_assert(!stun_is(rk_str_of(wg, sizeof wg)));
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("stun");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, official_request_is_understood);
    tcase_add_test(t, our_request_is_byte_for_byte_the_official_one);
    tcase_add_test(t, server_answers_match_the_vectors);
    tcase_add_test(t, mapped_sources_are_told_as_ipv4);
    tcase_add_test(t, every_class_and_method_survives);
    tcase_add_test(t, every_truncation_is_refused);
    tcase_add_test(t, every_shorter_length_field_is_safe);
    tcase_add_test(t, every_flipped_bit_breaks_integrity);
    tcase_add_test(t, bytes_behind_the_message_are_tolerated);
    tcase_add_test(t, attributes_behind_integrity_are_ignored);
    tcase_add_test(t, first_attribute_of_a_kind_counts);
    tcase_add_test(t, errors_and_unknown_types_are_read);
    tcase_add_test(t, malformed_values_are_refused);
    tcase_add_test(t, long_datagrams_are_refused);
    tcase_add_test(t, a_full_writer_gives_nothing);
    tcase_add_test(t, shared_socket_is_told_apart);
    return vec_run(t, "lib/net/stun");
}
