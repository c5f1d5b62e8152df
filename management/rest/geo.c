/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of countries and cities; see geo.h. */
#include "config.h"

#include "management/rest/geo.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/arena.h"
#include "lib/base/num.h"

#define FILE_MAX   ((size_t)256 << 20) /* ten times the largest one published */
#define FIELDS_MAX 32
#define CITIES_MAX 2000000

struct geo {
    char *path;
    pthread_mutex_t lock; /* everything below; what is loaded does not change any more */
    struct rk_arena *mem; /* NULL: not loaded */
    struct geo_country *countries;
    size_t n_countries;
    struct geo_city *cities; /* by country, then name */
    size_t n_cities;
};

struct geo *geo_new(const char *path)
{
    struct geo *g = rk_calloc(1, sizeof *g);

    g->path = rk_str_dupz(rk_str_z(path));
    pthread_mutex_init(&g->lock, NULL);
    return g;
}

void geo_free(struct geo *g)
{
    if (!g)
        return;
    rk_arena_free(g->mem);
    pthread_mutex_destroy(&g->lock);
    free(g->path);
    free(g);
}

/* One field of a CSV line (RFC 4180); *s is what stands behind it. Quotes are taken off in place:
 * the text is ours. */
static struct rk_str field(struct rk_str *s)
{
    char *p = (char *)(uintptr_t)s->p;
    size_t i = 0, n = 0;
    struct rk_str out;

    if (!s->n || p[0] != '"') {
        (void)rk_str_cut(*s, ',', &out, s);
        return out;
    }
    for (i = 1; i < s->n; i++) {
        if (p[i] == '"' && (i + 1 >= s->n || p[i + 1] != '"'))
            break;
        if (p[i] == '"')
            i++;
        p[n++] = p[i];
    }
    out = rk_str_of(p, n);
    *s = rk_str_sub(*s, i + 2, s->n);
    return out;
}

enum column { COL_ID, COL_COUNTRY, COL_COUNTRY_NAME, COL_CITY, COLUMNS };

static bool find_columns(struct rk_str head, size_t at[COLUMNS])
{
    static const char *const NAMES[COLUMNS] = {"geoname_id", "country_iso_code", "country_name",
                                               "city_name"};
    size_t found = 0;

    for (size_t i = 0; i < FIELDS_MAX && head.n; i++) {
        struct rk_str f = field(&head);

        for (size_t c = 0; c < COLUMNS; c++)
            if (rk_str_eqz(f, NAMES[c])) {
                at[c] = i;
                found++;
            }
    }
    return found == COLUMNS;
}

static int by_code(const void *a, const void *b)
{
    const struct geo_country *x = a, *y = b;

    return rk_str_cmp(x->code, y->code);
}

static int by_city(const void *a, const void *b)
{
    const struct geo_city *x = a, *y = b;
    int c = rk_str_cmp(x->country, y->country);

    return c ? c : rk_str_cmp(x->name, y->name);
}

static void sort_all(struct geo *g)
{
    size_t n = 0;

    if (g->n_countries)
        qsort(g->countries, g->n_countries, sizeof *g->countries, by_code);
    for (size_t i = 0; i < g->n_countries; i++)
        if (!n || by_code(&g->countries[n - 1], &g->countries[i]))
            g->countries[n++] = g->countries[i];
    g->n_countries = n;
    if (g->n_cities)
        qsort(g->cities, g->n_cities, sizeof *g->cities, by_city);
    n = 0;
    for (size_t i = 0; i < g->n_cities; i++)
        if (!n || by_city(&g->cities[n - 1], &g->cities[i]))
            g->cities[n++] = g->cities[i];
    g->n_cities = n;
}

static void take_line(struct geo *g, struct rk_str line, const size_t at[COLUMNS],
                      size_t *cap_countries, size_t *cap_cities)
{
    struct rk_str f[FIELDS_MAX] = {0};
    int64_t id;

    for (size_t i = 0; i < FIELDS_MAX && line.n; i++)
        f[i] = field(&line);
    if (!f[at[COL_COUNTRY]].n || rk_parse_i64(f[at[COL_ID]], 1, INT64_MAX, &id, NULL))
        return;
    if (!f[at[COL_CITY]].n) {
        g->countries = rk_arena_grow(g->mem, g->countries, g->n_countries, cap_countries,
                                     sizeof *g->countries);
        g->countries[g->n_countries++] =
            (struct geo_country){f[at[COL_COUNTRY]], f[at[COL_COUNTRY_NAME]]};
        return;
    }
    if (g->n_cities >= CITIES_MAX)
        return;
    g->cities = rk_arena_grow(g->mem, g->cities, g->n_cities, cap_cities, sizeof *g->cities);
    g->cities[g->n_cities++] = (struct geo_city){f[at[COL_COUNTRY]], f[at[COL_CITY]], id};
}

static enum rk_code read_file(struct geo *g, struct rk_str *out, struct rk_err *err)
{
    FILE *f = fopen(g->path, "re");
    char *text;
    size_t n;
    long size;

    if (!f)
        return rk_fail(err, RK_UNAVAILABLE, "%s cannot be opened", g->path);
    if (fseek(f, 0, SEEK_END) || (size = ftell(f)) < 0 || (size_t)size > FILE_MAX ||
        fseek(f, 0, SEEK_SET)) {
        (void)fclose(f);
        return rk_fail(err, RK_UNAVAILABLE, "%s cannot be read, or is too large", g->path);
    }
    text = rk_arena_alloc(g->mem, (size_t)size + 1);
    n = fread(text, 1, (size_t)size, f);
    (void)fclose(f);
    *out = rk_str_of(text, n);
    return RK_OK;
}

/* Lock held. */
static enum rk_code load(struct geo *g, struct rk_err *err)
{
    size_t at[COLUMNS], cap_countries = 0, cap_cities = 0;
    struct rk_str text, line;
    enum rk_code rc;

    if (g->mem)
        return RK_OK;
    g->mem = rk_arena_new(0);
    rc = read_file(g, &text, err);
    if (!rc) {
        (void)rk_str_cut(text, '\n', &line, &text);
        if (!find_columns(rk_str_trim(line), at))
            rc = rk_fail(err, RK_INVALID, "%s is no list of locations", g->path);
    }
    if (rc) {
        rk_arena_free(g->mem);
        g->mem = NULL;
        return rc;
    }
    while (text.n) {
        (void)rk_str_cut(text, '\n', &line, &text);
        take_line(g, rk_str_trim(line), at, &cap_countries, &cap_cities);
    }
    sort_all(g);
    return RK_OK;
}

static enum rk_code ready(struct geo *g, struct rk_err *err)
{
    enum rk_code rc;

    pthread_mutex_lock(&g->lock);
    rc = load(g, err);
    pthread_mutex_unlock(&g->lock);
    return rc;
}

enum rk_code geo_countries(struct geo *g, const struct geo_country **out, size_t *n,
                           struct rk_err *err)
{
    enum rk_code rc = ready(g, err);

    if (rc)
        return rc;
    *out = g->countries;
    *n = g->n_countries;
    return RK_OK;
}

enum rk_code geo_cities(struct geo *g, struct rk_str country, const struct geo_city **out,
                        size_t *n, struct rk_err *err)
{
    size_t lo = 0, hi;
    enum rk_code rc = ready(g, err);

    if (rc)
        return rc;
    hi = g->n_cities;
    while (lo < hi) { /* first city of the country */
        size_t mid = lo + (hi - lo) / 2;

        if (rk_str_cmp(g->cities[mid].country, country) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (hi = lo; hi < g->n_cities && rk_str_eq(g->cities[hi].country, country);)
        hi++;
    *out = g->cities ? g->cities + lo : NULL;
    *n = hi - lo;
    return RK_OK;
}
