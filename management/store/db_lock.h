/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One server for one SQLite file. SQLite itself lets several processes write in turn, but a second
 * server would work from a picture of its own, and agents would be told two stories. So whoever
 * serves from a file holds `FILE.lock` beside it, with flock(2): that lock belongs to the open
 * description, so no close elsewhere in the process takes it away (as close does with the fcntl(2)
 * locks that SQLite uses), and the kernel drops it when the process dies. The text in the file says
 * who holds it. The database itself is locked in the same way, for those who come to it by another
 * name in another folder.
 *
 * Programs that only read for a moment (backup, `rookery admin journal verify`, sqlite3) need not
 * take it. PostgreSQL has none: there several servers share a database on purpose.
 */
#ifndef STORE_DB_LOCK_H
#define STORE_DB_LOCK_H

#include "lib/base/err.h"

struct db_lock;

/**
 * Take the lock of the database that `url` names; *out is NULL for PostgreSQL. Creates the lock
 * file and nothing else. Owned: db_lock_free. Any thread. Errors: RK_PRECONDITION (the file system
 * is one that SQLite cannot be trusted on), RK_UNAVAILABLE (another process holds it: the text says
 * which; the folder is missing or cannot be written).
 */
RK_MUST enum rk_code db_lock_take(const char *url, struct db_lock **out, struct rk_err *err);

/**
 * The database may have been made since it was locked: from now on it is held under all of its
 * names (hard links, second mounts). Accepts NULL. Errors: RK_UNAVAILABLE as above.
 */
RK_MUST enum rk_code db_lock_hold(struct db_lock *l, struct rk_err *err);

/** Let go, and remove the file; after the last connection to the database was closed. Accepts NULL.
 */
void db_lock_free(struct db_lock *l);

/** What a file system is called when machines share it, by its number in statfs(2); NULL for
 * others. SQLite's WAL lives in memory that all users of the file share, which these do not give.
 */
const char *db_lock_network_name(unsigned long magic);

#endif
