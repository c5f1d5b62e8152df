/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * UDP sockets of the device: one per worker on one port (SO_REUSEPORT, the kernel spreads peers by
 * address), trains of datagrams as one message (UDP_SEGMENT, UDP_GRO).
 */
#include "config.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "agent/wg/own/own_priv.h"
#include "lib/base/num.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define BUFFER_BYTES (4 << 20)
#define FULL_MS      20 /* wait for room in the socket this long, then drop */
#define CONTROL_ROOM                                                                               \
    (CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(struct in_pktinfo)) +              \
     CMSG_SPACE(sizeof(int)))

union control {
    struct cmsghdr align;
    char room[CONTROL_ROOM];
};

static void set_int(int fd, int level, int name, int value)
{
    (void)setsockopt(fd, level, name, &value, sizeof value);
}

/* ---- opening */

static enum rk_code fail(struct rk_err *err, int e, const char *what)
{
    return rk_fail_errno(err, e == EPERM || e == EACCES ? RK_FORBIDDEN : RK_UNAVAILABLE, e,
                         "WireGuard's UDP port: %s", what);
}

static bool make_socket(uint32_t mark, struct wgo_sock *s)
{
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP);

    *s = (struct wgo_sock){.v4 = fd < 0};
    if (fd < 0)
        fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP);
    if (fd < 0)
        return false;
    s->fd = fd;
    wgo_sockets_mark(s, 1, mark);
    if (!s->v4) {
        set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
        set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
        set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
    } else {
        set_int(fd, IPPROTO_IP, IP_PKTINFO, 1);
    }
    set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT); /* fragmented, not refused */
    set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES);
    set_int(fd, SOL_SOCKET, SO_SNDBUFFORCE, BUFFER_BYTES);
    set_int(fd, SOL_UDP, UDP_GRO, 1);
    return true;
}

static int bind_any(const struct wgo_sock *s, uint16_t port)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};

    return s->v4 ? bind(s->fd, (struct sockaddr *)&in, sizeof in)
                 : bind(s->fd, (struct sockaddr *)&in6, sizeof in6);
}

static uint16_t bound_port(int fd)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;
    struct rk_addr a = {0};

    if (getsockname(fd, (struct sockaddr *)&ss, &len) == 0)
        RK_IGNORE(rk_addr_from_sa((struct sockaddr *)&ss, &a, NULL));
    return a.port;
}

/* The first binds alone, so that it fails when anybody has the port; then it lets the others in,
 * and in the end closes the door. */
enum rk_code wgo_sockets_open(struct wgo_sock *v, size_t n, uint16_t *port, uint32_t mark,
                              struct rk_err *err)
{
    size_t made = 0;
    int e = 0;

    for (; made < n; made++) {
        if (!make_socket(mark, &v[made])) {
            e = errno;
            break;
        }
        if (made)
            set_int(v[made].fd, SOL_SOCKET, SO_REUSEPORT, 1);
        if (bind_any(&v[made], *port)) {
            e = errno;
            (void)close(v[made].fd);
            break;
        }
        if (!made) {
            *port = bound_port(v[0].fd);
            set_int(v[0].fd, SOL_SOCKET, SO_REUSEPORT, 1);
        }
    }
    if (made == n) {
        for (size_t i = 0; i < n; i++)
            set_int(v[i].fd, SOL_SOCKET, SO_REUSEPORT, 0);
        return RK_OK;
    }
    while (made)
        (void)close(v[--made].fd);
    return fail(err, e, "open");
}

void wgo_sockets_mark(const struct wgo_sock *v, size_t n, uint32_t mark)
{
    for (size_t i = 0; i < n; i++)
        (void)setsockopt(v[i].fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark);
}

/* ---- sending */

/* IPv4 in the form of a socket of both families. */
static socklen_t to_sa(const struct wgo_sock *s, const struct rk_addr *a,
                       struct sockaddr_storage *out)
{
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

    if (a->ip.family != 4 || s->v4)
        return rk_addr_to_sa(a, out);
    memset(in6, 0, sizeof *in6);
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(a->port);
    in6->sin6_addr.s6_addr[10] = in6->sin6_addr.s6_addr[11] = 0xff;
    memcpy(in6->sin6_addr.s6_addr + 12, a->ip.b, 4);
    return sizeof *in6;
}

static void *put_control(struct msghdr *h, union control *room, int level, int type, size_t size)
{
    struct cmsghdr *c = (struct cmsghdr *)(void *)(room->room + h->msg_controllen);

    h->msg_control = room;
    h->msg_controllen += CMSG_SPACE(size);
    *c = (struct cmsghdr){.cmsg_level = level, .cmsg_type = type, .cmsg_len = CMSG_LEN(size)};
    return CMSG_DATA(c);
}

static void put_source(struct msghdr *h, union control *room, const struct rk_ip *src)
{
    if (src->family == 4) {
        struct in_pktinfo info = {0};

        memcpy(&info.ipi_spec_dst, src->b, 4);
        memcpy(put_control(h, room, IPPROTO_IP, IP_PKTINFO, sizeof info), &info, sizeof info);
    } else if (src->family == 6) {
        struct in6_pktinfo info = {0};

        memcpy(&info.ipi6_addr, src->b, 16);
        memcpy(put_control(h, room, IPPROTO_IPV6, IPV6_PKTINFO, sizeof info), &info, sizeof info);
    }
}

static ssize_t send_some(const struct wgo_sock *s, const struct wgc_endpoint *to, struct rk_str d,
                         uint16_t seg)
{
    union control room;
    struct sockaddr_storage ss;
    struct iovec iov = {(void *)(uintptr_t)d.p, d.n};
    struct msghdr h = {.msg_name = &ss, .msg_iov = &iov, .msg_iovlen = 1};

    memset(&room, 0, sizeof room);
    h.msg_namelen = to_sa(s, &to->addr, &ss);
    put_source(&h, &room, &to->src);
    if (seg)
        memcpy(put_control(&h, &room, SOL_UDP, UDP_SEGMENT, sizeof seg), &seg, sizeof seg);
    return sendmsg(s->fd, &h, MSG_DONTWAIT);
}

/* One message, with patience for a full socket and for an error of an earlier packet. The address
 * that the peer was last heard on may be gone: then the kernel chooses. */
static int send_hard(const struct wgo_sock *s, struct wgc_endpoint to, struct rk_str d,
                     uint16_t seg)
{
    for (int tries = 0; tries < 4; tries++) {
        struct pollfd p = {.fd = s->fd, .events = POLLOUT};

        if (send_some(s, &to, d, seg) >= 0)
            return 0;
        switch (errno) {
        case EAGAIN:
        case ENOBUFS:
            if (poll(&p, 1, FULL_MS) <= 0)
                return EAGAIN;
            break;
        case EINTR:
        case ECONNREFUSED:
            break;
        default:
            if (!to.src.family)
                return errno;
            to.src = (struct rk_ip){0};
        }
    }
    return EAGAIN;
}

bool wgo_socket_send_one(const struct wgo_sock *s, const struct wgc_endpoint *to, struct rk_str d)
{
    return send_hard(s, *to, d, 0) == 0;
}

static void send_singly(const struct wgo_sock *s, const struct wgc_endpoint *to, struct rk_str d,
                        size_t seg)
{
    while (d.n) {
        struct rk_str one = rk_str_sub(d, 0, seg);

        if (!wgo_socket_send_one(s, to, one))
            return;
        d = rk_str_sub(d, one.n, d.n);
    }
}

bool wgo_socket_send_train(const struct wgo_sock *s, const struct wgc_endpoint *to, struct rk_str d,
                           size_t seg)
{
    if (!seg || seg >= d.n)
        return wgo_socket_send_one(s, to, d);
    send_singly(s, to, d, seg);
    return true;
}

void wgo_socket_send(struct wgo_sock *s, const struct wgo_batch *b)
{
    for (size_t i = 0; i < b->n_msgs; i++) {
        const struct wgo_msg *m = &b->msgs[i];
        struct rk_str d = rk_str_of(b->bytes + m->off, m->n);
        int e;

        if (m->to.way || !m->to.addr.ip.family)
            continue;
        if (m->count == 1 || s->no_gso) {
            send_singly(s, &m->to, d, m->seg);
            continue;
        }
        e = send_hard(s, m->to, d, (uint16_t)m->seg);
        if (e == EIO || e == ENOPROTOOPT || e == EOPNOTSUPP)
            s->no_gso = true; /* this way out cannot do it at all */
        if (e && e != EAGAIN)
            send_singly(s, &m->to, d, m->seg);
    }
}

/* ---- receiving */

static void read_controls(struct msghdr *h, struct wgo_rx *in)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            struct rk_ip ip = {.family = 6};

            memcpy(&info, CMSG_DATA(c), sizeof info);
            memcpy(ip.b, &info.ipi6_addr, 16);
            in->from.src = rk_ip_unmap(&ip);
        } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;

            memcpy(&info, CMSG_DATA(c), sizeof info);
            in->from.src = (struct rk_ip){.family = 4};
            memcpy(in->from.src.b, &info.ipi_addr, 4);
        } else if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
            int seg;

            memcpy(&seg, CMSG_DATA(c), sizeof seg);
            if (seg > 0 && (size_t)seg < in->n)
                in->seg = (size_t)seg;
        }
    }
}

size_t wgo_socket_receive(const struct wgo_sock *s, uint8_t *bytes, struct wgo_rx out[WGO_RX_SLOTS])
{
    struct mmsghdr msgs[WGO_RX_SLOTS];
    struct iovec iovs[WGO_RX_SLOTS];
    struct sockaddr_storage names[WGO_RX_SLOTS];
    union control controls[WGO_RX_SLOTS];
    size_t n = 0;
    int got;

    for (size_t i = 0; i < WGO_RX_SLOTS; i++) {
        iovs[i] = (struct iovec){bytes + i * WGO_RX_BYTES, WGO_RX_BYTES};
        msgs[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &names[i],
                                               .msg_namelen = sizeof names[i],
                                               .msg_iov = &iovs[i],
                                               .msg_iovlen = 1,
                                               .msg_control = &controls[i],
                                               .msg_controllen = sizeof controls[i]}};
    }
    got = recvmmsg(s->fd, msgs, WGO_RX_SLOTS, MSG_DONTWAIT, NULL);
    for (int i = 0; i < got; i++) {
        struct wgo_rx *r = &out[n];

        *r = (struct wgo_rx){.p = iovs[i].iov_base, .n = msgs[i].msg_len};
        r->seg = r->n;
        if (msgs[i].msg_hdr.msg_flags & MSG_TRUNC ||
            rk_addr_from_sa((struct sockaddr *)&names[i], &r->from.addr, NULL))
            continue;
        read_controls(&msgs[i].msg_hdr, r);
        n++;
    }
    return n;
}
