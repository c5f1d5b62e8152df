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
        return errno == ENOENT ? RK_OK : rk_fail_errno(err, RK_UNAVAILABLE, errno, "%s", path);
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
