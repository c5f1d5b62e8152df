/* SPDX-License-Identifier: BSD-3-Clause */
/* See review.h. */
#include "config.h"

#include "management/review/review.h"

#include "lib/json/json.h"
#include "management/domain/account_data.h"
#include "management/push/affected.h"
#include "management/reach/diff.h"

struct rk_str review_name(enum entity_kind kind, const void *e)
{
    switch (kind) {
    case ENT_USER:
        return ((const struct user *)e)->name;
    case ENT_SETUP_KEY:
        return ((const struct setup_key *)e)->name;
    case ENT_PEER:
        return ((const struct peer *)e)->name;
    case ENT_GROUP:
        return ((const struct group *)e)->name;
    case ENT_POLICY:
        return ((const struct policy *)e)->name;
    case ENT_POSTURE:
        return ((const struct posture *)e)->name;
    case ENT_ROUTE:
        return ((const struct route *)e)->net_id;
    case ENT_NETWORK:
        return ((const struct network *)e)->name;
    case ENT_RESOURCE:
        return ((const struct resource *)e)->name;
    case ENT_NS_GROUP:
        return ((const struct ns_group *)e)->name;
    case ENT_ZONE:
        return ((const struct zone *)e)->name;
    case ENT_RECORD:
        return ((const struct record *)e)->name;
    case ENT_SERVICE:
        return ((const struct service *)e)->name;
    case ENT_PROXY_DOMAIN:
        return ((const struct proxy_domain *)e)->domain;
    case ENT_GROUP_PEER:
        return ((const struct group_peer *)e)->peer_id;
    case ENT_ACCOUNT:
    case ENT_SETTINGS:
    case ENT_DNS_SETTINGS:
    case ENT_PAT:
    case ENT_ROUTER:
    case ENT_INVITE:
    case ENT_JOB:
    case ENT_COUNT:
        break;
    }
    return (struct rk_str){0};
}

/* ---- objects */

static void put_member(const struct review *r, struct rk_buf *out, const struct change *c)
{
    const struct group_peer *gp = c->after ? c->after : c->before;
    const struct snapshot *s = c->after ? r->after : r->before;
    const struct peer *p = snap_peer(s, gp->peer_id);
    const struct group *g = snap_group(s, c->id);

    json_put_key_str(out, "name", g ? g->name : c->id);
    json_put_key_str(out, "peer", p ? p->name : gp->peer_id);
}

static void put_change(const struct review *r, struct rk_buf *out, const struct change *c)
{
    const void *row = c->after ? c->after : c->before;
    bool created = !c->before && !snap_find(r->before, c->kind, c->id);

    json_put_obj(out);
    json_put_key_str(out, "kind", rk_str_z(entity_kind_text(c->kind)));
    json_put_key_str(out, "id", c->id);
    if (c->kind == ENT_GROUP_PEER && row)
        put_member(r, out, c);
    else if (row)
        json_put_key_str(out, "name", review_name(c->kind, row));
    json_put_key_str(out, "op",
                     !c->after                   ? RK_STR("delete")
                     : c->kind == ENT_GROUP_PEER ? RK_STR("create")
                     : created                   ? RK_STR("create")
                                                 : RK_STR("update"));
    json_put_obj_end(out);
}

/* ---- flows */

struct listing {
    const struct review *r;
    struct rk_buf *out;
    size_t gained, lost, changed, max;
};

static void put_flows(struct rk_buf *out, const char *key, const struct flows *f)
{
    struct rk_buf text;

    rk_buf_init(&text, 64 << 10);
    flows_text(f, &text);
    json_put_key_n(out, key, strlen(key));
    json_put_str(out, rk_buf_str(&text));
    rk_buf_done(&text);
}

static void put_end(struct rk_buf *out, const char *key, struct rk_str id, struct rk_str name)
{
    json_put_key_n(out, key, strlen(key));
    json_put_obj(out);
    json_put_key_str(out, "id", id);
    json_put_key_str(out, "name", name);
    json_put_obj_end(out);
}

static struct rk_str route_name(const struct snapshot *s, struct rk_str id)
{
    const struct resource *r = snap_find(s, ENT_RESOURCE, id);
    const struct route *route = r ? NULL : snap_find(s, ENT_ROUTE, id);

    return r ? r->name : route ? route->net_id : (struct rk_str){0};
}

static bool list_flow(void *arg, const struct reach_diff *d)
{
    struct listing *l = arg;
    bool was = flows_any(d->before), is = flows_any(d->after);
    struct rk_str name;

    *(!was ? &l->gained : !is ? &l->lost : &l->changed) += 1;
    if (l->gained + l->lost + l->changed > l->max)
        return l->gained + l->lost + l->changed < REVIEW_FLOWS_MAX;
    json_put_obj(l->out);
    put_end(l->out, "from", d->from->id, d->from->name);
    put_end(l->out, "to", d->to->id, d->to->name);
    if (d->route.n) {
        name = route_name(l->r->after, d->route);
        put_end(l->out, "route", d->route, name.n ? name : route_name(l->r->before, d->route));
    }
    put_flows(l->out, "before", d->before);
    put_flows(l->out, "after", d->after);
    json_put_obj_end(l->out);
    return true;
}

void review_put(const struct review *r, struct rk_buf *out)
{
    struct bits affected = {0};
    struct reach_diff_opts opts = {.now_us = r->now_us, .affected = r->all ? NULL : &affected};
    struct listing l = {.r = r, .out = out, .max = r->list_flows ? r->list_flows : REVIEW_FLOWS};

    if (r->all)
        bits_copy(&affected, snap_peers(r->after));
    else
        netmap_affected(r->before, r->after, r->changes, r->n_changes, &affected);
    json_put_key_arr(out, "changes");
    for (size_t i = 0; i < r->n_changes; i++)
        put_change(r, out, &r->changes[i]);
    json_put_arr_end(out);
    json_put_key_int(out, "machines", (int64_t)bits_count(&affected));
    json_put_key_obj(out, "flows");
    json_put_key_arr(out, "list");
    reach_diff(r->before, r->after, &opts, list_flow, &l);
    json_put_arr_end(out);
    json_put_key_int(out, "gained", (int64_t)l.gained);
    json_put_key_int(out, "lost", (int64_t)l.lost);
    json_put_key_int(out, "changed", (int64_t)l.changed);
    json_put_key_bool(out, "complete", l.gained + l.lost + l.changed < REVIEW_FLOWS_MAX);
    json_put_obj_end(out);
    bits_done(&affected);
}
