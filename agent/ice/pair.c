/* SPDX-License-Identifier: BSD-3-Clause */
/* Pairs of the ICE agent: finding, ordering, selecting; see pair.h. */
#include "config.h"

#include "agent/ice/pair.h"

const struct ice_cand *ice_local_for(const struct ice_session *a, uint8_t family, bool relayed)
{
    const struct ice_cand *best = NULL;

    for (size_t i = 0; i < a->n_locals; i++) {
        const struct ice_cand *c = &a->locals[i];

        if (c->addr.ip.family != family || (c->type == ICE_RELAY) != relayed)
            continue;
        if (!best || relayed || c->priority > best->priority)
            best = c;
    }
    return best;
}

struct ice_pair *ice_pair_find(struct ice_session *a, const struct rk_addr *remote, bool relayed)
{
    for (size_t i = 0; i < a->n_pairs; i++)
        if (a->pairs[i]->relayed == relayed && rk_addr_eq(&a->pairs[i]->remote.addr, remote))
            return a->pairs[i];
    return NULL;
}

struct ice_pair *ice_pair_add(struct ice_session *a, const struct ice_cand *remote, bool relayed,
                              int64_t now_us)
{
    struct ice_pair *p;
    size_t n = 0;

    for (size_t i = 0; i < a->n_pairs; i++)
        n += a->pairs[i]->relayed == relayed;
    if (n == ICE_MAX_REMOTE)
        return NULL;
    p = rk_calloc(1, sizeof *p);
    p->relayed = relayed;
    p->remote = *remote;
    p->next_check_us = now_us;
    a->pairs[a->n_pairs++] = p;
    return p;
}

uint64_t ice_pair_priority(const struct ice_session *a, const struct ice_pair *p)
{
    const struct ice_cand *local =
        p->valid ? &p->local : ice_local_for(a, p->remote.addr.ip.family, p->relayed);
    uint64_t ours = local ? local->priority : 0, theirs = p->remote.priority;
    uint64_t g = a->controlling ? ours : theirs, d = a->controlling ? theirs : ours;

    return ((1ull << 32) - 1) * (g < d ? g : d) + 2 * (g > d ? g : d) + (g > d);
}

void ice_pair_select(struct ice_session *a, struct ice_pair *p, int64_t now_us)
{
    if (a->selected == p)
        return;
    a->selected = p;
    a->nominated = NULL;
    a->state = ICE_CONNECTED;
    a->changed = true;
    p->last_rx_us = now_us;
    p->next_check_us = now_us + a->keepalive_us;
    a->look_us = a->busy_us = now_us; /* who connects wants to send something */
}
