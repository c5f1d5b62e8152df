/* SPDX-License-Identifier: BSD-3-Clause */
/* Self-made certificates; see acme_cert.h. */
#include "config.h"

#include "lib/crypto/acme_cert.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "lib/base/enc.h"

enum { ANSWERS_MAX = 32, DIGEST = 32, NAME_MAX_BYTES = 253, DAY_S = 86400 };

struct answer {
    char name[NAME_MAX_BYTES + 1]; /* as it is asked for: SNI, for an address its reverse name */
    X509 *cert;
    EVP_PKEY *key;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards answers */
static struct answer answers[ANSWERS_MAX];
static _Atomic int n_answers;

static bool is_address(struct rk_str name, uint8_t out[16], int *family)
{
    char z[NAME_MAX_BYTES + 1];

    if (name.n > NAME_MAX_BYTES)
        return false;
    memcpy(z, name.p, name.n);
    z[name.n] = '\0';
    *family = inet_pton(AF_INET, z, out) == 1 ? 4 : inet_pton(AF_INET6, z, out) == 1 ? 6 : 0;
    return *family != 0;
}

/* RFC 8738: an address is asked for by its name below in-addr.arpa or ip6.arpa. */
static bool asked_name(struct rk_str name, char out[NAME_MAX_BYTES + 1])
{
    uint8_t b[16];
    int n = 0, family = 0;

    if (!is_address(name, b, &family)) {
        if (name.n > NAME_MAX_BYTES)
            return false;
        memcpy(out, name.p, name.n);
        out[name.n] = '\0';
        return true;
    }
    if (family == 4) {
        (void)snprintf(out, NAME_MAX_BYTES, "%u.%u.%u.%u.in-addr.arpa", b[3], b[2], b[1], b[0]);
        return true;
    }
    for (int i = 15; i >= 0; i--)
        n += snprintf(out + n, (size_t)(NAME_MAX_BYTES - n), "%x.%x.", b[i] & 15, b[i] >> 4);
    (void)snprintf(out + n, (size_t)(NAME_MAX_BYTES - n), "ip6.arpa");
    return true;
}

static bool add_ext(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    bool ok = e && X509_add_ext(x, e, -1) == 1;

    X509_EXTENSION_free(e);
    return ok;
}

/* id-pe-acmeIdentifier, critical: the digest as an OCTET STRING inside the extension's own. */
static bool add_identifier(X509 *x, const uint8_t digest[DIGEST])
{
    ASN1_OBJECT *oid = OBJ_txt2obj("1.3.6.1.5.5.7.1.31", 1);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    unsigned char der[DIGEST + 2] = {0x04, DIGEST};
    X509_EXTENSION *e = NULL;
    bool ok = oid && value;

    memcpy(der + 2, digest, DIGEST);
    ok = ok && ASN1_OCTET_STRING_set(value, der, sizeof der) == 1;
    ok = ok && (e = X509_EXTENSION_create_by_OBJ(NULL, oid, 1, value)) != NULL;
    ok = ok && X509_add_ext(x, e, -1) == 1;
    X509_EXTENSION_free(e);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(oid);
    return ok;
}

static bool make(struct rk_str name, const uint8_t *digest, int days, X509 **cert, EVP_PKEY **key)
{
    char alt[NAME_MAX_BYTES + 8];
    X509 *x = X509_new();
    EVP_PKEY *k = EVP_EC_gen("P-256");
    X509_NAME *subject = x ? X509_get_subject_name(x) : NULL;
    uint8_t address[16];
    int family = 0;
    bool ip = is_address(name, address, &family);
    bool ok = x && k && name.n && name.n <= NAME_MAX_BYTES;

    (void)snprintf(alt, sizeof alt, "%s:%.*s", ip ? "IP" : "DNS", RK_STR_ARG(name));
    ok = ok && X509_set_version(x, 2) == 1 &&
         ASN1_INTEGER_set_int64(X509_get_serialNumber(x), 1) == 1 &&
         X509_gmtime_adj(X509_getm_notBefore(x), -DAY_S) &&
         X509_gmtime_adj(X509_getm_notAfter(x), (long)days * DAY_S) && X509_set_pubkey(x, k) == 1;
    ok = ok &&
         X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)"rookery",
                                    -1, -1, 0) == 1 &&
         X509_set_issuer_name(x, subject) == 1 && add_ext(x, NID_subject_alt_name, alt);
    ok = ok && (!digest || add_identifier(x, digest)) && X509_sign(x, k, EVP_sha256()) > 0;
    if (!ok) {
        X509_free(x);
        EVP_PKEY_free(k);
        return false;
    }
    *cert = x;
    *key = k;
    return true;
}

/* ---- answers */

static void drop(struct answer *a)
{
    X509_free(a->cert);
    EVP_PKEY_free(a->key);
    *a = (struct answer){0};
}

static struct answer *find(const char *name)
{
    for (size_t i = 0; i < ANSWERS_MAX; i++)
        if (answers[i].cert && strcasecmp(answers[i].name, name) == 0)
            return &answers[i];
    return NULL;
}

enum rk_code acme_answer_put(struct rk_str name, struct rk_str digest, struct rk_err *err)
{
    uint8_t raw[DIGEST];
    size_t n = 0;
    struct answer new = {0}, *at;

    if (rk_base64url_decode(digest, raw, sizeof raw, &n, NULL) || n != DIGEST ||
        !asked_name(name, new.name) || !make(name, raw, 1, &new.cert, &new.key))
        return rk_fail(err, RK_INVALID, "ACME answer for %.*s", RK_STR_ARG(name));
    (void)pthread_mutex_lock(&lock);
    at = find(new.name);
    for (size_t i = 0; !at && i < ANSWERS_MAX; i++)
        if (!answers[i].cert) {
            at = &answers[i];
            n_answers++;
        }
    if (at) {
        drop(at);
        *at = new;
    }
    (void)pthread_mutex_unlock(&lock);
    if (at)
        return RK_OK;
    drop(&new);
    return rk_fail(err, RK_LIMIT, "too many ACME challenges at once");
}

void acme_answer_drop(struct rk_str name)
{
    char asked[NAME_MAX_BYTES + 1];
    struct answer *a;

    if (!asked_name(name, asked))
        return;
    (void)pthread_mutex_lock(&lock);
    a = find(asked);
    if (a) {
        drop(a);
        n_answers--;
    }
    (void)pthread_mutex_unlock(&lock);
}

bool acme_answers(void)
{
    return n_answers > 0;
}

bool acme_answer_use(struct ssl_st *ssl, struct rk_str server_name)
{
    char name[NAME_MAX_BYTES + 1];
    const struct answer *a;
    bool ok;

    if (!server_name.n || server_name.n > NAME_MAX_BYTES)
        return false;
    memcpy(name, server_name.p, server_name.n);
    name[server_name.n] = '\0';
    (void)pthread_mutex_lock(&lock);
    a = find(name);
    if (a)
        SSL_certs_clear(ssl); /* or the real one of another kind of key might be chosen */
    ok = a && SSL_use_certificate(ssl, a->cert) == 1 && SSL_use_PrivateKey(ssl, a->key) == 1;
    (void)pthread_mutex_unlock(&lock);
    return ok;
}

/* ---- placeholder */

static FILE *create(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    return fd < 0 ? NULL : fdopen(fd, "w");
}

enum rk_code acme_placeholder(struct rk_str name, const char *cert_file, const char *key_file,
                              struct rk_err *err)
{
    X509 *x = NULL;
    EVP_PKEY *k = NULL;
    FILE *c, *f;
    bool ok;

    if (!make(name, NULL, 3650, &x, &k))
        return rk_fail(err, RK_INTERNAL, "make a placeholder certificate");
    c = create(cert_file);
    f = create(key_file);
    ok = c && f && PEM_write_X509(c, x) == 1 &&
         PEM_write_PrivateKey(f, k, NULL, NULL, 0, NULL, NULL) == 1;
    if (c && fclose(c))
        ok = false;
    if (f && fclose(f))
        ok = false;
    X509_free(x);
    EVP_PKEY_free(k);
    return ok ? RK_OK : rk_fail_errno(err, RK_UNAVAILABLE, errno, "make %s", cert_file);
}

/* ---- reading */

static int64_t unix_s(const ASN1_TIME *t)
{
    struct tm tm;

    return t && ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

enum rk_code acme_cert_read(const char *file, struct rk_str name, struct acme_cert_info *out,
                            struct rk_err *err)
{
    char z[NAME_MAX_BYTES + 1] = "";
    FILE *f = fopen(file, "re");
    X509 *x = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;

    if (f)
        (void)fclose(f);
    if (!x)
        return rk_fail(err, RK_INVALID, "%s is not a certificate", file);
    if (name.n <= NAME_MAX_BYTES)
        memcpy(z, name.p, name.n);
    out->not_before_s = unix_s(X509_get0_notBefore(x));
    out->not_after_s = unix_s(X509_get0_notAfter(x));
    out->covers = X509_check_host(x, z, 0, 0, NULL) == 1 || X509_check_ip_asc(x, z, 0) == 1;
    X509_free(x);
    return RK_OK;
}
