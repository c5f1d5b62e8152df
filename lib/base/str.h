/* SPDX-License-Identifier: BSD-3-Clause */
/* struct rk_str: a borrowed, not NUL-terminated view of bytes or text. Any thread. */
#ifndef RK_BASE_STR_H
#define RK_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct rk_str {
    const char *p; /* borrowed; may be NULL when n is 0 */
    size_t n;      /* bytes */
};

#define RK_STR(literal) ((struct rk_str){"" literal, sizeof(literal) - 1})
/** For "%.*s", in texts that people read: cuts at 4096 bytes. What a program reads is made with
 *  RK_CAT or struct rk_buf. */
#define RK_STR_ARG(s) (int)((s).n > 4096 ? 4096 : (s).n), (s).p ? (s).p : ""

static inline struct rk_str rk_str_of(const void *p, size_t n)
{
    return (struct rk_str){(const char *)p, n};
}

/** View of a NUL-terminated text; NULL gives the empty view. */
static inline struct rk_str rk_str_z(const char *z)
{
    return (struct rk_str){z, z ? strlen(z) : 0};
}

static inline bool rk_str_eq(struct rk_str a, struct rk_str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool rk_str_eqz(struct rk_str a, const char *z)
{
    return rk_str_eq(a, rk_str_z(z));
}

/** memcmp order, shorter first on a tie. */
int rk_str_cmp(struct rk_str a, struct rk_str b);

/** Equal but for ASCII case. */
bool rk_str_ieq(struct rk_str a, struct rk_str b);

bool rk_str_starts(struct rk_str s, struct rk_str prefix);
bool rk_str_ends(struct rk_str s, struct rk_str suffix);
bool rk_str_istarts(struct rk_str s, struct rk_str prefix);

/** Position of a byte or text; s.n where absent. */
size_t rk_str_find_c(struct rk_str s, char c);
size_t rk_str_find(struct rk_str s, struct rk_str what);

/** s from byte `from` (clamped) on, at most n bytes. */
struct rk_str rk_str_sub(struct rk_str s, size_t from, size_t n);

/** Cut at the first c: *head before it, *rest behind it; false where c is absent (head = s, rest
 *  empty). */
bool rk_str_cut(struct rk_str s, char c, struct rk_str *head, struct rk_str *rest);

/** Without ASCII white space at both ends. */
struct rk_str rk_str_trim(struct rk_str s);

/** Edit distance of two names (ASCII case does not count), for hints after a typing error; SIZE_MAX
 *  when one has more than RK_STR_DISTANCE_MAX bytes. */
#define RK_STR_DISTANCE_MAX 95
size_t rk_str_distance(struct rk_str a, struct rk_str b);

/** "Did you mean": offer each known name; best is the nearest one, NULL when none is near. */
struct rk_nearest { /* open; all zero to begin with */
    const char *best;
    size_t distance;
};
void rk_nearest_offer(struct rk_nearest *n, struct rk_str wrong, const char *known);

/** Well-formed UTF-8 (no surrogates, no overlong forms). */
bool rk_str_utf8_ok(struct rk_str s);
/** Bytes of the well-formed UTF-8 sequence (table of RFC 3629) at p, which has left > 0 bytes; 0
 *  when there is none. */
size_t rk_utf8_len(const unsigned char *p, size_t left);

/** Fast non-cryptographic 64-bit hash (for tables keyed by trusted or already authenticated data;
 *  seeded per process). */
uint64_t rk_str_hash(struct rk_str s);

/** malloc'd copies; owned by the caller (free). The z form appends a NUL. Abort on no memory. */
char *rk_str_dupz(struct rk_str s);
void *rk_memdup(const void *p, size_t n);

/** malloc/calloc/realloc that abort with a line on stderr when memory is out. n*size checked. */
void *rk_malloc(size_t size);
void *rk_calloc(size_t n, size_t size);
void *rk_realloc(void *p, size_t n, size_t size);

/** For RK_CLEANUP on any pointer variable that free() releases. */
void rk_freep(void *pp);

#endif
