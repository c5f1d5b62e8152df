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
void json_put_obj(struct rk_buf *b);
void json_put_obj_end(struct rk_buf *b);
void json_put_arr(struct rk_buf *b);
void json_put_arr_end(struct rk_buf *b);
void json_put_str(struct rk_buf *b, struct rk_str s);
void json_put_int(struct rk_buf *b, int64_t v);
void json_put_uint(struct rk_buf *b, uint64_t v);
void json_put_bool(struct rk_buf *b, bool v);
void json_put_null(struct rk_buf *b);

/** Text that is JSON already. */
void json_put_raw(struct rk_buf *b, struct rk_str json);

/** Key of the next value; key needs no escaping. */
void json_put_key_n(struct rk_buf *b, const char *key, size_t n);
#define json_put_key(b, literal) json_put_key_n((b), "" literal, sizeof(literal) - 1)

/** The same for a key of unknown content. */
void json_put_key_any(struct rk_buf *b, struct rk_str key);

/** Quoted text that needs no escaping (ids, numbers, times made by us). */
void json_put_plain(struct rk_buf *b, struct rk_str s);

/** One text of two parts with a character between them (no quote or backslash). */
void json_put_joined(struct rk_buf *b, struct rk_str head, char between, struct rk_str tail);

/** RFC 3339 time; 0 is written as never set: "0001-01-01T00:00:00Z". */
void json_put_time(struct rk_buf *b, int64_t unix_us);

#define json_put_key_obj(b, k)      (json_put_key(b, k), json_put_obj(b))
#define json_put_key_arr(b, k)      (json_put_key(b, k), json_put_arr(b))
#define json_put_key_str(b, k, v)   (json_put_key(b, k), json_put_str(b, v))
#define json_put_key_plain(b, k, v) (json_put_key(b, k), json_put_plain(b, v))
#define json_put_key_int(b, k, v)   (json_put_key(b, k), json_put_int(b, v))
#define json_put_key_bool(b, k, v)  (json_put_key(b, k), json_put_bool(b, v))
#define json_put_key_time(b, k, v)  (json_put_key(b, k), json_put_time(b, v))
#define json_put_key_null(b, k)     (json_put_key(b, k), json_put_null(b))

/*
 * Reader. A struct is described by a table of its fields; json_body_read fills it from a body.
 *
 *     struct req { struct rk_str name; bool on; struct json_strs groups; };
 *     static const struct json_field REQ[] = {JSON_FIELD(struct req, name, JSON_STR),
 *                                           JSON_FIELD(struct req, on, JSON_BOOL),
 *                                           JSON_FIELD(struct req, groups, JSON_STRS)};
 *
 * As the official server: names match exactly or else in any case, unknown names are ignored, what
 * is missing or null stays zero (a missing list has items == NULL, an empty one has not), text
 * after the first value is ignored.
 */
enum json_kind {
    JSON_STR,      /* struct rk_str; p is NULL when absent */
    JSON_BOOL,     /* bool */
    JSON_OPT_BOOL, /* struct json_opt_bool */
    JSON_INT,      /* int64_t; only an integer literal is accepted */
    JSON_OPT_INT,  /* struct json_opt_int */
    JSON_STRS,     /* struct json_strs */
    JSON_OBJ,      /* struct described by sub, inline */
    JSON_OPT_OBJ,  /* pointer to the struct described by sub; NULL when absent */
    JSON_ARR,      /* struct json_arr of structs described by sub */
    JSON_MAP_STR,  /* struct json_map, values are strings */
    JSON_MAP_STRS, /* struct json_map, values are lists of strings */
};

struct json_opt_bool {
    bool set, v;
};

struct json_opt_int {
    bool set;
    int64_t v;
};

struct json_strs {
    struct rk_str *items; /* NULL: absent or null */
    size_t n;
};

struct json_arr {
    void *items; /* NULL: absent or null; else n structs */
    size_t n;
};

struct json_map_entry {
    struct rk_str key;
    struct rk_str str;
    struct json_strs strs;
};

struct json_map {
    struct json_map_entry *items; /* in the order of the text; NULL: absent or null */
    size_t n;
};

struct json_field {
    const char *name;
    enum json_kind kind;
    uint16_t offset;
    uint16_t sub_size; /* sizeof of the struct that sub describes */
    const struct json_field *sub;
    size_t n_sub;
};

#define JSON_FIELD(type, member, kind) JSON_FIELD_AS(type, member, #member, kind)
#define JSON_FIELD_AS(type, member, name, kind)                                                    \
    {                                                                                              \
        name, kind, offsetof(type, member), 0, NULL, 0                                             \
    }
#define JSON_FIELD_SUB(type, member, name, kind, sub_type, sub)                                    \
    {                                                                                              \
        name, kind, offsetof(type, member), sizeof(sub_type), sub, sizeof(sub) / sizeof((sub)[0])  \
    }

/** Nesting allowed in a body; strings and objects in all lists of one body together. */
#define JSON_BODY_MAX_DEPTH   32
#define JSON_BODY_MAX_STRINGS 200000
#define JSON_BODY_MAX_OBJECTS 10000

/**
 * Fill *out (zeroed by the caller) by the table. Strings are arena memory of mem with a NUL behind.
 * Errors: RK_BAD_REQUEST "couldn't parse JSON request: …" naming the field; *out is then undefined.
 */
enum rk_code json_body_read(struct rk_arena *mem, struct rk_str body,
                            const struct json_field *fields, size_t n_fields, void *out,
                            struct rk_err *err) RK_MUST;

#endif
