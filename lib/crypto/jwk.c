/* SPDX-License-Identifier: BSD-3-Clause */
/* Signature keys of tokens on OpenSSL; see jwk.h. */
#include "config.h"

#include "lib/crypto/jwk.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "lib/base/enc.h"

#define X5C_MAX   16384 /* base64 characters of a certificate */
#define COORD_MAX 66    /* bytes of a coordinate: P-521 */

struct jwk {
    _Atomic unsigned refs;
    EVP_PKEY *key;
    const struct curve *curve; /* NULL: no EC key */
    bool edwards;
    char *pem;         /* of the public key */
    char *private_pem; /* or NULL */
    struct memory *memory;
};

#define MEMORY_SLOTS 1024

struct memory {
    pthread_mutex_t lock;                /* guards the next one */
    uint8_t (*digests)[JWK_DIGEST_SIZE]; /* MEMORY_SLOTS; NULL before the first */
};

static const struct curve {
    const char *crv, *group;
    size_t bytes; /* of a coordinate, and of half a signature */
    enum jwk_alg alg;
} CURVES[] = {
    {"P-256", "prime256v1", 32, JWK_ES256},
    {"P-384", "secp384r1", 48, JWK_ES384},
    {"P-521", "secp521r1", 66, JWK_ES512},
};

enum family { RSA_1_5, RSA_PSS, EC, EDWARDS };

static const struct {
    const char *name;
    const EVP_MD *(*md)(void);
    enum family family;
} ALGS[] = {
    [JWK_RS256] = {"RS256", EVP_sha256, RSA_1_5}, [JWK_RS384] = {"RS384", EVP_sha384, RSA_1_5},
    [JWK_RS512] = {"RS512", EVP_sha512, RSA_1_5}, [JWK_ES256] = {"ES256", EVP_sha256, EC},
    [JWK_ES384] = {"ES384", EVP_sha384, EC},      [JWK_ES512] = {"ES512", EVP_sha512, EC},
    [JWK_PS256] = {"PS256", EVP_sha256, RSA_PSS}, [JWK_PS384] = {"PS384", EVP_sha384, RSA_PSS},
    [JWK_PS512] = {"PS512", EVP_sha512, RSA_PSS}, [JWK_EDDSA] = {"EdDSA", NULL, EDWARDS},
};

const char *jwk_alg_name(enum jwk_alg alg)
{
    return ALGS[alg].name;
}

bool jwk_alg_parse(struct rk_str name, enum jwk_alg *out)
{
    for (unsigned i = 0; i < RK_ARRAY_LEN(ALGS); i++)
        if (rk_str_eqz(name, ALGS[i].name)) {
            *out = (enum jwk_alg)i;
            return true;
        }
    return false;
}

static enum rk_code ssl_fail(struct rk_err *err, enum rk_code code, const char *what)
{
    unsigned long e = ERR_get_error();
    const char *text = e ? ERR_reason_error_string(e) : NULL;

    ERR_clear_error();
    return rk_fail(err, code, "%s: %s", what, text ? text : "unknown reason");
}

static char *public_pem(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *p = NULL, *text = NULL;
    long n = bio && PEM_write_bio_PUBKEY(bio, key) == 1 ? BIO_get_mem_data(bio, &p) : 0;

    if (n > 0)
        text = rk_str_dupz(rk_str_of(p, (size_t)n));
    BIO_free(bio);
    return text;
}

/* Takes the key. */
static enum rk_code wrap(EVP_PKEY *key, struct jwk **out, struct rk_err *err)
{
    bool edwards = EVP_PKEY_is_a(key, "ED25519") || EVP_PKEY_is_a(key, "ED448");
    const struct curve *curve = NULL;
    char group[64];
    struct jwk *k;

    if (EVP_PKEY_is_a(key, "EC")) {
        if (!EVP_PKEY_get_group_name(key, group, sizeof group, NULL))
            group[0] = '\0';
        for (size_t i = 0; i < RK_ARRAY_LEN(CURVES); i++)
            if (strcmp(CURVES[i].group, group) == 0)
                curve = &CURVES[i];
    }
    if (!curve && !edwards &&
        (!EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_get_bits(key) < JWK_RSA_BITS_MIN ||
         EVP_PKEY_get_bits(key) > JWK_RSA_BITS_MAX)) {
        EVP_PKEY_free(key);
        return rk_fail(err, RK_INVALID,
                       "neither an RSA key of %d to %d bits nor one on a NIST or Edwards curve",
                       JWK_RSA_BITS_MIN, JWK_RSA_BITS_MAX);
    }
    k = rk_calloc(1, sizeof *k);
    k->refs = 1;
    k->key = key;
    k->curve = curve;
    k->edwards = edwards;
    k->memory = rk_calloc(1, sizeof *k->memory);
    (void)pthread_mutex_init(&k->memory->lock, NULL);
    k->pem = public_pem(key);
    if (!k->pem) {
        jwk_unref(k);
        return ssl_fail(err, RK_INTERNAL, "write a public key");
    }
    *out = k;
    return RK_OK;
}

struct jwk *jwk_ref(struct jwk *k)
{
    atomic_fetch_add(&k->refs, 1);
    return k;
}

void jwk_unref(struct jwk *k)
{
    if (!k || atomic_fetch_sub(&k->refs, 1) != 1)
        return;
    EVP_PKEY_free(k->key);
    free(k->pem);
    if (k->private_pem)
        OPENSSL_cleanse(k->private_pem, strlen(k->private_pem));
    free(k->private_pem);
    free(k->memory->digests);
    (void)pthread_mutex_destroy(&k->memory->lock);
    free(k->memory);
    free(k);
}

/* The digest is its own hash. */
static size_t slot_of(const uint8_t digest[JWK_DIGEST_SIZE])
{
    return ((size_t)digest[0] << 8 | digest[1]) % MEMORY_SLOTS;
}

bool jwk_remembers(const struct jwk *k, const uint8_t digest[JWK_DIGEST_SIZE])
{
    struct memory *m = k->memory;
    bool found;

    (void)pthread_mutex_lock(&m->lock);
    found = m->digests && memcmp(m->digests[slot_of(digest)], digest, JWK_DIGEST_SIZE) == 0;
    (void)pthread_mutex_unlock(&m->lock);
    return found;
}

void jwk_remember(const struct jwk *k, const uint8_t digest[JWK_DIGEST_SIZE])
{
    struct memory *m = k->memory;

    (void)pthread_mutex_lock(&m->lock);
    if (!m->digests)
        m->digests = rk_calloc(MEMORY_SLOTS, sizeof *m->digests);
    memcpy(m->digests[slot_of(digest)], digest, JWK_DIGEST_SIZE);
    (void)pthread_mutex_unlock(&m->lock);
}

struct rk_str jwk_private_pem(const struct jwk *k)
{
    return rk_str_z(k->private_pem);
}

struct rk_str jwk_public_pem(const struct jwk *k)
{
    return rk_str_z(k->pem);
}

bool jwk_fits(const struct jwk *k, enum jwk_alg alg)
{
    switch (ALGS[alg].family) {
    case RSA_1_5:
    case RSA_PSS:
        return !k->curve && !k->edwards;
    case EC:
        return k->curve && k->curve->alg == alg;
    case EDWARDS:
        return k->edwards;
    }
    return false;
}

/* ---- private keys */

/* Takes the key. */
static enum rk_code wrap_private(EVP_PKEY *key, struct jwk **out, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(0);
    struct jwk *k = NULL;
    struct rk_str pem;
    enum rk_code rc = wrap(key, &k, err);

    if (rc == RK_OK)
        rc = jwk_to_pem(k, mem, &pem, err);
    if (rc) {
        jwk_unref(k);
        return rc;
    }
    k->private_pem = rk_str_dupz(pem);
    *out = k;
    return RK_OK;
}

enum rk_code jwk_rsa_new(struct jwk **out, struct rk_err *err)
{
    EVP_PKEY *key = EVP_RSA_gen((unsigned)JWK_RSA_BITS_MIN);

    return key ? wrap_private(key, out, err) : ssl_fail(err, RK_INTERNAL, "make an RSA key");
}

enum rk_code jwk_to_pem(const struct jwk *k, struct rk_arena *mem, struct rk_str *out,
                        struct rk_err *err)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    char *p = NULL;
    long n;
    bool ok = bio && PEM_write_bio_PKCS8PrivateKey(bio, k->key, NULL, NULL, 0, NULL, NULL) == 1;

    n = ok ? BIO_get_mem_data(bio, &p) : 0;
    if (n > 0)
        *out = rk_arena_dup(mem, rk_str_of(p, (size_t)n));
    BIO_free(bio);
    return n > 0 ? RK_OK : ssl_fail(err, RK_INTERNAL, "write a private key");
}

enum rk_code jwk_of_pem(struct rk_str pem, struct jwk **out, struct rk_err *err)
{
    BIO *bio = pem.n < 1 << 16 ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;

    BIO_free(bio);
    return key ? wrap_private(key, out, err) : ssl_fail(err, RK_INTERNAL, "read a private key");
}

/* ---- public keys */

static enum rk_code build(const char *type, OSSL_PARAM_BLD *bld, struct jwk **out,
                          struct rk_err *err)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
    EVP_PKEY *key = NULL;
    bool ok = ctx && params && EVP_PKEY_fromdata_init(ctx) == 1 &&
              EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) == 1;

    OSSL_PARAM_free(params);
    EVP_PKEY_CTX_free(ctx);
    if (!ok) {
        EVP_PKEY_free(key);
        return ssl_fail(err, RK_INVALID, "not a public key");
    }
    return wrap(key, out, err);
}

static BIGNUM *number(struct rk_str base64url, size_t max)
{
    uint8_t raw[JWK_RSA_BITS_MAX / 8];
    size_t n;

    if (rk_base64url_decode(base64url, raw, max < sizeof raw ? max : sizeof raw, &n, NULL) || !n)
        return NULL;
    return BN_bin2bn(raw, (int)n, NULL);
}

enum rk_code jwk_of_rsa(struct rk_str n, struct rk_str e, struct jwk **out, struct rk_err *err)
{
    BIGNUM *bn = number(n, JWK_RSA_BITS_MAX / 8), *be = number(e, 8);
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    enum rk_code rc = RK_INVALID;

    if (bn && be && BN_is_odd(be) && BN_num_bits(be) > 1 && bld &&
        OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, bn) &&
        OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, be))
        rc = build("RSA", bld, out, err);
    else
        rc = rk_fail(err, RK_INVALID, "not an RSA public key");
    OSSL_PARAM_BLD_free(bld);
    BN_free(bn);
    BN_free(be);
    return rc;
}

enum rk_code jwk_of_ec(struct rk_str crv, struct rk_str x, struct rk_str y, struct jwk **out,
                       struct rk_err *err)
{
    const struct curve *c = NULL;
    uint8_t point[1 + 2 * COORD_MAX] = {POINT_CONVERSION_UNCOMPRESSED};
    OSSL_PARAM_BLD *bld;
    size_t nx, ny;
    enum rk_code rc;

    for (size_t i = 0; i < RK_ARRAY_LEN(CURVES); i++)
        if (rk_str_eqz(crv, CURVES[i].crv))
            c = &CURVES[i];
    if (!c || rk_base64url_decode(x, point + 1, c->bytes, &nx, NULL) || nx != c->bytes ||
        rk_base64url_decode(y, point + 1 + c->bytes, c->bytes, &ny, NULL) || ny != c->bytes)
        return rk_fail(err, RK_INVALID, "not a public key on P-256, P-384 or P-521");
    bld = OSSL_PARAM_BLD_new();
    if (bld && OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, c->group, 0) &&
        OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * c->bytes))
        rc = build("EC", bld, out, err);
    else
        rc = ssl_fail(err, RK_INTERNAL, "EC key");
    OSSL_PARAM_BLD_free(bld);
    return rc;
}

enum rk_code jwk_of_okp(struct rk_str crv, struct rk_str x, struct jwk **out, struct rk_err *err)
{
    bool small = rk_str_eqz(crv, "Ed25519");
    uint8_t raw[57];
    EVP_PKEY *key = NULL;
    size_t n, want = small ? 32 : sizeof raw;

    if ((small || rk_str_eqz(crv, "Ed448")) &&
        rk_base64url_decode(x, raw, sizeof raw, &n, NULL) == RK_OK && n == want)
        key = EVP_PKEY_new_raw_public_key_ex(NULL, small ? "ED25519" : "ED448", NULL, raw, n);
    return key ? wrap(key, out, err)
               : ssl_fail(err, RK_INVALID, "not a public key on Ed25519 or Ed448");
}

enum rk_code jwk_of_x5c(struct rk_str cert, struct jwk **out, struct rk_err *err)
{
    uint8_t *der;
    const unsigned char *p;
    X509 *x = NULL;
    EVP_PKEY *key = NULL;
    size_t n = 0;

    if (cert.n > X5C_MAX)
        return rk_fail(err, RK_INVALID, "certificate of a key: too long");
    der = rk_malloc(cert.n + 1);
    p = der;
    if (rk_base64_decode(cert, der, cert.n, &n, NULL) == RK_OK)
        x = d2i_X509(NULL, &p, (long)n);
    if (x)
        key = X509_get_pubkey(x);
    X509_free(x);
    free(der);
    return key ? wrap(key, out, err) : ssl_fail(err, RK_INVALID, "certificate of a key");
}

static bool member(const struct jwk *k, const char *name, struct rk_arena *mem, struct rk_str *out)
{
    BIGNUM *bn = NULL;
    uint8_t raw[JWK_RSA_BITS_MAX / 8];
    int n;

    if (EVP_PKEY_get_bn_param(k->key, name, &bn) != 1)
        return false;
    n = BN_num_bytes(bn) <= (int)sizeof raw ? BN_bn2bin(bn, raw) : 0;
    BN_free(bn);
    *out = rk_base64url_encode(mem, rk_str_of(raw, (size_t)n));
    return n > 0;
}

enum rk_code jwk_rsa_public(const struct jwk *k, struct rk_arena *mem, struct rk_str *n,
                            struct rk_str *e, struct rk_err *err)
{
    if (k->curve || k->edwards || !member(k, OSSL_PKEY_PARAM_RSA_N, mem, n) ||
        !member(k, OSSL_PKEY_PARAM_RSA_E, mem, e))
        return ssl_fail(err, RK_INTERNAL, "public part of a key");
    return RK_OK;
}

/* ---- signatures */

enum rk_code jwk_sign(const struct jwk *k, struct rk_arena *mem, struct rk_str in,
                      struct rk_str *out, struct rk_err *err)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t sig[JWK_SIG_MAX];
    size_t n = sizeof sig;
    bool ok = ctx && jwk_fits(k, JWK_RS256) &&
              EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, k->key) == 1 &&
              EVP_DigestSign(ctx, sig, &n, (const unsigned char *)in.p, in.n) == 1;

    EVP_MD_CTX_free(ctx);
    if (!ok)
        return ssl_fail(err, RK_INTERNAL, "sign");
    *out = rk_base64url_encode(mem, rk_str_of(sig, n));
    return RK_OK;
}

/* RFC 7518 3.4: two numbers of fixed size, where OpenSSL wants DER. 0 when it is no such pair. */
static size_t ec_to_der(const struct curve *c, struct rk_str sig, uint8_t *der, size_t size)
{
    ECDSA_SIG *s = ECDSA_SIG_new();
    const unsigned char *p = (const unsigned char *)sig.p;
    BIGNUM *r = BN_bin2bn(p, (int)c->bytes, NULL);
    BIGNUM *t = BN_bin2bn(p + c->bytes, (int)c->bytes, NULL);
    unsigned char *at = der;
    int n = 0;

    if (s && r && t && ECDSA_SIG_set0(s, r, t)) {
        r = t = NULL;
        n = i2d_ECDSA_SIG(s, NULL);
        n = n > 0 && (size_t)n <= size ? i2d_ECDSA_SIG(s, &at) : 0;
    }
    BN_free(r);
    BN_free(t);
    ECDSA_SIG_free(s);
    return n > 0 ? (size_t)n : 0;
}

/* RFC 7518 3.5: the salt is as long as the hash, MGF1 with the same hash. */
static bool pss(EVP_PKEY_CTX *ctx, const EVP_MD *md)
{
    return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1 &&
           EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, md) == 1;
}

enum rk_code jwk_verify(const struct jwk *k, enum jwk_alg alg, struct rk_str in, struct rk_str sig,
                        struct rk_err *err)
{
    const EVP_MD *md = ALGS[alg].md ? ALGS[alg].md() : NULL;
    uint8_t der[2 * COORD_MAX + 16];
    EVP_MD_CTX *ctx;
    EVP_PKEY_CTX *how = NULL;
    bool ok = jwk_fits(k, alg) && (k->curve ? sig.n == 2 * k->curve->bytes : sig.n <= JWK_SIG_MAX);

    if (ok && k->curve) {
        sig = rk_str_of(der, ec_to_der(k->curve, sig, der, sizeof der));
        ok = sig.n > 0;
    }
    ctx = ok ? EVP_MD_CTX_new() : NULL;
    ok = ctx && EVP_DigestVerifyInit(ctx, &how, md, NULL, k->key) == 1 &&
         (ALGS[alg].family != RSA_PSS || pss(how, md)) &&
         EVP_DigestVerify(ctx, (const unsigned char *)sig.p, sig.n, (const unsigned char *)in.p,
                          in.n) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return ok ? RK_OK : rk_fail(err, RK_UNAUTHENTICATED, "the signature of the token is wrong");
}
