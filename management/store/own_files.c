/* SPDX-License-Identifier: BSD-3-Clause */
/* See own_files.h. */
#include "config.h"

#include "management/store/own_files.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/err.h"

#define LINKS_MAX 8

static const struct {
    const char *tail; /* behind the database's path, or a name in the data folder */
    const char *what;
    bool of_database;
} OWN[] = {
    {"", "the database", true},
    {"-wal", "the database's write-ahead log", true},
    {"-shm", "the database's shared memory", true},
    {"-journal", "the database's rollback journal", true},
    {".lock", "the lock of the database", true},
    {".traffic", "the traffic events", true},
    {".traffic-wal", "the write-ahead log of the traffic events", true},
    {".traffic-shm", "the shared memory of the traffic events", true},
    {"store.key", "the key of the database", false},
    {"relay.secret", "the relay's secret", false},
    {"setup-token", "the setup token", false},
    {"admin.sock", "the socket of commands", false},
    {"last-backup", "the mark of the last backup", false},
};

/* The file's real name; of an absent one, the name that opening would make: in the real folder, or
 * where a dangling link points to. */
static const char *real_name(struct rk_arena *mem, const char *path)
{
    char real[PATH_MAX], target[PATH_MAX];
    const char *slash;
    struct rk_str folder;

    if (realpath(path, real))
        return rk_arena_dupz(mem, rk_str_z(real));
    for (int i = 0; i < LINKS_MAX; i++) {
        ssize_t n = readlink(path, target, sizeof target - 1);

        slash = strrchr(path, '/');
        if (n <= 0)
            break;
        target[n] = '\0';
        path = target[0] == '/' || !slash
                   ? rk_arena_dupz(mem, rk_str_z(target))
                   : rk_arena_printf(mem, "%.*s/%s", (int)(slash - path), path, target).p;
    }
    slash = strrchr(path, '/');
    folder = slash ? rk_str_of(path, (size_t)(slash - path) + 1) : RK_STR(".");
    if (!realpath(rk_arena_dupz(mem, folder), real))
        return path;
    return rk_arena_printf(mem, "%s/%s", strcmp(real, "/") ? real : "", slash ? slash + 1 : path).p;
}

static bool same_file(struct rk_arena *mem, const char *a, const char *b)
{
    const char *x = real_name(mem, a), *y = real_name(mem, b);
    struct stat s, t;

    if (stat(a, &s) == 0 && stat(b, &t) == 0)
        return s.st_dev == t.st_dev && s.st_ino == t.st_ino;
    return strcmp(x, y) == 0;
}

const char *own_file_named(struct rk_arena *mem, const struct own_files *o, struct rk_str path)
{
    const char *given = rk_arena_dupz(mem, path);

    for (size_t i = 0; i < RK_ARRAY_LEN(OWN); i++) {
        struct rk_str own = OWN[i].of_database
                                ? RK_CAT(mem, o->sqlite, rk_str_z(OWN[i].tail))
                                : RK_CAT(mem, o->data_dir, RK_STR("/"), rk_str_z(OWN[i].tail));

        if (OWN[i].of_database && !o->sqlite.n)
            continue;
        if (same_file(mem, given, rk_arena_dupz(mem, own)))
            return OWN[i].what;
    }
    return NULL;
}
