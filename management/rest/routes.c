/* SPDX-License-Identifier: BSD-3-Clause */
/* Everything the REST API answers, one row each; see routes.h. */
#include "config.h"

#include "management/rest/routes.h"

#include "management/rest/absent.h"
#include "management/rest/handlers.h"
#include "management/rest/tried.h"

#define WRITE HTTP_CORS
#define READ  (HTTP_CORS | HTTP_INLINE) /* looks at the snapshot only */
#define OPEN  (HTTP_CORS | HTTP_PUBLIC) /* no authentication */

/* A path of a product that is not here. */
#define ABSENT(answer, module, op, body, text)                                                     \
    &(const struct absent)                                                                         \
    {                                                                                              \
        ABSENT_##answer, PERM_##module, PERM_##op, body, text                                      \
    }

/* What ?dry_run=true can be asked of. */
#define TRY(handler)                                                                               \
    &(const struct tried)                                                                          \
    {                                                                                              \
        handler                                                                                    \
    }

/* clang-format off */
const struct http_route REST_ROUTES[] = {
    {HTTP_GET,    "/api/openapi.json",                                       rest_openapi,               OPEN | HTTP_INLINE, NULL},
    {HTTP_GET,    "/api/instance",                                           rest_instance_get,          OPEN,  NULL},
    {HTTP_GET,    "/api/instance/version",                                   rest_instance_version,      READ,  NULL},
    {HTTP_POST,   "/api/setup",                                              rest_setup,                 OPEN | HTTP_HASHES, NULL},

    {HTTP_GET,    "/api/accounts",                                           rest_accounts_list,         READ,  NULL},
    {HTTP_PUT,    "/api/accounts/{accountId}",                               rest_tried,                 WRITE, TRY(rest_accounts_update)},
    {HTTP_DELETE, "/api/accounts/{accountId}",                               rest_accounts_delete,       WRITE, NULL},

    {HTTP_GET,    "/api/setup-keys",                                         rest_setup_keys_list,       READ,  NULL},
    {HTTP_POST,   "/api/setup-keys",                                         rest_tried,                 WRITE, TRY(rest_setup_keys_create)},
    {HTTP_GET,    "/api/setup-keys/{keyId}",                                 rest_setup_keys_get,        READ,  NULL},
    {HTTP_PUT,    "/api/setup-keys/{keyId}",                                 rest_tried,                 WRITE, TRY(rest_setup_keys_update)},
    {HTTP_DELETE, "/api/setup-keys/{keyId}",                                 rest_tried,                 WRITE, TRY(rest_setup_keys_delete)},

    {HTTP_GET,    "/api/peers",                                              rest_peers_list,            READ,  NULL},
    {HTTP_GET,    "/api/peers/{peerId}",                                     rest_peers_get,             READ,  NULL},
    {HTTP_PUT,    "/api/peers/{peerId}",                                     rest_tried,                 WRITE, TRY(rest_peers_update)},
    {HTTP_DELETE, "/api/peers/{peerId}",                                     rest_tried,                 WRITE, TRY(rest_peers_delete)},
    {HTTP_GET,    "/api/peers/{peerId}/accessible-peers",                    rest_peers_accessible,      READ,  NULL},

    {HTTP_GET,    "/api/groups",                                             rest_groups_list,           READ,  NULL},
    {HTTP_POST,   "/api/groups",                                             rest_tried,                 WRITE, TRY(rest_groups_create)},
    {HTTP_GET,    "/api/groups/{groupId}",                                   rest_groups_get,            READ,  NULL},
    {HTTP_PUT,    "/api/groups/{groupId}",                                   rest_tried,                 WRITE, TRY(rest_groups_update)},
    {HTTP_DELETE, "/api/groups/{groupId}",                                   rest_tried,                 WRITE, TRY(rest_groups_delete)},

    {HTTP_GET,    "/api/policies",                                           rest_policies_list,         READ,  NULL},
    {HTTP_POST,   "/api/policies",                                           rest_tried,                 WRITE, TRY(rest_policies_create)},
    {HTTP_GET,    "/api/policies/{policyId}",                                rest_policies_get,          READ,  NULL},
    {HTTP_PUT,    "/api/policies/{policyId}",                                rest_tried,                 WRITE, TRY(rest_policies_update)},
    {HTTP_DELETE, "/api/policies/{policyId}",                                rest_tried,                 WRITE, TRY(rest_policies_delete)},

    {HTTP_GET,    "/api/users",                                              rest_users_list,            READ,  NULL},
    {HTTP_POST,   "/api/users",                                              rest_tried,                 WRITE | HTTP_HASHES, TRY(rest_users_create)},
    {HTTP_GET,    "/api/users/current",                                      rest_users_current,         READ,  NULL},
    {HTTP_PUT,    "/api/users/{userId}",                                     rest_tried,                 WRITE, TRY(rest_users_update)},
    {HTTP_DELETE, "/api/users/{userId}",                                     rest_tried,                 WRITE, TRY(rest_users_delete)},
    {HTTP_POST,   "/api/users/{userId}/invite",                              rest_tried,                 WRITE, TRY(rest_users_invite)},
    {HTTP_POST,   "/api/users/{userId}/approve",                             rest_tried,                 WRITE, TRY(rest_users_approve)},
    {HTTP_DELETE, "/api/users/{userId}/reject",                              rest_tried,                 WRITE, TRY(rest_users_reject)},
    {HTTP_PUT,    "/api/users/{userId}/password",                            rest_tried,                 WRITE | HTTP_HASHES, TRY(rest_users_password)},

    {HTTP_GET,    "/api/users/{userId}/tokens",                              rest_tokens_list,           READ,  NULL},
    {HTTP_POST,   "/api/users/{userId}/tokens",                              rest_tried,                 WRITE, TRY(rest_tokens_create)},
    {HTTP_GET,    "/api/users/{userId}/tokens/{tokenId}",                    rest_tokens_get,            READ,  NULL},
    {HTTP_DELETE, "/api/users/{userId}/tokens/{tokenId}",                    rest_tried,                 WRITE, TRY(rest_tokens_delete)},

    {HTTP_GET,    "/api/routes",                                             rest_routes_list,           READ,  NULL},
    {HTTP_POST,   "/api/routes",                                             rest_tried,                 WRITE, TRY(rest_routes_create)},
    {HTTP_GET,    "/api/routes/{routeId}",                                   rest_routes_get,            READ,  NULL},
    {HTTP_PUT,    "/api/routes/{routeId}",                                   rest_tried,                 WRITE, TRY(rest_routes_update)},
    {HTTP_DELETE, "/api/routes/{routeId}",                                   rest_tried,                 WRITE, TRY(rest_routes_delete)},

    {HTTP_GET,    "/api/networks",                                           rest_networks_list,         READ,  NULL},
    {HTTP_POST,   "/api/networks",                                           rest_tried,                 WRITE, TRY(rest_networks_create)},
    {HTTP_GET,    "/api/networks/{networkId}",                               rest_networks_get,          READ,  NULL},
    {HTTP_PUT,    "/api/networks/{networkId}",                               rest_tried,                 WRITE, TRY(rest_networks_update)},
    {HTTP_DELETE, "/api/networks/{networkId}",                               rest_tried,                 WRITE, TRY(rest_networks_delete)},
    {HTTP_GET,    "/api/networks/resources",                                 rest_resources_all,         READ,  NULL},
    {HTTP_GET,    "/api/networks/routers",                                   rest_routers_all,           READ,  NULL},

    {HTTP_GET,    "/api/networks/{networkId}/resources",                     rest_resources_list,        READ,  NULL},
    {HTTP_POST,   "/api/networks/{networkId}/resources",                     rest_tried,                 WRITE, TRY(rest_resources_create)},
    {HTTP_GET,    "/api/networks/{networkId}/resources/{resourceId}",        rest_resources_get,         READ,  NULL},
    {HTTP_PUT,    "/api/networks/{networkId}/resources/{resourceId}",        rest_tried,                 WRITE, TRY(rest_resources_update)},
    {HTTP_DELETE, "/api/networks/{networkId}/resources/{resourceId}",        rest_tried,                 WRITE, TRY(rest_resources_delete)},

    {HTTP_GET,    "/api/networks/{networkId}/routers",                       rest_routers_list,          READ,  NULL},
    {HTTP_POST,   "/api/networks/{networkId}/routers",                       rest_tried,                 WRITE, TRY(rest_routers_create)},
    {HTTP_GET,    "/api/networks/{networkId}/routers/{routerId}",            rest_routers_get,           READ,  NULL},
    {HTTP_PUT,    "/api/networks/{networkId}/routers/{routerId}",            rest_tried,                 WRITE, TRY(rest_routers_update)},
    {HTTP_DELETE, "/api/networks/{networkId}/routers/{routerId}",            rest_tried,                 WRITE, TRY(rest_routers_delete)},

    {HTTP_GET,    "/api/dns/nameservers",                                    rest_ns_groups_list,        READ,  NULL},
    {HTTP_POST,   "/api/dns/nameservers",                                    rest_tried,                 WRITE, TRY(rest_ns_groups_create)},
    {HTTP_GET,    "/api/dns/nameservers/{nsgroupId}",                        rest_ns_groups_get,         READ,  NULL},
    {HTTP_PUT,    "/api/dns/nameservers/{nsgroupId}",                        rest_tried,                 WRITE, TRY(rest_ns_groups_update)},
    {HTTP_DELETE, "/api/dns/nameservers/{nsgroupId}",                        rest_tried,                 WRITE, TRY(rest_ns_groups_delete)},

    {HTTP_GET,    "/api/dns/settings",                                       rest_dns_settings_get,      READ,  NULL},
    {HTTP_PUT,    "/api/dns/settings",                                       rest_tried,                 WRITE, TRY(rest_dns_settings_update)},

    {HTTP_GET,    "/api/dns/zones",                                          rest_zones_list,            READ,  NULL},
    {HTTP_POST,   "/api/dns/zones",                                          rest_tried,                 WRITE, TRY(rest_zones_create)},
    {HTTP_GET,    "/api/dns/zones/{zoneId}",                                 rest_zones_get,             READ,  NULL},
    {HTTP_PUT,    "/api/dns/zones/{zoneId}",                                 rest_tried,                 WRITE, TRY(rest_zones_update)},
    {HTTP_DELETE, "/api/dns/zones/{zoneId}",                                 rest_tried,                 WRITE, TRY(rest_zones_delete)},

    {HTTP_GET,    "/api/dns/zones/{zoneId}/records",                         rest_records_list,          READ,  NULL},
    {HTTP_POST,   "/api/dns/zones/{zoneId}/records",                         rest_tried,                 WRITE, TRY(rest_records_create)},
    {HTTP_GET,    "/api/dns/zones/{zoneId}/records/{recordId}",              rest_records_get,           READ,  NULL},
    {HTTP_PUT,    "/api/dns/zones/{zoneId}/records/{recordId}",              rest_tried,                 WRITE, TRY(rest_records_update)},
    {HTTP_DELETE, "/api/dns/zones/{zoneId}/records/{recordId}",              rest_tried,                 WRITE, TRY(rest_records_delete)},
    {HTTP_POST,   "/api/peers/{peerId}/temporary-access",                    rest_tried,                 WRITE, TRY(rest_peers_temporary)},
    {HTTP_GET,    "/api/peers/{peerId}/jobs",                                rest_jobs_list,             READ,  NULL},
    {HTTP_POST,   "/api/peers/{peerId}/jobs",                                rest_tried,                 WRITE, TRY(rest_jobs_create)},
    {HTTP_GET,    "/api/peers/{peerId}/jobs/{jobId}",                        rest_jobs_get,              READ,  NULL},

    {HTTP_GET,    "/api/posture-checks",                                     rest_postures_list,         READ,  NULL},
    {HTTP_POST,   "/api/posture-checks",                                     rest_tried,                 WRITE, TRY(rest_postures_create)},
    {HTTP_GET,    "/api/posture-checks/{postureCheckId}",                    rest_postures_get,          READ,  NULL},
    {HTTP_PUT,    "/api/posture-checks/{postureCheckId}",                    rest_tried,                 WRITE, TRY(rest_postures_update)},
    {HTTP_DELETE, "/api/posture-checks/{postureCheckId}",                    rest_tried,                 WRITE, TRY(rest_postures_delete)},

    {HTTP_GET,    "/api/locations/countries",                                rest_locations_countries,   WRITE, NULL},
    {HTTP_GET,    "/api/locations/countries/{country}/cities",               rest_locations_cities,      WRITE, NULL},

    {HTTP_GET,    "/api/events",                                             rest_events_audit,          WRITE, NULL},
    {HTTP_GET,    "/api/events/audit",                                       rest_events_audit,          WRITE, NULL},
    {HTTP_GET,    "/api/events/network-traffic",                             rest_events_traffic,        WRITE | HTTP_CALLS_OUT, NULL},

    {HTTP_GET,    "/api/identity-providers",                                 rest_connectors_list,       WRITE, NULL},
    {HTTP_POST,   "/api/identity-providers",                                 rest_tried,                 WRITE | HTTP_CALLS_OUT, TRY(rest_connectors_create)},
    {HTTP_GET,    "/api/identity-providers/{idpId}",                         rest_connectors_get,        WRITE, NULL},
    {HTTP_PUT,    "/api/identity-providers/{idpId}",                         rest_tried,                 WRITE | HTTP_CALLS_OUT, TRY(rest_connectors_update)},
    {HTTP_DELETE, "/api/identity-providers/{idpId}",                         rest_tried,                 WRITE, TRY(rest_connectors_delete)},

    {HTTP_GET,    "/api/users/invites",                                      rest_invites_list,          READ,  NULL},
    {HTTP_POST,   "/api/users/invites",                                      rest_tried,                 WRITE, TRY(rest_invites_create)},
    {HTTP_DELETE, "/api/users/invites/{inviteId}",                           rest_tried,                 WRITE, TRY(rest_invites_delete)},
    {HTTP_POST,   "/api/users/invites/{inviteId}/regenerate",                rest_tried,                 WRITE, TRY(rest_invites_regenerate)},
    {HTTP_GET,    "/api/users/invites/{token}",                              rest_invites_look,          OPEN,  NULL},
    {HTTP_POST,   "/api/users/invites/{token}/accept",                       rest_invites_accept,        OPEN | HTTP_HASHES, NULL},

    {HTTP_GET,    "/api/x/health",                                           rest_health,                READ,  NULL},
    {HTTP_GET,    "/api/x/peers/{peerId}/posture",                           rest_peer_posture,          READ,  NULL},
    {HTTP_GET,    "/api/x/changes",                                          rest_changes,               WRITE, NULL},
    {HTTP_POST,   "/api/x/plan",                                             rest_plan,                  WRITE, NULL},
    {HTTP_POST,   "/api/x/apply",                                            rest_tried,                 WRITE, TRY(rest_apply)},
    {HTTP_GET,    "/api/x/export",                                           rest_export,                WRITE, NULL},
    {HTTP_GET,    "/api/x/reach",                                            rest_reach,                 WRITE, NULL},
    {HTTP_GET,    "/api/x/reach/matrix",                                     rest_matrix,                WRITE, NULL},
    {HTTP_GET,    "/api/x/diff",                                             rest_diff,                  WRITE, NULL},
    {HTTP_GET,    "/api/x/history",                                          rest_history_list,          WRITE, NULL},
    {HTTP_POST,   "/api/x/history/{entry}/undo",                             rest_tried,                 WRITE, TRY(rest_history_undo)},

    {HTTP_GET,    "/api/events/proxy",                                       rest_proxy_log,             WRITE, NULL},
    {HTTP_GET,    "/api/reverse-proxies/services",                                     rest_services_list,         WRITE, NULL},
    {HTTP_POST,   "/api/reverse-proxies/services",                                     rest_tried,                 WRITE | HTTP_HASHES, TRY(rest_services_create)},
    {HTTP_GET,    "/api/reverse-proxies/services/{serviceId}",                         rest_services_get,          WRITE, NULL},
    {HTTP_PUT,    "/api/reverse-proxies/services/{serviceId}",                         rest_tried,                 WRITE | HTTP_HASHES, TRY(rest_services_update)},
    {HTTP_DELETE, "/api/reverse-proxies/services/{serviceId}",                         rest_tried,                 WRITE, TRY(rest_services_delete)},
    {HTTP_GET,    "/api/reverse-proxies/clusters",                                     rest_clusters_list,         WRITE, NULL},
    {HTTP_DELETE, "/api/reverse-proxies/clusters/{clusterAddress}",                    rest_clusters_delete,       WRITE, NULL},
    {HTTP_GET,    "/api/reverse-proxies/domains",                                      rest_domains_list,          WRITE, NULL},
    {HTTP_POST,   "/api/reverse-proxies/domains",                                      rest_tried,                 WRITE | HTTP_CALLS_OUT, TRY(rest_domains_create)},
    {HTTP_DELETE, "/api/reverse-proxies/domains/{domainId}",                           rest_tried,                 WRITE, TRY(rest_domains_delete)},
    {HTTP_GET,    "/api/reverse-proxies/domains/{domainId}/validate",                  rest_domains_validate,      WRITE | HTTP_CALLS_OUT, NULL},
    {HTTP_GET,    "/api/reverse-proxies/proxy-tokens",                                 rest_proxy_tokens_list,     WRITE, NULL},
    {HTTP_POST,   "/api/reverse-proxies/proxy-tokens",                                 rest_proxy_tokens_create,   WRITE, NULL},
    {HTTP_DELETE, "/api/reverse-proxies/proxy-tokens/{tokenId}",                       rest_proxy_tokens_delete,   WRITE, NULL},
    {HTTP_GET,    "/api/reverse-proxy/callback",                             rest_proxy_callback,        OPEN | HTTP_INLINE, NULL},

    {HTTP_GET,    "/api/agent-network/catalog/providers",                    rest_absent,                READ,  ABSENT(LIST, MODULES, READ, false, NULL)},
    {HTTP_GET,    "/api/agent-network/providers",                            rest_absent,                READ,  ABSENT(LIST, AGENT_NETWORK_PROVIDERS, READ, false, NULL)},
    {HTTP_POST,   "/api/agent-network/providers",                            rest_absent,                WRITE, ABSENT(REFUSED, AGENT_NETWORK_PROVIDERS, CREATE, true, "the agent network is not part of this server")},
    {HTTP_GET,    "/api/agent-network/providers/{providerId}",               rest_absent,                READ,  ABSENT(NOT_FOUND, AGENT_NETWORK_PROVIDERS, READ, false, "agent network provider")},
    {HTTP_PUT,    "/api/agent-network/providers/{providerId}",               rest_absent,                WRITE, ABSENT(NOT_FOUND, AGENT_NETWORK_PROVIDERS, UPDATE, true, "agent network provider")},
    {HTTP_DELETE, "/api/agent-network/providers/{providerId}",               rest_absent,                WRITE, ABSENT(NOT_FOUND, AGENT_NETWORK_PROVIDERS, DELETE, false, "agent network provider")},
    {HTTP_GET,    "/api/agent-network/policies",                             rest_absent,                READ,  ABSENT(LIST, AGENT_NETWORK_POLICIES, READ, false, NULL)},
    {HTTP_POST,   "/api/agent-network/policies",                             rest_absent,                WRITE, ABSENT(REFUSED, AGENT_NETWORK_POLICIES, CREATE, true, "the agent network is not part of this server")},
    {HTTP_GET,    "/api/agent-network/policies/{policyId}",                  rest_absent,                READ,  ABSENT(NOT_FOUND, AGENT_NETWORK_POLICIES, READ, false, "agent network policy")},
    {HTTP_PUT,    "/api/agent-network/policies/{policyId}",                  rest_absent,                WRITE, ABSENT(NOT_FOUND, AGENT_NETWORK_POLICIES, UPDATE, true, "agent network policy")},
    {HTTP_DELETE, "/api/agent-network/policies/{policyId}",                  rest_absent,                WRITE, ABSENT(NOT_FOUND, AGENT_NETWORK_POLICIES, DELETE, false, "agent network policy")},
    {HTTP_GET,    "/api/agent-network/guardrails",                           rest_absent,                READ,  ABSENT(LIST, AGENT_NETWORK_GUARDRAILS, READ, false, NULL)},
    {HTTP_POST,   "/api/agent-network/guardrails",                           rest_absent,                WRITE, ABSENT(REFUSED, AGENT_NETWORK_GUARDRAILS, CREATE, true, "the agent network is not part of this server")},
    {HTTP_GET,    "/api/agent-network/guardrails/{guardrailId}",             rest_absent,                READ,  ABSENT(NOT_FOUND, AGENT_NETWORK_GUARDRAILS, READ, false, "agent network guardrail")},
    {HTTP_PUT,    "/api/agent-network/guardrails/{guardrailId}",             rest_absent,                WRITE, ABSENT(NOT_FOUND, AGENT_NETWORK_GUARDRAILS, UPDATE, true, "agent network guardrail")},
    {HTTP_DELETE, "/api/agent-network/guardrails/{guardrailId}",             rest_absent,                WRITE, ABSENT(NOT_FOUND, AGENT_NETWORK_GUARDRAILS, DELETE, false, "agent network guardrail")},
    {HTTP_GET,    "/api/agent-network/budget-rules",                         rest_absent,                READ,  ABSENT(LIST, AGENT_NETWORK_BUDGETS, READ, false, NULL)},
    {HTTP_POST,   "/api/agent-network/budget-rules",                         rest_absent,                WRITE, ABSENT(REFUSED, AGENT_NETWORK_BUDGETS, CREATE, true, "the agent network is not part of this server")},
    {HTTP_GET,    "/api/agent-network/budget-rules/{ruleId}",                rest_absent,                READ,  ABSENT(NOT_FOUND, AGENT_NETWORK_BUDGETS, READ, false, "agent network budget rule")},
    {HTTP_PUT,    "/api/agent-network/budget-rules/{ruleId}",                rest_absent,                WRITE, ABSENT(NOT_FOUND, AGENT_NETWORK_BUDGETS, UPDATE, true, "agent network budget rule")},
    {HTTP_DELETE, "/api/agent-network/budget-rules/{ruleId}",                rest_absent,                WRITE, ABSENT(NOT_FOUND, AGENT_NETWORK_BUDGETS, DELETE, false, "agent network budget rule")},
    {HTTP_GET,    "/api/agent-network/settings",                             rest_absent,                READ,  ABSENT(AGENT_SETTINGS, AGENT_NETWORK_SETTINGS, READ, false, NULL)},
    {HTTP_POST,   "/api/agent-network/settings",                             rest_absent,                WRITE, ABSENT(REFUSED, AGENT_NETWORK_SETTINGS, CREATE, true, "the agent network is not part of this server")},
    {HTTP_PUT,    "/api/agent-network/settings",                             rest_absent,                WRITE, ABSENT(NO_SETTINGS, AGENT_NETWORK_SETTINGS, UPDATE, true, NULL)},
    {HTTP_DELETE, "/api/agent-network/settings",                             rest_absent,                WRITE, ABSENT(NO_SETTINGS, AGENT_NETWORK_SETTINGS, DELETE, false, NULL)},
    {HTTP_GET,    "/api/agent-network/consumption",                          rest_absent,                READ,  ABSENT(LIST, AGENT_NETWORK_USAGE, READ, false, NULL)},
    {HTTP_GET,    "/api/agent-network/usage/overview",                       rest_absent,                READ,  ABSENT(LIST, AGENT_NETWORK_USAGE, READ, false, NULL)},
    {HTTP_GET,    "/api/agent-network/access-logs",                          rest_absent,                READ,  ABSENT(PAGE, AGENT_NETWORK_LOGS, READ, false, NULL)},
    {HTTP_GET,    "/api/agent-network/access-log-sessions",                  rest_absent,                READ,  ABSENT(PAGE, AGENT_NETWORK_LOGS, READ, false, NULL)},
};
/* clang-format on */

const size_t REST_N_ROUTES = RK_ARRAY_LEN(REST_ROUTES);
