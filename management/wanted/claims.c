/* SPDX-License-Identifier: BSD-3-Clause */
/* See claims.h. */
#include "config.h"

#include "management/wanted/claims.h"

#include "lib/base/num.h"
#include "management/domain/network.h"
#include "management/reach/ends.h"
#include "management/reach/reach.h"
#include "management/snapshot/bits.h"

#define FLOWS_MAX 2000 /* bytes of a text of flows */

struct claim {
    const struct snapshot *s;
    struct rk_arena *mem;
    int64_t now_us;
    bool wanted; /* can, not cannot */
    struct reach_end from, to;
    enum rule_protocol protocol;
    uint16_t port;
    struct want_verdict *out;
};

/* ---- the sentence */

/* "db:5432", "[fd00::1]:udp/53", "db:icmp": what is behind the last colon, if it is that. */
static struct rk_str cut_port(struct rk_str text, struct claim *c)
{
    size_t colon = text.n;
    struct rk_str what, proto, port;
    enum rule_protocol protocol;
    int64_t n = 0;

    while (colon > 0 && text.p[colon - 1] != ':')
        colon--;
    if (!colon)
        return text;
    what = rk_str_sub(text, colon, text.n);
    if (rk_str_eqz(what, "icmp")) {
        proto = what;
        port = RK_STR("0");
    } else if (!rk_str_cut(what, '/', &proto, &port)) {
        proto = RK_STR("all");
        port = what;
    }
    if (!rule_protocol_parse(proto, &protocol))
        return text;
    if (rk_parse_i64(port, 0, UINT16_MAX, &n, NULL))
        return text;
    c->port = (uint16_t)n;
    c->protocol = protocol;
    text = rk_str_sub(text, 0, colon - 1);
    if (text.n > 2 && text.p[0] == '[' && text.p[text.n - 1] == ']')
        text = rk_str_sub(text, 1, text.n - 2);
    return text;
}

static enum rk_code parse(struct claim *c, struct rk_str sentence, struct rk_err *err)
{
    static const struct {
        const char *verb;
        bool wanted, port;
    } FORMS[] = {{" cannot reach anything in ", false, false},
                 {" cannot reach ", false, true},
                 {" can reach ", true, true}};

    for (size_t i = 0; i < RK_ARRAY_LEN(FORMS); i++) {
        struct rk_str verb = rk_str_z(FORMS[i].verb), from, to;
        size_t at = rk_str_find(sentence, verb);
        enum rk_code rc;

        if (at >= sentence.n)
            continue;
        from = rk_str_trim(rk_str_sub(sentence, 0, at));
        to = rk_str_trim(rk_str_sub(sentence, at + verb.n, sentence.n));
        c->wanted = FORMS[i].wanted;
        if (FORMS[i].port)
            to = cut_port(to, c);
        if (!from.n || !to.n)
            break;
        rc = reach_end_of(c->s, "who", from, &c->from, err);
        return rc ? rc : reach_end_of(c->s, "what", to, &c->to, err);
    }
    return rk_fail(err, RK_INVALID,
                   "\"%.*s\" is none of \"A can reach B:PORT\", \"A cannot reach B:PORT\" and "
                   "\"A cannot reach anything in B\"",
                   RK_STR_ARG(sentence));
}

/* ---- why not */

static struct rk_str end_name(const struct claim *c, const struct reach_end *e, uint32_t peer)
{
    if (peer != SNAP_NO_PEER)
        return snap_peer_at(c->s, peer)->name;
    return e->kind == REACH_END_RESOURCE ? e->resource->name : e->text;
}

static struct rk_str rule_text(const struct claim *c, const struct policy *p, const struct rule *r)
{
    struct rk_str name = p ? p->name : RK_STR("");

    if (!p)
        return RK_STR("");
    return r ? RK_CAT(c->mem, RK_STR(" policy \""), name, RK_STR("\", rule \""), r->name,
                      RK_STR("\""))
             : RK_CAT(c->mem, RK_STR(" policy \""), name, RK_STR("\""));
}

/* The claim does not hold for this pair: say why. */
static void explain(struct claim *c, uint32_t from, uint32_t to)
{
    struct reach_query q = {.from = from,
                            .to = to,
                            .addr = c->to.addr,
                            .name = c->to.name,
                            .protocol = c->protocol,
                            .port = c->port,
                            .now_us = c->now_us};
    const struct reach_answer *a = reach_ask(c->s, &q, c->mem);
    struct rk_str ends =
        RK_CAT(c->mem, end_name(c, &c->from, from),
               a->yes ? RK_STR(" can reach ") : RK_STR(" cannot reach "), end_name(c, &c->to, to));
    struct rk_buf flows;

    c->out->holds = false;
    if (a->yes) {
        rk_buf_init(&flows, FLOWS_MAX);
        flows_text(&a->flows, &flows);
        c->out->why =
            RK_CAT(c->mem, ends, RK_STR(": "), rk_buf_str(&flows), RK_STR(", by"),
                   a->n_by ? rule_text(c, a->by[0].policy, a->by[0].rule) : RK_STR(""),
                   a->n_by && a->by[0].policy ? RK_STR("") : RK_STR(" a route that is open"));
        rk_buf_done(&flows);
        return;
    }
    c->out->why = ends;
    for (size_t i = 0; i < a->n_missing; i++)
        c->out->why = RK_CAT(c->mem, c->out->why, i ? RK_STR("; ") : RK_STR(": "),
                             rk_str_z(reach_fault_sentence(a->missing[i].fault)),
                             rule_text(c, a->missing[i].policy, a->missing[i].rule));
}

/* ---- looking */

static void members(const struct claim *c, const struct reach_end *e, struct bits *out)
{
    if (e->kind == REACH_END_GROUP)
        bits_copy(out, snap_group_members(c->s, e->group->id));
    else
        bits_set(out, e->peer);
}

/* false: enough is known. */
static bool look_pair(struct claim *c, struct flows *f, uint32_t from, uint32_t to, bool maybe)
{
    bool yes = maybe && reach_between(c->s, from, to, c->now_us, f) &&
               flows_allow(f, c->protocol, c->port);

    if (yes == c->wanted)
        return true;
    explain(c, from, to);
    return false;
}

/* Both sides are machines. From the smaller side the others are a set of the snapshot, so what is
 * looked at closely are pairs between which there is something, or shall be. */
static void look_peers(struct claim *c, const struct bits *from, const struct bits *to)
{
    bool back = bits_count(from) > bits_count(to);
    const struct bits *outer = back ? to : from, *inner = back ? from : to;
    struct flows *f = rk_new(c->mem, struct flows);
    struct bits set = {0}, there = {0};
    bool going = true;

    for (BITS_EACH(i, outer)) {
        reach_peers(c->s, i, back ? REACH_SOURCES : REACH_TARGETS, c->now_us, &set);
        bits_copy(&there, &set);
        bits_and(&there, inner);
        for (BITS_EACH(k, c->wanted ? inner : &there)) {
            if (i == k)
                continue;
            going = look_pair(c, f, back ? k : i, back ? i : k, bits_has(&there, k));
            if (!going)
                break;
        }
        if (!going)
            break;
    }
    bits_done(&there);
    bits_done(&set);
}

static void look_place(struct claim *c, const struct bits *from)
{
    for (BITS_EACH(i, from)) {
        struct rk_arena *mem = rk_arena_new(0);
        struct reach_query q = {.from = i,
                                .to = SNAP_NO_PEER,
                                .addr = c->to.addr,
                                .name = c->to.name,
                                .protocol = c->protocol,
                                .port = c->port,
                                .now_us = c->now_us};
        bool yes = reach_ask(c->s, &q, mem)->yes;

        rk_arena_free(mem);
        if (yes == c->wanted)
            continue;
        explain(c, i, SNAP_NO_PEER);
        return;
    }
}

static void nobody(struct claim *c, const struct reach_end *e)
{
    c->out->holds = false;
    c->out->why = RK_CAT(c->mem, RK_STR("no machine is in "), e->text);
}

static enum rk_code look(struct claim *c, const struct bits *from, const struct bits *to,
                         struct rk_err *err)
{
    bool place = c->to.kind != REACH_END_PEER && c->to.kind != REACH_END_GROUP;
    size_t n_from = bits_count(from), n_to = place ? 1 : bits_count(to);

    if (n_from && n_to > WANT_CLAIM_PAIRS / n_from && (c->wanted || c->port))
        return rk_fail(err, RK_INVALID,
                       "this is about %zu x %zu machines: ask about smaller groups", n_from, n_to);
    if (c->wanted && !n_from)
        nobody(c, &c->from);
    else if (c->wanted && !n_to)
        nobody(c, &c->to);
    else if (place)
        look_place(c, from);
    else
        look_peers(c, from, to);
    return RK_OK;
}

enum rk_code want_claim(const struct snapshot *s, struct rk_str sentence, int64_t now_us,
                        struct rk_arena *mem, struct want_verdict *out, struct rk_err *err)
{
    struct claim c = {.s = s, .mem = mem, .now_us = now_us, .out = out};
    struct bits from = {0}, to = {0};
    enum rk_code rc = parse(&c, sentence, err);

    *out = (struct want_verdict){.holds = true};
    if (rc)
        return rc;
    if (c.from.kind != REACH_END_PEER && c.from.kind != REACH_END_GROUP)
        return rk_fail(err, RK_INVALID, "%.*s is no machine and no group: who is behind it?",
                       RK_STR_ARG(c.from.text));
    members(&c, &c.from, &from);
    if (c.to.kind == REACH_END_PEER || c.to.kind == REACH_END_GROUP)
        members(&c, &c.to, &to);
    rc = look(&c, &from, &to, err);
    bits_done(&from);
    bits_done(&to);
    return rc;
}
