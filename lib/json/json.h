/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON text: a fast writer into an rk_buf (jw_) and a table-driven reader of request bodies (jr_).
 * The writer needs no state of its own: it sees from the last byte whether a comma is due.
 */
#ifndef RK_JSON_JSON_H
#define RK_JSON_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

/*
 * Writer. Sticky through rk_buf.full. Strings are escaped as Go's encoding/json does (also < > &
 * and U+2028/9); bytes that are no UTF-8 become U+FFFD. The caller keeps objects and arrays
 * balanced. Any thread.
 */
void jw_obj(struct rk_buf *b);
void jw_obj_end(struct rk_buf *b);
void jw_arr(struct rk_buf *b);
void jw_arr_end(struct rk_buf *b);
void jw_str(struct rk_buf *b, struct rk_str s);
void jw_int(struct rk_buf *b, int64_t v);
void jw_uint(struct rk_buf *b, uint64_t v);
void jw_bool(struct rk_buf *b, bool v);
void jw_null(struct rk_buf *b);

/** Text that is JSON already. */
void jw_raw(struct rk_buf *b, struct rk_str json);

/** Key of the next value; key needs no escaping. */
void jw_key_n(struct rk_buf *b, const char *key, size_t n);
#define jw_key(b, literal) jw_key_n((b), "" literal, sizeof(literal) - 1)

/** The same for a key of unknown content. */
void jw_key_str(struct rk_buf *b, struct rk_str key);

/** Quoted text that needs no escaping (ids, numbers, times made by us). */
void jw_plain(struct rk_buf *b, struct rk_str s);

/** One text of two parts with a character between them (no quote or backslash). */
void jw_joined(struct rk_buf *b, struct rk_str head, char between, struct rk_str tail);

/** RFC 3339 time; 0 is written as never set: "0001-01-01T00:00:00Z". */
void jw_time(struct rk_buf *b, int64_t unix_us);

#define jw_kobj(b, k)      (jw_key(b, k), jw_obj(b))
#define jw_karr(b, k)      (jw_key(b, k), jw_arr(b))
#define jw_kstr(b, k, v)   (jw_key(b, k), jw_str(b, v))
#define jw_kplain(b, k, v) (jw_key(b, k), jw_plain(b, v))
#define jw_kint(b, k, v)   (jw_key(b, k), jw_int(b, v))
#define jw_kbool(b, k, v)  (jw_key(b, k), jw_bool(b, v))
#define jw_ktime(b, k, v)  (jw_key(b, k), jw_time(b, v))
#define jw_knull(b, k)     (jw_key(b, k), jw_null(b))

/*
 * Reader. A struct is described by a table of its fields; jr_parse fills it from a body.
 *
 *     struct req { struct rk_str name; bool on; struct jr_strs groups; };
 *     static const struct jr_field REQ[] = {JR(struct req, name, JR_STR),
 *                                           JR(struct req, on, JR_BOOL),
 *                                           JR(struct req, groups, JR_STRS)};
 *
 * As the official server: names match exactly or else in any case, unknown names are ignored, what
 * is missing or null stays zero (a missing list has items == NULL, an empty one has not), text
 * after the first value is ignored.
 */
enum jr_kind {
    JR_STR,      /* struct rk_str; p is NULL when absent */
    JR_BOOL,     /* bool */
    JR_OPT_BOOL, /* struct jr_opt_bool */
    JR_INT,      /* int64_t; only an integer literal is accepted */
    JR_OPT_INT,  /* struct jr_opt_int */
    JR_STRS,     /* struct jr_strs */
    JR_OBJ,      /* struct described by sub, inline */
    JR_OPT_OBJ,  /* pointer to the struct described by sub; NULL when absent */
    JR_ARR,      /* struct jr_arr of structs described by sub */
    JR_MAP_STR,  /* struct jr_map, values are strings */
    JR_MAP_STRS, /* struct jr_map, values are lists of strings */
};

struct jr_opt_bool {
    bool set, v;
};

struct jr_opt_int {
    bool set;
    int64_t v;
};

struct jr_strs {
    struct rk_str *items; /* NULL: absent or null */
    size_t n;
};

struct jr_arr {
    void *items; /* NULL: absent or null; else n structs */
    size_t n;
};

struct jr_map_entry {
    struct rk_str key;
    struct rk_str str;
    struct jr_strs strs;
};

struct jr_map {
    struct jr_map_entry *items; /* in the order of the text; NULL: absent or null */
    size_t n;
};

struct jr_field {
    const char *name;
    enum jr_kind kind;
    uint16_t offset;
    uint16_t sub_size; /* sizeof of the struct that sub describes */
    const struct jr_field *sub;
    size_t n_sub;
};

#define JR(type, member, kind) JR_AS(type, member, #member, kind)
#define JR_AS(type, member, name, kind)                                                            \
    {                                                                                              \
        name, kind, offsetof(type, member), 0, NULL, 0                                             \
    }
#define JR_SUB(type, member, name, kind, sub_type, sub)                                            \
    {                                                                                              \
        name, kind, offsetof(type, member), sizeof(sub_type), sub, sizeof(sub) / sizeof((sub)[0])  \
    }

/** Nesting allowed in a body; strings and objects in all lists of one body together. */
#define JR_MAX_DEPTH   32
#define JR_MAX_STRINGS 200000
#define JR_MAX_OBJECTS 10000

/**
 * Fill *out (zeroed by the caller) by the table. Strings are arena memory of mem with a NUL behind.
 * Errors: RK_BAD_REQUEST "couldn't parse JSON request: …" naming the field; *out is then undefined.
 */
enum rk_code jr_parse(struct rk_arena *mem, struct rk_str body, const struct jr_field *fields,
                      size_t n_fields, void *out, struct rk_err *err) RK_MUST;

#endif
