/* SPDX-License-Identifier: BSD-3-Clause */
/* Activity codes and texts; see activity.h. */
#include "config.h"

#include "management/domain/activity.h"

#include <stddef.h>

#include "lib/base/err.h"

static const struct row {
    int number;
    const char *code, *text;
} ROWS[] = {
    /* ascending */
    {ACT_PEER_USER_ADD, "peer.user.add", "Peer added"},
    {ACT_PEER_SETUPKEY_ADD, "peer.setupkey.add", "Peer added"},
    {ACT_USER_JOIN, "user.join", "User joined"},
    {ACT_USER_INVITE, "user.invite", "User invited"},
    {ACT_ACCOUNT_CREATE, "account.create", "Account created"},
    {ACT_USER_PEER_DELETE, "user.peer.delete", "Peer deleted"},
    {ACT_RULE_ADD, "rule.add", "Rule added"},
    {ACT_RULE_UPDATE, "rule.update", "Rule updated"},
    {ACT_RULE_DELETE, "rule.delete", "Rule deleted"},
    {ACT_POLICY_ADD, "policy.add", "Policy added"},
    {ACT_POLICY_UPDATE, "policy.update", "Policy updated"},
    {ACT_POLICY_DELETE, "policy.delete", "Policy deleted"},
    {ACT_SETUPKEY_ADD, "setupkey.add", "Setup key created"},
    {ACT_SETUPKEY_UPDATE, "setupkey.update", "Setup key updated"},
    {ACT_SETUPKEY_REVOKE, "setupkey.revoke", "Setup key revoked"},
    {ACT_SETUPKEY_OVERUSE, "setupkey.overuse", "Setup key overused"},
    {ACT_GROUP_ADD, "group.add", "Group created"},
    {ACT_GROUP_UPDATE, "group.update", "Group updated"},
    {ACT_PEER_GROUP_ADD, "peer.group.add", "Group added to peer"},
    {ACT_PEER_GROUP_DELETE, "peer.group.delete", "Group removed from peer"},
    {ACT_USER_GROUP_ADD, "user.group.add", "Group added to user"},
    {ACT_USER_GROUP_DELETE, "user.group.delete", "Group removed from user"},
    {ACT_USER_ROLE_UPDATE, "user.role.update", "User role updated"},
    {ACT_SETUPKEY_GROUP_ADD, "setupkey.group.add", "Group added to setup key"},
    {ACT_SETUPKEY_GROUP_DELETE, "setupkey.group.delete", "Group removed from user setup key"},
    {ACT_DNS_SETTING_DISABLED_MANAGEMENT_GROUP_ADD, "dns.setting.disabled.management.group.add",
     "Group added to disabled management DNS setting"},
    {ACT_DNS_SETTING_DISABLED_MANAGEMENT_GROUP_DELETE,
     "dns.setting.disabled.management.group.delete",
     "Group removed from disabled management DNS setting"},
    {ACT_ROUTE_ADD, "route.add", "Route created"},
    {ACT_ROUTE_DELETE, "route.delete", "Route deleted"},
    {ACT_ROUTE_UPDATE, "route.update", "Route updated"},
    {ACT_PEER_SSH_ENABLE, "peer.ssh.enable", "Peer SSH server enabled"},
    {ACT_PEER_SSH_DISABLE, "peer.ssh.disable", "Peer SSH server disabled"},
    {ACT_PEER_RENAME, "peer.rename", "Peer renamed"},
    {ACT_PEER_LOGIN_EXPIRATION_ENABLE, "peer.login.expiration.enable",
     "Peer login expiration enabled"},
    {ACT_PEER_LOGIN_EXPIRATION_DISABLE, "peer.login.expiration.disable",
     "Peer login expiration disabled"},
    {ACT_NAMESERVER_GROUP_ADD, "nameserver.group.add", "Nameserver group created"},
    {ACT_NAMESERVER_GROUP_DELETE, "nameserver.group.delete", "Nameserver group deleted"},
    {ACT_NAMESERVER_GROUP_UPDATE, "nameserver.group.update", "Nameserver group updated"},
    {ACT_ACCOUNT_SETTING_PEER_LOGIN_EXPIRATION_ENABLE,
     "account.setting.peer.login.expiration.enable", "Account peer login expiration enabled"},
    {ACT_ACCOUNT_SETTING_PEER_LOGIN_EXPIRATION_DISABLE,
     "account.setting.peer.login.expiration.disable", "Account peer login expiration disabled"},
    {ACT_ACCOUNT_SETTING_PEER_LOGIN_EXPIRATION_UPDATE,
     "account.setting.peer.login.expiration.update",
     "Account peer login expiration duration updated"},
    {ACT_PERSONAL_ACCESS_TOKEN_CREATE, "personal.access.token.create",
     "Personal access token created"},
    {ACT_PERSONAL_ACCESS_TOKEN_DELETE, "personal.access.token.delete",
     "Personal access token deleted"},
    {ACT_SERVICE_USER_CREATE, "service.user.create", "Service user created"},
    {ACT_SERVICE_USER_DELETE, "service.user.delete", "Service user deleted"},
    {ACT_USER_BLOCK, "user.block", "User blocked"},
    {ACT_USER_UNBLOCK, "user.unblock", "User unblocked"},
    {ACT_USER_DELETE, "user.delete", "User deleted"},
    {ACT_GROUP_DELETE, "group.delete", "Group deleted"},
    {ACT_USER_PEER_LOGIN, "user.peer.login", "User logged in peer"},
    {ACT_PEER_LOGIN_EXPIRE, "peer.login.expire", "Peer login expired"},
    {ACT_DASHBOARD_LOGIN, "dashboard.login", "Dashboard login"},
    {ACT_INTEGRATION_CREATE, "integration.create", "Integration created"},
    {ACT_INTEGRATION_UPDATE, "integration.update", "Integration updated"},
    {ACT_INTEGRATION_DELETE, "integration.delete", "Integration deleted"},
    {ACT_ACCOUNT_SETTING_PEER_APPROVAL_ENABLE, "account.setting.peer.approval.enable",
     "Account peer approval enabled"},
    {ACT_ACCOUNT_SETTING_PEER_APPROVAL_DISABLE, "account.setting.peer.approval.disable",
     "Account peer approval disabled"},
    {ACT_PEER_APPROVE, "peer.approve", "Peer approved"},
    {ACT_PEER_APPROVAL_REVOKE, "peer.approval.revoke", "Peer approval revoked"},
    {ACT_TRANSFERRED_OWNER_ROLE, "transferred.owner.role", "Transferred owner role"},
    {ACT_POSTURE_CHECK_CREATE, "posture.check.create", "Posture check created"},
    {ACT_POSTURE_CHECK_UPDATE, "posture.check.update", "Posture check updated"},
    {ACT_POSTURE_CHECK_DELETE, "posture.check.delete", "Posture check deleted"},
    {ACT_PEER_INACTIVITY_EXPIRATION_ENABLE, "peer.inactivity.expiration.enable",
     "Peer inactivity expiration enabled"},
    {ACT_PEER_INACTIVITY_EXPIRATION_DISABLE, "peer.inactivity.expiration.disable",
     "Peer inactivity expiration disabled"},
    {ACT_ACCOUNT_PEER_INACTIVITY_EXPIRATION_ENABLE, "account.peer.inactivity.expiration.enable",
     "Account peer inactivity expiration enabled"},
    {ACT_ACCOUNT_PEER_INACTIVITY_EXPIRATION_DISABLE, "account.peer.inactivity.expiration.disable",
     "Account peer inactivity expiration disabled"},
    {ACT_ACCOUNT_PEER_INACTIVITY_EXPIRATION_UPDATE, "account.peer.inactivity.expiration.update",
     "Account peer inactivity expiration duration updated"},
    {ACT_SETUPKEY_DELETE, "setupkey.delete", "Setup key deleted"},
    {ACT_ACCOUNT_SETTING_GROUP_PROPAGATION_ENABLE, "account.setting.group.propagation.enable",
     "User group propagation enabled"},
    {ACT_ACCOUNT_SETTING_GROUP_PROPAGATION_DISABLE, "account.setting.group.propagation.disable",
     "User group propagation disabled"},
    {ACT_ACCOUNT_SETTING_ROUTING_PEER_DNS_RESOLUTION_ENABLE,
     "account.setting.routing.peer.dns.resolution.enable",
     "Account routing peer DNS resolution enabled"},
    {ACT_ACCOUNT_SETTING_ROUTING_PEER_DNS_RESOLUTION_DISABLE,
     "account.setting.routing.peer.dns.resolution.disable",
     "Account routing peer DNS resolution disabled"},
    {ACT_NETWORK_CREATE, "network.create", "Network created"},
    {ACT_NETWORK_UPDATE, "network.update", "Network updated"},
    {ACT_NETWORK_DELETE, "network.delete", "Network deleted"},
    {ACT_NETWORK_RESOURCE_CREATE, "network.resource.create", "Network resource created"},
    {ACT_NETWORK_RESOURCE_UPDATE, "network.resource.update", "Network resource updated"},
    {ACT_NETWORK_RESOURCE_DELETE, "network.resource.delete", "Network resource deleted"},
    {ACT_NETWORK_ROUTER_CREATE, "network.router.create", "Network router created"},
    {ACT_NETWORK_ROUTER_UPDATE, "network.router.update", "Network router updated"},
    {ACT_NETWORK_ROUTER_DELETE, "network.router.delete", "Network router deleted"},
    {ACT_RESOURCE_GROUP_ADD, "resource.group.add", "Resource added to group"},
    {ACT_RESOURCE_GROUP_DELETE, "resource.group.delete", "Resource removed from group"},
    {ACT_ACCOUNT_DNS_DOMAIN_UPDATE, "account.dns.domain.update", "Account DNS domain updated"},
    {ACT_ACCOUNT_SETTING_LAZY_CONNECTION_ENABLE, "account.setting.lazy.connection.enable",
     "Account lazy connection enabled"},
    {ACT_ACCOUNT_SETTING_LAZY_CONNECTION_DISABLE, "account.setting.lazy.connection.disable",
     "Account lazy connection disabled"},
    {ACT_ACCOUNT_NETWORK_RANGE_UPDATE, "account.network.range.update",
     "Account network range updated"},
    {ACT_PEER_IP_UPDATE, "peer.ip.update", "Peer IP updated"},
    {ACT_USER_APPROVE, "user.approve", "User approved"},
    {ACT_USER_REJECT, "user.reject", "User rejected"},
    {ACT_USER_CREATE, "user.create", "User created"},
    {ACT_ACCOUNT_SETTINGS_AUTO_VERSION_UPDATE, "account.settings.auto.version.update",
     "Account AutoUpdate Version updated"},
    {ACT_IDENTITYPROVIDER_CREATE, "identityprovider.create", "Identity provider created"},
    {ACT_IDENTITYPROVIDER_UPDATE, "identityprovider.update", "Identity provider updated"},
    {ACT_IDENTITYPROVIDER_DELETE, "identityprovider.delete", "Identity provider deleted"},
    {ACT_DNS_ZONE_CREATE, "dns.zone.create", "DNS zone created"},
    {ACT_DNS_ZONE_UPDATE, "dns.zone.update", "DNS zone updated"},
    {ACT_DNS_ZONE_DELETE, "dns.zone.delete", "DNS zone deleted"},
    {ACT_DNS_ZONE_RECORD_CREATE, "dns.zone.record.create", "DNS zone record created"},
    {ACT_DNS_ZONE_RECORD_UPDATE, "dns.zone.record.update", "DNS zone record updated"},
    {ACT_DNS_ZONE_RECORD_DELETE, "dns.zone.record.delete", "DNS zone record deleted"},
    {ACT_PEER_JOB_CREATE, "peer.job.create", "Create Job for peer"},
    {ACT_USER_PASSWORD_CHANGE, "user.password.change", "User password changed"},
    {ACT_USER_INVITE_LINK_CREATE, "user.invite.link.create", "User invite link created"},
    {ACT_USER_INVITE_LINK_ACCEPT, "user.invite.link.accept", "User invite link accepted"},
    {ACT_USER_INVITE_LINK_REGENERATE, "user.invite.link.regenerate",
     "User invite link regenerated"},
    {ACT_USER_INVITE_LINK_DELETE, "user.invite.link.delete", "User invite link deleted"},
    {ACT_SERVICE_CREATE, "service.create", "Service created"},
    {ACT_SERVICE_UPDATE, "service.update", "Service updated"},
    {ACT_SERVICE_DELETE, "service.delete", "Service deleted"},
    {ACT_SERVICE_PEER_EXPOSE, "service.peer.expose", "Peer exposed service"},
    {ACT_SERVICE_PEER_UNEXPOSE, "service.peer.unexpose", "Peer unexposed service"},
    {ACT_SERVICE_PEER_EXPOSE_EXPIRE, "service.peer.expose.expire", "Peer exposed service expired"},
    {ACT_ACCOUNT_SETTING_PEER_EXPOSE_ENABLE, "account.setting.peer.expose.enable",
     "Account peer expose enabled"},
    {ACT_ACCOUNT_SETTING_PEER_EXPOSE_DISABLE, "account.setting.peer.expose.disable",
     "Account peer expose disabled"},
    {ACT_ACCOUNT_SETTING_AUTO_UPDATE_ALWAYS_ENABLE, "account.setting.auto.update.always.enable",
     "Account auto-update always enabled"},
    {ACT_ACCOUNT_SETTING_AUTO_UPDATE_ALWAYS_DISABLE, "account.setting.auto.update.always.disable",
     "Account auto-update always disabled"},
    {ACT_DOMAIN_ADD, "domain.add", "Domain added"},
    {ACT_DOMAIN_DELETE, "domain.delete", "Domain deleted"},
    {ACT_DOMAIN_VALIDATE, "domain.validate", "Domain validated"},
    {ACT_ACCOUNT_SETTING_IPV6_ENABLE, "account.setting.ipv6.enable",
     "Account IPv6 overlay enabled"},
    {ACT_ACCOUNT_SETTING_IPV6_DISABLE, "account.setting.ipv6.disable",
     "Account IPv6 overlay disabled"},
    {ACT_ACCOUNT_SETTING_LOCAL_MFA_ENABLE, "account.setting.local.mfa.enable",
     "Account local MFA enabled"},
    {ACT_ACCOUNT_SETTING_LOCAL_MFA_DISABLE, "account.setting.local.mfa.disable",
     "Account local MFA disabled"},
    {ACT_USER_PEER_SESSION_EXTEND, "user.peer.session.extend", "User extended peer session"},
    {ACT_AGENT_NETWORK_PROVIDER_CREATE, "agent_network.provider.create",
     "Agent Network provider created"},
    {ACT_AGENT_NETWORK_PROVIDER_UPDATE, "agent_network.provider.update",
     "Agent Network provider updated"},
    {ACT_AGENT_NETWORK_PROVIDER_DELETE, "agent_network.provider.delete",
     "Agent Network provider deleted"},
    {ACT_AGENT_NETWORK_POLICY_CREATE, "agent_network.policy.create",
     "Agent Network policy created"},
    {ACT_AGENT_NETWORK_POLICY_UPDATE, "agent_network.policy.update",
     "Agent Network policy updated"},
    {ACT_AGENT_NETWORK_POLICY_DELETE, "agent_network.policy.delete",
     "Agent Network policy deleted"},
    {ACT_AGENT_NETWORK_GUARDRAIL_CREATE, "agent_network.guardrail.create",
     "Agent Network guardrail created"},
    {ACT_AGENT_NETWORK_GUARDRAIL_UPDATE, "agent_network.guardrail.update",
     "Agent Network guardrail updated"},
    {ACT_AGENT_NETWORK_GUARDRAIL_DELETE, "agent_network.guardrail.delete",
     "Agent Network guardrail deleted"},
    {ACT_AGENT_NETWORK_BUDGET_RULE_CREATE, "agent_network.budget_rule.create",
     "Agent Network budget rule created"},
    {ACT_AGENT_NETWORK_BUDGET_RULE_UPDATE, "agent_network.budget_rule.update",
     "Agent Network budget rule updated"},
    {ACT_AGENT_NETWORK_BUDGET_RULE_DELETE, "agent_network.budget_rule.delete",
     "Agent Network budget rule deleted"},
    {ACT_AGENT_NETWORK_SETTINGS_UPDATE, "agent_network.settings.update",
     "Agent Network settings updated"},
    {ACT_ACCOUNT_SETTING_METRICS_PUSH_ENABLE, "account.setting.metrics.push.enable",
     "Account metrics push enabled"},
    {ACT_ACCOUNT_SETTING_METRICS_PUSH_DISABLE, "account.setting.metrics.push.disable",
     "Account metrics push disabled"},
    {ACT_AGENT_NETWORK_SETTINGS_DELETE, "agent_network.settings.delete",
     "Agent Network settings deleted"},
    {ACT_ACCOUNT_DELETE, "account.delete", "Account deleted"},
    {ACT_CHANGE_UNDO, "change.undo", "Change taken back"},
};

static const struct row *find(int activity)
{
    size_t lo = 0, hi = RK_ARRAY_LEN(ROWS);

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (ROWS[mid].number == activity)
            return &ROWS[mid];
        if (ROWS[mid].number < activity)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

const char *activity_code(int activity)
{
    const struct row *r = find(activity);

    return r ? r->code : "UNKNOWN_ACTIVITY";
}

const char *activity_text(int activity)
{
    const struct row *r = find(activity);

    return r ? r->text : "UNKNOWN_ACTIVITY";
}

int activity_by_code(struct rk_str code)
{
    for (size_t i = 0; i < RK_ARRAY_LEN(ROWS); i++)
        if (rk_str_eqz(code, ROWS[i].code))
            return ROWS[i].number;
    return -1;
}
