/* SPDX-License-Identifier: BSD-3-Clause */
/* The SQL texts of the codecs: made by codec_sql.c, also used by codec_load.c. Private to the
 * store. */
#ifndef STORE_CODEC_SQL_H
#define STORE_CODEC_SQL_H

#include "management/store/codec.h"
#include "management/store/store.h"

#define CHILDREN_MAX 2

struct codec_child_sql {
    const char *insert, *delete_all, *select_all, *select_one;
};

struct codec_sql { /* $1 is the id (or the account id), where not said otherwise */
    const char *insert[TABLES_MAX], *insert_try[TABLES_MAX], *update[TABLES_MAX];
    const char *delete_one;
    const char *select_all, *select_one;        /* $1 account id, $2 id */
    struct codec_child_sql child[CHILDREN_MAX]; /* in the order of C_CHILDREN columns */
};

/** Any thread; made at the first call. */
const struct codec_sql *codec_sql_of(enum entity_kind k);

/** Id of an entity: its id field, or the account's. */
struct rk_str codec_entity_id(const struct codec *c, struct rk_str account_id, const void *entity);

#endif
