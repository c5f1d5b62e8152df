/* SPDX-License-Identifier: BSD-3-Clause */
/* Columns as JSON and back: see codec.h. */
#include "config.h"

#include "lib/crypto/vault.h"
#include "management/store/codec.h"

struct rk_str codec_seal_context(struct rk_arena *mem, const char *table, const char *column,
                                 struct rk_str id)
{
    return rk_arena_printf(mem, "%s.%s/%.*s", table, column, RK_STR_ARG(id));
}

/* ---- writing */

static void write_sealed(struct rk_buf *b, struct rk_str plain, const struct col *c,
                         struct seal *seal)
{
    struct rk_str text = plain;

    if (seal && seal->vault && plain.n) {
        struct rk_str context = codec_seal_context(seal->mem, seal->table, c->name, seal->id);

        text = rk_str_of(NULL, 0);
        if (seal->rc == RK_OK)
            seal->rc = vault_seal(seal->vault, seal->mem, context, plain, &text, &seal->err);
    }
    json_put_str(b, text);
}

/* The writer makes U+FFFD of bytes that are no UTF-8; here they stay, so that the database refuses
 * them instead of storing something else than was asked. */
static void write_text(struct rk_buf *b, struct rk_str s)
{
    if (rk_str_utf8_ok(s))
        json_put_str(b, s);
    else
        json_put_plain(b, s);
}

static void write_strs(struct rk_buf *b, const struct str_list *l)
{
    json_put_arr(b);
    for (size_t i = 0; i < l->n; i++)
        write_text(b, l->v[i]);
    json_put_arr_end(b);
}

static void write_list(struct rk_buf *b, const void *base, const struct col *c)
{
    const char *items = CAT(base, c->off, const char *);
    size_t n = CAT(base, c->off_n, size_t);

    json_put_arr(b);
    for (size_t i = 0; i < n; i++) {
        json_put_obj(b);
        codec_json_cols(b, items + i * c->elem, c->sub, c->n_sub, NULL);
        json_put_obj_end(b);
    }
    json_put_arr_end(b);
}

void codec_json_value(struct rk_buf *b, const void *base, const struct col *c)
{
    char text[RK_ADDR_TEXT];

    switch (c->type) {
    case C_TEXT:
    case C_REF:
    case C_SEALED:
        write_text(b, CAT(base, c->off, struct rk_str));
        break;
    case C_TIME:
    case C_I64:
        json_put_int(b, CAT(base, c->off, int64_t));
        break;
    case C_U64:
        json_put_uint(b, CAT(base, c->off, uint64_t));
        break;
    case C_I32:
        json_put_int(b, CAT(base, c->off, int32_t));
        break;
    case C_U32:
        json_put_uint(b, CAT(base, c->off, uint32_t));
        break;
    case C_U16:
        json_put_uint(b, CAT(base, c->off, uint16_t));
        break;
    case C_BOOL:
        json_put_bool(b, CAT(base, c->off, bool));
        break;
    case C_ENUM:
        json_put_str(b, rk_str_z(c->io->text(CAT(base, c->off, int))));
        break;
    case C_ENUM_NUM:
        json_put_int(b, CAT(base, c->off, int));
        break;
    case C_IP:
        json_put_str(b, rk_ip_format(&CAT(base, c->off, struct rk_ip), text));
        break;
    case C_PREFIX:
        if (CAT(base, c->off, struct rk_prefix).ip.family)
            json_put_str(b, rk_prefix_format(&CAT(base, c->off, struct rk_prefix), text));
        else
            json_put_str(b, rk_str_of(NULL, 0));
        break;
    case C_STRS:
    case C_GROUPS:
        if (col_is_null(c, base))
            json_put_null(b);
        else
            write_strs(b, &CAT(base, c->off, struct str_list));
        break;
    case C_OBJ:
        json_put_obj(b);
        codec_json_cols(b, (const char *)base + c->off, c->sub, c->n_sub, NULL);
        json_put_obj_end(b);
        break;
    case C_LIST:
    case C_CHILDREN:
        if (col_is_null(c, base))
            json_put_null(b);
        else
            write_list(b, base, c);
        break;
    }
}

void codec_json_cols(struct rk_buf *b, const void *base, const struct col *cols, size_t n_cols,
                     struct seal *seal)
{
    for (size_t i = 0; i < n_cols; i++) {
        json_put_key_n(b, cols[i].name, strlen(cols[i].name));
        if (cols[i].type == C_SEALED)
            write_sealed(b, CAT(base, cols[i].off, struct rk_str), &cols[i], seal);
        else
            codec_json_value(b, base, &cols[i]);
    }
}

/* ---- reading */

static void read_strs(struct json_pull *r, struct str_list *out)
{
    size_t cap = 0;

    *out = (struct str_list){0};
    json_pull_enter(r, '[');
    while (json_pull_item(r)) {
        out->v = rk_arena_grow(r->mem, out->v, out->n, &cap, sizeof *out->v);
        out->v[out->n++] = json_pull_str(r);
    }
}

static void read_obj(struct json_pull *r, void *base, const struct col *cols, size_t n_cols)
{
    struct rk_str key;
    size_t expect = 0; /* we wrote them in order, so the first guess is right */

    json_pull_enter(r, '{');
    while (json_pull_key(r, &key)) {
        size_t i = expect;

        if (i >= n_cols || !rk_str_eqz(key, cols[i].name))
            for (i = 0; i < n_cols && !rk_str_eqz(key, cols[i].name); i++)
                ;
        if (i == n_cols)
            json_pull_skip(r);
        else if (!codec_json_read(r, base, &cols[i]))
            json_pull_fail(r, "a value is not of the column's form");
        expect = i + 1;
    }
}

static void read_list(struct json_pull *r, void *base, const struct col *c)
{
    char *items = NULL;
    size_t n = 0, cap = 0;

    json_pull_enter(r, '[');
    while (json_pull_item(r)) {
        items = rk_arena_grow(r->mem, items, n, &cap, c->elem);
        memset(items + n * c->elem, 0, c->elem);
        read_obj(r, items + n * c->elem, c->sub, c->n_sub);
        n++;
    }
    AT(base, c->off, char *) = items;
    AT(base, c->off_n, size_t) = n;
}

static uint64_t read_uint(struct json_pull *r, uint64_t max)
{
    uint64_t v = json_pull_u64(r);

    if (v > max)
        json_pull_fail(r, "a value is not of the column's form");
    return r->fault ? 0 : v;
}

static int read_enum(struct json_pull *r, const struct col *c)
{
    int v = 0;

    if (c->type == C_ENUM_NUM)
        v = (int)read_uint(r, 255);
    else if (!c->io->parse(json_pull_str(r), &v))
        json_pull_fail(r, "a value is not of the column's form");
    return v;
}

static void read_address(struct json_pull *r, void *base, const struct col *c)
{
    struct rk_str s = json_pull_str(r);

    if (s.n == 0)
        return;
    if (c->type == C_IP ? rk_ip_parse(s, &AT(base, c->off, struct rk_ip), NULL)
                        : rk_prefix_parse(s, &AT(base, c->off, struct rk_prefix), NULL))
        json_pull_fail(r, "a value is not of the column's form");
}

bool codec_json_read(struct json_pull *r, void *base, const struct col *c)
{
    int64_t i;

    switch (c->type) {
    case C_TEXT:
    case C_REF:
    case C_SEALED:
        AT(base, c->off, struct rk_str) = json_pull_str(r);
        break;
    case C_TIME:
    case C_I64:
        AT(base, c->off, int64_t) = json_pull_i64(r);
        break;
    case C_U64:
        AT(base, c->off, uint64_t) = json_pull_u64(r);
        break;
    case C_I32:
        i = json_pull_i64(r);
        if (i < INT32_MIN || i > INT32_MAX)
            json_pull_fail(r, "a value is not of the column's form");
        else
            AT(base, c->off, int32_t) = (int32_t)i;
        break;
    case C_U32:
        AT(base, c->off, uint32_t) = (uint32_t)read_uint(r, UINT32_MAX);
        break;
    case C_U16:
        AT(base, c->off, uint16_t) = (uint16_t)read_uint(r, UINT16_MAX);
        break;
    case C_BOOL:
        AT(base, c->off, bool) = json_pull_bool(r);
        break;
    case C_ENUM:
    case C_ENUM_NUM:
        AT(base, c->off, int) = read_enum(r, c);
        break;
    case C_IP:
    case C_PREFIX:
        read_address(r, base, c);
        break;
    case C_STRS:
    case C_GROUPS:
        AT(base, c->off, struct str_list) = (struct str_list){0};
        if (c->or_null && json_pull_null(r))
            break;
        read_strs(r, &AT(base, c->off, struct str_list));
        col_set_empty(c, base);
        break;
    case C_OBJ:
        read_obj(r, (char *)base + c->off, c->sub, c->n_sub);
        break;
    case C_LIST:
    case C_CHILDREN:
        AT(base, c->off, void *) = NULL;
        AT(base, c->off_n, size_t) = 0;
        if (c->or_null && json_pull_null(r))
            break;
        read_list(r, base, c);
        col_set_empty(c, base);
        break;
    }
    return !r->fault;
}
