/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names of countries and cities for the pickers of dashboards: from MaxMind's
 * "GeoLite2-City-Locations-en.csv", or from the location database itself. Read at the first
 * question (some 100,000 entries), then kept. Any thread, may block.
 */
#ifndef MGMT_REST_GEO_H
#define MGMT_REST_GEO_H

#include <stdbool.h>

#include "lib/base/err.h"
#include "lib/base/str.h"

struct geo;

struct geo_city {          /* open */
    struct rk_str country; /* code, as in the file */
    struct rk_str name;
    int64_t geoname_id;
};

struct geo_country {
    struct rk_str code, name;
    bool of_city; /* the name stood beside a city, not alone */
};

struct places; /* management/engine/places.h */

/** From the CSV file at path (copied), or with path NULL from `places` (borrowed until geo_free).
 *  Owned: geo_free. */
struct geo *geo_new(const char *path, struct places *places);

/** What it was read from has changed: read again at the next question. */
void geo_stale(struct geo *g);

void geo_free(struct geo *g); /* accepts NULL */

/** Ascending by name; lent until the second reload from now. Errors: RK_UNAVAILABLE (file gone or
 * not readable), RK_INVALID (not such a file). */
enum rk_code geo_countries(struct geo *g, const struct geo_country **out, size_t *n,
                           struct rk_err *err) RK_MUST;

/** Cities of a country, each name once, ascending by name; lent. */
enum rk_code geo_cities(struct geo *g, struct rk_str country, const struct geo_city **out,
                        size_t *n, struct rk_err *err) RK_MUST;

#endif
