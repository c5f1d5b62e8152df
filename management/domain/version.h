/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Versions of agents and operating systems: [v]numbers separated by dots, optional pre-release
 * behind '-' (or directly, from a letter on), optional '+' metadata. Any thread.
 */
#ifndef MGMT_DOMAIN_VERSION_H
#define MGMT_DOMAIN_VERSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/str.h"

#define VERSION_SEGMENTS 8

struct version {
    uint64_t seg[VERSION_SEGMENTS]; /* missing ones are zero */
    size_t n;                       /* segments that were given */
    struct rk_str pre;              /* borrowed from the text; empty: a release */
};

/** false when the text is no version (or has more than VERSION_SEGMENTS numbers). */
bool version_parse(struct rk_str s, struct version *out);

/** <0, 0, >0. A release is newer than its pre-releases. */
int version_cmp(const struct version *a, const struct version *b);

/** "x >= min" as a constraint: a pre-release satisfies a release minimum never, and a pre-release
 *  minimum only with equal numbers. false when one of them is no version. */
bool version_satisfies(struct rk_str x, struct rk_str min);

/** x >= min after cutting both at the first '-'. false when one of them is no version. */
bool version_at_least(struct rk_str x, struct rk_str min);

/** Development builds: "development…", "ci-…", "dev-…". */
bool version_is_dev(struct rk_str s);

/** Whether an agent has a feature that came with version min: development builds have all. */
bool version_has_feature(struct rk_str agent, const char *min);

/** For the DNS forwarder port: a development build, or at least min in the order of semantic
 *  versions (pre-releases are older than their release; anything unparsable is old). */
bool version_semver_at_least(struct rk_str agent, const char *min);

#endif
