/* SPDX-License-Identifier: BSD-3-Clause */
/* Everything the REST API answers, one row each; see routes.h. */
#include "config.h"

#include "management/rest/routes.h"

#include "management/rest/handlers.h"

#define WRITE HTTP_CORS
#define READ  (HTTP_CORS | HTTP_INLINE) /* looks at the snapshot only */
#define OPEN  (HTTP_CORS | HTTP_PUBLIC) /* no authentication */

/* clang-format off */
const struct http_route REST_ROUTES[] = {
    {HTTP_GET,    "/api/instance",                                           rest_instance_get,                 OPEN,  NULL},
    {HTTP_GET,    "/api/instance/version",                                   rest_instance_version,             READ,  NULL},
    {HTTP_POST,   "/api/setup",                                              rest_setup,                        OPEN,  NULL},

    {HTTP_GET,    "/api/accounts",                                           rest_accounts_list,                READ,  NULL},
    {HTTP_PUT,    "/api/accounts/{accountId}",                               rest_accounts_update,              WRITE, NULL},
    {HTTP_DELETE, "/api/accounts/{accountId}",                               rest_accounts_delete,              WRITE, NULL},

    {HTTP_GET,    "/api/setup-keys",                                         rest_setup_keys_list,              READ,  NULL},
    {HTTP_POST,   "/api/setup-keys",                                         rest_setup_keys_create,            WRITE, NULL},
    {HTTP_GET,    "/api/setup-keys/{keyId}",                                 rest_setup_keys_get,               READ,  NULL},
    {HTTP_PUT,    "/api/setup-keys/{keyId}",                                 rest_setup_keys_update,            WRITE, NULL},
    {HTTP_DELETE, "/api/setup-keys/{keyId}",                                 rest_setup_keys_delete,            WRITE, NULL},

    {HTTP_GET,    "/api/peers",                                              rest_peers_list,                   READ,  NULL},
    {HTTP_GET,    "/api/peers/{peerId}",                                     rest_peers_get,                    READ,  NULL},
    {HTTP_PUT,    "/api/peers/{peerId}",                                     rest_peers_update,                 WRITE, NULL},
    {HTTP_DELETE, "/api/peers/{peerId}",                                     rest_peers_delete,                 WRITE, NULL},
    {HTTP_GET,    "/api/peers/{peerId}/accessible-peers",                    rest_peers_accessible,             READ,  NULL},

    {HTTP_GET,    "/api/groups",                                             rest_groups_list,                  READ,  NULL},
    {HTTP_POST,   "/api/groups",                                             rest_groups_create,                WRITE, NULL},
    {HTTP_GET,    "/api/groups/{groupId}",                                   rest_groups_get,                   READ,  NULL},
    {HTTP_PUT,    "/api/groups/{groupId}",                                   rest_groups_update,                WRITE, NULL},
    {HTTP_DELETE, "/api/groups/{groupId}",                                   rest_groups_delete,                WRITE, NULL},

    {HTTP_GET,    "/api/policies",                                           rest_policies_list,                READ,  NULL},
    {HTTP_POST,   "/api/policies",                                           rest_policies_create,              WRITE, NULL},
    {HTTP_GET,    "/api/policies/{policyId}",                                rest_policies_get,                 READ,  NULL},
    {HTTP_PUT,    "/api/policies/{policyId}",                                rest_policies_update,              WRITE, NULL},
    {HTTP_DELETE, "/api/policies/{policyId}",                                rest_policies_delete,              WRITE, NULL},

    {HTTP_GET,    "/api/users",                                              rest_users_list,                   READ,  NULL},
    {HTTP_POST,   "/api/users",                                              rest_users_create,                 WRITE, NULL},
    {HTTP_GET,    "/api/users/current",                                      rest_users_current,                READ,  NULL},
    {HTTP_PUT,    "/api/users/{userId}",                                     rest_users_update,                 WRITE, NULL},
    {HTTP_DELETE, "/api/users/{userId}",                                     rest_users_delete,                 WRITE, NULL},
    {HTTP_POST,   "/api/users/{userId}/invite",                              rest_users_invite,                 WRITE, NULL},
    {HTTP_POST,   "/api/users/{userId}/approve",                             rest_users_approve,                WRITE, NULL},
    {HTTP_DELETE, "/api/users/{userId}/reject",                              rest_users_reject,                 WRITE, NULL},
    {HTTP_PUT,    "/api/users/{userId}/password",                            rest_users_password,               WRITE, NULL},

    {HTTP_GET,    "/api/users/{userId}/tokens",                              rest_tokens_list,                  READ,  NULL},
    {HTTP_POST,   "/api/users/{userId}/tokens",                              rest_tokens_create,                WRITE, NULL},
    {HTTP_GET,    "/api/users/{userId}/tokens/{tokenId}",                    rest_tokens_get,                   READ,  NULL},
    {HTTP_DELETE, "/api/users/{userId}/tokens/{tokenId}",                    rest_tokens_delete,                WRITE, NULL},

    {HTTP_GET,    "/api/routes",                                             rest_routes_list,                  READ,  NULL},
    {HTTP_POST,   "/api/routes",                                             rest_routes_create,                WRITE, NULL},
    {HTTP_GET,    "/api/routes/{routeId}",                                   rest_routes_get,                   READ,  NULL},
    {HTTP_PUT,    "/api/routes/{routeId}",                                   rest_routes_update,                WRITE, NULL},
    {HTTP_DELETE, "/api/routes/{routeId}",                                   rest_routes_delete,                WRITE, NULL},

    {HTTP_GET,    "/api/networks",                                           rest_networks_list,                READ,  NULL},
    {HTTP_POST,   "/api/networks",                                           rest_networks_create,              WRITE, NULL},
    {HTTP_GET,    "/api/networks/{networkId}",                               rest_networks_get,                 READ,  NULL},
    {HTTP_PUT,    "/api/networks/{networkId}",                               rest_networks_update,              WRITE, NULL},
    {HTTP_DELETE, "/api/networks/{networkId}",                               rest_networks_delete,              WRITE, NULL},
    {HTTP_GET,    "/api/networks/resources",                                 rest_resources_all,                READ,  NULL},
    {HTTP_GET,    "/api/networks/routers",                                   rest_routers_all,                  READ,  NULL},

    {HTTP_GET,    "/api/networks/{networkId}/resources",                     rest_resources_list,               READ,  NULL},
    {HTTP_POST,   "/api/networks/{networkId}/resources",                     rest_resources_create,             WRITE, NULL},
    {HTTP_GET,    "/api/networks/{networkId}/resources/{resourceId}",        rest_resources_get,                READ,  NULL},
    {HTTP_PUT,    "/api/networks/{networkId}/resources/{resourceId}",        rest_resources_update,             WRITE, NULL},
    {HTTP_DELETE, "/api/networks/{networkId}/resources/{resourceId}",        rest_resources_delete,             WRITE, NULL},

    {HTTP_GET,    "/api/networks/{networkId}/routers",                       rest_routers_list,                 READ,  NULL},
    {HTTP_POST,   "/api/networks/{networkId}/routers",                       rest_routers_create,               WRITE, NULL},
    {HTTP_GET,    "/api/networks/{networkId}/routers/{routerId}",            rest_routers_get,                  READ,  NULL},
    {HTTP_PUT,    "/api/networks/{networkId}/routers/{routerId}",            rest_routers_update,               WRITE, NULL},
    {HTTP_DELETE, "/api/networks/{networkId}/routers/{routerId}",            rest_routers_delete,               WRITE, NULL},

    {HTTP_GET,    "/api/dns/nameservers",                                    rest_ns_groups_list,               READ,  NULL},
    {HTTP_POST,   "/api/dns/nameservers",                                    rest_ns_groups_create,             WRITE, NULL},
    {HTTP_GET,    "/api/dns/nameservers/{nsgroupId}",                        rest_ns_groups_get,                READ,  NULL},
    {HTTP_PUT,    "/api/dns/nameservers/{nsgroupId}",                        rest_ns_groups_update,             WRITE, NULL},
    {HTTP_DELETE, "/api/dns/nameservers/{nsgroupId}",                        rest_ns_groups_delete,             WRITE, NULL},

    {HTTP_GET,    "/api/dns/settings",                                       rest_dns_settings_get,             READ,  NULL},
    {HTTP_PUT,    "/api/dns/settings",                                       rest_dns_settings_update,          WRITE, NULL},

    {HTTP_GET,    "/api/dns/zones",                                          rest_zones_list,                   READ,  NULL},
    {HTTP_POST,   "/api/dns/zones",                                          rest_zones_create,                 WRITE, NULL},
    {HTTP_GET,    "/api/dns/zones/{zoneId}",                                 rest_zones_get,                    READ,  NULL},
    {HTTP_PUT,    "/api/dns/zones/{zoneId}",                                 rest_zones_update,                 WRITE, NULL},
    {HTTP_DELETE, "/api/dns/zones/{zoneId}",                                 rest_zones_delete,                 WRITE, NULL},

    {HTTP_GET,    "/api/dns/zones/{zoneId}/records",                         rest_records_list,                 READ,  NULL},
    {HTTP_POST,   "/api/dns/zones/{zoneId}/records",                         rest_records_create,               WRITE, NULL},
    {HTTP_GET,    "/api/dns/zones/{zoneId}/records/{recordId}",              rest_records_get,                  READ,  NULL},
    {HTTP_PUT,    "/api/dns/zones/{zoneId}/records/{recordId}",              rest_records_update,               WRITE, NULL},
    {HTTP_DELETE, "/api/dns/zones/{zoneId}/records/{recordId}",              rest_records_delete,               WRITE, NULL},
};
/* clang-format on */

const size_t REST_N_ROUTES = RK_ARRAY_LEN(REST_ROUTES);
