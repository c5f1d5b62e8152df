/* SPDX-License-Identifier: BSD-3-Clause */
/* YAML to a flat list over libyaml's event parser; see yaml.h. */
#include "config.h"

#include "server/yaml.h"

#include <yaml.h>

enum { MAX_DEPTH = 8, MAX_ENTRIES = 4096 };

struct walk {
    struct rk_arena *mem;
    yaml_parser_t parser;
    struct yaml_list list;
    size_t cap;
    struct rk_err *err;
};

static void event_free(yaml_event_t *e)
{
    yaml_event_delete(e);
}

static enum rk_code next(struct walk *w, yaml_event_t *e)
{
    if (yaml_parser_parse(&w->parser, e))
        return RK_OK;
    return rk_fail(w->err, RK_BAD_REQUEST, "line %zu: %s", w->parser.problem_mark.line + 1,
                   w->parser.problem ? w->parser.problem : "not YAML");
}

static struct rk_str scalar_of(const yaml_event_t *e)
{
    return rk_str_of(e->data.scalar.value, e->data.scalar.length);
}

static enum rk_code add(struct walk *w, const yaml_event_t *e, struct rk_str path, size_t index)
{
    bool scalar = e->type == YAML_SCALAR_EVENT;

    if (w->list.n >= MAX_ENTRIES)
        return rk_fail(w->err, RK_LIMIT, "line %zu: more than %d values", e->start_mark.line + 1,
                       MAX_ENTRIES);
    for (size_t i = 0; i < w->list.n; i++)
        if (w->list.items[i].index == index && rk_str_eq(w->list.items[i].path, path))
            return rk_fail(w->err, RK_BAD_REQUEST, "line %zu: %.*s stands twice",
                           e->start_mark.line + 1, RK_STR_ARG(path));
    w->list.items = rk_arena_grow(w->mem, w->list.items, w->list.n, &w->cap, sizeof *w->list.items);
    w->list.items[w->list.n++] = (struct yaml_entry){
        .path = path,
        .value = scalar ? rk_arena_dup(w->mem, scalar_of(e)) : (struct rk_str){0},
        .index = index,
        .line = e->start_mark.line + 1,
        .quoted = scalar && e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE,
        .collection = !scalar,
    };
    return RK_OK;
}

static enum rk_code walk_node(struct walk *w, const yaml_event_t *e, struct rk_str path,
                              size_t index, int depth);

static enum rk_code walk_map(struct walk *w, const yaml_event_t *start, struct rk_str path,
                             size_t index, int depth)
{
    size_t n = 0;

    for (;; n++) {
        RK_CLEANUP(event_free) yaml_event_t key = {0};
        RK_CLEANUP(event_free) yaml_event_t value = {0};
        struct rk_str full;
        enum rk_code rc = next(w, &key);

        if (rc)
            return rc;
        if (key.type == YAML_MAPPING_END_EVENT)
            break;
        if (key.type != YAML_SCALAR_EVENT)
            return rk_fail(w->err, RK_BAD_REQUEST, "line %zu: a key must be plain text",
                           key.start_mark.line + 1);
        rc = next(w, &value);
        if (rc)
            return rc;
        full = path.n ? rk_arena_printf(w->mem, "%.*s.%.*s", RK_STR_ARG(path),
                                        RK_STR_ARG(scalar_of(&key)))
                      : rk_arena_dup(w->mem, scalar_of(&key));
        rc = walk_node(w, &value, full, index, depth + 1);
        if (rc)
            return rc;
    }
    return n ? RK_OK : add(w, start, path, index);
}

static enum rk_code walk_seq(struct walk *w, const yaml_event_t *start, struct rk_str path,
                             size_t index, int depth)
{
    struct rk_str item = rk_arena_printf(w->mem, "%.*s[]", RK_STR_ARG(path));
    size_t n = 0;

    for (;; n++) {
        RK_CLEANUP(event_free) yaml_event_t e = {0};
        enum rk_code rc = next(w, &e);

        if (rc)
            return rc;
        if (e.type == YAML_SEQUENCE_END_EVENT)
            break;
        rc = walk_node(w, &e, item, n, depth + 1);
        if (rc)
            return rc;
    }
    return n ? RK_OK : add(w, start, path, index);
}

static enum rk_code walk_node(struct walk *w, const yaml_event_t *e, struct rk_str path,
                              size_t index, int depth)
{
    if (depth > MAX_DEPTH)
        return rk_fail(w->err, RK_BAD_REQUEST, "line %zu: nested deeper than %d levels",
                       e->start_mark.line + 1, MAX_DEPTH);
    if (e->type == YAML_SCALAR_EVENT)
        return add(w, e, path, index);
    if (e->type == YAML_MAPPING_START_EVENT)
        return walk_map(w, e, path, index, depth);
    if (e->type == YAML_SEQUENCE_START_EVENT)
        return walk_seq(w, e, path, index, depth);
    return rk_fail(w->err, RK_BAD_REQUEST, "line %zu: anchors and aliases are not supported",
                   e->start_mark.line + 1);
}

static enum rk_code walk_stream(struct walk *w)
{
    for (;;) {
        RK_CLEANUP(event_free) yaml_event_t e = {0};
        enum rk_code rc = next(w, &e);

        if (rc || e.type == YAML_STREAM_END_EVENT)
            return rc;
        if (e.type == YAML_SCALAR_EVENT && e.data.scalar.length == 0)
            continue; /* an empty document */
        if (e.type == YAML_MAPPING_START_EVENT)
            rc = walk_node(w, &e, (struct rk_str){0}, 0, 0);
        else if (e.type == YAML_SCALAR_EVENT || e.type == YAML_SEQUENCE_START_EVENT ||
                 e.type == YAML_ALIAS_EVENT)
            rc = rk_fail(w->err, RK_BAD_REQUEST, "line %zu: the file must be a map of keys",
                         e.start_mark.line + 1);
        if (rc)
            return rc;
    }
}

enum rk_code yaml_parse(struct rk_arena *mem, struct rk_str text, struct yaml_list *out,
                        struct rk_err *err)
{
    struct walk w = {.mem = mem, .err = err};
    enum rk_code rc;

    if (text.n > YAML_MAX_BYTES)
        return rk_fail(err, RK_LIMIT, "larger than %d bytes", YAML_MAX_BYTES);
    if (!yaml_parser_initialize(&w.parser))
        return rk_fail(err, RK_INTERNAL, "YAML parser");
    yaml_parser_set_encoding(&w.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&w.parser, (const unsigned char *)(text.n ? text.p : ""), text.n);
    rc = walk_stream(&w);
    yaml_parser_delete(&w.parser);
    if (rc == RK_OK)
        *out = w.list;
    return rc;
}
