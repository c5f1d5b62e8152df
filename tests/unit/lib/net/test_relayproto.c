/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests lib/net/relayproto.c against known messages and every truncation. */
#include "config.h"

#include "lib/net/relayproto.h"

#include "lib/crypto/hmac.h"
#include "tests/unit/vec.h"

#define KEY_A "NYBy1jZYgNGu6jKa35EhODhR7SGijjt16WXQ0s0WYlQ="
#define KEY_B "Z13VdO13iTELPS52gfN5C0ZsdzsVIf7PNld5WDcepS8="
#define ID_A  "7368612d2aa00453cbc2cc35bf6e3fb3f63ac31dfc892ae0a7dde5c188b08a12a19aeaba"
#define ID_B  "7368612d1267873040390f3d8a920e9cc4b0b26896695613efa96d9755da2fe8f67060fc"
#define TOKEN                                                                                      \
    "01e11380ca629cadc0d94b126887878a2c42c6acabd74ef0443fc14efa172a121431383933343536303030"

static struct rk_arena *mem;

static void setup(void)
{
    mem = rk_arena_new(0);
}

static void teardown(void)
{
    rk_arena_free(mem);
}

static struct rly_peer_id id_of(const char *hex)
{
    struct rly_peer_id id;

    memcpy(id.b, vec_hex(mem, hex).p, sizeof id.b);
    return id;
}

START_TEST(peer_ids_match_the_vectors)
{
    struct rly_peer_id id;
    char text[RLY_PEER_TEXT + 1];

    rly_peer_id_of(RK_STR(KEY_A), &id);
    vec_expect(mem, rk_str_of(id.b, sizeof id.b), ID_A);
    rly_peer_id_text(id.b, text);
    ck_assert_str_eq(text, "sha-KqAEU8vCzDW/bj+z9jrDHfyJKuCn3eXBiLCKEqGa6ro=");
    rly_peer_id_of(RK_STR(KEY_B), &id);
    vec_expect(mem, rk_str_of(id.b, sizeof id.b), ID_B);
    rly_peer_id_of(RK_STR("healthcheck-agent"), &id);
    rly_peer_id_text(id.b, text);
    ck_assert_str_eq(text, "sha-iZf7+aWCsvVXzmUQYBqLmT+L72j/EarJguLwljup9hw=");
}
END_TEST

START_TEST(auth_matches_the_vector)
{
    static const char wire[] = "01062112a442" ID_A TOKEN;
    struct rly_peer_id a = id_of(ID_A);
    uint8_t buf[RLY_MAX_AUTH];
    struct rk_wr w = rk_wr_of(buf, sizeof buf);
    struct rly_frame f;
    struct rk_key key;

    rly_put_auth(&w, &a, vec_hex(mem, TOKEN));
    vec_expect(mem, rk_wr_done(&w), wire);
    ck_assert_int_eq(rly_frame_decode(rk_wr_done(&w), &f, NULL), RK_OK);
    ck_assert_int_eq(f.type, RLY_AUTH);
    vec_expect(mem, f.peer, ID_A);
    vec_expect(mem, f.payload, TOKEN);
    hmac_relay_key(RK_STR("supersecret"), &key);
    ck_assert_int_eq(hmac_relay_token_verify(&key, f.payload, 1893456000, NULL, NULL), RK_OK);
    ck_assert_int_eq(hmac_relay_token_verify(&key, f.payload, 1893456001, NULL, NULL),
                     RK_UNAUTHENTICATED);
}
END_TEST

START_TEST(other_messages_match_the_vectors)
{
    uint8_t buf[RLY_MAX_MESSAGE];
    struct rk_wr w = rk_wr_of(buf, sizeof buf);
    struct rly_peer_id b = id_of(ID_B);
    struct rk_str ids = rk_str_of(b.b, sizeof b.b);
    static const struct {
        enum rly_type type;
        const char *hex;
    } lists[] = {{RLY_SUBSCRIBE, "0108" ID_B},
                 {RLY_UNSUBSCRIBE, "0109" ID_B},
                 {RLY_PEERS_ONLINE, "010a" ID_B},
                 {RLY_PEERS_OFFLINE, "010b" ID_B}};
    struct rly_frame f;

    rly_put_transport(&w, &b, vec_hex(mem, "04000000deadbeef"));
    vec_expect(mem, rk_wr_done(&w), "0103" ID_B "04000000deadbeef");
    ck_assert_int_eq(rly_frame_decode(rk_wr_done(&w), &f, NULL), RK_OK);
    vec_expect(mem, f.payload, "04000000deadbeef");

    w = rk_wr_of(buf, sizeof buf);
    rly_put_auth_response(&w, RK_STR("rels://relay.example.com:443"));
    vec_expect(mem, rk_wr_done(&w), "010772656c733a2f2f72656c61792e6578616d706c652e636f6d3a343433");
    ck_assert_int_eq(rly_frame_decode(rk_wr_done(&w), &f, NULL), RK_OK);
    ck_assert(rk_str_eqz(f.url, "rels://relay.example.com:443"));

    for (size_t i = 0; i < RK_ARRAY_LEN(lists); i++) {
        w = rk_wr_of(buf, sizeof buf);
        rly_put_ids(&w, lists[i].type, ids);
        vec_expect(mem, rk_wr_done(&w), lists[i].hex);
        ck_assert_int_eq(rly_frame_decode(rk_wr_done(&w), &f, NULL), RK_OK);
        ck_assert_int_eq(f.type, lists[i].type);
        ck_assert_uint_eq(f.n_ids, 1);
        vec_expect(mem, rly_frame_id(&f, 0), ID_B);
    }
    w = rk_wr_of(buf, sizeof buf);
    rly_put_header(&w, RLY_CLOSE);
    rly_put_header(&w, RLY_HEALTH_CHECK);
    vec_expect(mem, rk_wr_done(&w), "01040105");
}
END_TEST

/* Decode a prefix in a buffer of exactly its size. */
static enum rk_code decode_prefix(struct rk_str wire, size_t n, struct rly_frame *f)
{
    RK_CLEANUP(rk_freep) char *exact = rk_memdup(wire.p, n);

    return rly_frame_decode(rk_str_of(exact, n), f, NULL);
}

START_TEST(every_truncation_is_refused)
{
    static const struct {
        const char *hex;
        size_t shortest; /* bytes from which on a prefix is a message */
    } wire[] = {
        {"01062112a442" ID_A TOKEN, 42},
        {"0103" ID_B "04000000deadbeef", 38},
        {"010772656c", 3},
        {"0104", 2},
        {"0105", 2},
    };

    for (size_t i = 0; i < RK_ARRAY_LEN(wire); i++) {
        struct rk_str w = vec_hex(mem, wire[i].hex);

        for (size_t n = 0; n <= w.n; n++) {
            struct rly_frame f = {0};
            enum rk_code rc = decode_prefix(w, n, &f);

            ck_assert_msg((rc == RK_OK) == (n >= wire[i].shortest), "%s cut to %zu", wire[i].hex,
                          n);
            ck_assert(rc == RK_OK || (int)f.type == 0);
            if (n < 2)
                ck_assert_int_eq(rc, RK_BAD_REQUEST);
        }
    }
}
END_TEST

START_TEST(lists_of_a_wrong_length_are_ignored_not_fatal)
{
    struct rk_str w = vec_hex(mem, "0108" ID_A ID_B);

    for (size_t n = 2; n <= w.n; n++) {
        struct rly_frame f = {0};
        enum rk_code rc = decode_prefix(w, n, &f);

        ck_assert_int_eq(rc, (n - 2) % RLY_PEER_ID_SIZE ? RK_INVALID : RK_OK);
        if (rc == RK_OK)
            ck_assert_uint_eq(f.n_ids, (n - 2) / RLY_PEER_ID_SIZE);
    }
}
END_TEST

START_TEST(wrong_version_type_magic_and_size_are_refused)
{
    static const char *const bad[] = {"0003" ID_B, "0203" ID_B, "0100", "0101" ID_B,
                                      "0102",      "010c",      "01ff", "01062112a443" ID_A TOKEN};
    RK_CLEANUP(rk_freep) char *big = rk_calloc(1, RLY_MAX_MESSAGE + 1);
    struct rly_frame f;

    for (size_t i = 0; i < RK_ARRAY_LEN(bad); i++)
        ck_assert_int_eq(rly_frame_decode(vec_hex(mem, bad[i]), &f, NULL), RK_BAD_REQUEST);
    big[0] = RLY_VERSION;
    big[1] = RLY_TRANSPORT;
    ck_assert_int_eq(rly_frame_decode(rk_str_of(big, RLY_MAX_MESSAGE + 1), &f, NULL),
                     RK_BAD_REQUEST);
    ck_assert_int_eq(rly_frame_decode(rk_str_of(big, RLY_MAX_MESSAGE), &f, NULL), RK_OK);
    ck_assert_uint_eq(f.payload.n, RLY_MAX_PAYLOAD);
}
END_TEST

START_TEST(lists_above_the_maximum_are_not_written)
{
    RK_CLEANUP(rk_freep) char *ids = rk_calloc(RLY_MAX_IDS + 1, RLY_PEER_ID_SIZE);
    uint8_t buf[RLY_MAX_MESSAGE + 100];
    struct rk_wr w = rk_wr_of(buf, sizeof buf);

    rly_put_ids(&w, RLY_PEERS_ONLINE, rk_str_of(ids, (RLY_MAX_IDS + 1) * RLY_PEER_ID_SIZE));
    ck_assert(w.bad);
    w = rk_wr_of(buf, sizeof buf);
    rly_put_ids(&w, RLY_PEERS_ONLINE, rk_str_of(ids, RLY_MAX_IDS * RLY_PEER_ID_SIZE));
    ck_assert(!w.bad && w.n <= RLY_MAX_MESSAGE);
}
END_TEST

START_TEST(urls_are_parsed)
{
    struct rly_url u;

    ck_assert_int_eq(rly_url_parse(RK_STR("rels://relay.example.com:8443"), &u, NULL), RK_OK);
    ck_assert(u.tls && u.has_port && u.port == 8443 && rk_str_eqz(u.host, "relay.example.com"));
    ck_assert_int_eq(rly_url_parse(RK_STR("rel://10.0.0.1"), &u, NULL), RK_OK);
    ck_assert(!u.tls && !u.has_port && u.port == 80 && rk_str_eqz(u.host, "10.0.0.1"));
    ck_assert_int_eq(rly_url_parse(RK_STR("rels://[fd00::1]:33080/relay"), &u, NULL), RK_OK);
    ck_assert(u.port == 33080 && rk_str_eqz(u.host, "fd00::1"));
    ck_assert_int_eq(rly_url_parse(RK_STR("rels://[fd00::1]"), &u, NULL), RK_OK);
    ck_assert(u.port == 443);
}
END_TEST

START_TEST(bad_urls_are_refused)
{
    static const char *const bad[] = {
        "",          "relay:443",       "http://a:1",     "rel://",
        "rel://:80", "rel://a:0",       "rel://a:x",      "rel://a:65536",
        "rel://a:",  "rels://[fd00::1", "rel://[::1]80",  "rel://[]:80",
        "rel://a b", "rel://u@h:80",    "rel://a\r\nX: y"};
    struct rly_url u;

    for (size_t i = 0; i < RK_ARRAY_LEN(bad); i++)
        ck_assert_msg(rly_url_parse(rk_str_z(bad[i]), &u, NULL) == RK_BAD_REQUEST, "%s", bad[i]);
}
END_TEST

START_TEST(instance_url_is_not_normalised)
{
    struct rk_str out;

    ck_assert_int_eq(rly_instance_url(RK_STR("relay:443"), true, mem, &out, NULL), RK_OK);
    ck_assert(rk_str_eqz(out, "rels://relay:443"));
    ck_assert_int_eq(rly_instance_url(RK_STR("relay"), false, mem, &out, NULL), RK_OK);
    ck_assert(rk_str_eqz(out, "rel://relay"));
    ck_assert_int_eq(rly_instance_url(RK_STR("rels://Relay"), false, mem, &out, NULL), RK_OK);
    ck_assert(rk_str_eqz(out, "rels://Relay"));
    ck_assert_int_eq(rly_instance_url(RK_STR("rel://relay"), true, mem, &out, NULL), RK_INVALID);
    ck_assert_int_eq(rly_instance_url(RK_STR("https://relay"), true, mem, &out, NULL), RK_INVALID);
    ck_assert_int_eq(rly_instance_url(RK_STR("rel://rel://relay"), false, mem, &out, NULL),
                     RK_INVALID);
    ck_assert_int_eq(rly_instance_url(RK_STR(""), false, mem, &out, NULL), RK_INVALID);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("relayproto");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, peer_ids_match_the_vectors);
    tcase_add_test(t, auth_matches_the_vector);
    tcase_add_test(t, other_messages_match_the_vectors);
    tcase_add_test(t, every_truncation_is_refused);
    tcase_add_test(t, lists_of_a_wrong_length_are_ignored_not_fatal);
    tcase_add_test(t, wrong_version_type_magic_and_size_are_refused);
    tcase_add_test(t, lists_above_the_maximum_are_not_written);
    tcase_add_test(t, urls_are_parsed);
    tcase_add_test(t, bad_urls_are_refused);
    tcase_add_test(t, instance_url_is_not_normalised);
    return vec_run(t, "lib/net/relayproto");
}
