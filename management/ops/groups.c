/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations on groups; see groups.h. */
#include "config.h"

#include "management/ops/groups.h"

#include "lib/base/id.h"
#include "management/ops/addresses.h"

struct save {
    struct rk_arena *mem;
    struct rk_str id;
    const struct group_input *in;
};

enum rk_code group_member_event(struct tx *tx, struct rk_arena *mem, const struct group *g,
                                const struct peer *p, bool added, struct rk_err *err)
{
    char text[RK_ADDR_TEXT];

    return tx_event(tx, added ? ACT_PEER_GROUP_ADD : ACT_PEER_GROUP_DELETE, p->id,
                    META(mem, {"group", g->name}, {"group_id", g->id},
                         {"peer_ip", rk_ip_format(&p->ip, text)},
                         {"peer_fqdn", op_fqdn(mem, tx->snap, p)}),
                    err);
}

static enum rk_code add_members(struct tx *tx, struct rk_arena *mem, const struct group *g,
                                const struct str_list *peers, struct str_list *moved,
                                struct rk_err *err)
{
    enum rk_code rc = RK_OK;

    for (size_t i = 0; i < peers->n && !rc; i++) {
        const struct peer *p = tx_get(tx, ENT_PEER, peers->v[i]);

        if (!p || tx_group_has_peer(tx, g->id, p->id))
            continue;
        rc = tx_group_add_peer(tx, g->id, p->id, err);
        if (!rc)
            rc = group_member_event(tx, mem, g, p, true, err);
        moved->v[moved->n++] = p->id;
    }
    return rc;
}

static enum rk_code drop_members(struct tx *tx, struct rk_arena *mem, const struct group *g,
                                 const struct str_list *keep, struct str_list *moved,
                                 struct rk_err *err)
{
    const struct bits *members = snap_group_members(tx->snap, g->id);
    struct bits kept = {0};
    enum rk_code rc = RK_OK;

    for (size_t i = 0; i < keep->n; i++) {
        uint32_t index = snap_index_of(tx->snap, keep->v[i]);

        if (index != SNAP_NO_PEER)
            bits_set(&kept, index);
    }
    for (BITS_EACH(i, members)) {
        const struct peer *p = snap_peer_at(tx->snap, i);

        if (bits_has(&kept, i) || p->proxy_embedded)
            continue;
        rc = tx_group_del_peer(tx, g->id, p->id, err);
        if (!rc)
            rc = group_member_event(tx, mem, g, p, false, err);
        if (rc)
            break;
        moved->v[moved->n++] = p->id;
    }
    bits_done(&kept);
    return rc;
}

/* Peers that came or went may gain or lose an IPv6 address. */
static enum rk_code addresses(struct tx *tx, struct rk_arena *mem, struct rk_str group_id,
                              const struct str_list *moved, struct rk_err *err)
{
    if (!moved->n || !str_list_has(&snap_settings(tx->snap)->ipv6_groups, group_id))
        return RK_OK;
    return addr6_reconcile(tx, mem, moved, err);
}

static enum rk_code create_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    const struct group *same = snap_group_by_name(tx->snap, s->in->name);
    struct group *g = rk_new(s->mem, struct group);
    struct str_list moved = {rk_new_n(s->mem, struct rk_str, s->in->peers.n), 0};
    enum rk_code rc;

    if (same)
        return rk_fail(err, RK_EXISTS, "group with name %.*s already exists",
                       RK_STR_ARG(s->in->name));
    *g = (struct group){.id = s->id,
                        .account_id = tx->account_id,
                        .public_id = rk_xid_new(s->mem),
                        .name = s->in->name,
                        .issued = ISSUED_API,
                        .resources = s->in->resources,
                        .n_resources = s->in->n_resources};
    rc = tx_put(tx, ENT_GROUP, g, err);
    if (!rc)
        rc = tx_event(tx, ACT_GROUP_ADD, g->id, META(s->mem, {"name", g->name}), err);
    if (!rc)
        rc = add_members(tx, s->mem, g, &s->in->peers, &moved, err);
    return rc;
}

enum rk_code group_create(struct op *op, const struct group_input *in, struct rk_str *id,
                          struct rk_err *err)
{
    struct save s = {.mem = op->mem, .in = in};
    enum rk_code rc;

    if (!in->name.n)
        return rk_fail(err, RK_INVALID, "group name shouldn't be empty");
    rc = op_may(op, PERM_GROUPS, PERM_CREATE, err);
    if (rc)
        return rc;
    s.id = rk_xid_new(op->mem);
    rc = op_mutate(op, create_tx, &s, err);
    if (!rc)
        *id = s.id;
    return rc;
}

enum rk_code group_check_update(const struct op *op, struct rk_str id, struct rk_err *err)
{
    const struct group *g = snap_group(op->snap, id), *all = snap_group_all(op->snap);

    if (!g)
        return rk_fail(err, RK_NOT_FOUND, "group: %.*s not found", RK_STR_ARG(id));
    if (all && rk_str_eq(all->id, id))
        return rk_fail(err, RK_INVALID, "updating group ALL is not allowed");
    return RK_OK;
}

static enum rk_code update_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    const struct group *old = tx_get(tx, ENT_GROUP, s->id);
    struct group *g = rk_new(s->mem, struct group);
    struct str_list moved;
    enum rk_code rc;

    if (!old)
        return rk_fail(err, RK_NOT_FOUND, "group: %.*s not found", RK_STR_ARG(s->id));
    if (group_is_all(old))
        return rk_fail(err, RK_INVALID, "updating group ALL is not allowed");
    moved.n = 0;
    moved.v = rk_new_n(s->mem, struct rk_str, s->in->peers.n + snap_group_size(tx->snap, s->id));
    *g = *old;
    g->name = s->in->name;
    g->resources = s->in->resources;
    g->n_resources = s->in->n_resources;
    rc = tx_put(tx, ENT_GROUP, g, err);
    if (!rc && !rk_str_eq(old->name, g->name))
        rc = tx_event(tx, ACT_GROUP_UPDATE, g->id,
                      META(s->mem, {"old_name", old->name}, {"new_name", g->name}), err);
    if (!rc)
        rc = add_members(tx, s->mem, g, &s->in->peers, &moved, err);
    if (!rc)
        rc = drop_members(tx, s->mem, g, &s->in->peers, &moved, err);
    return rc ? rc : addresses(tx, s->mem, g->id, &moved, err);
}

enum rk_code group_update(struct op *op, struct rk_str id, const struct group_input *in,
                          struct rk_err *err)
{
    struct save s = {.mem = op->mem, .id = id, .in = in};
    enum rk_code rc;

    if (!in->name.n)
        return rk_fail(err, RK_INVALID, "group name shouldn't be empty");
    rc = op_may(op, PERM_GROUPS, PERM_UPDATE, err);
    return rc ? rc : op_mutate(op, update_tx, &s, err);
}

/* ---- what refers to a group */

static bool link_route(const struct snapshot *s, struct rk_str id, struct rk_str *name)
{
    struct snap_iter it = snap_iter(s, ENT_ROUTE);
    const struct route *r;

    while ((r = snap_next(&it)) != NULL)
        if (str_list_has(&r->groups, id) || str_list_has(&r->peer_groups, id) ||
            str_list_has(&r->access_control_groups, id)) {
            *name = r->net_id;
            return true;
        }
    return false;
}

static bool link_ns_group(const struct snapshot *s, struct rk_str id, struct rk_str *name)
{
    struct snap_iter it = snap_iter(s, ENT_NS_GROUP);
    const struct ns_group *n;

    while ((n = snap_next(&it)) != NULL)
        if (str_list_has(&n->groups, id)) {
            *name = n->name;
            return true;
        }
    return false;
}

static bool link_policy(const struct snapshot *s, struct rk_str id, struct rk_str *name)
{
    struct snap_iter it = snap_iter(s, ENT_POLICY);
    const struct policy *p;

    while ((p = snap_next(&it)) != NULL)
        for (size_t i = 0; i < p->n_rules; i++)
            if (str_list_has(&p->rules[i].sources, id) ||
                str_list_has(&p->rules[i].destinations, id)) {
                *name = p->name;
                return true;
            }
    return false;
}

static bool link_setup_key(const struct snapshot *s, struct rk_str id, struct rk_str *name)
{
    struct snap_iter it = snap_iter(s, ENT_SETUP_KEY);
    const struct setup_key *k;

    while ((k = snap_next(&it)) != NULL)
        if (str_list_has(&k->auto_groups, id)) {
            *name = k->name;
            return true;
        }
    return false;
}

static bool link_user(const struct snapshot *s, struct rk_str id, struct rk_str *name)
{
    struct snap_iter it = snap_iter(s, ENT_USER);
    const struct user *u;

    while ((u = snap_next(&it)) != NULL)
        if (str_list_has(&u->auto_groups, id)) {
            *name = u->id;
            return true;
        }
    return false;
}

static bool link_router(const struct snapshot *s, struct rk_str id, struct rk_str *name)
{
    struct snap_iter it = snap_iter(s, ENT_ROUTER);
    const struct router *r;

    while ((r = snap_next(&it)) != NULL)
        if (str_list_has(&r->peer_groups, id)) {
            *name = r->id;
            return true;
        }
    return false;
}

static bool link_service(const struct snapshot *s, struct rk_str id, struct rk_str *name)
{
    struct snap_iter it = snap_iter(s, ENT_SERVICE);
    const struct service *v;

    while ((v = snap_next(&it)) != NULL)
        if (str_list_has(&v->access_groups, id) || str_list_has(&v->bearer_groups, id)) {
            *name = v->domain;
            return true;
        }
    return false;
}

bool group_link(const struct snapshot *s, const struct group *g, const char **kind,
                struct rk_str *name)
{
    static const struct {
        const char *kind;
        bool (*find)(const struct snapshot *s, struct rk_str id, struct rk_str *name);
    } KINDS[] = {
        {"route", link_route},
        {"name server groups", link_ns_group},
        {"policy", link_policy},
        {"setup key", link_setup_key},
        {"user", link_user},
        {"network router", link_router},
        {"reverse proxy service", link_service},
    };

    *name = g->name;
    if (g->n_resources) {
        *kind = "network resource";
        *name = g->resources[0].id;
        return true;
    }
    for (size_t i = 0; i < RK_ARRAY_LEN(KINDS); i++)
        if (KINDS[i].find(s, g->id, name)) {
            *kind = KINDS[i].kind;
            return true;
        }
    *kind = "disabled DNS management groups";
    if (str_list_has(&snap_dns_settings(s)->disabled_management_groups, g->id))
        return true;
    *kind = "traffic logs"; /* without its last group the list would mean everybody */
    if (str_list_has(&snap_settings(s)->traffic_groups, g->id))
        return true;
    *kind = "integrated validator";
    return str_list_has(&snap_settings(s)->integrated_validator_groups, g->id);
}

/* ---- delete */

/* The settings must not name a group that is gone, or IPv6 would hang on nothing. */
static enum rk_code forget_in_settings(struct tx *tx, struct rk_arena *mem, struct rk_str id,
                                       struct rk_err *err)
{
    const struct settings *old = tx_get(tx, ENT_SETTINGS, tx->account_id);
    struct settings *now;
    enum rk_code rc;

    if (!old || !str_list_has(&old->ipv6_groups, id))
        return RK_OK;
    now = rk_new(mem, struct settings);
    *now = *old;
    now->ipv6_groups = str_list_minus(mem, &old->ipv6_groups, id);
    rc = tx_put(tx, ENT_SETTINGS, now, err);
    return rc ? rc : addr6_reconcile_all(tx, mem, err);
}

static enum rk_code delete_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    const struct group *g = tx_get(tx, ENT_GROUP, s->id);
    const struct user *u = tx->actor->user;
    const char *kind;
    struct rk_str name;
    enum rk_code rc;

    if (!g)
        return rk_fail(err, RK_BAD_REQUEST, "group: %.*s not found", RK_STR_ARG(s->id));
    if (g->issued == ISSUED_INTEGRATION && !(u && u->role == ROLE_ADMIN && u->is_service))
        return rk_fail(err, RK_BAD_REQUEST,
                       "only service users with admin power can delete integration group");
    if (group_is_all(g))
        return rk_fail(err, RK_BAD_REQUEST, "deleting group ALL is not allowed");
    if (group_link(tx->snap, g, &kind, &name))
        return rk_fail(err, RK_BAD_REQUEST, "group has been linked to %s: %.*s", kind,
                       RK_STR_ARG(name));
    rc = tx_event(tx, ACT_GROUP_DELETE, g->id, META(s->mem, {"name", g->name}), err);
    if (!rc)
        rc = tx_del(tx, ENT_GROUP, s->id, err);
    return rc ? rc : forget_in_settings(tx, s->mem, s->id, err);
}

enum rk_code group_delete(struct op *op, struct rk_str id, struct rk_err *err)
{
    struct save s = {.mem = op->mem, .id = id};
    enum rk_code rc = op_may(op, PERM_GROUPS, PERM_DELETE, err);

    return rc ? rc : op_mutate(op, delete_tx, &s, err);
}
