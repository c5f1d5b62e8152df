/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages of routing sockets; see rtmsg.h. */
#include "config.h"

#include "agent/os/bsd/rtmsg.h"

#include <string.h>

#include "agent/os/bsd/facts.h"

#define IN_SIZE  16
#define IN6_SIZE 28
#define DL_SIZE  20 /* what we send; longer ones are read */
#define IN_AT    4  /* of the address in them */
#define IN6_AT   8

const struct rtmsg_layout RTMSG_DARWIN = {92, 4, BSD_AF_INET6_DARWIN};
const struct rtmsg_layout RTMSG_FREEBSD = {152, 8, BSD_AF_INET6_FREE};

/* Host order, which is little endian on all systems that have these layouts. */
static uint32_t get(struct rk_str in, size_t at, size_t n)
{
    uint32_t v = 0;

    for (size_t i = n; i-- > 0;)
        v = v << 8 | (uint8_t)in.p[at + i];
    return v;
}

static void put(uint8_t *out, size_t at, size_t n, uint32_t v)
{
    for (size_t i = 0; i < n; i++)
        out[at + i] = (uint8_t)(v >> 8 * i);
}

static size_t rounded(const struct rtmsg_layout *l, size_t n)
{
    return n ? (n + l->round - 1) / l->round * l->round : l->round;
}

/* ---- reading */

/* KAME: fe80:IFINDEX::… */
static void take_scope_out(struct rk_ip *ip)
{
    if (ip->family == 6 && rk_ip_is_link_local(ip))
        ip->b[2] = ip->b[3] = 0;
}

static bool address_of(const struct rtmsg_layout *l, struct rk_str sa, struct rk_ip *out)
{
    uint8_t family = sa.n >= 2 ? (uint8_t)sa.p[1] : 0;

    *out = (struct rk_ip){0};
    if (family == BSD_AF_INET && sa.n >= IN_AT + 4) {
        out->family = 4;
        memcpy(out->b, sa.p + IN_AT, 4);
    } else if (family == l->af_inet6 && sa.n >= IN6_AT + 16) {
        out->family = 6;
        memcpy(out->b, sa.p + IN6_AT, 16);
        take_scope_out(out);
    }
    return out->family != 0;
}

/* A mask says neither its family nor, behind its last byte that is not 0, anything; -1: it has
 * holes. */
static int mask_bits(struct rk_str sa, uint8_t family)
{
    size_t at = family == 4 ? IN_AT : IN6_AT, size = family == 4 ? 4 : 16;
    int bits = 0;
    bool end = false;

    for (size_t i = 0; i < size; i++) {
        uint8_t b = at + i < sa.n ? (uint8_t)sa.p[at + i] : 0;

        for (int bit = 7; bit >= 0; bit--) {
            if (b >> bit & 1 && end)
                return -1;
            if (b >> bit & 1)
                bits++;
            else
                end = true;
        }
    }
    return bits;
}

/* The address behind one bit of addrs; an empty one has p and n 0. */
static enum rk_code next_address(const struct rtmsg_layout *l, struct rk_str *rest,
                                 struct rk_str *out, struct rk_err *err)
{
    size_t n = rest->n ? (uint8_t)rest->p[0] : 0, step = rounded(l, n);

    if (!rest->n || n > rest->n || (!n && rest->n < l->round))
        return rk_fail(err, RK_BAD_REQUEST, "route message: an address goes beyond its end");
    *out = rk_str_of(rest->p, n);
    *rest = step < rest->n ? rk_str_sub(*rest, step, rest->n) : rk_str_of(rest->p + rest->n, 0);
    return RK_OK;
}

/* at: one unit of rounding, as next_address has checked. */
static uint8_t empty_family(const struct rtmsg_layout *l, const char *at)
{
    uint8_t family = (uint8_t)at[1];

    return family == BSD_AF_INET ? 4 : family == l->af_inet6 ? 6 : 0;
}

static enum rk_code take_addresses(const struct rtmsg_layout *l, struct rk_str rest, uint32_t bits,
                                   struct rtmsg *m, struct rk_err *err)
{
    struct rk_str sa[BSD_RTAX_MAX] = {0};
    int n;

    for (unsigned i = 0; i < BSD_RTAX_MAX; i++)
        if (bits >> i & 1 && next_address(l, &rest, &sa[i], err))
            return RK_BAD_REQUEST;
    m->has_dst = address_of(l, sa[0], &m->dst.ip);
    if (!m->has_dst && bits & BSD_RTA_DST && !sa[0].n) { /* of length 0: only its family is told */
        m->dst.ip.family = empty_family(l, sa[0].p);
        m->has_dst = m->dst.ip.family != 0;
    }
    m->dst.bits = m->dst.ip.family == 4 ? 32 : m->dst.ip.family == 6 ? 128 : 0;
    if (m->has_dst && bits & BSD_RTA_NETMASK && !(m->flags & BSD_RTF_HOST)) {
        n = mask_bits(sa[2], m->dst.ip.family);
        if (n < 0)
            return rk_fail(err, RK_BAD_REQUEST, "route message: a mask with holes");
        m->dst.bits = (uint8_t)n;
    }
    if (sa[1].n >= 4 && (uint8_t)sa[1].p[1] == BSD_AF_LINK)
        m->gateway_link = get(sa[1], 2, 2);
    else
        (void)address_of(l, sa[1], &m->gateway);
    return RK_OK;
}

enum rk_code rtmsg_decode(const struct rtmsg_layout *l, struct rk_str in, struct rtmsg *out,
                          struct rk_err *err)
{
    struct rtmsg m = {0};
    size_t n = in.n >= l->header ? get(in, 0, 2) : 0;
    enum rk_code rc;

    if (n < l->header || n > in.n)
        return rk_fail(err, RK_BAD_REQUEST, "route message of %zu bytes says it has %zu", in.n, n);
    if ((uint8_t)in.p[2] != BSD_RTM_VERSION)
        return rk_fail(err, RK_BAD_REQUEST, "route message of version %u", (uint8_t)in.p[2]);
    m.type = (uint8_t)in.p[3];
    m.ifindex = (uint16_t)get(in, 4, 2);
    m.flags = get(in, 8, 4);
    m.pid = (int32_t)get(in, 16, 4);
    m.seq = (int32_t)get(in, 20, 4);
    m.error = (int32_t)get(in, 24, 4);
    rc = take_addresses(l, rk_str_sub(in, l->header, n - l->header), get(in, 12, 4), &m, err);
    if (rc == RK_OK)
        *out = m;
    return rc;
}

enum rk_code rtmsg_next(const struct rtmsg_layout *l, struct rk_str *dump, struct rtmsg *out,
                        struct rk_err *err)
{
    size_t n = dump->n >= 2 ? get(*dump, 0, 2) : 0;
    enum rk_code rc;

    if (!dump->n)
        return rk_fail(err, RK_NOT_FOUND, "end of the routing table");
    rc = rtmsg_decode(l, *dump, out, err);
    if (rc == RK_OK)
        *dump = rk_str_sub(*dump, n, dump->n);
    return rc;
}

/* ---- writing */

static size_t put_ip(const struct rtmsg_layout *l, uint8_t *at, const struct rk_ip *ip)
{
    bool v4 = ip->family == 4;

    at[0] = v4 ? IN_SIZE : IN6_SIZE;
    at[1] = v4 ? BSD_AF_INET : l->af_inet6;
    memcpy(at + (v4 ? IN_AT : IN6_AT), ip->b, v4 ? 4 : 16);
    return rounded(l, at[0]);
}

static size_t put_link(const struct rtmsg_layout *l, uint8_t *at, uint32_t ifindex)
{
    at[0] = DL_SIZE;
    at[1] = BSD_AF_LINK;
    put(at, 2, 2, ifindex);
    return rounded(l, DL_SIZE);
}

static struct rk_ip mask_of(const struct rk_prefix *p)
{
    struct rk_ip mask = {.family = p->ip.family};

    for (unsigned i = 0; i < p->bits; i++)
        mask.b[i / 8] = (uint8_t)(mask.b[i / 8] | 0x80u >> i % 8);
    return mask;
}

struct rk_str rtmsg_encode(const struct rtmsg_layout *l, const struct rtmsg *m,
                           uint8_t buf[RTMSG_MAX_BYTES])
{
    bool link = m->gateway_link && !m->gateway.family, gateway = m->gateway.family || link;
    uint32_t addrs = BSD_RTA_DST | (gateway ? BSD_RTA_GATEWAY : 0u);
    struct rk_ip mask = mask_of(&m->dst);
    size_t n = l->header;

    memset(buf, 0, RTMSG_MAX_BYTES);
    n += put_ip(l, buf + n, &m->dst.ip);
    if (link)
        n += put_link(l, buf + n, m->gateway_link);
    else if (gateway)
        n += put_ip(l, buf + n, &m->gateway);
    if (!(m->flags & BSD_RTF_HOST)) {
        addrs |= BSD_RTA_NETMASK;
        n += put_ip(l, buf + n, &mask);
    }
    put(buf, 0, 2, (uint32_t)n);
    buf[2] = BSD_RTM_VERSION;
    buf[3] = m->type;
    put(buf, 4, 2, m->ifindex);
    put(buf, 8, 4, m->flags);
    put(buf, 12, 4, addrs);
    put(buf, 16, 4, (uint32_t)m->pid);
    put(buf, 20, 4, (uint32_t)m->seq);
    return rk_str_of((const char *)buf, n);
}

/* ---- judging */

bool rtmsg_answers(const struct rtmsg *q, const struct rtmsg *a)
{
    return a->type == q->type && a->seq == q->seq && a->pid == q->pid;
}

bool rtmsg_is_unused(const struct rtmsg *m)
{
    return !(m->flags & BSD_RTF_UP) ||
           m->flags & (BSD_RTF_REJECT | BSD_RTF_BLACKHOLE | BSD_RTF_WASCLONED);
}
