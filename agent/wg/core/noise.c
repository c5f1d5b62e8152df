/* SPDX-License-Identifier: BSD-3-Clause */
/* Noise_IKpsk2; see noise.h. Names in comments are those of the whitepaper, section 5.4. */
#include "config.h"

#include "agent/wg/core/noise.h"

#include <string.h>

/* Offsets in the messages; proto.h draws them. */
enum { I_SENDER = 4, I_EPHEMERAL = 8, I_STATIC = 40, I_TIMESTAMP = 88 };
enum { R_SENDER = 4, R_RECEIVER = 8, R_EPHEMERAL = 12, R_EMPTY = 44 };

static const char CONSTRUCTION[] = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
static const char IDENTIFIER[] = "WireGuard v1 zx2c4 Jason@zx2c4.com";

static struct rk_str key_str(const struct rk_key *k)
{
    return rk_str_of(k->b, sizeof k->b);
}

static struct rk_str hash_str(const struct wgc_transcript *t)
{
    return rk_str_of(t->hash, sizeof t->hash);
}

/* H := Hash(H || x) */
static void mix_hash(struct wgc_crypt *c, struct wgc_transcript *t, const void *x, size_t n)
{
    wgc_hash(c, hash_str(t), rk_str_of(x, n), t->hash);
}

/* C := Hash(CONSTRUCTION), H := Hash(Hash(C || IDENTIFIER) || S_responder) */
static void begin(struct wgc_crypt *c, struct wgc_transcript *t, const struct rk_key *responder)
{
    wgc_hash(c, rk_str_z(CONSTRUCTION), (struct rk_str){0}, t->chain.b);
    wgc_hash(c, key_str(&t->chain), rk_str_z(IDENTIFIER), t->hash);
    mix_hash(c, t, responder->b, sizeof responder->b);
}

/* An ephemeral public key: C := Kdf1(C, E), H := Hash(H || E) */
static void mix_ephemeral(struct wgc_crypt *c, struct wgc_transcript *t, const struct rk_key *e)
{
    wgc_kdf(c, &t->chain, key_str(e), &t->chain, NULL, NULL);
    mix_hash(c, t, e->b, sizeof e->b);
}

/* (C, k) := Kdf2(C, DH(secret, public)); k may be NULL: Kdf1 */
static bool mix_dh(struct wgc_crypt *c, struct wgc_transcript *t, const struct rk_key *secret,
                   const struct rk_key *public, struct rk_key *k)
{
    struct rk_key shared;

    if (!wgc_dh(secret, public, &shared))
        return false;
    wgc_kdf(c, &t->chain, key_str(&shared), &t->chain, k, NULL);
    rk_key_wipe(&shared);
    return true;
}

/* box := Aead(k, 0, in, H), H := Hash(H || box) */
static void mix_box(struct wgc_crypt *c, struct wgc_transcript *t, const struct rk_key *k,
                    struct rk_str in, uint8_t *box)
{
    wgc_box(k, in, hash_str(t), box);
    mix_hash(c, t, box, in.n + WGC_TAG_SIZE);
}

static bool mix_unbox(struct wgc_crypt *c, struct wgc_transcript *t, const struct rk_key *k,
                      const uint8_t *box, size_t plain, uint8_t *out)
{
    struct rk_str sealed = rk_str_of(box, plain + WGC_TAG_SIZE);

    if (!wgc_unbox(k, sealed, hash_str(t), out))
        return false;
    mix_hash(c, t, box, sealed.n);
    return true;
}

void wgc_noise_init(struct wgc_noise *n, const struct wgc_identity *own,
                    const struct rk_key *remote)
{
    wgc_noise_clear(n);
    n->remote_static = *remote;
    n->can_talk =
        !rk_key_is_zero(&own->private_key) && wgc_dh(&own->private_key, remote, &n->static_static);
    if (!n->can_talk)
        rk_key_wipe(&n->static_static);
}

void wgc_noise_clear(struct wgc_noise *n)
{
    n->state = WGC_NOISE_IDLE;
    rk_secret_wipe(&n->t, sizeof n->t);
    rk_key_wipe(&n->ephemeral);
    rk_key_wipe(&n->remote_ephemeral);
}

void wgc_noise_done(struct wgc_noise *n)
{
    rk_secret_wipe(n, sizeof *n);
}

static void make_ephemeral(struct wgc_noise *n, struct wgc_mint mint, struct rk_key *public)
{
    if (mint.ephemeral)
        n->ephemeral = *mint.ephemeral;
    else
        rk_key_generate(&n->ephemeral);
    rk_key_public(&n->ephemeral, public);
}

/* ---- initiation, section 5.4.2 */

bool wgc_noise_initiate(struct wgc_noise *n, struct wgc_crypt *c, const struct wgc_identity *own,
                        struct wgc_mint mint, const uint8_t timestamp[WGC_TIMESTAMP_SIZE],
                        uint8_t out[WGC_INITIATION_SIZE])
{
    struct rk_key k, e;

    if (!n->can_talk)
        return false;
    wgc_noise_clear(n);
    begin(c, &n->t, &n->remote_static);
    make_ephemeral(n, mint, &e);
    mix_ephemeral(c, &n->t, &e);
    if (!mix_dh(c, &n->t, &n->ephemeral, &n->remote_static, &k)) {
        wgc_noise_clear(n);
        return false;
    }
    memset(out, 0, WGC_INITIATION_SIZE);
    out[0] = WGC_INITIATION;
    wgc_put32(out + I_SENDER, mint.index);
    memcpy(out + I_EPHEMERAL, e.b, sizeof e.b);
    mix_box(c, &n->t, &k, key_str(&own->public_key), out + I_STATIC);
    wgc_kdf(c, &n->t.chain, key_str(&n->static_static), &n->t.chain, &k, NULL);
    mix_box(c, &n->t, &k, rk_str_of(timestamp, WGC_TIMESTAMP_SIZE), out + I_TIMESTAMP);
    rk_key_wipe(&k);
    n->local_index = mint.index;
    n->initiator = true;
    n->state = WGC_NOISE_INITIATED;
    return true;
}

bool wgc_noise_read_initiation(struct wgc_crypt *c, const struct wgc_identity *own,
                               const uint8_t msg[WGC_INITIATION_SIZE], struct wgc_hello *out)
{
    struct rk_key k;
    bool ok;

    begin(c, &out->t, &own->public_key);
    memcpy(out->remote_ephemeral.b, msg + I_EPHEMERAL, RK_KEY_SIZE);
    mix_ephemeral(c, &out->t, &out->remote_ephemeral);
    ok = mix_dh(c, &out->t, &own->private_key, &out->remote_ephemeral, &k) &&
         mix_unbox(c, &out->t, &k, msg + I_STATIC, RK_KEY_SIZE, out->remote_static.b);
    rk_key_wipe(&k);
    out->sender = wgc_get32(msg + I_SENDER);
    out->timestamp = msg + I_TIMESTAMP;
    return ok;
}

bool wgc_noise_accept(struct wgc_noise *n, struct wgc_crypt *c, const struct wgc_hello *hello)
{
    struct wgc_transcript t = hello->t;
    uint8_t timestamp[WGC_TIMESTAMP_SIZE];
    struct rk_key k;
    bool ok;

    if (!n->can_talk)
        return false;
    wgc_kdf(c, &t.chain, key_str(&n->static_static), &t.chain, &k, NULL);
    ok = mix_unbox(c, &t, &k, hello->timestamp, sizeof timestamp, timestamp) &&
         memcmp(timestamp, n->newest, sizeof timestamp) > 0; /* big endian: compares like numbers */
    rk_key_wipe(&k);
    if (ok) {
        wgc_noise_clear(n);
        n->t = t;
        memcpy(n->newest, timestamp, sizeof timestamp);
        n->remote_ephemeral = hello->remote_ephemeral;
        n->remote_index = hello->sender;
        n->initiator = false;
        n->state = WGC_NOISE_ACCEPTED;
    }
    rk_secret_wipe(&t, sizeof t);
    return ok;
}

/* ---- response, section 5.4.3 */

/* (C, tau, k) := Kdf3(C, Q), H := Hash(H || tau) */
static void mix_psk(struct wgc_crypt *c, struct wgc_transcript *t, const struct rk_key *psk,
                    struct rk_key *k)
{
    struct rk_key tau;

    wgc_kdf(c, &t->chain, key_str(psk), &t->chain, &tau, k);
    mix_hash(c, t, tau.b, sizeof tau.b);
    rk_key_wipe(&tau);
}

bool wgc_noise_respond(struct wgc_noise *n, struct wgc_crypt *c, struct wgc_mint mint,
                       uint8_t out[WGC_RESPONSE_SIZE])
{
    struct rk_key k, e;

    if (n->state != WGC_NOISE_ACCEPTED)
        return false;
    make_ephemeral(n, mint, &e);
    mix_ephemeral(c, &n->t, &e);
    if (!mix_dh(c, &n->t, &n->ephemeral, &n->remote_ephemeral, NULL) ||
        !mix_dh(c, &n->t, &n->ephemeral, &n->remote_static, NULL)) {
        wgc_noise_clear(n);
        return false;
    }
    mix_psk(c, &n->t, &n->psk, &k);
    memset(out, 0, WGC_RESPONSE_SIZE);
    out[0] = WGC_RESPONSE;
    wgc_put32(out + R_SENDER, mint.index);
    wgc_put32(out + R_RECEIVER, n->remote_index);
    memcpy(out + R_EPHEMERAL, e.b, sizeof e.b);
    mix_box(c, &n->t, &k, (struct rk_str){0}, out + R_EMPTY);
    rk_key_wipe(&k);
    n->local_index = mint.index;
    n->state = WGC_NOISE_READY;
    return true;
}

bool wgc_noise_read_response(struct wgc_noise *n, struct wgc_crypt *c,
                             const struct wgc_identity *own, const uint8_t msg[WGC_RESPONSE_SIZE])
{
    struct wgc_transcript t = n->t;
    struct rk_key k = {0}, e;
    bool ok;

    if (n->state != WGC_NOISE_INITIATED || wgc_get32(msg + R_RECEIVER) != n->local_index)
        return false;
    memcpy(e.b, msg + R_EPHEMERAL, sizeof e.b);
    mix_ephemeral(c, &t, &e);
    ok = mix_dh(c, &t, &n->ephemeral, &e, NULL) && mix_dh(c, &t, &own->private_key, &e, NULL);
    if (ok) {
        mix_psk(c, &t, &n->psk, &k);
        ok = mix_unbox(c, &t, &k, msg + R_EMPTY, 0, (uint8_t[1]){0});
    }
    rk_key_wipe(&k);
    if (ok) {
        n->t = t;
        n->remote_index = wgc_get32(msg + R_SENDER);
        n->state = WGC_NOISE_READY;
    }
    rk_secret_wipe(&t, sizeof t);
    return ok;
}

void wgc_noise_keys(struct wgc_noise *n, struct wgc_crypt *c, struct rk_key *send,
                    struct rk_key *receive)
{
    struct rk_key *first = n->initiator ? send : receive;
    struct rk_key *second = n->initiator ? receive : send;

    wgc_kdf(c, &n->t.chain, (struct rk_str){0}, first, second, NULL);
    wgc_noise_clear(n);
}

void wgc_timestamp(int64_t unix_us, uint8_t out[WGC_TIMESTAMP_SIZE])
{
    uint64_t sec = ((uint64_t)1 << 62) + 10 + (uint64_t)(unix_us / 1000000);
    uint32_t nsec = (uint32_t)(unix_us % 1000000) * 1000 & ~(((uint32_t)1 << 24) - 1);

    for (unsigned i = 0; i < 8; i++)
        out[i] = (uint8_t)(sec >> (56 - 8 * i));
    for (unsigned i = 0; i < 4; i++)
        out[8 + i] = (uint8_t)(nsec >> (24 - 8 * i));
}
