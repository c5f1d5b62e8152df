/* SPDX-License-Identifier: BSD-3-Clause */
/* See report.h. */
#include "config.h"

#include "management/reach/report.h"

#include "lib/json/json.h"
#include "lib/net/addr.h"
#include "management/domain/network.h"
#include "management/domain/peer.h"
#include "management/reach/ends.h"

struct report {
    const struct snapshot *s;
    const struct reach_question *q;
    struct rk_arena *mem;
    struct rk_buf *out;
    struct reach_end from, to;
    enum rule_protocol protocol;
    int64_t page, page_size;
};

/* ---- parts of the answer */

static void put_peer(struct report *r, const char *key, uint32_t peer)
{
    const struct peer *p = snap_peer_at(r->s, peer);
    char text[RK_ADDR_TEXT];

    if (key)
        json_put_key_n(r->out, key, strlen(key));
    json_put_obj(r->out);
    json_put_key_str(r->out, "type", RK_STR("peer"));
    json_put_key_str(r->out, "id", p->id);
    json_put_key_str(r->out, "name", p->name);
    json_put_key_str(r->out, "ip", rk_ip_format(&p->ip, text));
    json_put_obj_end(r->out);
}

static void put_named(struct report *r, const char *key, const char *type, struct rk_str id,
                      struct rk_str name)
{
    json_put_key_n(r->out, key, strlen(key));
    json_put_obj(r->out);
    if (type)
        json_put_key_str(r->out, "type", rk_str_z(type));
    json_put_key_str(r->out, "id", id);
    json_put_key_str(r->out, "name", name);
    json_put_obj_end(r->out);
}

static void put_end(struct report *r, const char *key, const struct reach_end *e)
{
    switch (e->kind) {
    case REACH_END_PEER:
        put_peer(r, key, e->peer);
        break;
    case REACH_END_GROUP:
        put_named(r, key, "group", e->group->id, e->group->name);
        break;
    case REACH_END_RESOURCE:
        put_named(r, key, "resource", e->resource->id, e->resource->name);
        break;
    case REACH_END_ADDRESS:
        put_named(r, key, "address", e->text, e->text);
        break;
    case REACH_END_NAME:
        put_named(r, key, "name", e->text, e->text);
        break;
    case REACH_END_NONE:
        break;
    }
}

static void put_rule(struct report *r, const struct policy *p, const struct rule *rule)
{
    if (!r->q->policies)
        return;
    if (p)
        put_named(r, "policy", NULL, p->id, p->name);
    if (rule)
        put_named(r, "rule", NULL, rule->id, rule->name);
}

static void put_by(struct report *r, const struct reach_answer *a)
{
    json_put_key_arr(r->out, "by");
    for (size_t i = 0; i < a->n_by && r->q->policies; i++) {
        json_put_obj(r->out);
        put_rule(r, a->by[i].policy, a->by[i].rule);
        json_put_key_bool(r->out, "open_route", a->by[i].policy == NULL);
        json_put_key_bool(r->out, "reverse", a->by[i].reverse);
        json_put_obj_end(r->out);
    }
    json_put_arr_end(r->out);
}

static void put_over(struct report *r, const struct reach_answer *a)
{
    char text[RK_ADDR_TEXT];

    json_put_key_arr(r->out, "over");
    for (size_t i = 0; i < a->n_over; i++) {
        const struct reach_over *o = &a->over[i];

        json_put_obj(r->out);
        json_put_key_str(r->out, "type", o->resource ? RK_STR("resource") : RK_STR("route"));
        json_put_key_str(r->out, "id", o->id);
        json_put_key_str(r->out, "name", o->net_id);
        if (o->domain.n)
            json_put_key_str(r->out, "domain", o->domain);
        else
            json_put_key_str(r->out, "network", rk_prefix_format(&o->network, text));
        put_peer(r, "router", o->router);
        json_put_key_int(r->out, "metric", o->metric);
        json_put_key_bool(r->out, "masquerade", o->masquerade);
        json_put_key_bool(r->out, "by_choice", o->by_choice);
        json_put_key_bool(r->out, "reachable", o->open);
        json_put_obj_end(r->out);
    }
    json_put_arr_end(r->out);
}

static bool is_id_of(const struct report *r, const struct reach_end *e, struct rk_str id)
{
    return e->kind == REACH_END_PEER && rk_str_eq(snap_peer_at(r->s, e->peer)->id, id);
}

static void put_missing(struct report *r, const struct reach_answer *a)
{
    /* networks that a member has no way into are not spoken of */
    bool strange = r->q->member.n && r->to.kind != REACH_END_PEER && !a->yes, said = false;

    json_put_key_arr(r->out, "missing");
    for (size_t i = 0; i < a->n_missing; i++) {
        const struct reach_miss *m = &a->missing[i];
        bool told = !strange || !m->id.n || is_id_of(r, &r->from, m->id);
        enum reach_fault fault = told ? m->fault : REACH_NO_ROUTE;

        if (!told && said)
            continue;
        said |= !told;
        json_put_obj(r->out);
        json_put_key_str(r->out, "code", rk_str_z(reach_fault_text(fault)));
        json_put_key_str(r->out, "message", rk_str_z(reach_fault_sentence(fault)));
        put_rule(r, m->policy, m->rule);
        if (m->id.n && told)
            json_put_key_str(r->out, "id", m->id);
        json_put_obj_end(r->out);
    }
    json_put_arr_end(r->out);
}

static void put_flows(struct report *r, const struct flows *f)
{
    struct rk_buf text;

    rk_buf_init(&text, 64 << 10);
    flows_text(f, &text);
    json_put_key_str(r->out, "flows", rk_buf_str(&text));
    rk_buf_done(&text);
}

static void put_verdict(struct report *r, const struct reach_end *from, const struct reach_end *to)
{
    struct reach_query q = {.from = from->peer,
                            .to = to->kind == REACH_END_PEER ? to->peer : SNAP_NO_PEER,
                            .addr = to->addr,
                            .name = to->name,
                            .protocol = r->protocol,
                            .port = (uint16_t)r->q->port,
                            .now_us = r->q->now_us};
    struct rk_arena *mem = rk_arena_new(0);
    const struct reach_answer *a = reach_ask(r->s, &q, mem);

    json_put_obj(r->out);
    json_put_key_bool(r->out, "reachable", a->yes);
    put_end(r, "from", from);
    put_end(r, "to", to);
    json_put_key_str(r->out, "protocol", rk_str_z(rule_protocol_text(r->protocol)));
    json_put_key_int(r->out, "port", r->q->port);
    put_flows(r, &a->flows);
    put_by(r, a);
    put_over(r, a);
    put_missing(r, a);
    json_put_obj_end(r->out);
    rk_arena_free(mem);
}

/* ---- lists */

/* The ends that an end stands for: members of a group, or itself. */
static size_t expand(struct report *r, const struct reach_end *e, struct reach_end **out)
{
    size_t n = 0;

    if (e->kind != REACH_END_GROUP) {
        *out = rk_new(r->mem, struct reach_end);
        **out = *e;
        return 1;
    }
    *out = rk_new_n(r->mem, struct reach_end, snap_group_size(r->s, e->group->id) + 1);
    for (BITS_EACH(i, snap_group_members(r->s, e->group->id)))
        (*out)[n++] = (struct reach_end){.kind = REACH_END_PEER, .peer = i};
    return n;
}

static bool same_peer(const struct reach_end *a, const struct reach_end *b)
{
    return a->kind == REACH_END_PEER && b->kind == REACH_END_PEER && a->peer == b->peer;
}

static void put_paging(struct report *r, int64_t total)
{
    json_put_key_int(r->out, "total", total);
    json_put_key_int(r->out, "page", r->page);
    json_put_key_int(r->out, "page_size", r->page_size);
}

/* Pairs in the order of sources, then destinations; only those of the page are looked at. */
static void put_pairs(struct report *r)
{
    struct reach_end *from, *to;
    size_t n_from = expand(r, &r->from, &from), n_to = expand(r, &r->to, &to);
    int64_t first = (r->page - 1) * r->page_size, at = 0;

    json_put_obj(r->out);
    put_end(r, "from", &r->from);
    put_end(r, "to", &r->to);
    json_put_key_arr(r->out, "pairs");
    for (size_t i = 0; i < n_from; i++)
        for (size_t k = 0; k < n_to; k++) {
            if (same_peer(&from[i], &to[k]))
                continue;
            if (at >= first && at < first + r->page_size)
                put_verdict(r, &from[i], &to[k]);
            at++;
        }
    json_put_arr_end(r->out);
    put_paging(r, at);
    json_put_obj_end(r->out);
}

/* Everybody who may send to the one end, or may be sent to. */
static void put_everybody(struct report *r)
{
    bool sources = r->from.kind == REACH_END_NONE;
    const struct reach_end *e = sources ? &r->to : &r->from;
    int64_t first = (r->page - 1) * r->page_size, at = 0;
    struct flows *f = rk_new(r->mem, struct flows);
    struct bits set = {0};

    reach_peers(r->s, e->peer, sources ? REACH_SOURCES : REACH_TARGETS, r->q->now_us, &set);
    json_put_obj(r->out);
    put_end(r, sources ? "to" : "from", e);
    json_put_key_arr(r->out, "peers");
    for (BITS_EACH(i, &set)) {
        if (at >= first && at < first + r->page_size) {
            (void)(sources ? reach_between(r->s, i, e->peer, r->q->now_us, f)
                           : reach_between(r->s, e->peer, i, r->q->now_us, f));
            json_put_obj(r->out);
            put_peer(r, "peer", i);
            put_flows(r, f);
            json_put_obj_end(r->out);
        }
        at++;
    }
    json_put_arr_end(r->out);
    put_paging(r, at);
    json_put_obj_end(r->out);
    bits_done(&set);
}

/* ---- the question */

static bool is_own(const struct report *r, const struct reach_end *e)
{
    return e->kind == REACH_END_PEER &&
           rk_str_eq(snap_peer_at(r->s, e->peer)->user_id, r->q->member);
}

/* Something may pass between a machine of the member and the end. */
static bool touches(struct report *r, uint32_t own, const struct reach_end *e)
{
    struct reach_query q = {.from = own,
                            .to = SNAP_NO_PEER,
                            .addr = e->addr,
                            .name = e->name,
                            .protocol = PROTO_ALL,
                            .now_us = r->q->now_us};
    struct flows *f = rk_new(r->mem, struct flows);

    if (e->kind == REACH_END_RESOURCE)
        return reach_ask(r->s, &q, r->mem)->yes;
    return reach_between(r->s, own, e->peer, r->q->now_us, f) ||
           reach_between(r->s, e->peer, own, r->q->now_us, f);
}

/* As GET /api/peers/{id}: members see their machines, and what those can reach. */
static bool sees(struct report *r, const struct reach_end *e)
{
    if (e->kind != REACH_END_PEER && e->kind != REACH_END_RESOURCE)
        return e->kind != REACH_END_GROUP;
    if (is_own(r, e))
        return true;
    for (BITS_EACH(i, snap_peers(r->s)))
        if (rk_str_eq(snap_peer_at(r->s, i)->user_id, r->q->member) && touches(r, i, e))
            return true;
    return false;
}

/* What a member may not see is answered as what does not exist. */
static enum rk_code hide(struct report *r, const char *which, struct reach_end *e,
                         struct rk_err *err)
{
    struct rk_str text = e->text;
    struct reach_end bare = {.kind = REACH_END_ADDRESS, .text = text, .peer = SNAP_NO_PEER};

    if (!r->q->member.n || sees(r, e))
        return RK_OK;
    if (rk_str_starts(text, RK_STR("ip:")))
        text = rk_str_sub(text, 3, text.n);
    *e = bare;
    if (rk_ip_parse(text, &e->addr, NULL) == RK_OK ||
        (rk_str_find_c(text, ':') == text.n && reach_end_name(text, e)))
        return RK_OK;
    return reach_end_unknown(which, e->text, err);
}

static enum rk_code check(struct report *r, struct rk_err *err)
{
    const struct reach_question *q = r->q;

    if (q->protocol.n && !rule_protocol_parse(q->protocol, &r->protocol))
        return rk_fail(err, RK_INVALID,
                       "protocol must be all, tcp, udp, icmp or netbird-ssh, not "
                       "%.*s",
                       RK_STR_ARG(q->protocol));
    if (q->port < 0 || q->port >= FLOWS_PORTS)
        return rk_fail(err, RK_INVALID, "port must be a number from 0 (any) to 65535");
    if (r->page < 1 || r->page_size < 1 || r->page_size > REACH_PAGE_MAX)
        return rk_fail(err, RK_INVALID, "page is counted from 1, page_size is at most %d",
                       REACH_PAGE_MAX);
    if (q->from.n == 0 && q->to.n == 0)
        return rk_fail(err, RK_INVALID,
                       "from, to or both must be given: a peer, a group, a "
                       "resource, an address or a name");
    return RK_OK;
}

static enum rk_code check_ends(struct report *r, struct rk_err *err)
{
    bool group = r->from.kind == REACH_END_GROUP || r->to.kind == REACH_END_GROUP;

    if (r->from.kind != REACH_END_NONE && r->from.kind != REACH_END_PEER &&
        r->from.kind != REACH_END_GROUP)
        return rk_fail(err, RK_INVALID,
                       "from must be a peer or a group: who is behind %.*s is not "
                       "known here",
                       RK_STR_ARG(r->from.text));
    if (r->from.kind == REACH_END_NONE && r->to.kind != REACH_END_PEER)
        return rk_fail(err, RK_INVALID, "without from, to must be a peer");
    if (r->to.kind == REACH_END_NONE && r->from.kind != REACH_END_PEER)
        return rk_fail(err, RK_INVALID, "without to, from must be a peer");
    if (r->q->member.n && (group || (!is_own(r, &r->from) && !is_own(r, &r->to))))
        return rk_fail(err, RK_NOT_FOUND, "no peer of yours is asked about");
    return RK_OK;
}

enum rk_code reach_report(const struct snapshot *s, const struct reach_question *q,
                          struct rk_arena *mem, struct rk_buf *out, struct rk_err *err)
{
    struct report r = {.s = s,
                       .q = q,
                       .mem = mem,
                       .out = out,
                       .page = q->page ? q->page : 1,
                       .page_size = q->page_size ? q->page_size : REACH_PAGE};
    enum rk_code rc = check(&r, err);

    if (!rc)
        rc = reach_end_of(s, "from", q->from, &r.from, err);
    if (!rc)
        rc = reach_end_of(s, "to", q->to, &r.to, err);
    if (!rc)
        rc = hide(&r, "from", &r.from, err);
    if (!rc)
        rc = hide(&r, "to", &r.to, err);
    if (!rc)
        rc = check_ends(&r, err);
    if (rc)
        return rc;
    if (r.from.kind == REACH_END_NONE || r.to.kind == REACH_END_NONE)
        put_everybody(&r);
    else if (r.from.kind == REACH_END_GROUP || r.to.kind == REACH_END_GROUP)
        put_pairs(&r);
    else
        put_verdict(&r, &r.from, &r.to);
    return RK_OK;
}
