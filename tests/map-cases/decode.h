/* SPDX-License-Identifier: BSD-3-Clause */
/* NetworkMap bytes, decoded by the generated code, in the JSON form of the corpus' expectations. */
#ifndef RK_TESTS_MAP_CASES_DECODE_H
#define RK_TESTS_MAP_CASES_DECODE_H

#include <jansson.h>

#include "management/domain/account_data.h"
#include "schema/gen/management.pb-c.h"

/** Expectation form of a decoded map; ids are found by the keys and users of d. New reference. */
json_t *decode_map(const Management__NetworkMap *map, const struct account_data *d);

/** Sort all arrays of the tree, except the member `keep` of the top object. */
void canonical(json_t *j, const char *keep);

#endif
