/* SPDX-License-Identifier: BSD-3-Clause */
/* Batched UDP sockets on a loop; see udp.h. */
#include "config.h"

#include "lib/net/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/loop_uv.h"
#include "lib/base/num.h"
#include "lib/base/pages.h"
#include "lib/net/lsock.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#if defined(__has_attribute) && __has_attribute(uninitialized)
#define NO_INIT __attribute__((uninitialized)) /* 14 KB that are filled as far as they are used */
#else
#define NO_INIT
#endif

#define RX_MAX_SLOTS 64
#define RX_ROUNDS    4  /* receive calls per turn, so that other handles get theirs */
#define TX_MSGS      32 /* messages per sendmmsg */
#define TX_IOVS      256
#define GSO_SEGMENTS 64    /* datagrams that old kernels take in one message */
#define GSO_BYTES    65000 /* IP and UDP headers fit beside it in 64 KiB */

union control { /* aligned room for the address and the segment size */
    struct cmsghdr align;
    char room[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(struct in_pktinfo)) +
              CMSG_SPACE(sizeof(int))];
};

struct rx_slot {
    struct iovec iov;
    struct sockaddr_storage name;
    union control control;
};

struct udp_scratch {
    size_t slots, slot_bytes;
    uint8_t *bytes;
    struct mmsghdr *msgs; /* slots of each */
    struct rx_slot *rx;
    struct udp_in *in;
};

struct udp_sock {
    uv_poll_t poll;
    int fd;
    struct udp_user *user;
    struct udp_scratch *scratch;
    struct rk_addr local;
    int family; /* AF_INET6 also for dual stack */
    bool connected;
    bool gso; /* still believed to work */
    bool closing;
};

struct udp_scratch *udp_scratch_new(size_t slots, size_t slot_bytes)
{
    struct udp_scratch *s = rk_calloc(1, sizeof *s);

    s->slots = slots < 1 ? 1 : rk_min_size(slots, RX_MAX_SLOTS);
    s->slot_bytes = slot_bytes;
    s->bytes = rk_pages_new(s->slots * slot_bytes);
    s->msgs = rk_calloc(s->slots, sizeof *s->msgs);
    s->rx = rk_calloc(s->slots, sizeof *s->rx);
    s->in = rk_calloc(s->slots, sizeof *s->in);
    return s;
}

void udp_scratch_free(struct udp_scratch *s)
{
    if (!s)
        return;
    rk_pages_free(s->bytes, s->slots * s->slot_bytes);
    free(s->msgs);
    free(s->rx);
    free(s->in);
    free(s);
}

/* ---- receiving */

static void read_controls(struct msghdr *h, struct udp_in *in)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            struct rk_ip ip = {.family = 6};

            memcpy(&info, CMSG_DATA(c), sizeof info);
            memcpy(ip.b, &info.ipi6_addr, 16);
            in->to = rk_ip_unmap(&ip);
        } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;

            memcpy(&info, CMSG_DATA(c), sizeof info);
            in->to = (struct rk_ip){.family = 4};
            memcpy(in->to.b, &info.ipi_addr, 4);
        } else if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
            int seg;

            memcpy(&seg, CMSG_DATA(c), sizeof seg);
            in->seg = seg > 0 && (size_t)seg < in->bytes.n ? (size_t)seg : 0;
        }
    }
}

static void prepare_slots(struct udp_scratch *x)
{
    for (size_t i = 0; i < x->slots; i++) {
        struct rx_slot *r = &x->rx[i];

        r->iov = (struct iovec){x->bytes + i * x->slot_bytes, x->slot_bytes};
        x->msgs[i] = (struct mmsghdr){.msg_hdr = {
                                          .msg_name = &r->name,
                                          .msg_namelen = sizeof r->name,
                                          .msg_iov = &r->iov,
                                          .msg_iovlen = 1,
                                          .msg_control = &r->control,
                                          .msg_controllen = sizeof r->control,
                                      }};
    }
}

/* Receive one batch; false when nothing more is there. */
static bool receive(struct udp_sock *s)
{
    struct udp_scratch *x = s->scratch;
    size_t n = 0;
    int got;

    prepare_slots(x);
    got = recvmmsg(s->fd, x->msgs, (unsigned)x->slots, MSG_DONTWAIT, NULL);
    if (got < 0) /* an ICMP error of an earlier send is not the end */
        return errno == EINTR || errno == ECONNREFUSED || errno == EHOSTUNREACH ||
               errno == ENETUNREACH || errno == EMSGSIZE;
    for (size_t i = 0; i < (size_t)got; i++) {
        struct udp_in *in = &x->in[n];

        if (x->msgs[i].msg_hdr.msg_flags & MSG_TRUNC)
            continue; /* longer than any datagram that we want */
        *in = (struct udp_in){.bytes = rk_str_of(x->rx[i].iov.iov_base, x->msgs[i].msg_len)};
        if (rk_addr_from_sa((struct sockaddr *)&x->rx[i].name, &in->from, NULL))
            continue;
        read_controls(&x->msgs[i].msg_hdr, in);
        n++;
    }
    if (n)
        s->user->ops->received(s->user, x->in, n);
    return (size_t)got == x->slots;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct udp_sock *s = poll->data;
    int error;
    socklen_t n = sizeof error;

    (void)events;
    if (status) { /* libuv stops watching at an error; of ours it is the ICMP answer to a datagram
                   */
        (void)getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &n);
        (void)uv_poll_start(poll, UV_READABLE, on_poll);
    }
    for (unsigned round = 0; round < RX_ROUNDS && !s->closing; round++)
        if (!receive(s))
            return;
}

/* ---- opening */

static void set_int(int fd, int level, int name, int value)
{
    (void)setsockopt(fd, level, name, &value, sizeof value);
}

static void set_buffer(int fd, int name, int force_name, size_t bytes)
{
    int value = bytes > INT32_MAX ? INT32_MAX : (int)bytes;

    if (setsockopt(fd, SOL_SOCKET, force_name, &value, sizeof value)) /* needs CAP_NET_ADMIN */
        set_int(fd, SOL_SOCKET, name, value);
}

static enum rk_code fail_errno(struct rk_err *err, int e, const char *what)
{
    enum rk_code code = e == EACCES || e == EPERM ? RK_FORBIDDEN : RK_UNAVAILABLE;

    return rk_fail_errno(err, code, e, "UDP socket: %s", what);
}

static enum rk_code fail_bind(struct rk_err *err, int e, const struct rk_addr *at)
{
    char text[RK_ADDR_TEXT];

    return rk_fail_errno(err, e == EACCES || e == EPERM ? RK_FORBIDDEN : RK_UNAVAILABLE, e,
                         "bind UDP %s%s", rk_addr_format(at, text).p, lsock_advice(e));
}

static enum rk_code set_options(const struct udp_sock *s, const struct udp_opts *o, bool dual,
                                struct rk_err *err)
{
    int fd = s->fd;
    int mark = (int)o->fwmark;

    if (o->fwmark && setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark))
        return fail_errno(err, errno, "set mark");
    if (s->family == AF_INET6)
        set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, dual ? 0 : o->v6only);
    if (o->buffer_bytes) {
        set_buffer(fd, SO_RCVBUF, SO_RCVBUFFORCE, o->buffer_bytes);
        set_buffer(fd, SO_SNDBUF, SO_SNDBUFFORCE, o->buffer_bytes);
    }
    if (o->want_dst && s->family == AF_INET6)
        set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    if (o->want_dst && s->family == AF_INET)
        set_int(fd, IPPROTO_IP, IP_PKTINFO, 1);
    if (o->share_port)
        set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    /* like the kernel's tunnels: too long datagrams are fragmented, not refused */
    set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, o->whole ? IP_PMTUDISC_PROBE : IP_PMTUDISC_DONT);
    if (s->family == AF_INET6)
        set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER,
                o->whole ? IPV6_PMTUDISC_PROBE : IPV6_PMTUDISC_DONT);
    if (o->offload && s->scratch->slot_bytes >= UDP_SCRATCH_GRO)
        set_int(fd, SOL_UDP, UDP_GRO, 1);
    return RK_OK;
}

/* An address in the form that the socket's family wants. */
static socklen_t to_sa(const struct udp_sock *s, const struct rk_addr *a,
                       struct sockaddr_storage *out)
{
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

    if (s->family != AF_INET6 || a->ip.family != 4)
        return rk_addr_to_sa(a, out);
    memset(in6, 0, sizeof *in6);
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(a->port);
    in6->sin6_addr.s6_addr[10] = in6->sin6_addr.s6_addr[11] = 0xff;
    memcpy(in6->sin6_addr.s6_addr + 12, a->ip.b, 4);
    return sizeof *in6;
}

static int family_of(int fd)
{
    struct sockaddr_storage ss = {0};
    socklen_t len = sizeof ss;

    return getsockname(fd, (struct sockaddr *)&ss, &len) == 0 ? ss.ss_family : AF_UNSPEC;
}

static enum rk_code open_fd(struct udp_sock *s, const struct udp_opts *o, bool dual,
                            struct rk_err *err)
{
    struct rk_addr bind_to = o->bind;
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;
    bool given;

    if (!bind_to.ip.family)
        bind_to.ip.family = dual ? 6 : 4;
    s->fd = o->served ? lsock_take(SOCK_DGRAM, &o->bind) : -1;
    given = s->fd >= 0;
    s->family = given ? family_of(s->fd) : bind_to.ip.family == 6 ? AF_INET6 : AF_INET;
    if (!given)
        s->fd = socket(s->family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP);
    if (s->fd < 0)
        return fail_errno(err, errno, "open");
    if (set_options(s, o, dual, err))
        return err ? err->code : RK_UNAVAILABLE;
    if (!given && bind(s->fd, (struct sockaddr *)&ss, to_sa(s, &bind_to, &ss)))
        return fail_bind(err, errno, &bind_to);
    if (o->served && !given)
        lsock_keep(s->fd);
    if (o->peer.ip.family && connect(s->fd, (struct sockaddr *)&ss, to_sa(s, &o->peer, &ss)))
        return fail_errno(err, errno, "connect");
    s->connected = o->peer.ip.family != 0;
    if (getsockname(s->fd, (struct sockaddr *)&ss, &len))
        return fail_errno(err, errno, "getsockname");
    return rk_addr_from_sa((struct sockaddr *)&ss, &s->local, err);
}

static void close_fd(struct udp_sock *s)
{
    if (s->fd >= 0)
        (void)close(s->fd);
    s->fd = -1;
}

enum rk_code udp_open(struct rk_loop *loop, const struct udp_opts *opts, struct udp_user *user,
                      struct udp_sock **out, struct rk_err *err)
{
    struct udp_sock *s = rk_calloc(1, sizeof *s);
    bool dual = !opts->bind.ip.family;
    enum rk_code rc;

    s->fd = -1;
    s->user = user;
    s->scratch = opts->scratch;
    s->gso = true;
    rc = open_fd(s, opts, dual, err);
    if (rc && dual && rc != RK_FORBIDDEN) { /* no IPv6 on this machine, perhaps */
        close_fd(s);
        rc = open_fd(s, opts, false, err);
    }
    if (!rc && uv_poll_init(rk_loop_uv(loop), &s->poll, s->fd))
        rc = rk_fail(err, RK_UNAVAILABLE, "UDP socket: cannot watch it");
    if (rc) {
        close_fd(s);
        free(s);
        return rc;
    }
    s->poll.data = s;
    (void)uv_poll_start(&s->poll, UV_READABLE, on_poll);
    *out = s;
    return RK_OK;
}

void udp_share_port(struct udp_sock *s)
{
    set_int(s->fd, SOL_SOCKET, SO_REUSEPORT, 1);
}

bool udp_port_free(uint16_t port)
{
    struct udp_opts o = {.bind = {.port = port}};
    struct udp_sock s = {.fd = -1};
    enum rk_code rc = open_fd(&s, &o, true, NULL);

    if (rc && s.fd < 0) /* no IPv6 here */
        rc = open_fd(&s, &o, false, NULL);
    close_fd(&s);
    return rc == RK_OK;
}

static void on_closed(uv_handle_t *h)
{
    free(h->data);
}

void udp_close(struct udp_sock *s)
{
    if (!s || s->closing)
        return;
    s->closing = true;
    (void)uv_poll_stop(&s->poll);
    close_fd(s);
    uv_close((uv_handle_t *)&s->poll, on_closed);
}

const struct rk_addr *udp_local(const struct udp_sock *s)
{
    return &s->local;
}

/* ---- sending */

struct cursor { /* a place in the caller's list */
    size_t entry, offset;
};

struct run { /* one message under way */
    struct cursor start;
    size_t datagrams;
};

struct batch {
    struct mmsghdr msgs[TX_MSGS];
    struct sockaddr_storage names[TX_MSGS];
    union control controls[TX_MSGS];
    struct run runs[TX_MSGS];
    struct iovec iovs[TX_IOVS];
    size_t n, n_iovs;
};

static size_t segment_of(const struct udp_out *o)
{
    return o->seg ? o->seg : o->bytes.n;
}

static bool same_way(const struct udp_out *a, const struct udp_out *b)
{
    return rk_addr_eq(&a->to, &b->to) && rk_ip_eq(&a->src, &b->src);
}

static void put_iov(struct batch *b, struct msghdr *h, struct rk_str piece)
{
    if (!h->msg_iovlen)
        h->msg_iov = &b->iovs[b->n_iovs];
    b->iovs[b->n_iovs++] = (struct iovec){(void *)(uintptr_t)piece.p, piece.n};
    h->msg_iovlen++;
}

/* Take entries from the cursor on as long as they can share one message. Returns the segment size
 * when it holds several datagrams, else 0. */
static size_t fill_run(const struct udp_sock *s, const struct udp_out *v, size_t n,
                       struct cursor *at, struct batch *b, struct msghdr *h, struct run *run)
{
    const struct udp_out *first = &v[at->entry];
    size_t seg = segment_of(first), total = 0;

    run->start = *at;
    if (!s->gso || !seg || seg > GSO_BYTES / 2) { /* one datagram */
        struct rk_str piece = rk_str_sub(first->bytes, at->offset, seg);

        put_iov(b, h, piece);
        run->datagrams = 1;
        at->offset += piece.n;
        if (at->offset >= first->bytes.n)
            *at = (struct cursor){at->entry + 1, 0};
        return 0;
    }
    while (at->entry < n && b->n_iovs < TX_IOVS) {
        const struct udp_out *o = &v[at->entry];
        struct rk_str rest = rk_str_sub(o->bytes, at->offset, o->bytes.n);
        size_t room = rk_min_size(GSO_SEGMENTS - run->datagrams, (GSO_BYTES - total) / seg);
        struct rk_str piece = rk_str_sub(rest, 0, room * seg);

        if (!piece.n || segment_of(o) > seg || (o->seg && o->seg != seg) || !same_way(first, o))
            break;
        put_iov(b, h, piece);
        run->datagrams += (piece.n + seg - 1) / seg;
        total += piece.n;
        at->offset += piece.n;
        if (at->offset < o->bytes.n)
            break; /* the message is full */
        *at = (struct cursor){at->entry + 1, 0};
        if (piece.n % seg)
            break; /* a short datagram ends the message */
    }
    return run->datagrams > 1 ? seg : 0;
}

static void *put_control(struct msghdr *h, union control *room, int level, int type, size_t size)
{
    struct cmsghdr *c = (struct cmsghdr *)(void *)(room->room + h->msg_controllen);

    h->msg_control = room;
    h->msg_controllen += CMSG_SPACE(size);
    *c = (struct cmsghdr){.cmsg_level = level, .cmsg_type = type, .cmsg_len = CMSG_LEN(size)};
    return CMSG_DATA(c);
}

static void put_source(const struct udp_sock *s, struct msghdr *h, union control *room,
                       const struct rk_ip *src)
{
    if (src->family == 4) { /* also on dual-stack sockets */
        struct in_pktinfo info = {0};

        memcpy(&info.ipi_spec_dst, src->b, 4);
        memcpy(put_control(h, room, IPPROTO_IP, IP_PKTINFO, sizeof info), &info, sizeof info);
    } else if (src->family == 6 && s->family == AF_INET6) {
        struct in6_pktinfo info = {0};

        memcpy(&info.ipi6_addr, src->b, 16);
        memcpy(put_control(h, room, IPPROTO_IPV6, IPV6_PKTINFO, sizeof info), &info, sizeof info);
    }
}

static void add_message(const struct udp_sock *s, const struct udp_out *v, size_t n,
                        struct cursor *at, struct batch *b)
{
    const struct udp_out *first = &v[at->entry];
    struct msghdr *h = &b->msgs[b->n].msg_hdr;
    union control *room = &b->controls[b->n];
    struct run *run = &b->runs[b->n];
    uint16_t seg;

    *h = (struct msghdr){0};
    *run = (struct run){0};
    memset(room, 0, sizeof *room);
    if (!s->connected) {
        h->msg_name = &b->names[b->n];
        h->msg_namelen = to_sa(s, &first->to, &b->names[b->n]);
    }
    put_source(s, h, room, &first->src);
    seg = (uint16_t)fill_run(s, v, n, at, b, h, run);
    if (seg)
        memcpy(put_control(h, room, SOL_UDP, UDP_SEGMENT, sizeof seg), &seg, sizeof seg);
    b->n++;
}

enum verdict { GO_ON, AGAIN, GIVE_UP, WITHOUT_GSO };

static enum verdict judge(int e, const struct run *run)
{
    switch (e) {
    case EINTR:
    case ECONNREFUSED: /* news about an earlier datagram, perhaps */
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EMSGSIZE:
        return AGAIN;
    case EAGAIN:
    case ENOBUFS:
        return GIVE_UP;
    case EINVAL:
    case EIO:
    case EOPNOTSUPP:
    case ENOPROTOOPT:
        return run->datagrams > 1 ? WITHOUT_GSO : GO_ON;
    default:
        return GO_ON; /* unreachable, too long …: this message is lost, the others may do */
    }
}

/* Send a prepared batch. false: the kernel is full. *at is set back where segmentation turned out
 * not to work. */
static bool flush(struct udp_sock *s, struct batch *b, struct cursor *at, size_t *sent)
{
    size_t done = 0;
    bool retried = false;

    while (done < b->n) {
        int got = sendmmsg(s->fd, b->msgs + done, (unsigned)(b->n - done), MSG_DONTWAIT);

        if (got > 0) {
            for (size_t i = 0; i < (size_t)got; i++)
                *sent += b->runs[done + i].datagrams;
            done += (size_t)got;
            continue;
        }
        switch (judge(got < 0 ? errno : EAGAIN, &b->runs[done])) {
        case AGAIN:
            if (retried)
                done++;
            retried = !retried;
            break;
        case GIVE_UP:
            return false;
        case WITHOUT_GSO:
            s->gso = false;
            *at = b->runs[done].start;
            return true;
        case GO_ON:
            done++;
            break;
        }
    }
    return true;
}

size_t udp_sendv(struct udp_sock *s, const struct udp_out *v, size_t n)
{
    struct cursor at = {0, 0};
    NO_INIT struct batch b;
    size_t sent = 0;

    while (at.entry < n && s->fd >= 0) {
        b.n = b.n_iovs = 0;
        while (at.entry < n && b.n < TX_MSGS && b.n_iovs < TX_IOVS)
            add_message(s, v, n, &at, &b);
        if (!flush(s, &b, &at, &sent))
            break;
    }
    return sent;
}

bool udp_send(struct udp_sock *s, const struct rk_ip *src, const struct rk_addr *to,
              struct rk_str datagram)
{
    struct udp_out o = {.bytes = datagram};

    if (src)
        o.src = *src;
    if (to)
        o.to = *to;
    return udp_sendv(s, &o, 1) == 1;
}
