/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside of management/reach. */
#ifndef MGMT_REACH_REACH_PRIV_H
#define MGMT_REACH_REACH_PRIV_H

#include "management/netmap/view.h"
#include "management/reach/reach.h"

struct asking { /* one question while it is answered */
    const struct snapshot *s;
    const struct reach_query *q;
    struct rk_arena *mem;
    struct reach_answer *a;
    struct flows dropped; /* taken from a->flows at the end */
    struct flows one;     /* of the rule that is looked at */
};

/** Add a reason unless it is there or there are enough. */
void reach_miss(struct asking *k, enum reach_fault fault, const struct policy *policy,
                const struct rule *rule, struct rk_str id);

/** Why no rule lets from into to (both peers). */
void reach_why_peer(struct asking *k);

/** Why there is no way to the address or name. */
void reach_why_address(struct asking *k);

/** The question is about this network, or one of these domains. */
bool reach_matches(const struct reach_query *q, const struct rk_prefix *network,
                   const struct rk_str *domains, size_t n_domains);

#endif
