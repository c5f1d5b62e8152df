/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct plan: the policies, routes, networks and services of an account with their references
 * resolved to dense indexes, and indexes from a group or peer to what names it. Depends on no
 * membership and on no ordinary peer, so most versions of a snapshot share one plan.
 *
 * Group lists are stored as they evaluate: a list that names the group All is that group alone;
 * unknown groups are left out.
 */
#ifndef MGMT_NETMAP_PLAN_H
#define MGMT_NETMAP_PLAN_H

#include "management/snapshot/state.h"

struct glist { /* group indexes */
    uint32_t *g;
    uint32_t n;
};

struct plan_side {      /* one side of a rule, or the peers of a router */
    struct rk_str peer; /* not empty: this peer alone, and groups is empty */
    struct glist groups;
};

struct plan_rule {
    const struct rule *r;
    uint32_t policy;
    bool active; /* rule and policy are enabled */
    bool implies_ssh;
    struct plan_side src, dst;
    struct glist sources; /* all source groups, without the special role of All */
    uint32_t twins; /* rules with equal numbers share ids, protocol, action and ports, so their
                       firewall entries are deduplicated; NO_INDEX: no other such rule */
};

struct plan_policy { /* enabled ones only */
    const struct policy *p;
    uint32_t rule0, n_rules; /* all its rules, disabled ones too */
    uint32_t *checks;        /* into snapshot.failing */
    uint32_t n_checks;
    struct plan_side sources; /* who reaches resources: the first rule's peer, or the source groups
                                 of all rules */
    struct glist any_source;  /* source groups of all rules, without the special role of All */
};

struct plan_acl { /* a policy that an access-control group of a route selects */
    uint32_t policy;
    bool by_enabled; /* some enabled rule of it aims at such a group */
};

struct plan_route {
    const struct route *r;
    struct glist peer_groups, groups;
    struct rk_str ha;     /* equal for routes of one high-availability set */
    struct plan_acl *acl; /* in order, with repetitions */
    uint32_t n_acl;
};

struct plan_router { /* enabled ones only */
    const struct router *r;
    struct plan_side peers;
};

struct plan_network {
    struct rk_str id;
    uint32_t *routers, *resources;
    uint32_t n_routers, n_resources;
};

struct plan_resource { /* enabled ones that some policy reaches or a service targets */
    const struct resource *r;
    uint32_t network;
    uint32_t *policies; /* in order, with repetitions */
    uint32_t n_policies;
    bool proxied; /* a domain that a reverse-proxy service targets */
};

/* group index → numbers; for a list of items that name groups */
struct gindex {
    uint32_t *start; /* n_groups + 1 */
    uint32_t *item;
};

enum ref_kind { REF_RULE, REF_ROUTE, REF_NETWORK, REF_RESOURCE };

struct plan_ref { /* something names a peer directly; sorted by hash */
    uint64_t hash;
    struct rk_str peer;
    enum ref_kind kind;
    uint32_t item;
};

struct plan {
    _Atomic uint32_t refs;
    struct rk_arena *mem;
    struct sorted_array *keep[ENT_COUNT]; /* tables whose rows are borrowed */
    uint32_t n_groups;                    /* group indexes that the gindexes cover */

    struct plan_policy *policies;
    uint32_t n_policies;
    struct plan_rule *rules;
    uint32_t n_rules;
    struct plan_route *routes;
    uint32_t n_routes;
    struct plan_router *routers;
    uint32_t n_routers;
    struct plan_network *networks;
    uint32_t n_networks;
    struct plan_resource *resources;
    uint32_t n_resources;

    struct gindex rules_of;     /* active rules with the group on either side */
    struct gindex routed_by;    /* routes with the group among the peer groups */
    struct gindex routed_to;    /* … among the distribution groups */
    struct gindex resources_of; /* resources at which a policy aims that names it as source */
    struct gindex networks_of;  /* networks with the group among a router's groups */
    struct plan_ref *refs_by_peer;
    uint32_t n_refs;
};

struct plan *plan_new(const struct snapshot *s);
struct plan *plan_ref(struct plan *p);
void plan_unref(struct plan *p); /* accepts NULL */

/** Items of a group in an index; *n of them. */
const uint32_t *gindex_of(const struct plan *p, const struct gindex *x, uint32_t group,
                          uint32_t *n);

/** References to a peer id: the first one, *n following each other. */
const struct plan_ref *plan_refs_to(const struct plan *p, struct rk_str peer_id, uint32_t *n);

/** Resolve a list of group ids as it evaluates (All alone when it is in it). For other plans. */
struct glist plan_groups(const struct snapshot *s, struct rk_arena *mem,
                         const struct str_list *ids);
/** The same without the special role of All. */
struct glist plan_groups_plain(const struct snapshot *s, struct rk_arena *mem,
                               const struct str_list *ids);

/** Build an index over n items; lists(i, arg, out) gives up to 2 group lists of item i. */
typedef unsigned gindex_lists(const void *arg, uint32_t i, struct glist out[2]);
struct gindex gindex_build(struct rk_arena *mem, uint32_t n_groups, uint32_t n, gindex_lists *lists,
                           const void *arg);

#endif
