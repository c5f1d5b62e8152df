/* SPDX-License-Identifier: BSD-3-Clause */
/* See names.h. */
#include "config.h"

#include "management/wanted/names.h"

#include "lib/base/num.h"
#include "management/domain/network.h"
#include "management/domain/posture.h"

#define TABLES ((unsigned)WANT_RESOURCE + 1)

struct named { /* what a name means */
    struct rk_str id;
    const struct want_object *object; /* of the file: its id counts, once it has one */
    bool several;
};

struct want_names {
    const struct snapshot *snap;
    struct rk_arena *mem;
    struct rk_map by_name[TABLES], by_id[TABLES]; /* → struct named */
    struct rk_map peers;                          /* name → struct named */
};

static void put(struct want_names *n, struct rk_map *m, struct rk_str name, struct named v)
{
    struct named *old = rk_map_get(m, name), *to;

    if (old) {
        old->several = true;
        return;
    }
    to = rk_new(n->mem, struct named);
    *to = v;
    (void)rk_map_put(m, name, to);
}

static void put_row(struct want_names *n, const struct rk_map *skip, enum want_kind kind,
                    struct rk_str name, struct rk_str id)
{
    if (rk_map_get(skip, id))
        return;
    put(n, &n->by_name[kind], name, (struct named){.id = id});
    put(n, &n->by_id[kind], id, (struct named){.id = id});
}

static void put_account(struct want_names *n, const struct rk_map *skip)
{
    struct snap_iter it = snap_iter(n->snap, ENT_GROUP);
    const struct group *g;
    const struct posture *c;
    const struct resource *r;
    const struct peer *p;

    while ((g = snap_next(&it)) != NULL)
        put_row(n, skip, WANT_GROUP, g->name, g->id);
    it = snap_iter(n->snap, ENT_POSTURE);
    while ((c = snap_next(&it)) != NULL)
        put_row(n, skip, WANT_POSTURE, c->name, c->id);
    it = snap_iter(n->snap, ENT_RESOURCE);
    while ((r = snap_next(&it)) != NULL)
        if (!rk_map_get(skip, r->network_id))
            put_row(n, skip, WANT_RESOURCE, r->name, r->id);
    it = snap_iter(n->snap, ENT_PEER);
    while ((p = snap_next(&it)) != NULL)
        put(n, &n->peers, p->name, (struct named){.id = p->id});
}

struct want_names *want_names_new(struct rk_arena *mem, const struct snapshot *snap,
                                  const struct want_set *want, const struct want_plan *plan)
{
    struct want_names *n = rk_new(mem, struct want_names);
    struct rk_map skip;

    *n = (struct want_names){.snap = snap, .mem = mem};
    for (unsigned k = 0; k < TABLES; k++) {
        rk_map_init(&n->by_name[k], true);
        rk_map_init(&n->by_id[k], true);
    }
    rk_map_init(&n->peers, true);
    rk_map_init(&skip, true);
    WANT_OBJECTS (o, want)
        if (o->match && o->kind != WANT_NETWORK)
            (void)rk_map_put(&skip, o->id, o);
    for (size_t i = 0; i < plan->n; i++)
        if (plan->steps[i].op == WANT_DELETE)
            (void)rk_map_put(&skip, plan->steps[i].have->id, n);
    put_account(n, &skip);
    rk_map_done(&skip);
    WANT_OBJECTS (o, want) {
        if ((unsigned)o->kind >= TABLES)
            continue;
        put(n, &n->by_name[o->kind], o->identity, (struct named){.object = o});
        if (o->id.n)
            put(n, &n->by_id[o->kind], o->id, (struct named){.object = o});
    }
    return n;
}

void want_names_free(struct want_names *n)
{
    for (unsigned k = 0; n && k < TABLES; k++) {
        rk_map_done(&n->by_name[k]);
        rk_map_done(&n->by_id[k]);
    }
    if (n)
        rk_map_done(&n->peers);
}

bool want_key_names(struct rk_str key, enum want_kind *kind)
{
    static const struct {
        const char *key;
        enum want_kind kind;
    } KEYS[] = {{"groups", WANT_GROUP},
                {"peer_groups", WANT_GROUP},
                {"access_control_groups", WANT_GROUP},
                {"distribution_groups", WANT_GROUP},
                {"auto_groups", WANT_GROUP},
                {"disabled_management_groups", WANT_GROUP},
                {"peer_expose_groups", WANT_GROUP},
                {"ipv6_enabled_groups", WANT_GROUP},
                {"network_traffic_logs_groups", WANT_GROUP},
                {"sources", WANT_GROUP},
                {"destinations", WANT_GROUP},
                {"posture_checks", WANT_POSTURE},
                {"resource", WANT_RESOURCE}};

    for (size_t i = 0; i < RK_ARRAY_LEN(KEYS); i++)
        if (rk_str_eqz(key, KEYS[i].key)) {
            *kind = KEYS[i].kind;
            return true;
        }
    return false;
}

static enum rk_code nothing(const char *what, const struct want_node *n, struct rk_err *err)
{
    return rk_fail(err, RK_INVALID, "line %zu: no %s is called %.*s", n->line, what,
                   RK_STR_ARG(n->text));
}

static enum rk_code several(const char *what, const struct want_node *n, struct rk_err *err)
{
    return rk_fail(err, RK_INVALID,
                   "line %zu: more than one %s is called %.*s: write the id instead", n->line, what,
                   RK_STR_ARG(n->text));
}

enum rk_code want_names_find(const struct want_names *names, enum want_kind kind,
                             const struct want_node *n, struct want_named *out, struct rk_err *err)
{
    const struct named *found = rk_map_get(&names->by_name[kind], n->text);
    const struct resource *r;

    if (found && found->several)
        return several(want_kind_text(kind), n, err);
    if (!found)
        found = rk_map_get(&names->by_id[kind], n->text);
    if (!found)
        return nothing(want_kind_text(kind), n, err);
    out->id = found->object ? found->object->id : found->id;
    r = kind == WANT_RESOURCE ? snap_find(names->snap, ENT_RESOURCE, out->id) : NULL;
    out->type = r ? r->type : RESOURCE_NONE;
    return RK_OK;
}

bool want_names_has(const struct want_names *names, enum want_kind kind, struct rk_str id)
{
    return rk_map_get(&names->by_id[kind], id) != NULL;
}

enum rk_code want_names_peer(const struct want_names *names, const struct want_node *n,
                             struct rk_str *id, struct rk_err *err)
{
    const struct named *found = rk_map_get(&names->peers, n->text);
    const struct snapshot *s = names->snap;
    const struct peer *p = snap_peer(s, n->text);
    uint32_t index = SNAP_NO_PEER;
    struct rk_ip ip;

    if (found && found->several)
        return several("machine", n, err);
    if (found) {
        *id = found->id;
        return RK_OK;
    }
    if (!p && rk_ip_parse(n->text, &ip, NULL) == RK_OK)
        index = snap_index_by_ip(s, &ip);
    else if (!p)
        index = snap_index_by_label(s, n->text);
    if (index != SNAP_NO_PEER)
        p = snap_peer_at(s, index);
    if (!p)
        return nothing("machine", n, err);
    *id = p->id;
    return RK_OK;
}
