/* SPDX-License-Identifier: BSD-3-Clause */
/* A JSON Schema as the judge of trees; see schema.h. */
#include "config.h"

#include "management/wanted/schema.h"

#include <assert.h>

#include "lib/base/num.h"
#include "schema/wanted.h"

#define KNOWN_MAX 600 /* bytes of the list of keys in an error */

struct want_schema {
    const struct want_node *root;
};

struct checking {
    const struct want_node *root;
    struct rk_arena *mem;
    struct rk_err *err;
};

const struct want_schema *want_schema_new(struct rk_arena *mem)
{
    struct want_schema *s = rk_new(mem, struct want_schema);
    struct want_node *root = NULL;
    enum rk_code rc = want_parse(mem, rk_str_of(SCHEMA_WANTED, SCHEMA_WANTED_SIZE), &root, NULL);

    assert(rc == RK_OK && root);
    (void)rc;
    s->root = root;
    return s;
}

/* Behind a reference, if it is one. */
static const struct want_node *resolve(const struct want_node *root, const struct want_node *schema)
{
    struct rk_str ref = want_text(schema, "$ref");

    if (!ref.n)
        return schema;
    return want_get_str(want_get(root, "$defs"), rk_str_sub(ref, strlen("#/$defs/"), ref.n));
}

static bool is_type(const struct want_node *n, struct rk_str type)
{
    return (rk_str_eqz(type, "object") && n->type == WANT_MAP) ||
           (rk_str_eqz(type, "array") && n->type == WANT_LIST) ||
           (rk_str_eqz(type, "string") && n->type == WANT_TEXT) ||
           (rk_str_eqz(type, "integer") && n->type == WANT_INT) ||
           (rk_str_eqz(type, "boolean") && n->type == WANT_BOOL);
}

static const char *type_text(struct rk_str type)
{
    return rk_str_eqz(type, "object")    ? "keys and values"
           : rk_str_eqz(type, "array")   ? "a list"
           : rk_str_eqz(type, "integer") ? "a number"
           : rk_str_eqz(type, "boolean") ? "true or false"
                                         : "a text (in quotes when it looks like something else)";
}

/* "policies[2].rules[0]", for errors. */
static struct rk_str inner(struct rk_arena *mem, struct rk_str path, struct rk_str key)
{
    return path.n ? RK_CAT(mem, path, RK_STR("."), key) : key;
}

static enum rk_code wrong(const struct checking *c, const struct want_node *n, struct rk_str path,
                          const char *what)
{
    return rk_fail(c->err, RK_INVALID, "line %zu: %.*s %s", n->line,
                   RK_STR_ARG(path.n ? path : RK_STR("the file")), what);
}

static enum rk_code check_type(const struct checking *c, const struct want_node *schema,
                               const struct want_node *n, struct rk_str path)
{
    const struct want_node *type = want_get(schema, "type");
    const char *first = NULL;

    if (!type)
        return RK_OK;
    if (type->type == WANT_TEXT) {
        if (is_type(n, type->text))
            return RK_OK;
        first = type_text(type->text);
    }
    WANT_EACH (it, type) {
        if (is_type(n, it->text))
            return RK_OK;
        first = first ? first : type_text(it->text);
    }
    return wrong(c, n, path, rk_arena_dupz(c->mem, rk_arena_printf(c->mem, "must be %s", first)));
}

static struct rk_str list_of(struct rk_arena *mem, const struct want_node *names, bool keys)
{
    struct rk_str out = {0};
    struct rk_buf b;

    rk_buf_init(&b, KNOWN_MAX);
    WANT_EACH (it, names) {
        if (it != names->first)
            rk_buf_addz(&b, ", ");
        rk_buf_add(&b, keys ? it->key : it->text);
    }
    out = rk_arena_dup(mem, rk_buf_str(&b));
    rk_buf_done(&b);
    return out;
}

static enum rk_code check_plain(const struct checking *c, const struct want_node *schema,
                                const struct want_node *n, struct rk_str path)
{
    const struct want_node *choices = want_get(schema, "enum"), *min = want_get(schema, "minimum"),
                           *max = want_get(schema, "maximum");
    bool found = !choices;

    WANT_EACH (it, choices)
        found |= rk_str_eq(it->text, n->text);
    if (!found)
        return rk_fail(c->err, RK_INVALID, "line %zu: %.*s must be one of %.*s, not %.*s", n->line,
                       RK_STR_ARG(path), RK_STR_ARG(list_of(c->mem, choices, false)),
                       RK_STR_ARG(n->text));
    if (n->type == WANT_TEXT && want_get(schema, "minLength") && !n->text.n)
        return wrong(c, n, path, "must not be empty");
    if (n->type == WANT_INT &&
        ((min && n->number < min->number) || (max && n->number > max->number)))
        return rk_fail(c->err, RK_INVALID, "line %zu: %.*s must be a number from %lld to %lld",
                       n->line, RK_STR_ARG(path), min ? (long long)min->number : 0,
                       max ? (long long)max->number : (long long)INT64_MAX);
    return RK_OK;
}

static enum rk_code check(const struct checking *c, const struct want_node *schema,
                          struct want_node *n, struct rk_str path);

static enum rk_code check_list(const struct checking *c, const struct want_node *schema,
                               struct want_node *n, struct rk_str path)
{
    const struct want_node *unique = want_get(schema, "uniqueItems"), *before = NULL;
    size_t i = 0;

    WANT_EACH (it, n) {
        struct rk_str at = rk_arena_printf(c->mem, "%.*s[%zu]", RK_STR_ARG(path), i++);
        enum rk_code rc = check(c, want_get(schema, "items"), it, at);

        if (rc)
            return rc;
    }
    if (!unique || !unique->number)
        return RK_OK;
    want_sort(c->mem, n);
    WANT_EACH (it, n) {
        if (before && rk_str_eq(before->text, it->text))
            return rk_fail(c->err, RK_INVALID, "line %zu: %.*s: %.*s stands twice", it->line,
                           RK_STR_ARG(path), RK_STR_ARG(it->text));
        before = it;
    }
    return RK_OK;
}

static enum rk_code check_members(const struct checking *c, const struct want_node *schema,
                                  const struct want_node *n, struct rk_str path)
{
    const struct want_node *known = want_get(schema, "properties"),
                           *others = want_get(schema, "additionalProperties");

    WANT_EACH (it, n) {
        const struct want_node *of = want_get_str(known, it->key);
        enum rk_code rc;

        if (!of && others && others->type == WANT_MAP)
            of = others;
        if (!of)
            return rk_fail(c->err, RK_INVALID, "line %zu: %.*s is no key here; known are %.*s",
                           it->line, RK_STR_ARG(inner(c->mem, path, it->key)),
                           RK_STR_ARG(list_of(c->mem, known, true)));
        rc = check(c, of, it, inner(c->mem, path, it->key));
        if (rc)
            return rc;
    }
    return RK_OK;
}

static enum rk_code check_map(const struct checking *c, const struct want_node *schema,
                              struct want_node *n, struct rk_str path)
{
    const struct want_node *max = want_get(schema, "maxProperties");
    enum rk_code rc = check_members(c, schema, n, path);

    if (rc)
        return rc;
    WANT_EACH (it, want_get(schema, "required"))
        if (!want_get_str(n, it->text))
            return rk_fail(c->err, RK_INVALID, "line %zu: %.*s needs %.*s", n->line,
                           RK_STR_ARG(path.n ? path : RK_STR("the file")), RK_STR_ARG(it->text));
    if (max && (int64_t)n->n > max->number)
        return wrong(c, n, path, "takes one of these keys only");
    WANT_EACH (it, want_get(schema, "properties")) {
        const struct want_node *preset = want_get(resolve(c->root, it), "default");
        struct want_node *copy;

        if (!preset || want_get_str(n, it->key))
            continue;
        copy = want_copy(c->mem, preset);
        copy->key = it->key;
        copy->line = n->line;
        want_link(n, copy);
    }
    return RK_OK;
}

static enum rk_code check(const struct checking *c, const struct want_node *schema,
                          struct want_node *n, struct rk_str path)
{
    enum rk_code rc;

    schema = resolve(c->root, schema);
    rc = check_type(c, schema, n, path);
    if (rc)
        return rc;
    if (n->type == WANT_MAP)
        return check_map(c, schema, n, path);
    if (n->type == WANT_LIST)
        return check_list(c, schema, n, path);
    return check_plain(c, schema, n, path);
}

enum rk_code want_schema_check(const struct want_schema *s, struct rk_arena *mem,
                               struct want_node *tree, struct rk_err *err)
{
    struct checking c = {s->root, mem, err};

    return check(&c, s->root, tree, (struct rk_str){0});
}

/* ---- shortening */

static void shorten(const struct want_node *root, const struct want_node *schema,
                    struct want_node *n)
{
    const struct want_node *known;
    struct want_node all = *n;

    schema = resolve(root, schema);
    if (!schema)
        return;
    if (n->type == WANT_LIST) {
        WANT_EACH (it, n)
            shorten(root, want_get(schema, "items"), it);
        return;
    }
    known = want_get(schema, "properties");
    if (n->type != WANT_MAP || !known)
        return;
    n->first = n->last = NULL;
    n->n = 0;
    for (struct want_node *it = all.first, *next; it; it = next) {
        const struct want_node *of = want_get_str(known, it->key);
        const struct want_node *preset = of ? want_get(resolve(root, of), "default") : NULL;

        next = it->next;
        if (preset && want_eq(preset, it))
            continue;
        if (of)
            shorten(root, of, it);
        want_link(n, it);
    }
}

void want_schema_shorten(const struct want_schema *s, struct want_node *tree)
{
    shorten(s->root, s->root, tree);
}
