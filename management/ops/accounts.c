/* SPDX-License-Identifier: BSD-3-Clause */
/* Accounts as a whole; see accounts.h. */
#include "config.h"

#include "management/ops/accounts.h"

#include "lib/base/id.h"
#include "lib/crypto/secret.h"
#include "lib/crypto/vault.h"
#include "management/identity/local_users.h"

static struct rk_prefix random_net4(void)
{
    return (struct rk_prefix){rk_ip4(100, 64 + rk_secret_random_below(64), 0, 0), 16};
}

static struct rk_prefix random_net6(void)
{
    struct rk_prefix p = {{6, {0xfd}}, 64};

    rk_secret_random(p.ip.b + 1, 7);
    return p;
}

static void default_policy(struct rk_arena *mem, const struct account_data *d, struct policy *p,
                           struct rule *r, struct str_list all)
{
    struct rk_str id = rk_xid_new(mem);

    *r = (struct rule){
        .id = id,
        .policy_id = id,
        .name = RK_STR("Default"),
        .description =
            RK_STR("This is a default rule that allows connections between all the resources"),
        .enabled = true,
        .action = ACTION_ACCEPT,
        .protocol = PROTO_ALL,
        .bidirectional = true,
        .sources = all,
        .destinations = all,
    };
    *p = (struct policy){
        .id = id,
        .account_id = d->account.id,
        .public_id = rk_xid_new(mem),
        .seq = 1,
        .name = RK_STR("Default"),
        .description = r->description,
        .enabled = true,
        .rules = r,
        .n_rules = 1,
    };
}

static void build(struct mgmt *m, struct rk_arena *mem, const struct account_new *in,
                  struct account_data *d)
{
    int64_t now = mgmt_now_us(m);
    struct str_list all = {rk_new(mem, struct rk_str), 1};

    *d = (struct account_data){0};
    d->account = (struct account){
        .id = rk_xid_new(mem),
        .created_by = in->owner_id,
        .created_at_us = now,
        .domain = in->domain,
        .domain_category = in->category,
        .domain_primary = in->primary,
        .net_id = rk_xid_new(mem),
        .net4 = random_net4(),
        .net6 = random_net6(),
        .onboarding_flow_pending = true,
        .signup_form_pending = true,
        .onboarding_created_at_us = now,
        .onboarding_updated_at_us = now,
    };
    all.v[0] = rk_xid_new(mem);
    d->groups = rk_new(mem, struct group);
    d->n_groups = 1;
    d->groups[0] = (struct group){.id = all.v[0],
                                  .account_id = d->account.id,
                                  .public_id = rk_xid_new(mem),
                                  .name = RK_STR(GROUP_ALL_NAME),
                                  .issued = ISSUED_API};
    settings_default(&d->settings);
    d->settings.ipv6_groups = all;
    d->dns_settings.disabled_management_groups.v = rk_new(mem, struct rk_str); /* [], not null */
    d->users = rk_new(mem, struct user);
    d->n_users = 1;
    d->users[0] = (struct user){.id = in->owner_id,
                                .account_id = d->account.id,
                                .role = ROLE_OWNER,
                                .issued = ISSUED_API,
                                .created_at_us = now,
                                .last_login_us = in->owner_is_here ? now : 0,
                                .name = in->owner_name,
                                .email = in->owner_email};
    if (in->pat) {
        d->pats = rk_new(mem, struct pat);
        d->pats[d->n_pats++] = *in->pat;
    }
    if (!mgmt_no_default_policy(m)) {
        d->policies = rk_new(mem, struct policy);
        default_policy(mem, d, &d->policies[d->n_policies++], rk_new(mem, struct rule), all);
    }
}

struct created {
    struct rk_arena *mem;
    const struct account_new *in;
};

static enum rk_code created_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    const struct created *c = arg;
    enum rk_code rc = tx_event(tx, ACT_ACCOUNT_CREATE, tx->account_id, RK_STR(""), err);

    if (!rc)
        rc = tx_event(tx, ACT_USER_JOIN, c->in->owner_id, RK_STR(""), err);
    if (!rc && c->in->pat)
        rc = tx_event(tx, ACT_PERSONAL_ACCESS_TOKEN_CREATE, c->in->owner_id,
                      META(c->mem, {"name", c->in->pat->name}, {"is_service_user", op_bool(false)},
                           {"user_name", c->in->owner_name}),
                      err);
    return rc;
}

enum rk_code account_create(struct mgmt *m, struct rk_arena *mem, const struct account_new *in,
                            struct rk_str *id, struct rk_err *err)
{
    struct account_data *d = rk_new(mem, struct account_data);
    struct actor actor = {.id = in->owner_id};
    struct created c = {mem, in};
    enum rk_code rc;

    build(m, mem, in, d);
    rc = mgmt_account_insert(m, &actor, d, err);
    if (!rc)
        rc = mgmt_mutate(m, d->account.id, &actor, MUT_QUIET, created_tx, &c, err);
    if (!rc)
        *id = d->account.id;
    return rc;
}

/* ---- the end */

static enum rk_code farewell_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct rk_arena *mem = arg;
    struct local_users l = {tx->db, mgmt_vault(tx->m), mem};
    struct snap_iter it = snap_iter(tx->snap, ENT_USER);
    const struct account *a = snap_account(tx->snap);
    const struct user *u;
    enum rk_code rc = RK_OK;

    while (!rc && (u = snap_next(&it)) != NULL)
        rc = local_user_delete(&l, u->id, err);
    return rc ? rc
              : tx_event(tx, ACT_ACCOUNT_DELETE, a->id,
                         META(mem, {"account_id", a->id}, {"domain", a->domain},
                              {"created_at", op_time(mem, a->created_at_us)}),
                         err);
}

enum rk_code account_delete(struct op *op, struct rk_str id, struct rk_err *err)
{
    enum rk_code rc;

    if (!rk_str_eq(id, op_account(op)))
        return rk_fail(err, RK_NOT_FOUND, "account not found: %.*s", RK_STR_ARG(id));
    rc = op_may(op, PERM_ACCOUNTS, PERM_DELETE, err);
    if (!rc)
        rc = op_mutate_only(op, MUT_QUIET, farewell_tx, op->mem, err);
    return rc ? rc : mgmt_account_delete(op->m, &op->actor, id, err);
}
