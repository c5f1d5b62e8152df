/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON writer; see json.h. */
#include "config.h"

#include <string.h>

#include "lib/base/escape.h"
#include "lib/base/num.h"
#include "lib/json/json.h"

/* A value or key follows another one unless the text so far ends in an opener or a colon. */
static bool needs_comma(const struct rk_buf *b)
{
    char last = b->n ? b->p[b->n - 1] : '[';

    return last != '[' && last != '{' && last != ':';
}

static void comma(struct rk_buf *b)
{
    if (needs_comma(b))
        rk_buf_addc(b, ',');
}

void json_put_obj(struct rk_buf *b)
{
    comma(b);
    rk_buf_addc(b, '{');
}

void json_put_obj_end(struct rk_buf *b)
{
    rk_buf_addc(b, '}');
}

void json_put_arr(struct rk_buf *b)
{
    comma(b);
    rk_buf_addc(b, '[');
}

void json_put_arr_end(struct rk_buf *b)
{
    rk_buf_addc(b, ']');
}

void json_put_raw(struct rk_buf *b, struct rk_str json)
{
    comma(b);
    rk_buf_add(b, json);
}

void json_put_key_n(struct rk_buf *b, const char *key, size_t n)
{
    char *p = rk_buf_room(b, n + 4);
    size_t at = 0;

    if (!p)
        return;
    if (b->n && b->p[b->n - 1] != '{')
        p[at++] = ',';
    p[at++] = '"';
    memcpy(p + at, key, n);
    at += n;
    p[at++] = '"';
    p[at++] = ':';
    rk_buf_added(b, at);
}

void json_put_plain(struct rk_buf *b, struct rk_str s)
{
    char *p = rk_buf_room(b, s.n + 3);
    size_t at = 0;

    if (!p)
        return;
    if (needs_comma(b))
        p[at++] = ',';
    p[at++] = '"';
    if (s.n)
        memcpy(p + at, s.p, s.n);
    at += s.n;
    p[at++] = '"';
    rk_buf_added(b, at);
}

void json_put_str(struct rk_buf *b, struct rk_str s)
{
    if (rk_json_plain(s) == s.n) { /* nearly always */
        json_put_plain(b, s);
        return;
    }
    comma(b);
    rk_buf_addc(b, '"');
    rk_json_escape(b, s);
    rk_buf_addc(b, '"');
}

void json_put_joined(struct rk_buf *b, struct rk_str head, char between, struct rk_str tail)
{
    comma(b);
    rk_buf_addc(b, '"');
    rk_json_escape(b, head);
    rk_buf_addc(b, between);
    rk_json_escape(b, tail);
    rk_buf_addc(b, '"');
}

void json_put_key_any(struct rk_buf *b, struct rk_str key)
{
    json_put_str(b, key);
    rk_buf_addc(b, ':');
}

static void put_number(struct rk_buf *b, uint64_t u, bool negative)
{
    char text[24], *p = text + sizeof text;

    do {
        *--p = (char)('0' + u % 10);
        u /= 10;
    } while (u);
    if (negative)
        *--p = '-';
    comma(b);
    rk_buf_add(b, rk_str_of(p, (size_t)(text + sizeof text - p)));
}

void json_put_int(struct rk_buf *b, int64_t v)
{
    put_number(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, v < 0);
}

void json_put_uint(struct rk_buf *b, uint64_t v)
{
    put_number(b, v, false);
}

void json_put_bool(struct rk_buf *b, bool v)
{
    comma(b);
    rk_buf_add(b, v ? RK_STR("true") : RK_STR("false"));
}

void json_put_null(struct rk_buf *b)
{
    comma(b);
    rk_buf_add(b, RK_STR("null"));
}

/* n decimal digits of v. */
static char *put_digits(char *p, unsigned v, unsigned n)
{
    for (unsigned i = n; i-- > 0; v /= 10)
        p[i] = (char)('0' + v % 10);
    return p + n;
}

/* Lists hold several times per row, so this does without the C library: civil date from a day
 * number by Howard Hinnant's algorithm. Years 1970 to 9999. */
static struct rk_str fast_time(int64_t us, char *text)
{
    int64_t sec = us / 1000000, day = sec / 86400, z = day + 719468;
    unsigned s = (unsigned)(sec % 86400), frac = (unsigned)(us % 1000000);
    unsigned era = (unsigned)(z / 146097), doe = (unsigned)(z % 146097);
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    unsigned month = mp < 10 ? mp + 3 : mp - 9;
    char *p = put_digits(text, yoe + era * 400 + (month <= 2), 4);

    *p++ = '-';
    p = put_digits(p, month, 2);
    *p++ = '-';
    p = put_digits(p, doy - (153 * mp + 2) / 5 + 1, 2);
    *p++ = 'T';
    p = put_digits(p, s / 3600, 2);
    *p++ = ':';
    p = put_digits(p, s / 60 % 60, 2);
    *p++ = ':';
    p = put_digits(p, s % 60, 2);
    if (frac) {
        *p++ = '.';
        p = put_digits(p, frac, 6);
        while (p[-1] == '0')
            p--;
    }
    *p++ = 'Z';
    return rk_str_of(text, (size_t)(p - text));
}

#define YEAR_10000_US (INT64_C(253402300800) * 1000000)

void json_put_time(struct rk_buf *b, int64_t unix_us)
{
    char text[RK_TIME_TEXT];

    if (unix_us > 0 && unix_us < YEAR_10000_US)
        json_put_plain(b, fast_time(unix_us, text));
    else
        json_put_plain(b,
                       unix_us ? rk_time_format_us(unix_us, text) : RK_STR("0001-01-01T00:00:00Z"));
}
