/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sizes, ids and deep copies of every entity kind, by the lists of columns.h. A copy is made in two
 * passes: the first one counts bytes, the second one copies texts and arrays behind the struct and
 * redirects the pointers of the copy.
 */
#include "config.h"

#include "management/domain/account_data.h"

#include <stddef.h>
#include <stdlib.h>

#include "lib/base/err.h"
#include "management/domain/columns.h"

#define ALIGN 16

struct copier {
    char *p;  /* NULL while counting */
    size_t n; /* bytes used so far */
};

static void *put_mem(struct copier *c, const void *src, size_t size)
{
    char *to = NULL;

    if (size == 0)
        return NULL;
    c->n = (c->n + ALIGN - 1) / ALIGN * ALIGN;
    if (c->p) {
        to = c->p + c->n;
        memcpy(to, src, size);
    }
    c->n += size;
    return to;
}

/* Texts need no alignment. */
static void put_str(struct copier *c, const struct rk_str *src, struct rk_str *to)
{
    if (c->p && src->n > 0) {
        memcpy(c->p + c->n, src->p, src->n);
        to->p = c->p + c->n;
    }
    c->n += src->n;
}

static void put_strs(struct copier *c, const struct str_list *src, struct str_list *to)
{
    struct rk_str *v = src->v ? put_mem(c, src->v, src->n * sizeof *src->v) : NULL;

    if (v)
        to->v = v;
    for (size_t i = 0; i < src->n; i++)
        put_str(c, &src->v[i], v ? &v[i] : NULL);
}

static void put_cols(struct copier *c, const void *src, void *to, const struct col *cols, size_t n);

static void put_list(struct copier *c, const void *src, void *to, const struct col *col)
{
    const char *from = CAT(src, col->off, void *);
    size_t n = CAT(src, col->off_n, size_t);
    char *items = from ? put_mem(c, from, n * col->elem) : NULL;

    if (items)
        AT(to, col->off, void *) = items;
    for (size_t i = 0; i < n; i++) {
        const void *one = from + i * col->elem;
        void *copy = items ? items + i * col->elem : NULL;

        if (col->off_owner)
            put_str(c, &CAT(one, col->off_owner, struct rk_str),
                    copy ? &AT(copy, col->off_owner, struct rk_str) : NULL);
        put_cols(c, one, copy, col->sub, col->n_sub);
    }
}

/* What the columns of one struct point to. `to` holds a plain copy of it; NULL while counting. */
static void put_cols(struct copier *c, const void *src, void *to, const struct col *cols, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t off = cols[i].off;

        switch (cols[i].type) {
        case C_TEXT:
        case C_REF:
        case C_SEALED:
            put_str(c, &CAT(src, off, struct rk_str), to ? &AT(to, off, struct rk_str) : NULL);
            break;
        case C_STRS:
        case C_GROUPS:
            put_strs(c, &CAT(src, off, struct str_list), to ? &AT(to, off, struct str_list) : NULL);
            break;
        case C_OBJ:
            put_cols(c, (const char *)src + off, to ? (char *)to + off : NULL, cols[i].sub,
                     cols[i].n_sub);
            break;
        case C_LIST:
        case C_CHILDREN:
            put_list(c, src, to, &cols[i]);
            break;
        case C_TIME:
        case C_I64:
        case C_U64:
        case C_I32:
        case C_U32:
        case C_U16:
        case C_BOOL:
        case C_ENUM:
        case C_ENUM_NUM:
        case C_IP:
        case C_PREFIX:
            break; /* in the struct itself */
        }
    }
}

static void put_field(struct copier *c, const void *src, void *to, size_t off)
{
    if (off != CODEC_NO_FIELD)
        put_str(c, &CAT(src, off, struct rk_str), to ? &AT(to, off, struct rk_str) : NULL);
}

/* Everything that the entity points to. */
static void put_entity(struct copier *c, enum entity_kind k, const void *src, void *to)
{
    const struct codec *codec = codec_of(k);

    if (!codec) {
        put_field(c, src, to, offsetof(struct group_peer, group_id));
        put_field(c, src, to, offsetof(struct group_peer, peer_id));
        return;
    }
    put_field(c, src, to, codec->off_id);
    put_field(c, src, to, codec->off_account);
    for (size_t t = 0; t < codec->n_tables; t++)
        put_cols(c, src, to, codec->tables[t].cols, codec->tables[t].n_cols);
}

size_t entity_size(enum entity_kind k)
{
    const struct codec *codec = codec_of(k);

    return codec ? codec->size : sizeof(struct group_peer);
}

struct rk_str entity_id(enum entity_kind k, const void *entity)
{
    const struct codec *codec = codec_of(k);

    if (!codec)
        return ((const struct group_peer *)entity)->group_id;
    return codec->off_id == CODEC_NO_FIELD ? (struct rk_str){0}
                                           : CAT(entity, codec->off_id, struct rk_str);
}

bool account_data_table(const struct account_data *d, enum entity_kind k, const void **items,
                        size_t *n)
{
    const struct codec *codec = codec_of(k);

    if (!codec) {
        *items = d->group_peers;
        *n = d->n_group_peers;
        return true;
    }
    if (codec->off_n == CODEC_NO_FIELD)
        return false;
    *items = CAT(d, codec->off_items, void *);
    *n = CAT(d, codec->off_n, size_t);
    return true;
}

static size_t copy_size(enum entity_kind k, const void *entity)
{
    struct copier count = {NULL, entity_size(k)};

    put_entity(&count, k, entity, NULL);
    return count.n;
}

static void copy_to(enum entity_kind k, const void *entity, void *to)
{
    struct copier copy = {to, entity_size(k)};

    memcpy(to, entity, entity_size(k));
    put_entity(&copy, k, entity, to);
}

void *entity_dup(struct rk_arena *mem, enum entity_kind k, const void *entity)
{
    void *to = rk_arena_alloc(mem, copy_size(k, entity));

    copy_to(k, entity, to);
    return to;
}

void *entity_dup_block(enum entity_kind k, const void *entity, size_t head)
{
    char *block = rk_malloc(head + copy_size(k, entity));

    copy_to(k, entity, block + head);
    return block;
}
