/* SPDX-License-Identifier: BSD-3-Clause */
/* Authentication of relay connections; see auth.h. */
#include "config.h"

#include "relay/auth.h"

#include <string.h>

#include "lib/crypto/hmac.h"

static enum rk_code auth_frame(struct rk_str message, struct rly_frame *f, struct rk_err *err)
{
    if (message.n > RLY_MAX_AUTH)
        return rk_fail(err, RK_BAD_REQUEST, "first message has %zu bytes", message.n);
    if (rly_frame_decode(message, f, err))
        return RK_BAD_REQUEST;
    if (f->type != RLY_AUTH)
        return rk_fail(err, RK_BAD_REQUEST, "first message has type %d", (int)f->type);
    return RK_OK;
}

enum rk_code relay_auth_check(const struct relay_hub *hub, struct rk_str message,
                              int64_t now_unix_s, struct rly_peer_id *id, struct rk_err *err)
{
    struct rly_frame f;
    enum rk_code rc = auth_frame(message, &f, err);

    if (rc == RK_OK)
        rc = hmac_relay_token_verify(&hub->auth_key, f.payload, now_unix_s, NULL, err);
    if (rc == RK_OK)
        memcpy(id->b, f.peer.p, sizeof id->b);
    return rc;
}

bool relay_auth_is_probe(const struct relay_hub *hub, struct rk_str message)
{
    struct rly_frame f;

    return auth_frame(message, &f, NULL) == RK_OK &&
           memcmp(f.peer.p, hub->probe_id.b, sizeof hub->probe_id.b) == 0;
}
