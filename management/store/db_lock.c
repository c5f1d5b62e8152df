/* SPDX-License-Identifier: BSD-3-Clause */
/* The lock of a server on its SQLite file: see db_lock.h. */
#include "config.h"

#include "management/store/db_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#ifdef __linux__
#include <sys/vfs.h>
#endif
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/str.h"
#include "management/store/db_impl.h"

#define HOLDER_MAX 120 /* "4711 on host.example\n" */
#define TAIL       ".lock"
#define TAKE_TRIES 10 /* each failed one means that another server ended in between */

struct db_lock {
    struct rk_arena *mem;
    int fd;
    int file;         /* the database, for its flock; -1 while there is none */
    const char *path; /* in mem: of the lock file */
};

const char *db_lock_network_name(unsigned long magic)
{
    static const struct {
        unsigned long magic;
        const char *name;
    } known[] = {
        {0x6969, "NFS"},        {0x517b, "SMB"},      {0xfe534d42, "SMB"},    {0xff534d42, "CIFS"},
        {0x5346414f, "AFS"},    {0x6b414653, "AFS"},  {0x73757245, "Coda"},   {0x00c36400, "Ceph"},
        {0x0bd00bd0, "Lustre"}, {0x47504653, "GPFS"}, {0x19830326, "BeeGFS"}, {0x7461636f, "OCFS2"},
        {0x01161970, "GFS2"},
    };

    for (size_t i = 0; i < RK_ARRAY_LEN(known); i++)
        if (known[i].magic == magic)
            return known[i].name;
    return NULL;
}

static enum rk_code network_check(const char *folder, struct rk_err *err)
{
#ifdef __linux__
    struct statfs fs;
    const char *name = statfs(folder, &fs) == 0 ? db_lock_network_name((uint32_t)fs.f_type) : NULL;

    if (name)
        return rk_fail(err, RK_PRECONDITION,
                       "folder %s is on %s: SQLite loses data on network file systems; choose a "
                       "local disk, or PostgreSQL",
                       folder, name);
#else
    (void)folder;
    (void)err;
#endif
    return RK_OK;
}

/* The file's own path, so that two names of one file (a link, `..`) have one lock. arena */
static enum rk_code lock_path(struct rk_arena *mem, const char *url, const char **out,
                              struct rk_err *err)
{
    const char *given = rk_arena_dupz(mem, db_sqlite_path(url));
    const char *name = strrchr(given, '/');
    char real[PATH_MAX]; /* of the file, or of its folder while there is no file */
    const char *folder;
    enum rk_code rc;

    if (!given[0])
        return rk_fail(err, RK_INVALID, "database: no path in the URL");
    name = name ? name + 1 : given;
    if (realpath(given, real)) {
        name = strrchr(real, '/') + 1;
        folder = rk_arena_dupz(mem, rk_str_of(real, (size_t)(name - real)));
    } else {
        folder = name == given ? "." : rk_arena_dupz(mem, rk_str_of(given, (size_t)(name - given)));
        if (!realpath(folder, real))
            return rk_fail_errno(err, RK_UNAVAILABLE, errno, "database folder %s", folder);
        folder = rk_arena_dupz(mem, RK_CAT(mem, rk_str_z(real), RK_STR("/")));
    }
    rc = network_check(folder, err);
    if (rc == RK_OK)
        *out = rk_arena_dupz(mem, RK_CAT(mem, rk_str_z(folder), rk_str_z(name), RK_STR(TAIL)));
    return rc;
}

/* Often a command that is done in a moment, at worst a server that somebody has to stop: temporary,
 * so that a service manager tries again after a crash that fell into a command. */
static enum rk_code held(const struct db_lock *l, struct rk_err *err)
{
    char holder[HOLDER_MAX] = "";
    ssize_t n = pread(l->fd, holder, sizeof holder - 1, 0);
    struct rk_str who = rk_str_trim(rk_str_of(holder, n > 0 ? (size_t)n : 0));

    return rk_fail(err, RK_UNAVAILABLE,
                   "database %.*s is in use by another server (process %.*s): stop that one first, "
                   "or give this one a folder of its own",
                   (int)(strlen(l->path) - strlen(TAIL)), l->path,
                   RK_STR_ARG(who.n ? who : RK_STR("unknown")));
}

static enum rk_code cannot(const struct db_lock *l, int errnum, struct rk_err *err)
{
    if (errnum == EROFS)
        return rk_fail(err, RK_UNAVAILABLE,
                       "cannot create %s: the file system is mounted read-only; the server has to "
                       "write there",
                       l->path);
    if (errnum == EACCES || errnum == EPERM)
        return rk_fail(err, RK_UNAVAILABLE,
                       "cannot create %s: user %u may not write there; give the folder to the user "
                       "that runs the server",
                       l->path, (unsigned)geteuid());
    return rk_fail_errno(err, RK_UNAVAILABLE, errnum, "cannot lock %s", l->path);
}

/* One try. *again: the file went away while we locked it, with the server that held it. */
static enum rk_code take(struct db_lock *l, bool *again, struct rk_err *err)
{
    struct stat mine, there;

    *again = false;
    l->fd = open(l->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (l->fd < 0)
        return cannot(l, errno, err);
    if (flock(l->fd, LOCK_EX | LOCK_NB))
        return errno == EWOULDBLOCK ? held(l, err) : cannot(l, errno, err);
    *again = fstat(l->fd, &mine) || stat(l->path, &there) || mine.st_dev != there.st_dev ||
             mine.st_ino != there.st_ino;
    return RK_OK;
}

/*
 * A hard link, or one file mounted twice, has another lock file but the same inode, which takes a
 * lock of its own. SQLite and sqlite3 use fcntl(2) and do not see it. A descriptor that could not
 * be locked stays open: closing it would drop the fcntl locks of a connection that this process may
 * have.
 */
static enum rk_code file_take(struct db_lock *l, struct rk_err *err)
{
    const char *path = rk_arena_dupz(l->mem, rk_str_of(l->path, strlen(l->path) - strlen(TAIL)));
    int fd;

    if (l->file >= 0)
        return RK_OK;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) /* absent, or what is wrong with it says who opens it as a database */
        return RK_OK;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        l->file = fd;
        return RK_OK;
    }
    if (errno != EWOULDBLOCK)
        return rk_fail_errno(err, RK_UNAVAILABLE, errno, "cannot lock %s", path);
    return rk_fail(
        err, RK_UNAVAILABLE,
        "database %s is in use by another server under another name (a hard link, or the "
        "same file mounted twice): stop that one first, or give this one a folder of its "
        "own",
        path);
}

static void holder_write(const struct db_lock *l)
{
    char host[HOST_NAME_MAX + 1] = "", text[HOLDER_MAX];
    int n;

    (void)gethostname(host, sizeof host - 1);
    n = snprintf(text, sizeof text, "%ld on %.80s\n", (long)getpid(), host);
    /* Only for the text of a refusal: on a full disk the lock holds all the same. */
    if (ftruncate(l->fd, 0) || pwrite(l->fd, text, (size_t)n, 0) != n)
        return;
}

static void let_go(struct db_lock *l)
{
    if (l->fd >= 0)
        (void)close(l->fd);
    if (l->file >= 0)
        (void)close(l->file);
    rk_arena_free(l->mem);
    free(l);
}

enum rk_code db_lock_take(const char *url, struct db_lock **out, struct rk_err *err)
{
    struct db_lock *l;
    bool again = true;
    enum rk_code rc;

    *out = NULL;
    if (db_url_is_pg(url))
        return RK_OK;
    l = rk_calloc(1, sizeof *l);
    l->fd = l->file = -1;
    l->mem = rk_arena_new(0);
    rc = lock_path(l->mem, url, &l->path, err);
    for (int i = 0; rc == RK_OK && again && i < TAKE_TRIES; i++) {
        if (l->fd >= 0)
            (void)close(l->fd);
        rc = take(l, &again, err);
    }
    if (rc == RK_OK && again)
        rc = rk_fail(err, RK_UNAVAILABLE, "%s comes and goes: other servers start and stop",
                     l->path);
    if (rc == RK_OK)
        rc = file_take(l, err);
    if (rc) {
        let_go(l);
        return rc;
    }
    holder_write(l);
    *out = l;
    return RK_OK;
}

enum rk_code db_lock_hold(struct db_lock *l, struct rk_err *err)
{
    return l ? file_take(l, err) : RK_OK;
}

void db_lock_free(struct db_lock *l)
{
    if (!l)
        return;
    (void)unlink(l->path); /* while it is held: who waits for this name looks at it again */
    let_go(l);
}
