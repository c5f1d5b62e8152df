/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON writer and pull reader: see js.h. */
#include "config.h"

#include "management/store/js.h"

#include <stdio.h>

/* ---- writing ----------------------------------------------------------------------------- */

static void before_value(struct js_w *w)
{
    if (w->comma)
        rk_buf_addc(w->out, ',');
    w->comma = true;
}

void js_open(struct js_w *w, char bracket)
{
    before_value(w);
    rk_buf_addc(w->out, bracket);
    w->comma = false;
}

void js_close(struct js_w *w, char bracket)
{
    rk_buf_addc(w->out, bracket);
    w->comma = true;
}

void js_key(struct js_w *w, const char *key)
{
    before_value(w);
    rk_buf_addc(w->out, '"');
    rk_buf_addz(w->out, key);
    rk_buf_add(w->out, RK_STR("\":"));
    w->comma = false;
}

static bool is_plain(char c)
{
    return (uint8_t)c >= 0x20 && c != '"' && c != '\\' && c != 0x7f;
}

void js_str(struct js_w *w, struct rk_str s)
{
    before_value(w);
    rk_buf_addc(w->out, '"');
    while (s.n) {
        size_t run = 0;

        while (run < s.n && is_plain(s.p[run]))
            run++;
        rk_buf_add(w->out, rk_str_of(s.p, run));
        if (run < s.n) {
            if (s.p[run] == '"' || s.p[run] == '\\')
                rk_buf_printf(w->out, "\\%c", s.p[run]);
            else
                rk_buf_printf(w->out, "\\u%04x", (unsigned)(uint8_t)s.p[run]);
            run++;
        }
        s = rk_str_sub(s, run, s.n);
    }
    rk_buf_addc(w->out, '"');
}

void js_i64(struct js_w *w, int64_t v)
{
    char digits[24];

    before_value(w);
    rk_buf_add(w->out,
               rk_str_of(digits, (size_t)snprintf(digits, sizeof digits, "%lld", (long long)v)));
}

void js_u64(struct js_w *w, uint64_t v)
{
    char digits[24];

    before_value(w);
    rk_buf_add(w->out, rk_str_of(digits, (size_t)snprintf(digits, sizeof digits, "%llu",
                                                          (unsigned long long)v)));
}

void js_bool(struct js_w *w, bool v)
{
    before_value(w);
    rk_buf_addz(w->out, v ? "true" : "false");
}

void js_null(struct js_w *w)
{
    before_value(w);
    rk_buf_addz(w->out, "null");
}

/* ---- reading ----------------------------------------------------------------------------- */

static int peek(struct js_r *r)
{
    while (!r->bad && r->pos < r->in.n) {
        char c = r->in.p[r->pos];

        if (c != ' ' && c != '\n' && c != '\t' && c != '\r')
            return (uint8_t)c;
        r->pos++;
    }
    return -1;
}

static bool eat(struct js_r *r, char c)
{
    if (peek(r) != c) {
        r->bad = true;
        return false;
    }
    r->pos++;
    return true;
}

static bool eat_word(struct js_r *r, struct rk_str word)
{
    if (peek(r) < 0 || !rk_str_starts(rk_str_sub(r->in, r->pos, word.n), word))
        return false;
    r->pos += word.n;
    r->first = false;
    return true;
}

void js_enter(struct js_r *r, char bracket)
{
    if (!eat(r, bracket))
        return;
    if (++r->depth > JS_DEPTH_MAX)
        r->bad = true;
    r->first = true;
}

/* At an element or at the closing bracket? */
static bool next(struct js_r *r, char closing)
{
    int c = peek(r);

    if (r->bad || r->depth == 0) {
        r->bad = true;
        return false;
    }
    if (c == closing) {
        r->pos++;
        r->depth--;
        r->first = false;
        return false;
    }
    if (!r->first && !eat(r, ','))
        return false;
    r->first = false;
    return peek(r) >= 0;
}

static int hex4(struct rk_str s)
{
    int v = 0;

    for (size_t i = 0; i < 4; i++) {
        char c = s.n > i ? s.p[i] : 'x';

        v <<= 4;
        if (c >= '0' && c <= '9')
            v |= c - '0';
        else if (c >= 'a' && c <= 'f')
            v |= c - 'a' + 10;
        else if (c >= 'A' && c <= 'F')
            v |= c - 'A' + 10;
        else
            return -1;
    }
    return v;
}

static size_t utf8_put(char *out, unsigned cp)
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xc0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 0x3f));
        return 2;
    }
    if (cp < 0x10000) {
        out[0] = (char)(0xe0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
        out[2] = (char)(0x80 | (cp & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | cp >> 18);
    out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
    out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
    out[3] = (char)(0x80 | (cp & 0x3f));
    return 4;
}

/* The part behind a backslash; returns how much of s it was, 0 when it is wrong. */
static size_t unescape_one(struct rk_str s, char *out, size_t *n_out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *at = s.n ? memchr(from, s.p[0], sizeof from - 1) : NULL;
    int cp, low;

    if (at) {
        *out = to[at - from];
        *n_out = 1;
        return 1;
    }
    if (s.n < 5 || s.p[0] != 'u' || (cp = hex4(rk_str_sub(s, 1, 4))) < 0 ||
        (cp >= 0xdc00 && cp <= 0xdfff))
        return 0;
    if (cp < 0xd800 || cp > 0xdbff) {
        *n_out = utf8_put(out, (unsigned)cp);
        return 5;
    }
    if (s.n < 11 || s.p[5] != '\\' || s.p[6] != 'u' || (low = hex4(rk_str_sub(s, 7, 4))) < 0xdc00 ||
        low > 0xdfff)
        return 0;
    *n_out = utf8_put(out, 0x10000 + ((unsigned)(cp - 0xd800) << 10) + (unsigned)(low - 0xdc00));
    return 11;
}

static struct rk_str unescape(struct js_r *r, struct rk_str raw)
{
    char *out = rk_arena_alloc(r->mem, raw.n + 1); /* never longer than its escaped form */
    size_t n = 0;

    for (size_t i = 0; i < raw.n;) {
        size_t used, made = 0;

        if (raw.p[i] != '\\') {
            out[n++] = raw.p[i++];
            continue;
        }
        used = unescape_one(rk_str_sub(raw, i + 1, raw.n), out + n, &made);
        if (!used) {
            r->bad = true;
            return rk_str_of(NULL, 0);
        }
        i += 1 + used;
        n += made;
    }
    return rk_str_of(out, n);
}

static struct rk_str string(struct js_r *r)
{
    bool escapes = false;
    size_t from;
    struct rk_str raw;

    if (!eat(r, '"'))
        return rk_str_of(NULL, 0);
    for (from = r->pos; r->pos < r->in.n && r->in.p[r->pos] != '"'; r->pos++)
        if (r->in.p[r->pos] == '\\') {
            escapes = true;
            r->pos++;
        }
    if (r->pos >= r->in.n) {
        r->bad = true;
        return rk_str_of(NULL, 0);
    }
    raw = rk_str_sub(r->in, from, r->pos - from);
    r->pos++;
    return escapes ? unescape(r, raw) : raw;
}

bool js_next_key(struct js_r *r, struct rk_str *key)
{
    if (!next(r, '}'))
        return false;
    *key = string(r);
    (void)eat(r, ':');
    return !r->bad;
}

bool js_next_item(struct js_r *r)
{
    return next(r, ']');
}

struct rk_str js_get_str(struct js_r *r)
{
    return eat_word(r, RK_STR("null")) ? rk_str_of(NULL, 0) : string(r);
}

/* Digits with an optional minus, as a magnitude. */
static uint64_t number(struct js_r *r, bool *negative)
{
    uint64_t v = 0;
    size_t from;

    *negative = false;
    if (eat_word(r, RK_STR("null")))
        return 0;
    if (peek(r) == '-') {
        *negative = true;
        r->pos++;
    }
    for (from = r->pos; r->pos < r->in.n && r->in.p[r->pos] >= '0' && r->in.p[r->pos] <= '9';
         r->pos++)
        if (__builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(r->in.p[r->pos] - '0'), &v))
            r->bad = true;
    if (r->pos == from)
        r->bad = true;
    return r->bad ? 0 : v;
}

int64_t js_get_i64(struct js_r *r)
{
    bool negative;
    uint64_t v = number(r, &negative);

    if (v > (uint64_t)INT64_MAX + negative) {
        r->bad = true;
        return 0;
    }
    return negative ? (int64_t)(0 - v) : (int64_t)v;
}

uint64_t js_get_u64(struct js_r *r)
{
    bool negative;
    uint64_t v = number(r, &negative);

    if (negative)
        r->bad = true;
    return r->bad ? 0 : v;
}

bool js_get_bool(struct js_r *r)
{
    if (eat_word(r, RK_STR("true")))
        return true;
    if (!eat_word(r, RK_STR("false")) && !eat_word(r, RK_STR("null")))
        r->bad = true;
    return false;
}

void js_skip(struct js_r *r)
{
    unsigned depth = 0;

    do {
        int c = peek(r);

        if (c == '{' || c == '[') {
            depth++;
            r->pos++;
        } else if (c == '}' || c == ']') {
            depth = depth ? depth - 1 : 0;
            r->pos++;
        } else if (c == '"') {
            (void)string(r);
        } else if (c == ',' || c == ':') {
            r->pos++;
        } else if (c == '-' || (c >= '0' && c <= '9')) {
            bool negative;

            (void)number(r, &negative);
        } else if (!eat_word(r, RK_STR("true")) && !eat_word(r, RK_STR("false")) &&
                   !eat_word(r, RK_STR("null"))) {
            r->bad = true;
        }
    } while (depth && !r->bad);
    r->first = false;
}

bool js_done(struct js_r *r)
{
    return peek(r) < 0 && !r->bad && r->depth == 0;
}
