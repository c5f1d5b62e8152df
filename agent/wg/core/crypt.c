/* SPDX-License-Identifier: BSD-3-Clause */
/* Primitives of WireGuard over libsodium and OpenSSL; see crypt.h. */
#include "config.h"

#include "agent/wg/core/crypt.h"

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/num.h"

#define BLOCK_SIZE 64 /* of BLAKE2s */
#define NONCE_SIZE 12

struct lane { /* one direction of the bulk cipher */
    EVP_CIPHER_CTX *ctx;
    struct rk_key key;
    bool keyed;
};

struct wgc_crypt {
    EVP_MD *md;
    EVP_MD_CTX *hash;
    EVP_MAC *mac_kind;
    EVP_MAC_CTX *mac;
    EVP_CIPHER *cipher;
    struct lane seal, open;
};

/* None of these calls can fail with algorithms that were fetched and sizes that we choose. */
static void must(int ok)
{
    if (ok <= 0)
        abort();
}

enum rk_code wgc_crypt_new(struct wgc_crypt **out, struct rk_err *err)
{
    struct wgc_crypt *c = rk_calloc(1, sizeof *c);

    c->md = EVP_MD_fetch(NULL, "BLAKE2S-256", NULL);
    c->mac_kind = EVP_MAC_fetch(NULL, "BLAKE2SMAC", NULL);
    c->cipher = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
    c->hash = EVP_MD_CTX_new();
    c->mac = c->mac_kind ? EVP_MAC_CTX_new(c->mac_kind) : NULL;
    c->seal.ctx = EVP_CIPHER_CTX_new();
    c->open.ctx = EVP_CIPHER_CTX_new();
    if (!c->md || !c->mac || !c->cipher || !c->hash || !c->seal.ctx || !c->open.ctx) {
        wgc_crypt_free(c);
        return rk_fail(err, RK_UNAVAILABLE,
                       "this OpenSSL has no BLAKE2s or ChaCha20-Poly1305, which WireGuard needs");
    }
    *out = c;
    return RK_OK;
}

void wgc_crypt_free(struct wgc_crypt *c)
{
    if (!c)
        return;
    EVP_CIPHER_CTX_free(c->seal.ctx);
    EVP_CIPHER_CTX_free(c->open.ctx);
    EVP_MD_CTX_free(c->hash);
    EVP_MAC_CTX_free(c->mac);
    EVP_MD_free(c->md);
    EVP_MAC_free(c->mac_kind);
    EVP_CIPHER_free(c->cipher);
    rk_key_wipe(&c->seal.key);
    rk_key_wipe(&c->open.key);
    free(c);
}

/* ---- BLAKE2s */

static void digest(struct wgc_crypt *c, const struct rk_str *v, size_t n,
                   uint8_t out[WGC_HASH_SIZE])
{
    must(EVP_DigestInit_ex(c->hash, c->md, NULL));
    for (size_t i = 0; i < n; i++)
        must(EVP_DigestUpdate(c->hash, v[i].p, v[i].n));
    must(EVP_DigestFinal_ex(c->hash, out, NULL));
}

void wgc_hash(struct wgc_crypt *c, struct rk_str a, struct rk_str b, uint8_t out[WGC_HASH_SIZE])
{
    digest(c, (struct rk_str[]){a, b}, 2, out);
}

void wgc_mac(struct wgc_crypt *c, struct rk_str key, struct rk_str in, uint8_t out[WGC_MAC_SIZE])
{
    size_t size = WGC_MAC_SIZE, n;
    OSSL_PARAM params[] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
                           OSSL_PARAM_construct_end()};

    must(EVP_MAC_init(c->mac, (const uint8_t *)key.p, key.n, params));
    must(EVP_MAC_update(c->mac, (const uint8_t *)in.p, in.n));
    must(EVP_MAC_final(c->mac, out, &n, WGC_MAC_SIZE));
}

/* Hmac(key, a || b) by RFC 2104: BLAKE2s' own keyed mode is another function. */
static void hmac(struct wgc_crypt *c, const uint8_t key[WGC_HASH_SIZE], struct rk_str a,
                 struct rk_str b, uint8_t out[WGC_HASH_SIZE])
{
    uint8_t pad[BLOCK_SIZE] = {0}, inner[WGC_HASH_SIZE];

    memcpy(pad, key, WGC_HASH_SIZE);
    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] ^= 0x36;
    digest(c, (struct rk_str[]){rk_str_of(pad, sizeof pad), a, b}, 3, inner);
    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] ^= 0x36 ^ 0x5c;
    digest(c, (struct rk_str[]){rk_str_of(pad, sizeof pad), rk_str_of(inner, sizeof inner)}, 2,
           out);
    rk_secret_wipe(pad, sizeof pad);
    rk_secret_wipe(inner, sizeof inner);
}

void wgc_kdf(struct wgc_crypt *c, const struct rk_key *chain, struct rk_str in, struct rk_key *o1,
             struct rk_key *o2, struct rk_key *o3)
{
    struct rk_key *outs[] = {o1, o2, o3};
    uint8_t t0[WGC_HASH_SIZE], t[WGC_HASH_SIZE];
    struct rk_str before = {0};

    hmac(c, chain->b, in, before, t0);
    for (uint8_t i = 0; i < RK_ARRAY_LEN(outs) && outs[i]; i++) {
        uint8_t n = (uint8_t)(i + 1);

        hmac(c, t0, before, rk_str_of(&n, 1), t);
        memcpy(outs[i]->b, t, sizeof t);
        before = rk_str_of(t, sizeof t);
    }
    rk_secret_wipe(t0, sizeof t0);
    rk_secret_wipe(t, sizeof t);
}

/* ---- X25519 and the boxes of the handshake */

bool wgc_dh(const struct rk_key *secret, const struct rk_key *public, struct rk_key *out)
{
    return crypto_scalarmult(out->b, secret->b, public->b) == 0;
}

void wgc_box(const struct rk_key *key, struct rk_str in, struct rk_str ad, uint8_t *out)
{
    static const uint8_t nonce[NONCE_SIZE];

    (void)crypto_aead_chacha20poly1305_ietf_encrypt(
        out, NULL, (const uint8_t *)in.p, in.n, (const uint8_t *)ad.p, ad.n, NULL, nonce, key->b);
}

bool wgc_unbox(const struct rk_key *key, struct rk_str in, struct rk_str ad, uint8_t *out)
{
    static const uint8_t nonce[NONCE_SIZE];

    return crypto_aead_chacha20poly1305_ietf_decrypt(out, NULL, NULL, (const uint8_t *)in.p, in.n,
                                                     (const uint8_t *)ad.p, ad.n, nonce,
                                                     key->b) == 0;
}

void wgc_xbox(const struct rk_key *key, const uint8_t nonce[WGC_XNONCE_SIZE], struct rk_str in,
              struct rk_str ad, uint8_t *out)
{
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(
        out, NULL, (const uint8_t *)in.p, in.n, (const uint8_t *)ad.p, ad.n, NULL, nonce, key->b);
}

bool wgc_xunbox(const struct rk_key *key, const uint8_t nonce[WGC_XNONCE_SIZE], struct rk_str in,
                struct rk_str ad, uint8_t *out)
{
    return crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL, (const uint8_t *)in.p, in.n,
                                                      (const uint8_t *)ad.p, ad.n, nonce,
                                                      key->b) == 0;
}

/* ---- transport data */

/* EVP_CIPHER_CTX_ctrl would look its parameters up by name once more; per packet that shows. */
static void tag_param(OSSL_PARAM p[2], uint8_t *tag)
{
    p[0] = OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, WGC_TAG_SIZE);
    p[1] = OSSL_PARAM_construct_end();
}

/* Nonce of the AEAD: 32 zero bits, then the counter in little endian (section 5.4.6). */
static void begin(struct wgc_crypt *c, struct lane *l, const struct rk_key *key, uint64_t counter,
                  int encrypt)
{
    uint8_t nonce[NONCE_SIZE] = {0};
    bool same = l->keyed && memcmp(l->key.b, key->b, sizeof key->b) == 0; /* both are ours */

    for (size_t i = 0; i < sizeof counter; i++)
        nonce[4 + i] = (uint8_t)(counter >> (8 * i));
    must(EVP_CipherInit_ex2(l->ctx, l->keyed ? NULL : c->cipher, same ? NULL : key->b, nonce,
                            l->keyed ? -1 : encrypt, NULL));
    if (!same)
        l->key = *key;
    l->keyed = true;
}

void wgc_seal(struct wgc_crypt *c, const struct rk_key *key, uint64_t counter, uint8_t *p, size_t n)
{
    OSSL_PARAM tag[2];
    int len = 0;

    if (n > INT_MAX)
        abort();
    begin(c, &c->seal, key, counter, 1);
    if (n)
        must(EVP_CipherUpdate(c->seal.ctx, p, &len, p, (int)n));
    must(EVP_CipherFinal_ex(c->seal.ctx, p + n, &len));
    tag_param(tag, p + n);
    must(EVP_CIPHER_CTX_get_params(c->seal.ctx, tag));
}

bool wgc_open(struct wgc_crypt *c, const struct rk_key *key, uint64_t counter, uint8_t *p, size_t n)
{
    OSSL_PARAM tag[2];
    int len = 0;

    if (n < WGC_TAG_SIZE || n > INT_MAX)
        return false;
    n -= WGC_TAG_SIZE;
    begin(c, &c->open, key, counter, 0);
    tag_param(tag, p + n);
    must(EVP_CIPHER_CTX_set_params(c->open.ctx, tag));
    if (n && EVP_CipherUpdate(c->open.ctx, p, &len, p, (int)n) <= 0)
        return false;
    return EVP_CipherFinal_ex(c->open.ctx, p + n, &len) > 0;
}
