/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct view: what one receiver may see, worked out before anything is encoded.
 *
 *   view_init()  self, capabilities
 *   view_select() rules that concern self, routes, network resources → the peers it may know
 *                 ("component" peers), the peers it connects to, the offline ones
 *
 * The official server works in two phases, and some of its results depend on that: first it selects
 * the objects that matter to the receiver, then it computes the map from these alone. So a group
 * member counts in the second phase when the first one took it for whatever reason.
 */
#ifndef MGMT_NETMAP_VIEW_H
#define MGMT_NETMAP_VIEW_H

#include "management/netmap/netmap.h"
#include "management/netmap/sshauth.h"
#include "management/snapshot/plan.h"
#include "management/snapshot/state.h"

struct view_hit { /* an active rule with self on a side, in rule order */
    uint32_t rule;
    bool in_src, in_dst;
};

struct view_resource { /* a network resource that self serves or reaches */
    uint32_t resource;
    bool router; /* else client */
};

#define PORT_RANGES_SINCE "0.48.0" /* agents that understand port ranges */

struct view {
    const struct snapshot *s;
    const struct netmap_opts *opts;
    uint32_t self;
    const struct peer *p;
    const struct peer_meta *meta; /* of self: stored, or what the caller gave */
    const struct gset *groups;
    bool validated;
    bool ip6;              /* self has an IPv6 address and can use it */
    bool prefixes;         /* wants sourcePrefixes */
    bool ranges;           /* understands port ranges */
    bool native_ssh;       /* needs companion rules for port 22022 */
    bool no_open_portinfo; /* 0.36.4 and 0.36.5 take PortInfo 0-0 literally */

    struct view_hit *hits;
    uint32_t n_hits;
    uint32_t *routes; /* relevant ones, ascending */
    uint32_t n_routes;
    struct view_resource *resources;
    uint32_t n_resources;
    bool is_router;

    struct bits peers;     /* component peers, self too */
    struct bits dns_peers; /* the same before network resources were looked at */
    struct bits direct;    /* online peers that a rule connects with self */
    struct bits connect;   /* online list: those, and what network resources add */
    struct bits offline;
    struct bits tmp, tmp2; /* scratch for sets of one rule */
};

/** false when the index is free. Borrows s and opts. */
bool view_init(struct view *v, const struct snapshot *s, uint32_t index,
               const struct netmap_opts *opts);
void view_done(struct view *v);

/** Fill in hits only (enough for the SSH switch). */
void view_find_hits(struct view *v);

/** Everything (select.c). Calls view_find_hits. */
void view_select(struct view *v);

/** A group list's members that a policy lets through: component peers, without those that fail one
 *  of the checks (policy may be NULL: no checks). Replaces *out; self may be in it. */
void view_side(const struct view *v, const struct plan_side *side, const struct plan_policy *checks,
               struct bits *out);

/** Take those that fail one of the policy's checks out of the set. */
void view_drop_failing(const struct snapshot *s, const struct plan_policy *p, struct bits *set);

/** Self is on the side. */
bool view_on_side(const struct view *v, const struct plan_side *side);

/** Items that self's groups lead to in up to two indexes, and what names self directly; ascending,
 *  *n of them. Owned by the caller (free). */
uint32_t *view_candidates(const struct view *v, const struct gindex *x, const struct gindex *y,
                          enum ref_kind kind, uint32_t *n);

/** Sort n numbers and drop repetitions; how many are left. */
uint32_t view_sort_unique(uint32_t *v, uint32_t n);

/** Self passes all checks of the policy. */
bool view_passes(const struct view *v, const struct plan_policy *p, uint32_t peer);

/** The rule behind the hit switches SSH on for self. */
bool view_hit_ssh(const struct view *v, const struct view_hit *h);

/** Some hit switches SSH on. */
bool view_ssh(const struct view *v);

/** Members of any of the groups. Replaces *out. */
void view_members(const struct snapshot *s, const struct glist *l, struct bits *out);

/** Self backs a router of the network. */
bool view_routes_network(const struct view *v, const struct plan_network *n);

/** Set of all peers that back enabled routers of the network. Replaces *out. */
void view_network_peers(const struct snapshot *s, const struct plan_network *n, struct bits *out);

/** The router that a peer stands for in a network (a later one wins); NULL: none. */
const struct router *view_router_of(const struct snapshot *s, const struct plan_network *n,
                                    uint32_t peer);

#endif
