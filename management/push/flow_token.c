/* SPDX-License-Identifier: BSD-3-Clause */
/* See flow_token.h. */
#include "config.h"

#include "management/push/flow_token.h"

#include <string.h>

#include "lib/base/enc.h"
#include "lib/base/num.h"
#include "lib/crypto/hmac.h"

#define SIGNATURE_TEXT 43 /* characters of base64url of 32 bytes */

void flow_token_key(struct rk_str store_key, struct rk_key *out)
{
    _Static_assert(RK_KEY_SIZE == HMAC_SHA256_SIZE, "a key is a MAC");
    hmac_sha256(store_key, RK_STR("traffic events"), out->b);
}

static struct rk_str sign(struct rk_arena *mem, const struct rk_key *key, struct rk_str payload)
{
    uint8_t mac[HMAC_SHA256_SIZE];

    hmac_sha256(rk_str_of(key->b, sizeof key->b), payload, mac);
    return rk_base64url_encode(mem, rk_str_of(mac, sizeof mac));
}

void flow_token_make(struct rk_arena *mem, const struct rk_key *key, const struct flow_token *t,
                     struct rk_str *payload, struct rk_str *signature)
{
    *payload = rk_arena_printf(mem, "%.*s:%.*s:%lld", RK_STR_ARG(t->account_id),
                               RK_STR_ARG(t->peer_id), (long long)t->expires_s);
    *signature = sign(mem, key, *payload);
}

static bool signed_by(const struct rk_key *key, struct rk_str payload, struct rk_str signature)
{
    uint8_t mac[HMAC_SHA256_SIZE], given[HMAC_SHA256_SIZE];
    size_t n;

    if (signature.n != SIGNATURE_TEXT ||
        rk_base64url_decode(signature, given, sizeof given, &n, NULL) || n != sizeof given)
        return false;
    hmac_sha256(rk_str_of(key->b, sizeof key->b), payload, mac);
    return rk_secret_eq(mac, given, sizeof mac);
}

enum rk_code flow_token_read(const struct rk_key *key, struct rk_str header, int64_t now_s,
                             struct flow_token *out, struct rk_err *err)
{
    struct rk_str bearer = RK_STR("Bearer "), signature, payload, rest, expiry;

    if (!rk_str_starts(header, bearer) ||
        !rk_str_cut(rk_str_sub(header, bearer.n, header.n), '.', &signature, &payload) ||
        !signed_by(key, payload, signature) || !rk_str_cut(payload, ':', &out->account_id, &rest) ||
        !rk_str_cut(rest, ':', &out->peer_id, &expiry) ||
        rk_parse_i64(expiry, 0, INT64_MAX, &out->expires_s, NULL))
        return rk_fail(err, RK_UNAUTHENTICATED, "the token for traffic events is not one of ours");
    if (out->expires_s <= now_s)
        return rk_fail(err, RK_UNAUTHENTICATED, "the token for traffic events has expired");
    return RK_OK;
}
