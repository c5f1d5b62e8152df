/* SPDX-License-Identifier: BSD-3-Clause */
/* See pull.h. */
#include "config.h"

#include "lib/json/pull.h"

#include <string.h>

struct json_pull json_pull_of(struct rk_str text, struct rk_arena *mem)
{
    return (struct json_pull){
        .p = text.p, .end = text.p + text.n, .mem = mem, .depth_max = JSON_PULL_DEPTH};
}

void json_pull_fail(struct json_pull *r, const char *fault)
{
    if (!r->fault)
        r->fault = fault;
}

char json_pull_next(struct json_pull *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r'))
        r->p++;
    return r->p < r->end && !r->fault ? *r->p : '\0';
}

static bool expect(struct json_pull *r, char c, const char *what)
{
    if (json_pull_next(r) != c) {
        json_pull_fail(r, r->p == r->end ? "unexpected end of text" : what);
        return false;
    }
    r->p++;
    return true;
}

/* A literal such as null at the front. */
static bool word(struct json_pull *r, const char *w)
{
    size_t n = strlen(w);

    if ((size_t)(r->end - r->p) < n || memcmp(r->p, w, n) != 0)
        return false;
    r->p += n;
    return true;
}

bool json_pull_null(struct json_pull *r)
{
    if (json_pull_next(r) != 'n')
        return false;
    if (!word(r, "null"))
        json_pull_fail(r, "invalid literal");
    return !r->fault;
}

/* ---- texts */

static int hex4(struct json_pull *r)
{
    int v = 0;

    if (r->end - r->p < 4)
        return -1;
    for (int i = 0; i < 4; i++, r->p++) {
        char c = *r->p;

        v <<= 4;
        if (c >= '0' && c <= '9')
            v |= c - '0';
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            v |= (c | 32) - 'a' + 10;
        else
            return -1;
    }
    return v;
}

static size_t utf8_put(char *out, unsigned c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* Behind "\u": the character, with a surrogate pair joined. NUL is refused because no store keeps
 * it as text. */
static size_t unicode_escape(struct json_pull *r, char *out)
{
    int hi = hex4(r), lo;

    if (hi < 0 || (hi == 0 && !r->stored)) {
        json_pull_fail(r, hi ? "invalid \\u escape" : "NUL in a string");
        return 0;
    }
    if (hi < 0xd800 || hi > 0xdfff)
        return utf8_put(out, (unsigned)hi);
    if (hi > 0xdbff || r->end - r->p < 6 || r->p[0] != '\\' || r->p[1] != 'u') {
        json_pull_fail(r, "lone surrogate in a string");
        return 0;
    }
    r->p += 2;
    lo = hex4(r);
    if (lo < 0xdc00 || lo > 0xdfff) {
        json_pull_fail(r, "lone surrogate in a string");
        return 0;
    }
    return utf8_put(out, 0x10000u + ((unsigned)(hi - 0xd800) << 10) + (unsigned)(lo - 0xdc00));
}

static size_t escape(struct json_pull *r, char *out)
{
    static const char FROM[] = "\"\\/bfnrt", TO[] = "\"\\/\b\f\n\r\t";
    char c = r->p < r->end ? *r->p++ : '\0';
    const char *at = c ? strchr(FROM, c) : NULL;

    if (c == 'u')
        return unicode_escape(r, out);
    if (!at) {
        json_pull_fail(r, "invalid escape in a string");
        return 0;
    }
    *out = TO[at - FROM];
    return 1;
}

/* Up to the closing quote, whose place is *close; says whether an escape is in between. */
static bool scan(struct json_pull *r, const char **close)
{
    bool escapes = false;
    const char *q = r->p;

    for (; q < r->end && *q != '"'; q++) {
        if ((unsigned char)*q < 0x20)
            json_pull_fail(r, "control character in a string");
        if (*q != '\\')
            continue;
        escapes = true;
        q++;
    }
    if (q >= r->end)
        json_pull_fail(r, "unexpected end of text");
    *close = q;
    return escapes;
}

/* The opening quote is next. */
static struct rk_str string(struct json_pull *r)
{
    const char *close;
    char *out;
    size_t n = 0;
    bool escapes;

    r->p++;
    escapes = scan(r, &close);
    if (r->fault)
        return RK_STR("");
    if (!escapes && !r->stored && !rk_str_utf8_ok(rk_str_of(r->p, (size_t)(close - r->p)))) {
        json_pull_fail(r, "text is not UTF-8");
        return RK_STR("");
    }
    if (!escapes && !r->copy) {
        struct rk_str view = rk_str_of(r->p, (size_t)(close - r->p));

        r->p = close + 1;
        return view;
    }
    out = rk_arena_try(r->mem, (size_t)(close - r->p) + 1); /* never longer than escaped */
    if (!out) {
        json_pull_fail(r, "too much text");
        return RK_STR("");
    }
    while (!r->fault && r->p < close) {
        if (*r->p == '\\') {
            r->p++;
            n += escape(r, out + n);
        } else {
            out[n++] = *r->p++;
        }
    }
    r->p = close + 1;
    out[n] = '\0';
    if (!r->stored && !r->fault && escapes && !rk_str_utf8_ok(rk_str_of(out, n)))
        json_pull_fail(r, "text is not UTF-8");
    return rk_str_of(out, n);
}

struct rk_str json_pull_str(struct json_pull *r)
{
    if (json_pull_null(r))
        return RK_STR("");
    if (json_pull_next(r) != '"') {
        json_pull_fail(r, "expected a string");
        return RK_STR("");
    }
    return string(r);
}

/* ---- numbers and literals */

static bool is_digit(const struct json_pull *r)
{
    return r->p < r->end && *r->p >= '0' && *r->p <= '9';
}

static void digits(struct json_pull *r)
{
    if (!is_digit(r))
        json_pull_fail(r, "invalid number");
    while (is_digit(r))
        r->p++;
}

/* Checks the grammar of a number and steps over it; says whether it is an integer literal. */
static bool number(struct json_pull *r)
{
    bool integer = true;

    if (r->p < r->end && *r->p == '-')
        r->p++;
    if (r->p < r->end && *r->p == '0')
        r->p++;
    else
        digits(r);
    if (r->p < r->end && *r->p == '.') {
        integer = false;
        r->p++;
        digits(r);
    }
    if (r->p < r->end && (*r->p | 32) == 'e') {
        integer = false;
        r->p++;
        if (r->p < r->end && (*r->p == '+' || *r->p == '-'))
            r->p++;
        digits(r);
    }
    return integer;
}

/* An integer as a magnitude and a sign. */
static uint64_t magnitude(struct json_pull *r, bool *negative)
{
    const char *from;
    uint64_t v = 0;

    *negative = json_pull_next(r) == '-';
    if (json_pull_null(r))
        return 0;
    from = r->p;
    if ((!*negative && !is_digit(r)) || !number(r)) {
        json_pull_fail(r, "expected an integer");
        return 0;
    }
    for (const char *q = from + *negative; q < r->p; q++)
        if (__builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(*q - '0'), &v))
            json_pull_fail(r, "number out of range");
    return r->fault ? 0 : v;
}

int64_t json_pull_i64(struct json_pull *r)
{
    bool negative;
    uint64_t v = magnitude(r, &negative);

    if (v > (uint64_t)INT64_MAX + negative) {
        json_pull_fail(r, "number out of range");
        return 0;
    }
    return negative ? (int64_t)(0 - v) : (int64_t)v;
}

uint64_t json_pull_u64(struct json_pull *r)
{
    bool negative;
    uint64_t v = magnitude(r, &negative);

    if (negative)
        json_pull_fail(r, "number out of range");
    return r->fault ? 0 : v;
}

bool json_pull_bool(struct json_pull *r)
{
    char c = json_pull_next(r);

    if (c == 't' && word(r, "true"))
        return true;
    if ((c == 'f' && word(r, "false")) || json_pull_null(r))
        return false;
    json_pull_fail(r, "expected true or false");
    return false;
}

/* ---- objects and lists */

void json_pull_enter(struct json_pull *r, char bracket)
{
    if (!expect(r, bracket, bracket == '{' ? "expected an object" : "expected a list"))
        return;
    if (++r->depth > r->depth_max)
        json_pull_fail(r, "nested too deeply");
    r->first = true;
}

/* True while another element follows; eats the comma or the closing bracket. */
static bool more(struct json_pull *r, char close)
{
    if (r->depth == 0) {
        json_pull_fail(r, "unexpected end of text");
        return false;
    }
    if (json_pull_next(r) == close) {
        r->p++;
        r->depth--;
        r->first = false;
        return false;
    }
    if (!r->first && !expect(r, ',', "expected , or the end of a list or object"))
        return false;
    r->first = false;
    if (json_pull_next(r) == '\0')
        json_pull_fail(r, "unexpected end of text");
    return !r->fault;
}

bool json_pull_key(struct json_pull *r, struct rk_str *key)
{
    if (!more(r, '}'))
        return false;
    if (json_pull_next(r) == '"')
        *key = string(r);
    else
        json_pull_fail(r, "expected a field name");
    (void)expect(r, ':', "expected : behind a field name");
    return !r->fault;
}

bool json_pull_item(struct json_pull *r)
{
    return more(r, ']');
}

void json_pull_skip(struct json_pull *r)
{
    struct rk_str key;
    char c = json_pull_next(r);

    switch (c) {
    case '"':
        (void)string(r);
        break;
    case '{':
        json_pull_enter(r, '{');
        while (json_pull_key(r, &key))
            json_pull_skip(r);
        break;
    case '[':
        json_pull_enter(r, '[');
        while (json_pull_item(r))
            json_pull_skip(r);
        break;
    case 't':
    case 'f':
        (void)json_pull_bool(r);
        break;
    case 'n':
        (void)json_pull_null(r);
        break;
    default:
        if (c == '-' || is_digit(r))
            (void)number(r);
        else
            json_pull_fail(r, r->p == r->end ? "unexpected end of text" : "invalid value");
    }
}

bool json_pull_done(struct json_pull *r)
{
    return json_pull_next(r) == '\0' && r->p == r->end && !r->fault && r->depth == 0;
}
