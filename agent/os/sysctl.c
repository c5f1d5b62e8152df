/* SPDX-License-Identifier: BSD-3-Clause */
/* Values under /proc/sys; see sysctl.h. */
#include "config.h"

#include "agent/os/sysctl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/str.h"

#define PATH_MAX_BYTES 512

static enum rk_code open_value(const char *path, int flags, int *fd, struct rk_err *err)
{
    char full[PATH_MAX_BYTES];

    if (strstr(path, "..") || snprintf(full, sizeof full, "/proc/sys/%s", path) >= (int)sizeof full)
        return rk_fail(err, RK_INVALID, "sysctl path %s", path);
    *fd = open(full, flags | O_CLOEXEC);
    if (*fd < 0)
        return rk_fail_errno(err, errno == ENOENT ? RK_NOT_FOUND : RK_INTERNAL, errno, "sysctl %s",
                             path);
    return RK_OK;
}

enum rk_code sysctl_read(const char *path, char out[SYSCTL_VALUE_MAX], struct rk_err *err)
{
    char text[SYSCTL_VALUE_MAX];
    enum rk_code rc;
    ssize_t n;
    int fd = -1;

    rc = open_value(path, O_RDONLY, &fd, err);
    if (rc)
        return rc;
    n = read(fd, text, sizeof text - 1);
    (void)close(fd);
    if (n < 0)
        return rk_fail_errno(err, RK_INTERNAL, errno, "sysctl %s", path);
    while (n && (text[n - 1] == '\n' || text[n - 1] == ' '))
        n--;
    memcpy(out, text, (size_t)n);
    out[n] = '\0';
    return RK_OK;
}

enum rk_code sysctl_write(const char *path, const char *value, struct rk_err *err)
{
    size_t n = strlen(value);
    enum rk_code rc;
    ssize_t done;
    int fd = -1;

    rc = open_value(path, O_WRONLY, &fd, err);
    if (rc)
        return rc;
    done = write(fd, value, n);
    if (done != (ssize_t)n)
        rc = rk_fail_errno(err, RK_INTERNAL, errno, "sysctl %s=%s", path, value);
    (void)close(fd);
    return rc;
}

enum rk_code sysctl_change(struct sysctls *s, const char *path, const char *only_from,
                           const char *value, struct rk_err *err)
{
    char old[SYSCTL_VALUE_MAX];
    enum rk_code rc = sysctl_read(path, old, err);

    if (rc || strcmp(old, value) == 0 || (only_from && strcmp(old, only_from) != 0))
        return rc;
    rc = sysctl_write(path, value, err);
    if (rc)
        return rc;
    s->items = rk_realloc(s->items, s->n + 1, sizeof *s->items);
    s->items[s->n].path = rk_str_dupz(rk_str_z(path));
    memcpy(s->items[s->n].old, old, sizeof old);
    s->n++;
    return RK_OK;
}

enum rk_code sysctl_change_ifaces(struct sysctls *s, const char *family, const char *name,
                                  const char *skip, const char *only_from, const char *value,
                                  struct rk_err *err)
{
    char path[PATH_MAX_BYTES];
    enum rk_code rc = RK_OK, one;
    const struct dirent *d;
    DIR *dir;

    (void)snprintf(path, sizeof path, "/proc/sys/net/%s/conf", family);
    dir = opendir(path);
    if (!dir)
        return rk_fail_errno(err, RK_NOT_FOUND, errno, "%s", path);
    while ((d = readdir(dir))) {
        if (d->d_name[0] == '.' || strcmp(d->d_name, "lo") == 0 || strcmp(d->d_name, "all") == 0 ||
            strcmp(d->d_name, skip) == 0)
            continue;
        (void)snprintf(path, sizeof path, "net/%s/conf/%s/%s", family, d->d_name, name);
        one = sysctl_change(s, path, only_from, value, err);
        if (one && one != RK_NOT_FOUND)
            rc = one;
    }
    (void)closedir(dir);
    return rc;
}

void sysctls_done(struct sysctls *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->items[i].path);
    free(s->items);
    *s = (struct sysctls){0};
}

void sysctls_undo(struct sysctls *s)
{
    for (size_t i = s->n; i-- > 0;)
        RK_IGNORE(sysctl_write(s->items[i].path, s->items[i].old, NULL));
    sysctls_done(s);
}

json_t *sysctls_json(const struct sysctls *s)
{
    json_t *a = json_array();

    for (size_t i = 0; i < s->n; i++)
        (void)json_array_append_new(
            a, json_pack("{s:s,s:s}", "path", s->items[i].path, "old", s->items[i].old));
    return a;
}

void sysctls_load(struct sysctls *s, const json_t *json)
{
    const json_t *v;
    size_t i;

    json_array_foreach (json, i, v) {
        const char *path = json_string_value(json_object_get(v, "path"));
        const char *old = json_string_value(json_object_get(v, "old"));

        if (!path || !old || strlen(old) >= SYSCTL_VALUE_MAX)
            continue;
        s->items = rk_realloc(s->items, s->n + 1, sizeof *s->items);
        s->items[s->n].path = rk_str_dupz(rk_str_z(path));
        (void)snprintf(s->items[s->n].old, SYSCTL_VALUE_MAX, "%s", old);
        s->n++;
    }
}
