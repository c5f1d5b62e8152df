/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of countries and cities; see geo.h. */
#include "config.h"

#include "management/rest/geo.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/arena.h"
#include "lib/base/num.h"
#include "management/engine/places.h"

#define FILE_MAX   ((size_t)256 << 20) /* ten times the largest one published */
#define FIELDS_MAX 32
#define CITIES_MAX 2000000

struct lists {                     /* does not change once it is made */
    struct rk_arena *mem;          /* NULL: not loaded */
    struct geo_country *countries; /* by name */
    size_t n_countries, cap_countries;
    struct geo_city *cities; /* by country, then name */
    size_t n_cities, cap_cities;
};

struct geo {
    char *path;            /* NULL: places */
    struct places *places; /* borrowed */
    pthread_mutex_t lock;  /* everything below */
    struct lists now;
    struct lists before; /* kept for answers that were under way at a reload */
    bool stale;
};

struct geo *geo_new(const char *path, struct places *places)
{
    struct geo *g = rk_calloc(1, sizeof *g);

    g->path = path ? rk_str_dupz(rk_str_z(path)) : NULL;
    g->places = places;
    pthread_mutex_init(&g->lock, NULL);
    return g;
}

void geo_free(struct geo *g)
{
    if (!g)
        return;
    rk_arena_free(g->now.mem);
    rk_arena_free(g->before.mem);
    pthread_mutex_destroy(&g->lock);
    free(g->path);
    free(g);
}

void geo_stale(struct geo *g)
{
    pthread_mutex_lock(&g->lock);
    g->stale = true;
    pthread_mutex_unlock(&g->lock);
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
    int c = rk_str_cmp(x->code, y->code);

    return c ? c : x->of_city - y->of_city; /* its own entry first */
}

static int by_name(const void *a, const void *b)
{
    const struct geo_country *x = a, *y = b;
    int c = rk_str_cmp(x->name, y->name);

    return c ? c : rk_str_cmp(x->code, y->code);
}

static int by_city(const void *a, const void *b)
{
    const struct geo_city *x = a, *y = b;
    int c = rk_str_cmp(x->country, y->country);

    return c ? c : rk_str_cmp(x->name, y->name);
}

/* Each country and each city of a country once; countries in the order of their names. */
static void sort_all(struct lists *l)
{
    size_t n = 0;

    if (l->n_countries)
        qsort(l->countries, l->n_countries, sizeof *l->countries, by_code);
    for (size_t i = 0; i < l->n_countries; i++)
        if (!n || !rk_str_eq(l->countries[n - 1].code, l->countries[i].code))
            l->countries[n++] = l->countries[i];
    l->n_countries = n;
    if (n)
        qsort(l->countries, n, sizeof *l->countries, by_name);
    if (l->n_cities)
        qsort(l->cities, l->n_cities, sizeof *l->cities, by_city);
    n = 0;
    for (size_t i = 0; i < l->n_cities; i++)
        if (!n || by_city(&l->cities[n - 1], &l->cities[i]))
            l->cities[n++] = l->cities[i];
    l->n_cities = n;
}

static void add_country(struct lists *l, struct rk_str code, struct rk_str name, bool of_city)
{
    l->countries = rk_arena_grow(l->mem, l->countries, l->n_countries, &l->cap_countries,
                                 sizeof *l->countries);
    l->countries[l->n_countries++] = (struct geo_country){code, name.n ? name : code, of_city};
}

static void add_city(struct lists *l, struct rk_str country, struct rk_str name, int64_t id)
{
    if (l->n_cities >= CITIES_MAX)
        return;
    l->cities = rk_arena_grow(l->mem, l->cities, l->n_cities, &l->cap_cities, sizeof *l->cities);
    l->cities[l->n_cities++] = (struct geo_city){country, name, id};
}

static void take_line(struct lists *l, struct rk_str line, const size_t at[COLUMNS])
{
    struct rk_str f[FIELDS_MAX] = {0};
    int64_t id;

    for (size_t i = 0; i < FIELDS_MAX && line.n; i++)
        f[i] = field(&line);
    if (!f[at[COL_COUNTRY]].n || rk_parse_i64(f[at[COL_ID]], 1, INT64_MAX, &id, NULL))
        return;
    if (f[at[COL_COUNTRY_NAME]].n || !f[at[COL_CITY]].n)
        add_country(l, f[at[COL_COUNTRY]], f[at[COL_COUNTRY_NAME]], f[at[COL_CITY]].n > 0);
    if (f[at[COL_CITY]].n)
        add_city(l, f[at[COL_COUNTRY]], f[at[COL_CITY]], id);
}

static void take_place(const struct place *e, void *arg)
{
    struct lists *l = arg;
    struct rk_str code = rk_arena_dup(l->mem, e->country);

    if (!code.n)
        return;
    add_country(l, code, rk_arena_dup(l->mem, e->country_name), e->city.n > 0);
    if (e->city.n)
        add_city(l, code, rk_arena_dup(l->mem, e->city), (int64_t)e->geoname_id);
}

static enum rk_code read_file(const char *path, struct rk_arena *mem, struct rk_str *out,
                              struct rk_err *err)
{
    FILE *f = fopen(path, "re");
    char *text;
    size_t n;
    long size;

    if (!f)
        return rk_fail(err, RK_UNAVAILABLE, "%s cannot be opened", path);
    if (fseek(f, 0, SEEK_END) || (size = ftell(f)) < 0 || (size_t)size > FILE_MAX ||
        fseek(f, 0, SEEK_SET)) {
        (void)fclose(f);
        return rk_fail(err, RK_UNAVAILABLE, "%s cannot be read, or is too large", path);
    }
    text = rk_arena_alloc(mem, (size_t)size + 1);
    n = fread(text, 1, (size_t)size, f);
    (void)fclose(f);
    *out = rk_str_of(text, n);
    return RK_OK;
}

static enum rk_code load_csv(const char *path, struct lists *l, struct rk_err *err)
{
    size_t at[COLUMNS];
    struct rk_str text, line;
    enum rk_code rc = read_file(path, l->mem, &text, err);

    if (rc)
        return rc;
    (void)rk_str_cut(text, '\n', &line, &text);
    if (!find_columns(rk_str_trim(line), at))
        return rk_fail(err, RK_INVALID, "%s is no list of locations", path);
    while (text.n) {
        (void)rk_str_cut(text, '\n', &line, &text);
        take_line(l, rk_str_trim(line), at);
    }
    return RK_OK;
}

/* Lock held. */
static enum rk_code load(struct geo *g, struct rk_err *err)
{
    struct lists l = {0};
    enum rk_code rc = RK_OK;

    if (g->now.mem && !g->stale)
        return RK_OK;
    l.mem = rk_arena_new(0);
    if (g->path)
        rc = load_csv(g->path, &l, err);
    else
        places_each(g->places, take_place, &l);
    if (rc) {
        rk_arena_free(l.mem);
        return g->now.mem ? RK_OK : rc; /* a bad file leaves the old list in force */
    }
    sort_all(&l);
    rk_arena_free(g->before.mem);
    g->before = g->now;
    g->now = l;
    g->stale = false;
    return RK_OK;
}

static enum rk_code ready(struct geo *g, struct lists *out, struct rk_err *err)
{
    enum rk_code rc;

    pthread_mutex_lock(&g->lock);
    rc = load(g, err);
    *out = g->now;
    pthread_mutex_unlock(&g->lock);
    return rc;
}

enum rk_code geo_countries(struct geo *g, const struct geo_country **out, size_t *n,
                           struct rk_err *err)
{
    struct lists l;
    enum rk_code rc = ready(g, &l, err);

    if (rc)
        return rc;
    *out = l.countries;
    *n = l.n_countries;
    return RK_OK;
}

enum rk_code geo_cities(struct geo *g, struct rk_str country, const struct geo_city **out,
                        size_t *n, struct rk_err *err)
{
    struct lists l;
    size_t lo = 0, hi;
    enum rk_code rc = ready(g, &l, err);

    if (rc)
        return rc;
    hi = l.n_cities;
    while (lo < hi) { /* first city of the country */
        size_t mid = lo + (hi - lo) / 2;

        if (rk_str_cmp(l.cities[mid].country, country) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (hi = lo; hi < l.n_cities && rk_str_eq(l.cities[hi].country, country);)
        hi++;
    *out = l.cities ? l.cities + lo : NULL;
    *n = hi - lo;
    return RK_OK;
}
