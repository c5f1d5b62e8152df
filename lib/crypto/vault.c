/* SPDX-License-Identifier: BSD-3-Clause */
/* Values at rest: XChaCha20-Poly1305 by libsodium and a small ring of keys. */
#include "config.h"

#include "lib/crypto/vault.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "lib/base/enc.h"

#define NONCE_SIZE  crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_SIZE    crypto_aead_xchacha20poly1305_ietf_ABYTES
#define ID_HEX      8
#define HEAD_LEN    (4 + ID_HEX + 1) /* "rk1:" id ":" */
#define RAW_MAX     (NONCE_SIZE + VAULT_PLAIN_MAX + TAG_SIZE)
#define CONTEXT_MAX 512 /* bytes of column name and row id */

_Static_assert(sizeof(struct rk_key) == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "key");

struct vault {
    size_t n;
    struct {
        char id[ID_HEX + 1];
        struct rk_key key;
    } keys[VAULT_KEYS_MAX];
};

struct vault *vault_new(void)
{
    return rk_calloc(1, sizeof(struct vault));
}

void vault_free(struct vault *v)
{
    if (!v)
        return;
    rk_secret_wipe(v, sizeof *v);
    free(v);
}

void vault_freep(struct vault **v)
{
    vault_free(*v);
    *v = NULL;
}

/* A keyed hash, so the id tells nothing about the key and nobody has to invent ids. */
static void id_of(const struct rk_key *key, char out[ID_HEX + 1])
{
    static const uint8_t purpose[] = "rookery vault key id";
    uint8_t digest[crypto_generichash_BYTES_MIN];

    (void)crypto_generichash(digest, sizeof digest, purpose, sizeof purpose - 1, key->b,
                             sizeof key->b);
    rk_hex_encode_to(out, rk_str_of(digest, ID_HEX / 2));
}

static const struct rk_key *find(const struct vault *v, struct rk_str id)
{
    for (size_t i = 0; i < v->n; i++)
        if (rk_str_eqz(id, v->keys[i].id))
            return &v->keys[i].key;
    return NULL;
}

enum rk_code vault_add_key(struct vault *v, const struct rk_key *key, struct rk_err *err)
{
    char id[ID_HEX + 1];

    if (rk_key_is_zero(key))
        return rk_fail(err, RK_INVALID, "storage key is all zero");
    id_of(key, id);
    if (find(v, rk_str_z(id)))
        return rk_fail(err, RK_EXISTS, "storage key %s is there twice", id);
    if (v->n == VAULT_KEYS_MAX)
        return rk_fail(err, RK_LIMIT, "more than %d storage keys", VAULT_KEYS_MAX);
    memcpy(v->keys[v->n].id, id, sizeof id);
    v->keys[v->n++].key = *key;
    return RK_OK;
}

enum rk_code vault_seal(const struct vault *v, struct rk_arena *a, struct rk_str context,
                        struct rk_str plain, struct rk_str *out, struct rk_err *err)
{
    size_t raw_n = NONCE_SIZE + plain.n + TAG_SIZE;
    uint8_t *raw;
    char *text;

    if (v->n == 0)
        return rk_fail(err, RK_INTERNAL, "no storage key is configured");
    if (plain.n > VAULT_PLAIN_MAX || context.n > CONTEXT_MAX)
        return rk_fail(err, RK_LIMIT, "value of %zu bytes is too long to seal", plain.n);
    raw = rk_arena_alloc(a, raw_n);
    rk_secret_random(raw, NONCE_SIZE);
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(
        raw + NONCE_SIZE, NULL, (const uint8_t *)plain.p, plain.n, (const uint8_t *)context.p,
        context.n, NULL, raw, v->keys[0].key.b);
    text = rk_arena_alloc(a, HEAD_LEN + RK_BASE64_LEN(raw_n) + 1);
    memcpy(text, "rk1:", 4);
    memcpy(text + 4, v->keys[0].id, ID_HEX);
    text[4 + ID_HEX] = ':';
    rk_base64_encode_to(text + HEAD_LEN, rk_str_of(raw, raw_n));
    *out = rk_str_of(text, HEAD_LEN + RK_BASE64_LEN(raw_n));
    return RK_OK;
}

/* Split the text; false where it is not one of ours. */
static bool head(struct rk_str sealed, struct rk_str *id, struct rk_str *base64)
{
    if (!rk_str_starts(sealed, RK_STR("rk1:")) || sealed.n < HEAD_LEN ||
        sealed.p[HEAD_LEN - 1] != ':')
        return false;
    *id = rk_str_sub(sealed, 4, ID_HEX);
    *base64 = rk_str_sub(sealed, HEAD_LEN, sealed.n);
    return true;
}

enum rk_code vault_open(const struct vault *v, struct rk_arena *a, struct rk_str context,
                        struct rk_str sealed, struct rk_str *out, struct rk_err *err)
{
    struct rk_str id, base64;
    const struct rk_key *key;
    uint8_t *raw, *plain;
    size_t n = 0;

    if (!head(sealed, &id, &base64))
        return rk_fail(err, RK_INTERNAL, "%.*s: not a sealed value", RK_STR_ARG(context));
    key = find(v, id);
    if (!key)
        return rk_fail(err, RK_INTERNAL, "%.*s: sealed with a storage key that is not configured",
                       RK_STR_ARG(context));
    if (base64.n > RK_BASE64_LEN(RAW_MAX) || context.n > CONTEXT_MAX)
        return rk_fail(err, RK_LIMIT, "sealed value of %zu bytes is too long", sealed.n);
    raw = rk_arena_try(a, base64.n + 1);
    plain = rk_arena_try(a, base64.n + 1);
    if (!raw || !plain)
        return rk_fail(err, RK_LIMIT, "sealed value of %zu bytes is too long", sealed.n);
    if (rk_base64_decode(base64, raw, base64.n, &n, NULL) || n < NONCE_SIZE + TAG_SIZE)
        return rk_fail(err, RK_INTERNAL, "%.*s: not a sealed value", RK_STR_ARG(context));
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(plain, NULL, NULL, raw + NONCE_SIZE,
                                                   n - NONCE_SIZE, (const uint8_t *)context.p,
                                                   context.n, raw, key->b))
        return rk_fail(err, RK_INTERNAL, "%.*s: sealed value was altered or moved",
                       RK_STR_ARG(context));
    n -= NONCE_SIZE + TAG_SIZE;
    plain[n] = 0;
    *out = rk_str_of(plain, n);
    return RK_OK;
}

bool vault_is_current(const struct vault *v, struct rk_str sealed)
{
    struct rk_str id, base64;

    return v->n > 0 && head(sealed, &id, &base64) && rk_str_eqz(id, v->keys[0].id);
}
