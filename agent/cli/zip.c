/* SPDX-License-Identifier: BSD-3-Clause */
/* ZIP over zlib; see zip.h. Numbers are little endian. */
#include "config.h"

#include "agent/cli/zip.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "lib/base/buf.h"

#define DIRECTORY_MAX ((size_t)16 << 20)
#define ENTRIES_MAX   65535
#define NEEDS         20     /* deflate, folders */
#define UTF8          0x0800 /* of names */
#define DEFLATED      8
#define MODE_0600     (0100600u << 16)

struct zip {
    int fd;
    struct rk_buf directory;
    unsigned entries;
    uint64_t at; /* bytes written */
    uint32_t dos_time;
    struct rk_err err;
};

static void put16(struct rk_buf *b, unsigned v)
{
    rk_buf_addc(b, (char)(v & 0xff));
    rk_buf_addc(b, (char)(v >> 8 & 0xff));
}

static void put32(struct rk_buf *b, uint32_t v)
{
    put16(b, v & 0xffff);
    put16(b, v >> 16);
}

/* Two-second steps since 1980. */
static uint32_t dos_time(void)
{
    time_t now = time(NULL);
    struct tm t = {0};

    (void)gmtime_r(&now, &t);
    return (uint32_t)(t.tm_year - 80) << 25 | (uint32_t)(t.tm_mon + 1) << 21 |
           (uint32_t)t.tm_mday << 16 | (uint32_t)t.tm_hour << 11 | (uint32_t)t.tm_min << 5 |
           (uint32_t)t.tm_sec / 2;
}

struct zip *zip_new(int fd)
{
    struct zip *z = rk_calloc(1, sizeof *z);

    z->fd = fd;
    z->dos_time = dos_time();
    rk_buf_init(&z->directory, DIRECTORY_MAX);
    return z;
}

static void put(struct zip *z, struct rk_str bytes)
{
    while (bytes.n && !z->err.code) {
        ssize_t n = write(z->fd, bytes.p, bytes.n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            (void)rk_fail_errno(&z->err, RK_UNAVAILABLE, errno, "write the archive");
            return;
        }
        z->at += (uint64_t)n;
        bytes = rk_str_sub(bytes, (size_t)n, bytes.n);
    }
}

/* Raw deflate; NULL: no memory. */
static char *deflated(struct rk_str in, size_t *n)
{
    z_stream s = {0};
    size_t room;
    char *out;

    if (deflateInit2(&s, 6, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return NULL;
    room = deflateBound(&s, in.n);
    out = rk_malloc(room + 1);
    s.next_in = (Bytef *)(uintptr_t)in.p;
    s.avail_in = (uInt)in.n;
    s.next_out = (Bytef *)out;
    s.avail_out = (uInt)room;
    if (deflate(&s, Z_FINISH) != Z_STREAM_END) {
        free(out);
        out = NULL;
    }
    *n = s.total_out;
    (void)deflateEnd(&s);
    return out;
}

/* What a local header and an entry of the directory have in common. */
static void put_common(struct rk_buf *b, const struct zip *z, uint32_t crc, size_t packed,
                       size_t plain, size_t name_n)
{
    put16(b, NEEDS);
    put16(b, UTF8);
    put16(b, DEFLATED);
    put32(b, z->dos_time);
    put32(b, crc);
    put32(b, (uint32_t)packed);
    put32(b, (uint32_t)plain);
    put16(b, (unsigned)name_n);
    put16(b, 0); /* extra field */
}

void zip_add(struct zip *z, const char *name, struct rk_str content)
{
    uint32_t at = (uint32_t)z->at, crc;
    size_t n, name_n = strlen(name);
    struct rk_buf head;
    char *packed;

    if (z->err.code)
        return;
    if (z->at + content.n > UINT32_MAX / 2 || z->entries == ENTRIES_MAX) {
        (void)rk_fail(&z->err, RK_LIMIT, "the archive would be too large");
        return;
    }
    packed = deflated(content, &n);
    if (!packed) {
        (void)rk_fail(&z->err, RK_LIMIT, "no memory to pack %s", name);
        return;
    }
    crc = (uint32_t)crc32(crc32(0, NULL, 0), (const Bytef *)content.p, (uInt)content.n);
    rk_buf_init(&head, 4096);
    rk_buf_add(&head, RK_STR("PK\003\004"));
    put_common(&head, z, crc, n, content.n, name_n);
    rk_buf_addz(&head, name);
    put(z, rk_buf_str(&head));
    put(z, rk_str_of(packed, n));
    rk_buf_done(&head);
    free(packed);

    rk_buf_add(&z->directory, RK_STR("PK\001\002"));
    put16(&z->directory, 3 << 8 | NEEDS); /* made by: UNIX */
    put_common(&z->directory, z, crc, n, content.n, name_n);
    put16(&z->directory, 0); /* comment */
    put16(&z->directory, 0); /* disk */
    put16(&z->directory, 0);
    put32(&z->directory, MODE_0600);
    put32(&z->directory, at);
    rk_buf_addz(&z->directory, name);
    z->entries++;
}

enum rk_code zip_end(struct zip *z, struct rk_err *err)
{
    uint32_t at = (uint32_t)z->at, size = (uint32_t)z->directory.n;
    enum rk_code rc;

    rk_buf_add(&z->directory, RK_STR("PK\005\006"));
    put32(&z->directory, 0); /* disks */
    put16(&z->directory, z->entries);
    put16(&z->directory, z->entries);
    put32(&z->directory, size);
    put32(&z->directory, at);
    put16(&z->directory, 0); /* comment */
    if (z->directory.full)
        (void)rk_fail(&z->err, RK_LIMIT, "the archive has too many files");
    put(z, rk_buf_str(&z->directory));
    if (close(z->fd) != 0 && !z->err.code)
        (void)rk_fail_errno(&z->err, RK_UNAVAILABLE, errno, "write the archive");
    rc = z->err.code ? rk_fail(err, z->err.code, "%s", z->err.msg) : RK_OK;
    rk_buf_done(&z->directory);
    free(z);
    return rc;
}
