/* SPDX-License-Identifier: BSD-3-Clause */
/* Access policies and their rules. Mostly one rule per policy, with the policy's id; more are
 * legal. */
#ifndef MGMT_DOMAIN_POLICY_H
#define MGMT_DOMAIN_POLICY_H

#include "management/domain/group.h"
#include "management/domain/types.h"

enum rule_action { ACTION_ACCEPT, ACTION_DROP };
enum rule_protocol { PROTO_ALL, PROTO_TCP, PROTO_UDP, PROTO_ICMP, PROTO_SSH /* netbird-ssh */ };

const char *rule_action_text(enum rule_action a);
bool rule_action_parse(struct rk_str s, enum rule_action *out);
const char *rule_protocol_text(enum rule_protocol p);
bool rule_protocol_parse(struct rk_str s, enum rule_protocol *out);

struct port_range {
    uint16_t start, end; /* start > end is accepted by the API and stored so */
};

struct authorized_group { /* users of the group may log in as these local accounts; none: any */
    struct rk_str group_id;
    struct str_list names;
};

struct rule {
    struct rk_str id;
    struct rk_str policy_id;
    struct rk_str name;
    struct rk_str description;
    bool enabled;
    enum rule_action action;
    enum rule_protocol protocol;
    bool bidirectional;
    struct str_list sources;      /* group ids */
    struct str_list destinations; /* group ids */
    struct resource_ref source_resource;
    struct resource_ref destination_resource;
    struct str_list ports; /* decimal text, as given */
    struct port_range *ranges;
    size_t n_ranges;
    struct authorized_group *authorized;
    size_t n_authorized;
    struct rk_str authorized_user;
};

struct policy {
    struct rk_str id;
    struct rk_str account_id;
    struct rk_str public_id;
    int64_t seq; /* creation order; decides the order of rules in maps (then the id) */
    struct rk_str name;
    struct rk_str description;
    bool enabled;
    struct str_list posture_checks; /* ids */
    struct rule *rules;
    size_t n_rules;
};

/** A port text as a number; false unless decimal and 0…65535. */
bool port_parse(struct rk_str s, uint16_t *out);

/** Whether the rule lets SSH through as a side effect: protocol all, or tcp whose ports or ranges
 *  include 22 or 22022. */
bool rule_implies_ssh(const struct rule *r);

#endif
