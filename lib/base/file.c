/* SPDX-License-Identifier: BSD-3-Clause */
/* See file.h. */
#include "config.h"

#include "lib/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK 4096

static enum rk_code code_of(int e)
{
    if (e == ENOENT || e == ENOTDIR)
        return RK_NOT_FOUND;
    return e == EACCES || e == EPERM ? RK_FORBIDDEN : RK_UNAVAILABLE;
}

static enum rk_code read_all(int fd, const char *path, struct rk_buf *out, struct rk_err *err)
{
    for (;;) {
        size_t left = out->max - out->n, want = left < CHUNK ? left : CHUNK;
        char beyond, *room = want ? rk_buf_room(out, want) : &beyond;
        ssize_t n = read(fd, room, want ? want : 1);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return rk_fail_errno(err, code_of(errno), errno, "read %s", path);
        if (n == 0)
            return RK_OK;
        if (!want)
            return rk_fail(err, RK_LIMIT, "%s has more than %zu bytes", path, out->max);
        rk_buf_added(out, (size_t)n);
    }
}

enum rk_code rk_file_read(const char *path, unsigned flags, struct rk_buf *out, struct rk_err *err)
{
    struct stat st;
    enum rk_code rc;
    int fd =
        open(path, O_RDONLY | O_CLOEXEC | (flags & RK_FILE_PLAIN ? O_NOFOLLOW | O_NONBLOCK : 0));

    if (fd < 0)
        return rk_fail_errno(err, errno == ELOOP ? RK_FORBIDDEN : code_of(errno), errno, "open %s",
                             path);
    if (flags & RK_FILE_PLAIN && (fstat(fd, &st) || !S_ISREG(st.st_mode)))
        rc = rk_fail(err, RK_FORBIDDEN, "%s is no plain file", path);
    else if (flags & RK_FILE_PRIVATE &&
             (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_mode & 077))
        rc = rk_fail(err, RK_FORBIDDEN, "%s may be read by others than its owner; chmod 600 it",
                     path);
    else
        rc = read_all(fd, path, out, err);
    (void)close(fd);
    return rc;
}

size_t rk_file_peek(const char *path, char *buf, size_t size)
{
    ssize_t n;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return 0;
    n = read(fd, buf, size);
    (void)close(fd);
    return n > 0 ? (size_t)n : 0;
}
