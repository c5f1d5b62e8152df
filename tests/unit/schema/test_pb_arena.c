/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests schema/pb_arena with real messages: vectors, presence, ceilings, broken text. */
#include "config.h"

#include "tests/unit/vec.h"

#include "schema/gen/management.pb-c.h"
#include "schema/gen/signalexchange.pb-c.h"
#include "schema/pb_arena.h"

/* LoginRequest of a recorded login. */
#define LOGIN                                                                                      \
    "0a2441324338453632422d333846352d343535332d423331452d444436364336393643454242"                 \
    "122b0a05706565723112056c696e7578320644656269616e3a06302e37372e318a010218019201020102980101"
/* signal Body of a recorded OFFER */
#define OFFER                                                                                      \
    "12316142634465466748694a6b4c6d4e6f503a6162636465666768696a6b6c6d6e6f707172737475767778797a"   \
    "41424344454618ec94032206302e37372e313a00421c72656c733a2f2f72656c61792e6578616d706c652e636f"   \
    "6d3a343433520501234567895a04c6336407"

START_TEST(login_request_round_trips)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *a = rk_arena_new(1 << 16);
    Management__LoginRequest *m =
        pb_unpack(a, &management__login_request__descriptor, vec_hex(a, LOGIN), NULL);
    struct rk_str out;

    ck_assert_ptr_nonnull(m);
    ck_assert_str_eq(m->setupkey, "A2C8E62B-38F5-4553-B31E-DD66C696CEBB");
    ck_assert_str_eq(m->meta->hostname, "peer1");
    ck_assert_str_eq(m->meta->os, "Debian");
    ck_assert(m->meta->flags->serversshallowed);
    ck_assert_uint_eq(m->meta->n_capabilities, 2);
    ck_assert_int_eq(m->meta->capabilities[1],
                     MANAGEMENT__PEER_CAPABILITY__PeerCapabilityIPv6Overlay);
    ck_assert_int_eq(m->meta->syncmessageversion, 1);
    ck_assert_str_eq(m->jwttoken, "");
    ck_assert_ptr_null(m->peerkeys);
    ck_assert_int_eq(pb_pack(a, &m->base, &out, NULL), RK_OK);
    vec_expect(a, out, LOGIN);
}
END_TEST

START_TEST(signal_body_keeps_presence)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *a = rk_arena_new(1 << 16);
    Signalexchange__Body *m =
        pb_unpack(a, &signalexchange__body__descriptor, vec_hex(a, OFFER), NULL);
    Signalexchange__Body idle = SIGNALEXCHANGE__BODY__INIT;
    struct rk_str out;

    ck_assert_ptr_nonnull(m);
    ck_assert_int_eq(m->type, SIGNALEXCHANGE__BODY__TYPE__OFFER);
    ck_assert_uint_eq(m->wglistenport, 51820);
    ck_assert_ptr_nonnull(m->rosenpassconfig);
    ck_assert_int_eq(m->has_relay_server_address_case,
                     SIGNALEXCHANGE__BODY__HAS_RELAY_SERVER_ADDRESS_RELAY_SERVER_ADDRESS);
    ck_assert_str_eq(m->relayserveraddress, "rels://relay.example.com:443");
    vec_expect(a, pb_bytes(m->sessionid), "0123456789");
    ck_assert_int_eq(pb_pack(a, &m->base, &out, NULL), RK_OK);
    vec_expect(a, out, OFFER);

    idle.type = SIGNALEXCHANGE__BODY__TYPE__HEARTBEAT;
    ck_assert_int_eq(pb_pack(a, &idle.base, &out, NULL), RK_OK);
    vec_expect(a, out, "0806");
}
END_TEST

START_TEST(zero_timestamp_is_present_on_the_wire)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *a = rk_arena_new(1 << 16);
    Management__SyncResponse m = MANAGEMENT__SYNC_RESPONSE__INIT;
    Google__Protobuf__Timestamp never = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    Management__SyncResponse *back;
    struct rk_str out;

    ck_assert_int_eq(pb_pack(a, &m.base, &out, NULL), RK_OK);
    ck_assert_uint_eq(out.n, 0);
    m.sessionexpiresat = &never;
    ck_assert_int_eq(pb_pack(a, &m.base, &out, NULL), RK_OK);
    vec_expect(a, out, "3a00");
    back = pb_unpack(a, &management__sync_response__descriptor, out, NULL);
    ck_assert_ptr_nonnull(back->sessionexpiresat);
}
END_TEST

START_TEST(envelope_vector_decodes_and_leaves_room)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *a = rk_arena_new(1 << 16);
    Signalexchange__EncryptedMessage m = SIGNALEXCHANGE__ENCRYPTED_MESSAGE__INIT;
    size_t size = 0;
    uint8_t *p;

    m.key = pb_text(a, RK_STR("NYBy1jZYgNGu6jKa35EhODhR7SGijjt16WXQ0s0WYlQ="));
    m.remotekey = pb_text(a, RK_STR("dummy"));
    p = pb_pack_behind(a, 5, &m.base, &size, NULL);
    ck_assert_ptr_nonnull(p);
    memcpy(p, "\0\0\0\0\x35", 5);
    vec_expect(
        a, rk_str_of(p, size),
        "0000000035122c4e594279316a5a59674e4775366a4b61333545684f446852375347696a6a7431365758"
        "51307330"
        "57596c513d1a0564756d6d79");
    m.body = pb_bytes_of(RK_STR("x"));
    ck_assert_uint_eq(protobuf_c_message_get_packed_size(&m.base), size - 5 + 3);
}
END_TEST

START_TEST(every_truncation_is_clean)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *a = rk_arena_new(0);
    struct rk_str in = vec_hex(a, LOGIN);
    size_t whole = 0;

    for (size_t n = 0; n < in.n; n++) {
        RK_CLEANUP(rk_freep) char *exact = rk_memdup(in.p, n);
        struct rk_err err = {0};
        void *m = pb_unpack(a, &management__login_request__descriptor, rk_str_of(exact, n), &err);

        if (m)
            whole++; /* a cut between two fields is a message too */
        else
            ck_assert_int_eq(err.code, RK_BAD_REQUEST);
    }
    ck_assert_uint_eq(whole, 2); /* nothing, and setupKey alone */
}
END_TEST

START_TEST(a_small_message_cannot_unfold)
{
    /* SyncRequest{meta{files: [{}, {}, ...]}}: 3 bytes each on the wire, about 100 in memory */
    enum { FILES = 20000, BODY = FILES * 3 };
    RK_CLEANUP(rk_arena_freep) struct rk_arena *a = rk_arena_new(1 << 20);
    RK_CLEANUP(rk_arena_freep) struct rk_arena *roomy = rk_arena_new(16 << 20);
    RK_CLEANUP(rk_freep) uint8_t *bomb = rk_malloc(4 + BODY);
    struct rk_str in = rk_str_of(bomb, 4 + BODY);
    Management__SyncRequest *m;
    struct rk_err err = {0};

    bomb[0] = 0x0a;
    bomb[1] = (uint8_t)((BODY & 0x7f) | 0x80);
    bomb[2] = (uint8_t)((BODY >> 7 & 0x7f) | 0x80);
    bomb[3] = (uint8_t)(BODY >> 14);
    for (size_t i = 4; i < in.n; i += 3)
        memcpy(bomb + i, "\x82\x01\x00", 3);
    ck_assert_ptr_null(pb_unpack(a, &management__sync_request__descriptor, in, &err));
    ck_assert_int_eq(err.code, RK_LIMIT);
    ck_assert_uint_le(rk_arena_used(a), 1 << 20);
    m = pb_unpack(roomy, &management__sync_request__descriptor, in, &err);
    ck_assert_ptr_nonnull(m); /* so it was the ceiling that refused it, not the form */
    ck_assert_uint_eq(m->meta->n_files, FILES);
}
END_TEST

/* However a message is cut to the ceiling, who reads it finds memory left for its own needs: going
 * past the ceiling there would end the process. */
START_TEST(a_message_leaves_room_for_its_reader)
{
    enum { MAX_FILES = 12000 };
    RK_CLEANUP(rk_freep) uint8_t *bomb = rk_malloc(4 + MAX_FILES * 3);
    size_t taken = 0, refused = 0;

    for (size_t files = 500; files <= MAX_FILES; files += 17) {
        RK_CLEANUP(rk_arena_freep) struct rk_arena *a = rk_arena_new(1 << 20);
        size_t body = files * 3;

        memcpy(bomb, "\x0a", 1);
        bomb[1] = (uint8_t)((body & 0x7f) | 0x80);
        bomb[2] = (uint8_t)((body >> 7 & 0x7f) | 0x80);
        bomb[3] = (uint8_t)(body >> 14);
        for (size_t i = 4; i < 4 + body; i += 3)
            memcpy(bomb + i, "\x82\x01\x00", 3);
        if (pb_unpack(a, &management__sync_request__descriptor, rk_str_of(bomb, 4 + body), NULL))
            taken++;
        else
            refused++;
        ck_assert_ptr_nonnull(rk_arena_try(a, 400 << 10));
    }
    ck_assert_uint_gt(taken, 0);
    ck_assert_uint_gt(refused, 0);
}
END_TEST

START_TEST(repeated_merges_meet_the_ceiling)
{
    /* The same submessage again and again: protobuf merges them, which is quadratic. */
    enum { TIMES = 4000 };
    static const uint8_t one[] = {0x0a, 0x03, 0x82, 0x01, 0x00};
    RK_CLEANUP(rk_arena_freep) struct rk_arena *a = rk_arena_new(1 << 20);
    RK_CLEANUP(rk_freep) uint8_t *bomb = rk_malloc(TIMES * sizeof one);
    struct rk_err err = {0};

    for (size_t i = 0; i < TIMES; i++)
        memcpy(bomb + i * sizeof one, one, sizeof one);
    ck_assert_ptr_null(pb_unpack(a, &management__sync_request__descriptor,
                                 rk_str_of(bomb, TIMES * sizeof one), &err));
    ck_assert_int_eq(err.code, RK_LIMIT);
}
END_TEST

START_TEST(every_ceiling_is_survived)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *text = rk_arena_new(0);
    struct rk_str in = vec_hex(text, LOGIN);
    bool opened = false;

    for (size_t ceiling = 16; ceiling < 4096; ceiling += 16) {
        RK_CLEANUP(rk_arena_freep) struct rk_arena *a = rk_arena_new(ceiling);
        struct rk_err err = {0};
        void *m = pb_unpack(a, &management__login_request__descriptor, in, &err);

        ck_assert(m ? !err.code : err.code == RK_LIMIT);
        ck_assert(m || !opened); /* once it fits it keeps fitting */
        opened = m != NULL;
    }
    ck_assert(opened);
}
END_TEST

static const struct {
    const char *hex, *why;
} BROKEN[] = {
    {"0a01610a", "not a protobuf"}, /* tag without value */
    {"0a01ff", "LoginRequest.setupKey is not valid UTF-8"},
    {"0a03610062", "LoginRequest.setupKey is not valid UTF-8"}, /* a, NUL, b */
    {"12030a0180", "PeerSystemMeta.hostname is not valid UTF-8"},
    {"1202f0f0", "PeerSystemMeta: not a protobuf"},
    {"0a05abcd", "not a protobuf"},                 /* longer than the rest */
    {"0affffffffffffffffff01", "not a protobuf"},   /* length of 2^64 - 1 */
    {"0b0c", "not a protobuf"},                     /* a group */
    {"0001", "not a protobuf"},                     /* field number 0 */
    {"808080808000", "not a protobuf"},             /* a tag of six bytes */
    {"0801", "not a protobuf"},                     /* setupKey as a number */
    {"98ffffffffffffffffffff01", "not a protobuf"}, /* endless varint */
    {"1204820102ff", "not a protobuf"},             /* File runs over the end */
};

START_TEST(broken_messages_are_refused_with_a_reason)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *a = rk_arena_new(1 << 16);
    struct rk_str in = vec_hex(a, BROKEN[_i].hex);
    RK_CLEANUP(rk_freep) char *exact = rk_memdup(in.p, in.n);
    struct rk_err err = {0};

    ck_assert_ptr_null(
        pb_unpack(a, &management__login_request__descriptor, rk_str_of(exact, in.n), &err));
    ck_assert_int_eq(err.code, RK_BAD_REQUEST);
    ck_assert_msg(strstr(err.msg, BROKEN[_i].why) != NULL, "%s: %s", BROKEN[_i].hex, err.msg);
}
END_TEST

START_TEST(unknown_fields_and_enums_pass)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *a = rk_arena_new(1 << 16);
    Signalexchange__Body *m =
        pb_unpack(a, &signalexchange__body__descriptor, vec_hex(a, "0863fa0602ff00e80301"), NULL);

    ck_assert_ptr_nonnull(m);
    ck_assert_int_eq((int)m->type, 99);
    ck_assert_uint_eq(m->base.n_unknown_fields, 2);
}
END_TEST

START_TEST(packing_meets_the_ceiling)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *a = rk_arena_new(64);
    Management__EncryptedMessage m = MANAGEMENT__ENCRYPTED_MESSAGE__INIT;
    char big[100] = {0};
    struct rk_err err = {0};
    struct rk_str out = RK_STR("untouched");
    size_t size = 3;

    m.body = pb_bytes_of(rk_str_of(big, sizeof big));
    ck_assert_int_eq(pb_pack(a, &m.base, &out, &err), RK_LIMIT);
    ck_assert(rk_str_eqz(out, "untouched"));
    ck_assert_ptr_null(pb_pack_behind(a, SIZE_MAX, &m.base, &size, NULL));
    ck_assert_uint_eq(size, 3);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("pb_arena");

    tcase_add_test(t, login_request_round_trips);
    tcase_add_test(t, signal_body_keeps_presence);
    tcase_add_test(t, zero_timestamp_is_present_on_the_wire);
    tcase_add_test(t, envelope_vector_decodes_and_leaves_room);
    tcase_add_test(t, every_truncation_is_clean);
    tcase_add_test(t, a_small_message_cannot_unfold);
    tcase_add_test(t, a_message_leaves_room_for_its_reader);
    tcase_add_test(t, repeated_merges_meet_the_ceiling);
    tcase_add_test(t, every_ceiling_is_survived);
    tcase_add_loop_test(t, broken_messages_are_refused_with_a_reason, 0, RK_ARRAY_LEN(BROKEN));
    tcase_add_test(t, unknown_fields_and_enums_pass);
    tcase_add_test(t, packing_meets_the_ceiling);
    return vec_run(t, "pb_arena");
}
