/* SPDX-License-Identifier: BSD-3-Clause */
/* String views and the aborting allocators. Uses nothing but libc. */
#include "config.h"

#include "lib/base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

int rk_str_cmp(struct rk_str a, struct rk_str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int d = n ? memcmp(a.p, b.p, n) : 0;

    return d ? d : (a.n > b.n) - (a.n < b.n);
}

bool rk_str_ieq(struct rk_str a, struct rk_str b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    return true;
}

bool rk_str_starts(struct rk_str s, struct rk_str prefix)
{
    return s.n >= prefix.n && rk_str_eq(rk_str_of(s.p, prefix.n), prefix);
}

bool rk_str_istarts(struct rk_str s, struct rk_str prefix)
{
    return s.n >= prefix.n && rk_str_ieq(rk_str_of(s.p, prefix.n), prefix);
}

bool rk_str_ends(struct rk_str s, struct rk_str suffix)
{
    return s.n >= suffix.n && rk_str_eq(rk_str_of(s.p + (s.n - suffix.n), suffix.n), suffix);
}

size_t rk_str_find_c(struct rk_str s, char c)
{
    const char *q = s.n ? memchr(s.p, c, s.n) : NULL;

    return q ? (size_t)(q - s.p) : s.n;
}

size_t rk_str_find(struct rk_str s, struct rk_str what)
{
    const char *q = s.n && what.n ? memmem(s.p, s.n, what.p, what.n) : NULL;

    return q ? (size_t)(q - s.p) : s.n;
}

struct rk_str rk_str_sub(struct rk_str s, size_t from, size_t n)
{
    if (from > s.n)
        from = s.n;
    if (n > s.n - from)
        n = s.n - from;
    return rk_str_of(s.p ? s.p + from : NULL, n);
}

bool rk_str_cut(struct rk_str s, char c, struct rk_str *head, struct rk_str *rest)
{
    size_t at = rk_str_find_c(s, c);

    *head = rk_str_sub(s, 0, at);
    *rest = rk_str_sub(s, at + 1, s.n);
    return at < s.n;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct rk_str rk_str_trim(struct rk_str s)
{
    while (s.n && is_blank(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

size_t rk_utf8_len(const unsigned char *p, size_t left)
{
    unsigned char lo = 0x80, hi = 0xbf;
    size_t n;

    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xc2 && p[0] <= 0xdf)
        n = 2;
    else if (p[0] >= 0xe0 && p[0] <= 0xef)
        n = 3;
    else if (p[0] >= 0xf0 && p[0] <= 0xf4)
        n = 4;
    else
        return 0;
    if (left < n)
        return 0;
    if (p[0] == 0xe0)
        lo = 0xa0;
    else if (p[0] == 0xed)
        hi = 0x9f;
    else if (p[0] == 0xf0)
        lo = 0x90;
    else if (p[0] == 0xf4)
        hi = 0x8f;
    if (p[1] < lo || p[1] > hi)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

bool rk_str_utf8_ok(struct rk_str s)
{
    const unsigned char *p = (const unsigned char *)s.p;

    for (size_t i = 0; i < s.n;) {
        size_t n = rk_utf8_len(p + i, s.n - i);

        if (!n)
            return false;
        i += n;
    }
    return true;
}

static uint64_t hash_seed(void)
{
    static _Atomic uint64_t seed;
    uint64_t s = seed;

    if (!s) {
        uint64_t zero = 0;

        if (getrandom(&s, sizeof s, 0) != (ssize_t)sizeof s)
            s = 0x9e3779b97f4a7c15u;
        s |= 1;
        if (!__atomic_compare_exchange_n((uint64_t *)&seed, &zero, s, false, __ATOMIC_RELAXED,
                                         __ATOMIC_RELAXED))
            s = zero;
    }
    return s;
}

uint64_t rk_str_hash(struct rk_str s)
{
    uint64_t h = hash_seed() ^ s.n;
    size_t i = 0;

    for (; s.n - i >= 8; i += 8) {
        uint64_t v;

        memcpy(&v, s.p + i, 8);
        h = (h ^ v) * 0x9fb21c651e98df25u;
        h ^= h >> 32;
    }
    if (i < s.n) {
        uint64_t v = 0;

        memcpy(&v, s.p + i, s.n - i);
        h = (h ^ v) * 0x9fb21c651e98df25u;
        h ^= h >> 32;
    }
    h *= 0xd6e8feb86659fd93u;
    return h ^ h >> 32;
}

static _Noreturn void out_of_memory(size_t size)
{
    (void)fprintf(stderr, "level=error event=\"out of memory\" bytes=%zu\n", size);
    abort();
}

void *rk_malloc(size_t size)
{
    void *p = malloc(size ? size : 1);

    if (!p)
        out_of_memory(size);
    return p;
}

void *rk_calloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size ? size : 1);

    if (!p)
        out_of_memory(n);
    return p;
}

void *rk_realloc(void *p, size_t n, size_t size)
{
    void *q = reallocarray(p, n ? n : 1, size ? size : 1);

    if (!q)
        out_of_memory(n);
    return q;
}

char *rk_str_dupz(struct rk_str s)
{
    char *z = rk_malloc(s.n + 1);

    if (s.n)
        memcpy(z, s.p, s.n);
    z[s.n] = '\0';
    return z;
}

void *rk_memdup(const void *p, size_t n)
{
    void *q = malloc(n ? n : 1); /* exact size, so that a sanitizer sees one byte too far */

    if (!q)
        out_of_memory(n);
    if (n)
        memcpy(q, p, n);
    return q;
}

void rk_freep(void *pp)
{
    void *p;

    memcpy(&p, pp, sizeof p);
    free(p);
    p = NULL;
    memcpy(pp, &p, sizeof p);
}

size_t rk_str_distance(struct rk_str a, struct rk_str b)
{
    size_t row[RK_STR_DISTANCE_MAX + 1];

    if (a.n > RK_STR_DISTANCE_MAX || b.n > RK_STR_DISTANCE_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= b.n; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            size_t change = diagonal + (lower(a.p[i - 1]) != lower(b.p[j - 1]));
            size_t edit = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;

            diagonal = row[j];
            row[j] = change < edit ? change : edit;
        }
    }
    return row[b.n];
}

void rk_nearest_offer(struct rk_nearest *n, struct rk_str wrong, const char *known)
{
    enum { FAR = 4 }; /* names that far away are no help */
    size_t d = rk_str_distance(wrong, rk_str_z(known));

    if (d >= (n->best ? n->distance : FAR) || d >= wrong.n)
        return;
    n->best = known;
    n->distance = d;
}
