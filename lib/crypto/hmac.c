/* SPDX-License-Identifier: BSD-3-Clause */
/* HMAC-SHA256 by libsodium, HMAC-SHA1 by OpenSSL (libsodium has none), and the credentials. */
#include "config.h"

#include "lib/crypto/hmac.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <sodium.h>

#include "lib/base/enc.h"
#include "lib/base/num.h"
#include "lib/base/rd.h"
#include "lib/base/wr.h"
#include "lib/crypto/hash.h"

#define SHA1_BLOCK 64

/* Libraries want a pointer even for nothing. */
static const uint8_t *bytes_of(struct rk_str s)
{
    return (const uint8_t *)(s.n ? s.p : "");
}

/* ---- SHA-1
 * By digests of an algorithm that is looked up once: HMAC() looks its parts up by name in every
 * call, which costs more than the sums and, on a small machine, keeps a megabyte of OpenSSL in
 * memory only because ICE checks its paths. */

static EVP_MD *sha1_kind;
static pthread_once_t sha1_once = PTHREAD_ONCE_INIT;

static void sha1_must(int ok)
{
    if (ok > 0)
        return;
    fputs("hmac_sha1: OpenSSL refuses SHA-1 on this system\n", stderr);
    abort();
}

static void sha1_find(void)
{
    sha1_kind = EVP_MD_fetch(NULL, "SHA1", NULL); /* for life */
    sha1_must(sha1_kind != NULL);
}

static void sha1(EVP_MD_CTX *c, struct rk_str a, struct rk_str b, uint8_t out[HMAC_SHA1_SIZE])
{
    sha1_must(EVP_DigestInit_ex(c, sha1_kind, NULL));
    sha1_must(EVP_DigestUpdate(c, bytes_of(a), a.n));
    sha1_must(EVP_DigestUpdate(c, bytes_of(b), b.n));
    sha1_must(EVP_DigestFinal_ex(c, out, NULL));
}

/* RFC 2104. */
void hmac_sha1(struct rk_str key, struct rk_str msg, uint8_t out[HMAC_SHA1_SIZE])
{
    uint8_t pad[SHA1_BLOCK] = {0}, inner[HMAC_SHA1_SIZE];
    EVP_MD_CTX *c = EVP_MD_CTX_new();

    sha1_must(c != NULL);
    (void)pthread_once(&sha1_once, sha1_find);
    if (key.n > sizeof pad)
        sha1(c, key, (struct rk_str){0}, pad);
    else
        memcpy(pad, bytes_of(key), key.n);
    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] ^= 0x36;
    sha1(c, rk_str_of(pad, sizeof pad), msg, inner);
    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] ^= 0x36 ^ 0x5c;
    sha1(c, rk_str_of(pad, sizeof pad), rk_str_of(inner, sizeof inner), out);
    EVP_MD_CTX_free(c); /* wipes */
    rk_secret_wipe(pad, sizeof pad);
    rk_secret_wipe(inner, sizeof inner);
}

/* ---- SHA-256 */

void hmac_sha256(struct rk_str key, struct rk_str msg, uint8_t out[HMAC_SHA256_SIZE])
{
    crypto_auth_hmacsha256_state st;

    (void)crypto_auth_hmacsha256_init(&st, bytes_of(key), key.n);
    (void)crypto_auth_hmacsha256_update(&st, bytes_of(msg), msg.n);
    (void)crypto_auth_hmacsha256_final(&st, out);
    rk_secret_wipe(&st, sizeof st);
}

static struct rk_str payload_set(struct hmac_credential *c, int64_t expires_unix_s)
{
    int n = snprintf(c->payload, sizeof c->payload, "%" PRId64, expires_unix_s);

    return rk_str_of(c->payload, (size_t)n);
}

void hmac_turn_credential(struct rk_str secret, int64_t expires_unix_s, struct hmac_credential *out)
{
    uint8_t mac[HMAC_SHA1_SIZE];

    _Static_assert(sizeof out->signature > RK_BASE64_LEN(HMAC_SHA256_SIZE), "room for base64");
    hmac_sha1(secret, payload_set(out, expires_unix_s), mac);
    rk_base64_encode_to(out->signature, rk_str_of(mac, sizeof mac));
}

void hmac_relay_key(struct rk_str secret, struct rk_key *out)
{
    hash_sha256(secret, out->b);
}

static void relay_sign(const struct rk_key *relay_key, struct rk_str payload,
                       uint8_t out[HMAC_SHA256_SIZE])
{
    hmac_sha256(rk_str_of(relay_key->b, sizeof relay_key->b), payload, out);
}

void hmac_relay_credential(const struct rk_key *relay_key, int64_t expires_unix_s,
                           struct hmac_credential *out)
{
    uint8_t mac[HMAC_SHA256_SIZE];

    relay_sign(relay_key, payload_set(out, expires_unix_s), mac);
    rk_base64_encode_to(out->signature, rk_str_of(mac, sizeof mac));
}

enum rk_code hmac_relay_token_build(struct rk_str payload, struct rk_str signature,
                                    struct hmac_relay_token *out, struct rk_err *err)
{
    struct hmac_relay_token t = {0};
    struct rk_wr wr = rk_wr_of(t.b, sizeof t.b);
    uint8_t mac[HMAC_SHA256_SIZE];
    size_t n = 0;

    if (rk_base64_decode(signature, mac, sizeof mac, &n, NULL) || n != sizeof mac)
        return rk_fail(err, RK_BAD_REQUEST, "relay token: signature is not 32 bytes in base64");
    rk_wr_u8(&wr, HMAC_RELAY_ALGO_SHA256);
    rk_wr_mem(&wr, mac, sizeof mac);
    rk_wr_str(&wr, payload);
    if (wr.bad)
        return rk_fail(err, RK_BAD_REQUEST, "relay token: payload of %zu characters is too long",
                       payload.n);
    t.n = wr.n;
    *out = t;
    return RK_OK;
}

enum rk_code hmac_relay_token_verify(const struct rk_key *relay_key, struct rk_str token,
                                     int64_t now_unix_s, int64_t *expires_unix_s,
                                     struct rk_err *err)
{
    struct rk_rd rd = rk_rd_of(token);
    unsigned algo = rk_rd_u8(&rd);
    struct rk_str mac = rk_rd_str(&rd, HMAC_SHA256_SIZE);
    struct rk_str payload = rk_rd_rest(&rd);
    uint8_t want[HMAC_SHA256_SIZE];
    int64_t expires;

    if (rd.bad || payload.n < HMAC_PAYLOAD_MIN || payload.n > HMAC_PAYLOAD_MAX)
        return rk_fail(err, RK_UNAUTHENTICATED, "relay token: %zu bytes", token.n);
    if (algo != HMAC_RELAY_ALGO_SHA256)
        return rk_fail(err, RK_UNAUTHENTICATED, "relay token: unknown algorithm %u", algo);
    relay_sign(relay_key, payload, want);
    if (!rk_secret_eq(mac.p, want, sizeof want))
        return rk_fail(err, RK_UNAUTHENTICATED, "relay token: wrong signature");
    if (rk_parse_i64(payload, INT64_MIN, INT64_MAX, &expires, NULL))
        return rk_fail(err, RK_UNAUTHENTICATED, "relay token: payload is not a time");
    if (now_unix_s > expires)
        return rk_fail(err, RK_UNAUTHENTICATED, "relay token: expired at %" PRId64, expires);
    if (expires_unix_s)
        *expires_unix_s = expires;
    return RK_OK;
}
