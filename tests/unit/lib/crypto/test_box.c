/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests lib/crypto/box against bodies that official programs made. */
#include "config.h"

#include "tests/unit/vec.h"

#include "lib/crypto/box.h"

#define CLIENT "0002030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f60"
#define SERVER "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e5f"
#define PEER_A "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e7f"
#define PEER_B "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f"

static const struct {
    const char *from, *to, *plain, *body;
} VECTORS[] = {
    {CLIENT, SERVER, "", /* an empty message */
     "202122232425262728292a2b2c2d2e2f3031323334353637"
     "8abdcb246174d253f9f18a83924282d3"},
    {CLIENT, SERVER, /* LoginRequest */
     "0a2441324338453632422d333846352d343535332d423331452d444436364336393643454242"
     "122b0a05706565723112056c696e7578320644656269616e3a06302e37372e318a010218019201020102980101",
     "404142434445464748494a4b4c4d4e4f50515253545556578d7cf5dc0422079be121e93dfab38c4a"
     "dbb9c0d7ffd56fc0e24b1743be740af99a3f3c50e176458988ce2cbc7840a1a549f4d91a86be1af2"
     "28e011c7185c929f6e9bff2582863b1ecc6a1cd7f2fa454eb68b3bb3340dbc27af7773cffd4d3012"
     "bae5fa"},
    {SERVER, CLIENT, /* SyncResponse */
     "0a3222300a1c72656c733a2f2f72656c61792e6578616d706c652e636f6d3a343433120a31373637323235363030"
     "1a0463326c6e3a00",
     "606162636465666768696a6b6c6d6e6f707172737475767705aa00d084db9ea4e87c4b7eb3f422cf"
     "bff92acc094d1b257d04120510d0932ac38a41acce6c870c63867fd3a4092747c271d6ee529a258a"
     "135986a7f61ed0af03a0dc7bfc72"},
    {PEER_A, PEER_B, /* signal OFFER */
     "12316142634465466748694a6b4c6d4e6f503a6162636465666768696a6b6c6d6e6f707172737475767778797a41"
     "424344454618ec94032206302e37372e313a00421c72656c733a2f2f72656c61792e6578616d706c652e636f6d3a"
     "343433520501234567895a04c6336407",
     "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b73b8bc675e18f97039fb5cec2af6df95075c2354b4b5a"
     "69882e1f0d0f12d602341b11223c99ade9a760eefed5d5520635796e6baa24facf1d429cb6db53abaf6b26339028"
     "dd235815cdbe22fc738915b443d45cf7f2fa97736188c56cbad4e21de0278f1562e15913485cc1e51ba9b90974f0"
     "a2ccf617e6ff7ebe6d0a"},
    {PEER_A, PEER_A, "0806", /* signal HEARTBEAT to oneself */
     "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7bc19e90cd343a25a25a79f48b2de7070a106"},
};

static struct rk_key key_of(struct rk_arena *a, const char *hex)
{
    struct rk_key k;

    memcpy(k.b, vec_hex(a, hex).p, sizeof k.b);
    return k;
}

/* Key between the holder of one private key and the owner of another. */
static struct box_shared shared_of(struct rk_arena *a, const char *own, const char *their)
{
    struct rk_key priv = key_of(a, own), other = key_of(a, their), pub;
    struct box_shared s;

    rk_key_public(&other, &pub);
    ck_assert_int_eq(box_shared_init(&priv, &pub, &s, NULL), RK_OK);
    return s;
}

START_TEST(bodies_match_the_vectors)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *a = rk_arena_new(0);
    struct box_shared from = shared_of(a, VECTORS[_i].from, VECTORS[_i].to);
    struct box_shared to = shared_of(a, VECTORS[_i].to, VECTORS[_i].from);
    struct rk_str plain = vec_hex(a, VECTORS[_i].plain), body = vec_hex(a, VECTORS[_i].body), got;
    RK_CLEANUP(rk_freep) uint8_t *out = malloc(body.n);

    ck_assert_int_eq(memcmp(from.k, to.k, sizeof from.k), 0);
    ck_assert_uint_eq(body.n, plain.n + BOX_OVERHEAD);
    box_seal_with_nonce(&from, (const uint8_t *)body.p, plain, out);
    vec_expect(a, rk_str_of(out, body.n), VECTORS[_i].body);
    ck_assert_int_eq(box_open_new(&to, a, body, &got, NULL), RK_OK);
    vec_expect(a, got, VECTORS[_i].plain);
    ck_assert_int_eq(box_open_in_place(&to, out, body.n, &got, NULL), RK_OK);
    vec_expect(a, got, VECTORS[_i].plain);
}
END_TEST

START_TEST(shared_key_matches_the_vector)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *a = rk_arena_new(0);
    struct box_shared s = shared_of(a, CLIENT, SERVER);

    vec_expect(a, rk_str_of(s.k, sizeof s.k),
               "baba246eb13dcd2f83d6dfe5e6d254d9f96c7705d141a7719b62685d90405e03");
    box_shared_wipe(&s);
    ck_assert_uint_eq(s.k[0] | s.k[31], 0);
}
END_TEST

START_TEST(every_way_of_sealing_opens)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *a = rk_arena_new(0);
    struct box_shared s = shared_of(a, CLIENT, SERVER);

    for (size_t n = 0; n < 200; n += 33) {
        RK_CLEANUP(rk_freep) uint8_t *plain = rk_malloc(n + 1);
        RK_CLEANUP(rk_freep) uint8_t *one = rk_malloc(n + BOX_OVERHEAD);
        RK_CLEANUP(rk_freep) uint8_t *two = rk_malloc(n + BOX_OVERHEAD);
        RK_CLEANUP(rk_freep) uint8_t *back = rk_malloc(n + 1);
        size_t got = 0;
        struct rk_str view;

        memset(plain, (int)n, n);
        box_seal(&s, rk_str_of(plain, n), one);
        if (n)
            memcpy(two + BOX_OVERHEAD, plain, n);
        box_seal_in_place(&s, two, n + BOX_OVERHEAD);
        ck_assert_int_ne(memcmp(one, two, BOX_NONCE_SIZE), 0);
        ck_assert_int_eq(box_open(&s, rk_str_of(one, n + BOX_OVERHEAD), back, &got, NULL), RK_OK);
        ck_assert(rk_str_eq(rk_str_of(back, got), rk_str_of(plain, n)));
        ck_assert_int_eq(box_open_in_place(&s, two, n + BOX_OVERHEAD, &view, NULL), RK_OK);
        ck_assert(rk_str_eq(view, rk_str_of(plain, n)));
        view = box_seal_new(&s, a, rk_str_of(plain, n));
        ck_assert_int_eq(box_open_new(&s, a, view, &view, NULL), RK_OK);
        ck_assert(rk_str_eq(view, rk_str_of(plain, n)));
    }
}
END_TEST

START_TEST(every_truncation_and_flipped_bit_is_refused)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *a = rk_arena_new(0);
    struct box_shared s = shared_of(a, SERVER, CLIENT);
    struct rk_str body = vec_hex(a, VECTORS[1].body), view = RK_STR("untouched");
    uint8_t out[256] = {0xee};
    size_t n = 77;

    for (size_t len = 0; len < body.n; len++) {
        RK_CLEANUP(rk_freep) uint8_t *exact = rk_memdup(body.p, len);

        ck_assert_int_eq(box_open(&s, rk_str_of(exact, len), out, &n, NULL), RK_BAD_REQUEST);
        ck_assert_int_eq(box_open_new(&s, a, rk_str_of(exact, len), &view, NULL), RK_BAD_REQUEST);
        ck_assert_int_eq(box_open_in_place(&s, exact, len, &view, NULL), RK_BAD_REQUEST);
        ck_assert_int_eq(len ? memcmp(exact, body.p, len) : 0, 0);
    }
    for (size_t bit = 0; bit < body.n * 8; bit++) {
        RK_CLEANUP(rk_freep) uint8_t *bent = rk_memdup(body.p, body.n);

        bent[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ck_assert_int_eq(box_open(&s, rk_str_of(bent, body.n), out, &n, NULL), RK_BAD_REQUEST);
    }
    ck_assert_uint_eq(out[0], 0xee);
    ck_assert_uint_eq(n, 77);
    ck_assert(rk_str_eqz(view, "untouched"));
}
END_TEST

START_TEST(weak_keys_and_ceilings_are_refused)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *a = rk_arena_new(0);
    RK_CLEANUP(rk_arena_freep) struct rk_arena *small = rk_arena_new(16);
    struct rk_key priv = key_of(a, CLIENT), zero = {0}, one = {{1}};
    struct box_shared s = {{9}}, good = shared_of(a, SERVER, CLIENT);
    struct rk_str out;

    ck_assert_int_eq(box_shared_init(&priv, &zero, &s, NULL), RK_BAD_REQUEST);
    ck_assert_int_eq(box_shared_init(&priv, &one, &s, NULL), RK_BAD_REQUEST);
    ck_assert_uint_eq(s.k[0], 9);
    ck_assert_int_eq(box_open_new(&good, small, vec_hex(a, VECTORS[1].body), &out, NULL), RK_LIMIT);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("box");

    tcase_add_loop_test(t, bodies_match_the_vectors, 0, RK_ARRAY_LEN(VECTORS));
    tcase_add_test(t, shared_key_matches_the_vector);
    tcase_add_test(t, every_way_of_sealing_opens);
    tcase_add_test(t, every_truncation_and_flipped_bit_is_refused);
    tcase_add_test(t, weak_keys_and_ceilings_are_refused);
    return vec_run(t, "box");
}
