/* SPDX-License-Identifier: BSD-3-Clause */
/* A throw-away certificate for "localhost" and 127.0.0.1 in two PEM files, for tests of TLS. */
#ifndef RK_TESTS_CERT_H
#define RK_TESTS_CERT_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct test_cert {
    char dir[32], cert[64], key[64];
};

static inline void test_cert_ext(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    if (!e || !X509_add_ext(x, e, -1))
        abort();
    X509_EXTENSION_free(e);
}

/* Write (or write anew: another key) both files. */
static inline void test_cert_write(struct test_cert *t, long days)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    FILE *f;

    if (!key || !x)
        abort();
    (void)X509_set_version(x, 2);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(x), (long)getpid());
    (void)X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    (void)X509_gmtime_adj(X509_getm_notAfter(x), days * 86400);
    (void)X509_set_pubkey(x, key);
    (void)X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                                     (const unsigned char *)"localhost", -1, -1, 0);
    (void)X509_set_issuer_name(x, X509_get_subject_name(x));
    test_cert_ext(x, NID_basic_constraints, "critical,CA:TRUE");
    test_cert_ext(x, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1");
    if (!X509_sign(x, key, EVP_sha256()))
        abort();
    f = fopen(t->cert, "w");
    if (!f || !PEM_write_X509(f, x) || fclose(f))
        abort();
    f = fopen(t->key, "w");
    if (!f || !PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) || fclose(f))
        abort();
    X509_free(x);
    EVP_PKEY_free(key);
}

static inline void test_cert_new(struct test_cert *t)
{
    (void)snprintf(t->dir, sizeof t->dir, "/tmp/rk-cert-XXXXXX");
    if (!mkdtemp(t->dir))
        abort();
    (void)snprintf(t->cert, sizeof t->cert, "%s/cert.pem", t->dir);
    (void)snprintf(t->key, sizeof t->key, "%s/key.pem", t->dir);
    test_cert_write(t, 30);
}

static inline void test_cert_free(struct test_cert *t)
{
    (void)unlink(t->cert);
    (void)unlink(t->key);
    (void)rmdir(t->dir);
}

#endif
