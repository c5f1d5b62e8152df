/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests management/rpc/envelope, keycache and meta, with a body that an official client made. */
#include "config.h"

#include "tests/unit/vec.h"

#include "management/rpc/envelope.h"
#include "management/rpc/keycache.h"
#include "management/rpc/meta.h"
#include "schema/pb_arena.h"

#define CLIENT      "0002030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f60"
#define SERVER      "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e5f"
#define CLIENT_TEXT "B6N8vBQgk8i3VdwbEOhstCY3StFqqFPtC9/AsrhtHHw="
#define SERVER_TEXT "ST6C/HRGSlkmiBdiPSBTxeuOLMSpiLT+4XnsawENUx0="
#define LOGIN_BODY                                                                                 \
    "404142434445464748494a4b4c4d4e4f50515253545556578d7cf5dc0422079be121e93dfab38c4a"             \
    "dbb9c0d7ffd56fc0e24b1743be740af99a3f3c50e176458988ce2cbc7840a1a549f4d91a86be1af2"             \
    "28e011c7185c929f6e9bff2582863b1ecc6a1cd7f2fa454eb68b3bb3340dbc27af7773cffd4d3012"             \
    "bae5fa"

static struct envelope *server(struct rk_arena *a)
{
    struct rk_key k;

    memcpy(k.b, vec_hex(a, SERVER).p, sizeof k.b);
    return envelope_new(&k);
}

static struct rk_str wire_of(struct rk_arena *a, const char *key, struct rk_str body)
{
    Management__EncryptedMessage m = MANAGEMENT__ENCRYPTED_MESSAGE__INIT;
    struct rk_str out;

    m.wgpubkey = pb_text(a, rk_str_z(key));
    m.body = pb_bytes_of(body);
    ck_assert_int_eq(pb_pack(a, &m.base, &out, NULL), RK_OK);
    return out;
}

START_TEST(a_login_of_an_official_client_opens)
{
    struct rk_arena *a = rk_arena_new(0);
    struct envelope *e = server(a);
    struct envelope_peer peer = {0};
    struct rk_str plain, sender;
    const Management__LoginRequest *req;

    ck_assert_str_eq(envelope_key_text(e), SERVER_TEXT);
    for (int i = 0; i < 2; i++) { /* the second time with the remembered key */
        ck_assert_int_eq(envelope_open(e, a, wire_of(a, CLIENT_TEXT, vec_hex(a, LOGIN_BODY)), &peer,
                                       &plain, &sender),
                         ENVELOPE_OK);
        ck_assert_str_eq(peer.text, CLIENT_TEXT);
        req = pb_unpack(a, &management__login_request__descriptor, plain, NULL);
        ck_assert_ptr_nonnull(req);
        ck_assert_str_eq(req->meta->hostname, "peer1");
    }
    envelope_free(e);
    rk_arena_free(a);
}
END_TEST

START_TEST(what_is_sealed_opens_at_the_client)
{
    struct rk_arena *a = rk_arena_new(0);
    struct envelope *e = server(a);
    struct rk_key client, server_pub;
    struct envelope_peer peer = {0};
    const Management__EncryptedMessage *m;
    struct rk_bytes *out;
    struct rk_str plain, sender;
    size_t sizes[] = {0, 1, 80, 200, 70000};

    memcpy(client.b, vec_hex(a, CLIENT).p, sizeof client.b);
    ck_assert_int_eq(rk_key_parse(RK_STR(SERVER_TEXT), &server_pub, NULL), RK_OK);
    ck_assert_int_eq(box_shared_init(&client, &server_pub, &peer.shared, NULL), RK_OK);
    for (size_t i = 0; i < RK_ARRAY_LEN(sizes); i++) {
        struct rk_str text = rk_str_of(rk_arena_alloc(a, sizes[i]), sizes[i]);

        out = envelope_seal(e, &peer.shared, text);
        m = pb_unpack(a, &management__encrypted_message__descriptor, rk_bytes_str(out), NULL);
        ck_assert_ptr_nonnull(m);
        ck_assert_str_eq(m->wgpubkey, SERVER_TEXT);
        ck_assert_int_eq(box_open_new(&peer.shared, a, pb_bytes(m->body), &plain, NULL), RK_OK);
        ck_assert(rk_str_eq(plain, text));
        rk_bytes_unref(out);
    }
    (void)sender;
    envelope_free(e);
    rk_arena_free(a);
}
END_TEST

START_TEST(wrong_envelopes_say_what_is_wrong)
{
    struct rk_arena *a = rk_arena_new(0);
    struct envelope *e = server(a);
    struct envelope_peer peer = {0};
    struct rk_str plain, sender, body = vec_hex(a, LOGIN_BODY);
    char other[RK_KEY_TEXT + 1];
    struct rk_key k;

    ck_assert_int_eq(envelope_open(e, a, RK_STR("\xff\xff\xff"), &peer, &plain, &sender),
                     ENVELOPE_BAD_FORM);
    ck_assert_int_eq(envelope_open(e, a, RK_STR(""), &peer, &plain, &sender), ENVELOPE_BAD_KEY);
    ck_assert_int_eq(envelope_open(e, a, wire_of(a, "not a\tkey", body), &peer, &plain, &sender),
                     ENVELOPE_BAD_KEY);
    ck_assert_str_eq(sender.p, "not a?key");
    rk_key_generate(&k);
    rk_key_public(&k, &k);
    rk_key_format(&k, other);
    ck_assert_int_eq(envelope_open(e, a, wire_of(a, other, body), &peer, &plain, &sender),
                     ENVELOPE_BAD_BODY);
    /* All zeroes is a point of low order. */
    ck_assert_int_eq(envelope_open(e, a,
                                   wire_of(a, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", body),
                                   &peer, &plain, &sender),
                     ENVELOPE_BAD_BODY);
    for (size_t n = 0; n < body.n; n++)
        ck_assert_int_ne(envelope_open(e, a, wire_of(a, CLIENT_TEXT, rk_str_of(body.p, n)), &peer,
                                       &plain, &sender),
                         ENVELOPE_OK);
    envelope_free(e);
    rk_arena_free(a);
}
END_TEST

START_TEST(the_cache_is_bounded_and_keeps_what_is_used)
{
    struct keycache *c = keycache_new(4);
    struct rk_key used = {{1}}, k = {{0}};
    struct box_shared s = {{7}}, got;

    keycache_put(c, &used, &s);
    for (uint8_t i = 2; i < 40; i++) {
        ck_assert(keycache_get(c, &used, &got));
        ck_assert_int_eq(got.k[0], 7);
        k.b[1] = i;
        s.k[0] = i;
        keycache_put(c, &k, &s);
        s.k[0] = 7;
    }
    k.b[1] = 2; /* eleven generations ago */
    ck_assert(!keycache_get(c, &k, &got));
    keycache_free(c);
}
END_TEST

START_TEST(meta_is_taken_over_and_bounded)
{
    struct rk_arena *a = rk_arena_new(0);
    Management__PeerSystemMeta m = MANAGEMENT__PEER_SYSTEM_META__INIT;
    Management__NetworkAddress good = MANAGEMENT__NETWORK_ADDRESS__INIT, bad = good;
    Management__NetworkAddress *addrs[] = {&bad, &good};
    Management__Flags flags = MANAGEMENT__FLAGS__INIT;
    Management__PeerCapability caps[] = {1, 2, 77, (Management__PeerCapability)-1};
    struct peer_meta out;
    struct rk_err err = {0};
    char *text = rk_arena_alloc(a, META_TEXT_MAX + 2);

    ck_assert_int_eq(rpc_meta(a, NULL, &out, NULL), RK_OK);
    ck_assert_uint_eq(out.hostname.n, 0);
    good.netip = (char *)(uintptr_t) "192.168.1.7/24";
    bad.netip = (char *)(uintptr_t) "192.168.1.7";
    m.networkaddresses = addrs;
    m.n_networkaddresses = 2;
    flags.disableipv6 = flags.serversshallowed = flags.disablesshauth = 1;
    m.flags = &flags;
    m.capabilities = caps;
    m.n_capabilities = 4;
    m.core = (char *)(uintptr_t) "11";
    ck_assert_int_eq(rpc_meta(a, &m, &out, NULL), RK_OK);
    ck_assert_uint_eq(out.n_addresses, 1);
    ck_assert_uint_eq(out.capabilities, PEER_CAP_SOURCE_PREFIXES | PEER_CAP_IPV6_OVERLAY);
    ck_assert_uint_eq(out.flags, PEER_FLAG_NO_IPV6 | PEER_FLAG_SERVER_SSH_ALLOWED);
    ck_assert(rk_str_eqz(out.os_version, "11"));
    memset(text, 'x', META_TEXT_MAX);
    m.hostname = text;
    ck_assert_int_eq(rpc_meta(a, &m, &out, &err), RK_OK);
    text[META_TEXT_MAX] = 'x';
    ck_assert_int_eq(rpc_meta(a, &m, &out, &err), RK_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "hostname"));
    rk_arena_free(a);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("envelope");

    tcase_add_test(t, a_login_of_an_official_client_opens);
    tcase_add_test(t, what_is_sealed_opens_at_the_client);
    tcase_add_test(t, wrong_envelopes_say_what_is_wrong);
    tcase_add_test(t, the_cache_is_bounded_and_keeps_what_is_used);
    tcase_add_test(t, meta_is_taken_over_and_bounded);
    return vec_run(t, "envelope");
}
