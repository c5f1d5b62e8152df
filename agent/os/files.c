/* SPDX-License-Identifier: BSD-3-Clause */
/* Small files; see files.h. */
#include "config.h"

#include "agent/os/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum rk_code files_mkdir(const char *path, struct rk_err *err)
{
    RK_CLEANUP(rk_freep) char *p = rk_str_dupz(rk_str_z(path));

    for (char *at = p + 1;; at++) {
        char was = *at;

        if (was != '/' && was != '\0')
            continue;
        *at = '\0';
        if (mkdir(p, 0700) != 0 && errno != EEXIST)
            return rk_fail_errno(err, RK_INTERNAL, errno, "make folder %s", p);
        *at = was;
        if (!was)
            return RK_OK;
    }
}

static enum rk_code write_all(int fd, const char *path, struct rk_str text, struct rk_err *err)
{
    while (text.n) {
        ssize_t n = write(fd, text.p, text.n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return rk_fail_errno(err, RK_INTERNAL, errno, "write %s", path);
        text = rk_str_sub(text, (size_t)n, text.n);
    }
    if (fsync(fd) != 0)
        return rk_fail_errno(err, RK_INTERNAL, errno, "write %s", path);
    return RK_OK;
}

enum rk_code files_write(const char *path, struct rk_str text, mode_t mode, struct rk_err *err)
{
    size_t n = strlen(path) + sizeof ".new";
    RK_CLEANUP(rk_freep) char *beside = rk_malloc(n);
    char *slash;
    enum rk_code rc;
    int fd;

    (void)snprintf(beside, n, "%s", path);
    slash = strrchr(beside, '/');
    if (slash && slash != beside) {
        *slash = '\0';
        rc = files_mkdir(beside, err);
        if (rc)
            return rc;
    }
    (void)snprintf(beside, n, "%s.new", path);
    (void)unlink(beside); /* from a crash; might have another mode */
    fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return rk_fail_errno(err, RK_INTERNAL, errno, "create %s", beside);
    rc = write_all(fd, beside, text, err);
    (void)close(fd);
    if (rc == RK_OK && rename(beside, path) != 0)
        rc = rk_fail_errno(err, RK_INTERNAL, errno, "replace %s", path);
    if (rc)
        (void)unlink(beside);
    return rc;
}

static enum rk_code write_over(const char *path, struct rk_str text, mode_t mode,
                               struct rk_err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    enum rk_code rc;

    if (fd < 0)
        return rk_fail_errno(err, RK_INTERNAL, errno, "open %s", path);
    rc = write_all(fd, path, text, err);
    (void)close(fd);
    return rc;
}

enum rk_code files_write_through(const char *path, struct rk_str text, mode_t mode,
                                 struct rk_err *err)
{
    RK_CLEANUP(rk_freep) char *real = realpath(path, NULL);
    const char *to = real ? real : path;
    struct stat st;

    if (stat(to, &st) == 0) {
        if (st.st_uid != geteuid() || st.st_gid != getegid())
            return write_over(to, text, mode, err);
        mode = st.st_mode & 07777;
    }
    if (files_write(to, text, mode, NULL) == RK_OK)
        return chmod(to, mode) == 0 ? RK_OK : rk_fail_errno(err, RK_INTERNAL, errno, "%s", to);
    return write_over(to, text, mode, err);
}
