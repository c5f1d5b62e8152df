/* SPDX-License-Identifier: BSD-3-Clause */
/* See privileges.h. */
#include "config.h"

#include "server/privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/num.h"

static enum rk_code parse(struct rk_str who, uid_t *uid, gid_t *gid, struct rk_err *err)
{
    struct rk_str u, g = RK_STR("");
    int64_t a, b;

    (void)rk_str_cut(who, ':', &u, &g);
    if (rk_parse_i64(u, 1, INT32_MAX, &a, NULL) || rk_parse_i64(g, 1, INT32_MAX, &b, NULL))
        return rk_fail(err, RK_INVALID, "\"%.*s\" is not UID:GID, two numbers above 0",
                       RK_STR_ARG(who));
    *uid = (uid_t)a;
    *gid = (gid_t)b;
    return RK_OK;
}

enum rk_code privileges_check(struct rk_str who, struct rk_err *err)
{
    uid_t uid;
    gid_t gid;

    return parse(who, &uid, &gid, err);
}

/* What stands at a name now, whatever is put there meanwhile. A file of several names may be
 * anybody's by another of them. */
static enum rk_code give_one(const FTSENT *e, uid_t uid, gid_t gid, struct rk_err *err)
{
    int fd = open(e->fts_accpath, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    enum rk_code rc = RK_OK;
    struct stat st;

    if (fd < 0 && errno == ENOENT) /* it went */
        return RK_OK;
    if (fd < 0 || fstat(fd, &st))
        rc = rk_fail_errno(err, RK_FORBIDDEN, errno, "look at %s", e->fts_path);
    else if (st.st_uid == uid && st.st_gid == gid)
        rc = RK_OK;
    else if (!S_ISDIR(st.st_mode) && st.st_nlink > 1)
        rc = rk_fail(err, RK_FORBIDDEN,
                     "%s has another name, too (a hard link), and is not given to %u:%u: remove "
                     "one of them",
                     e->fts_path, uid, gid);
    else if (fchownat(fd, "", uid, gid, AT_EMPTY_PATH))
        rc = rk_fail_errno(err, RK_FORBIDDEN, errno, "give %s to %u:%u", e->fts_path, uid, gid);
    if (fd >= 0)
        (void)close(fd);
    return rc;
}

/* Links are not followed: what they lead to may be anybody's. Whoever owned the folder before may
 * change it meanwhile, so it is walked by folders (no FTS_NOCHDIR), not by paths. */
static enum rk_code give(char *dir, uid_t uid, gid_t gid, struct rk_err *err)
{
    char *const roots[] = {dir, NULL};
    FTS *tree;
    FTSENT *e;
    enum rk_code rc = RK_OK;

    if (mkdir(dir, 0700) && errno != EEXIST)
        return rk_fail_errno(err, RK_FORBIDDEN, errno, "make folder %s", dir);
    tree = fts_open(roots, FTS_PHYSICAL | FTS_XDEV, NULL);
    if (!tree)
        return rk_fail_errno(err, RK_INTERNAL, errno, "read %s", dir);
    while (rc == RK_OK && (e = fts_read(tree)) != NULL)
        if (e->fts_info != FTS_DP && e->fts_info != FTS_NS && e->fts_info != FTS_ERR)
            rc = give_one(e, uid, gid, err);
    (void)fts_close(tree);
    return rc;
}

static int keep_low_ports(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
    uint32_t one = UINT32_C(1) << CAP_NET_BIND_SERVICE;

    data[0].permitted = data[0].effective = data[0].inheritable = one;
    return (int)syscall(SYS_capset, &head, data);
}

static enum rk_code become(uid_t uid, gid_t gid, struct rk_err *err)
{
    bool low_ports = prctl(PR_CAPBSET_READ, CAP_NET_BIND_SERVICE, 0, 0, 0) == 1;

    if (low_ports && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
        return rk_fail_errno(err, RK_FORBIDDEN, errno, "keep a capability");
    if (setgroups(0, NULL) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
        return rk_fail_errno(err, RK_FORBIDDEN, errno, "become %u:%u", uid, gid);
    if (low_ports && keep_low_ports())
        return rk_fail_errno(err, RK_FORBIDDEN, errno, "give up capabilities");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return rk_fail_errno(err, RK_FORBIDDEN, errno, "give up new privileges");
    if (setuid(0) == 0)
        return rk_fail(err, RK_INTERNAL, "root can be had again");
    return RK_OK;
}

enum rk_code privileges_drop(struct rk_str who, struct rk_str data_dir, struct rk_err *err)
{
    char dir[PATH_MAX];
    uid_t uid;
    gid_t gid;
    enum rk_code rc;

    if (!who.n || geteuid() != 0)
        return RK_OK;
    rc = parse(who, &uid, &gid, err);
    if (rc)
        return rc;
    if (!data_dir.n || data_dir.n >= sizeof dir)
        return rk_fail(err, RK_INVALID, "server.dataDir has no usable path");
    memcpy(dir, data_dir.p, data_dir.n);
    dir[data_dir.n] = '\0';
    rc = give(dir, uid, gid, err);
    return rc ? rc : become(uid, gid, err);
}
