/* SPDX-License-Identifier: BSD-3-Clause */
/* The account itself and its onboarding switches. Settings are in settings.h. */
#ifndef MGMT_DOMAIN_ACCOUNT_H
#define MGMT_DOMAIN_ACCOUNT_H

#include "management/domain/types.h"

enum domain_category { DOMAIN_UNKNOWN, DOMAIN_PRIVATE, DOMAIN_PUBLIC };

const char *domain_category_text(enum domain_category c);
bool domain_category_parse(struct rk_str s, enum domain_category *out);

struct account {
    struct rk_str id;
    struct rk_str created_by; /* user id */
    int64_t created_at_us;
    struct rk_str domain; /* lower case; may be empty */
    enum domain_category domain_category;
    bool domain_primary;    /* new users of the private domain join this account */
    struct rk_str net_id;   /* "identifier" of the network, an xid */
    struct rk_prefix net4;  /* peers' IPv4 addresses come from here */
    struct rk_prefix net6;  /* family 0: none */
    uint64_t serial;        /* as loaded; snap_serial() is the current one */
    struct rk_str rp_nonce; /* of free reverse-proxy domains */
    bool onboarding_flow_pending;
    bool signup_form_pending;
    int64_t onboarding_created_at_us;
    int64_t onboarding_updated_at_us;
};

#endif
