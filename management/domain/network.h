/* SPDX-License-Identifier: BSD-3-Clause */
/* Networks, their resources and routers. */
#ifndef MGMT_DOMAIN_NETWORK_H
#define MGMT_DOMAIN_NETWORK_H

#include "management/domain/group.h"
#include "management/domain/types.h"

struct network {
    struct rk_str id;
    struct rk_str account_id;
    struct rk_str public_id;
    struct rk_str name;
    struct rk_str description;
};

/* Its groups are those whose resources name it (struct group). */
struct resource {
    struct rk_str id;
    struct rk_str account_id;
    struct rk_str network_id;
    struct rk_str public_id;
    struct rk_str name;
    struct rk_str description;
    enum resource_type type;     /* host, subnet or domain */
    struct rk_prefix prefix;     /* host and subnet; host bits as given */
    struct rk_str domain;        /* domain; may start with "*."; lower case, punycode */
    struct rk_str address_given; /* the domain as it was written; empty: the same text */
    bool enabled;
};

struct router {
    struct rk_str id;
    struct rk_str account_id;
    struct rk_str network_id;
    struct rk_str public_id;
    struct rk_str peer; /* peer id; empty when peer_groups are given */
    struct str_list peer_groups;
    bool masquerade;
    int64_t metric;
    bool enabled;
};

#endif
