/* SPDX-License-Identifier: BSD-3-Clause */
/* Personal access tokens. The plain token is never stored. */
#ifndef MGMT_DOMAIN_TOKEN_H
#define MGMT_DOMAIN_TOKEN_H

#include "management/domain/types.h"

struct pat {
    struct rk_str id;
    struct rk_str user_id;
    struct rk_str name;
    struct rk_str hash; /* base64(SHA-256(token)) */
    int64_t expires_at_us;
    struct rk_str created_by;
    int64_t created_at_us;
    int64_t last_used_us;
};

#endif
