/* SPDX-License-Identifier: BSD-3-Clause */
/* Routes and rules over rtnetlink; see route.h. */
#include "config.h"

#include "agent/os/route.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/os/files.h"
#include "lib/base/buf.h"
#include "lib/base/file.h"
#include "lib/base/num.h"

#define DUMP_TRIES 5
/* More copies of one rule than this are not from crashes of ours. */
#define RULE_COPIES_MAX 64

static uint8_t af_of(uint8_t family)
{
    return family == 4 ? AF_INET : AF_INET6;
}

static struct nlmsghdr *begin_route(struct nl_sock *s, uint16_t type, uint16_t flags,
                                    const struct kernel_route *r)
{
    struct nlmsghdr *h = nl_begin(s, type, flags);
    struct rtmsg *m = mnl_nlmsg_put_extra_header(h, sizeof *m);

    m->rtm_family = af_of(r->dst.ip.family);
    m->rtm_dst_len = r->dst.bits;
    m->rtm_table = RT_TABLE_UNSPEC; /* the number may not fit here: RTA_TABLE says it */
    m->rtm_protocol = r->protocol            ? r->protocol
                      : type == RTM_NEWROUTE ? RTPROT_STATIC
                                             : RTPROT_UNSPEC;
    m->rtm_scope = type == RTM_NEWROUTE ? RT_SCOPE_UNIVERSE : RT_SCOPE_NOWHERE;
    m->rtm_type = r->unreachable ? RTN_UNREACHABLE : RTN_UNICAST;
    if (r->dst.bits)
        mnl_attr_put(h, RTA_DST, rk_ip_size(&r->dst.ip), r->dst.ip.b);
    mnl_attr_put_u32(h, RTA_TABLE, r->table);
    if (r->ifindex)
        mnl_attr_put_u32(h, RTA_OIF, r->ifindex);
    if (r->gateway.family)
        mnl_attr_put(h, RTA_GATEWAY, rk_ip_size(&r->gateway), r->gateway.b);
    if (r->metric)
        mnl_attr_put_u32(h, RTA_PRIORITY, r->metric);
    return h;
}

enum rk_code kernel_route_add(struct nl_sock *s, const struct kernel_route *r, struct rk_err *err)
{
    char text[RK_ADDR_TEXT];

    (void)rk_prefix_format(&r->dst, text);
    return nl_ask(s, begin_route(s, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, r), NULL, text, err);
}

enum rk_code kernel_route_delete(struct nl_sock *s, const struct kernel_route *r,
                                 struct rk_err *err)
{
    char text[RK_ADDR_TEXT];

    (void)rk_prefix_format(&r->dst, text);
    return nl_ask(s, begin_route(s, RTM_DELROUTE, 0, r), NULL, text, err);
}

static int route_attrs(const struct nlattr *a, void *arg)
{
    const struct nlattr **t = arg;
    unsigned type = mnl_attr_get_type(a);

    if (type <= RTA_MAX)
        t[type] = a;
    return MNL_CB_OK;
}

static bool attr_ip(const struct nlattr *a, struct rk_ip *out)
{
    return a && rk_ip_from_bytes(rk_str_of(mnl_attr_get_payload(a), mnl_attr_get_payload_len(a)),
                                 out, NULL) == RK_OK;
}

static uint32_t attr_u32(const struct nlattr *a)
{
    return a && mnl_attr_validate(a, MNL_TYPE_U32) == 0 ? mnl_attr_get_u32(a) : 0;
}

struct route_reader {
    struct nl_reader r;
    uint32_t table;
    struct rk_arena *mem;
    struct kernel_route_list list;
};

static enum rk_code on_route(struct nl_reader *r, const struct nlmsghdr *h,
                             struct rk_err *err RK_UNUSED)
{
    struct route_reader *rr = rk_container_of(r, struct route_reader, r);
    const struct nlattr *t[RTA_MAX + 1] = {0};
    const struct rtmsg *m = mnl_nlmsg_get_payload(h);
    struct kernel_route out = {0};

    if (h->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(h) < sizeof *m)
        return RK_OK;
    (void)mnl_attr_parse(h, sizeof *m, route_attrs, t);
    out.table = t[RTA_TABLE] ? attr_u32(t[RTA_TABLE]) : m->rtm_table;
    if (out.table != rr->table || (m->rtm_type != RTN_UNICAST && m->rtm_type != RTN_UNREACHABLE) ||
        m->rtm_flags & RTM_F_CLONED)
        return RK_OK;
    out.dst.ip.family = m->rtm_family == AF_INET ? 4 : 6;
    out.dst.bits = m->rtm_dst_len;
    if (t[RTA_DST] && !attr_ip(t[RTA_DST], &out.dst.ip))
        return RK_OK;
    (void)attr_ip(t[RTA_GATEWAY], &out.gateway);
    out.ifindex = attr_u32(t[RTA_OIF]);
    out.metric = attr_u32(t[RTA_PRIORITY]);
    out.unreachable = m->rtm_type == RTN_UNREACHABLE;
    out.protocol = m->rtm_protocol;
    rr->list.items =
        rk_arena_grow(rr->mem, rr->list.items, rr->list.n, &rr->list.cap, sizeof *rr->list.items);
    rr->list.items[rr->list.n++] = out;
    return RK_OK;
}

enum rk_code kernel_route_list(struct nl_sock *s, uint8_t family, uint32_t table,
                               struct rk_arena *mem, struct kernel_route_list *out,
                               struct rk_err *err)
{
    enum rk_code rc = RK_UNAVAILABLE;

    for (int i = 0; i < DUMP_TRIES && rc == RK_UNAVAILABLE; i++) {
        struct route_reader rr = {.r.message = on_route, .table = table, .mem = mem};
        struct nlmsghdr *h = nl_begin(s, RTM_GETROUTE, NLM_F_DUMP);
        struct rtmsg *m = mnl_nlmsg_put_extra_header(h, sizeof *m);

        m->rtm_family = af_of(family);
        rc = nl_ask(s, h, &rr.r, "list routes", err);
        if (rc == RK_OK)
            *out = rr.list;
    }
    return rc;
}

enum rk_code kernel_route_flush(struct nl_sock *s, uint32_t table, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    enum rk_code rc = RK_OK;

    for (uint8_t family = 4; family <= 6; family += 2) {
        struct kernel_route_list list = {0};
        enum rk_code one = kernel_route_list(s, family, table, mem, &list, err);

        if (one && one != RK_PRECONDITION)
            rc = one;
        for (size_t i = 0; i < list.n; i++) {
            one = kernel_route_delete(s, &list.items[i], err);
            if (one && one != RK_NOT_FOUND)
                rc = one;
        }
    }
    return rc;
}

enum rk_code kernel_route_flush_own(struct nl_sock *s, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    enum rk_code rc = RK_OK;

    for (uint8_t family = 4; family <= 6; family += 2) {
        struct kernel_route_list list = {0};
        enum rk_code one = kernel_route_list(s, family, ROUTE_TABLE_MAIN, mem, &list, err);

        if (one && one != RK_PRECONDITION)
            rc = one;
        for (size_t i = 0; i < list.n; i++) {
            if (list.items[i].protocol != ROUTE_PROTOCOL_OWN)
                continue;
            one = kernel_route_delete(s, &list.items[i], err);
            if (one && one != RK_NOT_FOUND)
                rc = one;
        }
    }
    return rc;
}

#define RT_TABLES     "/etc/iproute2/rt_tables"
#define RT_TABLES_MAX ((size_t)1 << 20)

/* Appended, not replaced: the file may be a mount or a link of somebody's. */
static enum rk_code append_name(uint32_t table, const char *name, bool line_end, struct rk_err *err)
{
    int fd = open(RT_TABLES, O_WRONLY | O_APPEND | O_CLOEXEC), n;
    enum rk_code rc = RK_OK;
    char line[64];

    if (fd < 0)
        return rk_fail_errno(err, RK_INTERNAL, errno, "open " RT_TABLES);
    n = snprintf(line, sizeof line, "%s%u\t%s\n", line_end ? "\n" : "", table, name);
    if (write(fd, line, (size_t)n) != n)
        rc = rk_fail_errno(err, RK_INTERNAL, errno, "write " RT_TABLES);
    (void)close(fd);
    return rc;
}

/* The name that a file of such names has for a number; empty: none. Lent from the text. */
static struct rk_str name_in(struct rk_str text, uint32_t table)
{
    struct rk_str line;
    int64_t id;

    while (text.n) {
        size_t n = 0;

        (void)rk_str_cut(text, '\n', &line, &text);
        line = rk_str_trim(line);
        while (n < line.n && line.p[n] != ' ' && line.p[n] != '\t')
            n++;
        if (rk_parse_i64(rk_str_sub(line, 0, n), 0, UINT32_MAX, &id, NULL) == RK_OK && id == table)
            return rk_str_trim(rk_str_sub(line, n, line.n));
    }
    return (struct rk_str){0};
}

enum rk_code kernel_route_table_name(uint32_t table, const char *name, struct rk_err *err)
{
    struct rk_str known;
    struct rk_buf text;
    enum rk_code rc;

    rk_buf_init(&text, RT_TABLES_MAX);
    rc = rk_file_read(RT_TABLES, 0, &text, err);
    known = name_in(rk_buf_str(&text), table);
    if (rc == RK_OK && !known.n)
        rc = append_name(table, name, text.n && text.p[text.n - 1] != '\n', err);
    else if (rc == RK_OK && !rk_str_eqz(known, name))
        rc = rk_fail(err, RK_EXISTS, "table %u is \"%.*s\"", table, RK_STR_ARG(known));
    rk_buf_done(&text);
    return rc == RK_NOT_FOUND ? RK_OK : rc; /* nobody here shows tables by name */
}

struct get_reader {
    struct nl_reader r;
    struct kernel_route_lookup *out;
    bool found;
};

static enum rk_code on_get(struct nl_reader *r, const struct nlmsghdr *h,
                           struct rk_err *err RK_UNUSED)
{
    struct get_reader *g = rk_container_of(r, struct get_reader, r);
    const struct nlattr *t[RTA_MAX + 1] = {0};
    const struct rtmsg *m = mnl_nlmsg_get_payload(h);

    if (h->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(h) < sizeof *m)
        return RK_OK;
    (void)mnl_attr_parse(h, sizeof *m, route_attrs, t);
    *g->out = (struct kernel_route_lookup){.ifindex = attr_u32(t[RTA_OIF])};
    (void)attr_ip(t[RTA_PREFSRC], &g->out->source);
    (void)attr_ip(t[RTA_GATEWAY], &g->out->gateway);
    g->found = true;
    return RK_OK;
}

enum rk_code kernel_route_get(struct nl_sock *s, const struct rk_ip *dst, uint32_t mark,
                              struct kernel_route_lookup *out, struct rk_err *err)
{
    struct get_reader g = {.r.message = on_get, .out = out};
    struct nlmsghdr *h = nl_begin(s, RTM_GETROUTE, 0);
    struct rtmsg *m = mnl_nlmsg_put_extra_header(h, sizeof *m);
    char text[RK_ADDR_TEXT];
    enum rk_code rc;

    m->rtm_family = af_of(dst->family);
    m->rtm_dst_len = (uint8_t)(rk_ip_size(dst) * 8);
    mnl_attr_put(h, RTA_DST, rk_ip_size(dst), dst->b);
    if (mark)
        mnl_attr_put_u32(h, RTA_MARK, mark);
    (void)rk_ip_format(dst, text);
    rc = nl_ask(s, h, &g.r, text, err);
    if (rc)
        return rc;
    return g.found ? RK_OK : rk_fail(err, RK_NOT_FOUND, "no route to %s", text);
}

static struct nlmsghdr *begin_rule(struct nl_sock *s, uint16_t type, uint16_t flags,
                                   const struct rule *r)
{
    struct nlmsghdr *h = nl_begin(s, type, flags);
    struct fib_rule_hdr *m = mnl_nlmsg_put_extra_header(h, sizeof *m);

    m->family = af_of(r->family);
    m->action = FR_ACT_TO_TBL;
    m->table = RT_TABLE_UNSPEC;
    if (r->invert)
        m->flags = FIB_RULE_INVERT;
    mnl_attr_put_u32(h, FRA_PRIORITY, r->priority);
    mnl_attr_put_u32(h, FRA_TABLE, r->table);
    if (r->mark) {
        mnl_attr_put_u32(h, FRA_FWMARK, r->mark);
        mnl_attr_put_u32(h, FRA_FWMASK, 0xffffffffu);
    }
    if (r->suppress_default)
        mnl_attr_put_u32(h, FRA_SUPPRESS_PREFIXLEN, 0);
    return h;
}

enum rk_code rule_add(struct nl_sock *s, const struct rule *r, struct rk_err *err)
{
    return nl_ask(s, begin_rule(s, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, r), NULL,
                  "add routing rule", err);
}

enum rk_code rule_delete(struct nl_sock *s, const struct rule *r, struct rk_err *err)
{
    return nl_ask(s, begin_rule(s, RTM_DELRULE, 0, r), NULL, "delete routing rule", err);
}

static const struct rule OVERLAY_RULES[] = {
    {.family = 4, .priority = ROUTE_PRIO_MAIN, .table = ROUTE_TABLE_MAIN, .suppress_default = true},
    {.family = 6, .priority = ROUTE_PRIO_MAIN, .table = ROUTE_TABLE_MAIN, .suppress_default = true},
    {.family = 4,
     .priority = ROUTE_PRIO_OVERLAY,
     .table = ROUTE_TABLE_OVERLAY,
     .mark = ROUTE_MARK_CONTROL,
     .invert = true},
    {.family = 6,
     .priority = ROUTE_PRIO_OVERLAY,
     .table = ROUTE_TABLE_OVERLAY,
     .mark = ROUTE_MARK_CONTROL,
     .invert = true},
};

enum rk_code rule_overlay_remove(struct nl_sock *s, struct rk_err *err)
{
    enum rk_code rc = RK_OK;

    for (size_t i = 0; i < RK_ARRAY_LEN(OVERLAY_RULES); i++) {
        enum rk_code one = RK_OK;

        for (int n = 0; n < RULE_COPIES_MAX && one == RK_OK; n++)
            one = rule_delete(s, &OVERLAY_RULES[i], err);
        if (one && one != RK_NOT_FOUND && one != RK_PRECONDITION)
            rc = one;
    }
    return rc;
}

enum rk_code rule_overlay_install(struct nl_sock *s, size_t *added, struct rk_err *err)
{
    bool made[RK_ARRAY_LEN(OVERLAY_RULES)] = {0};

    *added = 0;
    for (size_t i = 0; i < RK_ARRAY_LEN(OVERLAY_RULES); i++) {
        enum rk_code one = rule_add(s, &OVERLAY_RULES[i], err);

        if (one == RK_EXISTS || (one == RK_PRECONDITION && OVERLAY_RULES[i].family == 6))
            continue;
        if (one) {
            for (size_t k = 0; k < i; k++)
                if (made[k])
                    RK_IGNORE(rule_delete(s, &OVERLAY_RULES[k], NULL));
            *added = 0;
            return one;
        }
        made[i] = true;
        ++*added;
    }
    return RK_OK;
}

static bool can_mark_socket(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
    uint32_t mark = ROUTE_MARK_CONTROL;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool ok = false;

    if (fd < 0)
        return false;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ok = setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark) == 0 &&
         (sendto(fd, "", 1, 0, (const struct sockaddr *)&to, sizeof to) == 1 ||
          (errno != EPERM && errno != EACCES)); /* loopback may be down, that is no matter */
    (void)close(fd);
    return ok;
}

bool rule_marks_work(struct nl_sock *s)
{
    static const struct rule probe = {
        .family = 4, .priority = ROUTE_PRIO_PROBE, .table = ROUTE_TABLE_MAIN};
    enum rk_code rc;

    if (!can_mark_socket())
        return false;
    rc = rule_add(s, &probe, NULL);
    if (rc && rc != RK_EXISTS)
        return false;
    return rule_delete(s, &probe, NULL) == RK_OK;
}
