/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The whole content of a database as one file, the same from both engines: for backup, restore, and
 * moving from one engine to the other. Written from one read transaction, so the server may go on.
 *
 *     rookery-backup 1
 *     {"created_at":…,"program":…,"engine":…,"schema":…,"store_key":…,"secrets":…}
 *     >table column column …
 *     value TAB value …          N null, I integer, T text (\t \n \\ escaped), B bytes in base64
 *     =rows sum                  sum: order does not matter, so contents can be compared
 *     .SHA-256 of everything before it, in hex
 *
 * Not in it: `node` and `schema_migration` (the manifest has its last number). Sealed columns stay
 * sealed; the key that opens them is in `secrets` when that was asked for, under a passphrase.
 */
#ifndef STORE_DUMP_H
#define STORE_DUMP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/base/arena.h"
#include "management/store/db.h"

#define DUMP_TABLES_MAX 128

struct dump_table { /* open; arena */
    struct rk_str name;
    int64_t rows;
    uint64_t sum[2];
};

struct dump_info { /* open; texts arena */
    int64_t created_unix_us;
    struct rk_str program;   /* version that wrote it */
    struct rk_str engine;    /* sqlite postgres */
    int64_t schema;          /* number of the last migration */
    struct rk_str store_key; /* id of the key that its columns are sealed with */
    struct rk_str secrets;   /* sealed text, see dump_secrets_open; empty: none */
    struct dump_table tables[DUMP_TABLES_MAX];
    size_t n_tables;
    int64_t rows; /* in all */
};

struct dump_opts {           /* open; borrowed */
    struct rk_str store_key; /* id, for the manifest */
    struct rk_str secrets;   /* of dump_secrets_seal, or empty */
};

/** Write everything. The connection must have no transaction open. *info gets what was written
 *  (mem may be NULL when info is). Errors: RK_UNAVAILABLE (disk full, database gone). */
enum rk_code dump_write(struct db *db, FILE *out, const struct dump_opts *opts,
                        struct rk_arena *mem, struct dump_info *info, struct rk_err *err) RK_MUST;

/** Read to the end and check every sum. Errors: RK_INVALID (not such a file, damaged, cut off),
 *  RK_PRECONDITION (made by a newer release). `in` is then rewound. */
enum rk_code dump_check(FILE *in, struct rk_arena *mem, struct dump_info *out,
                        struct rk_err *err) RK_MUST;

/** Put a checked dump into a database without rows: migrate it to the dump's schema, insert in one
 *  transaction, migrate to ours. Errors: RK_EXISTS (rows are there), those of the database. */
enum rk_code dump_load(FILE *in, const struct dump_info *info, struct db *db,
                       struct rk_err *err) RK_MUST;

/** Does the database hold anything? False also without tables. */
enum rk_code dump_is_empty(struct db *db, bool *out, struct rk_err *err) RK_MUST;

/** Delete every row of a database that has the present schema, in one transaction. */
enum rk_code dump_clear(struct db *db, struct rk_err *err) RK_MUST;

/** Seal a text under a passphrase (argon2id, XSalsa20-Poly1305). arena */
enum rk_code dump_secrets_seal(struct rk_arena *mem, struct rk_str plain, struct rk_str passphrase,
                               struct rk_str *out, struct rk_err *err) RK_MUST;
/** Open it. Errors: RK_UNAUTHENTICATED (wrong passphrase), RK_INVALID. Use a wiping arena. */
enum rk_code dump_secrets_open(struct rk_arena *mem, struct rk_str sealed, struct rk_str passphrase,
                               struct rk_str *out, struct rk_err *err) RK_MUST;

#endif
