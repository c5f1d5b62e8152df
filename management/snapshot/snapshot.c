/* SPDX-License-Identifier: BSD-3-Clause */
/* Look-ups in snapshots; how they are made and freed is in apply.c. */
#include "config.h"

#include "management/snapshot/snapshot.h"

#include <stdlib.h>

#include "management/snapshot/apply.h"
#include "management/snapshot/pages.h"
#include "management/snapshot/plan.h"
#include "management/snapshot/state.h"

static const struct bits NO_PEERS = {0};

const struct row *state_row(const struct snapshot *s, enum entity_kind k, struct rk_str id)
{
    struct row *const *item = sorted_array_find(s->tab[k], &id);

    return item ? *item : NULL;
}

uint32_t state_group_index(const struct snapshot *s, struct rk_str id)
{
    const struct row *r = state_row(s, ENT_GROUP, id);

    return r ? r->index : NO_INDEX;
}

const struct bits *state_members(const struct snapshot *s, uint32_t g)
{
    if (!s->groups || g >= s->groups->n || !s->groups->g[g])
        return &NO_PEERS;
    return &s->groups->g[g]->members;
}

/* ---- single structs */

uint64_t snap_serial(const struct snapshot *s)
{
    return s->serial;
}

uint64_t snap_epoch(const struct snapshot *s)
{
    return s->epoch;
}

const struct account *snap_account(const struct snapshot *s)
{
    return (const struct account *)row_entity(s->account);
}

const struct settings *snap_settings(const struct snapshot *s)
{
    return (const struct settings *)row_entity(s->settings);
}

const struct dns_settings *snap_dns_settings(const struct snapshot *s)
{
    return (const struct dns_settings *)row_entity(s->dns_settings);
}

struct rk_str snap_dns_domain(const struct snapshot *s)
{
    struct rk_str own = snap_settings(s)->dns_domain;

    return own.n > 0 ? own : rk_str_of(s->server_domain->text, s->server_domain->n);
}

/* ---- tables */

const void *snap_find(const struct snapshot *s, enum entity_kind k, struct rk_str id)
{
    const struct row *r = NULL;

    switch (k) {
    case ENT_ACCOUNT:
        r = rk_str_eq(s->account->id, id) ? s->account : NULL;
        break;
    case ENT_SETTINGS:
        r = rk_str_eq(s->account->id, id) ? s->settings : NULL;
        break;
    case ENT_DNS_SETTINGS:
        r = rk_str_eq(s->account->id, id) ? s->dns_settings : NULL;
        break;
    case ENT_GROUP_PEER:
    case ENT_COUNT:
        break;
    default:
        r = state_row(s, k, id);
    }
    return r ? row_entity(r) : NULL;
}

size_t snap_count(const struct snapshot *s, enum entity_kind k)
{
    return sorted_array_count(s->tab[k]);
}

struct snap_iter snap_iter(const struct snapshot *s, enum entity_kind k)
{
    return (struct snap_iter){.s = s, .kind = k};
}

const void *snap_next(struct snap_iter *it)
{
    struct sorted_array_pos pos = {(uint32_t)it->page, (uint32_t)it->at};
    struct row *const *item = sorted_array_next(it->s->tab[it->kind], &pos);

    it->page = pos.chunk;
    it->at = pos.at;
    return item ? row_entity(*item) : NULL;
}

const struct group *snap_group_by_name(const struct snapshot *s, struct rk_str name)
{
    const struct group *g;

    for (struct snap_iter it = snap_iter(s, ENT_GROUP); (g = snap_next(&it)) != NULL;)
        if (rk_str_eq(g->name, name))
            return g;
    return NULL;
}

const struct group *snap_group_all(const struct snapshot *s)
{
    return s->all_group == NO_INDEX ? NULL : row_group(s->groups->g[s->all_group]->row);
}

/* ---- peers */

uint32_t snap_peer_limit(const struct snapshot *s)
{
    return s->limit;
}

const struct bits *snap_peers(const struct snapshot *s)
{
    return &s->all;
}

uint32_t snap_index_of(const struct snapshot *s, struct rk_str peer_id)
{
    const struct row *r = state_row(s, ENT_PEER, peer_id);

    return r ? r->index : SNAP_NO_PEER;
}

/* First peer with the hash for which `same` holds. */
static uint32_t find_hashed(const struct snapshot *s, const struct sorted_array *index,
                            uint64_t hash, bool (*same)(const struct peer *p, const void *key),
                            const void *key)
{
    struct hash_item first = {hash, 0};
    struct sorted_array_pos pos = sorted_array_lower(index, &first);
    const struct hash_item *it;

    while ((it = sorted_array_next(index, &pos)) != NULL && it->hash == hash)
        if (same(state_peer(s, it->peer), key))
            return it->peer;
    return SNAP_NO_PEER;
}

static bool same_key(const struct peer *p, const void *key)
{
    return rk_str_eq(p->key, *(const struct rk_str *)key);
}

static bool same_label(const struct peer *p, const void *key)
{
    return rk_str_eq(p->dns_label, *(const struct rk_str *)key);
}

static bool same_ip(const struct peer *p, const void *key)
{
    return rk_ip_eq(&p->ip, (const struct rk_ip *)key);
}

static bool same_ip6(const struct peer *p, const void *key)
{
    return rk_ip_eq(&p->ip6, (const struct rk_ip *)key);
}

uint32_t snap_index_by_key(const struct snapshot *s, struct rk_str key)
{
    return find_hashed(s, s->by_key, rk_str_hash(key), same_key, &key);
}

uint32_t snap_index_by_label(const struct snapshot *s, struct rk_str dns_label)
{
    return find_hashed(s, s->by_label, rk_str_hash(dns_label), same_label, &dns_label);
}

uint32_t snap_index_by_ip(const struct snapshot *s, const struct rk_ip *ip)
{
    uint64_t hash = rk_str_hash(rk_str_of(ip->b, rk_ip_size(ip)));

    if (ip->family == 4)
        return find_hashed(s, s->by_ip, hash, same_ip, ip);
    return ip->family == 6 ? find_hashed(s, s->by_ip6, hash, same_ip6, ip) : SNAP_NO_PEER;
}

const struct peer *snap_peer_at(const struct snapshot *s, uint32_t index)
{
    const struct row *r = state_peer_row(s, index);

    return r ? row_peer(r) : NULL;
}

/* ---- membership */

const struct bits *snap_group_members(const struct snapshot *s, struct rk_str group_id)
{
    return state_members(s, state_group_index(s, group_id));
}

size_t snap_group_size(const struct snapshot *s, struct rk_str group_id)
{
    uint32_t g = state_group_index(s, group_id);

    return g == NO_INDEX ? 0 : s->groups->g[g]->count;
}

static int cmp_groups(const void *a, const void *b)
{
    return rk_str_cmp((*(const struct group *const *)a)->id, (*(const struct group *const *)b)->id);
}

const struct group **snap_peer_groups(const struct snapshot *s, uint32_t index,
                                      struct rk_arena *mem, size_t *n)
{
    const struct gset *set = state_peer_row(s, index) ? state_groups_of(s, index) : NULL;
    const struct group **list;

    *n = set ? set->n : 0;
    list = rk_new_n(mem, const struct group *, *n + 1);
    for (size_t i = 0; i < *n; i++)
        list[i] = row_group(s->groups->g[set->g[i]]->row);
    qsort(list, *n, sizeof *list, cmp_groups);
    return list;
}

bool snap_is_member(const struct snapshot *s, struct rk_str group_id, uint32_t index)
{
    return bits_has(snap_group_members(s, group_id), index);
}
