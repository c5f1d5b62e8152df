/* SPDX-License-Identifier: BSD-3-Clause */
/* Configuration file and data folder; see setup_priv.h. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/crypto/keyfile.h"
#include "server/setup_priv.h"

/* Of a path: where its last part begins. */
static struct rk_str folder_of(struct rk_arena *mem, const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? rk_arena_dup(mem, rk_str_of(path, slash == path ? 1 : (size_t)(slash - path)))
                 : RK_STR(".");
}

static enum rk_code fill(int fd, struct rk_str text, const char *path, struct rk_err *err)
{
    while (text.n) {
        ssize_t n = write(fd, text.p, text.n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return rk_fail_errno(err, RK_UNAVAILABLE, errno, "write %s", path);
        text = rk_str_sub(text, (size_t)n, text.n);
    }
    return fsync(fd) ? rk_fail_errno(err, RK_UNAVAILABLE, errno, "write %s", path) : RK_OK;
}

/* Whole or not at all: it is written beside its place and put there by a link, which refuses a file
 * that came meanwhile. */
static enum rk_code put_file(struct setup *s, struct rk_str text, const struct passwd *user,
                             struct rk_err *err)
{
    const char *tmp = rk_arena_printf(s->mem, "%s.%ld", s->path, (long)getpid()).p;
    int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    enum rk_code rc;

    if (fd < 0)
        return rk_fail_errno(err, RK_UNAVAILABLE, errno, "write %s", tmp);
    rc = fill(fd, text, tmp, err);
    if (rc == RK_OK && user && (fchown(fd, 0, user->pw_gid) || fchmod(fd, 0640)))
        rc = rk_fail_errno(err, RK_UNAVAILABLE, errno, "write %s", tmp);
    (void)close(fd);
    if (rc == RK_OK && link(tmp, s->path))
        rc = rk_fail_errno(err, errno == EEXIST ? RK_EXISTS : RK_UNAVAILABLE, errno, "make %s",
                           s->path);
    (void)unlink(tmp);
    return rc;
}

/* The folder of the configuration is entered by the service's group; the data is its user's. */
static enum rk_code own(const char *path, uid_t uid, gid_t gid, mode_t mode, struct rk_err *err)
{
    if (chown(path, uid, gid) || chmod(path, mode))
        return rk_fail_errno(err, RK_UNAVAILABLE, errno, "%s", path);
    return RK_OK;
}

static enum rk_code put_data(struct setup *s, const struct passwd *user, struct rk_err *err)
{
    const char *data = rk_arena_dupz(s->mem, s->c.data_dir);
    bool there = access(data, F_OK) == 0;
    enum rk_code rc = keyfile_dir(s->c.data_dir, err);

    if (rc || there || !user)
        return rc;
    return own(data, user->pw_uid, user->pw_gid, 0700, err);
}

enum rk_code setup_write(struct setup *s, struct rk_str text, struct rk_err *err)
{
    /* without a unit whoever runs setup runs the server */
    const struct passwd *user = s->unit && geteuid() == 0 ? getpwnam(SETUP_USER) : NULL;
    struct rk_str folder = folder_of(s->mem, s->path);
    const char *dir = rk_arena_dupz(s->mem, folder);
    bool there = access(dir, F_OK) == 0;
    enum rk_code rc = there ? RK_OK : keyfile_dir(folder, err);

    if (rc == RK_OK && !there && user)
        rc = own(dir, 0, user->pw_gid, 0750, err);
    if (rc == RK_OK)
        rc = put_data(s, user, err);
    if (rc == RK_OK)
        rc = put_file(s, text, user, err);
    if (rc == RK_OK)
        s->wrote = true;
    return rc;
}
