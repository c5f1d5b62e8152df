/* SPDX-License-Identifier: BSD-3-Clause */
/* Roles: who may do what on which part of the API. One table; no SQL, no I/O. Any thread. */
#ifndef MGMT_AUTH_PERMISSION_H
#define MGMT_AUTH_PERMISSION_H

#include <stdbool.h>

#include "lib/base/err.h"
#include "management/domain/user.h"

enum perm_module {
    PERM_ACCOUNTS,
    PERM_SETTINGS,
    PERM_USERS,
    PERM_PATS,
    PERM_PEERS,
    PERM_REMOTE_JOBS,
    PERM_GROUPS,
    PERM_POLICIES,
    PERM_SETUP_KEYS,
    PERM_ROUTES,
    PERM_NETWORKS,
    PERM_DNS,
    PERM_NAMESERVERS,
    PERM_EVENTS,
    PERM_IDENTITY_PROVIDERS,
    PERM_SERVICES,
    PERM_AGENT_NETWORK,
    PERM_AGENT_NETWORK_PROVIDERS,
    PERM_AGENT_NETWORK_POLICIES,
    PERM_AGENT_NETWORK_GUARDRAILS,
    PERM_AGENT_NETWORK_BUDGETS,
    PERM_AGENT_NETWORK_USAGE,
    PERM_AGENT_NETWORK_LOGS,
    PERM_AGENT_NETWORK_SETTINGS,
    PERM_MODULES
};

enum perm_op { PERM_CREATE = 1, PERM_READ = 2, PERM_UPDATE = 4, PERM_DELETE = 8 };

/** Name as clients see it: "setup_keys", "agent_network.logs". */
const char *perm_module_name(enum perm_module m);

/** Does this server have what the module is about? Clients are told of all modules, for the
 * dashboard looks at each, but nobody may do anything in those that are not offered. */
bool perm_is_offered(enum perm_module m);

/** False for roles that have no definition (billing_admin): they may do nothing. */
bool perm_role_known(enum user_role role);

/** Operations (enum perm_op, or'ed) of a role on a module; 0 for unknown roles. */
unsigned perm_of_role(enum user_role role, enum perm_module m);

/** The same for a user: a service user may read everything. Does not look at blocked. */
unsigned perm_of_user(const struct user *u, enum perm_module m);

/** RK_FORBIDDEN "user is blocked" or "user is pending approval", without wrapping. */
enum rk_code perm_check_active(const struct user *u, struct rk_err *err) RK_MUST;

/** May the user do this? Errors: RK_FORBIDDEN with the text that clients know. */
enum rk_code perm_check(const struct user *u, enum perm_module m, enum perm_op op,
                        struct rk_err *err) RK_MUST;

/** Owner or admin. */
static inline bool perm_is_admin(const struct user *u)
{
    return u->role == ROLE_OWNER || u->role == ROLE_ADMIN;
}

/** Role user or billing_admin in an account that hides peers from them. */
static inline bool perm_is_restricted(const struct user *u, bool regular_users_view_blocked)
{
    return regular_users_view_blocked && (u->role == ROLE_USER || u->role == ROLE_BILLING_ADMIN);
}

#endif
