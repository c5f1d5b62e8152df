/* SPDX-License-Identifier: BSD-3-Clause */
/* Settings of an account; see settings.h. */
#include "config.h"

#include "management/ops/settings.h"

#include "lib/base/num.h"
#include "management/domain/version.h"
#include "management/identity/local_users.h"
#include "management/identity/logins.h"
#include "management/ops/addresses.h"
#include "management/ops/domains.h"
#include "management/ops/peers.h"
#include "management/ops/users.h"

#define IPV4_BITS_MAX 28
#define IPV6_BITS_MIN 48
#define IPV6_BITS_MAX 120
#define ROOM_MIN      10

struct save {
    struct rk_arena *mem;
    const struct settings_input *in;
    struct rk_prefix range4, range6; /* family 0: none */
    struct settings *now;
};

/* ---- checks */

static enum rk_code check_range(const struct op *op, struct rk_str text, uint8_t family,
                                struct rk_prefix *out, struct rk_err *err)
{
    uint64_t peers = snap_count(op->snap, ENT_PEER), room;
    struct rk_prefix p;

    if (!text.p || !text.n)
        return RK_OK;
    if (rk_prefix_parse(text, &p, NULL))
        return rk_fail(err, RK_INVALID, "invalid CIDR format: %.*s", RK_STR_ARG(text));
    if (p.ip.family != family)
        return rk_fail(err, RK_INVALID, "network range must be an IPv%d address", family);
    p = rk_prefix_masked(&p);
    if (rk_ip_is_loopback(&p.ip))
        return rk_fail(err, RK_INVALID, "loopback address range not allowed");
    if (rk_ip_is_multicast(&p.ip))
        return rk_fail(err, RK_INVALID, "multicast address range not allowed");
    if (rk_ip_is_link_local(&p.ip))
        return rk_fail(err, RK_INVALID, "link-local address range not allowed");
    if (p.bits > (family == 4 ? IPV4_BITS_MAX : IPV6_BITS_MAX))
        return rk_fail(err, RK_INVALID, "network range too small: minimum size is /%d for IPv%d",
                       family == 4 ? IPV4_BITS_MAX : IPV6_BITS_MAX, family);
    if (family == 6 && p.bits < IPV6_BITS_MIN)
        return rk_fail(err, RK_INVALID, "network range too large: maximum size is /%d for IPv6",
                       IPV6_BITS_MIN);
    room = family == 4 ? addr4_count(&p) : UINT64_C(1) << rk_min_size(63, 128u - p.bits);
    peers += peers / 2;
    if (room < (peers > ROOM_MIN ? peers : ROOM_MIN))
        return rk_fail(err, RK_INVALID,
                       "network range too small: need at least %llu addresses for current peers",
                       (unsigned long long)(peers > ROOM_MIN ? peers : ROOM_MIN));
    *out = p;
    return RK_OK;
}

static bool auto_update_ok(struct rk_str v)
{
    struct version parsed;

    return !v.n || rk_str_eqz(v, "latest") || rk_str_eqz(v, "disabled") ||
           version_parse(v, &parsed);
}

static bool zone_has(const struct snapshot *s, struct rk_str domain)
{
    struct snap_iter it = snap_iter(s, ENT_ZONE);
    const struct zone *z;

    while ((z = snap_next(&it)) != NULL)
        if (rk_str_ieq(z->domain, domain))
            return true;
    return false;
}

static enum rk_code check_input(const struct op *op, const struct settings_input *in,
                                struct save *s, struct rk_err *err)
{
    enum rk_code rc;

    if (in->s.peer_expose_enabled && !in->s.peer_expose_groups.n)
        return rk_fail(err, RK_INVALID, "peer expose requires at least one group");
    if (!auto_update_ok(in->s.auto_update_version))
        return rk_fail(err, RK_INVALID,
                       "auto_update_version must be a version, \"latest\", "
                       "\"disabled\" or empty");
    if (in->s.agent_network_only && in->s.dashboard_agent_network != TRI_TRUE)
        return rk_fail(err, RK_INVALID,
                       "agent network only mode requires "
                       "dashboard_features.agent_network to be enabled");
    rc = check_range(op, in->range4, 4, &s->range4, err);
    return rc ? rc : check_range(op, in->range6, 6, &s->range6, err);
}

/* The part that needs the caller's right first. */
static enum rk_code check_values(const struct op *op, const struct settings *s, struct rk_err *err)
{
    if (s->peer_login_expiration_s > PEER_LOGIN_EXPIRATION_MAX_S)
        return rk_fail(err, RK_INVALID, "peer login expiration can't be larger than 180 days");
    if (s->peer_login_expiration_s < PEER_LOGIN_EXPIRATION_MIN_S)
        return rk_fail(err, RK_INVALID, "peer login expiration can't be smaller than one hour");
    if (s->peer_inactivity_expiration_s < 0)
        return rk_fail(err, RK_INVALID, "peer inactivity expiration can't be negative");
    if (s->dns_domain.n && !dns_name_ok(s->dns_domain, false))
        return rk_fail(err, RK_INVALID, "invalid domain \"%.*s\" provided for DNS domain",
                       RK_STR_ARG(s->dns_domain));
    if (s->dns_domain.n && zone_has(op->snap, s->dns_domain))
        return rk_fail(err, RK_INVALID,
                       "peer DNS domain %.*s conflicts with existing custom DNS zone",
                       RK_STR_ARG(s->dns_domain));
    for (size_t i = 0; i < s->ipv6_groups.n; i++)
        if (!snap_group(op->snap, s->ipv6_groups.v[i]))
            return rk_fail(err, RK_INVALID, "IPv6 enabled group %.*s does not exist",
                           RK_STR_ARG(s->ipv6_groups.v[i]));
    for (size_t i = 0; i < s->traffic_groups.n; i++)
        if (!snap_group(op->snap, s->traffic_groups.v[i]))
            return rk_fail(err, RK_INVALID,
                           "extra.network_traffic_logs_groups: group %.*s does not exist",
                           RK_STR_ARG(s->traffic_groups.v[i]));
    return RK_OK;
}

/* ---- events */

static enum rk_code event(struct tx *tx, int activity, struct rk_str meta, struct rk_err *err)
{
    return tx_event(tx, activity, tx->account_id, meta, err);
}

static enum rk_code switch_events(struct tx *tx, const struct settings *a, const struct settings *b,
                                  bool embedded_idp, struct rk_err *err)
{
    const struct {
        bool before, after;
        int on, off;
    } ROWS[] = {
        {a->peer_login_expiration_enabled, b->peer_login_expiration_enabled,
         ACT_ACCOUNT_SETTING_PEER_LOGIN_EXPIRATION_ENABLE,
         ACT_ACCOUNT_SETTING_PEER_LOGIN_EXPIRATION_DISABLE},
        {a->groups_propagation_enabled, b->groups_propagation_enabled,
         ACT_ACCOUNT_SETTING_GROUP_PROPAGATION_ENABLE,
         ACT_ACCOUNT_SETTING_GROUP_PROPAGATION_DISABLE},
        {a->routing_peer_dns_resolution, b->routing_peer_dns_resolution,
         ACT_ACCOUNT_SETTING_ROUTING_PEER_DNS_RESOLUTION_ENABLE,
         ACT_ACCOUNT_SETTING_ROUTING_PEER_DNS_RESOLUTION_DISABLE},
        {a->lazy_connection, b->lazy_connection, ACT_ACCOUNT_SETTING_LAZY_CONNECTION_ENABLE,
         ACT_ACCOUNT_SETTING_LAZY_CONNECTION_DISABLE},
        {a->peer_expose_enabled, b->peer_expose_enabled, ACT_ACCOUNT_SETTING_PEER_EXPOSE_ENABLE,
         ACT_ACCOUNT_SETTING_PEER_EXPOSE_DISABLE},
        {a->auto_update_always, b->auto_update_always,
         ACT_ACCOUNT_SETTING_AUTO_UPDATE_ALWAYS_ENABLE,
         ACT_ACCOUNT_SETTING_AUTO_UPDATE_ALWAYS_DISABLE},
        {a->metrics_push, b->metrics_push, ACT_ACCOUNT_SETTING_METRICS_PUSH_ENABLE,
         ACT_ACCOUNT_SETTING_METRICS_PUSH_DISABLE},
        {embedded_idp && a->local_mfa, embedded_idp && b->local_mfa,
         ACT_ACCOUNT_SETTING_LOCAL_MFA_ENABLE, ACT_ACCOUNT_SETTING_LOCAL_MFA_DISABLE},
        {a->peer_approval_enabled, b->peer_approval_enabled,
         ACT_ACCOUNT_SETTING_PEER_APPROVAL_ENABLE, ACT_ACCOUNT_SETTING_PEER_APPROVAL_DISABLE},
        {a->ipv6_groups.n > 0, b->ipv6_groups.n > 0, ACT_ACCOUNT_SETTING_IPV6_ENABLE,
         ACT_ACCOUNT_SETTING_IPV6_DISABLE},
    };
    enum rk_code rc = RK_OK;

    for (size_t i = 0; i < RK_ARRAY_LEN(ROWS) && !rc; i++)
        if (ROWS[i].before != ROWS[i].after)
            rc = event(tx, ROWS[i].after ? ROWS[i].on : ROWS[i].off, RK_STR(""), err);
    return rc;
}

static enum rk_code value_events(struct tx *tx, struct rk_arena *mem, const struct settings *a,
                                 const struct settings *b, struct rk_err *err)
{
    enum rk_code rc = RK_OK;

    if (a->peer_login_expiration_s != b->peer_login_expiration_s)
        rc = event(tx, ACT_ACCOUNT_SETTING_PEER_LOGIN_EXPIRATION_UPDATE, RK_STR(""), err);
    /* switching inactivity on has no event of its own; see rest-api.md 10.1 */
    if (!rc && a->peer_inactivity_expiration_enabled && !b->peer_inactivity_expiration_enabled)
        rc = event(tx, ACT_ACCOUNT_PEER_INACTIVITY_EXPIRATION_DISABLE, RK_STR(""), err);
    if (!rc && b->peer_inactivity_expiration_enabled &&
        a->peer_inactivity_expiration_s != b->peer_inactivity_expiration_s)
        rc = event(tx, ACT_ACCOUNT_PEER_INACTIVITY_EXPIRATION_UPDATE, RK_STR(""), err);
    if (!rc && !rk_str_eq(a->dns_domain, b->dns_domain))
        rc = event(tx, ACT_ACCOUNT_DNS_DOMAIN_UPDATE,
                   META(mem, {"old_dns_domain", a->dns_domain}, {"new_dns_domain", b->dns_domain}),
                   err);
    if (!rc && !rk_str_eq(a->auto_update_version, b->auto_update_version))
        rc = event(tx, ACT_ACCOUNT_SETTINGS_AUTO_VERSION_UPDATE,
                   META(mem, {"version", b->auto_update_version}), err);
    return rc;
}

/* ---- consequences */

static bool prefix_eq(const struct rk_prefix *a, const struct rk_prefix *b)
{
    return rk_prefix_cmp(a, b) == 0;
}

static enum rk_code range_event(struct tx *tx, struct rk_arena *mem, const struct rk_prefix *old,
                                const struct rk_prefix *now, struct rk_err *err)
{
    char a[RK_ADDR_TEXT], b[RK_ADDR_TEXT];
    struct rk_str old_text = rk_prefix_format(old, a), new_text = rk_prefix_format(now, b);

    if (now->ip.family == 4)
        return event(tx, ACT_ACCOUNT_NETWORK_RANGE_UPDATE,
                     META(mem, {"old_network_range", old_text}, {"new_network_range", new_text}),
                     err);
    return event(tx, ACT_ACCOUNT_NETWORK_RANGE_UPDATE,
                 META(mem, {"old_network_range_v6", old_text}, {"new_network_range_v6", new_text}),
                 err);
}

/* Account row: ranges in effect and onboarding. */
static enum rk_code put_account(struct tx *tx, struct save *s, struct rk_err *err)
{
    const struct account *old = snap_account(tx->snap);
    struct account *a = rk_new(s->mem, struct account);
    enum rk_code rc;

    *a = *old;
    if (s->range4.ip.family)
        a->net4 = s->range4;
    if (s->range6.ip.family)
        a->net6 = s->range6;
    if (s->in->has_onboarding) {
        a->signup_form_pending = s->in->signup_form_pending;
        a->onboarding_flow_pending = s->in->onboarding_flow_pending;
        a->onboarding_updated_at_us = tx->now_us;
    }
    rc = tx_put(tx, ENT_ACCOUNT, a, err);
    if (!rc && !prefix_eq(&old->net4, &a->net4)) {
        rc = addr4_move_all(tx, s->mem, &a->net4, err);
        if (!rc)
            rc = range_event(tx, s->mem, &old->net4, &a->net4, err);
    }
    if (!rc && !prefix_eq(&old->net6, &a->net6))
        rc = range_event(tx, s->mem, &old->net6, &a->net6, err);
    if (!rc && (!prefix_eq(&old->net6, &a->net6) ||
                !str_list_eq(&snap_settings(tx->snap)->ipv6_groups, &s->now->ipv6_groups)))
        rc = addr6_reconcile_all(tx, s->mem, err);
    return rc;
}

/* Approval is switched off: whoever waits is let in. */
static enum rk_code approve_all(struct tx *tx, struct save *s, struct rk_err *err)
{
    const struct bits *all = snap_peers(tx->snap);
    enum rk_code rc = RK_OK;

    for (BITS_EACH(i, all)) {
        const struct peer *p = tx_get(tx, ENT_PEER, snap_peer_at(tx->snap, i)->id);
        struct peer *now;

        if (!p || !p->status.requires_approval)
            continue;
        now = rk_new(s->mem, struct peer);
        *now = *p;
        now->status.requires_approval = false;
        rc = tx_put(tx, ENT_PEER, now, err);
        if (!rc)
            rc = tx_event(tx, ACT_PEER_APPROVE, now->id,
                          peer_event_meta(s->mem, tx->snap, now, NULL, 0), err);
        if (rc)
            break;
    }
    return rc;
}

static enum rk_code propagate_all(struct tx *tx, struct save *s, struct rk_err *err)
{
    static const struct str_list none = {0};
    struct snap_iter it = snap_iter(tx->snap, ENT_USER);
    const struct user *u;
    enum rk_code rc = RK_OK;

    while (!rc && (u = snap_next(&it)) != NULL)
        rc = user_move_peers(tx, s->mem, u->id, &u->auto_groups, &none, err);
    return rc;
}

/* What agents can see of the settings: these raise the serial. */
static bool seen_by_agents(const struct settings *a, const struct settings *b)
{
    return a->routing_peer_dns_resolution != b->routing_peer_dns_resolution ||
           a->lazy_connection != b->lazy_connection || !rk_str_eq(a->dns_domain, b->dns_domain) ||
           !rk_str_eq(a->auto_update_version, b->auto_update_version) ||
           a->auto_update_always != b->auto_update_always ||
           a->peer_login_expiration_s != b->peer_login_expiration_s ||
           a->peer_login_expiration_enabled != b->peer_login_expiration_enabled ||
           a->metrics_push != b->metrics_push || !str_list_eq(&a->ipv6_groups, &b->ipv6_groups);
}

enum rk_code settings_second_factor_on(struct tx *tx, struct rk_arena *mem, struct rk_err *err)
{
    struct snap_iter it = snap_iter(tx->snap, ENT_USER);
    struct rk_str id, realm;
    const struct user *u;
    enum rk_code rc = RK_OK;

    while (!rc && (u = snap_next(&it)) != NULL)
        if (idp_subject_decode(mem, u->id, &id, &realm) && rk_str_eqz(realm, IDP_LOCAL_CONNECTOR))
            rc = logins_end(tx->db, u->id, err);
    return rc;
}

static enum rk_code update_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    const struct settings *old = snap_settings(tx->snap);
    struct settings *now = entity_dup(s->mem, ENT_SETTINGS, &s->in->s);
    enum rk_code rc;

    now->network_range4 = s->range4;
    now->network_range6 = s->range6;
    now->integrated_validator = old->integrated_validator;
    now->integrated_validator_groups = old->integrated_validator_groups;
    if (!s->in->has_extra) {
        now->peer_approval_enabled = old->peer_approval_enabled;
        now->user_approval_required = old->user_approval_required;
        now->traffic_logs = old->traffic_logs;
        now->traffic_counters = old->traffic_counters;
        now->traffic_groups = old->traffic_groups;
        now->traffic_groups_given = old->traffic_groups_given;
    }
    s->now = now;
    rc = tx_put(tx, ENT_SETTINGS, now, err);
    if (!rc)
        rc = put_account(tx, s, err);
    if (!rc && old->peer_approval_enabled && !now->peer_approval_enabled)
        rc = approve_all(tx, s, err);
    if (!rc && !old->groups_propagation_enabled && now->groups_propagation_enabled)
        rc = propagate_all(tx, s, err);
    if (!rc && !old->local_mfa && now->local_mfa)
        rc = settings_second_factor_on(tx, s->mem, err);
    if (!rc)
        rc = switch_events(tx, old, now, s->in->embedded_idp, err);
    if (!rc)
        rc = value_events(tx, s->mem, old, now, err);
    if (!rc && seen_by_agents(old, now))
        tx_raise_serial(tx);
    return rc;
}

enum rk_code settings_update(struct op *op, struct rk_str account_id,
                             const struct settings_input *in, const struct settings **out,
                             struct rk_err *err)
{
    struct save *s = rk_new(op->mem, struct save);
    enum rk_code rc = check_input(op, in, s, err);

    if (rc)
        return rc;
    if (!rk_str_eq(account_id, op_account(op)))
        return rk_fail(err, RK_FORBIDDEN,
                       "failed to validate user permissions: user is not part of this account");
    rc = op_may(op, PERM_SETTINGS, PERM_UPDATE, err);
    if (!rc)
        rc = check_values(op, &in->s, err);
    if (rc)
        return rc;
    s->mem = op->mem;
    s->in = in;
    rc = op_mutate(op, update_tx, s, err);
    if (!rc)
        *out = s->now;
    return rc;
}
