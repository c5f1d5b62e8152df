/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names of countries and cities from MaxMind's "GeoLite2-City-Locations-en.csv", for the pickers of
 * dashboards. Read at the first question (some 100,000 lines), then kept. Any thread, may block.
 */
#ifndef MGMT_REST_GEO_H
#define MGMT_REST_GEO_H

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
};

/** path is copied. Owned: geo_free. */
struct geo *geo_new(const char *path);
void geo_free(struct geo *g); /* accepts NULL */

/** Ascending by code; lent until geo_free. Errors: RK_UNAVAILABLE (file gone or not readable),
 *  RK_INVALID (not such a file). */
enum rk_code geo_countries(struct geo *g, const struct geo_country **out, size_t *n,
                           struct rk_err *err) RK_MUST;

/** Cities of a country, each name once, ascending by name; lent. */
enum rk_code geo_cities(struct geo *g, struct rk_str country, const struct geo_city **out,
                        size_t *n, struct rk_err *err) RK_MUST;

#endif
