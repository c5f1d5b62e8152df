/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A YAML file as a flat list of scalars with their paths and lines, so that a table can say which
 * keys exist. "a: {b: [x, {c: y}]}" gives a.b[] (index 0, "x") and a.b[].c (index 1, "y").
 * Only the subset that configuration files use: no anchors, no tags, at most 8 levels. Any thread.
 */
#ifndef RK_SERVER_YAML_H
#define RK_SERVER_YAML_H

#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

struct yaml_entry {      /* open, arena */
    struct rk_str path;  /* list elements are written [] */
    struct rk_str value; /* "" for an empty list or map as well */
    size_t index;        /* position in the innermost list on the path */
    size_t line;         /* 1-based */
    bool quoted;         /* written in quotes: never a number or a null */
    bool collection;     /* an empty list or map */
};

struct yaml_list { /* open, arena */
    struct yaml_entry *items;
    size_t n;
};

/** Largest file that is read, in bytes. */
#define YAML_MAX_BYTES (1024 * 1024)

/** Parse text. Errors: RK_BAD_REQUEST "line L: …" for syntax, duplicate keys, anchors, depth;
 *  RK_LIMIT for size. Nothing is kept outside mem. */
enum rk_code yaml_parse(struct rk_arena *mem, struct rk_str text, struct yaml_list *out,
                        struct rk_err *err) RK_MUST;

#endif
