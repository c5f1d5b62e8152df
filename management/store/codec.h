/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Entities <-> rows and JSON, driven by one table of columns per entity (codec_tables.c). Private
 * to the store; the calls that others use are in store.h.
 *
 *   codec_tables.c  which field of which struct is which column of which table
 *   codec_json.c    columns -> JSON text (journal, comparison), JSON -> nested fields
 *   codec_sql.c     SQL texts made from the tables once; insert, update, delete
 *   codec_load.c    whole accounts from rows
 */
#ifndef STORE_CODEC_H
#define STORE_CODEC_H

#include "management/domain/account_data.h"
#include "management/store/db.h"
#include "management/store/js.h"

struct vault;

enum col_type {
    C_TEXT,     /* struct rk_str */
    C_REF,      /* struct rk_str; empty is NULL */
    C_SEALED,   /* struct rk_str, sealed in the database and in the journal */
    C_TIME,     /* int64_t; 0 is NULL */
    C_I64,      /* int64_t */
    C_U64,      /* uint64_t below 2^63 */
    C_I32,      /* int32_t */
    C_U32,      /* uint32_t */
    C_U16,      /* uint16_t */
    C_BOOL,     /* bool */
    C_ENUM,     /* any enum, as text by `io` */
    C_ENUM_NUM, /* any enum, as its number */
    C_IP,       /* struct rk_ip; family 0 is NULL */
    C_PREFIX,   /* struct rk_prefix; family 0 is NULL */
    /* The rest is JSON text in a column, or an array or object inside JSON. */
    C_STRS, /* struct str_list */
    C_OBJ,  /* the columns of `sub`, relative to off */
    C_LIST, /* array: pointer at off, length at off_n, elements of `elem` bytes, `sub` */
    /* Rows of other tables; in JSON like C_STRS and C_LIST. */
    C_GROUPS,   /* struct str_list in group_ref; the role is the column's name */
    C_CHILDREN, /* array in the table `child` */
};

struct enum_io { /* text of a value and back; NULL and false for unknown ones */
    const char *(*text)(int value);
    bool (*parse)(struct rk_str s, int *out);
};

struct col {
    const char *name;
    enum col_type type;
    size_t off;
    size_t off_n, elem;    /* C_LIST, C_CHILDREN */
    const struct col *sub; /* C_OBJ, C_LIST, C_CHILDREN */
    size_t n_sub;
    const struct enum_io *io;        /* C_ENUM */
    const char *child, *child_owner; /* C_CHILDREN: table, and its column with our id */
    size_t off_owner;                /* C_CHILDREN: rk_str in the child for our id; 0: none */
};

#define TABLES_MAX 3

struct table {
    const char *name;
    const struct col *cols; /* without id and account_id */
    size_t n_cols;
    bool once; /* written at insert only, and not compared: presence has its own way */
};

struct codec {
    enum entity_kind kind;
    const char *key;    /* id column: "id", or "account_id" for the single rows of an account */
    bool has_account;   /* the first table has a column account_id beside the key */
    bool is_account;    /* the account's own row: key is the account id */
    size_t off_id;      /* CODEC_NO_FIELD: the struct has none */
    size_t off_account; /* struct rk_str account_id, or CODEC_NO_FIELD */
    struct table tables[TABLES_MAX]; /* joined by their key column */
    size_t n_tables;
    size_t off_items, off_n; /* in struct account_data; n: CODEC_NO_FIELD for single rows */
};

#define CODEC_NO_FIELD SIZE_MAX

/** Description of a kind; NULL for ENT_GROUP_PEER, whose rows the store writes itself. */
const struct codec *codec_of(enum entity_kind k);

/** True when the column is in the entity's own table (not a list of rows elsewhere). */
static inline bool col_is_own(const struct col *c)
{
    return c->type != C_GROUPS && c->type != C_CHILDREN;
}

#define AT(base, off, type)  (*(type *)(void *)((char *)(base) + (off)))
#define CAT(base, off, type) (*(type const *)(const void *)((const char *)(base) + (off)))

/* ---- JSON -------------------------------------------------------------------------------- */

/* How C_SEALED fields are written. */
struct seal {
    const struct vault *vault; /* NULL: as plain text, for comparing in memory only */
    struct rk_arena *mem;
    struct rk_str id; /* of the entity: part of the sealing context */
    const char *table;
    enum rk_code rc; /* sticky */
    struct rk_err err;
};

/** {"column":value,…} of some columns. seal may be NULL: plain. */
void codec_json_cols(struct js_w *w, const void *base, const struct col *cols, size_t n_cols,
                     struct seal *seal);

/** Value of one column (not C_SEALED). */
void codec_json_value(struct js_w *w, const void *base, const struct col *c);

/** Read what codec_json_value wrote into the field. Texts are views of r->in where they can be.
 *  Unknown keys are skipped, missing ones leave the field. false: not that form. */
bool codec_json_read(struct js_r *r, void *base, const struct col *c);

/** Sealing context of a column: "usr.name_sealed/<id>". arena */
struct rk_str codec_seal_context(struct rk_arena *mem, const char *table, const char *column,
                                 struct rk_str id);

#define CODEC_JSON_MAX ((size_t)4 << 20) /* bytes of one entity; a policy may name many groups */

#endif
