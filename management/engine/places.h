/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where an address is: country and city from a MaxMind DB file (GeoLite2-City, or another one of
 * the same fields). The file is mapped, a look-up takes microseconds.
 */
#ifndef MGMT_ENGINE_PLACES_H
#define MGMT_ENGINE_PLACES_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "management/domain/peer.h"

struct places;

/** Open a database; path is copied. Owned: places_free. Errors: RK_UNAVAILABLE (there is no such
 *  file, or it cannot be read), RK_INVALID (not a database of countries or cities); both name it.
 */
enum rk_code places_open(const char *path, struct places **out, struct rk_err *err) RK_MUST;
void places_free(struct places *p); /* accepts NULL */

/** Open the file again (another one may stand there now). The old one stays in force when that
 *  fails. Any thread. Errors as above. */
enum rk_code places_reload(struct places *p, struct rk_err *err) RK_MUST;

/** A place that is not known yet and could be: its address is public, its country empty. */
bool places_wants(const struct places *p, const struct peer_location *l);

/** Country, city and geoname id of l->connection_ip; empty where the database does not know. p may
 *  be NULL: nothing is known. Texts in mem. Any thread. */
void places_fill(struct places *p, struct rk_arena *mem, struct peer_location *l);

/* One entry of a database: a country, or a city in it. Borrowed for the call. */
struct place {
    struct rk_str country, country_name; /* ISO code; English */
    struct rk_str city;                  /* empty: only the country is known */
    uint64_t geoname_id;                 /* of the city */
};

/** Calls fn for each distinct entry of the database (in no order): some 100,000 for all cities of
 *  the world, within a second or two. Any thread; blocks. */
void places_each(struct places *p, void (*fn)(const struct place *e, void *arg), void *arg);

#endif
