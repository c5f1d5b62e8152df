/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Other people's hands on an SQLite database that is in use. SQLite keeps what was committed last
 * in FILE-wal and finds it by FILE-shm: when one of the three files is removed, moved or replaced
 * under a running server, what it writes from then on goes into a file without a name, and is lost
 * at its end without an error.
 *
 * One guard per database and process. It has a connection of its own, which still holds the files
 * that were there, and looks (three times stat(2)) around every commit and once a second. When
 *   FILE-wal is another   it brings all that was committed into FILE through its own descriptors,
 * and all connections are made anew: nothing is lost, nobody waits FILE-shm is another   the same;
 * but other processes would not see our locks any more, so nothing is written until the server is
 * started again FILE is another       the old one gets all that was committed, wherever it is now;
 * of one that was removed or overwritten by a rename a copy is made, FILE.saved-TIME
 *
 * An "era" is the time between two such changes: a connection of an older one is not used again.
 */
#ifndef STORE_DB_SQLITE_GUARD_H
#define STORE_DB_SQLITE_GUARD_H

#include <stdbool.h>

#include "lib/base/err.h"

struct db_guard;

/** The guard of the file at path, made by the first who asks. Owned: db_guard_put. Any thread. */
struct db_guard *db_guard_get(const char *path);

/** Accepts NULL. */
void db_guard_put(struct db_guard *g);

/** Of the connections that may be used now. */
unsigned db_guard_era(struct db_guard *g);

/**
 * Before a connection is opened: looks, and does what the table says. *era: of connections that are
 * opened now. Errors: RK_UNAVAILABLE (what was done to the files; also when a reader holds up the
 * rescue: try again).
 */
RK_MUST enum rk_code db_guard_look(struct db_guard *g, unsigned *era, struct rk_err *err);

/** A connection has been opened in WAL mode and has read: its files are watched from now on.
 * Errors: RK_UNAVAILABLE. */
RK_MUST enum rk_code db_guard_watch(struct db_guard *g, struct rk_err *err);

/** In a transaction that may write, before it does: are the files still those of `era`? Errors:
 *  RK_UNAVAILABLE; *again: on a new connection it may be possible. */
RK_MUST enum rk_code db_guard_may_write(struct db_guard *g, unsigned era, bool *again,
                                        struct rk_err *err);

/** After a commit on a connection of `era`, before it is acknowledged. Errors: RK_UNAVAILABLE: it
 * is in a database that does not stand at its place any more, or could not be brought home. */
RK_MUST enum rk_code db_guard_committed(struct db_guard *g, unsigned era, struct rk_err *err);

#endif
