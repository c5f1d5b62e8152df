/* SPDX-License-Identifier: BSD-3-Clause */
/* Trees of values, and reading them with libyaml's event parser; see tree.h. */
#include "config.h"

#include "management/wanted/tree.h"

#include <stdlib.h>
#include <yaml.h>

#include "lib/base/num.h"

enum {
    DEPTH_MAX = 16,     /* the deepest of the format and its schema has 12 */
    NODES_MAX = 100000, /* a megabyte of short names */
    KEYS_MAX = 1000,    /* of one map: each is compared with those before it */
};

/* ---- making */

struct want_node *want_new(struct rk_arena *mem, enum want_type type)
{
    struct want_node *n = rk_new(mem, struct want_node);

    *n = (struct want_node){.type = type};
    return n;
}

void want_link(struct want_node *parent, struct want_node *n)
{
    n->next = NULL;
    if (parent->last)
        parent->last->next = n;
    else
        parent->first = n;
    parent->last = n;
    parent->n++;
}

struct want_node *want_add(struct rk_arena *mem, struct want_node *parent, struct rk_str key,
                           enum want_type type)
{
    struct want_node *n = want_new(mem, type);

    n->key = key;
    want_link(parent, n);
    return n;
}

static struct rk_str key_of(const char *key)
{
    return key ? rk_str_z(key) : (struct rk_str){0};
}

struct want_node *want_add_text(struct rk_arena *mem, struct want_node *parent, const char *key,
                                struct rk_str text)
{
    struct want_node *n = want_add(mem, parent, key_of(key), WANT_TEXT);

    n->text = text;
    return n;
}

struct want_node *want_add_int(struct rk_arena *mem, struct want_node *parent, const char *key,
                               int64_t v)
{
    struct want_node *n = want_add(mem, parent, key_of(key), WANT_INT);

    n->number = v;
    n->text = rk_arena_printf(mem, "%lld", (long long)v);
    return n;
}

struct want_node *want_add_bool(struct rk_arena *mem, struct want_node *parent, const char *key,
                                bool v)
{
    struct want_node *n = want_add(mem, parent, key_of(key), WANT_BOOL);

    n->number = v;
    n->text = v ? RK_STR("true") : RK_STR("false");
    return n;
}

struct want_node *want_copy(struct rk_arena *mem, const struct want_node *from)
{
    struct want_node *n = want_new(mem, from->type);

    *n = *from;
    n->first = n->last = n->next = NULL;
    n->n = 0;
    WANT_EACH (it, from)
        want_link(n, want_copy(mem, it));
    return n;
}

struct want_node *want_get_str(const struct want_node *map, struct rk_str key)
{
    if (map && map->type == WANT_MAP)
        WANT_EACH (it, map)
            if (rk_str_eq(it->key, key))
                return it;
    return NULL;
}

struct want_node *want_get(const struct want_node *map, const char *key)
{
    return want_get_str(map, rk_str_z(key));
}

struct rk_str want_text(const struct want_node *map, const char *key)
{
    const struct want_node *n = want_get(map, key);

    return n ? n->text : RK_STR("");
}

static bool is_plain(const struct want_node *n)
{
    return n->type == WANT_TEXT || n->type == WANT_INT;
}

bool want_eq(const struct want_node *a, const struct want_node *b)
{
    const struct want_node *x, *y;

    if (!a || !b)
        return a == b;
    if (is_plain(a) && is_plain(b))
        return rk_str_eq(a->text, b->text);
    if (a->type != b->type || a->n != b->n)
        return false;
    if (a->type == WANT_BOOL)
        return a->number == b->number;
    if (a->type == WANT_MAP) {
        WANT_EACH (it, a)
            if (!want_eq(it, want_get_str(b, it->key)))
                return false;
        return true;
    }
    for (x = a->first, y = b->first; x && y; x = x->next, y = y->next)
        if (!want_eq(x, y))
            return false;
    return true;
}

static int by_text(const void *a, const void *b)
{
    const struct want_node *const *x = a, *const *y = b;

    return rk_str_cmp((*x)->text, (*y)->text);
}

void want_sort(struct rk_arena *mem, struct want_node *list)
{
    struct want_node **v = rk_new_n(mem, struct want_node *, list->n + 1);
    size_t n = 0;

    WANT_EACH (it, list)
        v[n++] = it;
    qsort(v, n, sizeof *v, by_text);
    list->first = list->last = NULL;
    list->n = 0;
    for (size_t i = 0; i < n; i++)
        want_link(list, v[i]);
}

/* ---- reading */

struct reading {
    struct rk_arena *mem;
    yaml_parser_t parser;
    size_t nodes;
    struct rk_err *err;
};

static void event_free(yaml_event_t *e)
{
    yaml_event_delete(e);
}

static enum rk_code next(struct reading *r, yaml_event_t *e)
{
    if (yaml_parser_parse(&r->parser, e))
        return RK_OK;
    return rk_fail(r->err, RK_BAD_REQUEST, "line %zu: %s", r->parser.problem_mark.line + 1,
                   r->parser.problem ? r->parser.problem : "not YAML");
}

static size_t line_of(const yaml_event_t *e)
{
    return e->start_mark.line + 1;
}

/* What a value without quotes means. */
static void plain_type(struct want_node *n)
{
    static const char *const YES[] = {"true", "True", "TRUE"}, *const NO[] = {"false", "False",
                                                                              "FALSE"};
    for (size_t i = 0; i < RK_ARRAY_LEN(YES); i++)
        if (rk_str_eqz(n->text, YES[i]) || rk_str_eqz(n->text, NO[i])) {
            n->type = WANT_BOOL;
            n->number = rk_str_eqz(n->text, YES[i]);
            return;
        }
    if (!n->text.n || rk_str_eqz(n->text, "~") || rk_str_eqz(n->text, "null"))
        n->type = WANT_NULL;
    else if (rk_parse_i64(n->text, INT64_MIN, INT64_MAX, &n->number, NULL) == RK_OK &&
             n->text.p[0] != '+')
        n->type = WANT_INT;
}

static enum rk_code read_value(struct reading *r, const yaml_event_t *e, int depth,
                               struct want_node **out);

static enum rk_code read_list(struct reading *r, struct want_node *list, int depth)
{
    for (;;) {
        RK_CLEANUP(event_free) yaml_event_t e = {0};
        struct want_node *item;
        enum rk_code rc = next(r, &e);

        if (rc || e.type == YAML_SEQUENCE_END_EVENT)
            return rc;
        rc = read_value(r, &e, depth, &item);
        if (rc)
            return rc;
        want_link(list, item);
    }
}

static enum rk_code check_key(struct reading *r, const struct want_node *map, const yaml_event_t *e,
                              struct rk_str key)
{
    const struct want_node *other = want_get_str(map, key);

    if (other)
        return rk_fail(r->err, RK_BAD_REQUEST, "line %zu: %.*s stands twice (line %zu)", line_of(e),
                       RK_STR_ARG(key), other->line);
    if (map->n >= KEYS_MAX)
        return rk_fail(r->err, RK_LIMIT, "line %zu: more than %d keys", line_of(e), KEYS_MAX);
    return RK_OK;
}

static enum rk_code read_map(struct reading *r, struct want_node *map, int depth)
{
    for (;;) {
        RK_CLEANUP(event_free) yaml_event_t key = {0};
        RK_CLEANUP(event_free) yaml_event_t value = {0};
        struct want_node *item;
        struct rk_str name;
        enum rk_code rc = next(r, &key);

        if (rc || key.type == YAML_MAPPING_END_EVENT)
            return rc;
        if (key.type != YAML_SCALAR_EVENT)
            return rk_fail(r->err, RK_BAD_REQUEST, "line %zu: a key must be plain text",
                           line_of(&key));
        name =
            rk_arena_dup(r->mem, rk_str_of((char *)key.data.scalar.value, key.data.scalar.length));
        rc = check_key(r, map, &key, name);
        if (rc == RK_OK)
            rc = next(r, &value);
        if (rc == RK_OK)
            rc = read_value(r, &value, depth, &item);
        if (rc)
            return rc;
        item->key = name;
        item->line = line_of(&key);
        want_link(map, item);
    }
}

static bool has_more(const yaml_event_t *e)
{
    switch (e->type) {
    case YAML_SCALAR_EVENT:
        return e->data.scalar.anchor || e->data.scalar.tag;
    case YAML_SEQUENCE_START_EVENT:
        return e->data.sequence_start.anchor || e->data.sequence_start.tag;
    case YAML_MAPPING_START_EVENT:
        return e->data.mapping_start.anchor || e->data.mapping_start.tag;
    default:
        return true; /* an alias */
    }
}

static enum rk_code read_value(struct reading *r, const yaml_event_t *e, int depth,
                               struct want_node **out)
{
    struct want_node *n;

    if (has_more(e))
        return rk_fail(r->err, RK_BAD_REQUEST,
                       "line %zu: anchors, aliases and tags are not supported", line_of(e));
    if (depth >= DEPTH_MAX)
        return rk_fail(r->err, RK_LIMIT, "line %zu: more than %d levels", line_of(e), DEPTH_MAX);
    if (r->nodes++ >= NODES_MAX)
        return rk_fail(r->err, RK_LIMIT, "line %zu: more than %d values", line_of(e), NODES_MAX);
    n = want_new(r->mem, WANT_TEXT);
    n->line = line_of(e);
    *out = n;
    if (e->type == YAML_SCALAR_EVENT) {
        n->text =
            rk_arena_dup(r->mem, rk_str_of((char *)e->data.scalar.value, e->data.scalar.length));
        if (e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
            plain_type(n);
        return RK_OK;
    }
    n->type = e->type == YAML_MAPPING_START_EVENT ? WANT_MAP : WANT_LIST;
    return n->type == WANT_MAP ? read_map(r, n, depth + 1) : read_list(r, n, depth + 1);
}

static enum rk_code read_stream(struct reading *r, struct want_node **out)
{
    *out = NULL;
    for (;;) {
        RK_CLEANUP(event_free) yaml_event_t e = {0};
        enum rk_code rc = next(r, &e);

        if (rc || e.type == YAML_STREAM_END_EVENT)
            return rc;
        if (e.type == YAML_STREAM_START_EVENT || e.type == YAML_DOCUMENT_START_EVENT ||
            e.type == YAML_DOCUMENT_END_EVENT)
            continue;
        if (*out)
            return rk_fail(r->err, RK_BAD_REQUEST, "line %zu: a second document", line_of(&e));
        rc = read_value(r, &e, 0, out);
        if (rc)
            return rc;
    }
}

enum rk_code want_parse(struct rk_arena *mem, struct rk_str text, struct want_node **out,
                        struct rk_err *err)
{
    struct reading r = {.mem = mem, .err = err};
    enum rk_code rc;

    if (text.n > WANT_MAX_BYTES)
        return rk_fail(err, RK_LIMIT, "larger than %d bytes", WANT_MAX_BYTES);
    if (!yaml_parser_initialize(&r.parser))
        return rk_fail(err, RK_INTERNAL, "YAML parser");
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)(text.n ? text.p : ""), text.n);
    rc = read_stream(&r, out);
    yaml_parser_delete(&r.parser);
    return rc;
}
