/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pull reader of JSON text (RFC 8259), strict and without a tree: the caller asks for what it
 * expects. Sticky: after the first fault everything is harmless, and one look at `fault` is enough.
 *
 *   json_pull_enter(&r, '{');
 *   while (json_pull_key(&r, &key))
 *       if (rk_str_eqz(key, "a")) a = json_pull_i64(&r); else json_pull_skip(&r);
 *
 * Numbers are integers; null reads as the zero value. Any thread, one at a time.
 */
#ifndef RK_JSON_PULL_H
#define RK_JSON_PULL_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/str.h"

struct json_pull { /* open */
    const char *p, *end;
    struct rk_arena *mem; /* for texts that cannot be views */
    const char *fault;    /* what was wrong first; NULL: nothing */
    unsigned depth, depth_max;
    bool first;  /* no value seen yet in the innermost bracket */
    bool stored; /* our own text from a store: bytes that are no UTF-8 and NUL are let through,
                    so that a name that an older version took never makes an account unreadable */
    bool copy;   /* all texts into mem, with a NUL behind; else views of the text where possible */
};

/** Brackets within brackets that json_pull_of allows. */
#define JSON_PULL_DEPTH 32

/** A reader of text, which is borrowed as long as what was read from it. arena: mem. */
struct json_pull json_pull_of(struct rk_str text, struct rk_arena *mem);

/** Step into an object or list; bracket is '{' or '['. */
void json_pull_enter(struct json_pull *r, char bracket);

/** Next key of an object (its value must be read then); false behind its '}'. */
bool json_pull_key(struct json_pull *r, struct rk_str *key);

/** Is there another item? false behind the list's ']'. */
bool json_pull_item(struct json_pull *r);

struct rk_str json_pull_str(struct json_pull *r); /* p is never NULL for a text that is there */
int64_t json_pull_i64(struct json_pull *r);
uint64_t json_pull_u64(struct json_pull *r);
bool json_pull_bool(struct json_pull *r);

/** Steps over a null; false: something else is next. */
bool json_pull_null(struct json_pull *r);

/** The next byte that is no blank, not taken; NUL at the end and after a fault. */
char json_pull_next(struct json_pull *r);

/** Step over any value, checking its grammar. */
void json_pull_skip(struct json_pull *r);

/** Nothing but blanks is left and nothing was wrong. */
bool json_pull_done(struct json_pull *r);

/** Say that the text is wrong; the first fault stays. fault: constant text. */
void json_pull_fail(struct json_pull *r, const char *fault);

#endif
