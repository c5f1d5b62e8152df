/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Table-driven reader of JSON bodies; see json.h. One pass from the text into the caller's struct:
 * no tree is built, so a body can unfold into no more memory than its table allows.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "lib/json/json.h"

#define PATH_MAX_TEXT 96 /* "rules[12].sources": enough to find the place */

struct jr {
    const char *p, *end;
    struct rk_arena *mem;
    struct rk_err *err;
    bool bad;
    unsigned depth;
    size_t strings, objects;
    char path[PATH_MAX_TEXT];
    size_t path_n;
};

static void fail(struct jr *r, const char *what)
{
    if (r->bad)
        return;
    r->bad = true;
    if (r->path_n)
        (void)rk_fail(r->err, RK_BAD_REQUEST, "couldn't parse JSON request: field \"%s\": %s",
                      r->path, what);
    else
        (void)rk_fail(r->err, RK_BAD_REQUEST, "couldn't parse JSON request: %s", what);
}

/* Add ".name" or "[index]" (name.p NULL) to the path; returns what path_pop needs. */
static size_t path_push(struct jr *r, struct rk_str name, size_t index)
{
    size_t old = r->path_n, left = sizeof r->path - old;
    int n = name.p ? snprintf(r->path + old, left, "%s%.*s", old ? "." : "", RK_STR_ARG(name))
                   : snprintf(r->path + old, left, "[%zu]", index);

    if (n > 0)
        r->path_n = (size_t)n < left ? old + (size_t)n : sizeof r->path - 1;
    return old;
}

static void path_pop(struct jr *r, size_t old)
{
    if (r->bad)
        return; /* the message is made already; keep the place for nothing else */
    r->path_n = old;
    r->path[old] = '\0';
}

static char peek(struct jr *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r'))
        r->p++;
    return r->p < r->end && !r->bad ? *r->p : '\0';
}

static bool expect(struct jr *r, char c, const char *what)
{
    if (peek(r) != c) {
        fail(r, r->p == r->end ? "unexpected end of text" : what);
        return false;
    }
    r->p++;
    return true;
}

/* A literal such as null at the front. */
static bool word(struct jr *r, const char *w)
{
    size_t n = strlen(w);

    if ((size_t)(r->end - r->p) < n || memcmp(r->p, w, n) != 0)
        return false;
    r->p += n;
    return true;
}

static bool is_null(struct jr *r)
{
    if (peek(r) != 'n')
        return false;
    if (!word(r, "null"))
        fail(r, "invalid literal");
    return !r->bad;
}

/* ---- strings ---- */

static int hex4(struct jr *r)
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
 * it. */
static size_t unicode_escape(struct jr *r, char *out)
{
    int hi = hex4(r), lo;

    if (hi <= 0) {
        fail(r, hi ? "invalid \\u escape" : "NUL in a string");
        return 0;
    }
    if (hi < 0xd800 || hi > 0xdfff)
        return utf8_put(out, (unsigned)hi);
    if (hi > 0xdbff || r->end - r->p < 6 || r->p[0] != '\\' || r->p[1] != 'u') {
        fail(r, "lone surrogate in a string");
        return 0;
    }
    r->p += 2;
    lo = hex4(r);
    if (lo < 0xdc00 || lo > 0xdfff) {
        fail(r, "lone surrogate in a string");
        return 0;
    }
    return utf8_put(out, 0x10000u + ((unsigned)(hi - 0xd800) << 10) + (unsigned)(lo - 0xdc00));
}

static size_t escape(struct jr *r, char *out)
{
    static const char FROM[] = "\"\\/bfnrt", TO[] = "\"\\/\b\f\n\r\t";
    char c = r->p < r->end ? *r->p++ : '\0';
    const char *at = c ? strchr(FROM, c) : NULL;

    if (c == 'u')
        return unicode_escape(r, out);
    if (!at) {
        fail(r, "invalid escape in a string");
        return 0;
    }
    *out = TO[at - FROM];
    return 1;
}

/* Index of the closing quote at or behind p, or -1. */
static ptrdiff_t string_len(const char *p, const char *end)
{
    for (const char *q = p; q < end; q++) {
        if (*q == '"')
            return q - p;
        if (*q == '\\')
            q++;
    }
    return -1;
}

/* The opening quote is next. */
static struct rk_str string(struct jr *r)
{
    ptrdiff_t len;
    size_t n = 0;
    char *out;

    r->p++;
    len = string_len(r->p, r->end);
    if (len < 0) {
        fail(r, "unexpected end of text");
        return RK_STR("");
    }
    out = rk_arena_try(r->mem, (size_t)len + 1);
    if (!out) {
        fail(r, "too much text");
        return RK_STR("");
    }
    while (!r->bad && *r->p != '"') {
        unsigned char c = (unsigned char)*r->p++;

        if (c == '\\')
            n += escape(r, out + n);
        else if (c < 0x20)
            fail(r, "control character in a string");
        else
            out[n++] = (char)c;
    }
    if (!r->bad)
        r->p++;
    out[n] = '\0';
    if (!r->bad && !rk_str_utf8_ok(rk_str_of(out, n)))
        fail(r, "text is not UTF-8");
    return rk_str_of(out, n);
}

static struct rk_str string_value(struct jr *r)
{
    if (is_null(r))
        return RK_STR("");
    if (peek(r) != '"') {
        fail(r, "expected a string");
        return RK_STR("");
    }
    return string(r);
}

/* ---- numbers and literals ---- */

static bool is_digit(const struct jr *r)
{
    return r->p < r->end && *r->p >= '0' && *r->p <= '9';
}

static void digits(struct jr *r)
{
    if (!is_digit(r))
        fail(r, "invalid number");
    while (is_digit(r))
        r->p++;
}

/* Checks the grammar of a number and steps over it; says whether it is an integer literal. */
static bool number(struct jr *r, struct rk_str *text)
{
    const char *from = r->p;
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
    *text = rk_str_of(from, (size_t)(r->p - from));
    return integer;
}

static int64_t int_value(struct jr *r)
{
    bool neg = peek(r) == '-';
    struct rk_str text;
    int64_t v = 0;

    if (!neg && !is_digit(r)) {
        fail(r, "expected an integer");
        return 0;
    }
    if (!number(r, &text)) {
        fail(r, "expected an integer");
        return 0;
    }
    for (size_t i = neg; i < text.n; i++) {
        int d = text.p[i] - '0';

        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, neg ? -d : d, &v)) {
            fail(r, "number out of range");
            return 0;
        }
    }
    return v;
}

static bool bool_value(struct jr *r)
{
    char c = peek(r);

    if (c == 't' && word(r, "true"))
        return true;
    if (c == 'f' && word(r, "false"))
        return false;
    fail(r, "expected true or false");
    return false;
}

/* ---- objects and lists ---- */

static bool enter(struct jr *r, char open, const char *what)
{
    if (!expect(r, open, what))
        return false;
    if (++r->depth > JR_MAX_DEPTH)
        fail(r, "nested too deeply");
    return !r->bad;
}

/* True while another element follows; eats the comma or the closing bracket. */
static bool more(struct jr *r, char close, bool *first)
{
    char c = peek(r);

    if (c == close) {
        r->p++;
        r->depth--;
        return false;
    }
    if (*first)
        *first = false;
    else if (!expect(r, ',', "expected , or the end of a list or object"))
        return false;
    return !r->bad;
}

static struct rk_str member_name(struct jr *r)
{
    struct rk_str name = RK_STR("");

    if (peek(r) == '"')
        name = string(r);
    else
        fail(r, r->p == r->end ? "unexpected end of text" : "expected a field name");
    (void)expect(r, ':', "expected : behind a field name");
    return name;
}

/* A value that no table asks for: checked and forgotten. */
static void skip(struct jr *r)
{
    struct rk_str text;
    bool first = true;
    char c = peek(r);

    switch (c) {
    case '"':
        (void)string(r);
        break;
    case '{':
        if (enter(r, '{', ""))
            while (more(r, '}', &first)) {
                (void)member_name(r);
                skip(r);
            }
        break;
    case '[':
        if (enter(r, '[', ""))
            while (more(r, ']', &first))
                skip(r);
        break;
    case 't':
    case 'f':
        (void)bool_value(r);
        break;
    case 'n':
        (void)is_null(r);
        break;
    default:
        if (c == '-' || is_digit(r))
            (void)number(r, &text);
        else
            fail(r, r->p == r->end ? "unexpected end of text" : "invalid value");
    }
}

static struct jr_strs strs_value(struct jr *r)
{
    struct jr_strs l = {0};
    size_t cap = 0;
    bool first = true;

    if (is_null(r) || !enter(r, '[', "expected a list of strings"))
        return l;
    l.items = rk_arena_grow(r->mem, NULL, 0, &cap, sizeof *l.items);
    while (more(r, ']', &first)) {
        size_t old = path_push(r, (struct rk_str){0}, l.n);

        if (++r->strings > JR_MAX_STRINGS) {
            fail(r, "too many elements");
            break;
        }
        l.items = rk_arena_grow(r->mem, l.items, l.n, &cap, sizeof *l.items);
        l.items[l.n++] = string_value(r);
        path_pop(r, old);
    }
    return l;
}

static struct jr_map map_value(struct jr *r, enum jr_kind kind)
{
    struct jr_map m = {0};
    size_t cap = 0;
    bool first = true;

    if (is_null(r) || !enter(r, '{', "expected an object"))
        return m;
    m.items = rk_arena_grow(r->mem, NULL, 0, &cap, sizeof *m.items);
    while (more(r, '}', &first)) {
        struct jr_map_entry e = {.key = member_name(r)};
        size_t old = path_push(r, e.key, 0);

        if (++r->objects > JR_MAX_OBJECTS)
            fail(r, "too many elements");
        if (kind == JR_MAP_STR)
            e.str = string_value(r);
        else
            e.strs = strs_value(r);
        if (r->bad)
            break;
        m.items = rk_arena_grow(r->mem, m.items, m.n, &cap, sizeof *m.items);
        m.items[m.n++] = e;
        path_pop(r, old);
    }
    return m;
}

static void object(struct jr *r, const struct jr_field *fields, size_t n, void *out);

static struct jr_arr arr_value(struct jr *r, const struct jr_field *f)
{
    struct jr_arr a = {0};
    size_t cap = 0;
    bool first = true;

    if (is_null(r) || !enter(r, '[', "expected a list"))
        return a;
    a.items = rk_arena_grow(r->mem, NULL, 0, &cap, f->sub_size);
    while (more(r, ']', &first)) {
        size_t old = path_push(r, (struct rk_str){0}, a.n);
        char *slot;

        if (++r->objects > JR_MAX_OBJECTS) {
            fail(r, "too many elements");
            break;
        }
        a.items = rk_arena_grow(r->mem, a.items, a.n, &cap, f->sub_size);
        slot = (char *)a.items + a.n * f->sub_size;
        memset(slot, 0, f->sub_size);
        if (!is_null(r))
            object(r, f->sub, f->n_sub, slot);
        a.n++;
        path_pop(r, old);
    }
    return a;
}

static void opt_object(struct jr *r, const struct jr_field *f, void **slot)
{
    if (is_null(r)) {
        *slot = NULL;
        return;
    }
    if (++r->objects > JR_MAX_OBJECTS) {
        fail(r, "too many elements");
        return;
    }
    *slot = rk_arena_alloc(r->mem, f->sub_size);
    object(r, f->sub, f->n_sub, *slot);
}

/* null leaves the zero value for every kind. */
static void value(struct jr *r, const struct jr_field *f, void *slot)
{
    switch (f->kind) {
    case JR_STR:
        if (!is_null(r))
            *(struct rk_str *)slot = string_value(r);
        break;
    case JR_BOOL:
        if (!is_null(r))
            *(bool *)slot = bool_value(r);
        break;
    case JR_OPT_BOOL:
        if (!is_null(r))
            *(struct jr_opt_bool *)slot = (struct jr_opt_bool){true, bool_value(r)};
        break;
    case JR_INT:
        if (!is_null(r))
            *(int64_t *)slot = int_value(r);
        break;
    case JR_OPT_INT:
        if (!is_null(r))
            *(struct jr_opt_int *)slot = (struct jr_opt_int){true, int_value(r)};
        break;
    case JR_STRS:
        *(struct jr_strs *)slot = strs_value(r);
        break;
    case JR_OBJ:
        if (!is_null(r))
            object(r, f->sub, f->n_sub, slot);
        break;
    case JR_OPT_OBJ:
        opt_object(r, f, (void **)slot);
        break;
    case JR_ARR:
        *(struct jr_arr *)slot = arr_value(r, f);
        break;
    case JR_MAP_STR:
    case JR_MAP_STRS:
        *(struct jr_map *)slot = map_value(r, f->kind);
        break;
    }
}

static const struct jr_field *find_field(const struct jr_field *fields, size_t n,
                                         struct rk_str name)
{
    for (size_t i = 0; i < n; i++)
        if (rk_str_eqz(name, fields[i].name))
            return &fields[i];
    for (size_t i = 0; i < n; i++)
        if (rk_str_ieq(name, rk_str_z(fields[i].name)))
            return &fields[i];
    return NULL;
}

static void object(struct jr *r, const struct jr_field *fields, size_t n, void *out)
{
    bool first = true;

    if (!enter(r, '{', "expected an object"))
        return;
    while (more(r, '}', &first)) {
        const struct jr_field *f = find_field(fields, n, member_name(r));
        size_t old;

        if (!f) {
            skip(r);
            continue;
        }
        old = path_push(r, rk_str_z(f->name), 0);
        value(r, f, (char *)out + f->offset);
        path_pop(r, old);
    }
}

enum rk_code jr_parse(struct rk_arena *mem, struct rk_str body, const struct jr_field *fields,
                      size_t n_fields, void *out, struct rk_err *err)
{
    struct rk_err mine = {0};
    struct jr r = {.p = body.p, .end = body.p + body.n, .mem = mem, .err = err ? err : &mine};

    if (!body.n)
        return rk_fail(err, RK_BAD_REQUEST, "couldn't parse JSON request: the body is empty");
    object(&r, fields, n_fields, out);
    return r.bad ? RK_BAD_REQUEST : RK_OK;
}
