/* SPDX-License-Identifier: BSD-3-Clause */
/* Strict number, duration and time parsing; clocks. */
#include "config.h"

#include "lib/base/num.h"

#include <stdio.h>
#include <time.h>

enum rk_code rk_parse_i64(struct rk_str s, int64_t min, int64_t max, int64_t *out,
                          struct rk_err *err)
{
    bool neg = s.n && s.p[0] == '-';
    int64_t v = 0;

    if (s.n == (size_t)neg || s.n > 20)
        return rk_fail(err, RK_BAD_REQUEST, "\"%.*s\" is not a number", RK_STR_ARG(s));
    for (size_t i = neg; i < s.n; i++) {
        int d = s.p[i] - '0';

        if (d < 0 || d > 9)
            return rk_fail(err, RK_BAD_REQUEST, "\"%.*s\" is not a number", RK_STR_ARG(s));
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, neg ? -d : d, &v))
            return rk_fail(err, RK_BAD_REQUEST, "%.*s is out of range", RK_STR_ARG(s));
    }
    if (v < min || v > max)
        return rk_fail(err, RK_BAD_REQUEST, "%.*s is not within %lld and %lld", RK_STR_ARG(s),
                       (long long)min, (long long)max);
    *out = v;
    return RK_OK;
}

/* Nanoseconds of the unit at the front of s; its length in *n; 0 when there is none. */
static int64_t unit_ns(struct rk_str s, size_t *n)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {{"ns", 1},          {"us", 1000},         {"ms", 1000000},      {"s", 1000000000},
                 {"m", 60000000000}, {"h", 3600000000000}, {"d", 86400000000000}};

    for (size_t i = 0; i < RK_ARRAY_LEN(units); i++)
        if (rk_str_starts(s, rk_str_z(units[i].name))) {
            *n = strlen(units[i].name);
            return units[i].ns;
        }
    return 0;
}

/* One "12.5h" at the front of *s, added to *ns; false when malformed. */
static bool duration_part(struct rk_str *s, int64_t *ns)
{
    int64_t whole = 0, frac = 0, scale = 1, unit, part;
    size_t i = 0, len = 0, digits = 0;
    bool dot = false;

    for (; i < s->n; i++) {
        char c = s->p[i];

        if (c == '.' && !dot) {
            dot = true;
        } else if (c >= '0' && c <= '9') {
            digits++;
            if (!dot && (__builtin_mul_overflow(whole, 10, &whole) ||
                         __builtin_add_overflow(whole, c - '0', &whole)))
                return false;
            if (dot && scale < 1000000000) {
                frac = frac * 10 + (c - '0');
                scale *= 10;
            }
        } else {
            break;
        }
    }
    unit = unit_ns(rk_str_sub(*s, i, s->n), &len);
    if (!digits || !unit || __builtin_mul_overflow(whole, unit, &part) ||
        __builtin_add_overflow(part, (int64_t)((__int128)frac * unit / scale), &part) ||
        __builtin_add_overflow(*ns, part, ns))
        return false;
    *s = rk_str_sub(*s, i + len, s->n);
    return true;
}

enum rk_code rk_parse_duration_ms(struct rk_str s, int64_t *out_ms, struct rk_err *err)
{
    struct rk_str left = s;
    int64_t ns = 0;

    if (rk_str_eqz(s, "0")) {
        *out_ms = 0;
        return RK_OK;
    }
    while (left.n)
        if (!duration_part(&left, &ns))
            return rk_fail(err, RK_BAD_REQUEST, "\"%.*s\" is not a duration such as 1h30m",
                           RK_STR_ARG(s));
    if (!s.n)
        return rk_fail(err, RK_BAD_REQUEST, "empty duration");
    *out_ms = ns / 1000000;
    return RK_OK;
}

enum rk_code rk_parse_bit_rate(struct rk_str s, int64_t *out, struct rk_err *err)
{
    static const struct {
        const char *name;
        int64_t bits;
    } units[] = {{"kbit", 1000}, {"mbit", 1000000}, {"gbit", 1000000000}};
    int64_t v;

    if (!s.n) {
        *out = 0;
        return RK_OK;
    }
    for (size_t i = 0; i < RK_ARRAY_LEN(units); i++) {
        struct rk_str unit = rk_str_z(units[i].name);

        if (s.n <= unit.n || !rk_str_ieq(rk_str_sub(s, s.n - unit.n, unit.n), unit) ||
            rk_parse_i64(rk_str_sub(s, 0, s.n - unit.n), 1, RK_BIT_RATE_MAX / units[i].bits, &v,
                         NULL))
            continue;
        if (v * units[i].bits < RK_BIT_RATE_MIN)
            return rk_fail(err, RK_BAD_REQUEST, "\"%.*s\" is below the least rate, 64kbit",
                           RK_STR_ARG(s));
        *out = v * units[i].bits;
        return RK_OK;
    }
    return rk_fail(err, RK_BAD_REQUEST, "\"%.*s\" is not a rate such as 500kbit, 20mbit or 1gbit",
                   RK_STR_ARG(s));
}

static int64_t clock_us(clockid_t id)
{
    struct timespec ts;

    (void)clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t rk_unix_us(void)
{
    return clock_us(CLOCK_REALTIME);
}

int64_t rk_unix_ms(void)
{
    return rk_unix_us() / 1000;
}

int64_t rk_mono_ms(void)
{
    return clock_us(CLOCK_MONOTONIC) / 1000;
}

int64_t rk_mono_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

struct rk_str rk_time_format_us(int64_t unix_us, char buf[RK_TIME_TEXT])
{
    int64_t us = unix_us % 1000000;
    time_t sec;
    struct tm tm;
    int n;

    if (us < 0)
        us += 1000000;
    sec = (time_t)((unix_us - us) / 1000000);
    if (!gmtime_r(&sec, &tm))
        tm = (struct tm){.tm_year = 70, .tm_mday = 1};
    n = snprintf(buf, RK_TIME_TEXT, "%04d-%02d-%02dT%02d:%02d:%02d", (int)tm.tm_year + 1900,
                 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    if (us) {
        n += snprintf(buf + n, RK_TIME_TEXT - (size_t)n, ".%06d", (int)us);
        while (buf[n - 1] == '0')
            n--;
    }
    buf[n++] = 'Z';
    buf[n] = '\0';
    return rk_str_of(buf, (size_t)n);
}

/* n digits at *i; -1 when they are not there. */
static int digits(struct rk_str s, size_t *i, size_t n)
{
    int v = 0;

    for (size_t k = 0; k < n; k++, ++*i) {
        if (*i >= s.n || s.p[*i] < '0' || s.p[*i] > '9')
            return -1;
        v = v * 10 + (s.p[*i] - '0');
    }
    return v;
}

static bool literal(struct rk_str s, size_t *i, char c)
{
    return *i < s.n && s.p[(*i)++] == c;
}

static bool is_leap(int y)
{
    return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

static bool date_ok(int y, int mo, int d)
{
    static const signed char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return y >= 0 && mo >= 1 && mo <= 12 && d >= 1 && d <= days[mo - 1] + (mo == 2 && is_leap(y));
}

/* Days since 1970-01-01 of a proleptic Gregorian date. */
static int64_t days_of(int y, int mo, int d)
{
    int64_t yy = y - (mo <= 2), era = (yy >= 0 ? yy : yy - 399) / 400, yoe = yy - era * 400;
    int64_t doy = (153 * (mo + (mo > 2 ? -3 : 9)) + 2) / 5 + d - 1;

    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

/* Offset "Z" or "+hh:mm" in seconds; false when malformed or not at the end of s. */
static bool offset_of(struct rk_str s, size_t *i, int64_t *out)
{
    char sign = *i < s.n ? s.p[(*i)++] : '\0';
    int oh, om;

    *out = 0;
    if (sign == 'Z' || sign == 'z')
        return *i == s.n;
    if (sign != '+' && sign != '-')
        return false;
    oh = digits(s, i, 2);
    if (oh < 0 || oh > 23 || !literal(s, i, ':'))
        return false;
    om = digits(s, i, 2);
    *out = (sign == '-' ? -1 : 1) * (oh * 3600 + om * 60);
    return om >= 0 && om <= 59 && *i == s.n;
}

/* "2024-02-29" at *i. */
static bool date_part(struct rk_str s, size_t *i, int64_t *days)
{
    int y = digits(s, i, 4), mo, d;

    if (y < 0 || !literal(s, i, '-'))
        return false;
    mo = digits(s, i, 2);
    if (mo < 0 || !literal(s, i, '-'))
        return false;
    d = digits(s, i, 2);
    if (d < 0 || !date_ok(y, mo, d))
        return false;
    *days = days_of(y, mo, d);
    return true;
}

/* "23:59:59.120" at *i in microseconds; digits past the sixth are dropped. */
static bool clock_part(struct rk_str s, size_t *i, int64_t *us)
{
    int h = digits(s, i, 2), mi, se;
    int64_t scale = 100000;
    size_t first;

    if (h < 0 || h > 23 || !literal(s, i, ':'))
        return false;
    mi = digits(s, i, 2);
    if (mi < 0 || mi > 59 || !literal(s, i, ':'))
        return false;
    se = digits(s, i, 2);
    if (se < 0 || se > 59)
        return false;
    *us = (int64_t)(h * 3600 + mi * 60 + se) * 1000000;
    if (*i >= s.n || s.p[*i] != '.')
        return true;
    first = ++*i;
    for (; *i < s.n && s.p[*i] >= '0' && s.p[*i] <= '9'; ++*i, scale /= 10)
        *us += (s.p[*i] - '0') * scale;
    return *i > first;
}

enum rk_code rk_time_parse_us(struct rk_str s, int64_t *out_us, struct rk_err *err)
{
    int64_t days = 0, us = 0, off = 0;
    size_t i = 0;
    bool ok = date_part(s, &i, &days) && (literal(s, &i, 'T') || (i && s.p[i - 1] == 't')) &&
              clock_part(s, &i, &us) && offset_of(s, &i, &off);

    if (!ok)
        return rk_fail(err, RK_BAD_REQUEST, "\"%.*s\" is not an RFC 3339 time", RK_STR_ARG(s));
    *out_us = (days * 86400 - off) * 1000000 + us;
    return RK_OK;
}
