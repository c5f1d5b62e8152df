/* SPDX-License-Identifier: BSD-3-Clause */
/* Multicast news of the kernel; see netmon.h. */
#include "config.h"

#include "agent/os/netmon.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/os/nl.h"
#include "lib/base/pages.h"
#include "lib/net/tcp.h"

/* News of a host that changes a thousand routes at once fit; what does not counts as NETMON_ALL. */
#define RCVBUF_BYTES (1 << 20)

struct source { /* one socket */
    struct netmon *m;
    struct tcp_watch watch;
    bool open;
    bool firewall;
};

struct netmon { /* as pages: news are short */
    struct rk_loop *loop;
    struct netmon_opts o;
    struct netmon_user *user; /* NULL: closing */
    struct source route, nft;
    unsigned kinds;
    int64_t first_ms; /* of the burst */
    struct rk_timer *timer;
    _Alignas(8) char in[NL_MSG_SIZE * 2];
};

/* ---- one message */

static uint32_t u32_attr(const struct nlmsghdr *h, size_t head, uint16_t type, uint32_t other)
{
    const struct nlattr *a;

    NL_FOR_EACH (a, h, head) {
        if (mnl_attr_get_type(a) == type && mnl_attr_validate(a, MNL_TYPE_U32) == 0)
            return mnl_attr_get_u32(a);
    }
    return other;
}

static unsigned route_kind(const struct netmon_opts *o, const struct nlmsghdr *h)
{
    const struct rtmsg *m = mnl_nlmsg_get_payload(h);
    uint32_t table;

    if (mnl_nlmsg_get_payload_len(h) < sizeof *m || m->rtm_flags & RTM_F_CLONED)
        return 0;
    table = u32_attr(h, sizeof *m, RTA_TABLE, m->rtm_table);
    if (table == o->table)
        return NETMON_ROUTE;
    if (table == RT_TABLE_MAIN && m->rtm_dst_len == 0 &&
        u32_attr(h, sizeof *m, RTA_OIF, 0) != o->ifindex)
        return NETMON_DEFAULT;
    return 0;
}

unsigned netmon_kind(const struct netmon_opts *o, const struct nlmsghdr *h)
{
    const struct ifinfomsg *l = mnl_nlmsg_get_payload(h);
    const struct ifaddrmsg *a = mnl_nlmsg_get_payload(h);

    switch (h->nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
        if (mnl_nlmsg_get_payload_len(h) < sizeof *l)
            return 0;
        return (uint32_t)l->ifi_index == o->ifindex ? NETMON_OWN : NETMON_LINK;
    case RTM_NEWADDR:
    case RTM_DELADDR:
        if (mnl_nlmsg_get_payload_len(h) < sizeof *a)
            return 0;
        return a->ifa_index == o->ifindex ? NETMON_OWN : NETMON_ADDR;
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
        return route_kind(o, h);
    case RTM_NEWRULE:
    case RTM_DELRULE:
        return NETMON_RULE;
    default:
        return 0;
    }
}

/* Every transaction ends with a new generation, which names the process that made it. */
static unsigned firewall_kind(const struct nlmsghdr *h)
{
    uint32_t pid;

    if (NFNL_SUBSYS_ID(h->nlmsg_type) != NFNL_SUBSYS_NFTABLES ||
        NFNL_MSG_TYPE(h->nlmsg_type) != NFT_MSG_NEWGEN ||
        mnl_nlmsg_get_payload_len(h) < sizeof(struct nfgenmsg))
        return 0;
    pid = u32_attr(h, sizeof(struct nfgenmsg), NFTA_GEN_PROC_PID, 0);
    return ntohl(pid) == (uint32_t)getpid() ? 0 : NETMON_FIREWALL;
}

/* ---- telling */

static void tell(void *arg)
{
    struct netmon *m = arg;
    unsigned kinds = m->kinds;

    m->kinds = 0;
    m->user->changed(m->user, kinds);
}

static void note(struct netmon *m, unsigned kinds)
{
    int64_t now = rk_loop_now_ms(m->loop), left;

    if (!kinds || !m->user)
        return;
    if (!m->kinds)
        m->first_ms = now;
    m->kinds |= kinds;
    left = m->first_ms + NETMON_WAIT_MAX_MS - now;
    left = left < 0 || kinds & NETMON_RULE ? 0 : left; /* without rules, traffic leaks: at once */
    rk_timer_start(m->loop, &m->timer, left < NETMON_SETTLE_MS ? left : NETMON_SETTLE_MS, tell, m);
}

static void read_news(struct source *s)
{
    struct netmon *m = s->m;

    for (;;) {
        ssize_t n = recv(s->watch.fd, m->in, sizeof m->in, MSG_DONTWAIT);
        int left = (int)n;

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == ENOBUFS) { /* news were lost: everything may have changed */
            note(m, NETMON_ALL);
            continue;
        }
        if (n <= 0)
            return;
        for (const struct nlmsghdr *h = (const void *)m->in; mnl_nlmsg_ok(h, left);
             h = mnl_nlmsg_next(h, &left))
            note(m, s->firewall ? firewall_kind(h) : netmon_kind(&m->o, h));
    }
}

static void on_ready(struct tcp_watch *w, bool readable RK_UNUSED, bool writable RK_UNUSED)
{
    struct source *s = rk_container_of(w, struct source, watch);

    if (s->m->user)
        read_news(s);
}

/* ---- life */

static void free_if_done(struct netmon *m)
{
    if (!m->user && !m->route.open && !m->nft.open)
        rk_pages_free(m, sizeof *m);
}

static void on_closed(struct tcp_watch *w)
{
    struct source *s = rk_container_of(w, struct source, watch);

    s->open = false;
    free_if_done(s->m);
}

static enum rk_code open_source(struct netmon *m, struct source *s, int bus, const int *groups,
                                size_t n, struct rk_err *err)
{
    struct sockaddr_nl sa = {.nl_family = AF_NETLINK};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, bus), size = RCVBUF_BYTES;
    enum rk_code rc;

    if (fd < 0)
        return rk_fail_errno(err, RK_PRECONDITION, errno, "netlink socket");
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (bind(fd, (const struct sockaddr *)&sa, sizeof sa) != 0) {
        rc = rk_fail_errno(err, RK_INTERNAL, errno, "netlink socket");
        (void)close(fd);
        return rc;
    }
    for (size_t i = 0; i < n; i++)
        if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i], sizeof groups[i])) {
            rc = rk_fail_errno(err, RK_PRECONDITION, errno, "netlink group %d", groups[i]);
            (void)close(fd);
            return rc;
        }
    rc = tcp_watch_init(m->loop, &s->watch, fd, err);
    if (rc)
        return rc;
    s->watch.ready = on_ready;
    s->watch.closed = on_closed;
    s->open = true;
    tcp_watch_set(&s->watch, true, false);
    return RK_OK;
}

enum rk_code netmon_open(struct rk_loop *loop, const struct netmon_opts *o, struct netmon_user *u,
                         struct netmon **out, struct rk_err *err)
{
    static const int route_groups[] = {RTNLGRP_LINK,       RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
                                       RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,  RTNLGRP_IPV4_RULE,
                                       RTNLGRP_IPV6_RULE};
    static const int nft_groups[] = {NFNLGRP_NFTABLES};
    struct netmon *m = rk_pages_new(sizeof *m);
    enum rk_code rc;

    m->loop = loop;
    m->o = *o;
    m->user = u;
    m->route.m = m->nft.m = m;
    m->nft.firewall = true;
    rc = open_source(m, &m->route, NETLINK_ROUTE, route_groups, RK_ARRAY_LEN(route_groups), err);
    if (rc) {
        rk_pages_free(m, sizeof *m);
        return rc;
    }
    RK_IGNORE(
        open_source(m, &m->nft, NETLINK_NETFILTER, nft_groups, RK_ARRAY_LEN(nft_groups), NULL));
    *out = m;
    return RK_OK;
}

void netmon_close(struct netmon *m)
{
    if (!m)
        return;
    m->user = NULL;
    rk_timer_cancel(&m->timer);
    if (m->route.open)
        tcp_watch_close(&m->route.watch);
    if (m->nft.open)
        tcp_watch_close(&m->nft.watch);
}
