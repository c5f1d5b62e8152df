/* SPDX-License-Identifier: BSD-3-Clause */
/* NaCl box over libsodium, with the nonce in front as Go's clients send it. */
#include "config.h"

#include "lib/crypto/box.h"

#include <string.h>

#include <sodium.h>

_Static_assert(BOX_NONCE_SIZE == crypto_box_NONCEBYTES, "nonce");
_Static_assert(BOX_TAG_SIZE == crypto_box_MACBYTES, "tag");
_Static_assert(sizeof(struct box_shared) == crypto_box_BEFORENMBYTES, "shared key");

enum rk_code box_shared_init(const struct rk_key *own_private, const struct rk_key *their_public,
                             struct box_shared *out, struct rk_err *err)
{
    struct box_shared s;

    if (crypto_box_beforenm(s.k, their_public->b, own_private->b))
        return rk_fail(err, RK_BAD_REQUEST, "public key is not usable");
    *out = s;
    box_shared_wipe(&s);
    return RK_OK;
}

void box_shared_wipe(struct box_shared *s)
{
    rk_secret_wipe(s->k, sizeof s->k);
}

/* plain may be where the ciphertext goes, or elsewhere; both halves may be empty. */
static void seal(const struct box_shared *s, const uint8_t *plain, size_t n, uint8_t *body)
{
    (void)crypto_box_detached_afternm(body + BOX_OVERHEAD, body + BOX_NONCE_SIZE, plain, n, body,
                                      s->k); /* fails only for sizes beyond the address space */
}

void box_seal_with_nonce(const struct box_shared *s, const uint8_t nonce[BOX_NONCE_SIZE],
                         struct rk_str plain, uint8_t *out)
{
    memcpy(out, nonce, BOX_NONCE_SIZE);
    seal(s, (const uint8_t *)plain.p, plain.n, out);
}

void box_seal(const struct box_shared *s, struct rk_str plain, uint8_t *out)
{
    rk_secret_random(out, BOX_NONCE_SIZE);
    seal(s, (const uint8_t *)plain.p, plain.n, out);
}

void box_seal_in_place(const struct box_shared *s, uint8_t *body, size_t body_size)
{
    rk_secret_random(body, BOX_NONCE_SIZE);
    seal(s, body + BOX_OVERHEAD, body_size - BOX_OVERHEAD, body);
}

struct rk_str box_seal_new(const struct box_shared *s, struct rk_arena *a, struct rk_str plain)
{
    uint8_t *out = rk_arena_alloc_n(a, plain.n + BOX_OVERHEAD, 1);

    box_seal(s, plain, out);
    return rk_str_of(out, plain.n + BOX_OVERHEAD);
}

/* out may be the ciphertext itself. libsodium checks the tag before it decrypts. */
static enum rk_code open_to(const struct box_shared *s, const uint8_t *body, size_t size,
                            uint8_t *out, struct rk_err *err)
{
    if (size < BOX_OVERHEAD)
        return rk_fail(err, RK_BAD_REQUEST, "sealed body of %zu bytes is too short", size);
    if (crypto_box_open_detached_afternm(out, body + BOX_OVERHEAD, body + BOX_NONCE_SIZE,
                                         size - BOX_OVERHEAD, body, s->k))
        return rk_fail(err, RK_BAD_REQUEST, "sealed body does not open with this key");
    return RK_OK;
}

enum rk_code box_open(const struct box_shared *s, struct rk_str body, uint8_t *out, size_t *n,
                      struct rk_err *err)
{
    enum rk_code rc = open_to(s, (const uint8_t *)body.p, body.n, out, err);

    if (rc == RK_OK)
        *n = body.n - BOX_OVERHEAD;
    return rc;
}

enum rk_code box_open_new(const struct box_shared *s, struct rk_arena *a, struct rk_str body,
                          struct rk_str *out, struct rk_err *err)
{
    size_t n = body.n < BOX_OVERHEAD ? 0 : body.n - BOX_OVERHEAD;
    uint8_t *plain = rk_arena_try(a, n + 1);
    enum rk_code rc;

    if (!plain)
        return rk_fail(err, RK_LIMIT, "sealed body of %zu bytes is too large", body.n);
    rc = open_to(s, (const uint8_t *)body.p, body.n, plain, err);
    if (rc)
        return rc;
    plain[n] = 0;
    *out = rk_str_of(plain, n);
    return RK_OK;
}

enum rk_code box_open_in_place(const struct box_shared *s, uint8_t *body, size_t body_size,
                               struct rk_str *plain, struct rk_err *err)
{
    enum rk_code rc =
        open_to(s, body, body_size, body_size < BOX_OVERHEAD ? body : body + BOX_OVERHEAD, err);

    if (rc == RK_OK)
        *plain = rk_str_of(body + BOX_OVERHEAD, body_size - BOX_OVERHEAD);
    return rc;
}
