/* SPDX-License-Identifier: BSD-3-Clause */
/* See setup_key.h. */
#include "config.h"

#include "management/domain/setup_key.h"

enum setup_key_state setup_key_state(const struct setup_key *k, int64_t now_us)
{
    int64_t limit = k->type == SETUP_KEY_ONE_OFF ? 1 : k->usage_limit;

    if (k->expires_at_us != 0 && now_us > k->expires_at_us)
        return SETUP_KEY_EXPIRED;
    if (k->revoked)
        return SETUP_KEY_REVOKED;
    if (limit > 0 && k->used >= limit)
        return SETUP_KEY_OVERUSED;
    return SETUP_KEY_VALID;
}
