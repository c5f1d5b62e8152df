/* SPDX-License-Identifier: BSD-3-Clause */
/* Finding and running commands; see command.h. */
#include "config.h"

#include "server/command/command.h"

#include <string.h>

#include "lib/base/num.h"
#include "management/ops/users.h"
#include "server/command/call.h"

static const struct command_row *const TABLES[] = {
    COMMAND_USERS, COMMAND_KEYS, COMMAND_PEERS, COMMAND_STATE, COMMAND_QUESTIONS, COMMAND_NETWORK};

/* ---- arguments */

struct rk_str arg_text(const struct call *c, const char *name)
{
    const json_t *v = json_object_get(c->args, name);

    return json_is_string(v) ? rk_str_of(json_string_value(v), json_string_length(v))
                             : (struct rk_str){0};
}

int64_t arg_i64(const struct call *c, const char *name, int64_t otherwise)
{
    const json_t *v = json_object_get(c->args, name);

    return json_is_integer(v) ? json_integer_value(v) : otherwise;
}

bool arg_bool(const struct call *c, const char *name)
{
    return json_is_true(json_object_get(c->args, name));
}

enum rk_code arg_need(const struct call *c, const char *name, struct rk_str *out,
                      struct rk_err *err)
{
    struct rk_str s = arg_text(c, name);

    if (!s.n)
        return rk_fail(err, RK_INVALID, "--%s is needed", name);
    *out = s;
    return RK_OK;
}

enum rk_code arg_groups(const struct call *c, const char *name, struct str_list *out,
                        struct rk_err *err)
{
    struct rk_str rest = arg_text(c, name), one;
    struct str_list l = {0};
    size_t cap = 0;

    while (rest.n) {
        const struct group *g;

        (void)rk_str_cut(rest, ',', &one, &rest);
        one = rk_str_trim(one);
        g = snap_group_by_name(c->op.snap, one);
        if (!g)
            g = snap_group(c->op.snap, one);
        if (!g)
            return rk_fail(err, RK_NOT_FOUND, "no group \"%.*s\"", RK_STR_ARG(one));
        l.v = rk_arena_grow(c->mem, l.v, l.n, &cap, sizeof *l.v);
        l.v[l.n++] = g->id;
    }
    *out = l;
    return RK_OK;
}

enum rk_code arg_user(const struct call *c, const struct user **out, struct rk_err *err)
{
    struct rk_str email = arg_text(c, "email"), id = arg_text(c, "user-id");

    if (!email.n && !id.n)
        return rk_fail(err, RK_INVALID, "say who: --email or --user-id");
    *out = email.n ? user_by_email(c->op.snap, email) : snap_user(c->op.snap, id);
    if (!*out)
        return rk_fail(err, RK_NOT_FOUND, "no user \"%.*s\"", RK_STR_ARG(email.n ? email : id));
    return RK_OK;
}

json_t *j_text(struct rk_str s)
{
    json_t *j = json_stringn(s.n ? s.p : "", s.n);

    return j ? j : json_string("");
}

json_t *j_time(int64_t unix_us)
{
    char text[RK_TIME_TEXT];

    return unix_us ? j_text(rk_time_format_us(unix_us, text)) : json_null();
}

enum rk_code call_answer(struct call *c, struct rk_buf *text, struct rk_err *err)
{
    json_error_t why;
    enum rk_code rc = RK_OK;

    if (text->full)
        rc = rk_fail(err, RK_LIMIT, "the answer is too long; ask about less");
    if (rc == RK_OK && !(c->result = json_loadb(text->p, text->n, 0, &why)))
        rc = rk_fail(err, RK_INTERNAL, "the answer is no JSON: %s", why.text);
    rk_buf_done(text);
    return rc;
}

/* ---- running */

static const struct command_row *find(const char *name)
{
    for (size_t t = 0; name && t < RK_ARRAY_LEN(TABLES); t++)
        for (const struct command_row *k = TABLES[t]; k->name; k++)
            if (strcmp(k->name, name) == 0)
                return k;
    return NULL;
}

bool command_knows(const char *command)
{
    return find(command) != NULL;
}

bool command_changes(const char *command)
{
    const struct command_row *k = find(command);

    return k && k->changes;
}

/* The owner of the oldest account; none when nobody has set the server up. */
static enum rk_code act_as_owner(struct call *c, struct rk_err *err)
{
    const struct snapshot *s = NULL;
    struct str_list ids = {0};
    const struct user *u;
    struct snap_iter it;
    enum rk_code rc = mgmt_account_ids(c->commands->m, c->db, c->mem, &ids, err);

    if (rc || ids.n == 0)
        return rc;
    rc = mgmt_snapshot(c->commands->m, ids.v[0], &s, err);
    if (rc)
        return rc;
    it = snap_iter(s, ENT_USER);
    while ((u = snap_next(&it)) != NULL)
        if (u->role == ROLE_OWNER)
            return op_init(&c->op, c->commands->m, c->db, c->mem, s, u->id, err);
    snap_unref(s);
    return rk_fail(err, RK_PRECONDITION, "the account has no owner");
}

static enum rk_code run(struct call *c, const json_t *request, struct rk_err *err)
{
    const char *name = json_string_value(json_object_get(request, "command"));
    const struct command_row *k = find(name);
    enum rk_code rc;

    if (!k)
        return rk_fail(err, RK_INVALID, "no command \"%s\"", name ? name : "");
    rc = mgmt_db_open(c->commands->m, &c->db, err);
    if (rc == RK_OK)
        rc = act_as_owner(c, err);
    if (rc == RK_OK && !c->op.m && strcmp(name, "status") != 0 && strcmp(name, "cluster") != 0 &&
        strcmp(name, "log-level") != 0)
        rc = rk_fail(err, RK_PRECONDITION, "nobody owns this server yet: rookery setup");
    if (rc == RK_OK)
        rc = k->fn(c, err);
    if (c->op.m)
        op_done(&c->op);
    db_close(c->db);
    return rc;
}

json_t *command_run(struct commands *commands, const json_t *request)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(0);
    struct call c = {.commands = commands, .mem = mem, .args = json_object_get(request, "args")};
    struct rk_err err = {0};
    enum rk_code rc = run(&c, request, &err);

    if (rc) {
        json_decref(c.result);
        return json_pack("{s:b, s:s, s:s}", "ok", 0, "code", rk_code_name(rc), "error", err.msg);
    }
    return json_pack("{s:b, s:o}", "ok", 1, "result", c.result ? c.result : json_object());
}
