/* SPDX-License-Identifier: BSD-3-Clause */
/* Links and addresses over rtnetlink; see link.h. */
#include "config.h"

#include "agent/os/link.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

/* The kernel refuses this MTU only after it has found the kind, which is what the probe asks. */
#define PROBE_NAME      "mustnotexist"
#define PROBE_MTU_BYTES 0xffffffffu

/* A dump that meets a change is asked again this often. */
#define DUMP_TRIES 5

static int attr_table(const struct nlattr *a, void *arg)
{
    const struct nlattr **t = arg;
    unsigned type = mnl_attr_get_type(a);

    if (type <= IFLA_MAX)
        t[type] = a;
    return MNL_CB_OK;
}

static void copy_text(char *to, size_t cap, const struct nlattr *a)
{
    size_t n = mnl_attr_get_payload_len(a);

    if (n >= cap)
        n = cap - 1;
    memcpy(to, mnl_attr_get_payload(a), n);
    to[n] = '\0';
}

static void parse_kind(struct link *l, const struct nlattr *info)
{
    const struct nlattr *a;

    NL_FOR_EACH_NESTED (a, info) {
        if (mnl_attr_get_type(a) == IFLA_INFO_KIND)
            copy_text(l->kind, sizeof l->kind, a);
    }
}

static void parse_mac(struct link *l, const struct nlattr *a)
{
    const uint8_t *m = mnl_attr_get_payload(a);

    if (mnl_attr_get_payload_len(a) != 6)
        return;
    (void)snprintf(l->mac, sizeof l->mac, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3],
                   m[4], m[5]);
}

static bool parse_link(const struct nlmsghdr *h, struct link *out)
{
    const struct nlattr *t[IFLA_MAX + 1] = {0};
    const struct ifinfomsg *m = mnl_nlmsg_get_payload(h);

    if (h->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(h) < sizeof *m)
        return false;
    (void)mnl_attr_parse(h, sizeof *m, attr_table, t);
    *out = (struct link){.index = (uint32_t)m->ifi_index, .flags = m->ifi_flags};
    if (t[IFLA_IFNAME])
        copy_text(out->name, sizeof out->name, t[IFLA_IFNAME]);
    if (t[IFLA_MTU] && mnl_attr_validate(t[IFLA_MTU], MNL_TYPE_U32) == 0)
        out->mtu_bytes = mnl_attr_get_u32(t[IFLA_MTU]);
    if (t[IFLA_LINKINFO])
        parse_kind(out, t[IFLA_LINKINFO]);
    if (t[IFLA_ADDRESS] && m->ifi_type == ARPHRD_ETHER)
        parse_mac(out, t[IFLA_ADDRESS]);
    return true;
}

struct link_reader {
    struct nl_reader r;
    struct link *one; /* or NULL: all go to the list */
    struct rk_arena *mem;
    struct link_list list;
    bool found;
};

static enum rk_code on_link(struct nl_reader *r, const struct nlmsghdr *h,
                            struct rk_err *err RK_UNUSED)
{
    struct link_reader *lr = rk_container_of(r, struct link_reader, r);
    struct link l;

    if (!parse_link(h, &l))
        return RK_OK;
    lr->found = true;
    if (lr->one) {
        *lr->one = l;
        return RK_OK;
    }
    lr->list.items =
        rk_arena_grow(lr->mem, lr->list.items, lr->list.n, &lr->list.cap, sizeof *lr->list.items);
    lr->list.items[lr->list.n++] = l;
    return RK_OK;
}

static struct nlmsghdr *begin_link(struct nl_sock *s, uint16_t type, uint16_t flags, uint32_t index)
{
    struct nlmsghdr *h = nl_begin(s, type, flags);
    struct ifinfomsg *m = mnl_nlmsg_put_extra_header(h, sizeof *m);

    m->ifi_family = AF_UNSPEC;
    m->ifi_index = (int)index;
    return h;
}

enum rk_code link_find(struct nl_sock *s, const char *name, struct link *out, struct rk_err *err)
{
    struct link_reader lr = {.r.message = on_link, .one = out};
    struct nlmsghdr *h = begin_link(s, RTM_GETLINK, 0, 0);
    enum rk_code rc;

    mnl_attr_put_strz(h, IFLA_IFNAME, name);
    rc = nl_ask(s, h, &lr.r, name, err);
    if (rc)
        return rc;
    return lr.found ? RK_OK : rk_fail(err, RK_NOT_FOUND, "no interface %s", name);
}

enum rk_code link_list(struct nl_sock *s, struct rk_arena *mem, struct link_list *out,
                       struct rk_err *err)
{
    enum rk_code rc = RK_UNAVAILABLE;

    for (int i = 0; i < DUMP_TRIES && rc == RK_UNAVAILABLE; i++) {
        struct link_reader lr = {.r.message = on_link, .mem = mem};

        rc = nl_ask(s, begin_link(s, RTM_GETLINK, NLM_F_DUMP, 0), &lr.r, "list interfaces", err);
        if (rc == RK_OK)
            *out = lr.list;
    }
    return rc;
}

static struct nlmsghdr *begin_wireguard(struct nl_sock *s, const char *name)
{
    struct nlmsghdr *h = begin_link(s, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);
    struct nlattr *info;

    mnl_attr_put_strz(h, IFLA_IFNAME, name);
    info = mnl_attr_nest_start(h, IFLA_LINKINFO);
    mnl_attr_put_strz(h, IFLA_INFO_KIND, "wireguard");
    mnl_attr_nest_end(h, info);
    return h;
}

enum rk_code link_add_wireguard(struct nl_sock *s, const char *name, struct rk_err *err)
{
    return nl_ask(s, begin_wireguard(s, name), NULL, name, err);
}

bool link_wireguard_known(struct nl_sock *s)
{
    struct nlmsghdr *h = begin_wireguard(s, PROBE_NAME);
    struct rk_err err = {0};
    struct link made;
    enum rk_code rc;

    mnl_attr_put_u32(h, IFLA_MTU, PROBE_MTU_BYTES);
    rc = nl_ask(s, h, NULL, PROBE_NAME, &err);
    if (rc == RK_OK && link_find(s, PROBE_NAME, &made, NULL) == RK_OK) /* it took the MTU */
        RK_IGNORE(link_delete(s, made.index, NULL));
    return rc == RK_OK || rc == RK_INVALID;
}

enum rk_code link_delete(struct nl_sock *s, uint32_t index, struct rk_err *err)
{
    return nl_ask(s, begin_link(s, RTM_DELLINK, 0, index), NULL, "delete interface", err);
}

enum rk_code link_set(struct nl_sock *s, uint32_t index, bool up, uint32_t mtu_bytes,
                      struct rk_err *err)
{
    struct nlmsghdr *h = begin_link(s, RTM_NEWLINK, 0, index);
    struct ifinfomsg *m = mnl_nlmsg_get_payload(h);

    m->ifi_change = IFF_UP;
    m->ifi_flags = up ? IFF_UP : 0;
    if (mtu_bytes)
        mnl_attr_put_u32(h, IFLA_MTU, mtu_bytes);
    return nl_ask(s, h, NULL, "change interface", err);
}

struct addr_reader {
    struct nl_reader r;
    uint32_t index;
    struct rk_arena *mem;
    struct link_addr_list list;
};

static enum rk_code on_addr(struct nl_reader *r, const struct nlmsghdr *h,
                            struct rk_err *err RK_UNUSED)
{
    struct addr_reader *ar = rk_container_of(r, struct addr_reader, r);
    const struct ifaddrmsg *m = mnl_nlmsg_get_payload(h);
    const struct nlattr *a, *local = NULL, *address = NULL;
    struct link_addr la = {0};

    if (h->nlmsg_type != RTM_NEWADDR || mnl_nlmsg_get_payload_len(h) < sizeof *m ||
        (ar->index && m->ifa_index != ar->index))
        return RK_OK;
    NL_FOR_EACH (a, h, sizeof *m) {
        if (mnl_attr_get_type(a) == IFA_LOCAL)
            local = a;
        else if (mnl_attr_get_type(a) == IFA_ADDRESS)
            address = a;
    }
    if (!local) /* IPv6 has no IFA_LOCAL unless it is point to point */
        local = address;
    if (!local ||
        rk_ip_from_bytes(rk_str_of(mnl_attr_get_payload(local), mnl_attr_get_payload_len(local)),
                         &la.prefix.ip, NULL))
        return RK_OK;
    la.index = m->ifa_index;
    la.prefix.bits = m->ifa_prefixlen;
    la.scope = m->ifa_scope;
    ar->list.items =
        rk_arena_grow(ar->mem, ar->list.items, ar->list.n, &ar->list.cap, sizeof *ar->list.items);
    ar->list.items[ar->list.n++] = la;
    return RK_OK;
}

enum rk_code link_addrs(struct nl_sock *s, uint32_t index, struct rk_arena *mem,
                        struct link_addr_list *out, struct rk_err *err)
{
    enum rk_code rc = RK_UNAVAILABLE;

    for (int i = 0; i < DUMP_TRIES && rc == RK_UNAVAILABLE; i++) {
        struct addr_reader ar = {.r.message = on_addr, .index = index, .mem = mem};
        struct nlmsghdr *h = nl_begin(s, RTM_GETADDR, NLM_F_DUMP);
        struct ifaddrmsg *m = mnl_nlmsg_put_extra_header(h, sizeof *m);

        m->ifa_family = AF_UNSPEC;
        rc = nl_ask(s, h, &ar.r, "list addresses", err);
        if (rc == RK_OK)
            *out = ar.list;
    }
    return rc;
}

static enum rk_code change_addr(struct nl_sock *s, uint16_t type, uint16_t flags, uint32_t index,
                                const struct rk_prefix *p, struct rk_err *err)
{
    struct nlmsghdr *h = nl_begin(s, type, flags);
    struct ifaddrmsg *m = mnl_nlmsg_put_extra_header(h, sizeof *m);
    char text[RK_ADDR_TEXT];

    m->ifa_family = p->ip.family == 4 ? AF_INET : AF_INET6;
    m->ifa_prefixlen = p->bits;
    m->ifa_index = index;
    if (p->ip.family == 6 && type == RTM_NEWADDR)
        m->ifa_flags = IFA_F_NODAD; /* nobody else can have it, and waiting would delay the start */
    mnl_attr_put(h, IFA_LOCAL, rk_ip_size(&p->ip), p->ip.b);
    mnl_attr_put(h, IFA_ADDRESS, rk_ip_size(&p->ip), p->ip.b);
    (void)rk_prefix_format(p, text);
    return nl_ask(s, h, NULL, text, err);
}

enum rk_code link_addr_add(struct nl_sock *s, uint32_t index, const struct rk_prefix *p,
                           struct rk_err *err)
{
    return change_addr(s, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, p, err);
}

enum rk_code link_addr_delete(struct nl_sock *s, uint32_t index, const struct rk_prefix *p,
                              struct rk_err *err)
{
    return change_addr(s, RTM_DELADDR, 0, index, p, err);
}

static bool wanted(const struct rk_prefix *want, size_t n, const struct rk_prefix *p)
{
    for (size_t i = 0; i < n; i++)
        if (rk_prefix_cmp(&want[i], p) == 0)
            return true;
    return false;
}

static bool present(const struct link_addr_list *have, const struct rk_prefix *p)
{
    for (size_t i = 0; i < have->n; i++)
        if (rk_prefix_cmp(&have->items[i].prefix, p) == 0)
            return true;
    return false;
}

enum rk_code link_addr_sync(struct nl_sock *s, uint32_t index, const struct rk_prefix *want,
                            size_t n, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct link_addr_list have = {0};
    enum rk_code rc = link_addrs(s, index, mem, &have, err), one;

    if (rc)
        return rc;
    for (size_t i = 0; i < have.n; i++) {
        const struct rk_prefix *p = &have.items[i].prefix;

        if (wanted(want, n, p) || (p->ip.family == 6 && rk_ip_is_link_local(&p->ip)))
            continue;
        one = link_addr_delete(s, index, p, err);
        if (one && one != RK_NOT_FOUND)
            rc = one;
    }
    for (size_t i = 0; i < n; i++) {
        if (present(&have, &want[i]))
            continue;
        one = link_addr_add(s, index, &want[i], err);
        if (one && one != RK_EXISTS)
            rc = one;
    }
    return rc;
}
