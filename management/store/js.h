/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Small JSON writer and pull reader for text columns and journal rows: compact, deterministic, no
 * tree in between, integers only. Both are sticky: after the first error everything is harmless and
 * one check at the end is enough. Any thread.
 */
#ifndef STORE_JS_H
#define STORE_JS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/str.h"

/* ---- writing: js_open(w, '{'); js_key(w, "a"); js_i64(w, 1); js_close(w, '}') ---------------- */

struct js_w {
    struct rk_buf *out; /* its `full` is the error; borrowed */
    bool comma;         /* the next value needs one before it */
};

static inline struct js_w js_w_of(struct rk_buf *out)
{
    return (struct js_w){.out = out};
}

void js_open(struct js_w *w, char bracket);   /* '{' or '[' */
void js_close(struct js_w *w, char bracket);  /* '}' or ']' */
void js_key(struct js_w *w, const char *key); /* must need no escaping */
void js_str(struct js_w *w, struct rk_str s); /* bytes above 127 as they are */
void js_i64(struct js_w *w, int64_t v);
void js_u64(struct js_w *w, uint64_t v);
void js_bool(struct js_w *w, bool v);
void js_null(struct js_w *w);

/* ---- reading --------------------------------------------------------------------------------
 *  js_enter(&r, '{');
 *  while (js_next_key(&r, &key))
 *      if (rk_str_eqz(key, "a")) a = js_get_i64(&r); else js_skip(&r);
 */

#define JS_DEPTH_MAX 16

struct js_r {
    struct rk_str in;
    size_t pos;
    struct rk_arena *mem; /* for texts with escapes; others are views of `in` */
    unsigned depth;
    bool first; /* no value seen yet in the innermost bracket */
    bool bad;
};

static inline struct js_r js_r_of(struct rk_str in, struct rk_arena *mem)
{
    return (struct js_r){.in = in, .mem = mem};
}

void js_enter(struct js_r *r, char bracket);
/** Next key of an object (the value must be read then); false behind its '}'. */
bool js_next_key(struct js_r *r, struct rk_str *key);
/** Is there another item? false behind the array's ']'. */
bool js_next_item(struct js_r *r);

struct rk_str js_get_str(struct js_r *r); /* null reads as empty */
int64_t js_get_i64(struct js_r *r);       /* null reads as 0 */
uint64_t js_get_u64(struct js_r *r);
bool js_get_bool(struct js_r *r);
void js_skip(struct js_r *r);

/** Nothing but blanks is left and nothing was wrong. */
bool js_done(struct js_r *r);

#endif
