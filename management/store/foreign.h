/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading the database of another product, an SQLite file or one of PostgreSQL, without changing a
 * byte of it: whole tables with whatever columns they have, all of one moment. Any thread, one at a
 * time.
 */
#ifndef STORE_FOREIGN_H
#define STORE_FOREIGN_H

#include "lib/base/arena.h"
#include "management/store/db.h"

struct foreign;

/** Open a file, or a server by its URL (store/db.h), read-only. A rollback journal that was left
 *  behind is an error, not rolled back: the other program must have been stopped in order. Owned:
 *  foreign_close. Errors: RK_NOT_FOUND (no such file), RK_INVALID (no database), RK_PRECONDITION (a
 *  journal is left), RK_UNAVAILABLE (the server does not answer), each naming the place. */
enum rk_code foreign_open(const char *place, struct foreign **out, struct rk_err *err) RK_MUST;
/** Bring a file that is a copy of ours into order: what its program had not finished writing when
 * it was stopped is rolled back by the journal or log beside it. Errors: RK_INVALID naming the
 * file. */
enum rk_code foreign_recover(const char *copy, struct rk_err *err) RK_MUST;
void foreign_close(struct foreign *f); /* accepts NULL */
void foreign_closep(struct foreign **f);

struct foreign_row { /* open; arena */
    const struct rk_str *names;
    struct db_val *v;
    size_t n;
};

struct foreign_table { /* open; arena */
    struct foreign_row *rows;
    size_t n;
};

/** All rows of a table in the order of their making, by `id` on PostgreSQL; none when there is no
 *  such table. Numbers with a fraction come as text, times of PostgreSQL as RFC 3339 in UTC, its
 *  booleans as 0 and 1.
 *  Errors: RK_INVALID (damaged), RK_LIMIT. arena */
enum rk_code foreign_read(struct foreign *f, const char *table, struct rk_arena *mem,
                          struct foreign_table *out, struct rk_err *err) RK_MUST;

/** Is there a table, and in it a column (NULL: any)? */
bool foreign_has(struct foreign *f, const char *table, const char *column);

/** A column of a row; DB_NULL when there is none of that name. */
struct db_val foreign_get(const struct foreign_row *r, const char *name);

#endif
