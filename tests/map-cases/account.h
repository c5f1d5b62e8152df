/* SPDX-License-Identifier: BSD-3-Clause */
/* Accounts of the scenario corpus (tests/data/network-map-cases.json): JSON to account_data. */
#ifndef RK_TESTS_MAP_CASES_ACCOUNT_H
#define RK_TESTS_MAP_CASES_ACCOUNT_H

#include <jansson.h>

#include "management/domain/account_data.h"

struct cases { /* the whole file */
    json_t *root;
    json_t *defaults;
    int64_t now_us;
};

/** The account of a case; texts borrow from the JSON. arena */
struct account_data *account_of(const struct cases *c, struct rk_arena *mem, const json_t *account);

/** Parts of accounts that cases also give alone. arena */
void account_peer(const struct cases *c, struct rk_arena *mem, const char *id, const json_t *j,
                  struct peer *out);
void account_posture(struct rk_arena *mem, const char *id, const json_t *j, struct posture *out);
void account_policy(const struct cases *c, struct rk_arena *mem, const json_t *j, int64_t seq,
                    struct policy *out);
void account_route(const struct cases *c, struct rk_arena *mem, const json_t *j, struct route *out);
void account_router(const struct cases *c, struct rk_arena *mem, const json_t *j,
                    struct router *out);

/** A member of j, or of the defaults of this kind, or NULL. */
json_t *account_get(const struct cases *c, const char *kind, const json_t *j, const char *key);

struct rk_str tj_str(const json_t *j);
struct str_list tj_list(struct rk_arena *mem, const json_t *j);

/** Microseconds of an RFC 3339 text; 0 for null. */
int64_t tj_time(const json_t *j);

#endif
