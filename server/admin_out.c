/* SPDX-License-Identifier: BSD-3-Clause */
/* Files that commands write where they are told to; see admin_out.h. */
#include "config.h"

#include "server/admin_out.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "management/store/db.h"
#include "management/store/own_files.h"
#include "management/store/probe.h"

enum { BEGIN_MAX = 64 };

/* The folder of a file that is to be made. */
static enum rk_code folder_check(struct rk_arena *mem, const char *path, struct rk_err *err)
{
    const char *slash = strrchr(path, '/');
    struct rk_str dir = slash == path ? RK_STR("/")
                        : slash       ? rk_str_of(path, (size_t)(slash - path))
                                      : RK_STR(".");
    struct stat st;

    if (slash && !slash[1])
        return rk_fail(err, RK_PRECONDITION, "there is no folder %s: make it first", path);
    if (stat(rk_arena_dupz(mem, dir), &st))
        return rk_fail_errno(err, RK_PRECONDITION, errno, "%s: the folder %.*s", path,
                             RK_STR_ARG(dir));
    if (!S_ISDIR(st.st_mode))
        return rk_fail(err, RK_PRECONDITION, "%s: %.*s is no folder", path, RK_STR_ARG(dir));
    return RK_OK;
}

enum rk_code admin_out_check(const struct admin *a, const char *path, const char *begins,
                             bool *file, struct rk_err *err)
{
    struct own_files own = {.data_dir = a->c.data_dir};
    const char *what;
    char have[BEGIN_MAX];
    size_t want = strlen(begins);
    struct stat st;
    ssize_t n;
    int fd;

    *file = true;
    if (!db_url_is_pg(a->store_url))
        own.sqlite = rk_str_z(probe_sqlite_path(a->store_url));
    what = own_file_named(a->mem, &own, rk_str_z(path));
    if (what)
        return rk_fail(err, RK_PRECONDITION, "%s is %s: choose another name", path, what);
    if (stat(path, &st))
        return errno == ENOENT ? folder_check(a->mem, path, err)
                               : rk_fail_errno(err, RK_UNAVAILABLE, errno, "%s", path);
    *file = S_ISREG(st.st_mode);
    if (!*file || st.st_size == 0)
        return RK_OK;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return rk_fail_errno(err, RK_UNAVAILABLE, errno, "%s", path);
    n = read(fd, have, want < sizeof have ? want : sizeof have);
    (void)close(fd);
    if (n == (ssize_t)want && memcmp(have, begins, want) == 0)
        return RK_OK;
    return rk_fail(err, RK_PRECONDITION,
                   "%s is there already and was not written by this command: it was left as it is; "
                   "choose another name, or remove it",
                   path);
}
