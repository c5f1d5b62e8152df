/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct rk_arena: memory that lives and dies as one, for a call, a job or a message. One owner
 * thread at a time; the hand-over between threads is the caller's (a queue is enough).
 */
#ifndef RK_BASE_ARENA_H
#define RK_BASE_ARENA_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/base/str.h"

struct rk_arena;

/** New arena; ceiling_bytes bounds what rk_arena_try may hand out in total (0: no ceiling).
 *  Owned: rk_arena_free. */
struct rk_arena *rk_arena_new(size_t ceiling_bytes);

/** Like rk_arena_new, and every byte is wiped when it is freed (for secrets). */
struct rk_arena *rk_arena_new_wiping(size_t ceiling_bytes);

void rk_arena_free(struct rk_arena *a);   /* accepts NULL */
void rk_arena_freep(struct rk_arena **a); /* for RK_CLEANUP */

/** Give all memory back but the first block; the arena can be used again. */
void rk_arena_reset(struct rk_arena *a);

/** Zeroed memory, aligned for any type. Never NULL: past the ceiling or without memory the process
 *  aborts, so use it only for amounts that our own code decides. arena */
void *rk_arena_alloc(struct rk_arena *a, size_t size);

/** As rk_arena_alloc, but NULL past the ceiling: for sizes that a peer decides. Not zeroed. */
void *rk_arena_try(struct rk_arena *a, size_t size);

/** n objects of size bytes; the product is checked. */
void *rk_arena_alloc_n(struct rk_arena *a, size_t n, size_t size);

#define rk_new(arena, type)      ((type *)rk_arena_alloc((arena), sizeof(type)))
#define rk_new_n(arena, type, n) ((type *)rk_arena_alloc_n((arena), (n), sizeof(type)))

/** Copies in the arena; the z forms end in a NUL that the view does not count. */
struct rk_str rk_arena_dup(struct rk_arena *a, struct rk_str s);
char *rk_arena_dupz(struct rk_arena *a, struct rk_str s);

/** Formatted text in the arena (NUL behind it). */
struct rk_str rk_arena_printf(struct rk_arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/** Texts one behind the other, of any length (printf cuts: see RK_STR_ARG); NUL behind them. */
struct rk_str rk_arena_cat(struct rk_arena *a, const struct rk_str *v, size_t n);
#define RK_CAT(arena, ...)                                                                         \
    rk_arena_cat((arena), (const struct rk_str[]){__VA_ARGS__},                                    \
                 sizeof((const struct rk_str[]){__VA_ARGS__}) / sizeof(struct rk_str))

/** Bytes handed out since creation or reset; each piece counts for what it occupies at least. */
size_t rk_arena_used(const struct rk_arena *a);

/** Bytes until the ceiling; SIZE_MAX without one. */
size_t rk_arena_left(const struct rk_arena *a);

/** Grow an array of n elements in an arena so that one more fits: returns the (maybe moved) array.
 *  cap doubles. For building lists of unknown length. */
void *rk_arena_grow(struct rk_arena *a, void *items, size_t n, size_t *cap, size_t size);

#endif
