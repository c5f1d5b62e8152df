/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading single values of the official server's tables; see import_row.h. */
#include "config.h"

#include "server/import_row.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>

#include "lib/base/enc.h"
#include "lib/base/num.h"
#include "lib/net/addr.h"

enum { NONCE = 12, TAG = 16 };

void imp_fault(struct imp *im, enum rk_code rc, const char *col, const char *what)
{
    if (im->err.code == RK_OK)
        (void)rk_fail(&im->err, rc, "%s.%s: %s", im->table, col, what);
}

void imp_note(struct imp *im, const char *fmt, ...)
{
    char text[300];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    (void)json_array_append_new(im->notes, json_string(text));
}

/* ---- scalars */

struct rk_str imp_text(struct imp *im, imp_row r, const char *col)
{
    struct db_val v = foreign_get(r, col);

    if (v.type == DB_I64)
        return rk_arena_printf(im->mem, "%lld", (long long)v.i);
    return v.s;
}

int64_t imp_i64(struct imp *im, imp_row r, const char *col)
{
    struct db_val v = foreign_get(r, col);
    int64_t n = 0;

    if (v.type == DB_I64)
        return v.i;
    if (v.s.n && rk_parse_i64(v.s, INT64_MIN, INT64_MAX, &n, NULL))
        imp_fault(im, RK_INVALID, col, "not a number");
    return n;
}

bool imp_bool(struct imp *im, imp_row r, const char *col)
{
    struct db_val v = foreign_get(r, col);

    (void)im;
    return v.type == DB_I64 ? v.i != 0 : rk_str_eqz(v.s, "1") || rk_str_eqz(v.s, "true");
}

static bool digits(struct rk_str *s, size_t n, int64_t *out)
{
    if (s->n < n || rk_parse_i64(rk_str_sub(*s, 0, n), 0, 999999999, out, NULL))
        return false;
    *s = rk_str_sub(*s, n, s->n);
    return true;
}

static bool mark(struct rk_str *s, const char *any)
{
    if (!s->n || !strchr(any, s->p[0]))
        return false;
    *s = rk_str_sub(*s, 1, s->n);
    return true;
}

/* "+02:00", "-0700", "Z" or nothing, as seconds to take away. */
static bool zone(struct rk_str s, int64_t *out)
{
    int64_t h = 0, m = 0, sign;

    *out = 0;
    s = rk_str_trim(s);
    if (!s.n || s.p[0] == 'Z')
        return true;
    sign = s.p[0] == '-' ? -1 : 1;
    if (!mark(&s, "+-") || !digits(&s, 2, &h))
        return false;
    (void)mark(&s, ":");
    if (!digits(&s, 2, &m))
        return false;
    *out = sign * (h * 3600 + m * 60);
    return true;
}

/* "2026-11-30 12:44:34.548032528+00:00", also with a T. */
static bool parse_time(struct rk_str s, int64_t *out_us)
{
    int64_t y, mo, d, h, mi, sec, us = 0, scale = 100000, away;
    struct tm tm = {0};

    if (!digits(&s, 4, &y) || !mark(&s, "-") || !digits(&s, 2, &mo) || !mark(&s, "-") ||
        !digits(&s, 2, &d) || !mark(&s, " T") || !digits(&s, 2, &h) || !mark(&s, ":") ||
        !digits(&s, 2, &mi) || !mark(&s, ":") || !digits(&s, 2, &sec))
        return false;
    if (mark(&s, "."))
        for (; s.n && s.p[0] >= '0' && s.p[0] <= '9'; s = rk_str_sub(s, 1, s.n), scale /= 10)
            us += (s.p[0] - '0') * scale;
    if (!zone(s, &away))
        return false;
    tm = (struct tm){.tm_year = (int)y - 1900,
                     .tm_mon = (int)mo - 1,
                     .tm_mday = (int)d,
                     .tm_hour = (int)h,
                     .tm_min = (int)mi,
                     .tm_sec = (int)sec};
    *out_us = y <= 1 ? 0 : ((int64_t)timegm(&tm) - away) * 1000000 + us;
    return true;
}

int64_t imp_time_us(struct imp *im, imp_row r, const char *col)
{
    struct db_val v = foreign_get(r, col);
    int64_t us = 0;

    if (v.type == DB_TEXT && v.s.n && !parse_time(v.s, &us))
        imp_fault(im, RK_INVALID, col, "not a time");
    return us;
}

/* ---- secrets */

enum rk_code imp_key(struct imp *im, struct rk_str base64, struct rk_err *err)
{
    size_t n = 0;

    if (rk_base64_decode(base64, im->key, sizeof im->key, &n, NULL) || n != sizeof im->key)
        return rk_fail(err, RK_INVALID, "encryptionKey of the old server: not base64 of 32 bytes");
    im->has_key = true;
    return RK_OK;
}

static bool gcm_open(const struct imp *im, const uint8_t *in, size_t n, uint8_t *out)
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int len = 0, end = 0, body = (int)(n - NONCE - TAG);
    uint8_t tag[TAG];
    bool ok;

    memcpy(tag, in + n - TAG, TAG);
    ok = c && EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, im->key, in) == 1 &&
         EVP_DecryptUpdate(c, out, &len, in + NONCE, body) == 1 &&
         EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG, tag) == 1 &&
         EVP_DecryptFinal_ex(c, out + len, &end) == 1;
    EVP_CIPHER_CTX_free(c);
    return ok;
}

struct rk_str imp_open(struct imp *im, struct rk_str sealed)
{
    uint8_t *raw = rk_arena_alloc(im->mem, sealed.n + 1), *out;
    size_t n = 0;

    if (!sealed.n)
        return sealed;
    if (!im->has_key) {
        imp_fault(im, RK_PRECONDITION, "encryption", "the old configuration has no encryptionKey");
        return (struct rk_str){0};
    }
    out = rk_arena_alloc(im->mem, sealed.n + 1);
    if (rk_base64_decode(sealed, raw, sealed.n + 1, &n, NULL) || n < NONCE + TAG ||
        !gcm_open(im, raw, n, out)) {
        imp_fault(im, RK_UNAUTHENTICATED, "encryption",
                  "does not open: encryptionKey is not the one that this store was written with");
        return (struct rk_str){0};
    }
    return rk_str_of(out, n - NONCE - TAG);
}

struct rk_str imp_secret(struct imp *im, imp_row r, const char *col)
{
    return imp_open(im, imp_text(im, r, col));
}

/* ---- JSON */

json_t *imp_json(struct imp *im, imp_row r, const char *col)
{
    struct rk_str s = rk_str_trim(imp_text(im, r, col));
    json_t *j;

    if (!s.n || rk_str_eqz(s, "null"))
        return NULL;
    j = json_loadb(s.p, s.n, JSON_DECODE_ANY, NULL);
    if (!j)
        imp_fault(im, RK_INVALID, col, "not JSON");
    return j;
}

struct str_list imp_list_of(struct imp *im, const json_t *j)
{
    struct str_list l = {0};
    const json_t *v;
    size_t i;

    if (!json_is_array(j))
        return l;
    l.v = rk_new_n(im->mem, struct rk_str, json_array_size(j) + 1);
    json_array_foreach ((json_t *)(uintptr_t)j, i, v)
        if (json_is_string(v))
            l.v[l.n++] =
                rk_arena_dup(im->mem, rk_str_of(json_string_value(v), json_string_length(v)));
    return l;
}

struct str_list imp_list(struct imp *im, imp_row r, const char *col)
{
    json_t *j = imp_json(im, r, col);
    struct str_list l = imp_list_of(im, j);

    json_decref(j);
    return l;
}

struct rk_str imp_str_of(struct imp *im, const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);

    return json_is_string(v)
               ? rk_arena_dup(im->mem, rk_str_of(json_string_value(v), json_string_length(v)))
               : (struct rk_str){0};
}

/* ---- addresses: in quotes, as JSON has them */

static struct rk_str unquoted(struct imp *im, imp_row r, const char *col)
{
    struct rk_str s = rk_str_trim(imp_text(im, r, col));

    if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
        s = rk_str_sub(s, 1, s.n - 2);
    return rk_str_eqz(s, "null") || rk_str_eqz(s, "invalid IP") || rk_str_eqz(s, "invalid Prefix")
               ? (struct rk_str){0}
               : s;
}

struct rk_ip imp_ip(struct imp *im, imp_row r, const char *col)
{
    struct rk_str s = unquoted(im, r, col);
    struct rk_ip ip = {0};

    if (s.n && rk_ip_parse(s, &ip, NULL))
        imp_fault(im, RK_INVALID, col, "not an address");
    return ip;
}

struct rk_prefix imp_prefix(struct imp *im, imp_row r, const char *col)
{
    struct rk_str s = unquoted(im, r, col);
    struct rk_prefix p = {0};

    if (s.n && rk_prefix_parse(s, &p, NULL))
        imp_fault(im, RK_INVALID, col, "not a prefix");
    return p;
}

struct rk_prefix imp_net(struct imp *im, imp_row r, const char *col)
{
    json_t *j = imp_json(im, r, col);
    struct rk_str ip = imp_str_of(im, j, "IP"), mask = imp_str_of(im, j, "Mask");
    struct rk_prefix p = {0};
    uint8_t raw[16] = {0};
    size_t n = 0;

    json_decref(j);
    if (!ip.n)
        return p;
    if (rk_ip_parse(ip, &p.ip, NULL) || rk_base64_decode(mask, raw, sizeof raw, &n, NULL)) {
        imp_fault(im, RK_INVALID, col, "not a network");
        return (struct rk_prefix){0};
    }
    for (size_t i = 0; i < n; i++)
        for (unsigned b = raw[i]; b & 0x80; b <<= 1)
            p.bits++;
    return p;
}
