/* SPDX-License-Identifier: BSD-3-Clause */
/* Names as a file uses them → ids: of the account as it will be. Pure; any thread. */
#ifndef MGMT_WANTED_NAMES_H
#define MGMT_WANTED_NAMES_H

#include "management/wanted/steps.h"

/** Keeps the objects of the file, whose ids may come later. Owned: want_names_free. */
struct want_names *want_names_new(struct rk_arena *mem, const struct snapshot *snap,
                                  const struct want_set *want, const struct want_plan *plan);

void want_names_free(struct want_names *n); /* accepts NULL; what it points to is the arena's */

/** The values of this key are names of a kind (a list, or one), as they stand in files. */
bool want_key_names(struct rk_str key, enum want_kind *kind);

struct want_named { /* open */
    struct rk_str id;
    enum resource_type type; /* of resources; RESOURCE_PEER */
};

/** A group, posture check or resource, by its name, else by its id. n: where the name stands.
 *  Errors: RK_INVALID, "line L: …". */
enum rk_code want_names_find(const struct want_names *names, enum want_kind kind,
                             const struct want_node *n, struct want_named *out,
                             struct rk_err *err) RK_MUST;

/** Is that id one of the account as it will be? */
bool want_names_has(const struct want_names *names, enum want_kind kind, struct rk_str id);

/** A peer by name, address, DNS label or id. Errors: as above. */
enum rk_code want_names_peer(const struct want_names *names, const struct want_node *n,
                             struct rk_str *id, struct rk_err *err) RK_MUST;

#endif
