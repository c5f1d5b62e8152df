/* SPDX-License-Identifier: BSD-3-Clause */
/* Classic routes. */
#ifndef MGMT_DOMAIN_ROUTE_H
#define MGMT_DOMAIN_ROUTE_H

#include "management/domain/types.h"

enum route_kind { ROUTE_INVALID, ROUTE_IPV4, ROUTE_IPV6, ROUTE_DOMAIN }; /* numbers of the wire */

/** Network that stands in where a route or resource has domains. */
#define ROUTE_DOMAIN_PLACEHOLDER "192.0.2.0/32"

struct route {
    struct rk_str id;
    struct rk_str account_id;
    struct rk_str public_id;
    struct rk_str description;
    struct rk_prefix network; /* host bits as given */
    struct str_list domains;  /* punycode */
    enum route_kind kind;
    bool keep_route;
    struct rk_str net_id;
    struct rk_str peer; /* peer id; empty when peer_groups are given */
    struct str_list peer_groups;
    int64_t metric;
    bool masquerade;
    bool enabled;
    bool skip_auto_apply;
    struct str_list groups; /* distribution */
    struct str_list access_control_groups;
};

#endif
