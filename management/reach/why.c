/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Why the answer is no: what comes nearest to a yes. Looks at the account's objects as they are
 * written, disabled ones too, which the maps never see; it explains a verdict and makes none.
 */
#include "config.h"

#include "management/domain/network.h"
#include "management/domain/peer.h"
#include "management/domain/route.h"
#include "management/reach/reach_priv.h"

/* ---- policies */

static bool on_side(const struct snapshot *s, const struct str_list *groups,
                    const struct resource_ref *ref, uint32_t peer)
{
    if (ref->id.n > 0)
        return ref->type == RESOURCE_PEER && rk_str_eq(ref->id, snap_peer_at(s, peer)->id);
    for (size_t i = 0; i < groups->n; i++)
        if (snap_is_member(s, groups->v[i], peer))
            return true;
    return false;
}

/* The first check of the policy that the peer fails; empty: it passes. */
static struct rk_str failed_check(const struct snapshot *s, const struct policy *p, uint32_t peer)
{
    for (size_t i = 0; i < p->posture_checks.n; i++)
        for (uint32_t f = 0; f < s->failing->n; f++)
            if (rk_str_eq(s->failing->check[f].row->id, p->posture_checks.v[i]) &&
                bits_has(&s->failing->check[f].peers, peer))
                return p->posture_checks.v[i];
    return (struct rk_str){0};
}

/* The rule has both peers on its sides, in this order of source and destination. */
static bool joins(const struct snapshot *s, const struct rule *r, uint32_t src, uint32_t dst)
{
    return on_side(s, &r->sources, &r->source_resource, src) &&
           on_side(s, &r->destinations, &r->destination_resource, dst);
}

static void why_rule(struct asking *k, const struct policy *p, const struct rule *r)
{
    bool forward = joins(k->s, r, k->q->from, k->q->to);
    bool backward = joins(k->s, r, k->q->to, k->q->from);
    uint32_t source = forward ? k->q->from : k->q->to;
    struct rk_str check;

    if (r->action == ACTION_DROP || (!forward && !backward))
        return;
    check = failed_check(k->s, p, source);
    if (!forward && !r->bidirectional)
        reach_miss(k, REACH_ONE_WAY, p, r, (struct rk_str){0});
    else if (!p->enabled)
        reach_miss(k, REACH_POLICY_DISABLED, p, r, (struct rk_str){0});
    else if (!r->enabled)
        reach_miss(k, REACH_RULE_DISABLED, p, r, (struct rk_str){0});
    else if (check.n > 0)
        reach_miss(k, REACH_POSTURE, p, r, check);
}

void reach_why_peer(struct asking *k)
{
    struct snap_iter it = snap_iter(k->s, ENT_POLICY);
    const struct policy *p;

    while ((p = snap_next(&it)) != NULL)
        for (size_t i = 0; i < p->n_rules; i++)
            why_rule(k, p, &p->rules[i]);
    if (k->a->n_missing == 0)
        reach_miss(k, REACH_NO_POLICY, NULL, NULL, (struct rk_str){0});
}

/* ---- routes and resources */

static bool has_router(const struct asking *k, struct rk_str network)
{
    struct snap_iter it = snap_iter(k->s, ENT_ROUTER);
    const struct router *r;

    while ((r = snap_next(&it)) != NULL)
        if (rk_str_eq(r->network_id, network) && r->enabled)
            return true;
    return false;
}

static void why_resources(struct asking *k)
{
    struct snap_iter it = snap_iter(k->s, ENT_RESOURCE);
    const struct resource *r;

    while ((r = snap_next(&it)) != NULL) {
        bool named = r->type == RESOURCE_DOMAIN;

        if (!reach_matches(k->q, &r->prefix, named ? &r->domain : NULL, named))
            continue;
        if (!r->enabled)
            reach_miss(k, REACH_ROUTE_DISABLED, NULL, NULL, r->id);
        else
            reach_miss(k, has_router(k, r->network_id) ? REACH_NOT_GIVEN : REACH_NO_ROUTER, NULL,
                       NULL, r->id);
    }
}

static void why_routes(struct asking *k)
{
    struct snap_iter it = snap_iter(k->s, ENT_ROUTE);
    const struct route *r;

    while ((r = snap_next(&it)) != NULL) {
        bool given = false;

        if (!reach_matches(k->q, &r->network, r->domains.v, r->domains.n))
            continue;
        for (size_t i = 0; i < r->groups.n; i++)
            given |= snap_is_member(k->s, r->groups.v[i], k->q->from);
        if (!r->enabled)
            reach_miss(k, REACH_ROUTE_DISABLED, NULL, NULL, r->id);
        else
            reach_miss(k, given ? REACH_NO_ROUTER : REACH_NOT_GIVEN, NULL, NULL, r->id);
    }
}

void reach_why_address(struct asking *k)
{
    why_resources(k);
    why_routes(k);
    if (k->a->n_missing == 0)
        reach_miss(k, REACH_NO_ROUTE, NULL, NULL, (struct rk_str){0});
}
