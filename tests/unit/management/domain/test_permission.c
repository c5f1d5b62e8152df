/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests management/domain/permission.c: the matrix, row by row, as the API's documentation has it.
 */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "management/domain/permission.h"
#include "tests/unit/run.h"

static const struct {
    const char *module, *owner, *admin, *network_admin, *auditor, *user, *billing_admin;
} ROWS[] = {
    {"accounts", "CRUD", "R", "R", "R", "", ""},
    {"settings", "CRUD", "CRUD", "R", "R", "", ""},
    {"users", "CRUD", "CRUD", "R", "R", "", ""},
    {"pats", "CRUD", "CRUD", "CRUD", "R", "", ""},
    {"peers", "CRUD", "CRUD", "R", "R", "", ""},
    {"remote_jobs", "CRUD", "CRUD", "", "R", "", ""},
    {"groups", "CRUD", "CRUD", "CRUD", "R", "", ""},
    {"policies", "CRUD", "CRUD", "CRUD", "R", "", ""},
    {"setup_keys", "CRUD", "CRUD", "R", "R", "", ""},
    {"routes", "CRUD", "CRUD", "CRUD", "R", "", ""},
    {"networks", "CRUD", "CRUD", "CRUD", "R", "", ""},
    {"dns", "CRUD", "CRUD", "CRUD", "R", "", ""},
    {"nameservers", "CRUD", "CRUD", "CRUD", "R", "", ""},
    {"events", "CRUD", "CRUD", "R", "R", "", ""},
    {"identity_providers", "CRUD", "CRUD", "R", "R", "", ""},
    {"services", "CRUD", "CRUD", "", "R", "", ""},
    {"agent_network", "CRUD", "CRUD", "", "R", "", ""},
    {"agent_network.providers", "CRUD", "CRUD", "", "R", "", ""},
    {"agent_network.policies", "CRUD", "CRUD", "", "R", "", ""},
    {"agent_network.guardrails", "CRUD", "CRUD", "", "R", "", ""},
    {"agent_network.budgets", "CRUD", "CRUD", "", "R", "", ""},
    {"agent_network.usage", "CRUD", "CRUD", "", "R", "", ""},
    {"agent_network.logs", "CRUD", "CRUD", "", "R", "", ""},
    {"agent_network.settings", "CRUD", "CRUD", "", "R", "", ""},
};

static const struct {
    char letter;
    enum perm_op op;
} OPS[] = {{'C', PERM_CREATE}, {'R', PERM_READ}, {'U', PERM_UPDATE}, {'D', PERM_DELETE}};

static const char *wanted(size_t row, enum user_role role)
{
    switch (role) {
    case ROLE_OWNER:
        return ROWS[row].owner;
    case ROLE_ADMIN:
        return ROWS[row].admin;
    case ROLE_NETWORK_ADMIN:
        return ROWS[row].network_admin;
    case ROLE_AUDITOR:
        return ROWS[row].auditor;
    case ROLE_USER:
        return ROWS[row].user;
    case ROLE_BILLING_ADMIN:
    case ROLE_UNKNOWN:
        break;
    }
    return ROWS[row].billing_admin;
}

/* One role, one module, one operation: for people and for service users. */
static void check_cell(size_t row, enum user_role role, size_t op)
{
    struct user u = {.role = role};
    bool may = strchr(wanted(row, role), OPS[op].letter) != NULL;
    struct rk_err err = {0};
    enum rk_code rc = perm_check(&u, (enum perm_module)row, OPS[op].op, &err);

    ck_assert_msg((rc == RK_OK) == may, "%s %c %s", ROWS[row].module, OPS[op].letter,
                  user_role_text(role));
    if (!may && perm_role_known(role))
        ck_assert_str_eq(err.msg, "permission denied");
    if (!may && !perm_role_known(role))
        ck_assert_ptr_nonnull(strstr(err.msg, "failed to validate user permissions: user role: "));
    u.is_service = true;
    rc = perm_check(&u, (enum perm_module)row, OPS[op].op, NULL);
    ck_assert_msg((rc == RK_OK) == (may || OPS[op].op == PERM_READ), "service user: %s %c %s",
                  ROWS[row].module, OPS[op].letter, user_role_text(role));
}

START_TEST(every_cell_of_the_matrix)
{
    ck_assert_uint_eq(RK_ARRAY_LEN(ROWS), PERM_MODULES);
    for (size_t row = 0; row < RK_ARRAY_LEN(ROWS); row++) {
        ck_assert_str_eq(perm_module_name((enum perm_module)row), ROWS[row].module);
        for (int role = ROLE_UNKNOWN; role <= ROLE_BILLING_ADMIN; role++)
            for (size_t op = 0; op < RK_ARRAY_LEN(OPS); op++)
                check_cell(row, (enum user_role)role, op);
    }
}
END_TEST

START_TEST(blocked_users_may_nothing)
{
    struct user u = {.role = ROLE_OWNER, .blocked = true};
    struct rk_err err = {0};

    ck_assert_int_eq(perm_check(&u, PERM_PEERS, PERM_READ, &err), RK_FORBIDDEN);
    ck_assert_str_eq(err.msg, "failed to validate user permissions: user is blocked");
    u.pending_approval = true;
    ck_assert_int_eq(perm_check(&u, PERM_PEERS, PERM_READ, &err), RK_FORBIDDEN);
    ck_assert_str_eq(err.msg, "failed to validate user permissions: user is pending approval");
    ck_assert_int_eq(perm_check_active(&u, &err), RK_FORBIDDEN);
    ck_assert_str_eq(err.msg, "user is pending approval");
    u.blocked = false; /* waiting alone is no hindrance, as with the official server */
    ck_assert_int_eq(perm_check(&u, PERM_PEERS, PERM_READ, &err), RK_OK);
}
END_TEST

START_TEST(restriction_of_plain_users)
{
    for (int role = ROLE_UNKNOWN; role <= ROLE_BILLING_ADMIN; role++) {
        struct user u = {.role = (enum user_role)role};
        bool plain = role == ROLE_USER || role == ROLE_BILLING_ADMIN;

        ck_assert_int_eq(perm_is_restricted(&u, true), plain);
        ck_assert(!perm_is_restricted(&u, false));
        ck_assert_int_eq(perm_is_admin(&u), role == ROLE_OWNER || role == ROLE_ADMIN);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("permission");
    TCase *t = tcase_create("permission");

    tcase_add_test(t, every_cell_of_the_matrix);
    tcase_add_test(t, blocked_users_may_nothing);
    tcase_add_test(t, restriction_of_plain_users);
    suite_add_tcase(s, t);
    return run_suite(s);
}
