/* SPDX-License-Identifier: BSD-3-Clause */
/* See db_sqlite_guard.h. */
#include "config.h"

#include "management/store/db_sqlite_guard.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/str.h"

#define RESCUE_MS 5000 /* readers that are under way may take this long */

enum { FILE_DB, FILE_WAL, FILE_SHM, N_FILES };

struct file_id { /* all 0: absent */
    dev_t dev;
    ino_t ino;
};

struct db_guard {
    struct db_guard *next; /* under the lock of all */
    unsigned refs;         /* the same */
    char *path;

    /* Who rescues holds the first, and waits for writers meanwhile; these ask under the second,
     * which guards the rest and is never held for long. */
    pthread_mutex_t rescuing, lock;
    sqlite3 *h; /* NULL: nothing is watched */
    struct file_id files[N_FILES];
    _Atomic unsigned era;
    unsigned replaced;         /* the era that began when FILE itself was another; 0: none did */
    struct file_id home;       /* then: the one that it was */
    bool read_only;            /* -shm was touched */
    char saved[PATH_MAX + 40]; /* the copy of a database that was removed; "": none */
};

static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static struct db_guard *all;

struct db_guard *db_guard_get(const char *path)
{
    struct db_guard *g;

    (void)pthread_mutex_lock(&all_lock);
    for (g = all; g && strcmp(g->path, path) != 0; g = g->next)
        ;
    if (!g) {
        g = rk_calloc(1, sizeof *g);
        g->path = rk_str_dupz(rk_str_z(path));
        (void)pthread_mutex_init(&g->rescuing, NULL);
        (void)pthread_mutex_init(&g->lock, NULL);
        g->next = all;
        all = g;
    }
    g->refs++;
    (void)pthread_mutex_unlock(&all_lock);
    return g;
}

void db_guard_put(struct db_guard *g)
{
    struct db_guard **at = &all;

    if (!g)
        return;
    (void)pthread_mutex_lock(&all_lock);
    if (--g->refs == 0) {
        while (*at != g)
            at = &(*at)->next;
        *at = g->next;
        (void)sqlite3_close_v2(g->h);
        (void)pthread_mutex_destroy(&g->rescuing);
        (void)pthread_mutex_destroy(&g->lock);
        free(g->path);
        free(g);
    }
    (void)pthread_mutex_unlock(&all_lock);
}

/* ---- the files */

static void files_stat(const struct db_guard *g, struct file_id ids[N_FILES])
{
    static const char *const tails[N_FILES] = {"", "-wal", "-shm"};
    char path[PATH_MAX + 8];
    struct stat st;

    memset(ids, 0, N_FILES * sizeof *ids);
    for (int i = 0; i < N_FILES; i++) {
        (void)snprintf(path, sizeof path, "%s%s", g->path, tails[i]);
        if (stat(path, &st) == 0)
            ids[i] = (struct file_id){st.st_dev, st.st_ino};
    }
}

static bool is_same(const struct db_guard *g, const struct file_id now[N_FILES], int i)
{
    return g->files[i].dev == now[i].dev && g->files[i].ino == now[i].ino;
}

/* Whether a file that this process has open under the database's name has no name any more. */
static bool was_removed(const struct db_guard *g)
{
    const char *name = strrchr(g->path, '/');
    char want[NAME_MAX + 20], link[60], target[PATH_MAX];
    DIR *d = opendir("/proc/self/fd");
    struct dirent *e;
    bool found = !d; /* cannot be known: make the copy */

    (void)snprintf(want, sizeof want, "/%s (deleted)", name ? name + 1 : g->path);
    while (d && !found && (e = readdir(d))) {
        ssize_t n;

        (void)snprintf(link, sizeof link, "/proc/self/fd/%.20s", e->d_name);
        n = readlink(link, target, sizeof target);
        found = n > 0 && rk_str_ends(rk_str_of(target, (size_t)n), rk_str_z(want));
    }
    if (d)
        (void)closedir(d);
    return found;
}

/* ---- rescue, by one at a time */

static enum rk_code fail(struct db_guard *g, const char *what, struct rk_err *err)
{
    return rk_fail(err, RK_UNAVAILABLE, "database %s: %s: %s", g->path, what, sqlite3_errmsg(g->h));
}

/* All that was committed into the database itself, and the WAL cut, so that no connection that
 * still has the old one finds anything to read in it. */
static enum rk_code bring_home(struct db_guard *g, struct rk_err *err)
{
    int rc = sqlite3_wal_checkpoint_v2(g->h, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);

    return rc == SQLITE_OK ? RK_OK : fail(g, "bringing the write-ahead log home", err);
}

static void forget(struct db_guard *g)
{
    (void)sqlite3_close_v2(g->h);
    g->h = NULL;
    g->era++;
}

/* The database has no name any more: a copy beside where it was. */
static enum rk_code save_copy(struct db_guard *g, struct rk_err *err)
{
    char stamp[32], to[PATH_MAX + 40];
    time_t now = time(NULL);
    struct tm tm;
    sqlite3_stmt *st = NULL;
    int rc, fd;

    (void)strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", gmtime_r(&now, &tm));
    (void)snprintf(to, sizeof to, "%s.saved-%s", g->path, stamp);
    fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600); /* SQLite fills an empty one */
    if (fd < 0)
        return rk_fail_errno(err, RK_UNAVAILABLE, errno,
                             "database %s was removed: a copy of it in %s", g->path, to);
    (void)close(fd);
    rc = sqlite3_prepare_v2(g->h, "VACUUM INTO ?1", -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(st, 1, to, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK && sqlite3_step(st) != SQLITE_DONE)
        rc = SQLITE_ERROR;
    (void)sqlite3_finalize(st);
    if (rc != SQLITE_OK)
        return fail(g, "copying what was removed", err);
    (void)snprintf(g->saved, sizeof g->saved, "%s", to);
    return RK_OK;
}

static enum rk_code gone(const struct db_guard *g, struct rk_err *err)
{
    if (!g->saved[0])
        return rk_fail(err, RK_UNAVAILABLE, "database %s is gone", g->path);
    return rk_fail(
        err, RK_UNAVAILABLE,
        "database %s is gone: somebody removed it; all that was in it is in %s: stop the "
        "server, move that one to its place and start again",
        g->path, g->saved);
}

/* What the server knows is not what stands in it. */
static enum rk_code another(const struct db_guard *g, struct rk_err *err)
{
    return rk_fail(
        err, RK_UNAVAILABLE,
        "database %s is another file now than the server began with%s%s: restart the server "
        "to serve from it, or put the old one back",
        g->path, g->saved[0] ? "; all that was in that one is in " : "", g->saved);
}

static enum rk_code rescue(struct db_guard *g, const struct file_id now[N_FILES],
                           struct rk_err *err)
{
    bool db = !is_same(g, now, FILE_DB), wal = !is_same(g, now, FILE_WAL);
    bool shm = !is_same(g, now, FILE_SHM);
    enum rk_code rc = bring_home(g, err);

    if (rc == RK_OK && db && was_removed(g))
        rc = save_copy(g, err);
    if (rc)
        return rc;
    (void)pthread_mutex_lock(&g->lock);
    if (db && !g->replaced)
        g->home = g->files[FILE_DB];
    if (db || wal)
        forget(g);
    if (db)
        g->replaced = g->era;
    else if (shm) /* new connections of this process would use the old one */
        g->read_only = true;
    memcpy(g->files, now, sizeof g->files);
    (void)pthread_mutex_unlock(&g->lock);
    return RK_OK;
}

/* ---- what connections ask */

unsigned db_guard_era(struct db_guard *g)
{
    return g->era;
}

static bool changed(const struct db_guard *g, struct file_id now[N_FILES])
{
    files_stat(g, now);
    return g->h && memcmp(g->files, now, N_FILES * sizeof *now) != 0;
}

enum rk_code db_guard_look(struct db_guard *g, unsigned *era, struct rk_err *err)
{
    struct file_id now[N_FILES];
    enum rk_code rc = RK_OK;

    (void)pthread_mutex_lock(&g->rescuing);
    if (changed(g, now))
        rc = rescue(g, now, err);
    if (rc == RK_OK && g->replaced && memcmp(&now[FILE_DB], &g->home, sizeof g->home) != 0)
        rc = now[FILE_DB].ino ? another(g, err) : gone(g, err);
    *era = g->era;
    (void)pthread_mutex_unlock(&g->rescuing);
    return rc;
}

enum rk_code db_guard_committed(struct db_guard *g, unsigned era, struct rk_err *err)
{
    struct file_id now[N_FILES];
    enum rk_code rc = RK_OK;

    (void)pthread_mutex_lock(&g->rescuing);
    if (changed(g, now))
        rc = rescue(g, now, err);
    if (rc == RK_OK && era < g->replaced)
        rc = gone(g, err);
    (void)pthread_mutex_unlock(&g->rescuing);
    return rc;
}

static enum rk_code open_own(struct db_guard *g, struct rk_err *err)
{
    struct file_id now[N_FILES];
    sqlite3 *h = NULL;
    int rc = sqlite3_open_v2(
        g->path, &h, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(h, RESCUE_MS);
    if (rc == SQLITE_OK) /* a look at the table opens the WAL */
        rc = sqlite3_exec(h,
                          "PRAGMA synchronous=FULL; PRAGMA cache_size=-64;"
                          "SELECT 1 FROM sqlite_schema LIMIT 1",
                          NULL, NULL, NULL);
    if (rc != SQLITE_OK) {
        (void)rk_fail(err, RK_UNAVAILABLE, "database %s: open: %s", g->path, sqlite3_errmsg(h));
        (void)sqlite3_close_v2(h);
        return RK_UNAVAILABLE;
    }
    files_stat(g, now);
    (void)pthread_mutex_lock(&g->lock);
    memcpy(g->files, now, sizeof now);
    g->h = h;
    (void)pthread_mutex_unlock(&g->lock);
    return RK_OK;
}

enum rk_code db_guard_watch(struct db_guard *g, struct rk_err *err)
{
    enum rk_code rc = RK_OK;

    (void)pthread_mutex_lock(&g->rescuing);
    if (!g->h)
        rc = open_own(g, err);
    (void)pthread_mutex_unlock(&g->rescuing);
    return rc;
}

enum rk_code db_guard_may_write(struct db_guard *g, unsigned era, bool *again, struct rk_err *err)
{
    struct file_id now[N_FILES];
    enum rk_code rc = RK_OK;

    (void)pthread_mutex_lock(&g->lock);
    *again = changed(g, now) || era != g->era;
    if (*again)
        rc = rk_fail(err, RK_UNAVAILABLE, "database %s: its files were changed by somebody else",
                     g->path);
    else if (g->read_only)
        rc = rk_fail(
            err, RK_UNAVAILABLE,
            "database %s: somebody removed %s-shm while it was in use; all that was written is "
            "in the database, and nothing more is until the server is restarted",
            g->path, g->path);
    (void)pthread_mutex_unlock(&g->lock);
    return rc;
}
