/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Making snapshots and freeing them: an edit starts from a version (or from nothing), applies
 * changes to copies of the nodes they touch, then makes derived parts anew where their inputs
 * changed.
 */
#include "config.h"

#include "management/snapshot/apply.h"

#include <stdlib.h>

#include "lib/base/err.h"
#include "management/domain/version.h"
#include "management/snapshot/dns_plan.h"
#include "management/snapshot/pages.h"
#include "management/snapshot/plan.h"
#include "management/snapshot/user_plan.h"

#define NEW_DNS_PORT_VERSION "0.59.0"

/* Renumber when at least this many indexes, and a quarter of all, are free. */
#define MIN_FREE 64

struct edit {
    struct snapshot *s;
    uint64_t owner;
    struct bits touched; /* peers whose verdicts and fragments must be made anew */
    bool fresh;          /* built from tables: everything is new */
    bool plan, dns, users, streams, failing;
};

static _Atomic uint64_t last_number;

static uint64_t next_number(void)
{
    return atomic_fetch_add_explicit(&last_number, 1, memory_order_relaxed) + 1;
}

/* ---- shared nodes */

static int cmp_row(const void *key, const void *item)
{
    return rk_str_cmp(*(const struct rk_str *)key, (*(struct row *const *)item)->id);
}

static void ref_row(const void *item)
{
    (void)row_ref(*(struct row *const *)item);
}

static void unref_row(const void *item)
{
    row_unref(*(struct row *const *)item);
}

static const struct sorted_array_ops ROW_OPS = {sizeof(struct row *), 64, cmp_row, ref_row,
                                                unref_row};

static int cmp_hash(const void *key, const void *item)
{
    const struct hash_item *a = key, *b = item;

    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    return (a->peer > b->peer) - (a->peer < b->peer);
}

static const struct sorted_array_ops HASH_OPS = {sizeof(struct hash_item), 128, cmp_hash, NULL,
                                                 NULL};

void dns_name_unref(struct dns_name *d)
{
    if (d && atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) == 1)
        free(d);
}

static void grp_unref(struct grp *g)
{
    if (!g || atomic_fetch_sub_explicit(&g->refs, 1, memory_order_acq_rel) != 1)
        return;
    row_unref(g->row);
    bits_done(&g->members);
    free(g);
}

void grp_list_unref(struct grp_list *l)
{
    if (!l || atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < l->n; i++)
        grp_unref(l->g[i]);
    free(l);
}

void failing_unref(struct failing *f)
{
    if (!f || atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < f->n; i++) {
        row_unref(f->check[i].row);
        bits_done(&f->check[i].peers);
    }
    free(f);
}

/* ---- groups */

static struct grp_list *own_groups(struct edit *e)
{
    struct grp_list *l = e->s->groups, *copy;
    uint32_t n = l ? l->n : 0, cap = n + n / 2 + 8;

    if (l && l->owner == e->owner && l->n < l->cap)
        return l;
    copy = rk_malloc(sizeof *copy + cap * sizeof copy->g[0]);
    copy->refs = 1;
    copy->owner = e->owner;
    copy->n = n;
    copy->cap = cap;
    for (uint32_t i = 0; i < n; i++) {
        copy->g[i] = l->g[i];
        if (copy->g[i])
            atomic_fetch_add_explicit(&copy->g[i]->refs, 1, memory_order_relaxed);
    }
    grp_list_unref(l);
    e->s->groups = copy;
    return copy;
}

static struct grp *own_group(struct edit *e, uint32_t i)
{
    struct grp_list *l = own_groups(e);
    struct grp *g = l->g[i], *copy;

    if (g && g->owner == e->owner)
        return g;
    copy = rk_calloc(1, sizeof *copy);
    copy->refs = 1;
    copy->owner = e->owner;
    if (g) {
        copy->row = row_ref(g->row);
        bits_copy(&copy->members, &g->members);
        copy->count = g->count;
        grp_unref(g);
    }
    l->g[i] = copy;
    return copy;
}

static uint32_t free_group_index(struct edit *e)
{
    struct grp_list *l = own_groups(e);

    if (sorted_array_count(e->s->tab[ENT_GROUP]) < l->n)
        for (uint32_t i = 0; i < l->n; i++)
            if (!l->g[i])
                return i;
    l->g[l->n] = NULL;
    return l->n++;
}

static void set_member(struct edit *e, uint32_t group, uint32_t peer, bool member)
{
    struct grp *g;
    struct page *p;
    unsigned slot = peer % 64;

    if (bits_has(state_members(e->s, group), peer) == member)
        return;
    g = own_group(e, group);
    p = pages_own(&e->s->pages, e->owner, peer / 64);
    if (member)
        bits_set(&g->members, peer);
    else
        bits_unset(&g->members, peer);
    g->count = member ? g->count + 1 : g->count - 1;
    page_set_groups(
        p, slot, member ? gset_with(p->groups[slot], group) : gset_without(p->groups[slot], group));
    if (row_peer(p->row[slot])->ip6.family == 6)
        p->stale |= UINT64_C(1) << slot; /* whether the address is published may change */
    bits_set(&e->touched, peer);
}

static void drop_group(struct edit *e, const struct row *row)
{
    uint32_t g = row->index;

    for (BITS_EACH(i, state_members(e->s, g)))
        set_member(e, g, i, false);
    own_groups(e);
    grp_unref(e->s->groups->g[g]);
    e->s->groups->g[g] = NULL;
    (void)sorted_array_del(&e->s->tab[ENT_GROUP], e->owner, &row->id);
}

static void put_group(struct edit *e, const struct group *group)
{
    struct row *row = row_new(ENT_GROUP, group);
    const struct row *old = state_row(e->s, ENT_GROUP, row->id);
    struct grp *g;

    row->index = old ? old->index : free_group_index(e);
    g = own_group(e, row->index);
    row_unref(g->row);
    g->row = row_ref(row);
    sorted_array_put(&e->s->tab[ENT_GROUP], &ROW_OPS, e->owner, &row->id, &row);
}

static void change_group(struct edit *e, struct rk_str id, const struct group *after)
{
    const struct row *old = state_row(e->s, ENT_GROUP, id);

    if (after)
        put_group(e, after);
    else if (old)
        drop_group(e, old);
    e->plan = e->dns = e->users = true;
}

/* ---- peers */

static void index_one(struct edit *e, struct sorted_array **index, struct rk_str key, uint32_t peer,
                      bool add)
{
    struct hash_item item = {rk_str_hash(key), peer};

    if (key.n == 0)
        return;
    if (add)
        sorted_array_put(index, &HASH_OPS, e->owner, &item, &item);
    else
        (void)sorted_array_del(index, e->owner, &item);
}

static struct rk_str ip_bytes(const struct rk_ip *ip)
{
    return rk_str_of(ip->b, rk_ip_size(ip));
}

/* Move the peer's entries in the hash indexes from the old to the new values (either may be
 * NULL). */
static void reindex(struct edit *e, uint32_t peer, const struct peer *old, const struct peer *new)
{
    struct snapshot *s = e->s;
    struct {
        struct sorted_array **index;
        struct rk_str old, new;
    } f[] = {{&s->by_key, {0}, {0}},
             {&s->by_label, {0}, {0}},
             {&s->by_ip, {0}, {0}},
             {&s->by_ip6, {0}, {0}}};

    if (old) {
        f[0].old = old->key;
        f[1].old = old->dns_label;
        f[2].old = ip_bytes(&old->ip);
        f[3].old = ip_bytes(&old->ip6);
    }
    if (new) {
        f[0].new = new->key;
        f[1].new = new->dns_label;
        f[2].new = ip_bytes(&new->ip);
        f[3].new = ip_bytes(&new->ip6);
    }
    for (size_t i = 0; i < RK_ARRAY_LEN(f); i++) {
        if (rk_str_eq(f[i].old, f[i].new))
            continue;
        index_one(e, f[i].index, f[i].old, peer, false);
        index_one(e, f[i].index, f[i].new, peer, true);
    }
}

static bool is_old_dns(const struct peer *p)
{
    return p && !version_semver_at_least(p->meta.version, NEW_DNS_PORT_VERSION);
}

/* Proxy peers are named by policies that the plan makes up for services. */
static void note_proxy(struct edit *e, const struct peer *p)
{
    if (p && p->proxy_embedded && sorted_array_count(e->s->tab[ENT_SERVICE]) > 0)
        e->plan = e->dns = true;
}

static void drop_peer(struct edit *e, const struct row *row)
{
    uint32_t i = row->index;
    struct page *p = pages_own(&e->s->pages, e->owner, i / 64);
    struct gset *groups = gset_ref(p->groups[i % 64]);

    note_proxy(e, row_peer(row));
    for (uint32_t k = 0; groups && k < groups->n; k++)
        set_member(e, groups->g[k], i, false);
    gset_unref(groups);
    page_set_groups(p, i % 64, NULL);
    reindex(e, i, row_peer(row), NULL);
    e->s->n_old_dns -= is_old_dns(row_peer(row));
    e->s->n_peers--;
    bits_unset(&e->s->all, i);
    bits_unset(&e->s->valid, i);
    page_set(p, i % 64, NULL);
    bits_set(&e->touched, i);
    (void)sorted_array_del(&e->s->tab[ENT_PEER], e->owner, &row->id);
}

static void put_peer(struct edit *e, const struct peer *peer)
{
    struct row *row = row_new(ENT_PEER, peer), *old;
    struct snapshot *s = e->s;
    struct page *p;
    uint32_t i;

    old = (struct row *)(uintptr_t)state_row(s, ENT_PEER, row->id);
    if (old)
        (void)row_ref(old);
    i = row->index = old ? old->index : s->limit++;
    s->n_peers += !old;
    p = pages_own(&s->pages, e->owner, i / 64);
    note_proxy(e, old ? row_peer(old) : NULL);
    note_proxy(e, row_peer(row));
    page_set(p, i % 64, row_ref(row));
    if (!p->groups[i % 64])
        page_set_groups(p, i % 64, gset_without(NULL, 0));
    reindex(e, i, old ? row_peer(old) : NULL, row_peer(row));
    s->n_old_dns += is_old_dns(row_peer(row));
    s->n_old_dns -= is_old_dns(old ? row_peer(old) : NULL);
    bits_set(&s->all, i);
    if (peer_is_validated(peer))
        bits_set(&s->valid, i);
    else
        bits_unset(&s->valid, i);
    bits_set(&e->touched, i);
    sorted_array_put(&s->tab[ENT_PEER], &ROW_OPS, e->owner, &row->id, &row);
    row_unref(old);
}

static void change_peer(struct edit *e, struct rk_str id, const struct peer *after)
{
    const struct row *old;

    if (after) {
        put_peer(e, after);
        return;
    }
    old = state_row(e->s, ENT_PEER, id);
    if (old) {
        struct row *keep = row_ref(old);

        drop_peer(e, keep);
        row_unref(keep);
    }
}

static void change_member(struct edit *e, const struct change *c)
{
    const struct group_peer *m = c->after ? c->after : c->before;
    uint32_t g, p;

    if (!m)
        return;
    g = state_group_index(e->s, m->group_id);
    p = snap_index_of(e->s, m->peer_id);
    if (g != NO_INDEX && p != SNAP_NO_PEER)
        set_member(e, g, p, c->after != NULL);
}

/* ---- other kinds */

static void change_row(struct edit *e, enum entity_kind k, struct rk_str id, const void *after)
{
    struct row *row;

    if (!after) {
        (void)sorted_array_del(&e->s->tab[k], e->owner, &id);
        return;
    }
    row = row_new(k, after);
    sorted_array_put(&e->s->tab[k], &ROW_OPS, e->owner, &row->id, &row);
}

static void replace_row(struct row **place, enum entity_kind k, const void *after)
{
    if (!after)
        return; /* the account's own structs are never deleted */
    row_unref(*place);
    *place = row_new(k, after);
}

/* What of the derived parts a change of each kind makes stale. */
static void note_kind(struct edit *e, enum entity_kind k)
{
    switch (k) {
    case ENT_SETTINGS:
        e->streams = true;
        break;
    case ENT_DNS_SETTINGS:
    case ENT_NS_GROUP:
    case ENT_ZONE:
    case ENT_RECORD:
        e->dns = true;
        break;
    case ENT_POSTURE:
        e->failing = e->plan = true;
        break;
    case ENT_SERVICE:
    case ENT_PROXY_DOMAIN:
        e->plan = e->dns = true;
        break;
    case ENT_POLICY:
        e->failing = e->plan = true;
        break;
    case ENT_ROUTE:
    case ENT_RESOURCE:
    case ENT_ROUTER:
        e->plan = true;
        break;
    default:
        break;
    }
}

/* Only these fields of a user decide who may log in by SSH; a login time changes nothing. */
static bool same_for_ssh(const struct user *a, const struct user *b)
{
    return a && b && user_is_active_human(a) == user_is_active_human(b) &&
           str_list_eq(&a->auto_groups, &b->auto_groups);
}

static void change_one(struct edit *e, enum entity_kind k, struct rk_str id, const void *after)
{
    note_kind(e, k);
    switch (k) {
    case ENT_ACCOUNT:
        replace_row(&e->s->account, k, after);
        break;
    case ENT_SETTINGS:
        replace_row(&e->s->settings, k, after);
        break;
    case ENT_DNS_SETTINGS:
        replace_row(&e->s->dns_settings, k, after);
        break;
    case ENT_PEER:
        change_peer(e, id, after);
        break;
    case ENT_GROUP:
        change_group(e, id, after);
        break;
    case ENT_USER:
        e->users |= !same_for_ssh(snap_user(e->s, id), after);
        change_row(e, k, id, after);
        break;
    case ENT_GROUP_PEER:
    case ENT_COUNT:
        break;
    default:
        change_row(e, k, id, after);
    }
}

/* ---- derived parts */

static void find_all_group(struct snapshot *s)
{
    s->all_group = NO_INDEX;
    for (uint32_t i = 0; s->groups && i < s->groups->n; i++)
        if (s->groups->g[i] && group_is_all(row_group(s->groups->g[i]->row))) {
            s->all_group = i;
            return;
        }
}

static bool is_referenced(const struct snapshot *s, struct rk_str posture_id)
{
    const struct policy *p;

    for (struct snap_iter it = snap_iter(s, ENT_POLICY); (p = snap_next(&it)) != NULL;)
        if (p->enabled && str_list_has(&p->posture_checks, posture_id))
            return true;
    return false;
}

static void judge(struct failing_check *c, const struct snapshot *s, uint32_t peer)
{
    const struct peer *p = snap_peer_at(s, peer);

    if (p && !posture_passes((const struct posture *)row_entity(c->row), p))
        bits_set(&c->peers, peer);
    else
        bits_unset(&c->peers, peer);
}

static struct failing *failing_new(uint32_t n)
{
    struct failing *f = rk_calloc(1, sizeof *f + n * sizeof f->check[0]);

    f->refs = 1;
    return f;
}

/* Verdicts of all checks that an enabled policy names, for all peers. */
static void judge_all(struct snapshot *s)
{
    struct failing *f = failing_new((uint32_t)sorted_array_count(s->tab[ENT_POSTURE]));
    struct sorted_array_pos pos = sorted_array_lower(s->tab[ENT_POSTURE], NULL);
    struct row *const *item;

    while ((item = sorted_array_next(s->tab[ENT_POSTURE], &pos)) != NULL) {
        struct failing_check *c = &f->check[f->n];

        if (!is_referenced(s, (*item)->id))
            continue;
        c->row = row_ref(*item);
        for (BITS_EACH(i, &s->all))
            judge(c, s, i);
        f->n++;
    }
    failing_unref(s->failing);
    s->failing = f;
}

static void judge_touched(struct snapshot *s, const struct bits *touched)
{
    struct failing *old = s->failing, *f;

    if (old->n == 0 || !bits_any(touched))
        return;
    f = failing_new(old->n);
    f->n = old->n;
    for (uint32_t i = 0; i < f->n; i++) {
        f->check[i].row = row_ref(old->check[i].row);
        bits_copy(&f->check[i].peers, &old->check[i].peers);
        for (BITS_EACH(p, touched))
            judge(&f->check[i], s, p);
    }
    failing_unref(old);
    s->failing = f;
}

static void derive_pages(struct edit *e)
{
    struct snapshot *s = e->s;
    const struct str_list *ids = &snap_settings(s)->ipv6_groups;
    RK_CLEANUP(rk_freep) uint32_t *groups = rk_calloc(ids->n + 1, sizeof *groups);
    struct derive_env env = {
        .domain = snap_dns_domain(s), .ipv6_groups = groups, .ipv6 = ids->n > 0};

    for (size_t i = 0; i < ids->n; i++) {
        groups[env.n_ipv6_groups] = state_group_index(s, ids->v[i]);
        env.n_ipv6_groups += groups[env.n_ipv6_groups] != NO_INDEX;
    }
    for (uint32_t i = 0; s->pages && i < s->pages->n; i++) {
        struct page *p = s->pages->page[i];

        if (e->streams) {
            p = pages_own(&s->pages, e->owner, i);
            p->stale = ~UINT64_C(0);
        }
        if (p->owner == e->owner && (p->stale || !p->derived))
            page_derive(p, &env);
    }
}

static void finish(struct edit *e)
{
    struct snapshot *s = e->s;

    if (e->plan || e->fresh)
        find_all_group(s);
    derive_pages(e);
    if (e->failing || e->fresh || !s->failing)
        judge_all(s);
    else
        judge_touched(s, &e->touched);
    if (e->plan || e->failing || e->fresh) {
        plan_unref(s->plan);
        s->plan = plan_new(s);
    }
    if (e->dns || e->fresh) {
        dns_plan_unref(s->dns);
        s->dns = dns_plan_new(s);
    }
    if (e->users || e->fresh)
        user_plan_update(s);
    bits_done(&e->touched);
}

/* ---- entry points */

static struct snapshot *snapshot_new(uint64_t serial, struct dns_name *domain)
{
    struct snapshot *s = rk_calloc(1, sizeof *s);

    s->refs = 1;
    s->serial = serial;
    s->server_domain = domain;
    s->all_group = NO_INDEX;
    return s;
}

static struct dns_name *dns_name_new(struct rk_str text)
{
    struct dns_name *d = rk_malloc(sizeof *d + text.n);

    d->refs = 1;
    d->n = text.n;
    if (text.n > 0)
        memcpy(d->text, text.p, text.n);
    return d;
}

static int cmp_peer_id(const void *a, const void *b)
{
    return rk_str_cmp((*(const struct peer *const *)a)->id, (*(const struct peer *const *)b)->id);
}

/* Peers in id order, so that indexes do not depend on the order of the table. */
static void put_peers_sorted(struct edit *e, const struct peer *peers, size_t n)
{
    RK_CLEANUP(rk_freep) const struct peer **order = rk_calloc(n + 1, sizeof *order);

    for (size_t i = 0; i < n; i++)
        order[i] = &peers[i];
    qsort(order, n, sizeof *order, cmp_peer_id);
    for (size_t i = 0; i < n; i++)
        put_peer(e, order[i]);
}

struct snapshot *snap_build(const struct account_data *d, const struct snap_opts *opts)
{
    struct edit e = {.owner = next_number(), .fresh = true};

    e.s = snapshot_new(d->account.serial, dns_name_new(opts->dns_domain));
    e.s->epoch = e.owner;
    e.s->account = row_new(ENT_ACCOUNT, &d->account);
    e.s->settings = row_new(ENT_SETTINGS, &d->settings);
    e.s->dns_settings = row_new(ENT_DNS_SETTINGS, &d->dns_settings);
    for (size_t i = 0; i < d->n_groups; i++)
        put_group(&e, &d->groups[i]);
    put_peers_sorted(&e, d->peers, d->n_peers);
    for (unsigned k = 0; k < ENT_COUNT; k++) {
        const void *items;
        size_t n;

        if (k == ENT_PEER || k == ENT_GROUP ||
            !account_data_table(d, (enum entity_kind)k, &items, &n))
            continue;
        for (size_t i = 0; i < n; i++) {
            const void *item = (const char *)items + i * entity_size((enum entity_kind)k);

            if (k == ENT_GROUP_PEER)
                change_member(&e, &(struct change){.kind = ENT_GROUP_PEER, .after = item});
            else
                change_row(&e, (enum entity_kind)k, (struct rk_str){0}, item);
        }
    }
    finish(&e);
    return e.s;
}

/* All peers of a snapshot again under new, gapless indexes. */
static void renumber(struct edit *e)
{
    struct snapshot *s = e->s;
    struct page_list *pages = s->pages;
    struct grp_list *groups = s->groups;
    uint32_t limit = s->limit;
    struct sorted_array **emptied[] = {&s->by_key, &s->by_label,      &s->by_ip,
                                       &s->by_ip6, &s->tab[ENT_PEER], &s->tab[ENT_GROUP]};

    for (size_t i = 0; i < RK_ARRAY_LEN(emptied); i++) {
        sorted_array_unref(*emptied[i]);
        *emptied[i] = NULL;
    }
    s->epoch = e->owner;
    s->limit = s->n_peers = s->n_old_dns = 0;
    s->pages = NULL;
    s->groups = NULL;
    bits_clear(&s->all);
    bits_clear(&s->valid);
    for (uint32_t g = 0; groups && g < groups->n; g++)
        if (groups->g[g])
            put_group(e, row_group(groups->g[g]->row));
    for (uint32_t i = 0; i < limit; i++) {
        const struct page *p = pages->page[i / 64];
        const struct gset *set = p->groups[i % 64];

        if (!p->row[i % 64])
            continue;
        put_peer(e, row_peer(p->row[i % 64]));
        for (uint32_t k = 0; set && k < set->n; k++)
            set_member(e, state_group_index(s, groups->g[set->g[k]]->row->id), s->limit - 1, true);
    }
    page_list_unref(pages);
    grp_list_unref(groups);
    e->fresh = true;
}

/* Everything is shared with the old version first (one reference each); an edit then replaces only
 * the nodes that the changes touch, and marks which derived parts finish() makes anew. A node that
 * this edit has made itself (`owner`) is changed in place, every other one is copied before, so
 * readers of the old version never see a change. */
struct snapshot *snap_apply(const struct snapshot *old, const struct change *changes, size_t n,
                            uint64_t serial)
{
    struct edit e = {.owner = next_number()};
    struct snapshot *s = e.s = snapshot_new(serial, old->server_domain);

    atomic_fetch_add_explicit(&s->server_domain->refs, 1, memory_order_relaxed);
    s->epoch = old->epoch;
    s->account = row_ref(old->account);
    s->settings = row_ref(old->settings);
    s->dns_settings = row_ref(old->dns_settings);
    for (unsigned k = 0; k < ENT_COUNT; k++)
        s->tab[k] = sorted_array_ref(old->tab[k]);
    s->pages = page_list_ref(old->pages);
    s->limit = old->limit;
    s->n_peers = old->n_peers;
    s->n_old_dns = old->n_old_dns;
    bits_copy(&s->all, &old->all);
    bits_copy(&s->valid, &old->valid);
    s->by_key = sorted_array_ref(old->by_key);
    s->by_label = sorted_array_ref(old->by_label);
    s->by_ip = sorted_array_ref(old->by_ip);
    s->by_ip6 = sorted_array_ref(old->by_ip6);
    s->groups = old->groups;
    if (s->groups)
        atomic_fetch_add_explicit(&s->groups->refs, 1, memory_order_relaxed);
    s->all_group = old->all_group;
    s->failing = old->failing;
    atomic_fetch_add_explicit(&s->failing->refs, 1, memory_order_relaxed);
    s->plan = plan_ref(old->plan);
    s->dns = dns_plan_ref(old->dns);
    s->users = user_plan_ref(old->users);
    for (size_t i = 0; i < n; i++)
        change_one(&e, changes[i].kind, changes[i].id, changes[i].after);
    /* Memberships last: their peers and groups may stand behind them in the list. */
    for (size_t i = 0; i < n; i++)
        if (changes[i].kind == ENT_GROUP_PEER)
            change_member(&e, &changes[i]);
    if (s->limit - s->n_peers >= MIN_FREE && s->limit - s->n_peers > s->limit / 4)
        renumber(&e);
    finish(&e);
    return s;
}

/* ---- life */

struct snapshot *snap_ref(const struct snapshot *s)
{
    struct snapshot *w = (struct snapshot *)(uintptr_t)s;

    if (w)
        atomic_fetch_add_explicit(&w->refs, 1, memory_order_relaxed);
    return w;
}

void snap_unref(const struct snapshot *c)
{
    struct snapshot *s = (struct snapshot *)(uintptr_t)c; /* the count is not part of the value */

    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    plan_unref(s->plan);
    dns_plan_unref(s->dns);
    user_plan_unref(s->users);
    failing_unref(s->failing);
    grp_list_unref(s->groups);
    page_list_unref(s->pages);
    sorted_array_unref(s->by_key);
    sorted_array_unref(s->by_label);
    sorted_array_unref(s->by_ip);
    sorted_array_unref(s->by_ip6);
    for (unsigned k = 0; k < ENT_COUNT; k++)
        sorted_array_unref(s->tab[k]);
    row_unref(s->account);
    row_unref(s->settings);
    row_unref(s->dns_settings);
    bits_done(&s->all);
    bits_done(&s->valid);
    dns_name_unref(s->server_domain);
    free(s);
}

void snap_unrefp(struct snapshot **s)
{
    snap_unref(*s);
    *s = NULL;
}
