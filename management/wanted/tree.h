/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A YAML (or JSON) text as a tree that remembers lines, and a tree as YAML text. Only what people
 * write by hand: maps, lists and plain values; no anchors, no tags, one document. Any thread.
 */
#ifndef MGMT_WANTED_TREE_H
#define MGMT_WANTED_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

enum want_type { WANT_NULL, WANT_BOOL, WANT_INT, WANT_TEXT, WANT_LIST, WANT_MAP };

struct want_node { /* open, arena */
    enum want_type type;
    size_t line;        /* 1-based; 0: not from a file */
    struct rk_str key;  /* in a map */
    struct rk_str text; /* of every plain value, as it was written */
    int64_t number;     /* of WANT_INT; 1 and 0 of WANT_BOOL */
    struct want_node *first, *last, *next;
    size_t n; /* children */
};

#define WANT_EACH(it, parent)                                                                      \
    for (struct want_node *it = (parent) ? (parent)->first : NULL; it; it = it->next)

#define WANT_MAX_BYTES (1024 * 1024)

/** Parse. *out is NULL for an empty text. Errors, with "line L: ": RK_BAD_REQUEST (syntax, keys
 *  that stand twice, anchors and tags), RK_LIMIT (size, depth, number of values). */
enum rk_code want_parse(struct rk_arena *mem, struct rk_str text, struct want_node **out,
                        struct rk_err *err) RK_MUST;

/* Making trees. key empty: in a list. All return the new node. */
struct want_node *want_new(struct rk_arena *mem, enum want_type type);
struct want_node *want_add(struct rk_arena *mem, struct want_node *parent, struct rk_str key,
                           enum want_type type);
struct want_node *want_add_text(struct rk_arena *mem, struct want_node *parent, const char *key,
                                struct rk_str text);
struct want_node *want_add_int(struct rk_arena *mem, struct want_node *parent, const char *key,
                               int64_t v);
struct want_node *want_add_bool(struct rk_arena *mem, struct want_node *parent, const char *key,
                                bool v);
struct want_node *want_copy(struct rk_arena *mem, const struct want_node *n);
/** Put an existing node (with its key) at the end. */
void want_link(struct want_node *parent, struct want_node *n);

/** Member of a map; NULL where absent, or in what is no map. */
struct want_node *want_get(const struct want_node *map, const char *key);
struct want_node *want_get_str(const struct want_node *map, struct rk_str key);
/** Text of a member; empty where absent. */
struct rk_str want_text(const struct want_node *map, const char *key);

/** Equal values. Texts and numbers are compared as they are written; maps member by member whatever
 *  their order. */
bool want_eq(const struct want_node *a, const struct want_node *b);

/** Sort a list of plain values. */
void want_sort(struct rk_arena *mem, struct want_node *list);

/** As YAML text. */
void want_print(const struct want_node *n, struct rk_buf *out);

/** As JSON text. */
void want_json(const struct want_node *n, struct rk_buf *out);

#endif
