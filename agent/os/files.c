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
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/file.h"

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

/* Beside other people's files as well: what has such a name is ours, from a crash. */
#define SUFFIX_NEW ".rook-new"
#define SUFFIX_OLD ".rook-old"

/* The text in a file beside, on the disk. *beside is owned, also after an error. */
static enum rk_code write_beside(const char *path, struct rk_str text, mode_t mode, char **beside,
                                 struct rk_err *err)
{
    size_t n = strlen(path) + sizeof SUFFIX_NEW;
    enum rk_code rc;
    char *slash;
    int fd;

    *beside = rk_malloc(n);
    (void)snprintf(*beside, n, "%s", path);
    slash = strrchr(*beside, '/');
    if (slash && slash != *beside) {
        *slash = '\0';
        rc = files_mkdir(*beside, err);
        if (rc)
            return rc;
    }
    (void)snprintf(*beside, n, "%s" SUFFIX_NEW, path);
    (void)unlink(*beside); /* from a crash; might have another mode */
    fd = open(*beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return rk_fail_errno(err, RK_INTERNAL, errno, "create %s", *beside);
    rc = write_all(fd, *beside, text, err);
    (void)close(fd);
    if (rc)
        (void)unlink(*beside);
    return rc;
}

enum rk_code files_write(const char *path, struct rk_str text, mode_t mode, struct rk_err *err)
{
    RK_CLEANUP(rk_freep) char *beside = NULL;
    enum rk_code rc = write_beside(path, text, mode, &beside, err);

    if (rc == RK_OK && rename(beside, path) != 0) {
        rc = rk_fail_errno(err, RK_INTERNAL, errno, "replace %s", path);
        (void)unlink(beside);
    }
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

/* ---- exchange */

static bool read_file(const char *path, struct rk_buf *out)
{
    rk_buf_clear(out);
    return rk_file_read(path, 0, out, NULL) == RK_OK;
}

#ifndef RENAME_EXCHANGE /* musl has neither */
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE  2
#endif

static int rename_as(const char *from, const char *to, unsigned flags)
{
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
}

/* The file beside into its place; what was there is beside then, or nothing (*there). */
static bool exchange(const char *beside, const char *path, bool *there)
{
    for (int i = 0; i < 100; i++) { /* somebody makes and removes the file all the time */
        *there = rename_as(beside, path, RENAME_EXCHANGE) == 0;
        if (*there)
            return true;
        if (errno != ENOENT)
            return false;
        if (rename_as(beside, path, RENAME_NOREPLACE) == 0)
            return true;
        if (errno != EEXIST)
            return false;
    }
    return false;
}

enum rk_code files_exchange(const char *path, struct rk_str text, mode_t mode, struct rk_buf *was,
                            bool *there, struct rk_err *err)
{
    RK_CLEANUP(rk_freep) char *real = realpath(path, NULL);
    RK_CLEANUP(rk_freep) char *beside = NULL;
    const char *to = real ? real : path;
    enum rk_code rc;
    struct stat st;

    rk_buf_clear(was);
    if (stat(to, &st) == 0) {
        mode = st.st_mode & 07777;
        if (st.st_uid != geteuid() || st.st_gid != getegid()) {
            *there = read_file(to, was);
            return write_over(to, text, mode, err);
        }
    }
    rc = write_beside(to, text, mode, &beside, NULL);
    if (rc == RK_OK && chmod(beside, mode) == 0 && exchange(beside, to, there)) {
        if (*there && !read_file(beside, was)) {
            rc = rk_fail_errno(err, RK_INTERNAL, errno, "read %s", to);
            if (rename(beside, to) != 0)
                (void)rk_wrap(err, "it is %s now", beside);
            return rc;
        }
        (void)unlink(beside);
        return RK_OK;
    }
    *there = read_file(to, was);
    if (rc == RK_OK && rename(beside, to) == 0)
        return RK_OK;
    if (rc == RK_OK)
        (void)unlink(beside);
    return write_over(to, text, mode, err);
}

enum rk_code files_take(const char *path, struct rk_buf *was, struct rk_err *err)
{
    size_t n = strlen(path) + sizeof SUFFIX_OLD;
    RK_CLEANUP(rk_freep) char *aside = rk_malloc(n);

    rk_buf_clear(was);
    (void)snprintf(aside, n, "%s" SUFFIX_OLD, path);
    if (rename(path, aside) != 0)
        return errno == ENOENT ? RK_OK : rk_fail_errno(err, RK_INTERNAL, errno, "remove %s", path);
    if (!read_file(aside, was)) {
        enum rk_code rc = rk_fail_errno(err, RK_INTERNAL, errno, "read %s", path);

        (void)rename(aside, path);
        return rc;
    }
    (void)unlink(aside);
    return RK_OK;
}
