/* SPDX-License-Identifier: BSD-3-Clause */
/* See ends.h. */
#include "config.h"

#include "management/reach/ends.h"

#include "lib/base/num.h"
#include "management/domain/network.h"
#include "management/domain/peer.h"

static const void *by_name(const struct snapshot *s, enum entity_kind kind, struct rk_str name)
{
    struct snap_iter it = snap_iter(s, kind);
    const void *row;

    while ((row = snap_next(&it)) != NULL)
        if (rk_str_ieq(kind == ENT_RESOURCE ? ((const struct resource *)row)->name
                                            : ((const struct peer *)row)->name,
                       name))
            return row;
    return NULL;
}

static bool end_peer(const struct snapshot *s, struct rk_str text, struct reach_end *e)
{
    struct rk_str domain = snap_dns_domain(s), label = text;
    const struct peer *p;

    e->peer = snap_index_of(s, text);
    if (e->peer == SNAP_NO_PEER) {
        if (domain.n && text.n > domain.n + 1 && text.p[text.n - domain.n - 1] == '.' &&
            rk_str_ieq(rk_str_sub(text, text.n - domain.n, domain.n), domain))
            label = rk_str_sub(text, 0, text.n - domain.n - 1);
        e->peer = snap_index_by_label(s, label);
    }
    if (e->peer == SNAP_NO_PEER && (p = by_name(s, ENT_PEER, text)) != NULL)
        e->peer = snap_index_of(s, p->id);
    e->kind = e->peer == SNAP_NO_PEER ? REACH_END_NONE : REACH_END_PEER;
    return e->kind != REACH_END_NONE;
}

static bool end_group(const struct snapshot *s, struct rk_str text, struct reach_end *e)
{
    e->group = snap_group(s, text);
    if (!e->group)
        e->group = snap_group_by_name(s, text);
    e->kind = e->group ? REACH_END_GROUP : REACH_END_NONE;
    return e->group != NULL;
}

static bool end_resource(const struct snapshot *s, struct rk_str text, struct reach_end *e)
{
    e->resource = snap_find(s, ENT_RESOURCE, text);
    if (!e->resource)
        e->resource = by_name(s, ENT_RESOURCE, text);
    if (!e->resource)
        return false;
    e->kind = REACH_END_RESOURCE;
    if (e->resource->type == RESOURCE_DOMAIN) {
        bool wild = e->resource->domain.n > 2 && e->resource->domain.p[0] == '*';

        e->name =
            wild ? rk_str_sub(e->resource->domain, 1, e->resource->domain.n) : e->resource->domain;
    } else {
        e->addr = e->resource->prefix.ip;
    }
    return true;
}

static bool end_address(const struct snapshot *s, struct rk_str text, struct reach_end *e)
{
    if (rk_ip_parse(text, &e->addr, NULL))
        return false;
    e->peer = snap_index_by_ip(s, &e->addr);
    e->kind = e->peer == SNAP_NO_PEER ? REACH_END_ADDRESS : REACH_END_PEER;
    return true;
}

bool reach_end_name(struct rk_str text, struct reach_end *e)
{
    if (rk_str_find_c(text, '.') == text.n || rk_str_find_c(text, ' ') < text.n)
        return false;
    e->kind = REACH_END_NAME;
    e->name = text.p[text.n - 1] == '.' ? rk_str_sub(text, 0, text.n - 1) : text;
    return true;
}

static bool end_name(const struct snapshot *s, struct rk_str text, struct reach_end *e)
{
    (void)s;
    return reach_end_name(text, e);
}

enum rk_code reach_end_unknown(const char *which, struct rk_str text, struct rk_err *err)
{
    return rk_fail(err, RK_NOT_FOUND,
                   "%s: no peer, group, resource, address or domain is known as %.*s", which,
                   RK_STR_ARG(text));
}

typedef bool end_fn(const struct snapshot *s, struct rk_str text, struct reach_end *e);

enum rk_code reach_end_of(const struct snapshot *s, const char *which, struct rk_str text,
                          struct reach_end *e, struct rk_err *err)
{
    static const struct {
        const char *prefix;
        end_fn *fn;
    } KINDS[] = {{"peer:", end_peer},
                 {"group:", end_group},
                 {"resource:", end_resource},
                 {"ip:", end_address},
                 {"name:", end_name}};

    *e = (struct reach_end){.text = text, .peer = SNAP_NO_PEER};
    if (text.n == 0)
        return RK_OK;
    for (size_t i = 0; i < RK_ARRAY_LEN(KINDS); i++) {
        struct rk_str prefix = rk_str_z(KINDS[i].prefix);

        if (!rk_str_starts(text, prefix))
            continue;
        return KINDS[i].fn(s, rk_str_sub(text, prefix.n, text.n), e)
                   ? RK_OK
                   : reach_end_unknown(which, text, err);
    }
    if (snap_find(s, ENT_RESOURCE, text) ? end_resource(s, text, e)
        : snap_group(s, text)
            ? end_group(s, text, e)
            : end_address(s, text, e) || end_peer(s, text, e) || end_group(s, text, e) ||
                  end_resource(s, text, e) || end_name(s, text, e))
        return RK_OK;
    return reach_end_unknown(which, text, err);
}
