/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A file of JSON lines. Opened for each batch, so it may be rotated at any time; on the disk before
 * it counts as brought, and a batch that does not fit leaves no half line behind.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "management/export/receiver.h"

#define BATCH_MAX ((size_t)16 << 20)

struct file {
    struct receiver r;
    char *path;
};

static enum rk_code write_all(int fd, struct rk_str all)
{
    while (all.n) {
        ssize_t n = write(fd, all.p, all.n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return RK_UNAVAILABLE;
        all = rk_str_sub(all, (size_t)n, all.n);
    }
    return fdatasync(fd) == 0 || errno == EINVAL ? RK_OK : RK_UNAVAILABLE; /* EINVAL: a pipe */
}

static enum rk_code append(const struct file *f, struct rk_str all, struct rk_err *err)
{
    int fd = open(f->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
    struct stat st = {0};
    enum rk_code rc;

    if (fd < 0 || fstat(fd, &st)) {
        rc = rk_fail_errno(err, RK_UNAVAILABLE, errno, "%s", f->path);
    } else {
        rc = write_all(fd, all);
        if (rc) {
            rc = rk_fail_errno(err, RK_UNAVAILABLE, errno, "%s", f->path);
            if (S_ISREG(st.st_mode))
                (void)!ftruncate(fd, st.st_size);
        }
    }
    if (fd >= 0)
        (void)close(fd);
    return rc;
}

static enum rk_code file_bring(struct receiver *r, struct rk_arena *mem,
                               const struct export_line *v, size_t n, struct rk_err *err)
{
    struct file *f = rk_container_of(r, struct file, r);
    struct rk_buf all;
    enum rk_code rc;

    (void)mem;
    rk_buf_init(&all, BATCH_MAX);
    for (size_t i = 0; i < n; i++) {
        rk_buf_add(&all, v[i].json);
        rk_buf_addc(&all, '\n');
    }
    rc = all.full ? rk_fail(err, RK_PRECONDITION, "a batch of events is too long")
                  : append(f, rk_buf_str(&all), err);
    rk_buf_done(&all);
    return rc;
}

static void file_free(struct receiver *r)
{
    struct file *f = rk_container_of(r, struct file, r);

    free(f->path);
    free(f);
}

/* A file that can be written, or a folder where it can be made. */
static enum rk_code check_place(const char *path, struct rk_err *err)
{
    RK_CLEANUP(rk_freep) char *folder = rk_str_dupz(rk_str_z(path));
    struct stat st;

    if (stat(path, &st) == 0)
        return S_ISDIR(st.st_mode)  ? rk_fail(err, RK_INVALID, "%s is a folder", path)
               : access(path, W_OK) ? rk_fail_errno(err, RK_INVALID, errno, "%s", path)
                                    : RK_OK;
    *strrchr(folder, '/') = '\0';
    if (!*folder)
        return RK_OK;
    if (stat(folder, &st) || !S_ISDIR(st.st_mode))
        return rk_fail(err, RK_INVALID, "there is no folder %s: make it, or name another", folder);
    return access(folder, W_OK | X_OK) ? rk_fail_errno(err, RK_INVALID, errno, "folder %s", folder)
                                       : RK_OK;
}

enum rk_code receiver_file(const char *path, struct receiver **out, struct rk_err *err)
{
    struct file *f;

    if (path[0] != '/')
        return rk_fail(err, RK_INVALID, "\"%s\" is not an absolute path", path);
    if (check_place(path, err))
        return RK_INVALID;
    f = rk_calloc(1, sizeof *f);
    f->r = (struct receiver){file_bring, file_free};
    f->path = rk_str_dupz(rk_str_z(path));
    *out = &f->r;
    return RK_OK;
}
