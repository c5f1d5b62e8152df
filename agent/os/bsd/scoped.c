/* SPDX-License-Identifier: BSD-3-Clause */
/* Scoped default routes; see scoped.h. */
#include "config.h"

#include "agent/os/bsd/scoped.h"

#include <string.h>

#include "agent/os/bsd/facts.h"

/* What the kernel is told of a route that is to go: nothing that it added itself. */
#define KEPT_FLAGS (BSD_RTF_UP | BSD_RTF_STATIC | BSD_RTF_GATEWAY | BSD_RTF_IFSCOPE | BSD_RTF_HOST)

uint32_t scoped_proto_flag(const char *text)
{
    if (text && strcmp(text, "2") == 0)
        return BSD_RTF_PROTO2;
    return text && strcmp(text, "3") == 0 ? BSD_RTF_PROTO3 : BSD_RTF_PROTO1;
}

static bool is_default(const struct rtmsg *m)
{
    return m->has_dst && m->dst.bits == 0 && rk_ip_is_unspecified(&m->dst.ip);
}

bool scoped_is_default_news(const struct rtmsg *m)
{
    return is_default(m) && !(m->flags & BSD_RTF_IFSCOPE) &&
           (m->type == BSD_RTM_DELETE || !rtmsg_is_unused(m));
}

enum rk_code scoped_next_hop(const struct rtmsg_layout *l, struct rk_str table, uint8_t family,
                             uint32_t proto_flag, struct rtmsg *out, struct rk_err *err)
{
    struct rtmsg m;
    enum rk_code rc;

    while ((rc = rtmsg_next(l, &table, &m, err)) == RK_OK)
        if (is_default(&m) && m.dst.ip.family == family && !rtmsg_is_unused(&m) &&
            !(m.flags & (BSD_RTF_IFSCOPE | proto_flag))) {
            *out = m;
            return RK_OK;
        }
    return rc == RK_NOT_FOUND ? rk_fail(err, rc, "no IPv%u default route", family) : rc;
}

static enum rk_code add(struct scoped *s, const struct rtmsg *hop, struct rk_err *err)
{
    bool gateway = hop->gateway.family != 0;
    struct rtmsg m = {.type = BSD_RTM_ADD,
                      .ifindex = hop->ifindex,
                      .flags = BSD_RTF_UP | BSD_RTF_STATIC | BSD_RTF_IFSCOPE | s->proto_flag |
                               (gateway ? BSD_RTF_GATEWAY : 0u),
                      .dst = {.ip = {.family = hop->dst.ip.family}},
                      .gateway = hop->gateway,
                      .gateway_link = gateway ? 0 : hop->ifindex};

    if (!hop->ifindex)
        return rk_fail(err, RK_PRECONDITION, "the default route names no interface");
    if (!gateway && !s->point_to_point(s, hop->ifindex))
        return rk_fail(err, RK_PRECONDITION,
                       "the default route names an interface (%u) and no gateway", hop->ifindex);
    return rtsock_ask(s->sock, &m, RTSOCK_ATTEMPTS_SCOPED, NULL, err);
}

/* *done: a scoped default is there. */
static enum rk_code set_up_family(struct scoped *s, uint8_t family, bool *done, struct rk_err *err)
{
    struct rk_str table;
    struct rtmsg hop;
    enum rk_code rc = s->table(s, &table, err);

    if (rc == RK_OK)
        rc = scoped_next_hop(s->sock->layout, table, family, s->proto_flag, &hop, err);
    if (rc == RK_NOT_FOUND)
        return RK_OK;
    if (rc == RK_OK)
        rc = add(s, &hop, err);
    if (rc && rc != RK_EXISTS) /* the system makes such ones itself where it has several networks */
        return rk_wrap(err, "IPv%u default of our own", family);
    bound_set(s->bound, family, hop.ifindex);
    *done = true;
    return RK_OK;
}

enum rk_code scoped_set_up(struct scoped *s, struct rk_err *err)
{
    enum rk_code rc = scoped_undo(s, err),
                 last = RK_OK; /* leftovers that stay are no reason not to */
    bool any = false;

    for (uint8_t family = 4; family <= 6; family = (uint8_t)(family + 2)) {
        rc = set_up_family(s, family, &any, err);
        if (rc)
            last = rc;
    }
    return any ? RK_OK : last;
}

/* By our flag: a scoped default, or the route of a single address that legacy routing made. */
static bool is_leftover(const struct scoped *s, const struct rtmsg *m)
{
    bool single = m->flags & BSD_RTF_HOST && m->has_dst;

    return m->flags & s->proto_flag && (single || (is_default(m) && m->flags & BSD_RTF_IFSCOPE));
}

static enum rk_code remove_one(struct scoped *s, const struct rtmsg *old, struct rk_err *err)
{
    struct rtmsg m = {.type = BSD_RTM_DELETE,
                      .ifindex = old->ifindex,
                      .flags = old->flags & (KEPT_FLAGS | s->proto_flag),
                      .dst = old->dst,
                      .gateway = old->gateway,
                      .gateway_link = old->gateway_link};
    enum rk_code rc = rtsock_ask(s->sock, &m, RTSOCK_ATTEMPTS_SCOPED, NULL, err);

    return rc == RK_NOT_FOUND ? RK_OK : rc;
}

enum rk_code scoped_undo(struct scoped *s, struct rk_err *err)
{
    struct rk_str table;
    struct rtmsg m;
    enum rk_code rc, last;

    bound_clear(s->bound); /* first: no socket may be bound to what is about to go */
    last = s->table(s, &table, err);
    if (last)
        return last;
    while ((rc = rtmsg_next(s->sock->layout, &table, &m, err)) == RK_OK) {
        if (!is_leftover(s, &m))
            continue;
        rc = remove_one(s, &m, err);
        if (rc)
            last = rc;
    }
    return rc == RK_NOT_FOUND ? last : rc;
}

bool scoped_may_exclude(const struct rk_ip *ip, const struct rk_prefix *connected, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (connected[i].bits && rk_prefix_contains(&connected[i], ip))
            return false;
    return true;
}
