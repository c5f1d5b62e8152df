/* SPDX-License-Identifier: BSD-3-Clause */
/* Settings of an account, as the settings object of the REST API. */
#ifndef MGMT_DOMAIN_SETTINGS_H
#define MGMT_DOMAIN_SETTINGS_H

#include "management/domain/types.h"

enum tristate { TRI_UNSET, TRI_FALSE, TRI_TRUE };

struct settings {
    bool peer_login_expiration_enabled;
    int64_t peer_login_expiration_s;
    bool peer_inactivity_expiration_enabled;
    int64_t peer_inactivity_expiration_s;
    bool regular_users_view_blocked;
    bool groups_propagation_enabled;
    bool jwt_groups_enabled;
    struct rk_str jwt_groups_claim;
    struct str_list jwt_allow_groups;
    bool routing_peer_dns_resolution;
    struct rk_str dns_domain;        /* empty: the server's */
    struct rk_prefix network_range4; /* family 0: not overridden */
    struct rk_prefix network_range6;
    bool peer_expose_enabled;
    struct str_list peer_expose_groups;
    bool peer_approval_enabled; /* extra.* from here */
    bool user_approval_required;
    bool traffic_logs;              /* agents record who talked to whom */
    bool traffic_counters;          /* ... and how much */
    struct str_list traffic_groups; /* whose machines do; empty: all */
    bool traffic_groups_given;      /* an empty list of them, not none */
    struct rk_str integrated_validator;
    struct str_list integrated_validator_groups; /* … to here */
    bool lazy_connection;
    struct rk_str auto_update_version; /* "disabled", "latest", "" or a version */
    bool auto_update_always;
    struct str_list ipv6_groups; /* empty: IPv6 is off */
    bool metrics_push;
    bool agent_network_only;
    bool has_dashboard_features;
    enum tristate dashboard_agent_network;
    bool local_mfa;
};

/** Fill in the values of a new account (login expiry 24 h, lists empty; the caller adds All to
 *  ipv6_groups). */
void settings_default(struct settings *s);

#define PEER_LOGIN_EXPIRATION_MIN_S ((int64_t)3600)
#define PEER_LOGIN_EXPIRATION_MAX_S ((int64_t)180 * 24 * 3600)

#endif
