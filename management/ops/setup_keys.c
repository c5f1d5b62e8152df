/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations on setup keys; see setup_keys.h. */
#include "config.h"

#include "management/ops/setup_keys.h"

#include <ctype.h>

#include "lib/crypto/token.h"

struct save {
    struct rk_arena *mem;
    struct setup_key key; /* create: complete; update: id, revoked, auto_groups */
    const struct setup_key *out;
};

/* Every group must exist and not be All. */
static enum rk_code check_groups(struct tx *tx, const struct str_list *groups, struct rk_err *err)
{
    for (size_t i = 0; i < groups->n; i++) {
        const struct group *g = tx_get(tx, ENT_GROUP, groups->v[i]);

        if (!g)
            return rk_fail(err, RK_INVALID, "invalid auto groups: group not found: %.*s",
                           RK_STR_ARG(groups->v[i]));
        if (group_is_all(g))
            return rk_fail(err, RK_INVALID,
                           "invalid auto groups: can't add 'All' group to the setup key");
    }
    return RK_OK;
}

/* One event per group that is in `groups` and not in `others`. */
static enum rk_code group_events(struct tx *tx, struct rk_arena *mem, const struct setup_key *k,
                                 const struct str_list *groups, const struct str_list *others,
                                 int activity, struct rk_err *err)
{
    enum rk_code rc = RK_OK;

    for (size_t i = 0; i < groups->n && !rc; i++) {
        const struct group *g = tx_get(tx, ENT_GROUP, groups->v[i]);

        if (g && !str_list_has(others, groups->v[i]))
            rc = tx_event(tx, activity, k->id,
                          META(mem, {"group", g->name}, {"group_id", g->id}, {"setupkey", k->name}),
                          err);
    }
    return rc;
}

static struct rk_str key_meta(struct rk_arena *mem, const struct setup_key *k)
{
    return META(mem, {"name", k->name}, {"type", rk_str_z(setup_key_type_text(k->type))},
                {"key", k->display});
}

static enum rk_code create_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    static const struct str_list none = {0};
    struct save *s = arg;
    enum rk_code rc = check_groups(tx, &s->key.auto_groups, err);

    if (rc)
        return rc;
    rc = tx_put(tx, ENT_SETUP_KEY, &s->key, err);
    if (!rc)
        rc = tx_event(tx, ACT_SETUPKEY_ADD, s->key.id, key_meta(s->mem, &s->key), err);
    if (!rc)
        rc = group_events(tx, s->mem, &s->key, &s->key.auto_groups, &none, ACT_SETUPKEY_GROUP_ADD,
                          err);
    return rc;
}

/* A random UUID in upper case, its hash and its display form. */
static struct rk_str new_key(struct rk_arena *mem, struct setup_key *k)
{
    char *plain = rk_arena_alloc(mem, RK_UUID_LEN + 1);
    char hash[HASH_SHA256_TEXT + 1];
    struct rk_str text;

    rk_uuid(plain);
    for (char *p = plain; *p; p++)
        *p = (char)toupper((unsigned char)*p);
    text = rk_str_of(plain, RK_UUID_LEN);
    hash_sha256_base64(text, hash);
    k->hash = rk_arena_dup(mem, rk_str_z(hash));
    k->display = rk_arena_printf(mem, "%.5s****", plain);
    return text;
}

static enum rk_code check_new(const struct setup_key_new *in, enum setup_key_type *type,
                              struct rk_err *err)
{
    if (!in->name.n)
        return rk_fail(err, RK_INVALID, "setup key name shouldn't be empty");
    if (!setup_key_type_parse(in->type, type))
        return rk_fail(err, RK_INVALID, "unknown setup key type %.*s", RK_STR_ARG(in->type));
    if (*type == SETUP_KEY_ONE_OFF && in->usage_limit > 1)
        return rk_fail(err, RK_INVALID, "one-off setup keys can be used once, not %lld times",
                       (long long)in->usage_limit);
    if (in->usage_limit < 0)
        return rk_fail(err, RK_INVALID, "usage limit can not be negative");
    if (in->expires_in_s < 0)
        return rk_fail(err, RK_INVALID, "expiresIn can not be in the past");
    if (in->expires_in_s > SETUP_KEY_EXPIRES_MAX_S)
        return rk_fail(err, RK_INVALID, "expiresIn is too far in the future");
    return RK_OK;
}

enum rk_code setup_key_create(struct op *op, const struct setup_key_new *in,
                              const struct setup_key **out, struct rk_str *plain,
                              struct rk_err *err)
{
    struct save *s = rk_new(op->mem, struct save);
    enum setup_key_type type;
    enum rk_code rc = check_new(in, &type, err);

    if (!rc)
        rc = op_may(op, PERM_SETUP_KEYS, PERM_CREATE, err);
    if (rc)
        return rc;
    s->mem = op->mem;
    s->key = (struct setup_key){
        .id = rk_xid_new(op->mem),
        .account_id = op_account(op),
        .name = in->name,
        .type = type,
        .usage_limit = type == SETUP_KEY_ONE_OFF ? 1 : in->usage_limit,
        .auto_groups = in->auto_groups,
        .ephemeral = in->ephemeral,
        .allow_extra_dns_labels = in->allow_extra_dns_labels,
    };
    s->key.created_at_us = s->key.updated_at_us = mgmt_now_us(op->m);
    if (in->expires_in_s)
        s->key.expires_at_us = s->key.created_at_us + in->expires_in_s * 1000000;
    *plain = new_key(op->mem, &s->key);
    rc = op_mutate(op, create_tx, s, err);
    if (!rc)
        *out = &s->key;
    return rc;
}

static enum rk_code update_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    const struct setup_key *old = tx_get(tx, ENT_SETUP_KEY, s->key.id);
    struct setup_key *now;
    enum rk_code rc = check_groups(tx, &s->key.auto_groups, err);

    if (rc)
        return rc;
    if (!old)
        return rk_fail(err, RK_NOT_FOUND, "setup key: %.*s not found", RK_STR_ARG(s->key.id));
    if (old->revoked && !s->key.revoked)
        return rk_fail(err, RK_INVALID, "can't un-revoke a revoked setup key");
    now = entity_dup(s->mem, ENT_SETUP_KEY, old);
    now->revoked = s->key.revoked;
    now->auto_groups = s->key.auto_groups;
    now->updated_at_us = tx->now_us;
    rc = tx_put(tx, ENT_SETUP_KEY, now, err);
    if (!rc && !old->revoked && now->revoked)
        rc = tx_event(tx, ACT_SETUPKEY_REVOKE, now->id, key_meta(s->mem, now), err);
    if (!rc)
        rc = group_events(tx, s->mem, now, &now->auto_groups, &old->auto_groups,
                          ACT_SETUPKEY_GROUP_ADD, err);
    if (!rc)
        rc = group_events(tx, s->mem, now, &old->auto_groups, &now->auto_groups,
                          ACT_SETUPKEY_GROUP_DELETE, err);
    s->out = now;
    return rc;
}

enum rk_code setup_key_update(struct op *op, struct rk_str id, bool revoked,
                              const struct str_list *auto_groups, const struct setup_key **out,
                              struct rk_err *err)
{
    struct save *s = rk_new(op->mem, struct save);
    enum rk_code rc = op_may(op, PERM_SETUP_KEYS, PERM_UPDATE, err);

    if (rc)
        return rc;
    s->mem = op->mem;
    s->key = (struct setup_key){.id = id, .revoked = revoked, .auto_groups = *auto_groups};
    rc = op_mutate(op, update_tx, s, err);
    if (!rc)
        *out = s->out;
    return rc;
}

static enum rk_code delete_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    const struct setup_key *old = tx_get(tx, ENT_SETUP_KEY, s->key.id);
    enum rk_code rc;

    if (!old)
        return rk_fail(err, RK_NOT_FOUND, "setup key: %.*s not found", RK_STR_ARG(s->key.id));
    rc = tx_event(tx, ACT_SETUPKEY_DELETE, old->id, key_meta(tx->mem, old), err);
    return rc ? rc : tx_del(tx, ENT_SETUP_KEY, s->key.id, err);
}

enum rk_code setup_key_delete(struct op *op, struct rk_str id, struct rk_err *err)
{
    struct save s = {.mem = op->mem, .key = {.id = id}};
    enum rk_code rc = op_may(op, PERM_SETUP_KEYS, PERM_DELETE, err);

    return rc ? rc : op_mutate(op, delete_tx, &s, err);
}
