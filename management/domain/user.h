/* SPDX-License-Identifier: BSD-3-Clause */
/* Users and invites. */
#ifndef MGMT_DOMAIN_USER_H
#define MGMT_DOMAIN_USER_H

#include "management/domain/types.h"

enum user_role {
    ROLE_UNKNOWN,
    ROLE_OWNER,
    ROLE_ADMIN,
    ROLE_USER,
    ROLE_AUDITOR,
    ROLE_NETWORK_ADMIN,
    ROLE_BILLING_ADMIN
};

const char *user_role_text(enum user_role r);
/** false (and *out = ROLE_UNKNOWN) for anything else. */
bool user_role_parse(struct rk_str s, enum user_role *out);

/** Who made a user or group. Also used by struct group. */
enum issued_by { ISSUED_API, ISSUED_JWT, ISSUED_INTEGRATION };

const char *issued_by_text(enum issued_by i);
bool issued_by_parse(struct rk_str s, enum issued_by *out);

struct user {
    struct rk_str id;
    struct rk_str account_id;
    enum user_role role;
    bool is_service;
    bool non_deletable;
    struct rk_str service_name;
    struct str_list auto_groups;
    bool blocked;
    bool pending_approval;
    int64_t last_login_us;
    int64_t created_at_us;
    enum issued_by issued;
    int64_t integration_id; /* 0: none */
    struct rk_str integration_type;
    struct rk_str name;  /* plain here; encrypted in the database */
    struct rk_str email; /* plain here; encrypted in the database */
};

/** Counts for SSH rules that admit every user: neither blocked nor a service user. */
bool user_is_active_human(const struct user *u);

struct invite {
    struct rk_str id;
    struct rk_str account_id;
    struct rk_str email;
    struct rk_str name;
    enum user_role role;
    struct str_list auto_groups;
    struct rk_str token_hash; /* base64(SHA-256(token)) */
    int64_t expires_at_us;
    int64_t created_at_us;
    struct rk_str created_by;
};

/** Name that activity metas show. */
static inline struct rk_str user_shown_name(const struct user *u)
{
    return u->is_service ? u->service_name : u->name;
}

#endif
