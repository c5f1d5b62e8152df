/* SPDX-License-Identifier: BSD-3-Clause */
/* See backup_log.h. */
#include "config.h"

#include "server/backup_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/base/num.h"
#include "lib/json/json.h"

#define FILE_MAX (BACKUP_LOG_MAX * (4096 + 64)) /* paths are at most PATH_MAX */

/* The lines of the file, oldest first; the first ones are left out when there are more than max. */
static size_t lines_of(struct rk_str text, size_t max, struct rk_str *out)
{
    size_t n = 0;

    while (text.n) {
        struct rk_str line;

        (void)rk_str_cut(text, '\n', &line, &text);
        if (!line.n)
            continue;
        if (n == max)
            memmove(out, out + 1, --n * sizeof *out);
        out[n++] = line;
    }
    return n;
}

/* There may be none. */
static void read_log(const char *log, struct rk_buf *out)
{
    rk_buf_init(out, FILE_MAX);
    if (rk_file_read(log, RK_FILE_PLAIN, out, NULL))
        rk_buf_clear(out);
}

/* A name that would need another form of line is left out. */
static bool plain(const char *path)
{
    for (; *path; path++)
        if ((unsigned char)*path < ' ')
            return false;
    return true;
}

enum rk_code backup_log_add(const char *log, const char *path, struct rk_err *err)
{
    char whole[4096], *real = realpath(path, NULL);
    struct rk_str line[BACKUP_LOG_MAX];
    struct rk_buf before, after;
    struct stat st = {0};
    size_t n;
    int fd;
    bool ok;

    read_log(log, &before);
    rk_buf_init(&after, FILE_MAX);
    n = lines_of(rk_buf_str(&before), BACKUP_LOG_MAX - 1, line);
    for (size_t i = 0; i < n; i++)
        rk_buf_printf(&after, "%.*s\n", RK_STR_ARG(line[i]));
    (void)snprintf(whole, sizeof whole, "%s", real ? real : path);
    free(real);
    if (stat(whole, &st) == 0 && plain(whole))
        rk_buf_printf(&after, "%lld %lld %s\n", (long long)(rk_unix_us() / 1000000),
                      (long long)st.st_size, whole);
    /* the folder is the service's, and this may be root: nothing behind a link is read or written,
     * and no pipe is waited for */
    fd = open(log, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
    ok = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && ftruncate(fd, 0) == 0 &&
         write(fd, after.p, after.n) == (ssize_t)after.n && futimens(fd, NULL) == 0;
    if (fd >= 0)
        (void)close(fd);
    rk_buf_done(&before);
    rk_buf_done(&after);
    return ok ? RK_OK : rk_fail_errno(err, RK_UNAVAILABLE, errno, "%s", log);
}

static void put_line(struct rk_str line, struct rk_buf *out)
{
    struct rk_str time, size;
    char text[RK_TIME_TEXT];
    int64_t at, bytes;

    (void)rk_str_cut(line, ' ', &time, &line);
    (void)rk_str_cut(line, ' ', &size, &line);
    if (rk_parse_i64(time, 0, INT64_MAX / 1000000, &at, NULL) ||
        rk_parse_i64(size, 0, INT64_MAX, &bytes, NULL))
        return;
    json_put_obj(out);
    json_put_key_str(out, "time", rk_time_format_us(at * 1000000, text));
    json_put_key_int(out, "size_bytes", bytes);
    json_put_key_str(out, "path", line);
    json_put_obj_end(out);
}

void backup_log_put(const char *log, struct rk_buf *out)
{
    struct rk_str line[BACKUP_LOG_MAX];
    struct rk_buf b;
    size_t n;

    read_log(log, &b);
    n = lines_of(rk_buf_str(&b), BACKUP_LOG_MAX, line);
    json_put_arr(out);
    while (n)
        put_line(line[--n], out);
    json_put_arr_end(out);
    rk_buf_done(&b);
}
