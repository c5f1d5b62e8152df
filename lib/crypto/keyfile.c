/* SPDX-License-Identifier: BSD-3-Clause */
/* Secrets in files; see keyfile.h. */
#include "config.h"

#include "lib/crypto/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/enc.h"
#include "lib/base/file.h"
#include "lib/crypto/secret.h"

static enum rk_code path_of(struct rk_str dir, const char *name, const char *suffix,
                            char out[PATH_MAX], struct rk_err *err)
{
    int n = snprintf(out, PATH_MAX, "%.*s/%s%s", RK_STR_ARG(dir), name, suffix);

    if (n < 0 || n >= PATH_MAX)
        return rk_fail(err, RK_INVALID, "the path of %s is too long", name);
    return RK_OK;
}

static enum rk_code code_of(int errnum)
{
    if (errnum == ENOENT || errnum == ENOTDIR)
        return RK_NOT_FOUND;
    return errnum == EACCES || errnum == EPERM || errnum == EROFS ? RK_FORBIDDEN : RK_UNAVAILABLE;
}

enum rk_code keyfile_dir(struct rk_str dir, struct rk_err *err)
{
    char path[PATH_MAX];
    enum rk_code rc = path_of(dir, "", "", path, err);

    if (rc)
        return rc;
    if (mkdir(path, 0700) && errno != EEXIST)
        return rk_fail_errno(err, code_of(errno), errno, "make folder %.*s", RK_STR_ARG(dir));
    return RK_OK;
}

enum rk_code keyfile_read(struct rk_arena *mem, struct rk_str dir, const char *name,
                          struct rk_str *out, struct rk_err *err)
{
    char path[PATH_MAX];
    enum rk_code rc = path_of(dir, name, "", path, err);
    struct rk_buf b;
    struct rk_str s;

    if (rc)
        return rc;
    rk_buf_init(&b, KEYFILE_MAX);
    rc = rk_file_read(path, RK_FILE_PRIVATE, &b, err);
    s = rk_str_trim(rk_buf_str(&b));
    if (rc == RK_OK && !s.n)
        rc = rk_fail(err, RK_INVALID, "%s is empty", path);
    if (rc == RK_OK)
        *out = rk_arena_dup(mem, s);
    rk_secret_wipe(b.p, b.n);
    rk_buf_done(&b);
    return rc;
}

static void sync_dir(struct rk_str dir)
{
    char path[PATH_MAX];
    int fd;

    if (path_of(dir, "", "", path, NULL))
        return;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
        (void)close(fd);
    }
}

static bool write_all(int fd, struct rk_str s)
{
    return write(fd, s.p, s.n) == (ssize_t)s.n && fsync(fd) == 0;
}

/* Written under a name of its own and then linked, so the real name never shows half a secret. */
enum rk_code keyfile_write(struct rk_str dir, const char *name, struct rk_str text,
                           struct rk_err *err)
{
    char path[PATH_MAX], tmp[PATH_MAX], suffix[32];
    enum rk_code rc = path_of(dir, name, "", path, err);
    int fd;

    (void)snprintf(suffix, sizeof suffix, ".%ld.new", (long)getpid());
    if (rc == RK_OK)
        rc = path_of(dir, name, suffix, tmp, err);
    if (rc)
        return rc;
    (void)unlink(tmp);
    fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return rk_fail_errno(err, code_of(errno), errno, "make %s", tmp);
    if (!write_all(fd, text))
        rc = rk_fail_errno(err, RK_UNAVAILABLE, errno, "write %s", tmp);
    (void)close(fd);
    if (rc == RK_OK && link(tmp, path))
        rc = rk_fail_errno(err, errno == EEXIST ? RK_EXISTS : RK_UNAVAILABLE, errno, "make %s",
                           path);
    (void)unlink(tmp);
    sync_dir(dir);
    return rc;
}

static enum rk_code create(struct rk_arena *mem, struct rk_str dir, const char *name, size_t n,
                           struct rk_err *err)
{
    uint8_t *raw = rk_arena_alloc(mem, n);
    struct rk_str text;
    struct rk_err why = {0};
    enum rk_code rc;

    rk_secret_random(raw, n);
    text = rk_arena_printf(mem, "%.*s\n", RK_STR_ARG(rk_base64_encode(mem, rk_str_of(raw, n))));
    rc = keyfile_write(dir, name, text, &why);
    if (rc && rc != RK_EXISTS) /* another process was faster: its value counts */
        return rk_fail(err, rc, "%s", why.msg);
    return RK_OK;
}

enum rk_code keyfile_get(struct rk_arena *mem, struct rk_str dir, const char *name, size_t n,
                         struct rk_str *out, bool *made, struct rk_err *err)
{
    enum rk_code rc = keyfile_read(mem, dir, name, out, err);

    if (made)
        *made = rc == RK_NOT_FOUND;
    if (rc != RK_NOT_FOUND)
        return rc;
    rc = create(mem, dir, name, n, err);
    return rc ? rc : keyfile_read(mem, dir, name, out, err);
}

void keyfile_remove(struct rk_str dir, const char *name)
{
    char path[PATH_MAX];

    if (path_of(dir, name, "", path, NULL) == RK_OK)
        (void)unlink(path);
}
