/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Brings a database to the schema of this program: runs the files of schema/sql that it does not
 * have yet, each in a transaction of its own, and remembers number and checksum. Several processes
 * may start at once; one migrates, the others wait. Store thread.
 */
#ifndef STORE_MIGRATE_H
#define STORE_MIGRATE_H

#include "management/store/db.h"
#include "schema/sql.h"

/** Errors: RK_PRECONDITION (the database was made by a newer or another program, or an applied file
 *  was altered: nothing is touched), those of db_script. */
enum rk_code store_migrate(struct db *db, struct rk_err *err) RK_MUST;

/** The same for the store of traffic events (schema/traffic), which may be the same database. */
enum rk_code store_migrate_traffic(struct db *db, struct rk_err *err) RK_MUST;

/** As store_migrate with a list of one's own, for tests. */
enum rk_code store_migrate_with(struct db *db, const struct schema_sql *list, size_t n,
                                struct rk_err *err) RK_MUST;

#endif
