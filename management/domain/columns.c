/* SPDX-License-Identifier: BSD-3-Clause */
/* See columns.h. */
#include "config.h"

#include "management/domain/columns.h"

#include <stddef.h>

/* ---- enums */

#define ENUM_IO(name, type, text_fn, parse_fn)                                                     \
    static const char *name##_to_text(int v)                                                       \
    {                                                                                              \
        return text_fn((enum type)v);                                                              \
    }                                                                                              \
    static bool name##_of_text(struct rk_str s, int *out)                                          \
    {                                                                                              \
        enum type v;                                                                               \
        if (!parse_fn(s, &v))                                                                      \
            return false;                                                                          \
        *out = (int)v;                                                                             \
        return true;                                                                               \
    }                                                                                              \
    static const struct enum_io name##_io = {name##_to_text, name##_of_text}

/* Stored words that the REST API does not know as input ("unknown", "" ) come back as value 0. */
static bool role_parse(struct rk_str s, enum user_role *out)
{
    return user_role_parse(s, out) || rk_str_eqz(s, user_role_text(ROLE_UNKNOWN));
}

static bool category_parse(struct rk_str s, enum domain_category *out)
{
    *out = DOMAIN_UNKNOWN;
    return domain_category_parse(s, out) || rk_str_eqz(s, domain_category_text(DOMAIN_UNKNOWN));
}

static bool restype_parse(struct rk_str s, enum resource_type *out)
{
    *out = RESOURCE_NONE;
    return resource_type_parse(s, out) || s.n == 0;
}

ENUM_IO(category, domain_category, domain_category_text, category_parse);
ENUM_IO(role, user_role, user_role_text, role_parse);
ENUM_IO(issued, issued_by, issued_by_text, issued_by_parse);
ENUM_IO(keytype, setup_key_type, setup_key_type_text, setup_key_type_parse);
ENUM_IO(restype, resource_type, resource_type_text, restype_parse);
ENUM_IO(action, rule_action, rule_action_text, rule_action_parse);
ENUM_IO(protocol, rule_protocol, rule_protocol_text, rule_protocol_parse);
ENUM_IO(check, check_action, check_action_text, check_action_parse);
ENUM_IO(rectype, record_type, record_type_text, record_type_parse);
ENUM_IO(jobstatus, job_status, job_status_text, job_status_parse);

/* ---- columns */

#define COL(st, column, type_, field)                                                              \
    {                                                                                              \
        .name = column, .type = type_, .off = offsetof(struct st, field)                           \
    }
/* A list that clients give as null, as [] or with something in it, and want back as they gave it.
 */
#define COL_OR_NULL(st, column, type_, field)                                                      \
    {                                                                                              \
        .name = column, .type = type_, .off = offsetof(struct st, field), .or_null = true          \
    }
#define COL_ENUM(st, column, field, io_)                                                           \
    {                                                                                              \
        .name = column, .type = C_ENUM, .off = offsetof(struct st, field), .io = &io_##_io         \
    }
#define COL_OBJ(column, off_, cols)                                                                \
    {                                                                                              \
        .name = column, .type = C_OBJ, .off = off_, .sub = cols, .n_sub = RK_ARRAY_LEN(cols)       \
    }
#define COL_LIST(st, column, field, field_n, elem_, cols)                                          \
    {                                                                                              \
        .name = column, .type = C_LIST, .off = offsetof(struct st, field),                         \
        .off_n = offsetof(struct st, field_n), .elem = sizeof(struct elem_), .sub = cols,          \
        .n_sub = RK_ARRAY_LEN(cols)                                                                \
    }
#define COL_CHILDREN(st, column, field, field_n, elem_, cols, table, owner)                        \
    {                                                                                              \
        .name = column, .type = C_CHILDREN, .off = offsetof(struct st, field),                     \
        .off_n = offsetof(struct st, field_n), .elem = sizeof(struct elem_), .sub = cols,          \
        .n_sub = RK_ARRAY_LEN(cols), .child = table, .child_owner = owner                          \
    }

static const struct col ACCOUNT[] = {
    COL(account, "created_by", C_TEXT, created_by),
    COL(account, "created_at", C_TIME, created_at_us),
    COL(account, "domain", C_TEXT, domain),
    COL_ENUM(account, "domain_category", domain_category, category),
    COL(account, "is_primary", C_BOOL, domain_primary),
    COL(account, "net_id", C_TEXT, net_id),
    COL(account, "net4", C_PREFIX, net4),
    COL(account, "net6", C_PREFIX, net6),
    COL(account, "rp_nonce", C_TEXT, rp_nonce),
    COL(account, "onboarding_flow", C_BOOL, onboarding_flow_pending),
    COL(account, "onboarding_signup", C_BOOL, signup_form_pending),
    COL(account, "onboarding_created_at", C_TIME, onboarding_created_at_us),
    COL(account, "onboarding_updated_at", C_TIME, onboarding_updated_at_us),
};

static const struct col SETTINGS[] = {
    COL(settings, "login_expiration_enabled", C_BOOL, peer_login_expiration_enabled),
    COL(settings, "login_expiration", C_I64, peer_login_expiration_s),
    COL(settings, "inactivity_expiration_enabled", C_BOOL, peer_inactivity_expiration_enabled),
    COL(settings, "inactivity_expiration", C_I64, peer_inactivity_expiration_s),
    COL(settings, "regular_users_view_blocked", C_BOOL, regular_users_view_blocked),
    COL(settings, "groups_propagation", C_BOOL, groups_propagation_enabled),
    COL(settings, "jwt_groups_enabled", C_BOOL, jwt_groups_enabled),
    COL(settings, "jwt_groups_claim", C_TEXT, jwt_groups_claim),
    COL(settings, "jwt_allow_groups", C_STRS, jwt_allow_groups),
    COL(settings, "routing_dns_resolution", C_BOOL, routing_peer_dns_resolution),
    COL(settings, "dns_domain", C_TEXT, dns_domain),
    COL(settings, "network_range4", C_PREFIX, network_range4),
    COL(settings, "network_range6", C_PREFIX, network_range6),
    COL(settings, "peer_expose_enabled", C_BOOL, peer_expose_enabled),
    COL(settings, "peer_approval_enabled", C_BOOL, peer_approval_enabled),
    COL(settings, "user_approval_required", C_BOOL, user_approval_required),
    COL(settings, "integrated_validator", C_TEXT, integrated_validator),
    COL(settings, "lazy_connection", C_BOOL, lazy_connection),
    COL(settings, "auto_update_version", C_TEXT, auto_update_version),
    COL(settings, "auto_update_always", C_BOOL, auto_update_always),
    COL(settings, "metrics_push", C_BOOL, metrics_push),
    COL(settings, "agent_network_only", C_BOOL, agent_network_only),
    COL(settings, "has_dashboard_features", C_BOOL, has_dashboard_features),
    COL(settings, "dashboard_agent_network", C_ENUM_NUM, dashboard_agent_network),
    COL(settings, "local_mfa", C_BOOL, local_mfa),
    COL(settings, "traffic_groups_given", C_BOOL, traffic_groups_given),
    COL(settings, "traffic_logs", C_BOOL, traffic_logs),
    COL(settings, "traffic_counters", C_BOOL, traffic_counters),
    COL(settings, "traffic", C_GROUPS, traffic_groups),
    COL_OR_NULL(settings, "ipv6", C_GROUPS, ipv6_groups),
    COL_OR_NULL(settings, "expose", C_GROUPS, peer_expose_groups),
    COL(settings, "validator", C_GROUPS, integrated_validator_groups),
};

static const struct col DNS_SETTINGS[] = {
    COL_OR_NULL(dns_settings, "disabled", C_GROUPS, disabled_management_groups),
};

static const struct col USER[] = {
    COL_ENUM(user, "role", role, role),
    COL(user, "is_service", C_BOOL, is_service),
    COL(user, "non_deletable", C_BOOL, non_deletable),
    COL(user, "service_name", C_TEXT, service_name),
    COL(user, "blocked", C_BOOL, blocked),
    COL(user, "pending_approval", C_BOOL, pending_approval),
    COL(user, "last_login", C_TIME, last_login_us),
    COL(user, "created_at", C_TIME, created_at_us),
    COL_ENUM(user, "issued", issued, issued),
    COL(user, "integration_id", C_I64, integration_id),
    COL(user, "integration_type", C_TEXT, integration_type),
    COL(user, "name_sealed", C_SEALED, name),
    COL(user, "email_sealed", C_SEALED, email),
    COL(user, "auto", C_GROUPS, auto_groups),
};

static const struct col PAT[] = {
    COL(pat, "user_id", C_TEXT, user_id),
    COL(pat, "name", C_TEXT, name),
    COL(pat, "hash", C_TEXT, hash),
    COL(pat, "expires_at", C_TIME, expires_at_us),
    COL(pat, "created_by", C_TEXT, created_by),
    COL(pat, "created_at", C_TIME, created_at_us),
    COL(pat, "last_used", C_TIME, last_used_us),
};

static const struct col SETUP_KEY[] = {
    COL(setup_key, "hash", C_TEXT, hash),
    COL(setup_key, "display", C_TEXT, display),
    COL(setup_key, "name", C_TEXT, name),
    COL_ENUM(setup_key, "type", type, keytype),
    COL(setup_key, "created_at", C_TIME, created_at_us),
    COL(setup_key, "updated_at", C_TIME, updated_at_us),
    COL(setup_key, "expires_at", C_TIME, expires_at_us),
    COL(setup_key, "last_used", C_TIME, last_used_us),
    COL(setup_key, "revoked", C_BOOL, revoked),
    COL(setup_key, "used", C_I64, used),
    COL(setup_key, "usage_limit", C_I64, usage_limit),
    COL(setup_key, "ephemeral", C_BOOL, ephemeral),
    COL(setup_key, "allow_labels", C_BOOL, allow_extra_dns_labels),
    COL(setup_key, "auto", C_GROUPS, auto_groups),
};

static const struct col PEER[] = {
    COL(peer, "wg_key", C_TEXT, key),
    COL(peer, "ip4", C_IP, ip),
    COL(peer, "ip6", C_IP, ip6),
    COL(peer, "name", C_TEXT, name),
    COL(peer, "label", C_TEXT, dns_label),
    COL(peer, "user_id", C_REF, user_id),
    COL(peer, "ssh_key", C_TEXT, ssh_key),
    COL(peer, "ssh_enabled", C_BOOL, ssh_enabled),
    COL(peer, "login_expiration", C_BOOL, login_expiration_enabled),
    COL(peer, "inactivity_expiration", C_BOOL, inactivity_expiration_enabled),
    COL(peer, "last_login", C_TIME, last_login_us),
    COL(peer, "created_at", C_TIME, created_at_us),
    COL(peer, "ephemeral", C_BOOL, ephemeral),
    COL(peer, "extra_labels", C_STRS, extra_dns_labels),
    COL(peer, "allow_labels", C_BOOL, allow_extra_dns_labels),
    COL(peer, "proxy_embedded", C_BOOL, proxy_embedded),
    COL(peer, "proxy_cluster", C_TEXT, proxy_cluster),
    COL(peer, "login_expired", C_BOOL, status.login_expired),
    COL(peer, "requires_approval", C_BOOL, status.requires_approval),
    COL(peer, "owner_blocked", C_BOOL, status.owner_blocked),
};

static const struct col PEER_STATUS[] = {
    COL(peer, "last_seen", C_TIME, status.last_seen_us),
    COL(peer, "connected", C_BOOL, status.connected),
    COL(peer, "session_token", C_I64, status.session_token),
};

static const struct col ADDRESS[] = {
    COL(peer_address, "prefix", C_PREFIX, prefix),
    COL(peer_address, "mac", C_TEXT, mac),
};

static const struct col FILE_COLS[] = {
    COL(peer_file, "path", C_TEXT, path),
    COL(peer_file, "exist", C_BOOL, exist),
    COL(peer_file, "running", C_BOOL, running),
};

static const struct col META[] = {
    COL(peer_meta, "hostname", C_TEXT, hostname),
    COL(peer_meta, "goos", C_TEXT, goos),
    COL(peer_meta, "kernel", C_TEXT, kernel),
    COL(peer_meta, "core", C_TEXT, core),
    COL(peer_meta, "platform", C_TEXT, platform),
    COL(peer_meta, "os", C_TEXT, os),
    COL(peer_meta, "os_version", C_TEXT, os_version),
    COL(peer_meta, "version", C_TEXT, version),
    COL(peer_meta, "ui_version", C_TEXT, ui_version),
    COL(peer_meta, "kernel_version", C_TEXT, kernel_version),
    COL_LIST(peer_meta, "addresses", addresses, n_addresses, peer_address, ADDRESS),
    COL(peer_meta, "serial_number", C_TEXT, serial_number),
    COL(peer_meta, "product_name", C_TEXT, product_name),
    COL(peer_meta, "manufacturer", C_TEXT, manufacturer),
    COL(peer_meta, "env_cloud", C_TEXT, env_cloud),
    COL(peer_meta, "env_platform", C_TEXT, env_platform),
    COL_LIST(peer_meta, "files", files, n_files, peer_file, FILE_COLS),
    COL(peer_meta, "flags", C_U32, flags),
    COL(peer_meta, "capabilities", C_U32, capabilities),
    COL(peer_meta, "sync_version", C_I32, sync_message_version),
};

static const struct col PEER_META[] = {
    COL_OBJ("meta", offsetof(struct peer, meta), META),
    COL(peer, "connection_ip", C_IP, location.connection_ip),
    COL(peer, "country", C_TEXT, location.country_code),
    COL(peer, "city", C_TEXT, location.city_name),
    COL(peer, "geoname_id", C_U64, location.geoname_id),
};

static const struct col RESOURCE_REF[] = {
    COL(resource_ref, "resource_id", C_TEXT, id),
    COL_ENUM(resource_ref, "type", type, restype),
};

static const struct col GROUP[] = {
    COL(group, "public_id", C_TEXT, public_id),
    COL(group, "name", C_TEXT, name),
    COL_ENUM(group, "issued", issued, issued),
    COL(group, "integration_id", C_I64, integration_id),
    COL(group, "integration_type", C_TEXT, integration_type),
    COL_CHILDREN(group, "resources", resources, n_resources, resource_ref, RESOURCE_REF,
                 "grp_resource", "group_id"),
};

static const struct col RANGE[] = {
    COL(port_range, "start", C_U16, start),
    COL(port_range, "end", C_U16, end),
};

static const struct col AUTHORIZED[] = {
    COL(authorized_group, "group", C_TEXT, group_id),
    COL(authorized_group, "names", C_STRS, names),
};

/* The first column of a child table with C_GROUPS in it is its id: the owner of those lists. */
static const struct col RULE[] = {
    COL(rule, "id", C_TEXT, id),
    COL(rule, "name", C_TEXT, name),
    COL(rule, "description", C_TEXT, description),
    COL(rule, "enabled", C_BOOL, enabled),
    COL_ENUM(rule, "action", action, action),
    COL_ENUM(rule, "protocol", protocol, protocol),
    COL(rule, "bidirectional", C_BOOL, bidirectional),
    COL(rule, "src_res_id", C_REF, source_resource.id),
    COL_ENUM(rule, "src_res_type", source_resource.type, restype),
    COL(rule, "dst_res_id", C_REF, destination_resource.id),
    COL_ENUM(rule, "dst_res_type", destination_resource.type, restype),
    COL(rule, "ports", C_STRS, ports),
    COL_LIST(rule, "ranges", ranges, n_ranges, port_range, RANGE),
    COL_LIST(rule, "authorized", authorized, n_authorized, authorized_group, AUTHORIZED),
    COL(rule, "authorized_user", C_TEXT, authorized_user),
    COL(rule, "source", C_GROUPS, sources),
    COL(rule, "destination", C_GROUPS, destinations),
};

static const struct col POSTURE_ID[] = {{.name = "posture_id", .type = C_TEXT}};

static const struct col POLICY[] = {
    COL(policy, "public_id", C_TEXT, public_id),
    COL(policy, "seq", C_I64, seq),
    COL(policy, "name", C_TEXT, name),
    COL(policy, "description", C_TEXT, description),
    COL(policy, "enabled", C_BOOL, enabled),
    {.name = "postures",
     .type = C_CHILDREN,
     .off = offsetof(struct policy, posture_checks.v),
     .off_n = offsetof(struct policy, posture_checks.n),
     .elem = sizeof(struct rk_str),
     .sub = POSTURE_ID,
     .n_sub = RK_ARRAY_LEN(POSTURE_ID),
     .child = "policy_posture",
     .child_owner = "policy_id",
     .or_null = true},
    {.name = "rules",
     .type = C_CHILDREN,
     .off = offsetof(struct policy, rules),
     .off_n = offsetof(struct policy, n_rules),
     .elem = sizeof(struct rule),
     .sub = RULE,
     .n_sub = RK_ARRAY_LEN(RULE),
     .child = "policy_rule",
     .child_owner = "policy_id",
     .off_owner = offsetof(struct rule, policy_id)},
};

static const struct col GEO[] = {
    COL(geo_location, "country", C_TEXT, country_code),
    COL(geo_location, "city", C_TEXT, city_name),
};

static const struct col NET_RANGE[] = {{.name = "prefix", .type = C_PREFIX}};

static const struct col PROCESS[] = {
    COL(check_process, "linux", C_TEXT, linux_path),
    COL(check_process, "mac", C_TEXT, mac_path),
    COL(check_process, "windows", C_TEXT, windows_path),
};

static const struct col CHECKS[] = {
    COL(posture, "has_nb_version", C_BOOL, has_nb_version),
    COL(posture, "nb_min_version", C_TEXT, nb_min_version),
    COL(posture, "has_os_version", C_BOOL, has_os_version),
    COL(posture, "android_min_version", C_TEXT, android_min_version),
    COL(posture, "darwin_min_version", C_TEXT, darwin_min_version),
    COL(posture, "ios_min_version", C_TEXT, ios_min_version),
    COL(posture, "linux_min_kernel", C_TEXT, linux_min_kernel),
    COL(posture, "windows_min_kernel", C_TEXT, windows_min_kernel),
    COL(posture, "has_geo", C_BOOL, has_geo),
    COL_ENUM(posture, "geo_action", geo_action, check),
    COL_LIST(posture, "geo", geo, n_geo, geo_location, GEO),
    COL(posture, "has_net_range", C_BOOL, has_net_range),
    COL_ENUM(posture, "net_action", net_action, check),
    COL_LIST(posture, "ranges", ranges, n_ranges, rk_prefix, NET_RANGE),
    COL(posture, "has_process", C_BOOL, has_process),
    COL_LIST(posture, "processes", processes, n_processes, check_process, PROCESS),
};

static const struct col POSTURE[] = {
    COL(posture, "public_id", C_TEXT, public_id),
    COL(posture, "name", C_TEXT, name),
    COL(posture, "description", C_TEXT, description),
    COL_OBJ("checks", 0, CHECKS),
};

static const struct col ROUTE[] = {
    COL(route, "public_id", C_TEXT, public_id),
    COL(route, "description", C_TEXT, description),
    COL(route, "network", C_PREFIX, network),
    COL(route, "domains", C_STRS, domains),
    COL(route, "kind", C_ENUM_NUM, kind),
    COL(route, "keep_route", C_BOOL, keep_route),
    COL(route, "net_id", C_TEXT, net_id),
    COL(route, "peer_id", C_REF, peer),
    COL(route, "metric", C_I64, metric),
    COL(route, "masquerade", C_BOOL, masquerade),
    COL(route, "enabled", C_BOOL, enabled),
    COL(route, "skip_auto", C_BOOL, skip_auto_apply),
    COL(route, "peer_group", C_GROUPS, peer_groups),
    COL(route, "distribution", C_GROUPS, groups),
    COL(route, "access_control", C_GROUPS, access_control_groups),
};

static const struct col NETWORK[] = {
    COL(network, "public_id", C_TEXT, public_id),
    COL(network, "name", C_TEXT, name),
    COL(network, "description", C_TEXT, description),
};

static const struct col RESOURCE[] = {
    COL(resource, "network_id", C_TEXT, network_id),
    COL(resource, "public_id", C_TEXT, public_id),
    COL(resource, "name", C_TEXT, name),
    COL(resource, "description", C_TEXT, description),
    COL_ENUM(resource, "type", type, restype),
    COL(resource, "prefix", C_PREFIX, prefix),
    COL(resource, "domain", C_TEXT, domain),
    COL(resource, "enabled", C_BOOL, enabled),
    COL(resource, "address_given", C_TEXT, address_given),
};

static const struct col ROUTER[] = {
    COL(router, "network_id", C_TEXT, network_id),
    COL(router, "public_id", C_TEXT, public_id),
    COL(router, "peer_id", C_REF, peer),
    COL(router, "masquerade", C_BOOL, masquerade),
    COL(router, "metric", C_I64, metric),
    COL(router, "enabled", C_BOOL, enabled),
    COL_OR_NULL(router, "peer_group", C_GROUPS, peer_groups),
};

static const struct col NAMESERVER[] = {
    COL(nameserver, "ip", C_IP, ip),
    COL(nameserver, "type", C_I64, ns_type),
    COL(nameserver, "port", C_I64, port),
};

static const struct col NS_GROUP[] = {
    COL(ns_group, "public_id", C_TEXT, public_id),
    COL(ns_group, "name", C_TEXT, name),
    COL(ns_group, "description", C_TEXT, description),
    COL_LIST(ns_group, "servers", servers, n_servers, nameserver, NAMESERVER),
    COL(ns_group, "is_primary", C_BOOL, primary),
    COL_OR_NULL(ns_group, "domains", C_STRS, domains),
    COL(ns_group, "enabled", C_BOOL, enabled),
    COL(ns_group, "search_domains", C_BOOL, search_domains),
    COL(ns_group, "distribution", C_GROUPS, groups),
};

static const struct col ZONE[] = {
    COL(zone, "name", C_TEXT, name),
    COL(zone, "domain", C_TEXT, domain),
    COL(zone, "enabled", C_BOOL, enabled),
    COL(zone, "search_domain", C_BOOL, search_domain),
    COL(zone, "distribution", C_GROUPS, groups),
};

static const struct col RECORD[] = {
    COL(record, "zone_id", C_TEXT, zone_id), COL(record, "name", C_TEXT, name),
    COL_ENUM(record, "type", type, rectype), COL(record, "content", C_TEXT, content),
    COL(record, "ttl", C_I64, ttl_s),
};

static const struct col INVITE[] = {
    COL(invite, "email_sealed", C_SEALED, email),
    COL(invite, "name_sealed", C_SEALED, name),
    COL_ENUM(invite, "role", role, role),
    COL(invite, "token_hash", C_TEXT, token_hash),
    COL(invite, "expires_at", C_TIME, expires_at_us),
    COL(invite, "created_at", C_TIME, created_at_us),
    COL(invite, "created_by", C_TEXT, created_by),
    COL(invite, "auto", C_GROUPS, auto_groups),
};

static const struct col JOB[] = {
    COL(job, "peer_id", C_TEXT, peer_id),
    COL(job, "type", C_TEXT, type),
    COL(job, "bundle_for", C_BOOL, bundle_for),
    COL(job, "bundle_for_min", C_I64, bundle_for_min),
    COL(job, "log_file_count", C_I64, log_file_count),
    COL(job, "anonymize", C_BOOL, anonymize),
    COL_ENUM(job, "status", status, jobstatus),
    COL(job, "failed_reason", C_TEXT, failed_reason),
    COL(job, "result", C_TEXT, result),
    COL(job, "triggered_by", C_TEXT, triggered_by),
    COL(job, "created_at", C_TIME, created_at_us),
    COL(job, "completed_at", C_TIME, completed_at_us),
};

static const struct col HEADER[] = {
    COL(service_header, "name", C_TEXT, name),
    COL(service_header, "value", C_TEXT, value),
};

static const struct col TARGET[] = {
    COL(service_target, "path", C_TEXT, path),
    COL(service_target, "type", C_TEXT, target_type),
    COL(service_target, "id", C_TEXT, target_id),
    COL(service_target, "protocol", C_TEXT, protocol),
    COL(service_target, "port", C_U16, port),
    COL(service_target, "enabled", C_BOOL, enabled),
    COL(service_target, "host", C_TEXT, host),
    COL(service_target, "skip_tls_verify", C_BOOL, skip_tls_verify),
    COL(service_target, "request_timeout", C_I64, request_timeout_ms),
    COL(service_target, "idle_timeout", C_I64, idle_timeout_ms),
    COL(service_target, "path_rewrite", C_TEXT, path_rewrite),
    COL_LIST(service_target, "headers", headers, n_headers, service_header, HEADER),
    COL(service_target, "proxy_protocol", C_BOOL, proxy_protocol),
    COL(service_target, "direct_upstream", C_BOOL, direct_upstream),
};

static const struct col HEADER_AUTH[] = {
    COL(service_header_auth, "enabled", C_BOOL, enabled),
    COL(service_header_auth, "header", C_TEXT, header),
    COL(service_header_auth, "hash", C_TEXT, hash),
};

static const struct col SERVICE[] = {
    COL(service, "name", C_TEXT, name),
    COL(service, "domain", C_TEXT, domain),
    COL(service, "proxy_cluster", C_TEXT, proxy_cluster),
    COL(service, "mode", C_TEXT, mode),
    COL(service, "listen_port", C_U16, listen_port),
    COL(service, "port_auto_assigned", C_BOOL, port_auto_assigned),
    COL(service, "enabled", C_BOOL, enabled),
    COL(service, "terminated", C_BOOL, terminated),
    COL(service, "pass_host_header", C_BOOL, pass_host_header),
    COL(service, "rewrite_redirects", C_BOOL, rewrite_redirects),
    COL(service, "is_private", C_BOOL, is_private),
    COL_LIST(service, "targets", targets, n_targets, service_target, TARGET),
    COL(service, "password_given", C_BOOL, password_given),
    COL(service, "password_on", C_BOOL, password_on),
    COL(service, "password_hash", C_TEXT, password_hash),
    COL(service, "pin_given", C_BOOL, pin_given),
    COL(service, "pin_on", C_BOOL, pin_on),
    COL(service, "pin_hash", C_TEXT, pin_hash),
    COL(service, "bearer_given", C_BOOL, bearer_given),
    COL(service, "bearer_on", C_BOOL, bearer_on),
    COL_LIST(service, "header_auths", header_auths, n_header_auths, service_header_auth,
             HEADER_AUTH),
    COL(service, "allowed_cidrs", C_STRS, allowed_cidrs),
    COL(service, "blocked_cidrs", C_STRS, blocked_cidrs),
    COL(service, "allowed_countries", C_STRS, allowed_countries),
    COL(service, "blocked_countries", C_STRS, blocked_countries),
    COL(service, "crowdsec_mode", C_TEXT, crowdsec_mode),
    COL(service, "session_public", C_TEXT, session_public),
    COL(service, "session_private_sealed", C_SEALED, session_private),
    COL(service, "created_at", C_TIME, created_at_us),
    COL(service, "source", C_TEXT, source),
    COL(service, "source_peer", C_TEXT, source_peer),
    COL(service, "access", C_GROUPS, access_groups),
    COL_OR_NULL(service, "bearer", C_GROUPS, bearer_groups),
};

static const struct col PROXY_DOMAIN[] = {
    COL(proxy_domain, "domain", C_TEXT, domain),
    COL(proxy_domain, "cluster", C_TEXT, cluster),
    COL(proxy_domain, "validated", C_BOOL, validated),
};

/* ---- entities */

#define TABLE(table_name, cols_)                                                                   \
    {                                                                                              \
        .name = table_name, .cols = cols_, .n_cols = RK_ARRAY_LEN(cols_)                           \
    }
#define MANY(kind_, st, list, n_list, account_off, ...)                                            \
    [kind_] = {.kind = kind_,                                                                      \
               .size = sizeof(struct st),                                                          \
               .key = "id",                                                                        \
               .has_account = true,                                                                \
               .off_id = offsetof(struct st, id),                                                  \
               .off_account = account_off,                                                         \
               .off_items = offsetof(struct account_data, list),                                   \
               .off_n = offsetof(struct account_data, n_list),                                     \
               .tables = {__VA_ARGS__},                                                            \
               .n_tables = sizeof((const struct table[]){__VA_ARGS__}) / sizeof(struct table)}
#define OWNED(kind_, st, list, n_list, ...)                                                        \
    MANY(kind_, st, list, n_list, offsetof(struct st, account_id), __VA_ARGS__)

static const struct codec CODECS[ENT_COUNT] = {
    [ENT_ACCOUNT] = {.kind = ENT_ACCOUNT,
                     .size = sizeof(struct account),
                     .key = "id",
                     .is_account = true,
                     .off_id = offsetof(struct account, id),
                     .off_account = CODEC_NO_FIELD,
                     .off_items = offsetof(struct account_data, account),
                     .off_n = CODEC_NO_FIELD,
                     .tables = {TABLE("account", ACCOUNT)},
                     .n_tables = 1},
    [ENT_SETTINGS] = {.kind = ENT_SETTINGS,
                      .size = sizeof(struct settings),
                      .key = "account_id",
                      .is_account = true,
                      .off_id = CODEC_NO_FIELD,
                      .off_account = CODEC_NO_FIELD,
                      .off_items = offsetof(struct account_data, settings),
                      .off_n = CODEC_NO_FIELD,
                      .tables = {TABLE("account_settings", SETTINGS)},
                      .n_tables = 1},
    [ENT_DNS_SETTINGS] = {.kind = ENT_DNS_SETTINGS,
                          .size = sizeof(struct dns_settings),
                          .key = "account_id",
                          .is_account = true,
                          .off_id = CODEC_NO_FIELD,
                          .off_account = CODEC_NO_FIELD,
                          .off_items = offsetof(struct account_data, dns_settings),
                          .off_n = CODEC_NO_FIELD,
                          .tables = {TABLE("account_dns", DNS_SETTINGS)},
                          .n_tables = 1},
    OWNED(ENT_USER, user, users, n_users, TABLE("usr", USER)),
    MANY(ENT_PAT, pat, pats, n_pats, CODEC_NO_FIELD, TABLE("pat", PAT)),
    OWNED(ENT_SETUP_KEY, setup_key, setup_keys, n_setup_keys, TABLE("setup_key", SETUP_KEY)),
    OWNED(ENT_PEER, peer, peers, n_peers, TABLE("peer", PEER),
          {.name = "peer_status",
           .cols = PEER_STATUS,
           .n_cols = RK_ARRAY_LEN(PEER_STATUS),
           .once = true},
          TABLE("peer_meta", PEER_META)),
    OWNED(ENT_GROUP, group, groups, n_groups, TABLE("grp", GROUP)),
    OWNED(ENT_POLICY, policy, policies, n_policies, TABLE("policy", POLICY)),
    OWNED(ENT_POSTURE, posture, postures, n_postures, TABLE("posture", POSTURE)),
    OWNED(ENT_ROUTE, route, routes, n_routes, TABLE("route", ROUTE)),
    OWNED(ENT_NETWORK, network, networks, n_networks, TABLE("network", NETWORK)),
    OWNED(ENT_RESOURCE, resource, resources, n_resources, TABLE("resource", RESOURCE)),
    OWNED(ENT_ROUTER, router, routers, n_routers, TABLE("router", ROUTER)),
    OWNED(ENT_NS_GROUP, ns_group, ns_groups, n_ns_groups, TABLE("ns_group", NS_GROUP)),
    OWNED(ENT_ZONE, zone, zones, n_zones, TABLE("zone", ZONE)),
    OWNED(ENT_RECORD, record, records, n_records, TABLE("record", RECORD)),
    OWNED(ENT_INVITE, invite, invites, n_invites, TABLE("invite", INVITE)),
    OWNED(ENT_JOB, job, jobs, n_jobs, TABLE("job", JOB)),
    OWNED(ENT_SERVICE, service, services, n_services, TABLE("service", SERVICE)),
    MANY(ENT_PROXY_DOMAIN, proxy_domain, proxy_domains, n_proxy_domains, CODEC_NO_FIELD,
         TABLE("proxy_domain", PROXY_DOMAIN)),
};

const struct codec *codec_of(enum entity_kind k)
{
    return k < ENT_COUNT && CODECS[k].n_tables ? &CODECS[k] : NULL;
}

void col_set_empty(const struct col *c, void *base)
{
    static struct rk_str nothing[1]; /* never read: n is 0 */

    if (col_is_null(c, base))
        AT(base, c->off, void *) = nothing;
}
