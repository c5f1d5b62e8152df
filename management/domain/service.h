/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reverse-proxy services, as far as they change network maps. The product itself (certificates,
 * authentication, access log) is not part of this server.
 */
#ifndef MGMT_DOMAIN_SERVICE_H
#define MGMT_DOMAIN_SERVICE_H

#include "management/domain/types.h"

struct service_target {
    struct rk_str path;
    struct rk_str target_type; /* "peer", "host", "domain", "subnet", "cluster" */
    struct rk_str target_id;
    struct rk_str protocol; /* "http", "https", "tcp", "udp", "tls" */
    uint16_t port;          /* 0: by protocol */
    bool enabled;
};

struct service {
    struct rk_str id;
    struct rk_str account_id;
    struct rk_str domain;
    struct rk_str proxy_cluster;
    struct rk_str mode; /* "http", "tcp", "udp", "tls" */
    bool enabled;
    bool terminated;
    bool is_private;
    struct str_list access_groups;
    struct service_target *targets;
    size_t n_targets;
};

struct proxy_domain {
    struct rk_str id;
    struct rk_str domain;
    struct rk_str cluster;
    bool validated;
};

#endif
