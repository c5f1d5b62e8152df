/* SPDX-License-Identifier: BSD-3-Clause */
/* A context's certificate and its judgement of others', for QUIC, whose TLS is another library's:
 * so that both transports have one certificate, one set of roots and one rule; see tls.h. */
#include "config.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "lib/crypto/tls.h"
#include "lib/crypto/tls_priv.h"

static void take_bio(BIO *bio, struct rk_buf *out)
{
    char *p = NULL;
    long n = BIO_get_mem_data(bio, &p);

    if (n > 0) {
        rk_buf_add(out, rk_str_of(p, (size_t)n));
        OPENSSL_cleanse(p, (size_t)n);
    }
    BIO_free(bio);
}

static bool put_chain(SSL_CTX *ssl, BIO *bio)
{
    STACK_OF(X509) *issuers = NULL;
    X509 *leaf = SSL_CTX_get0_certificate(ssl);
    bool ok =
        leaf && PEM_write_bio_X509(bio, leaf) == 1 && SSL_CTX_get0_chain_certs(ssl, &issuers) == 1;

    for (int i = 0; ok && i < sk_X509_num(issuers); i++)
        ok = PEM_write_bio_X509(bio, sk_X509_value(issuers, i)) == 1;
    return ok;
}

enum rk_code tls_ctx_identity(struct tls_ctx *ctx, struct rk_buf *chain, struct rk_buf *key,
                              struct rk_err *err)
{
    SSL_CTX *ssl = tls_ctx_ssl(ctx);
    BIO *c = BIO_new(BIO_s_mem()), *k = BIO_new(BIO_s_secmem());
    EVP_PKEY *own = SSL_CTX_get0_privatekey(ssl);
    bool ok = c && k && own && put_chain(ssl, c) &&
              PEM_write_bio_PrivateKey(k, own, NULL, NULL, 0, NULL, NULL) == 1;

    take_bio(c, chain);
    take_bio(k, key);
    SSL_CTX_free(ssl);
    ERR_clear_error();
    return ok && !chain->full && !key->full
               ? RK_OK
               : rk_fail(err, RK_INTERNAL, "TLS: the certificate cannot be copied");
}

/* ---- verification */

static STACK_OF(X509) * read_chain(const struct rk_str *chain, size_t n)
{
    STACK_OF(X509) *out = sk_X509_new_null();

    for (size_t i = 0; out && i < n; i++) {
        const unsigned char *p = (const unsigned char *)chain[i].p;
        X509 *x = d2i_X509(NULL, &p, (long)chain[i].n);

        if (!x || !sk_X509_push(out, x)) {
            X509_free(x);
            sk_X509_pop_free(out, X509_free);
            return NULL;
        }
    }
    return out;
}

static bool check(SSL_CTX *ssl, STACK_OF(X509) * chain, const char *name, int *why)
{
    X509_STORE_CTX *v = X509_STORE_CTX_new();
    X509_VERIFY_PARAM *param;
    bool ok =
        v &&
        X509_STORE_CTX_init(v, SSL_CTX_get_cert_store(ssl), sk_X509_value(chain, 0), chain) == 1 &&
        X509_STORE_CTX_set_default(v, "ssl_server") == 1;

    if (ok) {
        param = X509_STORE_CTX_get0_param(v);
        X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        ok = X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1 ||
             X509_VERIFY_PARAM_set1_host(param, name, 0) == 1;
    }
    *why = X509_V_ERR_UNSPECIFIED;
    if (ok && X509_verify_cert(v) != 1) {
        ok = false;
        *why = X509_STORE_CTX_get_error(v);
    }
    X509_STORE_CTX_free(v);
    return ok;
}

enum rk_code tls_ctx_verify(struct tls_ctx *ctx, const struct rk_str *chain, size_t n,
                            const char *server_name, struct rk_err *err)
{
    STACK_OF(X509) *certs = n ? read_chain(chain, n) : NULL;
    SSL_CTX *ssl;
    bool ok;
    int why;

    if (!certs) {
        ERR_clear_error();
        return rk_fail(err, RK_BAD_REQUEST, "TLS: the server sent no certificate that can be read");
    }
    ssl = tls_ctx_ssl(ctx);
    ok = tls_ctx_insecure(ctx) || check(ssl, certs, server_name, &why);
    SSL_CTX_free(ssl);
    sk_X509_pop_free(certs, X509_free);
    ERR_clear_error();
    return ok ? RK_OK
              : rk_fail(err, RK_UNAUTHENTICATED, "certificate of %s: %s", server_name,
                        X509_verify_cert_error_string(why));
}
