/* SPDX-License-Identifier: BSD-3-Clause */
/* The permission matrix; see permission.h. */
#include "config.h"

#include "management/domain/permission.h"

#define C    PERM_CREATE
#define R    PERM_READ
#define U    PERM_UPDATE
#define D    PERM_DELETE
#define CRUD (C | R | U | D)

static const struct {
    const char *name;
    unsigned char owner, admin, network_admin, auditor;
} MATRIX[PERM_MODULES] = {
    [PERM_ACCOUNTS] = {"accounts", CRUD, R, R, R},
    [PERM_SETTINGS] = {"settings", CRUD, CRUD, R, R},
    [PERM_USERS] = {"users", CRUD, CRUD, R, R},
    [PERM_PATS] = {"pats", CRUD, CRUD, CRUD, R},
    [PERM_PEERS] = {"peers", CRUD, CRUD, R, R},
    [PERM_REMOTE_JOBS] = {"remote_jobs", CRUD, CRUD, 0, R},
    [PERM_GROUPS] = {"groups", CRUD, CRUD, CRUD, R},
    [PERM_POLICIES] = {"policies", CRUD, CRUD, CRUD, R},
    [PERM_SETUP_KEYS] = {"setup_keys", CRUD, CRUD, R, R},
    [PERM_ROUTES] = {"routes", CRUD, CRUD, CRUD, R},
    [PERM_NETWORKS] = {"networks", CRUD, CRUD, CRUD, R},
    [PERM_DNS] = {"dns", CRUD, CRUD, CRUD, R},
    [PERM_NAMESERVERS] = {"nameservers", CRUD, CRUD, CRUD, R},
    [PERM_EVENTS] = {"events", CRUD, CRUD, R, R},
    [PERM_IDENTITY_PROVIDERS] = {"identity_providers", CRUD, CRUD, R, R},
    [PERM_SERVICES] = {"services", CRUD, CRUD, 0, R},
    [PERM_AGENT_NETWORK] = {"agent_network", CRUD, CRUD, 0, R},
    [PERM_AGENT_NETWORK_PROVIDERS] = {"agent_network.providers", CRUD, CRUD, 0, R},
    [PERM_AGENT_NETWORK_POLICIES] = {"agent_network.policies", CRUD, CRUD, 0, R},
    [PERM_AGENT_NETWORK_GUARDRAILS] = {"agent_network.guardrails", CRUD, CRUD, 0, R},
    [PERM_AGENT_NETWORK_BUDGETS] = {"agent_network.budgets", CRUD, CRUD, 0, R},
    [PERM_AGENT_NETWORK_USAGE] = {"agent_network.usage", CRUD, CRUD, 0, R},
    [PERM_AGENT_NETWORK_LOGS] = {"agent_network.logs", CRUD, CRUD, 0, R},
    [PERM_AGENT_NETWORK_SETTINGS] = {"agent_network.settings", CRUD, CRUD, 0, R},
};

const char *perm_module_name(enum perm_module m)
{
    return MATRIX[m].name;
}

bool perm_is_offered(enum perm_module m)
{
    return m < PERM_AGENT_NETWORK || m > PERM_AGENT_NETWORK_SETTINGS;
}

bool perm_role_known(enum user_role role)
{
    return role != ROLE_UNKNOWN && role != ROLE_BILLING_ADMIN;
}

unsigned perm_of_role(enum user_role role, enum perm_module m)
{
    switch (role) {
    case ROLE_OWNER:
        return MATRIX[m].owner;
    case ROLE_ADMIN:
        return MATRIX[m].admin;
    case ROLE_NETWORK_ADMIN:
        return MATRIX[m].network_admin;
    case ROLE_AUDITOR:
        return MATRIX[m].auditor;
    case ROLE_USER:
    case ROLE_BILLING_ADMIN:
    case ROLE_UNKNOWN:
        break;
    }
    return 0;
}

unsigned perm_of_user(const struct user *u, enum perm_module m)
{
    return perm_of_role(u->role, m) | (u->is_service ? R : 0u);
}

enum rk_code perm_check_active(const struct user *u, struct rk_err *err)
{
    if (u->blocked && u->pending_approval)
        return rk_fail(err, RK_FORBIDDEN, "user is pending approval");
    if (u->blocked)
        return rk_fail(err, RK_FORBIDDEN, "user is blocked");
    return RK_OK;
}

enum rk_code perm_check(const struct user *u, enum perm_module m, enum perm_op op,
                        struct rk_err *err)
{
    struct rk_err own = {0};

    if (perm_check_active(u, &own))
        return rk_fail(err, RK_FORBIDDEN, "failed to validate user permissions: %s", own.msg);
    if (perm_of_user(u, m) & op)
        return RK_OK;
    if (!perm_role_known(u->role))
        return rk_fail(err, RK_FORBIDDEN,
                       "failed to validate user permissions: user role: %s not found",
                       user_role_text(u->role));
    return rk_fail(err, RK_FORBIDDEN, "permission denied");
}
