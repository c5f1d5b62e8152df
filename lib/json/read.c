/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Table-driven reader of JSON bodies on top of the pull reader; see json.h. One pass from the text
 * into the caller's struct: no tree is built, so a body can unfold into no more memory than its
 * table allows.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "lib/json/json.h"
#include "lib/json/pull.h"

#define PATH_MAX_TEXT 96 /* "rules[12].sources": enough to find the place */

struct body_reader {
    struct json_pull in;
    size_t strings, objects;
    char path[PATH_MAX_TEXT]; /* where the reader is; after a fault, where that was */
    size_t path_n;
};

/* Add ".name" or "[index]" (name.p NULL) to the path; returns what path_pop needs. */
static size_t path_push(struct body_reader *r, struct rk_str name, size_t index)
{
    size_t old = r->path_n, left = sizeof r->path - old;
    int n = name.p ? snprintf(r->path + old, left, "%s%.*s", old ? "." : "", RK_STR_ARG(name))
                   : snprintf(r->path + old, left, "[%zu]", index);

    if (n > 0)
        r->path_n = (size_t)n < left ? old + (size_t)n : sizeof r->path - 1;
    return old;
}

static void path_pop(struct body_reader *r, size_t old)
{
    if (r->in.fault)
        return;
    r->path_n = old;
    r->path[old] = '\0';
}

static struct json_strs strs_value(struct body_reader *r)
{
    struct json_strs l = {0};
    size_t cap = 0;

    if (json_pull_null(&r->in))
        return l;
    if (json_pull_next(&r->in) != '[' && json_pull_next(&r->in))
        json_pull_fail(&r->in, "expected a list of strings");
    json_pull_enter(&r->in, '[');
    l.items = rk_arena_grow(r->in.mem, NULL, 0, &cap, sizeof *l.items);
    while (json_pull_item(&r->in)) {
        size_t old = path_push(r, (struct rk_str){0}, l.n);

        if (++r->strings > JSON_BODY_MAX_STRINGS) {
            json_pull_fail(&r->in, "too many elements");
            break;
        }
        l.items = rk_arena_grow(r->in.mem, l.items, l.n, &cap, sizeof *l.items);
        l.items[l.n++] = json_pull_str(&r->in);
        path_pop(r, old);
    }
    return l;
}

static struct json_map map_value(struct body_reader *r, enum json_kind kind)
{
    struct json_map m = {0};
    struct rk_str key;
    size_t cap = 0;

    if (json_pull_null(&r->in))
        return m;
    json_pull_enter(&r->in, '{');
    m.items = rk_arena_grow(r->in.mem, NULL, 0, &cap, sizeof *m.items);
    while (json_pull_key(&r->in, &key)) {
        struct json_map_entry e = {.key = key};
        size_t old = path_push(r, e.key, 0);

        if (++r->objects > JSON_BODY_MAX_OBJECTS)
            json_pull_fail(&r->in, "too many elements");
        if (kind == JSON_MAP_STR)
            e.str = json_pull_str(&r->in);
        else
            e.strs = strs_value(r);
        if (r->in.fault)
            break;
        m.items = rk_arena_grow(r->in.mem, m.items, m.n, &cap, sizeof *m.items);
        m.items[m.n++] = e;
        path_pop(r, old);
    }
    return m;
}

static void object(struct body_reader *r, const struct json_field *fields, size_t n, void *out);

static struct json_arr arr_value(struct body_reader *r, const struct json_field *f)
{
    struct json_arr a = {0};
    size_t cap = 0;

    if (json_pull_null(&r->in))
        return a;
    json_pull_enter(&r->in, '[');
    a.items = rk_arena_grow(r->in.mem, NULL, 0, &cap, f->sub_size);
    while (json_pull_item(&r->in)) {
        size_t old = path_push(r, (struct rk_str){0}, a.n);
        char *slot;

        if (++r->objects > JSON_BODY_MAX_OBJECTS) {
            json_pull_fail(&r->in, "too many elements");
            break;
        }
        a.items = rk_arena_grow(r->in.mem, a.items, a.n, &cap, f->sub_size);
        slot = (char *)a.items + a.n * f->sub_size;
        memset(slot, 0, f->sub_size);
        if (!json_pull_null(&r->in))
            object(r, f->sub, f->n_sub, slot);
        a.n++;
        path_pop(r, old);
    }
    return a;
}

static void opt_object(struct body_reader *r, const struct json_field *f, void **slot)
{
    if (json_pull_null(&r->in)) {
        *slot = NULL;
        return;
    }
    if (++r->objects > JSON_BODY_MAX_OBJECTS) {
        json_pull_fail(&r->in, "too many elements");
        return;
    }
    *slot = rk_arena_alloc(r->in.mem, f->sub_size);
    object(r, f->sub, f->n_sub, *slot);
}

/* null leaves the zero value for every kind. */
static void value(struct body_reader *r, const struct json_field *f, void *slot)
{
    switch (f->kind) {
    case JSON_STR:
        if (!json_pull_null(&r->in))
            *(struct rk_str *)slot = json_pull_str(&r->in);
        break;
    case JSON_BOOL:
        if (!json_pull_null(&r->in))
            *(bool *)slot = json_pull_bool(&r->in);
        break;
    case JSON_OPT_BOOL:
        if (!json_pull_null(&r->in))
            *(struct json_opt_bool *)slot = (struct json_opt_bool){true, json_pull_bool(&r->in)};
        break;
    case JSON_INT:
        if (!json_pull_null(&r->in))
            *(int64_t *)slot = json_pull_i64(&r->in);
        break;
    case JSON_OPT_INT:
        if (!json_pull_null(&r->in))
            *(struct json_opt_int *)slot = (struct json_opt_int){true, json_pull_i64(&r->in)};
        break;
    case JSON_STRS:
        *(struct json_strs *)slot = strs_value(r);
        break;
    case JSON_OBJ:
        if (!json_pull_null(&r->in))
            object(r, f->sub, f->n_sub, slot);
        break;
    case JSON_OPT_OBJ:
        opt_object(r, f, (void **)slot);
        break;
    case JSON_ARR:
        *(struct json_arr *)slot = arr_value(r, f);
        break;
    case JSON_MAP_STR:
    case JSON_MAP_STRS:
        *(struct json_map *)slot = map_value(r, f->kind);
        break;
    }
}

static const struct json_field *find_field(const struct json_field *fields, size_t n,
                                           struct rk_str name)
{
    for (size_t i = 0; i < n; i++)
        if (rk_str_eqz(name, fields[i].name))
            return &fields[i];
    for (size_t i = 0; i < n; i++)
        if (rk_str_ieq(name, rk_str_z(fields[i].name)))
            return &fields[i];
    return NULL;
}

static void object(struct body_reader *r, const struct json_field *fields, size_t n, void *out)
{
    struct rk_str name;

    json_pull_enter(&r->in, '{');
    while (json_pull_key(&r->in, &name)) {
        const struct json_field *f = find_field(fields, n, name);
        size_t old;

        if (!f) {
            json_pull_skip(&r->in);
            continue;
        }
        old = path_push(r, rk_str_z(f->name), 0);
        value(r, f, (char *)out + f->offset);
        path_pop(r, old);
    }
}

enum rk_code json_body_read(struct rk_arena *mem, struct rk_str body,
                            const struct json_field *fields, size_t n_fields, void *out,
                            struct rk_err *err)
{
    struct body_reader r = {.in = json_pull_of(body, mem)};

    if (!body.n)
        return rk_fail(err, RK_BAD_REQUEST, "couldn't parse JSON request: the body is empty");
    r.in.copy = true;
    r.in.depth_max = JSON_BODY_MAX_DEPTH;
    object(&r, fields, n_fields, out);
    if (!r.in.fault)
        return RK_OK;
    if (r.path_n)
        return rk_fail(err, RK_BAD_REQUEST, "couldn't parse JSON request: field \"%s\": %s", r.path,
                       r.in.fault);
    return rk_fail(err, RK_BAD_REQUEST, "couldn't parse JSON request: %s", r.in.fault);
}
