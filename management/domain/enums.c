/* SPDX-License-Identifier: BSD-3-Clause */
/* Text forms of the enums of this directory's headers, as the API and the database write them. */
#include "config.h"

#include "lib/base/err.h"
#include "management/domain/account.h"
#include "management/domain/dns.h"
#include "management/domain/group.h"
#include "management/domain/job.h"
#include "management/domain/policy.h"
#include "management/domain/posture.h"
#include "management/domain/setup_key.h"
#include "management/domain/user.h"

static const struct enum_text DOMAIN_CATEGORIES[] = {
    {DOMAIN_UNKNOWN, "unknown"}, {DOMAIN_PRIVATE, "private"}, {DOMAIN_PUBLIC, "public"}};
static const struct enum_text ROLES[] = {
    {ROLE_OWNER, "owner"},
    {ROLE_ADMIN, "admin"},
    {ROLE_USER, "user"},
    {ROLE_AUDITOR, "auditor"},
    {ROLE_NETWORK_ADMIN, "network_admin"},
    {ROLE_BILLING_ADMIN, "billing_admin"},
};
static const struct enum_text ISSUED[] = {
    {ISSUED_API, "api"}, {ISSUED_JWT, "jwt"}, {ISSUED_INTEGRATION, "integration"}};
static const struct enum_text KEY_TYPES[] = {{SETUP_KEY_REUSABLE, "reusable"},
                                             {SETUP_KEY_ONE_OFF, "one-off"}};
static const struct enum_text KEY_STATES[] = {{SETUP_KEY_VALID, "valid"},
                                              {SETUP_KEY_EXPIRED, "expired"},
                                              {SETUP_KEY_REVOKED, "revoked"},
                                              {SETUP_KEY_OVERUSED, "overused"}};
static const struct enum_text RESOURCE_TYPES[] = {{RESOURCE_NONE, ""},
                                                  {RESOURCE_PEER, "peer"},
                                                  {RESOURCE_HOST, "host"},
                                                  {RESOURCE_SUBNET, "subnet"},
                                                  {RESOURCE_DOMAIN, "domain"}};
static const struct enum_text ACTIONS[] = {{ACTION_ACCEPT, "accept"}, {ACTION_DROP, "drop"}};
static const struct enum_text PROTOCOLS[] = {{PROTO_ALL, "all"},
                                             {PROTO_TCP, "tcp"},
                                             {PROTO_UDP, "udp"},
                                             {PROTO_ICMP, "icmp"},
                                             {PROTO_SSH, "netbird-ssh"}};
static const struct enum_text CHECK_ACTIONS[] = {{CHECK_ALLOW, "allow"}, {CHECK_DENY, "deny"}};
static const struct enum_text RECORD_TYPES[] = {
    {RECORD_A, "A"}, {RECORD_AAAA, "AAAA"}, {RECORD_CNAME, "CNAME"}};
static const struct enum_text JOB_STATUSES[] = {
    {JOB_PENDING, "pending"}, {JOB_SUCCEEDED, "succeeded"}, {JOB_FAILED, "failed"}};

/* Both functions of one enum. */
#define ENUM_TEXT(type, prefix, table, otherwise)                                                  \
    const char *prefix##_text(type v)                                                              \
    {                                                                                              \
        return enum_text_of(table, RK_ARRAY_LEN(table), (int)v, otherwise);                        \
    }
#define ENUM_PARSE(type, prefix, table)                                                            \
    bool prefix##_parse(struct rk_str s, type *out)                                                \
    {                                                                                              \
        int v;                                                                                     \
                                                                                                   \
        if (!enum_text_parse(table, RK_ARRAY_LEN(table), s, &v))                                   \
            return false;                                                                          \
        *out = (type)v;                                                                            \
        return true;                                                                               \
    }

ENUM_TEXT(enum domain_category, domain_category, DOMAIN_CATEGORIES, "unknown")
ENUM_PARSE(enum domain_category, domain_category, DOMAIN_CATEGORIES)
ENUM_TEXT(enum user_role, user_role, ROLES, "unknown")
ENUM_TEXT(enum issued_by, issued_by, ISSUED, "api")
ENUM_PARSE(enum issued_by, issued_by, ISSUED)
ENUM_TEXT(enum setup_key_type, setup_key_type, KEY_TYPES, "reusable")
ENUM_PARSE(enum setup_key_type, setup_key_type, KEY_TYPES)
ENUM_TEXT(enum setup_key_state, setup_key_state, KEY_STATES, "valid")
ENUM_TEXT(enum resource_type, resource_type, RESOURCE_TYPES, "")
ENUM_PARSE(enum resource_type, resource_type, RESOURCE_TYPES)
ENUM_TEXT(enum rule_action, rule_action, ACTIONS, "accept")
ENUM_PARSE(enum rule_action, rule_action, ACTIONS)
ENUM_TEXT(enum rule_protocol, rule_protocol, PROTOCOLS, "all")
ENUM_PARSE(enum rule_protocol, rule_protocol, PROTOCOLS)
ENUM_TEXT(enum check_action, check_action, CHECK_ACTIONS, "allow")
ENUM_PARSE(enum check_action, check_action, CHECK_ACTIONS)
ENUM_TEXT(enum record_type, record_type, RECORD_TYPES, "")
ENUM_PARSE(enum record_type, record_type, RECORD_TYPES)
ENUM_TEXT(enum job_status, job_status, JOB_STATUSES, "pending")
ENUM_PARSE(enum job_status, job_status, JOB_STATUSES)

bool user_role_parse(struct rk_str s, enum user_role *out)
{
    int v;
    bool known = enum_text_parse(ROLES, RK_ARRAY_LEN(ROLES), s, &v);

    *out = known ? (enum user_role)v : ROLE_UNKNOWN;
    return known;
}
