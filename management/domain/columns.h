/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which field of which struct is which column of which table: one list per entity, from which
 * copies (account_data.c), SQL, loading and the JSON of the journal (management/store/codec_*.c)
 * are made. A field that is not in the list is in none of them. The tables themselves are in
 * schema/sql; docs/decisions/0003. Constant data; any thread.
 */
#ifndef MGMT_DOMAIN_COLUMNS_H
#define MGMT_DOMAIN_COLUMNS_H

#include "management/domain/account_data.h"

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
    bool or_null; /* lists: one that is absent (NULL at off) is told from an empty one. JSON has
                     null for it, a table a row in group_ref with neither place nor group. */
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
    size_t size;        /* bytes of the struct */
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

/** Description of a kind; NULL for ENT_GROUP_PEER, which is a pair of ids and no more. */
const struct codec *codec_of(enum entity_kind k);

/** True when the column is in the entity's own table (not a list of rows elsewhere). */
static inline bool col_is_own(const struct col *c)
{
    return c->type != C_GROUPS && c->type != C_CHILDREN;
}

#define AT(base, off, type)  (*(type *)(void *)((char *)(base) + (off)))
#define CAT(base, off, type) (*(type const *)(const void *)((const char *)(base) + (off)))

/** A list that is told from an empty one, and is absent. */
static inline bool col_is_null(const struct col *c, const void *base)
{
    return c->or_null && !CAT(base, c->off, void *);
}

/** An empty list that is not absent, when nothing is there yet. */
void col_set_empty(const struct col *c, void *base);

#endif
