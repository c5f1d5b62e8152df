/* SPDX-License-Identifier: BSD-3-Clause */
/* One-time passwords; see totp.h. */
#include "config.h"

#include "management/idp/totp.h"

#include <stdio.h>

#include "lib/crypto/hmac.h"
#include "lib/crypto/secret.h"

#define TEXT_LEN (TOTP_SECRET_SIZE * 8 / 5) /* 32: no padding */

static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

struct rk_str totp_secret_new(struct rk_arena *mem)
{
    char text[TEXT_LEN];

    /* each character is five random bits */
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = ALPHABET[rk_secret_random_below(32)];
    return rk_arena_dup(mem, rk_str_of(text, sizeof text));
}

static bool decode(struct rk_str text, uint8_t out[TOTP_SECRET_SIZE])
{
    uint32_t bits = 0;
    unsigned n_bits = 0;
    size_t n = 0;

    if (text.n != TEXT_LEN)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        const char *at = text.p[i] ? strchr(ALPHABET, text.p[i]) : NULL;

        if (!at)
            return false;
        bits = bits << 5 | (uint32_t)(at - ALPHABET);
        n_bits += 5;
        if (n_bits >= 8) {
            n_bits -= 8;
            out[n++] = (uint8_t)(bits >> n_bits);
        }
    }
    return true;
}

bool totp_code(struct rk_str secret, int64_t step, char out[TOTP_DIGITS + 1])
{
    uint8_t key[TOTP_SECRET_SIZE], mac[HMAC_SHA1_SIZE], counter[8];
    uint32_t n;
    unsigned at;

    if (!decode(secret, key))
        return false;
    for (int i = 0; i < 8; i++)
        counter[i] = (uint8_t)((uint64_t)step >> (56 - 8 * i));
    hmac_sha1(rk_str_of(key, sizeof key), rk_str_of(counter, sizeof counter), mac);
    rk_secret_wipe(key, sizeof key);
    at = mac[HMAC_SHA1_SIZE - 1] & 15;
    n = ((uint32_t)mac[at] & 127) << 24 | (uint32_t)mac[at + 1] << 16 | (uint32_t)mac[at + 2] << 8 |
        mac[at + 3];
    (void)snprintf(out, TOTP_DIGITS + 1, "%06u", n % 1000000);
    return true;
}

bool totp_check(struct rk_str secret, struct rk_str code, int64_t now_s, int64_t last_step,
                int64_t *step)
{
    int64_t now = now_s / TOTP_STEP_S;
    char want[TOTP_DIGITS + 1];
    bool found = false;

    if (code.n != TOTP_DIGITS)
        return false;
    for (int64_t s = now - TOTP_DRIFT; s <= now + TOTP_DRIFT; s++) {
        if (!totp_code(secret, s, want))
            return false;
        if (rk_secret_eq(want, code.p, TOTP_DIGITS) && s > last_step && !found) {
            *step = s;
            found = true;
        }
    }
    return found;
}
