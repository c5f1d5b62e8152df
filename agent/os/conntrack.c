/* SPDX-License-Identifier: BSD-3-Clause */
/* See conntrack.h; names of linux/netfilter/nfnetlink_conntrack.h. */
#include "config.h"

#include "agent/os/conntrack.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/os/nl.h"
#include "lib/net/tcp.h"

#define ROUNDS       64        /* of reading, then others have their turn */
#define RCVBUF_BYTES (4 << 20) /* some ten thousand connections at once */

struct conntrack {
    struct conntrack_user *user; /* NULL: closing */
    struct tcp_watch watch;
    uint64_t lost;
    _Alignas(8) char in[NL_MSG_SIZE * 2];
};

/* ---- one message */

static uint64_t be64(const struct nlattr *a)
{
    return mnl_attr_get_payload_len(a) == sizeof(uint64_t) ? be64toh(mnl_attr_get_u64(a)) : 0;
}

static uint32_t be32(const struct nlattr *a)
{
    return mnl_attr_get_payload_len(a) == sizeof(uint32_t) ? ntohl(mnl_attr_get_u32(a)) : 0;
}

static uint16_t be16(const struct nlattr *a)
{
    return mnl_attr_get_payload_len(a) == sizeof(uint16_t) ? ntohs(mnl_attr_get_u16(a)) : 0;
}

static uint8_t u8(const struct nlattr *a)
{
    return mnl_attr_get_payload_len(a) == 1 ? mnl_attr_get_u8(a) : 0;
}

static void addresses(const struct nlattr *nest, struct conntrack_event *e)
{
    const struct nlattr *a;

    NL_FOR_EACH_NESTED (a, nest) {
        struct rk_str raw = rk_str_of(mnl_attr_get_payload(a), mnl_attr_get_payload_len(a));
        uint16_t type = mnl_attr_get_type(a);

        if (type == CTA_IP_V4_SRC || type == CTA_IP_V6_SRC)
            RK_IGNORE(rk_ip_from_bytes(raw, &e->src, NULL));
        else if (type == CTA_IP_V4_DST || type == CTA_IP_V6_DST)
            RK_IGNORE(rk_ip_from_bytes(raw, &e->dst, NULL));
    }
}

static void protocol(const struct nlattr *nest, struct conntrack_event *e)
{
    const struct nlattr *a;

    NL_FOR_EACH_NESTED (a, nest) {
        switch (mnl_attr_get_type(a)) {
        case CTA_PROTO_NUM:
            e->protocol = u8(a);
            break;
        case CTA_PROTO_SRC_PORT:
            e->src_port = be16(a);
            break;
        case CTA_PROTO_DST_PORT:
            e->dst_port = be16(a);
            break;
        case CTA_PROTO_ICMP_TYPE:
        case CTA_PROTO_ICMPV6_TYPE:
            e->icmp_type = u8(a);
            break;
        case CTA_PROTO_ICMP_CODE:
        case CTA_PROTO_ICMPV6_CODE:
            e->icmp_code = u8(a);
            break;
        default:
            break;
        }
    }
}

static void tuple(const struct nlattr *nest, struct conntrack_event *e)
{
    const struct nlattr *a;

    NL_FOR_EACH_NESTED (a, nest) {
        if (mnl_attr_get_type(a) == CTA_TUPLE_IP)
            addresses(a, e);
        else if (mnl_attr_get_type(a) == CTA_TUPLE_PROTO)
            protocol(a, e);
    }
}

static void counters(const struct nlattr *nest, uint64_t *packets, uint64_t *bytes)
{
    const struct nlattr *a;

    NL_FOR_EACH_NESTED (a, nest) {
        if (mnl_attr_get_type(a) == CTA_COUNTERS_PACKETS)
            *packets = be64(a);
        else if (mnl_attr_get_type(a) == CTA_COUNTERS_BYTES)
            *bytes = be64(a);
    }
}

static void attribute(const struct nlattr *a, struct conntrack_event *e)
{
    switch (mnl_attr_get_type(a)) {
    case CTA_TUPLE_ORIG:
        tuple(a, e);
        break;
    case CTA_COUNTERS_ORIG:
        counters(a, &e->packets, &e->bytes);
        break;
    case CTA_COUNTERS_REPLY:
        counters(a, &e->reply_packets, &e->reply_bytes);
        break;
    case CTA_MARK:
        e->mark = be32(a);
        break;
    case CTA_ID:
        e->id = be32(a);
        break;
    default:
        break;
    }
}

bool conntrack_parse(const struct nlmsghdr *h, struct conntrack_event *out)
{
    const struct nlattr *a;
    unsigned what = h->nlmsg_type & 0xffu;

    *out = (struct conntrack_event){.ended = what == IPCTNL_MSG_CT_DELETE};
    if (h->nlmsg_type >> 8 != NFNL_SUBSYS_CTNETLINK ||
        (what != IPCTNL_MSG_CT_NEW && what != IPCTNL_MSG_CT_DELETE) ||
        mnl_nlmsg_get_payload_len(h) < sizeof(struct nfgenmsg))
        return false;
    NL_FOR_EACH (a, h, sizeof(struct nfgenmsg))
        attribute(a, out);
    return out->src.family && out->src.family == out->dst.family;
}

/* ---- the socket */

static void on_ready(struct tcp_watch *w, bool readable RK_UNUSED, bool writable RK_UNUSED)
{
    struct conntrack *c = rk_container_of(w, struct conntrack, watch);

    for (int i = 0; c->user && i < ROUNDS; i++) {
        ssize_t n = recv(c->watch.fd, c->in, sizeof c->in, MSG_DONTWAIT);
        struct conntrack_event e;
        int left = (int)n;

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == ENOBUFS) {
            c->lost++;
            continue;
        }
        if (n <= 0)
            return;
        for (const struct nlmsghdr *h = (const void *)c->in; c->user && mnl_nlmsg_ok(h, left);
             h = mnl_nlmsg_next(h, &left))
            if (conntrack_parse(h, &e))
                c->user->event(c->user, &e);
    }
}

static void on_closed(struct tcp_watch *w)
{
    free(rk_container_of(w, struct conntrack, watch));
}

static int open_socket(struct rk_err *err)
{
    static const int groups[] = {NFNLGRP_CONNTRACK_NEW, NFNLGRP_CONNTRACK_DESTROY};
    struct sockaddr_nl sa = {.nl_family = AF_NETLINK};
    int size = RCVBUF_BYTES,
        fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);
    bool ok = fd >= 0 && bind(fd, (const struct sockaddr *)&sa, sizeof sa) == 0;

    for (size_t i = 0; ok && i < RK_ARRAY_LEN(groups); i++)
        ok = setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i], sizeof groups[i]) == 0;
    if (!ok) {
        (void)rk_fail_errno(err, RK_PRECONDITION, errno, "the kernel's connection tracking");
        if (fd >= 0)
            (void)close(fd);
        return -1;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    return fd;
}

enum rk_code conntrack_open(struct rk_loop *loop, struct conntrack_user *u, struct conntrack **out,
                            struct rk_err *err)
{
    struct conntrack *c;
    int fd = open_socket(err);
    enum rk_code rc;

    if (fd < 0)
        return RK_PRECONDITION;
    c = rk_calloc(1, sizeof *c);
    c->user = u;
    rc = tcp_watch_init(loop, &c->watch, fd, err);
    if (rc) {
        free(c);
        return rc;
    }
    c->watch.ready = on_ready;
    c->watch.closed = on_closed;
    tcp_watch_set(&c->watch, true, false);
    *out = c;
    return RK_OK;
}

void conntrack_close(struct conntrack *c)
{
    if (!c)
        return;
    c->user = NULL;
    tcp_watch_close(&c->watch);
}

uint64_t conntrack_lost(const struct conntrack *c)
{
    return c->lost;
}
