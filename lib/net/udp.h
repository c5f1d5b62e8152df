/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct udp_sock: a UDP socket on a loop that receives and sends in batches (recvmmsg, sendmmsg,
 * and the kernel's segmentation offloads where it has them). Nothing is queued: what the kernel
 * does not take at once is dropped, as UDP may.
 *
 *   readable --recvmmsg--> [slots of the scratch] --received(v, n)--> user
 *   user --udp_sendv(v, n)--> runs of equal size to one address become one message (GSO)
 *
 * Loop thread. Callbacks never run inside the functions below.
 */
#ifndef RK_NET_UDP_H
#define RK_NET_UDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "lib/net/addr.h"

struct udp_sock;
struct udp_scratch;
struct udp_user;

#define UDP_MAX_DATAGRAM 65507 /* bytes, RFC 768 over IPv4 */

struct udp_in {          /* open; borrowed during the callback */
    struct rk_addr from; /* IPv4-mapped addresses come as IPv4 */
    struct rk_ip to;     /* the local address it was sent to; family 0 unless want_dst */
    struct rk_str
        bytes;  /* one datagram, or with seg several of seg bytes, the last maybe shorter */
    size_t seg; /* 0: bytes is one datagram */
};

struct udp_out {         /* open; borrowed during the call */
    struct rk_addr to;   /* family 0 on connected sockets */
    struct rk_ip src;    /* local address to send from; family 0: the kernel chooses */
    struct rk_str bytes; /* as udp_in.bytes */
    size_t seg;          /* as udp_in.seg */
};

struct udp_ops {
    /** Datagrams that came, up to the slots of the scratch. May close the socket. */
    void (*received)(struct udp_user *u, const struct udp_in *v, size_t n);
};

struct udp_user { /* embed in your own struct */
    const struct udp_ops *ops;
};

struct udp_opts {        /* open; borrowed during the call */
    struct rk_addr bind; /* family 0: any IPv6 and IPv4 address on one socket, with the port
                            given; IPv4 alone where there is no IPv6 */
    struct rk_addr peer; /* family 0: not connected */
    bool v6only;         /* of an IPv6 bind address */
    bool want_dst;       /* tell udp_in.to */
    bool offload;        /* let the kernel join received datagrams (GRO): needs a scratch with
                            slots of UDP_SCRATCH_GRO bytes */
    bool whole;          /* no datagram is fragmented: too long ones are lost (QUIC, RFC 9000 14) */
    bool share_port;     /* with other sockets of this user: the kernel gives each sender to one */
    bool served;         /* a server's own port: the service manager may have the socket, and
                            keeps it over a restart (lib/net/lsock) */
    uint32_t fwmark;     /* SO_MARK; 0: none */
    size_t buffer_bytes; /* of the kernel, each way; 0: its default */
    struct udp_scratch *scratch; /* borrowed for life; shared by the sockets of one loop */
};

#define UDP_SCRATCH_GRO ((size_t)65536)

/** Memory to receive into: slots datagrams per turn (1..64), each up to slot_bytes. Pages that
 *  nothing was received into take no memory. Owned: udp_scratch_free, after its sockets. */
struct udp_scratch *udp_scratch_new(size_t slots, size_t slot_bytes);
void udp_scratch_free(struct udp_scratch *s); /* accepts NULL */

/** Errors: RK_UNAVAILABLE (address in use, not ours, no descriptor left), RK_FORBIDDEN (port or
 * mark needs privilege). Owned: udp_close. */
enum rk_code udp_open(struct rk_loop *loop, const struct udp_opts *opts, struct udp_user *user,
                      struct udp_sock **out, struct rk_err *err) RK_MUST;

/** Let more sockets of this user (share_port) join this one's port, which it had for itself until
 *  now: the one that is opened first finds out whether somebody else has the port. */
void udp_share_port(struct udp_sock *s);

/** Could a socket of all addresses have this port now? */
bool udp_port_free(uint16_t port);

/** No callback after this returned; the handle dies a loop turn later. Accepts NULL. */
void udp_close(struct udp_sock *s);

/** Bound address (the port is chosen when 0 was given). Lent. */
const struct rk_addr *udp_local(const struct udp_sock *s);

/** Send one datagram or many, at once. The kernel took it; how many datagrams it took. What it did
 *  not take is lost. */
bool udp_send(struct udp_sock *s, const struct rk_ip *src, const struct rk_addr *to,
              struct rk_str datagram);
size_t udp_sendv(struct udp_sock *s, const struct udp_out *v, size_t n);

/** Number of datagrams in a udp_in. */
static inline size_t udp_in_count(const struct udp_in *in)
{
    return in->seg ? (in->bytes.n + in->seg - 1) / in->seg : 1;
}

/** Datagram i of a udp_in (i < udp_in_count). */
static inline struct rk_str udp_in_at(const struct udp_in *in, size_t i)
{
    return in->seg ? rk_str_sub(in->bytes, i * in->seg, in->seg) : in->bytes;
}

#endif
