/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Entities <-> rows and JSON, driven by one table of columns per entity (domain/columns.h). Private
 * to the store; the calls that others use are in store.h.
 *
 *   codec_json.c    columns -> JSON text (journal, comparison), JSON -> nested fields
 *   codec_sql.c     SQL texts made from the tables once; insert, update, delete
 *   codec_load.c    whole accounts from rows
 *   codec_entity.c  whole entities from the journal's JSON
 */
#ifndef STORE_CODEC_H
#define STORE_CODEC_H

#include "lib/json/json.h"
#include "lib/json/pull.h"
#include "management/domain/columns.h"
#include "management/store/db.h"

struct vault;

/* ---- JSON */

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
void codec_json_cols(struct rk_buf *b, const void *base, const struct col *cols, size_t n_cols,
                     struct seal *seal);

/** Value of one column (not C_SEALED). */
void codec_json_value(struct rk_buf *b, const void *base, const struct col *c);

/** Read what codec_json_value wrote into the field. Texts are views of r->in where they can be.
 *  Unknown keys are skipped, missing ones leave the field. false: not that form. */
bool codec_json_read(struct json_pull *r, void *base, const struct col *c);

/** Sealing context of a column: "usr.name_sealed/<id>". arena */
struct rk_str codec_seal_context(struct rk_arena *mem, const char *table, const char *column,
                                 struct rk_str id);

#define CODEC_JSON_MAX ((size_t)4 << 20) /* bytes of one entity; a policy may name many groups */

#endif
