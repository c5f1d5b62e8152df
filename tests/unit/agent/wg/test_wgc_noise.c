/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests agent/wg/core: noise, cookie, crypt and replay. The vectors come from another
 * implementation of the whitepaper (Python's hashlib for BLAKE2s and HMAC) with the private keys
 * 01 02 .. 20 (initiator), 21 .. 40 (responder), 41 .. 60 and 61 .. 80 (ephemeral ones), clamped,
 * and the pre-shared key 81 .. a0.
 */
#include "config.h"

#include "agent/wg/core/cookie.h"
#include "agent/wg/core/noise.h"
#include "agent/wg/core/replay.h"
#include "tests/unit/vec.h"

static const char INITIATION[] =
    "010000004433221164b101b1d0be5a8704bd078f9895001fc03e8e9f9522f188dd128d9846d48466"
    "158a0e4ca242d151ca97ab90159a98b67e616625e68b4065d357376b6598e644ad7d678c0295d22d"
    "e4cb43d5135581ed36346bfa7cf42a123339f893edb0cc84a61e25fb724da1fc77a0af1282259a56"
    "94b8c8011b87043cee64b05f4e7a76ced0f94ad34846095b71ac1095";
static const char RESPONSE[] =
    "020000008877665544332211244fe3b963e899dd295baffce248d3530f3a9a7479ba063002680ebf"
    "e7adad494a0bbf1bb9ff159a6b07f176eeade35ea64788016a68686a8c04eed828f232fd00000000"
    "000000000000000000000000";
static const char KEY_I[] = "248a29611829aaf7ee8bc8e87df805c1019f08f82d80eb79b7625821ba0a1317";
static const char KEY_R[] = "848308e622b3e15e5ebc5312111efc31082e86c85e9ee93fe8c5aa7f972cc9c3";
static const char DATA[] =
    "0400000088776655080706050403020176ba2c5ab27bf1e444ba2e97b25c06802d101b36ea5198c4"
    "897db6c0d89578f5dba138622d33a89a288f55a20ff116a25ef73769850d4c0e4536ac78be519d2d";
static const char COOKIE_REPLY[] =
    "0300000044332211000102030405060708090a0b0c0d0e0f10111213141516170cdc4b6d34d25b4f"
    "8894acd1b6422878720bb5f098c0c4286189d07fb8e34112";
static const char TIMESTAMP[] = "400000006553f10a12000000";

static struct wgc_crypt *crypt_;
static struct rk_arena *mem;
static struct wgc_identity id_i, id_r;
static struct rk_key eph_i, eph_r;
static struct wgc_noise init, resp;

static struct rk_key key_from(uint8_t first)
{
    struct rk_key k;

    for (size_t i = 0; i < sizeof k.b; i++)
        k.b[i] = (uint8_t)(first + i);
    k.b[0] &= 248;
    k.b[31] = (k.b[31] & 127) | 64;
    return k;
}

static void identity(struct wgc_identity *id, uint8_t first)
{
    id->private_key = key_from(first);
    rk_key_public(&id->private_key, &id->public_key);
}

static void setup(void)
{
    mem = rk_arena_new(0);
    ck_assert_int_eq(wgc_crypt_new(&crypt_, NULL), RK_OK);
    identity(&id_i, 1);
    identity(&id_r, 33);
    eph_i = key_from(65);
    eph_r = key_from(97);
    init = resp = (struct wgc_noise){0};
    wgc_noise_init(&init, &id_i, &id_r.public_key);
    wgc_noise_init(&resp, &id_r, &id_i.public_key);
    for (size_t i = 0; i < sizeof init.psk.b; i++)
        init.psk.b[i] = resp.psk.b[i] = (uint8_t)(129 + i);
}

static void teardown(void)
{
    wgc_noise_done(&init);
    wgc_noise_done(&resp);
    wgc_crypt_free(crypt_);
    rk_arena_free(mem);
}

static const uint8_t *timestamp(void)
{
    return (const uint8_t *)vec_hex(mem, TIMESTAMP).p;
}

static void initiate(uint8_t msg[WGC_INITIATION_SIZE])
{
    struct wgc_mint mint = {.index = 0x11223344, .ephemeral = &eph_i};

    ck_assert(wgc_noise_initiate(&init, crypt_, &id_i, mint, timestamp(), msg));
}

static bool take_initiation(const uint8_t *msg)
{
    struct wgc_hello hello;

    return wgc_noise_read_initiation(crypt_, &id_r, msg, &hello) &&
           rk_key_eq(&hello.remote_static, &id_i.public_key) &&
           wgc_noise_accept(&resp, crypt_, &hello);
}

static void respond(uint8_t msg[WGC_RESPONSE_SIZE])
{
    struct wgc_mint mint = {.index = 0x55667788, .ephemeral = &eph_r};

    ck_assert(wgc_noise_respond(&resp, crypt_, mint, msg));
}

START_TEST(known_handshake)
{
    uint8_t i[WGC_INITIATION_SIZE], r[WGC_RESPONSE_SIZE];
    struct rk_key send, receive, send_r, receive_r;
    struct wgc_stamp to_r, to_i;

    wgc_stamp_init(&to_r, crypt_, &id_r.public_key);
    wgc_stamp_init(&to_i, crypt_, &id_i.public_key);
    for (size_t k = 0; k < sizeof to_r.cookie; k++)
        to_r.cookie[k] = (uint8_t)(200 + k);
    to_r.cookie_ms = 1;
    initiate(i);
    wgc_stamp_put(&to_r, crypt_, i, sizeof i, 2);
    vec_expect(mem, rk_str_of(i, sizeof i), INITIATION);
    ck_assert(take_initiation(i));
    respond(r);
    wgc_stamp_put(&to_i, crypt_, r, sizeof r, 2);
    vec_expect(mem, rk_str_of(r, sizeof r), RESPONSE);
    ck_assert(wgc_noise_read_response(&init, crypt_, &id_i, r));
    wgc_noise_keys(&init, crypt_, &send, &receive);
    wgc_noise_keys(&resp, crypt_, &send_r, &receive_r);
    vec_expect(mem, rk_str_of(send.b, sizeof send.b), KEY_I);
    vec_expect(mem, rk_str_of(receive.b, sizeof receive.b), KEY_R);
    ck_assert(rk_key_eq(&send, &receive_r) && rk_key_eq(&receive, &send_r));
}
END_TEST

START_TEST(known_data)
{
    struct rk_key key;
    struct rk_str want = vec_hex(mem, DATA);
    uint8_t d[80] = {WGC_DATA, 0, 0, 0, 0x88, 0x77, 0x66, 0x55};

    memcpy(key.b, vec_hex(mem, KEY_I).p, sizeof key.b);
    wgc_put64(d + 8, 0x0102030405060708);
    for (uint8_t i = 0; i < 48; i++)
        d[16 + i] = i;
    wgc_seal(crypt_, &key, 0x0102030405060708, d + 16, 48);
    ck_assert(rk_str_eq(rk_str_of(d, sizeof d), want));
    for (int round = 0; round < 3; round++) { /* the handle keeps the key: also when it failed */
        memcpy(d, want.p, sizeof d);
        d[20] ^= 1;
        ck_assert(!wgc_open(crypt_, &key, 0x0102030405060708, d + 16, 64));
        memcpy(d, want.p, sizeof d);
        ck_assert(!wgc_open(crypt_, &key, 0x0102030405060709, d + 16, 64));
        memcpy(d, want.p, sizeof d);
        ck_assert(wgc_open(crypt_, &key, 0x0102030405060708, d + 16, 64));
        for (uint8_t i = 0; i < 48; i++)
            ck_assert_uint_eq(d[16 + i], i);
    }
    ck_assert(!wgc_open(crypt_, &key, 0, d, 15));
    wgc_seal(crypt_, &key, 5, d, 0); /* a keepalive */
    ck_assert(wgc_open(crypt_, &key, 5, d, 16));
}
END_TEST

/* No bit of a message may change. */
START_TEST(every_bit_counts)
{
    uint8_t i[WGC_INITIATION_SIZE], r[WGC_RESPONSE_SIZE];

    initiate(i);
    for (size_t bit = 8 * 8; bit < (WGC_INITIATION_SIZE - WGC_MACS_SIZE) * 8; bit += 5) {
        i[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (bit != 8 * 39 + 7) /* the top bit of a point does not count */
            ck_assert_msg(!take_initiation(i), "bit %zu", bit);
        i[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    ck_assert(take_initiation(i));
    ck_assert_msg(!take_initiation(i), "the same initiation twice");
    respond(r);
    for (size_t bit = 8 * 8; bit < (WGC_RESPONSE_SIZE - WGC_MACS_SIZE) * 8; bit += 3) {
        r[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ck_assert_msg(!wgc_noise_read_response(&init, crypt_, &id_i, r), "bit %zu", bit);
        r[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    ck_assert(wgc_noise_read_response(&init, crypt_, &id_i, r));
    ck_assert_msg(!wgc_noise_read_response(&init, crypt_, &id_i, r), "the same response twice");
}
END_TEST

START_TEST(low_order_points_are_refused)
{
    uint8_t i[WGC_INITIATION_SIZE] = {WGC_INITIATION};
    struct wgc_hello hello;
    struct rk_key zero = {0};

    ck_assert(!wgc_noise_read_initiation(crypt_, &id_r, i, &hello));
    wgc_noise_init(&init, &id_i, &zero);
    ck_assert(!init.can_talk);
    ck_assert(
        !wgc_noise_initiate(&init, crypt_, &id_i, (struct wgc_mint){.index = 1}, timestamp(), i));
}
END_TEST

START_TEST(other_psk_other_keys)
{
    uint8_t i[WGC_INITIATION_SIZE], r[WGC_RESPONSE_SIZE];

    resp.psk.b[7] ^= 1;
    initiate(i);
    ck_assert(take_initiation(i)); /* it enters only with the response */
    respond(r);
    ck_assert(!wgc_noise_read_response(&init, crypt_, &id_i, r));
}
END_TEST

START_TEST(cookies)
{
    struct rk_addr from = {rk_ip4(192, 0, 2, 1), 1000}, other = {rk_ip4(192, 0, 2, 1), 1001};
    uint8_t msg[WGC_INITIATION_SIZE], reply[WGC_COOKIE_SIZE];
    struct rk_str m = rk_str_of(msg, sizeof msg);
    struct wgc_stamp s;
    struct wgc_gate g = {0};

    wgc_gate_init(&g, crypt_, &id_r.public_key);
    wgc_stamp_init(&s, crypt_, &id_r.public_key);
    initiate(msg);
    ck_assert_int_eq(wgc_gate_check(&g, crypt_, m, &from, false, 10), WGC_GATE_DROP);
    wgc_stamp_put(&s, crypt_, msg, sizeof msg, 10);
    ck_assert_int_eq(wgc_gate_check(&g, crypt_, m, &from, false, 10), WGC_GATE_PASS);
    ck_assert_int_eq(wgc_gate_check(&g, crypt_, m, &from, true, 10), WGC_GATE_COOKIE);
    wgc_gate_reply(&g, crypt_, m, &from, 10, reply);
    reply[40] ^= 1;
    ck_assert(!wgc_stamp_read_reply(&s, reply, 11));
    reply[40] ^= 1;
    ck_assert(wgc_stamp_read_reply(&s, reply, 11));
    ck_assert_msg(!wgc_stamp_read_reply(&s, reply, 11), "a reply without a question");
    wgc_stamp_put(&s, crypt_, msg, sizeof msg, 12);
    ck_assert_int_eq(wgc_gate_check(&g, crypt_, m, &from, true, 12), WGC_GATE_PROVED);
    ck_assert_int_eq(wgc_gate_check(&g, crypt_, m, &other, true, 12), WGC_GATE_COOKIE);
    ck_assert_int_eq(wgc_gate_check(&g, crypt_, m, &from, true, 10 + WGC_COOKIE_MS),
                     WGC_GATE_COOKIE);
    wgc_stamp_put(&s, crypt_, msg, sizeof msg, 11 + WGC_COOKIE_MS); /* an old cookie is not used */
    for (size_t i = 0; i < WGC_MAC_SIZE; i++)
        ck_assert_uint_eq(msg[sizeof msg - WGC_MAC_SIZE + i], 0);
}
END_TEST

START_TEST(known_cookie)
{
    struct wgc_stamp s;
    uint8_t msg[WGC_INITIATION_SIZE];
    struct rk_str reply = vec_hex(mem, COOKIE_REPLY);

    wgc_stamp_init(&s, crypt_, &id_r.public_key);
    initiate(msg);
    wgc_stamp_put(&s, crypt_, msg, sizeof msg, 5);
    ck_assert(wgc_stamp_read_reply(&s, (const uint8_t *)reply.p, 6));
    wgc_stamp_put(&s, crypt_, msg, sizeof msg, 7);
    vec_expect(mem, rk_str_of(msg, sizeof msg), INITIATION);
}
END_TEST

START_TEST(replay_window)
{
    static struct wgc_replay r;
    static bool seen[3 * WGC_WINDOW];
    uint64_t top = 0;

    r = (struct wgc_replay){0};
    ck_assert(wgc_replay_take(&r, 0));
    ck_assert(!wgc_replay_take(&r, 0));
    seen[0] = true;
    for (int i = 0; i < 60000; i++) { /* against the obvious rule */
        uint64_t at = top + rk_secret_random_below(200);
        bool want;

        at = rk_secret_random_below(3) ? at : at - rk_secret_random_below((uint32_t)at + 1);
        at %= RK_ARRAY_LEN(seen);
        want = !seen[at] && at + WGC_WINDOW > top;
        ck_assert_msg(wgc_replay_take(&r, at) == want, "%llu of %llu", (unsigned long long)at,
                      (unsigned long long)top);
        seen[at] = seen[at] || want;
        top = at > top ? at : top;
    }
    ck_assert(wgc_replay_take(&r, UINT64_C(1) << 40));
    ck_assert(!wgc_replay_take(&r, (UINT64_C(1) << 40) - WGC_WINDOW));
    ck_assert(wgc_replay_take(&r, (UINT64_C(1) << 40) - WGC_WINDOW + 1));
    ck_assert(wgc_replay_take(&r, WGC_REJECT_AFTER_MESSAGES - 1));
    ck_assert(!wgc_replay_take(&r, WGC_REJECT_AFTER_MESSAGES));
    ck_assert(!wgc_replay_take(&r, UINT64_MAX));
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("noise");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, known_handshake);
    tcase_add_test(t, known_data);
    tcase_add_test(t, every_bit_counts);
    tcase_add_test(t, low_order_points_are_refused);
    tcase_add_test(t, other_psk_other_keys);
    tcase_add_test(t, cookies);
    tcase_add_test(t, known_cookie);
    tcase_add_test(t, replay_window);
    return vec_run(t, "wgc_noise");
}
