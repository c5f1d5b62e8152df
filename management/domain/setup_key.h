/* SPDX-License-Identifier: BSD-3-Clause */
/* Setup keys and their validity. */
#ifndef MGMT_DOMAIN_SETUP_KEY_H
#define MGMT_DOMAIN_SETUP_KEY_H

#include "management/domain/types.h"

enum setup_key_type { SETUP_KEY_REUSABLE, SETUP_KEY_ONE_OFF };
enum setup_key_state { SETUP_KEY_VALID, SETUP_KEY_EXPIRED, SETUP_KEY_REVOKED, SETUP_KEY_OVERUSED };

const char *setup_key_type_text(enum setup_key_type t);
bool setup_key_type_parse(struct rk_str s, enum setup_key_type *out);
const char *setup_key_state_text(enum setup_key_state s);

struct setup_key {
    struct rk_str id;
    struct rk_str account_id;
    struct rk_str hash;    /* base64(SHA-256(upper-case key)) */
    struct rk_str display; /* first five characters and "****" */
    struct rk_str name;
    enum setup_key_type type;
    int64_t created_at_us;
    int64_t updated_at_us;
    int64_t expires_at_us; /* 0: never */
    int64_t last_used_us;
    bool revoked;
    int64_t used;
    int64_t usage_limit; /* 0: none; a one-off key has 1 whatever is stored */
    struct str_list auto_groups;
    bool ephemeral;
    bool allow_extra_dns_labels;
};

/** The state the API shows; an expired key is "expired" whatever else it is. A key that expires
 *  exactly now is still valid. */
enum setup_key_state setup_key_state(const struct setup_key *k, int64_t now_us);

static inline bool setup_key_usable(const struct setup_key *k, int64_t now_us)
{
    return setup_key_state(k, now_us) == SETUP_KEY_VALID;
}

#endif
