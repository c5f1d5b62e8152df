/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a network shall do, as sentences that are true or not:
 *
 *   web can reach db:5432                    every machine of web reaches every one of db there
 *   web can reach 10.20.0.7:tcp/22           behind a routing machine
 *   guest cannot reach anything in prod      no machine of guest reaches any of prod, by anything
 *
 * Ends as in management/reach/report.h; a port is tcp and udp unless one is said. Pure; any thread.
 */
#ifndef MGMT_WANTED_CLAIMS_H
#define MGMT_WANTED_CLAIMS_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "management/snapshot/snapshot.h"

#define WANT_CLAIMS_MAX  200    /* sentences of a file */
#define WANT_CLAIM_PAIRS 200000 /* that one sentence may be about: some seconds */

struct want_verdict { /* open */
    bool holds;
    struct rk_str why; /* when not: the machines, and the policy or what is missing; arena */
};

/** Errors: RK_INVALID (no sentence of these forms, too many pairs), RK_NOT_FOUND (an end). */
enum rk_code want_claim(const struct snapshot *s, struct rk_str sentence, int64_t now_us,
                        struct rk_arena *mem, struct want_verdict *out, struct rk_err *err) RK_MUST;

#endif
