/* SPDX-License-Identifier: BSD-3-Clause */
/* Nameserver groups, DNS settings, custom zones and their records. */
#ifndef MGMT_DOMAIN_DNS_H
#define MGMT_DOMAIN_DNS_H

#include "management/domain/types.h"

struct nameserver {
    struct rk_ip ip;
    int64_t ns_type; /* 1: UDP, the only one */
    int64_t port;
};

struct ns_group {
    struct rk_str id;
    struct rk_str account_id;
    struct rk_str public_id;
    struct rk_str name;
    struct rk_str description;
    struct nameserver *servers;
    size_t n_servers;
    struct str_list groups; /* distribution */
    bool primary;
    struct str_list domains;
    bool enabled;
    bool search_domains;
};

struct dns_settings {
    struct str_list disabled_management_groups;
};

enum record_type { RECORD_A = 1, RECORD_CNAME = 5, RECORD_AAAA = 28 }; /* numbers of DNS */

const char *record_type_text(enum record_type t);
bool record_type_parse(struct rk_str s, enum record_type *out);

struct zone {
    struct rk_str id;
    struct rk_str account_id;
    struct rk_str name;
    struct rk_str domain;
    bool enabled;
    bool search_domain;
    struct str_list groups; /* distribution */
};

struct record {
    struct rk_str id;
    struct rk_str account_id;
    struct rk_str zone_id;
    struct rk_str name; /* fully qualified, no trailing dot */
    enum record_type type;
    struct rk_str content;
    int64_t ttl_s;
};

#endif
