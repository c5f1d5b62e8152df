/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Is a tree of the form that schema/wanted/network.schema.json says? The JSON Schema is embedded
 * and read as it is: what editors check with it and what the server takes are the same. Any thread.
 *
 * Words of the schema that are looked at: type, properties, required, additionalProperties, items,
 * enum, $ref, default, minLength, minimum, maximum, maxProperties, uniqueItems (such a list is a
 * set: its order does not count).
 */
#ifndef MGMT_WANTED_SCHEMA_H
#define MGMT_WANTED_SCHEMA_H

#include "management/wanted/tree.h"

struct want_schema; /* arena */

/** The embedded one. arena; aborts when it cannot be read (a bug of ours). */
const struct want_schema *want_schema_new(struct rk_arena *mem);

/** Check a tree, sort its sets and add what is left out and has a default. Errors: RK_INVALID,
 *  "line L: …". */
enum rk_code want_schema_check(const struct want_schema *s, struct rk_arena *mem,
                               struct want_node *tree, struct rk_err *err) RK_MUST;

/** Remove what equals its default: the shortest tree of the same meaning. */
void want_schema_shorten(const struct want_schema *s, struct want_node *tree);

#endif
