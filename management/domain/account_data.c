/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sizes, ids and deep copies of every entity kind. A copy is made in two passes over the same
 * "walk" functions: the first one counts bytes, the second one copies texts and arrays behind the
 * struct and redirects the pointers of the copy.
 */
#include "config.h"

#include "management/domain/account_data.h"

#include <stddef.h>
#include <stdlib.h>

#include "lib/base/err.h"

#define ALIGN 16

struct copier {
    char *p;  /* NULL while counting */
    size_t n; /* bytes used so far */
};

static void *walk_mem(struct copier *c, const void *src, size_t size)
{
    char *to = NULL;

    if (size == 0)
        return NULL;
    c->n = (c->n + ALIGN - 1) / ALIGN * ALIGN;
    if (c->p) {
        to = c->p + c->n;
        memcpy(to, src, size);
    }
    c->n += size;
    return to;
}

/* Texts need no alignment. */
static void walk_str(struct copier *c, struct rk_str *s)
{
    if (c->p && s->n > 0) {
        memcpy(c->p + c->n, s->p, s->n);
        s->p = c->p + c->n;
    }
    c->n += s->n;
}

/* Redirect an array field to its copy; while counting, the source must stay untouched. */
#define WALK_ARRAY(c, field, count)                                                                \
    do {                                                                                           \
        void *copy_ = walk_mem((c), (field), (count) * sizeof *(field));                           \
                                                                                                   \
        if (copy_)                                                                                 \
            (field) = copy_;                                                                       \
    } while (0)

#define WALK_STRS(c, ...)                                                                          \
    do {                                                                                           \
        struct rk_str *const list_[] = {__VA_ARGS__};                                              \
                                                                                                   \
        for (size_t i_ = 0; i_ < RK_ARRAY_LEN(list_); i_++)                                        \
            walk_str((c), list_[i_]);                                                              \
    } while (0)

static void walk_list(struct copier *c, struct str_list *l)
{
    WALK_ARRAY(c, l->v, l->n);
    for (size_t i = 0; i < l->n; i++) {
        struct rk_str *s = &l->v[i];
        struct rk_str counted = *s;

        walk_str(c, c->p ? s : &counted);
    }
}

static void walk_account(struct copier *c, void *e)
{
    struct account *a = e;

    WALK_STRS(c, &a->id, &a->created_by, &a->domain, &a->net_id, &a->rp_nonce);
}

static void walk_settings(struct copier *c, void *e)
{
    struct settings *s = e;

    WALK_STRS(c, &s->jwt_groups_claim, &s->dns_domain, &s->integrated_validator,
              &s->auto_update_version);
    walk_list(c, &s->jwt_allow_groups);
    walk_list(c, &s->peer_expose_groups);
    walk_list(c, &s->integrated_validator_groups);
    walk_list(c, &s->ipv6_groups);
}

static void walk_dns_settings(struct copier *c, void *e)
{
    walk_list(c, &((struct dns_settings *)e)->disabled_management_groups);
}

static void walk_user(struct copier *c, void *e)
{
    struct user *u = e;

    WALK_STRS(c, &u->id, &u->account_id, &u->service_name, &u->integration_type, &u->name,
              &u->email);
    walk_list(c, &u->auto_groups);
}

static void walk_pat(struct copier *c, void *e)
{
    struct pat *p = e;

    WALK_STRS(c, &p->id, &p->user_id, &p->name, &p->hash, &p->created_by);
}

static void walk_setup_key(struct copier *c, void *e)
{
    struct setup_key *k = e;

    WALK_STRS(c, &k->id, &k->account_id, &k->hash, &k->display, &k->name);
    walk_list(c, &k->auto_groups);
}

static void walk_peer(struct copier *c, void *e)
{
    struct peer *p = e;
    struct peer_meta *m = &p->meta;

    WALK_STRS(c, &p->id, &p->account_id, &p->key, &p->name, &p->dns_label, &p->user_id, &p->ssh_key,
              &p->proxy_cluster, &p->location.country_code, &p->location.city_name);
    walk_list(c, &p->extra_dns_labels);
    WALK_STRS(c, &m->hostname, &m->goos, &m->kernel, &m->core, &m->platform, &m->os, &m->os_version,
              &m->version, &m->ui_version, &m->kernel_version, &m->serial_number, &m->product_name,
              &m->manufacturer, &m->env_cloud, &m->env_platform);
    WALK_ARRAY(c, m->addresses, m->n_addresses);
    for (size_t i = 0; i < m->n_addresses; i++) {
        struct rk_str mac = m->addresses[i].mac;

        walk_str(c, c->p ? &m->addresses[i].mac : &mac);
    }
    WALK_ARRAY(c, m->files, m->n_files);
    for (size_t i = 0; i < m->n_files; i++) {
        struct rk_str path = m->files[i].path;

        walk_str(c, c->p ? &m->files[i].path : &path);
    }
}

static void walk_group(struct copier *c, void *e)
{
    struct group *g = e;

    WALK_STRS(c, &g->id, &g->account_id, &g->public_id, &g->name, &g->integration_type);
    WALK_ARRAY(c, g->resources, g->n_resources);
    for (size_t i = 0; i < g->n_resources; i++) {
        struct rk_str id = g->resources[i].id;

        walk_str(c, c->p ? &g->resources[i].id : &id);
    }
}

static void walk_group_peer(struct copier *c, void *e)
{
    struct group_peer *g = e;

    WALK_STRS(c, &g->group_id, &g->peer_id);
}

static void walk_rule(struct copier *c, struct rule *r)
{
    WALK_STRS(c, &r->id, &r->policy_id, &r->name, &r->description, &r->source_resource.id,
              &r->destination_resource.id, &r->authorized_user);
    walk_list(c, &r->sources);
    walk_list(c, &r->destinations);
    walk_list(c, &r->ports);
    WALK_ARRAY(c, r->ranges, r->n_ranges);
    WALK_ARRAY(c, r->authorized, r->n_authorized);
    for (size_t i = 0; i < r->n_authorized; i++) {
        struct authorized_group counted = r->authorized[i];
        struct authorized_group *g = c->p ? &r->authorized[i] : &counted;

        walk_str(c, &g->group_id);
        walk_list(c, &g->names);
    }
}

static void walk_policy(struct copier *c, void *e)
{
    struct policy *p = e;

    WALK_STRS(c, &p->id, &p->account_id, &p->public_id, &p->name, &p->description);
    walk_list(c, &p->posture_checks);
    WALK_ARRAY(c, p->rules, p->n_rules);
    for (size_t i = 0; i < p->n_rules; i++) {
        struct rule counted = p->rules[i];

        walk_rule(c, c->p ? &p->rules[i] : &counted);
    }
}

static void walk_posture(struct copier *c, void *e)
{
    struct posture *p = e;

    WALK_STRS(c, &p->id, &p->account_id, &p->public_id, &p->name, &p->description,
              &p->nb_min_version, &p->android_min_version, &p->darwin_min_version,
              &p->ios_min_version, &p->linux_min_kernel, &p->windows_min_kernel);
    WALK_ARRAY(c, p->geo, p->n_geo);
    for (size_t i = 0; i < p->n_geo; i++) {
        struct geo_location counted = p->geo[i];
        struct geo_location *g = c->p ? &p->geo[i] : &counted;

        WALK_STRS(c, &g->country_code, &g->city_name);
    }
    WALK_ARRAY(c, p->ranges, p->n_ranges);
    WALK_ARRAY(c, p->processes, p->n_processes);
    for (size_t i = 0; i < p->n_processes; i++) {
        struct check_process counted = p->processes[i];
        struct check_process *q = c->p ? &p->processes[i] : &counted;

        WALK_STRS(c, &q->linux_path, &q->mac_path, &q->windows_path);
    }
}

static void walk_route(struct copier *c, void *e)
{
    struct route *r = e;

    WALK_STRS(c, &r->id, &r->account_id, &r->public_id, &r->description, &r->net_id, &r->peer);
    walk_list(c, &r->domains);
    walk_list(c, &r->peer_groups);
    walk_list(c, &r->groups);
    walk_list(c, &r->access_control_groups);
}

static void walk_network(struct copier *c, void *e)
{
    struct network *n = e;

    WALK_STRS(c, &n->id, &n->account_id, &n->public_id, &n->name, &n->description);
}

static void walk_resource(struct copier *c, void *e)
{
    struct resource *r = e;

    WALK_STRS(c, &r->id, &r->account_id, &r->network_id, &r->public_id, &r->name, &r->description,
              &r->domain);
}

static void walk_router(struct copier *c, void *e)
{
    struct router *r = e;

    WALK_STRS(c, &r->id, &r->account_id, &r->network_id, &r->public_id, &r->peer);
    walk_list(c, &r->peer_groups);
}

static void walk_ns_group(struct copier *c, void *e)
{
    struct ns_group *g = e;

    WALK_STRS(c, &g->id, &g->account_id, &g->public_id, &g->name, &g->description);
    WALK_ARRAY(c, g->servers, g->n_servers);
    walk_list(c, &g->groups);
    walk_list(c, &g->domains);
}

static void walk_zone(struct copier *c, void *e)
{
    struct zone *z = e;

    WALK_STRS(c, &z->id, &z->account_id, &z->name, &z->domain);
    walk_list(c, &z->groups);
}

static void walk_record(struct copier *c, void *e)
{
    struct record *r = e;

    WALK_STRS(c, &r->id, &r->account_id, &r->zone_id, &r->name, &r->content);
}

static void walk_invite(struct copier *c, void *e)
{
    struct invite *i = e;

    WALK_STRS(c, &i->id, &i->account_id, &i->email, &i->name, &i->token_hash, &i->created_by);
    walk_list(c, &i->auto_groups);
}

static void walk_job(struct copier *c, void *e)
{
    struct job *j = e;

    WALK_STRS(c, &j->id, &j->account_id, &j->peer_id, &j->type, &j->failed_reason, &j->result,
              &j->triggered_by);
}

static void walk_service(struct copier *c, void *e)
{
    struct service *s = e;

    WALK_STRS(c, &s->id, &s->account_id, &s->domain, &s->proxy_cluster, &s->mode);
    walk_list(c, &s->access_groups);
    WALK_ARRAY(c, s->targets, s->n_targets);
    for (size_t i = 0; i < s->n_targets; i++) {
        struct service_target counted = s->targets[i];
        struct service_target *t = c->p ? &s->targets[i] : &counted;

        WALK_STRS(c, &t->path, &t->target_type, &t->target_id, &t->protocol);
    }
}

static void walk_proxy_domain(struct copier *c, void *e)
{
    struct proxy_domain *d = e;

    WALK_STRS(c, &d->id, &d->domain, &d->cluster);
}

#define NO_ID SIZE_MAX
#define KIND(type, walk, id, items)                                                                \
    {                                                                                              \
        sizeof(struct type), walk, id, offsetof(struct account_data, items),                       \
            offsetof(struct account_data, n_##items), true                                         \
    }
#define KIND_ID(type, walk, items) KIND(type, walk, offsetof(struct type, id), items)
#define KIND_ONE(type, walk, id)                                                                   \
    {                                                                                              \
        sizeof(struct type), walk, id, 0, 0, false                                                 \
    }

static const struct kind_info {
    size_t size;
    void (*walk)(struct copier *c, void *e);
    size_t id;    /* offset of the struct rk_str */
    size_t items; /* offsets in struct account_data */
    size_t n_items;
    bool table;
} KINDS[ENT_COUNT] = {
    [ENT_ACCOUNT] = KIND_ONE(account, walk_account, offsetof(struct account, id)),
    [ENT_SETTINGS] = KIND_ONE(settings, walk_settings, NO_ID),
    [ENT_DNS_SETTINGS] = KIND_ONE(dns_settings, walk_dns_settings, NO_ID),
    [ENT_USER] = KIND_ID(user, walk_user, users),
    [ENT_PAT] = KIND_ID(pat, walk_pat, pats),
    [ENT_SETUP_KEY] = KIND_ID(setup_key, walk_setup_key, setup_keys),
    [ENT_PEER] = KIND_ID(peer, walk_peer, peers),
    [ENT_GROUP] = KIND_ID(group, walk_group, groups),
    [ENT_GROUP_PEER] =
        KIND(group_peer, walk_group_peer, offsetof(struct group_peer, group_id), group_peers),
    [ENT_POLICY] = KIND_ID(policy, walk_policy, policies),
    [ENT_POSTURE] = KIND_ID(posture, walk_posture, postures),
    [ENT_ROUTE] = KIND_ID(route, walk_route, routes),
    [ENT_NETWORK] = KIND_ID(network, walk_network, networks),
    [ENT_RESOURCE] = KIND_ID(resource, walk_resource, resources),
    [ENT_ROUTER] = KIND_ID(router, walk_router, routers),
    [ENT_NS_GROUP] = KIND_ID(ns_group, walk_ns_group, ns_groups),
    [ENT_ZONE] = KIND_ID(zone, walk_zone, zones),
    [ENT_RECORD] = KIND_ID(record, walk_record, records),
    [ENT_INVITE] = KIND_ID(invite, walk_invite, invites),
    [ENT_JOB] = KIND_ID(job, walk_job, jobs),
    [ENT_SERVICE] = KIND_ID(service, walk_service, services),
    [ENT_PROXY_DOMAIN] = KIND_ID(proxy_domain, walk_proxy_domain, proxy_domains),
};

size_t entity_size(enum entity_kind k)
{
    return KINDS[k].size;
}

struct rk_str entity_id(enum entity_kind k, const void *entity)
{
    struct rk_str id = {0};

    if (KINDS[k].id != NO_ID)
        memcpy(&id, (const char *)entity + KINDS[k].id, sizeof id);
    return id;
}

bool account_data_table(const struct account_data *d, enum entity_kind k, const void **items,
                        size_t *n)
{
    const struct kind_info *i = &KINDS[k];

    if (!i->table)
        return false;
    memcpy(items, (const char *)d + i->items, sizeof *items);
    memcpy(n, (const char *)d + i->n_items, sizeof *n);
    return true;
}

/* A union of the largest alignment that holds any entity, for the counting pass. */
union any_entity {
    struct account account;
    struct settings settings;
    struct peer peer;
    struct user user;
    struct policy policy;
    struct posture posture;
    struct route route;
    struct service service;
    struct job job;
    struct ns_group ns_group;
    struct resource resource;
    struct setup_key setup_key;
    struct invite invite;
};

static size_t copy_size(enum entity_kind k, const void *entity)
{
    struct copier count = {NULL, KINDS[k].size};
    union any_entity tmp;

    memcpy(&tmp, entity, KINDS[k].size);
    KINDS[k].walk(&count, &tmp);
    return count.n;
}

static void copy_to(enum entity_kind k, const void *entity, void *to)
{
    struct copier copy = {to, KINDS[k].size};

    memcpy(to, entity, KINDS[k].size);
    KINDS[k].walk(&copy, to);
}

void *entity_dup(struct rk_arena *mem, enum entity_kind k, const void *entity)
{
    void *to = rk_arena_alloc(mem, copy_size(k, entity));

    copy_to(k, entity, to);
    return to;
}

void *entity_dup_block(enum entity_kind k, const void *entity, size_t head)
{
    char *block = rk_malloc(head + copy_size(k, entity));

    copy_to(k, entity, block + head);
    return block;
}
