/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests lib/crypto/tls.c against a client that is plain OpenSSL: what is agreed upon. The rest of
 * TLS is tested with sockets, in tests/unit/lib/net/test_transport.c. */
#include "config.h"

#include "lib/crypto/tls.h"

#include <openssl/ssl.h>

#include "tests/unit/cert.h"
#include "tests/unit/vec.h"

struct server {
    struct tls_sess_user user;
    struct tls_sess *sess;
    BIO *out; /* towards the client */
};

static struct test_cert cert;
static struct tls_ctx *ctx;

static void setup(void)
{
    struct tls_server_opts o = {0};

    test_cert_new(&cert);
    o.cert_file = cert.cert;
    o.key_file = cert.key;
    ck_assert_int_eq(tls_server_new(&o, &ctx, NULL), RK_OK);
}

static void teardown(void)
{
    tls_ctx_free(ctx);
    test_cert_free(&cert);
}

static void output(struct tls_sess_user *u, struct rk_str cipher)
{
    struct server *s = rk_container_of(u, struct server, user);

    ck_assert_int_eq(BIO_write(s->out, cipher.p, (int)cipher.n), (int)cipher.n);
}

/* What a client with these lists and our server agree upon; "" for nothing. */
static struct rk_str agreed(int version, const char *suites, const char *ciphers, char name[64])
{
    SSL_CTX *client_ctx = SSL_CTX_new(TLS_client_method());
    struct server s = {.user.output = output, .out = BIO_new(BIO_s_mem())};
    BIO *to_server = BIO_new(BIO_s_mem());
    bool done = false;
    SSL *client;
    int rc = 0;

    ck_assert_int_eq(SSL_CTX_set_max_proto_version(client_ctx, version), 1);
    ck_assert_int_eq(SSL_CTX_set_ciphersuites(client_ctx, suites), 1);
    ck_assert_int_eq(SSL_CTX_set_cipher_list(client_ctx, ciphers), 1);
    client = SSL_new(client_ctx);
    SSL_set_bio(client, s.out, to_server);
    SSL_set_connect_state(client);
    ck_assert_int_eq(tls_sess_new(ctx, NULL, NULL, &s.user, &s.sess, NULL), RK_OK);
    for (int i = 0; i < 5 && rc != 1; i++) {
        char *p;
        long n;

        rc = SSL_do_handshake(client);
        n = BIO_get_mem_data(to_server, &p);
        tls_sess_feed(s.sess, rk_str_of(p, (size_t)n));
        if (!done && tls_sess_handshake(s.sess, &done, NULL))
            break;
        (void)BIO_reset(to_server);
    }
    (void)snprintf(name, 64, "%s", rc == 1 ? SSL_get_cipher_name(client) : "");
    tls_sess_free(s.sess);
    SSL_free(client);
    SSL_CTX_free(client_ctx);
    return rk_str_z(name);
}

#define AES128 "TLS_AES_128_GCM_SHA256"
#define AES256 "TLS_AES_256_GCM_SHA384"
#define CHACHA "TLS_CHACHA20_POLY1305_SHA256"
#define OLD    "ECDHE-ECDSA-AES128-GCM-SHA256"

START_TEST(who_has_no_aes_gets_chacha)
{
    char name[64];

    ck_assert(rk_str_eqz(agreed(TLS1_3_VERSION, CHACHA ":" AES256 ":" AES128, OLD, name), CHACHA));
    ck_assert(rk_str_eqz(agreed(TLS1_2_VERSION, AES128, "ECDHE-ECDSA-CHACHA20-POLY1305:" OLD, name),
                         "ECDHE-ECDSA-CHACHA20-POLY1305"));
}
END_TEST

#if defined(__x86_64__)
START_TEST(others_get_the_fastest_aes)
{
    char name[64];

    if (!__builtin_cpu_supports("aes"))
        return;
    ck_assert(rk_str_eqz(agreed(TLS1_3_VERSION, AES256 ":" CHACHA ":" AES128, OLD, name), AES128));
    ck_assert(rk_str_eqz(agreed(TLS1_2_VERSION, AES128, "ECDHE-ECDSA-AES256-GCM-SHA384:" OLD, name),
                         OLD));
}
END_TEST
#endif

START_TEST(only_forward_secrecy_and_authenticated_encryption)
{
    static const char *const bad[] = {"ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES128-SHA",
                                      "AES128-GCM-SHA256", "DHE-RSA-AES128-GCM-SHA256"};
    char name[64];

    for (size_t i = 0; i < RK_ARRAY_LEN(bad); i++)
        ck_assert_msg(agreed(TLS1_2_VERSION, AES128, bad[i], name).n == 0, "%s", name);
    ck_assert(rk_str_eqz(agreed(TLS1_2_VERSION, AES128, OLD, name), OLD));
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("tls");
    Suite *s = suite_create("tls");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, who_has_no_aes_gets_chacha);
#if defined(__x86_64__)
    tcase_add_test(t, others_get_the_fastest_aes);
#endif
    tcase_add_test(t, only_forward_secrecy_and_authenticated_encryption);
    suite_add_tcase(s, t);
    return run_suite(s);
}
