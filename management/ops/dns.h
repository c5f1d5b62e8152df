/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations on nameserver groups, DNS settings, zones and records. Store thread. */
#ifndef MGMT_OPS_DNS_H
#define MGMT_OPS_DNS_H

#include "management/ops/op.h"

struct nameserver_input {
    struct rk_str ip, ns_type;
    int64_t port;
};

struct ns_group_input { /* open; borrowed for the call */
    struct rk_str name, description;
    struct nameserver_input *servers;
    size_t n_servers;
    bool enabled, primary, search_domains;
    struct str_list groups, domains;
};

/** Create (id empty) or replace; *out is what was stored. Errors: RK_INVALID, RK_FORBIDDEN,
 *  RK_NOT_FOUND. */
enum rk_code ns_group_save(struct op *op, struct rk_str id, const struct ns_group_input *in,
                           const struct ns_group **out, struct rk_err *err) RK_MUST;
enum rk_code ns_group_delete(struct op *op, struct rk_str id, struct rk_err *err) RK_MUST;

/** Replace the list. Errors: RK_INVALID (unknown group), RK_FORBIDDEN. */
enum rk_code dns_settings_update(struct op *op, const struct str_list *disabled_groups,
                                 struct rk_err *err) RK_MUST;

struct zone_input {
    struct rk_str name, domain;
    bool enabled, search_domain;
    struct str_list groups;
};

/** Errors: RK_INVALID, RK_FORBIDDEN, RK_NOT_FOUND, RK_EXISTS (domain). */
enum rk_code zone_save(struct op *op, struct rk_str id, const struct zone_input *in,
                       const struct zone **out, struct rk_err *err) RK_MUST;
enum rk_code zone_delete(struct op *op, struct rk_str id, struct rk_err *err) RK_MUST;

struct record_input {
    struct rk_str name, type, content;
    int64_t ttl;
};

/** Errors: RK_INVALID, RK_FORBIDDEN, RK_NOT_FOUND, RK_EXISTS (the same record). */
enum rk_code record_save(struct op *op, struct rk_str zone_id, struct rk_str id,
                         const struct record_input *in, const struct record **out,
                         struct rk_err *err) RK_MUST;
enum rk_code record_delete(struct op *op, struct rk_str zone_id, struct rk_str id,
                           struct rk_err *err) RK_MUST;

#endif
