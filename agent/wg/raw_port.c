/* SPDX-License-Identifier: BSD-3-Clause */
/* STUN beside a WireGuard socket of others; see raw_port.h. Facts: packet(7), raw(7), ip(7). */
#include "config.h"

#include "agent/wg/raw_port.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/wg/own/segment.h"
#include "lib/base/arena.h"
#include "lib/base/loop_uv.h"
#include "lib/base/num.h"

#define STUN_COOKIE 0x2112A442 /* RFC 8489 section 5 */
#define UDP_HEADER  8
#define V4_HEADER   20
#define V6_HEADER   40
#define RX_BYTES    2048 /* STUN is shorter; longer ones are cut and then refused by the decoder */
#define RX_ROUNDS   32
#define TTL         64

struct raw_sock {
    struct raw_port *port;
    uv_poll_t poll;
    int fd; /* -1: none */
    bool v6, watched;
};

struct raw_port {
    struct wg_port base;
    struct raw_sock v4, v6;
    int probe;        /* UDP socket that finds our address towards a remote */
    int lo4, lo6;     /* raw sockets on loopback; -1: none */
    unsigned handles; /* polls that are not closed yet */
};

/* ---- the filter */

/* Raw IPv4 sockets get the IP header too, raw IPv6 ones begin at the UDP header. */
static enum rk_code set_filter(int fd, bool v6, uint16_t port, struct rk_err *err)
{
    struct sock_filter v4_code[] = {
        BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0), /* x = length of the IP header */
        BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, port, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_IND, UDP_HEADER + 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, STUN_COOKIE, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_filter v6_code[] = {
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 2),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, port, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, UDP_HEADER + 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, STUN_COOKIE, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog prog = {
        .len = (unsigned short)(v6 ? RK_ARRAY_LEN(v6_code) : RK_ARRAY_LEN(v4_code)),
        .filter = v6 ? v6_code : v4_code,
    };

    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof prog))
        return rk_fail_errno(err, RK_UNAVAILABLE, errno, "filter for STUN");
    return RK_OK;
}

/* ---- receiving */

static unsigned get16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static void local_of(struct msghdr *h, struct rk_ip *out)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c))
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;

            memcpy(&info, CMSG_DATA(c), sizeof info);
            *out = (struct rk_ip){.family = 6};
            memcpy(out->b, &info.ipi6_addr, 16);
        }
}

/* Take the headers off. false: not what the filter promises. */
static bool unpack(bool v6, const uint8_t *p, size_t n, struct udp_in *in)
{
    if (!v6) {
        size_t header = n ? (size_t)(p[0] & 15) * 4 : 0;

        if (header < V4_HEADER || n < header)
            return false;
        in->to = (struct rk_ip){.family = 4};
        memcpy(in->to.b, p + 16, 4);
        p += header;
        n -= header;
    }
    if (n < UDP_HEADER)
        return false;
    in->from.port = (uint16_t)get16(p);
    n = rk_min_size(n, get16(p + 4));
    if (n < UDP_HEADER)
        return false;
    in->bytes = rk_str_of(p + UDP_HEADER, n - UDP_HEADER);
    return true;
}

static bool receive(struct raw_sock *s)
{
    struct wg_port *base = &s->port->base;
    uint8_t buf[RX_BYTES];
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(struct in6_pktinfo))];
    } control;
    struct sockaddr_storage ss;
    struct iovec iov = {buf, sizeof buf};
    struct msghdr h = {.msg_name = &ss,
                       .msg_namelen = sizeof ss,
                       .msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof control};
    struct udp_in in = {0};
    ssize_t n = recvmsg(s->fd, &h, MSG_DONTWAIT);

    if (n < 0)
        return errno == EINTR;
    if (rk_addr_from_sa((const struct sockaddr *)&ss, &in.from, NULL))
        return true;
    local_of(&h, &in.to);
    if (unpack(s->v6, buf, (size_t)n, &in) && base->user)
        base->user->ops->other(base->user, &in, 1);
    return true;
}

static void on_poll(uv_poll_t *poll, int status RK_UNUSED, int events RK_UNUSED)
{
    struct raw_sock *s = poll->data;

    for (int i = 0; i < RX_ROUNDS && s->fd >= 0; i++)
        if (!receive(s))
            return;
}

/* ---- sending */

/* Our address towards a remote: what the kernel's routes, with our mark, say. */
static struct rk_ip source_for(struct raw_port *p, const struct rk_addr *to)
{
    struct sockaddr_storage ss;
    socklen_t len = rk_addr_to_sa(to, &ss);
    struct rk_addr a = {0};

    if (connect(p->probe, (const struct sockaddr *)&ss, len) == 0) {
        len = sizeof ss;
        if (getsockname(p->probe, (struct sockaddr *)&ss, &len) == 0)
            RK_IGNORE(rk_addr_from_sa((const struct sockaddr *)&ss, &a, NULL));
    }
    return a.ip;
}

static void put_udp(uint8_t h[UDP_HEADER], uint16_t from, uint16_t to, size_t payload)
{
    size_t n = UDP_HEADER + payload;
    uint8_t all[UDP_HEADER] = {(uint8_t)(from >> 8), (uint8_t)from,     (uint8_t)(to >> 8),
                               (uint8_t)to,          (uint8_t)(n >> 8), (uint8_t)n};

    memcpy(h, all, sizeof all);
}

/* The checksum over pseudo header, header and payload; both addresses are of one family. */
static void put_checksum(uint8_t h[UDP_HEADER], const struct rk_ip *src, const struct rk_ip *dst,
                         struct rk_str payload)
{
    uint16_t sum;
    uint64_t s = wgo_sum(src->b, rk_ip_size(src), 0);

    s = wgo_sum(dst->b, rk_ip_size(dst), s) + htons(IPPROTO_UDP) +
        htons((uint16_t)(UDP_HEADER + payload.n));
    s = wgo_sum((const uint8_t *)payload.p, payload.n, wgo_sum(h, UDP_HEADER, s));
    sum = (uint16_t)~wgo_fold(s);
    if (!sum)
        sum = 0xffff;
    memcpy(h + 6, &sum, sizeof sum);
}

static bool send_v4(struct raw_port *p, const struct udp_out *v, struct rk_str d)
{
    uint8_t h[UDP_HEADER];
    struct in_pktinfo info = {0};
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof info)];
    } control = {.head = {.cmsg_level = IPPROTO_IP,
                          .cmsg_type = IP_PKTINFO,
                          .cmsg_len = CMSG_LEN(sizeof info)}};
    struct rk_ip src = v->src.family == 4 ? v->src : source_for(p, &v->to);
    struct iovec iov[] = {{h, sizeof h}, {(void *)(uintptr_t)d.p, d.n}};
    struct sockaddr_storage ss;
    struct msghdr m = {.msg_name = &ss,
                       .msg_iov = iov,
                       .msg_iovlen = 2,
                       .msg_control = &control,
                       .msg_controllen = sizeof control};

    if (src.family != 4)
        return false; /* no route */
    m.msg_namelen = rk_addr_to_sa(&(struct rk_addr){v->to.ip, 0}, &ss);
    memcpy(&info.ipi_spec_dst, src.b, 4);
    memcpy(CMSG_DATA(&control.head), &info, sizeof info);
    put_udp(h, p->base.number, v->to.port, d.n);
    put_checksum(h, &src, &v->to.ip, d);
    return sendmsg(p->v4.fd, &m, MSG_DONTWAIT) >= 0;
}

/* The kernel chooses the source and puts the checksum in (IPV6_CHECKSUM). */
static bool send_v6(struct raw_port *p, const struct udp_out *v, struct rk_str d)
{
    uint8_t h[UDP_HEADER];
    struct iovec iov[] = {{h, sizeof h}, {(void *)(uintptr_t)d.p, d.n}};
    struct sockaddr_storage ss;
    struct msghdr m = {.msg_name = &ss, .msg_iov = iov, .msg_iovlen = 2};

    m.msg_namelen = rk_addr_to_sa(&(struct rk_addr){v->to.ip, 0}, &ss);
    put_udp(h, p->base.number, v->to.port, d.n);
    return sendmsg(p->v6.fd, &m, MSG_DONTWAIT) >= 0;
}

static struct raw_port *of(struct wg_port *p)
{
    return rk_container_of(p, struct raw_port, base);
}

static size_t port_sendv(struct wg_port *base, const struct udp_out *v, size_t n)
{
    struct raw_port *p = of(base);
    size_t sent = 0;

    for (size_t i = 0; i < n; i++) {
        struct udp_in all = {.bytes = v[i].bytes, .seg = v[i].seg};

        for (size_t k = 0, m = udp_in_count(&all); k < m; k++) {
            if (v[i].to.ip.family == 4)
                sent += send_v4(p, &v[i], udp_in_at(&all, k));
            else if (p->v6.fd >= 0)
                sent += send_v6(p, &v[i], udp_in_at(&all, k));
        }
    }
    return sent;
}

static bool port_way_open(struct wg_port *p RK_UNUSED, struct wg_way *w RK_UNUSED)
{
    return false;
}

static void port_way_close(struct wg_port *p RK_UNUSED, struct wg_way *w RK_UNUSED)
{
}

static void port_way_input(struct wg_port *p RK_UNUSED, const struct wg_way *w RK_UNUSED,
                           struct rk_str datagram RK_UNUSED)
{
}

/* A packet over loopback that seems to come from the remote. */
static bool port_inject(struct wg_port *base, const struct rk_addr *from, struct rk_str d)
{
    struct raw_port *p = of(base);
    bool v6 = from->ip.family == 6;
    struct rk_ip to = v6 ? (struct rk_ip){.family = 6} : rk_ip4(127, 0, 0, 1);
    size_t header = v6 ? V6_HEADER : V4_HEADER, n = header + UDP_HEADER + d.n;
    uint8_t h[V6_HEADER + UDP_HEADER] = {0};
    struct iovec iov[] = {{h, header + UDP_HEADER}, {(void *)(uintptr_t)d.p, d.n}};
    struct sockaddr_storage ss;
    struct msghdr m = {.msg_name = &ss, .msg_iov = iov, .msg_iovlen = 2};
    int fd = v6 ? p->lo6 : p->lo4;

    if (fd < 0 || n > UINT16_MAX)
        return false;
    if (v6) {
        to.b[15] = 1;
        h[0] = 0x60;
        h[4] = (uint8_t)((n - header) >> 8);
        h[5] = (uint8_t)(n - header);
        h[6] = IPPROTO_UDP;
        h[7] = TTL;
        memcpy(h + 8, from->ip.b, 16);
        memcpy(h + 24, to.b, 16);
    } else { /* length, identification and checksum are the kernel's */
        h[0] = 0x45;
        h[8] = TTL;
        h[9] = IPPROTO_UDP;
        memcpy(h + 12, from->ip.b, 4);
        memcpy(h + 16, to.b, 4);
    }
    put_udp(h + header, from->port, base->number, d.n);
    put_checksum(h + header, &from->ip, &to, d);
    m.msg_namelen = rk_addr_to_sa(&(struct rk_addr){to, 0}, &ss);
    return sendmsg(fd, &m, MSG_DONTWAIT) >= 0;
}

static const struct wg_port_ops OPS = {.sendv = port_sendv,
                                       .way_open = port_way_open,
                                       .way_close = port_way_close,
                                       .way_input = port_way_input,
                                       .inject = port_inject};

/* ---- life */

static int open_marked(int family, int type, int proto, uint32_t mark)
{
    int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, proto);

    if (fd >= 0 && mark)
        (void)setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark);
    return fd;
}

static enum rk_code open_sock(struct raw_port *p, struct raw_sock *s, bool v6,
                              const struct wg_raw_port_opts *o, struct rk_err *err)
{
    int on = 1, checksum_at = 6, fd;
    enum rk_code rc;

    fd = open_marked(v6 ? AF_INET6 : AF_INET, SOCK_RAW, IPPROTO_UDP, o->mark);
    if (fd < 0)
        return rk_fail_errno(err, errno == EPERM ? RK_FORBIDDEN : RK_UNAVAILABLE, errno,
                             "raw socket for STUN");
    rc = set_filter(fd, v6, o->number, err);
    if (rc == RK_OK && v6 &&
        (setsockopt(fd, IPPROTO_IPV6, IPV6_CHECKSUM, &checksum_at, sizeof checksum_at) ||
         setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on)))
        rc = rk_fail_errno(err, RK_UNAVAILABLE, errno, "raw socket for STUN");
    if (rc == RK_OK && uv_poll_init(rk_loop_uv(o->loop), &s->poll, fd))
        rc = rk_fail(err, RK_UNAVAILABLE, "raw socket for STUN: cannot watch it");
    if (rc) {
        (void)close(fd);
        return rc;
    }
    s->port = p;
    s->v6 = v6;
    s->fd = fd;
    s->watched = true;
    s->poll.data = s;
    p->handles++;
    (void)uv_poll_start(&s->poll, UV_READABLE, on_poll);
    return RK_OK;
}

static int open_loopback(int family, uint32_t mark)
{
    int fd = open_marked(family, SOCK_RAW, IPPROTO_RAW, mark);
    int on = 1;

    if (fd >= 0 && family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_HDRINCL, &on, sizeof on);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", sizeof "lo")) {
        (void)close(fd);
        fd = -1;
    }
    return fd;
}

enum rk_code wg_raw_port_open(const struct wg_raw_port_opts *o, struct wg_port **out,
                              struct rk_err *err)
{
    struct raw_port *p = rk_calloc(1, sizeof *p);
    enum rk_code rc;

    p->base = (struct wg_port){.ops = &OPS, .number = o->number};
    p->v4.fd = p->v6.fd = p->lo4 = p->lo6 = -1;
    p->probe = open_marked(AF_INET, SOCK_DGRAM, IPPROTO_UDP, o->mark);
    rc = p->probe < 0 ? rk_fail_errno(err, RK_UNAVAILABLE, errno, "UDP socket")
                      : open_sock(p, &p->v4, false, o, err);
    if (rc) {
        wg_raw_port_close(&p->base);
        return rc;
    }
    if (!o->no_ipv6)
        RK_IGNORE(open_sock(p, &p->v6, true, o, NULL)); /* a host without IPv6 goes on without it */
    if (o->kernel) {
        p->lo4 = open_loopback(AF_INET, o->mark);
        p->lo6 = o->no_ipv6 ? -1 : open_loopback(AF_INET6, o->mark);
    }
    *out = &p->base;
    return RK_OK;
}

static void on_poll_closed(uv_handle_t *h)
{
    struct raw_sock *s = h->data;

    if (--s->port->handles == 0)
        free(s->port);
}

static void close_fd(int fd)
{
    if (fd >= 0)
        (void)close(fd);
}

static void close_sock(struct raw_sock *s)
{
    if (!s->watched)
        return;
    s->watched = false;
    (void)uv_poll_stop(&s->poll);
    close_fd(s->fd);
    s->fd = -1;
    uv_close((uv_handle_t *)&s->poll, on_poll_closed);
}

void wg_raw_port_close(struct wg_port *base)
{
    struct raw_port *p;

    if (!base)
        return;
    p = of(base);
    base->user = NULL;
    close_fd(p->probe);
    close_fd(p->lo4);
    close_fd(p->lo6);
    if (!p->handles) {
        free(p);
        return;
    }
    close_sock(&p->v4);
    close_sock(&p->v6);
}
