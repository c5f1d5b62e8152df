/* SPDX-License-Identifier: BSD-3-Clause */
/* Console commands on setup keys and API tokens. */
#include "config.h"

#include "management/ops/setup_keys.h"
#include "management/ops/tokens.h"
#include "server/command/call.h"

enum { KEY_DAYS = 7, TOKEN_DAYS = 30, DAY_S = 86400, MS = 1000 };

static json_t *key_json(const struct setup_key *k, int64_t now_us)
{
    return json_pack("{s:o, s:o, s:o, s:s, s:s, s:I, s:I, s:o, s:b}", "id", j_text(k->id), "name",
                     j_text(k->name), "key", j_text(k->display), "type",
                     setup_key_type_text(k->type), "state",
                     setup_key_state_text(setup_key_state(k, now_us)), "used", (json_int_t)k->used,
                     "usage_limit", (json_int_t)k->usage_limit, "expires", j_time(k->expires_at_us),
                     "ephemeral", k->ephemeral);
}

static enum rk_code key_list(struct call *c, struct rk_err *err)
{
    struct snap_iter it = snap_iter(c->op.snap, ENT_SETUP_KEY);
    const struct setup_key *k;

    (void)err;
    c->result = json_array();
    while ((k = snap_next(&it)) != NULL)
        (void)json_array_append_new(c->result, key_json(k, mgmt_now_us(c->op.m)));
    return RK_OK;
}

static enum rk_code key_create(struct call *c, struct rk_err *err)
{
    struct setup_key_new in = {.name = arg_text(c, "name"),
                               .type = arg_text(c, "type"),
                               .expires_in_s =
                                   arg_i64(c, "expires-in", (int64_t)KEY_DAYS * DAY_S * MS) / MS,
                               .usage_limit = arg_i64(c, "usage-limit", 0),
                               .ephemeral = arg_bool(c, "ephemeral")};
    const struct setup_key *k = NULL;
    struct rk_str plain = {0};
    enum rk_code rc = arg_groups(c, "groups", &in.auto_groups, err);

    if (!in.name.n)
        in.name = RK_STR("made by rookery admin");
    if (!in.type.n)
        in.type = RK_STR("reusable");
    if (rc == RK_OK)
        rc = setup_key_create(&c->op, &in, &k, &plain, err);
    if (rc)
        return rc;
    c->result = key_json(k, mgmt_now_us(c->op.m));
    (void)json_object_set_new(c->result, "key", j_text(plain));
    return RK_OK;
}

/* An id, or a name that only one has. */
static enum rk_code key_named(struct call *c, const struct setup_key **out, struct rk_err *err)
{
    struct snap_iter it = snap_iter(c->op.snap, ENT_SETUP_KEY);
    const struct setup_key *k;
    struct rk_str id;
    size_t n = 0;
    enum rk_code rc = arg_need(c, "id", &id, err);

    if (rc)
        return rc;
    *out = snap_setup_key(c->op.snap, id);
    if (*out)
        return RK_OK;
    while ((k = snap_next(&it)) != NULL)
        if (rk_str_eq(k->name, id)) {
            *out = k;
            n++;
        }
    if (n != 1)
        return rk_fail(err, n ? RK_INVALID : RK_NOT_FOUND, "%s setup key \"%.*s\"",
                       n ? "more than one" : "no", RK_STR_ARG(id));
    return RK_OK;
}

static enum rk_code key_revoke(struct call *c, struct rk_err *err)
{
    const struct setup_key *k, *now = NULL;
    struct str_list groups;
    enum rk_code rc = key_named(c, &k, err);

    if (rc)
        return rc;
    groups = str_list_dup(c->mem, &k->auto_groups);
    rc = setup_key_update(&c->op, rk_arena_dup(c->mem, k->id), true, &groups, &now, err);
    if (rc == RK_OK)
        c->result = key_json(now, mgmt_now_us(c->op.m));
    return rc;
}

static enum rk_code key_delete(struct call *c, struct rk_err *err)
{
    const struct setup_key *k;
    enum rk_code rc = key_named(c, &k, err);

    return rc ? rc : setup_key_delete(&c->op, rk_arena_dup(c->mem, k->id), err);
}

/* ---- API tokens */

static json_t *pat_json(const struct pat *p)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "id", j_text(p->id), "name", j_text(p->name),
                     "user", j_text(p->user_id), "expires", j_time(p->expires_at_us), "last_used",
                     j_time(p->last_used_us));
}

static enum rk_code pat_list(struct call *c, struct rk_err *err)
{
    struct snap_iter it = snap_iter(c->op.snap, ENT_PAT);
    const struct user *only = NULL;
    const struct pat *p;
    enum rk_code rc = RK_OK;

    if (arg_text(c, "email").n || arg_text(c, "user-id").n)
        rc = arg_user(c, &only, err);
    if (rc)
        return rc;
    c->result = json_array();
    while ((p = snap_next(&it)) != NULL)
        if (!only || rk_str_eq(p->user_id, only->id))
            (void)json_array_append_new(c->result, pat_json(p));
    return RK_OK;
}

static enum rk_code pat_create(struct call *c, struct rk_err *err)
{
    struct rk_str name = arg_text(c, "name"), plain = {0};
    int64_t ms = arg_i64(c, "expires-in", (int64_t)TOKEN_DAYS * DAY_S * MS);
    const struct user *u = c->op.user;
    const struct pat *p = NULL;
    enum rk_code rc = RK_OK;

    if (arg_text(c, "email").n || arg_text(c, "user-id").n)
        rc = arg_user(c, &u, err);
    if (rc == RK_OK)
        rc = token_create(&c->op, rk_arena_dup(c->mem, u->id),
                          name.n ? name : RK_STR("made by rookery admin"),
                          (ms + (int64_t)DAY_S * MS - 1) / ((int64_t)DAY_S * MS), &p, &plain, err);
    if (rc)
        return rc;
    c->result = pat_json(p);
    (void)json_object_set_new(c->result, "token", j_text(plain));
    return RK_OK;
}

/* By id, or by a name that one token alone has. */
static enum rk_code pat_named(struct call *c, const struct pat **out, struct rk_err *err)
{
    struct snap_iter it = snap_iter(c->op.snap, ENT_PAT);
    const struct pat *p;
    struct rk_str id;
    size_t n = 0;
    enum rk_code rc = arg_need(c, "id", &id, err);

    if (rc)
        return rc;
    *out = snap_find(c->op.snap, ENT_PAT, id);
    if (*out)
        return RK_OK;
    while ((p = snap_next(&it)) != NULL)
        if (rk_str_eq(p->name, id)) {
            *out = p;
            n++;
        }
    if (n > 1)
        return rk_fail(err, RK_INVALID,
                       "%zu tokens are called \"%.*s\": say which by its ID (pat list)", n,
                       RK_STR_ARG(id));
    return n ? RK_OK : rk_fail(err, RK_NOT_FOUND, "no token \"%.*s\"", RK_STR_ARG(id));
}

static enum rk_code pat_revoke(struct call *c, struct rk_err *err)
{
    const struct pat *p;
    enum rk_code rc = pat_named(c, &p, err);

    if (rc)
        return rc;
    return token_delete(&c->op, rk_arena_dup(c->mem, p->user_id), rk_arena_dup(c->mem, p->id), err);
}

const struct command_row COMMAND_KEYS[] = {
    {"setup-key list", key_list, false},    {"setup-key create", key_create, true},
    {"setup-key revoke", key_revoke, true}, {"setup-key delete", key_delete, true},
    {"pat list", pat_list, false},          {"pat create", pat_create, true},
    {"pat revoke", pat_revoke, true},       {NULL, NULL, false}};
