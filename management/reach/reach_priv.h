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

/** Entries of a rule, as the side that lets in understands them (v), into f. */
void reach_rule_flows(const struct view *v, const struct rule *r, struct flows *f);

/** What a rule lets into a route; NULL: everything. */
void reach_grant_flows(const struct rule *r, struct flows *f);

/** The view of a peer that exists, all of it. view_done. */
void reach_view(struct view *v, const struct snapshot *s, uint32_t peer,
                const struct netmap_opts *opts);

/** Machines that are not in order, or that let nobody in (as targets), out of the set. */
void reach_keep_fit(const struct snapshot *s, enum reach_way way, int64_t now_us, struct bits *set);

/** Why no rule lets from into to (both peers). */
void reach_why_peer(struct asking *k);

/** Why there is no way to the address or name. */
void reach_why_address(struct asking *k);

/** The question is about this network, or one of these domains. */
bool reach_matches(const struct reach_query *q, const struct rk_prefix *network,
                   const struct rk_str *domains, size_t n_domains);

#endif
