/* SPDX-License-Identifier: BSD-3-Clause */
/* /api/accounts */
#include "config.h"

#include "management/ops/accounts.h"

#include "management/ops/settings.h"
#include "management/rest/handlers.h"

/* How settings are shown: as they are in force, or as an update has just set them. */
struct shown {
    const struct settings *s;
    const struct rk_prefix *range4, *range6; /* family 0: left out */
    bool embedded_idp, local_auth_disabled;
};

static void put_extra(struct rk_buf *b, const struct settings *s)
{
    struct rk_str nothing = {0};
    const struct str_list given = {&nothing, 0}, none = {0};

    json_put_key_obj(b, "extra");
    json_put_key_bool(b, "peer_approval_enabled", s->peer_approval_enabled);
    json_put_key_bool(b, "user_approval_required", s->user_approval_required);
    json_put_key_bool(b, "network_traffic_logs_enabled", s->traffic_logs);
    json_put_key(b, "network_traffic_logs_groups");
    put_strs_or_null(b, s->traffic_groups.n       ? &s->traffic_groups
                        : s->traffic_groups_given ? &given
                                                  : &none);
    json_put_key_bool(b, "network_traffic_packet_counter_enabled", s->traffic_counters);
    json_put_obj_end(b);
}

static void put_networking(struct rk_buf *b, const struct shown *v)
{
    const struct settings *s = v->s;

    json_put_key_bool(b, "routing_peer_dns_resolution_enabled", s->routing_peer_dns_resolution);
    json_put_key_str(b, "dns_domain", s->dns_domain);
    if (v->range4->ip.family) {
        json_put_key(b, "network_range");
        put_prefix(b, v->range4);
    }
    if (v->range6->ip.family) {
        json_put_key(b, "network_range_v6");
        put_prefix(b, v->range6);
    }
    json_put_key_bool(b, "peer_expose_enabled", s->peer_expose_enabled);
    json_put_key(b, "peer_expose_groups");
    put_strs_or_null(b, &s->peer_expose_groups);
    json_put_key_bool(b, "lazy_connection_enabled", s->lazy_connection);
    json_put_key(b, "ipv6_enabled_groups");
    put_strs_or_null(b, &s->ipv6_groups);
}

static void put_settings(struct rk_buf *b, const struct shown *v)
{
    const struct settings *s = v->s;

    json_put_obj(b);
    json_put_key_bool(b, "peer_login_expiration_enabled", s->peer_login_expiration_enabled);
    json_put_key_int(b, "peer_login_expiration", s->peer_login_expiration_s);
    json_put_key_bool(b, "peer_inactivity_expiration_enabled",
                      s->peer_inactivity_expiration_enabled);
    json_put_key_int(b, "peer_inactivity_expiration", s->peer_inactivity_expiration_s);
    json_put_key_bool(b, "regular_users_view_blocked", s->regular_users_view_blocked);
    json_put_key_bool(b, "groups_propagation_enabled", s->groups_propagation_enabled);
    json_put_key_bool(b, "jwt_groups_enabled", s->jwt_groups_enabled);
    json_put_key_str(b, "jwt_groups_claim_name", s->jwt_groups_claim);
    put_kstrs(b, "jwt_allow_groups", &s->jwt_allow_groups);
    put_networking(b, v);
    put_extra(b, s);
    json_put_key_str(b, "auto_update_version", s->auto_update_version);
    json_put_key_bool(b, "auto_update_always", s->auto_update_always);
    json_put_key_bool(b, "metrics_push_enabled", s->metrics_push);
    json_put_key_bool(b, "agent_network_only", s->agent_network_only);
    if (s->has_dashboard_features) {
        json_put_key_obj(b, "dashboard_features");
        if (s->dashboard_agent_network != TRI_UNSET)
            json_put_key_bool(b, "agent_network", s->dashboard_agent_network == TRI_TRUE);
        json_put_obj_end(b);
    }
    json_put_key_bool(b, "embedded_idp_enabled", v->embedded_idp);
    json_put_key_bool(b, "local_auth_disabled", v->local_auth_disabled);
    json_put_key_bool(b, "local_mfa_enabled", s->local_mfa);
    json_put_obj_end(b);
}

static void put_account(struct rk_buf *b, const struct account *a, const struct shown *v)
{
    json_put_obj(b);
    json_put_key_str(b, "id", a->id);
    json_put_key(b, "settings");
    put_settings(b, v);
    json_put_key_str(b, "domain", a->domain);
    json_put_key_str(b, "domain_category", rk_str_z(domain_category_text(a->domain_category)));
    json_put_key_time(b, "created_at", a->created_at_us);
    json_put_key_str(b, "created_by", a->created_by);
    json_put_key_obj(b, "onboarding");
    json_put_key_bool(b, "signup_form_pending", a->signup_form_pending);
    json_put_key_bool(b, "onboarding_flow_pending", a->onboarding_flow_pending);
    json_put_obj_end(b);
    json_put_obj_end(b);
}

enum rk_code rest_accounts_list(struct http_req *req, struct http_resp *resp, struct db *db,
                                struct rk_err *err)
{
    const struct op *op = op_of(req);
    const struct account *a = snap_account(op->snap);
    struct shown v = {.s = snap_settings(op->snap),
                      .range4 = &a->net4,
                      .range6 = &a->net6,
                      .embedded_idp = rest_of(req)->o.embedded_idp,
                      .local_auth_disabled = rest_of(req)->o.local_auth_disabled};
    enum rk_code rc = op_may(op, PERM_ACCOUNTS, PERM_READ, err);

    (void)db;
    if (!rc)
        rc = op_may(op, PERM_SETTINGS, PERM_READ, err);
    if (rc)
        return rc;
    json_put_arr(&resp->body);
    put_account(&resp->body, a, &v);
    json_put_arr_end(&resp->body);
    return answer_done(resp);
}

struct extra_in {
    bool peer_approval_enabled, user_approval_required;
    bool network_traffic_logs_enabled, network_traffic_packet_counter_enabled;
    struct str_list network_traffic_logs_groups;
};

struct features_in {
    struct json_opt_bool agent_network;
};

struct settings_in {
    struct settings s;
    struct rk_str network_range, network_range_v6;
    struct extra_in *extra;
    struct features_in *features;
    bool embedded_idp_enabled, local_auth_disabled; /* shown, and sent back by dashboards */
};

struct onboarding_in {
    bool signup_form_pending, onboarding_flow_pending;
};

struct account_in {
    struct settings_in *settings;
    struct onboarding_in *onboarding;
};

static const struct json_field EXTRA[] = {
    JSON_FIELD(struct extra_in, peer_approval_enabled, JSON_BOOL),
    JSON_FIELD(struct extra_in, user_approval_required, JSON_BOOL),
    JSON_FIELD(struct extra_in, network_traffic_logs_enabled, JSON_BOOL),
    JSON_FIELD(struct extra_in, network_traffic_logs_groups, JSON_STRS),
    JSON_FIELD(struct extra_in, network_traffic_packet_counter_enabled, JSON_BOOL),
};
static const struct json_field FEATURES[] = {
    JSON_FIELD(struct features_in, agent_network, JSON_OPT_BOOL)};
static const struct json_field SETTINGS[] = {
    JSON_FIELD_AS(struct settings_in, s.peer_login_expiration_enabled,
                  "peer_login_expiration_enabled", JSON_BOOL),
    JSON_FIELD_AS(struct settings_in, s.peer_login_expiration_s, "peer_login_expiration", JSON_INT),
    JSON_FIELD_AS(struct settings_in, s.peer_inactivity_expiration_enabled,
                  "peer_inactivity_expiration_enabled", JSON_BOOL),
    JSON_FIELD_AS(struct settings_in, s.peer_inactivity_expiration_s, "peer_inactivity_expiration",
                  JSON_INT),
    JSON_FIELD_AS(struct settings_in, s.regular_users_view_blocked, "regular_users_view_blocked",
                  JSON_BOOL),
    JSON_FIELD_AS(struct settings_in, s.groups_propagation_enabled, "groups_propagation_enabled",
                  JSON_BOOL),
    JSON_FIELD_AS(struct settings_in, s.jwt_groups_enabled, "jwt_groups_enabled", JSON_BOOL),
    JSON_FIELD_AS(struct settings_in, s.jwt_groups_claim, "jwt_groups_claim_name", JSON_STR),
    JSON_FIELD_AS(struct settings_in, s.jwt_allow_groups, "jwt_allow_groups", JSON_STRS),
    JSON_FIELD_AS(struct settings_in, s.routing_peer_dns_resolution,
                  "routing_peer_dns_resolution_enabled", JSON_BOOL),
    JSON_FIELD_AS(struct settings_in, s.dns_domain, "dns_domain", JSON_STR),
    JSON_FIELD(struct settings_in, network_range, JSON_STR),
    JSON_FIELD(struct settings_in, network_range_v6, JSON_STR),
    JSON_FIELD_AS(struct settings_in, s.peer_expose_enabled, "peer_expose_enabled", JSON_BOOL),
    JSON_FIELD_AS(struct settings_in, s.peer_expose_groups, "peer_expose_groups", JSON_STRS),
    JSON_FIELD_SUB(struct settings_in, extra, "extra", JSON_OPT_OBJ, struct extra_in, EXTRA),
    JSON_FIELD_AS(struct settings_in, s.lazy_connection, "lazy_connection_enabled", JSON_BOOL),
    JSON_FIELD_AS(struct settings_in, s.auto_update_version, "auto_update_version", JSON_STR),
    JSON_FIELD_AS(struct settings_in, s.auto_update_always, "auto_update_always", JSON_BOOL),
    JSON_FIELD_AS(struct settings_in, s.metrics_push, "metrics_push_enabled", JSON_BOOL),
    JSON_FIELD_AS(struct settings_in, s.agent_network_only, "agent_network_only", JSON_BOOL),
    JSON_FIELD_SUB(struct settings_in, features, "dashboard_features", JSON_OPT_OBJ,
                   struct features_in, FEATURES),
    JSON_FIELD_AS(struct settings_in, s.local_mfa, "local_mfa_enabled", JSON_BOOL),
    JSON_FIELD(struct settings_in, embedded_idp_enabled, JSON_BOOL),
    JSON_FIELD(struct settings_in, local_auth_disabled, JSON_BOOL),
    JSON_FIELD_AS(struct settings_in, s.ipv6_groups, "ipv6_enabled_groups", JSON_STRS),
};
static const struct json_field ONBOARDING[] = {
    JSON_FIELD(struct onboarding_in, signup_form_pending, JSON_BOOL),
    JSON_FIELD(struct onboarding_in, onboarding_flow_pending, JSON_BOOL),
};
static const struct json_field ACCOUNT[] = {
    JSON_FIELD_SUB(struct account_in, settings, "settings", JSON_OPT_OBJ, struct settings_in,
                   SETTINGS),
    JSON_FIELD_SUB(struct account_in, onboarding, "onboarding", JSON_OPT_OBJ, struct onboarding_in,
                   ONBOARDING),
};

/* What nothing here would read is refused, not dropped. */
static enum rk_code check_extra(const struct extra_in *e, bool traffic, struct rk_err *err)
{
    const char *what = NULL;

    if (!e || traffic)
        return RK_OK;
    if (e->network_traffic_logs_enabled)
        what = "network_traffic_logs_enabled";
    else if (e->network_traffic_logs_groups.n)
        what = "network_traffic_logs_groups";
    else if (e->network_traffic_packet_counter_enabled)
        what = "network_traffic_packet_counter_enabled";
    return what ? rk_fail(err, RK_INVALID,
                          "extra.%s: this server keeps no traffic logs (server.x.flow is off); "
                          "leave it off or empty",
                          what)
                : RK_OK;
}

/* What the server's configuration decides: "off" is taken, for the answer of a change says it
 * whatever is in force, and dashboards send that back. */
static enum rk_code check_server_wide(const struct settings_in *in, const struct rest_opts *o,
                                      struct rk_err *err)
{
    if (in->embedded_idp_enabled && !o->embedded_idp)
        return rk_fail(err, RK_INVALID,
                       "embedded_idp_enabled is the server's configuration, not a setting of the "
                       "account: this one takes the tokens of another issuer "
                       "(HttpConfig.AuthIssuer without EmbeddedIdP)");
    if (in->local_auth_disabled && !o->local_auth_disabled)
        return rk_fail(err, RK_INVALID,
                       "local_auth_disabled is the server's configuration "
                       "(server.auth.localAuthDisabled), not a setting of the account");
    return RK_OK;
}

static struct settings_input to_input(const struct account_in *in, bool embedded_idp)
{
    const struct settings_in *from = in->settings;
    struct settings_input to = {.s = from->s,
                                .range4 = from->network_range,
                                .range6 = from->network_range_v6,
                                .embedded_idp = embedded_idp};

    if (from->extra) {
        to.has_extra = true;
        to.s.peer_approval_enabled = from->extra->peer_approval_enabled;
        to.s.user_approval_required = from->extra->user_approval_required;
        to.s.traffic_logs = from->extra->network_traffic_logs_enabled;
        to.s.traffic_counters = from->extra->network_traffic_packet_counter_enabled;
        to.s.traffic_groups = from->extra->network_traffic_logs_groups;
        to.s.traffic_groups_given = from->extra->network_traffic_logs_groups.v != NULL;
    }
    if (from->features) {
        const struct json_opt_bool *an = &from->features->agent_network;

        to.s.has_dashboard_features = true;
        to.s.dashboard_agent_network = !an->set ? TRI_UNSET : an->v ? TRI_TRUE : TRI_FALSE;
    }
    if (in->onboarding) {
        to.has_onboarding = true;
        to.signup_form_pending = in->onboarding->signup_form_pending;
        to.onboarding_flow_pending = in->onboarding->onboarding_flow_pending;
    }
    return to;
}

enum rk_code rest_accounts_update(struct http_req *req, struct http_resp *resp, struct db *db,
                                  struct rk_err *err)
{
    struct account_in in = {0};
    struct settings_input input;
    const struct settings *s;
    struct shown v;
    enum rk_code rc = BODY(req, ACCOUNT, &in, err);

    (void)db;
    if (rc)
        return rc;
    if (!in.settings) /* an update replaces them all; "all off" must be said */
        return rk_fail(err, RK_INVALID, "settings are missing");
    rc = check_server_wide(in.settings, &rest_of(req)->o, err);
    if (!rc)
        rc = check_extra(in.settings->extra, rest_of(req)->o.traffic != NULL, err);
    if (rc)
        return rc;
    input = to_input(&in, rest_of(req)->o.embedded_idp);
    rc = settings_update(op_of(req), param(req, 0), &input, &s, err);
    if (rc)
        return rc;
    v = (struct shown){.s = s, .range4 = &s->network_range4, .range6 = &s->network_range6};
    put_account(&resp->body, snap_account(op_of(req)->snap), &v);
    return answer_done(resp);
}

enum rk_code rest_accounts_delete(struct http_req *req, struct http_resp *resp, struct db *db,
                                  struct rk_err *err)
{
    enum rk_code rc = account_delete(op_of(req), param(req, 0), err);

    (void)db;
    return rc ? rc : answer_empty(resp);
}
