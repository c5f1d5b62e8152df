/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The credential with which an agent hands in traffic events: says whose they are and until when.
 *
 *   payload   = account ":" peer ":" expiry as decimal Unix seconds
 *   signature = base64url(HMAC-SHA256(key, payload))
 *
 * Agents send both back as they are: "authorization: Bearer signature.payload". Any thread.
 */
#ifndef MGMT_PUSH_FLOW_TOKEN_H
#define MGMT_PUSH_FLOW_TOKEN_H

#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/crypto/secret.h"

struct flow_token { /* open; texts in the arena, or where they were read from */
    struct rk_str account_id, peer_id;
    int64_t expires_s; /* Unix seconds */
};

/** The key that all processes on one store share, from the store's own key. */
void flow_token_key(struct rk_str store_key, struct rk_key *out);

/** Both texts, with a NUL behind them. arena */
void flow_token_make(struct rk_arena *mem, const struct rk_key *key, const struct flow_token *t,
                     struct rk_str *payload, struct rk_str *signature);

/** Read the value of an authorization header; *out borrows from it. The signature is compared in
 *  constant time. Errors: RK_UNAUTHENTICATED for whatever is wrong. */
enum rk_code flow_token_read(const struct rk_key *key, struct rk_str header, int64_t now_s,
                             struct flow_token *out, struct rk_err *err) RK_MUST;

#endif
