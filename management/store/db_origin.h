/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whose database is it? Before anything is written into a store, it is looked at: one that another
 * product made (the official NetBird server, or any other) is left as it is, to the byte.
 *
 * Our SQLite files carry an application id in their header. PostgreSQL has no such place: there our
 * table schema_migration says it.
 */
#ifndef STORE_DB_ORIGIN_H
#define STORE_DB_ORIGIN_H

#include "management/store/db.h"

enum db_origin {
    DB_ORIGIN_ABSENT, /* no such file */
    DB_ORIGIN_EMPTY,  /* no tables */
    DB_ORIGIN_OURS,   /* with our mark */
    DB_ORIGIN_OLD,    /* ours, from before there was a mark */
};

/** The mark, as a number in the header of an SQLite file: "Rook". */
#define DB_ORIGIN_SQLITE_ID 0x526f6f6b

/** Look at an SQLite file. Reads it as if nobody could change it (immutable), so that neither lock
 *  nor shared memory is touched; safe also while this process has it open.
 *  Errors: RK_PRECONDITION (made by another program: the text says which, and what to do),
 *  RK_INVALID (not a file), RK_UNAVAILABLE. */
enum rk_code db_origin_of_file(const char *path, enum db_origin *out, struct rk_err *err) RK_MUST;

/** Look at the schema that a PostgreSQL connection would use; inside its transaction. Errors as
 *  above. */
enum rk_code db_origin_of_schema(struct db *db, struct rk_err *err) RK_MUST;

/** Refuse a data folder that is the official server's: it has store.json, or store.db, events.db
 *  or idp.db with other tables than ours, and none of our files. `url` names our store. Changes
 * nothing. Errors: RK_PRECONDITION, or those of db_origin_of_file for our own store. */
enum rk_code db_origin_check_folder(struct rk_str folder, const char *url,
                                    struct rk_err *err) RK_MUST;

/* ---- for the engines */

#define DB_ORIGIN_LEFT " and was left as it is: "

struct db_tables { /* open: foreign tables, as they are found */
    size_t n;
    unsigned netbird; /* one bit for each table of the official server that was seen */
    char shown[100];
};

void db_tables_add(struct db_tables *t, const char *name);

/** RK_PRECONDITION with the text that names `where` and the tables. */
enum rk_code db_tables_foreign(const char *where, const struct db_tables *t,
                               struct rk_err *err) RK_MUST;

#endif
