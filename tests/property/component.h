/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The component form of a map: what an agent would compute from it, as lines. The components become
 * a small account again, and the naive builder does the agent's part.
 */
#ifndef RK_TESTS_PROPERTY_COMPONENT_H
#define RK_TESTS_PROPERTY_COMPONENT_H

#include "management/domain/account_data.h"
#include "tests/property/lines.h"

/** Accounts whose maps survive the component form unchanged: one rule per policy (the form has one
 *  id per policy and none for rules) and no port that is no number (ports are numbers there). */
bool component_faithful(const struct account_data *d);

/** Lines of the map that the receiver (its key) computes. Ids of peers are their keys. */
void component_lines(struct lines *l, const Management__NetworkMapEnvelope *e,
                     struct rk_str self_key, int64_t now_us);

/** The same lines without what the component form cannot carry: rule ids. */
void component_comparable(struct lines *out, const struct lines *map);

#endif
