/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * netmap_affected(): from the list of changed entities to the steps of affected.c, on the old and
 * on the new state.
 */
#include "config.h"

#include "lib/base/err.h"
#include "management/netmap/netmap.h"
#include "management/push/affected.h"
#include "management/snapshot/state.h"

struct walk {
    const struct snapshot *old, *new;
    struct affected a[2]; /* on the old and on the new state */
    struct bits self;     /* peers of the new state that changed themselves */
    bool all;
};

static void on_both(struct walk *w, void (*step)(struct affected *a, struct rk_str id),
                    struct rk_str id)
{
    step(&w->a[0], id);
    step(&w->a[1], id);
}

/* ---- peers */

static bool same_status(const struct peer *x, const struct peer *y)
{
    return peer_is_validated(x) == peer_is_validated(y) && x->proxy_embedded == y->proxy_embedded &&
           (!x->proxy_embedded || x->status.connected == y->status.connected) &&
           rk_str_eq(x->proxy_cluster, y->proxy_cluster) &&
           x->login_expiration_enabled == y->login_expiration_enabled &&
           x->last_login_us == y->last_login_us && rk_str_eq(x->user_id, y->user_id);
}

/* What others see of a peer, but for posture verdicts. */
static bool same_for_others(const struct peer *x, const struct peer *y)
{
    return rk_str_eq(x->key, y->key) && rk_ip_eq(&x->ip, &y->ip) && rk_ip_eq(&x->ip6, &y->ip6) &&
           rk_str_eq(x->dns_label, y->dns_label) && rk_str_eq(x->ssh_key, y->ssh_key) &&
           str_list_eq(&x->extra_dns_labels, &y->extra_dns_labels) &&
           rk_str_eq(x->meta.version, y->meta.version) &&
           peer_supports_ipv6(x) == peer_supports_ipv6(y) && same_status(x, y);
}

/* What else its own map depends on. */
static bool same_for_itself(const struct peer *x, const struct peer *y)
{
    return x->ssh_enabled == y->ssh_enabled && x->meta.flags == y->meta.flags &&
           x->meta.capabilities == y->meta.capabilities &&
           x->meta.sync_message_version == y->meta.sync_message_version;
}

static bool fails(const struct snapshot *s, struct rk_str check, uint32_t peer)
{
    for (uint32_t i = 0; i < s->failing->n; i++)
        if (rk_str_eq(s->failing->check[i].row->id, check))
            return bits_has(&s->failing->check[i].peers, peer);
    return false;
}

static bool same_verdicts(const struct walk *w, uint32_t in_old, uint32_t in_new)
{
    for (uint32_t i = 0; i < w->new->failing->n; i++) {
        const struct failing_check *c = &w->new->failing->check[i];

        if (bits_has(&c->peers, in_new) != fails(w->old, c->row->id, in_old))
            return false;
    }
    return true;
}

static void peer_changed(struct walk *w, struct rk_str id)
{
    uint32_t in_old = snap_index_of(w->old, id), in_new = snap_index_of(w->new, id);

    if (in_old != SNAP_NO_PEER && in_new != SNAP_NO_PEER) {
        const struct peer *x = state_peer(w->old, in_old), *y = state_peer(w->new, in_new);

        if (same_for_others(x, y) && same_verdicts(w, in_old, in_new)) {
            if (!same_for_itself(x, y))
                bits_set(&w->self, in_new);
            return;
        }
    }
    if (in_new != SNAP_NO_PEER)
        bits_set(&w->self, in_new);
    affected_peer(&w->a[0], in_old);
    affected_peer(&w->a[1], in_new);
}

static void member_changed(struct walk *w, const struct change *c)
{
    const struct group_peer *m = c->after ? c->after : c->before;
    uint32_t in_old, in_new;

    if (!m)
        return;
    in_old = snap_index_of(w->old, m->peer_id);
    in_new = snap_index_of(w->new, m->peer_id);
    if (in_new != SNAP_NO_PEER)
        bits_set(&w->self, in_new);
    on_both(w, affected_link, m->group_id);
    if (str_list_has(&snap_settings(w->new)->ipv6_groups, m->group_id)) {
        affected_peer(&w->a[0], in_old); /* whether its IPv6 address is published may change */
        affected_peer(&w->a[1], in_new);
    }
}

/* ---- groups and users */

static bool same_resources(const struct group *x, const struct group *y)
{
    if (x->n_resources != y->n_resources)
        return false;
    for (size_t i = 0; i < x->n_resources; i++)
        if (!rk_str_eq(x->resources[i].id, y->resources[i].id))
            return false;
    return true;
}

static void group_changed(struct walk *w, struct rk_str id)
{
    const struct group *x = snap_group(w->old, id), *y = snap_group(w->new, id);

    if ((x && group_is_all(x)) != (y && group_is_all(y)))
        w->all = true;
    if (x && y && same_resources(x, y))
        return;
    on_both(w, affected_group, id);
    for (unsigned i = 0; i < 2 && (!x || !y); i++) /* SSH rules authorise its users, or no more */
        affected_users(&w->a[i], &(struct str_list){&id, 1}, false);
    if (!x || !y) /* whether its members' IPv6 addresses are published may change */
        for (unsigned i = 0; i < 2; i++)
            if (str_list_has(&snap_settings(w->a[i].s)->ipv6_groups, id)) {
                affected_members(&w->a[i], &(struct str_list){&id, 1});
                for (BITS_EACH(p, snap_group_members(w->a[i].s, id)))
                    affected_peer(&w->a[i], p);
            }
}

static void add_differing(struct str_list *out, const struct str_list *x, const struct str_list *y)
{
    for (size_t i = 0; i < x->n; i++)
        if (!str_list_has(y, x->v[i]))
            out->v[out->n++] = x->v[i];
}

static void user_changed(struct walk *w, struct rk_str id)
{
    static const struct str_list NONE = {0};
    const struct user *x = snap_user(w->old, id), *y = snap_user(w->new, id);
    bool was = x && user_is_active_human(x), is = y && user_is_active_human(y);
    const struct str_list *gx = was ? &x->auto_groups : &NONE;
    const struct str_list *gy = is ? &y->auto_groups : &NONE;
    RK_CLEANUP(rk_freep) struct rk_str *v = rk_calloc(gx->n + gy->n + 2, sizeof *v);
    struct str_list diff = {.v = v};

    add_differing(&diff, gx, gy);
    add_differing(&diff, gy, gx);
    if (was != is)
        for (unsigned i = 0; i < 2; i++) {
            const struct group *all = snap_group_all(i ? w->new : w->old);

            if (all)
                diff.v[diff.n++] = all->id;
        }
    if (diff.n == 0 && was == is)
        return;
    affected_users(&w->a[0], &diff, was != is);
    affected_users(&w->a[1], &diff, was != is);
}

/* ---- everything else */

static void resource_changed(struct walk *w, struct rk_str id)
{
    for (unsigned i = 0; i < 2; i++) {
        struct affected *a = &w->a[i];
        const struct resource *r = snap_find(a->s, ENT_RESOURCE, id);
        const struct group *g;
        struct rk_str holder;

        affected_resource(a, id, (struct rk_str){0}, &(struct str_list){0});
        for (struct snap_iter it = snap_iter(a->s, ENT_GROUP); r && (g = snap_next(&it)) != NULL;)
            for (size_t k = 0; k < g->n_resources; k++)
                if (rk_str_eq(g->resources[k].id, id)) {
                    holder = g->id;
                    affected_resource(a, id, r->network_id, &(struct str_list){&holder, 1});
                }
    }
}

static void zone_changed(struct walk *w, struct rk_str id)
{
    for (unsigned i = 0; i < 2; i++) {
        const struct zone *z = snap_find(w->a[i].s, ENT_ZONE, id);

        if (z)
            affected_members(&w->a[i], &z->groups);
    }
}

static void record_changed(struct walk *w, struct rk_str id)
{
    for (unsigned i = 0; i < 2; i++) {
        const struct record *r = snap_find(w->a[i].s, ENT_RECORD, id);

        if (r)
            zone_changed(w, r->zone_id);
    }
}

static void service_changed(struct walk *w, struct rk_str id)
{
    for (unsigned i = 0; i < 2; i++) {
        const struct service *svc = snap_find(w->a[i].s, ENT_SERVICE, id);

        if (svc)
            w->all = true; /* policies, zones and name resolution of routers: wake everybody */
    }
}

static bool same_settings(const struct settings *x, const struct settings *y)
{
    return x->peer_login_expiration_enabled == y->peer_login_expiration_enabled &&
           x->peer_login_expiration_s == y->peer_login_expiration_s &&
           x->routing_peer_dns_resolution == y->routing_peer_dns_resolution &&
           rk_str_eq(x->dns_domain, y->dns_domain) && x->lazy_connection == y->lazy_connection &&
           rk_str_eq(x->auto_update_version, y->auto_update_version) &&
           x->auto_update_always == y->auto_update_always && x->metrics_push == y->metrics_push &&
           str_list_eq(&x->ipv6_groups, &y->ipv6_groups);
}

static bool same_network(const struct account *x, const struct account *y)
{
    return rk_prefix_cmp(&x->net4, &y->net4) == 0 && rk_prefix_cmp(&x->net6, &y->net6) == 0 &&
           rk_str_eq(x->net_id, y->net_id);
}

/* Objects that are looked at as they were and as they are. */
static void object_changed(struct walk *w, enum entity_kind k, struct rk_str id)
{
    for (unsigned i = 0; i < 2; i++)
        for (unsigned state = 0; state < 2; state++) {
            const void *e = snap_find(state ? w->new : w->old, k, id);
            struct affected *a = &w->a[i];

            if (!e)
                continue;
            if (k == ENT_POLICY)
                affected_policy(a, e);
            else if (k == ENT_ROUTE)
                affected_route(a, e);
            else if (k == ENT_ROUTER)
                affected_router(a, e);
            else
                affected_members(a, &((const struct ns_group *)e)->groups);
        }
}

static void changed(struct walk *w, const struct change *c)
{
    switch (c->kind) {
    case ENT_ACCOUNT:
        w->all |= !same_network(snap_account(w->old), snap_account(w->new));
        break;
    case ENT_SETTINGS:
        w->all |= !same_settings(snap_settings(w->old), snap_settings(w->new));
        break;
    case ENT_DNS_SETTINGS:
        affected_members(&w->a[0], &snap_dns_settings(w->old)->disabled_management_groups);
        affected_members(&w->a[1], &snap_dns_settings(w->new)->disabled_management_groups);
        break;
    case ENT_USER:
        user_changed(w, c->id);
        break;
    case ENT_PEER:
        peer_changed(w, c->id);
        break;
    case ENT_GROUP:
        group_changed(w, c->id);
        break;
    case ENT_GROUP_PEER:
        member_changed(w, c);
        break;
    case ENT_POLICY:
    case ENT_ROUTE:
    case ENT_ROUTER:
    case ENT_NS_GROUP:
        object_changed(w, c->kind, c->id);
        break;
    case ENT_POSTURE:
        on_both(w, affected_posture, c->id);
        break;
    case ENT_NETWORK:
        if (!snap_find(w->new, ENT_NETWORK, c->id))
            on_both(w, affected_network, c->id);
        break;
    case ENT_RESOURCE:
        resource_changed(w, c->id);
        break;
    case ENT_ZONE:
        zone_changed(w, c->id);
        break;
    case ENT_RECORD:
        record_changed(w, c->id);
        break;
    case ENT_SERVICE:
        service_changed(w, c->id);
        break;
    case ENT_PROXY_DOMAIN:
        w->all |= snap_count(w->new, ENT_SERVICE) > 0;
        break;
    case ENT_PAT:
    case ENT_SETUP_KEY:
    case ENT_INVITE:
    case ENT_JOB:
    case ENT_COUNT:
        break;
    }
}

/* The same peers under the indexes of the new snapshot; those that are gone drop out. */
static void add_translated(struct walk *w, const struct bits *in_old, struct bits *out)
{
    if (w->old->epoch == w->new->epoch) {
        bits_or_and(out, in_old, &w->new->all);
        return;
    }
    for (BITS_EACH(i, in_old)) {
        uint32_t to = snap_index_of(w->new, state_peer(w->old, i)->id);

        if (to != SNAP_NO_PEER)
            bits_set(out, to);
    }
}

void netmap_affected(const struct snapshot *old_snap, const struct snapshot *new_snap,
                     const struct change *changes, size_t n, struct bits *out)
{
    struct walk w = {.old = old_snap, .new = new_snap};

    w.a[0].s = old_snap;
    w.a[1].s = new_snap;
    w.all = netmap_forwarder_port(old_snap) != netmap_forwarder_port(new_snap);
    for (size_t i = 0; i < n && !w.all; i++)
        changed(&w, &changes[i]);
    bits_clear(out);
    if (w.all) {
        bits_or(out, &new_snap->all);
    } else {
        add_translated(&w, &w.a[0].out, out);
        bits_or_and(out, &w.a[1].out, &new_snap->all);
        bits_or(out, &w.self);
    }
    affected_done(&w.a[0]);
    affected_done(&w.a[1]);
    bits_done(&w.self);
}
