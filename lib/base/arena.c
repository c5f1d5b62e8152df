/* SPDX-License-Identifier: BSD-3-Clause */
/* Block arena: blocks double up to a limit, big requests get a block of their own. */
#include "config.h"

#include "lib/base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/num.h"

enum { FIRST_BLOCK = 1024, LAST_BLOCK = 64 * 1024 };

struct block {
    struct block *next;
    size_t size; /* bytes in data */
    size_t used;
    alignas(max_align_t) char data[];
};

struct rk_arena {
    struct block *head; /* the block that is being filled; older ones behind it */
    size_t ceiling;     /* 0: none */
    size_t used;        /* bytes handed out */
    bool wipe;
};

static struct block *block_new(size_t size)
{
    struct block *b = rk_malloc(sizeof *b + size);

    b->next = NULL;
    b->size = size;
    b->used = 0;
    return b;
}

static void block_free(const struct rk_arena *a, struct block *b)
{
    if (a->wipe)
        explicit_bzero(b->data, b->size);
    free(b);
}

struct rk_arena *rk_arena_new(size_t ceiling_bytes)
{
    struct rk_arena *a = rk_calloc(1, sizeof *a);

    a->ceiling = ceiling_bytes;
    return a;
}

struct rk_arena *rk_arena_new_wiping(size_t ceiling_bytes)
{
    struct rk_arena *a = rk_arena_new(ceiling_bytes);

    a->wipe = true;
    return a;
}

void rk_arena_free(struct rk_arena *a)
{
    if (!a)
        return;
    while (a->head) {
        struct block *b = a->head;

        a->head = b->next;
        block_free(a, b);
    }
    free(a);
}

void rk_arena_freep(struct rk_arena **a)
{
    rk_arena_free(*a);
    *a = NULL;
}

void rk_arena_reset(struct rk_arena *a)
{
    while (a->head && a->head->next) {
        struct block *b = a->head;

        a->head = b->next;
        block_free(a, b);
    }
    if (a->head) {
        if (a->wipe)
            explicit_bzero(a->head->data, a->head->size);
        a->head->used = 0;
    }
    a->used = 0;
}

/* Round up to the alignment; size is far below SIZE_MAX here. */
static size_t aligned(size_t size)
{
    return (size + (alignof(max_align_t) - 1)) & ~(alignof(max_align_t) - 1);
}

void *rk_arena_try(struct rk_arena *a, size_t size)
{
    struct block *b = a->head;
    /* thousands of empty pieces are not free */
    size_t need, counted = size < alignof(max_align_t) ? alignof(max_align_t) : size;
    void *p;

    if (size > SIZE_MAX / 4 || counted > rk_arena_left(a))
        return NULL;
    need = aligned(counted);
    if (!b || need > b->size - b->used) {
        size_t next = b ? b->size * 2 : FIRST_BLOCK;

        if (next > LAST_BLOCK)
            next = LAST_BLOCK;
        b = block_new(need > next ? need : next);
        if (a->head && need > next) { /* keep filling the old block after this big one */
            b->next = a->head->next;
            a->head->next = b;
        } else {
            b->next = a->head;
            a->head = b;
        }
    }
    p = b->data + b->used;
    b->used += need;
    a->used += counted;
    return p;
}

void *rk_arena_alloc(struct rk_arena *a, size_t size)
{
    void *p = rk_arena_try(a, size);

    if (!p) {
        (void)fprintf(stderr, "level=error event=\"arena ceiling\" bytes=%zu ceiling=%zu\n", size,
                      a->ceiling);
        abort();
    }
    memset(p, 0, size);
    return p;
}

void *rk_arena_alloc_n(struct rk_arena *a, size_t n, size_t size)
{
    size_t total;

    if (!rk_mul_size(n, size, &total))
        total = SIZE_MAX;
    return rk_arena_alloc(a, total);
}

char *rk_arena_dupz(struct rk_arena *a, struct rk_str s)
{
    char *z = rk_arena_alloc(a, s.n + 1);

    if (s.n)
        memcpy(z, s.p, s.n);
    return z;
}

struct rk_str rk_arena_dup(struct rk_arena *a, struct rk_str s)
{
    return rk_str_of(rk_arena_dupz(a, s), s.n);
}

struct rk_str rk_arena_printf(struct rk_arena *a, const char *fmt, ...)
{
    va_list ap, again;
    char *z;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        n = 0;
    z = rk_arena_alloc(a, (size_t)n + 1);
    (void)vsnprintf(z, (size_t)n + 1, fmt, again);
    va_end(again);
    return rk_str_of(z, (size_t)n);
}

struct rk_str rk_arena_cat(struct rk_arena *a, const struct rk_str *v, size_t n)
{
    size_t total = 0;
    char *p;

    for (size_t i = 0; i < n; i++)
        total += v[i].n;
    p = rk_arena_alloc(a, total + 1);
    total = 0;
    for (size_t i = 0; i < n; i++) {
        if (v[i].n)
            memcpy(p + total, v[i].p, v[i].n);
        total += v[i].n;
    }
    return rk_str_of(p, total);
}

size_t rk_arena_used(const struct rk_arena *a)
{
    return a->used;
}

size_t rk_arena_left(const struct rk_arena *a)
{
    return a->ceiling ? a->ceiling - a->used : SIZE_MAX;
}

void *rk_arena_grow(struct rk_arena *a, void *items, size_t n, size_t *cap, size_t size)
{
    void *more;
    size_t to = *cap ? *cap * 2 : 8;

    if (n < *cap)
        return items;
    more = rk_arena_alloc_n(a, to, size);
    if (n)
        memcpy(more, items, n * size);
    *cap = to;
    return more;
}
